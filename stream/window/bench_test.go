package window

import (
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// benchView has 13 aggregates over windows of 1 h, 3 h (hop 1 min) and 1 d (hop 15 min).
func benchView() *fqgw.FeatureView {
	late := above(15)
	var aggs []fqgw.Aggregate
	for w := range 3 {
		aggs = append(aggs, agg("count", -1, w, nil), agg("avg", colFloat, w, nil), agg("max", colFloat, w, nil), agg("count", -1, w, late))
	}
	return newView([]fqgw.Window{win(hour), win(3 * hour), win(day)}, append(aggs, agg("sum", colInt, 2, nil))...)
}

func benchEvents(n int, over int64) []*fqgw.Event {
	rnd := rand.New(rand.NewPCG(1, 1))
	evs := make([]*fqgw.Event, n)
	for i := range evs {
		evs[i] = ev(int64(i), over*int64(i)/int64(n), float8(float64(rnd.IntN(200)-20)), integer(rnd.Int64N(2000)))
	}
	return evs
}

// BenchmarkFold counts one event in the three windows: reduce, mark, two tiles.
func BenchmarkFold(b *testing.B) {
	l := layout(b, benchView())
	s := l.New()
	l.Advance(s, day)
	evs := benchEvents(1000, 10*second)
	for _, e := range evs {
		e.Time, e.Known = day-e.Time, day
	}
	var in Input
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := evs[i%len(evs)]
		e.Pos.Offset = int64(i)
		l.Reduce(&in, e)
		l.Apply(s, &in)
	}
}

// BenchmarkRead merges every tile of the longest window: 60, 169 and 96 + 180
// tiles; answer is unpack and merge in one.
func BenchmarkRead(b *testing.B) {
	weekly := newView([]fqgw.Window{win(7 * day)}, agg("count", -1, 0, nil), agg("avg", colFloat, 0, nil), agg("stddev_samp", colFloat, 0, nil), agg("max", colFloat, 0, nil))
	for _, c := range []struct {
		name string
		v    *fqgw.FeatureView
		over int64
	}{
		{"60 tiles", newView([]fqgw.Window{win(hour)}, agg("count", -1, 0, nil), agg("avg", colFloat, 0, nil), agg("max", colFloat, 0, nil)), hour},
		{"169 tiles", weekly, 7 * day},
		{"276 tiles, 13 aggregates", benchView(), day},
		{"sketches, 96 tiles", newView([]fqgw.Window{win(day)}, agg("approx_count_distinct", colInt, 0, nil), agg("approx_percentile", colFloat, 0, nil)), day},
	} {
		l := layout(b, c.v)
		s := l.New()
		l.Advance(s, c.over)
		apply(b, l, s, benchEvents(3000, c.over)...)
		packed := l.Encode(nil, s)
		b.Run("merge "+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Read(s, c.over)
			}
			b.ReportMetric(float64(len(packed)), "bytes/entity")
		})
		b.Run("unpack "+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Decode(packed); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("answer "+c.name, func(b *testing.B) {
			b.ReportAllocs()
			p, a := NewProgram(l, c.v, everyFeature(c.v)), Answer{Key: []fqgw.Value{fqgw.TextValue("a")}}
			for b.Loop() {
				if err := p.Online(&a, packed, c.over); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("pack "+c.name, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = l.Encode(buf[:0], s)
			}
		})
	}
}

// BenchmarkLists counts one event into an hour whose tiles keep lists, beside one whose
// tiles count, and reads it: the cost of keeping events as they are.
func BenchmarkLists(b *testing.B) {
	withN := func(fn string, c, n int) fqgw.Aggregate {
		a := agg(fn, c, 0, nil)
		a.Params = []fqgw.Value{fqgw.IntValue(int64(n))}
		return a
	}
	embedding := agg("sum", colVector, 0, nil)
	elements := make([]fqgw.Expr, 128)
	for i := range elements {
		elements[i] = sourceCol(colFloat)
	}
	embedding.Args = []fqgw.Expr{made(expr.ArrayOf(elements, fqgw.Float8))}
	for _, c := range []struct {
		name string
		w    fqgw.Window
		a    fqgw.Aggregate
	}{
		{"count", win(hour), agg("count", -1, 0, nil)},
		{"rows 10", rowsOf(10), agg("array_agg", colFloat, 0, nil)},
		{"rows 1000", rowsOf(1000), agg("array_agg", colFloat, 0, nil)},
		{"last_n 10", win(hour), withN("last_n", colFloat, 10)},
		{"top_k of 100", win(hour), withN("top_k", colInt, 3)},
		{"histogram of 4", win(hour), agg("histogram", colInt, 0, nil)},
		{"decayed_sum", win(hour), agg("decayed_sum", colFloat, 0, nil)},
		{"sum of 128", win(hour), embedding},
	} {
		l := layout(b, newView([]fqgw.Window{c.w}, c.a))
		s := l.New()
		evs := benchEvents(6000, hour)
		l.Advance(s, hour)
		var in Input
		for i, e := range evs {
			e.Row[colInt] = fqgw.IntValue(int64(i % 100))
			l.Reduce(&in, e)
			l.Apply(s, &in)
		}
		packed := l.Encode(nil, s)
		b.Run(c.name+"/fold", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e := *evs[5900+i%100]
				e.Pos.Offset = int64(10_000 + i)
				l.Reduce(&in, &e)
				l.Apply(s, &in)
			}
		})
		b.Run(c.name+"/answer", func(b *testing.B) {
			a, p := Answer{Key: make([]fqgw.Value, 1)}, NewProgram(l, l.view, everyFeature(l.view))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Online(&a, packed, hour); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(packed)), "bytes/entity")
			b.ReportMetric(float64(l.Bytes(s, len(packed))), "memory/entity")
		})
	}
}
