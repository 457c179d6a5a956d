package pgcatalog_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/pgcatalog"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
)

func constant(t fqgw.Type, text string) fqgw.Expr {
	v, err := expr.Parse(text, t, nil)
	if err != nil {
		panic(err)
	}
	return &expr.Const{Val: v, Typ: t}
}

func column(i int, t fqgw.Type, name string) fqgw.Expr {
	return &expr.Column{Index: i, Typ: t, Name: name}
}

// example is a catalog with one object of each sort.
func example() *fqgw.Catalog {
	positive, err := expr.Op(">", column(2, fqgw.Numeric, "price"), constant(fqgw.Numeric, "0"))
	if err != nil {
		panic(err)
	}
	clicks := &fqgw.Source{OID: 16384, Name: "clicks", Connector: "kafka", Topic: "c", Format: "json", EventTime: 3, History: "lake.clicks", MaxFuture: 300_000_000,
		Comment: "what was clicked", SQL: "CREATE SOURCE clicks (…)", GateVersion: 1,
		Columns: []fqgw.Column{{Name: "user_id", Type: fqgw.Int8, NotNull: true}, {Name: "Kind", Type: fqgw.Type{OID: 1043, Mod: 24}},
			{Name: "price", Type: fqgw.NumericOf(8, 2), Comment: "in euros"}, {Name: "ts", Type: fqgw.Timestamptz, NotNull: true}},
		Checks: []fqgw.Check{{Name: "clicks_price_check", Expr: positive, SQL: positive.String()}}}
	view := &fqgw.FeatureView{OID: 16390, Name: "user_clicks", Version: 2, State: 7, Source: clicks,
		Keys:       []fqgw.KeyColumn{{Name: "user_id", Column: 0, Type: fqgw.Int8}},
		Windows:    []fqgw.Window{{Name: "m5", Length: 300_000_000, Hop: 5_000_000}, {Name: "ever"}},
		Aggregates: []fqgw.Aggregate{{Func: "count", Star: true, Window: 0, Type: fqgw.Int8}, {Func: "sum", Args: []fqgw.Expr{column(2, fqgw.Numeric, "price")}, Filter: positive, Window: 1, Type: fqgw.Numeric}},
		Features: []fqgw.Feature{
			{Name: "n", Type: fqgw.Int8, Read: column(1, fqgw.Int8, "n"), Comment: "clicks"},
			{Name: "spent", Type: fqgw.Numeric, Read: column(2, fqgw.Numeric, "s"), Default: fqgw.NumericValue(fqgw.DecimalFromInt(0))}},
		Columns: []fqgw.OutputColumn{{Name: "n", Key: -1, Feature: 0}, {Name: "user_id", Key: 0, Feature: -1}, {Name: "spent", Key: -1, Feature: 1}},
		SQL:     "CREATE FEATURE VIEW user_clicks WITH (hop = '5 s') AS\nSELECT count(*) OVER m5 AS n, user_id, 1 AS spent FROM clicks;"}
	return &fqgw.Catalog{
		Sources:  map[fqgw.QualifiedName]*fqgw.Source{fqgw.Public("clicks"): clicks},
		Features: map[fqgw.QualifiedName]*fqgw.FeatureView{fqgw.Public("user_clicks"): view},
		Tables:   map[fqgw.QualifiedName]*fqgw.Table{fqgw.Public("labels"): {OID: 16400, Name: "labels", Columns: []fqgw.Column{{Name: "id", Type: fqgw.Int4}, {Name: "tags", Type: fqgw.Text.Array()}}}},
		Views:    map[fqgw.QualifiedName]*fqgw.View{fqgw.Public("risk"): {OID: 16410, Name: "risk", Query: "SELECT 1 AS x", SQL: "CREATE VIEW risk AS SELECT 1 AS x", Columns: []fqgw.Column{{Name: "x", Type: fqgw.Int4}}}},
	}
}

// session answers what the catalog's expressions ask.
type session struct{ catalog *fqgw.Catalog }

