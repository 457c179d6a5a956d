package expr

import (
	"math"
	"math/big"
	"math/rand/v2"

	"github.com/fqgw/fqgw"
)

func roundFloat(f float64) float64 { return math.RoundToEven(f) }

func signFloat(f float64) float64 {
	switch {
	case f > 0:
		return 1
	case f < 0:
		return -1
	}
	return 0
}

// domain raises where a function of one float is not defined or overflows.
func domain(f func(float64) float64, ok func(float64) bool) func(float64) (float64, error) {
	return func(x float64) (float64, error) {
		if math.IsNaN(x) {
			return x, nil
		}
		if ok != nil && !ok(x) {
			return 0, fqgw.Errorf(fqgw.CodeOutOfRange, "input is out of range")
		}
		r := f(x)
		if math.IsInf(r, 0) && !math.IsInf(x, 0) {
			return 0, errOverflow()
		}
		return r, nil
	}
}

func finiteInput(x float64) bool { return !math.IsInf(x, 0) }
func unitInput(x float64) bool   { return x >= -1 && x <= 1 }

func expFloat(x float64) (float64, error) {
	r := math.Exp(x)
	if math.IsInf(x, 0) {
		return r, nil
	}
	if math.IsInf(r, 0) {
		return 0, errOverflow()
	}
	if r == 0 {
		return 0, errUnderflow()
	}
	return r, nil
}

func logFloat(f func(float64) float64) func(float64) (float64, error) {
	return func(x float64) (float64, error) {
		if x == 0 {
			return 0, fqgw.Errorf("2201E", "cannot take logarithm of zero")
		}
		if x < 0 {
			return 0, fqgw.Errorf("2201E", "cannot take logarithm of a negative number")
		}
		return f(x), nil
	}
}

func atanh(x float64) (float64, error) {
	if x == 1 || x == -1 {
		return math.Inf(int(x)), nil
	}
	return domain(math.Atanh, unitInput)(x)
}

func gcdInt(t fqgw.Type) func(a, b int64) (int64, error) {
	return func(a, b int64) (int64, error) {
		g := new(big.Int).GCD(nil, nil, new(big.Int).Abs(big.NewInt(a)), new(big.Int).Abs(big.NewInt(b)))
		if !g.IsInt64() || intRange(g.Int64(), t) != nil {
			return 0, outOfRange(t)
		}
		return g.Int64(), nil
	}
}

func lcmInt(t fqgw.Type) func(a, b int64) (int64, error) {
	return func(a, b int64) (int64, error) {
		if a == 0 || b == 0 {
			return 0, nil
		}
		x, y := new(big.Int).Abs(big.NewInt(a)), new(big.Int).Abs(big.NewInt(b))
		l := new(big.Int).Mul(new(big.Int).Quo(x, new(big.Int).GCD(nil, nil, x, y)), y)
		if !l.IsInt64() || intRange(l.Int64(), t) != nil {
			return 0, outOfRange(t)
		}
		return l.Int64(), nil
	}
}

// gcdNumeric is the greatest number that both are whole multiples of.
func gcdNumeric(a, b fqgw.Decimal) (fqgw.Decimal, error) {
	if !a.Finite() || !b.Finite() {
		return fqgw.DecimalNaN, nil
	}
	s := max(a.Scale(), b.Scale())
	g := new(big.Int).GCD(nil, nil, a.Abs().Round(s).Coef(), b.Abs().Round(s).Coef())
	return fqgw.NewDecimal(g, s), nil
}

func lcmNumeric(a, b fqgw.Decimal) (fqgw.Decimal, error) {
	g, err := gcdNumeric(a, b)
	if err != nil || !g.Finite() {
		return g, err
	}
	s := g.Scale()
	if g.IsZero() || a.IsZero() || b.IsZero() {
		return fqgw.NewDecimal(new(big.Int), s), nil
	}
	x := new(big.Int).Quo(a.Abs().Round(s).Coef(), g.Coef())
	return checkNumeric(fqgw.NewDecimal(x.Mul(x, b.Abs().Round(s).Coef()), s))
}

