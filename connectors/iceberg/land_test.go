package iceberg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

func localDir(t testing.TB, l *Lake) string {
	u, err := url.Parse(l.warehouse)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

// Two processes that land the same source: every row is there once.
func TestLandRace(t *testing.T) {
	dir := t.TempDir()
	const rows = 40
	var lakes []*Lake
	for range 3 {
		lakes = append(lakes, open(t, Options{Dir: dir}))
	}
	create(t, lakes[0], "lake.t")
	var lost atomic.Int64
	var all sync.WaitGroup
	for _, l := range lakes {
		all.Go(func() {
			var at fqgw.Marks
			for at.Of(0).Next < rows {
				from := int(at.Of(0).Next)
				found, ok, err := l.Land(t.Context(), "lake.t", count(t, from, 1), at, next(from+1))
				if err != nil {
					t.Error(err)
					return
				}
				if !ok {
					lost.Add(1)
				}
				at = found
			}
		})
	}
	all.Wait()
	if got := values(t, lakes[0], fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, rows)) {
		t.Errorf("%v", got)
	}
	if lost.Load() == 0 {
		t.Error("nobody ever lost: no race was tested")
	}
	if n := len(files(t, localDir(t, lakes[0]), ".parquet")); n != rows {
		t.Errorf("%d data files for %d commits", n, rows)
	}
}

// eager is a catalog that reports every conflict as one to be retried, as REST
// catalogs do.
type eager struct{ tables }

func (e eager) CommitTable(ctx context.Context, id table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	m, at, err := e.tables.CommitTable(ctx, id, reqs, updates)
	if err != nil {
		err = fmt.Errorf("%w: %w", table.ErrCommitFailed, err)
	}
	return m, at, err
}

// A landing that was decided on a table that has moved on appends nothing, even
// when only marks moved: the compare is the catalog's, not just ours.
func TestLandIsPinned(t *testing.T) {
	l := open(t, Options{})
	create(t, l, "lake.t")
	// Were it not pinned, the library would do it again on top of the other's.
	retry := table.NewSetPropertiesUpdate(map[string]string{table.CommitNumRetriesKey: "3", table.CommitMinRetryWaitMsKey: "1"})
	if _, _, err := l.catalog.CommitTable(t.Context(), ident("lake.t"), nil, []table.Update{retry}); err != nil {
		t.Fatal(err)
	}
	land(t, l, "lake.t", 0, 1)
	now := tableOf(t, l)
	stale := table.New(now.Identifier(), now.Metadata(), now.MetadataLocation(), now.FS, eager{l.catalog})
	if _, ok, err := l.Land(t.Context(), "lake.t", nil, next(1), next(5)); !ok || err != nil {
		t.Fatalf("marks alone: %v, %v", ok, err)
	}
	if _, _, err := commit(t.Context(), stale, nil, formatMarks(next(2))); err == nil || !lost(err) {
		t.Errorf("a stale commit: %v", err)
	}
	if s, err := l.Current(t.Context(), "lake.t"); err != nil || !slices.Equal(s.Landed, next(5)) || s.Rows != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Writers of an ordinary table all get through, and the marks stay.
func TestAppendRace(t *testing.T) {
	dir := t.TempDir()
	lakes := []*Lake{open(t, Options{Dir: dir}), open(t, Options{Dir: dir})}
	create(t, lakes[0], "lake.t")
	if _, ok, err := lakes[0].Land(t.Context(), "lake.t", nil, nil, next(1001)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 5 {
				if n, err := lakes[w%2].Append(t.Context(), "lake.t", single(t, w*10+i*2, 2)); n != 2 || err != nil {
					t.Errorf("%d rows, %v", n, err)
				}
			}
		})
	}
	all.Wait()
	got := values(t, lakes[0], fqgw.Scan{Table: "lake.t"})
	slices.Sort(got)
	if !slices.Equal(got, upTo(0, 40)) {
		t.Errorf("%v", got)
	}
	if s, err := lakes[1].Current(t.Context(), "lake.t"); err != nil || !slices.Equal(s.Landed, next(1001)) || s.Rows != 40 {
		t.Errorf("%+v, %v", s, err)
	}
}

// An append whose rows fail, or whose statement is cancelled, leaves the table
// and the folder as they were.
func TestAppendFails(t *testing.T) {
	l := open(t, Options{})
	create(t, l, "lake.t")
	land(t, l, "lake.t", 0, 2)
	before, _ := l.Current(t.Context(), "lake.t")
	broken := errors.New("broken")
	failing := func(end func() error) fqgw.Records {
		return func(yield func(arrow.RecordBatch, error) bool) {
			if yield(count(t, 2, 5), nil) {
				if err := end(); err != nil {
					yield(nil, err)
				} else {
					yield(count(t, 7, 5), nil)
				}
			}
		}
	}
	if _, err := l.Append(t.Context(), "lake.t", failing(func() error { return broken })); !errors.Is(err, broken) {
		t.Errorf("broken rows: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := l.Append(ctx, "lake.t", failing(func() error { cancel(); return nil })); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of the rows got lost")
			}
		}()
		l.Append(t.Context(), "lake.t", failing(func() error { panic("rows") }))
	}()
	if n, err := l.Append(t.Context(), "lake.t", single(t, 0, 0)); n != 0 || err != nil {
		t.Errorf("no rows: %d, %v", n, err)
	}
	if after, err := l.Current(t.Context(), "lake.t"); err != nil || after.ID != before.ID {
		t.Errorf("the table went from %+v to %+v, %v", before, after, err)
	}
	if n := len(files(t, localDir(t, l), ".parquet")); n != 1 {
		t.Errorf("%d data files, not 1", n)
	}
}

