package window

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/fqgw/fqgw"
)

// MaxCounted is how many values of a window top_k counts: with more its result is none.
const MaxCounted = 1024

// topK serves top_k: how often each value came, exactly, up to MaxCounted values. Of more
// nothing but that is kept, in whatever order they came.
type topK struct {
	values []counted // by key
	many   bool      // there were more than MaxCounted
}

// counted is a value, and how often it came. Of values that are equal but not in their
// bytes (1.0 and 1.00) it is the one with the least bytes.
type counted struct {
	key string // equal for equal values
	v   fqgw.Value
	n   uint64
}

var countedSize = sizeOf[counted]()

func (t *topK) add(_ *Input, v fqgw.Value) {
	if v.IsNull() || t.many {
		return
	}
	if v.Kind() == fqgw.KindFloat {
		v = plainFloat(v)
	}
	t.count(appendDistinct(make([]byte, 0, 64), v), v, 1)
}

func (t *topK) count(key []byte, v fqgw.Value, n uint64) {
	i, ok := slices.BinarySearchFunc(t.values, key, func(c counted, key []byte) int {
		switch { // operators do not copy the key
		case c.key == string(key):
			return 0
		case c.key < string(key):
			return -1
		}
		return 1
	})
	switch {
	case ok:
		t.values[i].again(v, n)
	case len(t.values) == MaxCounted:
		t.values, t.many = nil, true
	default:
		t.values = slices.Insert(t.values, i, counted{string(key), v, n})
	}
}

// again counts an equal value n times more.
func (c *counted) again(v fqgw.Value, n uint64) {
	c.n += n
	if k := v.Kind(); k != fqgw.KindNumeric && k != fqgw.KindInterval {
		return // equal ones are the same
	}
	if bytes.Compare(fqgw.AppendPacked(nil, v), fqgw.AppendPacked(nil, c.v)) < 0 {
		c.v = v
	}
}

func (t *topK) merge(o accumulator) {
	p := o.(*topK)
	if p.many {
		t.values, t.many = nil, true
	}
	t.join(p.values)
}

// join counts values that are in the order of their keys.
func (t *topK) join(list []counted) {
	if t.many {
		return
	}
	i, fresh := 0, 0
	is := make([]bool, len(list))
	for k := range list {
		c := &list[k]
		for i < len(t.values) && t.values[i].key < c.key {
			i++
		}
		if i < len(t.values) && t.values[i].key == c.key {
			t.values[i].again(c.v, c.n)
		} else {
			is[k] = true
			fresh++
		}
	}
	if fresh == 0 {
		return
	}
	if len(t.values)+fresh > MaxCounted {
		t.values, t.many = nil, true
		return
	}
	i = len(t.values) - 1
	t.values = slices.Grow(t.values, fresh)[:len(t.values)+fresh]
	for k, to := len(list)-1, len(t.values)-1; fresh > 0; k-- {
		if !is[k] {
			continue
		}
		for ; i >= 0 && t.values[i].key > list[k].key; i, to = i-1, to-1 {
			t.values[to] = t.values[i]
		}
		t.values[to] = list[k]
		fresh, to = fresh-1, to-1
	}
}

// append packs how many values there are, then each with its count; MaxCounted + 1 for
// more than can be counted.
func (t *topK) append(dst []byte, _ int64) []byte {
	if t.many {
		return appendUvarint(dst, MaxCounted+1)
	}
	dst = appendUvarint(dst, uint64(len(t.values)))
	for i := range t.values {
		dst = appendUvarint(fqgw.AppendPacked(dst, t.values[i].v), t.values[i].n)
	}
	return dst
}

func (t *topK) read(r *reader, _ int64) {
	n := r.Uvarint()
	if n > MaxCounted {
		if t.values, t.many = nil, true; n > MaxCounted+1 {
			r.Fail()
		}
		return
	}
	var list []counted
	var keys []byte
	var ends []int
	for ; n > 0 && !r.Bad(); n-- {
		c := counted{v: r.Value(), n: r.Uvarint()}
		keys = appendDistinct(keys, c.v)
		if c.v.IsNull() || c.n == 0 || isMinusZero(c.v) {
			r.Fail()
			return
		}
		list, ends = append(list, c), append(ends, len(keys))
	}
	all, from := string(keys), 0
	for i := range list {
		list[i].key, from = all[from:ends[i]], ends[i]
		if i > 0 && list[i-1].key >= list[i].key {
			r.Fail()
			return
		}
	}
	if !r.Bad() {
		t.join(list)
	}
}

func isMinusZero(v fqgw.Value) bool {
	return v.Kind() == fqgw.KindFloat && v.Float() == 0 && math.Signbit(v.Float())
}

