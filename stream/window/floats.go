package window

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/fqgw/fqgw"
)

// specials counts what has no place in an exact sum.
type specials struct{ nan, pos, neg uint64 }

func (s *specials) count() uint64 { return s.nan + s.pos + s.neg }

// addFloat counts f and says whether it is special.
func (s *specials) addFloat(f float64) bool {
	switch {
	case math.IsNaN(f):
		s.nan++
	case math.IsInf(f, 1):
		s.pos++
	case math.IsInf(f, -1):
		s.neg++
	default:
		return false
	}
	return true
}

func (s *specials) merge(o specials) {
	s.nan += o.nan
	s.pos += o.pos
	s.neg += o.neg
}

// appendCount packs n, the number of all values, with the specials among them.
func (s *specials) appendCount(dst []byte, n uint64) []byte {
	if s.count() == 0 {
		return appendUvarint(dst, n<<1)
	}
	dst = appendUvarint(dst, n<<1|1)
	return appendUvarint(appendUvarint(appendUvarint(dst, s.nan), s.pos), s.neg)
}

// readCount counts packed specials; it gives the number of all values, and of
// those that are not special.
func (s *specials) readCount(r *reader) (n, plain uint64) {
	head := r.Uvarint()
	n = head >> 1
	if head&1 == 0 {
		return n, n
	}
	in := specials{r.Uvarint(), r.Uvarint(), r.Uvarint()}
	if in.count() == 0 || in.nan > n || in.pos > n || in.neg > n || in.count() > n {
		r.Fail()
	}
	s.merge(in)
	return n, n - in.count()
}

// sum is the sum of the specials; ok is false when there are none.
func (s *specials) sum() (f float64, ok bool) {
	switch {
	case s.nan > 0 || s.pos > 0 && s.neg > 0:
		return math.NaN(), true
	case s.pos > 0:
		return math.Inf(1), true
	case s.neg > 0:
		return math.Inf(-1), true
	}
	return 0, false
}

// The lowest bit of a double is 2^-1074, that of its square 2^-2148.
const (
	floatUnit  = 1074
	squareUnit = 2 * floatUnit
)

// split takes a finite double apart: ±mantissa * 2^(shift-1074).
func split(f float64) (mantissa uint64, shift uint, negative bool) {
	b := math.Float64bits(f)
	mantissa, shift = b&(1<<52-1), uint(b>>52&0x7ff)
	if shift > 0 {
		mantissa |= 1 << 52
		shift--
	}
	return mantissa, shift, b>>63 == 1
}

// floatSum serves sum and avg of real and double precision.
type floatSum struct {
	n       uint64
	special specials
	sum     exact // units of 2^-1074
}

func (s *floatSum) add(_ *Input, v fqgw.Value) {
	if !v.IsNull() {
		s.addFloat(v.Float())
	}
}

func (s *floatSum) addFloat(f float64) {
	s.n++
	if !s.special.addFloat(f) {
		m, shift, negative := split(f)
		s.sum.add(shift, 0, m, negative)
	}
}

func (s *floatSum) merge(o accumulator) {
	p := o.(*floatSum)
	s.n += p.n
	s.special.merge(p.special)
	s.sum.merge(&p.sum)
}

func (s *floatSum) append(dst []byte, _ int64) []byte {
	if dst = s.special.appendCount(dst, s.n); s.n > s.special.count() {
		dst = s.sum.append(dst)
	}
	return dst
}

func (s *floatSum) read(r *reader, _ int64) {
	s.readSum(r)
}

// readSum says whether there were values that are not special.
func (s *floatSum) readSum(r *reader) bool {
	n, plain := s.special.readCount(r)
	if s.n += n; plain > 0 {
		s.sum.read(r)
	}
	return plain > 0
}

var bigOne = big.NewInt(1)

