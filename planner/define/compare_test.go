package define

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

func viewOf(t *testing.T, sql string) *fqgw.FeatureView {
	t.Helper()
	st, err := script(catalog(t), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return st.(*plan.CreateFeatureView).View
}

const baseView = `CREATE FEATURE VIEW v WITH (retain = '1 day') AS SELECT user_id, count(*) OVER m AS n, COALESCE(sum(qty) OVER d, 0) AS q, avg(price) OVER m + 1 AS a
	FROM clicks WHERE price > 0 WINDOW m AS (PARTITION BY user_id ORDER BY ts RANGE '5 minutes' PRECEDING), d AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`

const latestView = `CREATE FEATURE VIEW v WITH (max_age = '30 days') AS SELECT DISTINCT ON (user_id) user_id, kind, upper(kind) AS u, qty FROM clicks ORDER BY user_id, ts DESC`

// SEMANTICS §4.2: a state version is source, WHERE, keys, windows and aggregates.
func TestCompare(t *testing.T) {
	for _, c := range []struct {
		base     string
		from, to string // replaced in base
		rebuild  bool
		why      string
	}{
		{base: baseView, from: "SELECT", to: "select"},
		{base: baseView, from: "AS n", to: "AS m", why: "feature m is new|feature n is gone"},
		{base: baseView, from: "user_id, count", to: "user_id AS u, count", why: "join key user_id is called u now"},
		{base: baseView, from: "OVER d, 0)", to: "OVER d, 1)", why: "the default of feature q changed"},
		{base: baseView, from: "OVER m + 1", to: "OVER m + 2", why: "the expression of feature a changed"},
		{base: baseView, from: "count(*) OVER m AS n, COALESCE(sum(qty) OVER d, 0) AS q", to: "COALESCE(sum(qty) OVER d, 0) AS q, count(*) OVER m AS n", why: "the order of the columns changed"},
		{base: baseView, from: "'1 day')", to: "'2 days')", why: "retain changed from 1 day to 2 days"},
		{base: baseView, from: "retain = '1 day'", to: "online = false", why: "it is kept online no longer|retain changed from 1 day to none"},
		{base: baseView, from: "AS a\n", to: "AS a, sum(qty) OVER d AS q2\n", why: "feature q2 is new"},
		{base: strings.Replace(baseView, "retain = '1 day'", "online = false", 1), from: " WITH (online = false)", to: "", rebuild: true, why: "it is kept online from now on"},

		{base: baseView, from: "'5 minutes' PRECEDING", to: "'10 minutes' PRECEDING", rebuild: true, why: "window m changed from 00:05:00 to 00:10:00"},
		{base: baseView, from: "RANGE '5 minutes' PRECEDING", to: "ROWS 5 PRECEDING", rebuild: true, why: "window m changed from 00:05:00 to the last 5 events"},
		{base: baseView, from: "retain", to: "hop.d = '1 hour', retain", rebuild: true, why: "the hop of window d changed from 00:15:00 to 01:00:00"},
		{base: baseView, from: "price > 0", to: "price > 1", rebuild: true, why: "WHERE changed"},
		{base: baseView, from: "WHERE price > 0", to: "", rebuild: true, why: "WHERE is gone"},
		{base: baseView, from: "sum(qty)", to: "sum(price)", rebuild: true, why: "the aggregates of feature q changed"},
		{base: baseView, from: "AS a\n", to: "AS a, max(qty) OVER d AS mx\n", rebuild: true, why: "feature mx is new"},
		{base: baseView, from: ", avg(price) OVER m + 1 AS a", to: "", rebuild: true, why: "feature a is gone"},
		{base: baseView, from: "PARTITION BY user_id", to: "PARTITION BY user_id, qty", rebuild: true, why: "the join keys changed"},

		{base: latestView, from: "kind, upper(kind) AS u", to: "upper(kind) AS u, kind", why: "the order of the columns changed"},
		{base: latestView, from: "30 days", to: "31 days", rebuild: true, why: "max_age changed from 30 days to 31 days"},
		{base: latestView, from: "upper(", to: "lower(", rebuild: true, why: "the columns of feature u changed"},
		{base: latestView, from: " WITH (max_age = '30 days')", to: "", rebuild: true, why: "max_age changed from 30 days to none"},
	} {
		text := strings.Replace(c.base, c.from, c.to, -1)
		if text == c.base {
			t.Fatalf("%q is not in %s", c.from, c.base)
		}
		if strings.Contains(c.to, ", qty") {
			text = strings.Replace(text, "SELECT user_id,", "SELECT user_id, qty,", 1)
		}
		old, next := viewOf(t, c.base), viewOf(t, text)
		d, err := Compare(old, next)
		if err != nil {
			t.Fatal(err)
		}
		if d.Same != (c.why == "") || d.Rebuild != c.rebuild || strings.Join(d.Why, "|") != c.why {
			t.Errorf("%s\nis the same: %v, made anew: %v, because %q; want %v, %q", text, d.Same, d.Rebuild, d.Why, c.rebuild, c.why)
		}
		if d.Rebuild {
			continue
		}
		shares(t, old, next, d.Order)
	}
	d, err := Compare(viewOf(t, baseView), viewOf(t, latestView))
	if err != nil || !d.Rebuild || !slices.Contains(d.Why, "it had windows, and has the latest rows now") || !slices.Contains(d.Why, "WHERE is gone") {
		t.Errorf("windows and latest rows: %v, %v", d, err)
	}
}

// shares checks that next in that order has the states of old, and reads the same of
// them as in the order in which it is written.
func shares(t *testing.T, old, next *fqgw.FeatureView, order string) {
	t.Helper()
	arranged := *next
	if err := arrange(&arranged, order); err != nil {
		t.Fatal(err)
	}
	was, _ := StateForm(old)
	is, err := StateForm(&arranged)
	if err != nil || !bytes.Equal(was, is) {
		t.Errorf("order %q does not make %s\nof %s: %v", order, old.SQL, next.SQL, err)
	}
	for i := range next.Features {
		written, moved := next.Features[i], arranged.Features[i]
		row, slots := make([]fqgw.Value, len(next.Keys)), make([]fqgw.Value, len(next.Keys))
		for s, typ := range next.SlotTypes() { // a value that says which it is
			row = append(row, exampleOf(typ, s))
		}
		for s, typ := range arranged.SlotTypes() {
			slots = append(slots, exampleOf(typ, at(order, s)))
		}
		x, err1 := written.Read.Eval(&fqgw.Env{}, row)
		y, err2 := moved.Read.Eval(&fqgw.Env{}, slots)
		if err1 != nil || err2 != nil || string(fqgw.AppendPacked(nil, x)) != string(fqgw.AppendPacked(nil, y)) {
			t.Errorf("feature %s reads %v, and %v as it is arranged (%v, %v)", written.Name, x, y, err1, err2)
		}
	}
}

// at is the place in the statement of a slot of the states.
func at(order string, slot int) int {
	if order == "" {
		return slot
	}
	_, list, _ := strings.Cut(order, ";")
	return int(strings.Split(list, ",")[slot][0] - '0')
}

func exampleOf(typ fqgw.Type, i int) fqgw.Value {
	switch typ.Kind() {
	case fqgw.KindInt:
		return fqgw.IntValue(int64(i) + 100)
	case fqgw.KindFloat:
		return fqgw.FloatValue(float64(i) + 100)
	}
	return fqgw.TextValue(strings.Repeat("x", i+1))
}

// An order outlives the process: version 1.
func TestArrange(t *testing.T) {
	next := viewOf(t, strings.Replace(baseView, "count(*) OVER m AS n, COALESCE(sum(qty) OVER d, 0) AS q", "COALESCE(sum(qty) OVER d, 0) AS q, count(*) OVER m AS n", 1))
	d, err := Compare(viewOf(t, baseView), next)
	if err != nil || d.Order != "1 1,0;1,0,2" {
		t.Errorf("the order is %q (%v), want 1 1,0;1,0,2", d.Order, err)
	}
	for _, bad := range []string{"2 1,0;1,0,2", "1 1,0", "1 1,0;1,0", "1 1,0;1,0,3", "1 1,0;1,1,2", "1 1;1,0,2", "1 x;1,0,2", "1"} {
		v := *next
		if err := arrange(&v, bad); !fqgw.HasCode(err, fqgw.CodeDataCorrupted) {
			t.Errorf("order %q: %v, want %s", bad, err, fqgw.CodeDataCorrupted)
		}
	}
}
