package window

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// counts reads count(*) of the only window at t, after the events were applied at H = h.
func counts(t *testing.T, w fqgw.Window, h, at int64, evs ...*fqgw.Event) int64 {
	t.Helper()
	l := layout(t, newView([]fqgw.Window{w}, agg("count", -1, 0, nil)))
	s := l.New()
	l.Advance(s, h)
	apply(t, l, s, evs...)
	r := l.Read(s, at)
	if r.Exists != (r.Slots[0].Int() > 0) {
		t.Errorf("exists is %t with %d rows", r.Exists, r.Slots[0].Int())
	}
	return r.Slots[0].Int()
}

// TestWindowEdges: floor(T - W, h) <= e.time <= T, on either side of 1970 and
// where h does not divide W (SEMANTICS §3.1).
func TestWindowEdges(t *testing.T) {
	for _, c := range []struct {
		length, hop, at int64
		from            int64 // the earliest time that counts
	}{
		{hour, minute, 10*hour + 90*second, 9*hour + minute},
		{hour, minute, 10 * hour, 9 * hour}, // an exact hop edge
		{hour, minute, 10*hour + 1, 9 * hour},
		{hour, minute, 10*hour - 1, 9*hour - minute},
		{hour, minute, -10*hour - 90*second, -11*hour - 2*minute}, // the mathematical floor
		{hour, minute, 30 * second, -hour},
		{hour, minute, -1, -hour - minute},
		{100 * second, 30 * second, 1000 * second, 900 * second},
		{100 * second, 30 * second, 1019 * second, 900 * second},
		{100 * second, 30 * second, 1030*second - 1, 900 * second},
		{100 * second, 30 * second, 1030 * second, 930 * second},
	} {
		w := fqgw.Window{Name: "w", Length: c.length, Hop: c.hop}
		for _, e := range []struct{ time, want int64 }{{c.from - 1, 0}, {c.from, 1}, {c.at, 1}, {c.at + 1, 0}} {
			for _, h := range []int64{c.at, c.at - 5*second, c.at - c.length, -1 << 62} { // folded, and kept singly
				if got := counts(t, w, h, c.at, ev(0, e.time)); got != e.want {
					t.Errorf("W %ds hop %ds at %d (H %d): an event at %d counts %d times, want %d", c.length/second, c.hop/second, c.at, h, e.time, got, e.want)
				}
			}
		}
	}
}

// TestVisibility: event and known time must both be reached (SEMANTICS §3.2).
func TestVisibility(t *testing.T) {
	w := win(hour)
	at := 10 * hour
	for _, c := range []struct {
		e    *fqgw.Event
		want int64
	}{
		{ev(0, at, known(at)), 1},
		{ev(0, at-minute, known(at+1)), 0}, // known later
		{ev(0, at+1, known(at-minute)), 0}, // ahead of its time
		{ev(0, at-minute, known(at)), 1},   // late, but in time
		{ev(0, at-2*hour, known(at)), 0},   // too late for the window
	} {
		for _, h := range []int64{at, at - 1, at - 3*hour} {
			if got := counts(t, w, h, at, c.e); got != c.want {
				t.Errorf("event at %d known at %d (H %d) counts %d times at %d, want %d", c.e.Time, c.e.Known, h, got, at, c.want)
			}
		}
	}
}

// TestReadAtHorizon: a reader asking for a time before H is answered at H.
func TestReadAtHorizon(t *testing.T) {
	l := layout(t, newView([]fqgw.Window{win(hour)}, agg("count", -1, 0, nil)))
	s := l.New()
	l.Advance(s, 10*hour)
	apply(t, l, s, ev(0, 10*hour))
	if r := l.Read(s, 9*hour); r.T != 10*hour || r.Slots[0].Int() != 1 {
		t.Errorf("answered at %d with %s", r.T, shows(r.Slots))
	}
	if l.Advance(s, 9*hour); s.Horizon() != 10*hour {
		t.Errorf("the horizon went back to %d", s.Horizon())
	}
}

// TestOwnMarks: a position counts once; a record produced twice counts twice;
// positions are per partition and epoch; rows without an offset always count.
func TestOwnMarks(t *testing.T) {
	l := layout(t, newView([]fqgw.Window{win(hour)}, agg("count", -1, 0, nil)))
	s := l.New()
	l.Advance(s, hour)
	epoch1 := func(e *fqgw.Event) { e.Pos.Epoch = 1 }
	apply(t, l, s, ev(3, hour), ev(3, hour), ev(4, hour), ev(4, hour, partition(2)), ev(4, hour, partition(2)), ev(3, hour),
		ev(9, hour+minute), ev(9, hour+minute), // kept singly once
		ev(0, hour, epoch1), ev(0, hour, epoch1), ev(10, hour), // the old topic is over
		ev(0, hour, noOffset), ev(0, hour, noOffset))
	r := l.Read(s, hour)
	if got := r.Slots[0].Int(); got != 6 {
		t.Errorf("%d rows, want 6", got)
	}
	if l.Pending(s) != 1 {
		t.Errorf("%d kept singly, want 1", l.Pending(s))
	}
	if len(s.own) != 2 || s.own[0].last != (fqgw.Position{Epoch: 1}) || s.own[1].last != (fqgw.Position{Partition: 2, Offset: 4}) {
		t.Errorf("own marks %+v", s.own)
	}
}

