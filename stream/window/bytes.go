package window

import (
	"encoding/binary"
	"math"

	"github.com/fqgw/fqgw"
)

// The packed forms of what only states have, canonical as the root's are: a state
// that was read is written as the same bytes again.

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

// appendMoment packs the place of an event in the order of events; its time
// relative to a time that is known already.
func appendMoment(dst []byte, in *Input, near int64) []byte {
	dst = appendVarint(dst, near-in.Time)
	dst = appendVarint(dst, in.Known-in.Time)
	if in.Pos.IsNone() {
		return fqgw.AppendString(append(dst, 0), in.tie)
	}
	dst = appendPlace(dst, in.Pos)
	dst = appendVarint(dst, int64(in.Pos.Epoch))
	return appendVarint(dst, int64(in.Pos.Partition))
}

// appendPlace packs offset and sub-position. The offset counts from 1 and is
// doubled; one more says that a sub-position follows, which is not 0.
func appendPlace(dst []byte, pos fqgw.Position) []byte {
	n := uint64(pos.Offset+1) << 1
	if pos.Sub == 0 {
		return appendUvarint(dst, n)
	}
	return appendUvarint(appendUvarint(dst, n|1), uint64(pos.Sub))
}

// reader takes the parts of a packed state off its bytes.
type reader struct{ fqgw.Unpacker }

func (r *reader) int128() int128 {
	var hi, lo uint64
	for shift := uint(0); ; shift += 7 {
		c := r.Byte()
		v := uint64(c & 0x7f)
		if shift > 126 || shift == 126 && v > 3 || shift > 0 && c == 0 {
			r.Fail()
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

func (r *reader) moment(in *Input, near int64) {
	in.Time = near - r.Varint()
	in.Known = in.Time + r.Varint()
	if in.Pos.Offset, in.Pos.Sub = r.place(); in.Pos.IsNone() {
		in.tie = r.String()
		return
	}
	in.Pos.Epoch, in.Pos.Partition = r.Int32(), r.Int32()
}

// place is what appendPlace packed, and NoOffset for a 0.
func (r *reader) place() (offset int64, sub int32) {
	n := r.Uvarint()
	offset = int64(n>>1) - 1
	if n&1 == 1 {
		s := r.Uvarint()
		if sub = int32(s); s == 0 || s > math.MaxInt32 || offset < 0 {
			r.Fail()
		}
	}
	return offset, sub
}
