package window

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestWeight: whole half-lives are exact, others right to the last place.
func TestWeight(t *testing.T) {
	for _, c := range []struct {
		age, halfLife int64
		want          float64
	}{
		{0, minute, 1}, {minute, minute, 0.5}, {3 * minute, minute, 0.125}, {minute, 2 * minute, math.Sqrt2 / 2}, {1000 * day, second, 0}, {1074, 1, 5e-324},
		{1075, 1, 0}, {math.MaxInt64, 1, 0}, {0, math.MaxInt64, 1}, {math.MaxInt64 - 1, math.MaxInt64, 0.5},
	} {
		if got := weight(c.age, c.halfLife); got != c.want {
			t.Errorf("after %d of %d: %v, want %v", c.age, c.halfLife, got, c.want)
		}
	}
	rnd := rand.New(rand.NewPCG(4, 4))
	exactly := 0
	for range 2000 {
		age, halfLife := rnd.Int64N(day), 1+rnd.Int64N(day)
		got := weight(age, halfLife)
		// 2^-x by its series, in 300 bits: e^(-x ln 2), halved until it is short.
		x := new(big.Float).SetPrec(300).Quo(new(big.Float).SetPrec(300).SetInt64(age), new(big.Float).SetPrec(300).SetInt64(halfLife))
		n := 40
		for ; x.Cmp(big.NewFloat(1)) > 0; n++ {
			x.Quo(x, big.NewFloat(2))
		}
		for range 40 {
			x.Quo(x, big.NewFloat(2))
		}
		ln2, _, _ := big.ParseFloat("0.693147180559945309417232121458176568075500134360255254120680009493393621969694715605863326996418687542", 10, 300, big.ToNearestEven)
		x.Mul(x, ln2).Neg(x)
		sum, term := big.NewFloat(1).SetPrec(300), big.NewFloat(1).SetPrec(300)
		for k := range 20 {
			term.Mul(term, x)
			term.Quo(term, big.NewFloat(float64(k+1)))
			sum.Add(sum, term)
		}
		for ; n > 0; n-- {
			sum.Mul(sum, sum)
		}
		want, _ := sum.Float64()
		if d := math.Abs(got - want); d > 1.2e-16*want {
			if math.Nextafter(want, 2) != got && math.Nextafter(want, 0) != got {
				t.Fatalf("after %d of %d: %v, want %v", age, halfLife, got, want)
			}
		}
		if got == want {
			exactly++
		}
	}
	if exactly < 1900 {
		t.Errorf("only %d of 2000 weights are rounded right", exactly)
	}
}

// TestDecay: half-life 2 minutes over tiles of a minute, at 10 minutes and 30 s; and the
// same from tiles that are merged.
func TestDecay(t *testing.T) {
	a := agg("decayed_sum", colFloat, 0, nil)
	a.Params = []fqgw.Value{fqgw.SpanValue(fqgw.Span{Micros: 2 * minute})}
	l := layout(t, newView([]fqgw.Window{{Length: hour, Hop: minute}}, a))
	s := l.New()
	l.Advance(s, 10*minute+30*second)
	apply(t, l, s, ev(0, 10*minute+second, float8(3)), ev(1, 6*minute, float8(8)), ev(2, 6*minute+59*second, float8(8)), ev(3, 2*minute, float8(-32)), ev(4, 2*minute))
	// Exactly 4 and 8 minutes later than its start, the half minute apart: 3 + 16/4 - 32/16.
	if got, want := l.Read(s, 10*minute+30*second).Slots[0].Float(), 5*weight(30*second, 2*minute); math.Abs(got-want) > 1e-15 {
		t.Errorf("%v, want %v", got, want)
	}
	if got := l.Read(s, 12*minute).Slots[0].Float(); got != 1.5+2-1 {
		t.Errorf("at 12 minutes %v, want 2.5", got)
	}
	if got := l.Read(s, 3*hour); !got.Slots[0].IsNull() || got.Errors[0] {
		t.Errorf("of nothing: %v", got.Slots[0])
	}
}

// TestTopKMany: exact to 1,024 values, whatever came in which order; beyond it is an error.
func TestTopKMany(t *testing.T) {
	slot := slotSpec{k: 2, typ: fqgw.Int8.Array()}
	full := kindTopK.make(1)[0]
	for i := range MaxCounted {
		full.add(nil, fqgw.IntValue(int64(i)))
	}
	full.add(nil, fqgw.IntValue(1000))
	if v, ok := full.result(&slot); !ok || show(v) != "{1000,0}" {
		t.Errorf("of 1,024 values: %s, %t", show(v), ok)
	}
	one := kindTopK.make(1)[0]
	one.add(nil, fqgw.IntValue(-1))
	many := kindTopK.make(1)[0]
	many.merge(one)
	many.merge(full)
	full.add(nil, fqgw.IntValue(-1))
	for _, acc := range []accumulator{full, many} {
		acc.add(nil, fqgw.IntValue(1000))
		if v, ok := acc.result(&slot); ok || !v.IsNull() {
			t.Errorf("of 1,025 values: %s, %t", show(v), ok)
		}
		if b := acc.append(nil, 0); len(b) != 2 {
			t.Errorf("packs as %x", b)
		}
	}
}

// TestVectorLengths: arrays of two lengths have no sum, in any order; an element is NULL
// where none has it.
func TestVectorLengths(t *testing.T) {
	array := func(items ...any) fqgw.Value { return fqgw.ArrayOf(fqgw.Float8, values(fqgw.Float8, items...)...) }
	slot := slotSpec{fn: "sum", typ: fqgw.Float8.Array()}
	for _, c := range []struct {
		in   []fqgw.Value
		want string
		ok   bool
	}{
		{nil, "NULL", true},
		{[]fqgw.Value{fqgw.Null}, "NULL", true},
		{[]fqgw.Value{array(1e100, nil, 1.0), array(1.0, nil, nil), array(-1e100, nil, 0.5)}, "{1,NULL,1.5}", true},
		{[]fqgw.Value{array(), array()}, "{}", true},
		{[]fqgw.Value{array(1.0), array(1.0, 2.0), array(1.0)}, "NULL", false},
		{[]fqgw.Value{array(), array(1.0)}, "NULL", false},
		{[]fqgw.Value{array(math.MaxFloat64, 1.0), array(math.MaxFloat64, 1.0)}, "NULL", false},
		{[]fqgw.Value{fqgw.ListValue(&fqgw.List{Elem: fqgw.Float8, Dims: []int{1, 1}, Items: values(fqgw.Float8, 1.0)})}, "NULL", false},
		{[]fqgw.Value{fqgw.ArrayOf(fqgw.Float8, make([]fqgw.Value, MaxElements+1)...)}, "NULL", false},
	} {
		acc := kindVectorSum.make(1)[0]
		for _, v := range c.in {
			one := kindVectorSum.make(1)[0]
			one.add(nil, v)
			acc.merge(one)
		}
		if v, ok := acc.result(&slot); ok != c.ok || show(v) != c.want {
			t.Errorf("%v: %s, %t", c.in, show(v), ok)
		}
	}
}
