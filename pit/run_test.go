package pit

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// memoryRun is a run in memory, made of sorted batches.
type memoryRun struct {
	entities fqgw.RunEntities
	groups   []arrow.RecordBatch
	times    [][]int64
	known    [][]int64
}

func (r *memoryRun) Entities() *fqgw.RunEntities { return &r.entities }
func (r *memoryRun) Times(g int) []int64         { return r.times[g] }
func (r *memoryRun) Known(g int) []int64         { return r.known[g] }
func (r *memoryRun) Passed(int)                  {}
func (r *memoryRun) Column(g int, name string) (arrow.Array, error) {
	c := r.groups[g].Column(r.groups[g].Schema().FieldIndices(name)[0])
	c.Retain()
	return c, nil
}

// Packed packs every other group.
func (r *memoryRun) Packed(g int, name string) (p fqgw.PackedColumn, ok bool) {
	a, _ := r.Column(g, name)
	defer a.Release()
	fixed, ok := a.DataType().(arrow.FixedWidthDataType)
	if !ok || fixed.BitWidth() < 32 || (g+len(name))%2 == 0 {
		return p, false
	}
	b := array.NewBuilder(memory.DefaultAllocator, a.DataType())
	defer b.Release()
	p.Valid, p.Before = make([]uint64, (a.Len()+63)/64), make([]uint32, (a.Len()+63)/64)
	for i := range a.Len() {
		if i%64 == 0 {
			p.Before[i/64] = uint32(b.Len())
		}
		if a.IsValid(i) {
			p.Valid[i/64] |= 1 << (i % 64)
			one := array.NewSlice(a, int64(i), int64(i+1))
			if err := b.AppendValueFromString(one.ValueStr(0)); err != nil {
				return p, false
			}
		}
	}
	p.Values = b.NewArray()
	return p, true
}

// newMemoryRun checks that the rows are in order, with an order of its own.
func newMemoryRun(t *testing.T, s *fqgw.Source, keys []int, rows fqgw.Records) *memoryRun {
	t.Helper()
	r := &memoryRun{}
	var all []arrow.RecordBatch
	for b, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	var last []fqgw.Value
	var lastKey fqgw.EntityKey
	n := 0
	end := func() {
		if n > 0 && !r.entities.Append([]byte(lastKey), n) {
			t.Fatal("entities are not in order")
		}
		n = 0
	}
	hidden := len(s.Columns)
	var times, known []int64
	for _, b := range all {
		for i := range int(b.NumRows()) {
			var row []fqgw.Value
			for c, col := range RunColumns(s) {
				row = append(row, fqgw.ArrowValue(b.Column(c), i, col.Type))
			}
			var parts []fqgw.Value
			for _, k := range keys {
				parts = append(parts, row[k])
			}
			key, ok := fqgw.EncodeKey(parts...)
			if !ok {
				t.Fatal("a run has a row of no entity")
			}
			if key != lastKey {
				end()
			} else if before := orderOf(s, last, row); before > 0 {
				t.Fatalf("%v comes before %v", last, row)
			}
			last, lastKey = row, key
			n++
			times, known = append(times, row[runTime(s)].Int()), append(known, row[hidden+fqgw.HiddenKnownAt].Int())
		}
	}
	end()
	for from := 0; from < len(times); from += fqgw.RunGroup {
		to := min(from+fqgw.RunGroup, len(times))
		r.times, r.known = append(r.times, times[from:to]), append(r.known, known[from:to])
	}
	if slices.Equal(times, known) {
		r.known = make([][]int64, len(r.times))
	}
	// The batches as groups.
	if len(all) > 0 {
		for from := int64(0); from < int64(len(times)); from += fqgw.RunGroup {
			r.groups = append(r.groups, joined(t, all, from, min(from+fqgw.RunGroup, int64(len(times)))))
		}
	}
	return r
}

func joined(t *testing.T, all []arrow.RecordBatch, from, to int64) arrow.RecordBatch {
	t.Helper()
	cols := make([]arrow.Array, all[0].NumCols())
	for c := range cols {
		var parts []arrow.Array
		at := int64(0)
		for _, b := range all {
			if lo, hi := max(from, at), min(to, at+b.NumRows()); lo < hi {
				parts = append(parts, array.NewSlice(b.Column(c), lo-at, hi-at))
			}
			at += b.NumRows()
		}
		a, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		cols[c] = a
	}
	return array.NewRecordBatch(all[0].Schema(), cols, to-from)
}

