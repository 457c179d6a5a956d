package wire

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// CopyEncoder formats rows for COPY … TO in text, csv or binary.
type CopyEncoder struct {
	format plan.CopyFormat
	names  []string
	types  []fqgw.Type
	force  []bool // csv: always quoted
	env    *fqgw.Env
	buf    []byte
	cell   []byte
}

// NewCopyEncoder makes an encoder for columns of the given names and types.
func NewCopyEncoder(f plan.CopyFormat, names []string, types []fqgw.Type, env *fqgw.Env) (*CopyEncoder, error) {
	e := &CopyEncoder{format: f, names: names, types: types, env: env, force: make([]bool, len(names))}
	switch f.Name {
	case "text", "csv", "binary":
	default:
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "COPY to the client cannot write format \"%s\"", f.Name).
			WithHint("Use text, csv or binary, or COPY … TO 'file' for Parquet.")
	}
	for i, n := range names {
		e.force[i] = len(f.ForceQuote) == 1 && f.ForceQuote[0] == "*" || slices.Contains(f.ForceQuote, n)
	}
	return e, nil
}

var binarySignature = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// Header is what comes before the rows, perhaps nothing.
func (e *CopyEncoder) Header() []byte {
	switch {
	case e.format.Name == "binary":
		return binarySignature
	case !e.format.Header:
		return nil
	}
	e.buf = e.buf[:0]
	for i, n := range e.names {
		if i > 0 {
			e.buf = append(e.buf, e.format.Delimiter)
		}
		if e.format.Name == "csv" {
			e.buf = e.appendCSV(e.buf, []byte(n), false)
		} else {
			e.buf = e.appendEscaped(e.buf, []byte(n))
		}
	}
	return append(e.buf, '\n')
}

// Trailer is what comes behind the rows, perhaps nothing.
func (e *CopyEncoder) Trailer() []byte {
	if e.format.Name == "binary" {
		return []byte{0xff, 0xff}
	}
	return nil
}

// Row formats one row; the bytes are valid until the next call.
func (e *CopyEncoder) Row(row []fqgw.Value) ([]byte, error) {
	e.buf = e.buf[:0]
	if e.format.Name == "binary" {
		e.buf = binary.BigEndian.AppendUint16(e.buf, uint16(len(e.types)))
		var err error
		for i, t := range e.types {
			if e.buf, err = appendSized(e.buf, row[i], t, e.env); err != nil {
				return nil, err
			}
		}
		return e.buf, nil
	}
	for i, t := range e.types {
		if i > 0 {
			e.buf = append(e.buf, e.format.Delimiter)
		}
		if row[i].IsNull() {
			e.buf = append(e.buf, e.format.Null...)
			continue
		}
		e.cell = appendText(e.cell[:0], row[i], t, e.env)
		if e.format.Name == "csv" {
			e.buf = e.appendCSV(e.buf, e.cell, e.force[i] || string(e.cell) == e.format.Null)
		} else {
			e.buf = e.appendEscaped(e.buf, e.cell)
		}
	}
	return append(e.buf, '\n'), nil
}

// appendEscaped writes a cell of the text format.
func (e *CopyEncoder) appendEscaped(dst, cell []byte) []byte {
	for _, b := range cell {
		switch b {
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\v':
			dst = append(dst, '\\', 'v')
		case '\\', e.format.Delimiter:
			dst = append(dst, '\\', b)
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// appendCSV writes a cell of the csv format, quoted where it must be.
func (e *CopyEncoder) appendCSV(dst, cell []byte, quote bool) []byte {
	f := &e.format
	special := string([]byte{f.Delimiter, f.Quote, '\n', '\r'})
	if !quote && !strings.ContainsAny(string(cell), special) && !(len(e.types) == 1 && string(cell) == `\.`) {
		return append(dst, cell...)
	}
	dst = append(dst, f.Quote)
	for _, b := range cell {
		if b == f.Quote || b == f.Escape {
			dst = append(dst, f.Escape)
		}
		dst = append(dst, b)
	}
	return append(dst, f.Quote)
}
