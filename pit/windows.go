package pit

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// Windows is Join for a windowed view, slot by slot: what the readings would say, at
// the places of the probes. With doubles numerics become double precision. The columns
// take Columns.Bytes for each probe, which memory does not count.
func Windows(l *window.Layout, probes []Probe, history *fqgw.Sorted, memory *fqgw.Memory, doubles bool) (*window.Columns, error) {
	out := l.NewColumns(len(probes), doubles)
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
	for i, null := range f.Null {
		v := fqgw.Null
		switch {
		case null:
		case f.Ints != nil:
			v = fqgw.IntValue(f.Ints[i])
		case f.Floats != nil:
			v = fqgw.FloatValue(f.Floats[i])
		default:
			v = f.Values[i]
		}
		if err := fqgw.AppendValue(b, v, f.Type); err != nil {
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
