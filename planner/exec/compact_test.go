package exec

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// runStore is a history whose runs are only counted: those that are given to
// CommitRuns are there from then on.
type runStore struct {
	fqgw.SortedHistory
	t       *testing.T
	fresh   int // batches of batchRows rows
	source  *fqgw.Source
	runs    []fqgw.Run
	written []int // rows of each run that was written
	gone    int   // runs that were discarded
	during  func()
	refuse  int // commits
	more    int // batches that land with each commit
}

const fakeRows = 1000

// fakeRun is a run of one entity.
type fakeRun struct {
	entities fqgw.RunEntities
	group    arrow.RecordBatch
}

func (r *fakeRun) Entities() *fqgw.RunEntities { return &r.entities }
func (r *fakeRun) Times(int) []int64           { return r.Known(0) }
func (r *fakeRun) Passed(int)                  {}
func (r *fakeRun) Known(int) []int64 {
	ts := r.group.Column(r.group.Schema().FieldIndices(fqgw.ColKnownAt)[0]).(*array.Timestamp)
	return arrow.GetData[int64](ts.Data().Buffers()[1].Bytes())[:ts.Len()]
}
func (r *fakeRun) Column(_ int, name string) (arrow.Array, error) {
	a := r.group.Column(r.group.Schema().FieldIndices(name)[0])
	a.Retain()
	return a, nil
}

func (r *fakeRun) Packed(int, string) (p fqgw.PackedColumn, ok bool) { return p, false }

type fakeFile struct {
	*runStore
	run *fakeRun
}

func (f *fakeFile) Rows() int64 { return int64(f.run.entities.NumRows()) }
func (f *fakeFile) Discard()    { f.gone++ }

