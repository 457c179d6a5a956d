package bind

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// statements are those of the golden files.
func statements(tb testing.TB) []string {
	files, _ := filepath.Glob("testdata/*.txt")
	var out []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for _, block := range strings.Split("\n"+string(data), "\n> ")[1:] {
			sql, _, _ := strings.Cut(block, "\n")
			out = append(out, sql)
		}
	}
	return out
}

func TestPlansHoldTogether(t *testing.T) {
	n := 0
	for _, sql := range append(statements(t), psqlStatements...) {
		b, err := bindSQL(sql, nil)
		if err != nil {
			continue
		}
		n++
		if err := verify(b.node, nil); err != nil {
			t.Errorf("%s\n%s\n%v", sql, shape(b.node), err)
		}
	}
	if n < 150 {
		t.Errorf("only %d statements were bound", n)
	}
}

func TestDeclaredParameters(t *testing.T) {
	b, err := bindSQL("SELECT $1, $2 WHERE $3", func(b *Binder) { b.Params = NewParams([]uint32{23, 705, 0, 1184}) })
	if err != nil {
		t.Fatal(err)
	}
	if got := paramTypes(b.params); got != "int4 text bool timestamptz" {
		t.Error(got)
	}
	b, err = bindSQL("SELECT $1, $2 FROM t WHERE c > $1", func(b *Binder) { b.Params = NewParams([]uint32{23, 0}) })
	if err != nil {
		t.Fatal(err)
	}
	if got := paramTypes(b.params); got != "int4 text" {
		t.Error(got)
	}
	_, err = bindSQL("SELECT $1", func(b *Binder) { b.Params = nil })
	wantError(t, err, "42P02", "there is no parameter $1")
}

func wantError(t *testing.T, err error, code fqgw.Code, message string) {
	t.Helper()
	if err == nil {
		t.Error("no error, want", code, message)
		return
	}
	if e := fqgw.AsError(err); e.Code != code || !strings.Contains(e.Message, message) {
		t.Errorf("error %s %q, want %s %q", e.Code, e.Message, code, message)
	}
}

