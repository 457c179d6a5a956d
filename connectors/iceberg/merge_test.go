package iceberg

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

func filesIn(t *testing.T, l *Lake) int {
	t.Helper()
	tab, err := l.load(t.Context(), sortedName)
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := tab.Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

// offsets are those of a history, in the order in which a scan gives them.
func offsets(t *testing.T, l *Lake) (out []int64) {
	t.Helper()
	for _, r := range storetest.ReadAll(t, l, fqgw.Scan{Table: sortedName, Columns: []string{fqgw.ColOffset}}, []fqgw.Type{fqgw.Int8}) {
		out = append(out, r[0].Int())
	}
	return out
}

// Small files become few, in their order; the runs go on covering them, what landed
// stays landed, and what was merged goes with the orphans.
func TestMergeFiles(t *testing.T) {
	l := open(t, Options{})
	s := storetest.SortedStore{SortedHistory: l, T: t}
	s.Make(sortedName)
	runs := 0
	for i := range int64(160) {
		s.LandRows(sortedName, storetest.SomeRows(2*i, 2), 2*i, 2*i+2)
		switch i {
		case 50, 120: // the runs' ends are within what could be merged
			s.Compact(sortedName, sortedBy)
			runs++
		case 70, 159:
			if err := l.MergeFiles(t.Context(), sortedName); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := filesIn(t, l); n > 100 {
		t.Errorf("%d files of 160 landings", n)
	}
	s.Whole(sortedName, sortedBy, storetest.SomeRows(0, 320), runs)
	if got := offsets(t, l); !slices.Equal(got, upTo(0, 320)) {
		t.Errorf("the rows come in another order: %v", got)
	}
	now, err := l.Current(t.Context(), sortedName)
	if err != nil || !sameMarks(now.Landed, next(320)) || now.Rows != 320 {
		t.Errorf("%+v, %v", now, err)
	}
	s.LandRows(sortedName, storetest.SomeRows(320, 2), 320, 322)
	// The files that were merged stay for a day, whatever is expired.
	l.keepAge = 0
	time.Sleep(2 * time.Millisecond)
	tab, _ := l.load(t.Context(), sortedName)
	folder := localPath(tab.Location())
	if err := l.Maintain(t.Context(), sortedName); err != nil {
		t.Fatal(err)
	}
	if n := len(files(t, folder, ".parquet")); n < 161 {
		t.Errorf("%d files are there, of 161 landings", n)
	}
	for range keepSnapshots + 1 { // the snapshots that had them go
		foreignMarks(t, l)
	}
	l.orphanAge = 0
	if err := l.Maintain(t.Context(), sortedName); err != nil {
		t.Fatal(err)
	}
	if n, want := len(files(t, folder, ".parquet")), filesIn(t, l); n != want {
		t.Errorf("%d files are there, of %d", n, want)
	}
	s.Whole(sortedName, sortedBy, storetest.SomeRows(0, 322), runs)
	if err := l.MergeFiles(t.Context(), "lake.none"); code(err) != fqgw.CodeUndefinedTable {
		t.Errorf("a table that is not there: %v", err)
	}
}

// foreignMarks is a landing of nothing.
func foreignMarks(t *testing.T, l *Lake) {
	t.Helper()
	now, err := l.Current(t.Context(), sortedName)
	if err == nil {
		_, _, err = l.Land(t.Context(), sortedName, nil, now.Landed, now.Landed)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A file of which rows are deleted is merged with no other, and is covered by nothing
// that covered it before.
func TestMergeFilesDeleted(t *testing.T) {
	l := open(t, Options{})
	s := storetest.SortedStore{SortedHistory: l, T: t}
	s.Make(sortedName)
	for i := range int64(2 * mergeFiles) {
		s.LandRows(sortedName, storetest.SomeRows(2*i, 2), 2*i, 2*i+2)
	}
	s.Compact(sortedName, sortedBy)
	if err := l.MergeFiles(t.Context(), sortedName); err != nil {
		t.Fatal(err)
	}
	s.Whole(sortedName, sortedBy, storetest.SomeRows(0, 4*mergeFiles), 1)
	tab, err := l.load(t.Context(), sortedName)
	if err != nil {
		t.Fatal(err)
	}
	tx := tab.NewTransaction()
	if err := tx.SetProperties(iceberg.Properties{table.WriteDeleteModeKey: table.WriteModeMergeOnRead}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Delete(t.Context(), iceberg.EqualTo(iceberg.Reference(fqgw.ColOffset), int64(5)), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(storetest.SomeRows(0, 4*mergeFiles), func(r []fqgw.Value) bool { return r[8].Int() == 5 })
	s.Whole(sortedName, sortedBy, want, 0)
	if err := l.MergeFiles(t.Context(), sortedName); err != nil {
		t.Fatal(err)
	}
	s.Whole(sortedName, sortedBy, want, 0)
	s.Compact(sortedName, sortedBy)
	s.Whole(sortedName, sortedBy, want, 1)
}

// Two engines land, compact and merge at once.
func TestMergeTogether(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, Options{Dir: dir}), open(t, Options{Dir: dir})
	s, other := storetest.SortedStore{SortedHistory: a, T: t}, storetest.SortedStore{SortedHistory: b, T: t}
	s.Make(sortedName)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, l := range []*Lake{a, b} {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(10 * time.Millisecond):
				}
				if err := l.MergeFiles(t.Context(), sortedName); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range int64(100) {
		s.LandRows(sortedName, storetest.SomeRows(2*i, 2), 2*i, 2*i+2)
		if i%30 == 29 {
			base := other.Read(sortedName, sortedBy)
			other.Commit(sortedName, sortedBy, base, nil, other.Run(sortedName, sortedBy, storetest.InOrder(sortedBy, storetest.Fresh(t, base))))
			base.Close()
		}
	}
	close(done)
	wg.Wait()
	got := other.Read(sortedName, sortedBy)
	other.Whole(sortedName, sortedBy, storetest.SomeRows(0, 200), len(got.Runs))
	if got := offsets(t, b); !slices.Equal(got, upTo(0, 200)) {
		t.Errorf("%d rows, or in another order", len(got))
	}
	if n := filesIn(t, a); n > 90 {
		t.Errorf("%d files of 100 landings", n)
	}
}

// The name of a merged file outlives the process.
func TestMergedName(t *testing.T) {
	const golden = "merged-1-130-00000000deadbeef-"
	if got := mergedName(130, 0xdeadbeef); !strings.HasPrefix(got, golden) {
		t.Errorf("%s, not %s…", got, golden)
	}
	l := open(t, Options{})
	s := storetest.SortedStore{SortedHistory: l, T: t}
	s.Make(sortedName)
	for i := range int64(mergeFiles) {
		s.LandRows(sortedName, storetest.SomeRows(2*i, 2), 2*i, 2*i+2)
	}
	tab, _ := l.load(t.Context(), sortedName)
	before, err := tab.Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	was, _ := coverageOf(tab, before, 1<<40)
	if err := l.MergeFiles(t.Context(), sortedName); err != nil {
		t.Fatal(err)
	}
	tab, _ = l.load(t.Context(), sortedName)
	after, err := tab.Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now, _ := coverageOf(tab, after, 1<<40)
	if len(after) != 1 || fmt.Sprint(now) != fmt.Sprint(was) || sequenceOf(after[0]) != mergeFiles {
		t.Errorf("%d files, which are %v, not %v, at %d", len(after), now, was, sequenceOf(after[0]))
	}
	if name := path.Base(after[0].File.FilePath()); !strings.HasPrefix(name, fmt.Sprintf("merged-1-%d-%016x-", mergeFiles, was.Sum)) {
		t.Error(name)
	}
}