func (s session) Setting(name string) (string, bool) { return "Europe/Paris", name == "TimeZone" }
func (s session) SettingState(name string) (value, reset, source string) {
	if name == "TimeZone" {
		return "Europe/Paris", "UTC", "session"
	}
	return "0", "0", "default"
}
func (s session) CallSet(context.Context, string, []fqgw.Value) ([][]fqgw.Value, error) {
	return nil, nil
}
func (s session) SetSetting(string, string, bool) error { return nil }
func (s session) User() string                          { return "ann" }
func (s session) Database() string                      { return "shop" }
func (s session) BackendPID() int32                     { return 7 }
func (s session) Activities() []fqgw.Activity {
	return []fqgw.Activity{{PID: 9, User: "bob", Database: "shop", State: "idle", Client: "[::1]:1234"},
		{PID: 7, User: "ann", Database: "shop", State: "active", Client: "127.0.0.1:5678", Query: "SELECT 1", QueryStart: 1_000_000}}
}
func (s session) Catalog() *fqgw.Catalog { return s.catalog }
func (s session) Call(context.Context, string, []fqgw.Value) (fqgw.Value, bool, error) {
	return fqgw.Null, false, nil
}

func rowsOf(r *plan.SystemRelation, env *fqgw.Env) (rows [][]fqgw.Value, err error) {
	err = r.Rows(env, func(row []fqgw.Value) error { rows = append(rows, row); return nil })
	return rows, err
}

func leaf(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	switch n := n.(type) {
	case *plan.SystemScan:
		rows, err := rowsOf(n.Rel, env)
		if err != nil {
			return nil, err
		}
		m := &memory{}
		for _, r := range rows {
			var row []fqgw.Value
			for _, f := range n.Fields {
				row = append(row, r[f])
			}
			m.rows = append(m.rows, row)
		}
		return m, nil
	case *plan.Values:
		m := &memory{}
		for range n.Rows {
			m.rows = append(m.rows, nil)
		}
		return m, nil
	}
	return nil, fmt.Errorf("no leaf %T", n)
}

type memory struct{ rows [][]fqgw.Value }

func (m *memory) Next() ([]fqgw.Value, error) {
	if len(m.rows) == 0 {
		return nil, io.EOF
	}
	r := m.rows[0]
	m.rows = m.rows[1:]
	return r, nil
}

func (m *memory) Close() error { return nil }

// query runs SQL over the catalog; rows are joined by |.
func query(t *testing.T, c *fqgw.Catalog, sql string) []string {
	t.Helper()
	st, err := parse.Parse(sql)
	if err != nil {
		t.Fatal(sql, err)
	}
	n, err := (&bind.Binder{Catalog: c, System: pgcatalog.Lookup, Stmt: st[0]}).Query(st[0].Node)
	if err != nil {
		t.Fatal(sql, err)
	}
	env := &fqgw.Env{Ctx: context.Background(), Session: session{c}}
	rows, err := (&relational.Runner{Leaf: leaf}).Run(env, n)
	if err != nil {
		t.Fatal(sql, err)
	}
	defer rows.Close()
	var out []string
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(sql, err)
		}
		var cells []string
		for i, v := range row {
			if v.IsNull() {
				cells = append(cells, "-")
				continue
			}
			cells = append(cells, expr.Text(v, n.Columns()[i].Type, env))
		}
		out = append(out, strings.Join(cells, "|"))
	}
}

// TestPrimaryKey: \d shows the primary key of a changelog.
func TestPrimaryKey(t *testing.T) {
	c := (*fqgw.Catalog)(nil).Clone()
	c.Sources[fqgw.Public("orders")] = &fqgw.Source{OID: 16384, Name: "orders", Connector: "kafka", PrimaryKey: []int{2, 0}, Columns: []fqgw.Column{
		{Name: "region", Type: fqgw.Text, NotNull: true}, {Name: "at", Type: fqgw.Timestamptz, NotNull: true}, {Name: "id", Type: fqgw.Int8, NotNull: true}}, EventTime: 1}
	for sql, want := range map[string]string{
		"SELECT relname, relkind, relhasindex FROM pg_class WHERE relnamespace = 2200 ORDER BY 1":                     "orders|r|t orders_pkey|i|f",
		"SELECT indkey, indisprimary FROM pg_index":                                                                   "3 1|t",
		"SELECT conname, contype, conkey FROM pg_constraint":                                                          "orders_pkey|p|{3,1}",
		"SELECT column_name, ordinal_position FROM information_schema.key_column_usage ORDER BY 2":                    "id|1 region|2",
		"SELECT constraint_name, constraint_type FROM information_schema.table_constraints WHERE table_name='orders'": "orders_pkey|PRIMARY KEY",
	} {
		if got := strings.Join(query(t, c, sql), " "); got != want {
			t.Errorf("%s\n got  %s\n want %s", sql, got, want)
		}
	}
	if def, ok := pgcatalog.ConstraintDef(c, 4<<28|16384); !ok || def != "PRIMARY KEY (id, region)" {
		t.Errorf("the constraint is %s", def)
	}
}

