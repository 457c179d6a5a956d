package fqgw

import (
	"encoding/binary"
	"math"
	"math/big"
)

// The packed forms of numbers and values, in which states and definitions are
// kept. All are canonical: what differs has other bytes, equal things have equal
// bytes, and an Unpacker refuses any other spelling, so that what was read is
// written as the same bytes again. They outlive the process.

// AppendBig is twice the number of bytes plus the sign, then the bytes.
func AppendBig(dst []byte, n *big.Int) []byte {
	head := uint64(n.BitLen()+7) / 8 << 1
	if n.Sign() < 0 {
		head |= 1
	}
	return append(binary.AppendUvarint(dst, head), n.Bytes()...)
}

// AppendString is the length, then the bytes.
func AppendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// The tags of values.
const (
	tagNull      = '0'
	tagFalse     = 'f'
	tagTrue      = 't'
	tagInt       = 'i'
	tagFloat     = 'g'
	tagNumeric   = 'n'
	tagText      = 's'
	tagBytes     = 'y'
	tagDate      = 'd'
	tagTime      = 'c'
	tagTimestamp = 'm'
	tagInterval  = 'v'
	tagUUID      = 'u'
	tagArray     = 'a'
	tagRecord    = 'r'
)

// AppendPacked appends a value with its kind: a tag, then what the kind needs. Of
// a record the fields stay, their names and types do not.
func AppendPacked(dst []byte, v Value) []byte {
	switch v.Kind() {
	case KindBool:
		if v.Bool() {
			return append(dst, tagTrue)
		}
		return append(dst, tagFalse)
	case KindInt:
		return binary.AppendVarint(append(dst, tagInt), v.Int())
	case KindDate:
		return binary.AppendVarint(append(dst, tagDate), v.Int())
	case KindTime:
		return binary.AppendVarint(append(dst, tagTime), v.Int())
	case KindTimestamp:
		return binary.AppendVarint(append(dst, tagTimestamp), v.Int())
	case KindFloat:
		return binary.BigEndian.AppendUint64(append(dst, tagFloat), math.Float64bits(v.Float()))
	case KindNumeric:
		return appendDecimal(append(dst, tagNumeric), v.Numeric())
	case KindText:
		return AppendString(append(dst, tagText), v.Str())
	case KindBytes:
		return AppendString(append(dst, tagBytes), v.Str())
	case KindUUID:
		return append(append(dst, tagUUID), v.Str()...)
	case KindInterval:
		s := v.Span()
		dst = binary.AppendVarint(binary.AppendVarint(append(dst, tagInterval), int64(s.Months)), int64(s.Days))
		return binary.AppendVarint(dst, s.Micros)
	case KindArray:
		l := v.List()
		dst = binary.AppendUvarint(append(dst, tagArray), uint64(l.Elem.OID))
		dst = binary.AppendUvarint(dst, uint64(len(l.Dims)))
		for _, d := range l.Dims {
			dst = binary.AppendUvarint(dst, uint64(d))
		}
		return AppendPackedRow(dst, l.Items)
	case KindRecord:
		return AppendPackedRow(append(dst, tagRecord), v.Fields())
	}
	return append(dst, tagNull)
}

// AppendPackedRow is how many values there are, then each.
func AppendPackedRow(dst []byte, row []Value) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(row)))
	for _, v := range row {
		dst = AppendPacked(dst, v)
	}
	return dst
}

// appendDecimal is a byte for the form (0 finite, 1 NaN, 2 and 3 the
// infinities), then scale and coefficient.
func appendDecimal(dst []byte, d Decimal) []byte {
	switch {
	case d.IsNaN():
		return append(dst, 1)
	case d.IsInf() && d.Sign() > 0:
		return append(dst, 2)
	case d.IsInf():
		return append(dst, 3)
	}
	return AppendBig(binary.AppendUvarint(append(dst, 0), uint64(d.Scale())), d.Coef())
}

// Unpacker takes packed things off bytes, which it neither keeps nor changes.
// After the first failure it is bad and gives zeros.
type Unpacker struct {
	b   []byte
	at  int // what is before it was read
	bad bool
}

// Unpack reads b from its beginning.
func Unpack(b []byte) Unpacker { return Unpacker{b: b} }

// Bad says whether something could not be read.
func (r *Unpacker) Bad() bool { return r.bad }

// Fail makes the reader bad: what it read cannot be.
func (r *Unpacker) Fail() { r.bad, r.b, r.at = true, nil, 0 }

// Left is the number of bytes that were not read yet.
func (r *Unpacker) Left() int { return len(r.b) - r.at }

// At is the number of bytes that were read.
func (r *Unpacker) At() int { return r.at }

