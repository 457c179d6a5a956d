package window

import (
	"slices"

	"github.com/fqgw/fqgw"
)

// MaxElements is how many elements the arrays have at the most whose elements are summed.
const MaxElements = 4096

// vectorSum serves sum and avg of arrays of real and double precision, element by element:
// an exact sum of each. Arrays of two lengths, or of more dimensions, have no sum, in
// whatever order they came.
type vectorSum struct {
	has, bad bool
	elements []floatSum
}

var floatSumSize = sizeOf[floatSum]()

func (s *vectorSum) add(_ *Input, v fqgw.Value) {
	if v.IsNull() {
		return
	}
	l := v.List()
	if len(l.Dims) > 1 || !s.long(len(l.Items)) {
		s.spoil()
		return
	}
	for i, item := range l.Items {
		s.elements[i].add(nil, item)
	}
}

// long says whether arrays of that length can be counted.
func (s *vectorSum) long(n int) bool {
	if !s.has && n <= MaxElements {
		s.has = true
		if n > 0 {
			s.elements = make([]floatSum, n)
		}
	}
	return s.has && !s.bad && len(s.elements) == n
}

// spoil says that there is no sum.
func (s *vectorSum) spoil() { *s = vectorSum{has: true, bad: true} }

func (s *vectorSum) merge(o accumulator) {
	p := o.(*vectorSum)
	switch {
	case !p.has:
		return
	case p.bad || !s.long(len(p.elements)):
		s.spoil()
		return
	}
	for i := range p.elements {
		s.elements[i].merge(&p.elements[i])
	}
}

// append packs 0 for no array, 1 for arrays without a sum, else the length and 2, and each
// element's sum.
func (s *vectorSum) append(dst []byte, newest int64) []byte {
	switch {
	case !s.has:
		return append(dst, 0)
	case s.bad:
		return append(dst, 1)
	}
	dst = appendUvarint(dst, uint64(len(s.elements))+2)
	for i := range s.elements {
		dst = s.elements[i].append(dst, newest)
	}
	return dst
}

func (s *vectorSum) read(r *reader, newest int64) {
	switch n := r.Uvarint(); {
	case n == 0:
	case n == 1:
		s.spoil()
	case n-2 > MaxElements || n-2 > uint64(r.Left()):
		r.Fail()
	case !s.long(int(n - 2)):
		s.spoil()
		for ; n > 2; n-- {
			skipFloatSum(r)
		}
	default:
		for i := range s.elements {
			s.elements[i].read(r, newest)
		}
	}
}

func skipVectorSum(r *reader) {
	n := r.Uvarint()
	if n > MaxElements+2 {
		r.Fail()
	}
	for ; n > 2 && !r.Bad(); n-- {
		skipFloatSum(r)
	}
}

// result is NULL where an element was NULL in every array, and none when an element's is.
func (s *vectorSum) result(slot *slotSpec) (fqgw.Value, bool) {
	if !s.has || s.bad {
		return fqgw.Null, !s.bad
	}
	of := slotSpec{fn: slot.fn, typ: slot.typ.Elem()}
	items := make([]fqgw.Value, len(s.elements))
	for i := range items {
		v, ok := s.elements[i].result(&of)
		if !ok {
			return fqgw.Null, false
		}
		items[i] = v
	}
	return fqgw.ArrayOf(of.typ, items...), true
}

func (s *vectorSum) bytes() int64 { return int64(len(s.elements)) * floatSumSize }

// floatArray says whether a type is an array of real or double precision.
func floatArray(t fqgw.Type) bool {
	return t.IsArray() && slices.Contains([]fqgw.Type{fqgw.Float4, fqgw.Float8}, t.Elem().Base())
}
