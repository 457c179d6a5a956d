package relational

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// window appends one column per call to the rows, which keep their order.
func (b *builder) window(in fqgw.Rows, n *plan.Window) (fqgw.Rows, error) {
	rows, err := b.run.collect(b.env.Ctx, in)
	if err != nil {
		return nil, err
	}
	width := 0
	if len(rows) > 0 {
		width = len(rows[0])
	}
	for i, r := range rows {
		rows[i] = append(r, make([]fqgw.Value, len(n.Calls))...)
	}
	for c := range n.Calls {
		if err := b.windowCall(rows, &n.Calls[c], width, width+c); err != nil {
			return nil, err
		}
	}
	return &sliceRows{rows}, nil
}

// windowCall fills column at of every row.
func (b *builder) windowCall(rows [][]fqgw.Value, c *plan.WindowCall, width, at int) error {
	var order []string
	parts := map[string][]keyed{}
	for i, r := range rows {
		if i&1023 == 0 && b.env.Ctx.Err() != nil {
			return b.env.Ctx.Err()
		}
		var buf []byte
		for _, x := range c.Partition {
			v, err := x.Eval(b.env, r[:width])
			if err != nil {
				return err
			}
			buf = rowKey(buf, []fqgw.Value{v})
		}
		keys, err := b.keys(c.OrderBy, r[:width])
		if err != nil {
			return err
		}
		if _, seen := parts[string(buf)]; !seen {
			order = append(order, string(buf))
		}
		parts[string(buf)] = append(parts[string(buf)], keyed{keys, r})
	}
	for _, p := range order {
		part := parts[p]
		sortKeyed(part, c.OrderBy)
		w := &partition{b: b, call: c, rows: part, width: width}
		w.findPeers()
		for i := range part {
			v, err := w.value(i)
			if err != nil {
				return err
			}
			part[i].row[at] = v
		}
	}
	return nil
}

// partition is one partition in its order. first and last are the bounds of
// each row's peers.
type partition struct {
	b           *builder
	call        *plan.WindowCall
	rows        []keyed
	width       int
	first, last []int

	// A frame that only grows is added to, not computed anew.
	running *aggregation
	upTo    int
}

func (w *partition) findPeers() {
	n := len(w.rows)
	w.first, w.last = make([]int, n), make([]int, n)
	for i := 0; i < n; {
		j := i
		for j < n && compareKeys(w.call.OrderBy, w.rows[i].keys, w.rows[j].keys) == 0 {
			j++
		}
		for k := i; k < j; k++ {
			w.first[k], w.last[k] = i, j-1
		}
		i = j
	}
}

func (w *partition) arg(row, i int) (fqgw.Value, error) {
	return w.call.Args[i].Eval(w.b.env, w.rows[row].row[:w.width])
}

func (w *partition) value(i int) (fqgw.Value, error) {
	n := len(w.rows)
	switch w.call.Func {
	case "row_number":
		return fqgw.IntValue(int64(i + 1)), nil
	case "rank":
		return fqgw.IntValue(int64(w.first[i] + 1)), nil
	case "dense_rank":
		d := int64(1)
		for k := w.first[i]; k > 0; k = w.first[k-1] {
			d++
		}
		return fqgw.IntValue(d), nil
	case "percent_rank":
		if n == 1 {
			return fqgw.FloatValue(0), nil
		}
		return fqgw.FloatValue(float64(w.first[i]) / float64(n-1)), nil
	case "cume_dist":
		return fqgw.FloatValue(float64(w.last[i]+1) / float64(n)), nil
	case "ntile":
		return w.ntile(i)
	case "lag", "lead":
		return w.shift(i)
	}
	lo, hi, err := w.frame(i)
	if err != nil {
		return fqgw.Null, err
	}
	switch w.call.Func {
	case "first_value", "last_value", "nth_value":
		return w.nth(i, lo, hi)
	}
	return w.aggregate(i, lo, hi)
}

func (w *partition) ntile(i int) (fqgw.Value, error) {
	v, err := w.arg(i, 0)
	if err != nil || v.IsNull() {
		return fqgw.Null, err
	}
	k := v.Int()
	if k <= 0 {
		return fqgw.Null, fqgw.Errorf("22014", "argument of ntile must be greater than zero")
	}
	n := int64(len(w.rows))
	size, extra := n/k, n%k
	at := int64(i)
	if at < extra*(size+1) {
		return fqgw.IntValue(at/(size+1) + 1), nil
	}
	return fqgw.IntValue(extra + (at-extra*(size+1))/max(size, 1) + 1), nil
}

func (w *partition) shift(i int) (fqgw.Value, error) {
	by := int64(1)
	if len(w.call.Args) > 1 {
		v, err := w.arg(i, 1)
		if err != nil || v.IsNull() {
			return fqgw.Null, err
		}
		by = v.Int()
	}
	if w.call.Func == "lag" {
		by = -by
	}
	if to := int64(i) + by; to >= 0 && to < int64(len(w.rows)) {
		return w.arg(int(to), 0)
	}
	if len(w.call.Args) > 2 {
		return w.arg(i, 2)
	}
	return fqgw.Null, nil
}

func (w *partition) nth(i, lo, hi int) (fqgw.Value, error) {
	in := w.included(i, lo, hi)
	if len(in) == 0 {
		return fqgw.Null, nil
	}
	switch w.call.Func {
	case "first_value":
		return w.arg(in[0], 0)
	case "last_value":
		return w.arg(in[len(in)-1], 0)
	}
	v, err := w.arg(i, 1)
	if err != nil || v.IsNull() {
		return fqgw.Null, err
	}
	k := v.Int()
	if k <= 0 {
		return fqgw.Null, fqgw.Errorf("22016", "argument of nth_value must be greater than zero")
	}
	if k > int64(len(in)) {
		return fqgw.Null, nil
	}
	return w.arg(in[k-1], 0)
}