func TestSessionTime(t *testing.T) {
	at := &expr.Const{Val: fqgw.TimestampValue(0), Typ: fqgw.Timestamptz}
	for sql, want := range map[string]string{
		"SELECT n FROM world":                                                               "Feature(world[f0] at='1970-01-01 00:00:00+00'::timestamp with time zone key())",
		"SELECT n FROM world AS OF '2013-01-01Z'":                                           "Feature(world[f0] at='2013-01-01 00:00:00+00'::timestamp with time zone key())",
		"SELECT n FROM thin WHERE place = 'x'":                                              "Project([#1] Project([#0, #1] Feature(origin_departures[k0 f0] at='1970-01-01 00:00:00+00'::timestamp with time zone key('x'::text))))",
		"SELECT clicks FROM labels l LEFT JOIN user_clicks u ON u.user_id = l.user_id":      "Project([#2] FeatureLeftJoin(user_clicks[k0 f0] key(#0) at='1970-01-01 00:00:00+00'::timestamp with time zone Table(labels[3])))",
		"SELECT label_id FROM labels":                                                       "Table(labels[0])",
		"SELECT (SELECT n FROM world) FROM t":                                               "Project([(Feature(world[f0] at='1970-01-01 00:00:00+00'::timestamp with time zone key()))] Table(t[]))",
		"WITH w AS (SELECT n FROM world AS OF now()) SELECT n FROM w":                       "Feature(world[f0] at=now() key())",
		"SELECT n FROM labels l LEFT JOIN world ON true AS OF '2013-01-01Z' KNOWN AT now()": "FeatureLeftJoin(world[f0] key() at='2013-01-01 00:00:00+00'::timestamp with time zone known=now() Table(labels[]))",
	} {
		b, err := bindSQL(sql, func(b *Binder) { b.AsOfDefault = at })
		if err != nil {
			t.Error(sql, err)
			continue
		}
		if got := shape(b.node); got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
}

func TestQueryInto(t *testing.T) {
	cols := columns("id int8 name text at timestamptz score float8")
	into := func(sql string, n int, short bool) (plan.Node, error) {
		stmts, err := parse.Parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		b := &Binder{Catalog: testCatalog(), Params: NewParams(nil), Stmt: stmts[0]}
		return b.QueryInto(stmts[0].Node, cols[:n], short)
	}
	for _, c := range []struct {
		sql   string
		n     int
		short bool
		want  string
	}{
		{"VALUES (1, 'a', '2013-01-01Z', 2), ($1, DEFAULT, $2, '1.5')", 4, false,
			"Values('1'::bigint, 'a'::text, '2013-01-01 00:00:00+00'::timestamp with time zone, '2'::double precision)" +
				"($1, NULL::text, $2, '1.5'::double precision)"},
		{"VALUES (1), ('2')", 1, false, "Values('1'::bigint)('2'::bigint)"},
		{"SELECT a, b FROM t", 4, true, "Project([(#0)::bigint, #1] Table(t[0 1]))"},
		{"SELECT 1, 'x', '2013-01-01Z'", 3, false, "Project(['1'::bigint, 'x'::text, '2013-01-01 00:00:00+00'::timestamp with time zone] Values())"},
		{"SELECT a, b FROM t UNION ALL SELECT 1, 'x'", 2, false, "Project([(#0)::bigint, #1] UnionAll(Table(t[0 1]) Project([1, 'x'::text] Values())))"},
	} {
		n, err := into(c.sql, c.n, c.short)
		if err != nil {
			t.Error(c.sql, err)
			continue
		}
		if got := shape(n); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
		if err := verify(n, nil); err != nil {
			t.Error(c.sql, err)
		}
		for i, col := range n.Columns() {
			if col.Type != cols[i].Type {
				t.Errorf("%s: column %d is %s", c.sql, i, col.Type)
			}
		}
	}
	_, err := into("VALUES (1, 2, 3)", 2, true)
	wantError(t, err, "42601", "INSERT has more expressions than target columns")
	_, err = into("VALUES (1)", 2, false)
	wantError(t, err, "42601", "INSERT has more target columns than expressions")
	_, err = into("SELECT b FROM t", 1, false)
	wantError(t, err, "42804", `column "id" is of type bigint but expression is of type text`)
	_, err = into("VALUES ('x')", 1, false)
	wantError(t, err, "22P02", "invalid input syntax")
	if p := fqgw.AsError(err).Position; p != 9 {
		t.Error("position", p)
	}
}

func TestRowExpressions(t *testing.T) {
	sc := ColumnsScope("clicks", columns("user_id int8 ts timestamptz price float8"))
	bind := func(text string, definition bool) (fqgw.Expr, error) {
		n, err := parse.Expr(text)
		if err != nil {
			t.Fatal(err)
		}
		return (&Binder{Catalog: testCatalog(), Definition: definition}).Expr(n, sc)
	}
	e, err := bind("price >= 0 AND clicks.user_id IS NOT NULL", true)
	if err != nil || e.String() != "((price >= '0'::double precision) AND (user_id IS NOT NULL))" {
		t.Error(e, err)
	}
	if v, err := e.Eval(&fqgw.Env{}, []fqgw.Value{fqgw.IntValue(1), fqgw.Null, fqgw.FloatValue(2)}); err != nil || !v.True() {
		t.Error(v, err)
	}
	for text, code := range map[string]fqgw.Code{
		"now() > ts":               "42P17",
		"random() > 0.5":           "42P17",
		"price > (SELECT 1)":       "0A000",
		"price > $1":               "42P02",
		"count(*) > 1":             "42803",
		"row_number() OVER () > 1": "42P20",
		"generate_series(1, 2)":    "0A000",
		"prize > 1":                "42703",
	} {
		_, err := bind(text, true)
		wantError(t, err, code, "")
	}
	if _, err := bind("now() > ts", false); err != nil {
		t.Error(err)
	}
	if _, err := (&Binder{}).Expr(mustExpr(t, "1 + 1"), nil); err != nil {
		t.Error(err)
	}
}

func TestWhereNamesAreFound(t *testing.T) {
	// Temporary tables hide others; the search path decides what needs no schema.
	temp := &fqgw.Table{OID: 900, Name: "t", Columns: columns("z int4")}
	b, err := bindSQL("SELECT * FROM t", func(b *Binder) {
		b.Temp = func(name string) *fqgw.Table {
			if name == "t" {
				return temp
			}
			return nil
		}
	})
	if err != nil || header(b.node) != "z:int4" {
		t.Error(err)
	}
	b, err = bindSQL("SELECT * FROM features", func(b *Binder) { b.SearchPath = []string{"public", "fqgw"} })
	if err != nil || header(b.node) != "view:text feature:text" {
		t.Error(err)
	}
	_, err = bindSQL("SELECT * FROM t", func(b *Binder) { b.SearchPath = []string{} })
	wantError(t, err, "42P01", `relation "t" does not exist`)
	_, err = bindSQL("SELECT * FROM loop", func(b *Binder) {
		b.Catalog.Views[fqgw.Public("loop")] = &fqgw.View{Name: "loop", Query: "SELECT * FROM loop2 WHERE true"}
		b.Catalog.Views[fqgw.Public("loop2")] = &fqgw.View{Name: "loop2", Query: "SELECT * FROM loop WHERE true"}
	})
	wantError(t, err, "42P17", "reads itself")
}
