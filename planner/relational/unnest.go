package relational

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
)

// unnested makes joins of those parts of a condition that are EXISTS or NOT EXISTS
// of a query that an equality ties to the row, or one comparison whose bounds decide
// (see bounded): semi and anti joins read it once.
// rest is the other parts.
func unnested(n *plan.Filter) (tree plan.Node, rest []fqgw.Expr) {
	tree = n.Input
	width := len(n.Input.Columns())
	for _, c := range expr.Conjuncts(n.Cond) {
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
		tree = pushdown.Join(&plan.Join{Kind: kind, Left: tree, Right: right, Cond: on})
	}
	return tree, rest
}

// tied is the rows of a subquery without the conditions that tie it to the row
// around it, and these, over that row and, behind it, its own; nil where it depends on the row
// in another way, or nothing ties it.
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
	for _, c := range expr.Conjuncts(f.Cond) {
		if !pushdown.Movable(c) {
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
				ls, rs := pushdown.Side(l, width), pushdown.Side(r, width)
				keyed = keyed || ls == 'l' && rs == 'r' || ls == 'r' && rs == 'l'
			}
			on = append(on, c)
		}
	}
	if bound, _ := bounded(on, width); !keyed && bound == nil {
		return nil, nil
	}
	on, known := byKeys(on, width)
	return pushdown.Where(f.Input, append(own, known...)...), expr.Conjunction(on)
}

// byKeys takes from the conditions those that the keys decide: of b.k = a.k AND b.v <
// a.k the second is b.v < b.k, one of the inner rows, which then is asked once for
// each and not for every pair of rows of one key. These are returned over the inner
// row.
func byKeys(on []fqgw.Expr, width int) (rest, inner []fqgw.Expr) {
	same := map[int]*expr.Column{} // by the outer column: the inner one that equals it
	for _, c := range on {
		l, r, ok := equality(c)
		if !ok {
			continue
		}
		lc, lok := l.(*expr.Column)
		rc, rok := r.(*expr.Column)
		if !lok || !rok || lc.Level != 0 || rc.Level != 0 || lc.Typ != rc.Typ || !oneForm(lc.Typ) {
			continue
		}
		if lc.Index > rc.Index {
			lc, rc = rc, lc
		}
		if lc.Index < width && rc.Index >= width {
			same[lc.Index] = rc
		}
	}
	for _, c := range on {
		call, ok := c.(*expr.Call)
		ok = ok && call.Operator && slices.Contains([]string{"<", "<=", ">", ">=", "<>"}, call.Name) // what cannot raise
		for i := 0; ok && i < len(call.Args); i++ {
			switch x := call.Args[i].(type) {
			case *expr.Column:
				ok = x.Level == 0 && (x.Index >= width || same[x.Index] != nil)
			case *expr.Const:
			default:
				ok = false
			}
		}
		if !ok {
			rest = append(rest, c)
			continue
		}
		inner = append(inner, expr.Rewrite(c, func(e fqgw.Expr) fqgw.Expr {
			col, ok := e.(*expr.Column)
			if !ok {
				return e
			}
			if col.Index < width {
				col = same[col.Index]
			}
			d := *col
			d.Index -= width
			return &d
		}))
	}
	return rest, inner
}

// oneForm says that values of a type that are equal are the same.
func oneForm(t fqgw.Type) bool {
	switch t.OID {
	case fqgw.Int2.OID, fqgw.Int4.OID, fqgw.Int8.OID, fqgw.Text.OID, fqgw.Bool.OID, fqgw.Date.OID, fqgw.UUID.OID, fqgw.Timestamp.OID, fqgw.Timestamptz.OID:
		return true
	}
	return false
}
