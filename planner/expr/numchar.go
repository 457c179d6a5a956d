package expr

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// charNumber is to_char of a number of type t.
func charNumber(t fqgw.Type) func(a, b value) (value, error) {
	return func(a, b value) (value, error) {
		f, err := parseNumFormat(b.Str())
		if err != nil {
			return fqgw.Null, err
		}
		s, err := f.print(a, t)
		if err != nil {
			return fqgw.Null, err
		}
		return fqgw.TextValue(s), nil
	}
}

func (n *numFormat) print(a value, t fqgw.Type) (string, error) {
	if n.roman {
		whole, err := romanNumber(a)
		if err != nil {
			return "", err
		}
		// Of the rest of the template only text and spaces are left.
		return (&numFormat{nodes: n.nodes, fm: n.fm, roman: true}).lay(roman(whole), false)
	}
	if n.exp {
		return n.scientific(a, t), nil
	}
	digits, err := n.digits(a, t)
	if err != nil {
		return "", err
	}
	number, negative := strings.CutPrefix(digits, "-")
	f := *n
	if n.v {
		f.pre += n.multi
	}
	return f.lay(number, negative)
}

// digits is the number with the digits behind its point that the template has.
func (n *numFormat) digits(a value, t fqgw.Type) (string, error) {
	switch a.Kind() {
	case fqgw.KindInt:
		v := a.Int()
		if n.v {
			scaled := new(big.Int).Mul(big.NewInt(v), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.multi)), nil))
			v = scaled.Int64()
			if !scaled.IsInt64() || t == fqgw.Int4 && int64(int32(v)) != v {
				return "", outOfRange(t)
			}
		}
		s := strconv.FormatInt(v, 10)
		if n.post > 0 {
			s += "." + strings.Repeat("0", n.post)
		}
		return s, nil
	case fqgw.KindFloat:
		v, most := a.Float(), 15
		if n.v {
			v *= math.Pow(10, float64(n.multi))
		}
		if t == fqgw.Float4 {
			v, most = float64(float32(v)), 6
		}
		finite := !math.IsNaN(v) && !math.IsInf(v, 0)
		whole := len(Text(fqgw.FloatValue(math.Abs(v)), fqgw.Float8, nil))
		if finite {
			whole = len(strconv.FormatFloat(math.Abs(v), 'f', 0, 64))
		}
		if n.post = max(min(n.post, most-whole), 0); !finite {
			return Text(fqgw.FloatValue(v), fqgw.Float8, nil), nil
		}
		return strconv.FormatFloat(v, 'f', n.post, 64), nil
	}
	d := a.Numeric()
	if n.v && d.Finite() {
		d = scaleTen(d, n.multi)
	}
	if !d.Finite() {
		return d.String(), nil
	}
	return d.Round(int32(n.post)).String(), nil
}

// scientific is d.ddde+dd; # where there are no digits.
func (n *numFormat) scientific(a value, t fqgw.Type) string {
	var d fqgw.Decimal
	switch a.Kind() {
	case fqgw.KindInt:
		if t == fqgw.Int4 {
			return n.scientific(fqgw.FloatValue(float64(a.Int())), fqgw.Float8)
		}
		d = fqgw.DecimalFromInt(a.Int())
	case fqgw.KindFloat:
		if f := a.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			if s := strconv.FormatFloat(f, 'e', n.post, 64); s[0] == '-' {
				return s
			} else {
				return " " + s
			}
		}
		d = fqgw.DecimalNaN
	default:
		d = a.Numeric()
	}
	if !d.Finite() {
		b := []byte(strings.Repeat("#", n.pre+n.post+6))
		b[0], b[n.pre+1] = ' ', '.'
		return string(b)
	}
	exp := 0
	if !d.IsZero() {
		exp = decWeight(d)
	}
	m := scaleTen(d.Abs(), -exp).Round(int32(n.post)) // 9.99 may round up to 10.0, and PostgreSQL leaves it so
	sign, e := " ", "+"
	if d.Sign() < 0 {
		sign = "-"
	}
	if exp < 0 {
		e, exp = "-", -exp
	}
	return sign + m.String() + "e" + e + string(two(nil, int64(exp)))
}

// scaleTen is d * 10^n, exactly.
func scaleTen(d fqgw.Decimal, n int) fqgw.Decimal {
	if n >= 0 {
		return fqgw.NewDecimal(new(big.Int).Mul(d.Coef(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)), d.Scale())
	}
	return fqgw.NewDecimal(new(big.Int).Set(d.Coef()), d.Scale()+int32(-n))
}

