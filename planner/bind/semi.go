package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
)

// filter puts a condition onto a node, and `x IN (SELECT …)` above it as a semi
// join, so that the subquery is run once.
func (b *Binder) filter(n plan.Node, cond fqgw.Expr) plan.Node {
	var rest, in []fqgw.Expr
	for _, c := range expr.Conjuncts(cond) {
		if _, ok := semiCondition(c, 0); ok {
			in = append(in, c)
		} else {
			rest = append(rest, c)
		}
	}
	n = pushdown.Where(n, rest...)
	for _, c := range in {
		sub := c.(*expr.Subquery)
		on, _ := semiCondition(c, len(n.Columns()))
		n = pushdown.Join(&plan.Join{Kind: plan.Semi, Left: n, Right: plan.MapNode(sub.Plan.(plan.Node), 0, plan.Outward(1, -1)), Cond: on})
	}
	return n
}

// semiCondition is the join condition that `left IN (SELECT …)` stands for, the
// subquery's columns standing behind width others; ok is false when the
// subquery depends on the row, or the condition is another.
func semiCondition(c fqgw.Expr, width int) (fqgw.Expr, bool) {
	s, ok := c.(*expr.Subquery)
	if !ok || s.Kind != expr.AnySubquery || s.Operator != "=" {
		return nil, false
	}
	uses := false
	plan.MapNode(s.Plan.(plan.Node), 1, func(c *expr.Column, depth int) fqgw.Expr {
		uses = uses || c.Level == depth
		return c
	})
	if uses {
		return nil, false
	}
	var tests []fqgw.Expr
	for i, l := range s.Left {
		e, err := expr.Op("=", l, &expr.Column{Index: width + i, Typ: s.Columns[i], Name: "column" + itoa(i+1)})
		if err != nil {
			return nil, false
		}
		tests = append(tests, e)
	}
	on, err := expr.And(tests...)
	return on, err == nil
}
