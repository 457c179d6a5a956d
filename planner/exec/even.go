package exec

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// A batch of rows that are divided into files has evenRows rows, or fewer where the
// values of its last row make it evenBytes. When the rows of a part are written depends
// on the batches: they must not depend on how much memory there was, or by which way
// the rows came.
const (
	evenRows  = 8192
	evenBytes = 4 << 20
)

// kept are the rows of a statement that keeps them, as batches for files of a layout.
func (e *Engine) kept(env *fqgw.Env, rows fqgw.Rows, cols []fqgw.Column, l fqgw.FileLayout) fqgw.Records {
	out := records(e.progress(env, rows), cols)
	if len(l.Partition) > 0 {
		out = even(out)
	}
	return out
}

// even are rows in batches that depend on nothing but the rows.
func even(in fqgw.Records) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		var waiting []arrow.RecordBatch
		rows, bytes := int64(0), int64(0)
		defer func() {
			for _, b := range waiting {
				b.Release()
			}
		}()
		emit := func() bool {
			out, err := together(waiting)
			for _, b := range waiting {
				b.Release()
			}
			waiting, rows, bytes = waiting[:0], 0, 0
			return yield(out, err) && err == nil
		}
		for b, err := range in {
			if err != nil {
				yield(nil, err)
				return
			}
			sizes := sizesOf(b)
			for from := int64(0); from < b.NumRows(); {
				to, size := sizes.take(from, min(b.NumRows(), from+evenRows-rows), evenBytes-bytes)
				waiting = append(waiting, b.NewSlice(from, to))
				rows, bytes, from = rows+to-from, bytes+size, to
				if (rows == evenRows || bytes >= evenBytes) && !emit() {
					b.Release()
					return
				}
			}
			b.Release()
		}
		if rows > 0 {
			emit()
		}
	}
}

// together are several batches as one, made anew: its arrays have nothing of how they came.
func together(in []arrow.RecordBatch) (arrow.RecordBatch, error) {
	n := int64(0)
	for _, b := range in {
		n += b.NumRows()
	}
	cols := make([]arrow.Array, in[0].NumCols())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range cols {
		parts := make([]arrow.Array, len(in))
		for k, b := range in {
			parts[k] = b.Column(i)
		}
		var err error
		if cols[i], err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(in[0].Schema(), cols, n), nil
}

// sizes are about the bytes of a batch's values, as a function of them: 8 for one of a
// fixed size, the length of others.
type sizes struct {
	fixed int64 // of a row
	long  []long
}

// long is a column whose values have different sizes.
type long struct {
	arrow.Array
	offsets []int32 // of the values in their texts, or in items
	items   *long   // of a list whose items have different sizes
	each    int64   // of a list: the size of others
}

func sizesOf(b arrow.RecordBatch) (s sizes) {
	for _, c := range b.Columns() {
		if l := longOf(c); l != nil {
			s.long = append(s.long, *l)
		} else {
			s.fixed += 8
		}
	}
	return s
}

func longOf(a arrow.Array) *long {
	switch a := a.(type) {
	case *array.String:
		return &long{Array: a, offsets: a.ValueOffsets(), each: 1}
	case *array.Binary:
		return &long{Array: a, offsets: a.ValueOffsets(), each: 1}
	case *array.List:
		at := a.Data().Offset()
		return &long{Array: a, offsets: a.Offsets()[at : at+a.Len()+1], items: longOf(a.ListValues()), each: 8}
	}
	return nil
}

// most is the size of some values, with what may lie behind NULLs.
func (l *long) most(from, to int64) int64 {
	first, last := int64(l.offsets[from]), int64(l.offsets[to])
	if l.items == nil || first == last {
		return l.each * (last - first)
	}
	return l.items.most(first, last)
}

// of is the size of a value; behind NULL there may be bytes.
func (l *long) of(row int64) int64 {
	if l.IsNull(int(row)) {
		return 0
	}
	first, last := int64(l.offsets[row]), int64(l.offsets[row+1])
	if l.items == nil {
		return l.each * (last - first)
	}
	n := int64(0)
	for ; first < last; first++ {
		n += l.items.of(first)
	}
	return n
}

func (s *sizes) most(from, to int64) int64 {
	n := s.fixed * (to - from)
	for i := range s.long {
		n += s.long[i].most(from, to)
	}
	return n
}

// take is how many rows there are from one on, to another at most, until their values
// have so many bytes, and how many these have.
func (s *sizes) take(from, to, room int64) (end, size int64) {
	if most := s.most(from, to); most < room && !s.nulls() {
		return to, most
	}
	for end = from; end < to && size < room; end++ {
		size += s.fixed
		for i := range s.long {
			size += s.long[i].of(end)
		}
	}
	return end, size
}

// nulls says whether NULLs may have bytes behind them.
func (s *sizes) nulls() bool {
	for i := range s.long {
		for l := &s.long[i]; l != nil; l = l.items {
			if l.NullN() > 0 {
				return true
			}
		}
	}
	return false
}
