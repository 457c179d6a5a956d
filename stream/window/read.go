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

	// A row that stays packed: its bytes, where in them each slot's value begins,
	// and its event time.
	packed  []byte
	at      []int32
	rowTime int64
}

// slot is the value of a slot.
func (r *Reading) slot(i int) fqgw.Value {
	if r.packed == nil {
		return r.Slots[i]
	}
	in := fqgw.Unpack(r.packed[r.at[i]:])
	return in.Value()
}

// time is the time of a slot.
func (r *Reading) time(i int) int64 {
	if r.packed == nil {
		return r.Times[i]
	}
	return r.rowTime
}

// failed says whether a slot is NULL because its result left its type.
func (r *Reading) failed(i int) bool { return r.packed == nil && r.Errors[i] }

// Empty is the reading for a key that was never seen.
func (l *Layout) Empty(t int64) Reading { return l.Read(l.New(), t) }

// Read answers at max(t, H); a view without keys at whole seconds (SEMANTICS
// §3.8). The state is not changed and the reading shares nothing with it that
// later changes.
func (l *Layout) Read(s *State, t int64) Reading {
	var r Reading
	l.clear(&r, s.horizon, t)
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
	l.readAhead(s, sum, r.T)
	l.finish(sum, &r)
	return r
}

// clear makes r an answer without values for a state of horizon h.
func (l *Layout) clear(r *Reading, h, t int64) {
	n := len(l.slots)
	l.at(r, h, t)
	if cap(r.Slots) < n {
		r.Slots, r.Errors, r.Times = make([]fqgw.Value, n), make([]bool, n), make([]int64, n)
	}
	r.Slots, r.Errors, r.Times = r.Slots[:n], r.Errors[:n], r.Times[:n]
	clear(r.Slots)
	clear(r.Errors)
	for i := range r.Times {
		r.Times[i] = NoTime
	}
}

// at makes r an answer that says nothing yet for a state of horizon h.
func (l *Layout) at(r *Reading, h, t int64) {
	if l.beats() {
		t = fqgw.Floor(t, beat)
	}
	r.T, r.Exists, r.OutsideMaxAge, r.packed = max(t, h), false, false, nil
}

// answerLatest answers a latest-row view at r.T from the rest of a packed state b,
// whose values stay packed. marks says that there were own marks.
func (l *Layout) answerLatest(r *Reading, b []byte, in *reader, h int64, marks bool) error {
	var row Input
	what := l.rowPlace(in, &row, h)
	if what == 1 {
		n := in.Length()
		if n != len(l.args) {
			in.Fail()
		}
		r.at = r.at[:0]
		for ; n > 0 && !in.Bad(); n-- {
			r.at = append(r.at, int32(in.At()))
			in.Skip()
		}
	}
	if in.Length() > 0 && !in.Bad() { // events kept singly may come before it
		s, err := l.Decode(b)
		if err == nil {
			*r = l.Read(s, r.T)
		}
		return err
	}
	if in.Bad() || in.Left() > 0 || !marks && what == 0 {
		return l.damaged()
	}
	if what == 0 || row.gone {
		return nil
	}
	if tooOld(row.Time, r.T, l.view.MaxAge) {
		r.OutsideMaxAge = true
		return nil
	}
	r.Exists, r.packed, r.rowTime = true, b[headBytes:], row.Time
	if l.versions() {
		r.rowTime = timeOf(r.slot(len(l.args) - 1))
	}
	return nil
}
