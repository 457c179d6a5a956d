// Package pit is the point-in-time join: for every probe (entity, T, K) the
// features as they would have been served at T by what was known at K
// (SEMANTICS §3.2, §5). It is pure: history comes in as Arrow batches, readings
// go out, and the values are computed by stream/window, as online.
package pit

import (
	"math"
	"slices"

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
// memory holds the events of the probes' entities, as far as a probe can see
// them. Where all of them do not fit, history is read again for a part of the
// entities at a time; 53200 when those of one do not. Of the runs the rows of one
// entity are read at a time.
func Join(l *window.Layout, probes []Probe, history *fqgw.Sorted, memory *fqgw.Memory, emit func(i int, r *window.Reading) error) error {
	asked, versions := false, window.Versions(l.View())
	if versions {
		probes = slices.Clone(probes)
	}
	for i := range probes {
		p := &probes[i]
		if versions { // of what is visible nothing but its known time is asked (SEMANTICS §8)
			p.T = p.K
		}
		if p.OK {
			asked = true
			continue
		}
		r := l.Empty(p.T)
		r.Exists = false
		if err := emit(i, &r); err != nil {
			return err
		}
	}
	if !asked {
		return nil
	}
	answered := make([]bool, len(probes))
	return join(probes, history, collector{layout: l, memory: memory}, answered, func(i int, r *window.Reading) error {
		answered[i] = true
		return emit(i, r)
	})
}

// join answers the probes that are OK. Where a part is halved for the rows that one of
// its entities has in the runs, some of the other half are answered already.
func join(probes []Probe, history *fqgw.Sorted, with collector, answered []bool, emit func(i int, r *window.Reading) error) error {
	v := with.layout.View()
	with.each, with.runs = eachOf(with.layout), readersOf(v, history.Runs)
	return inParts(func(c *collector) error {
		for i := range probes {
			if p := &probes[i]; p.OK && !answered[i] && c.part.has(p.Key) {
				c.add(p.Key).add(v, i, p)
			}
		}
		if err := c.collect(history); err != nil {
			return err
		}
		return c.answer(probes, emit)
	}, with)
}

// All answers for every entity that has a row at t, by what was known at k.
// The readings come in no order; memory is as with Join.
func All(l *window.Layout, t, k int64, history fqgw.Records, memory *fqgw.Memory, emit func(k fqgw.EntityKey, r *window.Reading) error) error {
	if window.Versions(l.View()) {
		t = k
	}
	probes := []Probe{{OK: true, T: t, K: k}}
	every := &entity{asked: asked{from: math.MaxInt64, to: math.MinInt64, known: math.MinInt64}}
	every.add(l.View(), 0, &probes[0])
	return inParts(func(c *collector) error {
		if key, _ := fqgw.EncodeKey(); len(l.View().Keys) == 0 && c.part.has(key) { // its only row is there without events too
			c.add(key)
		}
		if err := c.collect(&fqgw.Sorted{Fresh: history}); err != nil {
			return err
		}
		if !l.View().Latest { // all of it now, so that no part is halved of which some are answered
			if _, err := c.room(1, c.most); err != nil {
				return err
			}
		}
		for _, e := range c.order {
			err := c.answerOne(e, probes, func(_ int, r *window.Reading) error {
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
	}, collector{layout: l, memory: memory, each: eachOf(l), every: every})
}

// Columns are the columns of the source's history that a view needs, the hidden
// ones included.
func Columns(v *fqgw.FeatureView) []string {
	var out []string
	needed := window.Needs(v)
	for i, c := range v.Source.Columns {
		if needed[i] {
			out = append(out, c.Name)
		}
	}
	for _, c := range fqgw.HiddenColumns {
		out = append(out, c.Name)
	}
	return out
}

// Range bounds the event times that can matter to the view at times from minT to maxT.
func Range(v *fqgw.FeatureView, minT, maxT int64) (from, to int64) {
	if window.Versions(v) {
		return math.MinInt64, math.MaxInt64
	}
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
