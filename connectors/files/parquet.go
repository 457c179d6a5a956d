package files

import (
	"context"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/leaf"
	"github.com/fqgw/fqgw/connectors/sound"
	"github.com/fqgw/fqgw/stream/decode"
)

// parquetFormat reads Parquet.
type parquetFormat struct {
	source *fqgw.Source
}

// opened is an open Parquet file.
type opened struct {
	os     *os.File
	file   *pqfile.Reader
	arrow  *pqarrow.FileReader
	schema *arrow.Schema
	sound  map[string]bool // nested columns that can be read
}

func (x file) parquet() (*opened, error) {
	f, err := x.folder.root.Open(x.name)
	if err != nil {
		return nil, err
	}
	o := &opened{os: f, sound: map[string]bool{}}
	if o.file, err = pqfile.NewParquetReader(f); err != nil {
		f.Close()
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the file is no whole Parquet file: %w", err)
	}
	// Of Arrow's own schema, which some writers keep there too, a damaged length would
	// take all memory that there is; Parquet's says what is needed.
	o.file.MetaData().FileMetaData.KeyValueMetadata = nil
	if o.arrow, err = pqarrow.NewFileReader(o.file, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator); err == nil {
		o.schema, err = o.arrow.Schema()
	}
	if err != nil {
		o.close()
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the schema of the Parquet file cannot be read: %w", err)
	}
	return o, nil
}

func (o *opened) close() { o.file.Close() } // and what it reads

// columns implements format. What fqgw hides in its own files is not shown.
func (p *parquetFormat) columns(_ context.Context, x file) ([]fqgw.Column, error) {
	o, err := x.parquet()
	if err != nil {
		return nil, err
	}
	defer o.close()
	var out []fqgw.Column
	for _, f := range o.schema.Fields() {
		if strings.HasPrefix(f.Name, "_fq_") {
			continue
		}
		t, ok := decode.NearestType(f.Type)
		if !ok {
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "column \"%s\" has the type %s, which fqgw cannot read", f.Name, f.Type).
				WithHint("Write the columns that are wanted: CREATE SOURCE %s (column type, …) WITH (…).", p.source.Name)
		}
		out = append(out, fqgw.Column{Name: f.Name, Type: t})
	}
	return out, nil
}

// check implements format.
func (p *parquetFormat) check(_ context.Context, x file) error {
	o, err := x.parquet()
	if err != nil {
		return err
	}
	defer o.close()
	for i := range p.source.Columns {
		if _, err := p.field(o, i); err != nil {
			return err
		}
	}
	return nil
}

// field is how a column of the source is read from a file.
type field struct {
	column *decode.Column
	at     int   // among the file's fields
	path   []int // of a field below it, in structs
	leaves map[int]bool
	from   arrow.DataType
}

// field finds column i of the source: 42703 when the file does not have it.
func (p *parquetFormat) field(o *opened, i int) (*field, error) {
	c := p.source.Columns[i]
	name := c.Name
	if c.Field != "" {
		name = c.Field
	}
	missing := func(names []string) error {
		e := fqgw.Errorf(fqgw.CodeUndefinedColumn, "the file has no column \"%s\"", name)
		if near := fqgw.Nearest(name, names); near != "" {
			return e.WithHint("It has \"%s\"; WITH (field.%s = '%[1]s') reads that.", near, c.Name)
		}
		return e
	}
	find := func(fields []arrow.Field, name string) int {
		return slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == name })
	}
	names := func(fields []arrow.Field) (out []string) {
		for _, f := range fields {
			out = append(out, f.Name)
		}
		return out
	}
	fields := o.schema.Fields()
	f := &field{at: find(fields, name), leaves: map[int]bool{}}
	var parts []string
	if f.at < 0 {
		if parts = strings.Split(name, "."); len(parts) == 1 {
			return nil, missing(names(fields))
		}
		if f.at = find(fields, parts[0]); f.at < 0 {
			return nil, missing(names(fields))
		}
		parts = parts[1:]
	}
	f.from = fields[f.at].Type
	node := &o.arrow.Manifest.Fields[f.at]
	for _, part := range parts {
		s, ok := f.from.(*arrow.StructType)
		at := -1
		if ok {
			at = find(s.Fields(), part)
		}
		if at < 0 {
			return nil, missing(names(fields))
		}
		f.path, f.from, node = append(f.path, at), s.Field(at).Type, &node.Children[at]
	}
	f.leavesOf(node)
	var err error
	f.column, err = decode.NewColumn(f.from, c)
	return f, err
}

func (f *field) leavesOf(n *pqarrow.SchemaField) {
	if n.IsLeaf() {
		f.leaves[n.ColIndex] = true
	}
	for i := range n.Children {
		f.leavesOf(&n.Children[i])
	}
}

// open implements format. Row groups are pruned by the bounds of the event time.
func (p *parquetFormat) open(ctx context.Context, x file, fields []int, sc fqgw.Scan) (reader, error) {
	o, err := x.parquet()
	if err != nil {
		return nil, err
	}
	var groups []int
	for g := range o.file.NumRowGroups() {
		if p.wants(o, g, sc) {
			groups = append(groups, g)
		}
	}
	r, err := p.reader(ctx, o, groups, fields, sc.Batch)
	if err != nil {
		o.close()
		return nil, err
	}
	r.owned = true
	return r, nil
}

// reader reads columns of the source from row groups of an open file.
func (p *parquetFormat) reader(ctx context.Context, o *opened, groups, fields []int, batch int64) (*parquetReader, error) {
	r := &parquetReader{ctx: ctx, file: o, schema: decode.Schema(p.source, fields), groups: groups}
	if len(groups) == 0 {
		return r, nil
	}
	for _, i := range fields {
		f, err := p.field(o, i)
		if err != nil {
			return nil, err
		}
		r.fields = append(r.fields, f)
	}
	r.batch = r.size(batch)
	return r, o.nested(ctx, r.fields)
}

