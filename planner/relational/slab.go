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
	out := s.room(len(row))
	copy(out, row)
	return out
}

// room is a row of NULLs.
func (s *slab) room(width int) []fqgw.Value {
	if len(s.free) < width {
		s.free = make([]fqgw.Value, min(s.made+4, slabRows)*width)
	}
	s.made++
	out := s.free[:width:width]
	s.free = s.free[width:]
	return out
}
