package iceberg

import (
	"context"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
)

// WriteParquet writes rows to one Parquet file, zstd, row groups of at most
// 131,072 rows, and returns how many rows it has. The file appears whole or not at all,
// in the place of one that was there.
func WriteParquet(ctx context.Context, path string, schema *arrow.Schema, rows fqgw.Records) (n int64, err error) {
	for _, f := range schema.Fields() {
		if f.Type.ID() == arrow.INTERVAL_MONTH_DAY_NANO {
			return 0, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "a Parquet file cannot have column \"%s\" of type interval", f.Name).
				WithHint("Cast it to text, or take EXTRACT(epoch FROM …).")
		}
	}
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
			n, err = 0, fail(err)
		}
	}()
	writer, err := pqarrow.NewFileWriter(schema, f, writerProperties(schema), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return 0, err
	}
	w := &groups{FileWriter: writer}
	for b, err := range rows {
		if err != nil {
			return 0, err
		}
		if err = ctx.Err(); err == nil {
			err = w.write(b)
		}
		n += b.NumRows()
		b.Release()
		if err != nil {
			return 0, err
		}
	}
	if err := w.Close(); err != nil { // closes the file as well
		return 0, err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return 0, err
	}
	return n, os.Rename(f.Name(), path)
}
