package exec

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/pit"
	"github.com/fqgw/fqgw/stream/window"
)

// The global windows of a view have one value at a time for everybody: that of the whole
// second that the stream published last (SEMANTICS §3.8). Each process keeps it in memory
// and reads it anew in the background, so that a point read asks for nothing more, and
// has it when the store does not answer.

const (
	// publishedEvery is how often the stored states are looked at, in real time.
	publishedEvery = 200 * time.Millisecond
	// staleAfter is how old a published second may be, in real time.
	staleAfter = 2 * time.Second
)

// everywhere are the global windows of the views that are read.
type everywhere struct {
	mu sync.Mutex
	of map[int64]*published // by state version
}

// published is what is known of the global windows of one state version.
type published struct {
	layout *window.Layout

	mu     sync.Mutex
	stored []byte       // the state that the store had
	last   *publication // nil: none yet
	before *publication // the one before
	good   time.Time    // when it was last what it must be: of the second that the clock showed, or a newer one than before
}

// publication is the values at one second, Reading.T. It does not change.
type publication struct{ window.Reading }

// published is what is known of the global windows of a view.
func (e *Engine) published(v *fqgw.FeatureView) (*published, error) {
	all := v.Everywhere()
	e.everywhere.mu.Lock()
	defer e.everywhere.mu.Unlock()
	if p := e.everywhere.of[all.State]; p != nil {
		return p, nil
	}
	l, err := window.NewLayout(all)
	if err != nil {
		return nil, err
	}
	p := &published{layout: l}
	if e.everywhere.of == nil {
		e.everywhere.of = map[int64]*published{}
	}
	e.everywhere.of[all.State] = p
	return p, nil
}

// lastPublished is the reading of a view's global windows at t, and whether it is older
// than it must be; nil where none is known. The store is asked where there is none yet.
func (e *Engine) lastPublished(env *fqgw.Env, v *fqgw.FeatureView, t int64) (r *window.Reading, stale bool, err error) {
	p, err := e.published(v)
	if err != nil {
		return nil, false, err
	}
	if r, stale = p.at(e.o.Clock, t); r != nil {
		return r, stale, nil
	}
	ctx, cancel, limited := deadline(env)
	defer cancel()
	if err := e.readPublished(ctx, p); err != nil && (!limited || env.Ctx.Err() != nil || !overdue(ctx, err)) {
		return nil, false, err
	}
	r, stale = p.at(e.o.Clock, t)
	return r, stale, nil
}

// at is the newest reading that is not after t, or the oldest one.
func (p *published) at(clock *fqgw.Clock, t int64) (r *window.Reading, stale bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		return nil, true
	}
	of := p.last
	if of.T > t && p.before != nil {
		of = p.before
	}
	if _, set := clock.IsSet(); !set && p.layout.View().Source.Positions() == fqgw.TopicOffsets {
		return &of.Reading, clock.Now()-p.last.T > staleAfter.Microseconds()
	}
	return &of.Reading, time.Since(p.good) > staleAfter
}

// readPublished reads what the store has of some global windows.
func (e *Engine) readPublished(ctx context.Context, all ...*published) error {
	if len(all) == 0 {
		return nil
	}
	key, _ := fqgw.EncodeKey()
	shard := key.Shard(e.o.Online.Shards())
	reads := make([]fqgw.UnitRead, len(all))
	for i, p := range all {
		reads[i] = fqgw.UnitRead{Unit: fqgw.Unit{State: p.layout.View().State, Shard: shard}, Keys: []fqgw.EntityKey{key}}
	}
	states, err := e.o.Online.Read(ctx, reads)
	if err != nil {
		return err
	}
	for i, p := range all {
		if err := p.take(states[i].States[0], e.o.Clock.Now()); err != nil {
			return err
		}
	}
	return nil
}