// TestSeveralChanges: the changes of one record count each, once, also when the
// state was stored and read between them, and they are in the order of events.
func TestSeveralChanges(t *testing.T) {
	for name, v := range map[string]*fqgw.FeatureView{
		"windowed": newView([]fqgw.Window{win(hour)}, agg("last_value", colInt, 0, nil), agg("count", -1, 0, nil)),
		"latest": {Name: "v", Source: testSource, Keys: []fqgw.KeyColumn{{Name: "k", Column: colKey, Type: fqgw.Text}}, Latest: true,
			Row: []fqgw.Expr{col(colInt, "i", fqgw.Int8)}},
	} {
		l := layout(t, v)
		changes := []*fqgw.Event{ev(3, hour, integer(1)), ev(4, hour, integer(2)), ev(4, hour, change(1), integer(3)), ev(4, hour, change(2), integer(4)),
			ev(4, hour+1, change(3), integer(5)), ev(5, hour+1, integer(6)), ev(5, hour+1, change(1), integer(7))} // from change 3 on they are kept singly
		for cut := range len(changes) + 1 {
			s := l.New()
			l.Advance(s, hour)
			apply(t, l, s, changes[:cut]...)
			s, err := l.Decode(l.Encode(nil, s))
			if err != nil {
				t.Fatal(err)
			}
			l.Advance(s, hour)
			apply(t, l, s, changes...)
			if got := shows(l.Read(s, hour).Slots[:1]); got != shows([]fqgw.Value{fqgw.IntValue(4)}) {
				t.Errorf("%s, stored after %d changes: %s is the last one at H", name, cut, got)
			}
			if got := shows(l.Read(s, hour+1).Slots[:1]); got != shows([]fqgw.Value{fqgw.IntValue(7)}) {
				t.Errorf("%s, stored after %d changes: %s is the last one", name, cut, got)
			}
			if r := l.Read(s, hour+1); !v.Latest && r.Slots[1].Int() != 7 || s.own[0].last != (fqgw.Position{Offset: 5, Sub: 1}) {
				t.Errorf("%s, stored after %d changes: %s, own marks %+v", name, cut, shows(r.Slots), s.own)
			}
		}
	}
}

// TestEviction: tiles go when no T >= H reaches them, by the clock alone, and
// an entity without events has no bytes (SEMANTICS §3.5, §6.1).
func TestEviction(t *testing.T) {
	l := layout(t, newView([]fqgw.Window{win(hour), win(10 * minute)}, agg("count", -1, 0, nil), agg("count", -1, 1, nil)))
	s := l.New()
	at := 10 * hour
	l.Advance(s, at)
	apply(t, l, s, ev(0, at), ev(1, at+day)) // one far ahead of its time evicts nothing
	if l.Read(s, at).Slots[0].Int() != 1 {
		t.Error("an event of the future evicted the present")
	}
	s = l.New()
	l.Advance(s, at)
	apply(t, l, s, ev(0, at))
	l.Advance(s, at+hour+minute-1)
	if len(s.rings[0]) != 1 || len(s.rings[1]) != 0 || len(l.Encode(nil, s)) == 0 {
		t.Errorf("at the last microsecond %d and %d tiles", len(s.rings[0]), len(s.rings[1]))
	}
	l.Advance(s, at+hour+minute)
	if b := l.Encode(nil, s); len(s.rings[0]) != 0 || len(b) != 0 {
		t.Errorf("one hop later %d tiles, %x", len(s.rings[0]), b)
	}
	if b := l.Encode(nil, l.New()); len(b) != 0 {
		t.Errorf("a new state packs as %x", b)
	}
	// An event that comes too late leaves nothing behind.
	if apply(t, l, s, ev(1, at)); len(l.Encode(nil, s)) != 0 {
		t.Error("a late event left a trace")
	}
	// Nor one that will be known too late for any window.
	s = l.New()
	l.Advance(s, at)
	if apply(t, l, s, ev(2, at, known(at+2*hour))); l.Pending(s) != 0 || len(l.Encode(nil, s)) != 0 {
		t.Errorf("an event that nobody will see is kept: %d", l.Pending(s))
	}
}

