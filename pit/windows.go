package pit

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// Windows answers for the probes of a spine by a windowed view, slot by slot in the order
// of the spine: what the readings of Join would say. With doubles numerics become double
// precision. memory is that of Join; the columns are not counted (Layout.ColumnBytes).
func Windows(l *window.Layout, s *Spine, history *fqgw.Sorted, memory *fqgw.Memory, doubles bool) (*window.Columns, error) {
	out := l.NewColumns(s.Len(), doubles)
	if len(s.order) == 0 {
		return out, nil
	}
	probes := make([]Probe, s.Len())
	for n, i := range s.order {
		probes[i] = s.probe(n)
	}
	filled := make([]bool, len(probes))
	return out, join(probes, history, collector{layout: l, memory: memory, columns: out, filled: filled}, filled, nil)
}

// Array is the values of a slot as an array, of Arrow's type for its type. The caller
// releases it.
func Array(f *window.Filled) (arrow.Array, error) {
	typ := fqgw.ArrowType(f.Type)
	if fixed, ok := typ.(arrow.FixedWidthDataType); ok && fixed.Bytes() == 8 {
		switch {
		case f.Ints != nil:
			return numbersOf(f.Ints, f.Null, typ), nil
		case f.Floats != nil:
			return numbersOf(f.Floats, f.Null, typ), nil
		}
	}
	b := array.NewBuilder(memory.DefaultAllocator, typ)
	defer b.Release()
	b.Reserve(len(f.Null))
	for i := range f.Null {
		if err := fqgw.AppendValue(b, f.Value(i), f.Type); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

// numbersOf is an array of numbers of 64 bits, which it takes over.
func numbersOf[T int64 | float64](values []T, null []bool, typ arrow.DataType) arrow.Array {
	valid, nulls := memory.NewResizableBuffer(memory.DefaultAllocator), 0
	defer valid.Release()
	valid.Resize(int(bitutil.BytesForBits(int64(len(values)))))
	bits := valid.Bytes()
	clear(bits)
	for i, n := range null {
		if n {
			nulls++
			continue
		}
		bits[i>>3] |= 1 << (i & 7)
	}
	buffers := []*memory.Buffer{valid, memory.NewBufferBytes(arrow.GetBytes(values))}
	if nulls == 0 {
		buffers[0] = nil
	}
	d := array.NewData(typ, len(values), buffers, nil, nulls, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

// Only is an array without the values where there is no row. The caller releases it.
func Only(a arrow.Array, exists []bool) (arrow.Array, error) {
	if a.Data().Offset() != 0 {
		moved, err := array.Concatenate([]arrow.Array{a}, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		defer moved.Release()
		a = moved
	}
	valid, nulls := memory.NewResizableBuffer(memory.DefaultAllocator), 0
	defer valid.Release()
	valid.Resize(int(bitutil.BytesForBits(int64(a.Len()))))
	clear(valid.Bytes())
	for i, e := range exists {
		if !e || a.IsNull(i) {
			nulls++
			continue
		}
		bitutil.SetBit(valid.Bytes(), i)
	}
	buffers := slices.Clone(a.Data().Buffers())
	buffers[0] = valid
	d := array.NewData(a.DataType(), a.Len(), buffers, a.Data().Children(), nulls, 0)
	defer d.Release()
	return array.MakeFromData(d), nil
}
