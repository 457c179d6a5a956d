package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
)

// SortedColumns are those of a history of a source.
var SortedColumns = append([]fqgw.Column{{Name: "k", Type: fqgw.Int8}, {Name: "site", Type: fqgw.Text}, {Name: "ts", Type: fqgw.Timestamptz},
	{Name: "x", Type: fqgw.Float8}, {Name: "n", Type: fqgw.NumericOf(12, 2)}, {Name: "u", Type: fqgw.UUID}, {Name: "tags", Type: fqgw.Text.Array()},
	{Name: "ok", Type: fqgw.Bool}, {Name: "i", Type: fqgw.Int4}}, fqgw.HiddenColumns...)

var sortedTypes = func() (out []fqgw.Type) {
	for _, c := range SortedColumns {
		out = append(out, c.Type)
	}
	return out
}()

// ByKey is the keys of most tests.
var (
	ByKey  = fqgw.RunKeys{Keys: []string{"k"}, Time: "ts"}
	bySite = fqgw.RunKeys{Keys: []string{"site", "k"}, Time: "ts"}
)

// HistoryRow is an event of entity k at a time, which was known then, at an offset.
func HistoryRow(k, at, offset int64) []fqgw.Value {
	maybe := func(v fqgw.Value) fqgw.Value {
		if offset%5 == 0 {
			return fqgw.Null
		}
		return v
	}
	return []fqgw.Value{fqgw.IntValue(k), fqgw.TextValue(fmt.Sprint("s", k%3)), fqgw.TimestampValue(at), maybe(fqgw.FloatValue(float64(offset) / 2)), maybe(fqgw.Null),
		fqgw.UUIDValue([16]byte{byte(k), byte(offset)}), maybe(fqgw.ArrayOf(fqgw.Text, fqgw.TextValue("a"), fqgw.Null)), fqgw.BoolValue(offset%2 == 0), fqgw.IntValue(offset),
		fqgw.IntValue(0), fqgw.IntValue(0), fqgw.IntValue(offset), fqgw.IntValue(0), fqgw.TextValue("insert"), fqgw.TimestampValue(at)}
}

// with is a row with one value in the place of another.
func with(row []fqgw.Value, column string, v fqgw.Value) []fqgw.Value {
	row = slices.Clone(row)
	row[slices.IndexFunc(SortedColumns, func(c fqgw.Column) bool { return c.Name == column })] = v
	return row
}

// InOrder is rows in the order of a run.
func InOrder(k fqgw.RunKeys, rows [][]fqgw.Value) [][]fqgw.Value {
	place := func(name string) int {
		return slices.IndexFunc(SortedColumns, func(c fqgw.Column) bool { return c.Name == name })
	}
	key := func(row []fqgw.Value) fqgw.EntityKey {
		var parts []fqgw.Value
		for _, c := range k.Keys {
			parts = append(parts, row[place(c)])
		}
		e, _ := fqgw.EncodeKey(parts...)
		return e
	}
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b []fqgw.Value) int {
		out := cmp.Compare(key(a), key(b))
		for _, c := range []string{k.Time, fqgw.ColKnownAt, fqgw.ColEpoch, fqgw.ColPartition, fqgw.ColOffset, fqgw.ColSub} {
			out = cmp.Or(out, cmp.Compare(a[place(c)].Int(), b[place(c)].Int()))
		}
		return out
	})
	return rows
}

// SortedStore is a store under test; what fails ends the test.
type SortedStore struct {
	fqgw.SortedHistory
	T *testing.T
}

// Make makes a history.
func (s SortedStore) Make(name string) {
	s.T.Helper()
	if err := s.Create(s.T.Context(), name, SortedColumns); err != nil {
		s.T.Fatal(err)
	}
}

// LandRows lands rows at the offsets from from to before to.
func (s SortedStore) LandRows(name string, rows [][]fqgw.Value, from, to int64) {
	s.T.Helper()
	mark := func(n int64) (m fqgw.Marks) {
		if n > 0 {
			m = fqgw.Marks{{Next: n}}
		}
		return m
	}
	for range 20 {
		found, ok, err := s.Land(s.T.Context(), name, Batch(s.T, SortedColumns, rows), mark(from), mark(to))
		if ok {
			return
		}
		if err != nil || !slices.Equal(found, mark(from)) {
			s.T.Fatal(found, err)
		}
		time.Sleep(time.Millisecond) // somebody else committed
	}
	s.T.Fatal("nothing can be landed")
}