func TestCatalog(t *testing.T) {
	c := example()
	for sql, want := range map[string]string{
		"SELECT relname, relkind, relnatts, relhasindex, relchecks FROM pg_class WHERE relnamespace = 2200 ORDER BY oid":                                         "clicks|r|4|f|1 user_clicks|m|3|t|0 labels|r|2|f|0 risk|v|1|f|0 user_clicks_pkey|i|1|f|0",
		"SELECT attname, attnum, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 16384 AND attnum > 0 ORDER BY attnum":           "user_id|1|bigint|t Kind|2|character varying(20)|f price|3|numeric(8,2)|f ts|4|timestamp with time zone|t",
		"SELECT attname, attnotnull, atthasdef, attlen, attndims FROM pg_attribute WHERE attrelid IN (16390, 16400) ORDER BY attrelid, attnum":                   "n|f|f|8|0 user_id|t|f|8|0 spent|f|t|-1|0 id|f|f|4|0 tags|f|f|-1|1",
		"SELECT i.relname, x.indkey, x.indisprimary, o.opcname FROM pg_index x JOIN pg_class i ON i.oid = indexrelid JOIN pg_opclass o ON o.oid = x.indclass[0]": "user_clicks_pkey|2|t|int8_ops",
		"SELECT conname, contype, conkey, conrelid FROM pg_constraint ORDER BY 1":                                                                                "clicks_price_check|c|{3}|16384 user_clicks_pkey|p|{2}|16390",
		"SELECT adrelid, adnum, adbin FROM pg_attrdef":                           "16390|3|'0'::numeric",
		"SELECT objoid, objsubid, description FROM pg_description ORDER BY 1, 2": "16384|0|what was clicked 16384|3|in euros 16390|1|clicks",
		"SELECT typname, typtype, typcategory FROM pg_type WHERE typrelid = 16390 OR typelem = (SELECT oid FROM pg_type WHERE typrelid = 16390) ORDER BY 1": "_user_clicks|b|A user_clicks|c|C",
		"SELECT nspname FROM pg_namespace ORDER BY oid": "pg_catalog pg_toast public fqgw information_schema",
		"SELECT datname, encoding FROM pg_database":     "shop|6",
		"SELECT rolname, rolsuper FROM pg_roles":        "ann|t",
		"SELECT usename, usesysid FROM pg_user":         "ann|10",
		"SELECT name, setting FROM pg_settings WHERE name IN ('TimeZone', 'fqgw.deadline', 'max_connections') ORDER BY 1 DESC":                     "max_connections|0 fqgw.deadline|0 TimeZone|Europe/Paris",
		"SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1":                                                                   "clicks labels",
		"SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'":                                                                    "risk| SELECT 1 AS x;",
		"SELECT matviewname, hasindexes, definition FROM pg_matviews":                                                                              "user_clicks|t| SELECT count(*) OVER m5 AS n, user_id, 1 AS spent FROM clicks;",
		"SELECT indexdef FROM pg_indexes":                                                                                                          "CREATE UNIQUE INDEX user_clicks_pkey ON public.user_clicks USING btree (user_id)",
		"SELECT pid, usename, datname, state, client_addr, client_port, query, query_start FROM pg_stat_activity":                                  "7|ann|shop|active|127.0.0.1|5678|SELECT 1|1970-01-01 00:00:01+00 9|bob|shop|idle|::1|1234||-",
		"SELECT relname, n_live_tup FROM pg_stat_user_tables ORDER BY 1":                                                                           "clicks|0 labels|0 user_clicks|0",
		"SELECT table_catalog, table_name, table_type, is_insertable_into FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 2": "shop|clicks|BASE TABLE|YES shop|labels|BASE TABLE|YES shop|risk|VIEW|NO shop|user_clicks|VIEW|NO",
		"SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, udt_name FROM information_schema.columns WHERE table_name = 'clicks' ORDER BY ordinal_position": "user_id|bigint|-|64|0|NO|int8 Kind|character varying|20|-|-|YES|varchar price|numeric|-|8|2|YES|numeric ts|timestamp with time zone|-|-|-|NO|timestamptz",
		"SELECT column_name, data_type, column_default FROM information_schema.columns WHERE table_name IN ('labels', 'user_clicks') ORDER BY table_name, ordinal_position":                                      "id|integer|- tags|ARRAY|- n|bigint|- user_id|bigint|- spent|numeric|'0'::numeric",
		"SELECT domain_name, data_type, udt_name FROM information_schema.columns WHERE table_name = 'columns' AND column_name = 'ordinal_position'":                                                              "cardinal_number|integer|int4",
		"SELECT object_name, data_type FROM information_schema.element_types":                                                                                                                                    "labels|text",
		"SELECT schema_name FROM information_schema.schemata ORDER BY 1":                                                                                                                                         "fqgw information_schema pg_catalog public",
		"SELECT constraint_name, constraint_type FROM information_schema.table_constraints ORDER BY 1":                                                                                                           "clicks_price_check|CHECK user_clicks_pkey|PRIMARY KEY",
		"SELECT table_name, column_name, ordinal_position FROM information_schema.key_column_usage":                                                                                                              "user_clicks|user_id|1",
		"SELECT column_name, constraint_name FROM information_schema.constraint_column_usage ORDER BY 1":                                                                                                         "price|clicks_price_check user_id|user_clicks_pkey",
		"SELECT name, connector, event_time, known_time, max_future, columns FROM fqgw.sources":                                                                                                                  "clicks|kafka|ts|record|00:05:00|{user_id,Kind,price,ts}",
		"SELECT name, version, state_version, source, keys, windows, features FROM fqgw.feature_views":                                                                                                           "user_clicks|2|7|clicks|{user_id}|{m5,ever}|{n,spent}",
		"SELECT feature, type, window_name, length, hop, default_value FROM fqgw.features ORDER BY position":                                                                                                     "n|bigint|m5|00:05:00|00:00:05|- spent|numeric|ever|-|-|0",
		"SELECT expression FROM fqgw.features ORDER BY position":                                                                                                                                                 "count(*) OVER m5 sum(price) FILTER (WHERE (price > '0'::numeric)) OVER ever",
		"SELECT feature_view, version, current FROM fqgw.versions":                                                                                                                                               "user_clicks|2|t",
		"SELECT relname FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'fqgw') ORDER BY 1":                                                                                     "dead_letters definitions feature_views features files quality rejected sources stream_status tiers training_sets versions",
		"SELECT p.proname, t.typname FROM pg_proc p JOIN pg_type t ON t.oid = prorettype JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'fqgw' ORDER BY 1":                                          "advance|timestamptz now|timestamptz sync|void",
		"SELECT a.rngsubtype, t.typname FROM pg_range a JOIN pg_type t ON t.oid = rngtypid ORDER BY 2 LIMIT 1":                                                                                                   "1082|daterange",
		"SELECT count(*) FROM pg_enum":                                                        "0",
		"SELECT count(*) FROM pg_proc WHERE proname IN ('int4_avg_accum')":                    "0",
		"SELECT oprname, oprcode FROM pg_operator WHERE oid = 96":                             "=|65",
		"SELECT typname, typinput FROM pg_type WHERE oid = 1007":                              "_int4|750",
		"SELECT count(*) FROM pg_operator WHERE oprleft = 600":                                "0",
		"SELECT aggfnoid, aggkind FROM pg_aggregate WHERE aggkind <> 'n' AND aggfnoid = 3984": "3984|o",
	} {
		if got := strings.Join(query(t, c, sql), " "); got != want {
			t.Errorf("%s\n got  %s\n want %s", sql, got, want)
		}
	}
}

