package pit

// The reference: O(n·m), over raw rows, from SEMANTICS §3 alone. It shares no
// code with stream/window.

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// raw is a row of a history as it was landed.
type raw struct {
	time, known int64
	pos         fqgw.Position
	op          fqgw.Operation
	row         []fqgw.Value
}

// naive is the answer to a probe: the slots, whether there is a row, whether it
// is too old, and the times.
func naive(v *fqgw.FeatureView, history []raw, key []fqgw.Value, t, k int64) (slots []string, exists, tooOld bool, times []int64) {
	if v.Latest && v.Source.Changelog() {
		slots, exists, times = naiveVersion(v, history, key, k)
		return slots, exists, false, times
	}
	if v.Source.Changelog() {
		history = naiveTable(v.Source, history, k)
	}
	seen := map[fqgw.Position]bool{}
	var rows []raw
	for _, r := range history {
		if !r.pos.IsNone() && seen[r.pos] {
			continue // delivered again: the first bytes win
		}
		seen[r.pos] = true
		mine := true
		for i, kc := range v.Keys {
			x := r.row[kc.Column]
			mine = mine && !x.IsNull() && fqgw.Compare(x, key[i]) == 0
		}
		if mine && r.time <= t && r.known <= k && isTrue(v.Where, r.row) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b raw) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.known, b.known), cmp.Compare(a.pos.Epoch, b.pos.Epoch),
			cmp.Compare(a.pos.Partition, b.pos.Partition), cmp.Compare(a.pos.Offset, b.pos.Offset), cmp.Compare(a.pos.Sub, b.pos.Sub))
	})
	if v.Latest {
		return naiveLatest(v, rows, t)
	}
	for _, w := range v.Windows {
		exists = exists || len(within(rows, w, t)) > 0
	}
	for _, a := range v.Aggregates {
		var xs []fqgw.Value
		var ats []int64
		n, newest := 0, int64(math.MinInt64)
		for _, r := range within(rows, v.Windows[a.Window], t) {
			if a.Filter != nil && !isTrue(a.Filter, r.row) {
				continue
			}
			n, newest = n+1, max(newest, r.time)
			if !a.Star {
				x, err := a.Args[0].Eval(&fqgw.Env{}, r.row)
				if err != nil {
					x = fqgw.Null
				}
				xs, ats = append(xs, x), append(ats, r.time)
			}
		}
		if v.Source.Changelog() { // rows that went may have been newer
			newest = math.MinInt64
		}
		times = append(times, newest)
		if a.Star {
			slots = append(slots, fmt.Sprint(n))
		} else {
			slots = append(slots, naiveAggregate(&a, xs, ats, v.Windows[a.Window].Hop, t))
		}
	}
	return slots, exists, false, times
}

// naiveTable is the table that a changelog is by K: of each primary key the version that
// is last by position, if it is a row (SEMANTICS §8).
func naiveTable(s *fqgw.Source, history []raw, k int64) (rows []raw) {
	last := map[string]raw{}
	for _, r := range history {
		key := ""
		for _, c := range s.PrimaryKey {
			key += show(r.row[c]) + "|"
		}
		if was, ok := last[key]; r.known <= k && (!ok || was.pos.Compare(r.pos) < 0) {
			last[key] = r
		}
	}
	for _, r := range last {
		if !strings.HasPrefix(r.op.String(), "delete") {
			rows = append(rows, r)
		}
	}
	return rows
}