// romanNumber is the integer that RN writes.
func romanNumber(a value) (int64, error) {
	switch a.Kind() {
	case fqgw.KindInt:
		if v := a.Int(); int64(int32(v)) != v {
			return 0, outOfRange(fqgw.Int4)
		}
		return a.Int(), nil
	case fqgw.KindFloat:
		if f := math.RoundToEven(a.Float()); f >= 1 && f <= 3999 {
			return int64(f), nil
		}
		return 0, nil
	}
	v, err := toInt(a, fqgw.Numeric, fqgw.Int4)
	return v.Int(), err
}

func roman(v int64) string {
	if v < 1 || v > 3999 {
		return strings.Repeat("#", 15)
	}
	var b strings.Builder
	for _, r := range []struct {
		n int64
		s string
	}{{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}} {
		for v >= r.n {
			b.WriteString(r.s)
			v -= r.n
		}
	}
	return b.String()
}

// numReader reads a number by a template.
type numReader struct {
	*numFormat
	in        string
	sign      byte
	digits    strings.Builder
	pre, post int  // digits that were read
	point     bool // the point was read
}

// toNumber is to_number(text, template).
func toNumber(a, b value) (value, error) {
	if b.Str() == "" {
		return fqgw.Null, nil
	}
	f, err := parseNumFormat(b.Str())
	switch {
	case err != nil:
		return fqgw.Null, err
	case f.exp:
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, `"EEEE" not supported for input`)
	case f.roman:
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, `"RN" not supported for input`)
	}
	r := &numReader{numFormat: f, in: a.Str(), sign: ' '}
	for _, n := range f.nodes {
		if r.in == "" {
			break
		}
		r.node(n)
	}
	text := string(r.sign) + strings.TrimSuffix(r.digits.String(), ".")
	v, err := parseNumeric(text)
	if err != nil {
		return fqgw.Null, err
	}
	d, err := fitNumeric(v.Numeric(), f.pre+f.multi+r.post, r.post)
	if err != nil {
		return fqgw.Null, err
	}
	if f.v {
		p, err := powNumeric(fqgw.DecimalFromInt(10), fqgw.DecimalFromInt(int64(-f.multi)))
		if err != nil {
			return fqgw.Null, err
		}
		return numericResult(d.Mul(p), nil)
	}
	return fqgw.NumericValue(d), nil
}

// skip passes over n characters at most, none of which may belong to a number.
func (r *numReader) skip(n int) {
	for ; n > 0 && r.in != "" && strings.IndexByte("0123456789.,+-", r.in[0]) < 0; n-- {
		_, size := utf8.DecodeRuneInString(r.in)
		r.in = r.in[size:]
	}
}

func (r *numReader) node(n numNode) {
	signs := ""
	switch n.key {
	case "":
		_, size := utf8.DecodeRuneInString(r.in)
		r.in = r.in[size:]
	case "9", "0", ".", "D":
		r.digit(n.key)
		if r.in != "" {
			r.in = r.in[1:]
		}
	case ",", "G":
		if !r.fm {
			r.in = strings.TrimPrefix(r.in, ",")
		}
	case "L":
		r.skip(1)
	case "TH":
		if r.sign != '-' && !r.numFormat.point {
			r.skip(2)
		}
	case "MI":
		signs = "-"
	case "PL":
		signs = "+"
	case "SG":
		signs = "-+"
	}
	if signs == "" {
		return
	}
	if strings.IndexByte(signs, r.in[0]) >= 0 {
		r.sign, r.in = r.in[0], r.in[1:]
	} else {
		r.skip(1)
	}
}

// digit reads what one slot may hold: a sign before the first digit, a digit or
// the point, a sign behind the last digit. It leaves the last character to the caller.
func (r *numReader) digit(key string) {
	if r.in[0] == ' ' {
		r.in = r.in[1:]
	}
	if r.in == "" {
		return
	}
	if r.sign == ' ' && (key == "0" || key == "9") && r.pre+r.post == 0 {
		c := r.in[0]
		leading := r.numFormat.sign && !r.signBehind
		switch {
		case c == '-' || c == '<' && r.bracket && !leading:
			r.sign, r.in = '-', r.in[1:]
		case c == '+':
			r.sign, r.in = '+', r.in[1:]
		}
	}
	if r.in == "" {
		return
	}
	read := false
	switch c := r.in[0]; {
	case isDigit(c):
		if r.point && r.post == r.numFormat.post {
			return
		}
		r.digits.WriteByte(c)
		if r.point {
			r.post++
		} else {
			r.pre++
		}
		read = true
	case c == '.' && r.numFormat.point && !r.point:
		r.digits.WriteByte('.')
		r.point, read = true, true
	}
	if r.sign != ' ' || r.pre+r.post == 0 {
		return
	}
	switch {
	case r.numFormat.sign && read:
		if len(r.in) > 1 && (r.in[1] == '-' || r.in[1] == '+') {
			r.sign, r.in = r.in[1], r.in[1:]
		}
	case !read && (r.plus || r.minus) && (r.in[0] == '-' || r.in[0] == '+'):
		r.sign = r.in[0]
	}
}
