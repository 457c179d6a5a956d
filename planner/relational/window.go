package relational

import (
	"io"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// windowCall is a WindowCall as it is run.
type windowCall struct {
	*plan.WindowCall
	agg        *aggCall
	by         []plan.SortKey // the partition's keys, then the order's
	partition  int            // how many of them are the partition's
	start, end fqgw.Expr
	spec       string // equal for calls over the same partitions in the same order
}

func (b *builder) windowCalls(n *plan.Window) []*windowCall {
	var out []*windowCall
	for i := range n.Calls {
		c := &n.Calls[i]
		w := &windowCall{WindowCall: c, agg: b.aggCall(&c.AggCall), partition: len(c.Partition), start: b.final(c.Frame.StartOffset), end: b.final(c.Frame.EndOffset)}
		for _, x := range c.Partition {
			w.by = append(w.by, plan.SortKey{Expr: b.final(x)})
			w.spec += expr.Key(x)
		}
		w.spec += "\x00"
		for _, k := range c.OrderBy {
			k.Expr = b.final(k.Expr)
			w.by = append(w.by, k)
			w.spec += expr.Key(k.Expr) + string([]byte{'0' + byte(btoi(k.Desc)), '0' + byte(btoi(k.NullsFirst))})
		}
		out = append(out, w)
	}
	return out
}

// window appends one column per call to the rows, which come in the order of
// the last window, as PostgreSQL gives them.
func (in *instance) window(input fqgw.Rows, calls []*windowCall) (fqgw.Rows, error) {
	var own slab
	var list []keyed
	width := 0
	for {
		row, err := input.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = in.tick()
		}
		if err != nil {
			return nil, err
		}
		width = len(row)
		all := own.room(width + len(calls))
		copy(all, row)
		if err := in.run.take(&in.account, all); err != nil {
			return nil, err
		}
		list = append(list, keyed{row: all})
	}
	if err := input.Close(); err != nil {
		return nil, err
	}
	var held account // the keys of the window under way
	defer in.run.give(&held)
	spec := ""
	for c, call := range calls {
		if c == 0 || call.spec != spec {
			spec = call.spec
			in.run.give(&held)
			var keys slab
			for i := range list {
				to, err := in.appendKeys(keys.room(len(call.by))[:0], call.by, list[i].row[:width])
				if err == nil {
					err = in.run.take(&held, to)
				}
				if err != nil {
					return nil, err
				}
				list[i].keys = to
			}
			if err := sortKeyed(in.env.Ctx, list, call.by); err != nil {
				return nil, err
			}
		}
		if err := in.windowColumn(list, call, width, width+c); err != nil {
			return nil, err
		}
	}
	return &funcRows{next: func() ([]fqgw.Value, error) {
		if len(list) == 0 {
			return nil, io.EOF
		}
		row := list[0].row
		list = list[1:]
		return row, nil
	}}, nil
}

// windowColumn fills column at of every row.
func (in *instance) windowColumn(rows []keyed, c *windowCall, width, at int) error {
	agg := c.agg.begun()
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && compareKeys(c.by[:c.partition], rows[0].keys, rows[n].keys) == 0 {
			n++
		}
		w := &partition{in: in, call: c, agg: agg, rows: rows[:n], width: width}
		w.findPeers()
		for i := range w.rows {
			if i&often == 0 && in.env.Ctx.Err() != nil {
				return in.env.Ctx.Err()
			}
			v, err := w.value(i)
			if err != nil {
				return err
			}
			w.rows[i].row[at] = v
		}
		rows = rows[n:]
	}
	return nil
}

// partition is one partition in its order. first and last are the bounds of
// each row's peers, number the position of the peers among all.
type partition struct {
	in                  *instance
	call                *windowCall
	agg                 *aggCall // the call's, as it is run
	rows                []keyed
	width               int
	first, last, number []int

	// A frame that only grows is added to, not computed anew.
	running *aggregation
	upTo    int
	result  fqgw.Value
}

