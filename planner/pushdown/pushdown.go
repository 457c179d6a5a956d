// Package pushdown decides where the conditions of a query are asked: as deep as
// the rows that are wanted can be told, so that features are looked up for them
// only, the side of a join that a condition is about is cut down before the join,
// and a scan reads the keys and times that are asked for.
//
// Who builds a plan puts each condition onto what is there (Where) and each join's
// onto its sides (Join, Feature). So the conditions of a plan are always as deep as
// they go, and there is no pass that moves them later.
//
// The rows stay the same, and so do the columns. What goes no further than its
// place: a condition with a volatile function; one with a subquery, though a scan may
// take it for its keys; one on a column that is computed below it; one on the side of
// an outer join whose rows may be NULLs; and none goes below what counts, orders or
// groups rows by all of them (LIMIT, DISTINCT, aggregates, windows, set operations).
package pushdown

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// condition is a part of a WHERE or ON.
type condition struct {
	gone bool // it is asked below its place, or a scan has taken it
}

// offer is a condition on its way down.
type offer struct {
	x  fqgw.Expr // over the row of the node at hand
	of *condition
}

func offersOf(conds ...fqgw.Expr) []offer {
	var out []offer
	for _, c := range conds {
		for _, x := range expr.Conjuncts(c) {
			out = append(out, offer{x, &condition{}})
		}
	}
	return out
}

// kept are the conditions that nothing below has taken.
func kept(offers []offer) []fqgw.Expr {
	var out []fqgw.Expr
	for _, o := range offers {
		if !o.of.gone {
			out = append(out, o.x)
		}
	}
	return out
}

// Movable says whether a condition may be asked of rows below its place.
func Movable(x fqgw.Expr) bool { return !expr.HasSubquery(x) && !expr.Volatile(x) }

// Where is the rows of n for which all conditions are true. n is not changed, but
// may be part of what is returned.
func Where(n plan.Node, conds ...fqgw.Expr) plan.Node {
	offers := offersOf(conds...)
	n = sink(n, offers)
	return above(n, kept(offers))
}

// Join is a join whose condition is put onto its sides where it is about one of them.
func Join(n *plan.Join) *plan.Join {
	on := offersOf(n.Cond)
	inner := innerKind(n.Kind)
	c := *n
	left, right, _ := sides(n, on, inner || n.Kind == plan.RightOuter || n.Kind == plan.Semi,
		inner || n.Kind == plan.LeftOuter || n.Kind == plan.Semi || n.Kind == plan.Anti)
	c.Left, c.Right = place(n.Left, left), place(n.Right, right)
	c.Cond = expr.Conjunction(kept(on))
	return &c
}

// Feature is the join of a feature whose condition is put onto its input where it
// is about that alone.
func Feature(n *plan.FeatureJoin) *plan.FeatureJoin {
	if n.Left || n.On == nil {
		return n
	}
	on := offersOf(n.On)
	c := *n
	c.Input = place(n.Input, within(on, len(n.Input.Columns())))
	c.On = expr.Conjunction(kept(on))
	return &c
}

// above is n below conditions that go no deeper.
func above(n plan.Node, conds []fqgw.Expr) plan.Node {
	if len(conds) == 0 {
		return n
	}
	if f, ok := n.(*plan.Filter); ok {
		n, conds = f.Input, append(expr.Conjuncts(f.Cond), conds...)
	}
	return &plan.Filter{Input: n, Cond: expr.Conjunction(conds)}
}

