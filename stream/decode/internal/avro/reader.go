package avro

import (
	"encoding/binary"
	"math"
)

// maxDepth bounds how deep a record is nested.
const maxDepth = 1000

// moreItems is how many values that may have no bytes a record may have, besides one
// for each byte: items of arrays and maps, and records.
const moreItems = 1 << 16

// Reader reads the binary encoding of one record. It is bad from the first thing on
// that is not there, and gives zeros then.
type Reader struct {
	b     []byte
	i     int
	bad   bool
	items int // that may still come
	depth int
}

// Reset begins a record.
func (r *Reader) Reset(b []byte) { *r = Reader{b: b, items: len(b) + moreItems} }

// Bad says that the record is not what its type says.
func (r *Reader) Bad() bool { return r.bad }

// At is the offset behind what was read.
func (r *Reader) At() int { return r.i }

// Back goes back to where At was.
func (r *Reader) Back(at int) {
	if !r.bad {
		r.i = at
	}
}

// Done says that all was read, and was there.
func (r *Reader) Done() bool { return !r.bad && r.i == len(r.b) }

// Enter goes into a value of values, unless it is too deep; Leave comes out of it.
func (r *Reader) Enter() bool {
	r.depth++
	r.items--
	if r.depth > maxDepth || r.items < 0 {
		r.fail()
	}
	return !r.bad
}

// Depth is how deep the reader is.
func (r *Reader) Depth() int { return r.depth }

// Leave comes out of a value that was entered.
func (r *Reader) Leave() { r.depth-- }

func (r *Reader) fail() int64 {
	r.bad, r.i = true, len(r.b)
	return 0
}

// Long reads an int or a long.
func (r *Reader) Long() int64 {
	if r.i < len(r.b) && r.b[r.i] < 0x80 { // one byte
		u := r.b[r.i]
		r.i++
		return int64(u>>1) ^ -int64(u&1)
	}
	v, n := binary.Uvarint(r.b[r.i:])
	if n <= 0 {
		return r.fail()
	}
	r.i += n
	return int64(v>>1) ^ -int64(v&1)
}

// Int reads an int, which has 32 bits.
func (r *Reader) Int() int64 {
	v := r.Long()
	if v != int64(int32(v)) {
		return r.fail()
	}
	return v
}

// Boolean reads a boolean.
func (r *Reader) Boolean() bool {
	if r.i >= len(r.b) || r.b[r.i] > 1 {
		r.fail()
		return false
	}
	r.i++
	return r.b[r.i-1] == 1
}

// Float reads a float.
func (r *Reader) Float() float64 {
	b := r.Fixed(4)
	if b == nil {
		return 0
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
}

// Double reads a double.
func (r *Reader) Double() float64 {
	b := r.Fixed(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// Fixed reads so many bytes, which stay the record's; nil when they are not there.
func (r *Reader) Fixed(n int) []byte {
	if n < 0 || n > len(r.b)-r.i {
		r.fail()
		return nil
	}
	r.i += n
	return r.b[r.i-n : r.i : r.i]
}

// Bytes reads bytes or a string.
func (r *Reader) Bytes() []byte {
	n := r.Long()
	if n < 0 || n > int64(len(r.b)-r.i) {
		r.fail()
		return nil
	}
	return r.Fixed(int(n))
}

// Index reads the number of one of n branches or symbols.
func (r *Reader) Index(n int) int {
	i := r.Long()
	if i < 0 || i >= int64(n) {
		r.fail()
		return 0
	}
	return int(i)
}

// Block begins a block of an array or a map: how many items follow, 0 at the end; and
// how many bytes they have, -1 if that is not said.
func (r *Reader) Block() (items int, bytes int) {
	n, size := r.Long(), int64(-1)
	if n < 0 {
		if size = r.Long(); n == math.MinInt64 || size < 0 || size > int64(len(r.b)-r.i) {
			r.fail()
		}
		n = -n
	}
	if r.bad || n > int64(r.items) {
		r.fail()
		return 0, 0
	}
	r.items -= int(n)
	return int(n), int(size)
}

// Skip passes over a value.
func (r *Reader) Skip(t *Type) {
	switch t.Kind {
	case Boolean:
		r.Boolean()
	case Int:
		r.Int()
	case Long:
		r.Long()
	case Float:
		r.Fixed(4)
	case Double:
		r.Fixed(8)
	case Bytes, String:
		r.Bytes()
	case Fixed:
		r.Fixed(t.Size)
	case Enum:
		r.Index(len(t.Symbols))
	case Union:
		if i := r.Index(len(t.Branches)); !r.bad {
			r.Skip(t.Branches[i])
		}
	case Record:
		if r.Enter() {
			for i := range t.Fields {
				r.Skip(t.Fields[i].Type)
			}
		}
		r.Leave()
	case Array, Map:
		r.skipItems(t)
	}
}

func (r *Reader) skipItems(t *Type) {
	if r.Enter() {
		for n, bytes := r.Block(); n > 0; n, bytes = r.Block() {
			if bytes >= 0 {
				r.Fixed(bytes)
				continue
			}
			for ; n > 0 && !r.bad; n-- {
				if t.Kind == Map {
					r.Bytes()
				}
				r.Skip(t.Elem)
			}
		}
	}
	r.Leave()
}