func (s *floatSum) result(slot *slotSpec) (fqgw.Value, bool) {
	if s.n == 0 {
		return fqgw.Null, true
	}
	if f, ok := s.special.sum(); ok {
		return fqgw.FloatValue(f), true
	}
	if f, ok := s.short(slot); ok {
		return fqgw.FloatValue(f), true
	}
	m, shift := s.sum.parts()
	den := bigOne
	if slot.fn == "avg" {
		den = new(big.Int).SetUint64(s.n)
	}
	q := quotient(m, int(shift)-floatUnit, den)
	if slot.typ == fqgw.Float4 {
		f, _ := q.Float32()
		return float(float64(f))
	}
	f, _ := q.Float64()
	return float(f)
}

// short is the result as double precision when the sum has 64 bits at the most
// and nothing about it is out of the common.
func (s *floatSum) short(slot *slotSpec) (f float64, ok bool) {
	m, shift, negative, ok := s.sum.word()
	if !ok || slot.typ == fqgw.Float4 {
		return 0, false
	}
	n := uint64(1)
	if slot.fn == "avg" {
		n = s.n
	}
	// Both with their highest bit set the quotient has 63 or 64 bits; the last
	// stands for the rest as well, so that the conversion rounds once.
	up, down := bits.LeadingZeros64(m), bits.LeadingZeros64(n)
	m <<= up
	q, rest := bits.Div64(m>>1, m<<63, n<<down)
	if rest != 0 {
		q |= 1
	}
	exp := int(shift) - floatUnit - up + down - 63
	if exp < -1022 || exp > 900 {
		return 0, false // perhaps subnormal, perhaps infinite
	}
	if f = math.Ldexp(float64(q), exp); negative {
		f = -f
	}
	return f, true
}

// float is a finite result, or none when it became infinite.
func float(f float64) (fqgw.Value, bool) {
	if math.IsInf(f, 0) {
		return fqgw.Null, false
	}
	return fqgw.FloatValue(f), true
}

// floatMoments serves the variances of real and double precision.
type floatMoments struct {
	floatSum
	squares exact // units of 2^-2148
}

func (m *floatMoments) add(_ *Input, v fqgw.Value) {
	if !v.IsNull() {
		m.addFloat(v.Float())
	}
}

func (m *floatMoments) addFloat(f float64) {
	m.floatSum.addFloat(f)
	if !math.IsNaN(f) && !math.IsInf(f, 0) {
		mantissa, shift, _ := split(f)
		hi, lo := bits.Mul64(mantissa, mantissa)
		m.squares.add(2*shift, hi, lo, false)
	}
}

func (m *floatMoments) merge(o accumulator) {
	p := o.(*floatMoments)
	m.floatSum.merge(&p.floatSum)
	m.squares.merge(&p.squares)
}

func (m *floatMoments) append(dst []byte, newest int64) []byte {
	if dst = m.floatSum.append(dst, newest); m.n > m.special.count() {
		dst = m.squares.append(dst)
	}
	return dst
}

func (m *floatMoments) read(r *reader, _ int64) {
	if m.readSum(r) {
		m.squares.read(r)
	}
}

// result is (n·Σx² − (Σx)²) / (n(n−1) or n²) rounded once, or the root of that double.
func (m *floatMoments) result(s *slotSpec) (fqgw.Value, bool) {
	sample := s.fn == "var_samp" || s.fn == "stddev_samp"
	switch {
	case m.n == 0 || sample && m.n == 1:
		return fqgw.Null, true
	case m.special.count() > 0:
		return fqgw.FloatValue(math.NaN()), true
	}
	sum, sumShift := m.sum.parts()
	squares, shift := m.squares.parts()
	n := new(big.Int).SetUint64(m.n)
	sum.Mul(sum, sum)
	squares.Mul(squares, n)
	low := min(shift, 2*sumShift)
	num := squares.Sub(squares.Lsh(squares, shift-low), sum.Lsh(sum, 2*sumShift-low))
	den := new(big.Int).Set(n)
	if sample {
		den.Sub(den, bigOne)
	}
	f, _ := quotient(num, int(low)-squareUnit, den.Mul(den, n)).Float64()
	if s.fn == "stddev_samp" || s.fn == "stddev_pop" {
		f = math.Sqrt(f)
	}
	return float(f)
}
