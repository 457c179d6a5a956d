package expr

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// Text is the output function of type t, in the session's zone and style. NULL is "".
func Text(v fqgw.Value, t fqgw.Type, env *fqgw.Env) string {
	switch v.Kind() {
	case fqgw.KindText:
		if commonForm(t) || forms[t.OID].print == nil {
			return v.Str()
		}
	case fqgw.KindNull:
		return ""
	case fqgw.KindInt:
		if commonForm(t) {
			return strconv.FormatInt(v.Int(), 10)
		}
	}
	return string(AppendText(nil, v, t, env))
}

// AppendText appends what Text gives.
func AppendText(b []byte, v fqgw.Value, t fqgw.Type, env *fqgw.Env) []byte {
	if !commonForm(t) {
		if print := forms[t.OID].print; print != nil && !v.IsNull() {
			return print(b, v)
		}
	}
	switch v.Kind() {
	case fqgw.KindBool:
		if v.Bool() {
			return append(b, 't')
		}
		return append(b, 'f')
	case fqgw.KindInt:
		if t.IsReg() {
			return append(b, regText(v.Int(), t, env)...)
		}
		return strconv.AppendInt(b, v.Int(), 10)
	case fqgw.KindFloat:
		return appendFloat(b, v.Float(), t.OID == fqgw.Float4.OID, styleOf(env).LessDigits)
	case fqgw.KindNumeric:
		return append(b, v.Numeric().String()...)
	case fqgw.KindText:
		return append(b, v.Str()...)
	case fqgw.KindBytes:
		if styleOf(env).EscapedBytes {
			return appendEscaped(b, v.Str())
		}
		return hex.AppendEncode(append(b, '\\', 'x'), []byte(v.Str()))
	case fqgw.KindUUID:
		return appendUUID(b, v.Str())
	case fqgw.KindDate:
		return appendDay(b, v.Int(), styleOf(env))
	case fqgw.KindTime:
		return appendClock(b, v.Int())
	case fqgw.KindTimestamp:
		return appendTimestamp(b, v.Int(), t, env)
	case fqgw.KindInterval:
		return appendSpan(b, v.Span(), styleOf(env).Spans)
	case fqgw.KindArray:
		return appendArray(b, v.List(), t, env)
	case fqgw.KindRecord:
		return appendRecord(b, v, env)
	}
	return b
}

// commonForm saves the commonest types a look at forms: they are not in it.
func commonForm(t fqgw.Type) bool {
	switch t.OID {
	case fqgw.Int8.OID, fqgw.Int4.OID, fqgw.Int2.OID, fqgw.Float8.OID, fqgw.Text.OID, fqgw.Varchar.OID, fqgw.Bool.OID, fqgw.Numeric.OID,
		fqgw.Timestamptz.OID, fqgw.Timestamp.OID, fqgw.Date.OID:
		return true
	}
	return false
}

// styleOf is the session's style, PostgreSQL's default without a session.
func styleOf(env *fqgw.Env) fqgw.Style {
	if env == nil {
		return fqgw.Style{}
	}
	return env.Style
}

// appendFloat prints the shortest form that reads back, as PostgreSQL lays it
// out: plain between 1e-4 and 1e15 (1e6 for real). less is Style.LessDigits.
func appendFloat(b []byte, f float64, single bool, less uint8) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	bits, limit := 64, 15
	if single {
		bits, limit = 32, 6
	}
	if less > 0 {
		return strconv.AppendFloat(b, f, 'g', max(limit+1-int(less), 1), 64)
	}
	var buf [40]byte
	e := strconv.AppendFloat(buf[:0], f, 'e', -1, bits)
	if even := evenFloat(f, single); even != 0 && math.Abs(f) >= even && math.Abs(f) < 1e25 {
		e = insideFloat(e, f, bits)
	}
	exp := 0
	for i := len(e) - 1; i >= 0; i-- {
		if e[i] == 'e' {
			exp, _ = strconv.Atoi(string(e[i+1:]))
			break
		}
	}
	if f != 0 && (exp < -4 || exp >= limit) {
		return append(b, e...)
	}
	return strconv.AppendFloat(b, f, 'f', -1, bits)
}

