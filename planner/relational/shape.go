package relational

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// shape is the plan with its conditions where they cut down most: each part of
// a WHERE or ON goes to the side whose columns it reads, and what equates two
// relations of a comma join becomes the condition that joins them. The rows stay
// the same, and so do the columns.
func shape(n plan.Node) plan.Node {
	switch n := n.(type) {
	case *plan.Filter:
		return push(shape(n.Input), expr.Conjuncts(n.Cond))
	case *plan.Join:
		if chain := innerChain(n); len(chain.rels) > 2 {
			return chain.joined(n)
		}
		return shapeJoin(n, nil)
	case *plan.Project:
		return &plan.Project{Input: shape(n.Input), Exprs: n.Exprs, Cols: n.Cols}
	case *plan.Aggregate:
		c := *n
		c.Input = shape(n.Input)
		return &c
	case *plan.Window:
		c := *n
		c.Input = shape(n.Input)
		return &c
	case *plan.Sort:
		return &plan.Sort{Input: shape(n.Input), Keys: n.Keys}
	case *plan.Limit:
		c := *n
		c.Input = shape(n.Input)
		return &c
	case *plan.Distinct:
		return &plan.Distinct{Input: shape(n.Input), On: n.On}
	case *plan.SetOp:
		c := *n
		c.Left, c.Right = shape(n.Left), shape(n.Right)
		return &c
	case *plan.ProjectSet:
		c := *n
		c.Input = shape(n.Input)
		return &c
	}
	return n // leaves, and feature joins, which a store runs with their input
}

// filtered is n below the conditions.
func filtered(n plan.Node, conds []fqgw.Expr) plan.Node {
	if len(conds) == 0 {
		return n
	}
	if f, ok := n.(*plan.Filter); ok {
		return filtered(f.Input, append(expr.Conjuncts(f.Cond), conds...))
	}
	return &plan.Filter{Input: n, Cond: and(conds)}
}

func and(conds []fqgw.Expr) fqgw.Expr {
	switch len(conds) {
	case 0:
		return nil
	case 1:
		return conds[0]
	}
	return &expr.Logic{Args: conds}
}

// push puts conditions onto a shaped node, as deep as they go.
func push(n plan.Node, conds []fqgw.Expr) plan.Node {
	if j, ok := n.(*plan.Join); ok && len(conds) > 0 {
		if chain := innerChain(j); len(chain.rels) > 2 {
			chain.conds = append(chain.conds, conds...)
			return chain.joined(n)
		}
		return shapeJoin(j, conds)
	}
	return filtered(n, conds)
}

// shapeJoin distributes the join's own condition and those above it.
func shapeJoin(n *plan.Join, above []fqgw.Expr) plan.Node {
	width := len(n.Left.Columns())
	var left, right, on, rest []fqgw.Expr
	inner := n.Kind == plan.Inner || n.Kind == plan.Cross
	for _, c := range expr.Conjuncts(n.Cond) {
		switch s := side(c, width); {
		case s == 'l' && (inner || n.Kind == plan.RightOuter || n.Kind == plan.Semi):
			left = append(left, c)
		case s == 'r' && !n.Lateral && (inner || n.Kind == plan.LeftOuter || n.Kind == plan.Semi || n.Kind == plan.Anti):
			right = append(right, shifted(c, -width))
		default:
			on = append(on, c)
		}
	}
	for _, c := range above {
		switch s := side(c, width); {
		case s == 'l' && (inner || n.Kind == plan.LeftOuter || n.Kind == plan.Semi || n.Kind == plan.Anti):
			left = append(left, c)
		case s == 'r' && !n.Lateral && (inner || n.Kind == plan.RightOuter):
			right = append(right, shifted(c, -width))
		case inner && s == 0 && !expr.HasSubquery(c) && !expr.Volatile(c):
			on = append(on, c)
		default:
			rest = append(rest, c)
		}
	}
	j := *n
	j.Left = push(shape(n.Left), left)
	if !n.Lateral { // else it is a program of its own, shaped when compiled
		j.Right = push(shape(n.Right), right)
	}
	if j.Cond = and(on); j.Kind == plan.Cross && j.Cond != nil {
		j.Kind = plan.Inner
	}
	return filtered(&j, rest)
}

// chain is inner joins of several relations: in any order they give the same
// rows.
type chain struct {
	rels  []plan.Node
	start []int // of each relation's columns in the whole row
	conds []fqgw.Expr
}

