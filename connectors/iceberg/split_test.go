package iceberg

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

var dividedColumns = []fqgw.Column{{Name: "v", Type: fqgw.Int8}, {Name: "k", Type: fqgw.Text}, {Name: "d", Type: fqgw.Date}, {Name: "b", Type: fqgw.Bool}}

// dividedRows are n rows in batches of 1000: row i has texts[i % len(texts)].
func dividedRows(t *testing.T, n int, texts ...string) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for from := 0; from < n; from += 1000 {
			var rows [][]fqgw.Value
			for i := from; i < min(n, from+1000); i++ {
				k := fqgw.TextValue(texts[i%len(texts)])
				if texts[i%len(texts)] == "NULL" {
					k = fqgw.Null
				}
				rows = append(rows, []fqgw.Value{fqgw.IntValue(int64(i)), k, fqgw.DateValue(int64(19723 + i/5000)), fqgw.BoolValue(i%2 == 0)})
			}
			if !yield(storetest.Batch(t, dividedColumns, rows), nil) {
				return
			}
		}
	}
}

func TestWriteParquetDivided(t *testing.T) {
	dir := t.TempDir()
	texts := []string{"a", "NULL", "x/y=z", "ü", "", "..", "50%"}
	layout := fqgw.FileLayout{Partition: []string{"d", "k"}}
	got, err := WriteParquet(t.Context(), filepath.Join(dir, "one"), dividedColumns, layout, dividedRows(t, 10_000, texts...))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	rows := int64(0)
	for _, f := range got {
		paths = append(paths, f.Path)
		rows += f.Rows
	}
	var want []string
	for _, day := range []string{"2024-01-01", "2024-01-02"} {
		for _, k := range []string{"", "%2E.", "50%25", "__HIVE_DEFAULT_PARTITION__", "a", "x%2Fy%3Dz", "ü"} {
			want = append(want, fmt.Sprintf("d=%s/k=%s/part-00000.parquet", day, k))
		}
	}
	if slices.Sort(want); !slices.Equal(paths, want) || rows != 10_000 {
		t.Errorf("%d rows in %q", rows, paths)
	}
	// The columns that divide them are in no file; the others are, in the rows' order.
	r, err := file.OpenParquetFile(filepath.Join(dir, "one", "d=2024-01-01", "k=a", "part-00000.parquet"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if s := r.MetaData().Schema; s.NumColumns() != 2 || s.Column(0).Name() != "v" || s.Column(1).Name() != "b" || r.NumRows() != 715 {
		t.Errorf("%d rows of %v", r.NumRows(), s)
	}
	// The same rows, the same bytes.
	again, err := WriteParquet(t.Context(), filepath.Join(dir, "two"), dividedColumns, layout, dividedRows(t, 10_000, texts...))
	if err != nil || !slices.Equal(again, got) {
		t.Errorf("again %v, %v", again, err)
	}
	for _, bad := range []struct {
		by   []string
		code fqgw.Code
	}{{[]string{"none"}, fqgw.CodeUndefinedColumn}, {[]string{"v", "k", "d", "b"}, fqgw.CodeFeatureNotSupported}} {
		if _, err := WriteParquet(t.Context(), filepath.Join(dir, "bad"), dividedColumns, fqgw.FileLayout{Partition: bad.by}, dividedRows(t, 1, "a")); code(err) != bad.code {
			t.Errorf("%v: %v", bad.by, err)
		}
	}
	if _, err := WriteParquet(t.Context(), filepath.Join(dir, "bad"), numbers, fqgw.FileLayout{Partition: []string{"ts"}}, single(t, 0, 1)); code(err) != fqgw.CodeFeatureNotSupported {
		t.Errorf("a timestamp: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bad")); !os.IsNotExist(err) {
		t.Errorf("what failed: %v", err)
	}
}

// Many parts share the files that may be open, and the memory; files end by their size.
func TestManyParts(t *testing.T) {
	dir := t.TempDir()
	var texts []string
	for i := range 3 * openParts {
		texts = append(texts, fmt.Sprintf("k%03d", i))
	}
	write := func(name string) []fqgw.StoredFile {
		got, err := WriteParquet(t.Context(), filepath.Join(dir, name), dividedColumns, fqgw.FileLayout{Partition: []string{"k"}}, dividedRows(t, 20_000, texts...))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := write("a")
	rows := map[string]int64{}
	for _, f := range got {
		folder, _, _ := strings.Cut(f.Path, "/")
		rows[folder] += f.Rows
	}
	if len(rows) != len(texts) || rows["k=k000"] != 105 || rows["k=k191"] != 104 {
		t.Errorf("%d folders, %d and %d rows", len(rows), rows["k=k000"], rows["k=k191"])
	}
	if !slices.Equal(write("b"), got) || len(got) != len(texts) {
		t.Errorf("the same rows have other files, or more than %d of %d", len(texts), len(got))
	}
	sized, err := WriteParquet(t.Context(), filepath.Join(dir, "c"), dividedColumns, fqgw.FileLayout{Bytes: 60_000}, dividedRows(t, 200_000, texts...))
	if err != nil || len(sized) < 3 {
		t.Fatalf("%d files, %v", len(sized), err)
	}
	for i, f := range sized {
		if f.Path != fmt.Sprintf("part-%05d.parquet", i) || f.Bytes > 150_000 {
			t.Errorf("%+v", f)
		}
	}
}

// A table's files are divided by its spec, whoever writes rows to it.
func TestDividedTable(t *testing.T) {
	l := open(t, Options{})
	ctx := t.Context()
	if err := l.Create(ctx, "lake.t", dividedColumns, "k", "d"); err != nil {
		t.Fatal(err)
	}
	filled, err := l.Fill(ctx, "lake.t", fqgw.FileLayout{}, dividedRows(t, 10_000, "a", "NULL", "x/y", "ü"))
	if err != nil || filled.Rows != 10_000 || len(filled.Files) != 8 {
		t.Fatalf("%+v, %v", filled, err)
	}
	again, err := l.Refill(ctx, "lake.t", fqgw.FileLayout{}, filled.Files, dividedRows(t, 10_000, "a", "NULL", "x/y", "ü"))
	if err != nil || !fqgw.SameFiles(again, filled.Files) {
		t.Errorf("again %+v, %v", again, err)
	}
	if n, err := l.Append(ctx, "lake.t", dividedRows(t, 10, "a", "b")); n != 10 || err != nil {
		t.Errorf("%d rows more, %v", n, err)
	}
	tab, err := l.load(ctx, "lake.t")
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := tab.Scan().PlanFiles(ctx)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]int64{}
	for _, task := range tasks {
		p := task.File.Partition()
		parts[fmt.Sprint(p[1000], " ", p[1001])] += task.File.Count()
	}
	if want := map[string]int64{"a 19723": 1255, "a 19724": 1250, "b 19723": 5, "<nil> 19723": 1250, "<nil> 19724": 1250,
		"x/y 19723": 1250, "x/y 19724": 1250, "ü 19723": 1250, "ü 19724": 1250}; fmt.Sprint(parts) != fmt.Sprint(want) {
		t.Errorf("%v", parts)
	}
	all := storetest.ReadAll(t, l, fqgw.Scan{Table: "lake.t", Columns: []string{"v", "k"}}, []fqgw.Type{fqgw.Int8, fqgw.Text})
	seen := map[int64]int{}
	for _, r := range all {
		seen[r[0].Int()]++
	}
	if len(all) != 10_010 || len(seen) != 10_000 {
		t.Errorf("%d rows, %d different", len(all), len(seen))
	}
	if f := files(t, localDir(t, l), ".parquet"); len(f) != 10 {
		t.Errorf("%d files", len(f))
	}
	if err := l.Create(ctx, "lake.bad", numbers, "ts"); code(err) != fqgw.CodeFeatureNotSupported {
		t.Errorf("by a timestamp: %v", err)
	}
}

// What waits in memory is bounded, and so are the files that are open.
func TestSplitBounds(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("x", 8<<10)
	cols := []fqgw.Column{{Name: "k", Type: fqgw.Int4}, {Name: "s", Type: fqgw.Text}}
	p, err := newParquetFiles(filepath.Join(dir, "x"), cols, fqgw.FileLayout{Partition: []string{"k"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.to, 0o755); err != nil {
		t.Fatal(err)
	}
	const n = 100 * openParts
	for from := 0; from < n; from += openParts {
		var rows [][]fqgw.Value
		for i := from; i < from+openParts; i++ {
			rows = append(rows, []fqgw.Value{fqgw.IntValue(int64(i % (2 * openParts))), fqgw.TextValue(long)})
		}
		b := storetest.Batch(t, cols, rows)
		if err := p.write(b); err != nil {
			t.Fatal(err)
		}
		b.Release()
		files := 0
		for _, x := range p.all {
			if x.file != nil {
				files++
			}
		}
		if p.split.bytes > splitBytes || files > openParts || files != p.split.open {
			t.Fatalf("%d bytes wait, %d files are open, %d are counted", p.split.bytes, files, p.split.open)
		}
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	for _, f := range p.files {
		rows += f.Rows
		r, err := file.OpenParquetFile(filepath.Join(p.to, f.Path), false)
		if err != nil {
			t.Fatal(err)
		}
		for g := range r.NumRowGroups() {
			if r.MetaData().RowGroup(g).NumRows() == 0 {
				t.Errorf("%s: row group %d of %d has no rows", f.Path, g, r.NumRowGroups())
			}
		}
		r.Close()
	}
	if rows != n || len(p.files) > 4*openParts || p.split.bytes != 0 || p.split.open != 0 {
		t.Errorf("%d rows in %d files", rows, len(p.files))
	}
}
