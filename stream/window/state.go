package window

import (
	"math"
	"slices"

	"github.com/fqgw/fqgw"
)

// State is what is kept of one entity: a function of the applied events and the
// horizon H alone (SEMANTICS §6.1). It is not safe for concurrent use.
type State struct {
	horizon int64
	own     []ownMark // by partition
	rings   [][]tile  // by Layout.rings; in each the non-empty tiles by index
	latest  latest    // latest-row views
	held    []Input   // events that are not visible at H, in the order of events
	ahead   []*State  // of a view without keys instead: they are folded, by when they become visible
}

// tile has what is known of the events in [index*hop, (index+1)*hop).
type tile struct {
	index int64
	rows  []rowCount    // by ringSpec.filters
	accs  []accumulator // by ringSpec.accs
}

// rowCount counts the rows that pass a filter; newest is their greatest event time.
type rowCount struct {
	n      uint64
	newest int64
}

func (c *rowCount) add(time int64) {
	if c.n == 0 || time > c.newest {
		c.newest = time
	}
	c.n++
}

func (c *rowCount) merge(o rowCount) {
	if o.n > 0 && (c.n == 0 || o.newest > c.newest) {
		c.newest = o.newest
	}
	c.n += o.n
}

// ownMark is the last event of one partition that was applied to this entity. It
// goes when its newest event is out of every window: what it guards against
// counting twice counts no more.
type ownMark struct {
	last   fqgw.Position
	newest int64 // greatest event time of the partition's events
}

// New is the state of an entity without events; its horizon is the beginning of
// time, so that Advance comes before the first Apply or every event is held.
func (l *Layout) New() *State {
	return &State{horizon: math.MinInt64, rings: make([][]tile, len(l.rings))}
}

// Horizon is H: the state has folded the events that are visible at H.
func (s *State) Horizon() int64 { return s.horizon }

// Pending is the number of events kept singly because H has not reached them.
func (l *Layout) Pending(s *State) int { return len(s.held) }

// Apply counts an event of the stream, once: a position that the state already
// has is ignored. Positions of one partition must come in ascending order. An
// event that is not visible at H is kept until Advance reaches it.
func (l *Layout) Apply(s *State, in *Input) {
	if !s.has(in.Pos) {
		l.Load(s, in)
	}
}

// Load is Apply for events in any order, as a backfill reads them: the caller
// sees to it that no position comes twice.
func (l *Layout) Load(s *State, in *Input) {
	at := l.visibleAt(in)
	if at <= s.horizon {
		l.Fold(s, in)
		return
	}
	if !l.reaches(in.Time, at) {
		return // known too late for any window: nobody will ever see it
	}
	l.mark(s, in)
	if l.beats() {
		l.put(s, in, at)
		return
	}
	i, _ := slices.BinarySearchFunc(s.held, in, func(a Input, b *Input) int { return a.compare(b) })
	s.held = slices.Insert(s.held, i, in.clone())
}

// Fold counts an event at once, in any order and whatever its known time: the
// caller has decided that a reader at H sees it, and that its position was not
// counted before. The point-in-time join uses it.
func (l *Layout) Fold(s *State, in *Input) {
	if !l.reaches(in.Time, min(l.visibleAt(in), s.horizon)) {
		return
	}
	l.mark(s, in)
	l.fold(s, in)
}

// Advance moves the horizon to h if that is later: events that became visible
// are folded, and what no T >= h can reach is dropped. The horizon of a view without
// keys stands at the whole second before.
func (l *Layout) Advance(s *State, h int64) {
	if l.beats() {
		h = fqgw.Floor(h, beat)
	}
	if h <= s.horizon {
		return
	}
	s.horizon = h
	for i := range l.rings {
		r := &l.rings[i]
		low, tiles := r.low(h, r.length), s.rings[i]
		n := 0
		for n < len(tiles) && tiles[n].index < low {
			n++
		}
		s.rings[i] = slices.Delete(tiles, 0, n)
	}
	l.absorb(s)
	s.held = slices.DeleteFunc(s.held, func(in Input) bool {
		if in.VisibleAt() > h {
			return false
		}
		l.fold(s, &in)
		return true
	})
	s.own = slices.DeleteFunc(s.own, func(m ownMark) bool { return !l.reaches(m.newest, h) })
	s.latest.age(h, l.view.MaxAge)
}

