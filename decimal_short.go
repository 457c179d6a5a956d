package fqgw

import (
	"math/big"
	"math/bits"
)

// ShortDecimal is a finite numeric whose coefficient has two words at the most. It
// refers to nothing: many of them are a column that costs no more than its bytes, and
// making or printing one makes nothing else. The zero ShortDecimal is 0.
type ShortDecimal struct {
	High, Low uint64 // of the coefficient without its sign
	Scale     int32  // as Decimal's
	Negative  bool   // never of 0
}

// Short is d where it is short.
func (d Decimal) Short() (s ShortDecimal, ok bool) {
	c := d.big()
	words := c.Bits()
	if d.form != finite || bits.UintSize != 64 || len(words) > 2 {
		return ShortDecimal{}, false
	}
	s = ShortDecimal{Scale: d.scale, Negative: c.Sign() < 0}
	if len(words) > 0 {
		s.Low = uint64(words[0])
	}
	if len(words) > 1 {
		s.High = uint64(words[1])
	}
	return s, true
}

// Decimal is s as a Decimal.
func (s ShortDecimal) Decimal() Decimal {
	coef := new(big.Int).SetUint64(s.Low)
	if s.High > 0 {
		coef.SetUint64(s.High)
		coef.Lsh(coef, 64).Or(coef, new(big.Int).SetUint64(s.Low))
	}
	if s.Negative {
		coef.Neg(coef)
	}
	return Decimal{coef: coef, scale: s.Scale}
}

// ShortMean is the numeric sum / n, which has the scale that Quo chooses, where it is
// short; n is not zero.
func ShortMean(sum, n int64) (s ShortDecimal, ok bool) {
	w1, f1 := firstDigitOf(uint64(max(sum, -sum)))
	w2, f2 := firstDigitOf(uint64(max(n, -n)))
	s.Scale = scaleOf(w1, f1, w2, f2)
	s.High, s.Low, ok = quoWords(sum, n, s.Scale)
	s.Negative = sum < 0 != (n < 0) && s.High|s.Low != 0
	return s, ok
}

// ParseShort reads what AppendText writes; ok is false of other text.
func ParseShort(text string) (s ShortDecimal, ok bool) {
	const most = 19 // digits that are a word
	if s.Negative = len(text) > 0 && text[0] == '-'; s.Negative {
		text = text[1:]
	}
	point, digits := -1, 0
	for i := range len(text) {
		c := text[i]
		switch {
		case c == '.' && point < 0 && i > 0 && i+1 < len(text):
			point = i
			continue
		case c < '0' || c > '9' || digits == 2*most:
			return ShortDecimal{}, false
		}
		digits++
		high, low := bits.Mul64(s.Low, 10)
		var carry uint64
		s.Low, carry = bits.Add64(low, uint64(c-'0'), 0)
		s.High = s.High*10 + high + carry
	}
	if point >= 0 {
		s.Scale = int32(len(text) - point - 1)
	}
	return s, digits > 0 && (!s.Negative || s.High|s.Low != 0)
}

// Quo is the coefficient divided by a word other than zero, and what is left.
func (s ShortDecimal) Quo(by uint64) (high, low, rest uint64) {
	high = s.High / by
	low, rest = bits.Div64(s.High%by, s.Low, by)
	return high, low, rest
}

// AppendText appends PostgreSQL's text form.
func (s ShortDecimal) AppendText(dst []byte) []byte {
	const word, digits = 1e19, 19 // the greatest power of ten that is a word
	var buf [3 * digits]byte      // all digits, from at on
	at := len(buf)
	for left := s; left.High|left.Low != 0; {
		var rest uint64
		left.High, left.Low, rest = left.Quo(word)
		last := left.High|left.Low == 0
		for n := 0; n < digits && (rest > 0 || !last); n++ {
			at--
			buf[at] = byte('0' + rest%10)
			rest /= 10
		}
	}
	if s.Negative {
		dst = append(dst, '-')
	}
	whole := len(buf) - at - int(s.Scale)
	if whole <= 0 {
		dst = append(dst, '0')
	} else {
		dst = append(dst, buf[at:at+whole]...)
		at += whole
	}
	if s.Scale > 0 {
		dst = append(dst, '.')
		for ; whole < 0; whole++ {
			dst = append(dst, '0')
		}
		dst = append(dst, buf[at:]...)
	}
	return dst
}

// AppendText appends PostgreSQL's text form.
func (d Decimal) AppendText(dst []byte) []byte {
	if s, ok := d.Short(); ok {
		return s.AppendText(dst)
	}
	return append(dst, d.longString()...)
}
