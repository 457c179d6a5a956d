package relational

import (
	"sort"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// frame is the first and last row of row i's frame; empty when hi < lo.
func (w *partition) frame(i int) (lo, hi int, err error) {
	f := &w.call.Frame
	if lo, err = w.bound(i, f.Start, w.call.start, true); err != nil {
		return 0, 0, err
	}
	if hi, err = w.bound(i, f.End, w.call.end, false); err != nil {
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
	v, err := offset.Eval(w.env(), nil)
	if err != nil {
		return 0, err
	}
	end := "ending"
	if start {
		end = "starting"
	}
	if v.IsNull() {
		return 0, fqgw.Errorf("22004", "frame %s offset must not be null", end)
	}
	if mode == 'r' {
		return w.rangeBound(i, kind, v, offset.Type(), start)
	}
	k := v.Int()
	if k < 0 {
		return 0, fqgw.Errorf("22013", "frame %s offset must not be negative", end)
	}
	if kind == plan.OffsetPreceding {
		k = -k
	}
	if mode == 'w' {
		return int(max(min(int64(i)+k, int64(len(w.rows))), -1)), nil
	}
	return w.groupBound(i, k, start), nil
}

// groupBound moves by groups of peers: beyond the first group it is before all
// rows for an end, the first row for a start; and the other way round.
func (w *partition) groupBound(i int, k int64, start bool) int {
	to := int64(w.number[i]) + k
	groups := w.number[len(w.rows)-1] + 1
	switch {
	case to < 0:
		return btoi(start) - 1
	case to >= int64(groups):
		return len(w.rows) - 1 + btoi(start)
	}
	at := sort.Search(len(w.number), func(r int) bool { return int64(w.number[r]) >= to })
	if start {
		return at
	}
	return w.last[at]
}

// rangeBound compares the sort key with the current row's, moved by the offset.
func (w *partition) rangeBound(i int, kind plan.FrameBound, off fqgw.Value, offType fqgw.Type, start bool) (int, error) {
	key := w.call.by[len(w.call.by)-1]
	at := len(w.call.by) - 1
	cur := w.rows[i].keys[at]
	if negative(off) {
		return 0, fqgw.Errorf("22013", "invalid preceding or following size in window function")
	}
	if cur.IsNull() {
		if start {
			return w.first[i], nil
		}
		return w.last[i], nil
	}
	edge, below, above, err := w.edge(cur, key.Expr.Type(), off, offType, (kind == plan.OffsetFollowing) != key.Desc)
	if err != nil {
		return 0, err
	}
	// The rows whose key is not NULL are together.
	from := sort.Search(len(w.rows), func(r int) bool { return !w.rows[r].keys[at].IsNull() || !key.NullsFirst })
	to := from + sort.Search(len(w.rows)-from, func(r int) bool { return w.rows[from+r].keys[at].IsNull() })
	// where is the order of a row's key against the edge.
	where := func(r int) int {
		c := 0
		switch {
		case below:
			c = 1
		case above:
			c = -1
		default:
			c = compareEdge(w.rows[r].keys[at], edge)
		}
		if key.Desc {
			c = -c
		}
		return c
	}
	if start {
		return from + sort.Search(to-from, func(r int) bool { return where(from+r) >= 0 }), nil
	}
	return from + sort.Search(to-from, func(r int) bool { return where(from+r) > 0 }) - 1, nil
}

func negative(v fqgw.Value) bool {
	switch v.Kind() {
	case fqgw.KindInt:
		return v.Int() < 0
	case fqgw.KindFloat:
		return v.Float() < 0
	case fqgw.KindNumeric:
		return v.Numeric().Sign() < 0
	case fqgw.KindInterval:
		return fqgw.Compare(v, fqgw.SpanValue(fqgw.Span{})) < 0
	}
	return false
}

// edge is a key moved by the offset; below and above say that it left its type
// on that side.
func (w *partition) edge(cur fqgw.Value, t fqgw.Type, off fqgw.Value, offType fqgw.Type, up bool) (edge fqgw.Value, below, above bool, err error) {
	op := "-"
	if up {
		op = "+"
	}
	x, err := expr.Op(op, &expr.Const{Val: cur, Typ: t.Base()}, &expr.Const{Val: off, Typ: offType})
	if err != nil {
		return edge, false, false, err
	}
	edge, err = x.Eval(w.env(), nil)
	if err != nil {
		switch fqgw.AsError(err).Code {
		case fqgw.CodeOutOfRange, fqgw.CodeDatetimeOverflow:
			return edge, !up, up, nil
		}
		return edge, false, false, err
	}
	return edge, false, false, nil
}

// compareEdge compares a key with an edge, which is a timestamp where dates are
// moved by an interval.
func compareEdge(key, edge fqgw.Value) int {
	if key.Kind() == fqgw.KindDate && edge.Kind() == fqgw.KindTimestamp {
		d := key.Int()
		if d != fqgw.InfinityTime && d != fqgw.NegInfinityTime {
			d *= 86_400_000_000
		}
		key = fqgw.TimestampValue(d)
	}
	return fqgw.Compare(key, edge)
}