func divToInt(a, b fqgw.Decimal) (fqgw.Decimal, error) {
	q, ok := a.Quo(b)
	if !ok {
		return q, divisionByZero()
	}
	if !a.Finite() || !b.Finite() || a.IsZero() {
		return q.Trunc(0), nil
	}
	// Exact: the quotient at the display scale may round up to a whole number.
	s := max(a.Scale(), b.Scale())
	x, y := a.Round(s).Coef(), b.Round(s).Coef()
	return fqgw.NewDecimal(new(big.Int).Quo(x, y), 0), nil
}

func factorial(a value) (value, error) {
	n := a.Int()
	if n < 0 {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "factorial of a negative number is undefined")
	}
	if n > 32177 {
		return fqgw.Null, errNumericOverflow()
	}
	return fqgw.NumericValue(fqgw.NewDecimal(new(big.Int).MulRange(1, max(n, 1)), 0)), nil
}

func numericDigits(f func(fqgw.Decimal, int32) fqgw.Decimal) func(a, b value) (value, error) {
	return func(a, b value) (value, error) {
		n := min(max(b.Int(), -131072), fqgw.MaxScale)
		return numericResult(checkNumeric(f(a.Numeric(), int32(n))))
	}
}

func numericValue1(f func(fqgw.Decimal) fqgw.Decimal) func(v value) value {
	return func(v value) value { return fqgw.NumericValue(f(v.Numeric())) }
}

// widthBucket is width_bucket(x, low, high, n).
func widthBucket(args []value) (value, error) {
	x, lo, hi, n := args[0].Float(), args[1].Float(), args[2].Float(), args[3].Int()
	switch {
	case n <= 0:
		return fqgw.Null, fqgw.Errorf("2201G", "count must be greater than zero")
	case math.IsNaN(x) || math.IsNaN(lo) || math.IsNaN(hi):
		return fqgw.Null, fqgw.Errorf("2201G", "operand, lower bound, and upper bound cannot be NaN")
	case math.IsInf(lo, 0) || math.IsInf(hi, 0):
		return fqgw.Null, fqgw.Errorf("2201G", "lower and upper bounds must be finite")
	case lo == hi:
		return fqgw.Null, fqgw.Errorf("2201G", "lower bound cannot equal upper bound")
	case lo < hi && x < lo, lo > hi && x > lo:
		return fqgw.IntValue(0), nil
	case lo < hi && x >= hi, lo > hi && x <= hi:
		return fqgw.IntValue(n + 1), nil
	}
	return fqgw.IntValue(int64(float64(n)*((x-lo)/(hi-lo))) + 1), nil
}

