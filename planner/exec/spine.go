package exec

import (
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/pit"
)

// spine is the next chunk of the spine's columns; io.EOF at its end.
func (r *columnRows) spine() (cols []arrow.Array, n int, err error) {
	var parts []arrow.RecordBatch
	defer func() {
		for _, b := range parts {
			b.Release()
		}
	}()
	room, size := r.limit.room(), int64(0)
	take := func(b arrow.RecordBatch) {
		// Of a batch that is too much the rest waits.
		most := max(int64(chunkLeast), (room-size)/max(1, r.limit.each+fqgw.RecordBytes(b)/max(1, b.NumRows())))
		most = min(most, int64(r.limit.rows-n))
		if most < b.NumRows() {
			r.left = b.NewSlice(most, b.NumRows())
			cut := b.NewSlice(0, most)
			b.Release()
			b = cut
		}
		parts = append(parts, b)
		n += int(b.NumRows())
		size += b.NumRows()*r.limit.each + fqgw.RecordBytes(b)
	}
	if r.left != nil {
		b := r.left
		r.left = nil
		take(b)
	}
	for r.more && r.left == nil && n < r.limit.rows && (size < room || n < chunkLeast) {
		if err := r.env.Ctx.Err(); err != nil {
			return nil, 0, err
		}
		b, err, ok := r.next()
		if !ok {
			r.more = false
			break
		}
		if err != nil {
			return nil, 0, err
		}
		take(b)
	}
	if n == 0 {
		return nil, 0, io.EOF
	}
	if err := r.limit.memory.Take(size); err != nil {
		return nil, 0, err
	}
	r.held = size
	for c := range int(parts[0].NumCols()) {
		arrays := make([]arrow.Array, len(parts))
		for i, b := range parts {
			arrays[i] = b.Column(c)
		}
		a, err := array.Concatenate(arrays, memory.DefaultAllocator)
		if err != nil {
			return cols, 0, err
		}
		cols = append(cols, a)
	}
	return cols, n, nil
}

// spineOf is a sorted spine with what it was made of.
type spineOf struct {
	keys      []int
	at, known moment
	gone      int // rows that were dropped before
	spine     *pit.Spine
}

// sorted is the spine of a join, which others may have made.
func (r *columnRows) sorted(j *columnJoin, cols []arrow.Array, n int, made *[]spineOf) (*pit.Spine, error) {
	for _, s := range *made {
		if slices.Equal(s.keys, j.keys) && s.at.same(j.at) && s.known.same(j.known) && s.gone == r.gone {
			return s.spine, nil
		}
	}
	t, err := r.times(j.at, cols, n)
	if err != nil {
		return nil, err
	}
	k := t
	if !j.known.same(j.at) {
		if k, err = r.times(j.known, cols, n); err != nil {
			return nil, err
		}
	}
	keys, ends := make([]byte, 0, 10*n), make([]uint32, n)
	parts, types := make([]fqgw.Value, len(j.keys)), make([]fqgw.Type, len(j.keys))
	for p, c := range j.keys {
		types[p] = r.types[c]
	}
	for i := range n {
		for p, c := range j.keys {
			parts[p] = fqgw.ArrowView(cols[c], i, types[p])
		}
		from := len(keys)
		var ok bool
		if keys, ok = fqgw.AppendKeyBytes(keys, parts); !ok || t.isNull(i) || k.isNull(i) || r.dropped != nil && r.dropped[i] {
			keys = keys[:from]
		}
		ends[i] = uint32(len(keys))
	}
	known := k.at
	if j.known.same(j.at) {
		known = nil
	}
	s := pit.NewSpine(keys, ends, t.at, known)
	*made = append(*made, spineOf{j.keys, j.at, j.known, r.gone, s})
	return s, nil
}

// instants are times by row.
type instants struct {
	at   []int64
	none bool        // all are NULL
	of   arrow.Array // whose NULLs are theirs; may be nil
}

func (t *instants) isNull(i int) bool { return t.none || t.of != nil && t.of.IsNull(i) }

func (r *columnRows) times(m moment, cols []arrow.Array, n int) (instants, error) {
	if m.column >= 0 {
		a := cols[m.column]
		if ts, ok := a.(*array.Timestamp); ok && ts.DataType().(*arrow.TimestampType).Unit == arrow.Microsecond {
			at := make([]int64, n)
			for i, t := range ts.TimestampValues() {
				at[i] = int64(t)
			}
			return instants{at: at, of: a}, nil
		}
		at := make([]int64, n)
		for i := range at {
			at[i] = fqgw.ArrowView(a, i, fqgw.Timestamptz).Int()
		}
		return instants{at: at, of: a}, nil
	}
	t, ok, err := constantTime(r.env, m.expr)
	return instants{at: slices.Repeat([]int64{t}, n), none: !ok}, err
}