// nested looks whether nested columns can be read: they are in goroutines of their
// own, whose panics would end the process.
func (o *opened) nested(ctx context.Context, fields []*field) error {
	names := map[string]bool{}
	for _, f := range fields {
		if name := o.schema.Field(f.at).Name; !o.arrow.Manifest.Fields[f.at].IsLeaf() && !o.sound[name] {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	err := sound.Check(ctx, o.os, func(top schema.Node) bool { return names[top.Name()] })
	if err == nil {
		maps.Copy(o.sound, names)
	}
	return err
}

// wants says whether a row group can have rows of the scan's times, by the bounds
// that its writer noted.
func (p *parquetFormat) wants(o *opened, group int, sc fqgw.Scan) bool {
	if sc.Time == "" {
		return true
	}
	f, err := p.field(o, p.source.EventTime)
	if err != nil || len(f.path) > 0 || len(f.leaves) != 1 {
		return true
	}
	t, ok := f.from.(*arrow.TimestampType)
	if !ok {
		return true
	}
	for leaf := range f.leaves {
		if o.file.MetaData().Schema.Column(leaf).PhysicalType() != parquet.Types.Int64 {
			return true
		}
		chunk, err := o.file.MetaData().RowGroup(group).ColumnChunk(leaf)
		if err != nil {
			return true
		}
		stats, err := chunk.Statistics()
		bounds, ok := stats.(*metadata.Int64Statistics)
		if err != nil || !ok || !bounds.HasMinMax() {
			return true
		}
		low, high := bounds.Min(), bounds.Max()
		per := map[arrow.TimeUnit]int64{arrow.Nanosecond: 1000, arrow.Microsecond: 1}[t.Unit]
		if per == 0 { // milliseconds; seconds have no place in Parquet
			if low < math.MinInt64/1000 || high > math.MaxInt64/1000 {
				return true
			}
			low, high, per = low*1000, high*1000, 1
		}
		return fqgw.FloorDiv(high, per) >= sc.From && fqgw.FloorDiv(low, per) <= sc.To
	}
	return true
}

// parquetReader reads row groups of a file.
type parquetReader struct {
	ctx    context.Context
	file   *opened
	owned  bool // the file is closed with the reader
	schema *arrow.Schema
	groups []int // that are left
	fields []*field
	in     []leaf.Reader // of the row group that is read
	rows   int64         // that are left of it
	batch  int64         // rows of a batch
}

// batchBytes are those of a batch, if the scan does not say.
const batchBytes = 1 << 20

// size is how many rows a batch has.
func (r *parquetReader) size(bytes int64) int64 {
	if bytes == 0 {
		bytes = batchBytes
	}
	var total, rows int64
	md := r.file.file.MetaData()
	for g := range md.RowGroups {
		rows += md.RowGroup(g).NumRows()
		for _, f := range r.fields {
			for leaf := range f.leaves {
				if c, err := md.RowGroup(g).ColumnChunk(leaf); err == nil {
					total += max(c.TotalUncompressedSize(), md.RowGroup(g).NumRows()*8)
				}
			}
		}
	}
	return min(max(bytes/max(total/max(rows, 1), 1), 64), 1<<16)
}

// begin begins the next row group; io.EOF behind the last.
func (r *parquetReader) begin() error {
	r.release()
	if len(r.groups) == 0 {
		return io.EOF
	}
	group := r.groups[0]
	r.groups = r.groups[1:]
	for _, f := range r.fields {
		in, err := leaf.Open(r.ctx, r.file.arrow, group, f.at, f.leaves)
		if err != nil {
			return r.file.unreadable(f, err)
		}
		r.in = append(r.in, in)
	}
	r.rows = r.file.file.MetaData().RowGroup(group).NumRows()
	return nil
}

// pick are the values of the first field in some rows of the next row group.
func (r *parquetReader) pick(rows []int32) (arrow.Array, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	return r.file.values(r.fields[0], func() (arrow.Array, error) { return r.in[0].Pick(rows) })
}

func (r *parquetReader) next() (arrow.RecordBatch, error) {
	for r.rows <= 0 {
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	n := min(r.rows, r.batch)
	r.rows -= n
	if len(r.in) == 0 { // only their number is wanted
		return array.NewRecordBatch(r.schema, nil, n), nil
	}
	columns := make([]arrow.Array, 0, len(r.in))
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i, in := range r.in {
		a, err := r.file.values(r.fields[i], func() (arrow.Array, error) { return in.Next(int(n)) })
		if err != nil {
			return nil, err
		}
		columns = append(columns, a)
	}
	fields := r.schema.Fields()
	for i := range fields {
		fields[i].Type = columns[i].DataType()
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, n), nil
}

// values are what read reads of a field, as values of the source's column.
func (o *opened) values(f *field, read func() (arrow.Array, error)) (arrow.Array, error) {
	whole, err := read()
	if err != nil {
		return nil, o.unreadable(f, err)
	}
	defer whole.Release()
	part := whole
	for range f.path {
		part = part.(*array.Struct).Field(0) // the others were not read
	}
	out, _, err := f.column.Read(part)
	return out, err
}

func (o *opened) unreadable(f *field, err error) error {
	return fqgw.Errorf(fqgw.CodeDataCorrupted, "column \"%s\" of the file cannot be read: %w", o.schema.Field(f.at).Name, err)
}

func (r *parquetReader) release() {
	for _, in := range r.in {
		in.Close()
	}
	r.in = r.in[:0]
}

func (r *parquetReader) close() {
	r.release()
	if r.owned {
		r.file.close()
	}
}
