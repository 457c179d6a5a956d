package stream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// followEvery is how often a table is looked at for a newer snapshot, in real time.
const followEvery = 2 * time.Second

// table is a running source whose rows others write: it has no topic and lands nothing.
// Its views follow its snapshots (SEMANTICS §6.4): rows that were appended are folded
// into the states that are there, after anything else the states are made anew. Each
// unit's mark counts the snapshots that its view has; which one that is the registry knows.
type table struct {
	s       *source // what the folders ask of a source; it has no log
	foreign fqgw.Foreign
	turn    chan struct{} // holds a token while the views are worked at

	// Of who has the turn:
	views  []*tableView
	looked uint32 // units

	mu      sync.Mutex
	trouble string // why the newest snapshot cannot be followed
	count   int64  // the least of its views', followed.count
}

// tableView is a view with the units that this process has claimed.
type tableView struct {
	*view
	shares []*share
	at     followed
}

// followed is how far a view is.
type followed struct {
	snapshot int64 // that it has; 0: the table was empty
	count    int64 // of the snapshots that it had so far, the mark of its units
	part     bool  // and some of what came with the next
}

// followFact outlives the process, version 1: "1 <snapshot> <count> <part>". Another
// text says nothing: then the states are made anew.
func followFact(v *fqgw.FeatureView) string { return "follows " + strconv.FormatInt(v.State, 10) }

func (f followed) text() string { return fmt.Sprintf("1 %d %d %t", f.snapshot, f.count, f.part) }

func parseFollowed(text string) (f followed, ok bool) {
	var version int
	_, err := fmt.Sscanf(text, "%d %d %d %t", &version, &f.snapshot, &f.count, &f.part)
	return f, err == nil && version == 1 && f.text() == text
}

// addTable takes up such a source.
func (p *Pipeline) addTable(src *fqgw.Source) error {
	foreign := p.o.Foreign[src.Connector]
	if foreign == nil {
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "connector %q is not supported", src.Connector)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name := src.Qualified().String()
	switch {
	case p.tables[name] != nil:
		return fqgw.Errorf(fqgw.CodeDuplicateTable, "source %q is already running", src.Name)
	case p.stopped:
		return errStopped()
	}
	s := &source{p: p, done: make(chan struct{}), changed: make(chan struct{})}
	s.define(src)
	s.at.Store(&incarnation{Topic: fqgw.Topic{Partitions: 1}, owned: 1})
	s.life, s.stop = context.WithCancel(p.hard)
	s.stats = newStats(1, 0, p.o.Folders, p.o.Logger.With("source", src.Name))
	t := &table{s: s, foreign: foreign, turn: make(chan struct{}, 1)}
	p.tables[name] = t
	go t.run()
	return nil
}

// dropTable stops it and forgets it; nil when there is none of the name.
func (p *Pipeline) dropTable(name string) *table {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tables[name]
	delete(p.tables, name)
	if t != nil {
		t.s.stop()
	}
	return t
}

func (p *Pipeline) table(name string) *table {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tables[name]
}

// run follows the table until it is stopped.
func (t *table) run() {
	defer close(t.s.done)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = t.follow(t.s.life)
		case <-t.s.life.Done():
			return
		}
	}
}

// during calls f while nobody else works at the views. ctx ends with the table.
func (t *table) during(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.s.life, func() { cancel(errStopped()) })()
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
		return guarded(func() error { return f(ctx) })
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// follow brings every view to the newest snapshot.
func (t *table) follow(ctx context.Context) error {
	err := t.during(ctx, func(ctx context.Context) error {
		if len(t.views) == 0 {
			return nil
		}
		now, err := t.foreign.Current(ctx, t.s.src())
		if err != nil {
			return err
		}
		t.looked++
		for _, v := range t.views { // one that cannot be kept up keeps no other back
			e := t.lookAfter(ctx, v)
			if e == nil {
				e = t.advance(ctx, v, now)
			}
			err = errors.Join(err, e)
		}
		t.counted()
		return err
	})
	t.said(ctx, err)
	return err
}

// counted keeps how many snapshots every view has had. The caller has the turn.
func (t *table) counted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, v := range t.views {
		if i == 0 || v.at.count < t.count {
			t.count = v.at.count
		}
	}
}

// status is what is known of the source: its only partition is all of it, and its offsets
// count the snapshots that its views have.
func (t *table) status() fqgw.StreamStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := fqgw.StreamStatus{Source: t.s.src().Qualified().String(), Applied: t.count, Landed: t.count, End: t.count, Paused: t.trouble}
	if t.trouble != "" {
		out.End++
	}
	return out
}

// said keeps, and logs once, why the table cannot be followed.
func (t *table) said(ctx context.Context, err error) {
	text := ""
	if err != nil {
		if ctx.Err() != nil || t.s.life.Err() != nil {
			return
		}
		e := fqgw.AsError(err)
		if text = e.Message; e.Detail != "" {
			text += " (" + e.Detail + ")"
		}
	}
	t.mu.Lock()
	same := t.trouble == text
	t.trouble = text
	t.mu.Unlock()
	if !same && text != "" {
		t.s.p.o.Logger.Warn("the newest state of a source cannot be followed, will try again", "source", t.s.src().Name, "error", text)
	}
}

