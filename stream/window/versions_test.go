package window

import (
	"testing"

	"github.com/fqgw/fqgw"
)

// newVersions is a view of the rows of a changelog, whose key is the primary key.
func newVersions(where fqgw.Expr) *fqgw.FeatureView {
	v, s := newLatest(0), *testSource
	s.PrimaryKey = []int{colKey}
	v.Source, v.Where = &s, where
	return v
}

// overTable makes the source of a view a changelog.
func overTable(v *fqgw.FeatureView) *fqgw.FeatureView {
	s := *v.Source
	s.PrimaryKey = []int{colInt}
	v.Source = &s
	return v
}

func changed(op fqgw.Operation) func(*fqgw.Event) { return func(e *fqgw.Event) { e.Op = op } }

// TestVersions: the version that is last by position, of those that are known; it may
// say that there is no row. When the rows happened says nothing (SEMANTICS §8).
func TestVersions(t *testing.T) {
	deleted, before, after := changed(fqgw.Delete), changed(fqgw.UpdateBefore), changed(fqgw.UpdateAfter)
	at := func(event int64) func(*fqgw.Event) { // the row's event time; its change is known at the time of ev
		return func(e *fqgw.Event) { e.Time, e.Row[colTime] = event, fqgw.TimestampValue(event) }
	}
	for _, c := range []struct {
		name string
		evs  []*fqgw.Event // in the order of their positions
		want string        // the text at 2 hours, "-" for no row
		time int64         // its event time
	}{
		{"a row", []*fqgw.Event{ev(0, hour, str("a"))}, "a", hour},
		{"an update", []*fqgw.Event{ev(0, hour, str("a")), ev(1, hour, str("a"), before), ev(1, hour, change(1), str("b"), after)}, "b", hour},
		{"an update to an earlier event time", []*fqgw.Event{ev(0, hour, str("a")), ev(1, hour+minute, at(minute), str("b"), after)}, "b", minute},
		{"a row ahead of its time", []*fqgw.Event{ev(0, hour, at(5*hour), str("a"))}, "a", 5 * hour},
		{"a delete", []*fqgw.Event{ev(0, hour, str("a")), ev(1, hour+1, str("a"), deleted)}, "-", 0},
		{"a delete with the row's time", []*fqgw.Event{ev(0, hour, str("a")), ev(1, hour+1, at(hour), str("a"), deleted)}, "-", 0},
		{"a delete by key", []*fqgw.Event{ev(0, hour, str("a")), ev(1, hour, changed(fqgw.DeleteKey))}, "-", 0},
		{"there again", []*fqgw.Event{ev(0, hour, str("a")), ev(1, hour, str("a"), deleted), ev(2, hour, str("b"))}, "b", hour},
		{"known later", []*fqgw.Event{ev(0, hour, str("a")), ev(1, 3*hour, at(hour), str("a"), deleted)}, "a", hour},
		{"an upsert", []*fqgw.Event{ev(0, hour, str("a")), ev(1, hour, str("b"), changed(fqgw.Upsert))}, "b", hour},
		{"a snapshot", []*fqgw.Event{ev(0, hour, str("a")), ev(1, hour, str("b"), changed(fqgw.SnapshotRow))}, "b", hour},
		{"not WHERE", []*fqgw.Event{ev(0, hour, str("a")), ev(1, hour, str("b"), float8(-1), after)}, "-", 0},
		{"WHERE again", []*fqgw.Event{ev(0, hour, float8(-1), str("a")), ev(1, hour, str("b"), after)}, "b", hour},
		{"a row of a program", []*fqgw.Event{ev(0, hour, noOffset, str("b")), ev(0, hour, noOffset, str("c"))}, "c", hour},
	} {
		v := newVersions(above(0))
		l := layout(t, v)
		p := NewProgram(l, v, []fqgw.Output{{Kind: fqgw.OutFeature, Index: 1}, {Kind: fqgw.OutStatus, Index: 1}, {Kind: fqgw.OutTime, Index: 1}})
		for _, h := range []int64{0, hour, 2 * hour} { // kept singly, and folded
			for _, backwards := range []bool{false, true} {
				s := l.New()
				l.Advance(s, h)
				for i := range c.evs {
					e := *c.evs[i]
					if backwards {
						e = *c.evs[len(c.evs)-1-i]
					}
					if e.Row[colFloat].IsNull() {
						float8(1)(&e)
					}
					in, keep, _ := l.Input(&e)
					if !keep {
						t.Fatalf("%s: a version is not kept", c.name)
					}
					l.Load(s, &in)
				}
				packed := l.Encode(nil, s)
				s, err := l.Decode(packed)
				if err != nil {
					t.Fatalf("%s (H %d): %v", c.name, h, err)
				}
				a := Answer{Key: []fqgw.Value{fqgw.TextValue("a")}}
				if err := p.Online(&a, packed, 2*hour); err != nil {
					t.Fatal(err)
				}
				value, status := p.Value(&a, 0)
				when, _ := p.Value(&a, 2)
				r := l.Read(s, 2*hour)
				if c.want == "-" {
					if r.Exists || r.OutsideMaxAge || status != fqgw.StatusNotFound || !value.IsNull() || !when.IsNull() {
						t.Errorf("%s (H %d): %+v, status %s", c.name, h, r, status)
					}
				} else if show(r.Slots[1]) != c.want || show(value) != c.want || status != fqgw.StatusPresent || r.Times[1] != c.time || when.Int() != c.time {
					t.Errorf("%s (H %d): %s, of the packed state %s (%s) of %v", c.name, h, show(r.Slots[1]), show(value), status, when)
				}
			}
		}
	}
}

// TestVersionsAgain: a position that the state has changes nothing, and neither does an
// older version that a fill comes to later.
func TestVersionsAgain(t *testing.T) {
	l := layout(t, newVersions(nil))
	s := l.New()
	l.Advance(s, hour)
	apply(t, l, s, ev(3, minute, str("a")), ev(5, minute, str("a"), changed(fqgw.Delete)))
	gone := l.Encode(nil, s)
	apply(t, l, s, ev(3, minute, str("a")), ev(5, minute, str("a")))
	in, _, _ := l.Input(ev(4, minute, str("older")))
	l.Load(s, &in)
	if b := l.Encode(nil, s); string(b) != string(gone) {
		t.Errorf("a deleted row came back: %x, was %x", b, gone)
	}
}
