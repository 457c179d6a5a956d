package pit

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// Column is a column of the source for every probe in the order of the spine, of
// Arrow's type for it: NULL where there is no row. slot is the view's slot that is
// that column. The caller releases it. 58030 when the runs cannot be read.
func (m *Latest) Column(col fqgw.Column, slot int) (arrow.Array, error) {
	others, err := m.otherValues(col, slot)
	if err != nil {
		return nil, err
	}
	defer others.Release()
	if fixed, ok := fqgw.ArrowType(col.Type).(arrow.FixedWidthDataType); ok {
		switch fixed.Bytes() {
		case 8:
			return spread[uint64](m, col, others)
		case 4:
			return spread[uint32](m, col, others)
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

// groupOf is the group of a run whose column was read last.
type groupOf struct {
	group  int
	packed fqgw.PackedColumn // where pack is true
	pack   bool
	array  arrow.Array // of the rows, or of packed
}

// open reads the column of the group of a row, unless it is there; packed where that
// is asked for and can be had.
func (g *groupOf) open(run grouped, row int, name string, pack bool) (fresh bool, err error) {
	n := row / fqgw.RunGroup
	if g.array != nil && n == g.group {
		return false, nil
	}
	g.close()
	g.group = n
	if pack {
		if g.packed, g.pack = run.Packed(n, name); g.pack {
			g.array = g.packed.Values
			return true, nil
		}
	}
	g.array, err = run.Column(n, name)
	return true, err
}

func (g *groupOf) close() {
	if g.array != nil {
		g.array.Release()
		g.array, g.pack = nil, false
	}
}

// groups are those of all runs.
func (m *Latest) groups() ([]groupOf, func()) {
	all := make([]groupOf, len(m.runs))
	return all, func() {
		for i := range all {
			all[i].close()
		}
	}
}

// spread puts values of a fixed width at their places in the spine. The rows of a run
// come in their order, so that each group is read once.
func spread[T uint32 | uint64](m *Latest, col fqgw.Column, others arrow.Array) (arrow.Array, error) {
	n := m.spine.Len()
	values := make([]T, n)
	valid := memory.NewResizableBuffer(memory.DefaultAllocator)
	defer valid.Release()
	valid.Resize(int(bitutil.BytesForBits(int64(n))))
	bits := valid.Bytes()
	clear(bits)
	groups, done := m.groups()
	defer done()
	in, nulls := make([][]T, len(groups)), make([]bool, len(groups))
	typ := fqgw.ArrowType(col.Type)
	aside, count := valuesOf[T](others), 0
	for p, at := range m.at {
		i := m.spine.order[p]
		if at < 0 {
			if k := at.other(); k >= 0 && others.IsValid(k) {
				values[i] = aside[k]
				bits[i>>3] |= 1 << (i & 7)
				count++
			}
			continue
		}
		run, row := int(at>>32), int(uint32(at))
		g := &groups[run]
		if fresh, err := g.open(m.runs[run], row, col.Name, true); err != nil {
			return nil, err
		} else if fresh {
			if !arrow.TypeEqual(g.array.DataType(), typ) {
				return m.build(col, others)
			}
			in[run], nulls[run] = valuesOf[T](g.array), g.array.NullN() > 0
		}
		row %= fqgw.RunGroup
		if g.pack {
			var ok bool
			if row, ok = g.packed.At(row); !ok {
				continue
			}
		} else if nulls[run] && g.array.IsNull(row) {
			continue
		}
		values[i] = in[run][row]
		bits[i>>3] |= 1 << (i & 7)
		count++
	}
	if n == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, typ, 0), nil
	}
	buffers := []*memory.Buffer{valid, memory.NewBufferBytes(arrow.GetBytes(values))}
	if count == n {
		buffers[0] = nil
	}
	d := array.NewData(typ, n, buffers, nil, n-count, 0)
	defer d.Release()
	return array.MakeFromData(d), nil
}

// other is the index of a row among the others, less than 0 for none.
func (a rowAt) other() int { return int(aside - a) }

// Only is an array with a value for each probe of the spine without those of the probes
// that have no row. The caller releases it.
func (m *Latest) Only(a arrow.Array) (arrow.Array, error) {
	exists := make([]bool, m.spine.Len())
	for p, at := range m.at {
		exists[m.spine.order[p]] = at >= 0 || at.other() >= 0
	}
	return Only(a, exists)
}

// build is Column for values of any type.
func (m *Latest) build(col fqgw.Column, others arrow.Array) (arrow.Array, error) {
	typ := fqgw.ArrowType(col.Type)
	b := array.NewBuilder(memory.DefaultAllocator, typ)
	defer b.Release()
	groups, done := m.groups()
	defer done()
	picks := make([]pick, m.spine.Len()) // of the values in their order; NULL is the first
	b.AppendNull()
	for p, at := range m.at {
		v := fqgw.Null
		switch k := at.other(); {
		case at >= 0:
			run, row := int(at>>32), int(uint32(at))
			if _, err := groups[run].open(m.runs[run], row, col.Name, false); err != nil {
				return nil, err
			}
			v = fqgw.ArrowView(groups[run].array, row%fqgw.RunGroup, col.Type)
		case k >= 0:
			v = fqgw.ArrowView(others, k, col.Type)
		}
		if v.IsNull() {
			continue
		}
		picks[m.spine.order[p]].row = int32(b.Len())
		if err := fqgw.AppendValue(b, v, col.Type); err != nil {
			return nil, err
		}
	}
	values := b.NewArray()
	defer values.Release()
	return gather([]arrow.Array{values}, picks, col.Type)
}
