package relational

import (
	"io"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// group is one group's aggregates while its rows come.
type group struct {
	keys   []fqgw.Value
	states []*aggregation
}

// aggregate groups by the keys' values, compared and not just hashed, in the
// order in which groups are first seen.
func (b *builder) aggregate(in fqgw.Rows, n *plan.Aggregate) (fqgw.Rows, error) {
	defer in.Close()
	sets := n.Sets
	if sets == nil {
		all := make([]int, len(n.Groups))
		for i := range all {
			all[i] = i
		}
		sets = [][]int{all}
	}
	groups := make([]map[string]*group, len(sets))
	order := make([][]*group, len(sets))
	for i := range sets {
		groups[i] = map[string]*group{}
	}
	keys := make([]fqgw.Value, len(n.Groups))
	var buf []byte
	for count := 0; ; count++ {
		row, err := in.Next()
		if err == io.EOF {
			break
		}
		if err == nil && count&1023 == 0 {
			err = b.env.Ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		for i, x := range n.Groups {
			if keys[i], err = x.Eval(b.env, row); err != nil {
				return nil, err
			}
		}
		for si, set := range sets {
			buf = buf[:0]
			for _, k := range set {
				buf = rowKey(buf, keys[k:k+1])
			}
			g := groups[si][string(buf)]
			if g == nil {
				if g, err = b.newGroup(n, set, keys); err != nil {
					return nil, err
				}
				groups[si][string(buf)] = g
				order[si] = append(order[si], g)
			}
			for _, s := range g.states {
				if err := s.add(b, row); err != nil {
					return nil, err
				}
			}
		}
	}
	var out [][]fqgw.Value
	for si, set := range sets {
		if len(set) == 0 && len(order[si]) == 0 { // one row for the whole, empty input
			g, err := b.newGroup(n, set, keys)
			if err != nil {
				return nil, err
			}
			order[si] = append(order[si], g)
		}
		for _, g := range order[si] {
			row := g.keys
			for _, s := range g.states {
				v, err := s.result(b)
				if err != nil {
					return nil, err
				}
				row = append(row, v)
			}
			out = append(out, row)
		}
	}
	return &sliceRows{out}, nil
}

// newGroup copies the keys of its set; the others are NULL in its row.
func (b *builder) newGroup(n *plan.Aggregate, set []int, keys []fqgw.Value) (*group, error) {
	g := &group{keys: make([]fqgw.Value, len(keys), len(keys)+len(n.Aggs))}
	for _, k := range set {
		g.keys[k] = keys[k]
	}
	if err := b.run.memory.take(g.keys); err != nil {
		return nil, err
	}
	for i := range n.Aggs {
		s, err := newAggregation(&n.Aggs[i])
		if err != nil {
			return nil, err
		}
		g.states = append(g.states, s)
	}
	return g, nil
}

// aggregation is one aggregate over one group: FILTER, DISTINCT and ORDER BY
// around its function.
type aggregation struct {
	call *plan.AggCall
	fn   accumulator
	seen map[string]bool // DISTINCT
	held [][]fqgw.Value  // with ORDER BY: arguments, then sort keys
}

func newAggregation(c *plan.AggCall) (*aggregation, error) {
	fn, err := newAccumulator(c)
	if err != nil {
		return nil, err
	}
	a := &aggregation{call: c, fn: fn}
	if c.Distinct {
		a.seen = map[string]bool{}
	}
	return a, nil
}

func (a *aggregation) add(b *builder, row []fqgw.Value) error {
	if a.call.Filter != nil {
		v, err := a.call.Filter.Eval(b.env, row)
		if err != nil || !v.True() {
			return err
		}
	}
	args := make([]fqgw.Value, len(a.call.Args))
	for i, x := range a.call.Args {
		v, err := x.Eval(b.env, row)
		if err != nil {
			return err
		}
		args[i] = v
	}
	if a.seen != nil {
		key := string(rowKey(nil, args))
		if a.seen[key] {
			return nil
		}
		if err := b.run.memory.take(args); err != nil {
			return err
		}
		a.seen[key] = true
	}
	if len(a.call.Order) == 0 {
		return a.fn.add(args)
	}
	keys, err := b.keys(a.call.Order, row)
	if err != nil {
		return err
	}
	held := append(args[:len(args):len(args)], keys...)
	a.held = append(a.held, held)
	return b.run.memory.take(held)
}

func (a *aggregation) result(b *builder) (fqgw.Value, error) {
	if len(a.call.Order) > 0 {
		n := len(a.call.Args)
		sortHeld(a.held, n, a.call.Order)
		for _, h := range a.held {
			if err := a.fn.add(h[:n]); err != nil {
				return fqgw.Null, err
			}
		}
		a.held = nil
	}
	return a.fn.result(b, a.call)
}
