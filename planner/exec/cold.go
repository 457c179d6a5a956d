package exec

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/pit"
	"github.com/fqgw/fqgw/stream/window"
)

// cold is what reads of now did at the lake.
type cold struct {
	slots                         chan struct{} // a token for each read under way
	loaded, refused, late, failed atomic.Uint64 // entities
	micros                        atomic.Int64
}

func newCold() cold { return cold{slots: make(chan struct{}, max(runtime.GOMAXPROCS(0), 2))} }

// ColdReads are totals of the entities that reads of now found to have left the online
// store: those that the lake gave, those beyond fqgw.lake_entities, those that came too
// late, and those that could not be read; and the time that it took.
type ColdReads struct {
	Loaded, Refused, Late, Failed uint64
	Took                          time.Duration
}

// ColdReads are the totals since the start.
func (e *Engine) ColdReads() ColdReads {
	c := &e.cold
	return ColdReads{c.loaded.Load(), c.refused.Load(), c.late.Load(), c.failed.Load(), time.Duration(c.micros.Load()) * time.Microsecond}
}

// Revive makes the packed states of entities that have left the online store again from
// history: nil where history does not give the one that the stub tells, or would have to
// read more than most rows for it (0: any number).
func (e *Engine) Revive(ctx context.Context, l *window.Layout, keys []fqgw.EntityKey, stubs []*window.Stub,
	most int) (states [][]byte, err error) {
	v := l.View()
	asked := make([]pit.Cold, len(keys))
	minH, maxH := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range keys {
		asked[i] = pit.Cold{Key: keys[i], Stub: stubs[i]}
		minH, maxH = min(minH, stubs[i].Horizon()), max(maxH, stubs[i].Horizon())
	}
	// What the store has said now is not in what a statement began to read before.
	env := &fqgw.Env{Ctx: context.WithValue(ctx, pinsKey{}, (*pins)(nil))}
	err = e.readingHistory(env, v.Source, func() error {
		history, err := e.sortedHistory(env, v, minH, maxH)
		if err != nil {
			return err
		}
		defer history.Close()
		states, err = pit.Rebuild(l, asked, history, most)
		return err
	})
	return states, err
}

// coldRead is a read of the lake for entities of one chunk. It goes on when its statement
// does not wait any more: what it finds is warmed.
type coldRead struct {
	keys  []fqgw.EntityKey
	bytes [][]byte // of the stubs
	stubs []*window.Stub
	done  chan coldPart // has room for all
	parts [][2]int
}

// coldPart is the answer for some entities, from number from on.
type coldPart struct {
	from   int
	states [][]byte
	err    error
}

// readCold takes from the lake what the online store has no more than a stub of, within
// the statement's limits: beyond them an entity counts as one that did not answer in time
// (SEMANTICS §4.3). ctx ends with fqgw.deadline.
func (r *looked) readCold(ctx context.Context, probes []probe) error {
	first := slices.IndexFunc(r.states, func(s packedState) bool { return window.IsStub(s.packed) })
	if first < 0 {
		return nil
	}
	l, err := r.e.layout(r.view)
	if err != nil {
		return err
	}
	c := &coldRead{}
	at := map[fqgw.EntityKey]int{}
	places := map[int]int{} // of probes: the number in c
	refused := 0
	for i := first; i < len(r.states); i++ {
		s := &r.states[i]
		if !window.IsStub(s.packed) {
			continue
		}
		stub, err := l.OpenStub(s.packed)
		if err != nil {
			return err
		}
		n, again := at[probes[i].key]
		switch {
		case stub.Over(probes[i].t):
			s.packed = nil
			continue
		case !again && !r.cold[probes[i].key] && len(r.cold) >= r.env.LakeEntities:
			s.packed, s.late = nil, true
			refused++
			continue
		case !again:
			n = len(c.keys)
			at[probes[i].key] = n
			if r.cold == nil {
				r.cold = map[fqgw.EntityKey]bool{}
			}
			r.cold[probes[i].key] = true
			c.keys, c.bytes, c.stubs = append(c.keys, probes[i].key), append(c.bytes, slices.Clone(s.packed)), append(c.stubs, stub)
		}
		places[i] = n
	}
	if refused > 0 {
		r.late = true
		r.e.cold.refused.Add(uint64(refused))
		notify(r.env, fmt.Sprintf("%d entities of feature view \"%s\" are in the lake only and were not read: the statement has read %d",
			refused, r.view.Name, len(r.cold)),
			"SET fqgw.lake_entities to read more, or read all from history: AS OF now().")
	}
	if len(c.keys) == 0 {
		return nil
	}
	states, err := r.e.fetchCold(ctx, r.env, l, c)
	if err != nil {
		return err
	}
	for i, n := range places {
		if r.states[i].packed = states[n]; states[n] == nil {
			r.states[i].late, r.late = true, true
		}
	}
	return nil
}