// runTime is the column of the times of a run.
func runTime(s *fqgw.Source) int {
	if s.Changelog() {
		return len(s.Columns) + fqgw.HiddenKnownAt
	}
	return s.EventTime
}

func orderOf(s *fqgw.Source, a, b []fqgw.Value) int {
	h := len(s.Columns)
	pos := func(r []fqgw.Value) fqgw.Position {
		if r[h+2].IsNull() {
			return fqgw.Position{Offset: fqgw.NoOffset}
		}
		return fqgw.Position{Epoch: int32(r[h].Int()), Partition: int32(r[h+1].Int()), Offset: r[h+2].Int(), Sub: int32(r[h+3].Int())}
	}
	return cmp.Or(cmp.Compare(a[runTime(s)].Int(), b[runTime(s)].Int()), cmp.Compare(a[h+fqgw.HiddenKnownAt].Int(), b[h+fqgw.HiddenKnownAt].Int()), pos(a).Compare(pos(b)))
}

// randomRuns makes runs of the first rows of a history; what is left is without the
// positions that are in them.
func randomRuns(t *testing.T, rnd *rand.Rand, v *fqgw.FeatureView, history []raw) (runs []fqgw.Run, left []raw) {
	t.Helper()
	cut := rnd.IntN(len(history) + 1)
	if rnd.IntN(2) == 0 {
		cut = len(history)
	}
	var keys []int
	for _, k := range v.Keys {
		keys = append(keys, k.Column)
	}
	all := make([]string, 0)
	for _, c := range RunColumns(v.Source) {
		all = append(all, c.Name)
	}
	seen := map[fqgw.Position]bool{}
	for from := 0; from < cut; {
		to := from + 1 + rnd.IntN(cut-from)
		var part []raw
		mine := map[fqgw.Position]bool{}
		for _, r := range history[from:to] {
			if r.pos.IsNone() || !seen[r.pos] {
				part = append(part, r)
			}
			mine[r.pos] = true
		}
		for p := range mine {
			seen[p] = true
		}
		before := len(runs)
		err := Sort(v.Source, keys, &fqgw.Sorted{Fresh: records(t, v.Source, all, part)}, nil, func(rows fqgw.Records) error {
			runs = append(runs, newMemoryRun(t, v.Source, keys, rows))
			return nil
		}, func() { runs = slices.Clip(runs[:before]) })
		if err != nil {
			t.Fatal(err)
		}
		from = to
	}
	if rnd.IntN(2) == 0 && len(runs) > 1 {
		n := 2 + rnd.IntN(len(runs)-1)
		merged := newMemoryRun(t, v.Source, keys, Merge(v.Source, runs[:n], nil))
		runs = append([]fqgw.Run{merged}, runs[n:]...)
	}
	for _, r := range history[cut:] {
		if r.pos.IsNone() || !seen[r.pos] {
			left = append(left, r)
		}
	}
	return runs, left
}

// TestSortAnew: positions that turn out to be in another order when rows were written
// already come once.
func TestSortAnew(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 9))
	anew := 0
	for range 1000 {
		s, history := newSource(), randomHistory(rnd, 0)
		rnd.Shuffle(len(history), func(i, j int) { history[i], history[j] = history[j], history[i] })
		slices.SortStableFunc(history[:len(history)/2], func(a, b raw) int { return a.pos.Compare(b.pos) })
		var all []string
		for _, c := range RunColumns(s) {
			all = append(all, c.Name)
		}
		wrote := func(m *fqgw.Memory) (rows int64, err error) {
			begun := false
			passes := 0
			fresh := again(records(t, s, all, history), &passes)
			err = Sort(s, []int{colUser}, &fqgw.Sorted{Fresh: fresh}, m, func(in fqgw.Records) error {
				for b, err := range in {
					if err != nil {
						return err
					}
					rows += b.NumRows()
					begun = begun || passes == 1
					b.Release()
				}
				return nil
			}, func() {
				if rows = 0; begun {
					anew++
				}
			})
			return rows, err
		}
		want, err := wrote(nil)
		if err != nil {
			t.Fatal(err)
		}
		m := fqgw.NewMemory("the sort", "", 8<<10+rnd.Int64N(24<<10))
		got, err := wrote(m)
		if fqgw.HasCode(err, fqgw.CodeOutOfMemory) {
			continue
		}
		if err != nil || got != want {
			t.Fatalf("%d rows, want %d: %v", got, want, err)
		}
		if m.Used() != 0 {
			t.Fatalf("%d bytes are not given back", m.Used())
		}
	}
	if anew < 20 {
		t.Fatalf("only %d began anew behind rows that were written", anew)
	}
}
