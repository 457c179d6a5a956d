package pit

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

const day = 24 * hour

// skewed draws entities of which the i-th comes with a probability of i^-0.8.
type skewed struct{ sums []float64 }

func newSkewed(n int) skewed {
	s := skewed{make([]float64, n)}
	sum := 0.0
	for i := range n {
		sum += math.Pow(float64(i+1), -0.8)
		s.sums[i] = sum
	}
	return s
}

func (s skewed) draw(r *rand.Rand) int {
	i, _ := slices.BinarySearch(s.sums, r.Float64()*s.sums[len(s.sums)-1])
	return min(i, len(s.sums)-1)
}

// benchRun is a run of n events of 100,000 entities, evenly over 90 days, each known a
// minute later on average.
func benchRun(b *testing.B, s *fqgw.Source, n int, late bool) *memoryRun {
	const entities = 100_000
	r := rand.New(rand.NewPCG(1, 0))
	skew := newSkewed(entities)
	place := r.Perm(entities)
	counts := make([]int, entities)
	for range n {
		counts[place[skew.draw(r)]]++
	}
	run := &memoryRun{}
	ints := func() []int64 { return make([]int64, 0, n) }
	times, known, amounts, users, prices := ints(), ints(), ints(), ints(), make([]float64, 0, n)
	for id, count := range counts {
		from := len(times)
		for range count {
			times = append(times, r.Int64N(90*day))
			amounts = append(amounts, min(int64(math.Exp(7+1.2*r.NormFloat64())), 1_000_000))
			prices = append(prices, math.Round(r.ExpFloat64()*5000)/100)
			users = append(users, int64(id))
		}
		slices.Sort(times[from:])
		for _, t := range times[from:] {
			if late {
				t += int64(r.ExpFloat64() * float64(minute))
			}
			known = append(known, t)
		}
		if key, _ := fqgw.EncodeKey(fqgw.IntValue(int64(id))); count > 0 && !run.entities.Append([]byte(key), count) {
			b.Fatal("entities are not in order")
		}
	}
	cols := RunColumns(s)
	for from := 0; from < n; from += fqgw.RunGroup {
		to := min(from+fqgw.RunGroup, n)
		run.times = append(run.times, times[from:to])
		if late {
			run.known = append(run.known, known[from:to])
		} else {
			run.known = append(run.known, nil)
		}
		arrays := make([]arrow.Array, len(cols))
		for i, c := range cols {
			switch c.Name {
			case "entity":
				arrays[i] = numbers(users[from:to], fqgw.Int8)
			case "ts":
				arrays[i] = numbers(times[from:to], fqgw.Timestamptz)
			case "amount":
				arrays[i] = numbers(amounts[from:to], fqgw.Int8)
			case "price":
				arrays[i] = numbers(prices[from:to], fqgw.Float8)
			case fqgw.ColKnownAt:
				arrays[i] = numbers(known[from:to], fqgw.Timestamptz)
			case fqgw.ColOffset:
				offsets := make([]int64, to-from)
				for j := range offsets {
					offsets[j] = int64(from + j)
				}
				arrays[i] = numbers(offsets, fqgw.Int8)
			case fqgw.ColEpoch, fqgw.ColPartition, fqgw.ColSub:
				arrays[i] = numbers(make([]int32, to-from), fqgw.Int4)
			default:
				arrays[i] = array.MakeArrayOfNull(memory.DefaultAllocator, fqgw.ArrowType(c.Type), to-from)
			}
		}
		run.groups = append(run.groups, array.NewRecordBatch(fqgw.ArrowSchema(optional(slices.Clone(cols))), arrays, int64(to-from)))
	}
	return run
}

// numbers is an array without NULLs.
func numbers[T int32 | int64 | float64](values []T, t fqgw.Type) arrow.Array {
	d := array.NewData(fqgw.ArrowType(t), len(values), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.GetBytes(values))}, nil, 0, 0)
	return array.MakeFromData(d)
}

