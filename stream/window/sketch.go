package window

import (
	"math"
	"slices"

	"github.com/fqgw/fqgw"
)

// sketch serves approx_percentile: a DDSketch with a relative error of 1 %. The
// positive and the negative values have a store each; zeros, infinities and
// NaN are counted apart, which PostgreSQL's order puts last.
type sketch struct {
	special  specials
	zeros    uint64
	pos, neg store
}

// store counts magnitudes in bins. It keeps the 2,048 places below the greatest;
// smaller magnitudes are only counted. Both depend on the values alone.
type store struct {
	low  uint64
	bins []bin // ascending
}

type bin struct {
	place int32
	n     uint64
}

const maxBins = 2048

// place is the bin of a positive finite value. Bins are even in
// e + (4f - f²)/3 for the value 2^e·(1+f), which stands in for the logarithm:
// it costs 8 % more bins than the logarithm would, is exact on every machine
// and inverts by a root. 37.5 bins for each power of two make the widest bin
// e^0.02, so that its harmonic middle is within 1 %.
func place(f float64) int32 {
	frac, exp := math.Frexp(f) // f = frac * 2^exp, frac in [0.5, 1)
	m := 2*frac - 1
	return int32(math.Floor(37.5*float64(exp-1) + float64(float64(50*m)-float64(12.5*float64(m*m)))))
}

// bound is the lower bound of a bin.
func bound(place int32) float64 {
	x := float64(place) / 37.5
	e := math.Floor(x)
	return math.Ldexp(3-math.Sqrt(4-float64(3*(x-e))), int(e))
}

// middle is the value within 1 % of everything in the bin; of the last bin, which
// ends beyond the doubles, at most the greatest double.
func middle(place int32) float64 {
	lo, hi := bound(place), bound(place+1)
	ratio := lo / hi
	if math.IsInf(hi, 1) { // the last bin; 75 places are two powers of two
		ratio = bound(place-75) / bound(place+1-75)
	}
	return min(lo*(2/(1+ratio)), math.MaxFloat64)
}

func (s *store) count(place int32, n uint64) {
	i, found := slices.BinarySearchFunc(s.bins, place, func(b bin, place int32) int { return int(b.place) - int(place) })
	switch {
	case found:
		s.bins[i].n += n
	case len(s.bins) > 0 && place <= s.bins[len(s.bins)-1].place-maxBins:
		s.low += n
	default:
		s.bins = slices.Insert(s.bins, i, bin{place, n})
		s.collapse()
	}
}

// collapse counts the bins that are too far below the greatest.
func (s *store) collapse() {
	k := 0
	for top := s.bins[len(s.bins)-1].place; s.bins[k].place <= top-maxBins; k++ {
		s.low += s.bins[k].n
	}
	s.bins = slices.Delete(s.bins, 0, k)
}

func (s *store) merge(o *store) {
	if len(o.bins) == 0 {
		return
	}
	s.low += o.low
	if 8*len(o.bins) < len(s.bins) { // a few into many
		for _, b := range o.bins {
			s.count(b.place, b.n)
		}
		return
	}
	all := make([]bin, 0, len(s.bins)+len(o.bins))
	a, b := s.bins, o.bins
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].place < b[0].place:
			all, a = append(all, a[0]), a[1:]
		case len(a) == 0 || b[0].place < a[0].place:
			all, b = append(all, b[0]), b[1:]
		default:
			all = append(all, bin{a[0].place, a[0].n + b[0].n})
			a, b = a[1:], b[1:]
		}
	}
	s.bins = all
	s.collapse()
}

// append packs the bins as gaps and counts, then what was only counted.
func (s *store) append(dst []byte) []byte {
	dst = appendUvarint(dst, uint64(len(s.bins)))
	for i, b := range s.bins {
		if i == 0 {
			dst = appendVarint(dst, int64(b.place))
		} else {
			dst = appendUvarint(dst, uint64(b.place-s.bins[i-1].place))
		}
		dst = appendUvarint(dst, b.n)
	}
	if len(s.bins) > 0 {
		dst = appendUvarint(dst, s.low)
	}
	return dst
}

// read counts a packed store.
func (s *store) read(r *reader) {
	if len(s.bins) == 0 {
		s.unpack(r)
		return
	}
	var o store
	if o.unpack(r); !r.Bad() {
		s.merge(&o)
	}
}

// unpack reads into an empty store.
func (s *store) unpack(r *reader) {
	n := r.Uvarint()
	if n == 0 {
		return
	}
	at := r.Varint()
	if n > maxBins || at < -1<<20 || at > 1<<20 {
		r.Fail()
	}
	first := at
	s.bins = make([]bin, 0, min(n, uint64(r.Left()/2)))
	for i := uint64(0); i < n && !r.Bad(); i++ {
		if i > 0 {
			gap := r.Uvarint()
			if gap == 0 || gap >= maxBins {
				r.Fail()
			}
			at += int64(gap)
		}
		b := bin{int32(at), r.Uvarint()}
		if b.n == 0 || at-first >= maxBins {
			r.Fail()
		}
		s.bins = append(s.bins, b)
	}
	s.low = r.Uvarint()
}

// total is the number of values in the store.
func (s *store) total() uint64 {
	n := s.low
	for _, b := range s.bins {
		n += b.n
	}
	return n
}

// at is the magnitude of a rank counted from the least; what was only counted
// answers with the lowest place that is kept.
func (s *store) at(rank uint64) float64 {
	if rank < s.low {
		return middle(s.bins[len(s.bins)-1].place - maxBins + 1)
	}
	rank -= s.low
	for _, b := range s.bins {
		if rank < b.n {
			return middle(b.place)
		}
		rank -= b.n
	}
	return 0
}

func (s *sketch) add(_ *Input, v fqgw.Value) {
	f, ok := number(v)
	if !ok {
		return
	}
	switch {
	case s.special.addFloat(f):
	case f == 0:
		s.zeros++
	case f > 0:
		s.pos.count(place(f), 1)
	default:
		s.neg.count(place(-f), 1)
	}
}

func (s *sketch) merge(o accumulator) {
	p := o.(*sketch)
	s.special.merge(p.special)
	s.zeros += p.zeros
	s.pos.merge(&p.pos)
	s.neg.merge(&p.neg)
}

func (s *sketch) append(dst []byte, _ int64) []byte {
	dst = s.special.appendCount(dst, s.zeros+s.special.count())
	return s.neg.append(s.pos.append(dst))
}

func (s *sketch) read(r *reader, _ int64) {
	_, zeros := s.special.readCount(r)
	s.zeros += zeros
	s.pos.read(r)
	s.neg.read(r)
}

// result is the value of rank q·(n−1), rounded down.
func (s *sketch) result(slot *slotSpec) (fqgw.Value, bool) {
	neg, pos := s.neg.total(), s.pos.total()
	n := s.special.count() + neg + s.zeros + pos
	if n == 0 {
		return fqgw.Null, true
	}
	rank := min(uint64(slot.quantile*float64(n-1)), n-1)
	for _, part := range []struct {
		n     uint64
		value func(rank uint64) float64
	}{
		{s.special.neg, func(uint64) float64 { return math.Inf(-1) }},
		{neg, func(rank uint64) float64 { return -s.neg.at(neg - 1 - rank) }},
		{s.zeros, func(uint64) float64 { return 0 }},
		{pos, s.pos.at},
		{s.special.pos, func(uint64) float64 { return math.Inf(1) }},
	} {
		if rank < part.n {
			return fqgw.FloatValue(part.value(rank)), true
		}
		rank -= part.n
	}
	return fqgw.FloatValue(math.NaN()), true
}
