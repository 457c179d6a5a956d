package iceberg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// take is what was logged since the last time.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return j.text.String()
}

const sortedName = "lake.h"

var sortedBy = storetest.ByKey

// openSorted is a lake with a history of 60 rows, 40 of them in two runs.
func openSorted(t *testing.T, o Options) (*Lake, storetest.SortedStore, *journal) {
	t.Helper()
	log := &journal{}
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	l := open(t, o)
	s := storetest.SortedStore{SortedHistory: l, T: t}
	s.Make(sortedName)
	for i := range int64(3) {
		s.LandRows(sortedName, storetest.SomeRows(20*i, 20), 20*i, 20*i+20)
		if i < 2 {
			s.Compact(sortedName, sortedBy)
		}
	}
	return l, s, log
}

func sortedRows() [][]fqgw.Value { return storetest.SomeRows(0, 60) }

func projectionIn(t *testing.T, l *Lake) (*table.Table, *projection) {
	t.Helper()
	tab, p, err := l.projectionOf(t.Context(), sortedName, sortedBy)
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	return tab, p
}

// A run that is not what was written is never read: its rows come from the files that
// landed, the log names it, once, and the next compaction makes it anew.
func TestDamagedRun(t *testing.T) {
	for what, damage := range map[string]func(path string) error{
		"a bit": func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				b[len(b)/2] ^= 4
				err = os.WriteFile(path, b, 0o644)
			}
			return err
		},
		"its end":      func(path string) error { return os.Truncate(path, 1000) },
		"all of it":    func(path string) error { return os.Truncate(path, 0) },
		"its name":     os.Remove,
		"its contents": func(path string) error { return os.WriteFile(path, []byte("PAR1 of something else PAR1"), 0o644) },
	} {
		for _, opened := range []bool{false, true} {
			t.Run(fmt.Sprint(what, " opened ", opened), func(t *testing.T) {
				dir := t.TempDir()
				l, s, log := openSorted(t, Options{Dir: dir})
				s.Whole(sortedName, sortedBy, sortedRows(), 2)
				_, p := projectionIn(t, l)
				path := localPath(p.Runs[0].Path)
				if !opened {
					l.Close()
					l = open(t, Options{Dir: dir, Log: l.log})
					s.SortedHistory = l
				}
				time.Sleep(5 * time.Millisecond) // the time of the file is another
				if err := damage(path); err != nil {
					t.Fatal(err)
				}
				log.take()
				s.Whole(sortedName, sortedBy, sortedRows(), 0)
				if said := log.take(); !strings.Contains(said, path) || !strings.Contains(said, "level=WARN") {
					t.Errorf("the log says %q", said)
				}
				s.Whole(sortedName, sortedBy, sortedRows(), 0)
				if said := log.take(); said != "" {
					t.Errorf("the log says it again: %q", said)
				}
				s.Compact(sortedName, sortedBy)
				s.Whole(sortedName, sortedBy, sortedRows(), 1)
				// Other engines see each row once.
				if tab, p := projectionIn(t, l); rowsIn(t, tab) != 60 || len(p.Runs) != 1 {
					t.Errorf("the projection has %d rows, %d runs", rowsIn(t, tab), len(p.Runs))
				}
			})
		}
	}
}

func rowsIn(t *testing.T, tab *table.Table) (n int64) {
	t.Helper()
	tasks, err := tab.Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		n += task.File.Count()
	}
	return n
}

