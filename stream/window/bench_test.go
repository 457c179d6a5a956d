package window

import (
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
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
