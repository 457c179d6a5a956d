package fqgw

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// Decimal is PostgreSQL's numeric: an exact decimal with a display scale, or
// NaN, or an infinity. The zero Decimal is 0. Decimals are immutable; the
// results of arithmetic carry the display scale that PostgreSQL gives them.
type Decimal struct {
	coef  *big.Int // the unscaled value; nil is zero. Never written after creation.
	scale int32    // digits behind the point that are shown, >= 0
	form  decimalForm
}

type decimalForm uint8

const (
	finite decimalForm = iota
	nan
	posInf
	negInf
)

// The special numerics.
var (
	DecimalNaN    = Decimal{form: nan}
	DecimalInf    = Decimal{form: posInf}
	DecimalNegInf = Decimal{form: negInf}
)

var bigZero = new(big.Int)

// MaxScale is PostgreSQL's greatest display scale.
const MaxScale = 16383

// NewDecimal is coef * 10^-scale; it takes ownership of coef. scale must be >= 0.
func NewDecimal(coef *big.Int, scale int32) Decimal { return Decimal{coef: coef, scale: scale} }

// DecimalFromInt is i with scale 0.
func DecimalFromInt(i int64) Decimal { return Decimal{coef: big.NewInt(i)} }

// DecimalFromFloat converts as PostgreSQL's float8::numeric does: 15 significant digits.
func DecimalFromFloat(f float64) Decimal { return decimalFromDigits(f, 15) }

// DecimalFromFloat4 converts as float4::numeric does: 6 significant digits.
func DecimalFromFloat4(f float64) Decimal { return decimalFromDigits(f, 6) }

func decimalFromDigits(f float64, digits int) Decimal {
	switch {
	case math.IsNaN(f):
		return DecimalNaN
	case math.IsInf(f, 1):
		return DecimalInf
	case math.IsInf(f, -1):
		return DecimalNegInf
	}
	d, _ := ParseDecimal(strconv.FormatFloat(f, 'g', digits, 64))
	return d.TrimScale()
}

// ParseDecimal reads PostgreSQL's text form of a numeric; spaces around it are
// allowed. ok is false when s is none, or when its exponent is out of range.
func ParseDecimal(s string) (d Decimal, ok bool) {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "nan":
		return DecimalNaN, true
	case "inf", "infinity", "+inf", "+infinity":
		return DecimalInf, true
	case "-inf", "-infinity":
		return DecimalNegInf, true
	}
	mant, exp := s, int64(0)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.ParseInt(s[i+1:], 10, 32)
		if err != nil || e > 131072 || e < -16383 {
			return Decimal{}, false
		}
		mant, exp = s[:i], e
	}
	neg := false
	if mant != "" && (mant[0] == '-' || mant[0] == '+') {
		neg, mant = mant[0] == '-', mant[1:]
	}
	whole, frac, _ := strings.Cut(mant, ".")
	digits := whole + frac
	if digits == "" || len(digits) > 150000 {
		return Decimal{}, false
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return Decimal{}, false
		}
	}
	coef, _ := new(big.Int).SetString(digits, 10)
	if neg {
		coef.Neg(coef)
	}
	scale := int64(len(frac)) - exp
	if scale < 0 {
		coef.Mul(coef, pow10(int32(-scale)))
		scale = 0
	}
	if scale > MaxScale {
		return Decimal{}, false
	}
	return Decimal{coef: coef, scale: int32(scale)}, true
}

func (d Decimal) big() *big.Int {
	if d.coef == nil {
		return bigZero
	}
	return d.coef
}

// Coef is the unscaled value; the caller must not change it.
func (d Decimal) Coef() *big.Int { return d.big() }

// Scale is the number of digits behind the point.
func (d Decimal) Scale() int32 { return d.scale }
func (d Decimal) IsNaN() bool  { return d.form == nan }
func (d Decimal) IsInf() bool  { return d.form == posInf || d.form == negInf }
func (d Decimal) Finite() bool { return d.form == finite }
func (d Decimal) infSign() int { return map[decimalForm]int{posInf: 1, negInf: -1}[d.form] }

// powers are the commonest powers of ten.
var powers = func() (p [40]*big.Int) {
	for i := range p {
		p[i] = new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(i)), nil)
	}
	return p
}()

