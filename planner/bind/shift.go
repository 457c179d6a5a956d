package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// columnFunc replaces a column of an expression that is evaluated depth rows
// below where the walk began.
type columnFunc func(c *expr.Column, depth int) fqgw.Expr

// mapColumns is e with its columns replaced, those in sub-plans too.
func mapColumns(e fqgw.Expr, depth int, f columnFunc) fqgw.Expr {
	return expr.Rewrite(e, func(e fqgw.Expr) fqgw.Expr {
		switch x := e.(type) {
		case *expr.Column:
			return f(x, depth)
		case *expr.Subquery:
			c := *x
			c.Plan = mapNode(x.Plan.(plan.Node), depth+1, f)
			return &c
		}
		return e
	})
}

// mapNode is a copy of the plan with the columns of its expressions replaced.
// Common table expressions that see no outer rows are not entered.
func mapNode(n plan.Node, depth int, f columnFunc) plan.Node {
	one := func(e fqgw.Expr) fqgw.Expr { return mapColumns(e, depth, f) }
	list := func(in []fqgw.Expr) []fqgw.Expr { return mapList(in, depth, f) }
	keys := func(in []plan.SortKey) []plan.SortKey {
		out := append([]plan.SortKey(nil), in...)
		for i := range out {
			out[i].Expr = one(out[i].Expr)
		}
		return out
	}
	agg := func(a plan.AggCall) plan.AggCall {
		a.Args, a.Direct, a.Order, a.Filter = list(a.Args), list(a.Direct), keys(a.Order), one(a.Filter)
		return a
	}
	switch n := n.(type) {
	case *plan.Values:
		c := *n
		c.Rows = make([][]fqgw.Expr, len(n.Rows))
		for i := range n.Rows {
			c.Rows[i] = list(n.Rows[i])
		}
		return &c
	case *plan.SourceScan:
		c := *n
		c.AsOf, c.Lo, c.Hi = one(c.AsOf), one(c.Lo), one(c.Hi)
		return &c
	case *plan.TableScan:
		c := *n
		c.AsOf = one(c.AsOf)
		return &c
	case *plan.TableFunc:
		return mapTableFunc(n, depth, f)
	case *plan.FeatureScan:
		c := *n
		c.At, c.Known, c.KeyArray = one(c.At), one(c.Known), one(c.KeyArray)
		c.Keys = nil
		for _, k := range n.Keys {
			c.Keys = append(c.Keys, list(k))
		}
		return &c
	case *plan.FeatureJoin:
		c := *n
		c.Input, c.Keys = mapNode(c.Input, depth, f), list(c.Keys)
		c.At, c.Known, c.On = one(c.At), one(c.Known), one(c.On)
		return &c
	case *plan.Entities:
		c := *n
		c.Input, c.Keys = mapNode(c.Input, depth, f), list(c.Keys)
		return &c
	case *plan.Settle:
		c := *n
		c.Input, c.On = mapNode(c.Input, depth, f), one(c.On)
		return &c
	case *plan.Filter:
		return &plan.Filter{Input: mapNode(n.Input, depth, f), Cond: one(n.Cond)}
	case *plan.Project:
		return &plan.Project{Input: mapNode(n.Input, depth, f), Exprs: list(n.Exprs), Cols: n.Cols}
	case *plan.Join:
		c := *n
		c.Left, c.Cond = mapNode(c.Left, depth, f), one(c.Cond)
		if c.Lateral {
			c.Right = mapNode(c.Right, depth+1, f)
		} else {
			c.Right = mapNode(c.Right, depth, f)
		}
		return &c
	case *plan.Aggregate:
		c := *n
		c.Input, c.Groups, c.Aggs = mapNode(c.Input, depth, f), list(c.Groups), nil
		for _, a := range n.Aggs {
			c.Aggs = append(c.Aggs, agg(a))
		}
		return &c
	case *plan.Window:
		c := *n
		c.Input, c.Calls = mapNode(c.Input, depth, f), nil
		for _, w := range n.Calls {
			w.AggCall, w.Partition, w.OrderBy = agg(w.AggCall), list(w.Partition), keys(w.OrderBy)
			w.Frame.StartOffset, w.Frame.EndOffset = one(w.Frame.StartOffset), one(w.Frame.EndOffset)
			c.Calls = append(c.Calls, w)
		}
		return &c
	case *plan.Sort:
		return &plan.Sort{Input: mapNode(n.Input, depth, f), Keys: keys(n.Keys)}
	case *plan.Limit:
		c := *n
		c.Input, c.Count, c.Offset = mapNode(c.Input, depth, f), one(c.Count), one(c.Offset)
		if c.Ties != nil {
			c.Ties = keys(c.Ties)
		}
		return &c
	case *plan.Distinct:
		return &plan.Distinct{Input: mapNode(n.Input, depth, f), On: list(n.On)}
	case *plan.SetOp:
		c := *n
		c.Left, c.Right = mapNode(c.Left, depth, f), mapNode(c.Right, depth, f)
		return &c
	case *plan.CTEScan:
		if !n.CTE.Correlated {
			return n
		}
		q := *n.CTE
		q.Plan, q.Copied = mapNode(q.Plan, depth, f), n.CTE.Origin()
		if q.Step != nil {
			q.Step = mapNode(q.Step, depth, f)
		}
		return &plan.CTEScan{CTE: &q, Cols: n.Cols}
	case *plan.ProjectSet:
		c := *n
		c.Input, c.Exprs = mapNode(c.Input, depth, f), list(c.Exprs)
		c.Sets = make([]*plan.TableFunc, len(n.Sets))
		for i, s := range n.Sets {
			if s != nil {
				c.Sets[i] = mapTableFunc(s, depth+1, f)
			}
		}
		return &c
	}
	return n // SystemScan, WorkTable: no expressions
}

func mapTableFunc(n *plan.TableFunc, depth int, f columnFunc) *plan.TableFunc {
	c := *n
	c.Args = mapList(c.Args, depth, f)
	return &c
}

func mapList(in []fqgw.Expr, depth int, f columnFunc) []fqgw.Expr {
	if in == nil {
		return nil
	}
	out := make([]fqgw.Expr, len(in))
	for i, e := range in {
		if e != nil {
			out[i] = mapColumns(e, depth, f)
		}
	}
	return out
}

// outward adds by to the level of the columns that lie beyond the innermost
// beyond rows; it moves a tree below another number of rows.
func outward(beyond, by int) columnFunc {
	return func(c *expr.Column, depth int) fqgw.Expr {
		if c.Level <= depth+beyond {
			return c
		}
		d := *c
		d.Level += by
		return &d
	}
}

// sideways moves the row's own columns at or behind from by n places.
func sideways(from, n int) columnFunc {
	return func(c *expr.Column, depth int) fqgw.Expr {
		if c.Level != depth || c.Index < from || c.Index >= placeholders {
			return c
		}
		d := *c
		d.Index += n
		return &d
	}
}

// free is how many rows around the plan its expressions see; 0: none.
func free(n plan.Node) int {
	most := 0
	mapNode(n, 0, func(c *expr.Column, depth int) fqgw.Expr {
		most = max(most, c.Level-depth)
		return c
	})
	return most
}

// ownColumns says whether e, over the row of its node, names a column of it
// whose index p accepts.
func ownColumns(e fqgw.Expr, p func(index int) bool) bool {
	if e == nil {
		return false
	}
	hit := false
	mapColumns(e, 0, func(c *expr.Column, depth int) fqgw.Expr {
		hit = hit || c.Level == depth && p(c.Index)
		return c
	})
	return hit
}

func anyColumn(int) bool { return true }
