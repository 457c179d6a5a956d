package iceberg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
)

// WriteParquet writes rows to one new Parquet file, zstd, row groups of at most
// 131,072 rows, waits until it is on disk and says what it wrote. The same rows make
// the same bytes, whatever batches they come in. A failure leaves no file.
func WriteParquet(ctx context.Context, path string, schema *arrow.Schema, rows fqgw.Records) (out fqgw.StoredFile, err error) {
	for _, f := range schema.Fields() {
		if f.Type.ID() == arrow.INTERVAL_MONTH_DAY_NANO {
			return out, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "a Parquet file cannot have column \"%s\" of type interval", f.Name).
				WithHint("Cast it to text, or take EXTRACT(epoch FROM …).")
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return out, fail(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return out, fail(err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			os.Remove(path)
			out, err = fqgw.StoredFile{}, fail(err)
		}
	}()
	sum := sha256.New()
	to := &counted{w: writeOnly{io.MultiWriter(f, sum)}}
	w := &groups{schema: schema, to: to, arrow: pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())}
	defer w.drop()
	for b, err := range rows {
		if err != nil {
			return out, err
		}
		out.Rows += b.NumRows()
		for b != nil {
			if err := ctx.Err(); err != nil {
				b.Release()
				return out, err
			}
			rest, err := w.write(b)
			b.Release()
			if b = rest; err != nil {
				return out, err
			}
		}
	}
	if err := w.end(); err != nil {
		return out, err
	}
	out.Path, out.Bytes, out.SHA256 = path, to.n, hex.EncodeToString(sum.Sum(nil))
	return out, f.Sync()
}

// writeOnly is a writer whose file is closed by whoever opened it.
type writeOnly struct{ io.Writer }

func (writeOnly) Close() error { return nil }
