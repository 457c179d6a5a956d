package window

import "github.com/fqgw/fqgw"

// sums are the windows of one reading in the making. All windows end at T, so
// a shorter one of a ring lies inside the longer ones: each tile is counted
// once, in the shortest window that holds it, and at the end the windows are
// counted into each other.
type sums struct{ rings []ringSums }

// ringSums has a span for each of the ring's lengths, the longest first, and
// behind them one for what is older than all.
type ringSums struct {
	spans []span
	whole []rowCount // of the tile that is being read, with what is not shown
}

// span sums the tiles of a window that are in no shorter one.
type span struct {
	low  int64         // the oldest tile of the window
	rows []rowCount    // by ringSpec.filters
	accs []accumulator // by ringSpec.accs
}

// begin gives empty sums at t.
func (l *Layout) begin(t int64) *sums {
	s, ok := l.sums.Get().(*sums)
	if !ok {
		s = &sums{make([]ringSums, len(l.rings))}
		for i := range l.rings {
			s.rings[i] = l.rings[i].sums()
		}
	}
	for i := range l.rings {
		spec := &l.rings[i]
		for k, length := range spec.lengths {
			s.rings[i].spans[k].low = spec.low(t, length)
		}
	}
	return s
}

func (r *ringSpec) sums() ringSums {
	n := len(r.lengths) + 1
	out := ringSums{spans: make([]span, n)}
	for i := range out.spans {
		out.spans[i] = span{rows: make([]rowCount, len(r.filters)), accs: make([]accumulator, len(r.accs))}
	}
	for j := range r.accs {
		for i, a := range r.accs[j].kind.make(n) {
			out.spans[i].accs[j] = a
		}
	}
	return out
}

// at is where the events of a tile are counted.
func (s *ringSums) at(index int64) *span {
	n := len(s.spans) - 1
	for i := n - 1; i >= 0; i-- {
		if index >= s.spans[i].low {
			return &s.spans[i]
		}
	}
	return &s.spans[n]
}

func (s *ringSums) merge(spec *ringSpec, t *tile) {
	s.at(t.index).merge(spec, t.rows, t.accs)
}

func (s *span) merge(spec *ringSpec, rows []rowCount, accs []accumulator) {
	for i := range rows {
		s.rows[i].merge(rows[i])
	}
	for i := range accs {
		if rows[spec.accs[i].filter].n > 0 {
			s.accs[i].merge(accs[i])
		}
	}
}

// addHeld counts an event that the state keeps singly, if it is visible at t.
func (l *Layout) addHeld(s *sums, in *Input, t int64) {
	if in.VisibleAt() > t {
		return
	}
	for i := range l.rings {
		spec := &l.rings[i]
		to := s.rings[i].at(spec.tile(in.Time))
		spec.add(to.rows, to.accs, in)
	}
}

// finish puts the values into r and gives the sums back.
func (l *Layout) finish(s *sums, r *Reading) {
	r.Exists = len(l.view.Keys) == 0
	for i := range l.rings {
		spans := s.rings[i].spans
		for k := len(l.rings[i].lengths) - 2; k >= 0; k-- {
			spans[k].merge(&l.rings[i], spans[k+1].rows, spans[k+1].accs)
		}
		r.Exists = r.Exists || l.anyRow(spans[0].rows)
	}
	for i := range l.slots {
		slot := &l.slots[i]
		if slot.read < 0 {
			continue
		}
		rd := &l.reads[slot.read]
		from := &s.rings[rd.ring].spans[rd.span]
		rows, acc := from.of(rd)
		if slot.less >= 0 {
			var k *kind
			if rd.acc >= 0 {
				k = l.rings[rd.ring].accs[rd.acc].kind
			}
			less, other := from.of(&l.reads[slot.less])
			rows, acc = net(k, rows, less, acc, other)
		}
		r.count(i, slot, rows, acc)
	}
	for i := range s.rings {
		for k := range s.rings[i].spans {
			from := &s.rings[i].spans[k]
			clear(from.rows)
			for j, a := range from.accs {
				l.rings[i].accs[j].kind.clear(a)
			}
		}
	}
	l.sums.Put(s)
}

// of is what is read of a window that is summed up.
func (s *span) of(rd *readSpec) (rows rowCount, acc accumulator) {
	if rd.acc >= 0 {
		acc = s.accs[rd.acc]
	}
	return s.rows[rd.filter], acc
}

// resultAt is the result of an accumulator at t.
func resultAt(acc accumulator, slot *slotSpec, t int64) (fqgw.Value, bool) {
	if d, is := acc.(*decayed); is {
		return d.at(slot, t)
	}
	return acc.result(slot)
}

// count puts the value of a slot into r: of the rows that its filter passes, and of
// their accumulator, nil where they are counted alone.
func (r *Reading) count(i int, slot *slotSpec, rows rowCount, acc accumulator) {
	if rows.owing() {
		r.Errors[i] = true
		return
	}
	if rows.n > 0 {
		r.Times[i] = rows.newest
	}
	if acc == nil {
		r.Slots[i] = fqgw.IntValue(int64(rows.n))
		return
	}
	if f, is := acc.(framed); is {
		r.Times[i] = f.newest()
	}
	v, ok := resultAt(acc, slot, r.T)
	r.Slots[i], r.Errors[i] = v, !ok
}
