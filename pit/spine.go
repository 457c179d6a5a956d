package pit

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/fqgw/fqgw"
)

// Spine is the probes of a chunk, sorted by (entity key, time): made once, for every
// view that is asked for the same entities and times. It does not change.
type Spine struct {
	keys string   // of the probes, one behind the other
	ends []uint32 // of each in keys; a probe with no bytes names no entity

	order    []uint32 // the probes that name an entity, sorted
	entities []uint32 // where each entity's probes end in order
	t, k     []int64  // of each in order; k nil: as t
}

// NewSpine sorts probes. The i-th has the key between ends[i-1] and ends[i], no bytes
// where it names no entity; its time t[i], and the time k[i] by which a row must be
// known, which is t[i] where k is nil. ends stays the spine's.
func NewSpine(keys []byte, ends []uint32, t, k []int64) *Spine {
	s := &Spine{keys: string(keys), ends: ends, order: make([]uint32, 0, len(ends))}
	for i := range ends {
		if len(s.key(uint32(i))) > 0 {
			s.order = append(s.order, uint32(i))
		}
	}
	spare := make([]uint32, len(s.order))
	s.order, spare = radix(t, s.order, spare)
	if numbers, ok := s.numbers(); ok {
		s.order, _ = radix(numbers, s.order, spare)
	} else {
		s.order, _ = radix(s.ranks(), s.order, spare)
	}
	for i := 1; i < len(s.order); i++ {
		if s.key(s.order[i]) != s.key(s.order[i-1]) {
			s.entities = append(s.entities, uint32(i))
		}
	}
	if len(s.order) > 0 {
		s.entities = append(s.entities, uint32(len(s.order)))
	}
	s.t = inOrder(t, s.order)
	if k != nil {
		s.k = inOrder(k, s.order)
	}
	return s
}

func inOrder(of []int64, order []uint32) []int64 {
	out := make([]int64, len(order))
	for n, i := range order {
		out[n] = of[i]
	}
	return out
}

// Len is the number of probes.
func (s *Spine) Len() int { return len(s.ends) }

// Bytes is about what the spine takes in memory.
func (s *Spine) Bytes() int64 {
	return int64(len(s.keys)) + 4*int64(cap(s.ends)+2*cap(s.order)+cap(s.entities)) + 8*int64(cap(s.t)+cap(s.k))
}

func (s *Spine) key(i uint32) fqgw.EntityKey {
	from := uint32(0)
	if i > 0 {
		from = s.ends[i-1]
	}
	return fqgw.EntityKey(s.keys[from:s.ends[i]])
}

// numbers are the keys as numbers in the order of their bytes, where they differ in
// their last eight bytes alone: one bigint, or one time.
func (s *Spine) numbers() ([]int64, bool) {
	const width = 8
	out := make([]int64, len(s.ends))
	var first fqgw.EntityKey
	for _, i := range s.order {
		key := s.key(i)
		if first == "" {
			first = key
		}
		head := len(key) - width
		if len(key) != len(first) || head < 0 || key[:head] != first[:head] {
			return nil, false
		}
		out[i] = int64(binary.BigEndian.Uint64([]byte(key[head:])) ^ 1<<63)
	}
	return out, true
}

// ranks are the places of the keys among all.
func (s *Spine) ranks() []uint32 {
	out, seen := make([]uint32, len(s.ends)), map[fqgw.EntityKey]uint32{}
	var all []fqgw.EntityKey
	for _, i := range s.order {
		key := s.key(i)
		n, ok := seen[key]
		if !ok {
			n = uint32(len(all))
			seen[key] = n
			all = append(all, key)
		}
		out[i] = n
	}
	byKey := make([]uint32, len(all))
	for i := range byKey {
		byKey[i] = uint32(i)
	}
	slices.SortFunc(byKey, func(a, b uint32) int { return cmp.Compare(all[a], all[b]) })
	rank := make([]uint32, len(all))
	for r, i := range byKey {
		rank[i] = uint32(r)
	}
	for _, i := range s.order {
		out[i] = rank[out[i]]
	}
	return out
}

// known is the time by which a row must be known that the n-th probe in order sees.
func (s *Spine) known(n int) int64 {
	if s.k == nil {
		return s.t[n]
	}
	return s.k[n]
}

// Span are the least and the greatest time of the probes that name an entity, and the
// greatest known time; ok is false where none does.
func (s *Spine) Span() (minT, maxT, maxK int64, ok bool) {
	minT, maxT, maxK = math.MaxInt64, math.MinInt64, math.MinInt64
	for n, t := range s.t {
		minT, maxT, maxK = min(minT, t), max(maxT, t), max(maxK, s.known(n))
	}
	return minT, maxT, maxK, len(s.order) > 0
}

// probe is the n-th probe in order, as Join takes it.
func (s *Spine) probe(n int) Probe {
	return Probe{Key: s.key(s.order[n]), OK: true, T: s.t[n], K: s.known(n)}
}
