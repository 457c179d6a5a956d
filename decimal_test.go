package fqgw

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func decimal(t *testing.T, s string) Decimal {
	t.Helper()
	d, ok := ParseDecimal(s)
	if !ok {
		t.Fatalf("ParseDecimal(%q) failed", s)
	}
	return d
}

// What PostgreSQL 15 answers for a|b|a+b|a-b|a*b|a/b|a%b.
const arithmetic = `
1.5|2.25|3.75|-0.75|3.375|0.66666666666666666667|1.50
1.0|3|4.0|-2.0|3.0|0.33333333333333333333|1.0
10|3.0|13.0|7.0|30.0|3.3333333333333333|1.0
100000.0|3|100003.0|99997.0|300000.0|33333.333333333333|1.0
0.00001|3|3.00001|-2.99999|0.00003|0.000003333333333333333333|0.00001
12345678901234567890|7.0|12345678901234567897.0|12345678901234567883.0|86419752308641975230.0|1763668414462081127.1|1.0
1|1e20|100000000000000000001|-99999999999999999999|100000000000000000000|0.0000000000000000000100000000000000000000|1
1.000|7|8.000|-6.000|7.000|0.14285714285714285714|1.000
9999.0|9999|19998.0|0.0|99980001.0|1.00000000000000000000|0.0
10000.0|9999|19999.0|1.0|99990000.0|1.0001000100010001|1.0
-7.5|2|-5.5|-9.5|-15.0|-3.7500000000000000|-1.5
7.5|-2|5.5|9.5|-15.0|-3.7500000000000000|1.5
0|5|5|-5|0|0.00000000000000000000|0
1e-10|3e10|30000000000.0000000001|-29999999999.9999999999|3.0000000000|0.0000000000000000000033333333333333333333|0.0000000001
123456789.987654321|0.000123|123456789.987777321|123456789.987531321|15185.185168481481483|1003713739737.027000000|0.000003321
NaN|1|NaN|NaN|NaN|NaN|NaN
Infinity|-Infinity|NaN|Infinity|-Infinity|NaN|NaN
1|Infinity|Infinity|-Infinity|Infinity|0|1
-Infinity|2|-Infinity|-Infinity|-Infinity|-Infinity|NaN
0.0001|0.00009999|0.00019999|0.00000001|0.000000009999|1.0001000100010001|0.00000001`

func TestDecimalArithmetic(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(arithmetic), "\n") {
		f := strings.Split(line, "|")
		a, b := decimal(t, f[0]), decimal(t, f[1])
		quo, ok1 := a.Quo(b)
		rem, ok2 := a.Rem(b)
		if !ok1 || !ok2 {
			t.Errorf("%s / %s: division by zero", a, b)
		}
		for i, got := range []Decimal{a.Add(b), a.Sub(b), a.Mul(b), quo, rem} {
			if got.String() != f[2+i] {
				t.Errorf("%s %c %s is %s, want %s", f[0], "+-*/%"[i], f[1], got, f[2+i])
			}
		}
	}
	for _, z := range []string{"0", "0.00"} {
		if _, ok := decimal(t, "1").Quo(decimal(t, z)); ok {
			t.Errorf("1 / %s has a result", z)
		}
		if _, ok := decimal(t, "1").Rem(decimal(t, z)); ok {
			t.Errorf("1 %% %s has a result", z)
		}
	}
}

// a|round(a)|round(a,2)|round(a,-2)|trunc(a,1)|trunc(a,-2)|floor(a)|ceil(a)|trim_scale(a)
const rounding = `
2.5|3|2.50|0|2.5|0|2|3|2.5
-2.5|-3|-2.50|0|-2.5|0|-3|-2|-2.5
1234.5678|1235|1234.57|1200|1234.5|1200|1234|1235|1234.5678
-1234.5678|-1235|-1234.57|-1200|-1234.5|-1200|-1235|-1234|-1234.5678
0.05|0|0.05|0|0.0|0|0|1|0.05
-0.05|0|-0.05|0|0.0|0|-1|0|-0.05
9999.995|10000|10000.00|10000|9999.9|9900|9999|10000|9999.995
5|5|5.00|0|5.0|0|5|5|5
-0.5|-1|-0.50|0|-0.5|0|-1|0|-0.5
1e10|10000000000|10000000000.00|10000000000|10000000000.0|10000000000|10000000000|10000000000|10000000000
149.9|150|149.90|100|149.9|100|149|150|149.9`

