package define

import (
	"slices"
	"testing"

	"github.com/fqgw/fqgw"
)

func TestLoad(t *testing.T) {
	defs := fqgw.Definitions{Version: 9, Objects: []fqgw.Object{
		{OID: 20005, Kind: "view", Name: "outer_view", Version: 1, SQL: "CREATE VIEW outer_view AS SELECT x FROM inner_view"},
		{OID: 20009, Kind: "view", Name: "inner_view", Version: 1, SQL: "CREATE VIEW inner_view AS SELECT id AS x FROM labels", Props: map[string]string{"comment.x": "the id"}},
		{OID: 20003, Kind: "feature view", Name: "v", Version: 3, State: 7, SQL: `CREATE OR REPLACE FEATURE VIEW v AS SELECT user_id, COALESCE(sum(qty) OVER w, 5) AS a,
			COALESCE(avg(price) OVER w, 6) AS b, max(kind) OVER w AS c FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`,
			Props: map[string]string{"default.b": "NULL", "default.c": "'none'::text", "default.gone": "1", "comment": "about v", "comment.a": "about a"}},
		{OID: 20001, Kind: "source", Name: "clicks", Version: 2, SQL: clicksSQL, Props: map[string]string{"history": "lake.clicks_1", "comment": "about clicks", "comment.qty": "how many",
			"alter.2": `{"version":1,"sql":"ALTER SOURCE clicks ADD COLUMN device text, DROP CONSTRAINT IF EXISTS none","from":[[0,7]]}`}},
		{OID: 20002, Kind: "table", Name: "labels", Version: 1, SQL: `CREATE TABLE "labels" ("id" integer NOT NULL, "n" numeric(10,2))`, Props: map[string]string{"history": "lake.labels_20002"}},
		{OID: 20006, Kind: "source", Name: "again", Version: 1, SQL: "CREATE SOURCE again AS SELECT * FROM richer", Path: nil},
		{OID: 20004, Kind: "source", Name: "richer", Version: 1, SQL: "CREATE SOURCE richer AS SELECT c.*, v.a FROM clicks AS c LEFT JOIN v ON v.user_id = c.user_id"},
		{OID: 20007, Kind: "feature view", Name: "w", Version: 1, State: 8, SQL: "CREATE FEATURE VIEW w AS SELECT DISTINCT ON (user_id) user_id, a FROM again ORDER BY user_id, ts DESC"},
		{OID: 20011, Kind: "view", Name: "broken", Version: 1, SQL: "CREATE VIEW broken AS SELECT * FROM pg_class"},
	}}
	cat, err := Load(defs)
	if err != nil {
		t.Fatal(err)
	}
	v := cat.Features[fqgw.Public("v")]
	if cat.Version != 9 || v.OID != 20003 || v.Version != 3 || v.State != 7 || v.Comment != "about v" || v.Features[0].Comment != "about a" {
		t.Errorf("%+v", v)
	}
	if v.Features[0].Default.Int() != 5 || !v.Features[1].Default.IsNull() || v.Features[2].Default.Str() != "none" {
		t.Errorf("defaults %v %v %v", v.Features[0].Default, v.Features[1].Default, v.Features[2].Default)
	}
	s := cat.Sources[fqgw.Public("clicks")]
	if v.Source != s || s.OID != 20001 || s.GateVersion != 2 || s.History != "lake.clicks_1" || s.Comment != "about clicks" || s.Columns[3].Comment != "how many" {
		t.Errorf("%+v", s)
	}
	again, richer := cat.Sources[fqgw.Public("again")], cat.Sources[fqgw.Public("richer")]
	if richer.OID != 20004 || richer.Derived.Origin != s || len(richer.Derived.Views) != 1 || richer.Derived.Views[0] != v || again.Derived.Origin != richer ||
		cat.Features[fqgw.Public("w")].Source != again || !again.Reads(fqgw.Public("richer")) || !richer.Reads(fqgw.Public("v")) || again.Reads(fqgw.Public("v")) {
		t.Errorf("%+v, %+v", richer, again)
	}
	if _, err := Load(fqgw.Definitions{Objects: slices.DeleteFunc(defs.Objects, func(o fqgw.Object) bool { return o.Name == "richer" })}); err == nil {
		t.Error("a source is derived from none")
	}
	l := cat.Tables[fqgw.Public("labels")]
	if l.OID != 20002 || l.History != "lake.labels_20002" || len(l.Columns) != 2 || !l.Columns[0].NotNull || l.Columns[1].Type != fqgw.NumericOf(10, 2) {
		t.Errorf("%+v", l)
	}
	if o, i := cat.Views[fqgw.Public("outer_view")], cat.Views[fqgw.Public("inner_view")]; len(o.Columns) != 1 || o.Columns[0].Type != fqgw.Int4 || o.OID != 20005 || i.Columns[0].Comment != "the id" ||
		o.Query != "SELECT x FROM inner_view" {
		t.Errorf("%+v %+v", o, i)
	}
	if b := cat.Views[fqgw.Public("broken")]; b == nil || b.Columns != nil || b.Query != "SELECT * FROM pg_class" {
		t.Errorf("%+v", b)
	}
	for _, bad := range []fqgw.Object{
		{OID: 1, Kind: "source", Name: "s", SQL: "CREATE SOURCE s (a int)"},
		{OID: 1, Kind: "feature view", Name: "s", SQL: "SELECT 1"},
		{OID: 1, Kind: "table", Name: "s", SQL: "CREATE TABLE"},
		{OID: 1, Kind: "table", Name: "s", SQL: ""},
	} {
		if _, err := Load(fqgw.Definitions{Objects: []fqgw.Object{bad}}); err == nil {
			t.Errorf("%+v loaded", bad)
		}
	}
}
