package window

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/fqgw/fqgw"
)

// distinct serves approx_count_distinct: the exact set of hashes up to 64
// values, then a HyperLogLog of 2,048 registers. Which of the two it is depends
// on the set alone, so the bytes do not depend on the order.
type distinct struct {
	hashes []uint64          // ascending; unused once there are registers
	dense  *[registers]uint8 // nil up to maxExactSet values
}

const (
	maxExactSet = 64
	precision   = 11
	registers   = 1 << precision
	maxRank     = 64 - precision + 1
	denseBytes  = registers * 6 / 8
)

func (d *distinct) add(_ *Input, v fqgw.Value) {
	if !v.IsNull() {
		d.insert(hash(appendDistinct(make([]byte, 0, 64), v)))
	}
}

func (d *distinct) insert(h uint64) {
	if d.dense != nil {
		d.raise(h)
		return
	}
	i, ok := slices.BinarySearch(d.hashes, h)
	if ok {
		return
	}
	d.hashes = slices.Insert(d.hashes, i, h)
	if len(d.hashes) > maxExactSet {
		d.thicken()
	}
}

// raise counts a hash: its first bits name the register, the zeros that follow are the rank.
func (d *distinct) raise(h uint64) {
	rank := uint8(min(bits.LeadingZeros64(h<<precision), maxRank-1) + 1)
	if r := &d.dense[h>>(64-precision)]; *r < rank {
		*r = rank
	}
}

func (d *distinct) merge(o accumulator) {
	p := o.(*distinct)
	if p.dense == nil {
		d.union(p.hashes)
		return
	}
	d.thicken()
	for i, r := range p.dense {
		d.dense[i] = max(d.dense[i], r)
	}
}

func (d *distinct) union(hashes []uint64) {
	for _, h := range hashes {
		d.insert(h)
	}
}

// append packs the number of hashes and the hashes, or 65 and the registers, four in three bytes.
func (d *distinct) append(dst []byte, _ int64) []byte {
	if d.dense == nil {
		dst = append(dst, byte(len(d.hashes)))
		for _, h := range d.hashes {
			dst = binary.BigEndian.AppendUint64(dst, h)
		}
		return dst
	}
	dst = append(dst, maxExactSet+1)
	for i := 0; i < registers; i += 4 {
		r := d.dense[i : i+4]
		w := uint32(r[0])<<18 | uint32(r[1])<<12 | uint32(r[2])<<6 | uint32(r[3])
		dst = append(dst, byte(w>>16), byte(w>>8), byte(w))
	}
	return dst
}

func (d *distinct) read(r *reader, _ int64) {
	n := int(r.Byte())
	if n <= maxExactSet {
		var before uint64
		if d.dense == nil && d.hashes == nil {
			d.hashes = make([]uint64, 0, n)
		}
		for b, first := r.Take(8*n), true; len(b) > 0; b, first = b[8:], false {
			h := binary.BigEndian.Uint64(b)
			if !first && before >= h {
				r.Fail()
			}
			before = h
			d.insert(h)
		}
		return
	}
	b := r.Take(denseBytes)
	if n != maxExactSet+1 || len(b) == 0 {
		r.Fail()
		return
	}
	d.thicken()
	for i := 0; i < registers; i += 4 {
		w := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
		b = b[3:]
		for j := range 4 {
			rank := uint8(w >> (18 - 6*j) & 63)
			if rank > maxRank {
				r.Fail()
			}
			d.dense[i+j] = max(d.dense[i+j], rank)
		}
	}
}

// thicken counts in registers from now on.
func (d *distinct) thicken() {
	if d.dense != nil {
		return
	}
	d.dense = new([registers]uint8)
	for _, h := range d.hashes {
		d.raise(h)
	}
	d.hashes = nil
}

func (d *distinct) result(*slotSpec) (fqgw.Value, bool) {
	if d.dense == nil {
		return fqgw.IntValue(int64(len(d.hashes))), true
	}
	return fqgw.IntValue(estimate(d.dense)), true
}

// estimate is the improved raw estimator of O. Ertl, "New cardinality
// estimation algorithms for HyperLogLog sketches" (2017), which needs neither a
// bias table nor a switch to linear counting. Products are rounded before they
// are added (the conversions), so that it is the same on every machine.
func estimate(dense *[registers]uint8) int64 {
	var counts [maxRank + 1]int
	for _, r := range dense {
		counts[r]++
	}
	const m = float64(registers)
	z := float64(m * tau(float64(m-float64(counts[maxRank]))/m))
	for k := maxRank - 1; k >= 1; k-- {
		z = 0.5 * float64(z+float64(counts[k]))
	}
	z += float64(m * sigma(float64(counts[0])/m))
	const alpha = 0.7213475204444817 // 1 / (2 ln 2)
	return int64(math.Round(float64(alpha*m*m) / z))
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x = float64(x * x)
		last := z
		z += float64(x * y)
		y += y
		if z == last {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		last := z
		y *= 0.5
		z -= float64(float64((1-x)*(1-x)) * y)
		if z == last {
			return z / 3
		}
	}
}

// hash is FNV-1a 64 with MurmurHash3's finalizer. It outlives the process.
func hash(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// appendDistinct gives bytes that are equal exactly when two values of one type
// compare equal.
func appendDistinct(dst []byte, v fqgw.Value) []byte {
	switch v.Kind() {
	case fqgw.KindFloat:
		v = plainFloat(v)
	case fqgw.KindNumeric:
		v = fqgw.NumericValue(v.Numeric().TrimScale())
	case fqgw.KindInterval:
		// A month compares as 30 days, a day as 24 hours.
		const day = 86_400_000_000
		s := v.Span()
		days := int64(s.Months)*30 + int64(s.Days) + fqgw.FloorDiv(s.Micros, day)
		return appendVarint(appendVarint(append(dst, 'v'), days), s.Micros-fqgw.FloorDiv(s.Micros, day)*day)
	case fqgw.KindArray:
		l := v.List()
		dst = appendUvarint(append(dst, 'a'), uint64(len(l.Dims)))
		for _, item := range l.Items {
			dst = appendDistinct(dst, item)
		}
		return dst
	}
	return fqgw.AppendPacked(dst, v)
}