// included are the rows of a frame without those that EXCLUDE takes out.
func (w *partition) included(i, lo, hi int) []int {
	var out []int
	for k := lo; k <= hi; k++ {
		peer := k >= w.first[i] && k <= w.last[i]
		switch w.call.Frame.Exclude {
		case 'c':
			if k == i {
				continue
			}
		case 'g':
			if peer {
				continue
			}
		case 't':
			if peer && k != i {
				continue
			}
		}
		out = append(out, k)
	}
	return out
}

func (w *partition) aggregate(i, lo, hi int) (fqgw.Value, error) {
	f := &w.call.Frame
	grows := f.Start == plan.UnboundedPreceding && f.Exclude == 0 && !w.call.Distinct && len(w.call.Order) == 0
	if grows && w.running != nil && hi+1 >= w.upTo {
		return w.extend(hi)
	}
	agg, err := newAggregation(&w.call.AggCall)
	if err != nil {
		return fqgw.Null, err
	}
	if grows {
		w.running, w.upTo = agg, 0
		return w.extend(hi)
	}
	for _, k := range w.included(i, lo, hi) {
		if err := agg.add(w.b, w.rows[k].row[:w.width]); err != nil {
			return fqgw.Null, err
		}
	}
	return agg.result(w.b)
}

func (w *partition) extend(hi int) (fqgw.Value, error) {
	for ; w.upTo <= hi; w.upTo++ {
		if err := w.running.add(w.b, w.rows[w.upTo].row[:w.width]); err != nil {
			return fqgw.Null, err
		}
	}
	return w.running.result(w.b)
}

// frame is the first and last row of row i's frame; empty when hi < lo.
func (w *partition) frame(i int) (lo, hi int, err error) {
	f := &w.call.Frame
	if lo, err = w.bound(i, f.Start, f.StartOffset, true); err != nil {
		return 0, 0, err
	}
	if hi, err = w.bound(i, f.End, f.EndOffset, false); err != nil {
		return 0, 0, err
	}
	return max(lo, 0), min(hi, len(w.rows)-1), nil
}

func (w *partition) bound(i int, kind plan.FrameBound, offset fqgw.Expr, start bool) (int, error) {
	mode := w.call.Frame.Mode
	switch kind {
	case plan.UnboundedPreceding:
		return 0, nil
	case plan.UnboundedFollowing:
		return len(w.rows) - 1, nil
	case plan.CurrentRow:
		switch {
		case mode == 'w':
			return i, nil
		case start:
			return w.first[i], nil
		}
		return w.last[i], nil
	}
	v, err := offset.Eval(w.b.env, nil)
	if err != nil {
		return 0, err
	}
	if v.IsNull() {
		return 0, fqgw.Errorf("22004", "frame offset must not be null")
	}
	if mode == 'r' {
		return w.rangeBound(i, kind, v, offset.Type(), start)
	}
	k := v.Int()
	if k < 0 {
		return 0, fqgw.Errorf("22013", "frame offset must not be negative")
	}
	if kind == plan.OffsetPreceding {
		k = -k
	}
	if mode == 'w' {
		return int(max(min(int64(i)+k, int64(len(w.rows))), -1)), nil
	}
	// GROUPS: move by groups of peers.
	at := i
	for ; k < 0; k++ {
		if at = w.first[at] - 1; at < 0 {
			return -1 + btoi(start), nil
		}
	}
	for ; k > 0; k-- {
		if at = w.last[at] + 1; at >= len(w.rows) {
			return len(w.rows) - 1 + btoi(start), nil
		}
	}
	if start {
		return w.first[at], nil
	}
	return w.last[at], nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rangeBound compares the sort key with the current row's, moved by the offset.
func (w *partition) rangeBound(i int, kind plan.FrameBound, off fqgw.Value, offType fqgw.Type, start bool) (int, error) {
	if len(w.call.OrderBy) != 1 {
		return 0, fqgw.Errorf("42P20", "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column")
	}
	key := w.call.OrderBy[0]
	cur := w.rows[i].keys[0]
	if cur.IsNull() {
		if start {
			return w.first[i], nil
		}
		return w.last[i], nil
	}
	op := "-"
	if (kind == plan.OffsetFollowing) != key.Desc {
		op = "+"
	}
	t := key.Expr.Type()
	moved, err := expr.Op(op, &expr.Const{Val: cur, Typ: t}, &expr.Const{Val: off, Typ: offType})
	if err != nil {
		return 0, err
	}
	edge, err := moved.Eval(w.b.env, nil)
	if err != nil {
		return 0, err
	}
	if edge, err = expr.Coerce(edge, moved.Type(), t, w.b.env); err != nil {
		return 0, err
	}
	by := []plan.SortKey{key}
	if start {
		for k := range w.rows {
			if k := k; !w.rows[k].keys[0].IsNull() && compareKeys(by, w.rows[k].keys, []fqgw.Value{edge}) >= 0 {
				return k, nil
			}
		}
		return len(w.rows), nil
	}
	for k := len(w.rows) - 1; k >= 0; k-- {
		if !w.rows[k].keys[0].IsNull() && compareKeys(by, w.rows[k].keys, []fqgw.Value{edge}) <= 0 {
			return k, nil
		}
	}
	return -1, nil
}
