package window

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// col is a reference to a column of a row.
func col(i int, name string, t fqgw.Type) fqgw.Expr {
	return &expr.Column{Index: i, Typ: t, Name: name}
}

// op is an operator over two expressions.
func op(left fqgw.Expr, name string, right fqgw.Expr) fqgw.Expr {
	return made(expr.Op(name, left, right))
}

func made(e fqgw.Expr, err error) fqgw.Expr {
	if err != nil {
		panic(err)
	}
	return e
}

func whole(n int64) fqgw.Expr { return &expr.Const{Val: fqgw.IntValue(n), Typ: fqgw.Int8} }

// above is f > least.
func above(least float64) fqgw.Expr {
	return op(sourceCol(colFloat), ">", &expr.Const{Val: fqgw.FloatValue(least), Typ: fqgw.Float8})
}

// The columns of the source of these tests.
const (
	colKey = iota
	colTime
	colInt
	colFloat
	colNumeric
	colText
	colBool
	colVector // not of the source: an array of the doubles
)

var testSource = &fqgw.Source{
	Name: "events", Connector: "kafka", EventTime: colTime,
	Columns: []fqgw.Column{{Name: "k", Type: fqgw.Text}, {Name: "ts", Type: fqgw.Timestamptz}, {Name: "i", Type: fqgw.Int8},
		{Name: "f", Type: fqgw.Float8}, {Name: "n", Type: fqgw.Numeric}, {Name: "s", Type: fqgw.Text}, {Name: "b", Type: fqgw.Bool}},
}

func sourceCol(i int) fqgw.Expr {
	if i == colVector {
		return made(expr.ArrayOf([]fqgw.Expr{sourceCol(colFloat), op(sourceCol(colFloat), "*", sourceCol(colFloat))}, fqgw.Float8))
	}
	return col(i, testSource.Columns[i].Name, testSource.Columns[i].Type)
}

