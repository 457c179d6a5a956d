package fqgw

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// shortDecimals are decimals of every length up to two words and a little more.
func shortDecimals(yield func(Decimal) bool) {
	r := rand.New(rand.NewPCG(1, 2))
	for bit := range 132 {
		for range 40 {
			coef := new(big.Int).Lsh(big.NewInt(1), uint(bit))
			coef.Add(coef, new(big.Int).SetUint64(r.Uint64()>>r.IntN(64)))
			if r.IntN(4) == 0 {
				coef.Sub(coef, new(big.Int).Mod(coef, pow10(int32(r.IntN(39))))) // zeros at its end, or 0
			}
			if r.IntN(2) == 0 {
				coef.Neg(coef)
			}
			if !yield(NewDecimal(coef, int32(r.IntN(45)))) {
				return
			}
		}
	}
}

// A numeric without a big number says what the one with it says.
func TestShortDecimal(t *testing.T) {
	short := 0
	for d := range shortDecimals {
		want := d.longString()
		if got := d.String(); got != want {
			t.Fatalf("%v with scale %d is %s, want %s", d.Coef(), d.Scale(), got, want)
		}
		if got := string(d.AppendText([]byte("x"))); got != "x"+want {
			t.Fatalf("%s is appended as %s", want, got)
		}
		s, ok := d.Short()
		if ok != (d.Coef().BitLen() <= 128) {
			t.Fatalf("%s is short: %v", want, ok)
		}
		if back := s.Decimal(); ok && (back.Cmp(d) != 0 || back.Scale() != d.Scale()) {
			t.Fatalf("%s comes back as %s", want, back)
		}
		read, ok := ParseShort(want)
		if ok && read != s {
			t.Fatalf("%s is read as %+v, want %+v", want, read, s)
		}
		if !ok && len(want) <= 38 {
			t.Fatalf("%s is not read", want)
		}
		short++
	}
	if short < 5000 {
		t.Fatalf("%d decimals", short)
	}
	for _, bad := range []string{"", "-", ".", "5.", ".5", "-.5", "+5", "1e5", "1.2.3", "-0", "-0.00", "NaN", "Infinity", " 1", "1 ",
		"123456789012345678901234567890123456789"} {
		if s, ok := ParseShort(bad); ok {
			t.Errorf("%q is read as %+v", bad, s)
		}
	}
	for _, d := range []Decimal{DecimalNaN, DecimalInf, DecimalNegInf} {
		if s, ok := d.Short(); ok {
			t.Errorf("%s is short: %+v", d, s)
		}
	}
}

func TestShortMean(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	means := 0
	for range 20_000 {
		sum, n := r.Int64()>>r.IntN(63), max(r.Int64()>>r.IntN(63), 1)
		if r.IntN(2) == 0 {
			sum = -sum
		}
		want, _ := DecimalFromInt(sum).Quo(DecimalFromInt(n))
		got, ok := ShortMean(sum, n)
		if !ok {
			continue
		}
		means++
		if s, ok := want.Short(); !ok || s != got {
			t.Fatalf("%d / %d is %+v, want %s", sum, n, got, want)
		}
	}
	if means < 15_000 {
		t.Errorf("%d means are short", means)
	}
	if got, ok := ShortMean(math.MinInt64, 1); ok && got.Decimal().String() != "-9223372036854775808" {
		t.Errorf("%+v", got)
	}
}