// foreign commits a snapshot as another engine would: without marks.
func foreign(t *testing.T, l *Lake, name string) {
	t.Helper()
	tab, err := l.load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := commit(t.Context(), tab, nil, ""); err != nil {
		t.Fatal(err)
	}
}

// The marks outlive other engines' snapshots, and expiry beneath them.
func TestMarksStay(t *testing.T) {
	l := open(t, Options{})
	l.keepAge = 0
	create(t, l, "lake.t")
	land(t, l, "lake.t", 0, 1)
	for range keepSnapshots + 5 {
		foreign(t, l, "lake.t")
	}
	time.Sleep(2 * time.Millisecond)
	if err := l.Maintain(t.Context(), "lake.t"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := l.Land(t.Context(), "lake.t", count(t, 0, 1), nil, next(1)); ok || err != nil {
		t.Errorf("a row landed twice: %v, %v", ok, err)
	}
	land(t, l, "lake.t", 1, 1)
	time.Sleep(2 * time.Millisecond)
	if err := l.Maintain(t.Context(), "lake.t"); err != nil {
		t.Fatal(err)
	}
	if tab, _ := l.load(t.Context(), "lake.t"); len(tab.Metadata().Snapshots()) != keepSnapshots {
		t.Errorf("%d snapshots stay", len(tab.Metadata().Snapshots()))
	}
	if s, err := l.Current(t.Context(), "lake.t"); err != nil || !slices.Equal(s.Landed, next(2)) {
		t.Errorf("%+v, %v", s, err)
	}
}

// The 200th commit finds no more to read and write than the 100th: metadata is
// bounded, tagged snapshots stay readable, and no row gets lost.
func TestMaintain(t *testing.T) {
	l := open(t, Options{})
	l.keepAge = 0
	const name = "lake.t"
	create(t, l, name)
	var tagged int64
	var most, bytes int
	begin := time.Now()
	var spent [2]time.Duration
	for i := range 200 {
		land(t, l, name, i, 1)
		if i%100 == 99 {
			spent[i/100], begin = time.Since(begin), time.Now()
		}
		tab, err := l.load(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if i == 10 {
			tagged = tab.CurrentSnapshot().SnapshotID
			if got, err := l.Tag(t.Context(), fqgw.Scan{Table: name}, "training"); got.ID != tagged || err != nil {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		most = max(most, len(tab.Metadata().Snapshots()))
		bytes = len(fmt.Sprint(tab.Metadata()))
	}
	t.Logf("100 commits each took %v; metadata of %d bytes", spent, bytes)
	if most > 2*keepSnapshots+1 {
		t.Errorf("up to %d snapshots", most)
	}
	if n := len(files(t, localDir(t, l), ".metadata.json")); n > 12 {
		t.Errorf("%d metadata files", n)
	}
	if n := len(files(t, localDir(t, l), ".avro")); n > 3*2*keepSnapshots {
		t.Errorf("%d manifests and lists", n)
	}
	tab, _ := l.load(t.Context(), name)
	fio, _ := tab.FS(t.Context())
	if m, err := tab.CurrentSnapshot().Manifests(fio); err != nil || len(m) > 25 {
		t.Errorf("%d manifests in the current snapshot, %v", len(m), err)
	}
	if got := values(t, l, fqgw.Scan{Table: name}); len(got) != 200 {
		t.Errorf("%d rows", len(got))
	}
	if got := values(t, l, fqgw.Scan{Table: name, Snapshot: tagged}); !slices.Equal(got, upTo(0, 11)) {
		t.Errorf("the tagged snapshot has %v", got)
	}
	if err := l.Untag(t.Context(), name, "training"); err != nil {
		t.Fatal(err)
	}
	if err := l.Maintain(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Scan(t.Context(), fqgw.Scan{Table: name, Snapshot: tagged}); code(err) != fqgw.CodeUndefinedObject {
		t.Errorf("a snapshot that had a tag: %v", err)
	}
	for _, s := range []fqgw.Scan{{Table: name, AsOf: 1}, {Table: name, Snapshot: 12345}} {
		if _, _, err := l.Scan(t.Context(), s); code(err) != fqgw.CodeUndefinedObject {
			t.Errorf("a snapshot that was expired: %v", err)
		}
	}
	if rows := storetest.ReadAll(t, l, fqgw.Scan{Table: name, Columns: []string{"ts", "v"}, Time: "ts", From: 150_000_000, To: 150_000_000},
		[]fqgw.Type{fqgw.Timestamptz, fqgw.Int8}); len(rows) != 1 || rows[0][1].Int() != 150 {
		t.Errorf("row 150: %v", rows)
	}
}
