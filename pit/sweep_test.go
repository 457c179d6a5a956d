package pit

import (
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// TestManyLabels: an entity with more labels than one sweep takes, each with a KNOWN
// AT of its own, from runs, from events and from both.
func TestManyLabels(t *testing.T) {
	rnd := rand.New(rand.NewPCG(27, 28))
	for round := range 60 {
		v := randomView(rnd)
		v.Keys = v.Keys[:1]
		l := newLayout(t, v)
		history := randomHistory(rnd, 0)
		for len(history) < 40 {
			history = randomHistory(rnd, 0)
		}
		runs, left := randomRuns(t, rnd, v, history)
		key := []fqgw.Value{fqgw.IntValue(rnd.Int64N(3))}
		code, _ := fqgw.EncodeKey(key...)
		probes := make([]Probe, 6*fewest+rnd.IntN(fewest))
		for i := range probes {
			probes[i] = Probe{OK: true, Key: code, T: (rnd.Int64N(5400) - 600) * second, K: (rnd.Int64N(5400) - 600) * second}
			switch h := history[rnd.IntN(len(history))]; {
			case i > 0 && rnd.IntN(10) == 0:
				probes[i] = probes[i-1]
			case rnd.IntN(4) == 0: // at an event, and just before it was known
				probes[i].T, probes[i].K = h.time+rnd.Int64N(2), h.known-rnd.Int64N(2)
			}
		}
		var answered []int
		err := tight(round, func(m *fqgw.Memory) error {
			answered = make([]int, len(probes))
			return Join(l, probes, &fqgw.Sorted{Runs: runs, Fresh: records(t, v.Source, Columns(v), left)}, m, func(i int, r *window.Reading) error {
				answered[i]++
				p := probes[i]
				slots, exists, tooOld, times := naive(v, history, key, p.T, p.K)
				if r.T != p.T || r.Exists != exists || r.OutsideMaxAge != tooOld {
					t.Fatalf("round %d: at %d known at %d: row %t too old %t, want %t %t", round, p.T, p.K, r.Exists, r.OutsideMaxAge, exists, tooOld)
				}
				for j, want := range slots {
					a := &fqgw.Aggregate{Func: "row"}
					if !v.Latest {
						a = &v.Aggregates[j]
					}
					if r.Errors[j] || !agree(a, r.Slots[j], want) || r.Times[j] != times[j] {
						t.Fatalf("round %d: %s%v at %d known at %d is %s, want %s", round, a.Func, a.Args, p.T, p.K, show(r.Slots[j]), want)
					}
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range answered {
			if n != 1 {
				t.Fatalf("round %d: probe %d was answered %d times", round, i, n)
			}
		}
	}
}

// TestFarBack: latest rows of an entity most of whose rows were known much later, or in
// another order, than they happened.
func TestFarBack(t *testing.T) {
	rnd := rand.New(rand.NewPCG(29, 30))
	for round := range 40 {
		s := newSource()
		keys := []fqgw.KeyColumn{{Name: "user_id", Column: colUser, Type: fqgw.Int8}}
		v := &fqgw.FeatureView{Source: s, Latest: true, Keys: keys, Row: []fqgw.Expr{sourceCol(s, colInt)}}
		if round%5 == 0 {
			v.MaxAge = 100 * second
		}
		var all []raw
		for i := range 8 * farBack {
			r := raw{time: int64(i/2) * second, pos: fqgw.Position{Offset: int64(i)}, row: make([]fqgw.Value, colUnused+1)}
			r.known = []int64{r.time + 100*second, rnd.Int64N(1000) * second, 1000*second - r.time}[round%3]
			r.row[colUser], r.row[colTime], r.row[colInt] = fqgw.IntValue(1), fqgw.TimestampValue(r.time), fqgw.IntValue(int64(i))
			all = append(all, r)
		}
		runs, left := randomRuns(t, rnd, v, all)
		key := fqgw.IntValue(1)
		code, _ := fqgw.EncodeKey(key)
		probes := make([]Probe, 200)
		for i := range probes {
			probes[i] = Probe{OK: true, Key: code, T: rnd.Int64N(400) * second, K: rnd.Int64N(1000)*second - rnd.Int64N(2)}
		}
		found := 0
		err := tight(round, func(m *fqgw.Memory) error {
			history := &fqgw.Sorted{Runs: runs, Fresh: records(t, s, Columns(v), left)}
			return Join(newLayout(t, v), probes, history, m, func(i int, r *window.Reading) error {
				slots, exists, tooOld, times := naive(v, all, []fqgw.Value{key}, probes[i].T, probes[i].K)
				if r.Exists != exists || r.OutsideMaxAge != tooOld || show(r.Slots[0]) != slots[0] || r.Times[0] != times[0] {
					t.Fatalf("round %d: %+v: %s, want %s", round, probes[i], show(r.Slots[0]), slots[0])
				}
				if exists {
					found++
				}
				return nil
			})
		})
		if err != nil || found == 0 {
			t.Fatal(found, err)
		}
	}
}