// TestStateIsAFunction: the bytes depend on (applied events, H) alone: not on
// when H moved, when the state was packed and unpacked, how partitions
// interleaved, or what was delivered again (SEMANTICS §3.4, §6.1).
func TestStateIsAFunction(t *testing.T) {
	views := map[string]*fqgw.FeatureView{"latest": newLatest(30 * minute), "latest for ever": newLatest(0)}
	var aggs []fqgw.Aggregate
	paid := sourceCol(colBool)
	for i, a := range everyAggregate {
		f := paid
		if i%2 == 0 {
			f = nil
		}
		aggs = append(aggs, agg(a.fn, a.col, i%3, f))
	}
	views["windows"] = newView([]fqgw.Window{win(5 * minute), win(10 * minute), win(2 * hour)}, aggs...)
	views["lifetime"] = newView([]fqgw.Window{win(minute), win(0)}, agg("sum", colFloat, 1, nil), agg("last_value", colText, 1, paid), agg("count", -1, 0, nil))
	for name, v := range views {
		l := layout(t, v)
		rnd := rand.New(rand.NewPCG(13, uint64(len(name))))
		for round := range 150 {
			base := []int64{0, -3 * hour, 1e15}[rnd.IntN(3)]
			partitions := make([][]Input, 3)
			for i := range 40 {
				p := rnd.Int32N(3)
				time := base + rnd.Int64N(3*hour)/(20*second)*(20*second)
				e := ev(int64(i), time, partition(p), known(time+(rnd.Int64N(40)-20)*minute*int64(rnd.IntN(2))))
				for c := colInt; c <= colBool; c++ {
					e.Row[c] = randomValue(rnd, testSource.Columns[c].Type)
				}
				in, _, _ := l.Input(e)
				partitions[p] = append(partitions[p], in)
			}
			end := base + rnd.Int64N(4*hour)
			if rnd.IntN(2) == 0 {
				end = end / (20 * second) * (20 * second) // when some become visible
			}
			run := func() []byte {
				s := l.New()
				next := [3]int{}
				for next[0] < len(partitions[0]) || next[1] < len(partitions[1]) || next[2] < len(partitions[2]) {
					switch p := rnd.IntN(5); {
					case p == 3 && rnd.IntN(4) == 0:
						l.Advance(s, end)
					case p == 3:
						l.Advance(s, base+rnd.Int64N(max(1, end-base+1)))
					case p == 4:
						back, err := l.Decode(l.Encode(nil, s))
						if err != nil {
							t.Fatal(err)
						}
						s = back
					case next[p] < len(partitions[p]):
						l.Apply(s, &partitions[p][next[p]])
						next[p]++
					default:
						if n := len(partitions[p]); n > 0 { // delivered again
							next[p] = n
							l.Apply(s, &partitions[p][rnd.IntN(n)])
						}
					}
				}
				l.Advance(s, end)
				return l.Encode(nil, s)
			}
			want := run()
			for range 4 {
				if got := run(); !bytes.Equal(got, want) {
					t.Fatalf("%s, round %d: two ways to the same events and H give\n%x\n%x", name, round, want, got)
				}
			}
		}
	}
}

// TestFilters: a row counts where its FILTER is true; an expression that raises
// is not true, or NULL as an argument, and is counted (SEMANTICS §2.4).
func TestFilters(t *testing.T) {
	i := sourceCol(colInt)
	raise := op(whole(10), "/", i)
	raises, nonZero := op(raise, ">", whole(2)), op(i, "<>", whole(0))
	v := newView([]fqgw.Window{win(hour)}, agg("count", -1, 0, nil), agg("count", -1, 0, raises),
		fqgw.Aggregate{Func: "sum", Args: []fqgw.Expr{raise}, Type: fqgw.Numeric},
		fqgw.Aggregate{Func: "count", Args: []fqgw.Expr{raise}, Type: fqgw.Int8, Filter: nonZero})
	v.Where = made(expr.And(op(op(whole(10), "/", op(i, "+", whole(100))), "<", whole(11)), op(i, ">=", whole(-5)))) // raises for -100
	l := layout(t, v)
	s := l.New()
	l.Advance(s, hour)
	errors := 0
	for i, n := range []int64{0, 1, 2, 5, -7, -100} {
		in, keep, e := l.Input(ev(int64(i), hour, integer(n)))
		if errors += e; keep != (n >= -5) {
			t.Errorf("keep of %d is %t", n, keep)
		} else if keep {
			l.Apply(s, &in)
		}
	}
	if got := shows(l.Read(s, hour).Slots); got != "4 2 17 3" || errors != 3 {
		t.Errorf("slots %s with %d errors, want 4 2 17 3 with 3", got, errors)
	}
	// An argument that only a FILTER wants is not evaluated where that is not true.
	v.Aggregates = v.Aggregates[3:]
	v.Features = v.Features[:1]
	if _, _, e := layout(t, v).Input(ev(0, hour, integer(0))); e != 0 {
		t.Errorf("%d errors from a row that the FILTER excludes", e)
	}
}

