package iceberg

import (
	"context"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
)

// WriteParquet writes rows to one Parquet file, zstd, row groups of 131,072
// rows, and returns how many rows it has. The file appears whole or not at all.
func WriteParquet(ctx context.Context, path string, schema *arrow.Schema, rows fqgw.Records) (n int64, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, fail(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return 0, fail(err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithMaxRowGroupLength(131072)), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return 0, fail(err)
	}
	for b, err := range rows {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = w.WriteBuffered(b)
			n += b.NumRows()
			b.Release()
		}
		if err != nil {
			w.Close()
			return 0, fail(err)
		}
	}
	if err := w.Close(); err != nil { // closes the file as well
		return 0, fail(err)
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return 0, fail(err)
	}
	return n, fail(os.Rename(f.Name(), path))
}
