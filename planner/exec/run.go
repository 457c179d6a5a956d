package exec

import (
	"io"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
)

// Query runs a query, keeping with it what its plan was compiled to. The rows end
// with env.Ctx; the caller closes them. Safe for concurrent use with the same query.
func (e *Engine) Query(env *fqgw.Env, q *plan.Query) (fqgw.Rows, error) {
	programs, kept := q.Compiled.Of(q.Root).(*relational.Programs)
	if !kept {
		programs = &relational.Programs{}
		q.Compiled.Keep(q.Root, programs)
	}
	return e.run(env, q.Root, programs)
}

// Run runs a plan once. The rows end with env.Ctx; the caller closes them.
func (e *Engine) Run(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) { return e.run(env, n, nil) }

func (e *Engine) run(env *fqgw.Env, n plan.Node, programs *relational.Programs) (fqgw.Rows, error) {
	if l, err := e.lookupOf(n); err != nil {
		return nil, err
	} else if l != nil && l.alone {
		return e.look(env, l)
	}
	env, end := e.runner.Begin(env, programs)
	if !native(n) {
		rows, err := e.runner.Run(env, n)
		return relational.Ending(rows, err, end)
	}
	rows, err := e.native(env, n)
	if r, ok := rows.(*columnRows); ok && err == nil {
		r.ended = end
		return r, nil
	}
	if err == nil && end != nil {
		rows = relational.Cancellable(env, rows)
	}
	return relational.Ending(rows, err, end)
}

// native says whether the tree is one of features, filters and projections
// only: the point and point-in-time routes, which need no relational engine.
// Subqueries do: it knows how not to run them anew for each row.
func native(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Filter:
		return native(n.Input) && !expr.HasSubquery(n.Cond)
	case *plan.Project:
		return native(n.Input) && !slices.ContainsFunc(n.Exprs, expr.HasSubquery)
	case *plan.Limit:
		return n.Ties == nil && native(n.Input)
	case *plan.FeatureJoin, *plan.Entities, *plan.Settle, *plan.FeatureScan, *plan.SourceScan, *plan.TableScan, *plan.SystemScan, *plan.Values, *plan.TableFunc:
		return true
	}
	return false
}

func (e *Engine) native(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	switch n := n.(type) {
	case *plan.Filter:
		in, err := e.native(env, n.Input)
		if err != nil {
			return nil, err
		}
		if r, ok := in.(*columnRows); ok && r.filter(n.Cond) {
			return r, nil
		}
		in = relational.Cancellable(env, in)
		return &stream{close: in.Close, next: func() ([]fqgw.Value, error) {
			for {
				row, err := in.Next()
				if err != nil {
					return nil, err
				}
				ok, err := expr.Holds(env, n.Cond, row)
				if err != nil {
					return nil, err
				}
				if ok {
					return row, nil
				}
			}
		}}, nil
	case *plan.Project:
		if l, err := e.lookupOf(n); l != nil || err != nil {
			if err != nil {
				return nil, err
			}
			return e.look(env, l)
		}
		in, err := e.native(env, n.Input)
		if err != nil {
			return nil, err
		}
		if r, ok := in.(*columnRows); ok && r.project(n.Exprs) {
			return r, nil
		}
		out := make([]fqgw.Value, len(n.Exprs))
		return &stream{close: in.Close, next: func() ([]fqgw.Value, error) {
			row, err := in.Next()
			if err != nil {
				return nil, err
			}
			for i, x := range n.Exprs {
				if out[i], err = x.Eval(env, row); err != nil {
					return nil, err
				}
			}
			return out, nil
		}}, nil
	case *plan.Limit:
		return e.limit(env, n)
	}
	return e.leaf(env, n)
}

func (e *Engine) limit(env *fqgw.Env, n *plan.Limit) (fqgw.Rows, error) {
	count, offset := int64(-1), int64(0)
	for _, b := range []struct {
		x    fqgw.Expr
		to   *int64
		name string
		code fqgw.Code
	}{{n.Count, &count, "LIMIT", "2201W"}, {n.Offset, &offset, "OFFSET", "2201X"}} {
		if b.x == nil {
			continue
		}
		v, err := b.x.Eval(env, nil)
		if err != nil {
			return nil, err
		}
		if v.IsNull() {
			continue
		}
		if *b.to = v.Int(); *b.to < 0 {
			return nil, fqgw.Errorf(b.code, "%s must not be negative", b.name)
		}
	}
	in, err := e.native(env, n.Input)
	if err != nil {
		return nil, err
	}
	return &stream{close: in.Close, next: func() ([]fqgw.Value, error) {
		for ; offset > 0; offset-- {
			if _, err := in.Next(); err != nil {
				return nil, err
			}
		}
		if count == 0 {
			return nil, io.EOF
		}
		if count > 0 {
			count--
		}
		return in.Next()
	}}, nil
}

// leaf runs the nodes that reach a store; the relational engine calls it for
// the leaves of its trees.
func (e *Engine) leaf(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	switch n := n.(type) {
	case *plan.Values:
		return values(env, n)
	case *plan.TableFunc:
		return tableFunc(env, n)
	case *plan.SystemScan:
		return systemScan(env, n)
	case *plan.SourceScan:
		return e.sourceScan(env, n)
	case *plan.TableScan:
		return e.tableScan(env, n)
	case *plan.FeatureScan, *plan.FeatureJoin:
		l, err := e.lookupOf(n)
		if err != nil {
			return nil, err
		}
		return e.look(env, l)
	case *plan.Entities:
		return e.entities(env, n)
	case *plan.Settle:
		return e.settle(env, n)
	}
	return nil, fqgw.Errorf(fqgw.CodeInternal, "no way to run a %T", n)
}