// sink offers conditions to what is below n. Those that are not gone afterwards are
// to be asked above it.
func sink(n plan.Node, offers []offer) plan.Node {
	if len(offers) == 0 {
		return n
	}
	switch n := n.(type) {
	case *plan.FeatureScan:
		return scanKeys(n, offers)
	case *plan.SourceScan:
		return scanTimes(n, offers)
	case *plan.SystemScan:
		return systemBounds(n, offers)
	case *plan.Filter: // with those above its own may be all the keys of a scan
		own := offersOf(n.Cond)
		return above(sink(n.Input, append(own[:len(own):len(own)], offers...)), kept(own))
	case *plan.Sort:
		return &plan.Sort{Input: sink(n.Input, offers), Keys: n.Keys}
	case *plan.Project:
		return &plan.Project{Input: sink(n.Input, through(n, offers)), Exprs: n.Exprs, Cols: n.Cols}
	case *plan.FeatureJoin:
		c := *n
		c.Input = place(n.Input, within(offers, len(n.Input.Columns())))
		return &c
	case *plan.Entities:
		c := *n
		c.Input = place(n.Input, within(offers, len(n.Input.Columns())))
		return &c
	case *plan.Settle:
		c := *n
		c.Input = place(n.Input, within(offers, n.Width))
		return &c
	case *plan.Join:
		return sinkJoin(n, offers)
	}
	return n
}

func sinkJoin(n *plan.Join, offers []offer) *plan.Join {
	inner := innerKind(n.Kind)
	left, right, both := sides(n, offers, inner || n.Kind == plan.LeftOuter || n.Kind == plan.Semi || n.Kind == plan.Anti,
		inner || n.Kind == plan.RightOuter)
	c := *n
	c.Left, c.Right = place(n.Left, left), place(n.Right, right)
	if !inner {
		return &c
	}
	on := expr.Conjuncts(n.Cond)
	for _, o := range both {
		if Movable(o.x) {
			o.of.gone = true
			on = append(on, o.x)
		}
	}
	if c.Cond = expr.Conjunction(on); c.Cond != nil {
		c.Kind = plan.Inner
	}
	return &c
}

func innerKind(k plan.JoinKind) bool { return k == plan.Inner || k == plan.Cross }

// place offers conditions to a node below a join. What goes no deeper and may be
// moved is asked just above it.
func place(n plan.Node, offers []offer) plan.Node {
	n = sink(n, offers)
	var here []fqgw.Expr
	for _, o := range offers {
		if !o.of.gone && Movable(o.x) {
			o.of.gone = true
			here = append(here, o.x)
		}
	}
	return above(n, here)
}

// within are the conditions that read no column from width on.
func within(offers []offer, width int) []offer {
	var in []offer
	for _, o := range offers {
		if !plan.Reads(o.x, func(i int) bool { return i >= width }) {
			in = append(in, o)
		}
	}
	return in
}

// sides sorts conditions over a join's row by the side that they read, if it takes
// any; those of the right side are over its own row. A lateral right side sees
// the left one's row around it and takes none.
func sides(n *plan.Join, offers []offer, takesLeft, takesRight bool) (left, right, both []offer) {
	width := len(n.Left.Columns())
	for _, o := range offers {
		l := plan.Reads(o.x, func(i int) bool { return i < width })
		r := plan.Reads(o.x, func(i int) bool { return i >= width })
		switch {
		case l && r:
			both = append(both, o)
		case l && takesLeft:
			left = append(left, o)
		case r && takesRight && !n.Lateral:
			right = append(right, offer{plan.Shift(o.x, -width), o.of})
		}
	}
	return left, right, both
}

// through are the conditions over a projection's row that read only columns which
// it takes from below as they are, over the row below.
func through(n *plan.Project, offers []offer) []offer {
	var below []offer
	for _, o := range offers {
		plain := true
		x := plan.MapColumns(o.x, 0, func(c *expr.Column, depth int) fqgw.Expr {
			if c.Level != depth {
				return c
			}
			in, ok := n.Exprs[c.Index].(*expr.Column)
			if !ok || in.Typ != c.Typ {
				plain = false
				return c
			}
			d := *in
			d.Level += depth
			return &d
		})
		if plain {
			below = append(below, offer{x, o.of})
		}
	}
	return below
}

// Side says whose columns an expression over a join's row reads: 'l', 'r', 'n' for
// none, or 0 for both or what must not be moved (subqueries, volatile functions).
// The left side has so many columns.
func Side(x fqgw.Expr, width int) byte {
	if !Movable(x) {
		return 0
	}
	s := byte('n')
	for _, i := range expr.Columns(x) {
		at := byte('l')
		if i >= width {
			at = 'r'
		}
		if s != 'n' && s != at {
			return 0
		}
		s = at
	}
	return s
}