// naiveVersion is SEMANTICS §8: of the versions of a primary key with known time <= K
// the one that is last by position, if it is a row and passes WHERE. T plays no part.
func naiveVersion(v *fqgw.FeatureView, history []raw, key []fqgw.Value, k int64) (slots []string, exists bool, times []int64) {
	slots, times = make([]string, len(v.Row)), make([]int64, len(v.Row))
	for i := range slots {
		slots[i], times[i] = "NULL", math.MinInt64
	}
	var last *raw
	for i := range history {
		r := &history[i]
		mine := r.known <= k
		for j, kc := range v.Keys {
			mine = mine && fqgw.Compare(r.row[kc.Column], key[j]) == 0
		}
		if mine && (last == nil || cmp.Or(cmp.Compare(r.pos.Epoch, last.pos.Epoch), cmp.Compare(r.pos.Partition, last.pos.Partition),
			cmp.Compare(r.pos.Offset, last.pos.Offset), cmp.Compare(r.pos.Sub, last.pos.Sub)) > 0) {
			last = r
		}
	}
	if last == nil || slices.Contains([]string{"delete", "update_before", "delete_key"}, last.op.String()) || !isTrue(v.Where, last.row) {
		return slots, false, times
	}
	for i, e := range v.Row {
		x, _ := e.Eval(&fqgw.Env{}, last.row)
		slots[i], times[i] = show(x), last.row[v.Source.EventTime].Int()
	}
	return slots, true, times
}

func naiveLatest(v *fqgw.FeatureView, rows []raw, t int64) (slots []string, exists, tooOld bool, times []int64) {
	slots, times = make([]string, len(v.Row)), make([]int64, len(v.Row))
	for i := range slots {
		slots[i], times[i] = "NULL", math.MinInt64
	}
	if len(rows) == 0 {
		return slots, false, false, times
	}
	last := rows[len(rows)-1]
	if v.MaxAge > 0 && t-last.time > v.MaxAge {
		return slots, false, true, times
	}
	for i, e := range v.Row {
		x, _ := e.Eval(&fqgw.Env{}, last.row)
		slots[i], times[i] = show(x), last.time
	}
	return slots, true, false, times
}

func isTrue(e fqgw.Expr, row []fqgw.Value) bool {
	if e == nil {
		return true
	}
	v, err := e.Eval(&fqgw.Env{}, row)
	return err == nil && v.True()
}

// within are the rows with floor(T - W, hop) <= time, or the last n, in their order.
func within(rows []raw, w fqgw.Window, t int64) (out []raw) {
	if w.Rows > 0 {
		return rows[max(0, len(rows)-w.Rows):]
	}
	for _, r := range rows {
		from := big.NewInt(math.MinInt64)
		if w.Hop > 0 {
			from.Sub(big.NewInt(t), big.NewInt(w.Length))
			m := new(big.Int).Mod(from, big.NewInt(w.Hop)) // Euclidean
			from.Sub(from, m)
		}
		if from.Cmp(big.NewInt(r.time)) <= 0 {
			out = append(out, r)
		}
	}
	return out
}

func naiveAggregate(a *fqgw.Aggregate, xs []fqgw.Value, ats []int64, hop, t int64) string {
	if a.Func == "decayed_sum" {
		return naiveDecay(a, xs, ats, hop, t)
	}
	if a.Func == "last_n" || a.Func == "array_agg" {
		if a.Func == "last_n" {
			xs = xs[max(0, len(xs)-int(a.Params[0].Int())):]
		}
		if len(xs) == 0 {
			return "NULL"
		}
		return naiveArray(xs)
	}
	if a.Func == "first_value" || a.Func == "last_value" {
		if len(xs) == 0 {
			return "NULL"
		}
		if a.Func == "first_value" {
			return show(xs[0])
		}
		return show(xs[len(xs)-1])
	}
	xs = slices.DeleteFunc(slices.Clone(xs), fqgw.Value.IsNull)
	if a.Func == "count" {
		return fmt.Sprint(len(xs))
	}
	if a.Func == "approx_count_distinct" {
		set := map[string]bool{}
		for _, x := range xs {
			set[show(x)] = true
		}
		return fmt.Sprint(len(set)) // exact up to 64
	}
	if len(xs) == 0 {
		return "NULL"
	}
	switch a.Func {
	case "top_k":
		return naiveTop(xs, int(a.Params[0].Int()))
	case "histogram":
		bounds := a.Params[0].List().Items
		counts := make([]int, len(bounds)+1)
		for _, x := range xs {
			n := 0
			for n < len(bounds) && naiveOrder(bounds[n], x) <= 0 {
				n++
			}
			counts[n]++
		}
		return "{" + strings.Join(strings.Fields(strings.Trim(fmt.Sprint(counts), "[]")), ",") + "}"
	case "min", "max", "approx_percentile":
		slices.SortStableFunc(xs, naiveOrder)
		switch a.Func {
		case "min":
			return show(xs[0])
		case "max":
			return show(xs[len(xs)-1])
		}
		return show(xs[int(math.Floor(a.Params[0].Float()*float64(len(xs)-1)))])
	case "bool_and", "bool_or":
		n := 0
		for _, x := range xs {
			if x.Bool() {
				n++
			}
		}
		return fmt.Sprint(a.Func == "bool_and" && n == len(xs) || a.Func == "bool_or" && n > 0)
	}
	if xs[0].Kind() == fqgw.KindArray { // element by element
		out := make([]fqgw.Value, len(xs[0].List().Items))
		one := *a
		for i := range out {
			var of []fqgw.Value
			for _, x := range xs {
				if len(x.List().Items) != len(out) {
					return "NULL"
				}
				of = append(of, x.List().Items[i])
			}
			s := naiveAggregate(&one, of, nil, 0, 0)
			if s != "NULL" {
				f, _ := strconv.ParseFloat(s, 64)
				out[i] = fqgw.FloatValue(f)
			}
		}
		return naiveArray(out)
	}
	return naiveMoment(a, xs)
}

