package window

import (
	"math/big"
	"math/bits"
	"slices"
)

// exact is a signed integer of any size: the superaccumulator behind sums of
// doubles (SEMANTICS §3.4). It is kept in base 2^32, the digits signed and wide
// enough that carries may wait, and only the digits between the lowest and the
// highest in use are there. What one unit stands for is the user's business.
type exact struct {
	base    int32  // the place of digits[0]
	pending uint32 // bounds the digits: each is below pending * 2^32
	digits  []int64
	few     [4]int64 // holds the digits while they are few; an exact is not copied
}

const maxPending = 1 << 29

// add adds ±(hi:lo) << shift.
func (x *exact) add(shift uint, hi, lo uint64, negative bool) {
	s, place := shift&31, int32(shift>>5)
	if i := int(place - x.base); hi == 0 && lo>>(64-s) == 0 && i >= 0 && i+1 < len(x.digits) { // two digits that are there
		d0, d1 := int64(uint32(lo<<s)), int64(lo<<s>>32)
		if negative {
			d0, d1 = -d0, -d1
		}
		x.digits[i] += d0
		x.digits[i+1] += d1
		x.waited(1)
		return
	}
	w0, w1, w2 := lo<<s, hi<<s|lo>>(64-s), hi>>(64-s)
	d := [5]uint32{uint32(w0), uint32(w0 >> 32), uint32(w1), uint32(w1 >> 32), uint32(w2)}
	from, to := 0, len(d)
	for to > 0 && d[to-1] == 0 {
		to--
	}
	if to == 0 {
		return
	}
	for d[from] == 0 {
		from++
	}
	x.span(place+int32(from), place+int32(to))
	at := x.digits[place+int32(from)-x.base:]
	for i, v := range d[from:to] {
		if negative {
			at[i] -= int64(v)
		} else {
			at[i] += int64(v)
		}
	}
	x.waited(1)
}

// waited says that carries of n more additions are outstanding.
func (x *exact) waited(n uint32) {
	if x.pending += n; x.pending >= maxPending {
		x.settle()
	}
}

// span makes room for the places [from, to).
func (x *exact) span(from, to int32) {
	if len(x.digits) == 0 {
		x.digits = slices.Grow(x.few[:0], int(to-from))[:to-from]
		clear(x.digits)
		x.base = from
		return
	}
	for end := x.base + int32(len(x.digits)); end < to; end++ {
		x.digits = append(x.digits, 0)
	}
	if from < x.base {
		x.digits = slices.Insert(x.digits, 0, make([]int64, x.base-from)...)
		x.base = from
	}
}

func (x *exact) merge(o *exact) {
	if len(o.digits) == 0 {
		return
	}
	x.span(o.base, o.base+int32(len(o.digits)))
	at := x.digits[o.base-x.base:]
	for i, v := range o.digits {
		at[i] += v
	}
	x.waited(o.pending)
}

// settle carries everything: afterwards all digits have the number's sign and
// are below 2^32, and neither the first nor the last is zero.
func (x *exact) settle() {
	x.carry()
	if n := len(x.digits); n > 0 && x.digits[n-1] < 0 {
		x.negate()
		x.carry()
		x.negate()
	}
	for n := len(x.digits); n > 0 && x.digits[n-1] == 0; n-- {
		x.digits = x.digits[:n-1]
	}
	low := 0
	for low < len(x.digits) && x.digits[low] == 0 {
		low++
	}
	x.digits = slices.Delete(x.digits, 0, low)
	x.base += int32(low)
	x.pending = 1
}

// carry brings all digits but the last into [0, 2^32); the last has the sign.
func (x *exact) carry() {
	var c int64
	for i := range x.digits {
		v := x.digits[i] + c
		x.digits[i], c = v&(1<<32-1), v>>32
	}
	for ; c != 0 && c != -1; c >>= 32 {
		x.digits = append(x.digits, c&(1<<32-1))
	}
	if c == -1 {
		x.digits = append(x.digits, -1)
	}
}

func (x *exact) negate() {
	for i := range x.digits {
		x.digits[i] = -x.digits[i]
	}
}

