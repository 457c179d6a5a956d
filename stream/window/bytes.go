package window

import (
	"encoding/binary"
	"math"
	"math/big"

	"github.com/fqgw/fqgw"
)

// The packed forms of numbers and values. All are canonical: equal values have
// equal bytes, and the reader refuses any other spelling, so that a state that
// was read is written as the same bytes again.

func appendUvarint(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }
func appendVarint(dst []byte, n int64) []byte   { return binary.AppendVarint(dst, n) }

// appendInt128 is a zigzag varint of up to 19 bytes.
func appendInt128(dst []byte, x int128) []byte {
	sign := uint64(x.hi >> 63)
	hi, lo := (uint64(x.hi)<<1|x.lo>>63)^sign, x.lo<<1^sign
	for hi != 0 || lo >= 0x80 {
		dst = append(dst, byte(lo)|0x80)
		lo, hi = lo>>7|hi<<57, hi>>7
	}
	return append(dst, byte(lo))
}

// appendBig is twice the number of bytes plus the sign, then the bytes.
func appendBig(dst []byte, n *big.Int) []byte {
	head := uint64(n.BitLen()+7) / 8 << 1
	if n.Sign() < 0 {
		head |= 1
	}
	return append(appendUvarint(dst, head), n.Bytes()...)
}

func appendString(dst []byte, s string) []byte {
	return append(appendUvarint(dst, uint64(len(s))), s...)
}

// appendMoment packs the place of an event in the order of events; its time
// relative to a time that is known already.
func appendMoment(dst []byte, in *Input, near int64) []byte {
	dst = appendVarint(dst, near-in.Time)
	dst = appendVarint(dst, in.Known-in.Time)
	dst = appendVarint(dst, in.Pos.Offset)
	dst = appendVarint(dst, int64(in.Pos.Epoch))
	dst = appendVarint(dst, int64(in.Pos.Partition))
	if in.Pos.Offset < 0 {
		dst = appendString(dst, in.tie)
	}
	return dst
}

// The tags of values. They outlive the process.
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

// appendValue packs a value with its kind.
func appendValue(dst []byte, v fqgw.Value) []byte {
	switch v.Kind() {
	case fqgw.KindBool:
		if v.Bool() {
			return append(dst, tagTrue)
		}
		return append(dst, tagFalse)
	case fqgw.KindInt:
		return appendVarint(append(dst, tagInt), v.Int())
	case fqgw.KindDate:
		return appendVarint(append(dst, tagDate), v.Int())
	case fqgw.KindTime:
		return appendVarint(append(dst, tagTime), v.Int())
	case fqgw.KindTimestamp:
		return appendVarint(append(dst, tagTimestamp), v.Int())
	case fqgw.KindFloat:
		return binary.BigEndian.AppendUint64(append(dst, tagFloat), math.Float64bits(v.Float()))
	case fqgw.KindNumeric:
		return appendNumeric(append(dst, tagNumeric), v.Numeric())
	case fqgw.KindText:
		return appendString(append(dst, tagText), v.Str())
	case fqgw.KindBytes:
		return appendString(append(dst, tagBytes), v.Str())
	case fqgw.KindUUID:
		return append(append(dst, tagUUID), v.Str()...)
	case fqgw.KindInterval:
		s := v.Span()
		dst = appendVarint(appendVarint(append(dst, tagInterval), int64(s.Months)), int64(s.Days))
		return appendVarint(dst, s.Micros)
	case fqgw.KindArray:
		l := v.List()
		dst = appendUvarint(append(dst, tagArray), uint64(l.Elem.OID))
		dst = appendUvarint(dst, uint64(len(l.Dims)))
		for _, d := range l.Dims {
			dst = appendUvarint(dst, uint64(d))
		}
		return appendValues(dst, l.Items)
	case fqgw.KindRecord:
		return appendValues(append(dst, tagRecord), v.Fields())
	}
	return append(dst, tagNull)
}

func appendValues(dst []byte, vs []fqgw.Value) []byte {
	dst = appendUvarint(dst, uint64(len(vs)))
	for _, v := range vs {
		dst = appendValue(dst, v)
	}
	return dst
}

// appendNumeric is a byte for the form (0 finite, 1 NaN, 2 and 3 the
// infinities), then scale and coefficient.
func appendNumeric(dst []byte, d fqgw.Decimal) []byte {
	switch {
	case d.IsNaN():
		return append(dst, 1)
	case d.IsInf() && d.Sign() > 0:
		return append(dst, 2)
	case d.IsInf():
		return append(dst, 3)
	}
	return appendBig(appendUvarint(append(dst, 0), uint64(d.Scale())), d.Coef())
}

// reader takes packed things off its bytes. After the first failure it is bad
// and gives zeros.
type reader struct {
	b   []byte
	at  int // what is before it was read
	bad bool
}

func (r *reader) fail() {
	r.bad, r.b, r.at = true, nil, 0
}

// left is the number of bytes that were not read yet.
func (r *reader) left() int { return len(r.b) - r.at }

func (r *reader) take(n int) []byte {
	if n < 0 || n > r.left() {
		r.fail()
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail()
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) uvarint() uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint64(r.b[r.at-1])
	}
	return r.longUvarint()
}

