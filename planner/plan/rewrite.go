package plan

import (
	"slices"

	"github.com/fqgw/fqgw"
)

// Rewrite is a copy of n with each input replaced by what input gives for it, and
// each expression that is there by what expr gives; the columns stay. deeper is 1
// where n's own row is the innermost one around the input or the expression (the
// right side of a lateral join, arguments of set-returning functions), else 0.
// Common table expressions are not entered.
func Rewrite(n Node, input func(n Node, deeper int) Node, expr func(e fqgw.Expr, deeper int) fqgw.Expr) Node {
	r := rewriter{input, expr}
	switch n := n.(type) {
	case *Values:
		c := *n
		c.Rows = make([][]fqgw.Expr, len(n.Rows))
		for i := range n.Rows {
			c.Rows[i] = r.exprs(n.Rows[i], 0)
		}
		return &c
	case *SystemScan:
		c := *n
		c.Where = slices.Clone(n.Where)
		for i := range c.Where {
			c.Where[i].Of = r.expr(c.Where[i].Of)
		}
		return &c
	case *SourceScan:
		c := *n
		c.AsOf, c.Lo, c.Hi = r.expr(n.AsOf), r.expr(n.Lo), r.expr(n.Hi)
		return &c
	case *TableScan:
		c := *n
		c.AsOf = r.expr(n.AsOf)
		return &c
	case *TableFunc:
		return r.tableFunc(n, 0)
	case *FeatureScan:
		c := *n
		c.At, c.Known, c.KeyArray = r.expr(n.At), r.expr(n.Known), r.expr(n.KeyArray)
		c.Keys = nil
		for _, k := range n.Keys {
			c.Keys = append(c.Keys, r.exprs(k, 0))
		}
		return &c
	case *FeatureJoin:
		c := *n
		c.Input, c.Keys = r.node(n.Input), r.exprs(n.Keys, 0)
		c.At, c.Known, c.On = r.expr(n.At), r.expr(n.Known), r.expr(n.On)
		return &c
	case *Entities:
		c := *n
		c.Input, c.Keys = r.node(n.Input), r.exprs(n.Keys, 0)
		return &c
	case *Settle:
		c := *n
		c.Input, c.On = r.node(n.Input), r.expr(n.On)
		return &c
	case *Filter:
		return &Filter{Input: r.node(n.Input), Cond: r.expr(n.Cond)}
	case *Project:
		return &Project{Input: r.node(n.Input), Exprs: r.exprs(n.Exprs, 0), Cols: n.Cols}
	case *Join:
		c := *n
		deeper := 0
		if n.Lateral {
			deeper = 1
		}
		c.Left, c.Right, c.Cond = r.node(n.Left), input(n.Right, deeper), r.expr(n.Cond)
		return &c
	case *Aggregate:
		c := *n
		c.Input, c.Groups, c.Aggs = r.node(n.Input), r.exprs(n.Groups, 0), nil
		for _, a := range n.Aggs {
			c.Aggs = append(c.Aggs, r.call(a))
		}
		return &c
	case *Window:
		c := *n
		c.Input, c.Calls = r.node(n.Input), nil
		for _, w := range n.Calls {
			w.AggCall, w.Partition, w.OrderBy = r.call(w.AggCall), r.exprs(w.Partition, 0), r.keys(w.OrderBy)
			w.Frame.StartOffset, w.Frame.EndOffset = r.expr(w.Frame.StartOffset), r.expr(w.Frame.EndOffset)
			c.Calls = append(c.Calls, w)
		}
		return &c
	case *Sort:
		return &Sort{Input: r.node(n.Input), Keys: r.keys(n.Keys)}
	case *Limit:
		c := *n
		c.Input, c.Count, c.Offset, c.Ties = r.node(n.Input), r.expr(n.Count), r.expr(n.Offset), r.keys(n.Ties)
		return &c
	case *Distinct:
		return &Distinct{Input: r.node(n.Input), On: r.exprs(n.On, 0)}
	case *SetOp:
		c := *n
		c.Left, c.Right = r.node(n.Left), r.node(n.Right)
		return &c
	case *ProjectSet:
		c := *n
		c.Input, c.Exprs = r.node(n.Input), r.exprs(n.Exprs, 0)
		c.Sets = make([]*TableFunc, len(n.Sets))
		for i, s := range n.Sets {
			if s != nil {
				c.Sets[i] = r.tableFunc(s, 1)
			}
		}
		return &c
	}
	return n // CTEScan, WorkTable: neither inputs nor expressions
}

type rewriter struct {
	input   func(n Node, deeper int) Node
	rewrite func(e fqgw.Expr, deeper int) fqgw.Expr
}

func (r *rewriter) node(n Node) Node { return r.input(n, 0) }

func (r *rewriter) expr(e fqgw.Expr) fqgw.Expr { return r.within(e, 0) }

func (r *rewriter) within(e fqgw.Expr, deeper int) fqgw.Expr {
	if e == nil {
		return e
	}
	return r.rewrite(e, deeper)
}

func (r *rewriter) exprs(list []fqgw.Expr, deeper int) []fqgw.Expr {
	if list == nil {
		return list
	}
	out := make([]fqgw.Expr, len(list))
	for i, e := range list {
		out[i] = r.within(e, deeper)
	}
	return out
}

func (r *rewriter) keys(list []SortKey) []SortKey {
	if list == nil {
		return list
	}
	out := append([]SortKey(nil), list...)
	for i := range out {
		out[i].Expr = r.expr(out[i].Expr)
	}
	return out
}

func (r *rewriter) call(a AggCall) AggCall {
	a.Args, a.Direct, a.Order, a.Filter = r.exprs(a.Args, 0), r.exprs(a.Direct, 0), r.keys(a.Order), r.expr(a.Filter)
	return a
}

func (r *rewriter) tableFunc(n *TableFunc, deeper int) *TableFunc {
	c := *n
	c.Args = r.exprs(n.Args, deeper)
	return &c
}
