package iceberg

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// filesOf are all files in a table's folder.
func filesOf(t *testing.T, l *Lake) []string { return files(t, localDir(t, l), "") }

// Rows that were taken back leave no file, and those of before are whole.
func TestRollbackLeavesNothing(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	create(t, l, "lake.t")
	if _, err := l.Append(t.Context(), "lake.t", single(t, 0, 3)); err != nil {
		t.Fatal(err)
	}
	before, err := l.Current(t.Context(), "lake.t")
	if err != nil {
		t.Fatal(err)
	}
	data, manifests := len(files(t, localDir(t, l), ".parquet")), len(files(t, localDir(t, l), ".avro"))
	for i := range 3 {
		if _, err := l.Append(t.Context(), "lake.t", single(t, 10+i, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Rollback(t.Context(), "lake.t", before.ID); err != nil {
		t.Fatal(err)
	}
	if n, m := len(files(t, localDir(t, l), ".parquet")), len(files(t, localDir(t, l), ".avro")); n != data || m != manifests {
		t.Errorf("%d data files and %d manifests, want %d and %d", n, m, data, manifests)
	}
	if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 3)) {
		t.Errorf("%v", got)
	}
	if _, err := l.Append(t.Context(), "lake.t", single(t, 3, 1)); err != nil {
		t.Fatal(err)
	}
	if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 4)) {
		t.Errorf("%v", got)
	}
}

// What commits that failed have left goes when it is old; what is mentioned, young
// or being written stays.
func TestSweep(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	create(t, l, "lake.t")
	land(t, l, "lake.t", 0, 2)
	land(t, l, "lake.t", 2, 2)
	good := filesOf(t, l)
	dir := filepath.Dir(files(t, localDir(t, l), ".parquet")[0])
	old, young, writing := filepath.Join(dir, "old.parquet"), filepath.Join(dir, "young.parquet"), filepath.Join(dir, "writing.parquet")
	manifest := filepath.Join(filepath.Dir(files(t, localDir(t, l), ".avro")[0]), "lost-m0.avro")
	for _, path := range []string{old, young, writing, manifest} {
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l.busy(fileURL(writing))
	past := time.Now().Add(-2 * orphanAge)
	for _, path := range append(slices.Clone(good), old, writing, manifest) {
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Maintain(t.Context(), "lake.t"); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(good), young, writing)
	slices.Sort(want)
	got := filesOf(t, l)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("left\n%q\nwant\n%q", got, want)
	}
	if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 4)) {
		t.Errorf("%v", got)
	}
}

// positioned are rows as a landing writes them: of a partition, with offsets.
func positioned(t *testing.T, partition int32, from, n int64) arrow.RecordBatch {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, fqgw.ArrowSchema(landedColumns))
	defer b.Release()
	for i := range n {
		for c, v := range []fqgw.Value{fqgw.IntValue(from + i), fqgw.IntValue(2), fqgw.IntValue(int64(partition)), fqgw.IntValue(from + i), fqgw.IntValue(0),
			fqgw.TextValue("insert"), fqgw.TimestampValue(from + i)} {
			if err := fqgw.AppendValue(b.Field(c), v, landedColumns[c].Type); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows := b.NewRecordBatch()
	t.Cleanup(rows.Release)
	return rows
}

var landedColumns = append([]fqgw.Column{{Name: "n", Type: fqgw.Int8}}, fqgw.HiddenColumns...)

// Another engine's expiry takes the snapshots away that have the landed positions:
// they are found in the rows, and nothing is landed twice.
func TestMarksExpired(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	if err := l.Create(t.Context(), "lake.s", landedColumns); err != nil {
		t.Fatal(err)
	}
	at := fqgw.Marks{{Epoch: 2, Next: 5}, {Epoch: 2, Next: 3}}
	if _, ok, err := l.Land(t.Context(), "lake.s", positioned(t, 0, 0, 5), nil, at[:1]); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, ok, err := l.Land(t.Context(), "lake.s", positioned(t, 1, 0, 3), at[:1], at); err != nil || !ok {
		t.Fatal(ok, err)
	}
	foreign(t, l, "lake.s")
	tab, err := l.load(t.Context(), "lake.s")
	if err != nil {
		t.Fatal(err)
	}
	tx := tab.NewTransaction()
	if err := tx.ExpireSnapshots(table.WithRetainLast(1), table.WithOlderThan(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := l.Current(t.Context(), "lake.s")
	if err != nil || !sameMarks(now.Landed, at) {
		t.Fatalf("%v, %v; want %v", now.Landed, err, at)
	}
	if found, ok, err := l.Land(t.Context(), "lake.s", positioned(t, 0, 0, 5), nil, at[:1]); ok || err != nil || !sameMarks(found, at) {
		t.Errorf("a second landing: %v, %v, %v", found, ok, err)
	}
	to := fqgw.Marks{{Epoch: 2, Next: 6}, {Epoch: 2, Next: 3}}
	if _, ok, err := l.Land(t.Context(), "lake.s", positioned(t, 0, 5, 1), now.Landed, to); !ok || err != nil {
		t.Errorf("the next landing: %v, %v", ok, err)
	}
	if now, err = l.Current(t.Context(), "lake.s"); err != nil || !sameMarks(now.Landed, to) || now.Rows != 9 {
		t.Errorf("%+v, %v", now, err)
	}
}
