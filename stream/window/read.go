package window

import "github.com/fqgw/fqgw"

// Reading is the answer for one entity at one time. It may be read by many.
type Reading struct {
	T             int64        // the time answered at: max(asked, H)
	Exists        bool         // the view has a row for the entity at T (SEMANTICS §4.1)
	OutsideMaxAge bool         // latest-row views: there is a row, but too old
	Slots         []fqgw.Value // the values of empty windows, or NULLs, where there is no row
	Errors        []bool       // the slot is NULL because its result left its type
	Times         []int64      // newest contributing event time per slot, or NoTime
	Marks         fqgw.Marks   // own marks of the state

	layout *Layout
}

// Empty is the reading for a key that was never seen.
func (l *Layout) Empty(t int64) Reading { return l.Read(l.New(), t) }

// Read answers at max(t, H); a view without keys at whole seconds (SEMANTICS
// §3.8). The state is not changed and the reading shares nothing with it that
// later changes.
func (l *Layout) Read(s *State, t int64) Reading {
	r := l.reading(s.horizon, t)
	for _, m := range s.own {
		r.Marks = r.Marks.Set(m.last.Partition, m.after())
	}
	if l.view.Latest {
		l.readLatest(s, &r)
		return r
	}
	sum := l.begin(r.T)
	for i := range l.rings {
		for k := range s.rings[i] {
			sum.rings[i].merge(&l.rings[i], &s.rings[i][k])
		}
	}
	for k := range s.held {
		l.addHeld(sum, &s.held[k], r.T)
	}
	l.finish(sum, &r)
	return r
}

// Answer is Decode and Read in one pass over the packed state, which it does
// not keep.
func (l *Layout) Answer(b []byte, t int64) (Reading, error) {
	if l.view.Latest || len(b) == 0 {
		s, err := l.Decode(b)
		if err != nil {
			return Reading{}, err
		}
		return l.Read(s, t), nil
	}
	in, err := l.open(b)
	if err != nil {
		return Reading{}, err
	}
	h := in.Varint()
	r := l.reading(h, t)
	something := false
	for m := range l.ownMarks(in, h) {
		r.Marks = r.Marks.Set(m.last.Partition, m.after())
		something = true
	}
	sum := l.begin(r.T)
	for i := range l.rings {
		spec, ring := &l.rings[i], &sum.rings[i]
		for index := range spec.indexes(in, h) {
			s := ring.at(index)
			clear(ring.rows)
			spec.readTile(in, index, h, ring.rows, s.accs)
			for f := range s.rows {
				s.rows[f].merge(ring.rows[f])
			}
			something = true
		}
	}
	for held := range l.heldInputs(in, h) {
		l.addHeld(sum, &held, r.T)
		something = true
	}
	if in.Bad() || in.Left() > 0 || !something {
		return Reading{}, l.damaged()
	}
	l.finish(sum, &r)
	return r, nil
}

// reading is an answer without values for a state of horizon h.
func (l *Layout) reading(h, t int64) Reading {
	n := len(l.slots)
	if len(l.view.Keys) == 0 {
		t = fqgw.Floor(t, 1_000_000)
	}
	r := Reading{T: max(t, h), Slots: make([]fqgw.Value, n), Errors: make([]bool, n), Times: make([]int64, n), layout: l}
	for i := range r.Times {
		r.Times[i] = NoTime
	}
	return r
}