func mathFuncs() []def {
	out := []def{
		{"abs", "float4 float4", math.Abs}, {"abs", "float8 float8", math.Abs}, {"abs", "numeric numeric", numericValue1(fqgw.Decimal.Abs)},
		{"ceil", "float8 float8", math.Ceil}, {"ceiling", "float8 float8", math.Ceil}, {"floor", "float8 float8", math.Floor},
		{"ceil", "numeric numeric", numericValue1(fqgw.Decimal.Ceil)}, {"ceiling", "numeric numeric", numericValue1(fqgw.Decimal.Ceil)},
		{"floor", "numeric numeric", numericValue1(fqgw.Decimal.Floor)},
		{"round", "float8 float8", roundFloat}, {"trunc", "float8 float8", math.Trunc}, {"sign", "float8 float8", signFloat},
		{"round", "numeric numeric", numericValue1(func(d fqgw.Decimal) fqgw.Decimal { return d.Round(0) })},
		{"trunc", "numeric numeric", numericValue1(func(d fqgw.Decimal) fqgw.Decimal { return d.Trunc(0) })},
		{"round", "numeric int4 numeric", numericDigits(fqgw.Decimal.Round)}, {"trunc", "numeric int4 numeric", numericDigits(fqgw.Decimal.Trunc)},
		{"sign", "numeric numeric", numericValue1(func(d fqgw.Decimal) fqgw.Decimal {
			if d.IsNaN() {
				return d
			}
			return fqgw.DecimalFromInt(int64(d.Sign()))
		})},
		{"sqrt", "float8 float8", sqrtFloat}, {"sqrt", "numeric numeric", sqrtNumeric}, {"cbrt", "float8 float8", math.Cbrt},
		{"exp", "float8 float8", expFloat}, {"exp", "numeric numeric", expNumeric},
		{"ln", "float8 float8", logFloat(math.Log)}, {"ln", "numeric numeric", lnNumeric},
		{"log", "float8 float8", logFloat(math.Log10)}, {"log10", "float8 float8", logFloat(math.Log10)},
		{"log", "numeric numeric", log10Numeric}, {"log10", "numeric numeric", log10Numeric}, {"log", "numeric numeric numeric", logNumeric},
		{"power", "float8 float8 float8", powFloat}, {"pow", "float8 float8 float8", powFloat},
		{"power", "numeric numeric numeric", powNumeric}, {"pow", "numeric numeric numeric", powNumeric},
		{"mod", "numeric numeric numeric", modNumeric}, {"div", "numeric numeric numeric", divToInt},
		{"factorial", "int8 numeric", factorial}, {"pi", "float8", func([]value) (value, error) { return fqgw.FloatValue(math.Pi), nil }},
		{"random", "float8|v", func([]value) (value, error) { return fqgw.FloatValue(rand.Float64()), nil }},
		{"setseed", "float8 void|v", func(value) value { return fqgw.TextValue("") }},
		{"scale", "numeric int4", func(v value) value {
			if !v.Numeric().Finite() {
				return fqgw.Null
			}
			return fqgw.IntValue(int64(v.Numeric().Scale()))
		}},
		{"min_scale", "numeric int4", func(v value) value {
			if !v.Numeric().Finite() {
				return fqgw.Null
			}
			return fqgw.IntValue(int64(v.Numeric().TrimScale().Scale()))
		}},
		{"trim_scale", "numeric numeric", numericValue1(fqgw.Decimal.TrimScale)},
		{"gcd", "numeric numeric numeric", gcdNumeric}, {"lcm", "numeric numeric numeric", lcmNumeric},
		{"width_bucket", "float8 float8 float8 int4 int4", widthBucket},
		{"degrees", "float8 float8", domain(func(x float64) float64 { return x / (math.Pi / 180) }, nil)},
		{"radians", "float8 float8", domain(func(x float64) float64 { return x * (math.Pi / 180) }, nil)},
		{"sin", "float8 float8", domain(math.Sin, finiteInput)}, {"cos", "float8 float8", domain(math.Cos, finiteInput)},
		{"tan", "float8 float8", domain(math.Tan, finiteInput)}, {"asin", "float8 float8", domain(math.Asin, unitInput)},
		{"acos", "float8 float8", domain(math.Acos, unitInput)}, {"atan", "float8 float8", domain(math.Atan, nil)},
		{"cot", "float8 float8", func(x float64) (float64, error) { return 1 / math.Tan(x), nil }},
		{"atan2", "float8 float8 float8", func(a, b float64) (float64, error) { return math.Atan2(a, b), nil }},
		{"sinh", "float8 float8", math.Sinh}, {"cosh", "float8 float8", math.Cosh}, {"tanh", "float8 float8", math.Tanh},
		{"asinh", "float8 float8", math.Asinh}, {"acosh", "float8 float8", domain(math.Acosh, func(x float64) bool { return x >= 1 })},
		{"atanh", "float8 float8", atanh},
		{"isfinite", "date bool", finiteMoment}, {"isfinite", "timestamp bool", finiteMoment}, {"isfinite", "timestamptz bool", finiteMoment},
		{"isfinite", "interval bool", func(value) value { return fqgw.BoolValue(true) }},
		{"gen_random_uuid", "uuid|v", func([]value) (value, error) { return fqgw.UUIDValue(randomUUID()), nil }},
	}
	for _, t := range []fqgw.Type{fqgw.Int2, fqgw.Int4, fqgw.Int8} {
		n := t.PgName()
		out = append(out, def{"abs", n + " " + n, absInt(t)}, def{"mod", n + " " + n + " " + n, intOp(t, modInt)})
		if t != fqgw.Int2 {
			out = append(out, def{"gcd", n + " " + n + " " + n, gcdInt(t)}, def{"lcm", n + " " + n + " " + n, lcmInt(t)})
		}
	}
	return out
}

func finiteMoment(v value) value { return fqgw.BoolValue(!isInfinite(v.Int())) }

func log10Numeric(d fqgw.Decimal) (fqgw.Decimal, error) {
	return logNumeric(fqgw.DecimalFromInt(10), d)
}

func randomUUID() (b [16]byte) {
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return b
}
