package exec

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fqgw/fqgw"
)

// adoptEvery is how often a process looks for others that are gone.
const adoptEvery = 5 * time.Second

// follow takes up what other processes define, and what those that are gone were
// in the middle of, until the engine closes.
func (e *Engine) follow() {
	again := tryAgain
	for e.life.Err() == nil {
		ctx, cancel := context.WithTimeout(e.life, adoptEvery)
		_, err := e.o.Registry.Watch(ctx, e.Catalog().Version)
		cancel()
		e.define.Lock()
		if err == nil {
			err = e.catchUp(e.life)
		} else if errors.Is(err, context.DeadlineExceeded) {
			err = e.adopt(e.life)
		}
		e.define.Unlock()
		if err == nil {
			again.Reset()
			continue
		}
		if e.life.Err() != nil {
			return
		}
		e.o.Logger.Warn("what other processes define cannot be taken up, will try again", "error", err)
		again.Wait(e.life)
	}
}

// catchUp takes up the registry's definitions where they are newer than the
// catalog. Engine.define is held, or nothing runs yet: what this process commits it
// publishes under that lock, so that it is not newer.
func (e *Engine) catchUp(ctx context.Context) error {
	version, err := e.o.Registry.Watch(ctx, -1) // what it is at
	if err != nil || version <= e.Catalog().Version && e.objects != nil {
		return err
	}
	defs, err := e.o.Registry.Load(ctx)
	if err != nil {
		return err
	}
	objects := make(map[uint32]fqgw.Object, len(defs.Objects))
	for _, o := range defs.Objects {
		objects[o.OID] = o
	}
	if old := e.Catalog(); defs.Version > old.Version {
		next, err := e.o.Bind(defs)
		if err != nil {
			return err
		}
		keep(old, next, func(oid uint32) bool {
			before, was := e.objects[oid]
			now := objects[oid]
			return was && before.Equal(&now)
		})
		if e.started {
			e.take(ctx, old, next)
		} else {
			e.publish(next)
		}
	}
	e.objects = objects
	return nil
}

// committed keeps the objects as a commit of this process leaves them.
func (e *Engine) committed(c fqgw.DefinitionChange) {
	for _, oid := range c.Drop {
		delete(e.objects, oid)
	}
	for _, o := range c.Put {
		e.objects[o.OID] = o
	}
}

// keep puts the old catalog's objects in the place of equal ones of the next, so
// that the plans and layouts that were made of them stay.
func keep(old, next *fqgw.Catalog, same func(oid uint32) bool) {
	for name, s := range next.Sources {
		if o := old.Sources[name]; o != nil && o.OID == s.OID && same(s.OID) {
			next.Sources[name] = o
		}
	}
	for name, t := range next.Tables {
		if o := old.Tables[name]; o != nil && o.OID == t.OID && same(t.OID) {
			next.Tables[name] = o
		}
	}
	for name, v := range next.Views {
		// What it reads may be something else by now.
		if o := old.Views[name]; o != nil && o.OID == v.OID && same(v.OID) && o.Service == v.Service && slices.Equal(o.Columns, v.Columns) {
			next.Views[name] = o
		}
	}
	for name, v := range next.Features {
		src := next.Sources[v.Source.Qualified()]
		if o := old.Features[name]; o != nil && o.OID == v.OID && same(v.OID) && o.Source == src {
			next.Features[name] = o
		} else if src != nil {
			v.Source = src
		}
	}
}

// take publishes another process's catalog: new sources and feature views are
// taken up first, those that are gone are let go of after.
func (e *Engine) take(ctx context.Context, old, next *fqgw.Catalog) {
	before, after := map[uint32]bool{}, map[uint32]bool{}
	for _, s := range old.Sources {
		before[s.OID] = true
	}
	for _, s := range next.Sources {
		after[s.OID] = true
	}
	letGo := func(name string) {
		if err := e.o.Streams.DropSource(ctx, name); err != nil {
			e.o.Logger.Warn("a source that was dropped does not stop", "source", name, "error", err)
		}
	}
	for name, s := range old.Sources {
		if !after[s.OID] && next.Sources[name] != nil { // another one has the name
			letGo(name.String())
		}
	}
	for _, s := range next.Sources {
		if !before[s.OID] {
			e.takeSource(ctx, s)
		}
	}
	was, is := states(old), states(next)
	for state, v := range is {
		if was[state] == nil {
			stands, _ := e.stands(ctx, v) // it is filled again when that cannot be told
			e.fill(v, stands, func(string) {})
		}
	}
	for name, s := range next.Sources {
		if was := old.Sources[name]; was != nil && was.OID == s.OID && was.GateVersion != s.GateVersion {
			e.redefineOne(ctx, next, s, nil, nil)
		}
	}
	e.publish(next)
	for name, s := range old.Sources {
		if !after[s.OID] && next.Sources[name] == nil {
			letGo(name.String())
		}
	}
	var left []leftover
	for state, v := range was {
		if is[state] == nil {
			e.forget(ctx, v)
			left = append(left, leftStates(v)...)
		}
	}
	if err := e.leave(ctx, left); err != nil {
		e.o.Logger.Warn("feature views that were dropped are not let go of", "error", err)
		return
	}
	e.fills.Go(func() { e.removeNow(e.life, left, func(string, string) {}) })
}

// states are the feature views of a catalog that are kept online, by state version: of
// those that share one its keeper.
func states(c *fqgw.Catalog) map[int64]*fqgw.FeatureView {
	out := map[int64]*fqgw.FeatureView{}
	for _, v := range c.Features {
		if !v.Offline && out[v.State] == nil {
			out[v.State] = c.Keeper(v.State)
		}
	}
	return out
}

// takeSource starts the stream of a source that another process made; in the
// background, when its topic does not answer.
func (e *Engine) takeSource(ctx context.Context, s *fqgw.Source) {
	err := e.o.Streams.AddSource(ctx, s)
	if err == nil {
		return
	}
	e.fills.Go(func() {
		for again := tryAgain; err != nil; {
			e.o.Logger.Warn("a source that another process made cannot be taken up yet", "source", s.Qualified().String(), "error", err)
			if !again.Wait(e.life) {
				return
			}
			if e.Catalog().Sources[s.Qualified()] != s {
				return // it was dropped or changed
			}
			err = e.o.Streams.AddSource(e.life, s)
		}
	})
}