// naiveTop is the k values that are there most often, of equally many the least first.
func naiveTop(xs []fqgw.Value, k int) string {
	n := map[string]int{}
	var each []fqgw.Value
	for _, x := range xs {
		if n[show(x)]++; n[show(x)] == 1 {
			each = append(each, x)
		}
	}
	slices.SortFunc(each, func(a, b fqgw.Value) int { return cmp.Or(n[show(b)]-n[show(a)], naiveOrder(a, b)) })
	return naiveArray(each[:min(k, len(each))])
}

// naiveDecay is the sum over the tiles of the hop of each one's sum times two to the power
// of -(t - its start) / half-life, and how large what is summed is.
func naiveDecay(a *fqgw.Aggregate, xs []fqgw.Value, ats []int64, hop, t int64) string {
	tiles := map[int64][]fqgw.Value{}
	var starts []int64
	special := 0.0
	for i, x := range xs {
		if x.IsNull() {
			continue
		}
		start := ats[i] - (ats[i]%hop+hop)%hop
		if tiles[start] == nil {
			starts = append(starts, start)
		}
		tiles[start] = append(tiles[start], x)
		if f := x.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			special += f
		}
	}
	if len(starts) == 0 {
		return "NULL"
	}
	if special != 0 {
		return fmt.Sprint(special)
	}
	slices.Sort(starts)
	total, size, half := 0.0, 0.0, float64(a.Params[0].Span().Micros)
	for _, start := range starts {
		f, _ := strconv.ParseFloat(naiveMoment(&fqgw.Aggregate{Func: "sum"}, tiles[start]), 64)
		term := f * math.Exp2(-float64(t-start)/half)
		total, size = total+term, size+math.Abs(term)
	}
	return fmt.Sprint(total, " ", size)
}

func naiveArray(xs []fqgw.Value) string {
	var items []string
	for _, x := range xs {
		items = append(items, show(x))
	}
	return "{" + strings.Join(items, ",") + "}"
}

// naiveOrder is PostgreSQL's: NaN above everything.
func naiveOrder(a, b fqgw.Value) int {
	if a.Kind() == fqgw.KindFloat {
		x, y := a.Float(), b.Float()
		switch {
		case math.IsNaN(x) && math.IsNaN(y):
			return 0
		case math.IsNaN(x):
			return 1
		case math.IsNaN(y):
			return -1
		}
		return cmp.Compare(x, y)
	}
	if a.Kind() == fqgw.KindInt {
		return cmp.Compare(a.Int(), b.Int())
	}
	return strings.Compare(a.Str(), b.Str())
}