// evenFloat is the least float whose neighbours are whole numbers apart, 0 when
// the significand of f is odd.
func evenFloat(f float64, single bool) float64 {
	if single && math.Float32bits(float32(f))&1 == 0 {
		return 1 << 24
	}
	if !single && math.Float64bits(f)&1 == 0 {
		return 1 << 53
	}
	return 0
}

// insideFloat replaces the shortest form of f when it lies just halfway to a
// neighbour: Go takes that for an even significand, PostgreSQL takes the next
// longer form.
func insideFloat(e []byte, f float64, bits int) []byte {
	f = math.Abs(f)
	up, down := math.Nextafter(f, math.Inf(1)), math.Nextafter(f, 0)
	if bits == 32 {
		up, down = float64(math.Nextafter32(float32(f), math.MaxFloat32)), float64(math.Nextafter32(float32(f), 0))
	}
	for {
		shown, _, err := big.ParseFloat(string(bytes.TrimPrefix(e, []byte("-"))), 10, 200, big.ToNearestEven)
		if err != nil {
			return e
		}
		diff, _ := shown.Sub(shown, new(big.Float).SetFloat64(f)).Float64()
		if diff != (up-f)/2 && diff != (down-f)/2 {
			return e
		}
		digits := max(bytes.IndexByte(e, 'e')-bytes.IndexByte(e, '.'), 1) // behind the point, one more
		if bytes.IndexByte(e, '.') < 0 {
			digits = 1
		}
		if e[0] == '-' {
			f = -f
		}
		e = strconv.AppendFloat(nil, f, 'e', digits, bits)
		f = math.Abs(f)
	}
}

// appendDay prints a date, or an infinity.
func appendDay(b []byte, days int64, style fqgw.Style) []byte {
	switch days {
	case fqgw.InfinityTime:
		return append(b, "infinity"...)
	case fqgw.NegInfinityTime:
		return append(b, "-infinity"...)
	}
	y, m, d := civil(days)
	b = appendYMD(b, y, m, d, style)
	if y <= 0 {
		b = append(b, " BC"...)
	}
	return b
}

// appendClock prints a time of day, fractional zeros trimmed.
func appendClock(b []byte, us int64) []byte {
	b = append(two(b, us/usHour), ':')
	b = append(two(b, us/usMinute%60), ':')
	b = two(b, us/usSecond%60)
	return appendMicros(b, us%usSecond)
}

func appendMicros(b []byte, us int64) []byte {
	if us == 0 {
		return b
	}
	s := strconv.FormatInt(us+usSecond, 10)[1:]
	return append(append(b, '.'), strings.TrimRight(s, "0")...)
}

func appendTimestamp(b []byte, t int64, typ fqgw.Type, env *fqgw.Env) []byte {
	switch t {
	case fqgw.InfinityTime:
		return append(b, "infinity"...)
	case fqgw.NegInfinityTime:
		return append(b, "-infinity"...)
	}
	zoned, off := typ.OID == fqgw.Timestamptz.OID, int64(0)
	if zoned {
		off = offsetAt(t, env.Location())
	}
	c, style := split(t+off*usSecond), styleOf(env)
	if style.Dates == fqgw.DatesPostgres {
		b = appendWordy(b, c, style.Order)
	} else {
		b = append(appendYMD(b, c.year, c.month, c.day, style), ' ')
		b = appendClock(b, c.micros)
	}
	switch {
	case zoned && style.Dates == fqgw.DatesISO:
		b = formatOffset(b, off)
	case zoned:
		name := zoneName(t, env.Location())
		b = append(append(b, ' '), name[:min(len(name), 10)]...)
	}
	if c.year <= 0 {
		b = append(b, " BC"...)
	}
	return b
}
