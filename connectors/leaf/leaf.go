// Package leaf reads columns of Parquet files that others wrote: the values of a row
// group one batch behind the other, or those of some of its rows; and the columns of a
// source together, from some row groups or from one as an fqgw.Piece. Columns that are not
// nested and lie in Parquet as they do in Arrow are read without a detour; others as
// pqarrow reads them. It panics over some damaged bytes, in the caller's goroutine, and
// for a nested column in one of its own (package sound looks for that before).
package leaf

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// Reader reads a column of a row group, once. Not safe for concurrent use.
type Reader interface {
	// Next are the next n values; the caller releases them. Fewer are an error.
	Next(n int) (arrow.Array, error)
	// Pick are the values of some rows, whose numbers in the row group ascend and are
	// not behind one that was read; the caller releases them.
	Pick(rows []int32) (arrow.Array, error)
	Close()
}

// step is how many values are decoded at once.
const step = 8192

// Open begins to read field at at the top of a file, of what lies below it the leaves.
func Open(ctx context.Context, f *pqarrow.FileReader, group, at int, leaves map[int]bool) (Reader, error) {
	node := &f.Manifest.Fields[at]
	if node.IsLeaf() {
		if r, err := direct(f.ParquetReader(), group, node); r != nil || err != nil {
			return r, err
		}
	}
	in, err := f.GetFieldReader(ctx, at, leaves, []int{group})
	if err != nil {
		return nil, err
	}
	return &detour{in: in, rows: int(f.ParquetReader().MetaData().RowGroup(group).NumRows())}, nil
}

// direct is a reader of a column whose values lie in Parquet as in Arrow, else nil.
func direct(f *file.Reader, group int, node *pqarrow.SchemaField) (Reader, error) {
	c := f.MetaData().Schema.Column(node.ColIndex)
	if c.MaxRepetitionLevel() > 0 || c.MaxDefinitionLevel() > 1 || !same(c, node.Field.Type) {
		return nil, nil
	}
	in, err := f.RowGroup(group).Column(node.ColIndex)
	if err != nil {
		return nil, err
	}
	var def []int16
	if c.MaxDefinitionLevel() > 0 {
		def = make([]int16, step)
	}
	switch in := in.(type) {
	case *file.Int32ColumnChunkReader:
		return &fixed[int32]{in: in, typ: node.Field.Type, def: def}, nil
	case *file.Int64ColumnChunkReader:
		return &fixed[int64]{in: in, typ: node.Field.Type, def: def}, nil
	case *file.Float32ColumnChunkReader:
		return &fixed[float32]{in: in, typ: node.Field.Type, def: def}, nil
	case *file.Float64ColumnChunkReader:
		return &fixed[float64]{in: in, typ: node.Field.Type, def: def}, nil
	case *file.ByteArrayColumnChunkReader:
		return &texts{in: in, typ: node.Field.Type, def: def, values: make([]parquet.ByteArray, step)}, nil
	}
	return nil, fmt.Errorf("a column of physical type %s is read by %T", c.PhysicalType(), in)
}

func same(c *schema.Column, t arrow.DataType) bool {
	switch t.ID() {
	case arrow.INT64, arrow.TIMESTAMP, arrow.TIME64:
		return c.PhysicalType() == parquet.Types.Int64
	case arrow.INT32, arrow.DATE32, arrow.TIME32:
		return c.PhysicalType() == parquet.Types.Int32
	case arrow.FLOAT32:
		return c.PhysicalType() == parquet.Types.Float
	case arrow.FLOAT64:
		return c.PhysicalType() == parquet.Types.Double
	case arrow.STRING, arrow.BINARY:
		return c.PhysicalType() == parquet.Types.ByteArray
	}
	return false
}

// early is the error of a column that has fewer values than there are rows.
func early(in file.ColumnChunkReader, err error) error {
	if err == nil {
		err = in.Err()
	}
	if err == nil {
		err = fmt.Errorf("it ends too early")
	}
	return err
}

// detour reads as pqarrow does.
type detour struct {
	in   *pqarrow.ColumnReader
	at   int // the row that is next
	rows int
}

func (d *detour) Next(n int) (arrow.Array, error) {
	chunks, err := d.in.NextBatch(int64(n))
	if err != nil {
		return nil, err
	}
	defer chunks.Release()
	if chunks.Len() != n {
		return nil, fmt.Errorf("it ends too early")
	}
	d.at += n
	return array.Concatenate(chunks.Chunks(), memory.DefaultAllocator)
}

func (d *detour) Pick(rows []int32) (arrow.Array, error) {
	if len(rows) == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, d.in.Field().Type, 0), nil
	}
	var parts []arrow.Array
	defer func() {
		for _, p := range parts {
			p.Release()
		}
	}()
	for len(rows) > 0 {
		from := d.at
		a, err := d.Next(min(step, d.rows-d.at))
		if err != nil {
			return nil, err
		}
		var some []arrow.Array
		for len(rows) > 0 && int(rows[0]) < d.at {
			n := 1 // rows that lie one behind the other
			for n < len(rows) && int(rows[n]) < d.at && rows[n] == rows[0]+int32(n) {
				n++
			}
			first := int64(rows[0]) - int64(from)
			some = append(some, array.NewSlice(a, first, first+int64(n)))
			rows = rows[n:]
		}
		if len(some) > 0 {
			var part arrow.Array
			if part, err = array.Concatenate(some, memory.DefaultAllocator); err == nil {
				parts = append(parts, part)
			}
		}
		for _, s := range some {
			s.Release()
		}
		a.Release()
		if err != nil {
			return nil, err
		}
	}
	return array.Concatenate(parts, memory.DefaultAllocator)
}

func (d *detour) Close() { d.in.Release() }
