package relational

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// unnested makes joins of those parts of a condition that are EXISTS or NOT EXISTS
// of a query that an equality ties to the row: semi and anti joins read it once.
// rest is the other parts.
func unnested(n *plan.Filter) (tree plan.Node, rest []fqgw.Expr) {
	tree = n.Input
	width := len(n.Input.Columns())
	for _, c := range conjuncts(n.Cond) {
		kind, inner := plan.Semi, c
		if not, ok := c.(*expr.Negation); ok {
			kind, inner = plan.Anti, not.Arg
		}
		s, ok := inner.(*expr.Subquery)
		if !ok || s.Kind != expr.ExistsSubquery {
			rest = append(rest, c)
			continue
		}
		right, on := tied(s.Plan.(plan.Node), width)
		if right == nil {
			rest = append(rest, c)
			continue
		}
		tree = &plan.Join{Kind: kind, Left: tree, Right: right, Cond: on}
	}
	return tree, rest
}

// tied is the rows of a subquery without the conditions that tie it to the row
// around it, and these, over that row and, behind it, its own; nil where it depends on the row
// in another way, or no equality ties it.
func tied(n plan.Node, width int) (plan.Node, fqgw.Expr) {
	for {
		switch m := n.(type) {
		case *plan.Project: // whether there is a row does not depend on its columns
			n = m.Input
			continue
		case *plan.Sort:
			n = m.Input
			continue
		}
		break
	}
	f, ok := n.(*plan.Filter)
	if !ok || !steady(f.Input) {
		return nil, nil
	}
	var own, on []fqgw.Expr
	keyed := false
	for _, c := range conjuncts(f.Cond) {
		if expr.HasSubquery(c) || expr.Volatile(c) {
			return nil, nil
		}
		level := 0
		expr.Walk(c, func(e fqgw.Expr) bool {
			if col, ok := e.(*expr.Column); ok {
				level = max(level, col.Level)
			}
			return true
		})
		switch {
		case level == 0:
			own = append(own, c)
		case level > 1:
			return nil, nil
		default:
			c = expr.Rewrite(c, func(e fqgw.Expr) fqgw.Expr {
				col, ok := e.(*expr.Column)
				if !ok {
					return e
				}
				d := *col
				if d.Level == 0 {
					d.Index += width
				} else {
					d.Level = 0
				}
				return &d
			})
			if l, r, ok := equality(c); ok {
				ls, rs := side(l, width), side(r, width)
				keyed = keyed || ls == 'l' && rs == 'r' || ls == 'r' && rs == 'l'
			}
			on = append(on, c)
		}
	}
	if !keyed {
		return nil, nil
	}
	return filtered(f.Input, own), and(on)
}
