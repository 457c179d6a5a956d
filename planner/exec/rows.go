package exec

import (
	"io"

	"github.com/fqgw/fqgw"
)

// stream is Rows whose rows come from a function, with a function to end it.
type stream struct {
	next  func() ([]fqgw.Value, error)
	close func() error
	fresh bool // every row is one of its own, which may be kept
	// records are the rows as Arrow batches, where they can be taken so instead.
	records fqgw.Records
}

func (s *stream) Next() ([]fqgw.Value, error) { return s.next() }

func (s *stream) Close() error {
	if s.close == nil {
		return nil
	}
	c := s.close
	s.close = nil
	return c()
}

// chunk bounds the rows that are looked up in one go.
type chunk struct {
	rows   int
	each   int64 // what a row takes beside itself, in bytes
	memory *fqgw.Memory
}

// A chunk takes 1/chunkShare of the statement's memory at most, and half of what
// is left of it, but for chunkLeast rows of any size. 1/joinShare of it is there for
// each join with history whatever a sort above it takes.
const (
	chunkShare = 4
	chunkLeast = 16
	joinShare  = 32
)

// room is how many bytes a chunk may take.
func (c *chunk) room() int64 { return min(c.memory.Limit()/chunkShare, c.memory.Free()/2) }

// take appends a chunk of rows that may be kept to an empty list, and says how many bytes it takes,
// which are counted; more says whether there may be others.
func (c *chunk) take(rows fqgw.Rows, to [][]fqgw.Value) (out [][]fqgw.Value, size int64, more bool, err error) {
	out = to
	fresh := false
	switch r := rows.(type) {
	case *stream:
		fresh = r.fresh
	case *looked:
		fresh = true
	}
	// What is counted so far is not free any more, nor is what the rows below have taken
	// since the chunk was begun: a join over a join takes less than the one below.
	counted := int64(0)
	count := func() error {
		err := c.memory.Take(size - counted)
		if err == nil {
			counted = size
		}
		return err
	}
	defer func() {
		if err != nil {
			c.memory.Give(counted)
			size = 0
		}
	}()
	const some = 64 << 10
	for len(out) < chunkLeast || len(out) < c.rows && size < min(c.memory.Limit()/chunkShare, (c.memory.Free()+counted)/2) {
		r, err := rows.Next()
		if err == io.EOF {
			return out, size, false, count()
		}
		if err != nil {
			return nil, 0, false, err
		}
		if !fresh {
			r = append([]fqgw.Value(nil), r...)
		}
		out = append(out, r)
		if size += fqgw.RowBytes(r) + c.each; size-counted > some {
			if err := count(); err != nil {
				return nil, 0, false, err
			}
		}
	}
	return out, size, true, count()
}
