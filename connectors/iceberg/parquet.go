package iceberg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
)

// WriteParquet writes rows to Parquet: to one new file, or to the files of a new folder
// where the layout asks for several, divided as Hive does it, without the columns that
// divide them. Row groups of at most 131,072 rows. It waits until all is on disk
// and says what it wrote; paths are those below the folder, "" for the one file. The
// same rows make the same bytes; where they are divided, in the same batches. A failure leaves nothing.
func WriteParquet(ctx context.Context, to string, cols []fqgw.Column, l fqgw.FileLayout, rows fqgw.Records) (files []fqgw.StoredFile, err error) {
	p, err := newParquetFiles(to, cols, l)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return nil, fail(err)
	}
	if p.folder {
		if err := os.Mkdir(to, 0o755); err != nil {
			return nil, fail(err)
		}
	}
	defer func() {
		if err != nil {
			p.remove()
			files, err = nil, fail(err)
		}
	}()
	if !p.folder { // the file is there without rows too
		if err := p.whole.begin(); err != nil {
			return nil, err
		}
	}
	for b, err := range rows {
		if err != nil {
			return nil, err
		}
		if err = ctx.Err(); err == nil {
			err = p.write(b)
		}
		b.Release()
		if err != nil {
			return nil, err
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	slices.SortFunc(p.files, func(a, b fqgw.StoredFile) int { return strings.Compare(a.Path, b.Path) })
	return p.files, nil
}

// parquetFiles are the files of one WriteParquet.
type parquetFiles struct {
	to      string
	folder  bool          // to is one
	schema  *arrow.Schema // of a file
	places  []int         // of its columns among those of the rows
	size    int64         // at which a file ends, bytes; 0: never
	packing fqgw.Compression
	whole   *parquetPart // where nothing divides the rows
	split   *split       // where something does
	all     []*parquetPart
	folders []string // that were made
	files   []fqgw.StoredFile
}

func newParquetFiles(to string, cols []fqgw.Column, l fqgw.FileLayout) (*parquetFiles, error) {
	p := &parquetFiles{to: to, size: l.Bytes, packing: l.Compression, folder: l.Bytes > 0 || len(l.Partition) > 0}
	by := &hive{}
	for _, name := range l.Partition {
		c, err := column(cols, name, filepath.Base(to))
		if err != nil {
			return nil, err
		}
		by.columns = append(by.columns, c)
		by.places = append(by.places, slices.IndexFunc(cols, func(c fqgw.Column) bool { return c.Name == name }))
	}
	if err := partitionable(by.columns); err != nil {
		return nil, err
	}
	var kept []fqgw.Column
	for i, c := range cols {
		if slices.Contains(by.places, i) {
			continue
		}
		if c.Type == fqgw.Interval {
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "a Parquet file cannot have column \"%s\" of type interval", c.Name).
				WithHint("Cast it to text, or take EXTRACT(epoch FROM …).")
		}
		kept, p.places = append(kept, c), append(p.places, i)
	}
	if len(kept) == 0 && len(cols) > 0 {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "every column divides the files, and none is left for them")
	}
	p.schema = fqgw.ArrowSchema(kept)
	if len(l.Partition) > 0 {
		p.split = &split{name: by.folder, make: func(folder string, _ arrow.RecordBatch, _ int) part { return p.part(folder) }}
	} else {
		p.whole = p.part("")
	}
	return p, nil
}

func (p *parquetFiles) part(folder string) *parquetPart {
	out := &parquetPart{of: p, folder: folder}
	p.all = append(p.all, out)
	return out
}

func (p *parquetFiles) write(b arrow.RecordBatch) error {
	if p.split != nil {
		return p.split.write(b)
	}
	return p.whole.write(b)
}

// end ends the files, and waits until their names are on disk.
func (p *parquetFiles) end() error {
	if p.split != nil {
		if err := p.split.end(); err != nil {
			return err
		}
	} else if err := p.whole.end(); err != nil {
		return err
	}
	if !p.folder {
		return nil
	}
	for _, folder := range append(p.folders, p.to) {
		d, err := os.Open(folder)
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remove takes away what was begun.
func (p *parquetFiles) remove() {
	if p.split != nil {
		p.split.release()
	}
	began := p.folder
	for _, x := range p.all {
		began = began || x.n > 0
		if x.file != nil {
			x.writer.drop()
			x.file.Close()
		}
	}
	if began {
		os.RemoveAll(p.to)
	}
}

// parquetPart are the files of a partition, one after the other.
type parquetPart struct {
	of     *parquetFiles
	folder string
	n      int // files that were begun
	path   string
	file   *os.File
	sum    hash.Hash
	out    *counted
	writer *groups
	rows   int64
}

// begin opens the next file.
func (x *parquetPart) begin() error {
	p := x.of
	full := p.to
	if p.folder {
		x.path = fmt.Sprintf("part-%05d.parquet", x.n)
		if x.folder != "" {
			x.path = x.folder + "/" + x.path
		}
		full = filepath.Join(p.to, filepath.FromSlash(x.path))
		if x.n == 0 && x.folder != "" {
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				return err
			}
			for d := filepath.Dir(full); d != p.to && !slices.Contains(p.folders, d); d = filepath.Dir(d) {
				p.folders = append(p.folders, d)
			}
		}
	}
	f, err := os.OpenFile(full, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	x.n++
	x.file, x.sum, x.rows = f, sha256.New(), 0
	x.out = &counted{w: writeOnly{io.MultiWriter(f, x.sum)}}
	x.writer = &groups{schema: p.schema, to: x.out, packing: p.packing, arrow: pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())}
	return nil
}

func (x *parquetPart) write(b arrow.RecordBatch) error {
	cols := make([]arrow.Array, len(x.of.places))
	for i, at := range x.of.places {
		cols[i] = b.Column(at)
	}
	mine := array.NewRecordBatch(x.of.schema, cols, b.NumRows())
	defer mine.Release()
	for rest := mine; rest != nil; {
		if x.file == nil {
			if err := x.begin(); err != nil {
				return err
			}
		}
		next, err := x.writer.write(rest)
		if x.rows += rest.NumRows(); next != nil {
			x.rows -= next.NumRows()
		}
		if rest != mine {
			rest.Release()
		}
		if rest = next; err != nil {
			return err
		}
		if x.of.size > 0 && x.out.n+x.writer.waiting() >= x.of.size {
			if err := x.end(); err != nil {
				if rest != nil {
					rest.Release()
				}
				return err
			}
		}
	}
	return nil
}

func (x *parquetPart) end() error {
	if x.file == nil {
		return nil
	}
	f := x.file
	x.file = nil
	err := errors.Join(x.writer.end(), f.Sync(), f.Close())
	if err == nil {
		x.of.files = append(x.of.files, fqgw.StoredFile{Path: x.path, Rows: x.rows, Bytes: x.out.n, SHA256: hex.EncodeToString(x.sum.Sum(nil))})
	}
	return err
}

func (x *parquetPart) spill() error {
	if x.file == nil { // it has just ended
		return nil
	}
	return x.writer.spill()
}

// writeOnly is a writer whose file is closed by whoever opened it.
type writeOnly struct{ io.Writer }

func (writeOnly) Close() error { return nil }
