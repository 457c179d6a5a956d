package wire

import (
	"encoding/binary"
	"math/big"

	"github.com/fqgw/fqgw"
)

// Signs of numeric's binary form.
const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericPosInf   = 0xD000
	numericNegInf   = 0xF000
)

var bigTenThousand = big.NewInt(10_000)

// appendNumeric sends base-10000 digits: count, weight, sign, display scale, digits.
func appendNumeric(dst []byte, d fqgw.Decimal) []byte {
	if s, ok := d.Short(); ok {
		return appendShort(dst, s)
	}
	switch {
	case d.IsNaN():
		return appendNumericHead(dst, 0, 0, numericNaN, 0)
	case d.IsInf() && d.Sign() > 0:
		return appendNumericHead(dst, 0, 0, numericPosInf, 0)
	case d.IsInf():
		return appendNumericHead(dst, 0, 0, numericNegInf, 0)
	}
	// Shift so that the point falls between base-10000 digits.
	coef := new(big.Int).Abs(d.Coef())
	frac := (d.Scale() + 3) / 4
	coef.Mul(coef, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(frac*4-d.Scale())), nil))
	var digits []uint16 // the last first
	rem := new(big.Int)
	for coef.Sign() > 0 {
		coef.QuoRem(coef, bigTenThousand, rem)
		digits = append(digits, uint16(rem.Uint64()))
	}
	return appendDigits(dst, digits, frac, d.Sign() < 0, d.Scale())
}

// appendShort is appendNumeric of a short one.
func appendShort(dst []byte, s fqgw.ShortDecimal) []byte {
	const perWord, word = 4, 1e16 // digits that are divided off at a time
	var room [12]uint16
	digits := room[:0] // the last first
	scale, frac, negative := s.Scale, (s.Scale+3)/4, s.Negative
	if s.High|s.Low == 0 {
		return appendDigits(dst, nil, frac, false, scale)
	}
	if fill := frac*4 - scale; fill > 0 { // the last digit behind the point is filled up with zeros
		by, times := [4]uint64{0, 1000, 100, 10}[fill], [4]uint16{0, 10, 100, 1000}[fill]
		var rest uint64
		s.High, s.Low, rest = s.Quo(by)
		digits = append(digits, uint16(rest)*times)
	}
	for s.High > 0 {
		var rest uint64
		s.High, s.Low, rest = s.Quo(word)
		for range perWord {
			digits = append(digits, uint16(rest%10_000))
			rest /= 10_000
		}
	}
	for n := s.Low; n > 0; n /= 10_000 {
		digits = append(digits, uint16(n%10_000))
	}
	for len(digits) > 0 && digits[len(digits)-1] == 0 { // where a word had less
		digits = digits[:len(digits)-1]
	}
	return appendDigits(dst, digits, frac, negative, scale)
}

// appendDigits sends a finite number of which frac digits, the last first, are behind
// the point.
func appendDigits(dst []byte, digits []uint16, frac int32, negative bool, scale int32) []byte {
	weight := len(digits) - 1 - int(frac)
	low := 0
	for low < len(digits) && digits[low] == 0 {
		low++
	}
	digits = digits[low:]
	if len(digits) == 0 {
		weight = 0
	}
	sign := uint16(0)
	if negative {
		sign = numericNegative
	}
	dst = appendNumericHead(dst, len(digits), int16(weight), sign, scale)
	for i := len(digits) - 1; i >= 0; i-- {
		dst = binary.BigEndian.AppendUint16(dst, digits[i])
	}
	return dst
}

func appendNumericHead(dst []byte, digits int, weight int16, sign uint16, scale int32) []byte {
	be := binary.BigEndian
	dst = be.AppendUint16(be.AppendUint16(dst, uint16(digits)), uint16(weight))
	return be.AppendUint16(be.AppendUint16(dst, sign), uint16(scale))
}

func decodeNumeric(b []byte) (fqgw.Decimal, bool) {
	be := binary.BigEndian
	if len(b) < 8 {
		return fqgw.Decimal{}, false
	}
	n, weight, sign, scale := int(be.Uint16(b)), int(int16(be.Uint16(b[2:]))), be.Uint16(b[4:]), int(be.Uint16(b[6:]))
	b = b[8:]
	switch sign {
	case numericNaN:
		return fqgw.DecimalNaN, true
	case numericPosInf:
		return fqgw.DecimalInf, true
	case numericNegInf:
		return fqgw.DecimalNegInf, true
	case 0, numericNegative:
	default:
		return fqgw.Decimal{}, false
	}
	if len(b) != 2*n || scale > fqgw.MaxScale {
		return fqgw.Decimal{}, false
	}
	coef := new(big.Int)
	for i := range n {
		d := be.Uint16(b[2*i:])
		if d >= 10_000 {
			return fqgw.Decimal{}, false
		}
		coef.Mul(coef, bigTenThousand).Add(coef, big.NewInt(int64(d)))
	}
	// The last digit has the place value 10000^(weight-n+1).
	exp := 4 * (weight - n + 1)
	if sign == numericNegative {
		coef.Neg(coef)
	}
	var d fqgw.Decimal
	if exp >= 0 {
		d = fqgw.NewDecimal(coef.Mul(coef, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exp)), nil)), 0)
	} else {
		d = fqgw.NewDecimal(coef, int32(-exp))
	}
	return d.Trunc(int32(scale)).Round(int32(scale)), true
}