// innerChain takes inner joins apart; a part is a relation or any other node.
func innerChain(n plan.Node) *chain {
	c := &chain{}
	c.add(n, 0)
	return c
}

func (c *chain) add(n plan.Node, at int) {
	j, ok := n.(*plan.Join)
	if !ok || j.Lateral || j.Kind != plan.Inner && j.Kind != plan.Cross || hasSubqueryOrNil(j.Cond) {
		c.rels, c.start = append(c.rels, n), append(c.start, at)
		return
	}
	c.add(j.Left, at)
	c.add(j.Right, at+len(j.Left.Columns()))
	for _, x := range expr.Conjuncts(j.Cond) {
		c.conds = append(c.conds, shifted(x, at))
	}
}

func hasSubqueryOrNil(x fqgw.Expr) bool { return x != nil && (expr.HasSubquery(x) || expr.Volatile(x)) }

// rel is the relation that has column i of the whole row.
func (c *chain) rel(i int) int {
	at, found := slices.BinarySearch(c.start, i)
	if !found {
		at--
	}
	for at+1 < len(c.start) && c.start[at+1] == c.start[at] { // relations without columns
		at++
	}
	return at
}

// reads are the relations that a condition reads; ok is false when it must stay
// above them all.
func (c *chain) reads(x fqgw.Expr) (rels []int, ok bool) {
	if expr.HasSubquery(x) || expr.Volatile(x) {
		return nil, false
	}
	expr.Walk(x, func(e fqgw.Expr) bool {
		if col, isCol := e.(*expr.Column); isCol && col.Level == 0 {
			if r := c.rel(col.Index); !slices.Contains(rels, r) {
				rels = append(rels, r)
			}
		}
		return true
	})
	return rels, true
}

// joined joins the relations one after the other, next always the first that an
// equality ties to those before, and puts the columns back in order.
func (c *chain) joined(whole plan.Node) plan.Node {
	type cond struct {
		x    fqgw.Expr
		rels []int
		used bool
	}
	var conds []*cond
	var rest []fqgw.Expr
	own := make([][]fqgw.Expr, len(c.rels))
	for _, x := range c.conds {
		rels, ok := c.reads(x)
		switch {
		case !ok || len(rels) == 0:
			rest = append(rest, x)
		case len(rels) == 1:
			own[rels[0]] = append(own[rels[0]], shifted(x, -c.start[rels[0]]))
		default:
			conds = append(conds, &cond{x: x, rels: rels})
		}
	}
	for i := range c.rels {
		c.rels[i] = push(shape(c.rels[i]), own[i])
	}
	order, placed := []int{0}, map[int]bool{0: true}
	at := make([]int, len(c.rels)) // where each relation's columns are now
	tree, width := c.rels[0], len(c.rels[0].Columns())
	to := func(i int) int {
		r := c.rel(i)
		return at[r] + i - c.start[r]
	}
	for len(order) < len(c.rels) {
		next := -1
		for r := range c.rels {
			if placed[r] {
				continue
			}
			if next < 0 {
				next = r
			}
			if slices.ContainsFunc(conds, func(k *cond) bool {
				_, _, eq := equality(k.x)
				return eq && slices.Contains(k.rels, r) && !slices.ContainsFunc(k.rels, func(o int) bool { return o != r && !placed[o] })
			}) {
				next = r
				break
			}
		}
		order, placed[next] = append(order, next), true
		at[next] = width
		width += len(c.rels[next].Columns())
		var on []fqgw.Expr
		for _, k := range conds {
			if !k.used && !slices.ContainsFunc(k.rels, func(o int) bool { return !placed[o] }) {
				k.used = true
				on = append(on, moved(k.x, to))
			}
		}
		kind := plan.Inner
		if on == nil {
			kind = plan.Cross
		}
		tree = &plan.Join{Kind: kind, Left: tree, Right: c.rels[next], Cond: and(on)}
	}
	if !slices.IsSorted(order) {
		cols := whole.Columns()
		xs := make([]fqgw.Expr, len(cols))
		for i, col := range cols {
			xs[i] = &expr.Column{Index: to(i), Typ: col.Type, Name: col.Name}
		}
		tree = &plan.Project{Input: tree, Exprs: xs, Cols: cols}
	}
	return filtered(tree, rest)
}
