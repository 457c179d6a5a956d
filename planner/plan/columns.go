package plan

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// ColumnFunc replaces a column of an expression that is evaluated depth rows
// below where the walk began.
type ColumnFunc func(c *expr.Column, depth int) fqgw.Expr

// MapColumns is e with its columns replaced, those in sub-plans too. It is
// evaluated depth rows below where the walk began.
func MapColumns(e fqgw.Expr, depth int, f ColumnFunc) fqgw.Expr {
	return expr.Rewrite(e, func(e fqgw.Expr) fqgw.Expr {
		switch x := e.(type) {
		case *expr.Column:
			return f(x, depth)
		case *expr.Subquery:
			c := *x
			c.Plan = MapNode(x.Plan.(Node), depth+1, f)
			return &c
		}
		return e
	})
}

// MapList is MapColumns of each expression; one that is nil stays nil.
func MapList(in []fqgw.Expr, depth int, f ColumnFunc) []fqgw.Expr {
	if in == nil {
		return nil
	}
	out := make([]fqgw.Expr, len(in))
	for i, e := range in {
		out[i] = MapColumns(e, depth, f)
	}
	return out
}

// MapNode is a copy of a plan with the columns of its expressions replaced.
// Common table expressions that see no outer rows are not entered.
func MapNode(n Node, depth int, f ColumnFunc) Node {
	if s, ok := n.(*CTEScan); ok && s.CTE.Correlated {
		q := *s.CTE
		q.Plan, q.Copied = MapNode(q.Plan, depth, f), s.CTE.Origin()
		if q.Step != nil {
			q.Step = MapNode(q.Step, depth, f)
		}
		return &CTEScan{CTE: &q, Cols: s.Cols}
	}
	return Rewrite(n, func(n Node, deeper int) Node { return MapNode(n, depth+deeper, f) },
		func(e fqgw.Expr, deeper int) fqgw.Expr { return MapColumns(e, depth+deeper, f) })
}

// Outward adds by to the level of the columns that lie beyond the innermost
// beyond rows; it moves a tree below another number of rows.
func Outward(beyond, by int) ColumnFunc {
	return func(c *expr.Column, depth int) fqgw.Expr {
		if c.Level <= depth+beyond {
			return c
		}
		d := *c
		d.Level += by
		return &d
	}
}

// Shift is e with the columns of its own row moved by so many places, those in
// sub-plans too.
func Shift(e fqgw.Expr, by int) fqgw.Expr {
	if by == 0 {
		return e
	}
	return MapColumns(e, 0, func(c *expr.Column, depth int) fqgw.Expr {
		if c.Level != depth {
			return c
		}
		d := *c
		d.Index += by
		return &d
	})
}

// Free is how many rows around the plan its expressions see; 0: none.
func Free(n Node) int {
	most := 0
	MapNode(n, 0, func(c *expr.Column, depth int) fqgw.Expr {
		most = max(most, c.Level-depth)
		return c
	})
	return most
}

// Reads says whether e, in a sub-plan too, reads a column of its own row whose
// index p accepts. None of nil does.
func Reads(e fqgw.Expr, p func(index int) bool) bool {
	hit := false
	MapColumns(e, 0, func(c *expr.Column, depth int) fqgw.Expr {
		hit = hit || c.Level == depth && p(c.Index)
		return c
	})
	return hit
}

// AnyColumn accepts all columns: see Reads.
func AnyColumn(int) bool { return true }

// Varies says whether e depends on a row, its own or one around it.
func Varies(e fqgw.Expr) bool {
	hit := false
	MapColumns(e, 0, func(c *expr.Column, depth int) fqgw.Expr {
		hit = hit || c.Level >= depth
		return c
	})
	return hit
}
