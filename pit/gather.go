package pit

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// pick is a row of one of several batches.
type pick struct{ batch, row int32 }

// gather is a new array of the picked values of one column, whose arrays in the
// batches are from: of type t, and of Arrow's type for it. Of a batch that has no
// pick it may be nil.
func gather(from []arrow.Array, picks []pick, t fqgw.Type) (arrow.Array, error) {
	typ := fqgw.ArrowType(t)
	fixed, ok := typ.(arrow.FixedWidthDataType)
	for _, a := range from {
		ok = ok && (a == nil || arrow.TypeEqual(a.DataType(), typ))
	}
	if ok {
		switch fixed.Bytes() {
		case 8:
			return fixedOf[uint64](from, picks, typ), nil
		case 4:
			return fixedOf[uint32](from, picks, typ), nil
		}
	}
	b := array.NewBuilder(memory.DefaultAllocator, typ)
	defer b.Release()
	b.Reserve(len(picks))
	for _, p := range picks {
		if err := fqgw.AppendValue(b, fqgw.ArrowView(from[p.batch], int(p.row), t), t); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

// fixedOf gathers values of a fixed width.
func fixedOf[T uint32 | uint64](from []arrow.Array, picks []pick, typ arrow.DataType) arrow.Array {
	values := make([]T, len(picks))
	valid := memory.NewResizableBuffer(memory.DefaultAllocator)
	in := make([][]T, len(from))
	nulls := false
	for i, a := range from {
		if a != nil {
			in[i] = valuesOf[T](a)
			nulls = nulls || a.NullN() > 0
		}
	}
	n := 0
	if !nulls {
		for i, p := range picks {
			values[i] = in[p.batch][p.row]
		}
	} else {
		valid.Resize(int(bitutil.BytesForBits(int64(len(picks)))))
		clear(valid.Bytes())
		for i, p := range picks {
			if from[p.batch].IsNull(int(p.row)) {
				n++
				continue
			}
			values[i] = in[p.batch][p.row]
			bitutil.SetBit(valid.Bytes(), i)
		}
	}
	if n == 0 {
		valid.Release()
		valid = nil
	}
	var data *memory.Buffer
	if len(values) > 0 {
		data = memory.NewBufferBytes(arrow.GetBytes(values))
	}
	d := array.NewData(typ, len(picks), []*memory.Buffer{valid, data}, nil, n, 0)
	defer d.Release()
	if valid != nil {
		valid.Release()
	}
	return array.MakeFromData(d)
}

// valuesOf are the values of an array of a fixed width.
func valuesOf[T uint32 | uint64](a arrow.Array) []T {
	d := a.Data()
	if d.Len() == 0 {
		return nil
	}
	return arrow.GetData[T](d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+d.Len()]
}
