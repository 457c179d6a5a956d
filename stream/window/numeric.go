package window

import (
	"math/big"
	"slices"

	"github.com/fqgw/fqgw"
)

// numericSum serves sum and avg of numeric. The values of each display scale
// are summed apart, which keeps the greatest scale known and needs no rescaling.
type numericSum struct {
	n       uint64
	special specials
	scales  []scaleSum // ascending
}

// scaleSum has the finite values of one display scale.
type scaleSum struct {
	scale   int32
	n       uint64
	sum     big.Int // of the coefficients
	squares big.Int // of the coefficients; for variances only
}

// at is the sum of a scale, made if need be.
func (s *numericSum) at(scale int32) *scaleSum {
	i, ok := slices.BinarySearchFunc(s.scales, scale, func(a scaleSum, b int32) int { return int(a.scale) - int(b) })
	if !ok {
		s.scales = slices.Insert(s.scales, i, scaleSum{scale: scale})
	}
	return &s.scales[i]
}

func (s *numericSum) add(_ *Input, v fqgw.Value) { s.count(v) }

// count adds the value and returns where, nil for NULL and the specials.
func (s *numericSum) count(v fqgw.Value) *scaleSum {
	if v.IsNull() {
		return nil
	}
	s.n++
	d := v.Numeric()
	switch {
	case d.IsNaN():
		s.special.nan++
	case d.IsInf() && d.Sign() > 0:
		s.special.pos++
	case d.IsInf():
		s.special.neg++
	default:
		at := s.at(d.Scale())
		at.n++
		at.sum.Add(&at.sum, d.Coef())
		return at
	}
	return nil
}

func (s *numericSum) merge(o accumulator) { s.mergeSum(o.(*numericSum)) }

func (s *numericSum) mergeSum(o *numericSum) {
	s.n += o.n
	s.special.merge(o.special)
	for i := range o.scales {
		from := &o.scales[i]
		to := s.at(from.scale)
		to.n += from.n
		to.sum.Add(&to.sum, &from.sum)
		to.squares.Add(&to.squares, &from.squares)
	}
}

func (s *numericSum) append(dst []byte, _ int64) []byte { return s.appendSum(dst, false) }

func (s *numericSum) appendSum(dst []byte, squares bool) []byte {
	dst = s.special.appendCount(dst, s.n)
	if s.n == s.special.count() {
		return dst
	}
	dst = appendUvarint(dst, uint64(len(s.scales)))
	for i := range s.scales {
		at := &s.scales[i]
		dst = appendUvarint(appendUvarint(dst, uint64(at.scale)), at.n)
		if dst = fqgw.AppendBig(dst, &at.sum); squares {
			dst = fqgw.AppendBig(dst, &at.squares)
		}
	}
	return dst
}

func (s *numericSum) read(r *reader, _ int64) { s.readSum(r, false) }

func (s *numericSum) readSum(r *reader, squares bool) {
	n, left := s.special.readCount(r)
	if s.n += n; left == 0 {
		return
	}
	before := int64(-1)
	for k := r.Uvarint(); k > 0 && !r.Bad(); k-- {
		scale, n := r.Uvarint(), r.Uvarint()
		if scale > fqgw.MaxScale || n == 0 || n > left || int64(scale) <= before {
			r.Fail()
			return
		}
		before, left = int64(scale), left-n
		at := s.at(int32(scale))
		at.n += n
		if at.sum.Add(&at.sum, r.Big()); squares {
			at.squares.Add(&at.squares, r.Big())
		}
	}
	if left != 0 {
		r.Fail()
	}
}

// total sums the coefficients, taken by pick, of all scales; a coefficient of
// scale s counts 10^-(s*power).
func (s *numericSum) total(power int32, pick func(*scaleSum) *big.Int) fqgw.Decimal {
	t := fqgw.Decimal{}
	for i := range s.scales {
		t = t.Add(fqgw.NewDecimal(new(big.Int).Set(pick(&s.scales[i])), s.scales[i].scale*power))
	}
	return t
}

func (s *numericSum) sum() fqgw.Decimal {
	switch {
	case s.special.nan > 0 || s.special.pos > 0 && s.special.neg > 0:
		return fqgw.DecimalNaN
	case s.special.pos > 0:
		return fqgw.DecimalInf
	case s.special.neg > 0:
		return fqgw.DecimalNegInf
	}
	return s.total(1, func(at *scaleSum) *big.Int { return &at.sum })
}

func (s *numericSum) result(slot *slotSpec) (fqgw.Value, bool) {
	switch {
	case s.n == 0:
		return fqgw.Null, true
	case slot.fn == "avg":
		return mean(s.sum(), s.n)
	}
	sum := s.sum()
	if sum.Finite() && tooWide(sum) {
		return fqgw.Null, false
	}
	return fqgw.NumericValue(sum), true
}

// tooWide says that a numeric has more digits before the point than PostgreSQL's can.
func tooWide(d fqgw.Decimal) bool {
	const digits = 131072
	if d.Coef().BitLen() < digits*3 { // a digit has more than three bits
		return false
	}
	return len(d.Trunc(0).String()) > digits
}

// numericMoments serves the variances of numeric.
type numericMoments struct{ numericSum }

func (m *numericMoments) add(_ *Input, v fqgw.Value) {
	if at := m.count(v); at != nil {
		c := v.Numeric().Coef()
		at.squares.Add(&at.squares, new(big.Int).Mul(c, c))
	}
}

func (m *numericMoments) merge(o accumulator)               { m.mergeSum(&o.(*numericMoments).numericSum) }
func (m *numericMoments) append(dst []byte, _ int64) []byte { return m.appendSum(dst, true) }
func (m *numericMoments) read(r *reader, _ int64)           { m.readSum(r, true) }

func (m *numericMoments) result(s *slotSpec) (fqgw.Value, bool) {
	if m.special.count() > 0 && (m.n > 1 || s.fn == "var_pop" || s.fn == "stddev_pop") {
		return fqgw.NumericValue(fqgw.DecimalNaN), true
	}
	return numericDeviation(s.fn, m.n, m.sum(), m.total(2, func(at *scaleSum) *big.Int { return &at.squares }))
}
