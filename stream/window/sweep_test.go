package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// folded answers by a state at T that has folded what is known at K, one event after
// the other: what a reader of the online store is told.
func folded(l *Layout, events []Input, q Question) Reading {
	s := l.New()
	l.Advance(s, q.T)
	for i := range events {
		if in := &events[i]; in.Time <= q.T && in.Known <= q.K {
			l.Fold(s, in)
		}
	}
	return l.Read(s, q.T)
}

// randomEvents are events of a few days, in no order, that pass WHERE.
func randomEvents(tb testing.TB, l *Layout, r *rand.Rand, start int64) []Input {
	var out []Input
	lateness := []int64{1, minute, day, 4 * day}[r.IntN(4)]
	for i := range r.IntN(150) {
		at := start + r.Int64N(4*day)>>r.IntN(14)
		if r.IntN(3) == 0 {
			at = at / minute * minute
		}
		e := ev(int64(i), at, partition(int32(r.IntN(3))), integer(r.Int64N(2000)-500),
			float8(float64(r.IntN(4000)-2000)/8), str(string(rune('a'+r.IntN(26)))))
		e.Known = at + r.Int64N(lateness)
		e.Row[colBool] = fqgw.BoolValue(r.IntN(2) == 0)
		if r.IntN(3) == 0 {
			e.Row[colInt+r.IntN(5)] = fqgw.Null
		}
		if r.IntN(20) == 0 {
			e.Row[colFloat] = fqgw.FloatValue([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)}[r.IntN(4)])
		}
		if in, keep, _ := l.Input(e); keep {
			out = append(out, in)
		}
	}
	return out
}

// partsOf deals the events out to parts that are in order.
func partsOf(l *Layout, r *rand.Rand, events []Input) []*Events {
	parts := make([]*Events, 1+r.IntN(3))
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, func(a, b Input) int { return a.Compare(&b) })
	for i := range parts {
		parts[i] = &Events{}
	}
	for i := range sorted {
		l.Add(parts[r.IntN(len(parts))], &sorted[i])
	}
	return slices.DeleteFunc(parts, func(e *Events) bool { return len(e.Times) == 0 })
}

// TestSweep: a sweep says bit by bit what states say that were folded for each question
// by itself, whatever is known when.
func TestSweep(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	rounds, says := 150, 0
	if testing.Short() {
		rounds = 30
	}
	for name, v := range answerViews() {
		if v.Latest {
			continue
		}
		l := layout(t, v)
		s := l.NewSweep()
		for round := range rounds {
			start := []int64{0, -2 * day, 1_362_700_000_000_000}[r.IntN(3)]
			events := randomEvents(t, l, r, start)
			questions := make([]Question, 1+r.IntN(40))
			k := start + r.Int64N(8*day)
			for i := range questions {
				q := &questions[i]
				q.T = start + r.Int64N(5*day)>>r.IntN(14)
				if len(events) > 0 && r.IntN(3) == 0 {
					q.T = events[r.IntN(len(events))].Time
				}
				switch q.K = q.T; r.IntN(3) * (round % 4) {
				case 1, 2:
					q.K = k
				case 3, 4:
					q.K = start + r.Int64N(8*day)
				case 6:
					q.K += r.Int64N(2*day) - day
				}
				if len(events) > 0 && r.IntN(4) == 0 { // what is known just then, or just not
					q.K = events[r.IntN(len(events))].Known - r.Int64N(2)
				}
				if len(v.Keys) == 0 {
					q.T, q.K = fqgw.Floor(q.T, second), fqgw.Floor(q.K, second)
				}
			}
			answered := make([]int, len(questions))
			parts := partsOf(l, r, events)
			columns := l.NewColumns(2*len(questions), false) // each question has two places
			places := func(i int) []int { return []int{i, len(questions) + i} }
			if err := s.Fill(parts, questions, columns, places); err != nil {
				t.Fatal(err)
			}
			err := s.Answer(parts, questions, func(i int, got *Reading) error {
				for _, at := range places(i) {
					if columns.Exists[at] != got.Exists {
						t.Fatalf("%s: question %d: there is a row: %v, in columns %v", name, i, got.Exists, columns.Exists[at])
					}
					for k := range columns.Slots {
						f, want := &columns.Slots[k], fqgw.Null
						if k < len(got.Slots) {
							want = got.Slots[k]
						}
						if f.Null == nil || !got.Exists {
							continue
						}
						if have := f.Value(at); have.Kind() != want.Kind() || expr.Text(have, f.Type, nil) != expr.Text(want, f.Type, nil) {
							t.Fatalf("%s: slot %d is %v, in columns %v", name, k, want, have)
						}
						if d, short := f.Short(at); short && d.Decimal().String() != want.Numeric().String() {
							t.Fatalf("%s: slot %d is %v, short %v", name, k, want, d)
						}
					}
				}
				answered[i]++
				want := folded(l, events, questions[i])
				if !sameReading(*got, want) {
					t.Fatalf("%s: round %d: %+v: %s, folded %s", name, round, questions[i], shows(got.Slots), shows(want.Slots))
				}
				if want.Exists {
					says++
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range answered {
				if n != 1 {
					t.Fatalf("%s: question %d was answered %d times", name, i, n)
				}
			}
		}
	}
	if says < 1000 {
		t.Errorf("only %d questions found anything", says)
	}
}

// TestSweepEnds: at the ends of time windows are as long as they can be.
func TestSweepEnds(t *testing.T) {
	l := layout(t, newView([]fqgw.Window{{Length: hour, Hop: minute}, {}}, agg("count", -1, 0, nil), agg("sum", colInt, 1, nil)))
	var events []Input
	for i, at := range []int64{math.MinInt64, math.MinInt64 + 1, math.MinInt64 + hour, 0, math.MaxInt64 - hour, math.MaxInt64} {
		in, _, _ := l.Input(ev(int64(i), at, integer(1<<i)))
		in.Known = at
		events = append(events, in)
	}
	var questions []Question
	ends := []int64{math.MinInt64, math.MinInt64 + 1, math.MinInt64 + hour, math.MinInt64 + 2*hour, 0, math.MaxInt64 - 1, math.MaxInt64}
	for _, at := range ends {
		questions = append(questions, Question{at, at}, Question{at, 0}, Question{at, math.MaxInt64})
	}
	parts := []*Events{{}}
	for i := range events {
		l.Add(parts[0], &events[i])
	}
	n := 0
	if err := l.NewSweep().Answer(parts, questions, func(i int, got *Reading) error {
		n++
		if want := folded(l, events, questions[i]); !sameReading(*got, want) {
			t.Errorf("%+v: %s, folded %s", questions[i], shows(got.Slots), shows(want.Slots))
		}
		return nil
	}); err != nil || n != len(questions) {
		t.Errorf("%d answers, %v", n, err)
	}
}
