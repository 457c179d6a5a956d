package window

import "slices"

// latest is the visible row that is last in the order of events. Once it is
// older than max_age nobody can see it any more and only a stub stays, which
// tells outside_max_age from not_found for ever. A version that is no row of a table
// is a stub from the beginning.
type latest struct {
	has  bool
	stub bool
	row  Input // of a stub: times and position alone
}

// fold takes the event if it is later.
func (r *latest) fold(in *Input) {
	if !r.has || r.row.compare(in) < 0 {
		*r = latest{has: true, stub: in.gone, row: Input{Time: in.Time, Known: in.Known, Pos: in.Pos, gone: in.gone, tie: in.tie}}
		if !in.gone {
			r.row.args = slices.Clone(in.args)
		}
	}
}

// age leaves a stub of a row that is too old at h.
func (r *latest) age(h, maxAge int64) {
	if r.has && !r.stub && tooOld(r.row.Time, h, maxAge) {
		r.stub, r.row.tie, r.row.args = true, "", nil
	}
}

// tooOld says whether a row of that time is outside max age at t.
func tooOld(time, t, maxAge int64) bool { return maxAge > 0 && before(t, maxAge) > time }

// TooOld says whether a row of that time is outside max_age at t.
func (l *Layout) TooOld(time, t int64) bool { return tooOld(time, t, l.view.MaxAge) }

// readLatest answers a latest-row view at r.T.
func (l *Layout) readLatest(s *State, r *Reading) {
	var best *Input
	if s.latest.has {
		best = &s.latest.row
	}
	for i := range s.held { // in the order of events
		if in := &s.held[i]; in.VisibleAt() <= r.T && (best == nil || best.compare(in) < 0) {
			best = in
		}
	}
	l.show(best, r)
}

// show makes an event the answer of a latest-row view at r.T; nil: there is none.
func (l *Layout) show(best *Input, r *Reading) {
	if best == nil || best.gone {
		return
	}
	if tooOld(best.Time, r.T, l.view.MaxAge) {
		r.OutsideMaxAge = true
		return
	}
	r.Exists = true
	copy(r.Slots, best.args)
	time := l.eventTime(best)
	for i := range r.Times {
		r.Times[i] = time
	}
}

// Row is the reading at t of a latest-row view whose last visible row is in, nil
// for none: what folding the events into a state and reading that would give.
func (l *Layout) Row(in *Input, t int64) Reading {
	var r Reading
	l.clear(&r, t, t)
	l.show(in, &r)
	return r
}

// Compare is the order of events (SEMANTICS §1), of rows without a position by their
// canonical bytes.
func (in *Input) Compare(o *Input) int { return in.compare(o) }
