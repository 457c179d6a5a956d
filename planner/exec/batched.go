package exec

import (
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// inBatches says whether rows of those columns may be put into batches: every value of
// their types is read from an array as it was. Arrays of several dimensions, long
// intervals and records are not.
func inBatches(cols []plan.Column) bool {
	return !slices.ContainsFunc(cols, func(c plan.Column) bool {
		switch c.Type.Kind() {
		case fqgw.KindBool, fqgw.KindInt, fqgw.KindFloat, fqgw.KindNumeric, fqgw.KindText, fqgw.KindBytes, fqgw.KindUUID, fqgw.KindDate, fqgw.KindTime,
			fqgw.KindTimestamp:
			return false
		}
		return true
	})
}

// namesEntities says whether rows of a node may have what Entities gives for no entity:
// a value that is none of its column's type.
func namesEntities(n plan.Node) bool {
	switch n.(type) {
	case *plan.Entities:
		return true
	case *plan.Settle:
		return false
	}
	return slices.ContainsFunc(n.Children(), namesEntities)
}

// batched are rows as batches of what inBatches allows. The rows are to be closed still.
func (e *Engine) batched(rows fqgw.Rows, cols []plan.Column) fqgw.Records {
	const most = 8192
	of := make([]fqgw.Column, len(cols))
	for i, c := range cols {
		if of[i].Type = c.Type; c.Type.Kind() == fqgw.KindNumeric {
			of[i].Type = fqgw.Numeric // as text, so that NaN has a place in numeric(p,s) too
		}
	}
	return func(yield func(arrow.RecordBatch, error) bool) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, fqgw.ArrowSchema(of))
		defer b.Release()
		for {
			n, size := int64(0), int64(0)
			var err error
			for err == nil && n < most && size < e.batchBytes() {
				var row []fqgw.Value
				if row, err = rows.Next(); err != nil {
					break
				}
				for i := range of {
					if err := fqgw.AppendValue(b.Field(i), row[i], of[i].Type); err != nil {
						yield(nil, err)
						return
					}
				}
				n, size = n+1, size+fqgw.RowBytes(row)
			}
			if err != nil && err != io.EOF {
				yield(nil, err)
				return
			}
			if n > 0 {
				if !yield(b.NewRecordBatch(), nil) {
					return
				}
			}
			if err == io.EOF {
				return
			}
		}
	}
}
