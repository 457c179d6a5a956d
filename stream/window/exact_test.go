package window

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestExactAgainstRationals compares sums, means and deviations with rational
// arithmetic over doubles of all magnitudes.
func TestExactAgainstRationals(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 2000 {
		var in []fqgw.Value
		var xs []*big.Rat
		for range 1 + rnd.IntN(12) {
			f := math.Float64frombits(rnd.Uint64())
			switch rnd.IntN(4) {
			case 0:
				f = math.Float64frombits(rnd.Uint64() % (1 << 53)) // around the smallest
			case 1:
				f = float64(rnd.IntN(100)) / 8
			case 2:
				f = math.Ldexp(rnd.Float64()-0.5, rnd.IntN(70))
			}
			if math.IsNaN(f) || math.IsInf(f, 0) {
				continue
			}
			in = append(in, fqgw.FloatValue(f))
			xs = append(xs, new(big.Rat).SetFloat64(f))
		}
		if len(xs) < 2 {
			continue
		}
		sum, squares := new(big.Rat), new(big.Rat)
		for _, x := range xs {
			sum.Add(sum, x)
			squares.Add(squares, new(big.Rat).Mul(x, x))
		}
		n := big.NewRat(int64(len(xs)), 1)
		variance := new(big.Rat).Sub(new(big.Rat).Mul(n, squares), new(big.Rat).Mul(sum, sum))
		variance.Quo(variance, new(big.Rat).Mul(n, new(big.Rat).Sub(n, big.NewRat(1, 1))))
		v, _ := variance.Float64()
		for fn, want := range map[string]float64{"sum": nearest(sum), "avg": nearest(new(big.Rat).Quo(sum, n)), "var_samp": v, "stddev_samp": math.Sqrt(v)} {
			got, ok := result(t, fn, fqgw.Float8, in)
			if math.IsInf(want, 0) == ok || ok && got.Float() != want {
				t.Fatalf("round %d: %s of %s = %s, want %v", round, fn, shows(in), show(got), want)
			}
		}
	}
}

func nearest(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
}

// TestExactCarries adds so often that carries must be settled on the way.
func TestExactCarries(t *testing.T) {
	var x exact
	// many adds or takes away 2^32-1 as often as can wait.
	const times = maxPending - 1
	many := func(sign int64) *exact {
		m := &exact{pending: times}
		m.span(0, 1)
		m.digits[0] = sign * (1<<32 - 1) * times
		return m
	}
	for range 20 {
		x.merge(many(-1))
	}
	want := big.NewInt(-20 * times)
	want.Mul(want, big.NewInt(1<<32-1))
	if got := x.big(0); got.Cmp(want) != 0 {
		t.Errorf("%v, want %v", got, want)
	}
	for range 20 {
		x.span(0, 1)
		x.digits[0] += (1<<32 - 1) * (times - 1)
		x.pending += times - 1
		x.add(0, 0, 1<<32-1, false)
	}
	if x.settle(); len(x.digits) != 0 {
		t.Errorf("zero has the digits %v", x.digits)
	}
}

func TestInt128(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		x := int128{int64(rnd.Uint64()) >> rnd.IntN(64), rnd.Uint64() >> rnd.IntN(64)}
		b := appendInt128(nil, x)
		r := reader{fqgw.Unpack(b)}
		if y := r.int128(); y != x || r.Bad() || r.Left() > 0 {
			t.Fatalf("%v packs as %x, which is %v", x, b, y)
		}
	}
	for _, x := range []int128{{0, 0}, {-1, math.MaxUint64}, {math.MaxInt64, math.MaxUint64}, {math.MinInt64, 0}} {
		r := reader{fqgw.Unpack(appendInt128(nil, x))}
		if y := r.int128(); y != x || r.Bad() {
			t.Errorf("%v comes back as %v", x, y)
		}
	}
}

// TestShort: the short way to a sum or an average of doubles is the long one's,
// and is taken where it should be.
func TestShort(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	short := 0
	for range 200_000 {
		var s floatSum
		base := math.Ldexp(1, r.IntN(2100)-1074)
		for range 1 + r.IntN(5) {
			f := math.Float64frombits(r.Uint64())
			switch r.IntN(3) {
			case 0:
				f = float64(r.IntN(4000)-2000) / 8
			case 1:
				f = base * float64(r.IntN(1<<r.IntN(30))-100)
			}
			s.add(nil, fqgw.FloatValue(f))
		}
		if _, special := s.special.sum(); special {
			continue
		}
		for _, fn := range []string{"sum", "avg"} {
			got, ok := s.short(&slotSpec{fn: fn, typ: fqgw.Float8})
			if !ok {
				continue
			}
			short++
			m, shift := s.sum.parts()
			n := s.n
			if fn == "sum" {
				n = 1
			}
			want, _ := quotient(m, int(shift)-floatUnit, new(big.Int).SetUint64(n)).Float64()
			if math.Float64bits(got) != math.Float64bits(want) {
				t.Fatalf("%s of %d values, %v * 2^%d: %b, want %b", fn, s.n, m, int(shift)-floatUnit, got, want)
			}
		}
	}
	if short < 50_000 {
		t.Errorf("the short way was taken %d times", short)
	}
}