func (r *reader) longUvarint() uint64 {
	n, w := binary.Uvarint(r.b[r.at:])
	if w <= 0 || w > 1 && r.b[r.at+w-1] == 0 {
		r.fail()
		return 0
	}
	r.at += w
	return n
}

func (r *reader) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

// length is a count of things of at least one byte each.
func (r *reader) length() int {
	n := r.uvarint()
	if n > uint64(r.left()) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) int32() int32 {
	n := r.varint()
	if n != int64(int32(n)) {
		r.fail()
	}
	return int32(n)
}

func (r *reader) int128() int128 {
	var hi, lo uint64
	for shift := uint(0); ; shift += 7 {
		c := r.byte()
		v := uint64(c & 0x7f)
		if shift > 126 || shift == 126 && v > 3 || shift > 0 && c == 0 {
			r.fail()
			return int128{}
		}
		if shift < 64 {
			lo |= v << shift
			hi |= v >> (64 - shift) // nothing for shift 0
		} else {
			hi |= v << (shift - 64)
		}
		if c < 0x80 {
			break
		}
	}
	sign := -(lo & 1)
	return int128{int64(hi>>1 ^ sign), (lo>>1 | hi<<63) ^ sign}
}

func (r *reader) big() *big.Int {
	head := r.uvarint()
	if head>>1 > uint64(r.left()) || head == 1 {
		r.fail()
		return new(big.Int)
	}
	b := r.take(int(head >> 1))
	if len(b) > 0 && b[0] == 0 {
		r.fail()
	}
	n := new(big.Int).SetBytes(b)
	if head&1 == 1 {
		n.Neg(n)
	}
	return n
}

func (r *reader) string() string { return string(r.take(r.length())) }

func (r *reader) moment(in *Input, near int64) {
	in.Time = near - r.varint()
	in.Known = in.Time + r.varint()
	in.Pos.Offset = r.varint()
	in.Pos.Epoch, in.Pos.Partition = r.int32(), r.int32()
	if in.Pos.Offset < 0 {
		in.tie = r.string()
	}
	if in.Pos.Offset < fqgw.NoOffset {
		r.fail()
	}
}

func (r *reader) value() fqgw.Value { return r.nested(0) }

func (r *reader) nested(depth int) fqgw.Value {
	switch r.byte() {
	case tagNull:
		return fqgw.Null
	case tagFalse:
		return fqgw.BoolValue(false)
	case tagTrue:
		return fqgw.BoolValue(true)
	case tagInt:
		return fqgw.IntValue(r.varint())
	case tagDate:
		return fqgw.DateValue(r.varint())
	case tagTime:
		return fqgw.TimeValue(r.varint())
	case tagTimestamp:
		return fqgw.TimestampValue(r.varint())
	case tagFloat:
		b := r.take(8)
		if len(b) == 0 {
			return fqgw.Null
		}
		bits := binary.BigEndian.Uint64(b)
		v := fqgw.FloatValue(math.Float64frombits(bits))
		if math.Float64bits(v.Float()) != bits { // another NaN than the one
			r.fail()
		}
		return v
	case tagNumeric:
		return fqgw.NumericValue(r.numeric())
	case tagText:
		return fqgw.TextValue(r.string())
	case tagBytes:
		return fqgw.BytesValue(r.string())
	case tagUUID:
		if b := r.take(16); len(b) == 16 {
			return fqgw.UUIDValue([16]byte(b))
		}
		return fqgw.Null
	case tagInterval:
		return fqgw.SpanValue(fqgw.Span{Months: r.int32(), Days: r.int32(), Micros: r.varint()})
	case tagArray:
		return r.array(depth)
	case tagRecord:
		return fqgw.RecordValue(nil, r.values(depth))
	}
	r.fail()
	return fqgw.Null
}

func (r *reader) array(depth int) fqgw.Value {
	oid := r.uvarint()
	l := &fqgw.List{Elem: fqgw.Type{OID: uint32(oid), Mod: -1}}
	for k := r.length(); k > 0; k-- {
		d := r.uvarint()
		if d > math.MaxInt32 {
			r.fail()
		}
		l.Dims = append(l.Dims, int(d))
	}
	if oid > math.MaxUint32 {
		r.fail()
	}
	l.Items = r.values(depth)
	return fqgw.ListValue(l)
}

func (r *reader) values(depth int) []fqgw.Value {
	const maxDepth = 16
	if depth > maxDepth {
		r.fail()
		return nil
	}
	n := r.length()
	vs := make([]fqgw.Value, 0, min(n, 64))
	for ; n > 0 && !r.bad; n-- {
		vs = append(vs, r.nested(depth+1))
	}
	return vs
}

func (r *reader) numeric() fqgw.Decimal {
	switch r.byte() {
	case 0:
		scale := r.uvarint()
		if scale > maxScale {
			r.fail()
			return fqgw.Decimal{}
		}
		return fqgw.NewDecimal(r.big(), int32(scale))
	case 1:
		return fqgw.DecimalNaN
	case 2:
		return fqgw.DecimalInf
	case 3:
		return fqgw.DecimalNegInf
	}
	r.fail()
	return fqgw.Decimal{}
}
