// Package pit is the point-in-time join: for every probe (entity, T, K) the
// features as they would have been served at T by what was known at K
// (SEMANTICS §3.2, §5). It is pure: history comes in as Arrow batches, readings
// go out, and the values are computed by stream/window, as online.
package pit

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// Probe asks for one entity at a time.
type Probe struct {
	Key fqgw.EntityKey
	OK  bool  // neither the key nor a time is NULL
	T   int64 // AS OF
	K   int64 // KNOWN AT
}

// Join answers every probe once, in no order: i is its index in probes. history
// has (at least) the Columns of the view in any order of rows. A probe that is
// not OK, or whose entity has no events, gets an empty reading. A reading may
// be kept but not written: equal probes share one.
//
// Memory is bounded by the probes and the events of their entities.
func Join(l *window.Layout, probes []Probe, history fqgw.Records, emit func(i int, r *window.Reading) error) error {
	var all entities
	for i := range probes {
		p := &probes[i]
		if !p.OK {
			r := l.Empty(p.T)
			r.Exists = false
			if err := emit(i, &r); err != nil {
				return err
			}
			continue
		}
		e := all.add(p.Key)
		e.probes = append(e.probes, i)
	}
	if err := collect(l, history, all.find); err != nil {
		return err
	}
	for _, e := range all.order {
		if err := e.answer(l, probes, emit); err != nil {
			return err
		}
	}
	return nil
}

