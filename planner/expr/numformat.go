package expr

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// numFormat is a to_char template for numbers.
type numFormat struct {
	nodes []string // 9 0 . , D G S MI PL SG PR L TH th V EEEE, text with a leading quote
	pre   int      // digits before the point
	post  int      // digits behind it
	multi int      // digits behind V
	fm    bool
	exp   bool
	roman string // "RN" or "rn"
	pr    bool
	sign  int // of S: -1 before the number, 1 behind it, 0 none
	other bool
	point bool
	error error
}

var numKeys = []string{"EEEE", "FM", "MI", "PL", "SG", "PR", "RN", "TH", "9", "0", ".", ",", "D", "G", "S", "L", "V", "B", "C"}

func parseNumFormat(f string) numFormat {
	var n numFormat
	for i := 0; i < len(f); {
		if f[i] == '"' {
			end := strings.IndexByte(f[i+1:], '"')
			if end < 0 {
				end = len(f) - i - 1
			}
			n.nodes = append(n.nodes, "'"+f[i+1:i+1+end])
			i += end + 2
			continue
		}
		key, up := "", strings.ToUpper(f[i:])
		for _, k := range numKeys {
			if strings.HasPrefix(up, k) {
				key = k
				break
			}
		}
		if key == "" {
			n.nodes = append(n.nodes, "'"+f[i:i+1])
			i++
			continue
		}
		word := f[i : i+len(key)]
		i += len(key)
		switch key {
		case "9", "0":
			switch {
			case n.multi >= 0 && n.has("V"):
				n.multi++
				n.pre++
			case n.point:
				n.post++
			default:
				n.pre++
			}
		case ".", "D":
			if n.point {
				n.error = fqgw.Errorf(fqgw.CodeSyntax, "multiple decimal points")
			}
			n.point, key = true, "."
		case "G":
			key = ","
		case "FM":
			n.fm = true
			continue
		case "EEEE":
			n.exp = true
		case "RN":
			n.roman = word
		case "TH":
			key = word
		case "S":
			if n.sign != 0 {
				n.error = fqgw.Errorf(fqgw.CodeSyntax, "cannot use \"S\" twice")
			}
			if n.sign = 1; n.pre+n.post == 0 {
				n.sign = -1
			}
		case "PR":
			n.pr = true
		case "MI", "SG":
			n.other = true
		case "B":
			continue
		}
		n.nodes = append(n.nodes, key)
	}
	return n
}

func (n *numFormat) has(key string) bool {
	for _, k := range n.nodes {
		if k == key {
			return true
		}
	}
	return false
}

// charNumber is to_char of a number of type t.
func charNumber(t fqgw.Type) func(a, b value) (value, error) {
	return func(a, b value) (value, error) {
		f := parseNumFormat(b.Str())
		if f.error != nil {
			return fqgw.Null, f.error
		}
		var d fqgw.Decimal
		switch a.Kind() {
		case fqgw.KindInt:
			d = fqgw.DecimalFromInt(a.Int())
		case fqgw.KindFloat:
			digits := 15
			if t == fqgw.Float4 {
				digits = 6
			}
			d = fqgw.DecimalFromFloat(a.Float())
			if whole := len(strconv.FormatFloat(math.Trunc(math.Abs(a.Float())), 'f', 0, 64)); d.Finite() && !f.exp && f.multi == 0 {
				f.post = max(min(f.post, digits-whole), 0)
				d, _ = fqgw.ParseDecimal(strconv.FormatFloat(a.Float(), 'f', f.post, 64))
			}
		default:
			d = a.Numeric()
		}
		return fqgw.TextValue(f.format(d)), nil
	}
}

func (n *numFormat) format(d fqgw.Decimal) string {
	if n.roman != "" {
		return n.romanNumeral(d)
	}
	if n.exp {
		return n.scientific(d)
	}
	if n.multi > 0 && d.Finite() {
		d = fqgw.NewDecimal(new(big.Int).Mul(d.Coef(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.multi)), nil)), d.Scale())
	}
	whole, frac := "", ""
	overflow := !d.Finite()
	if !overflow {
		r := d.Round(int32(n.post))
		neg := r.Sign() < 0
		whole, frac, _ = strings.Cut(r.Abs().String(), ".")
		whole = strings.TrimLeft(whole, "0")
		if len(whole) > n.pre {
			overflow = true
		}
		if !neg && r.IsZero() && d.Sign() < 0 {
			d = d.Abs()
		}
	}
	if overflow {
		whole, frac = strings.Repeat("#", n.pre), strings.Repeat("#", n.post)
	}
	return n.lay(whole, frac, d.Sign() < 0, overflow)
}