// Take is the next n bytes, a part of what is read.
func (r *Unpacker) Take(n int) []byte {
	if n < 0 || n > r.Left() {
		r.Fail()
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

// Byte is the next byte.
func (r *Unpacker) Byte() byte {
	if r.at >= len(r.b) {
		r.Fail()
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

// Uvarint is what binary.AppendUvarint wrote.
func (r *Unpacker) Uvarint() uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint64(r.b[r.at-1])
	}
	return r.longUvarint()
}

func (r *Unpacker) longUvarint() uint64 {
	n, w := binary.Uvarint(r.b[r.at:])
	if w <= 0 || w > 1 && r.b[r.at+w-1] == 0 {
		r.Fail()
		return 0
	}
	r.at += w
	return n
}

// Varint is what binary.AppendVarint wrote.
func (r *Unpacker) Varint() int64 {
	n := r.Uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

// Int32 is a Varint that is one.
func (r *Unpacker) Int32() int32 {
	n := r.Varint()
	if n != int64(int32(n)) {
		r.Fail()
	}
	return int32(n)
}

// Length is a Uvarint that counts things of at least one byte each.
func (r *Unpacker) Length() int {
	n := r.Uvarint()
	if n > uint64(r.Left()) {
		r.Fail()
		return 0
	}
	return int(n)
}

// String is what AppendString wrote.
func (r *Unpacker) String() string { return string(r.Take(r.Length())) }

// Big is what AppendBig wrote.
func (r *Unpacker) Big() *big.Int {
	head := r.Uvarint()
	if head>>1 > uint64(r.Left()) || head == 1 {
		r.Fail()
		return new(big.Int)
	}
	b := r.Take(int(head >> 1))
	if len(b) > 0 && b[0] == 0 {
		r.Fail()
	}
	n := new(big.Int).SetBytes(b)
	if head&1 == 1 {
		n.Neg(n)
	}
	return n
}

// Value is what AppendPacked wrote.
func (r *Unpacker) Value() Value { return r.value(0) }

// Float is the float of the value that comes next, which stays to be read; ok is
// false where that is none. SkipFloat takes it.
func (r *Unpacker) Float() (f float64, ok bool) {
	if r.Left() < 9 || r.b[r.at] != tagFloat {
		return 0, false
	}
	return math.Float64frombits(binary.BigEndian.Uint64(r.b[r.at+1:])), true
}

// SkipFloat goes past what Float gave.
func (r *Unpacker) SkipFloat() { r.at += 9 }

// Row is what AppendPackedRow wrote.
func (r *Unpacker) Row() []Value { return r.row(0) }

func (r *Unpacker) value(depth int) Value {
	switch r.Byte() {
	case tagNull:
		return Null
	case tagFalse:
		return BoolValue(false)
	case tagTrue:
		return BoolValue(true)
	case tagInt:
		return IntValue(r.Varint())
	case tagDate:
		return DateValue(r.Varint())
	case tagTime:
		return TimeValue(r.Varint())
	case tagTimestamp:
		return TimestampValue(r.Varint())
	case tagFloat:
		b := r.Take(8)
		if len(b) == 0 {
			return Null
		}
		bits := binary.BigEndian.Uint64(b)
		v := FloatValue(math.Float64frombits(bits))
		if math.Float64bits(v.Float()) != bits { // another NaN than the one
			r.Fail()
		}
		return v
	case tagNumeric:
		return NumericValue(r.decimal())
	case tagText:
		return TextValue(r.String())
	case tagBytes:
		return BytesValue(r.String())
	case tagUUID:
		if b := r.Take(16); len(b) == 16 {
			return UUIDValue([16]byte(b))
		}
		return Null
	case tagInterval:
		return SpanValue(Span{Months: r.Int32(), Days: r.Int32(), Micros: r.Varint()})
	case tagArray:
		return r.array(depth)
	case tagRecord:
		return RecordValue(nil, r.row(depth))
	}
	r.Fail()
	return Null
}

func (r *Unpacker) array(depth int) Value {
	oid := r.Uvarint()
	l := &List{Elem: Type{OID: uint32(oid), Mod: -1}}
	for k := r.Length(); k > 0; k-- {
		d := r.Uvarint()
		if d > math.MaxInt32 {
			r.Fail()
		}
		l.Dims = append(l.Dims, int(d))
	}
	if oid > math.MaxUint32 {
		r.Fail()
	}
	l.Items = r.row(depth)
	return ListValue(l)
}

// maxDepth is how deep arrays and records may lie in each other.
const maxDepth = 16

func (r *Unpacker) row(depth int) []Value {
	if depth > maxDepth {
		r.Fail()
		return nil
	}
	n := r.Length()
	vs := make([]Value, 0, min(n, 64))
	for ; n > 0 && !r.bad; n-- {
		vs = append(vs, r.value(depth+1))
	}
	return vs
}

func (r *Unpacker) decimal() Decimal {
	switch r.Byte() {
	case 0:
		scale := r.Uvarint()
		if scale > MaxScale {
			r.Fail()
			return Decimal{}
		}
		return NewDecimal(r.Big(), int32(scale))
	case 1:
		return DecimalNaN
	case 2:
		return DecimalInf
	case 3:
		return DecimalNegInf
	}
	r.Fail()
	return Decimal{}
}