// Read is a history of now, closed with the test.
func (s SortedStore) Read(name string, k fqgw.RunKeys) *fqgw.Sorted {
	s.T.Helper()
	out, err := s.Sorted(s.T.Context(), fqgw.Scan{Table: name}, k)
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(out.Close)
	return out
}

// Run writes rows as a run, in two batches.
func (s SortedStore) Run(name string, k fqgw.RunKeys, rows [][]fqgw.Value) fqgw.RunFile {
	s.T.Helper()
	f, err := s.WriteRun(s.T.Context(), name, k, func(yield func(arrow.RecordBatch, error) bool) {
		half := len(rows) / 2
		_ = yield(Batch(s.T, SortedColumns, rows[:half]), nil) && yield(Batch(s.T, SortedColumns, rows[half:]), nil)
	})
	if err != nil || f.Rows() != int64(len(rows)) {
		s.T.Fatal(f, err)
	}
	return f
}

// Commit commits runs; the rows of add are those of remove, or the fresh ones.
func (s SortedStore) Commit(name string, k fqgw.RunKeys, base *fqgw.Sorted, remove []fqgw.Run, add ...fqgw.RunFile) bool {
	s.T.Helper()
	upto := base.Upto
	if len(remove) > 0 {
		upto = base.Covers
	}
	ok, err := s.CommitRuns(s.T.Context(), name, k, base, remove, add, upto)
	if err != nil {
		s.T.Fatal(err)
	}
	return ok
}

// Compact makes one run of all that is not in a run.
func (s SortedStore) Compact(name string, k fqgw.RunKeys) {
	s.T.Helper()
	base := s.Read(name, k)
	defer base.Close()
	if !s.Commit(name, k, base, nil, s.Run(name, k, InOrder(k, Fresh(s.T, base)))) {
		s.T.Fatal("runs were not committed")
	}
}

// Fresh are the rows that are not in a run.
func Fresh(t *testing.T, s *fqgw.Sorted) (out [][]fqgw.Value) {
	t.Helper()
	for b, err := range s.Fresh {
		if err != nil {
			t.Fatal(err)
		}
		for r := range int(b.NumRows()) {
			row := make([]fqgw.Value, len(sortedTypes))
			for c, typ := range sortedTypes {
				row[c] = fqgw.ArrowValue(b.Column(c), r, typ)
			}
			out = append(out, row)
		}
		b.Release()
	}
	return out
}

// runRows are the rows of a run, whose index must agree with them.
func runRows(t *testing.T, r fqgw.Run, k fqgw.RunKeys) (out [][]fqgw.Value) {
	t.Helper()
	n := r.Entities().NumRows()
	for g := 0; g*fqgw.RunGroup < n; g++ {
		rows := min(n-g*fqgw.RunGroup, fqgw.RunGroup)
		from := len(out)
		for range rows {
			out = append(out, make([]fqgw.Value, len(SortedColumns)))
		}
		for c, col := range SortedColumns {
			a, err := r.Column(g, col.Name)
			if err != nil || a.Len() != rows {
				t.Fatalf("column %s of group %d: %v", col.Name, g, err)
			}
			for i := range rows {
				out[from+i][c] = fqgw.ArrowValue(a, i, col.Type)
			}
			a.Release()
		}
		known := r.Known(g)
		if known == nil {
			known = r.Times(g)
		}
		for i, row := range out[from:] {
			if at := row[2].Int(); at != r.Times(g)[i] || row[len(row)-1].Int() != known[i] {
				t.Fatalf("row %d: its times are %d and %d, not %v", i, r.Times(g)[i], known[i], row)
			}
		}
	}
	for i := range r.Entities().Len() {
		from, to := r.Entities().Rows(i)
		for _, row := range out[from:to] {
			var parts []fqgw.Value
			for _, c := range k.Keys {
				parts = append(parts, row[slices.IndexFunc(SortedColumns, func(x fqgw.Column) bool { return x.Name == c })])
			}
			if key, _ := fqgw.EncodeKey(parts...); string(key) != string(r.Entities().Key(i)) {
				t.Fatalf("row %v is of another entity", row)
			}
		}
	}
	return out
}

func texts(rows [][]fqgw.Value) (out []string) {
	for _, r := range rows {
		out = append(out, string(fqgw.AppendPackedRow(nil, r)))
	}
	slices.Sort(out)
	return out
}