// word is the number as ±m * 2^shift, for one other than zero whose digits are
// two at the most.
func (x *exact) word() (m uint64, shift uint, negative, ok bool) {
	x.settle()
	switch len(x.digits) {
	case 1:
		m, negative = uint64(max(x.digits[0], -x.digits[0])), x.digits[0] < 0
	case 2:
		m, negative = uint64(max(x.digits[1], -x.digits[1]))<<32|uint64(max(x.digits[0], -x.digits[0])), x.digits[1] < 0
	default:
		return 0, 0, false, false
	}
	return m, uint(x.base) * 32, negative, true
}

// parts is the number as m * 2^shift.
func (x *exact) parts() (m *big.Int, shift uint) {
	x.settle()
	words := make([]big.Word, 0, len(x.digits))
	negative := false
	for i, v := range x.digits {
		if v < 0 {
			v, negative = -v, true
		}
		switch {
		case bits.UintSize == 32 || i%2 == 0:
			words = append(words, big.Word(v))
		default:
			words[i/2] |= big.Word(v) << (bits.UintSize / 2)
		}
	}
	m = new(big.Int).SetBits(words)
	if negative {
		m.Neg(m)
	}
	return m, uint(x.base) * 32
}

// big is the number times 2^-unit, which must be an integer.
func (x *exact) big(unit uint) *big.Int {
	m, shift := x.parts()
	return m.Lsh(m, shift-unit)
}

// append packs the number as ±m * 2^shift with m odd: twice the number of m's
// bytes plus the sign, the shift, the bytes. Zero is a 0.
func (x *exact) append(dst []byte) []byte {
	x.settle()
	n := len(x.digits)
	if n == 0 {
		return append(dst, 0)
	}
	digit := func(i int) uint64 { // without the sign; nothing above the last
		switch {
		case i >= n:
			return 0
		case x.digits[i] < 0:
			return uint64(-x.digits[i])
		}
		return uint64(x.digits[i])
	}
	zeros := bits.TrailingZeros64(digit(0))
	size := (32*(n-1) + bits.Len64(digit(n-1)) - zeros + 7) / 8
	head := uint64(size) << 1
	if x.digits[n-1] < 0 {
		head |= 1
	}
	dst = appendUvarint(appendUvarint(dst, head), uint64(x.base)*32+uint64(zeros))
	for size--; size >= 0; size-- {
		at := zeros + 8*size
		two := digit(at/32+1)<<32 | digit(at/32)
		dst = append(dst, byte(two>>(at%32)))
	}
	return dst
}

// maxExactBits is more than any sum of squares of doubles can need.
const maxExactBits = 8192

func (x *exact) read(r *reader) {
	head := r.Uvarint()
	if head == 0 {
		return
	}
	shift := r.Uvarint()
	if head < 2 || head>>1 > maxExactBits/8 || shift > maxExactBits {
		r.Fail()
		return
	}
	b := r.Take(int(head >> 1))
	if len(b) == 0 || b[0] == 0 || b[len(b)-1]&1 == 0 {
		r.Fail()
		return
	}
	for len(b) > 0 {
		n := min(8, len(b))
		var w uint64
		for _, c := range b[len(b)-n:] {
			w = w<<8 | uint64(c)
		}
		x.add(uint(shift), 0, w, head&1 == 1)
		b, shift = b[:len(b)-n], shift+64
	}
}

// quotient is num*2^exp/den with at least 66 bits, the last of which is set
// when the division left a rest: rounding it to a float rounds only once.
func quotient(num *big.Int, exp int, den *big.Int) *big.Float {
	shift := max(0, 66+den.BitLen()-num.BitLen())
	q, rest := new(big.Int).Abs(num), new(big.Int)
	q.QuoRem(q.Lsh(q, uint(shift)), den, rest)
	q.Lsh(q, 1)
	if rest.Sign() != 0 {
		q.SetBit(q, 0, 1)
	}
	if num.Sign() < 0 {
		q.Neg(q)
	}
	f := new(big.Float).SetInt(q)
	return f.SetMantExp(f, exp-shift-1)
}