func (w *partition) findPeers() {
	n := len(w.rows)
	w.first, w.last, w.number = make([]int, n), make([]int, n), make([]int, n)
	for i, number := 0, 0; i < n; number++ {
		j := i
		for j < n && compareKeys(w.call.by, w.rows[i].keys, w.rows[j].keys) == 0 {
			j++
		}
		for k := i; k < j; k++ {
			w.first[k], w.last[k], w.number[k] = i, j-1, number
		}
		i = j
	}
}

func (w *partition) env() *fqgw.Env { return &w.in.env }

func (w *partition) arg(row, i int) (fqgw.Value, error) {
	return w.agg.args[i].Eval(w.env(), w.rows[row].row[:w.width])
}

func (w *partition) value(i int) (fqgw.Value, error) {
	n := len(w.rows)
	switch w.call.Func {
	case "row_number":
		return fqgw.IntValue(int64(i + 1)), nil
	case "rank":
		return fqgw.IntValue(int64(w.first[i] + 1)), nil
	case "dense_rank":
		return fqgw.IntValue(int64(w.number[i] + 1)), nil
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
	v, err := w.arg(0, 0) // PostgreSQL evaluates it once per partition
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
	return fqgw.IntValue(extra + (at-extra*(size+1))/size + 1), nil
}

func (w *partition) shift(i int) (fqgw.Value, error) {
	by := int64(1)
	if len(w.agg.args) > 1 {
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
	if len(w.agg.args) > 2 {
		return w.arg(i, 2)
	}
	return fqgw.Null, nil
}

func (w *partition) nth(i, lo, hi int) (fqgw.Value, error) {
	k := int64(1)
	if w.call.Func == "nth_value" {
		v, err := w.arg(i, 1)
		if err != nil || v.IsNull() {
			return fqgw.Null, err
		}
		if k = v.Int(); k <= 0 {
			return fqgw.Null, fqgw.Errorf("22016", "argument of nth_value must be greater than zero")
		}
	}
	if w.call.Func == "last_value" {
		for ; hi >= lo; hi-- {
			if w.includes(i, hi) {
				return w.arg(hi, 0)
			}
		}
		return fqgw.Null, nil
	}
	if w.call.Frame.Exclude == 0 {
		if k > int64(hi-lo+1) {
			return fqgw.Null, nil
		}
		return w.arg(lo+int(k)-1, 0)
	}
	for ; lo <= hi; lo++ {
		if w.includes(i, lo) {
			if k--; k == 0 {
				return w.arg(lo, 0)
			}
		}
	}
	return fqgw.Null, nil
}

// includes says whether EXCLUDE leaves row k in row i's frame.
func (w *partition) includes(i, k int) bool {
	peer := k >= w.first[i] && k <= w.last[i]
	switch w.call.Frame.Exclude {
	case 'c':
		return k != i
	case 'g':
		return !peer
	case 't':
		return !peer || k == i
	}
	return true
}

func (w *partition) aggregate(i, lo, hi int) (fqgw.Value, error) {
	f := &w.call.Frame
	grows := f.Start == plan.UnboundedPreceding && f.Exclude == 0 && len(w.agg.order) == 0
	if grows && w.running != nil && hi+1 >= w.upTo {
		return w.extend(hi)
	}
	agg, err := newAggregation(w.agg)
	if err != nil {
		return fqgw.Null, err
	}
	if grows {
		w.running, w.upTo = agg, 0
		return w.extend(hi)
	}
	for k := lo; k <= hi; k++ {
		if k&often == 0 && w.env().Ctx.Err() != nil {
			return fqgw.Null, w.env().Ctx.Err()
		}
		if !w.includes(i, k) {
			continue
		}
		if err := agg.add(w.in, w.rows[k].row[:w.width]); err != nil {
			return fqgw.Null, err
		}
	}
	return agg.result(w.in)
}

// extend adds the rows up to hi; the result is computed once for each end.
func (w *partition) extend(hi int) (v fqgw.Value, err error) {
	if w.upTo > hi && w.upTo > 0 {
		return w.result, nil
	}
	for ; w.upTo <= hi; w.upTo++ {
		if err := w.running.add(w.in, w.rows[w.upTo].row[:w.width]); err != nil {
			return fqgw.Null, err
		}
	}
	w.result, err = w.running.result(w.in)
	return w.result, err
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
