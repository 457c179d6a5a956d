package pit

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

var aggregates = []struct {
	fn  string
	col int
}{
	{"count", -1}, {"count", colText}, {"sum", colInt}, {"avg", colInt}, {"sum", colFloat}, {"avg", colFloat}, {"sum", colNumeric},
	{"avg", colNumeric}, {"var_samp", colFloat}, {"stddev_samp", colFloat}, {"stddev_pop", colInt}, {"var_pop", colFloat}, {"min", colFloat}, {"max", colFloat},
	{"min", colText}, {"max", colInt}, {"bool_and", colBool}, {"bool_or", colBool}, {"first_value", colText}, {"last_value", colFloat},
	{"approx_count_distinct", colText}, {"approx_percentile", colFloat}, {"last_n", colText}, {"last_n", colInt}, {"array_agg", colFloat}, {"array_agg", colNumeric},
	{"top_k", colInt}, {"top_k", colText}, {"top_k", colFloat}, {"histogram", colInt}, {"histogram", colFloat}, {"decayed_sum", colFloat}, {"sum", colVector}, {"avg", colVector},
}

func randomView(rnd *rand.Rand) *fqgw.FeatureView {
	s := newSource()
	v := &fqgw.FeatureView{Name: "v", Source: s, Keys: []fqgw.KeyColumn{{Name: "user_id", Column: colUser, Type: fqgw.Int8}}}
	if rnd.IntN(2) == 0 {
		v.Keys = append(v.Keys, fqgw.KeyColumn{Name: "site", Column: colSite, Type: fqgw.Text})
	}
	ok, raises := sourceCol(s, colBool), op(op(number(10), "/", sourceCol(s, colInt)), ">", number(0))
	if rnd.IntN(3) == 0 {
		v.Where = raises
	}
	if rnd.IntN(4) == 0 {
		v.Latest, v.MaxAge = true, []int64{0, 20 * minute}[rnd.IntN(2)]
		v.Row = []fqgw.Expr{sourceCol(s, colFloat), sourceCol(s, colText)}
		return v
	}
	for i := range 1 + rnd.IntN(3) {
		w := fqgw.Window{Name: fmt.Sprint("w", i), Length: []int64{100 * second, 10 * minute, 30 * minute, 0}[rnd.IntN(4)]}
		if rnd.IntN(4) == 0 {
			w.Length, w.Rows = 0, []int{1, 2, 5, 30}[rnd.IntN(4)]
		}
		if w.Length > 0 {
			w.Hop = []int64{second, 7 * second, minute}[rnd.IntN(3)]
		}
		v.Windows = append(v.Windows, w)
	}
	for range 1 + rnd.IntN(8) {
		c := aggregates[rnd.IntN(len(aggregates))]
		a := fqgw.Aggregate{Func: c.fn, Star: c.col < 0, Window: rnd.IntN(len(v.Windows))}
		if rnd.IntN(3) == 0 {
			a.Filter = []fqgw.Expr{ok, raises}[rnd.IntN(2)]
		}
		if window.Over(c.fn, v.Windows[a.Window]) != nil {
			a.Func = "last_n"
		}
		switch a.Func {
		case "top_k":
			a.Params = []fqgw.Value{fqgw.IntValue(1 + rnd.Int64N(4))}
		case "histogram":
			a.Params = []fqgw.Value{fqgw.ArrayOf(fqgw.Int4, fqgw.IntValue(-1), fqgw.IntValue(0), fqgw.IntValue(3))}
			if c.col == colFloat {
				a.Params = []fqgw.Value{fqgw.ArrayOf(fqgw.Float8, fqgw.FloatValue(-3), fqgw.FloatValue(0), fqgw.FloatValue(50))}
			}
		case "decayed_sum":
			a.Params = []fqgw.Value{fqgw.SpanValue(fqgw.Span{Micros: []int64{second, 90 * second, hour}[rnd.IntN(3)]})}
		}
		if a.Func == "last_n" {
			a.Params = []fqgw.Value{fqgw.IntValue(1 + rnd.Int64N(6))}
		}
		if c.fn == "approx_percentile" {
			a.Params = []fqgw.Value{fqgw.FloatValue([]float64{0, 0.5, 0.9, 1}[rnd.IntN(4)])}
		}
		var types []fqgw.Type
		if !a.Star {
			a.Args = []fqgw.Expr{sourceCol(s, c.col)}
			types = []fqgw.Type{a.Args[0].Type()}
		}
		_, a.Type, _ = window.ResultType(a.Func, types, a.Params, a.Star)
		v.Aggregates = append(v.Aggregates, a)
	}
	return v
}

