package iceberg

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// constant is a column that says the same in every row of a scan, as the bounds of
// its files tell: it is not read. A history of inserts has three, its epoch, its
// sub-position and its operation.
type constant struct {
	column fqgw.Column
	value  fqgw.Value
	rows   arrow.Array // as many as were asked for so far
}

// constantsOf are those of the columns that are constants in the tasks' files.
func constantsOf(cols []fqgw.Column, schema *iceberg.Schema, tasks []table.FileScanTask) []*constant {
	var out []*constant
	for _, c := range cols {
		field, ok := schema.FindFieldByName(c.Name)
		if !ok || len(tasks) == 0 {
			continue
		}
		switch fqgw.ArrowType(c.Type).ID() {
		case arrow.INT32, arrow.INT64, arrow.STRING:
		default:
			continue
		}
		if bound := boundOf(field.ID, tasks); bound != nil {
			if v, ok := boundValue(field.Type, bound); ok {
				out = append(out, &constant{column: c, value: v})
			}
		}
	}
	return out
}

// boundOf is what each row of the files has in a field; nil when that is not known
// or not one thing.
func boundOf(id int, tasks []table.FileScanTask) []byte {
	var all []byte
	for i := range tasks {
		f := tasks[i].File
		low, high := f.LowerBoundValues()[id], f.UpperBoundValues()[id]
		nulls, known := f.NullValueCounts()[id]
		if low == nil || !bytes.Equal(low, high) || !known || nulls != 0 || i > 0 && !bytes.Equal(low, all) {
			return nil
		}
		all = low
	}
	return all
}

// boundText is how long a text must be at most so that its bound is the whole of it:
// writers cut longer ones.
const boundText = 15

func boundValue(t iceberg.Type, bound []byte) (fqgw.Value, bool) {
	l, err := iceberg.LiteralFromBytes(t, bound)
	if err != nil {
		return fqgw.Null, false
	}
	switch l := l.(type) {
	case iceberg.Int32Literal:
		return fqgw.IntValue(int64(l)), true
	case iceberg.Int64Literal:
		return fqgw.IntValue(int64(l)), true
	case iceberg.StringLiteral:
		return fqgw.TextValue(string(l)), len(bound) <= boundText
	}
	return fqgw.Null, false
}

// array is the column of n rows, which the caller releases.
func (c *constant) array(n int) (arrow.Array, error) {
	if c.rows == nil || c.rows.Len() < n {
		b := array.NewBuilder(memory.DefaultAllocator, fqgw.ArrowType(c.column.Type))
		defer b.Release()
		b.Reserve(n)
		for range n {
			if err := fqgw.AppendValue(b, c.value, c.column.Type); err != nil {
				return nil, err
			}
		}
		c.release()
		c.rows = b.NewArray()
	}
	return array.NewSlice(c.rows, 0, int64(n)), nil
}

func (c *constant) release() {
	if c.rows != nil {
		c.rows.Release()
		c.rows = nil
	}
}

// withConstants puts the constants behind the columns of b, which it releases.
func withConstants(b arrow.RecordBatch, constants []*constant) (arrow.RecordBatch, error) {
	defer b.Release()
	fields, columns := b.Schema().Fields(), append([]arrow.Array(nil), b.Columns()...)
	for _, c := range constants {
		a, err := c.array(int(b.NumRows()))
		if err != nil {
			return nil, err
		}
		defer a.Release()
		fields, columns = append(fields, arrow.Field{Name: c.column.Name, Type: a.DataType(), Nullable: true}), append(columns, a)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, b.NumRows()), nil
}