// plant makes a file of rows the only run, with a property that vouches for it.
func plant(t *testing.T, l *Lake, rows [][]fqgw.Value, change func(p *projection)) {
	t.Helper()
	tab, p := projectionIn(t, l)
	w, err := l.newDataFiles(t.Context(), tab)
	if err != nil {
		t.Fatal(err)
	}
	sum := crc32.New(castagnoli)
	w.properties, w.whole, w.sum = runProperties(storetest.SortedColumns), true, sum
	if err := w.write(storetest.Batch(t, storetest.SortedColumns, rows)); err != nil {
		t.Fatal(err)
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	p.Runs = []runFile{{w.path, w.rows, w.out.n, sum.Sum32()}}
	if change != nil {
		change(p)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	tx := tab.NewTransaction()
	if err := tx.SetProperties(iceberg.Properties{runsProperty: string(text)}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What a property says of a file is believed as far as the file bears it out.
func TestPlantedRun(t *testing.T) {
	good := storetest.InOrder(sortedBy, storetest.SomeRows(0, 40))
	backwards := slices.Clone(good)
	slices.Reverse(backwards)
	for what, c := range map[string]struct {
		rows   [][]fqgw.Value
		change func(p *projection)
		runs   int
	}{
		"in order":      {good, nil, 1},
		"backwards":     {backwards, nil, 0},
		"as landed":     {storetest.SomeRows(0, 40), nil, 0},
		"fewer rows":    {good[:39], func(p *projection) { p.Runs[0].Count = 40 }, 0},
		"another sum":   {good, func(p *projection) { p.Runs[0].Sum++ }, 0},
		"other files":   {good, func(p *projection) { p.Sum++ }, 0},
		"another table": {good, func(p *projection) { p.Of = "6f9d" }, 0},
		"another time":  {good, func(p *projection) { p.Time = "_fq_known_at" }, 0},
		"other keys":    {good, func(p *projection) { p.Keys = []string{"site"} }, 0},
		"no positions":  {good, func(p *projection) { p.Marks = "2" }, 0},
		"a newer form":  {good, func(p *projection) { p.Version = 2 }, 0},
	} {
		t.Run(what, func(t *testing.T) {
			l, s, _ := openSorted(t, Options{})
			plant(t, l, c.rows, c.change)
			s.Whole(sortedName, sortedBy, sortedRows(), c.runs)
			s.Compact(sortedName, sortedBy)
			s.Whole(sortedName, sortedBy, sortedRows(), c.runs+1)
			if tab, _ := projectionIn(t, l); rowsIn(t, tab) != 60 && c.runs == 0 {
				t.Errorf("the projection has %d rows", rowsIn(t, tab))
			}
		})
	}
}

// Other writers change a history: what they add is read beside the runs, after
// anything else the runs are not used until they are made anew.
func TestChangedHistory(t *testing.T) {
	keyed := func(rows [][]fqgw.Value, keep func(k int64) bool) (out [][]fqgw.Value) {
		for _, r := range rows {
			if keep(r[0].Int()) {
				out = append(out, r)
			}
		}
		return out
	}
	more := [][]fqgw.Value{storetest.HistoryRow(3, 5_000_000, 900)}
	reader := func(t *testing.T, tab *table.Table, rows [][]fqgw.Value) array.RecordReader {
		schema, err := table.SchemaToArrowSchema(tab.Schema(), nil, true, false)
		if err != nil {
			t.Fatal(err)
		}
		b, err := conform(storetest.Batch(t, storetest.SortedColumns, rows), schema)
		if err != nil {
			t.Fatal(err)
		}
		r, err := array.NewRecordReader(b.Schema(), []arrow.RecordBatch{b})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for what, c := range map[string]struct {
		change func(t *testing.T, tab *table.Table, tx *table.Transaction) error
		want   [][]fqgw.Value
		runs   int
	}{
		"append": {func(t *testing.T, tab *table.Table, tx *table.Transaction) error {
			return tx.Append(t.Context(), reader(t, tab, more), nil)
		}, append(sortedRows(), more...), 2},
		"only a property": {func(t *testing.T, tab *table.Table, tx *table.Transaction) error {
			return tx.SetProperties(iceberg.Properties{"owner": "somebody"})
		}, sortedRows(), 2},
		"delete, copied": {func(t *testing.T, tab *table.Table, tx *table.Transaction) error {
			return tx.Delete(t.Context(), iceberg.EqualTo(iceberg.Reference("k"), int64(3)), nil)
		}, keyed(sortedRows(), func(k int64) bool { return k != 3 }), 0},
		"delete by position": {func(t *testing.T, tab *table.Table, tx *table.Transaction) error {
			if err := tx.SetProperties(iceberg.Properties{table.WriteDeleteModeKey: table.WriteModeMergeOnRead}); err != nil {
				return err
			}
			return tx.Delete(t.Context(), iceberg.EqualTo(iceberg.Reference("k"), int64(3)), nil)
		}, keyed(sortedRows(), func(k int64) bool { return k != 3 }), 0},
		"overwrite": {func(t *testing.T, tab *table.Table, tx *table.Transaction) error {
			return tx.Overwrite(t.Context(), reader(t, tab, more), nil)
		}, more, 0},
		"overwrite of a part": {func(t *testing.T, tab *table.Table, tx *table.Transaction) error {
			return tx.Overwrite(t.Context(), reader(t, tab, more), nil, table.WithOverwriteFilter(iceberg.LessThan(iceberg.Reference("k"), int64(4))))
		}, append(keyed(sortedRows(), func(k int64) bool { return k >= 4 }), more...), 0},
		"rewrite": {func(t *testing.T, tab *table.Table, tx *table.Transaction) error {
			return tx.Overwrite(t.Context(), reader(t, tab, sortedRows()), nil)
		}, sortedRows(), 0},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			_, s, _ := openSorted(t, Options{Dir: dir})
			other := open(t, Options{Dir: dir}) // another engine on the catalog
			tab, err := other.load(t.Context(), sortedName)
			if err != nil {
				t.Fatal(err)
			}
			tx := tab.NewTransaction()
			if err := c.change(t, tab, tx); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Whole(sortedName, sortedBy, c.want, c.runs)
			s.Compact(sortedName, sortedBy)
			s.Whole(sortedName, sortedBy, c.want, c.runs+1)
		})
	}
}

// Another engine rewrites the files of a projection: they are no runs of ours, and go
// with the next compaction.
func TestRewrittenProjection(t *testing.T) {
	l, s, _ := openSorted(t, Options{})
	l.keepAge = 0
	tab, _ := projectionIn(t, l)
	all, err := tab.Scan().ToArrowTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tx := tab.NewTransaction()
	if err := tx.OverwriteTable(t.Context(), all, 1000, nil); err != nil {
		t.Fatal(err)
	}
	if tab, err = tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond)
	if err := l.expire(t.Context(), tab, 1); err != nil { // and the files of the runs go
		t.Fatal(err)
	}
	s.Whole(sortedName, sortedBy, sortedRows(), 0)
	s.Compact(sortedName, sortedBy)
	s.Whole(sortedName, sortedBy, sortedRows(), 1)
	if tab, _ := projectionIn(t, l); rowsIn(t, tab) != 60 {
		t.Errorf("the projection has %d rows", rowsIn(t, tab))
	}
}

// A column that came later is in no run of before.
func TestColumnNotInRun(t *testing.T) {
	l, s, _ := openSorted(t, Options{})
	s.Whole(sortedName, sortedBy, sortedRows(), 2)
	_, p := projectionIn(t, l)
	cols := append([]fqgw.Column{{Name: "later", Type: fqgw.Int8}}, storetest.SortedColumns...)
	spec, err := specOf(cols, sortedBy)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openRun(t.Context(), localPath(p.Runs[0].Path), p.Runs[0], spec); code(err) != fqgw.CodeDataCorrupted || !strings.Contains(err.Error(), `"later"`) {
		t.Errorf("%v", err)
	}
}

// The indexes of runs have a limit: those of others go when nobody reads them, and
// where there is no room the history is read as it landed.
func TestMemoryOfRuns(t *testing.T) {
	account := fqgw.NewMemory("the indexes", "--memory", 0)
	l, s, _ := openSorted(t, Options{Memory: account})
	held := s.Read(sortedName, sortedBy)
	one := account.Used()
	if one == 0 || len(held.Runs) != 2 {
		t.Fatalf("%d bytes are counted of %d runs", one, len(held.Runs))
	}
	l.Close()
	if account.Used() != one {
		t.Errorf("%d bytes are counted of runs that somebody reads, not %d", account.Used(), one)
	}
	if held.Close(); account.Used() != 0 {
		t.Errorf("%d bytes are counted of runs that nobody reads", account.Used())
	}

	account = fqgw.NewMemory("the indexes", "--memory", one)
	l, s, log := openSorted(t, Options{Memory: account})
	s.Make("lake.other")
	s.LandRows("lake.other", sortedRows(), 0, 60)
	s.Compact("lake.other", sortedBy)
	read := func(name string) int {
		t.Helper()
		got, err := l.Sorted(t.Context(), fqgw.Scan{Table: name}, sortedBy)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		if account.Used() > account.Limit() {
			t.Errorf("%d bytes of %d", account.Used(), account.Limit())
		}
		return len(got.Runs)
	}
	for range 3 { // in turns
		if n := read(sortedName); n != 2 {
			t.Errorf("%d runs, not 2: %s", n, log.take())
		}
		if n := read("lake.other"); n != 1 {
			t.Errorf("%d runs, not 1: %s", n, log.take())
		}
	}
	held = s.Read(sortedName, sortedBy)
	log.take()
	if n := read("lake.other"); n != 0 {
		t.Errorf("%d runs beside those that are read", n)
	}
	if said := log.take(); !strings.Contains(said, "the indexes needs more than") {
		t.Errorf("the log says %q", said)
	}
	held.Close()
	l.Close()
	if account.Used() != 0 {
		t.Errorf("%d bytes are counted of a lake that is closed", account.Used())
	}
}

// Two engines on one catalog land and compact at once.
func TestTwoLakesCompact(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, Options{Dir: dir}), open(t, Options{Dir: dir})
	storetest.CompactTogether(t, storetest.SortedStore{SortedHistory: a, T: t}, sortedName, a, b)
}

// What a compaction that was killed left is an orphan, which goes; runs that are
// written and not yet committed stay.
func TestOrphansOfCompaction(t *testing.T) {
	dir := t.TempDir()
	l, s, _ := openSorted(t, Options{Dir: dir})
	s.Run(sortedName, sortedBy, storetest.InOrder(sortedBy, storetest.SomeRows(40, 20)))
	l.orphanAge = 0
	name := projectionName(sortedName, sortedBy)
	if err := l.Maintain(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	_, p := projectionIn(t, l)
	folder := localPath(p.Runs[0].Path)
	folder = folder[:strings.LastIndexByte(folder, '/')]
	if n := len(files(t, folder, ".parquet")); n != 3 {
		t.Errorf("%d files of two runs and one that is being written", n)
	}
	l.Close() // as killed: it knows nothing of the file any more
	l = open(t, Options{Dir: dir})
	l.orphanAge = 0
	if err := l.Maintain(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if n := len(files(t, folder, ".parquet")); n != 2 {
		t.Errorf("%d files of two runs", n)
	}
	s.SortedHistory = l
	s.Whole(sortedName, sortedBy, sortedRows(), 2)
}
