package window

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/fqgw/fqgw"
)

// naiveRead answers a windowed view by merging every tile and every event kept
// singly into each window by itself.
func naiveRead(l *Layout, s *State, t int64) Reading {
	if len(l.view.Keys) == 0 {
		t = fqgw.Floor(t, second)
	}
	r := Reading{T: max(t, s.horizon), Slots: make([]fqgw.Value, len(l.slots)), Errors: make([]bool, len(l.slots)), Times: make([]int64, len(l.slots))}
	r.Exists = len(l.view.Keys) == 0
	for i, slot := range l.slots {
		rd := l.reads[slot.read]
		ring := &l.rings[rd.ring]
		var rows rowCount
		var acc accumulator
		if rd.acc >= 0 {
			acc = ring.accs[rd.acc].kind.make(1)[0]
		}
		tiles := s.rings[rd.ring]
		for _, a := range s.ahead {
			if a.horizon <= r.T {
				tiles = append(tiles[:len(tiles):len(tiles)], a.rings[rd.ring]...)
			}
		}
		for _, tile := range tiles {
			r.Exists = r.Exists || tile.index >= ring.low(r.T, ring.length)
			if tile.index >= ring.low(r.T, rd.length) && tile.rows[rd.filter].n > 0 {
				rows.merge(tile.rows[rd.filter])
				if acc != nil {
					acc.merge(tile.accs[rd.acc])
				}
			}
		}
		for k := range s.held {
			in := &s.held[k]
			if in.VisibleAt() > r.T {
				continue
			}
			index := ring.tile(in.Time)
			r.Exists = r.Exists || index >= ring.low(r.T, ring.length)
			if index >= ring.low(r.T, rd.length) && in.pass[ring.filters[rd.filter]] {
				rows.add(in.Time)
				if acc != nil {
					ring.accs[rd.acc].add(acc, in)
				}
			}
		}
		if r.Times[i] = NoTime; rows.n > 0 {
			r.Times[i] = rows.newest
		}
		if f, ok := acc.(framed); ok {
			r.Times[i] = f.newest()
		}
		if r.Slots[i] = fqgw.IntValue(int64(rows.n)); acc != nil {
			v, ok := resultAt(acc, &slot, r.T)
			r.Slots[i], r.Errors[i] = v, !ok
		}
	}
	return r
}

// answer is what the program for all that l's view shows says of a packed state.
func answer(l *Layout, b []byte, t int64) (Reading, error) {
	a := Answer{Key: make([]fqgw.Value, len(l.view.Keys))}
	if err := NewProgram(l, l.view, everyFeature(l.view)).Online(&a, b, t); err != nil {
		return Reading{}, err
	}
	r := a.Reading
	if l.view.Latest {
		r = Reading{}
		l.clear(&r, a.T, a.T)
		r.Exists, r.OutsideMaxAge = a.Exists, a.OutsideMaxAge
		for i := range r.Slots {
			if a.Exists {
				r.Slots[i], r.Times[i], r.Errors[i] = a.slot(i), a.time(i), a.failed(i)
			}
		}
	}
	return r, nil
}

// everyFeature asks for everything about every feature of a view.
func everyFeature(v *fqgw.FeatureView) (out []fqgw.Output) {
	for i := range v.Features {
		for _, k := range []fqgw.OutputKind{fqgw.OutFeature, fqgw.OutStatus, fqgw.OutTime} {
			out = append(out, fqgw.Output{Kind: k, Index: i})
		}
	}
	return out
}

// sameReading compares two readings bit by bit.
func sameReading(a, b Reading) bool {
	return a.T == b.T && a.Exists == b.Exists && a.OutsideMaxAge == b.OutsideMaxAge && bytes.Equal(fqgw.AppendPackedRow(nil, a.Slots), fqgw.AppendPackedRow(nil, b.Slots)) &&
		reflect.DeepEqual(a.Errors, b.Errors) && reflect.DeepEqual(a.Times, b.Times)
}

// answerViews are layouts with every aggregate, shared rings, several lengths
// of one hop, filters, lifetimes, no keys.
func answerViews() map[string]*fqgw.FeatureView {
	views := goldenViews()
	late := above(1)
	var aggs []fqgw.Aggregate
	for i, a := range append(everyAggregate[:len(everyAggregate):len(everyAggregate)], laterAggregates...) {
		f := late
		if i%3 != 0 {
			f = nil
		}
		aggs = append(aggs, agg(a.fn, a.col, i%4, f), agg(a.fn, a.col, (i+1)%4, nil))
	}
	nested := []fqgw.Window{{Length: hour, Hop: minute}, {Length: 3 * hour, Hop: minute}, {Length: 10 * minute, Hop: minute}, {Length: 100 * second, Hop: 30 * second}}
	views["nested"] = newView(nested, aggs...)
	global := newView(nested, aggs...)
	global.Keys = nil
	for i := range global.Features {
		global.Features[i].Read = col(i, global.Features[i].Name, global.Aggregates[i].Type)
	}
	views["global"] = global
	views["unread"] = newView(nested, agg("sum", colInt, 2, nil))
	return views
}

