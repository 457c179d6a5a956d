package iceberg

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// fileSize is the size in bytes at which an Append goes on in a new file; tests
// make it small.
var fileSize int64 = 256 << 20

// dataFiles writes rows, in their order, to new data files of a table. It runs
// in the caller's goroutine: iceberg-go's own writer reads the rows in one of
// its own, where a panic of theirs would end the process.
type dataFiles struct {
	lake    *Lake
	table   *table.Table
	fs      iceio.WriteFileIO
	schema  *arrow.Schema   // with the field ids
	added   map[string]bool // its fields that others added
	name    string          // of the files, before their number
	path    string          // of the open file
	rowsOf  *arrow.Schema   // of its rows: d.schema, where a column may be a dictionary
	out     *counted
	writer  *groups
	written []string // every file that was begun, and not removed again
	began   []string // every file that was begun
	done    []iceberg.DataFile
	rows    int64

	properties *parquet.WriterProperties // nil: those of all tables
	whole      bool                      // all rows are one file, in row groups of rowGroup rows
	sum        hash.Hash                 // of the open file's bytes; may be nil
	size       int64                     // at which a file ends, bytes

	hashed bool              // files are wanted
	files  []fqgw.StoredFile // as they are done

	spec   iceberg.PartitionSpec // of the files
	split  *split                // of a table whose files are divided; the parts write
	of     *dataFiles            // of a part: where its files belong to
	values map[int]any           // of a part: by the fields of the spec
	n      int                   // files that were begun
}

// newDataFiles are to be divided as the table's spec says.
func (l *Lake) newDataFiles(ctx context.Context, t *table.Table) (*dataFiles, error) {
	d, err := l.newWholeFiles(ctx, t, t.Spec())
	if err != nil {
		return nil, err
	}
	return d, d.divide()
}

// newWholeFiles are of one partition, or of none.
func (l *Lake) newWholeFiles(ctx context.Context, t *table.Table, spec iceberg.PartitionSpec) (*dataFiles, error) {
	files, err := t.FS(ctx)
	if err != nil {
		return nil, fail(err)
	}
	w, ok := files.(iceio.WriteFileIO)
	if !ok {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "the files of table %v cannot be written", t.Identifier())
	}
	schema, err := table.SchemaToArrowSchema(t.Schema(), nil, true, false)
	if err != nil {
		return nil, fail(err)
	}
	cols, err := columns(t)
	if err != nil {
		return nil, err
	}
	d := &dataFiles{lake: l, table: t, fs: w, schema: schema, added: map[string]bool{}, name: rand.Text(), size: fileSize, spec: spec}
	for _, f := range schema.Fields() {
		d.added[f.Name] = !slices.ContainsFunc(cols, func(c fqgw.Column) bool { return c.Name == f.Name })
	}
	d.of = d
	return d, nil
}

// writeAll writes all rows, and ends.
func (d *dataFiles) writeAll(ctx context.Context, rows fqgw.Records) error {
	for b, err := range rows {
		if err != nil {
			return err
		}
		if err = ctx.Err(); err == nil {
			err = d.write(b)
		}
		b.Release()
		if err != nil {
			return err
		}
	}
	return d.end()
}

// write adds a batch; the caller keeps it.
func (d *dataFiles) write(b arrow.RecordBatch) error {
	if b.NumRows() == 0 {
		return nil
	}
	b, err := d.fitting(b)
	if err != nil {
		return err
	}
	defer b.Release()
	if d.split != nil {
		d.rows += b.NumRows()
		return d.split.write(b)
	}
	return d.writeWhole(b)
}

