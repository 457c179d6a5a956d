package relational

import "github.com/fqgw/fqgw"

// slab copies rows that are kept: many are allocated at once, more the more there
// are. The zero value is empty.
type slab struct {
	free []fqgw.Value
	made int // rows
}

// slabRows is how many rows are allocated at once, at most.
const slabRows = 128

func (s *slab) copy(row []fqgw.Value) []fqgw.Value {
	if len(s.free) < len(row) {
		s.free = make([]fqgw.Value, min(s.made+4, slabRows)*len(row))
	}
	s.made++
	out := s.free[:len(row):len(row)]
	s.free = s.free[len(row):]
	copy(out, row)
	return out
}
