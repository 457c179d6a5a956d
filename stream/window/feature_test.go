package window

import (
	"fmt"
	"math"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestFeatures pins SEMANTICS §4.2 and §4.3 over a view with read expressions
// and defaults: c = count, a = avg, plus = avg + 1, ratio = 100 / count, big = an
// overflow when there are rows.
func TestFeatures(t *testing.T) {
	v := newView([]fqgw.Window{win(hour)}, agg("count", -1, 0, nil), agg("avg", colFloat, 0, nil), agg("sum", colFloat, 0, nil))
	read := func(name string, t fqgw.Type, def fqgw.Value, f func(row []fqgw.Value) (fqgw.Value, error), slots ...int) fqgw.Feature {
		return fqgw.Feature{Name: name, Type: t, Read: double{name, t, f}, Slots: slots, Default: def}
	}
	plus := func(row []fqgw.Value) (fqgw.Value, error) {
		if row[2].IsNull() {
			return fqgw.Null, nil
		}
		return fqgw.FloatValue(row[2].Float() + 1), nil
	}
	ratio := func(row []fqgw.Value) (fqgw.Value, error) {
		if row[1].IsNull() {
			return fqgw.Null, nil
		}
		if row[1].Int() == 0 {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDivisionByZero, "division by zero")
		}
		return fqgw.IntValue(100 / row[1].Int()), nil
	}
	v.Features = []fqgw.Feature{
		{Name: "c", Type: fqgw.Int8, Read: col(1, "c", fqgw.Int8), Slots: []int{0}},
		{Name: "a", Type: fqgw.Float8, Read: col(2, "a", fqgw.Float8), Slots: []int{1}, Default: fqgw.FloatValue(-1)},
		read("plus", fqgw.Float8, fqgw.Null, plus, 1),
		read("ratio", fqgw.Int8, fqgw.Null, ratio, 0),
		read("ratio_or", fqgw.Int8, fqgw.IntValue(7), ratio, 0),
		{Name: "big", Type: fqgw.Float8, Read: col(3, "big", fqgw.Float8), Slots: []int{2}},
		{Name: "key", Type: fqgw.Text, Read: col(0, "k", fqgw.Text)},
		read("big_or_a", fqgw.Float8, fqgw.Null, func(row []fqgw.Value) (fqgw.Value, error) {
			if row[3].IsNull() {
				return row[2], nil
			}
			return row[3], nil
		}, 1, 2),
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
		for i, f := range Features(v, c.key, c.r, &fqgw.Env{}) {
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
	if fs := Features(v, key, reading(1), &fqgw.Env{}); fs[0].Time != hour || fs[6].Time != NoTime {
		t.Errorf("times %d and %d", fs[0].Time, fs[6].Time)
	}
	// A later version of the view over the same state has its own read expressions.
	w := *v
	w.Features = []fqgw.Feature{v.Features[5], v.Features[0]}
	if fs := Features(&w, key, reading(math.MaxFloat64, math.MaxFloat64), &fqgw.Env{}); fs[0].Status != fqgw.StatusError || fs[1].Status != fqgw.StatusPresent {
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
		fs := Features(v, key, &r, &fqgw.Env{})
		got := fmt.Sprint(show(fs[0].Value), " ", fs[0].Status, " ", fs[0].Cause, " ", show(fs[1].Value), " ", fs[1].Status, " ", fs[1].Cause)
		if got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
