package exec

import (
	"io"

	"github.com/fqgw/fqgw"
)

// slice is Rows over rows in memory.
type slice struct {
	rows [][]fqgw.Value
}

// Slice is a stream of the given rows.
func Slice(rows [][]fqgw.Value) fqgw.Rows { return &slice{rows} }

func (s *slice) Next() ([]fqgw.Value, error) {
	if len(s.rows) == 0 {
		return nil, io.EOF
	}
	r := s.rows[0]
	s.rows = s.rows[1:]
	return r, nil
}

func (s *slice) Close() error { s.rows = nil; return nil }

// stream is Rows whose rows come from a function, with a function to end it.
type stream struct {
	next  func() ([]fqgw.Value, error)
	close func() error
	fresh bool // every row is one of its own, which may be kept
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

// Collect reads all rows, copied, and closes.
func Collect(rows fqgw.Rows) ([][]fqgw.Value, error) {
	defer rows.Close()
	var out [][]fqgw.Value
	for {
		r, err := rows.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, append([]fqgw.Value(nil), r...))
	}
}

// take reads up to n rows that may be kept; more says whether there may be others.
func take(rows fqgw.Rows, n int) (out [][]fqgw.Value, more bool, err error) {
	s, ok := rows.(*stream)
	fresh := ok && s.fresh
	for len(out) < n {
		r, err := rows.Next()
		if err == io.EOF {
			return out, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		if !fresh {
			r = append([]fqgw.Value(nil), r...)
		}
		out = append(out, r)
	}
	return out, true, nil
}

// batched streams what fill makes of batches of the input: rows of their own.
func batched(input fqgw.Rows, size int, fill func(in [][]fqgw.Value) ([][]fqgw.Value, error)) fqgw.Rows {
	var ready [][]fqgw.Value
	more := true
	return &stream{fresh: true, close: input.Close, next: func() ([]fqgw.Value, error) {
		for len(ready) == 0 {
			if !more {
				return nil, io.EOF
			}
			var in [][]fqgw.Value
			var err error
			if in, more, err = take(input, size); err != nil {
				return nil, err
			}
			if len(in) == 0 {
				continue
			}
			if ready, err = fill(in); err != nil {
				return nil, err
			}
		}
		r := ready[0]
		ready = ready[1:]
		return r, nil
	}}
}

// indexes streams the numbers below n, for batched over what is in memory.
func indexes(n int) fqgw.Rows {
	i := -1
	return &stream{next: func() ([]fqgw.Value, error) {
		if i++; i >= n {
			return nil, io.EOF
		}
		return []fqgw.Value{fqgw.IntValue(int64(i))}, nil
	}}
}
