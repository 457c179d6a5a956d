package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

const (
	fillRows = 4096    // rows of history in a batch
	farAway  = 100_000 // records: nearer than this a new view joins the live stream at once
)

// building is a view that is being filled.
type building struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// AddView fills a feature view and then keeps it up: it reads the history up to
// its recorded positions, writes states with these, and follows the stream from
// there (SEMANTICS §6.4). It returns when the view can be read. notice is told
// about the progress. When ctx ends the view is left as it is; another AddView
// goes on, DropView cleans up.
func (p *Pipeline) AddView(ctx context.Context, v *fqgw.FeatureView, notice func(string)) error {
	if v.Offline {
		return nil
	}
	err := guarded(func() error {
		if t := p.table(v.Source.Qualified().String()); t != nil {
			return t.addView(ctx, v, notice)
		}
		return p.addView(ctx, v, notice)
	})
	var broke *panicked
	if errors.As(err, &broke) {
		p.o.Logger.Error("filling a feature view panicked", "view", v.Name, "panic", broke.what, "stack", string(broke.stack))
		return fqgw.Errorf(fqgw.CodeInternal, "feature view \"%s\" cannot be filled: %v", v.Name, broke)
	}
	return err
}

func (p *Pipeline) addView(ctx context.Context, v *fqgw.FeatureView, notice func(string)) error {
	if notice == nil {
		notice = func(string) {}
	}
	layout, err := window.NewLayout(v)
	if err != nil {
		return err
	}
	s, err := p.source(v.Source.Qualified().String())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b := &building{cancel: cancel, done: make(chan struct{})}
	s.mu.Lock()
	switch {
	case s.keeps(v):
		s.mu.Unlock()
		return s.reread(ctx, v)
	case s.building[v.State] != nil:
		s.mu.Unlock()
		return fqgw.Errorf(fqgw.CodeNotInState, "feature view %q is being filled", v.Name)
	}
	s.building[v.State] = b
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.building, v.State)
		s.mu.Unlock()
		close(b.done)
	}()
	w := &view{v: v, layout: layout}
	if text := s.stats.text(); text != "" {
		notice(text)
	}
	for try := 0; ; try++ {
		err := s.during(ctx, func(ctx context.Context, ses *session) error {
			s.mu.Lock()
			kept := s.keeps(v)
			s.mu.Unlock()
			if kept { // the session before ended while it was attached, and this one took it up
				return nil
			}
			w, err := s.bound(w)
			if err != nil {
				return err
			}
			shares, err := s.prepare(ctx, ses.at, ses, w, notice)
			if err == nil {
				err = s.catchUp(ctx, ses, w, shares, notice)
			}
			if err != nil {
				return err
			}
			return ses.attach(ctx, w, shares)
		})
		var f *fenced
		if err == nil { // from here on the view is the session's, also of the next one
			return s.reread(ctx, v)
		}
		if !errors.As(err, &f) || try == 5 {
			return err
		}
		p.metrics.fences.Add(1)
	}
}

// keeps says whether the session keeps a view. s.mu is held.
func (s *source) keeps(v *fqgw.FeatureView) bool {
	return slices.ContainsFunc(s.views, func(w *view) bool { return w.v.State == v.State })
}

// reread waits until a view that the session keeps can be read.
func (s *source) reread(ctx context.Context, v *fqgw.FeatureView) error {
	err := s.during(ctx, func(ctx context.Context, ses *session) error { return ses.applied(ctx) })
	if err == nil {
		err = s.p.makeFit(ctx, v)
	}
	return err
}