// Whole checks that runs and fresh rows are together those rows, each once, and that
// so many runs are among them.
func (s SortedStore) Whole(name string, k fqgw.RunKeys, want [][]fqgw.Value, runs int) {
	s.T.Helper()
	got := s.Read(name, k)
	defer got.Close()
	var rows [][]fqgw.Value
	for _, r := range got.Runs {
		rows = append(rows, runRows(s.T, r, k)...)
	}
	rows = append(rows, Fresh(s.T, got)...)
	if a, b := texts(rows), texts(want); !slices.Equal(a, b) {
		s.T.Errorf("%d rows of %d, or others", len(a), len(b))
	}
	if len(got.Runs) != runs {
		s.T.Errorf("%d runs, not %d", len(got.Runs), runs)
	}
}

// SomeRows are n events from an offset on, of a few entities.
func SomeRows(from, n int64) (out [][]fqgw.Value) {
	for i := from; i < from+n; i++ {
		out = append(out, HistoryRow((i*7)%13, i*1_000_000-(i%4)*5_000_000, i))
	}
	return out
}

// Sorted checks a history that keeps runs. The store must be empty.
func Sorted(t *testing.T, h fqgw.SortedHistory) {
	store := func(t *testing.T) SortedStore { return SortedStore{h, t} }

	t.Run("round trip", func(t *testing.T) {
		s, name := store(t), "lake.runs"
		s.Make(name)
		empty := s.Read(name, ByKey)
		if len(empty.Runs) != 0 || empty.FreshRows != 0 || len(Fresh(t, empty)) != 0 {
			t.Errorf("of an empty history: %+v", empty)
		}
		rows := SomeRows(0, 1000)
		s.LandRows(name, rows, 0, 1000)
		if got := s.Read(name, ByKey); got.FreshRows != 1000 || len(got.Runs) != 0 {
			t.Errorf("%d fresh rows, %d runs", got.FreshRows, len(got.Runs))
		}
		s.Compact(name, ByKey)
		got := s.Read(name, ByKey)
		if len(got.Runs) != 1 || got.FreshRows != 0 || !slices.Equal(got.Covered, fqgw.Marks{{Next: 1000}}) {
			t.Fatalf("%d runs up to %v, %d fresh rows", len(got.Runs), got.Covered, got.FreshRows)
		}
		want := InOrder(ByKey, rows)
		for i, row := range runRows(t, got.Runs[0], ByKey) {
			if string(fqgw.AppendPackedRow(nil, row)) != string(fqgw.AppendPackedRow(nil, want[i])) {
				t.Fatalf("row %d is %v, not %v", i, row, want[i])
			}
		}
		if _, err := got.Runs[0].Column(0, "nope"); !fqgw.HasCode(err, fqgw.CodeUndefinedColumn) {
			t.Errorf("a column that is not there: %v", err)
		}
		s.Whole(name, bySite, rows, 0) // other keys have runs of their own
		s.Compact(name, bySite)
		more := SomeRows(1000, 50)
		s.LandRows(name, more, 1000, 1050)
		rows = append(rows, more...)
		s.Whole(name, ByKey, rows, 1)
		s.Whole(name, bySite, rows, 1)
		if got := s.Read(name, ByKey); got.FreshRows != 50 || !slices.Equal(got.Upto.Marks, fqgw.Marks{{Next: 1050}}) {
			t.Errorf("%d fresh rows up to %v", got.FreshRows, got.Upto.Marks)
		}
		s.Compact(name, ByKey)
		s.Whole(name, ByKey, rows, 2)
		// Two become one.
		base := s.Read(name, ByKey)
		if !s.Commit(name, ByKey, base, base.Runs, s.Run(name, ByKey, InOrder(ByKey, rows))) {
			t.Fatal("not committed")
		}
		s.Whole(name, ByKey, rows, 1)
		// As the history was before.
		if old, err := h.Sorted(t.Context(), fqgw.Scan{Table: name, AsOf: 1}, ByKey); err != nil || len(old.Runs) != 0 || len(Fresh(t, old)) != 0 {
			t.Errorf("before there was anything: %v, %v", old, err)
		}
	})

	t.Run("runs out of order", func(t *testing.T) {
		good := InOrder(ByKey, SomeRows(0, 30))
		swap := func(i, j int) [][]fqgw.Value {
			rows := slices.Clone(good)
			rows[i], rows[j] = rows[j], rows[i]
			return rows
		}
		same := good[4]
		for what, rows := range map[string][][]fqgw.Value{
			"entities":       swap(0, len(good)-1),
			"times":          swap(0, 1),
			"known times":    {with(same, fqgw.ColKnownAt, fqgw.TimestampValue(1<<50)), with(same, fqgw.ColOffset, fqgw.IntValue(77))},
			"positions":      {with(same, fqgw.ColOffset, fqgw.IntValue(9)), with(same, fqgw.ColOffset, fqgw.IntValue(8))},
			"position twice": {same, same},
			"no entity":      {with(same, "k", fqgw.Null)},
			"no time":        {with(same, "ts", fqgw.Null)},
		} {
			t.Run(what, func(t *testing.T) {
				s, name := store(t), "lake.bad "+what
				s.Make(name)
				s.LandRows(name, good, 0, 30)
				base := s.Read(name, ByKey)
				f := s.Run(name, ByKey, rows)
				if ok, err := h.CommitRuns(t.Context(), name, ByKey, base, nil, []fqgw.RunFile{f}, base.Upto); ok || !fqgw.HasCode(err, fqgw.CodeDataCorrupted) {
					t.Errorf("committed: %v, %v", ok, err)
				}
				s.Whole(name, ByKey, good, 0)
				s.Compact(name, ByKey)
				s.Whole(name, ByKey, good, 1)
			})
		}
		// Rows without a position may be equal.
		s, name := store(t), "lake.foreign"
		s.Make(name)
		foreign := same
		for _, c := range []string{fqgw.ColEpoch, fqgw.ColPartition, fqgw.ColOffset, fqgw.ColSub} {
			foreign = with(foreign, c, fqgw.Null)
		}
		rows := [][]fqgw.Value{foreign, foreign}
		if _, err := h.Append(t.Context(), name, one(Batch(t, SortedColumns, rows))); err != nil {
			t.Fatal(err)
		}
		s.Compact(name, ByKey)
		s.Whole(name, ByKey, rows, 1)
	})

	t.Run("two that commit", func(t *testing.T) {
		s, name := store(t), "lake.two"
		s.Make(name)
		rows := SomeRows(0, 40)
		s.LandRows(name, rows[:20], 0, 20)
		for round, want := range []int{1, 2} { // from no runs, and from some
			a, b := s.Read(name, ByKey), s.Read(name, ByKey)
			fa, fb := s.Run(name, ByKey, InOrder(ByKey, Fresh(t, a))), s.Run(name, ByKey, InOrder(ByKey, Fresh(t, b)))
			if !s.Commit(name, ByKey, a, nil, fa) || s.Commit(name, ByKey, b, nil, fb) {
				t.Errorf("round %d: the second was committed too, or the first was not", round)
			}
			s.Whole(name, ByKey, rows[:20*(round+1)], want)
			if round == 0 {
				s.LandRows(name, rows[20:], 20, 40)
			}
		}
		// A merge of what another merged.
		a, b := s.Read(name, ByKey), s.Read(name, ByKey)
		fa, fb := s.Run(name, ByKey, InOrder(ByKey, rows)), s.Run(name, ByKey, InOrder(ByKey, rows))
		if !s.Commit(name, ByKey, a, a.Runs, fa) || s.Commit(name, ByKey, b, b.Runs, fb) {
			t.Error("the second merge was committed too, or the first was not")
		}
		s.Whole(name, ByKey, rows, 1)
	})

	t.Run("only more is covered", func(t *testing.T) {
		s, name := store(t), "lake.covered"
		s.Make(name)
		rows := SomeRows(0, 20)
		s.LandRows(name, rows, 0, 20)
		s.Compact(name, ByKey)
		nobody := [][]fqgw.Value{with(HistoryRow(1, 1, 20), "k", fqgw.Null)}
		s.LandRows(name, nobody, 20, 21)
		stale, base := s.Read(name, ByKey), s.Read(name, ByKey)
		if base.FreshRows != 1 || !s.Commit(name, ByKey, base, nil) {
			t.Errorf("%d fresh rows", base.FreshRows)
		}
		if got := s.Read(name, ByKey); got.FreshRows != 0 || len(got.Runs) != 1 || !slices.Equal(got.Covered, fqgw.Marks{{Next: 21}}) {
			t.Errorf("%d fresh rows, %d runs up to %v", got.FreshRows, len(got.Runs), got.Covered)
		}
		if s.Commit(name, ByKey, stale, nil) {
			t.Error("what covers less was committed over what covers more")
		}
		s.LandRows(name, SomeRows(21, 5), 21, 26)
		s.Whole(name, ByKey, append(slices.Clone(rows), SomeRows(21, 5)...), 1)
	})

	t.Run("runs that are read stay", func(t *testing.T) {
		s, name := store(t), "lake.read"
		s.Make(name)
		rows := SomeRows(0, 60)
		s.LandRows(name, rows[:30], 0, 30)
		s.Compact(name, ByKey)
		s.LandRows(name, rows[30:], 30, 60)
		s.Compact(name, ByKey)
		reader, base := s.Read(name, ByKey), s.Read(name, ByKey)
		if !s.Commit(name, ByKey, base, base.Runs, s.Run(name, ByKey, InOrder(ByKey, rows))) {
			t.Fatal("not committed")
		}
		s.Whole(name, ByKey, rows, 1)
		var got [][]fqgw.Value
		for _, r := range reader.Runs {
			got = append(got, runRows(t, r, ByKey)...)
		}
		if !slices.Equal(texts(got), texts(rows)) {
			t.Error("runs that were replaced while they were read are not what they were")
		}
		reader.Close()
		reader.Close() // nothing is released twice
		base.Close()
		s.Whole(name, ByKey, rows, 1)
	})

	t.Run("drop", func(t *testing.T) {
		s, name := store(t), "lake.dropped"
		s.Make(name)
		rows := SomeRows(0, 20)
		s.LandRows(name, rows, 0, 20)
		s.Compact(name, ByKey)
		base := s.Read(name, ByKey)
		late := s.Run(name, ByKey, InOrder(ByKey, rows))
		if err := h.Drop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if s.Commit(name, ByKey, base, base.Runs, late) {
			t.Error("runs of a history that is gone were committed")
		}
		s.Make(name) // another of the same name, with the same positions
		s.Whole(name, ByKey, nil, 0)
		s.LandRows(name, rows[:10], 0, 10)
		s.Whole(name, ByKey, rows[:10], 0)
		if again := s.Run(name, ByKey, InOrder(ByKey, rows)); s.Commit(name, ByKey, base, base.Runs, again) {
			t.Error("runs of a history that is gone were committed to another of its name")
		}
		s.Whole(name, ByKey, rows[:10], 0)
		s.Compact(name, ByKey)
		s.Whole(name, ByKey, rows[:10], 1)
	})

	t.Run("many at once", func(t *testing.T) { CompactTogether(t, store(t), "lake.together", h, h) })
}