// naiveMoment is sum, avg, var and stddev in rational arithmetic.
func naiveMoment(a *fqgw.Aggregate, xs []fqgw.Value) string {
	sum, squares, nan, inf := new(big.Rat), new(big.Rat), 0, map[int]int{}
	isFloat := false
	for _, x := range xs {
		r := new(big.Rat)
		switch x.Kind() {
		case fqgw.KindFloat:
			isFloat = true
			f := x.Float()
			switch {
			case math.IsNaN(f):
				nan++
			case math.IsInf(f, 0):
				inf[int(math.Copysign(1, f))]++
			default:
				r.SetFloat64(f)
			}
		case fqgw.KindInt:
			r.SetInt64(x.Int())
		case fqgw.KindNumeric:
			r.SetString(x.Numeric().String())
		}
		sum.Add(sum, r)
		squares.Add(squares, r.Mul(r, r))
	}
	n := big.NewRat(int64(len(xs)), 1)
	res := new(big.Rat).Set(sum)
	spread := strings.HasPrefix(a.Func, "var") || strings.HasPrefix(a.Func, "stddev")
	if spread {
		den := new(big.Rat).Mul(n, n)
		if strings.HasSuffix(a.Func, "samp") {
			if len(xs) == 1 {
				return "NULL"
			}
			den.Mul(n, new(big.Rat).Sub(n, big.NewRat(1, 1)))
		}
		res.Mul(n, squares)
		res.Sub(res, new(big.Rat).Mul(sum, sum))
		res.Quo(res, den)
	} else if a.Func == "avg" {
		res.Quo(sum, n)
	}
	switch {
	case nan > 0 || inf[1] > 0 && inf[-1] > 0 || spread && len(inf) > 0:
		return "NaN"
	case inf[1] > 0:
		return "+Inf"
	case inf[-1] > 0:
		return "-Inf"
	}
	f, _ := res.Float64()
	if strings.HasPrefix(a.Func, "stddev") {
		f = math.Sqrt(f)
	}
	if isFloat || strings.HasPrefix(a.Func, "stddev") {
		return fmt.Sprint(f)
	}
	if res.IsInt() {
		return res.Num().String()
	}
	return res.FloatString(20)
}

// agree says whether a slot is what the reference says: numerics to 15 digits
// behind the point, or 1e-14 for roots; percentiles within 1 %; the rest exactly.
func agree(a *fqgw.Aggregate, got fqgw.Value, want string) bool {
	if got.IsNull() || want == "NULL" {
		return got.IsNull() && want == "NULL"
	}
	if a.Func == "approx_percentile" && got.Float() != 0 && !math.IsNaN(got.Float()) && !math.IsInf(got.Float(), 0) {
		var w float64
		fmt.Sscan(want, &w)
		return math.Abs(got.Float()-w) <= 0.01*math.Abs(w)
	}
	if a.Func == "decayed_sum" && strings.Contains(want, " ") {
		var w, size float64 // by math.Exp2 of a rounded age
		fmt.Sscan(want, &w, &size)
		return math.Abs(got.Float()-w) <= 1e-12*size
	}
	if got.Kind() != fqgw.KindNumeric {
		return show(got) == want
	}
	if strings.HasPrefix(a.Func, "stddev") {
		var w float64
		fmt.Sscan(want, &w)
		return math.Abs(got.Numeric().Float()-w) <= 1e-14*math.Abs(w)
	}
	x, _ := new(big.Rat).SetString(got.Numeric().String())
	w, _ := new(big.Rat).SetString(want)
	d := new(big.Rat).Sub(x, w)
	return d.Abs(d).Cmp(big.NewRat(1, 1_000_000_000_000_000)) <= 0
}

func show(v fqgw.Value) string {
	switch v.Kind() {
	case fqgw.KindNull:
		return "NULL"
	case fqgw.KindInt, fqgw.KindTimestamp:
		return fmt.Sprint(v.Int())
	case fqgw.KindFloat:
		return fmt.Sprint(v.Float() + 0)
	case fqgw.KindNumeric:
		return v.Numeric().TrimScale().String()
	case fqgw.KindBool:
		return fmt.Sprint(v.Bool())
	case fqgw.KindArray:
		return naiveArray(v.List().Items)
	}
	return v.Str()
}
