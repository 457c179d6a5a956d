package expr

import (
	"math"
	"math/big"

	"github.com/fqgw/fqgw"
)

// The transcendental functions of numeric: computed in binary floats wide enough
// for the digits that PostgreSQL shows, then rounded to its display scale.

const (
	minSigDigits    = 16                // PostgreSQL's NUMERIC_MIN_SIG_DIGITS
	maxDisplayScale = 1000              // NUMERIC_MAX_DISPLAY_SCALE
	maxExponent     = 6000              // NUMERIC_MAX_RESULT_SCALE * 3: e to the power of it overflows
	log10E          = 0.434294481903252 // as PostgreSQL rounds it: it decides scales
)

// decWeight is the power of ten of the first digit; 0 for zero.
func decWeight(d fqgw.Decimal) int {
	if d.IsZero() {
		return 0
	}
	return intDigits(d) - 1
}

// base10000 is the weight of the first base-10000 digit, as numeric.c counts.
func base10000(d fqgw.Decimal) int {
	if d.IsZero() {
		return 0
	}
	return int(fqgw.FloorDiv(int64(decWeight(d)), 4))
}

func displayScale(scale int, args ...fqgw.Decimal) int32 {
	for _, a := range args {
		scale = max(scale, int(a.Scale()))
	}
	return int32(min(max(scale, 0), maxDisplayScale))
}

func toBig(d fqgw.Decimal, prec uint) *big.Float {
	f, _, err := big.ParseFloat(d.String(), 10, prec, big.ToNearestEven)
	if err != nil {
		return new(big.Float).SetPrec(prec)
	}
	return f
}

func fromBig(f *big.Float, scale int32) fqgw.Decimal {
	d, _ := fqgw.ParseDecimal(f.Text('f', int(scale)+4))
	return d.Round(scale)
}

func sqrtNumeric(d fqgw.Decimal) (fqgw.Decimal, error) {
	switch {
	case d.Sign() < 0:
		return d, fqgw.Errorf("2201F", "cannot take square root of a negative number")
	case !d.Finite():
		return d, nil
	case d.IsZero():
		return fqgw.NewDecimal(new(big.Int), displayScale(minSigDigits-1, d)), nil
	}
	var sweight int
	if w := base10000(d); w < 0 {
		sweight = int(fqgw.FloorDiv(int64(w+1)*4, 2)) - 1
	} else {
		sweight = (w+1)*2 - 1
	}
	scale := displayScale(minSigDigits-sweight, d)
	// The integer root of d * 10^(2*scale), rounded.
	n := d.Round(max(d.Scale(), 2*scale))
	c := new(big.Int).Set(n.Coef())
	if extra := 2*scale - n.Scale(); extra < 0 && extra%2 != 0 {
		c.Mul(c, big.NewInt(10))
		n = fqgw.NewDecimal(c, n.Scale()+1)
	}
	shift := n.Scale()/2 - scale // the root has n.Scale/2 digits
	root := new(big.Int).Sqrt(new(big.Int).Mul(c, big.NewInt(100)))
	r := fqgw.NewDecimal(root, n.Scale()/2+1)
	_ = shift
	return r.Round(scale), nil
}

// lnBig is the natural logarithm of x > 0.
func lnBig(x *big.Float, prec uint) *big.Float {
	work := prec + 64
	m := new(big.Float).SetPrec(work)
	exp := x.MantExp(m) // x = m * 2^exp, 0.5 <= m < 1
	m.SetPrec(work)
	// atanh series around a value near 1: take the square root a few times.
	k := 0
	one := big.NewFloat(1).SetPrec(work)
	for k < 12 {
		m = new(big.Float).SetPrec(work).Sqrt(m)
		k++
	}
	y := new(big.Float).SetPrec(work).Quo(new(big.Float).SetPrec(work).Sub(m, one), new(big.Float).SetPrec(work).Add(m, one))
	sum := atanhBig(y, work)
	sum.SetMantExp(sum, k+1) // * 2 * 2^k
	ln2 := ln2Big(work)
	return sum.Add(sum, ln2.Mul(ln2, new(big.Float).SetPrec(work).SetInt64(int64(exp))))
}

func atanhBig(y *big.Float, prec uint) *big.Float {
	sum, term := new(big.Float).SetPrec(prec).Set(y), new(big.Float).SetPrec(prec).Set(y)
	sq := new(big.Float).SetPrec(prec).Mul(y, y)
	if y.Sign() == 0 {
		return sum
	}
	for n := int64(3); ; n += 2 {
		term.Mul(term, sq)
		t := new(big.Float).SetPrec(prec).Quo(term, new(big.Float).SetInt64(n))
		if t.Sign() == 0 || t.MantExp(nil) < sum.MantExp(nil)-int(prec) {
			return sum
		}
		sum.Add(sum, t)
	}
}