// BenchmarkWindows joins 100,000 labels with windows of 1 hour, 1 day and 30 days over
// a run of 10 M events, FQGW_BENCH_EVENTS if that is set.
func BenchmarkWindows(b *testing.B) {
	events, labels := 10_000_000, 100_000
	if n, err := strconv.Atoi(os.Getenv("FQGW_BENCH_EVENTS")); err == nil {
		labels = max(1, n/(events/labels))
		events = n
	}
	s := &fqgw.Source{Name: "events", Connector: "kafka", EventTime: 1, Columns: []fqgw.Column{{Name: "entity", Type: fqgw.Int8},
		{Name: "ts", Type: fqgw.Timestamptz}, {Name: "amount", Type: fqgw.Int8}, {Name: "price", Type: fqgw.Float8}}}
	view := func(col int, fns ...string) *fqgw.FeatureView {
		v := &fqgw.FeatureView{Name: "w", Source: s, Keys: []fqgw.KeyColumn{{Name: "entity", Column: 0, Type: fqgw.Int8}},
			Windows: []fqgw.Window{{Length: hour, Hop: minute}, {Length: day, Hop: 15 * minute}, {Length: 30 * day, Hop: 6 * hour}}}
		for w := range v.Windows {
			for _, fn := range fns {
				a := fqgw.Aggregate{Func: fn, Window: w}
				if fn == "count" {
					a.Star, a.Type = true, fqgw.Int8
				} else {
					a.Args = []fqgw.Expr{sourceCol(s, col)}
					if fn == "approx_percentile" {
						a.Params = []fqgw.Value{fqgw.FloatValue(0.5)}
					}
					var err error
					if _, a.Type, err = window.ResultType(fn, []fqgw.Type{s.Columns[col].Type}, a.Params, false); err != nil {
						b.Fatal(err)
					}
				}
				v.Aggregates = append(v.Aggregates, a)
			}
		}
		return v
	}
	plain := benchRun(b, s, events, false)
	late := benchRun(b, s, events, true)
	r := rand.New(rand.NewPCG(2, 0))
	skew := newSkewed(100_000)
	place := rand.New(rand.NewPCG(1, 0)).Perm(100_000)
	own := make([]Probe, labels)
	for i := range own {
		key, _ := fqgw.EncodeKey(fqgw.IntValue(int64(place[skew.draw(r)])))
		t := 30*day + r.Int64N(60*day)
		own[i] = Probe{Key: key, OK: true, T: t, K: t}
	}
	known := func(f func(t int64) int64) []Probe {
		out := slices.Clone(own)
		for i := range out {
			out[i].K = f(out[i].T)
		}
		return out
	}
	sums := view(2, "count", "sum", "avg")
	latest := &fqgw.FeatureView{Name: "l", Source: s, Latest: true, Row: []fqgw.Expr{sourceCol(s, 2)}, Keys: sums.Keys}
	for _, c := range []struct {
		name   string
		run    *memoryRun
		probes []Probe
		view   *fqgw.FeatureView

		columns bool
	}{
		{"sums/known with the event", plain, own, sums, false},
		{"sums", late, own, sums, false},
		{"sums/columns", late, own, sums, true},
		{"sums/known before", late, known(func(t int64) int64 { return t - r.Int64N(7*day) }), sums, false},
		{"sums/known after", late, known(func(t int64) int64 { return t + r.Int64N(7*day) }), sums, false},
		{"sums/known at any time", late, known(func(t int64) int64 { return r.Int64N(90 * day) }), sums, false},
		{"sums of doubles", late, own, view(3, "count", "sum", "avg"), false},
		{"extremes", late, own, view(3, "min", "max"), false},
		{"deviations", late, own, view(3, "stddev_samp"), false},
		{"first and last", late, own, view(2, "first_value", "last_value"), false},
		{"distinct", late, own, view(2, "approx_count_distinct"), false},
		{"percentiles", late, own, view(3, "approx_percentile"), false},
		{"latest", late, own, latest, false},
		{"latest/known at any time", late, known(func(t int64) int64 { return r.Int64N(90 * day) }), latest, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			l, err := window.NewLayout(c.view)
			if err != nil {
				b.Fatal(err)
			}
			before, n := cpu(b), 0
			readings := 0
			for b.Loop() {
				history := &fqgw.Sorted{Runs: []fqgw.Run{c.run}, Fresh: func(func(arrow.RecordBatch, error) bool) {}}
				m := fqgw.NewMemory("the join", "", 1<<30)
				if c.columns {
					cols, err := Windows(l, spineFrom(c.probes), history, m, true)
					if err != nil {
						b.Fatal(err)
					}
					readings += len(cols.Exists)
				} else if err := Join(l, c.probes, history, m, func(int, *window.Reading) error { readings++; return nil }); err != nil {
					b.Fatal(err)
				}
				n++
			}
			if readings == 0 {
				b.Fatal("nothing was answered")
			}
			b.ReportMetric((cpu(b)-before).Seconds()/float64(n), "cpu-s/op")
		})
	}
}
