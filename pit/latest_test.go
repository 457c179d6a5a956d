package pit

import (
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// TestFind judges the columns of latest rows by the naive reference.
func TestFind(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 5))
	rounds, present, looked := 3000, 0, 0
	if testing.Short() {
		rounds = 600
	}
	for round := range rounds {
		v := randomView(rnd)
		if !LooksUp(v) {
			continue
		}
		l := newLayout(t, v)
		history := randomHistory(rnd, 0)
		runs, left := randomRuns(t, rnd, v, history)
		keys := make([][]fqgw.Value, rnd.IntN(40))
		var names []byte
		var ends []uint32
		times, known := make([]int64, len(keys)), make([]int64, len(keys))
		for i := range keys {
			keys[i] = []fqgw.Value{fqgw.IntValue(rnd.Int64N(4)), fqgw.TextValue([]string{"x", "y", ""}[rnd.IntN(3)])}[:len(v.Keys)]
			if rnd.IntN(10) == 0 {
				keys[i] = nil
			} else {
				names, _ = fqgw.AppendKeyBytes(names, keys[i])
			}
			ends = append(ends, uint32(len(names)))
			times[i] = (rnd.Int64N(5400) - 600) * second
			if len(history) > 0 && rnd.IntN(3) == 0 {
				times[i] = history[rnd.IntN(len(history))].time
			}
			known[i] = rnd.Int64N(5400) * second
		}
		if rnd.IntN(2) == 0 {
			known = nil
		}
		s := NewSpine(names, ends, times, known)
		m, err := Find(l, s, &fqgw.Sorted{Runs: runs, Fresh: records(t, v.Source, Columns(v), left)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var counts [FoundKinds]int
		for slot, x := range v.Row {
			c, ok := x.(*expr.Column)
			if !ok {
				continue
			}
			col := v.Source.Columns[c.Index]
			a, err := m.Column(memory.DefaultAllocator, col, slot)
			if err != nil {
				t.Fatal(err)
			}
			if a.Len() != len(keys) {
				t.Fatalf("round %d: %d values for %d probes", round, a.Len(), len(keys))
			}
			clear(counts[:])
			nulls := 0
			for i, key := range keys {
				k := times[i]
				if known != nil {
					k = known[i]
				}
				got := show(fqgw.ArrowValue(a, i, col.Type))
				if key == nil {
					counts[NoEntity]++
					nulls++
					if got != "NULL" {
						t.Fatalf("round %d: no entity has %s", round, got)
					}
					continue
				}
				slots, exists, tooOld, _ := naive(v, history, key, times[i], k)
				counts[naiveFound(exists, tooOld)]++
				if got != slots[slot] {
					t.Fatalf("round %d: %s at %d known at %d is %s, want %s", round, col.Name, times[i], k, got, slots[slot])
				}
				if looked++; got != "NULL" {
					present++
				} else {
					nulls++
				}
			}
			if a.NullN() != nulls {
				t.Fatalf("round %d: %d NULLs are said, there are %d", round, a.NullN(), nulls)
			}
			for f, n := range counts {
				if m.Count(Found(f)) != n {
					t.Fatalf("round %d: %d probes found %d, want %d", round, m.Count(Found(f)), f, n)
				}
			}
			a.Release()
		}
	}
	if present < rounds || looked < 2*present/3 {
		t.Fatalf("%d values of %d are there: the test sees too little", present, looked)
	}
}

// naiveFound is what there is for a probe, as the reference says.
func naiveFound(exists, tooOld bool) Found {
	switch {
	case exists:
		return Row
	case tooOld:
		return OutsideMaxAge
	}
	return NotFound
}

// TestSpine sorts keys of all shapes.
func TestSpine(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 300 {
		n := rnd.IntN(200)
		var names []byte
		var ends []uint32
		times := make([]int64, n)
		kind := rnd.IntN(3)
		for i := range n {
			switch {
			case rnd.IntN(8) == 0:
			case kind == 0:
				names, _ = fqgw.AppendKeyBytes(names, []fqgw.Value{fqgw.IntValue(rnd.Int64N(20) - 10)})
			case kind == 1:
				names, _ = fqgw.AppendKeyBytes(names, []fqgw.Value{fqgw.TextValue([]string{"", "a", "bb", "ab"}[rnd.IntN(4)])})
			default:
				names, _ = fqgw.AppendKeyBytes(names, []fqgw.Value{fqgw.BoolValue(rnd.IntN(2) == 0), fqgw.IntValue(rnd.Int64N(3))})
			}
			ends = append(ends, uint32(len(names)))
			times[i] = rnd.Int64N(10) - 5
		}
		s := NewSpine(names, ends, times, nil)
		for i := 1; i < len(s.order); i++ {
			a, b := s.order[i-1], s.order[i]
			if s.key(a) > s.key(b) || s.key(a) == s.key(b) && (times[a] > times[b] || times[a] == times[b] && a > b) {
				t.Fatalf("%q at %d comes before %q at %d", s.key(a), times[a], s.key(b), times[b])
			}
		}
		named, at := 0, 0
		for i := range n {
			if s.key(uint32(i)) != "" {
				named++
			}
		}
		for _, to := range s.entities {
			for i := at + 1; i < int(to); i++ {
				if s.key(s.order[i]) != s.key(s.order[at]) {
					t.Fatal("an entity has probes of another")
				}
			}
			at = int(to)
		}
		if named != len(s.order) || at != named {
			t.Fatalf("%d of %d probes are sorted, %d in entities", len(s.order), named, at)
		}
	}
}