// TestSharing: windows of one hop share a ring, equal aggregates an accumulator.
func TestSharing(t *testing.T) {
	late := func() fqgw.Expr {
		return above(15)
	}
	l := layout(t, newView([]fqgw.Window{win(hour), win(3 * hour), win(day)},
		agg("count", -1, 0, nil), agg("avg", colFloat, 0, nil), agg("sum", colFloat, 1, nil), agg("sum", colFloat, 1, late()),
		agg("avg", colFloat, 0, late()), agg("max", colFloat, 2, nil), agg("count", -1, 2, late())))
	if len(l.rings) != 2 || l.rings[0].length != 3*hour || len(l.rings[0].accs) != 2 || len(l.rings[1].accs) != 1 {
		t.Errorf("rings %+v", l.rings)
	}
	if len(l.args) != 1 || len(l.filters) != 2 {
		t.Errorf("%d arguments, %d filters", len(l.args), len(l.filters))
	}
}

// TestTimes: the newest contributing event time of each slot; NULL arguments contribute as rows.
func TestTimes(t *testing.T) {
	late := above(15)
	l := layout(t, newView([]fqgw.Window{win(hour), win(day)}, agg("count", -1, 0, nil), agg("sum", colFloat, 1, late), agg("count", -1, 0, late)))
	s := l.New()
	l.Advance(s, 20*hour)
	apply(t, l, s, ev(0, 20*hour-minute, float8(1)), ev(1, 18*hour, float8(20)), ev(2, 19*hour+30*minute, float8(2)), ev(3, 20*hour+minute, float8(30)))
	r := l.Read(s, 20*hour)
	if r.Times[0] != 20*hour-minute || r.Times[1] != 18*hour || r.Times[2] != NoTime {
		t.Errorf("times %v", r.Times)
	}
	if r = l.Read(s, 20*hour+minute); r.Times[2] != 20*hour+minute || r.Slots[2].Int() != 1 {
		t.Errorf("one that is kept singly: times %v, slots %s", r.Times, shows(r.Slots))
	}
}

// TestExists: a row is there when any window has an event, whatever the filters say.
func TestExists(t *testing.T) {
	never := &expr.Const{Val: fqgw.BoolValue(false), Typ: fqgw.Bool}
	l := layout(t, newView([]fqgw.Window{win(minute), win(hour)}, agg("sum", colFloat, 0, nil), agg("sum", colFloat, 1, never)))
	s := l.New()
	l.Advance(s, 10*hour)
	apply(t, l, s, ev(0, 10*hour-30*minute, float8(1)))
	if r := l.Read(s, 10*hour); !r.Exists || shows(r.Slots) != "NULL NULL" {
		t.Errorf("exists %t with %s", r.Exists, shows(r.Slots))
	}
	if r := l.Read(s, 11*hour); r.Exists {
		t.Error("exists after the longest window ran empty")
	}
	// Two windows of one hop: what is kept singly counts in those that it lies in.
	l = layout(t, newView([]fqgw.Window{{Length: 10 * minute, Hop: second}, {Length: hour, Hop: second}}, agg("count", -1, 0, nil), agg("count", -1, 1, nil)))
	for _, h := range []int64{0, 10 * hour} {
		s = l.New()
		l.Advance(s, h)
		apply(t, l, s, ev(0, 10*hour-30*minute))
		if r := l.Read(s, 10*hour); !r.Exists || shows(r.Slots) != "0 1" {
			t.Errorf("H %d: exists %t with %s", h, r.Exists, shows(r.Slots))
		}
	}
	if r := l.Empty(hour); r.Exists || r.T != hour {
		t.Errorf("a key never seen: %+v", r)
	}
}

// TestGlobal: a view without keys has its one row always, read at whole seconds.
func TestGlobal(t *testing.T) {
	v := newView([]fqgw.Window{win(hour)}, agg("count", -1, 0, nil))
	v.Keys, v.Features[0].Read = nil, col(0, "f0", fqgw.Int8)
	l := layout(t, v)
	s := l.New()
	l.Advance(s, hour)
	apply(t, l, s, ev(0, hour+second+1))
	if r := l.Read(s, hour+second+500_000); !r.Exists || r.T != hour+second || r.Slots[0].Int() != 0 {
		t.Errorf("%+v", r)
	}
	if key, ok := l.Key(ev(0, 0).Row); !ok || key != "\x01" {
		t.Errorf("key %q", key)
	}
}