// A quotient is the same whether words were enough for it or not: also of the
// greatest words, and where a half is rounded.
func TestDecimalQuotient(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	word := func() int64 {
		n := int64(rng.Uint64() >> rng.IntN(64))
		switch rng.IntN(8) {
		case 0:
			n = math.MaxInt64 - n%3
		case 1:
			n = math.MinInt64 + n%3
		case 2:
			n %= 5
		}
		if rng.IntN(2) == 0 {
			n = -n
		}
		return n
	}
	for range 100_000 {
		n, m := word(), word()
		if m == 0 {
			continue
		}
		d, e := NewDecimal(big.NewInt(n), rng.Int32N(4)), NewDecimal(big.NewInt(m), rng.Int32N(4))
		scale := rng.Int32N(36)
		// ⌊|d|·10^scale/|e| + 1/2⌋, by fractions.
		x := new(big.Rat).Quo(new(big.Rat).SetFrac(big.NewInt(n), pow10(d.scale)), new(big.Rat).SetFrac(big.NewInt(m), pow10(e.scale)))
		sign := x.Sign()
		x.Abs(x).Mul(x, new(big.Rat).SetInt(pow10(scale))).Add(x, big.NewRat(1, 2))
		want := new(big.Int).Quo(x.Num(), x.Denom())
		if sign < 0 {
			want.Neg(want)
		}
		if got := d.QuoScale(e, scale); got.big().Cmp(want) != 0 || got.scale != scale {
			t.Fatalf("%v / %v at scale %d: %v, not %v·10^-%d", d, e, scale, got, want, scale)
		}
	}
}

func TestDecimalRounding(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(rounding), "\n") {
		f := strings.Split(line, "|")
		d := decimal(t, f[0])
		for i, got := range []Decimal{d.Round(0), d.Round(2), d.Round(-2), d.Trunc(1), d.Trunc(-2), d.Floor(), d.Ceil(), d.TrimScale()} {
			if got.String() != f[1+i] {
				t.Errorf("%s: rounding %d gives %s, want %s", f[0], i, got, f[1+i])
			}
		}
	}
}

// double|as numeric|real as numeric
const fromFloats = `
0.1|0.1|0.1
123456789.123456789|123456789.123457|123457000
1e20|100000000000000000000|100000000000000000000
-1.5e-7|-0.00000015|-0.00000015
3.0000000000000004|3|3
NaN|NaN|NaN
-Infinity|-Infinity|-Infinity
0|0|0`

