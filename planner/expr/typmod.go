package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// applyMod makes v fit the modifier of t. Strings that are too long are cut by
// an explicit cast and refused (22001) when assigned, unless only spaces go.
func applyMod(v value, t fqgw.Type, assigned bool) (value, error) {
	if t.Mod < 0 || v.IsNull() {
		return v, nil
	}
	if t.IsArray() {
		l := v.List()
		out := &fqgw.List{Elem: l.Elem, Dims: l.Dims, Items: make([]value, len(l.Items))}
		for i, item := range l.Items {
			m, err := applyMod(item, t.Elem(), assigned)
			if err != nil {
				return fqgw.Null, err
			}
			out.Items[i] = m
		}
		return fqgw.ListValue(out), nil
	}
	switch t.Base() {
	case fqgw.Varchar, fqgw.BPChar:
		return fitString(v, t, assigned)
	case fqgw.Numeric:
		p, s := t.NumericMod()
		d, err := fitNumeric(v.Numeric(), p, s)
		return numericResult(d, err)
	case fqgw.Timestamp, fqgw.Timestamptz:
		if isInfinite(v.Int()) {
			return v, nil
		}
		return fqgw.TimestampValue(roundMicros(v.Int()-year2000, int(t.Mod)) + year2000), nil
	case fqgw.Time:
		return fqgw.TimeValue(roundMicros(v.Int(), int(t.Mod))), nil
	case fqgw.Interval:
		return fqgw.SpanValue(fitSpan(v.Span(), t.Mod)), nil
	}
	return v, nil
}

func fitString(v value, t fqgw.Type, assigned bool) (value, error) {
	limit, s := int(t.Mod-4), v.Str()
	n := utf8.RuneCountInString(s)
	if n > limit {
		at := runeIndex(s, limit)
		if assigned && strings.TrimRight(s[at:], " ") != "" {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeStringTooLong, "value too long for type %s", t)
		}
		return fqgw.TextValue(s[:at]), nil
	}
	if t.OID == fqgw.BPChar.OID && n < limit {
		return fqgw.TextValue(s + strings.Repeat(" ", limit-n)), nil
	}
	return v, nil
}

// runeIndex is the byte at which character n (from 0) begins.
func runeIndex(s string, n int) int {
	if n <= 0 {
		return 0
	}
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func fitNumeric(d fqgw.Decimal, precision, scale int) (fqgw.Decimal, error) {
	overflow := func(detail string, args ...any) (fqgw.Decimal, error) {
		return d, fqgw.Errorf(fqgw.CodeOutOfRange, "numeric field overflow").WithDetail(detail, args...)
	}
	if d.IsNaN() {
		return d, nil
	}
	if d.IsInf() {
		return overflow("A field with precision %d, scale %d cannot hold an infinite value.", precision, scale)
	}
	r := d.Round(int32(scale))
	if r.IsZero() {
		return r, nil
	}
	if intDigits(r) > precision-scale {
		limit := "1"
		if precision != scale {
			limit = "10^" + itoa(precision-scale)
		}
		return overflow("A field with precision %d, scale %d must round to an absolute value less than %s.", precision, scale, limit)
	}
	return r, nil
}

// PostgreSQL counts time from 2000-01-01, which ties are rounded away from.
const year2000 = 10957 * usDay

// roundMicros rounds to a number of fractional digits, half away from zero.
func roundMicros(us int64, digits int) int64 {
	if digits >= 6 || digits < 0 {
		return us
	}
	step := int64(1)
	for range 6 - digits {
		step *= 10
	}
	if us < 0 {
		return -((-us + step/2) / step * step)
	}
	return (us + step/2) / step * step
}

// The fields of an interval's modifier (interval day to second).
const (
	fieldYear   = 1 << 2
	fieldMonth  = 1 << 1
	fieldDay    = 1 << 3
	fieldHour   = 1 << 10
	fieldMinute = 1 << 11
	fieldSecond = 1 << 12
	fieldsAll   = 0x7fff
)

// spanFields are the fields of an interval's modifier, all of them without one.
func spanFields(mod int32) int32 {
	if mod < 0 {
		return fieldsAll
	}
	return mod >> 16 & 0x7fff
}

// fitSpan drops what is finer than the last field, and rounds fractions.
func fitSpan(s fqgw.Span, mod int32) fqgw.Span {
	if f := spanFields(mod); f != fieldsAll {
		switch {
		case f&fieldSecond != 0:
		case f&fieldMinute != 0:
			s.Micros = s.Micros / usMinute * usMinute
		case f&fieldHour != 0:
			s.Micros = s.Micros / usHour * usHour
		case f&fieldDay != 0:
			s.Micros = 0
		case f&fieldMonth != 0:
			s.Days, s.Micros = 0, 0
		case f&fieldYear != 0:
			s.Months, s.Days, s.Micros = s.Months/12*12, 0, 0
		}
	}
	if p := int(mod & 0xffff); p < 6 {
		s.Micros = roundMicros(s.Micros, p)
	}
	return s
}
