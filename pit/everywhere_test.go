package pit

import (
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// TestEverywhere: the events that pass are counted as the reference counts them, whenever
// they were known, of each position the first.
func TestEverywhere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(31, 32))
	late := 0
	for round := range 300 {
		v := randomView(rnd)
		for v.Latest {
			v = randomView(rnd)
		}
		v.Keys = nil
		l := newLayout(t, v)
		history := randomHistory(rnd, 0)
		questions := make([]window.Question, 1+rnd.IntN(3*fewest))
		for i := range questions {
			q := window.Question{T: (rnd.Int64N(5400) - 600) * second, K: (rnd.Int64N(5400) - 600) * second}
			if len(history) > 0 && rnd.IntN(3) == 0 {
				h := history[rnd.IntN(len(history))]
				q.T, q.K = fqgw.Floor(h.time, second), fqgw.Floor(h.known-rnd.Int64N(2*second), second)
			}
			if rnd.IntN(2) == 0 {
				q.K = q.T
			}
			questions[i] = q
		}
		var passes int
		var answered []int
		err := tight(round, func(m *fqgw.Memory) error {
			answered = make([]int, len(questions))
			read := func(from, to int64) fqgw.Records {
				passes++
				var some []raw
				for _, h := range history {
					if h.time >= from && h.time <= to {
						some = append(some, h)
					}
				}
				return records(t, v.Source, Columns(v), some)
			}
			return Everywhere(l, questions, read, m, func(i int, r *window.Reading) error {
				answered[i]++
				q := questions[i]
				slots, _, _, times := naive(v, history, nil, q.T, q.K)
				if r.T != q.T || !r.Exists {
					t.Fatalf("round %d: %+v", round, r)
				}
				for j, want := range slots {
					a := &v.Aggregates[j]
					if r.Errors[j] || !agree(a, r.Slots[j], want) || r.Times[j] != times[j] {
						t.Fatalf("round %d: %s%v at %d known at %d is %s, want %s", round, a.Func, a.Args, q.T, q.K, show(r.Slots[j]), want)
					}
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range answered {
			if n != 1 {
				t.Fatalf("round %d: question %d was answered %d times", round, i, n)
			}
		}
		if passes > 1 {
			late++
		}
	}
	if late == 0 {
		t.Error("no memory was too small for all questions at once")
	}
}
