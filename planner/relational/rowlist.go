package relational

import (
	"io"
	"math/bits"

	"github.com/fqgw/fqgw"
)

// rowList is rows of one width that are kept, their values one behind the other. The
// zero value is empty.
type rowList struct {
	n      int
	width  int
	shift  int            // a chunk has 1<<shift rows
	chunks [][]fqgw.Value // the first grows, so that few rows take little
}

// chunkValues is about how many values a chunk has.
const chunkValues = 1 << 12

// add keeps a copy of a row.
func (l *rowList) add(row []fqgw.Value) {
	if l.n == 0 {
		l.width = len(row)
		l.shift = bits.Len(uint(chunkValues/max(l.width, 1))|1) - 1
	}
	at := l.n >> l.shift
	if l.n++; at == len(l.chunks) {
		room := 0
		if at > 0 {
			room = l.width << l.shift
		}
		l.chunks = append(l.chunks, make([]fqgw.Value, 0, room))
	}
	l.chunks[at] = append(l.chunks[at], row...)
}

// at is row i; nobody may change it.
func (l *rowList) at(i int) []fqgw.Value {
	from := (i & (1<<l.shift - 1)) * l.width
	return l.chunks[i>>l.shift][from : from+l.width : from+l.width]
}

// stream is the rows that are there, then those that follow, if there are any, which
// it closes.
func (l *rowList) stream(rest fqgw.Rows) fqgw.Rows { return &listRows{list: l, end: l.n, rest: rest} }

// listRows is the rows of a list from at to before end, and what follows.
type listRows struct {
	list    *rowList
	at, end int
	rest    fqgw.Rows
}

func (r *listRows) Next() ([]fqgw.Value, error) {
	if r.at < r.end {
		r.at++
		return r.list.at(r.at - 1), nil
	}
	r.list = nil
	if r.rest == nil {
		return nil, io.EOF
	}
	return r.rest.Next()
}

func (r *listRows) Close() error {
	rest := r.rest
	if *r = (listRows{}); rest == nil {
		return nil
	}
	return rest.Close()
}

// rowBytes is about what a row takes in a rowList.
func rowBytes(row []fqgw.Value) (n int64) {
	for i := range row {
		n += row[i].Bytes()
	}
	return n
}
