package decode

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// jsonEncoder writes a row as one JSON object.
type jsonEncoder struct {
	columns []column
	want    []field
	key     int
}

// newJSONEncoder refuses fields that cannot be written together (a and a.b).
func newJSONEncoder(s *fqgw.Source) (Encoder, error) {
	columns, want, err := compile(s)
	if err != nil {
		return nil, err
	}
	if name := nestedTwice(want); name != "" {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "field %q is both a value and an object", name).
			WithHint("Such a source can be read, not written to.")
	}
	return &jsonEncoder{columns: columns, want: want, key: s.KeyColumn}, nil
}

func nestedTwice(fields []field) string {
	for i := range fields {
		if len(fields[i].columns) > 0 && len(fields[i].inner) > 0 {
			return fields[i].name
		}
		if name := nestedTwice(fields[i].inner); name != "" {
			return name
		}
	}
	return ""
}

// Append appends the row's JSON object to dst. NULLs are left out.
func (e *jsonEncoder) Append(dst []byte, row []fqgw.Value) ([]byte, error) {
	return e.object(dst, e.want, row)
}

// Key implements Encoder.
func (e *jsonEncoder) Key(row []fqgw.Value) ([]byte, error) { return recordKey(e.columns, e.key, row) }

// recordKey is the record key of a row: the text of the source's key column, nil for
// NULL and for a source without one.
func recordKey(columns []column, key int, row []fqgw.Value) ([]byte, error) {
	if key < 0 || key >= len(row) || row[key].IsNull() {
		return nil, nil
	}
	if row[key].Kind() == fqgw.KindText {
		return []byte(row[key].Str()), nil
	}
	b, err := appendValue(nil, &columns[key], row[key])
	if err != nil {
		return nil, err // not err as it is: a nil *fqgw.Error is an error that is not nil
	}
	return bytes.Trim(b, `"`), nil
}

func (e *jsonEncoder) object(dst []byte, fields []field, row []fqgw.Value) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for i := range fields {
		f := &fields[i]
		if !f.present(row) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendText(dst, f.name), ':')
		var err error
		if len(f.inner) > 0 {
			if dst, err = e.object(dst, f.inner, row); err != nil {
				return dst, err
			}
			continue
		}
		from := len(dst)
		for n, c := range f.columns {
			before := len(dst)
			if dst, err = e.value(dst, c, row[c]); err != nil {
				return dst, err
			}
			if n > 0 {
				if !bytes.Equal(dst[from:before], dst[before:]) {
					return dst, fqgw.Errorf(fqgw.CodeInvalidParameter, "columns %q and %q are the same field of the record and must be equal",
						e.columns[f.columns[0]].name, e.columns[c].name)
				}
				dst = dst[:before]
			}
		}
	}
	return append(dst, '}'), nil
}

func (f *field) present(row []fqgw.Value) bool {
	for _, c := range f.columns {
		if !row[c].IsNull() {
			return true
		}
	}
	for i := range f.inner {
		if f.inner[i].present(row) {
			return true
		}
	}
	return false
}

func (e *jsonEncoder) value(dst []byte, c int, v fqgw.Value) ([]byte, error) {
	dst, err := appendValue(dst, &e.columns[c], v)
	if err != nil {
		err.Column = e.columns[c].name
		return dst, err
	}
	return dst, nil
}

func appendValue(dst []byte, c *column, v fqgw.Value) ([]byte, *fqgw.Error) {
	switch v.Kind() {
	case fqgw.KindNull:
		return append(dst, "null"...), nil
	case fqgw.KindBool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case fqgw.KindInt:
		if c.typ.Category() != 'N' {
			return quoted(dst, v, c.typ), nil
		}
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case fqgw.KindFloat:
		return appendFloat(dst, c.typ, v.Float()), nil
	case fqgw.KindNumeric:
		if !v.Numeric().Finite() {
			return append(append(append(dst, '"'), v.Numeric().String()...), '"'), nil
		}
		return append(dst, v.Numeric().String()...), nil
	case fqgw.KindText:
		s := v.Str()
		if c.typ.OID == fqgw.JSON.OID || c.typ.OID == fqgw.JSONB.OID {
			if !valid([]byte(s)) || !utf8.ValidString(s) {
				return dst, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type json")
			}
			return append(dst, s...), nil
		}
		if !utf8.ValidString(s) || bytes.IndexByte([]byte(s), 0) >= 0 {
			return dst, fqgw.Errorf(fqgw.CodeNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
		}
		return appendText(dst, s), nil
	case fqgw.KindBytes:
		dst = append(dst, `"\\x`...)
		return append(hex.AppendEncode(dst, []byte(v.Str())), '"'), nil
	case fqgw.KindUUID, fqgw.KindTime:
		return quoted(dst, v, c.typ), nil
	case fqgw.KindDate, fqgw.KindTimestamp:
		return appendMoment(dst, v), nil
	case fqgw.KindArray:
		return appendArray(dst, c, v.List())
	}
	return dst, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "a record cannot carry type %s", c.typ)
}

// quoted appends the value's text as a JSON string.
func quoted(dst []byte, v fqgw.Value, t fqgw.Type) []byte {
	return appendText(dst, expr.Text(v, t, nil))
}

func appendArray(dst []byte, c *column, l *fqgw.List) ([]byte, *fqgw.Error) {
	if len(l.Dims) > 1 || c.elem == nil {
		return dst, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "records cannot carry arrays of more than one dimension")
	}
	dst = append(dst, '[')
	for i, v := range l.Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err *fqgw.Error
		if dst, err = appendValue(dst, c.elem, v); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendFloat(dst []byte, t fqgw.Type, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	bits := 64
	if t.OID == fqgw.Float4.OID {
		bits = 32
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// appendText appends s, which is valid UTF-8, as a JSON string.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < ' ':
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
