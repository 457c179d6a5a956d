package decode

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// read converts the value at p to the column's type; absent and null are NULL.
func (d *jsonDecoder) read(c *column, b []byte, p span) (fqgw.Value, error) {
	if p.kind == absent || p.kind == null {
		return fqgw.Null, nil
	}
	v, err := d.unfitted(c, b, p)
	if err != nil || c.fit == nil {
		return v, err
	}
	if c.decimal && hasNaN(v) { // PostgreSQL takes it
		return fqgw.Null, errNoNaN(c)
	}
	d.one[0] = v
	return c.fit.Eval(nil, d.one[:])
}

func hasNaN(v fqgw.Value) bool {
	if l := v.List(); l != nil {
		return slices.ContainsFunc(l.Items, hasNaN)
	}
	return v.Kind() == fqgw.KindNumeric && v.Numeric().IsNaN()
}

// unfitted is the value before it is assigned to a type with a modifier.
func (d *jsonDecoder) unfitted(c *column, b []byte, p span) (fqgw.Value, error) {
	raw := b[p.from:p.to]
	if c.typ.OID == fqgw.JSONB.OID || c.typ.OID == fqgw.JSON.OID {
		if p.kind == plain || p.kind == escaped {
			raw = b[p.from-1 : p.to+1] // with its quotes
		}
		return d.document(c, raw)
	}
	switch {
	case c.elem != nil && p.kind == sequence:
		return d.array(c, raw)
	case c.elem != nil && p.kind != plain && p.kind != escaped:
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "malformed array: %s is not a JSON array", quote(string(raw)))
	}
	if p.kind == escaped {
		var err error
		if d.scratch, err = unescape(d.scratch[:0], raw); err != nil {
			return fqgw.Null, err
		}
		raw = d.scratch
	}
	switch c.typ.OID {
	case fqgw.Text.OID, fqgw.Varchar.OID, fqgw.BPChar.OID:
		return fqgw.TextValue(d.share(raw)), nil
	case fqgw.Timestamp.OID, fqgw.Timestamptz.OID:
		if p.kind == number {
			return epoch(c, raw)
		}
	case fqgw.Int2.OID, fqgw.Int4.OID, fqgw.Int8.OID, fqgw.OID.OID:
		if n, ok := expr.ShortInt(text(raw)); ok && c.typ.OID == fqgw.Int8.OID {
			return fqgw.IntValue(n), nil
		} else if !ok && p.kind == number {
			var err error
			if raw, err = whole(c, raw); err != nil {
				return fqgw.Null, err
			}
		}
	}
	if c.keeps {
		return cast(c, string(raw))
	}
	return cast(c, text(raw))
}

// document is a field of type json or jsonb.
func (d *jsonDecoder) document(c *column, raw []byte) (fqgw.Value, error) {
	s := scanner{b: raw}
	if _, ok := s.value(maxDepth - maxDocument); !ok {
		return fqgw.Null, errDeepDocument()
	}
	if c.typ.OID == fqgw.JSONB.OID {
		var err error
		if d.scratch, err = appendJSONB(d.scratch[:0], raw); err != nil {
			return fqgw.Null, err
		}
		raw = d.scratch
	}
	return fqgw.TextValue(d.share(raw)), nil
}

func errDeepDocument() error {
	return fqgw.Errorf(fqgw.CodeTooComplex, "JSON is nested more than %d levels deep", maxDocument)
}

// cast reads PostgreSQL's text form of a type, with UTC for times that name no zone.
func cast(c *column, s string) (fqgw.Value, error) {
	if c.clock {
		if w := clockWord(s); w != "" {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeFormat, "invalid input syntax for type %s: %s", c.typ.Base(), quote(s)).
				WithDetail("%q would be another time at each reading of the record.", w)
		}
	}
	v, err := expr.Parse(s, c.as, nil)
	if err != nil {
		return fqgw.Null, shorten(err)
	}
	if l := v.List(); l != nil {
		if len(l.Dims) > 1 {
			return fqgw.Null, errDimensions()
		}
		return fqgw.ListValue(&fqgw.List{Elem: c.typ.Elem().Base(), Items: l.Items}), nil
	}
	return v, nil
}

func errDimensions() *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "records cannot carry arrays of more than one dimension")
}

// shorten cuts what an error quotes of a long field.
func shorten(err error) error {
	var e *fqgw.Error
	if errors.As(err, &e) && len(e.Message) > 200 {
		e.Message = strings.ToValidUTF8(e.Message[:200], "") + "…"
	}
	return err
}

// clockWord is the word in s that stands for the time at which it is read, "" for none.
func clockWord(s string) string {
	if strings.IndexByte(s, 'w') < 0 && strings.IndexByte(s, 'y') < 0 && strings.IndexByte(s, 'W') < 0 && strings.IndexByte(s, 'Y') < 0 {
		return ""
	}
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' }) {
		switch w = strings.ToLower(w); w {
		case "now", "today", "tomorrow", "yesterday":
			return w
		}
	}
	return ""
}

// array reads a JSON array of scalars.
func (d *jsonDecoder) array(c *column, raw []byte) (fqgw.Value, error) {
	l := &fqgw.List{Elem: c.elem.typ.Base()}
	s := scanner{b: raw, i: 1}
	for more := !s.take(']'); more; more = s.take(',') {
		p, ok := s.value(0)
		if !ok {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "malformed array: %s", quote(string(raw)))
		}
		if p.kind == sequence && c.elem.typ.OID != fqgw.JSONB.OID && c.elem.typ.OID != fqgw.JSON.OID {
			if len(bytes.Trim(raw, "[], \t\n\r")) == 0 { // nothing but brackets: without items it has no dimensions, as ARRAY[ARRAY[], ARRAY[]]
				return fqgw.ListValue(l), nil
			}
			return fqgw.Null, errDimensions()
		}
		v, err := d.read(c.elem, raw, p)
		if err != nil {
			return fqgw.Null, err
		}
		l.Items = append(l.Items, v)
	}
	return fqgw.ListValue(l), nil
}

// whole is a JSON number in digits alone, if it has no fraction: 1.0, 1e3.
func whole(c *column, raw []byte) ([]byte, error) {
	if !slices.ContainsFunc(raw, func(c byte) bool { return c == '.' || c|0x20 == 'e' }) {
		return raw, nil
	}
	switch d, ok := fqgw.ParseDecimal(text(raw)); {
	case !ok: // an exponent that no numeric has
		return nil, fqgw.Errorf(fqgw.CodeOutOfRange, "value %s is out of range for type %s", quote(string(raw)), c.typ)
	case d.Floor().Cmp(d) == 0:
		return []byte(d.Trunc(0).String()), nil
	}
	return raw, nil
}

// unescape appends the text of a JSON string; the escapes were checked by the
// scanner. A lone surrogate and the NUL character cannot be text: 22P05.
func unescape(dst, raw []byte) ([]byte, error) {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
					low, _ = hex4(raw[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					return dst, fqgw.Errorf("22P05", "unsupported Unicode escape sequence").WithDetail("A surrogate stands alone.")
				}
				i += 6
			}
			if r == 0 {
				return dst, fqgw.Errorf("22P05", "unsupported Unicode escape sequence").WithDetail(`\u0000 cannot be converted to text.`)
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, raw[i])
		}
	}
	return dst, nil
}

// text is b as a string that must not be kept: it lives as long as b does.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// quote is the text for an error message, cut to a readable length.
func quote(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return `"` + s + `"`
}
