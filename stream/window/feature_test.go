package window

import (
	"fmt"
	"math"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// TestFeatures pins SEMANTICS §4.2 and §4.3 over a view with read expressions
// and defaults: c = count, a = avg, plus = avg + 1, ratio = 100 / count, big = an
// overflow when there are rows.
func TestFeatures(t *testing.T) {
	v := newView([]fqgw.Window{win(hour)}, agg("count", -1, 0, nil), agg("avg", colFloat, 0, nil), agg("sum", colFloat, 0, nil))
	read := func(name string, def fqgw.Value, e fqgw.Expr, slots ...int) fqgw.Feature {
		return fqgw.Feature{Name: name, Type: e.Type(), Read: e, Slots: slots, Default: def}
	}
	c, a, big := col(1, "c", fqgw.Int8), col(2, "a", fqgw.Float8), col(3, "big", fqgw.Float8)
	ratio := op(whole(100), "/", c)
	v.Features = []fqgw.Feature{
		read("c", fqgw.Null, c, 0),
		read("a", fqgw.FloatValue(-1), a, 1),
		read("plus", fqgw.Null, op(a, "+", &expr.Const{Val: fqgw.FloatValue(1), Typ: fqgw.Float8}), 1),
		read("ratio", fqgw.Null, ratio, 0),
		read("ratio_or", fqgw.IntValue(7), ratio, 0),
		read("big", fqgw.Null, big, 2),
		read("key", fqgw.Null, col(0, "k", fqgw.Text)),
		read("big_or_a", fqgw.Null, made(expr.Coalesce([]fqgw.Expr{big, a})), 1, 2),
	}
	l := layout(t, v)
	reading := func(fs ...float64) *Reading {
		s := l.New()
		l.Advance(s, hour)
		for i, f := range fs {
			e := ev(int64(i), hour, float8(f))
			if f == 0 {
				e.Row[colFloat] = fqgw.Null
			}
			apply(t, l, s, e)
		}
		r := l.Read(s, hour)
		return &r
	}
	key := []fqgw.Value{fqgw.TextValue("a")}
	for _, c := range []struct {
		name string
		key  []fqgw.Value
		r    *Reading
		want string
	}{
		{"rows", key, reading(1, 2), "2 present | 1.5 present | 2.5 present | 50 present | 50 present | 3 present | a present | 3 present"},
		{"rows of NULLs", key, reading(0), "1 present | -1 default (null) | NULL null | 100 present | 100 present | NULL null | a present | NULL null"},
		{"overflow", key, reading(math.MaxFloat64, math.MaxFloat64), "2 present | 1.7976931348623157e+308 present | 1.7976931348623157e+308 present | 50 present | 50 present | NULL error | a present | 1.7976931348623157e+308 present"},
		{"no rows", key, reading(), "0 not_found | -1 default (not_found) | NULL not_found | NULL error | 7 default (error) | NULL not_found | a not_found | NULL not_found"},
		{"NULL key", nil, reading(), "NULL not_found | -1 default (not_found) | NULL not_found | NULL not_found | 7 default (not_found) | NULL not_found | NULL not_found | NULL not_found"},
		{"NULL time", key, nil, "NULL not_found | -1 default (not_found) | NULL not_found | NULL not_found | 7 default (not_found) | NULL not_found | NULL not_found | NULL not_found"},
	} {
		got := ""
		for i, f := range naiveFeatures(v, c.key, c.r, &fqgw.Env{}) {
			if i > 0 {
				got += " | "
			}
			got += fmt.Sprintf("%s %s", show(f.Value), f.Status)
			if f.Status == fqgw.StatusDefault {
				got += fmt.Sprintf(" (%s)", f.Cause)
			} else if f.Cause != f.Status {
				t.Errorf("%s: cause %s of status %s", c.name, f.Cause, f.Status)
			}
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
	// Which slots a feature depends on decides its time and its errors.
	if fs := naiveFeatures(v, key, reading(1), &fqgw.Env{}); fs[0].Time != hour || fs[6].Time != NoTime {
		t.Errorf("times %d and %d", fs[0].Time, fs[6].Time)
	}
	// A later version of the view over the same state has its own read expressions.
	w := *v
	w.Features = []fqgw.Feature{v.Features[5], v.Features[0]}
	if fs := naiveFeatures(&w, key, reading(math.MaxFloat64, math.MaxFloat64), &fqgw.Env{}); fs[0].Status != fqgw.StatusError || fs[1].Status != fqgw.StatusPresent {
		t.Errorf("a later version: %+v", fs)
	}
}

// TestLatestFeatures: a missing latest row is NULL, whatever the expression;
// defaults stand in for any NULL.
func TestLatestFeatures(t *testing.T) {
	v := newLatest(hour)
	v.Features[1].Default = fqgw.TextValue("none")
	l := layout(t, v)
	key := []fqgw.Value{fqgw.TextValue("a")}
	s := l.New()
	l.Advance(s, hour)
	e := ev(0, hour, float8(2))
	apply(t, l, s, e)
	for _, c := range []struct {
		at   int64
		s    *State
		want string
	}{
		{hour, s, "2 present present none default null"},
		{3 * hour, s, "NULL outside_max_age outside_max_age none default outside_max_age"},
		{hour, l.New(), "NULL not_found not_found none default not_found"},
	} {
		r := l.Read(c.s, c.at)
		fs := naiveFeatures(v, key, &r, &fqgw.Env{})
		got := fmt.Sprint(show(fs[0].Value), " ", fs[0].Status, " ", fs[0].Cause, " ", show(fs[1].Value), " ", fs[1].Status, " ", fs[1].Cause)
		if got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
