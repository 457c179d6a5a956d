package fqgw

import (
	"encoding/binary"
	"math"
)

// Skip goes past what AppendPacked wrote. It refuses what Value refuses, and makes
// nothing of the rest.
func (r *Unpacker) Skip() { r.skip(0) }

// SkipBig goes past what AppendBig wrote.
func (r *Unpacker) SkipBig() {
	head := r.Uvarint()
	if head>>1 > uint64(r.Left()) || head == 1 {
		r.Fail()
		return
	}
	if b := r.Take(int(head >> 1)); len(b) > 0 && b[0] == 0 {
		r.Fail()
	}
}

func (r *Unpacker) skip(depth int) {
	switch r.Byte() {
	case tagNull, tagFalse, tagTrue:
	case tagInt, tagDate, tagTime, tagTimestamp:
		r.Uvarint()
	case tagFloat:
		if b := r.Take(8); len(b) == 8 {
			bits := binary.BigEndian.Uint64(b)
			if f := math.Float64frombits(bits); f != f && bits != nanBits {
				r.Fail()
			}
		}
	case tagNumeric:
		r.skipDecimal()
	case tagText, tagBytes:
		r.Take(r.Length())
	case tagUUID:
		r.Take(16)
	case tagInterval:
		r.Int32()
		r.Int32()
		r.Uvarint()
	case tagArray:
		r.skipArray(depth)
	case tagRecord:
		r.skipRow(depth)
	default:
		r.Fail()
	}
}

func (r *Unpacker) skipDecimal() {
	switch form := r.Byte(); {
	case form > 3:
		r.Fail()
	case form == 0:
		if r.Uvarint() > MaxScale {
			r.Fail()
			return
		}
		r.SkipBig()
	}
}

func (r *Unpacker) skipArray(depth int) {
	if r.Uvarint() > math.MaxUint32 {
		r.Fail()
	}
	for k := r.Length(); k > 0; k-- {
		if r.Uvarint() > math.MaxInt32 {
			r.Fail()
		}
	}
	r.skipRow(depth)
}

func (r *Unpacker) skipRow(depth int) {
	if depth > maxDepth {
		r.Fail()
		return
	}
	for n := r.Length(); n > 0 && !r.bad; n-- {
		r.skip(depth + 1)
	}
}

// IsNull says whether the value that comes next is NULL; it stays to be read.
func (r *Unpacker) IsNull() bool { return r.at < len(r.b) && r.b[r.at] == tagNull }

// Write hands the next value to w, in its plain form where it has one.
func (r *Unpacker) Write(w RowWriter) {
	if r.at >= len(r.b) {
		r.Fail()
		w.Null()
		return
	}
	tag := r.b[r.at]
	r.at++
	switch tag {
	case tagNull:
		w.Null()
	case tagInt:
		w.Int(KindInt, r.Varint())
	case tagDate:
		w.Int(KindDate, r.Varint())
	case tagTime:
		w.Int(KindTime, r.Varint())
	case tagTimestamp:
		w.Int(KindTimestamp, r.Varint())
	case tagText:
		w.Bytes(KindText, r.Take(r.Length()))
	case tagBytes:
		w.Bytes(KindBytes, r.Take(r.Length()))
	default:
		r.at--
		if f, ok := r.Float(); ok && f == f {
			r.SkipFloat()
			w.Float(f)
			return
		}
		w.Value(r.Value())
	}
}