// writeWhole adds a batch that has the table's columns.
func (d *dataFiles) writeWhole(b arrow.RecordBatch) error {
	if d.writer != nil && !b.Schema().Equal(d.rowsOf) {
		if err := d.end(); err != nil {
			return err
		}
	}
	d.rows += b.NumRows()
	for rest := b; rest != nil; {
		if d.writer == nil {
			if err := d.begin(b.Schema()); err != nil {
				return fail(err)
			}
		}
		next, err := d.writer.write(rest)
		if rest != b {
			rest.Release()
		}
		if rest = next; err != nil {
			return fail(err)
		}
		if d.out.n+d.writer.waiting() >= d.size && !d.whole {
			if err := d.end(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *dataFiles) begin(schema *arrow.Schema) error {
	at, err := d.table.LocationProvider()
	if err != nil {
		return err
	}
	d.path = at.NewDataLocation(fmt.Sprintf("%s-%05d.parquet", d.name, d.n))
	d.n++
	d.lake.busy(d.path)
	f, err := d.fs.Create(d.path)
	if err != nil {
		return err
	}
	d.of.written, d.of.began = append(d.of.written, d.path), append(d.of.began, d.path)
	if d.hashed {
		d.sum = sha256.New()
	}
	d.out = &counted{w: f, sum: d.sum}
	d.rowsOf = schema
	d.writer = &groups{schema: schema, to: d.out, properties: d.properties, arrow: pqarrow.NewArrowWriterProperties(), whole: d.whole}
	return nil
}

// end closes the open file, if any, and describes it.
func (d *dataFiles) end() error {
	if d.split != nil {
		return d.split.end()
	}
	if d.writer == nil {
		return nil
	}
	w := d.writer
	d.writer = nil
	if err := w.end(); err != nil { // closes the file as well
		return fail(err)
	}
	footer, err := w.FileMetadata()
	if err != nil {
		return fail(err)
	}
	f, err := table.DataFileFromMetadata(table.DataFileArgs{Schema: d.table.Schema(), Spec: d.spec, Format: iceberg.ParquetFile,
		Metadata: footer, FilePath: d.path, FileSize: d.out.n, Content: iceberg.EntryContentData,
		PartitionValues: d.values, Properties: d.table.Properties(), FormatVersion: d.table.Metadata().Version()})
	if err != nil {
		return fail(err)
	}
	d.of.done = append(d.of.done, f)
	if d.hashed {
		d.of.files = append(d.of.files, fqgw.StoredFile{Path: d.path, Rows: f.Count(), Bytes: d.out.n, SHA256: hex.EncodeToString(d.sum.Sum(nil))})
	}
	return nil
}

// remove takes the files away again; only for what was surely not committed.
func (d *dataFiles) remove() {
	if d.split != nil {
		d.split.release()
		for _, p := range d.split.order {
			p.part.(*dataPart).remove()
		}
	}
	if d.writer != nil {
		d.writer.abort()
		d.writer = nil
	}
	for _, path := range d.written {
		_ = d.fs.Remove(path) // what stays is an orphan that no table mentions
	}
	d.written = nil
}

// counted counts what goes through it.
type counted struct {
	w   io.WriteCloser
	n   int64
	sum hash.Hash // of it; may be nil
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	return n, err
}

func (c *counted) Close() error { return c.w.Close() }

// conform gives a batch the fields of a schema: its columns by name, in the
// schema's order. Types must be equal but for the names of nested fields, where
// Arrow and Iceberg differ, and for dictionaries, which stay what they are. The
// caller releases the result, and keeps b.
func conform(b arrow.RecordBatch, schema *arrow.Schema) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, schema.NumFields())
	fields := schema.Fields()
	for i, f := range fields {
		at := b.Schema().FieldIndices(f.Name)
		if len(at) == 0 {
			return nil, fqgw.Errorf(fqgw.CodeUndefinedColumn, "the rows have no column \"%s\"", f.Name)
		}
		data, ok := retyped(b.Column(at[0]).Data(), f.Type)
		if !ok {
			return nil, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "column \"%s\" is of type %s, not %s", f.Name, b.Column(at[0]).DataType(), f.Type)
		}
		fields[i].Type = data.DataType()
		cols[i] = array.MakeFromData(data)
		data.Release()
		defer cols[i].Release()
	}
	meta := schema.Metadata()
	return array.NewRecordBatch(arrow.NewSchema(fields, &meta), cols, b.NumRows()), nil
}

func retyped(d arrow.ArrayData, to arrow.DataType) (arrow.ArrayData, bool) {
	if words, ok := d.DataType().(*arrow.DictionaryType); ok {
		d.Retain()
		return d, arrow.TypeEqual(words.ValueType, to)
	}
	from, ok1 := d.DataType().(arrow.ListLikeType)
	list, ok2 := to.(arrow.ListLikeType)
	if !ok1 || !ok2 {
		d.Retain()
		return d, arrow.TypeEqual(d.DataType(), to)
	}
	if from.ID() != list.ID() {
		d.Retain()
		return d, false
	}
	items, ok := retyped(d.Children()[0], list.Elem())
	defer items.Release()
	return array.NewData(to, d.Len(), d.Buffers(), []arrow.ArrayData{items}, d.NullN(), d.Offset()), ok
}