// All answers for every entity that has a row at t, by what was known at k.
// The readings come in no order.
func All(l *window.Layout, t, k int64, history fqgw.Records, emit func(k fqgw.EntityKey, r *window.Reading) error) error {
	var all entities
	if len(l.View().Keys) == 0 { // its only row is there without events too
		key, _ := fqgw.EncodeKey()
		all.add(key)
	}
	if err := collect(l, history, all.add); err != nil {
		return err
	}
	probe := []Probe{{OK: true, T: t, K: k}}
	for _, e := range all.order {
		e.probes = []int{0}
		err := e.answer(l, probe, func(_ int, r *window.Reading) error {
			if !r.Exists {
				return nil
			}
			return emit(e.key, r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Columns are the columns of the source's history that a view needs, the hidden
// ones included.
func Columns(v *fqgw.FeatureView) []string {
	var out []string
	for i, c := range v.Source.Columns {
		if needs(v, i) {
			out = append(out, c.Name)
		}
	}
	for _, c := range fqgw.HiddenColumns {
		out = append(out, c.Name)
	}
	return out
}

// needs says whether a view needs a column of its source. An expression shows
// what it reads only in its text, so a column counts as needed when its name
// stands there. Rows that never were in Kafka tie by their canonical bytes, so
// that of their sources every column is needed.
func needs(v *fqgw.FeatureView, column int) bool {
	s := v.Source
	if s.Connector != "kafka" || column == s.EventTime || s.Known == fqgw.KnownByColumn && column == s.KnownColumn {
		return true
	}
	if slices.ContainsFunc(v.Keys, func(k fqgw.KeyColumn) bool { return k.Column == column }) {
		return true
	}
	name := s.Columns[column].Name
	quoted := strings.ReplaceAll(name, `"`, `""`)
	mentions := func(e fqgw.Expr) bool {
		return e != nil && (strings.Contains(e.String(), name) || strings.Contains(e.String(), quoted))
	}
	for i := range v.Aggregates {
		if mentions(v.Aggregates[i].Filter) || slices.ContainsFunc(v.Aggregates[i].Args, mentions) {
			return true
		}
	}
	return mentions(v.Where) || slices.ContainsFunc(v.Row, mentions)
}

// Range bounds the event times that can matter to the view at times from minT to maxT.
func Range(v *fqgw.FeatureView, minT, maxT int64) (from, to int64) {
	from = minT
	for _, w := range v.Windows {
		switch {
		case w.Hop == 0, minT < math.MinInt64+w.Length+w.Hop:
			return math.MinInt64, maxT
		default:
			from = min(from, fqgw.Floor(minT-w.Length, w.Hop))
		}
	}
	if len(v.Keys) == 0 { // read at whole seconds
		from -= min(from-math.MinInt64, 1_000_000)
	}
	if v.Latest {
		from = math.MinInt64
	}
	return from, maxT
}

// entities are those that are asked for, in the order in which they came up.
type entities struct {
	byKey map[fqgw.EntityKey]*entity
	order []*entity
}

func (a *entities) find(key fqgw.EntityKey) *entity { return a.byKey[key] }

func (a *entities) add(key fqgw.EntityKey) *entity {
	if e := a.byKey[key]; e != nil {
		return e
	}
	if a.byKey == nil {
		a.byKey = map[fqgw.EntityKey]*entity{}
	}
	e := &entity{key: key}
	a.byKey[key] = e
	a.order = append(a.order, e)
	return e
}

// entity collects what is asked and known of one entity.
type entity struct {
	key    fqgw.EntityKey
	probes []int // indexes into the probes
	events []event
}

// event is a row of the entity; one that does not pass WHERE only takes its position.
type event struct {
	window.Input
	keep bool
}

// answer emits the readings of the entity's probes.
func (e *entity) answer(l *window.Layout, probes []Probe, emit func(i int, r *window.Reading) error) error {
	e.dedupe()
	at := func(i int) (t, k int64) {
		t, k = probes[i].T, probes[i].K
		if len(l.View().Keys) == 0 { // SEMANTICS §3.8
			t, k = fqgw.Floor(t, 1_000_000), fqgw.Floor(k, 1_000_000)
		}
		return t, k
	}
	// Probes with K = T are one sweep over time, in which an event comes when it
	// is visible. Others are a sweep for each K: an event known by K comes at
	// its own time.
	type asked struct {
		i    int
		t, k int64
		own  bool // K is not T
	}
	order := make([]asked, len(e.probes))
	for n, i := range e.probes {
		t, k := at(i)
		order[n] = asked{i, t, k, t != k}
	}
	slices.SortFunc(order, func(a, b asked) int {
		if a.own != b.own {
			if a.own {
				return 1
			}
			return -1
		}
		if a.own {
			return cmp.Or(cmp.Compare(a.k, b.k), cmp.Compare(a.t, b.t))
		}
		return cmp.Compare(a.t, b.t)
	})
	var s sweep
	var r window.Reading
	for n, p := range order {
		fresh := n == 0 || p.own != order[n-1].own || p.own && p.k != order[n-1].k
		if fresh {
			s = newSweep(l, e.events, p.own, p.k)
		}
		if fresh || p.t != order[n-1].t {
			r = s.read(p.t)
		}
		shared := r
		if err := emit(p.i, &shared); err != nil {
			return err
		}
	}
	e.events = nil
	return nil
}

// dedupe keeps the first of the events of each position, and of those the ones
// that pass WHERE.
func (e *entity) dedupe() {
	slices.SortStableFunc(e.events, func(a, b event) int { return a.Pos.Compare(b.Pos) })
	out := e.events[:0]
	var last fqgw.Position
	for i := range e.events {
		ev := e.events[i]
		repeated := i > 0 && ev.Pos.Offset != fqgw.NoOffset && ev.Pos == last
		last = ev.Pos
		if !repeated && ev.keep {
			out = append(out, ev)
		}
	}
	clear(e.events[len(out):])
	e.events = out
}

// sweep folds an entity's events in the order in which they come into sight.
type sweep struct {
	l      *window.Layout
	state  *window.State
	events []*window.Input
	seen   func(*window.Input) int64
	next   int
}

func newSweep(l *window.Layout, events []event, own bool, k int64) sweep {
	s := sweep{l: l, state: l.New(), seen: (*window.Input).VisibleAt}
	if own {
		s.seen = func(in *window.Input) int64 { return in.Time }
	}
	for i := range events {
		if in := &events[i].Input; !own || in.Known <= k {
			s.events = append(s.events, in)
		}
	}
	slices.SortStableFunc(s.events, func(a, b *window.Input) int { return cmp.Compare(s.seen(a), s.seen(b)) })
	return s
}

// read answers at t; the times of a sweep do not go back.
func (s *sweep) read(t int64) window.Reading {
	s.l.Advance(s.state, t)
	for s.next < len(s.events) && s.seen(s.events[s.next]) <= t {
		s.l.Fold(s.state, s.events[s.next])
		s.next++
	}
	return s.l.Read(s.state, t)
}