func (t *table) notice() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.trouble == "" {
		return ""
	}
	return fmt.Sprintf("what source \"%s\" has since its last readable state is not seen: %s", t.s.src().Name, t.trouble)
}

// addView brings a view up to the newest snapshot, and keeps it there.
func (t *table) addView(ctx context.Context, v *fqgw.FeatureView, notice func(string)) error {
	if notice == nil {
		notice = func(string) {}
	}
	layout, err := window.NewLayout(v)
	if err != nil {
		return err
	}
	return t.during(ctx, func(ctx context.Context) error {
		for _, w := range t.views {
			if w.v.State == v.State {
				return nil
			}
		}
		w := &tableView{view: &view{v: v, layout: layout}}
		if err := t.take(ctx, w, t.s.p.tells(v, notice)); err != nil {
			return err
		}
		t.views = append(t.views, w)
		t.counted()
		return nil
	})
}

// take claims a view's units, and fills them unless they stand at a snapshot.
func (t *table) take(ctx context.Context, w *tableView, notice func(string)) error {
	s, p := t.s, t.s.p
	if err := s.lookFor(ctx, w.v); err != nil {
		return err
	}
	if err := s.checkClock(ctx, w.v, notice); err != nil {
		return err
	}
	text, err := p.o.Registry.Get(ctx, followFact(w.v))
	if err != nil {
		return err
	}
	at, known := parseFollowed(text)
	if w.shares, err = s.claim(ctx, s.at.Load(), w.view, p.o.Folders); err != nil {
		return err
	}
	w.at = at
	now, err := t.foreign.Current(ctx, s.src())
	if err != nil {
		return err
	}
	if known && !at.part && w.stands() {
		err = t.advance(ctx, w, now)
	} else {
		err = t.rebuild(ctx, w, now, notice)
	}
	if err == nil {
		err = p.makeFit(ctx, w.v)
	}
	return err
}

// stands says whether every unit has what the view is said to have.
func (w *tableView) stands() bool {
	for _, sh := range w.shares {
		for _, u := range sh.units {
			if u.marks.Of(0).Next != w.at.count || w.at.count == 0 {
				return false
			}
		}
	}
	return true
}

// advance brings a view from the snapshot that it has to another.
func (t *table) advance(ctx context.Context, w *tableView, to fqgw.Snapshot) error {
	if w.at.snapshot == to.ID && !w.at.part {
		return nil
	}
	notice := t.s.p.tells(w.v, func(string) {})
	if !w.at.part && w.at.snapshot != 0 {
		added, ok, err := t.foreign.Added(ctx, t.s.src(), w.at.snapshot, to.ID)
		if err != nil {
			return err
		}
		if ok {
			err := t.append(ctx, w, to, added)
			var f *fenced
			if !errors.As(err, &f) {
				return err
			}
		}
	}
	if err := t.rebuild(ctx, w, to, notice); err != nil {
		return err
	}
	return t.s.p.makeFit(ctx, w.v)
}

// lookAfter notices a store that was lost: of one unit at a time, so that it costs
// nothing.
func (t *table) lookAfter(ctx context.Context, w *tableView) error {
	unit := fqgw.Unit{State: w.v.State, Shard: t.looked % t.s.p.o.Online.Shards()}
	found, err := t.s.p.o.Online.Read(ctx, []fqgw.UnitRead{{Unit: unit}})
	if err == nil && found[0].Marks.Of(0).Next != w.at.count {
		w.at.part = true
	}
	return err
}