// lay puts digits into the template.
func (n *numFormat) lay(whole, frac string, negative, overflow bool) string {
	start := n.pre - len(whole) // the first slot that prints
	slot := 0
	for _, k := range n.nodes {
		if k == "0" && slot < n.pre {
			start = min(start, slot)
			break
		}
		if k == "9" || k == "0" {
			slot++
		}
		if k == "." {
			break
		}
	}
	if start == n.pre && n.pre > 0 && (n.post == 0 || n.fm && strings.Trim(frac, "0") == "" && n.lastZeroSlot() == 0) {
		start = n.pre - 1
	}
	keep := len(frac)
	if n.fm && !overflow { // trailing zeros of 9s go
		keep = n.lastZeroSlot()
		for i := keep; i < len(frac); i++ {
			if frac[i] != '0' {
				keep = i + 1
			}
		}
	}
	var b strings.Builder
	slot, post := 0, 0
	signed, point := false, false
	sign := func() {
		if signed {
			return
		}
		signed = true
		switch {
		case n.pr && negative:
			b.WriteByte('<')
		case n.sign < 0 && negative, n.sign == 0 && !n.other && !n.pr && negative:
			b.WriteByte('-')
		case n.sign < 0:
			b.WriteByte('+')
		case (n.pr || n.sign == 0 && !n.other) && !n.fm:
			b.WriteByte(' ')
		}
	}
	for _, k := range n.nodes {
		switch k {
		case "9", "0":
			if point {
				sign()
				if post < len(frac) && post < keep {
					b.WriteByte(frac[post])
				}
				post++
				continue
			}
			if slot < start {
				if !n.fm {
					b.WriteByte(' ')
				}
			} else {
				sign()
				if i := slot - (n.pre - len(whole)); i >= 0 {
					b.WriteByte(whole[i])
				} else {
					b.WriteByte('0')
				}
			}
			slot++
		case ".":
			sign()
			point = true
			b.WriteByte('.')
		case ",":
			switch {
			case slot > start || slot == start && signed:
				b.WriteByte(',')
			case !n.fm:
				b.WriteByte(' ')
			}
		case "S":
			if n.sign > 0 {
				b.WriteByte("+-"[boolInt(negative)])
			}
		case "MI":
			if negative {
				b.WriteByte('-')
			} else if !n.fm {
				b.WriteByte(' ')
			}
		case "PL":
			if !negative {
				b.WriteByte('+')
			} else if !n.fm {
				b.WriteByte(' ')
			}
		case "SG":
			b.WriteByte("+-"[boolInt(negative)])
		case "PR":
			if negative {
				b.WriteByte('>')
			} else if !n.fm {
				b.WriteByte(' ')
			}
		case "L", "C":
			b.WriteByte(' ')
		case "TH", "th":
			if !negative && n.post == 0 && !overflow {
				b.WriteString(ordinal(whole, k[0]))
			}
		case "V":
		default:
			b.WriteString(k[1:])
		}
	}
	return b.String()
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lastZeroSlot is how many digits behind the point a 0 in the template keeps.
func (n *numFormat) lastZeroSlot() int {
	keep, post, point := 0, 0, false
	for _, k := range n.nodes {
		switch {
		case k == ".":
			point = true
		case point && (k == "9" || k == "0"):
			if post++; k == "0" {
				keep = post
			}
		}
	}
	return keep
}

func (n *numFormat) scientific(d fqgw.Decimal) string {
	if !d.Finite() {
		return strings.Repeat("#", n.pre+n.post+6)
	}
	exp := 0
	if !d.IsZero() {
		exp = decWeight(d)
	}
	// Digits d.ddd, rounded; 9.99 may round up to 10.0.
	m := scaleTen(d.Abs(), -exp).Round(int32(n.post))
	if intDigits(m) > 1 {
		exp++
		m = scaleTen(d.Abs(), -exp).Round(int32(n.post))
	}
	s := m.String()
	sign := " "
	if d.Sign() < 0 {
		sign = "-"
	} else if n.fm {
		sign = ""
	}
	e := "+"
	if exp < 0 {
		e, exp = "-", -exp
	}
	return sign + s + "e" + e + string(two(nil, int64(exp)))
}

// scaleTen is d * 10^n, exactly.
func scaleTen(d fqgw.Decimal, n int) fqgw.Decimal {
	if n >= 0 {
		return fqgw.NewDecimal(new(big.Int).Mul(d.Coef(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)), d.Scale())
	}
	return fqgw.NewDecimal(new(big.Int).Set(d.Coef()), d.Scale()+int32(-n))
}

func (n *numFormat) romanNumeral(d fqgw.Decimal) string {
	v, ok := d.Int64()
	s := strings.Repeat("#", 15)
	if ok && v >= 1 && v <= 3999 {
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
		s = b.String()
	}
	if n.roman == "rn" {
		s = strings.ToLower(s)
	}
	if n.fm {
		return s
	}
	return strings.Repeat(" ", max(15-len(s), 0)) + s
}

// toNumber reads a number written by a template; what is no part of one is passed over.
func toNumber(a, b value) (value, error) {
	f := parseNumFormat(b.Str())
	if f.error != nil {
		return fqgw.Null, f.error
	}
	var digits strings.Builder
	neg, point := false, false
	for _, c := range a.Str() {
		switch {
		case c == '-' || c == '<':
			neg = true
		case c >= '0' && c <= '9':
			digits.WriteRune(c)
		case c == '.' && !point && f.point:
			point = true
			digits.WriteRune(c)
		}
	}
	d, ok := fqgw.ParseDecimal(digits.String())
	if !ok {
		return fqgw.Null, badText(fqgw.Numeric, a.Str())
	}
	if d = d.Round(int32(f.post)); neg {
		d = d.Neg()
	}
	if f.multi > 0 {
		d = scaleTen(d, -f.multi)
	}
	return fqgw.NumericValue(d), nil
}
