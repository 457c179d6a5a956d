package window

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestDistinctError: exact up to 64, then within 7 % (three sigma of 2,048
// registers), whatever the values look like. The seeds are fixed, so is the result.
func TestDistinctError(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{1, 63, 64, 65, 100, 300, 500, 1000, 3000, 10_000, 200_000} {
		for _, shape := range []string{"N%dUS", "%d", "user-%08d@example.org"} {
			var d distinct
			from := rnd.IntN(1 << 30)
			for i := range n {
				v := fqgw.TextValue(fmt.Sprintf(shape, from+i))
				d.add(nil, v)
				if i%3 == 0 {
					d.add(nil, v)
				}
			}
			v, _ := d.result(nil)
			err := math.Abs(float64(v.Int())/float64(n) - 1)
			if n <= 64 && err != 0 || err > 0.07 {
				t.Errorf("%d values like %s count as %d: %.1f %% off", n, shape, v.Int(), 100*err)
			}
		}
	}
}

// TestPlaces: every double lies in its bin, and the bin's middle is within 1 %.
func TestPlaces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	check := func(f float64) {
		p := place(f)
		m := middle(p)
		if e := math.Abs(m/f - 1); e > 0.01 || math.IsNaN(e) || math.IsInf(m, 0) {
			t.Fatalf("%g is in bin %d, whose middle %g is %.3f %% off", f, p, m, 100*e)
		}
	}
	for range 200_000 {
		if f := math.Abs(math.Float64frombits(rnd.Uint64())); f >= 0x1p-1000 && f < math.Inf(1) {
			check(f)
		}
		check(math.Ldexp(1+rnd.Float64(), rnd.IntN(40)-20))
	}
	for e := -1000; e < 1024; e++ {
		check(math.Ldexp(1, e))
		check(math.Nextafter(math.Ldexp(1, e), 0))
	}
	for _, f := range []float64{math.SmallestNonzeroFloat64, math.MaxFloat64, 0x1p-1022} {
		if m := middle(place(f)); m < f/2 || m > f*2 {
			t.Errorf("%g answers %g", f, m)
		}
	}
	for f := math.MaxFloat64; f > 1e307; f *= 0.999 { // the last bins end beyond the doubles
		check(f)
		check(math.Nextafter(f, 0))
	}
}

// TestPercentileError compares with the exact order statistics, both signs and zeros.
func TestPercentileError(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 200 {
		var s, other sketch
		var xs []float64
		for i := range 1 + rnd.IntN(500) {
			f := math.Round(rnd.NormFloat64() * math.Pow(10, float64(rnd.IntN(6))))
			xs = append(xs, f)
			if i%2 == 0 {
				s.add(nil, fqgw.FloatValue(f))
			} else {
				other.add(nil, fqgw.FloatValue(f))
			}
		}
		s.merge(&other)
		slices.Sort(xs)
		for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.999, 1} {
			v, _ := s.result(&slotSpec{quantile: q})
			want := xs[int(q*float64(len(xs)-1))]
			if math.Abs(v.Float()-want) > 0.01*math.Abs(want) {
				t.Fatalf("quantile %v of %d values is %v, want %v", q, len(xs), v.Float(), want)
			}
		}
	}
}

// TestStoreCollapses: the bins stay 2,048 below the greatest, and what is lower
// is counted, the same in any order.
func TestStoreCollapses(t *testing.T) {
	var up, down store
	for i := range int32(5000) {
		up.count(i, 2)
		down.count(4999-i, 2)
	}
	for _, s := range []*store{&up, &down} {
		if len(s.bins) != maxBins || s.bins[0].place != 5000-maxBins || s.low != 2*(5000-maxBins) || s.total() != 10_000 {
			t.Errorf("%d bins from %d, %d low, %d in all", len(s.bins), s.bins[0].place, s.low, s.total())
		}
	}
	// What was only counted answers with the lowest place kept.
	if got, want := up.at(0), middle(5000-maxBins); got != want {
		t.Errorf("rank 0 is %v, want %v", got, want)
	}
}
