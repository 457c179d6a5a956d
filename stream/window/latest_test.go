package window

import (
	"testing"

	"github.com/fqgw/fqgw"
)

// TestLatestOrder: the visible row that is last by (event time, known time,
// position); rows without an offset before Kafka's, among themselves by bytes.
func TestLatestOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		evs  []*fqgw.Event
		want string
	}{
		{"event time", []*fqgw.Event{ev(0, hour, str("new")), ev(1, hour-1, str("late"))}, "new"},
		{"known time", []*fqgw.Event{ev(0, hour, known(hour+2), str("known later")), ev(1, hour, known(hour+1), str("first"))}, "known later"},
		{"offset", []*fqgw.Event{ev(0, hour, str("0")), ev(1, hour, str("1"))}, "1"},
		{"partition", []*fqgw.Event{ev(7, hour, str("p0")), ev(0, hour, partition(1), str("p1"))}, "p1"},
		{"no offset", []*fqgw.Event{ev(0, hour, str("kafka")), ev(0, hour, noOffset, str("zzz"))}, "kafka"},
		{"bytes", []*fqgw.Event{ev(0, hour, noOffset, str("b")), ev(0, hour, noOffset, str("c")), ev(0, hour, noOffset, str("a"))}, "c"},
		{"ahead of its time", []*fqgw.Event{ev(0, hour, str("now")), ev(1, 3*hour, str("future"))}, "now"},
		{"known too late", []*fqgw.Event{ev(0, hour, str("now")), ev(1, 2*hour, known(3*hour), str("future"))}, "now"},
		{"known just in time", []*fqgw.Event{ev(0, hour, str("now")), ev(1, hour, known(2*hour), str("just"))}, "just"},
		{"none", []*fqgw.Event{ev(0, 3*hour)}, "NULL"},
	} {
		for _, h := range []int64{0, hour, 2 * hour} { // kept singly, and folded
			for _, backwards := range []bool{false, true} {
				l := layout(t, newLatest(0))
				s := l.New()
				l.Advance(s, h)
				for i := range c.evs {
					e := c.evs[i]
					if backwards {
						e = c.evs[len(c.evs)-1-i]
					}
					in, _, _ := l.Input(e)
					l.Load(s, &in)
				}
				if r := l.Read(s, 2*hour); show(r.Slots[1]) != c.want || r.Exists != (c.want != "NULL") {
					t.Errorf("%s (H %d): %s, want %s", c.name, h, show(r.Slots[1]), c.want)
				}
			}
		}
	}
}

// TestMaxAge: T - event time <= max_age, inclusive; beyond it outside_max_age
// for ever, of which a stub stays.
func TestMaxAge(t *testing.T) {
	v := newLatest(hour)
	l := layout(t, v)
	s := l.New()
	l.Advance(s, 10*hour)
	apply(t, l, s, ev(0, 10*hour, float8(1), str("x")))
	status := func(s *State, at int64) fqgw.Status {
		r := l.Read(s, at)
		return naiveFeatures(v, []fqgw.Value{fqgw.TextValue("a")}, &r, &fqgw.Env{})[0].Status
	}
	for _, c := range []struct {
		at   int64
		want fqgw.Status
	}{{10 * hour, fqgw.StatusPresent}, {11 * hour, fqgw.StatusPresent}, {11*hour + 1, fqgw.StatusOutsideMaxAge}, {11*hour + 9999*day, fqgw.StatusOutsideMaxAge}} {
		if got := status(s, c.at); got != c.want {
			t.Errorf("at %d: %s, want %s", c.at, got, c.want)
		}
	}
	full := len(l.Encode(nil, s))
	l.Advance(s, 11*hour)
	if s.latest.stub {
		t.Error("a stub while T = H still shows the row")
	}
	l.Advance(s, 11*hour+1)
	b := l.Encode(nil, s)
	if !s.latest.stub || len(b) >= full {
		t.Errorf("the stub has %d bytes, the row had %d", len(b), full)
	}
	back, err := l.Decode(b)
	if err != nil || status(back, 12*hour) != fqgw.StatusOutsideMaxAge {
		t.Errorf("after packing: %v", err)
	}
	// An older row that comes late changes nothing; a newer one shows again.
	apply(t, l, back, ev(1, 9*hour, float8(2)))
	if got := status(back, 12*hour); got != fqgw.StatusOutsideMaxAge {
		t.Errorf("after a late row: %s", got)
	}
	apply(t, l, back, ev(2, 11*hour, float8(3)))
	if r := l.Read(back, 12*hour); !r.Exists || show(r.Slots[0]) != "3" {
		t.Errorf("after a new row: %+v", r)
	}
	// Of a row without an offset the stub keeps no bytes.
	s = l.New()
	l.Advance(s, 10*hour)
	apply(t, l, s, ev(0, 10*hour, noOffset, str("x")))
	if back, err = l.Decode(mustCut(t, l, l.Encode(nil, s), 12*hour)); err != nil || back.latest.row.tie != "" || !back.latest.stub {
		t.Errorf("%+v, %v", back, err)
	}
	if r := l.Empty(hour); r.OutsideMaxAge || r.Exists {
		t.Error("a key never seen is outside max age")
	}
}

func mustCut(t *testing.T, l *Layout, b []byte, h int64) []byte {
	t.Helper()
	b, err := l.Cut(b, h)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
