package decode

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/fqgw/fqgw"
)

// readable says whether records can carry values of the type.
func readable(t fqgw.Type) bool {
	switch t.Base() {
	case fqgw.Bool, fqgw.Int2, fqgw.Int4, fqgw.Int8, fqgw.OID, fqgw.Float4, fqgw.Float8, fqgw.Numeric,
		fqgw.Text, fqgw.Varchar, fqgw.BPChar, fqgw.Name, fqgw.JSON, fqgw.JSONB, fqgw.Bytea, fqgw.UUID,
		fqgw.Date, fqgw.Time, fqgw.Timestamp, fqgw.Timestamptz:
		return true
	}
	return false
}

// read converts the value at p to the column's type; absent and null are NULL.
func (d *Decoder) read(c *column, b []byte, p span) (fqgw.Value, error) {
	if p.kind == absent || p.kind == null {
		return fqgw.Null, nil
	}
	raw := b[p.from:p.to]
	if c.elem != nil {
		return d.array(c, raw, p.kind)
	}
	if c.typ.OID == fqgw.JSONB.OID || c.typ.OID == fqgw.JSON.OID {
		if p.kind == plain || p.kind == escaped {
			raw = b[p.from-1 : p.to+1] // with its quotes
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
	if p.kind == escaped {
		var err error
		if d.scratch, err = unescape(d.scratch[:0], raw); err != nil {
			return fqgw.Null, err
		}
		raw = d.scratch
	}
	switch c.typ.OID {
	case fqgw.Text.OID:
		return fqgw.TextValue(d.share(raw)), nil
	case fqgw.Varchar.OID, fqgw.BPChar.OID, fqgw.Name.OID:
		return bounded(c.typ, d.share(raw))
	}
	if p.kind == object || p.kind == sequence {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type %s: %s", c.typ, quote(raw))
	}
	if p.kind == number && (c.typ.OID == fqgw.Timestamp.OID || c.typ.OID == fqgw.Timestamptz.OID) {
		return epoch(c, raw)
	}
	return scalar(c, raw)
}

// scalar reads PostgreSQL's text form of a type.
func scalar(c *column, raw []byte) (fqgw.Value, error) {
	switch c.typ.OID {
	case fqgw.Bool.OID:
		switch text(trim(raw)) {
		case "true", "t", "1", "yes", "y", "on", "TRUE", "True":
			return fqgw.BoolValue(true), nil
		case "false", "f", "0", "no", "n", "off", "FALSE", "False":
			return fqgw.BoolValue(false), nil
		}
	case fqgw.Int8.OID:
		return integer(c, raw, math.MinInt64, math.MaxInt64)
	case fqgw.Int4.OID:
		return integer(c, raw, math.MinInt32, math.MaxInt32)
	case fqgw.Int2.OID:
		return integer(c, raw, math.MinInt16, math.MaxInt16)
	case fqgw.OID.OID:
		return integer(c, raw, 0, math.MaxUint32)
	case fqgw.Float8.OID:
		return float(c, raw, 64)
	case fqgw.Float4.OID:
		return float(c, raw, 32)
	case fqgw.Numeric.OID:
		if n, ok := fqgw.ParseDecimal(string(raw)); ok {
			return numeric(c, n)
		}
	case fqgw.UUID.OID:
		var id [16]byte
		if s := strings.ReplaceAll(text(trim(raw)), "-", ""); len(s) == 32 {
			if _, err := hex.Decode(id[:], []byte(s)); err == nil {
				return fqgw.UUIDValue(id), nil
			}
		}
	case fqgw.Bytea.OID:
		if b, ok := bytea(raw); ok {
			return fqgw.BytesValue(b), nil
		}
	case fqgw.Date.OID, fqgw.Time.OID, fqgw.Timestamp.OID, fqgw.Timestamptz.OID:
		return moment(c, text(trim(raw)))
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type %s: %s", c.typ, quote(raw))
}

// array reads a JSON array of scalars.
func (d *Decoder) array(c *column, raw []byte, kind byte) (fqgw.Value, error) {
	if kind != sequence {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "malformed array: %s is not a JSON array", quote(raw))
	}
	l := &fqgw.List{Elem: c.typ.Elem()}
	s := scanner{b: raw, i: 1}
	for more := !s.take(']'); more; more = s.take(',') {
		p, ok := s.value(0)
		if !ok {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "malformed array: %s", quote(raw))
		}
		if p.kind == sequence && c.typ.OID != fqgw.JSONB.Array().OID && c.typ.OID != fqgw.JSON.Array().OID {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "records cannot carry arrays of more than one dimension")
		}
		v, err := d.read(c.elem, raw, p)
		if err != nil {
			return fqgw.Null, err
		}
		l.Items = append(l.Items, v)
	}
	return fqgw.ListValue(l), nil
}

// integer reads a number without a fraction, however it is written.
func integer(c *column, raw []byte, least, most int64) (fqgw.Value, error) {
	n, ok := shortInt(raw)
	if !ok {
		var fits bool
		n, ok, fits = longInt(trim(raw))
		if !ok {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type %s: %s", c.typ, quote(raw))
		}
		if !fits {
			n, least = 0, 1
		}
	}
	if n < least || n > most {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "value %s is out of range for type %s", quote(raw), c.typ)
	}
	return fqgw.IntValue(n), nil
}

