package stream

import (
	"bytes"
	"context"
	"fmt"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// An entity that has left the online store has a stub there (SEMANTICS §6.5). Its first
// event waits, as those of a server that is away, until its state has come from the
// history whole; so no position passes the event, and what is flushed has both.

// lake is the name under which entities wait that come from the history. No server is
// called so.
const lake = "lake"

// Revive makes the packed states of entities that left the online store again from the
// history: nil where it does not give the one that the stub tells, or would have to read
// more than most rows for it (0: any number).
type Revive func(ctx context.Context, l *window.Layout, keys []fqgw.EntityKey, stubs []*window.Stub, most int) ([][]byte, error)

// unstub is the state behind what the store has of an entity; nil where it has to come
// from the lake.
func (f *folder) unstub(l *window.Layout, stored []byte) (*window.State, error) {
	if !window.IsStub(stored) {
		return l.Decode(stored)
	}
	stub, err := l.OpenStub(stored)
	if err != nil || !stub.Over(f.h) {
		return nil, err
	}
	return l.New(), nil
}

// freeze has entities wait for the lake, whose stubs the store has.
func (f *folder) freeze(entries []*entry) {
	if len(entries) == 0 {
		return
	}
	waiting, under := f.absent[lake]
	f.absent[lake] = append(waiting, entries...)
	if !under {
		f.thaw()
	}
}

// thaw loads entities that wait for the lake, in the background: so many that their states
// do not take too much; the others are loaded when these have come. Their units are not
// flushed meanwhile: each has events that wait.
func (f *folder) thaw() {
	waiting := f.absent[lake]
	n := 0
	for size := 0; n < len(waiting) && n < window.BatchStubs && (n == 0 || size <= window.BatchBytes); n++ {
		e := waiting[n]
		if stub, err := e.unit.share.view.layout.OpenStub(e.stub); err == nil { // the fetch says what is wrong
			size += stub.Size()
		}
	}
	ft := newFetch(lake, waiting[:n:n])
	f.absent[lake] = waiting[n:] // it stays away until they have come
	go func() {
		ft.err = guarded(func() error { return f.c.thaw(ft) })
		select {
		case f.fetched <- ft:
		case <-f.c.ctx.Done():
		}
	}()
}

// thaw puts the states of the entries in the place of their stubs. Nobody else looks at
// an entry's stub while it has no state.
func (c *crew) thaw(ft *fetch) error {
	of := map[*view][]*entry{}
	for _, e := range ft.entries {
		of[e.unit.share.view] = append(of[e.unit.share.view], e)
	}
	ft.revived = make(map[*entry][]byte, len(ft.entries))
	for v, entries := range of {
		keys, stubs := make([]fqgw.EntityKey, len(entries)), make([]*window.Stub, len(entries))
		for i, e := range entries {
			var err error
			keys[i] = e.key
			if stubs[i], err = v.layout.OpenStub(e.stub); err != nil {
				return &damaged{v.v, fmt.Errorf("%s: %w", e.key, err)}
			}
		}
		states, err := c.revive(v, keys, stubs)
		if err != nil {
			return err
		}
		for i, e := range entries {
			if ft.revived[e] = states[i]; states[i] == nil {
				return &damaged{v.v, fqgw.Errorf(fqgw.CodeDataCorrupted, "%s: the history does not give the state of the entity any more", e.key)}
			}
		}
		c.s.p.tiers.loaded(v.v.State, len(entries))
	}
	return nil
}

// thawed takes up the states that came from the lake.
func (f *folder) thawed(ft *fetch) error {
	for e, packed := range ft.revived {
		u := e.unit
		if u.share.gone || e.state != nil {
			continue
		}
		state, err := u.share.view.layout.Decode(packed)
		if err != nil {
			return &damaged{u.share.view.v, fmt.Errorf("%s: %w", e.key, err)}
		}
		e.state, e.packed, e.stub = state, len(packed), nil
		f.weigh(e, 0)
	}
	return nil
}

// revive asks the lake until it answers.
func (c *crew) revive(v *view, keys []fqgw.EntityKey, stubs []*window.Stub) ([][]byte, error) {
	if c.s.p.o.Revive == nil {
		return nil, fqgw.Errorf(fqgw.CodeInternal, "feature view \"%s\" has entities in the lake, which is not read", v.v.Name)
	}
	for again := tryAgain; ; {
		states, err := c.s.p.o.Revive(c.ctx, v.layout, keys, stubs, 0)
		if err == nil {
			return states, nil
		}
		if c.ctx.Err() == nil {
			c.trouble(lake, err)
		}
		if !again.Wait(c.ctx) {
			return nil, context.Cause(c.ctx)
		}
	}
}

// move is an entity whose state goes to the lake or comes back.
type move struct {
	key    fqgw.EntityKey
	stored []byte // what the store must have: the state that goes, the stub that is to go
	other  []byte // the stub or the state to be there instead; nil: of a state that is over
}

// movable is the entity of a move, loaded, where the store has what the move goes from,
// and nothing of it is under way. Those that are not in memory are read in one trip; what
// cannot be read in a moment stays as it is. read says that it was not in memory.
func (f *folder) movable(sh *share, moves []move, each func(m *move, e *entry, read bool)) {
	var missing []*entry
	var of []*move
	for i := range moves {
		m := &moves[i]
		u := sh.units[m.key.Shard(f.c.s.p.o.Online.Shards())]
		e := u.entries[m.key]
		if e == nil {
			missing, of = append(missing, &entry{key: m.key, unit: u}), append(of, m)
		} else if e.state != nil {
			each(m, e, false)
		}
	}
	if len(missing) == 0 {
		return
	}
	ft := newFetch("", missing)
	ctx, cancel := context.WithTimeout(f.c.ctx, soon/4)
	defer cancel()
	found, err := f.c.s.p.o.Online.Read(ctx, ft.reads)
	if err != nil {
		return
	}
	stored := map[fqgw.EntityKey][]byte{}
	for i := range ft.reads {
		for k, key := range ft.reads[i].Keys {
			stored[key] = found[i].States[k]
		}
	}
	for i, e := range missing {
		m := of[i]
		if !bytes.Equal(stored[m.key], m.stored) || e.unit.entries[m.key] != nil {
			continue
		}
		packed := m.stored
		if window.IsStub(packed) {
			packed = m.other
		}
		state, err := sh.view.layout.Decode(packed)
		if err != nil {
			continue // whoever needs it says so
		}
		e.state, e.packed, e.bytes = state, len(packed), entryBytes+int64(len(e.key))
		e.unit.entries[e.key] = e
		f.cache.push(e)
		f.weigh(e, 0)
		each(m, e, true)
	}
}

// warm writes the states of entities whole that readers took from the lake.
func (f *folder) warm(sh *share, moves []move) {
	n := 0
	f.movable(sh, moves, func(_ *move, e *entry, read bool) {
		if read || e.stub != nil {
			f.touch(e)
			n++
		}
	})
	f.c.s.p.tiers.warmed(sh.view.v.State, n)
	f.arm()
}

// chill has stubs written in the place of states that the lake has, and states removed
// that are over.
func (f *folder) chill(sh *share, moves []move) {
	l := sh.view.layout
	f.movable(sh, moves, func(m *move, e *entry, _ bool) {
		switch {
		case e.dirty || e.flying:
		case m.other == nil:
			f.touch(e)
		case bytes.Equal(l.Encode(nil, e.state), m.stored):
			e.stub = m.other
			f.soil(e)
		}
	})
	f.arm()
}

// gone forgets the entities of a flush of which only stubs are left.
func (f *folder) gone(fl *flight) {
	for _, e := range fl.entries {
		if e.stub != nil && !e.dirty && e.unit.entries[e.key] == e {
			f.cache.remove(e)
			delete(e.unit.entries, e.key)
			e.unit.complete = false
			f.c.s.p.tiers.left(e.unit.id.State, 1)
		}
	}
}
