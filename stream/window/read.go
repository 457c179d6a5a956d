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
	n := len(l.slots)
	if len(l.view.Keys) == 0 {
		t = fqgw.Floor(t, 1_000_000)
	}
	r := Reading{T: max(t, s.horizon), Slots: make([]fqgw.Value, n), Errors: make([]bool, n), Times: make([]int64, n), layout: l}
	for i := range r.Times {
		r.Times[i] = NoTime
	}
	for _, m := range s.own {
		r.Marks = r.Marks.Set(m.partition, m.mark)
	}
	if l.view.Latest {
		l.readLatest(s, &r)
	} else {
		l.readWindows(s, &r)
	}
	return r
}

// merged is one read in the making.
type merged struct {
	low  int64 // the oldest tile of the window
	rows rowCount
	acc  accumulator // nil for a bare row count
}

func (l *Layout) readWindows(s *State, r *Reading) {
	out := make([]merged, len(l.reads))
	r.Exists = len(l.view.Keys) == 0
	for i := range l.rings {
		if l.readRing(s, i, r.T, out) {
			r.Exists = true
		}
	}
	for i := range l.slots {
		slot := &l.slots[i]
		m := &out[slot.read]
		if m.rows.n > 0 {
			r.Times[i] = m.rows.newest
		}
		if m.acc == nil {
			r.Slots[i] = fqgw.IntValue(int64(m.rows.n))
			continue
		}
		v, ok := m.acc.result(slot)
		r.Slots[i], r.Errors[i] = v, !ok
	}
}

// readRing merges what lies in the windows of one ring at t, and says whether
// there was any row in the longest of them.
func (l *Layout) readRing(s *State, ring int, t int64, out []merged) (exists bool) {
	spec := &l.rings[ring]
	for _, i := range spec.reads {
		rd := &l.reads[i]
		out[i].low = spec.low(t, rd.length)
		if rd.acc >= 0 {
			out[i].acc = spec.accs[rd.acc].kind.make(1)[0]
		}
	}
	longest := spec.low(t, spec.length)
	for k := range s.rings[ring] {
		tile := &s.rings[ring][k]
		if tile.index < longest {
			continue
		}
		exists = true
		for _, i := range spec.reads {
			rd, m := &l.reads[i], &out[i]
			if rows := tile.rows[rd.filter]; tile.index >= m.low && rows.n > 0 {
				m.rows.merge(rows)
				if m.acc != nil {
					m.acc.merge(tile.accs[rd.acc])
				}
			}
		}
	}
	for k := range s.held {
		in := &s.held[k]
		index := spec.tile(in.Time)
		if in.VisibleAt() > t || index < longest {
			continue
		}
		exists = true
		for _, i := range spec.reads {
			rd, m := &l.reads[i], &out[i]
			if index >= m.low && in.pass[spec.filters[rd.filter]] {
				m.rows.add(in.Time)
				if m.acc != nil {
					m.acc.add(in, in.args[spec.accs[rd.acc].arg])
				}
			}
		}
	}
	return exists
}
