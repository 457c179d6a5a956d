package exec

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// snapshot is what reads ask of the engine: what is defined, and what of it can be
// read. It is immutable, and replaced as a whole when something of it changes, so
// that a read takes no lock.
type snapshot struct {
	catalog  *fqgw.Catalog
	layouts  map[*fqgw.FeatureView]layout // of the catalog's views
	building map[int64]*building          // by state version: the views that are being filled
	filling  map[int64]bool               // by state version: the views that the stream is making, or making anew
}

// layout makes the compiled state version of a view when it is first asked for.
type layout func() (*window.Layout, error)

// replace replaces the snapshot by a changed copy; change must not change the maps.
func (e *Engine) replace(change func(s *snapshot)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := *e.snap.Load()
	change(&s)
	e.snap.Store(&s)
}

// publish makes a catalog the newest one.
func (e *Engine) publish(cat *fqgw.Catalog) {
	if e.o.Streams != nil {
		for _, v := range states(cat) {
			e.o.Streams.Keep(v)
		}
	}
	e.replace(func(s *snapshot) {
		layouts := make(map[*fqgw.FeatureView]layout, len(cat.Features))
		for _, v := range cat.Features {
			if layouts[v] = s.layouts[v]; layouts[v] == nil {
				layouts[v] = sync.OnceValues(func() (*window.Layout, error) { return window.NewLayout(v) })
			}
		}
		s.catalog, s.layouts = cat, layouts
	})
}

// begun notes that a view is being filled.
func (e *Engine) begun(v *fqgw.FeatureView, b *building) {
	e.replace(func(s *snapshot) { s.building = with(s.building, v.State, b) })
}

// ended notes that a view is not being filled any more, and what it was being
// filled by; nil when it was not.
func (e *Engine) ended(v *fqgw.FeatureView) (was *building) {
	e.replace(func(s *snapshot) {
		was = s.building[v.State]
		s.building = without(s.building, v.State)
	})
	return was
}

// toldFilling notes what the stream says of a view's states.
func (e *Engine) toldFilling(state int64, filling bool) {
	e.replace(func(s *snapshot) {
		if filling {
			s.filling = with(s.filling, state, true)
		} else {
			s.filling = without(s.filling, state)
		}
	})
}

// with is a copy of m that has k as well.
func with[V any](m map[int64]V, k int64, v V) map[int64]V {
	c := make(map[int64]V, len(m)+1)
	maps.Copy(c, m)
	c[k] = v
	return c
}

// without is a copy of m that has no k.
func without[V any](m map[int64]V, k int64) map[int64]V {
	c := maps.Clone(m)
	delete(c, k)
	return c
}

// layout is the compiled state version of a view: made once for a view of the
// newest catalog, each time for one that only an open transaction has.
func (e *Engine) layout(v *fqgw.FeatureView) (*window.Layout, error) {
	if l := e.snap.Load().layouts[v]; l != nil {
		return l()
	}
	return window.NewLayout(v)
}

// reading is the error of reading a view that is being filled.
func reading(v *fqgw.FeatureView, progress string) error {
	err := fqgw.Errorf(fqgw.CodeNotInState, "feature view \"%s\" is being filled", v.Name)
	if progress != "" {
		err = err.WithDetail("%s", progress)
	}
	return err.WithHint("Try again in a moment; AS OF reads history.")
}

// readable is nil when the view can be read online.
func (e *Engine) readable(v *fqgw.FeatureView) error {
	if v.Offline {
		return fqgw.Errorf(fqgw.CodeNotInState, "feature view \"%s\" is not kept online", v.Name).
			WithHint("It was made WITH (online = false): read it AS OF now().")
	}
	if v.Pending {
		return fqgw.Errorf(fqgw.CodeNotInState, "feature view \"%s\" was made in this transaction: it is filled at COMMIT", v.Name).
			WithHint("Read it after COMMIT; AS OF reads history.")
	}
	if e.o.Streams != nil {
		if err := e.o.Streams.Follows(v, math.MaxInt64); err != nil {
			return err
		}
	}
	s := e.snap.Load()
	if b := s.building[v.State]; b != nil && !b.stands {
		progress := ""
		if p := b.progress.Load(); p != nil {
			progress = *p
		}
		return reading(v, progress)
	}
	if len(s.filling) == 0 {
		return nil
	}
	for _, part := range v.Parts() {
		if s.filling[part.State] {
			progress, _ := e.o.Streams.Filling(part)
			return reading(v, progress)
		}
	}
	return nil
}

// intact is nil when what was read online is the view's: a unit without positions
// is one that nobody claimed, so the store was lost a moment ago, and the view was
// not found unreadable meanwhile. States that are there were written with positions.
func (e *Engine) intact(v *fqgw.FeatureView, reads []fqgw.UnitRead, units []fqgw.UnitState) error {
	for i := range units {
		u := &units[i]
		if u.Marks == nil && u.Err == nil && !(reads[i].Sparing && !slices.ContainsFunc(u.States, func(b []byte) bool { return b == nil })) {
			return reading(v, "the online store has lost it")
		}
	}
	return e.readable(v)
}

// whole is intact for all units of a view.
func (e *Engine) whole(ctx context.Context, v *fqgw.FeatureView) error {
	reads := fqgw.UnitReads(v.State, e.o.Online.Shards())
	units, err := e.o.Online.Read(ctx, reads)
	if err != nil {
		return err
	}
	return e.intact(v, reads, units)
}
