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

// AppendValue appends a value that is not NULL in a format: 0 text, 1 binary.
func AppendValue(dst []byte, v fqgw.Value, t fqgw.Type, format int16, env *fqgw.Env) ([]byte, error) {
	if format == 1 {
		return appendBinary(dst, v, t, env)
	}
	return appendText(dst, v, t, env), nil
}
