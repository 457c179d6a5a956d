package pit

import (
	"bytes"
	"errors"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// Column is a column of the source for every probe in the order of the spine, of
// Arrow's type for it: NULL where there is no row. slot is the view's slot that is
// that column. The caller releases it; numbers lie in memory of mem. 58030 when the
// runs cannot be read.
func (m *Latest) Column(mem memory.Allocator, col fqgw.Column, slot int) (arrow.Array, error) {
	others, err := m.otherValues(col, slot)
	if err != nil {
		return nil, err
	}
	defer others.Release()
	if fixed, ok := fqgw.ArrowType(col.Type).(arrow.FixedWidthDataType); ok {
		switch fixed.Bytes() {
		case 8:
			return spread[uint64](mem, m, col, others)
		case 4:
			return spread[uint32](mem, m, col, others)
		}
	}
	return m.build(col, others)
}

// otherValues are those of the others.
func (m *Latest) otherValues(col fqgw.Column, slot int) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, fqgw.ArrowType(col.Type))
	defer b.Release()
	for i := range m.others {
		if err := fqgw.AppendValue(b, m.others[i].Slots[slot], col.Type); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

// grouped are rows whose columns are read by groups of fqgw.RunGroup, as those of a run.
type grouped interface {
	Column(group int, name string) (arrow.Array, error)
	Packed(group int, name string) (p fqgw.PackedColumn, ok bool)
}

// groupOf is the column of a group of a run.
type groupOf struct {
	packed fqgw.PackedColumn // where pack is true
	pack   bool
	array  arrow.Array // of the rows, or of packed
}

// group reads the column of a group for f; packed where that is asked for and can be
// had. It is given back also where f panics: the file may be gone.
func group(run grouped, n int, name string, pack bool, f func(g *groupOf) error) (err error) {
	var g groupOf
	if pack {
		if g.packed, g.pack = run.Packed(n, name); g.pack {
			g.array = g.packed.Values
		}
	}
	if g.array == nil {
		if g.array, err = run.Column(n, name); err != nil {
			return err
		}
	}
	defer g.array.Release()
	return f(&g)
}

// groups are the rows that were found, group by group of each run, each with its column:
// base is the row at which the group begins.
func (m *Latest) groups(name string, pack bool, each func(g *groupOf, base uint32, hits []hit) error) error {
	for run, hits := range m.hits {
		for len(hits) > 0 {
			n := hits[0].row / fqgw.RunGroup
			base := n * fqgw.RunGroup
			end := sort.Search(len(hits), func(i int) bool { return hits[i].row-base >= fqgw.RunGroup })
			if err := group(m.runs[run], int(n), name, pack, func(g *groupOf) error { return each(g, base, hits[:end]) }); err != nil {
				return err
			}
			hits = hits[end:]
		}
	}
	return nil
}

// errType says that a column is not stored in the type that it has now.
var errType = errors.New("pit: another type")

// spread puts values of a fixed width at their places in the spine.
func spread[T uint32 | uint64](mem memory.Allocator, m *Latest, col fqgw.Column, others arrow.Array) (arrow.Array, error) {
	n, typ := m.spine.Len(), fqgw.ArrowType(col.Type).(arrow.FixedWidthDataType)
	if n == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, typ, 0), nil
	}
	data := memory.NewResizableBuffer(mem)
	defer data.Release()
	data.Resize(n * typ.Bytes())
	values, valid := arrow.GetData[T](data.Bytes()), bytes.Clone(m.present)
	nulls := n - m.tally[Row]
	null := func(i uint32) {
		valid[i>>3] &^= 1 << (i & 7)
		nulls++
	}
	err := m.groups(col.Name, true, func(g *groupOf, base uint32, hits []hit) error {
		if !arrow.TypeEqual(g.array.DataType(), typ) {
			return errType
		}
		in := valuesOf[T](g.array)
		switch {
		case g.pack:
			for _, h := range hits {
				if at, ok := g.packed.At(int(h.row - base)); ok {
					values[h.probe] = in[at]
				} else {
					null(h.probe)
				}
			}
		case g.array.NullN() > 0:
			for _, h := range hits {
				if at := int(h.row - base); g.array.IsValid(at) {
					values[h.probe] = in[at]
				} else {
					null(h.probe)
				}
			}
		default:
			for _, h := range hits {
				values[h.probe] = in[h.row-base]
			}
		}
		return nil
	})
	if err == errType {
		return m.build(col, others)
	}
	if err != nil {
		return nil, err
	}
	aside := valuesOf[T](others)
	for _, h := range m.asides {
		if others.IsValid(int(h.row)) {
			values[h.probe] = aside[h.row]
		} else {
			null(h.probe)
		}
	}
	buffers := []*memory.Buffer{memory.NewBufferBytes(valid), data}
	if nulls == 0 {
		buffers[0] = nil
	}
	d := array.NewData(typ, n, buffers, nil, nulls, 0)
	defer d.Release()
	return array.MakeFromData(d), nil
}

// Only is an array with a value for each probe of the spine without those of the probes
// that have no row. The caller releases it.
func (m *Latest) Only(a arrow.Array) (arrow.Array, error) { return Only(a, m.Exists()) }

// Exists says of each probe of the spine whether it has a row.
func (m *Latest) Exists() []bool {
	exists := make([]bool, m.spine.Len())
	for i := range exists {
		exists[i] = m.present[i>>3]>>(i&7)&1 == 1
	}
	return exists
}

// build is Column for values of any type.
func (m *Latest) build(col fqgw.Column, others arrow.Array) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, fqgw.ArrowType(col.Type))
	defer b.Release()
	picks := make([]pick, m.spine.Len()) // of the values in their order; NULL is the first
	b.AppendNull()
	add := func(a arrow.Array, base uint32, hits []hit) error {
		for _, h := range hits {
			v := fqgw.ArrowView(a, int(h.row-base), col.Type)
			if v.IsNull() {
				continue
			}
			picks[h.probe].row = int32(b.Len())
			if err := fqgw.AppendValue(b, v, col.Type); err != nil {
				return err
			}
		}
		return nil
	}
	err := m.groups(col.Name, false, func(g *groupOf, base uint32, hits []hit) error { return add(g.array, base, hits) })
	if err == nil {
		err = add(others, 0, m.asides)
	}
	if err != nil {
		return nil, err
	}
	values := b.NewArray()
	defer values.Release()
	return gather([]arrow.Array{values}, picks, col.Type)
}