// CompactTogether lets several engines, each on one of the histories, compact what
// another lands: nothing is lost or comes twice.
func CompactTogether(t *testing.T, s SortedStore, name string, engines ...fqgw.SortedHistory) {
	const landings, each = 25, 20
	s.Make(name)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i, h := range engines {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			mine := SortedStore{h, t}
			for {
				select {
				case <-done:
					return
				default:
				}
				base := mine.Read(name, ByKey)
				switch {
				case len(base.Runs) > 3 && rnd.IntN(2) == 0:
					old := base.Runs[rnd.IntN(len(base.Runs)-1):]
					var rows [][]fqgw.Value
					for _, r := range old {
						rows = append(rows, runRows(t, r, ByKey)...)
					}
					mine.Commit(name, ByKey, base, old, mine.Run(name, ByKey, InOrder(ByKey, rows)))
				case base.FreshRows > 0:
					mine.Commit(name, ByKey, base, nil, mine.Run(name, ByKey, InOrder(ByKey, Fresh(t, base))))
				default:
					time.Sleep(time.Millisecond)
				}
				base.Close()
			}
		})
	}
	var rows [][]fqgw.Value
	for i := range int64(landings) {
		part := SomeRows(i*each, each)
		s.LandRows(name, part, i*each, (i+1)*each)
		rows = append(rows, part...)
		got := s.Read(name, ByKey)
		n := got.FreshRows
		for _, r := range got.Runs {
			n += int64(r.Entities().NumRows())
		}
		got.Close()
		if n != int64(len(rows)) {
			t.Errorf("%d rows of %d", n, len(rows))
		}
	}
	close(done)
	wg.Wait()
	base := s.Read(name, ByKey)
	var got [][]fqgw.Value
	for _, r := range base.Runs {
		got = append(got, runRows(t, r, ByKey)...)
	}
	if got = append(got, Fresh(t, base)...); !slices.Equal(texts(got), texts(rows)) {
		t.Errorf("%d rows of %d, or others", len(got), len(rows))
	}
	if _, err := s.Current(context.WithoutCancel(t.Context()), name); err != nil {
		t.Error(err)
	}
}