// TestRows reads every relation, twice: the values must be of the columns' types,
// and NOT NULL must hold.
func TestRows(t *testing.T) {
	env := &fqgw.Env{Ctx: context.Background(), Session: session{example()}}
	n := 0
	pgcatalog.Relations(func(r *plan.SystemRelation) {
		n++
		if _, err := rowsOf(r, env); err != nil {
			t.Error(r.Name, err)
		}
		rows, _ := rowsOf(r, env)
		for _, row := range rows {
			if len(row) != len(r.Columns) {
				t.Fatalf("%s.%s: a row of %d columns, not %d", r.Schema, r.Name, len(row), len(r.Columns))
			}
			for i, v := range row {
				c := r.Columns[i]
				if v.IsNull() && c.NotNull || !v.IsNull() && v.Kind() != c.Type.Kind() {
					t.Errorf("%s.%s.%s is %v, not a %s", r.Schema, r.Name, c.Name, v, c.Type)
				}
			}
		}
		if pgcatalog.Lookup(r.Schema, r.Name) != r {
			t.Errorf("%s.%s is not found", r.Schema, r.Name)
		}
	})
	if n < 139+69 {
		t.Errorf("only %d relations", n)
	}
	if rows, err := rowsOf(pgcatalog.Lookup("", "pg_class"), &fqgw.Env{}); err != nil || len(rows) < 200 {
		t.Error("without a session:", len(rows), err)
	}
}