// take takes up what the store has at a time, nil: nothing was published. The stream
// publishes whole seconds of a topic; of rows that others write the stored state is that
// of their newest snapshot, and holds for every second until the next.
func (p *published) take(stored []byte, now int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	second := fqgw.Floor(now, time.Second.Microseconds())
	if stored == nil {
		return nil
	}
	follows := p.layout.View().Source.Positions() != fqgw.TopicOffsets
	if p.last != nil && bytes.Equal(stored, p.stored) && (!follows || p.last.T >= second) {
		if follows || p.last.T >= second {
			p.good = time.Now()
		}
		return nil
	}
	s, err := p.layout.Decode(stored)
	if err != nil {
		return err
	}
	t := s.Horizon()
	if follows {
		t = second
	}
	next := &publication{p.layout.Read(s, t)}
	if p.last != nil && next.T == p.last.T { // it was corrected: of one second the last counts
		p.last = p.before
	}
	p.stored, p.before, p.last, p.good = stored, p.last, next, time.Now()
	return nil
}

// publishedSoon keeps what the process knows of the global windows of the catalog's views up
// to date, until the engine closes.
func (e *Engine) publishedSoon() {
	tick := time.NewTicker(publishedEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			ctx, cancel := context.WithTimeout(e.life, staleAfter)
			_ = e.readEverywhere(ctx) // what is not read grows stale, which reads say
			cancel()
		case <-e.life.Done():
			return
		}
	}
}

// readEverywhere reads the published global windows of every view of the catalog.
func (e *Engine) readEverywhere(ctx context.Context) error {
	states := map[int64]bool{}
	var all []*published
	for _, v := range e.Catalog().Features {
		if g := v.Everywhere(); g != nil && !v.Offline && !states[g.State] {
			states[g.State] = true
			p, err := e.published(v)
			if err != nil {
				return err
			}
			all = append(all, p)
		}
	}
	e.everywhere.mu.Lock()
	for state := range e.everywhere.of {
		if !states[state] {
			delete(e.everywhere.of, state)
		}
	}
	e.everywhere.mu.Unlock()
	return e.readPublished(ctx, all...)
}

// everywhereThen is by probe the reading of a view's global windows at its time, from
// history; nil where it has none. Equal seconds are read once. layout has the slots that
// are wanted.
func (e *Engine) everywhereThen(env *fqgw.Env, l *window.Layout, probes []probe, memory *fqgw.Memory) ([]*window.Reading, error) {
	v := l.View()
	out := make([]*window.Reading, len(probes))
	var asked []window.Question
	seen := map[window.Question]int{}
	of := make([]int, len(probes))
	for i := range probes {
		p := &probes[i]
		if of[i] = -1; !p.timed {
			continue
		}
		q := window.Question{T: fqgw.Floor(p.t, time.Second.Microseconds()), K: fqgw.Floor(p.k, time.Second.Microseconds())}
		n, again := seen[q]
		if !again {
			n = len(asked)
			seen[q] = n
			asked = append(asked, q)
		}
		of[i] = n
	}
	if len(asked) == 0 {
		return out, nil
	}
	readings := make([]window.Reading, len(asked))
	err := e.readingHistory(env, v.Source, func() error {
		events := eventMemory(memory)
		defer events.Close()
		history := func(from, to int64) fqgw.Records { return e.historyIn(env, v, from, to) }
		return pit.Everywhere(l, asked, history, events, func(i int, r *window.Reading) error {
			readings[i] = *r
			return nil
		})
	})
	for i, n := range of {
		if n >= 0 {
			out[i] = &readings[n]
		}
	}
	return out, err
}

// stands says whether the online store has the states of a view from a process before.
func (e *Engine) stands(ctx context.Context, v *fqgw.FeatureView) (bool, error) {
	for _, part := range v.Parts() {
		if ok, err := e.o.Streams.Stands(ctx, part); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// justGlobals is the layout of the slots of a view's global windows that a program
// needs; nil for none.
func justGlobals(v *fqgw.FeatureView, p *window.Program) (*window.Layout, error) {
	slots := p.Globals()
	if len(slots) == 0 {
		return nil, nil
	}
	l, err := window.NewLayout(v.Everywhere())
	if err != nil {
		return nil, err
	}
	return l.Just(func(slot int) bool { return slices.Contains(slots, slot) }), nil
}
