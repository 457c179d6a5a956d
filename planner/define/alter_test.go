package define

import (
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

func TestAlterRefusals(t *testing.T) {
	cat := catalog(t, viewsSQL)
	refuse(t, cat, []refusal{
		{"ALTER SOURCE clicks ADD COLUMN x int DEFAULT 1", "0A000", "DEFAULT 1", "DEFAULT on a source is not supported"},
		{"ALTER SOURCE clicks ADD COLUMN x int PRIMARY KEY", "0A000", "PRIMARY KEY", "PRIMARY KEY on a source is not supported"},
		{"ALTER SOURCE clicks ADD COLUMN qty int", "42701", "qty int", "already exists"},
		{"ALTER SOURCE clicks ADD COLUMN _fq_x int", "42939", "_fq_x int", "reserved"},
		{"ALTER SOURCE clicks DROP COLUMN nope", "42703", "clicks", "does not exist"},
		{"ALTER SOURCE clicks DROP COLUMN ts", "2BP01", "clicks", "because other objects depend on it"},
		{"ALTER SOURCE clicks DROP COLUMN user_id", "2BP01", "clicks", "because other objects depend on it"},
		{"ALTER SOURCE clicks DROP COLUMN nope_1 CASCADE", "42703", "clicks", "does not exist"},
		{"ALTER SOURCE clicks ALTER COLUMN qty TYPE text", "0A000", "text", "from type integer to text"},
		{"ALTER SOURCE clicks ALTER COLUMN qty TYPE bigint USING qty + 1", "0A000", "qty + 1", "USING is not supported"},
		{"ALTER SOURCE clicks ALTER COLUMN ts DROP NOT NULL", "42P16", "clicks", "is never NULL"},
		{"ALTER SOURCE clicks ALTER COLUMN qty SET DEFAULT 1", "0A000", "1", "DEFAULT on a source"},
		{"ALTER SOURCE clicks DROP CONSTRAINT nope", "42704", "clicks", "does not exist"},
		{"ALTER SOURCE clicks ADD UNIQUE (qty)", "0A000", "UNIQUE (qty)", "UNIQUE on a source is not supported"},
		{"ALTER SOURCE clicks SET (event_time = 'ts')", "0A000", "event_time = 'ts'", "changing parameter \"event_time\""},
		{"ALTER SOURCE clicks RESET (topic)", "0A000", "topic", "changing parameter \"topic\""},
		{"ALTER SOURCE clicks RESET (nope)", "22023", "nope", "unrecognized parameter"},
		{"ALTER SOURCE clicks SET (field.nope = 'x')", "42703", "field.nope = 'x'", "does not have"},
		{"ALTER SOURCE clicks RENAME COLUMN qty TO price", "42701", "clicks", "already exists"},
		{"ALTER SOURCE clicks OWNER TO me", "0A000", "clicks", "this form of ALTER SOURCE is not supported"},
		{"ALTER SOURCE labels ADD COLUMN x int", "42809", "labels", "is a table, not a source"},
		{"ALTER TABLE clicks ADD COLUMN x int", "42809", "clicks", "is a source, not a table"},
		{"ALTER TABLE labels ADD COLUMN x int NOT NULL", "0A000", "x int", "a new column that is NOT NULL is not supported"},
		{"ALTER TABLE labels ADD CHECK (id > 0)", "0A000", "CHECK (id > 0)", "CHECK on a table is not supported"},
	})
}

func TestWidens(t *testing.T) {
	of := func(name string) fqgw.Type {
		t.Helper()
		st, err := script(catalog(t), "CREATE TABLE w (x "+name+")")
		if err != nil {
			t.Fatal(err)
		}
		return st.(*plan.CreateTable).Table.Columns[0].Type
	}
	for pair, want := range map[string]bool{
		"smallint > integer": true, "smallint > bigint": true, "integer > bigint": true, "bigint > integer": false, "integer > real": false,
		"real > double precision": true, "double precision > real": false, "numeric(5,2) > numeric(12,2)": true, "numeric(5,2) > numeric(12,3)": false,
		"numeric(5,2) > numeric": false, "numeric(5,2) > numeric(50,2)": false, "varchar(5) > varchar(9)": true, "varchar(5) > text": true, "varchar(9) > varchar(5)": false,
		"text > varchar": true, "text > varchar(5)": false, "char(5) > text": false, "date > timestamp": false, "integer > numeric": false, "timestamp > timestamptz": false,
		"integer[] > bigint[]": false,
	} {
		from, to, _ := strings.Cut(pair, " > ")
		if got := widens(of(from), of(to)); got != want {
			t.Errorf("%s: %v", pair, got)
		}
	}
}

// A renamed column is another name in the texts of feature views, which give their own the
// names that they had.
func TestRenamedViews(t *testing.T) {
	const over = " OVER (PARTITION BY c.user_id ORDER BY ts RANGE '1 day' PRECEDING)"
	for sql, want := range map[string]string{
		"SELECT user_id, sum(qty)" + over + " AS qty FROM clicks c":                                                           "SELECT user_id, sum(\"Qty\")" + over + " AS qty FROM clicks c",
		"SELECT DISTINCT ON (user_id) user_id, qty, \"c\" . \"qty\" AS x, 'qty' AS é FROM clicks c ORDER BY user_id, ts DESC": "SELECT DISTINCT ON (user_id) user_id, \"Qty\" AS qty, \"c\" . \"Qty\" AS x, 'qty' AS é FROM clicks c ORDER BY user_id, ts DESC",
		"SELECT DISTINCT ON (user_id) user_id, 'é' AS é, qty FROM clicks c WHERE qty>1 ORDER BY user_id, ts DESC":             "SELECT DISTINCT ON (user_id) user_id, 'é' AS é, \"Qty\" AS qty FROM clicks c WHERE \"Qty\">1 ORDER BY user_id, ts DESC",
	} {
		cat := catalog(t, "CREATE FEATURE VIEW v AS "+sql)
		st, err := script(cat, "ALTER SOURCE clicks RENAME COLUMN qty TO \"Qty\"")
		if err != nil {
			t.Fatal(err)
		}
		if got := st.(*plan.AlterRelation).Views[fqgw.Public("v")]; got != "CREATE FEATURE VIEW v AS "+want {
			t.Errorf("%s\nbecame %s\nwant %s", sql, got, want)
		}
	}
}

// What was altered is bound again to the same, with its versions and the steps of its history.
func TestLoadAltered(t *testing.T) {
	note := func(sql string, from ...fqgw.Mark) string {
		a := fqgw.Alteration{SQL: sql, From: from}
		return a.Text()
	}
	defs := fqgw.Definitions{Objects: []fqgw.Object{
		{OID: 20001, Kind: "source", Name: "s", Version: 5, SQL: "CREATE SOURCE s (a int CHECK (a > 0), b text, k text, ts timestamptz) WITH (event_time = 'ts', key = 'k')", Props: map[string]string{
			"alter.2": note("ALTER SOURCE s ADD c int NOT NULL CHECK (c > a), ALTER b SET NOT NULL", fqgw.Mark{Next: 3}),
			"alter.3": note("ALTER SOURCE s DROP COLUMN b", fqgw.Mark{Next: 5}),
			"alter.4": note("ALTER SOURCE s RENAME a TO d", fqgw.Mark{Next: 5}),
			"alter.5": note("ALTER SOURCE s ADD b bigint, SET (max_future = '1 min', field.b = 'x.b')", fqgw.Mark{Next: 8}),
		}},
		{OID: 20002, Kind: "table", Name: "t", Version: 3, SQL: "CREATE TABLE t (a int, b text)", Props: map[string]string{
			"alter.2": note("ALTER TABLE t ALTER COLUMN a TYPE bigint"), "alter.3": note("ALTER TABLE t RENAME b TO c")}},
	}}
	cat, err := Load(defs)
	if err != nil {
		t.Fatal(err)
	}
	s := cat.Sources[fqgw.Public("s")]
	var names []string
	for i, c := range s.Columns {
		names = append(names, c.Name, c.Field)
		if want := []int{0, 2, 3, 4, 5}[i]; s.ColumnNumber(i) != want {
			t.Errorf("column %s has the number %d, want %d", c.Name, s.ColumnNumber(i), want)
		}
	}
	if !slices.Equal(names, []string{"d", "a", "k", "", "ts", "", "c", "", "b", "x.b"}) || s.EventTime != 2 || s.KeyColumn != 1 || s.MaxFuture != 60*second || s.GateVersion != 5 {
		t.Errorf("%q, %+v", names, s)
	}
	if len(s.Checks) != 2 || s.Checks[0].SQL != "(d > 0)" || s.Checks[1].SQL != "(c > d)" || s.Checks[1].Name != "s_c_check" {
		t.Errorf("%+v", s.Checks)
	}
	for n, want := range [][]int{{0, 2, 3, -1, -1}, {0, 2, 3, 4, -1}, {0, 1, 2, 3, -1}, {0, 1, 2, 3, -1}} {
		src, g := s.GateAt(n + 1)
		if !slices.Equal(g.Places, want) || src.GateVersion > n+1 {
			t.Errorf("version %d stands at %v, want %v", n+1, g.Places, want)
		}
	}
	if first, _ := s.GateAt(1); first.Columns[1].NotNull || first.MaxFuture != 300*second || len(first.Checks) != 1 || first.Checks[0].SQL != "(a > 0)" {
		t.Errorf("the first version is %+v", first)
	}
	var steps []string
	for _, step := range s.Steps {
		steps = append(steps, step.Mark+": "+strings.Join(step.Was[:len(step.Was)-len(fqgw.HiddenColumns)], ","))
		for _, c := range step.Columns {
			if c.NotNull && c.Name != "ts" && !strings.HasPrefix(c.Name, "_fq_") {
				t.Errorf("%s is NOT NULL in the history: rows of before have NULLs", c.Name)
			}
		}
	}
	if want := "1 20001 2: a,b,k,ts,|1 20001 3: a,k,ts,c|1 20001 4: a,k,ts,c|1 20001 5: d,k,ts,c,"; strings.Join(steps, "|") != want {
		t.Errorf("steps %s\nwant  %s", strings.Join(steps, "|"), want)
	}
	l := cat.Tables[fqgw.Public("t")]
	if len(l.Steps) != 2 || l.Columns[0].Type != fqgw.Int8 || l.Columns[1].Name != "c" || l.Version != 3 || l.Steps[1].Was[1] != "b" {
		t.Errorf("%+v", l)
	}
}
