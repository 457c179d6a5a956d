package expr

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/fqgw/fqgw"
)

// hashable says whether HashKey follows the = operator of the type; character(n)
// and jsonb compare otherwise than by their bytes.
func hashable(t fqgw.Type) bool {
	if t.IsArray() {
		t = t.Elem()
	}
	switch t.OID {
	case fqgw.BPChar.OID, fqgw.JSON.OID, fqgw.JSONB.OID, fqgw.Record.OID:
		return false
	}
	return true
}

// HashKey appends bytes that are equal for two values exactly when fqgw.Compare
// gives 0: for values of one type, and among integers, floats and numerics that
// are whole numbers or exact in both. NULL equals NULL.
func HashKey(dst []byte, v fqgw.Value) []byte {
	switch v.Kind() {
	case fqgw.KindNull:
		return append(dst, 0)
	case fqgw.KindBool:
		if v.Bool() {
			return append(dst, 1, 1)
		}
		return append(dst, 1, 0)
	case fqgw.KindInt:
		return hashInt(dst, v.Int())
	case fqgw.KindFloat:
		return hashFloat(dst, v.Float())
	case fqgw.KindNumeric:
		return hashDecimal(dst, v.Numeric())
	case fqgw.KindDate, fqgw.KindTime, fqgw.KindTimestamp:
		return binary.BigEndian.AppendUint64(append(dst, byte(v.Kind())+16), uint64(v.Int()))
	case fqgw.KindInterval:
		return hashSpan(append(dst, byte(v.Kind())+16), v.Span())
	case fqgw.KindArray:
		l := v.List()
		dst = binary.AppendUvarint(append(dst, byte(v.Kind())+16), uint64(len(l.Items)))
		// Compare looks at how many dimensions there are, no further.
		dst = binary.AppendUvarint(dst, uint64(len(l.Dims)))
		return hashItems(dst, l.Items)
	case fqgw.KindRecord:
		dst = binary.AppendUvarint(append(dst, byte(v.Kind())+16), uint64(len(v.Fields())))
		return hashItems(dst, v.Fields())
	}
	dst = binary.AppendUvarint(append(dst, byte(v.Kind())+16), uint64(len(v.Str())))
	return append(dst, v.Str()...)
}

func hashItems(dst []byte, items []value) []byte {
	for _, i := range items {
		dst = HashKey(dst, i)
	}
	return dst
}

// Numbers: 2 and 8 bytes for what an int64 holds, else by kind.
func hashInt(dst []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 2), uint64(n))
}

func hashFloat(dst []byte, f float64) []byte {
	if f == math.Trunc(f) && f >= -0x1p63 && f < 0x1p63 {
		return hashInt(dst, int64(f))
	}
	if math.IsNaN(f) {
		return append(dst, 4)
	}
	return binary.BigEndian.AppendUint64(append(dst, 3), math.Float64bits(f))
}

func hashDecimal(dst []byte, d fqgw.Decimal) []byte {
	switch {
	case d.IsNaN():
		return append(dst, 4)
	case d.IsInf():
		return binary.BigEndian.AppendUint64(append(dst, 3), math.Float64bits(math.Inf(d.Sign())))
	}
	t := d.TrimScale()
	if t.Scale() == 0 && t.Coef().IsInt64() {
		return hashInt(dst, t.Coef().Int64())
	}
	// Numerics with the value of a double that is not whole have few digits;
	// write the number itself, by its shortest decimal.
	if f := t.Float(); !math.IsInf(f, 0) && fqgw.DecimalFromFloat(f).Cmp(t) == 0 {
		return binary.BigEndian.AppendUint64(append(dst, 3), math.Float64bits(f))
	}
	s := t.String()
	dst = binary.AppendUvarint(append(dst, 5), uint64(len(s)))
	return append(dst, s...)
}

// hashSpan writes the length by which intervals compare, 128 bits wide.
func hashSpan(dst []byte, s fqgw.Span) []byte {
	days := int64(s.Months)*30 + int64(s.Days)
	hi, lo := bits.Mul64(uint64(max(days, -days)), uint64(usDay))
	if days < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	var carry uint64
	lo, carry = bits.Add64(lo, uint64(s.Micros), 0)
	hi, _ = bits.Add64(hi, uint64(s.Micros>>63), carry)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, hi), lo)
}
