package expr

import (
	"math"
	"math/bits"

	"github.com/fqgw/fqgw"
)

func divisionByZero() error {
	return fqgw.Errorf(fqgw.CodeDivisionByZero, "division by zero")
}

// intOps are the operators of the three integer types; mixed operands give the
// wider type.
func intOps() []opDef {
	var out []opDef
	names := []string{"int2", "int4", "int8"}
	types := []fqgw.Type{fqgw.Int2, fqgw.Int4, fqgw.Int8}
	for i, l := range names {
		for j, r := range names {
			k := max(i, j)
			sig, t := l+" "+r+" "+names[k], types[k]
			out = append(out,
				opDef{"+", sig, intOp(t, addInt)}, opDef{"-", sig, intOp(t, subInt)},
				opDef{"*", sig, intOp(t, mulInt)}, opDef{"/", sig, intOp(t, divInt)})
			if i == j {
				out = append(out, opDef{"%", sig, intOp(t, modInt)},
					opDef{"&", sig, func(a, b int64) (int64, error) { return a & b, nil }},
					opDef{"|", sig, func(a, b int64) (int64, error) { return a | b, nil }},
					opDef{"#", sig, func(a, b int64) (int64, error) { return a ^ b, nil }},
					opDef{"<<", l + " int4 " + l, shiftLeft(t)}, opDef{">>", l + " int4 " + l, shiftRight(t)},
					opDef{"-", "- " + l + " " + l, negInt(t)},
					opDef{"+", "- " + l + " " + l, func(v value) value { return v }},
					opDef{"~", "- " + l + " " + l, func(v value) value { return fqgw.IntValue(^v.Int()) }},
					opDef{"@", "- " + l + " " + l, absInt(t)})
			}
		}
	}
	return out
}

// intOp checks the result against the type; int64's own overflow is f's to see.
func intOp(t fqgw.Type, f func(a, b int64) (n int64, ok bool, err error)) func(a, b int64) (int64, error) {
	return func(a, b int64) (int64, error) {
		n, ok, err := f(a, b)
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, outOfRange(t)
		}
		return n, intRange(n, t)
	}
}

func addInt(a, b int64) (int64, bool, error) {
	n := a + b
	return n, (n > a) == (b > 0), nil
}

func subInt(a, b int64) (int64, bool, error) {
	n := a - b
	return n, (n < a) == (b > 0), nil
}

func mulInt(a, b int64) (int64, bool, error) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	h := int64(hi)
	if a < 0 {
		h -= b
	}
	if b < 0 {
		h -= a
	}
	return int64(lo), h == int64(lo)>>63, nil
}

func divInt(a, b int64) (int64, bool, error) {
	switch {
	case b == 0:
		return 0, false, divisionByZero()
	case b == -1:
		return -a, a != math.MinInt64, nil
	}
	return a / b, true, nil
}

func modInt(a, b int64) (int64, bool, error) {
	switch b {
	case 0:
		return 0, false, divisionByZero()
	case -1:
		return 0, true, nil
	}
	return a % b, true, nil
}

func negInt(t fqgw.Type) func(a int64) (int64, error) {
	return func(a int64) (int64, error) {
		if a == math.MinInt64 || intRange(-a, t) != nil {
			return 0, outOfRange(t)
		}
		return -a, nil
	}
}

func absInt(t fqgw.Type) func(a int64) (int64, error) {
	neg := negInt(t)
	return func(a int64) (int64, error) {
		if a < 0 {
			return neg(a)
		}
		return a, nil
	}
}

// Shifts take their count modulo the width, as the machine does; int2 as int4.
func shiftLeft(t fqgw.Type) func(a, b int64) (int64, error) {
	return func(a, b int64) (int64, error) {
		switch t {
		case fqgw.Int8:
			return a << (uint(b) & 63), nil
		case fqgw.Int4:
			return int64(int32(a) << (uint(b) & 31)), nil
		}
		return int64(int16(int32(a) << (uint(b) & 31))), nil
	}
}