func ln2Big(prec uint) *big.Float {
	third := new(big.Float).SetPrec(prec).Quo(big.NewFloat(1).SetPrec(prec), big.NewFloat(3))
	r := atanhBig(third, prec)
	return r.SetMantExp(r, 1)
}

// expBig is e^x.
func expBig(x *big.Float, prec uint) *big.Float {
	work := prec + 64
	if e := x.MantExp(nil); e > 0 {
		work += uint(e)
	}
	ln2 := ln2Big(work)
	k64, _ := new(big.Float).SetPrec(work).Quo(x, ln2).Float64()
	k := int(math.Round(k64))
	r := new(big.Float).SetPrec(work).Sub(x, new(big.Float).SetPrec(work).Mul(ln2, new(big.Float).SetInt64(int64(k))))
	const halvings = 16
	r.SetMantExp(r, -halvings)
	sum, term := big.NewFloat(1).SetPrec(work), big.NewFloat(1).SetPrec(work)
	for n := int64(1); n < 10000; n++ {
		term.Mul(term, r)
		term.Quo(term, new(big.Float).SetInt64(n))
		if term.Sign() == 0 || term.MantExp(nil) < -int(work) {
			break
		}
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum.SetMantExp(sum, k)
}

// lnWeight estimates the decimal weight of ln(d).
func lnWeight(d fqgw.Decimal) int {
	diff := d.Sub(fqgw.DecimalFromInt(1))
	if diff.IsZero() {
		return 0
	}
	if decWeight(diff) < -1 || diff.Abs().Float() <= 0.1 { // near 1, ln(x) is about x - 1
		return decWeight(diff)
	}
	return int(math.Log10(math.Abs(lnApprox(d))))
}

// lnApprox is ln(d) as a double, whatever d's size.
func lnApprox(d fqgw.Decimal) float64 {
	x := toBig(d, 80)
	m := new(big.Float)
	e := x.MantExp(m)
	f, _ := m.Float64()
	if e >= 0 && e <= 1 { // near 1: keep the digits of the difference
		diff, _ := new(big.Float).Sub(x, big.NewFloat(1)).Float64()
		if math.Abs(diff) < 0.5 {
			return math.Log1p(diff)
		}
	}
	return math.Log(f) + float64(e)*math.Ln2
}

func bitsFor(digits int) uint { return uint(max(digits, 16)*10/3 + 64) }

func logArgument(d fqgw.Decimal) error {
	switch {
	case d.IsZero():
		return fqgw.Errorf("2201E", "cannot take logarithm of zero")
	case d.Sign() < 0:
		return fqgw.Errorf("2201E", "cannot take logarithm of a negative number")
	}
	return nil
}

func lnNumeric(d fqgw.Decimal) (fqgw.Decimal, error) {
	if err := logArgument(d); err != nil || !d.Finite() {
		return d, err
	}
	scale := displayScale(minSigDigits-lnWeight(d), d)
	prec := bitsFor(int(scale) + 20)
	return fromBig(lnBig(toBig(d, prec+64), prec), scale), nil
}

// logNumeric is the logarithm of x to the base b.
func logNumeric(b, x fqgw.Decimal) (fqgw.Decimal, error) {
	if err := logArgument(b); err != nil {
		return b, err
	}
	if err := logArgument(x); err != nil {
		return x, err
	}
	if !b.Finite() || !x.Finite() {
		switch {
		case b.IsNaN() || x.IsNaN() || b.IsInf() && x.IsInf():
			return fqgw.DecimalNaN, nil
		case x.IsInf():
			return fqgw.DecimalInf, nil
		}
		return fqgw.Decimal{}, nil
	}
	one := fqgw.DecimalFromInt(1)
	if b.Cmp(one) == 0 {
		return x, divisionByZero()
	}
	scale := displayScale(minSigDigits-(lnWeight(x)-lnWeight(b)), b, x)
	near := max(0, -decWeight(b.Sub(one)), -decWeight(x.Sub(one))) // of 1: their difference has the digits
	prec := bitsFor(int(scale) + 60 + near)
	den := lnBig(toBig(b, prec), prec)
	return fromBig(new(big.Float).SetPrec(prec).Quo(lnBig(toBig(x, prec), prec), den), scale), nil
}

func expNumeric(d fqgw.Decimal) (fqgw.Decimal, error) {
	switch {
	case d.IsNaN():
		return d, nil
	case d.IsInf():
		if d.Sign() < 0 {
			return fqgw.Decimal{}, nil
		}
		return d, nil
	}
	weight := d.Float() * log10E
	if d.Float() >= maxExponent {
		return d, errNumericOverflow()
	}
	scale := minSigDigits - int(math.Trunc(max(weight, -maxDisplayScale)))
	s := displayScale(scale, d)
	if weight < -float64(maxDisplayScale)-10 {
		return fqgw.NewDecimal(new(big.Int), s), nil
	}
	prec := bitsFor(int(s) + int(max(weight, 0)) + 20)
	return fromBig(expBig(toBig(d, prec+32), prec), s), nil
}

// powNumeric is a raised to b.
func powNumeric(a, b fqgw.Decimal) (fqgw.Decimal, error) {
	one := fqgw.DecimalFromInt(1)
	whole := b.Finite() && b.Trunc(0).Cmp(b) == 0
	if !a.Finite() || !b.Finite() {
		return powSpecial(a, b, whole)
	}
	switch {
	case a.IsZero() && b.Sign() < 0:
		return a, fqgw.Errorf("2201F", "zero raised to a negative power is undefined")
	case a.Sign() < 0 && !whole:
		return a, fqgw.Errorf("2201F", "a negative number raised to a non-integer power yields a complex result")
	case a.IsZero() && b.Sign() == 0:
		return one.Round(minSigDigits), nil
	case a.IsZero():
		return fqgw.NewDecimal(new(big.Int), minSigDigits), nil
	}
	odd := whole && b.Trunc(0).Coef().Bit(0) == 1
	mag := a.Abs()
	weight := powWeight(mag, b)
	n, small := b.Int64()
	small = small && whole && n == int64(int32(n)) // by multiplying; else by logarithms
	if weight > maxNumericDigits || !small && weight >= maxExponent*log10E {
		return a, errNumericOverflow()
	}
	scale := powScale(a, b, whole, weight)
	if weight < -float64(scale)-10 {
		return fqgw.NewDecimal(new(big.Int), scale), nil
	}
	var r fqgw.Decimal
	if small && n >= 0 && n < 1<<20 && float64(mag.Coef().BitLen())*float64(n) < 1<<22 && int64(mag.Scale())*n < 1<<20 {
		r = fqgw.NewDecimal(new(big.Int).Exp(mag.Coef(), big.NewInt(n), nil), mag.Scale()*int32(n)).Round(scale)
	} else if small && weight >= maxExponent*log10E {
		r = fromBig(powBig(toBig(mag, bitsFor(int(weight)+int(scale)+40)), n), scale)
	} else {
		// The digits of b beyond those of the result do not show in it; a base near
		// 1 needs those of its difference.
		near := max(0, -decWeight(mag.Sub(one)))
		prec := bitsFor(int(scale) + int(max(weight, 0)) + 40 + near)
		l := lnBig(toBig(mag, prec), prec)
		r = fromBig(expBig(l.Mul(l, toBig(b, prec)), prec), scale)
	}
	if a.Sign() < 0 && odd {
		r = r.Neg()
	}
	return checkNumeric(r)
}

// powBig is x to the power of n > 0, in x's precision.
func powBig(x *big.Float, n int64) *big.Float {
	r := big.NewFloat(1).SetPrec(x.Prec())
	for sq := new(big.Float).Copy(x); n > 0; n >>= 1 {
		if n&1 == 1 {
			r.Mul(r, sq)
		}
		if n > 1 {
			sq.Mul(sq, sq)
		}
	}
	return r
}

// powWeight estimates the decimal weight of a power, in the low precision in
// which PostgreSQL does it.
func powWeight(a, b fqgw.Decimal) float64 {
	scale := int32(max(8-lnWeight(a), 0))
	near := bitsFor(40 + max(0, -decWeight(a.Sub(fqgw.DecimalFromInt(1))))) // of 1: the difference has the digits
	l := fromBig(lnBig(toBig(a, near), near), scale)
	return l.Mul(b).Round(scale).Float() * log10E
}

// powScale is the display scale of a power.
func powScale(a, b fqgw.Decimal, whole bool, weight float64) int32 {
	if n, ok := b.Int64(); whole && ok && n == int64(int32(n)) {
		return displayScale(minSigDigits, a)
	}
	return displayScale(minSigDigits-int(weight), a, b)
}

func powSpecial(a, b fqgw.Decimal, whole bool) (fqgw.Decimal, error) {
	one := fqgw.DecimalFromInt(1)
	switch {
	case a.Finite() && a.Cmp(one) == 0, b.Finite() && b.IsZero():
		return one, nil
	case a.IsNaN() || b.IsNaN():
		return fqgw.DecimalNaN, nil
	case b.IsInf():
		c := a.Abs().Cmp(one)
		switch {
		case a.IsZero() && b.Sign() < 0:
			return a, fqgw.Errorf("2201F", "zero raised to a negative power is undefined")
		case c == 0:
			return one, nil
		case c > 0 == (b.Sign() > 0):
			return fqgw.DecimalInf, nil
		}
		return fqgw.Decimal{}, nil
	case b.Sign() < 0:
		return fqgw.Decimal{}, nil
	case a.Sign() < 0 && !whole:
		return a, fqgw.Errorf("2201F", "a negative number raised to a non-integer power yields a complex result")
	case a.Sign() < 0 && b.Trunc(0).Coef().Bit(0) == 1:
		return fqgw.DecimalNegInf, nil
	}
	return fqgw.DecimalInf, nil
}