// shortInt reads what is only digits, and few.
func shortInt(raw []byte) (int64, bool) {
	b, neg := raw, false
	if len(b) > 0 && b[0] == '-' {
		b, neg = b[1:], true
	}
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, ch := range b {
		if ch -= '0'; ch > 9 {
			return 0, false
		}
		n = n*10 + int64(ch)
	}
	if neg {
		n = -n
	}
	return n, true
}

// longInt reads the rest: fractions of zeros, exponents, nineteen digits.
func longInt(raw []byte) (n int64, ok, fits bool) {
	neg, digits, exp, ok := decimal(raw)
	switch {
	case !ok || exp < 0:
		return 0, false, false
	case digits == "":
		return 0, true, true
	case int64(len(digits))+exp > 19:
		return 0, true, false
	}
	digits += strings.Repeat("0", int(exp))
	if neg {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, true, err == nil
}

// decimal takes a number apart: digits × 10^exp, the digits without zeros at
// either end ("" is zero).
func decimal(raw []byte) (neg bool, digits string, exp int64, ok bool) {
	s := string(raw)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.ParseInt(s[i+1:], 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return false, "", 0, false
		}
		exp, s = max(min(e, 1<<40), -1<<40), s[:i]
	}
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	whole, frac, _ := strings.Cut(s, ".")
	digits = whole + frac
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return false, "", 0, false
	}
	exp -= int64(len(frac))
	short := strings.TrimRight(digits, "0")
	exp += int64(len(digits) - len(short))
	if digits = strings.TrimLeft(short, "0"); digits == "" {
		exp = 0
	}
	return neg, digits, exp, true
}

func float(c *column, raw []byte, bits int) (fqgw.Value, error) {
	s := text(trim(raw))
	if strings.ContainsAny(s, "xX_pP") {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type %s: %s", c.typ, quote(raw))
	}
	f, err := strconv.ParseFloat(s, bits)
	if errors.Is(err, strconv.ErrRange) || err == nil && f == 0 && strings.Trim(mantissa(s), "+-.0") != "" {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "%s is out of range for type %s", quote(raw), c.typ)
	}
	if err != nil {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type %s: %s", c.typ, quote(raw))
	}
	return fqgw.FloatValue(f), nil
}

func mantissa(s string) string {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		return s[:i]
	}
	return s
}

// numeric fits a number into numeric(p,s), which in the lake has no NaN.
func numeric(c *column, n fqgw.Decimal) (fqgw.Value, error) {
	if c.typ.Mod < 0 {
		return fqgw.NumericValue(n), nil
	}
	precision, scale := c.typ.NumericMod()
	n = n.Round(int32(scale))
	if !n.Finite() || !n.IsZero() && len(n.Abs().Coef().String())-int(n.Scale()) > precision-scale {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "numeric field overflow").
			WithDetail("A field with precision %d, scale %d must round to an absolute value less than 10^%d.", precision, scale, precision-scale)
	}
	return fqgw.NumericValue(n), nil
}

// bounded keeps a text to the length of its type.
func bounded(t fqgw.Type, s string) (fqgw.Value, error) {
	if t.OID == fqgw.Name.OID {
		for len(s) > 63 || !utf8.ValidString(s) {
			s = s[:min(len(s)-1, 63)]
		}
		return fqgw.TextValue(s), nil
	}
	limit := int(t.Mod) - 4
	if t.Mod < 0 {
		return fqgw.TextValue(s), nil
	}
	n := utf8.RuneCountInString(s)
	for n > limit && strings.HasSuffix(s, " ") {
		s, n = s[:len(s)-1], n-1
	}
	if n > limit {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeStringTooLong, "value too long for type %s", t)
	}
	if t.OID == fqgw.BPChar.OID {
		s += strings.Repeat(" ", limit-n)
	}
	return fqgw.TextValue(s), nil
}

// bytea reads the hex form and the escape form.
func bytea(raw []byte) (string, bool) {
	if len(raw) >= 2 && raw[0] == '\\' && raw[1] == 'x' {
		b, err := hex.DecodeString(string(raw[2:]))
		return string(b), err == nil
	}
	var out []byte
	for i := 0; i < len(raw); i++ {
		switch {
		case raw[i] != '\\':
			out = append(out, raw[i])
		case i+1 < len(raw) && raw[i+1] == '\\':
			out, i = append(out, '\\'), i+1
		case i+3 < len(raw):
			n, err := strconv.ParseUint(string(raw[i+1:i+4]), 8, 8)
			if err != nil {
				return "", false
			}
			out, i = append(out, byte(n)), i+3
		default:
			return "", false
		}
	}
	return string(out), true
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

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0]-'\t' < 5) {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1]-'\t' < 5) {
		b = b[:len(b)-1]
	}
	return b
}

// text is b as a string that must not be kept: it lives as long as b does.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// quote is the text for an error message, cut to a readable length.
func quote(raw []byte) string {
	s := string(raw)
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return `"` + s + `"`
}
