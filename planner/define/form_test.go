package define

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

var updateForms = flag.Bool("update", false, "write the golden file")

// sameForms are definitions: those of a group say the same, those of two groups
// do not.
var sameForms = [][]string{
	{clicksSQL,
		`create   SOURCE "clicks" (user_id int8, kind TEXT, price float8, qty int4, ts timestamp with time zone /* NOT NULL */, other timestamptz,
			note jsonb, amount decimal(10, 2), code bpchar(3)) WITH (max_future = '5 minutes', format = json, event_time = ts, topic = 'clicks', connector = 'kafka')`,
		`CREATE SOURCE other (user_id bigint, kind text, price double precision, qty integer, ts timestamptz, other timestamptz,
			note jsonb, amount numeric(10,2), code char(3)) WITH (event_time = 'ts', topic = 'clicks', history = 'lake.clicks', partitions = 3)`},
	{`CREATE SOURCE s (a int, t timestamptz) WITH (event_time = 't')`},
	{`CREATE SOURCE s (a int NOT NULL, t timestamptz) WITH (event_time = 't')`},
	{`CREATE SOURCE s (a int, t timestamptz) WITH (event_time = 't', max_future = '6 minutes')`, `CREATE SOURCE s (a int, t timestamptz) WITH (max_future = '360 s', event_time = 't')`},
	{`CREATE SOURCE s (a int, t timestamptz) WITH (event_time = 't', start = '2020-01-01 00:00Z')`, `CREATE SOURCE s (a int, t timestamptz) WITH (event_time = 't', start = '2020-01-01 01:00+01')`},
	{`CREATE SOURCE s (a int CHECK (a > 0), t timestamptz) WITH (event_time = 't')`,
		`CREATE SOURCE s (a int, t timestamptz, CONSTRAINT s_a_check CHECK ((a)>(0))) WITH (event_time = 't')`},
	{`CREATE SOURCE s (a int CHECK (a > 1), t timestamptz) WITH (event_time = 't')`},

	{`CREATE FEATURE VIEW v AS SELECT user_id, count(*) OVER w AS n, COALESCE(sum(qty) OVER w, 0) AS q FROM clicks WHERE price > 0
		WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`,
		`create materialized view v as select c.user_id, Count( * ) over "day" N, coalesce(sum(c.qty) over "day", '0') as q from public.clicks c where (c.price)>0::float8
		window hour as (partition by user_id order by ts range '1 hour' preceding), day as (partition by user_id order by ts asc range between interval '24 hours' preceding and current row)`,
		`CREATE FEATURE VIEW w WITH (hop = '15 minutes', online = true) AS SELECT user_id, count(*) OVER (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING) AS n,
		COALESCE(sum(qty) OVER (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING), 0) AS q FROM clicks WHERE price > 0`},
	{`CREATE FEATURE VIEW v WITH (hop = '1 hour') AS SELECT user_id, count(*) OVER w AS n, COALESCE(sum(qty) OVER w, 0) AS q FROM clicks WHERE price > 0
		WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`},
	{`CREATE FEATURE VIEW v AS SELECT user_id, count(*) OVER w AS n, COALESCE(sum(qty) OVER w, 1) AS q FROM clicks WHERE price > 0
		WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`},
	{`CREATE FEATURE VIEW v AS SELECT user_id, count(*) OVER w AS n, COALESCE(sum(qty) OVER w, 0) AS other FROM clicks WHERE price > 0
		WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`},
	{`CREATE FEATURE VIEW v AS SELECT user_id, count(*) OVER w AS n, COALESCE(sum(qty) OVER w, 0) AS q FROM clicks WHERE price >= 0
		WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`},
	{`CREATE FEATURE VIEW v AS SELECT user_id, array_agg(qty) OVER w AS q FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts ROWS 5 PRECEDING)`,
		`create feature view v as select user_id, array_agg(qty) over (partition by user_id order by ts rows between 5 preceding and current row) q from clicks`},
	{`CREATE FEATURE VIEW v AS SELECT user_id, array_agg(qty) OVER w AS q FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts ROWS 6 PRECEDING)`},
	{`CREATE FEATURE VIEW v WITH (max_age = '30 days') AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY user_id, ts DESC`,
		`create feature view v with (max_age='720:00:00') as select distinct on (clicks.user_id) user_id, kind as "kind" from clicks order by 1, ts desc`},
	{`CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY user_id, ts DESC`},
	{`CREATE FEATURE VIEW v WITH (retain = '30 days') AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY user_id, ts DESC`,
		`create feature view v with (retain='720:00:00') as select distinct on (clicks.user_id) user_id, kind as "kind" from clicks order by 1, ts desc`},

	{`CREATE TABLE t (a int, b numeric(5,1) NOT NULL)`, `create table if not exists other ("a" INTEGER, B decimal(5,1) not null);`},
	{`CREATE TABLE t (a int, b numeric(5,2) NOT NULL)`},
	{`CREATE VIEW v AS SELECT user_id, price + 1 AS p FROM clicks WHERE kind <> 'a'`,
		"create or replace view other as select USER_ID, price+1 p\n\tfrom clicks -- all\n where (kind != 'a')"},
	{`CREATE VIEW v AS SELECT user_id, price + 1 AS p FROM clicks WHERE kind <> 'A'`},
	{`CREATE VIEW v AS SELECT user_id, price + 1 AS q FROM clicks WHERE kind <> 'a'`},

	{`CREATE SOURCE s (t timestamptz) WITH (event_time = 't', format = 'protobuf', message = 'A', schema = 'syntax="proto3"; message A { int64 t = 1; } message B { int64 t = 2; }')`},
	{`CREATE FEATURE VIEW v AS SELECT user_id, COALESCE(sum(price) OVER w, sum(price) OVER a, 0) AS a FROM clicks
		WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING), a AS (ORDER BY ts RANGE '1 day' PRECEDING)`,
		`CREATE FEATURE VIEW v AS SELECT user_id, COALESCE(sum(price) OVER w, sum(price) OVER (ORDER BY ts RANGE '24 hours' PRECEDING), 0) AS a FROM clicks
		WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`},
	{`CREATE FEATURE VIEW v AS SELECT sum(price) OVER a AS a FROM clicks WINDOW a AS (ORDER BY ts RANGE '1 day' PRECEDING)`},
	{`CREATE SOURCE s (t timestamptz) WITH (event_time = 't', format = 'protobuf', message = 'B', schema = 'syntax="proto3"; message A { int64 t = 1; } message B { int64 t = 2; }')`},

	{`CREATE SOURCE s AS SELECT user_id, ts, price * 2 AS twice FROM clicks WHERE price > 0`,
		"create source other with (topic = 's', history = 'lake.s') as select USER_ID, ts, price*2 twice\n from clicks where (price > 0)"},
	{`CREATE SOURCE s AS SELECT user_id, ts, price * 2 AS twice FROM clicks WHERE price >= 0`},
}