func TestDecimalFromFloat(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(fromFloats), "\n") {
		f := strings.Split(line, "|")
		x, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := DecimalFromFloat(x); got.String() != f[1] {
			t.Errorf("%s is %s, want %s", f[0], got, f[1])
		}
		if got := DecimalFromFloat4(float64(float32(x))); got.String() != f[2] {
			t.Errorf("%s as real is %s, want %s", f[0], got, f[2])
		}
	}
	for _, s := range []string{"0.1", "123456789.123456789", "-1e300", "1e-300"} {
		want, _ := strconv.ParseFloat(s, 64)
		if got := decimal(t, s).Float(); got != want {
			t.Errorf("%s is %v", s, got)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 200_000 {
		coef := new(big.Int).SetUint64(r.Uint64())
		if coef.Lsh(coef, 64).Or(coef, new(big.Int).SetUint64(r.Uint64())).Rsh(coef, uint(r.IntN(128))); r.IntN(2) == 0 {
			coef.Neg(coef)
		}
		if r.IntN(4) == 0 { // half way between two doubles, and beside
			coef.SetUint64(r.Uint64()>>11|1<<52).Lsh(coef, 1).Add(coef, big.NewInt(1)).Lsh(coef, uint(r.IntN(70)))
			coef.Add(coef, big.NewInt(r.Int64N(3)-1))
		}
		d := NewDecimal(coef, r.Int32N(24))
		if want, _ := strconv.ParseFloat(d.String(), 64); d.Float() != want {
			t.Fatalf("%s is %v, want %v", d, d.Float(), want)
		}
	}
	for range 200_000 {
		sum, n := int64(r.Uint64()>>r.IntN(64)), r.Int64()>>r.IntN(63)+1
		if r.IntN(2) == 0 {
			sum = -sum
		}
		q, _ := DecimalFromInt(sum).Quo(DecimalFromInt(n))
		if want, _ := strconv.ParseFloat(q.String(), 64); MeanFloat(sum, n) != want {
			t.Fatalf("%d / %d is %v, want %v", sum, n, MeanFloat(sum, n), want)
		}
	}
	if !math.IsNaN(DecimalNaN.Float()) || !math.IsInf(DecimalNegInf.Float(), -1) {
		t.Error("the special numerics as doubles")
	}
}

func TestParseDecimal(t *testing.T) {
	for s, want := range map[string]string{
		"0": "0", "-0": "0", "+5": "5", " 1.50 ": "1.50", ".5": "0.5", "5.": "5", "1e3": "1000", "1.5e-3": "0.0015", "1.5E1": "15", "1.25e1": "12.5",
		"-0.00": "0.00", "nan": "NaN", "Inf": "Infinity", "+infinity": "Infinity", "-INF": "-Infinity", "00012": "12",
	} {
		if d, ok := ParseDecimal(s); !ok || d.String() != want {
			t.Errorf("%q reads as %s (%v), want %s", s, d, ok, want)
		}
	}
	for _, s := range []string{"", " ", ".", "e5", "1e", "1.2.3", "abc", "1_000", "--1", "+-1", "0x10", "1e999999999999", "1e200000", "1 2", "-nan", "- 1"} {
		if d, ok := ParseDecimal(s); ok {
			t.Errorf("%q reads as %s", s, d)
		}
	}
}

func TestDecimalOrder(t *testing.T) {
	ordered := []string{"-Infinity", "-10", "-1.5", "-1.49", "0", "0.0001", "1", "1.5", "2", "10", "1e30", "Infinity", "NaN"}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := decimal(t, a).Cmp(decimal(t, b)); got != want {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	if decimal(t, "1.50").Cmp(decimal(t, "1.5")) != 0 || (Decimal{}).Cmp(decimal(t, "0.000")) != 0 {
		t.Error("the scale counts")
	}
}

func TestDecimalInt64(t *testing.T) {
	for s, want := range map[string]int64{"2.5": 3, "-2.5": -3, "2.4": 2, "9223372036854775807": math.MaxInt64, "-9223372036854775808.4": math.MinInt64} {
		if n, ok := decimal(t, s).Int64(); !ok || n != want {
			t.Errorf("%s is %d (%v), want %d", s, n, ok, want)
		}
	}
	for _, s := range []string{"9223372036854775807.5", "1e19", "NaN", "Infinity"} {
		if n, ok := decimal(t, s).Int64(); ok {
			t.Errorf("%s is %d", s, n)
		}
	}
}

// TestDecimalImmutable: no operation writes to its operands.
func TestDecimalImmutable(t *testing.T) {
	coef := big.NewInt(-12345)
	d := NewDecimal(coef, 2)
	e := decimal(t, "7.1")
	_, _ = d.Quo(e)
	_, _ = d.Rem(e)
	for _, r := range []Decimal{d.Add(e), d.Mul(e), d.Neg(), d.Abs(), d.Round(0), d.Round(5), d.Trunc(-1), d.Floor(), d.Ceil(), d.TrimScale()} {
		r.Coef().Cmp(coef)
	}
	if coef.Int64() != -12345 || d.String() != "-123.45" || e.String() != "7.1" || bigZero.Sign() != 0 {
		t.Errorf("%s, %s: an operand was changed", d, e)
	}
}