// randomState has events of two days, some late, some not visible yet.
func randomState(tb testing.TB, l *Layout, r *rand.Rand) *State {
	const start = 1_362_700_000_000_000
	s := l.New()
	h := start - r.Int64N(day)
	l.Advance(s, h)
	for i := range r.IntN(120) {
		e := ev(int64(i), h+r.Int64N(20*minute)-r.Int64N(2*day)>>r.IntN(12), partition(int32(r.IntN(3))), integer(r.Int64N(2000)-500),
			float8(float64(r.IntN(4000)-2000)/8), str(fmt.Sprint("s", r.IntN(90))))
		e.Known = e.Time + r.Int64N(5*minute)*int64(r.IntN(2))
		e.Row[colBool] = fqgw.BoolValue(r.IntN(2) == 0)
		if r.IntN(3) == 0 {
			e.Row[colInt+r.IntN(2)] = fqgw.Null
		}
		if l.view.Source.Changelog() && r.IntN(3) == 0 {
			e.Op = fqgw.Delete
		}
		if r.IntN(10) == 0 {
			h += r.Int64N(30 * minute)
			l.Advance(s, h)
		}
		apply(tb, l, s, e)
	}
	return s
}

// TestAnswer: the answer from the bytes, the one from the state and that of
// every window by itself are the same, at H, before and after it.
func TestAnswer(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for name, v := range answerViews() {
		l := layout(t, v)
		for range rounds {
			s := randomState(t, l, r)
			b := l.Encode(nil, s)
			for _, at := range []int64{s.horizon, s.horizon - hour, s.horizon + r.Int64N(minute), s.horizon + r.Int64N(2*hour), s.horizon + r.Int64N(3*day)} {
				got, err := answer(l, b, at)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				want := l.Read(s, at)
				if len(b) == 0 {
					want = l.Empty(at)
				}
				if !sameReading(got, want) {
					t.Fatalf("%s: %s from the bytes, %s from the state", name, shows(got.Slots), shows(want.Slots))
				}
				if v.Latest || len(b) == 0 || l.retracts() { // those have a reference of their own
					continue
				}
				if naive := naiveRead(l, s, at); !sameReading(got, naive) {
					t.Fatalf("%s: %s, window by window %s", name, shows(got.Slots), shows(naive.Slots))
				}
			}
		}
	}
}

// TestAnswerRefuses: Answer refuses exactly what Decode refuses.
func TestAnswerRefuses(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for name, v := range answerViews() {
		l := layout(t, v)
		refused, golden := 0, l.Encode(nil, goldenState(t, l))
		for range 2000 {
			b := bytes.Clone(golden)
			for range 1 + r.IntN(3) {
				b[r.IntN(len(b))] = byte(r.IntN(256))
			}
			if r.IntN(4) == 0 {
				b = b[:r.IntN(len(b))]
			}
			sameAnswer(t, name, l, b)
			if _, err := answer(l, b, 0); err != nil {
				refused++
			}
		}
		if refused == 0 {
			t.Errorf("%s: nothing was refused", name)
		}
	}
}

// sameAnswer compares Answer with Decode and Read for any bytes.
func sameAnswer(t *testing.T, name string, l *Layout, b []byte) {
	s, err := l.Decode(b)
	if err != nil {
		if _, fast := answer(l, b, 0); fast == nil || fast.Error() != err.Error() {
			t.Fatalf("%s: %x is %v to Decode, %v to a program", name, b, err, fast)
		}
		return
	}
	for _, at := range []int64{s.horizon, s.horizon + hour} {
		if got, err := answer(l, b, at); err != nil || !sameReading(got, l.Read(s, at)) {
			t.Fatalf("%s: %x is answered with %s, %v", name, b, shows(got.Slots), err)
		}
	}
}

// TestOnly: a layout for some features says of them, and of whether there is a
// row, what the whole one says.
func TestOnly(t *testing.T) {
	for name, v := range answerViews() {
		l := layout(t, v)
		for round := range 40 {
			r := rand.New(rand.NewPCG(11, uint64(round)))
			var features []int
			for i := range v.Features {
				if r.IntN(4) == 0 {
					features = append(features, i)
				}
			}
			few := l.Only(v, features)
			seed := r.Uint64()
			all := randomState(t, l, rand.New(rand.NewPCG(1, seed)))
			some := randomState(t, few, rand.New(rand.NewPCG(1, seed)))
			for _, at := range []int64{all.horizon, all.horizon + r.Int64N(3*hour)} {
				want, got := l.Read(all, at), few.Read(some, at)
				if got.T != want.T || got.Exists != want.Exists || got.OutsideMaxAge != want.OutsideMaxAge {
					t.Fatalf("%s: %+v, of all %+v", name, got, want)
				}
				key := []fqgw.Value{fqgw.TextValue("a")}
				if len(v.Keys) == 0 {
					key = []fqgw.Value{}
				}
				a, b := naiveFeatures(v, key, &want, &fqgw.Env{}), naiveFeatures(v, key, &got, &fqgw.Env{})
				for _, f := range features {
					same := bytes.Equal(fqgw.AppendPacked(nil, a[f].Value), fqgw.AppendPacked(nil, b[f].Value))
					if !same || a[f].Status != b[f].Status || a[f].Time != b[f].Time {
						t.Fatalf("%s: feature %d is %+v, among all %+v", name, f, b[f], a[f])
					}
				}
			}
		}
	}
}
