package window

import (
	"cmp"
	"math"
	"slices"

	"github.com/fqgw/fqgw"
)

// A view without keys is read at whole seconds (SEMANTICS §3.8): its horizon stands at
// one, and an event is visible from the next one on. Every event of the source is its
// entity's, a million in a second perhaps, so that those of the second that is not over
// cannot be kept singly, as other states keep what is not visible at H. They are folded
// into a state ahead of it, one for each second at which some become visible, which is
// counted into the state itself when H comes there: no accumulator depends on the
// grouping (SEMANTICS §3.4).

// beat is how far apart the times are at which such a view is read.
const beat = 1_000_000

// beats says that the layout's states stand at whole seconds.
func (l *Layout) beats() bool { return len(l.view.Keys) == 0 }

// visibleAt is the least horizon at which the layout's states have folded an event.
func (l *Layout) visibleAt(in *Input) int64 {
	t := in.VisibleAt()
	if !l.beats() {
		return t
	}
	at := fqgw.Floor(t, beat)
	switch {
	case at == t:
		return t
	case at > math.MaxInt64-beat:
		return math.MaxInt64
	}
	return at + beat
}

// put folds an event into the state ahead that has what becomes visible at a second.
func (l *Layout) put(s *State, in *Input, at int64) {
	i, ok := slices.BinarySearchFunc(s.ahead, at, func(a *State, at int64) int { return cmp.Compare(a.horizon, at) })
	if !ok {
		a := l.New()
		a.horizon = at
		s.ahead = slices.Insert(s.ahead, i, a)
	}
	l.fold(s.ahead[i], in)
}

// absorb counts what the states ahead have that have become visible.
func (l *Layout) absorb(s *State) {
	n := 0
	for n < len(s.ahead) && s.ahead[n].horizon <= s.horizon {
		for i := range l.rings {
			r := &l.rings[i]
			low := r.low(s.horizon, r.length)
			for k := range s.ahead[n].rings[i] {
				if t := &s.ahead[n].rings[i][k]; t.index >= low {
					r.merge(&s.rings[i], t)
				}
			}
		}
		n++
	}
	s.ahead = slices.Delete(s.ahead, 0, n)
}

// merge counts a tile, which is given up.
func (r *ringSpec) merge(tiles *[]tile, from *tile) {
	i, ok := slices.BinarySearchFunc(*tiles, from.index, func(t tile, index int64) int { return cmp.Compare(t.index, index) })
	if !ok {
		*tiles = slices.Insert(*tiles, i, *from)
		return
	}
	t := &(*tiles)[i]
	for f := range t.rows {
		t.rows[f].merge(from.rows[f])
	}
	for j := range t.accs {
		if from.rows[r.accs[j].filter].n > 0 {
			t.accs[j].merge(from.accs[j])
		}
	}
}

// readAhead counts what is visible at t of the states ahead.
func (l *Layout) readAhead(s *State, sum *sums, t int64) {
	for _, a := range s.ahead {
		if a.horizon > t {
			return
		}
		for i := range l.rings {
			for k := range a.rings[i] {
				sum.rings[i].merge(&l.rings[i], &a.rings[i][k])
			}
		}
	}
}

// appendAhead packs the states ahead: how many they are; of each by how much it is
// ahead of the one before, the first of H, and its rings.
func (l *Layout) appendAhead(dst []byte, s *State) []byte {
	dst = appendUvarint(dst, uint64(len(s.ahead)))
	before := s.horizon
	for _, a := range s.ahead {
		dst = appendVarint(dst, a.horizon-before)
		before = a.horizon
		for i := range l.rings {
			dst = l.rings[i].append(dst, a.rings[i], a.horizon)
		}
	}
	return dst
}

// decodeAhead unpacks the states ahead.
func (l *Layout) decodeAhead(r *reader, s *State) {
	before := s.horizon
	for n := r.Length(); n > 0 && !r.Bad(); n-- {
		a := l.New()
		if a.horizon = before + r.Varint(); a.horizon <= before || l.visibleAt(&Input{Time: a.horizon, Known: a.horizon}) != a.horizon {
			r.Fail()
			return
		}
		before = a.horizon
		for i := range l.rings {
			a.rings[i] = l.rings[i].read(r, a.horizon)
		}
		if a.empty() {
			r.Fail()
		}
		s.ahead = append(s.ahead, a)
	}
}
