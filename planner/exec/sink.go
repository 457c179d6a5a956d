package exec

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// Sink moves conditions on a spine below the feature joins above it, so that
// features are looked up for the rows that are wanted only. It changes copies:
// the given plan stays as it is.
func Sink(n plan.Node) plan.Node {
	f, ok := n.(*plan.Filter)
	if !ok {
		return withInput(n, Sink)
	}
	out := Sink(f.Input)
	var kept []fqgw.Expr
	for _, c := range expr.Conjuncts(f.Cond) {
		if lower, ok := sunk(out, c); ok {
			out = lower
		} else {
			kept = append(kept, c)
		}
	}
	switch {
	case len(kept) == 0:
		return out
	case len(kept) == len(expr.Conjuncts(f.Cond)):
		return &plan.Filter{Input: out, Cond: f.Cond}
	}
	cond, err := expr.And(kept...)
	if err != nil {
		return &plan.Filter{Input: Sink(f.Input), Cond: f.Cond}
	}
	return &plan.Filter{Input: out, Cond: cond}
}

// withInput is a copy of a node of the native routes with its input changed;
// other nodes stay as they are.
func withInput(n plan.Node, change func(plan.Node) plan.Node) plan.Node {
	switch n := n.(type) {
	case *plan.Project:
		c := *n
		c.Input = change(n.Input)
		return &c
	case *plan.Sort:
		c := *n
		c.Input = change(n.Input)
		return &c
	case *plan.Limit:
		c := *n
		c.Input = change(n.Input)
		return &c
	case *plan.Aggregate:
		c := *n
		c.Input = change(n.Input)
		return &c
	case *plan.FeatureJoin:
		c := *n
		c.Input = change(n.Input)
		return &c
	case *plan.Entities:
		c := *n
		c.Input = change(n.Input)
		return &c
	case *plan.Settle:
		c := *n
		c.Input = change(n.Input)
		return &c
	}
	return n
}

// sunk puts a condition below n; false when it reads what n adds, or cannot be moved.
func sunk(n plan.Node, cond fqgw.Expr) (plan.Node, bool) {
	movable, widest := true, -1
	expr.Walk(cond, func(e fqgw.Expr) bool {
		switch e := e.(type) {
		case *expr.Column:
			if e.Level == 0 {
				widest = max(widest, e.Index)
			}
		case *expr.Subquery:
			movable = false
		}
		return movable
	})
	if !movable || expr.Volatile(cond) {
		return nil, false
	}
	switch n := n.(type) {
	case *plan.FeatureJoin:
		if widest >= len(n.Input.Columns()) {
			return nil, false
		}
		c := *n
		c.Input = below(n.Input, cond)
		return &c, true
	case *plan.Entities:
		if widest >= len(n.Input.Columns()) {
			return nil, false
		}
		c := *n
		c.Input = below(n.Input, cond)
		return &c, true
	case *plan.Settle:
		if widest >= n.Width {
			return nil, false
		}
		c := *n
		c.Input = below(n.Input, cond)
		return &c, true
	case *plan.Project:
		inner, ok := through(n, cond)
		if !ok || !joinsFeatures(n.Input) {
			return nil, false
		}
		c := *n
		c.Input = below(n.Input, inner)
		return &c, true
	}
	return nil, false
}

func below(n plan.Node, cond fqgw.Expr) plan.Node {
	if lower, ok := sunk(n, cond); ok {
		return lower
	}
	return &plan.Filter{Input: n, Cond: cond}
}

// through is a condition over a projection's columns as one over its input's;
// false when it reads a computed column.
func through(n *plan.Project, cond fqgw.Expr) (fqgw.Expr, bool) {
	plain := true
	inner := expr.Rewrite(cond, func(e fqgw.Expr) fqgw.Expr {
		c, ok := e.(*expr.Column)
		if !ok || c.Level != 0 {
			return e
		}
		from, ok := n.Exprs[c.Index].(*expr.Column)
		if !ok {
			plain = false
			return e
		}
		return from
	})
	return inner, plain
}

func joinsFeatures(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.FeatureJoin, *plan.Settle:
		return true
	case *plan.Project:
		return joinsFeatures(n.Input)
	case *plan.Filter:
		return joinsFeatures(n.Input)
	}
	return false
}