// fold puts a visible event where it belongs.
func (l *Layout) fold(s *State, in *Input) {
	if l.view.Latest {
		s.latest.fold(in)
		s.latest.age(s.horizon, l.view.MaxAge)
		return
	}
	for i := range l.rings {
		if r := &l.rings[i]; r.reaches(in.Time, s.horizon) {
			t := r.at(&s.rings[i], r.tile(in.Time))
			r.add(t.rows, t.accs, in)
		}
	}
}

// at finds the tile of an index, or puts an empty one there.
func (r *ringSpec) at(tiles *[]tile, index int64) *tile {
	i := len(*tiles) // new events mostly hit the last tile
	for i > 0 && (*tiles)[i-1].index > index {
		i--
	}
	if i > 0 && (*tiles)[i-1].index == index {
		return &(*tiles)[i-1]
	}
	t := tile{index: index, rows: make([]rowCount, len(r.filters)), accs: make([]accumulator, len(r.accs))}
	for j := range r.accs {
		t.accs[j] = r.accs[j].kind.one()
	}
	*tiles = slices.Insert(*tiles, i, t)
	return &(*tiles)[i]
}

func (r *ringSpec) add(rows []rowCount, accs []accumulator, in *Input) {
	for i, f := range r.filters {
		if in.pass[f] {
			rows[i].add(in.Time)
		}
	}
	for i := range r.accs {
		if a := &r.accs[i]; in.pass[r.filters[a.filter]] {
			a.add(accs[i], in)
		}
	}
}

// reaches says whether an event of that time can matter at t or later.
func (l *Layout) reaches(time, t int64) bool {
	if l.view.Latest {
		return true // if only as the row that is too old
	}
	for i := range l.rings {
		if l.rings[i].reaches(time, t) {
			return true
		}
	}
	return false
}

// has says whether the position was applied to this entity.
func (s *State) has(p fqgw.Position) bool {
	if p.IsNone() {
		return false
	}
	i, ok := s.ownIndex(p.Partition)
	return ok && p.Compare(s.own[i].last) <= 0
}

func (s *State) ownIndex(partition int32) (int, bool) {
	for i := range s.own {
		if s.own[i].last.Partition >= partition {
			return i, s.own[i].last.Partition == partition
		}
	}
	return len(s.own), false
}

// mark raises the own mark of the event's partition.
func (l *Layout) mark(s *State, in *Input) {
	if in.Pos.IsNone() {
		return
	}
	m := ownMark{in.Pos, in.Time}
	i, ok := s.ownIndex(in.Pos.Partition)
	if !ok {
		if l.reaches(m.newest, s.horizon) {
			s.own = slices.Insert(s.own, i, m)
		}
		return
	}
	o := &s.own[i]
	o.newest = max(o.newest, m.newest)
	if o.last.Compare(m.last) < 0 {
		o.last = m.last
	}
}

// nothing says that nothing is stored of the state: it is that of an entity without
// events. Of a view without keys there is its horizon still, the second that it was
// written for.
func (l *Layout) nothing(s *State) bool {
	return s.empty() && !(l.beats() && s.horizon > math.MinInt64)
}

// empty says that the state is that of an entity without events.
func (s *State) empty() bool {
	return len(s.own) == 0 && len(s.held) == 0 && len(s.ahead) == 0 && !s.latest.has &&
		!slices.ContainsFunc(s.rings, func(t []tile) bool { return len(t) > 0 })
}
