// Package wire converts values to and from the bytes of PostgreSQL's protocol:
// the text and binary formats of every type, and the formats of COPY.
//
// The binary formats are those of the types' send and receive functions in
// PostgreSQL 15.
package wire

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Format is the format code of the i-th value: codes has none, one for all, or
// one each, as in Bind.
func Format(codes []int16, i int) int16 {
	switch len(codes) {
	case 0:
		return 0
	case 1:
		return codes[0]
	}
	return codes[i]
}

// Decode reads a parameter; raw nil is NULL. Text errors are those of the
// type's input function, binary ones 22P03.
func Decode(raw []byte, t fqgw.Type, format int16, env *fqgw.Env) (fqgw.Value, error) {
	if raw == nil {
		return fqgw.Null, nil
	}
	if format == 1 {
		return decodeBinary(raw, t)
	}
	s, err := text(raw)
	if err != nil {
		return fqgw.Null, err
	}
	return expr.Parse(s, t, env)
}

// RowEncoder encodes rows as the values of DataRow messages. The zero value is
// ready for Reset; it is used again and again without allocating.
type RowEncoder struct {
	types   []fqgw.Type
	formats []int16
	env     *fqgw.Env
	buf     []byte
	ends    []int
	values  [][]byte
}

// Reset sets the columns' types, their formats as in Bind, and the session in which text is printed.
func (e *RowEncoder) Reset(types []fqgw.Type, formats []int16, env *fqgw.Env) {
	e.types, e.formats, e.env = types, formats, env
	if cap(e.values) < len(types) {
		e.values, e.ends = make([][]byte, len(types)), make([]int, len(types))
	}
	e.values, e.ends = e.values[:len(types)], e.ends[:len(types)]
}

// Encode gives the values of one row, nil for NULL, and their size. They are
// valid until the next Encode.
func (e *RowEncoder) Encode(row []fqgw.Value) (values [][]byte, size int, err error) {
	e.buf = e.buf[:0]
	for i, t := range e.types {
		if !row[i].IsNull() {
			if e.buf, err = AppendValue(e.buf, row[i], t, Format(e.formats, i), e.env); err != nil {
				return nil, 0, err
			}
		}
		e.ends[i] = len(e.buf)
	}
	start := 0
	for i := range e.types {
		e.values[i] = nil
		if !row[i].IsNull() {
			e.values[i] = e.buf[start:e.ends[i]:e.ends[i]]
			if e.values[i] == nil {
				e.values[i] = []byte{}
			}
		}
		start = e.ends[i]
	}
	return e.values, len(e.buf) + 4*len(e.types) + 7, nil
}

// AppendValue appends a value that is not NULL in a format: 0 text, 1 binary.
func AppendValue(dst []byte, v fqgw.Value, t fqgw.Type, format int16, env *fqgw.Env) ([]byte, error) {
	if format == 1 {
		return appendBinary(dst, v, t, env)
	}
	return appendText(dst, v, t, env), nil
}
