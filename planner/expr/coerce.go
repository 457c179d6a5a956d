package expr

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// coerceValue runs the cast function from one type to another; v is not NULL.
func coerceValue(v value, from, to fqgw.Type, env *fqgw.Env) (value, error) {
	if from == fqgw.JSONB {
		return fromJSONB(v, to)
	}
	if isOIDLike(to) {
		if v.Kind() == fqgw.KindText {
			in := input{env: env}
			return in.parse(v.Str(), to.Base())
		}
		if n := v.Int(); n > math.MaxUint32 || from == fqgw.Int8 && n < 0 {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "OID out of range")
		}
		return fqgw.IntValue(int64(uint32(v.Int()))), nil
	}
	switch to.Base() {
	case fqgw.Int2, fqgw.Int4, fqgw.Int8:
		return toInt(v, from, to)
	case fqgw.Float4, fqgw.Float8:
		return toFloat(v, to)
	case fqgw.Numeric:
		switch {
		case v.Kind() == fqgw.KindInt:
			return fqgw.NumericValue(fqgw.DecimalFromInt(v.Int())), nil
		case from == fqgw.Float4:
			return fqgw.NumericValue(fqgw.DecimalFromFloat4(v.Float())), nil
		}
		return fqgw.NumericValue(fqgw.DecimalFromFloat(v.Float())), nil
	case fqgw.Bool:
		return fqgw.BoolValue(v.Int() != 0), nil
	case fqgw.Text, fqgw.Varchar, fqgw.BPChar:
		switch {
		case v.Kind() == fqgw.KindBool:
			if v.Bool() {
				return fqgw.TextValue("true"), nil
			}
			return fqgw.TextValue("false"), nil
		case from == fqgw.CharType:
			return fqgw.TextValue(charText(v.Str())), nil
		case from == fqgw.BPChar:
			return fqgw.TextValue(strings.TrimRight(v.Str(), " ")), nil
		}
		return v, nil
	case fqgw.Name:
		s := v.Str()
		if from == fqgw.BPChar {
			s = strings.TrimRight(s, " ")
		}
		return fqgw.TextValue(cutName(s)), nil
	case fqgw.CharType:
		if v.Kind() == fqgw.KindInt {
			if v.Int() < -128 || v.Int() > 127 {
				return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "\"char\" out of range")
			}
			if v.Int() == 0 {
				return fqgw.TextValue(""), nil
			}
			return fqgw.TextValue(string([]byte{byte(v.Int())})), nil
		}
		return fqgw.TextValue(readChar(v.Str())), nil
	case fqgw.Date, fqgw.Time, fqgw.Timestamp, fqgw.Timestamptz, fqgw.Interval:
		return toMoment(v, from, to.Base(), env)
	}
	return fqgw.Null, fqgw.Errorf("42846", "cannot cast type %s to %s", typeName(from), typeName(to))
}

// intRange checks that n fits the integer type t.
func intRange(n int64, t fqgw.Type) error {
	switch t.OID {
	case fqgw.Int2.OID:
		if n != int64(int16(n)) {
			return fqgw.Errorf(fqgw.CodeOutOfRange, "smallint out of range")
		}
	case fqgw.Int4.OID:
		if n != int64(int32(n)) {
			return fqgw.Errorf(fqgw.CodeOutOfRange, "integer out of range")
		}
	}
	return nil
}

func outOfRange(t fqgw.Type) error {
	return fqgw.Errorf(fqgw.CodeOutOfRange, "%s out of range", typeName(t))
}

func toInt(v value, from, to fqgw.Type) (value, error) {
	var n int64
	switch v.Kind() {
	case fqgw.KindInt:
		n = v.Int()
		if isOIDLike(from) && to.OID == fqgw.Int4.OID {
			n = int64(int32(uint32(n)))
		}
	case fqgw.KindBool:
		if v.Bool() {
			n = 1
		}
	case fqgw.KindText: // "char"
		if s := v.Str(); s != "" {
			n = int64(int8(s[0]))
		}
	case fqgw.KindFloat:
		f := math.RoundToEven(v.Float())
		if math.IsNaN(f) || f < -0x1p63 || f >= 0x1p63 {
			return fqgw.Null, outOfRange(to)
		}
		n = int64(f)
	case fqgw.KindNumeric:
		d := v.Numeric()
		if !d.Finite() {
			what := "infinity"
			if d.IsNaN() {
				what = "NaN"
			}
			return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "cannot convert %s to %s", what, typeName(to))
		}
		var ok bool
		if n, ok = d.Int64(); !ok {
			return fqgw.Null, outOfRange(to)
		}
	}
	return fqgw.IntValue(n), intRange(n, to)
}

