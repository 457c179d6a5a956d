package window

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"sync"

	"github.com/fqgw/fqgw"
)

// decayed serves decayed_sum: the exact sum of each tile of the window's hop. At T the
// sum of a tile weighs 2^(-(T - its start) / half-life); what the tiles weigh is summed
// up in the order of time, in doubles, so that the result is the same to the last bit
// wherever it is computed.
type decayed struct {
	hop   int64
	tiles []*decayedTile // by index; none without a value
}

type decayedTile struct {
	index int64
	floatSum
}

var decayedSize = sizeOf[decayedTile]()

// kindDecayed is the kind of decayed sums over tiles of that hop.
func kindDecayed(hop int64) *kind {
	return kindOfEach[decayed](fmt.Sprintf("decayed hop=%d", hop), skipDecayed, func(d *decayed) { d.hop = hop }).
		referring(func(n int64) int64 { return n * decayedSize })
}

func (d *decayed) add(in *Input, v fqgw.Value) {
	if !v.IsNull() {
		d.tile(fqgw.FloorDiv(in.Time, d.hop)).addFloat(v.Float())
	}
}

func (d *decayed) addSome(s *some) error {
	for i := s.from; i < s.to; i++ {
		if s.counts(i) {
			d.tile(fqgw.FloorDiv(s.Times[i], d.hop)).addFloat(s.col.Floats[i])
		}
	}
	return nil
}

// tile is the sum of a tile, made if need be.
func (d *decayed) tile(index int64) *floatSum {
	i, ok := len(d.tiles)-1, false
	if i < 0 || d.tiles[i].index != index { // new events mostly hit the last tile
		i, ok = slices.BinarySearchFunc(d.tiles, index, func(t *decayedTile, index int64) int { return cmp.Compare(t.index, index) })
		if !ok {
			d.tiles = slices.Insert(d.tiles, i, &decayedTile{index: index})
		}
	}
	return &d.tiles[i].floatSum
}

func (d *decayed) merge(o accumulator) {
	for _, t := range o.(*decayed).tiles {
		d.tile(t.index).merge(&t.floatSum)
	}
}

func (d *decayed) subtract(o accumulator) {
	for _, t := range o.(*decayed).tiles {
		d.tile(t.index).subtractSum(&t.floatSum)
	}
	d.tiles = slices.DeleteFunc(d.tiles, func(t *decayedTile) bool { return t.n == 0 })
}

// append packs how many tiles there are, then each, the last one first: how far its index
// is before that of the newest event, or of the tile before it; its sum.
func (d *decayed) append(dst []byte, newest int64) []byte {
	dst = appendUvarint(dst, uint64(len(d.tiles)))
	near := fqgw.FloorDiv(newest, d.hop)
	for i := len(d.tiles) - 1; i >= 0; i-- {
		t := d.tiles[i]
		dst = appendUvarint(dst, uint64(near-t.index))
		dst = t.floatSum.append(dst, newest)
		near = t.index
	}
	return dst
}

func (d *decayed) read(r *reader, newest int64) {
	near := fqgw.FloorDiv(newest, d.hop)
	for n, first := r.Length(), true; n > 0 && !r.Bad(); n, first = n-1, false {
		back := r.Uvarint()
		var sum floatSum
		sum.read(r, newest)
		index := near - int64(back)
		if sum.n == 0 || !first && back == 0 || back > math.MaxInt64 || index > near {
			r.Fail()
			return
		}
		d.tile(index).merge(&sum)
		near = index
	}
}

func skipDecayed(r *reader) {
	for n := r.Length(); n > 0 && !r.Bad(); n-- {
		r.Uvarint()
		skipFloatSum(r)
	}
}

// result is the value at the start of the newest tile.
func (d *decayed) result(s *slotSpec) (fqgw.Value, bool) {
	if len(d.tiles) == 0 {
		return fqgw.Null, true
	}
	return d.at(s, d.tiles[len(d.tiles)-1].index*d.hop)
}

// at is the value at t, which no tile begins after.
func (d *decayed) at(s *slotSpec, t int64) (fqgw.Value, bool) {
	var special specials
	for _, tile := range d.tiles {
		special.merge(tile.special)
	}
	if f, ok := special.sum(); ok {
		return fqgw.FloatValue(f), true
	}
	total, whole := 0.0, slotSpec{fn: "sum", typ: fqgw.Float8}
	for _, tile := range d.tiles {
		v, ok := tile.floatSum.result(&whole)
		if !ok {
			return v, false
		}
		total += float64(v.Float() * weight(t-tile.index*d.hop, s.halfLife)) // rounded before it is added
	}
	if len(d.tiles) == 0 {
		return fqgw.Null, true
	}
	return float(total)
}

// halfLife is an interval in microseconds, a day of 24 hours; 0 of what cannot be one.
func halfLife(v fqgw.Value) int64 {
	const day = 86_400_000_000
	s := v.Span()
	if v.Kind() != fqgw.KindInterval || s.Months != 0 || s.Micros > math.MaxInt64/2 || s.Micros < math.MinInt64/2 || math.Abs(float64(s.Days)) > 36_525_000 {
		return 0
	}
	return max(0, int64(s.Days)*day+s.Micros)
}

func (d *decayed) bytes() int64 { return int64(len(d.tiles)) * (decayedSize + 8) }

// weight is 2^(-age/halfLife), for age >= 0 and halfLife > 0: the bits of the fraction
// one by one, in whole numbers of 64 bits, so that no machine gives another double. It is
// less than a unit in the last place away from the exact one.
func weight(age, halfLife int64) float64 {
	halves := age / halfLife
	fraction, _ := bits.Div64(uint64(age%halfLife), 0, uint64(halfLife))
	w := uint64(1) << 63 // of which 1 is 2^63
	for i, root := range roots() {
		if fraction>>(63-i)&1 == 1 {
			hi, lo := bits.Mul64(w, root)
			w = hi + lo>>63
		}
	}
	return math.Ldexp(float64(w), int(-min(halves, 2000))-63)
}

// roots are 2^(-1/2), 2^(-1/4) …, of which 1 is 2^64.
var roots = sync.OnceValue(func() (out [64]uint64) {
	const precision = 256
	x := new(big.Float).SetPrec(precision).SetFloat64(0.5)
	for i := range out {
		x.Sqrt(x)
		scaled := new(big.Float).SetPrec(precision).SetMantExp(x, 64)
		out[i], _ = scaled.Add(scaled, big.NewFloat(0.5)).Uint64()
	}
	return out
})
