package iceberg

import "encoding/binary"

// pageHeader is how long the header of the first page of a column chunk is, and its
// data behind it; false when the bytes are no header. It reads Thrift's compact
// protocol as far as a PageHeader of Parquet needs it.
func pageHeader(b []byte) (head, size int, ok bool) {
	t := thrift{b: b}
	size = -1
	t.fields(0, func(field int, kind byte) {
		if field == 3 && kind == thriftI32 { // compressed_page_size
			size = int(t.zigzag())
			return
		}
		t.skip(kind, 0)
	})
	return len(b) - len(t.b), size, !t.bad && size >= 0
}

const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftStruct = 12
)

// thrift reads from b what it takes off it.
type thrift struct {
	b   []byte
	bad bool
}

func (t *thrift) take(n uint64) {
	if n > uint64(len(t.b)) {
		t.b, t.bad = nil, true
		return
	}
	t.b = t.b[n:]
}

func (t *thrift) one() byte {
	if len(t.b) == 0 {
		t.bad = true
		return 0
	}
	c := t.b[0]
	t.b = t.b[1:]
	return c
}

func (t *thrift) varint() uint64 {
	v, n := binary.Uvarint(t.b)
	if n <= 0 {
		t.b, t.bad = nil, true
		return 0
	}
	t.b = t.b[n:]
	return v
}

func (t *thrift) zigzag() int64 {
	v := t.varint()
	return int64(v>>1) ^ -int64(v&1)
}

// fields calls f for each field of a struct; f takes its value off.
func (t *thrift) fields(depth int, f func(field int, kind byte)) {
	if depth > 8 {
		t.bad = true
		return
	}
	for field := 0; !t.bad; {
		c := t.one()
		if c == 0 { // the end of the struct, or of the bytes
			return
		}
		if c>>4 != 0 {
			field += int(c >> 4)
		} else {
			field = int(t.zigzag())
		}
		f(field, c&15)
	}
}

func (t *thrift) skip(kind byte, depth int) {
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.take(1)
	case thriftI16, thriftI32, thriftI64:
		t.varint()
	case thriftDouble:
		t.take(8)
	case thriftBinary:
		t.take(t.varint())
	case thriftStruct:
		t.fields(depth+1, func(_ int, kind byte) { t.skip(kind, depth+1) })
	default: // no list, set or map is in a header
		t.b, t.bad = nil, true
	}
}