// fetchCold reads the entities; of one that did not come in time the state is nil.
func (e *Engine) fetchCold(ctx context.Context, env *fqgw.Env, l *window.Layout, c *coldRead) ([][]byte, error) {
	began := time.Now()
	within, cancel := e.withinLake(env)
	left := make(chan struct{})
	defer close(left)
	c.parts = window.StubBatches(c.stubs, window.BatchStubs)
	c.done = make(chan coldPart, len(c.parts))
	e.fills.Go(func() {
		defer cancel()
		e.runCold(within, l, c)
		<-left // who waits here must not take its end for the deadline
	})
	states := make([][]byte, len(c.keys))
	missing := len(c.keys)
	defer func() {
		e.cold.micros.Add(time.Since(began).Microseconds())
		e.cold.loaded.Add(uint64(len(c.keys) - missing))
		e.cold.late.Add(uint64(missing))
	}()
	for range c.parts {
		select {
		case part := <-c.done:
			if part.err != nil {
				if within.Err() != nil && env.LakeDeadline > 0 { // its error says only that
					return states, e.lateCold(env, l.View(), missing)
				}
				e.cold.failed.Add(uint64(missing))
				if env.Deadline > 0 && !fqgw.HasCode(part.err, fqgw.CodeDataCorrupted) { // as with a server of the online store that is away
					e.o.Logger.Warn("the lake did not give entities that have left the online store", "view", l.View().Name, "error", part.err)
					return states, nil
				}
				return nil, part.err
			}
			copy(states[part.from:], part.states)
			missing -= len(part.states)
		case <-ctx.Done():
			if env.Ctx.Err() != nil {
				return nil, env.Ctx.Err()
			}
			return states, nil
		case <-within.Done():
			if e.life.Err() != nil {
				return nil, e.life.Err()
			}
			return states, e.lateCold(env, l.View(), missing)
		}
	}
	return states, nil
}

// withinLake is the time that a read of the lake has.
func (e *Engine) withinLake(env *fqgw.Env) (within context.Context, cancel context.CancelFunc) {
	if env.LakeDeadline > 0 {
		return context.WithTimeout(e.life, env.LakeDeadline)
	}
	within, over := context.WithCancel(e.life)
	untie := context.AfterFunc(env.Ctx, over)
	return within, func() {
		untie()
		over()
	}
}

func (e *Engine) lateCold(env *fqgw.Env, v *fqgw.FeatureView, missing int) error {
	if env.Ctx.Err() != nil {
		return env.Ctx.Err()
	}
	notify(env, fmt.Sprintf("the lake did not give %d entities of feature view \"%s\" in time: they have the status timeout", missing, v.Name),
		"SET fqgw.lake_deadline to wait longer: what the lake does not give within it stays there.")
	return nil
}

// runCold carries a read of the lake out, and has what it finds warmed.
func (e *Engine) runCold(ctx context.Context, l *window.Layout, c *coldRead) {
	for _, p := range c.parts {
		from, to := p[0], p[1]
		part := coldPart{from: from}
		part.states, part.err = e.coldPart(ctx, l, c.keys[from:to], c.stubs[from:to])
		if part.err == nil {
			e.o.Streams.Warm(l.View(), c.keys[from:to], c.bytes[from:to], part.states)
		}
		c.done <- part
	}
}

func (e *Engine) coldPart(ctx context.Context, l *window.Layout, keys []fqgw.EntityKey, stubs []*window.Stub) (states [][]byte, err error) {
	select {
	case e.cold.slots <- struct{}{}:
		defer func() { <-e.cold.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() {
		if what := recover(); what != nil {
			states = nil
			err = &fqgw.Error{Code: fqgw.CodeInternal, Message: fmt.Sprintf("a read of the lake panicked: %v", what), Detail: string(debug.Stack())}
		}
	}()
	if states, err = e.Revive(ctx, l, keys, stubs, 0); err != nil {
		return nil, err
	}
	for i := range states {
		if states[i] == nil {
			return nil, lostState(l.View(), keys[i])
		}
	}
	return states, nil
}

// lostState says that history does not give the state of an entity that has left the
// online store.
func lostState(v *fqgw.FeatureView, key fqgw.EntityKey) error {
	return fqgw.Errorf(fqgw.CodeDataCorrupted, "history does not give the state of an entity of feature view \"%s\" any more", v.Name).
		WithDetail("The entity is %s. Its state has left the online store.", key).
		WithHint("Somebody removed rows of %s. Drop and create the view to have what is left.", v.Source.Place())
}
