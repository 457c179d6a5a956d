package window

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
)

// keyless is a view over all entities.
func keyless(v *fqgw.FeatureView) *fqgw.FeatureView {
	v.Keys = nil
	for i := range v.Features {
		v.Features[i].Read = col(i, v.Features[i].Name, v.Aggregates[i].Type)
	}
	return v
}

// TestAhead: an event counts from the first whole second on at which it has happened and
// is known, whatever there was in between, and none counts before.
func TestAhead(t *testing.T) {
	l := layout(t, keyless(newView([]fqgw.Window{{Length: 10 * second, Hop: second}}, agg("count", -1, 0, nil))))
	s := l.New()
	l.Advance(s, hour+second/2)
	if s.Horizon() != hour {
		t.Fatalf("the horizon is %d", s.Horizon())
	}
	apply(t, l, s, ev(0, hour), ev(1, hour+1), ev(2, hour+second), ev(3, hour, known(hour+2*second-1)), ev(4, hour+4*second+1))
	for _, c := range []struct{ at, n int64 }{{hour, 1}, {hour + second - 1, 1}, {hour + second, 3}, {hour + 2*second, 4},
		{hour + 4*second, 4}, {hour + 5*second, 5}, {hour + 11*second, 2}, {hour + 12*second, 1}, {hour + 15*second, 0}} {
		want := l.Read(s, c.at)
		if got := want.Slots[0].Int(); got != c.n {
			t.Errorf("at hour + %d us: %d, it must be %d", c.at-hour, got, c.n)
		}
		later, err := l.Decode(l.Encode(nil, s))
		if err != nil {
			t.Fatal(err)
		}
		l.Advance(later, c.at)
		if got := l.Read(later, c.at); got.Slots[0].Int() != c.n {
			t.Errorf("with the horizon at hour + %d us: %d, it must be %d", c.at-hour, got.Slots[0].Int(), c.n)
		}
	}
}

// TestAheadBytes: the bytes do not depend on when the horizon moved, on the order of
// the partitions, or on what was written and read again meanwhile.
func TestAheadBytes(t *testing.T) {
	v := answerViews()["global"]
	l := layout(t, v)
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(3, seed))
		const start = 1_362_700_000_000_000
		var events [2][]*fqgw.Event
		for i := range 40 {
			p := r.IntN(2)
			e := ev(int64(i), start+r.Int64N(20*second), integer(r.Int64N(9)), float8(r.Float64()), partition(int32(p)))
			e.Known = max(e.Time-second, start+int64(i)*second/2)
			e.Row[colBool] = fqgw.BoolValue(r.IntN(2) == 0)
			events[p] = append(events[p], e)
		}
		end := start + 8*second + r.Int64N(30*second)
		whole := l.New()
		l.Advance(whole, end)
		apply(t, l, whole, events[0]...)
		apply(t, l, whole, events[1]...)
		s, h := l.New(), int64(start-second)
		l.Advance(s, h)
		for len(events[0])+len(events[1]) > 0 {
			p := r.IntN(2)
			if len(events[p]) == 0 {
				p = 1 - p
			}
			apply(t, l, s, events[p][0])
			events[p] = events[p][1:]
			if r.IntN(3) == 0 {
				h = min(h+r.Int64N(3*second), end)
				l.Advance(s, h)
			}
			if r.IntN(5) == 0 {
				var err error
				if s, err = l.Decode(l.Encode(nil, s)); err != nil {
					t.Fatal(err)
				}
			}
		}
		l.Advance(s, end)
		if a, b := l.Encode(nil, s), l.Encode(nil, whole); !bytes.Equal(a, b) {
			t.Fatalf("seed %d: %x, at once %x", seed, a, b)
		}
	}
}