// randomHistory has late, early, equal-time, NULL, NaN and out-of-window rows,
// in several partitions and epochs, some delivered twice with other bytes, in
// an order of its own.
func randomHistory(rnd *rand.Rand, base int64) []raw {
	var out []raw
	next := map[fqgw.Position]int64{}
	for range rnd.IntN(120) {
		r := raw{time: base + rnd.Int64N(3600)/10*10*second, row: make([]fqgw.Value, colUnused+1)}
		if rnd.IntN(3) == 0 {
			r.time += rnd.Int64N(second)
		}
		r.known = r.time
		switch rnd.IntN(4) {
		case 0:
			r.known += rnd.Int64N(40*60) * second // late
		case 1:
			r.known -= rnd.Int64N(10*60) * second // early
		}
		r.pos = fqgw.Position{Epoch: rnd.Int32N(2), Partition: rnd.Int32N(3)}
		r.pos.Offset = next[r.pos]
		next[fqgw.Position{Epoch: r.pos.Epoch, Partition: r.pos.Partition}]++
		if n := len(out); n > 0 && rnd.IntN(3) == 0 { // another change of the record before
			r.pos = out[n-1].pos
			if r.pos.Sub++; rnd.IntN(2) == 0 {
				r.time, r.known = out[n-1].time, out[n-1].known
			}
		}
		r.row[colUser], r.row[colSite] = fqgw.IntValue(rnd.Int64N(3)), fqgw.TextValue([]string{"x", "y", ""}[rnd.IntN(3)])
		if rnd.IntN(15) == 0 {
			r.row[rnd.IntN(2)] = fqgw.Null
		}
		r.row[colTime] = fqgw.TimestampValue(r.time)
		r.row[colInt] = orNull(rnd, fqgw.IntValue(rnd.Int64N(9)-4))
		r.row[colFloat] = orNull(rnd, fqgw.FloatValue([]float64{float64(rnd.IntN(100)), -0.1 * float64(rnd.IntN(50)), rnd.NormFloat64() * 1e9, 1e14, 0}[rnd.IntN(5)]))
		if rnd.IntN(60) == 0 {
			r.row[colFloat] = fqgw.FloatValue([]float64{math.NaN(), math.Inf(1), math.Inf(-1)}[rnd.IntN(3)])
		}
		r.row[colNumeric] = orNull(rnd, fqgw.NumericValue(fqgw.NewDecimal(big.NewInt(rnd.Int64N(10_000)-5000), rnd.Int32N(5))))
		r.row[colText] = orNull(rnd, fqgw.TextValue(fmt.Sprint("t", rnd.IntN(20))))
		r.row[colBool] = orNull(rnd, fqgw.BoolValue(rnd.IntN(2) == 0))
		out = append(out, r)
		if rnd.IntN(10) == 0 {
			again := r
			again.row = slices.Clone(r.row)
			again.row[colInt], again.row[colFloat] = fqgw.IntValue(3), fqgw.FloatValue(77)
			again.known, again.time = r.known-second, r.time
			out = append(out, again)
		}
	}
	rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func orNull(rnd *rand.Rand, v fqgw.Value) fqgw.Value {
	if rnd.IntN(8) == 0 {
		return fqgw.Null
	}
	return v
}