func toFloat(v value, to fqgw.Type) (value, error) {
	var f float64
	switch v.Kind() {
	case fqgw.KindInt:
		if to.OID == fqgw.Float4.OID {
			return fqgw.FloatValue(float64(float32(v.Int()))), nil
		}
		return fqgw.FloatValue(float64(v.Int())), nil
	case fqgw.KindNumeric:
		f = v.Numeric().Float()
		if v.Numeric().Finite() && math.IsInf(f, 0) {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "\"%s\" is out of range for type %s", v.Numeric(), typeName(to))
		}
	default:
		f = v.Float()
	}
	if to.OID != fqgw.Float4.OID {
		return fqgw.FloatValue(f), nil
	}
	return narrow(f)
}

// narrow rounds to a real.
func narrow(f float64) (value, error) {
	r := float64(float32(f))
	if math.IsInf(r, 0) && !math.IsInf(f, 0) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "value out of range: overflow")
	}
	if r == 0 && f != 0 {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "value out of range: underflow")
	}
	return fqgw.FloatValue(r), nil
}

// toMoment casts among date, time, timestamps and interval.
func toMoment(v value, from, to fqgw.Type, env *fqgw.Env) (value, error) {
	switch {
	case from == fqgw.Time && to == fqgw.Interval:
		return fqgw.SpanValue(fqgw.Span{Micros: v.Int()}), nil
	case from == fqgw.Interval && to == fqgw.Time:
		us := v.Span().Micros
		return fqgw.TimeValue(us - fqgw.FloorDiv(us, usDay)*usDay), nil
	case from == fqgw.Date:
		t, err := dayStart(v.Int(), to, env)
		return fqgw.TimestampValue(t), err
	}
	t := v.Int()
	if from == fqgw.Timestamptz && to != fqgw.Timestamptz {
		t = toLocal(t, env.Location())
	}
	switch to {
	case fqgw.Date:
		if isInfinite(t) {
			return fqgw.DateValue(t), nil
		}
		return fqgw.DateValue(fqgw.FloorDiv(t, usDay)), nil
	case fqgw.Time:
		if isInfinite(t) {
			return fqgw.Null, nil
		}
		return fqgw.TimeValue(t - fqgw.FloorDiv(t, usDay)*usDay), nil
	case fqgw.Timestamptz:
		return fqgw.TimestampValue(toUTC(t, env.Location())), nil
	}
	return fqgw.TimestampValue(t), nil
}

// dayStart is midnight of a day: as a timestamp, or in the session's zone.
func dayStart(days int64, to fqgw.Type, env *fqgw.Env) (int64, error) {
	if isInfinite(days) {
		return days, nil
	}
	t, ok := dayTime(days, 0)
	if !ok {
		return 0, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "date out of range for timestamp")
	}
	if to == fqgw.Timestamptz {
		t = toUTC(t, env.Location())
	}
	return t, nil
}

// fromJSONB casts a jsonb scalar.
func fromJSONB(v value, to fqgw.Type) (value, error) {
	n, err := readJSON(v.Str())
	if err != nil {
		return fqgw.Null, err
	}
	if to.Base() == fqgw.JSON {
		return v, nil
	}
	what := map[byte]string{'{': "object", '[': "array", '"': "string", '0': "numeric", 't': "boolean", 'f': "boolean", 'n': "null"}[n.kind]
	switch {
	case to.OID == fqgw.Bool.OID && what == "boolean":
		return fqgw.BoolValue(n.kind == 't'), nil
	case to.OID != fqgw.Bool.OID && n.kind == '0':
		d, _ := fqgw.ParseDecimal(n.raw)
		if to.OID == fqgw.Numeric.OID {
			return fqgw.NumericValue(d), nil
		}
		return coerceValue(fqgw.NumericValue(d), fqgw.Numeric, to, nil)
	}
	if what == "array" || what == "object" {
		what = "array or object"
		if n.kind == '[' {
			what = "array"
		} else {
			what = "object"
		}
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot cast jsonb %s to type %s", what, typeName(to))
}

func runeCount(s string) int { return utf8.RuneCountInString(s) }
