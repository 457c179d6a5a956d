package pit

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/window"
)

// TestWindows: the columns say what the readings say, value by value and status by
// status, with numerics as they are and as doubles.
func TestWindows(t *testing.T) {
	rnd := rand.New(rand.NewPCG(33, 34))
	doubled, failed := 0, 0
	for round := range 300 {
		v := randomView(rnd)
		if v.Latest {
			continue
		}
		if round%10 == 0 { // a sum that leaves its type, now and then
			huge := op(sourceCol(v.Source, colFloat), "*", &expr.Const{Val: fqgw.FloatValue(1e294), Typ: fqgw.Float8})
			v.Aggregates = append(v.Aggregates, fqgw.Aggregate{Func: "sum", Args: []fqgw.Expr{huge}, Type: fqgw.Float8})
		}
		l := newLayout(t, v)
		history := randomHistory(rnd, 0)
		runs, left := randomRuns(t, rnd, v, history)
		probes := make([]Probe, 1+rnd.IntN(60))
		for i := range probes {
			p := &probes[i]
			p.T = (rnd.Int64N(5400) - 600) * second
			if p.K = p.T; round%2 == 0 {
				p.K = rnd.Int64N(5400) * second
			}
			key := []fqgw.Value{fqgw.IntValue(rnd.Int64N(4)), fqgw.TextValue([]string{"x", "y", ""}[rnd.IntN(3)])}[:len(v.Keys)]
			if p.Key, p.OK = fqgw.EncodeKey(key...); rnd.IntN(10) == 0 {
				*p = Probe{T: p.T}
			} else if i > 0 && rnd.IntN(5) == 0 {
				*p = probes[i-1]
			}
		}
		sorted := func() *fqgw.Sorted {
			return &fqgw.Sorted{Runs: runs, Fresh: records(t, v.Source, Columns(v), left)}
		}
		readings := make([]window.Reading, len(probes))
		if err := Join(l, probes, sorted(), nil, func(i int, r *window.Reading) error { readings[i] = *r; return nil }); err != nil {
			t.Fatal(err)
		}
		doubles := rnd.IntN(2) == 0
		var cols *window.Columns
		err := tight(round, func(m *fqgw.Memory) (err error) {
			cols, err = Windows(l, spineFrom(probes), sorted(), m, doubles)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for slot := range v.Aggregates {
			f := &cols.Slots[slot]
			a, err := Array(f)
			if err != nil {
				t.Fatal(err)
			}
			var statuses [fqgw.StatusTimeout + 1]uint64
			for i := range probes {
				want, r := fqgw.Null, &readings[i]
				status := fqgw.StatusNotFound
				if probes[i].OK {
					want = r.Slots[slot]
					switch {
					case r.Errors[slot]:
						status = fqgw.StatusError
						failed++
					case r.Exists && want.IsNull():
						status = fqgw.StatusNull
					case r.Exists:
						status = fqgw.StatusPresent
					}
				}
				statuses[status]++
				if cols.Exists[i] != (probes[i].OK && r.Exists) {
					t.Fatalf("round %d: probe %d has a row: %t", round, i, cols.Exists[i])
				}
				if doubles && want.Kind() == fqgw.KindNumeric {
					want = fqgw.FloatValue(want.Numeric().Float())
					doubled++
				}
				if got := fqgw.ArrowValue(a, i, f.Type); !bytes.Equal(fqgw.AppendPacked(nil, got), fqgw.AppendPacked(nil, want)) {
					t.Fatalf("round %d: %s of probe %d is %s, want %s", round, v.Aggregates[slot].Func, i, show(got), show(want))
				}
			}
			if got := cols.Statuses(slot, false, true); got != statuses {
				t.Fatalf("round %d: statuses %v, want %v", round, got, statuses)
			}
			a.Release()
		}
	}
	if doubled < 300 || failed == 0 {
		t.Errorf("%d numerics became doubles, %d sums left their type", doubled, failed)
	}
}

// spineFrom is a spine of probes.
func spineFrom(probes []Probe) *Spine {
	var keys []byte
	var ends []uint32
	var t, k []int64
	for i := range probes {
		p := &probes[i]
		if p.OK {
			keys = append(keys, p.Key...)
		}
		ends, t, k = append(ends, uint32(len(keys))), append(t, p.T), append(k, p.K)
	}
	return NewSpine(keys, ends, t, k)
}
