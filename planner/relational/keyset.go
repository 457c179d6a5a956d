package relational

import (
	"bytes"
	"hash/maphash"
	"slices"
)

// keySet is a set of keys, which are numbered from 0 as they come. The zero value
// is empty.
type keySet struct {
	slots []uint64 // the hash of a key, then its number plus one; 0: none
	ends  []int    // where each key ends in bytes
	bytes []byte   // the keys, one behind the other
}

// keyBytes is about what a key takes in a keySet beside its bytes.
const keyBytes = 40

var hashSeed = maphash.MakeSeed()

// len is how many keys there are.
func (s *keySet) len() int { return len(s.ends) }

// find is the number of a key, -1 for one that is not there.
func (s *keySet) find(key []byte) int {
	if len(s.slots) == 0 {
		return -1
	}
	n, _ := s.look(uint32(maphash.Bytes(hashSeed, key)), key)
	return n
}

// add puts a key in, unless it is there; its number.
func (s *keySet) add(key []byte) (n int, added bool) {
	if 4*len(s.ends) >= 3*len(s.slots) {
		s.grow()
	}
	hash := uint32(maphash.Bytes(hashSeed, key))
	n, at := s.look(hash, key)
	if n >= 0 {
		return n, false
	}
	s.bytes = append(s.bytes, key...)
	s.ends = append(s.ends, len(s.bytes))
	s.slots[at] = uint64(hash)<<32 | uint64(len(s.ends))
	return len(s.ends) - 1, true
}

// look finds the number of a key, or -1 and the slot where it belongs.
func (s *keySet) look(hash uint32, key []byte) (n, at int) {
	mask := len(s.slots) - 1
	for at = int(hash) & mask; s.slots[at] != 0; at = (at + 1) & mask {
		if uint32(s.slots[at]>>32) == hash {
			if n := int(uint32(s.slots[at])) - 1; bytes.Equal(s.key(n), key) {
				return n, at
			}
		}
	}
	return -1, at
}

func (s *keySet) key(n int) []byte {
	from := 0
	if n > 0 {
		from = s.ends[n-1]
	}
	return s.bytes[from:s.ends[n]]
}

func (s *keySet) grow() {
	old := s.slots
	s.slots = make([]uint64, max(8, 2*len(old)))
	mask := len(s.slots) - 1
	for _, slot := range old {
		if slot != 0 {
			at := int(slot>>32) & mask
			for s.slots[at] != 0 {
				at = (at + 1) & mask
			}
			s.slots[at] = slot
		}
	}
	s.ends = slices.Grow(s.ends, len(s.slots)*3/4-len(s.ends))
}