// readable reads rows and forgets them: states are not touched for rows that cannot
// be read to their end.
func readable(ctx context.Context, rows fqgw.Records) error {
	for b, err := range rows {
		if err != nil {
			return err
		}
		b.Release()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// note notes how far a view is.
func (t *table) note(ctx context.Context, w *tableView, at followed) error {
	err := t.s.p.o.Registry.Put(ctx, followFact(w.v), at.text())
	if err == nil {
		w.at = at
	}
	return err
}

// append folds rows into the states that are there. Nothing tells them from others,
// so that half of them cannot be told from none: what a kill leaves is made anew.
func (t *table) append(ctx context.Context, w *tableView, to fqgw.Snapshot, added fqgw.Records) error {
	if err := readable(ctx, added); err != nil {
		return err
	}
	next := followed{to.ID, w.at.count + 1, false}
	if err := t.note(ctx, w, followed{w.at.snapshot, w.at.count, true}); err != nil {
		return err
	}
	since := oldest(w.v, t.s.p.o.Clock.Now())
	if err := t.fold(ctx, w, next.count, nil, t.reader(added, since), func(int64) {}); err != nil {
		return err
	}
	return t.note(ctx, w, next)
}

// rebuild makes the states of a view anew, of one snapshot.
func (t *table) rebuild(ctx context.Context, w *tableView, at fqgw.Snapshot, notice func(string)) error {
	s, p := t.s, t.s.p
	select {
	case p.fills <- struct{}{}:
		defer func() { <-p.fills }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	h := p.o.Clock.Now()
	since := oldest(w.v, h)
	var read reader
	if at.ID != 0 {
		sc := fqgw.Scan{Snapshot: at.ID, Time: s.src().Columns[s.src().EventTime].Name, From: since, To: math.MaxInt64}
		_, rows, err := t.foreign.Scan(ctx, s.src(), sc)
		if _, unfit := p.Filling(w.v); err == nil && !unfit {
			err = readable(ctx, rows)
		}
		if err != nil {
			return err
		}
		read = t.reader(rows, since)
	}
	next := followed{at.ID, w.at.count + 1, false}
	if err := p.makeUnfit(ctx, w.v); err != nil {
		return err
	}
	if err := t.note(ctx, w, followed{0, w.at.count, true}); err != nil {
		return err
	}
	if err := retry(ctx, nil, func() error { return p.o.Online.Drop(ctx, w.v.State) }); err != nil {
		return err
	}
	var err error
	if w.shares, err = s.claim(ctx, s.at.Load(), w.view, p.o.Folders); err != nil {
		return err
	}
	began, done := time.Now(), int64(0)
	notice(howFar(p.keeper(w.v).Name, 0, at.Rows, began))
	err = t.fold(ctx, w, next.count, &h, read, func(more int64) {
		done += more
		notice(howFar(p.keeper(w.v).Name, done, at.Rows, began))
	})
	if err != nil {
		return err
	}
	return t.note(ctx, w, next)
}

// fold folds events into a view's states and marks its units; read nil: there are none.
func (t *table) fold(ctx context.Context, w *tableView, count int64, horizon *int64, read reader, progress func(int64)) error {
	s := t.s
	purse := s.p.budget.purse()
	defer purse.close()
	err := s.withCrew(ctx, s.at.Load(), w.view, w.shares, horizon, func(ctx context.Context, c *crew) error {
		r := newRouter(s.p.o.Online.Shards(), len(c.folders), []*view{w.view})
		if read != nil {
			if err := s.sendHistory(ctx, c, r, purse, read, progress); err != nil {
				return err
			}
		}
		to := fqgw.Marks{{Next: count}}
		if err := c.do(ctx, func(f *folder) {
			for _, sh := range f.shares {
				sh.applied = to
			}
		}); err != nil {
			return err
		}
		return c.flush(ctx)
	})
	for _, sh := range w.shares { // the next snapshot may be tomorrow's
		for _, u := range sh.units {
			u.entries, u.dirty, u.waits, u.complete = map[fqgw.EntityKey]*entry{}, nil, nil, false
		}
	}
	return err
}

// reader reads events of rows that others wrote: those since a time.
func (t *table) reader(rows fqgw.Records, since int64) reader {
	s := t.s
	at := s.src().EventTime
	return func(ctx context.Context, emit func(fqgw.Event) error) error {
		for rec, err := range rows {
			if err != nil {
				return err
			}
			if err := t.events(rec, func(row []fqgw.Value) error {
				// No gate has looked at it: a time that does not end is behind every other.
				t, ok := fqgw.Micros(row[at])
				if !ok || t == fqgw.InfinityTime || t < since {
					return nil
				}
				ev := fqgw.Event{Pos: nowhere, Row: row, Time: t, Known: t}
				if s.src().Known == fqgw.KnownByColumn {
					if k, ok := fqgw.Micros(row[s.src().KnownColumn]); ok {
						ev.Known = k
					}
				}
				if ev.Known == fqgw.InfinityTime {
					return nil
				}
				return emit(ev)
			}); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
}

func (t *table) events(rec arrow.RecordBatch, emit func([]fqgw.Value) error) error {
	return t.s.emitRows(rec, t.s.src().Columns, emit)
}

// drop lets go of a view.
func (t *table) drop(ctx context.Context, v *fqgw.FeatureView) error {
	return t.during(ctx, func(context.Context) error {
		for i, w := range t.views {
			if w.v.State == v.State {
				t.views = append(t.views[:i], t.views[i+1:]...)
				return nil
			}
		}
		return nil
	})
}

// standing is Stands for a view of a table.
func (p *Pipeline) standing(ctx context.Context, v *fqgw.FeatureView) (bool, error) {
	text, err := p.o.Registry.Get(ctx, followFact(v))
	at, ok := parseFollowed(text)
	if err != nil || !ok || at.part || at.count == 0 {
		return false, err
	}
	units, err := p.o.Online.Read(ctx, fqgw.UnitReads(v.State, p.o.Online.Shards()))
	if err != nil {
		return false, err
	}
	for _, u := range units {
		if u.Marks == nil || u.Marks.Of(0).Next != at.count {
			return false, nil
		}
	}
	return true, nil
}
