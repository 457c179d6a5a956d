package relational

import (
	"maps"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// final is an expression as it is run: a subquery is computed once for all rows
// that are alike in the columns it reads, and x IN (SELECT …) and NOT IN look
// their value up in a hash of the query's rows.
func (b *builder) final(x fqgw.Expr) fqgw.Expr {
	if x == nil {
		return nil
	}
	return expr.Rewrite(x, func(e fqgw.Expr) fqgw.Expr {
		s, ok := e.(*expr.Subquery)
		if !ok || slices.ContainsFunc(s.Left, expr.Volatile) {
			return e
		}
		n := s.Plan.(plan.Node)
		c := census{outer: map[outerColumn]struct{}{}}
		if c.node(n, 0); c.volatile || c.working {
			return e
		}
		seen := slices.SortedFunc(maps.Keys(c.outer), outerColumn.compare)
		in := s.Kind == expr.AnySubquery && s.Operator == "="
		notIn := s.Kind == expr.AllSubquery && s.Operator == "<>"
		if (in || notIn) && len(s.Left) == 1 && len(s.Columns) == 1 && sameKey(s.Left[0].Type(), s.Columns[0]) {
			return &member{Subquery: s, columns: seen, plan: n, not: notIn}
		}
		return &remembered{Subquery: s, columns: seen}
	})
}

func (b *builder) finals(list []fqgw.Expr) []fqgw.Expr {
	if list == nil {
		return nil
	}
	out := make([]fqgw.Expr, len(list))
	for i, x := range list {
		out[i] = b.final(x)
	}
	return out
}

func (b *builder) finalKeys(list []plan.SortKey) []plan.SortKey {
	if list == nil {
		return nil
	}
	out := append([]plan.SortKey(nil), list...)
	for i := range out {
		out[i].Expr = b.final(out[i].Expr)
	}
	return out
}
