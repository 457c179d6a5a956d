package window

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/fqgw/fqgw"
)

// counter counts the values that are not NULL.
type counter struct{ n uint64 }

func (c *counter) add(_ *Input, v fqgw.Value) {
	if !v.IsNull() {
		c.n++
	}
}
func (c *counter) merge(o accumulator)                      { c.n += o.(*counter).n }
func (c *counter) append(dst []byte, _ int64) []byte        { return appendUvarint(dst, c.n) }
func (c *counter) read(r *reader, _ int64)                  { c.n += r.Uvarint() }
func (c *counter) result(*slotSpec) (v fqgw.Value, ok bool) { return fqgw.IntValue(int64(c.n)), true }

// bools counts the values of bool_and and bool_or.
type bools struct{ trues, falses uint64 }

func (b *bools) add(_ *Input, v fqgw.Value) {
	switch {
	case v.IsNull():
	case v.Bool():
		b.trues++
	default:
		b.falses++
	}
}

func (b *bools) merge(o accumulator) {
	b.trues += o.(*bools).trues
	b.falses += o.(*bools).falses
}

func (b *bools) append(dst []byte, _ int64) []byte {
	return appendUvarint(appendUvarint(dst, b.trues), b.falses)
}

func (b *bools) read(r *reader, _ int64) {
	b.trues += r.Uvarint()
	b.falses += r.Uvarint()
}

func (b *bools) result(s *slotSpec) (fqgw.Value, bool) {
	switch {
	case b.trues+b.falses == 0:
		return fqgw.Null, true
	case s.fn == "bool_and":
		return fqgw.BoolValue(b.falses == 0), true
	}
	return fqgw.BoolValue(b.trues > 0), true
}

// int128 is a signed 128-bit integer.
type int128 struct {
	hi int64
	lo uint64
}

func (x *int128) add(o int128) {
	lo, carry := bits.Add64(x.lo, o.lo, 0)
	x.lo, x.hi = lo, x.hi+o.hi+int64(carry)
}

func (x int128) big() *big.Int {
	if x.hi == int64(x.lo)>>63 {
		return big.NewInt(int64(x.lo))
	}
	b := big.NewInt(x.hi)
	return b.Add(b.Lsh(b, 64), new(big.Int).SetUint64(x.lo))
}

// intSum serves sum and avg of integers of every width.
type intSum struct {
	n   uint64
	sum int128
}

func (s *intSum) add(_ *Input, v fqgw.Value) {
	if !v.IsNull() {
		s.addInt(v.Int())
	}
}

func (s *intSum) addInt(i int64) {
	s.n++
	s.sum.add(int128{i >> 63, uint64(i)})
}

func (s *intSum) merge(o accumulator) {
	s.n += o.(*intSum).n
	s.sum.add(o.(*intSum).sum)
}

func (s *intSum) append(dst []byte, _ int64) []byte {
	if dst = appendUvarint(dst, s.n); s.n > 0 {
		dst = appendInt128(dst, s.sum)
	}
	return dst
}

func (s *intSum) read(r *reader, _ int64) {
	if n := r.Uvarint(); n > 0 {
		s.n += n
		s.sum.add(r.int128())
	}
}

func (s *intSum) result(slot *slotSpec) (fqgw.Value, bool) {
	switch {
	case s.n == 0:
		return fqgw.Null, true
	case slot.fn == "avg":
		return mean(fqgw.NewDecimal(s.sum.big(), 0), s.n)
	case slot.typ == fqgw.Numeric:
		return fqgw.NumericValue(fqgw.NewDecimal(s.sum.big(), 0)), true
	case s.sum.hi != int64(s.sum.lo)>>63:
		return fqgw.Null, false
	}
	return fqgw.IntValue(int64(s.sum.lo)), true
}

// double is a numeric result as double precision.
func (s *intSum) double(slot *slotSpec) (f float64, null, ok bool) {
	if s.n == 0 {
		return 0, true, true
	}
	if s.sum.hi == int64(s.sum.lo)>>63 && s.n <= math.MaxInt64 {
		if slot.fn == "avg" {
			return fqgw.MeanFloat(int64(s.sum.lo), int64(s.n)), false, true
		}
		return float64(int64(s.sum.lo)), false, true
	}
	v, ok := s.result(slot)
	return v.Numeric().Float(), v.IsNull(), ok
}

