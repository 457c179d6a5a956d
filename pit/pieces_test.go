package pit

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	arrowmem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// memoryPiece is a piece in memory.
type memoryPiece struct {
	t    *testing.T
	of   *fqgw.Source
	rows []raw
}

func (p *memoryPiece) Len() int { return len(p.rows) }

func (p *memoryPiece) Read(columns ...string) fqgw.Records {
	return records(p.t, p.of, columns, p.rows)
}

func (p *memoryPiece) Pick(rows []int32, column string) (arrow.Array, error) {
	if !slices.IsSorted(rows) {
		p.t.Fatalf("rows are asked for out of their order: %v", rows)
	}
	var some []raw
	for _, r := range rows {
		some = append(some, p.rows[r])
	}
	var all []arrow.RecordBatch
	for b := range records(p.t, p.of, []string{column}, some) {
		all = append(all, b)
	}
	return joined(p.t, all, 0, int64(len(rows))).Column(0), nil
}

func pieces(t *testing.T, rnd *rand.Rand, s *fqgw.Source, rows []raw) fqgw.Pieces {
	var all []*memoryPiece
	for from := 0; from < len(rows); {
		to := from + rnd.IntN(len(rows)-from+1)
		all = append(all, &memoryPiece{t, s, rows[from:to]})
		from = to
	}
	return func(yield func(fqgw.Piece, error) bool) {
		for _, p := range all {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// TestPieces judges latest rows of a history in pieces by the naive reference, and by
// the same history row by row, which is what is left where memory does not suffice.
func TestPieces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(17, 6))
	rounds, present, looked, tied, tight := 4000, 0, 0, 0, 0
	if testing.Short() {
		rounds = 800
	}
	for round := range rounds {
		v := randomView(rnd)
		if !LooksUp(v) {
			continue
		}
		s := v.Source
		s.Connector = "files"
		byColumn := rnd.IntN(2) == 0
		if byColumn {
			s.Columns = append(s.Columns, fqgw.Column{Name: "seen", Type: fqgw.Timestamptz})
			s.Known, s.KnownColumn = fqgw.KnownByColumn, len(s.Columns)-1
		}
		history := randomHistory(rnd, 0)
		for i := range history {
			r := &history[i]
			r.pos = fqgw.Position{Offset: fqgw.NoOffset}
			if rnd.IntN(4) == 0 {
				r.time = r.time / (600 * second) * 600 * second // many at once
			}
			r.row = append(slices.Clone(r.row), fqgw.TimestampValue(r.known))[:len(s.Columns)]
			if r.row[colTime] = fqgw.TimestampValue(r.time); !byColumn {
				r.known = r.time
			} else if rnd.IntN(5) == 0 {
				r.row[s.KnownColumn], r.known = fqgw.Null, r.time
			}
		}
		sorted := slices.Clone(history) // of rows of equal times the last by their bytes
		slices.SortStableFunc(sorted, func(a, b raw) int {
			return bytes.Compare(fqgw.AppendPackedRow(nil, a.row), fqgw.AppendPackedRow(nil, b.row))
		})
		keys := make([][]fqgw.Value, rnd.IntN(40))
		var names []byte
		var ends []uint32
		times, known := make([]int64, len(keys)), make([]int64, len(keys))
		same := rnd.Int64N(5400) * second
		for i := range keys {
			if keys[i] = []fqgw.Value{fqgw.IntValue(rnd.Int64N(4)), fqgw.TextValue([]string{"x", "y", ""}[rnd.IntN(3)])}[:len(v.Keys)]; rnd.IntN(10) == 0 {
				keys[i] = nil
			} else {
				names, _ = fqgw.AppendKeyBytes(names, keys[i])
			}
			ends = append(ends, uint32(len(names)))
			if times[i] = (rnd.Int64N(5400) - 600) * second; len(history) > 0 && rnd.IntN(3) == 0 {
				times[i] = history[rnd.IntN(len(history))].time
			}
			if known[i] = same; round%3 == 0 {
				known[i] = rnd.Int64N(5400) * second
			}
		}
		if round%3 == 1 {
			known = nil
		}
		var memory *fqgw.Memory
		if round%7 == 0 {
			memory, tight = fqgw.NewMemory("a join", "--memory", 1<<20).Part("a join", "--memory", 1+rnd.Int64N(4096)), tight+1
		}
		spine := NewSpine(names, ends, times, known)
		m, err := Find(newLayout(t, v), spine, &fqgw.Sorted{Fresh: records(t, s, Columns(v)[:len(s.Columns)], history), Pieces: pieces(t, rnd, s, history)}, memory)
		if fqgw.HasCode(err, fqgw.CodeOutOfMemory) && memory != nil {
			continue // not even row by row
		}
		if err != nil {
			t.Fatal(err)
		}
		for slot, x := range v.Row {
			col := s.Columns[x.(*expr.Column).Index]
			a, err := m.Column(arrowmem.DefaultAllocator, col, slot)
			if err != nil {
				t.Fatal(err)
			}
			var counts [FoundKinds]int
			for i, key := range keys {
				got := show(fqgw.ArrowValue(a, i, col.Type))
				if key == nil {
					counts[NoEntity]++
					continue
				}
				k := times[i]
				if known != nil {
					k = known[i]
				}
				slots, exists, tooOld, _ := naive(v, sorted, key, times[i], k)
				counts[naiveFound(exists, tooOld)]++
				if got != slots[slot] {
					t.Fatalf("round %d: %s of %v at %d known at %d is %s, want %s", round, col.Name, key, times[i], k, got, slots[slot])
				}
				if looked++; got != "NULL" {
					present++
				}
			}
			for f, n := range counts {
				if m.Count(Found(f)) != n {
					t.Fatalf("round %d: %d probes found %d, want %d", round, m.Count(Found(f)), f, n)
				}
			}
			a.Release()
		}
		for i, r := range history {
			if i > 0 && r.time == history[i-1].time && r.known == history[i-1].known {
				tied++
			}
		}
	}
	if present < rounds || looked > 3*present || tied < rounds/10 || tight < rounds/100 {
		t.Fatalf("%d values of %d are there, %d rows tie: the test sees too little", present, looked, tied)
	}
}