const (
	second = int64(1_000_000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// win is a window with the default hop; length 0 is lifetime.
func win(length int64) fqgw.Window {
	if length == 0 {
		return fqgw.Window{Name: "lifetime"}
	}
	return fqgw.Window{Name: fmt.Sprintf("last_%ds", length/second), Length: length, Hop: fqgw.DefaultHop(length)}
}

// agg is an aggregate of column c in window w; c < 0 is count(*).
func agg(fn string, c, w int, filter fqgw.Expr) fqgw.Aggregate {
	if c < 0 {
		return fqgw.Aggregate{Func: fn, Star: true, Window: w, Filter: filter, Type: fqgw.Int8}
	}
	a := fqgw.Aggregate{Func: fn, Args: []fqgw.Expr{sourceCol(c)}, Window: w, Filter: filter}
	a.Params = testParams(fn)
	_, a.Type, _ = ResultType(fn, []fqgw.Type{a.Args[0].Type()}, a.Params, false)
	return a
}

// testParams are the constants with which an aggregate is tested.
func testParams(fn string) []fqgw.Value {
	switch fn {
	case "approx_percentile":
		return []fqgw.Value{fqgw.FloatValue(0.5)}
	case "last_n":
		return []fqgw.Value{fqgw.IntValue(7)}
	case "top_k":
		return []fqgw.Value{fqgw.IntValue(3)}
	case "histogram":
		return []fqgw.Value{fqgw.ArrayOf(fqgw.Int8, fqgw.IntValue(-5), fqgw.IntValue(0), fqgw.IntValue(7))}
	case "decayed_sum":
		return []fqgw.Value{fqgw.SpanValue(fqgw.Span{Micros: 3 * minute})}
	}
	return nil
}

// rowsOf is a window of the last n events.
func rowsOf(n int) fqgw.Window { return fqgw.Window{Name: fmt.Sprint("rows_", n), Rows: n} }

// newView has a feature for each aggregate that just shows it.
func newView(windows []fqgw.Window, aggs ...fqgw.Aggregate) *fqgw.FeatureView {
	v := &fqgw.FeatureView{Name: "v", Source: testSource, Keys: []fqgw.KeyColumn{{Name: "k", Column: colKey, Type: fqgw.Text}},
		Windows: windows, Aggregates: aggs}
	for i, a := range aggs {
		name := fmt.Sprintf("f%d", i)
		v.Features = append(v.Features, fqgw.Feature{Name: name, Type: a.Type, Read: col(1+i, name, a.Type), Slots: []int{i}})
	}
	return v
}

func newLatest(maxAge int64) *fqgw.FeatureView {
	v := &fqgw.FeatureView{Name: "v", Source: testSource, Keys: []fqgw.KeyColumn{{Name: "k", Column: colKey, Type: fqgw.Text}},
		Latest: true, MaxAge: maxAge, Row: []fqgw.Expr{sourceCol(colFloat), sourceCol(colText)}}
	for i, e := range v.Row {
		v.Features = append(v.Features, fqgw.Feature{Name: e.String(), Type: e.Type(), Read: col(1+i, e.String(), e.Type()), Slots: []int{i}})
	}
	return v
}

func layout(t testing.TB, v *fqgw.FeatureView) *Layout {
	t.Helper()
	l, err := NewLayout(v)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ev is an event of offset off in partition 0 that is known at its time.
func ev(off, time int64, set ...func(*fqgw.Event)) *fqgw.Event {
	e := &fqgw.Event{Time: time, Known: time, Pos: fqgw.Position{Offset: off}, Row: make([]fqgw.Value, len(testSource.Columns))}
	e.Row[colKey], e.Row[colTime] = fqgw.TextValue("a"), fqgw.TimestampValue(time)
	for _, f := range set {
		f(e)
	}
	return e
}

func known(t int64) func(*fqgw.Event) { return func(e *fqgw.Event) { e.Known = t } }
func float8(f float64) func(*fqgw.Event) {
	return func(e *fqgw.Event) { e.Row[colFloat] = fqgw.FloatValue(f) }
}
func integer(i int64) func(*fqgw.Event) {
	return func(e *fqgw.Event) { e.Row[colInt] = fqgw.IntValue(i) }
}
func str(s string) func(*fqgw.Event) {
	return func(e *fqgw.Event) { e.Row[colText] = fqgw.TextValue(s) }
}
func partition(p int32) func(*fqgw.Event) { return func(e *fqgw.Event) { e.Pos.Partition = p } }
func change(sub int32) func(*fqgw.Event)  { return func(e *fqgw.Event) { e.Pos.Sub = sub } }
func noOffset(e *fqgw.Event)              { e.Pos.Offset = fqgw.NoOffset }

func apply(t testing.TB, l *Layout, s *State, evs ...*fqgw.Event) {
	t.Helper()
	for _, e := range evs {
		if in, keep, _ := l.Input(e); keep {
			l.Apply(s, &in)
		}
	}
}

// show prints a slot with its type's exactness.
func show(v fqgw.Value) string {
	switch v.Kind() {
	case fqgw.KindNull:
		return "NULL"
	case fqgw.KindInt, fqgw.KindDate, fqgw.KindTime, fqgw.KindTimestamp:
		return fmt.Sprint(v.Int())
	case fqgw.KindFloat:
		return fmt.Sprint(v.Float())
	case fqgw.KindNumeric:
		return v.Numeric().String()
	case fqgw.KindBool:
		return fmt.Sprint(v.Bool())
	case fqgw.KindArray:
		return expr.Text(v, v.List().Elem.Array(), nil)
	}
	return v.Str()
}

func shows(vs []fqgw.Value) string {
	out := ""
	for i, v := range vs {
		if i > 0 {
			out += " "
		}
		out += show(v)
	}
	return out
}

// randomValue gives values of type t that hurt: NULL, ties, specials, extremes.
func randomValue(rnd *rand.Rand, t fqgw.Type) fqgw.Value {
	if rnd.IntN(8) == 0 {
		return fqgw.Null
	}
	switch t {
	case fqgw.Float8.Array():
		items := make([]fqgw.Value, 3)
		for i := range items {
			items[i] = randomValue(rnd, fqgw.Float8)
		}
		if rnd.IntN(100) == 0 {
			items = items[:2]
		}
		return fqgw.ArrayOf(fqgw.Float8, items...)
	case fqgw.Bool:
		return fqgw.BoolValue(rnd.IntN(2) == 0)
	case fqgw.Int8:
		return fqgw.IntValue([]int64{rnd.Int64N(10), -rnd.Int64N(1000), math.MaxInt64, math.MinInt64, int64(rnd.Uint64())}[rnd.IntN(5)])
	case fqgw.Float8:
		return fqgw.FloatValue(randomFloat(rnd))
	case fqgw.Numeric:
		switch rnd.IntN(40) {
		case 0:
			return fqgw.NumericValue(fqgw.DecimalNaN)
		case 1:
			return fqgw.NumericValue(fqgw.DecimalInf)
		}
		if rnd.IntN(2) == 0 { // equal numbers of several scales
			return fqgw.NumericValue(fqgw.DecimalFromInt(rnd.Int64N(3) - 1000).Round(rnd.Int32N(4)))
		}
		return fqgw.NumericValue(fqgw.NewDecimal(big.NewInt(rnd.Int64N(2000)-1000), rnd.Int32N(4)))
	}
	return fqgw.TextValue(fmt.Sprint(rnd.IntN(100)))
}

func randomFloat(rnd *rand.Rand) float64 {
	switch rnd.IntN(12) {
	case 0:
		return 0
	case 1:
		return math.Copysign(0, -1)
	case 2:
		return math.Float64frombits(rnd.Uint64() &^ (1 << 62)) // any magnitude up to 2
	case 3:
		return []float64{math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e308, -1e-308}[rnd.IntN(5)]
	case 4:
		if rnd.IntN(20) == 0 {
			return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[rnd.IntN(3)]
		}
	case 5:
		return float64(rnd.IntN(1000)) / 10
	}
	return float64(rnd.IntN(2000) - 1000)
}