func skipTopK(r *reader) {
	n := r.Uvarint()
	if n > MaxCounted+1 {
		r.Fail()
	}
	for ; n > 0 && n <= MaxCounted && !r.Bad(); n-- {
		r.Skip()
		r.Uvarint()
	}
}

// result is the k values that came most often; of equally many the least first.
func (t *topK) result(s *slotSpec) (fqgw.Value, bool) {
	if t.many || len(t.values) == 0 {
		return fqgw.Null, !t.many
	}
	order := make([]*counted, len(t.values))
	for i := range order {
		order[i] = &t.values[i]
	}
	slices.SortFunc(order, func(a, b *counted) int {
		return cmp.Or(cmp.Compare(b.n, a.n), fqgw.Compare(a.v, b.v), cmp.Compare(a.key, b.key))
	})
	items := make([]fqgw.Value, min(s.k, len(order)))
	for i := range items {
		items[i] = order[i].v
	}
	return fqgw.ArrayOf(s.typ.Elem(), items...), true
}

func (t *topK) bytes() int64 {
	n := int64(cap(t.values)) * countedSize
	for i := range t.values {
		n += int64(len(t.values[i].key)) + t.values[i].v.Bytes() - valueSize
	}
	return n
}

// MaxBounds is how many bounds a histogram has at the most.
const MaxBounds = 1024

// histogram serves histogram(x, bounds): how many values lie in each bucket, as
// width_bucket(x, bounds) numbers them.
type histogram struct {
	bounds []fqgw.Value
	counts []uint64 // one more than bounds; nil: all 0
}

// kindHistogram is the kind of histograms with those bounds, an array.
func kindHistogram(bounds fqgw.Value) *kind {
	items := bounds.List().Items
	name := fmt.Sprintf("histogram %x", fqgw.AppendPackedRow(nil, items))
	return kindOfEach[histogram](name, skipHistogram, func(h *histogram) { h.bounds = items }).
		referring(func(int64) int64 { return 8 * int64(len(items)+1) })
}

// boundsOK says whether an array can be a histogram's bounds: ascending, no NULL among them.
func boundsOK(v fqgw.Value) bool {
	l := v.List()
	if l == nil || len(l.Dims) > 1 || len(l.Items) == 0 || len(l.Items) > MaxBounds {
		return false
	}
	for i, b := range l.Items {
		if b.IsNull() || i > 0 && fqgw.Compare(l.Items[i-1], b) >= 0 {
			return false
		}
	}
	return true
}

func (h *histogram) add(_ *Input, v fqgw.Value) {
	if v.IsNull() {
		return
	}
	i, _ := slices.BinarySearchFunc(h.bounds, v, func(b, v fqgw.Value) int {
		if fqgw.Compare(b, v) <= 0 {
			return -1
		}
		return 1
	})
	h.each()[i]++
}

func (h *histogram) each() []uint64 {
	if h.counts == nil {
		h.counts = make([]uint64, len(h.bounds)+1)
	}
	return h.counts
}

func (h *histogram) merge(o accumulator) {
	for i, n := range o.(*histogram).counts {
		h.each()[i] += n
	}
}

func (h *histogram) subtract(o accumulator) {
	for i, n := range o.(*histogram).counts {
		h.each()[i] -= n
	}
}

// append packs how many buckets are not empty, then of each how many empty ones are before
// it, and its count.
func (h *histogram) append(dst []byte, _ int64) []byte {
	full := 0
	for _, n := range h.counts {
		if n > 0 {
			full++
		}
	}
	dst = appendUvarint(dst, uint64(full))
	empty := uint64(0)
	for _, n := range h.counts {
		if n == 0 {
			empty++
			continue
		}
		dst = appendUvarint(appendUvarint(dst, empty), n)
		empty = 0
	}
	return dst
}

func (h *histogram) read(r *reader, _ int64) {
	at := uint64(0)
	for n := r.Uvarint(); n > 0 && !r.Bad(); n-- {
		empty, count := r.Uvarint(), r.Uvarint()
		if left := uint64(len(h.bounds)+1) - at; empty >= left || count == 0 {
			r.Fail()
			return
		}
		at += empty
		h.each()[at] += count
		at++
	}
}

func skipHistogram(r *reader) {
	for n := r.Uvarint(); n > 0 && !r.Bad(); n-- {
		r.Uvarint()
		r.Uvarint()
	}
}

func (h *histogram) result(*slotSpec) (fqgw.Value, bool) {
	full, items := false, make([]fqgw.Value, len(h.counts))
	for i, n := range h.counts {
		items[i], full = fqgw.IntValue(int64(n)), full || n > 0
	}
	if !full {
		return fqgw.Null, true
	}
	return fqgw.ArrayOf(fqgw.Int8, items...), true
}

func (h *histogram) bytes() int64 { return 8 * int64(cap(h.counts)) }