func shiftRight(t fqgw.Type) func(a, b int64) (int64, error) {
	return func(a, b int64) (int64, error) {
		if t == fqgw.Int8 {
			return a >> (uint(b) & 63), nil
		}
		return a >> (uint(b) & 31), nil
	}
}

// floatOps are the operators of real and double precision; mixed gives double.
func floatOps() []opDef {
	var out []opDef
	for _, p := range [][3]string{{"float8", "float8", "float8"}, {"float4", "float4", "float4"}, {"float4", "float8", "float8"}, {"float8", "float4", "float8"}} {
		sig := p[0] + " " + p[1] + " " + p[2]
		single := p[2] == "float4"
		out = append(out,
			opDef{"+", sig, floatOp(single, func(a, b float64) float64 { return a + b }, nil)},
			opDef{"-", sig, floatOp(single, func(a, b float64) float64 { return a - b }, nil)},
			opDef{"*", sig, floatOp(single, func(a, b float64) float64 { return a * b }, func(a, b float64) bool { return a == 0 || b == 0 })},
			opDef{"/", sig, divFloat(single)})
	}
	for _, t := range []string{"float4", "float8"} {
		out = append(out,
			opDef{"-", "- " + t + " " + t, func(f float64) float64 { return -f }},
			opDef{"+", "- " + t + " " + t, func(f float64) float64 { return f }},
			opDef{"@", "- " + t + " " + t, math.Abs})
	}
	return append(out,
		opDef{"^", "float8 float8 float8", powFloat},
		opDef{"|/", "- float8 float8", sqrtFloat},
		opDef{"||/", "- float8 float8", math.Cbrt})
}

func errOverflow() error { return fqgw.Errorf(fqgw.CodeOutOfRange, "value out of range: overflow") }
func errUnderflow() error {
	return fqgw.Errorf(fqgw.CodeOutOfRange, "value out of range: underflow")
}

// floatOp raises where finite operands overflow; zero says when a zero product
// is right, nil that zeros cannot be underflow.
func floatOp(single bool, f func(a, b float64) float64, zero func(a, b float64) bool) func(a, b float64) (float64, error) {
	return func(a, b float64) (float64, error) {
		r := f(a, b)
		if single {
			r = float64(float32(r))
		}
		if math.IsInf(r, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0) {
			return 0, errOverflow()
		}
		if r == 0 && zero != nil && !zero(a, b) {
			return 0, errUnderflow()
		}
		return r, nil
	}
}

func divFloat(single bool) func(a, b float64) (float64, error) {
	div := floatOp(single, func(a, b float64) float64 { return a / b }, func(a, b float64) bool { return a == 0 || math.IsInf(b, 0) })
	return func(a, b float64) (float64, error) {
		if b == 0 && !math.IsNaN(a) {
			return 0, divisionByZero()
		}
		if math.IsInf(a, 0) {
			return a / b, nil
		}
		return div(a, b)
	}
}

func sqrtFloat(f float64) (float64, error) {
	if f < 0 {
		return 0, fqgw.Errorf("2201F", "cannot take square root of a negative number")
	}
	return math.Sqrt(f), nil
}

func powFloat(a, b float64) (float64, error) {
	switch {
	case math.IsNaN(a) || math.IsNaN(b):
		if b == 0 || a == 1 {
			return 1, nil
		}
		return math.NaN(), nil
	case a == 0 && b < 0:
		return 0, fqgw.Errorf("2201F", "zero raised to a negative power is undefined")
	case a < 0 && math.Floor(b) != b:
		return 0, fqgw.Errorf("2201F", "a negative number raised to a non-integer power yields a complex result")
	}
	r := math.Pow(a, b)
	if math.IsInf(a, 0) || math.IsInf(b, 0) {
		return r, nil
	}
	if math.IsInf(r, 0) {
		return 0, errOverflow()
	}
	if r == 0 && a != 0 {
		return 0, errUnderflow()
	}
	return r, nil
}
