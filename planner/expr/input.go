package expr

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// Parse is the input function of type t, as PostgreSQL's: surrounding spaces are
// allowed where it allows them. 22P02, 22003, 22007, 22008 or 22023 on bad text.
// Nothing of s is kept, but in values that are texts themselves.
func Parse(s string, t fqgw.Type, env *fqgw.Env) (fqgw.Value, error) {
	v, _, ok := isoMoment(s, t, env)
	var err error
	if !ok {
		v, ok, err = plainInput(s, t)
	}
	if !ok {
		in := input{env: env}
		v, err = in.parse(s, t)
	}
	if err != nil {
		return fqgw.Null, err
	}
	return applyMod(v, t, false)
}

// input reads literals; usedEnv tells that the result depended on env.
type input struct {
	env     *fqgw.Env
	usedEnv bool
}

func badText(t fqgw.Type, s string) *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type %s: \"%s\"", typeName(t), s)
}

func (in *input) parse(s string, t fqgw.Type) (value, error) {
	if v, ok, err := plainInput(s, t); ok {
		return v, err
	}
	switch base := t.Base(); {
	case base == fqgw.Date || base == fqgw.Time || base == fqgw.Timestamp || base == fqgw.Timestamptz:
		return in.moment(s, base)
	case base == fqgw.Interval:
		return in.interval(s, t)
	case t.IsArray():
		return in.array(s, t)
	case t.IsReg():
		in.usedEnv = true
		return in.reg(s, t)
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "cannot accept a value of type %s", typeName(t))
}

// plainInput reads the types whose texts mean the same in every session; ok is
// false for the others.
func plainInput(s string, t fqgw.Type) (v value, ok bool, err error) {
	switch t.OID {
	case fqgw.Int2.OID:
		v, err = parseInt(s, t, 16)
	case fqgw.Int4.OID:
		v, err = parseInt(s, t, 32)
	case fqgw.Int8.OID:
		v, err = parseInt(s, t, 64)
	case fqgw.OID.OID:
		v, err = parseOID(s)
	case fqgw.Float8.OID:
		v, err = parseFloat(s, t, 64)
	case fqgw.Float4.OID:
		v, err = parseFloat(s, t, 32)
	case fqgw.Numeric.OID:
		v, err = parseNumeric(s)
	case fqgw.Bool.OID:
		v, err = parseBool(s)
	case fqgw.Text.OID, fqgw.Varchar.OID, fqgw.BPChar.OID, fqgw.Unknown.OID, fqgw.ACLItem.OID, fqgw.PgNodeTree.OID:
		v = fqgw.TextValue(s)
	default:
		f, known := forms[t.OID]
		if !known {
			return fqgw.Null, false, nil
		}
		v, err = f.read(s)
	}
	return v, true, err
}

// ShortInt reads what is only digits, at most 18 of them: most integers. Parse
// begins with it; the decoder of records asks it alone, which saves 60 ns of the
// 640 that a record of three numbers takes (BenchmarkDecode of stream/decode).
func ShortInt(s string) (n int64, ok bool) {
	digits := s
	if s != "" && s[0] == '-' {
		digits = s[1:]
	}
	if digits == "" || len(digits) > 18 {
		return 0, false
	}
	for i := 0; i < len(digits); i++ {
		c := digits[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if len(digits) < len(s) {
		n = -n
	}
	return n, true
}

func parseInt(s string, t fqgw.Type, bits int) (value, error) {
	if n, ok := ShortInt(s); ok && n<<(64-bits)>>(64-bits) == n {
		return fqgw.IntValue(n), nil
	}
	trimmed := strings.TrimFunc(s, func(r rune) bool { return r < 128 && isSpace(byte(r)) })
	n, err := strconv.ParseInt(trimmed, 10, bits)
	if err == nil {
		return fqgw.IntValue(n), nil
	}
	if isDigits(strings.TrimLeft(trimmed, "+-")) && len(trimmed)-len(strings.TrimLeft(trimmed, "+-")) <= 1 {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "value \"%s\" is out of range for type %s", s, typeName(t))
	}
	return fqgw.Null, badText(t, s)
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func parseOID(s string) (value, error) {
	trimmed := strings.TrimSpace(s)
	n, err := strconv.ParseInt(trimmed, 10, 64)
	switch {
	case err != nil && !isDigits(strings.TrimLeft(trimmed, "+-")):
		return fqgw.Null, badText(fqgw.OID, s)
	case err != nil || n > math.MaxUint32 || n < math.MinInt32:
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "value \"%s\" is out of range for type oid", s)
	}
	return fqgw.IntValue(int64(uint32(n))), nil
}

func parseFloat(s string, t fqgw.Type, bits int) (value, error) {
	low := strings.ToLower(strings.TrimSpace(s))
	switch strings.TrimLeft(low, "+-") {
	case "nan":
		return fqgw.FloatValue(math.NaN()), nil
	case "inf", "infinity":
	default:
		if strings.ContainsAny(low, "_n") || low == "" {
			return fqgw.Null, badText(t, s)
		}
	}
	if strings.HasPrefix(strings.TrimLeft(low, "+-"), "0x") && !strings.Contains(low, "p") {
		low += "p0"
	}
	f, err := strconv.ParseFloat(low, bits)
	if errors.Is(err, strconv.ErrRange) || err == nil && f == 0 && strings.ContainsAny(mantissa(low), "123456789") {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "\"%s\" is out of range for type %s", s, typeName(t))
	}
	if err != nil {
		return fqgw.Null, badText(t, s)
	}
	return fqgw.FloatValue(f), nil
}