func (s *runStore) batch(from, n int) arrow.RecordBatch {
	cols := append(slices.Clone(s.source.Columns), fqgw.HiddenColumns...)
	b := array.NewRecordBuilder(memory.DefaultAllocator, fqgw.ArrowSchema(cols))
	defer b.Release()
	for i := from; i < from+n; i++ {
		at := fqgw.TimestampValue(int64(i))
		for c, v := range []fqgw.Value{fqgw.IntValue(1), at, fqgw.IntValue(0), fqgw.IntValue(0), fqgw.IntValue(int64(i)), fqgw.IntValue(0), fqgw.TextValue("insert"), at} {
			if err := fqgw.AppendValue(b.Field(c), v, cols[c].Type); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return b.NewRecordBatch()
}

func (s *runStore) Sorted(_ context.Context, _ fqgw.Scan, _ fqgw.RunKeys) (*fqgw.Sorted, error) {
	out := &fqgw.Sorted{Runs: slices.Clone(s.runs), FreshRows: int64(s.fresh * fakeRows)}
	n := s.fresh
	out.Fresh = func(yield func(arrow.RecordBatch, error) bool) {
		for i := range n {
			if s.during != nil {
				s.during()
			}
			if !yield(s.batch(i*fakeRows, fakeRows), nil) {
				return
			}
		}
	}
	return out, nil
}

func (s *runStore) MergeFiles(context.Context, string) error { return nil }

func (s *runStore) WriteRun(ctx context.Context, _ string, _ fqgw.RunKeys, rows fqgw.Records) (fqgw.RunFile, error) {
	n := 0
	for b, err := range rows {
		if err != nil {
			return nil, err
		}
		if s.during != nil {
			s.during()
		}
		n += int(b.NumRows())
		b.Release()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	r := &fakeRun{group: s.batch(0, n)}
	key, _ := fqgw.EncodeKey(fqgw.IntValue(1))
	r.entities.Append([]byte(key), n)
	s.written = append(s.written, n)
	return &fakeFile{s, r}, nil
}

func (s *runStore) CommitRuns(_ context.Context, _ string, _ fqgw.RunKeys, base *fqgw.Sorted, remove []fqgw.Run, add []fqgw.RunFile, _ fqgw.Coverage) (bool, error) {
	if s.refuse > 0 {
		s.refuse--
		return false, nil
	}
	s.runs = slices.DeleteFunc(slices.Clone(base.Runs), func(r fqgw.Run) bool { return slices.Contains(remove, r) })
	for _, f := range add {
		s.runs = append(s.runs, f.(*fakeFile).run)
	}
	if len(remove) == 0 {
		s.fresh = s.more
	}
	return true, nil
}

func compacting(t *testing.T, s *runStore, o Options) *Engine {
	s.t = t
	s.source = &fqgw.Source{Name: "s", History: "lake.s", Columns: []fqgw.Column{{Name: "k", Type: fqgw.Int8}, {Name: "ts", Type: fqgw.Timestamptz}}, EventTime: 1}
	cat := &fqgw.Catalog{Sources: map[fqgw.QualifiedName]*fqgw.Source{fqgw.Public("s"): s.source},
		Features: map[fqgw.QualifiedName]*fqgw.FeatureView{fqgw.Public("v"): {Name: "v", Source: s.source, Keys: []fqgw.KeyColumn{{Name: "k", Column: 0}}}}}
	o.History, o.Catalog, o.Clock, o.Logger = s, cat, fqgw.RealClock(), slog.New(slog.NewTextHandler(io.Discard, nil))
	return New(o)
}

// A compaction counts what it keeps, in the account of all sessions too: with little
// memory it makes more runs, which are merged a few at a time.
func TestCompactionMemory(t *testing.T) {
	total := fqgw.NewMemory("all", "--total-memory", 64<<20)
	most, limit := int64(0), int64(8<<20)
	s := &runStore{fresh: 100, during: func() { most = max(most, total.Used()) }}
	e := compacting(t, s, Options{MemoryLimit: limit, Total: total})
	if err := e.Compact(t.Context(), s.source, true); err != nil {
		t.Fatal(err)
	}
	if len(s.runs) != 1 || s.runs[0].Entities().NumRows() != 100*fakeRows || len(s.written) < 5 {
		t.Errorf("%d runs in the end, written were %v", len(s.runs), s.written)
	}
	if most < limit/4 || total.Used() != 0 || total.Lost() != 0 {
		t.Errorf("%d bytes were counted, %d still are, %d are lost", most, total.Used(), total.Lost())
	}
	// Where sessions have all there is, it says so and leaves nothing behind.
	s = &runStore{fresh: 100}
	total = fqgw.NewMemory("all", "--total-memory", 1<<20)
	if err := total.Take(1 << 20); err != nil {
		t.Fatal(err)
	}
	e = compacting(t, s, Options{MemoryLimit: limit, Total: total})
	if err := e.Compact(t.Context(), s.source, true); !fqgw.HasCode(err, fqgw.CodeOutOfMemory) {
		t.Errorf("without memory: %v", err)
	}
	if total.Used() != 1<<20 || total.Lost() != 0 || len(s.written) != s.gone {
		t.Errorf("%d bytes are counted, %d lost; %d runs of %d were discarded", total.Used(), total.Lost(), s.gone, len(s.written))
	}
}

// VACUUM ends although more lands as long as it takes, and although others come
// between; it gives up when all it does is in vain.
func TestCompactionEnds(t *testing.T) {
	s := &runStore{fresh: 10, more: 2, refuse: 3}
	e := compacting(t, s, Options{})
	if err := e.Compact(t.Context(), s.source, true); err != nil || len(s.runs) != 1 {
		t.Errorf("%d runs, %v", len(s.runs), err)
	}
	s = &runStore{fresh: 10, refuse: 1000}
	e = compacting(t, s, Options{})
	if err := e.Compact(t.Context(), s.source, true); !fqgw.HasCode(err, fqgw.CodeNotInState) {
		t.Errorf("in vain: %v", err)
	}
}

// In the background only what is worth it is compacted, one at a time, and it ends
// with its context.
func TestCompactionInBackground(t *testing.T) {
	s := &runStore{fresh: compactRows/fakeRows - 1}
	e := compacting(t, s, Options{})
	if err := e.Compact(t.Context(), s.source, false); err != nil || len(s.written) != 0 {
		t.Errorf("%v, written were %v", err, s.written)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.fresh++
	s.during = func() {
		if err := context.Cause(ctx); err == nil {
			waiting, stop := context.WithTimeout(ctx, time.Millisecond)
			defer stop()
			if err := e.Compact(waiting, s.source, true); err != context.DeadlineExceeded {
				t.Errorf("a second compaction: %v", err)
			}
			cancel()
		}
	}
	if err := e.Compact(ctx, s.source, false); err != context.Canceled || len(s.runs) != 0 {
		t.Errorf("%v, %d runs", err, len(s.runs))
	}
	s.during = nil
	if err := e.Compact(t.Context(), s.source, false); err != nil || len(s.runs) != 1 {
		t.Errorf("%v, %d runs", err, len(s.runs))
	}
}

// Runs of one length class are merged; whole, the short ones come first.
func TestMergeable(t *testing.T) {
	runs := func(rows ...int) (out []fqgw.Run) {
		for _, n := range rows {
			r := &fakeRun{}
			r.entities.Append([]byte("k"), n)
			out = append(out, r)
		}
		return out
	}
	for _, c := range []struct {
		rows  []int
		whole bool
		most  int
		want  []int
	}{
		{[]int{}, false, 9, []int{}},
		{[]int{1000}, false, 9, []int{1000}},
		{[]int{1000, 10}, false, 9, []int{10}},
		{[]int{1000, 100, 30}, false, 9, []int{100, 30}},
		{[]int{500, 100, 30}, false, 9, []int{500, 100, 30}},
		{[]int{500, 100, 30}, false, 2, []int{100, 30}},
		{[]int{1000, 10, 300}, true, 9, []int{10, 300, 1000}},
		{[]int{1000, 10, 300}, true, 2, []int{10, 300}},
	} {
		got := []int{}
		for _, r := range mergeable(runs(c.rows...), c.whole, c.most) {
			got = append(got, r.Entities().NumRows())
		}
		if len(got) < 2 && len(c.want) < 2 {
			continue // nothing is merged
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v, whole %v, at most %d: %v, not %v", c.rows, c.whole, c.most, got, c.want)
		}
	}
}
