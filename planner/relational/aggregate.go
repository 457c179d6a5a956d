package relational

import (
	"io"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// grouping is an Aggregate as it is run.
type grouping struct {
	groups []fqgw.Expr
	types  []fqgw.Type
	sets   [][]int
	calls  []*aggCall
}

func (b *builder) grouping(n *plan.Aggregate) *grouping {
	g := &grouping{groups: b.finals(n.Groups), sets: n.Sets}
	all := make([]int, len(n.Groups))
	for i, x := range n.Groups {
		all[i] = i
		g.types = append(g.types, x.Type())
	}
	if g.sets == nil {
		g.sets = [][]int{all}
	}
	for i := range n.Aggs {
		g.calls = append(g.calls, b.aggCall(&n.Aggs[i]))
	}
	return g
}

// group is one group's aggregates while its rows come.
type group struct {
	row    []fqgw.Value // the keys, then room for the results
	states []*aggregation
}

// groupSet is the groups of one grouping set, in the order in which they are
// first seen.
type groupSet struct {
	keys  []int
	set   keySet
	order []*group // by the number of their key
}

// aggregate groups by the keys' canonical bytes.
func (in *instance) aggregate(input fqgw.Rows, g *grouping) (fqgw.Rows, error) {
	defer input.Close()
	calls := make([]*aggCall, len(g.calls))
	for i, c := range g.calls {
		calls[i] = c.begun()
	}
	sets := make([]groupSet, len(g.sets))
	for i, s := range g.sets {
		sets[i].keys = s
	}
	keys := make([]fqgw.Value, len(g.groups))
	var buf []byte
	for count := 0; ; count++ {
		row, err := input.Next()
		if err == io.EOF {
			break
		}
		if err == nil && count&often == 0 {
			err = in.env.Ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		for i, x := range g.groups {
			if keys[i], err = x.Eval(&in.env, row); err != nil {
				return nil, err
			}
		}
		for i := range sets {
			s := &sets[i]
			buf = buf[:0]
			for _, k := range s.keys {
				buf = appendKey(buf, keys[k], g.types[k])
			}
			n, added := s.set.add(buf)
			if added {
				gr, err := in.newGroup(calls, s.keys, keys)
				if err == nil {
					err = in.run.takeBytes(&in.account, keyBytes+int64(len(buf)))
				}
				if err != nil {
					return nil, err
				}
				s.order = append(s.order, gr)
			}
			for _, a := range s.order[n].states {
				if err := a.add(in, row); err != nil {
					return nil, err
				}
			}
		}
	}
	return in.groupRows(calls, sets, keys)
}

func (in *instance) groupRows(calls []*aggCall, sets []groupSet, keys []fqgw.Value) (fqgw.Rows, error) {
	for i := range sets {
		if len(sets[i].keys) == 0 && len(sets[i].order) == 0 { // one row for the whole, empty input
			gr, err := in.newGroup(calls, nil, keys)
			if err != nil {
				return nil, err
			}
			sets[i].order = append(sets[i].order, gr)
		}
	}
	at := 0
	return &funcRows{next: func() ([]fqgw.Value, error) {
		for len(sets) > 0 && at == len(sets[0].order) {
			sets, at = sets[1:], 0
		}
		if len(sets) == 0 {
			return nil, io.EOF
		}
		gr := sets[0].order[at]
		sets[0].order[at] = nil
		at++
		for i, a := range gr.states {
			v, err := a.result(in)
			if err != nil {
				return nil, err
			}
			gr.row[len(keys)+i] = v
		}
		return gr.row, nil
	}}, nil
}

// stateBytes is about what an aggregate takes for one group, beside what grows
// with its rows.
const stateBytes = 192

// newGroup copies the keys of its set; the others are NULL in its row.
func (in *instance) newGroup(calls []*aggCall, set []int, keys []fqgw.Value) (*group, error) {
	gr := &group{row: make([]fqgw.Value, len(keys)+len(calls)), states: make([]*aggregation, len(calls))}
	for _, k := range set {
		gr.row[k] = keys[k]
	}
	if err := in.run.takeBytes(&in.account, fqgw.RowBytes(gr.row)+int64(len(calls))*stateBytes); err != nil {
		return nil, err
	}
	for i, c := range calls {
		s, err := newAggregation(c)
		if err != nil {
			return nil, err
		}
		gr.states[i] = s
	}
	return gr, nil
}

// aggCall is an AggCall as it is run.
type aggCall struct {
	*plan.AggCall
	filter   fqgw.Expr
	args     []fqgw.Expr
	types    []fqgw.Type
	order    []plan.SortKey
	ordered  bool         // WITHIN GROUP: the sorted values are the arguments
	scratch  []fqgw.Value // arguments of the current row, where it is run
	retained bool         // the accumulator's memory grows with its rows
}

func (b *builder) aggCall(c *plan.AggCall) *aggCall {
	a := &aggCall{AggCall: c, filter: b.final(c.Filter), args: b.finals(c.Args), order: b.finalKeys(c.Order), ordered: expr.IsOrderedSet(c.Func)}
	if a.ordered {
		a.args = nil
		for _, k := range a.order {
			a.args = append(a.args, k.Expr)
		}
	}
	for _, x := range a.args {
		a.types = append(a.types, x.Type())
	}
	switch c.Func {
	case "array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg":
		a.retained = true
	}
	if c.Distinct && (a.retained || len(a.types) > 0 && a.types[0].Kind() == fqgw.KindFloat) {
		// PostgreSQL sorts to find the distinct ones, which shows where order matters.
		for _, x := range a.args {
			a.order = append(a.order, plan.SortKey{Expr: x})
		}
	}
	return a
}

// begun is the call with what it uses while it is run.
func (c *aggCall) begun() *aggCall {
	a := *c
	a.scratch = make([]fqgw.Value, len(a.args))
	return &a
}

// aggregation is one aggregate over one group: FILTER, DISTINCT and ORDER BY
// around its function.
type aggregation struct {
	call *aggCall
	fn   accumulator
	seen *keySet // DISTINCT
	buf  []byte
	held []keyed // with ORDER BY: sort keys and arguments
}

func newAggregation(c *aggCall) (*aggregation, error) {
	fn, err := newAccumulator(c)
	if err != nil {
		return nil, err
	}
	a := &aggregation{call: c, fn: fn}
	if c.Distinct {
		a.seen = &keySet{}
	}
	return a, nil
}

func (a *aggregation) add(in *instance, row []fqgw.Value) error {
	c := a.call
	if c.filter != nil {
		v, err := c.filter.Eval(&in.env, row)
		if err != nil || !v.True() {
			return err
		}
	}
	args := c.scratch
	for i, x := range c.args {
		v, err := x.Eval(&in.env, row)
		if err != nil {
			return err
		}
		args[i] = v
	}
	if a.seen != nil {
		a.buf = rowKey(a.buf[:0], args, c.types)
		if _, added := a.seen.add(a.buf); !added {
			return nil
		}
		if err := in.run.takeBytes(&in.account, keyBytes+int64(len(a.buf))); err != nil {
			return err
		}
	}
	if len(c.order) == 0 {
		if c.retained {
			if err := in.run.take(&in.account, args); err != nil {
				return err
			}
		}
		return a.fn.add(args)
	}
	h := keyed{row: slices.Clone(args)}
	if h.keys = h.row; !c.ordered {
		var err error
		if h.keys, err = in.keys(c.order, row); err != nil {
			return err
		}
	}
	a.held = append(a.held, h)
	return in.run.takeBytes(&in.account, h.bytes(c.ordered))
}

// result may be asked for again after more rows, unless there is an ORDER BY.
func (a *aggregation) result(in *instance) (fqgw.Value, error) {
	if len(a.call.order) > 0 {
		if err := sortKeyed(in.env.Ctx, a.held, a.call.order); err != nil {
			return fqgw.Null, err
		}
		for _, h := range a.held {
			if err := a.fn.add(h.row); err != nil {
				return fqgw.Null, err
			}
		}
		a.held = nil
	}
	return a.fn.result(&in.env, a.call)
}
