// Package pit is the point-in-time join: for every probe (entity, T, K) the
// features as they would have been served at T by what was known at K
// (SEMANTICS §3.2, §5). It is pure: history comes in as Arrow batches, readings
// go out, and the values are computed by stream/window, as online.
package pit

import (
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
// memory holds the events of the probes' entities, as far as a probe can see
// them. Where all of them do not fit, history is read again for a part of the
// entities at a time; 53200 when those of one do not.
func Join(l *window.Layout, probes []Probe, history fqgw.Records, memory *fqgw.Memory, emit func(i int, r *window.Reading) error) error {
	asked := false
	for i := range probes {
		p := &probes[i]
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
	return inParts(func(c *collector) error {
		for i := range probes {
			if p := &probes[i]; p.OK && c.part.has(p.Key) {
				c.add(p.Key).add(l.View(), i, p)
			}
		}
		if err := c.collect(history); err != nil {
			return err
		}
		return c.answer(probes, emit)
	}, collector{layout: l, memory: memory})
}

// All answers for every entity that has a row at t, by what was known at k.
// The readings come in no order; memory is as with Join.
func All(l *window.Layout, t, k int64, history fqgw.Records, memory *fqgw.Memory, emit func(k fqgw.EntityKey, r *window.Reading) error) error {
	probes := []Probe{{OK: true, T: t, K: k}}
	every := &entity{asked: asked{from: math.MaxInt64, to: math.MinInt64, known: math.MinInt64}}
	every.add(l.View(), 0, &probes[0])
	return inParts(func(c *collector) error {
		if key, _ := fqgw.EncodeKey(); len(l.View().Keys) == 0 && c.part.has(key) { // its only row is there without events too
			c.add(key)
		}
		if err := c.collect(history); err != nil {
			return err
		}
		for _, e := range c.order {
			if !c.part.has(e.key) {
				continue
			}
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
	}, collector{layout: l, memory: memory, every: every})
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
	if s.Positions() != fqgw.TopicOffsets || column == s.EventTime || s.Known == fqgw.KnownByColumn && column == s.KnownColumn {
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