// pow10 is 10^n for n >= 0; the caller does not change it.
func pow10(n int32) *big.Int {
	if int(n) < len(powers) {
		return powers[n]
	}
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

func (d Decimal) IsZero() bool { return d.form == finite && d.big().Sign() == 0 }
func special(sign int) Decimal {
	return map[int]Decimal{1: DecimalInf, -1: DecimalNegInf, 0: DecimalNaN}[sign]
}
func (d Decimal) negative() bool { return d.Sign() < 0 }

// Sign is -1, 0 or 1; 0 for NaN.
func (d Decimal) Sign() int {
	if d.form != finite {
		return d.infSign()
	}
	return d.big().Sign()
}

// String is PostgreSQL's text form.
func (d Decimal) String() string {
	switch d.form {
	case nan:
		return "NaN"
	case posInf:
		return "Infinity"
	case negInf:
		return "-Infinity"
	}
	var buf [64]byte
	if s, ok := d.Short(); ok {
		return string(s.AppendText(buf[:0]))
	}
	return d.longString()
}

// longString is String of a finite number of any size.
func (d Decimal) longString() string {
	s := new(big.Int).Abs(d.big()).String()
	if n := int(d.scale); n > 0 {
		if len(s) <= n {
			s = strings.Repeat("0", n-len(s)+1) + s
		}
		s = s[:len(s)-n] + "." + s[len(s)-n:]
	}
	if d.big().Sign() < 0 {
		s = "-" + s
	}
	return s
}

// Cmp is PostgreSQL's order: NaN equals NaN and is above all, 1.0 equals 1.00.
func (d Decimal) Cmp(e Decimal) int {
	if d.form != finite || e.form != finite {
		rank := map[decimalForm]int{negInf: -1, finite: 0, posInf: 1, nan: 2}
		return btoi(rank[d.form] > rank[e.form]) - btoi(rank[d.form] < rank[e.form])
	}
	if s, t := d.big().Sign(), e.big().Sign(); s != t {
		return btoi(s > t) - btoi(s < t)
	}
	a, b := align(d, e)
	return a.Cmp(b)
}

func align(d, e Decimal) (a, b *big.Int) {
	a, b = d.big(), e.big()
	if d.scale < e.scale {
		a = new(big.Int).Mul(a, pow10(e.scale-d.scale))
	} else if e.scale < d.scale {
		b = new(big.Int).Mul(b, pow10(d.scale-e.scale))
	}
	return a, b
}

func (d Decimal) Neg() Decimal {
	switch d.form {
	case posInf:
		return DecimalNegInf
	case negInf:
		return DecimalInf
	case nan:
		return d
	}
	return Decimal{coef: new(big.Int).Neg(d.big()), scale: d.scale}
}

func (d Decimal) Abs() Decimal {
	if d.negative() {
		return d.Neg()
	}
	return d
}

// Add is d + e with the greater scale of the two; Inf + -Inf is NaN.
func (d Decimal) Add(e Decimal) Decimal {
	if d.form != finite || e.form != finite {
		if d.form == nan || e.form == nan || d.infSign()*e.infSign() < 0 {
			return DecimalNaN
		}
		return special(btoi(d.infSign()+e.infSign() > 0) - btoi(d.infSign()+e.infSign() < 0))
	}
	a, b := align(d, e)
	return Decimal{coef: new(big.Int).Add(a, b), scale: max(d.scale, e.scale)}
}

func (d Decimal) Sub(e Decimal) Decimal { return d.Add(e.Neg()) }

// Mul is d * e with the sum of the scales; Inf * 0 is NaN.
func (d Decimal) Mul(e Decimal) Decimal {
	if d.form != finite || e.form != finite {
		if d.form == nan || e.form == nan {
			return DecimalNaN
		}
		return special(d.Sign() * e.Sign())
	}
	p := Decimal{coef: new(big.Int).Mul(d.big(), e.big()), scale: d.scale + e.scale}
	if p.scale > MaxScale {
		return p.Round(MaxScale)
	}
	return p
}

// Quo is d / e at the scale that PostgreSQL chooses (select_div_scale: at least
// 16 significant digits). ok is false on division by zero.
func (d Decimal) Quo(e Decimal) (q Decimal, ok bool) {
	switch {
	case d.form == nan || e.form == nan:
		return DecimalNaN, true
	case e.IsZero():
		return Decimal{}, false
	case d.IsInf() && e.IsInf():
		return DecimalNaN, true
	case d.IsInf():
		return special(d.Sign() * e.Sign()), true
	case e.IsInf():
		return Decimal{}, true
	}
	return d.QuoScale(e, divScale(d, e)), true
}

// QuoScale is d / e rounded half away from zero at the scale; both finite, e not zero.
func (d Decimal) QuoScale(e Decimal, scale int32) Decimal {
	if q, ok := d.quoShort(e, scale); ok {
		return q
	}
	num, den := new(big.Int), e.big()
	if shift := scale + e.scale - d.scale; shift >= 0 {
		num.Mul(d.big(), pow10(shift))
	} else {
		num.Set(d.big())
		den = new(big.Int).Mul(den, pow10(-shift))
	}
	return Decimal{coef: quoRound(num, den), scale: scale}
}

// quoShort is QuoScale where two words are enough, as for a mean.
func (d Decimal) quoShort(e Decimal, scale int32) (q Decimal, ok bool) {
	num, den := d.big(), e.big()
	shift := scale + e.scale - d.scale
	if shift < 0 || shift > 30 || num.BitLen() > 63 || den.BitLen() > 63 {
		return Decimal{}, false
	}
	n, by := num.Int64(), den.Int64()
	c1, c0, ok := quoWords(n, by, shift)
	if !ok {
		return Decimal{}, false
	}
	return ShortDecimal{High: c1, Low: c0, Scale: scale, Negative: n < 0 != (by < 0)}.Decimal(), true
}

// quoWords is |n * 10^shift / by|, rounded half up, in two words.
func quoWords(n, by int64, shift int32) (high, low uint64, ok bool) {
	of := uint64(max(by, -by))
	const most = 19 // 10^19 is a word
	if shift > 2*most {
		return 0, 0, false
	}
	more, digits := bits.Mul64(uint64(max(n, -n)), pow10(max(shift-most, 0)).Uint64())
	if more > 0 {
		return 0, 0, false
	}
	h, l := bits.Mul64(digits, pow10(min(shift, most)).Uint64())
	high, rest := h/of, h%of
	low, rest = bits.Div64(rest, l, of)
	if rest >= of-rest {
		var carry uint64
		low, carry = bits.Add64(low, 1, 0)
		high += carry
	}
	return high, low, true
}

// divScale follows select_div_scale of PostgreSQL's numeric.c, which counts in
// base-10000 digits.
func divScale(d, e Decimal) int32 {
	w1, f1 := firstDigit(d)
	w2, f2 := firstDigit(e)
	return min(max(scaleOf(w1, f1, w2, f2), d.scale, e.scale), 1000)
}

// scaleOf is the scale of a quotient of integers with those first digits.
func scaleOf(w1, f1, w2, f2 int32) int32 {
	qweight := w1 - w2
	if f1 <= f2 {
		qweight--
	}
	return max(16-qweight*4, 0)
}

// firstDigitOf is firstDigit of an integer.
func firstDigitOf(n uint64) (weight, digit int32) {
	for ; n >= 10_000; n /= 10_000 {
		weight++
	}
	return weight, int32(n)
}

// firstDigit is the weight of the leading non-zero base-10000 digit, and that digit.
func firstDigit(d Decimal) (weight, digit int32) {
	if d.IsZero() {
		return 0, 0
	}
	c := d.big()
	if d.scale == 0 && c.IsInt64() {
		return firstDigitOf(uint64(max(c.Int64(), -c.Int64())))
	}
	var buf [24]byte
	var s []byte
	if c.IsInt64() {
		s = strconv.AppendInt(buf[:0], c.Int64(), 10)
	} else {
		s = c.Append(buf[:0], 10)
	}
	if s[0] == '-' {
		s = s[1:]
	}
	exp := int32(len(s)) - 1 - d.scale // power of ten of the first digit
	weight = exp / 4
	if exp < 0 && exp%4 != 0 {
		weight--
	}
	for n := exp - weight*4 + 1; n > 0; n-- {
		digit *= 10
		if len(s) > 0 {
			digit, s = digit+int32(s[0]-'0'), s[1:]
		}
	}
	return weight, digit
}

// Rem is d modulo e with d's sign, as PostgreSQL's %; false on division by zero.
func (d Decimal) Rem(e Decimal) (Decimal, bool) {
	switch {
	case d.form == nan || e.form == nan:
		return DecimalNaN, true
	case e.IsZero():
		return Decimal{}, false
	case d.IsInf():
		return DecimalNaN, true
	case e.IsInf():
		return d, true
	}
	a, b := align(d, e)
	return Decimal{coef: new(big.Int).Rem(a, b), scale: max(d.scale, e.scale)}, true
}

// quoRound is num/den rounded half away from zero; it consumes its arguments.
func quoRound(num, den *big.Int) *big.Int {
	neg := num.Sign()*den.Sign() < 0
	num.Abs(num)
	if den.Sign() < 0 {
		den = new(big.Int).Neg(den)
	}
	q, r := new(big.Int).QuoRem(num, den, new(big.Int))
	if r.Lsh(r, 1).Cmp(den) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	if neg {
		q.Neg(q)
	}
	return q
}

// Round rounds half away from zero to scale digits behind the point; a negative
// scale rounds before the point. The display scale becomes max(scale, 0).
func (d Decimal) Round(scale int32) Decimal {
	if d.form != finite {
		return d
	}
	show := max(scale, 0)
	if scale >= d.scale {
		return Decimal{coef: new(big.Int).Mul(d.big(), pow10(scale-d.scale)), scale: show}
	}
	q := quoRound(new(big.Int).Set(d.big()), pow10(d.scale-scale))
	if scale < 0 {
		q.Mul(q, pow10(-scale))
	}
	return Decimal{coef: q, scale: show}
}

// Trunc cuts towards zero at scale digits, otherwise as Round.
func (d Decimal) Trunc(scale int32) Decimal {
	if d.form != finite || scale >= d.scale {
		return d.Round(max(scale, 0))
	}
	q := new(big.Int).Quo(d.big(), pow10(d.scale-scale))
	if scale < 0 {
		q.Mul(q, pow10(-scale))
	}
	return Decimal{coef: q, scale: max(scale, 0)}
}

// Floor is the greatest integer not above d.
func (d Decimal) Floor() Decimal {
	t := d.Trunc(0)
	if t.Cmp(d) > 0 {
		return t.Sub(DecimalFromInt(1))
	}
	return t
}

// Ceil is the least integer not below d.
func (d Decimal) Ceil() Decimal { return d.Neg().Floor().Neg() }

// TrimScale drops the trailing zeros behind the point.
func (d Decimal) TrimScale() Decimal {
	if d.form != finite || d.scale == 0 {
		return d
	}
	c, s, ten, r := new(big.Int).Set(d.big()), d.scale, big.NewInt(10), new(big.Int)
	for s > 0 {
		q, m := new(big.Int).QuoRem(c, ten, r)
		if m.Sign() != 0 {
			break
		}
		c, s = q, s-1
	}
	return Decimal{coef: c, scale: s}
}

// Float is the nearest float64.
func (d Decimal) Float() float64 {
	switch d.form {
	case nan:
		return math.NaN()
	case posInf:
		return math.Inf(1)
	case negInf:
		return math.Inf(-1)
	}
	if f, ok := d.floatShort(); ok {
		return f
	}
	f, _ := strconv.ParseFloat(d.String(), 64)
	return f
}

// floatShort is Float where the coefficient has two words and the power of ten one, as
// for a mean.
func (d Decimal) floatShort() (f float64, ok bool) {
	c := d.big()
	n := c.BitLen()
	if n == 0 || n > 128 || d.scale > 19 || bits.UintSize != 64 {
		return 0, n == 0
	}
	s, _ := d.Short()
	if f = floatOf(s.High, s.Low, d.scale); s.Negative {
		f = -f
	}
	return f, true
}

// floatOf is the nearest float64 to a number of two words, other than zero, over a power
// of ten that is a word.
func floatOf(high, low uint64, scale int32) float64 {
	// With their highest bits set, and the number halved, the quotient has 63 or 64 bits;
	// the last stands for the rest as well, so that the conversion rounds once.
	by := pow10(scale).Uint64()
	up, down := uint(bits.LeadingZeros64(high)), uint(bits.LeadingZeros64(by))
	if high == 0 {
		up = 64 + uint(bits.LeadingZeros64(low))
		high, low = low<<(up-64), 0
	} else if up > 0 {
		high, low = high<<up|low>>(64-up), low<<up
	}
	q, rest := bits.Div64(high>>1, high<<63|low>>1, by<<down)
	if rest != 0 || low&1 == 1 {
		q |= 1
	}
	return math.Ldexp(float64(q), int(down)+1-int(up))
}

// MeanFloat is the double nearest to the numeric sum / n, which has the scale that
// Quo chooses; n is not zero.
func MeanFloat(sum, n int64) float64 {
	w1, f1 := firstDigitOf(uint64(max(sum, -sum)))
	w2, f2 := firstDigitOf(uint64(n))
	scale := scaleOf(w1, f1, w2, f2)
	if sum == 0 {
		return 0
	}
	if high, low, ok := quoWords(sum, n, scale); ok && scale <= 19 && high|low != 0 {
		return math.Copysign(floatOf(high, low, scale), float64(sum))
	}
	q, _ := DecimalFromInt(sum).Quo(DecimalFromInt(n))
	return q.Float()
}

// Int64 is d rounded half away from zero; false when that does not fit or d is not finite.
func (d Decimal) Int64() (int64, bool) {
	if d.form != finite {
		return 0, false
	}
	r := d.Round(0).big()
	return r.Int64(), r.IsInt64()
}