// short is a numeric result that is short.
func (s *intSum) short(slot *slotSpec) (d fqgw.ShortDecimal, ok bool) {
	switch {
	case s.n == 0 || slot.typ != fqgw.Numeric:
		return d, false
	case slot.fn != "avg":
		d = fqgw.ShortDecimal{High: uint64(s.sum.hi), Low: s.sum.lo, Negative: s.sum.hi < 0}
		if d.Negative {
			var borrow uint64
			d.Low, borrow = bits.Sub64(0, d.Low, 0)
			d.High, _ = bits.Sub64(0, d.High, borrow)
		}
		return d, true
	case s.sum.hi == int64(s.sum.lo)>>63 && s.n <= math.MaxInt64:
		return fqgw.ShortMean(int64(s.sum.lo), int64(s.n))
	}
	return d, false
}

// mean is sum/n with the scale that PostgreSQL's numeric division chooses.
func mean(sum fqgw.Decimal, n uint64) (fqgw.Value, bool) {
	q, ok := sum.Quo(fqgw.DecimalFromInt(int64(n)))
	return fqgw.NumericValue(q), ok
}

// intMoments serves the variances of integers.
type intMoments struct {
	n            uint64
	sum, squares exact // units of 1
}

func (m *intMoments) add(_ *Input, v fqgw.Value) {
	if !v.IsNull() {
		m.addInt(v.Int())
	}
}

func (m *intMoments) addInt(i int64) {
	m.n++
	abs := uint64(i)
	if i < 0 {
		abs = -abs
	}
	m.sum.add(0, 0, abs, i < 0)
	hi, lo := bits.Mul64(abs, abs)
	m.squares.add(0, hi, lo, false)
}

func (m *intMoments) merge(o accumulator) {
	p := o.(*intMoments)
	m.n += p.n
	m.sum.merge(&p.sum)
	m.squares.merge(&p.squares)
}

func (m *intMoments) append(dst []byte, _ int64) []byte {
	if dst = appendUvarint(dst, m.n); m.n > 0 {
		dst = m.squares.append(m.sum.append(dst))
	}
	return dst
}

func (m *intMoments) read(r *reader, _ int64) {
	if n := r.Uvarint(); n > 0 {
		m.n += n
		m.sum.read(r)
		m.squares.read(r)
	}
}

func (m *intMoments) result(s *slotSpec) (fqgw.Value, bool) {
	return numericDeviation(s.fn, m.n, fqgw.NewDecimal(m.sum.big(0), 0), fqgw.NewDecimal(m.squares.big(0), 0))
}

// numericDeviation is PostgreSQL's numeric variance or deviation of n values
// with the given sum and sum of squares: (n·Σx² − (Σx)²) / (n(n−1) or n²) by
// numeric division, and its root at the same scale.
func numericDeviation(fn string, n uint64, sum, squares fqgw.Decimal) (fqgw.Value, bool) {
	sample := fn == "var_samp" || fn == "stddev_samp"
	if n == 0 || sample && n == 1 {
		return fqgw.Null, true
	}
	count := fqgw.DecimalFromInt(int64(n))
	num := count.Mul(squares).Sub(sum.Mul(sum))
	if num.Sign() <= 0 {
		return fqgw.NumericValue(fqgw.DecimalFromInt(0)), true
	}
	den := count.Mul(count)
	if sample {
		den = count.Mul(fqgw.DecimalFromInt(int64(n - 1)))
	}
	v, ok := num.Quo(den)
	if ok && (fn == "stddev_samp" || fn == "stddev_pop") {
		v = sqrt(v)
	}
	return fqgw.NumericValue(v), ok
}

// sqrt is the root of a decimal that is not negative, rounded half up at its own scale.
func sqrt(d fqgw.Decimal) fqgw.Decimal {
	// floor(2·√d·10^scale), then (x+1)/2 rounds it.
	x := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.Scale())), nil)
	x.Mul(x, d.Coef())
	x.Lsh(x, 2).Sqrt(x)
	return fqgw.NewDecimal(x.Rsh(x.Add(x, big.NewInt(1)), 1), d.Scale())
}