func mantissa(s string) string {
	if i := strings.IndexAny(s, "ep"); i >= 0 {
		return s[:i]
	}
	return s
}

// A numeric may have 131,072 digits before its point.
const maxNumericDigits = 131072

func parseNumeric(s string) (value, error) {
	d, ok := fqgw.ParseDecimal(s)
	if ok {
		return numericResult(checkNumeric(d))
	}
	if m, e, found := strings.Cut(strings.ToLower(strings.TrimSpace(s)), "e"); found {
		if d, good := fqgw.ParseDecimal(m); good && d.Finite() && isDigits(strings.TrimLeft(e, "+-")) {
			return fqgw.Null, errNumericOverflow()
		}
	}
	return fqgw.Null, badText(fqgw.Numeric, s)
}

func errNumericOverflow() *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeOutOfRange, "value overflows numeric format")
}

// checkNumeric refuses what PostgreSQL cannot hold.
func checkNumeric(d fqgw.Decimal) (fqgw.Decimal, error) {
	// A decimal digit is more than 3.32 bits: fewer need no counting.
	if d.Coef().BitLen() > 435_000 && intDigits(d) > maxNumericDigits {
		return d, errNumericOverflow()
	}
	return d, nil
}

// intDigits is how many digits stand before the point.
func intDigits(d fqgw.Decimal) int {
	s := d.Coef().String()
	return len(strings.TrimPrefix(s, "-")) - int(d.Scale())
}

func parseBool(s string) (value, error) {
	low := strings.ToLower(strings.TrimSpace(s))
	for _, w := range []struct {
		word  string
		least int
		b     bool
	}{{"true", 1, true}, {"false", 1, false}, {"yes", 1, true}, {"no", 1, false}, {"on", 2, true}, {"off", 2, false}, {"1", 1, true}, {"0", 1, false}} {
		if len(low) >= w.least && strings.HasPrefix(w.word, low) {
			return fqgw.BoolValue(w.b), nil
		}
	}
	return fqgw.Null, badText(fqgw.Bool, s)
}

func parseBytea(s string) (value, error) {
	if rest, ok := strings.CutPrefix(s, `\x`); ok {
		return decodeHex(rest)
	}
	return decodeEscape(s, func() *fqgw.Error {
		return fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type bytea")
	})
}

func decodeHex(s string) (value, error) {
	out := make([]byte, 0, len(s)/2)
	for i := 0; i < len(s); {
		if isSpace(s[i]) {
			i++
			continue
		}
		if !isHex(s[i]) {
			r, _ := utf8.DecodeRuneInString(s[i:])
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid hexadecimal digit: \"%c\"", r)
		}
		if i+1 >= len(s) {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid hexadecimal data: odd number of digits")
		}
		if !isHex(s[i+1]) {
			r, _ := utf8.DecodeRuneInString(s[i+1:])
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid hexadecimal digit: \"%c\"", r)
		}
		out, _ = hex.AppendDecode(out, []byte(s[i:i+2]))
		i += 2
	}
	return fqgw.BytesValue(string(out)), nil
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// decodeEscape reads bytea's escape format: \\ and \ooo.
func decodeEscape(s string, bad func() *fqgw.Error) (value, error) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
		case i+1 < len(s) && s[i+1] == '\\':
			out = append(out, '\\')
			i++
		case i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '3' && isOctal(s[i+2]) && isOctal(s[i+3]):
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
		default:
			return fqgw.Null, bad()
		}
	}
	return fqgw.BytesValue(string(out)), nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

var typesBySQL = func() map[string]fqgw.Type {
	m := map[string]fqgw.Type{
		"int": fqgw.Int4, "decimal": fqgw.Numeric, "dec": fqgw.Numeric, "float": fqgw.Float8,
		"timestamp": fqgw.Timestamp, "time": fqgw.Time, "char": fqgw.BPChar,
	}
	fqgw.Types(func(t fqgw.Type) {
		if n := t.PgName(); n != "char" {
			m[n] = t
		}
		m[t.String()] = t
	})
	for n, t := range m {
		if a := t.Array(); a.OID != 0 {
			m[n+"[]"] = a
		}
	}
	return m
}()

// typeBySQL finds a type by its SQL spelling, without a modifier.
func typeBySQL(s string) (fqgw.Type, bool) {
	s = strings.Join(strings.Fields(s), " ")
	if !strings.HasPrefix(s, `"`) {
		s = strings.ToLower(s)
	}
	s = strings.TrimPrefix(s, "pg_catalog.")
	if i, j := strings.IndexByte(s, '('), strings.IndexByte(s, ')'); i > 0 && j > i {
		s = strings.TrimSpace(s[:i]) + s[j+1:]
	}
	if t, ok := typesBySQL[s]; ok {
		return t, true
	}
	t, ok := typesBySQL[strings.Trim(s, `"`)]
	return t, ok && s != `"int"`
}
