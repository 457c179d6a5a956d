package iceberg

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

func TestWriteParquet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out put", "x.parquet")
	const size, n = 50_000, 6
	big := func(yield func(arrow.RecordBatch, error) bool) {
		for i := range n {
			if !yield(count(t, i*size, size), nil) {
				return
			}
		}
	}
	schema := fqgw.ArrowSchema(numbers)
	one := fqgw.FileLayout{}
	all, err := WriteParquet(t.Context(), path, numbers, one, big)
	if len(all) != 1 || all[0].Rows != n*size || all[0].Path != "" || err != nil {
		t.Fatalf("%+v, %v", all, err)
	}
	got := all[0]
	written, err := os.ReadFile(path)
	if sum := fmt.Sprintf("%x", sha256.Sum256(written)); err != nil || int64(len(written)) != got.Bytes || sum != got.SHA256 {
		t.Errorf("%d bytes of sum %s, %v; said to be %+v", len(written), sum, err, got)
	}
	// The same rows make the same bytes; a file that is there is not written over.
	if same, err := WriteParquet(t.Context(), path+" again", numbers, one, big); err != nil || !slices.Equal(same, all) {
		t.Errorf("%+v and %+v, %v", all, same, err)
	}
	if err := os.Remove(path + " again"); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteParquet(t.Context(), path, numbers, one, big); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := r.MetaData().RowGroup(0).NumRows(); r.NumRows() != n*size || got != rowGroup {
		t.Errorf("%d rows, %d in the first row group", r.NumRows(), got)
	}
	fr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: size}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := fr.GetRecordReader(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	for v := int64(0); rows.Next(); {
		b := rows.RecordBatch()
		if !arrow.TypeEqual(b.Schema().Field(2).Type, schema.Field(2).Type) {
			t.Fatalf("the file has %v", b.Schema())
		}
		for i := range int(b.NumRows()) {
			if got := fqgw.ArrowValue(b.Column(0), i, fqgw.Int8).Int(); got != v {
				t.Fatalf("row %d is %d", v, got)
			}
			v++
		}
	}

	// What fails leaves nothing.
	broken := errors.New("broken")
	failing := func(end func() error) fqgw.Records {
		return func(yield func(arrow.RecordBatch, error) bool) {
			if !yield(count(t, 0, 3), nil) {
				return
			}
			if err := end(); err != nil {
				yield(nil, err)
			} else {
				yield(count(t, 3, 3), nil)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	for want, end := range map[error]func() error{broken: func() error { return broken }, context.Canceled: func() error { cancel(); return nil }} {
		c := t.Context()
		if want == context.Canceled {
			c = ctx
		}
		for _, l := range []fqgw.FileLayout{one, {Bytes: 1}, {Partition: []string{"v"}}} {
			if got, err := WriteParquet(c, path+".failed", numbers, l, failing(end)); len(got) != 0 || !errors.Is(err, want) {
				t.Errorf("%v: %+v, %v", want, got, err)
			}
		}
	}
	span := []fqgw.Column{{Name: "i", Type: fqgw.Interval}}
	if _, err := WriteParquet(t.Context(), path+".failed", span, one, failing(nil)); code(err) != fqgw.CodeFeatureNotSupported {
		t.Errorf("an interval: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	empty := filepath.Join(t.TempDir(), "empty.parquet")
	if got, err := WriteParquet(t.Context(), empty, numbers, one, single(t, 0, 0)); len(got) != 1 || got[0].Rows != 0 || err != nil {
		t.Errorf("no rows: %+v, %v", got, err)
	}
	if r, err := file.OpenParquetFile(empty, false); err != nil || r.NumRows() != 0 {
		t.Errorf("an empty file: %v", err)
	} else {
		r.Close()
	}
}

// Batches wider than a row group, and an Append that fills several files, keep
// their order.
func TestAppendOrder(t *testing.T) {
	l := open(t, Options{})
	create(t, l, "lake.t")
	defer func(n int64) { fileSize = n }(fileSize)
	fileSize = 64 << 10
	const size, n = 20_000, 8
	got, err := l.Append(t.Context(), "lake.t", func(yield func(arrow.RecordBatch, error) bool) {
		for i := range n {
			if !yield(count(t, i*size, size), nil) {
				return
			}
		}
	})
	if got != n*size || err != nil {
		t.Fatalf("%d rows, %v", got, err)
	}
	wide := count(t, n*size, 2*rowGroup)
	if got, err := l.Append(t.Context(), "lake.t", func(yield func(arrow.RecordBatch, error) bool) { yield(wide, nil) }); got != 2*rowGroup || err != nil {
		t.Fatalf("%d rows, %v", got, err)
	}
	if f := files(t, localDir(t, l), ".parquet"); len(f) < 3 {
		t.Errorf("%d files", len(f))
	}
	all := values(t, l, fqgw.Scan{Table: "lake.t"})
	if len(all) != n*size+2*rowGroup {
		t.Fatalf("%d rows", len(all))
	}
	for i, v := range all {
		if v != int64(i) {
			t.Fatalf("row %d is %d", i, v)
		}
	}
	rows := storetest.ReadAll(t, l, fqgw.Scan{Table: "lake.t", Columns: []string{"v"}, Time: "ts", From: 200_000_000_000, To: 200_000_000_000}, []fqgw.Type{fqgw.Int8})
	if len(rows) != 1 || rows[0][0].Int() != 200_000 {
		t.Errorf("%v", rows)
	}
}

// The pages of a file are compressed as its layout says, but for columns that do not get
// smaller, and the rows are the same.
func TestCompression(t *testing.T) {
	dir := t.TempDir()
	var plain arrow.Table
	for _, c := range []struct {
		of   fqgw.Compression
		want compress.Compression
	}{{"", compress.Codecs.Zstd}, {fqgw.Zstd, compress.Codecs.Zstd}, {fqgw.Snappy, compress.Codecs.Snappy}, {fqgw.None, compress.Codecs.Uncompressed}} {
		path := filepath.Join(dir, "x"+string(c.of))
		if _, err := WriteParquet(t.Context(), path, numbers, fqgw.FileLayout{Compression: c.of}, single(t, 0, 5000)); err != nil {
			t.Fatal(err)
		}
		r, err := file.OpenParquetFile(path, false)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		chunk, err := r.MetaData().RowGroup(0).ColumnChunk(0)
		if err != nil || chunk.Compression() != c.want {
			t.Errorf("%q: %v, %v", c.of, chunk.Compression(), err)
		}
		in, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		got, err := in.ReadTable(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if plain == nil {
			plain = got
		}
		if !array.TableEqual(got, plain) || got.NumRows() != 5000 {
			t.Errorf("%q: other rows", c.of)
		}
	}
}