// TestReferences follows the OIDs from one relation to another.
func TestReferences(t *testing.T) {
	c := example()
	for _, sql := range []string{
		"SELECT oid FROM pg_class GROUP BY oid HAVING count(*) > 1",
		"SELECT oid FROM pg_type GROUP BY oid HAVING count(*) > 1",
		"SELECT oid FROM pg_proc GROUP BY oid HAVING count(*) > 1",
		"SELECT attrelid, attnum FROM pg_attribute GROUP BY 1, 2 HAVING count(*) > 1",
		"SELECT attrelid FROM pg_attribute WHERE attrelid NOT IN (SELECT oid FROM pg_class)",
		"SELECT attname FROM pg_attribute WHERE atttypid NOT IN (SELECT oid FROM pg_type)",
		"SELECT relname FROM pg_class WHERE relnatts <> (SELECT count(*) FROM pg_attribute WHERE attrelid = pg_class.oid)",
		"SELECT relname FROM pg_class WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace)",
		"SELECT typname FROM pg_type WHERE typelem <> 0 AND typelem NOT IN (SELECT oid FROM pg_type)",
		"SELECT typname FROM pg_type WHERE typarray <> 0 AND typarray NOT IN (SELECT oid FROM pg_type)",
		"SELECT typname FROM pg_type WHERE typinput NOT IN (SELECT oid FROM pg_proc)",
		"SELECT proname FROM pg_proc WHERE prorettype NOT IN (SELECT oid FROM pg_type)",
		"SELECT conname FROM pg_constraint WHERE conrelid NOT IN (SELECT oid FROM pg_class)",
		"SELECT relname FROM pg_class WHERE relowner NOT IN (SELECT oid FROM pg_roles)",
		"SELECT table_name FROM information_schema.tables t WHERE NOT EXISTS (SELECT 1 FROM information_schema.columns c WHERE c.table_name = t.table_name AND c.table_schema = t.table_schema)",
		"SELECT column_name FROM information_schema.columns WHERE data_type IS NULL OR udt_name IS NULL",
	} {
		if got := query(t, c, sql); len(got) > 0 {
			t.Errorf("%s: %v", sql, got[:min(len(got), 5)])
		}
	}
	for _, row := range query(t, c, "SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace") {
		f := strings.Split(row, "|")
		oid, ok := pgcatalog.ClassOID(c, f[1], f[2])
		schema, name, found := pgcatalog.ClassName(c, oid)
		if !ok || !found || fmt.Sprint(oid) != f[0] || schema != f[1] || name != f[2] {
			t.Error("by name and back:", row, oid, schema, name)
		}
	}
	if _, ok := pgcatalog.ClassOID(c, "public", "pg_class"); ok {
		t.Error("pg_class is in public")
	}
	if _, _, ok := pgcatalog.ClassName(c, 99999); ok {
		t.Error("an unknown OID has a name")
	}
}

func TestDefinitions(t *testing.T) {
	c := example()
	index, _ := pgcatalog.ClassOID(c, "public", "user_clicks_pkey")
	var got []string
	add := func(s string, ok bool) { got = append(got, fmt.Sprintf("%s %v", s, ok)) }
	add(pgcatalog.ViewDef(c, 16390))
	add(pgcatalog.ViewDef(c, 16384))
	add(pgcatalog.IndexDef(c, index, 0))
	add(pgcatalog.IndexDef(c, index, 1))
	add(pgcatalog.IndexDef(c, 16390, 0))
	add(pgcatalog.Comment(c, 16384, 3))
	add(pgcatalog.Comment(c, 16384, 1))
	for _, row := range query(t, c, "SELECT oid FROM pg_constraint ORDER BY conname") {
		var oid uint32
		fmt.Sscan(row, &oid)
		add(pgcatalog.ConstraintDef(c, oid))
	}
	substr := query(t, c, "SELECT oid FROM pg_proc WHERE proname = 'substr' AND pronargs = 3 AND prorettype = 25")
	var oid uint32
	fmt.Sscan(substr[0], &oid)
	add(pgcatalog.ProcArguments(oid))
	add(pgcatalog.ProcResult(oid))
	add(pgcatalog.ProcArguments(9102))
	want := []string{
		" SELECT count(*) OVER m5 AS n, user_id, 1 AS spent FROM clicks; true", " false",
		"CREATE UNIQUE INDEX user_clicks_pkey ON public.user_clicks USING btree (user_id) true", "user_id true", " false",
		"in euros true", " false", "CHECK (" + c.Sources[fqgw.Public("clicks")].Checks[0].SQL + ") true", "PRIMARY KEY (user_id) true",
		"text, integer, integer true", "text true", "interval true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
