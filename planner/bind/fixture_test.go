package bind

import (
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

func columns(spec string) []fqgw.Column {
	var out []fqgw.Column
	f := strings.Fields(spec)
	for i := 0; i < len(f); i += 2 {
		t, ok := fqgw.TypeByName(f[i+1])
		if !ok {
			panic(f[i+1])
		}
		out = append(out, fqgw.Column{Name: f[i], Type: t})
	}
	return out
}

// view makes a feature view whose columns are its keys, then its features.
func view(oid uint32, name string, s *fqgw.Source, keys, features string) *fqgw.FeatureView {
	v := &fqgw.FeatureView{OID: oid, Name: name, Version: 1, Source: s}
	for i, c := range columns(keys) {
		v.Keys = append(v.Keys, fqgw.KeyColumn{Name: c.Name, Column: s.ColumnIndex(c.Name), Type: c.Type})
		v.Columns = append(v.Columns, fqgw.OutputColumn{Name: c.Name, Key: i, Feature: -1})
	}
	for i, c := range columns(features) {
		v.Features = append(v.Features, fqgw.Feature{Name: c.Name, Type: c.Type})
		v.Columns = append(v.Columns, fqgw.OutputColumn{Name: c.Name, Key: -1, Feature: i})
	}
	return v
}

func testCatalog() *fqgw.Catalog {
	deps := &fqgw.Source{OID: 100, Name: "departures", EventTime: 0, History: "lake.departures",
		Columns: columns("event_ts timestamptz origin text carrier text tailnum text flight int4 dep_delay float8 user_id int8 day date")}
	c := &fqgw.Catalog{
		Sources: map[fqgw.QualifiedName]*fqgw.Source{fqgw.Public("departures"): deps},
		Features: map[fqgw.QualifiedName]*fqgw.FeatureView{
			fqgw.Public("origin_departures"):  view(201, "origin_departures", deps, "origin text", "departures_1h int8 avg_delay_3h float8 late_3h int8"),
			fqgw.Public("carrier_departures"): view(202, "carrier_departures", deps, "origin text carrier text", "departures_7d int8 share_7d float8"),
			fqgw.Public("origin_weather"):     view(203, "origin_weather", deps, "origin text", "wind float8 visib float8"),
			fqgw.Public("user_clicks"):        view(204, "user_clicks", deps, "user_id int8", "clicks int8"),
			fqgw.Public("world"):              view(205, "world", deps, "", "n int8"),
			fqgw.Public("day_counts"):         view(206, "day_counts", deps, "day date", "n int8"),
		},
		Tables: map[fqgw.QualifiedName]*fqgw.Table{
			fqgw.Public("labels"): {OID: 300, Name: "labels", History: "lake.labels",
				Columns: columns("label_id int8 origin text carrier text user_id int4 predict_ts timestamptz delayed bool amount numeric tags _text")},
			fqgw.Public("dims"): {OID: 301, Name: "dims", Columns: columns("origin text city text")},
			fqgw.Public("t"):    {OID: 302, Name: "t", Columns: columns("a int4 b text c float8")},
			fqgw.Public("u"):    {OID: 303, Name: "u", Columns: columns("a int8 b text d date")},
		},
		Views: map[fqgw.QualifiedName]*fqgw.View{
			fqgw.Public("flight_risk"): {OID: 401, Name: "flight_risk", Service: true,
				Columns: columns("origin text carrier text departures_1h int8 share_7d float8 wind float8 excess float8 bad bool"),
				Query: `SELECT c.origin, c.carrier, o.departures_1h, c.share_7d, w.wind, c.share_7d - o.avg_delay_3h AS excess,
					coalesce(w.visib < 3 OR w.wind > 25, false) AS bad
					FROM carrier_departures c LEFT JOIN origin_departures o ON o.origin = c.origin LEFT JOIN origin_weather w ON w.origin = c.origin`},
			fqgw.Public("busy"):   {OID: 402, Name: "busy", Columns: columns("origin text n int8"), Query: "SELECT origin, departures_1h AS n FROM origin_departures WHERE departures_1h > 3"},
			fqgw.Public("thin"):   {OID: 403, Name: "thin", Columns: columns("place text n int8"), Query: "SELECT origin AS place, departures_1h AS n FROM origin_departures"},
			fqgw.Public("broken"): {OID: 404, Name: "broken", Query: "SELECT nothing FROM labels"},
		},
	}
	return c
}

var systemColumns = map[string]string{
	"pg_class":           "oid oid relname name relnamespace oid reltype oid reloftype oid relowner oid relam oid relfilenode oid reltablespace oid reltuples float4 reltoastrelid oid relhasindex bool relpersistence char relkind char relnatts int2 relchecks int2 relhasrules bool relhastriggers bool relrowsecurity bool relforcerowsecurity bool relreplident char relispartition bool relacl _aclitem reloptions _text",
	"pg_namespace":       "oid oid nspname name nspowner oid nspacl _aclitem",
	"pg_am":              "oid oid amname name",
	"pg_database":        "oid oid datname name datdba oid encoding int4 datcollate text datctype text daticulocale text datlocprovider char datacl _aclitem dattablespace oid",
	"pg_attribute":       "attrelid oid attname name atttypid oid atttypmod int4 attnum int2 attnotnull bool atthasdef bool attisdropped bool attidentity char attgenerated char attcollation oid",
	"pg_attrdef":         "oid oid adrelid oid adnum int2 adbin pg_node_tree",
	"pg_collation":       "oid oid collname name",
	"pg_type":            "oid oid typname name typnamespace oid typcollation oid typrelid oid typelem oid typtype char typarray oid typbasetype oid",
	"pg_index":           "indexrelid oid indrelid oid indisprimary bool indisunique bool indisclustered bool indisvalid bool indisreplident bool indkey int2vector",
	"pg_constraint":      "oid oid conrelid oid conindid oid contype char condeferrable bool condeferred bool conkey _int2",
	"pg_proc":            "oid oid proname name pronamespace oid prokind char proargtypes oidvector prorettype oid prolang oid",
	"pg_roles":           "oid oid rolname name rolsuper bool",
	"pg_policy":          "oid oid polname name polpermissive bool polroles _oid polqual pg_node_tree polrelid oid polcmd char polwithcheck pg_node_tree",
	"pg_publication":     "oid oid pubname name puballtables bool",
	"pg_publication_rel": "oid oid prpubid oid prrelid oid prattrs int2vector",
	"pg_inherits":        "inhrelid oid inhparent oid inhseqno int4",
	"pg_statistic_ext":   "oid oid stxrelid oid stxname name stxnamespace oid stxkind _char stxstattarget int4 stxkeys int2vector",
}

func testSystem(schema, name string) *plan.SystemRelation {
	if schema == "fqgw" && name == "features" {
		return &plan.SystemRelation{Schema: "fqgw", Name: name, Columns: columns("view text feature text")}
	}
	if spec, ok := systemColumns[name]; ok && (schema == "" || schema == "pg_catalog") {
		return &plan.SystemRelation{Schema: "pg_catalog", Name: name, Columns: columns(spec)}
	}
	return nil
}

// bound is a statement after binding.
type bound struct {
	node   plan.Node
	params []fqgw.Type
}

func bindSQL(sql string, change func(*Binder)) (*bound, error) {
	stmts, err := parse.Parse(sql)
	if err != nil {
		return nil, err
	}
	b := &Binder{Catalog: testCatalog(), System: testSystem, Params: NewParams(nil), Stmt: stmts[0]}
	if change != nil {
		change(b)
	}
	n, err := b.Query(stmts[0].Node)
	if err != nil {
		return nil, err
	}
	params, err := b.Params.Types()
	return &bound{n, params}, err
}

func header(n plan.Node) string {
	var out []string
	for _, c := range n.Columns() {
		out = append(out, c.Name+":"+c.Type.PgName())
	}
	return strings.Join(out, " ")
}

func paramTypes(types []fqgw.Type) string {
	var out []string
	for _, t := range types {
		out = append(out, t.PgName())
	}
	return strings.Join(out, " ")
}

func mustExpr(t *testing.T, text string) *pg.Node {
	t.Helper()
	n, err := parse.Expr(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