// DropView cancels the filling of a view, or detaches it, and removes its
// online state. Its name and its state version say which it is; it may be gone
// from the pipeline already.
func (p *Pipeline) DropView(ctx context.Context, v *fqgw.FeatureView) error {
	for _, s := range p.all() {
		s.mu.Lock()
		b, kept := s.building[v.State], s.keeps(v)
		s.mu.Unlock()
		if b != nil {
			b.cancel()
			select {
			case <-b.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			s.mu.Lock()
			kept = s.keeps(v) // at the last moment
			s.mu.Unlock()
		}
		if !kept {
			continue
		}
		err := s.during(ctx, func(ctx context.Context, ses *session) error { return ses.detach(ctx, v) })
		if err != nil && fqgw.AsError(err).Code != fqgw.CodeAdminShutdown {
			return err
		}
	}
	if t := p.table(v.Source.Qualified().String()); t != nil {
		if err := t.drop(ctx, v); err != nil && fqgw.AsError(err).Code != fqgw.CodeAdminShutdown {
			return err
		}
	}
	p.fitness.clear(v.State)
	for _, fact := range []string{eraFact(v), fitFact(v), followFact(v)} {
		if err := p.o.Registry.Put(ctx, fact, ""); err != nil {
			return err
		}
	}
	p.tiers.forget(v.State)
	p.keepers.Delete(v.State)
	return p.o.Online.Drop(ctx, v.State)
}

// prepare claims a view's units and, unless the log alone can bring them up to
// date, fills them from the history. ses is the running session, if there is one.
func (s *source) prepare(ctx context.Context, at *incarnation, ses *session, v *view, notice func(string)) ([]*share, error) {
	online := s.p.o.Online
	notice = s.p.tells(v.v, notice)
	if err := s.lookFor(ctx, v.v); err != nil {
		return nil, err
	}
	if err := s.checkClock(ctx, v.v, notice); err != nil {
		return nil, err
	}
	shares, err := s.claim(ctx, at, v, s.p.o.Folders)
	if err != nil {
		return nil, err
	}
	pl, err := s.places(ctx, at)
	if err != nil {
		return nil, err
	}
	if s.needsHistory(at, v.v, shares, pl) {
		if !untouched(shares) {
			// A store that was lost in part, or a filling that was cut short.
			if err := s.p.makeUnfit(ctx, v.v); err != nil {
				return nil, err
			}
			if err := retry(ctx, nil, func() error { return online.Drop(ctx, v.v.State) }); err != nil {
				return nil, err
			}
			if shares, err = s.claim(ctx, at, v, s.p.o.Folders); err != nil {
				return nil, err
			}
		}
		if ses != nil { // then less is left to follow
			if err := ses.lander.wait(ctx); err != nil {
				return nil, err
			}
		}
		if err := s.fill(ctx, at, v, shares, notice); err != nil {
			return nil, err
		}
		if pl, err = s.places(ctx, at); err != nil {
			return nil, err
		}
	}
	for _, sh := range shares {
		start := make(fqgw.Marks, at.Partitions)
		for p := range start {
			least := int64(math.MaxInt64)
			for _, u := range sh.units {
				least = min(least, offsetIn(u.marks.Of(int32(p)), at.epoch))
			}
			if least > pl.end[p] {
				return nil, s.cutShort(ctx, at, p, pl.end[p], least)
			}
			start[p] = fqgw.Mark{Epoch: at.epoch, Next: max(least, pl.first[p])}
		}
		sh.applied = start
	}
	return shares, nil
}

// needsHistory says whether a unit is behind the history and the log cannot
// close the gap, or would have to from its very beginning; or the view is new and
// the history has rows that never were in the log.
func (s *source) needsHistory(at *incarnation, v *fqgw.FeatureView, shares []*share, pl places) bool {
	if _, filling := s.p.Filling(v); filling && len(pl.snap.Landed) == 0 && pl.snap.Rows > 0 {
		return true
	}
	for _, sh := range shares {
		for _, u := range sh.units {
			for p := range at.owned {
				have, landed := u.marks.Of(int32(p)), pl.snap.Landed.Of(int32(p))
				if have.Before(landed) && (p >= at.Partitions || have.Epoch != at.epoch || have.Next == 0 || have.Next < pl.first[p]) {
					return true
				}
			}
		}
	}
	return false
}

// untouched says that nobody ever wrote to the units.
func untouched(shares []*share) bool {
	for _, sh := range shares {
		for _, u := range sh.units {
			if !u.complete {
				return false
			}
		}
	}
	return true
}

// fill folds the history, which comes in any order, into the empty units of a
// view, and records the positions of the snapshot that it read with the states.
//
// The state of an entity keeps the offset after its last event while any event
// is inside a window. So the events inside come first, and then those that only
// move that offset; in another order, with states written in between, the bytes
// would depend on it. For the same reason the horizon stands still. The files of
// both passes are found before the first one begins: the snapshot may be gone when
// it ends.
func (s *source) fill(ctx context.Context, at *incarnation, v *view, shares []*share, notice func(string)) error {
	select {
	case s.p.fills <- struct{}{}:
		defer func() { <-s.p.fills }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	snap, err := s.p.o.History.Current(ctx, s.src().History)
	if err != nil {
		return err
	}
	h := s.p.o.Clock.Now()
	var passes []reader
	var places []int
	for i, needed := range window.Needs(v.v) {
		if needed {
			places = append(places, i)
		}
	}
	if since := oldest(v.v, h); snap.ID == 0 {
		// there are no rows yet
	} else if since == math.MinInt64 {
		passes, err = s.plan(ctx, snap, places, [2]int64{math.MinInt64, math.MaxInt64})
	} else {
		passes, err = s.plan(ctx, snap, places, [2]int64{since, math.MaxInt64}, [2]int64{math.MinInt64, since - 1})
	}
	if err != nil {
		return err
	}
	purse := s.p.budget.purse()
	defer purse.close()
	return s.withCrew(ctx, at, v, shares, &h, func(ctx context.Context, c *crew) error {
		r := newRouter(s.p.o.Online.Shards(), len(c.folders), []*view{v})
		var rows int64
		began := time.Now()
		name := s.p.keeper(v.v).Name
		notice(howFar(name, 0, snap.Rows, began))
		for _, pass := range passes {
			err := s.sendHistory(ctx, c, r, purse, pass, func(more int64) {
				rows += more
				notice(howFar(name, rows, snap.Rows, began))
			})
			if err != nil {
				return err
			}
		}
		err := c.do(ctx, func(f *folder) {
			for _, sh := range f.shares {
				sh.applied = further(make(fqgw.Marks, at.owned), snap.Landed)
			}
		})
		if err != nil {
			return err
		}
		return c.flush(ctx)
	})
}

// oldest is the least event time that a window at h reaches; events before it
// leave no value behind.
func oldest(v *fqgw.FeatureView, h int64) int64 {
	if v.Latest {
		return math.MinInt64
	}
	least := h
	for _, w := range v.Windows {
		if w.Length == 0 {
			return math.MinInt64
		}
		least = min(least, fqgw.Floor(h-w.Length, w.Hop))
	}
	return least
}

// withCrew runs f with folders that keep nothing but the shares of one view.
func (s *source) withCrew(ctx context.Context, at *incarnation, v *view, shares []*share, horizon *int64, f func(context.Context, *crew) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	c := newCrew(ctx, fail, s, at, false)
	c.horizon = horizon
	for i, fo := range c.folders {
		fo.attach(shares[i])
	}
	c.start()
	err := guarded(func() error { return f(ctx, c) }) // else nobody would wait for the folders
	if err == nil {
		err = c.do(ctx, func(f *folder) { f.stopping = true })
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // what made everything else fail
		}
		fail(err)
	}
	c.wg.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	for _, fo := range c.folders {
		fo.detach(v)
	}
	return err
}

// sendHistory sends events of the history to the folders.
func (s *source) sendHistory(ctx context.Context, c *crew, r *router, purse *purse, read reader, progress func(rows int64)) error {
	var rows int64
	said := time.Now()
	most := s.p.budget.batchBytes()
	b := &batch{whole: true, purse: purse}
	send := func() error {
		if err := purse.pay(ctx, b.bytes, nil); err != nil {
			return err
		}
		r.route(b, func(*fqgw.Event) {})
		b.pending.Store(int32(len(c.folders)))
		err := c.send(ctx, b)
		b = &batch{whole: true, purse: purse}
		return err
	}
	err := read(ctx, func(ev fqgw.Event) error {
		if rows++; time.Since(said) > 2*time.Second {
			progress(rows)
			said, rows = time.Now(), 0
		}
		b.events = append(b.events, ev)
		if b.bytes += r.bytes(&ev); len(b.events) == s.p.rows || b.bytes >= most {
			return send()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return send()
}

// reader reads events of the history, in any order.
type reader func(ctx context.Context, emit func(fqgw.Event) error) error

// plan finds the rows of a snapshot whose event times lie in ranges; their files
// are known when it returns, and read later. Of the source's own columns the events have
// those at places.
func (s *source) plan(ctx context.Context, snap fqgw.Snapshot, places []int, ranges ...[2]int64) (out []reader, err error) {
	src := s.src()
	for i := range fqgw.HiddenColumns {
		places = append(places, len(src.Columns)+i)
	}
	for _, times := range ranges {
		sc := fqgw.Scan{Table: src.History, Snapshot: snap.ID}
		all := times == [2]int64{math.MinInt64, math.MaxInt64}
		// Files are pruned by the event time, which the row before a change may lack.
		if c := src.Columns[src.EventTime]; c.Type.Kind() == fqgw.KindTimestamp && !all && !src.Changelog() {
			sc.Time, sc.From, sc.To = c.Name, times[0], times[1]
		}
		batches, err := s.scanWide(ctx, sc, places)
		if err != nil {
			return nil, err
		}
		out = append(out, func(ctx context.Context, emit func(fqgw.Event) error) error {
			err := batches(func(row []fqgw.Value) error {
				ev, ok, err := s.eventOf(row)
				if err == nil && ok && ev.Time >= times[0] && ev.Time <= times[1] {
					err = emit(ev)
				}
				return err
			})
			return cmp.Or(err, ctx.Err())
		})
	}
	return out, nil
}

// eventOf is the event of a row of the history. Another program may have written
// it: without an offset, or a known time, which is the event's then (SEMANTICS §1);
// ok is false without an event time.
func (s *source) eventOf(row []fqgw.Value) (ev fqgw.Event, ok bool, err error) {
	def := s.def.Load()
	src, width := def.src, len(def.src.Columns)
	h, err := fqgw.ReadHidden(func(i int) fqgw.Value { return row[width+i] })
	if err == nil {
		err = src.Takes(h.Op)
	}
	if err != nil || row[src.EventTime].IsNull() && !h.Op.Retracts() {
		return ev, false, err
	}
	ev = fqgw.Event{Pos: h.Pos, Op: h.Op, Row: row[:width:width]}
	if ev.Time = def.gate.Time(ev.Row); h.Op.Retracts() {
		ev.Time = fqgw.TimeBefore(row[src.EventTime], h.Known.Int())
	}
	switch ev.Known = ev.Time; {
	case !h.Known.IsNull():
		ev.Known = h.Known.Int()
	case src.Known == fqgw.KnownByColumn && !row[src.KnownColumn].IsNull():
		ev.Known, _ = def.gate.Known(ev.Row, ev.Time)
	}
	return ev, true, nil
}

// scanWide finds the rows of a history, to be read later: each as wide as all columns,
// the hidden ones behind the source's own, with NULL where a column is not at places.
func (s *source) scanWide(ctx context.Context, scan fqgw.Scan, places []int) (rows func(emit func([]fqgw.Value) error) error, err error) {
	all := slices.Concat(s.src().Columns, fqgw.HiddenColumns)
	columns := make([]fqgw.Column, len(places))
	for i, p := range places {
		columns[i], scan.Columns = all[p], append(scan.Columns, all[p].Name)
	}
	_, batches, err := s.p.o.History.Scan(ctx, scan)
	return func(emit func([]fqgw.Value) error) error {
		for rec, err := range batches {
			if err == nil {
				err = s.emitAt(rec, columns, places, len(all), emit)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, err
}

// emitRows gives the rows of a record batch, which it releases, each to be kept by
// itself.
func (s *source) emitRows(rec arrow.RecordBatch, columns []fqgw.Column, emit func([]fqgw.Value) error) error {
	places := make([]int, len(columns))
	for i := range places {
		places[i] = i
	}
	return s.emitAt(rec, columns, places, len(columns), emit)
}

// emitAt is emitRows with rows of so many values, the batch's columns at places.
func (s *source) emitAt(rec arrow.RecordBatch, columns []fqgw.Column, places []int, width int, emit func([]fqgw.Value) error) error {
	took := fqgw.RecordBytes(rec)
	s.p.budget.batches.Force(took)
	defer s.p.budget.batches.Give(took)
	defer rec.Release()
	all := int(rec.NumRows())
	// Rows that are taken out together keep each other in memory.
	most := int(max(min(int64(all)<<18/max(took, 1), 256), 1))
	for from := 0; from < all; from += most {
		n := min(all-from, most)
		slab := make([]fqgw.Value, n*width)
		for c := range columns {
			a := rec.Column(c)
			for i := range n {
				slab[i*width+places[c]] = fqgw.ArrowValue(a, from+i, columns[c].Type)
			}
		}
		for i := range n {
			if err := emit(slab[i*width : (i+1)*width]); err != nil {
				return err
			}
		}
	}
	return nil
}

// catchUp follows the log with a view of its own until it is near the live
// stream, so that joining it costs the others but a moment.
func (s *source) catchUp(ctx context.Context, ses *session, v *view, shares []*share, notice func(string)) error {
	for {
		target, gap := s.stats.positions(), int64(0)
		from := make([]int64, ses.at.Partitions)
		for p := range from {
			from[p] = math.MaxInt64
			for _, sh := range shares {
				from[p] = min(from[p], sh.applied.Of(int32(p)).Next)
			}
			if p < len(target) {
				gap += max(target[p]-from[p], 0)
			}
		}
		if gap < s.p.far {
			return nil
		}
		notice(fmt.Sprintf("filling %s: %d records of the log behind", s.p.keeper(v.v).Name, gap))
		var f *feed
		err := s.withCrew(ctx, ses.at, v, shares, nil, func(ctx context.Context, c *crew) (err error) {
			if f, err = newFeed(ctx, s, c, nil, []*view{v}, from); err != nil {
				return err
			}
			if err := f.run(ctx, func() bool { return f.reached(target, true) }); err != nil {
				return err
			}
			return c.flush(ctx)
		})
		if f != nil {
			f.close()
		}
		if err != nil {
			return err
		}
	}
}
