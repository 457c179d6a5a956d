package leaf

import (
	"context"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
)

// Column is how a column of a source is read from a file.
type Column struct {
	At     int          // the field at the top of the file that has it
	Path   []int        // the way to a field below that, in structs
	Leaves map[int]bool // what is read of it
	As     *decode.Column
}

// Times are the bounds of a column's timestamps in a row group, in microseconds, as its
// writer noted them; false where nothing is known of them.
func Times(f *pqarrow.FileReader, group int, c *Column) (low, high int64, ok bool) {
	node := &f.Manifest.Fields[c.At]
	if len(c.Path) > 0 || !node.IsLeaf() {
		return 0, 0, false
	}
	t, ok := node.Field.Type.(*arrow.TimestampType)
	md := f.ParquetReader().MetaData()
	if !ok || md.Schema.Column(node.ColIndex).PhysicalType() != parquet.Types.Int64 {
		return 0, 0, false
	}
	chunk, err := md.RowGroup(group).ColumnChunk(node.ColIndex)
	if err != nil {
		return 0, 0, false
	}
	stats, err := chunk.Statistics()
	bounds, ok := stats.(*metadata.Int64Statistics)
	if err != nil || !ok || !bounds.HasMinMax() {
		return 0, 0, false
	}
	low, high = bounds.Min(), bounds.Max()
	switch t.Unit {
	case arrow.Nanosecond:
		return fqgw.FloorDiv(low, 1000), fqgw.FloorDiv(high, 1000), true
	case arrow.Microsecond:
		return low, high, true
	}
	// Milliseconds; seconds have no place in Parquet.
	return low * 1000, high * 1000, low >= math.MinInt64/1000 && high <= math.MaxInt64/1000
}

// Rows reads columns of a source from row groups of an open file, one behind the other.
// Not safe for concurrent use.
type Rows struct {
	ctx     context.Context
	file    *pqarrow.FileReader
	schema  *arrow.Schema
	groups  []int // that are left
	columns []*Column
	in      []Reader // of the row group that is read
	left    int64    // rows of it
	batch   int64    // rows of a batch
}

// BatchBytes are those of a batch, if nobody says.
const BatchBytes = 1 << 20

// NewRows begins to read columns, which the schema names; a batch has about so many bytes,
// BatchBytes where that is 0.
func NewRows(ctx context.Context, f *pqarrow.FileReader, groups []int, schema *arrow.Schema, columns []*Column, bytes int64) *Rows {
	r := &Rows{ctx: ctx, file: f, schema: schema, groups: groups, columns: columns}
	if bytes == 0 {
		bytes = BatchBytes
	}
	var total, rows int64
	md := f.ParquetReader().MetaData()
	for g := range md.RowGroups {
		n := md.RowGroup(g).NumRows()
		rows += n
		for _, c := range columns {
			for leaf := range c.Leaves {
				if chunk, err := md.RowGroup(g).ColumnChunk(leaf); err == nil {
					total += max(chunk.TotalUncompressedSize(), n*8)
				}
			}
		}
	}
	r.batch = min(max(bytes/max(total/max(rows, 1), 1), 64), 1<<16)
	return r
}

// begin begins the next row group; io.EOF behind the last.
func (r *Rows) begin() error {
	r.Close()
	if len(r.groups) == 0 {
		return io.EOF
	}
	group := r.groups[0]
	r.groups = r.groups[1:]
	for _, c := range r.columns {
		in, err := Open(r.ctx, r.file, group, c.At, c.Leaves)
		if err != nil {
			return r.unreadable(c, err)
		}
		r.in = append(r.in, in)
	}
	r.left = r.file.ParquetReader().MetaData().RowGroup(group).NumRows()
	return nil
}

// Next is the next batch, which the caller releases; io.EOF behind the last. XX001 where a
// column cannot be read.
func (r *Rows) Next() (arrow.RecordBatch, error) {
	for r.left <= 0 {
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	n := min(r.left, r.batch)
	r.left -= n
	if len(r.in) == 0 { // only their number is wanted
		return array.NewRecordBatch(r.schema, nil, n), nil
	}
	arrays := make([]arrow.Array, 0, len(r.in))
	defer func() {
		for _, a := range arrays {
			a.Release()
		}
	}()
	fields := r.schema.Fields()
	for i, in := range r.in {
		a, err := r.values(r.columns[i], func() (arrow.Array, error) { return in.Next(int(n)) })
		if err != nil {
			return nil, err
		}
		arrays, fields[i].Type = append(arrays, a), a.DataType()
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, n), nil
}

// Pick are the values of the first column in some rows of the next row group, whose numbers
// ascend; the caller releases them.
func (r *Rows) Pick(rows []int32) (arrow.Array, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	return r.values(r.columns[0], func() (arrow.Array, error) { return r.in[0].Pick(rows) })
}

// values are what read reads of a column, as values of the source's.
func (r *Rows) values(c *Column, read func() (arrow.Array, error)) (arrow.Array, error) {
	whole, err := read()
	if err != nil {
		return nil, r.unreadable(c, err)
	}
	defer whole.Release()
	part := whole
	for range c.Path {
		part = part.(*array.Struct).Field(0) // the others were not read
	}
	out, _, err := c.As.Read(part)
	return out, err
}

func (r *Rows) unreadable(c *Column, err error) error {
	name := r.file.Manifest.Fields[c.At].Field.Name
	return fqgw.Errorf(fqgw.CodeDataCorrupted, "column \"%s\" of the file cannot be read: %w", name, err)
}

// Close leaves the file open.
func (r *Rows) Close() {
	for _, in := range r.in {
		in.Close()
	}
	r.in = r.in[:0]
}