func formOf(t *testing.T, sql string) []byte {
	t.Helper()
	st, err := script(catalog(t), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var noun any
	switch st := st.(type) {
	case *plan.CreateSource:
		noun = st.Source
	case *plan.CreateFeatureView:
		noun = st.View
	case *plan.CreateTable:
		noun = st.Table
	case *plan.CreateView:
		noun = st.View
	}
	b, err := Form(noun)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return b
}

func TestForms(t *testing.T) {
	seen := map[string]string{}
	golden := &strings.Builder{}
	for _, group := range sameForms {
		first := formOf(t, group[0])
		fmt.Fprintf(golden, "%s\n\t%x\n", strings.Join(strings.Fields(group[0]), " "), first)
		if other, twice := seen[string(first)]; twice {
			t.Errorf("one form:\n%s\n%s", other, group[0])
		}
		seen[string(first)] = group[0]
		for _, sql := range group[1:] {
			if b := formOf(t, sql); !bytes.Equal(b, first) {
				t.Errorf("two forms:\n%s\n%q\n%s\n%q", group[0], first, sql, b)
			}
		}
	}
	const path = "testdata/form.golden"
	if *updateForms {
		if err := os.WriteFile(path, []byte(golden.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != golden.String() {
		t.Errorf("the form of definitions changed (%v): it outlives the process, and needs another version\n%s", err, golden)
	}
}

// A view with other read expressions, defaults or names is not filled anew.
func TestStateForms(t *testing.T) {
	state := func(sql string) string {
		t.Helper()
		st, err := script(catalog(t), sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		b, err := StateForm(st.(*plan.CreateFeatureView).View)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const window = " FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)"
	base := state("CREATE FEATURE VIEW v AS SELECT user_id, sum(price) OVER w AS a" + window)
	for sql, same := range map[string]bool{
		"SELECT user_id AS u, COALESCE(sum(price) OVER w, 1) + 1 AS b":                    true,
		"SELECT user_id, sum(price) OVER w AS a, 1 AS one":                                true,
		"SELECT user_id, sum(qty) OVER w AS a":                                            false,
		"SELECT user_id, sum(price) OVER w AS a, count(*) OVER w AS n":                    false,
		"SELECT user_id, COALESCE(sum(price) OVER w, sum(price) OVER (ORDER BY ts)) AS a": false,
	} {
		if got := state("CREATE FEATURE VIEW v AS "+sql+window) == base; got != same {
			t.Errorf("%s: the same states: %v", sql, got)
		}
	}
}

// A field that is added to a noun is either a part of its form or named here.
func TestFormFields(t *testing.T) {
	for _, c := range []struct {
		noun   any
		fields string
	}{
		{fqgw.Source{}, "OID Schema Name Columns Checks Connector Topic Format EventTime Known KnownColumn KeyColumn PrimaryKey Partitions MaxFuture TimeUnit Start History GateVersion Derived Earlier Steps Options SQL Comment"},
		{fqgw.FeatureView{}, "OID Schema Name Version State Pending Of Next Given Since Source Keys Where Latest MaxAge Offline Retain Row Windows Aggregates Global Features Columns Options SQL Comment"},
		{fqgw.Table{}, "OID Schema Name Columns History Comment Version Steps"},
		{fqgw.View{}, "OID Schema Name Columns Query SQL Path Service Comment"},
		{fqgw.Column{}, "Name Type NotNull Field Comment Number"},
		{fqgw.Check{}, "Name Expr SQL Text"},
		{fqgw.KeyColumn{}, "Name Column Type"},
		{fqgw.Window{}, "Name Length Hop Rows"},
		{fqgw.Aggregate{}, "Func Star Args Params Filter Window Type"},
		{fqgw.Feature{}, "Name Type Read Slots Globals Default Instead Comment"},
		{fqgw.Globals{}, "Windows Aggregates"},
		{fqgw.OutputColumn{}, "Name Key Feature"},
	} {
		var got []string
		for typ, i := reflect.TypeOf(c.noun), 0; i < typ.NumField(); i++ {
			got = append(got, typ.Field(i).Name)
		}
		if names := strings.Join(got, " "); names != c.fields {
			t.Errorf("%T has the fields %s: is what is new a part of its form?", c.noun, names)
		}
	}
}
