package relational

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	gms "github.com/dolthub/go-mysql-server/sql/plan"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// join makes go-mysql-server's node for inner, left, right and cross joins: a
// hash join where an equality of the two sides is part of the condition, which
// is asked again of each pair. Lateral, full, semi and anti joins are ours.
func (b *builder) join(n *plan.Join) (sql.Node, error) {
	switch {
	case n.Lateral:
		return b.lateral(n)
	case n.Kind == plan.FullOuter || n.Kind == plan.Semi || n.Kind == plan.Anti:
		return b.ours(n, func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) { return b.pairs(n, in[0], in[1]) }, n.Left, n.Right)
	case n.Kind == plan.RightOuter:
		return b.rightJoin(n)
	}
	left, err := b.build(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := b.build(n.Right)
	if err != nil {
		return nil, err
	}
	outer := n.Kind == plan.LeftOuter
	var cond sql.Expression = b.condition(&expr.Const{Val: fqgw.BoolValue(true), Typ: fqgw.Bool})
	if n.Cond != nil {
		cond = b.condition(n.Cond)
	}
	op := gms.JoinTypeInner
	if outer {
		op = gms.JoinTypeLeftOuter
	}
	if l, r := equalities(n); len(l) > 0 {
		if op = gms.JoinTypeHash; outer {
			op = gms.JoinTypeLeftOuterHash
		}
		right = gms.NewHashLookup(right, b.hashKey(r), b.hashKey(l), op)
	} else {
		// The right side is asked for once per left row: keep it.
		right = b.kept(n.Right, right)
	}
	return gms.NewJoin(left, right, op, cond), nil
}

func (b *builder) hashKey(xs []fqgw.Expr) *hashKey {
	k := &hashKey{}
	for _, x := range xs {
		k.parts = append(k.parts, b.scalar(x))
	}
	return k
}

// kept runs a subtree once and gives its rows again each time.
func (b *builder) kept(n plan.Node, tree sql.Node) sql.Node {
	var rows [][]fqgw.Value
	done := false
	return &node{plan: n, schema: schemaOf(n.Columns()), children: []sql.Node{tree}, lazy: true,
		run: func(ctx *sql.Context, _ []fqgw.Rows) (fqgw.Rows, error) {
			if !done {
				iter, err := executor.Build(ctx, tree, nil)
				if err != nil {
					return nil, err
				}
				if rows, err = b.run.collect(ctx, &iterRows{ctx: ctx, iter: iter}); err != nil {
					return nil, err
				}
				done = true
			}
			return &sliceRows{rows}, nil
		}}
}

// equalities are the parts of a join's condition that equate an expression over
// the left side with one over the right; the right ones are over the right
// side's own columns.
func equalities(n *plan.Join) (left, right []fqgw.Expr) {
	width := len(n.Left.Columns())
	for _, c := range conjuncts(n.Cond) {
		l, r, ok := equality(c)
		if !ok {
			continue
		}
		ls, rs := side(l, width), side(r, width)
		if ls == 'r' && rs == 'l' {
			l, r, ls, rs = r, l, rs, ls
		}
		if ls == 'l' && rs == 'r' {
			left, right = append(left, l), append(right, shifted(r, width))
		}
	}
	return left, right
}

func conjuncts(x fqgw.Expr) []fqgw.Expr {
	if and, ok := x.(*expr.Logic); ok && !and.Or {
		var out []fqgw.Expr
		for _, a := range and.Args {
			out = append(out, conjuncts(a)...)
		}
		return out
	}
	if x == nil {
		return nil
	}
	return []fqgw.Expr{x}
}

// equality splits l = r whose sides have one type, so that canonical bytes
// decide it as the operator does.
func equality(x fqgw.Expr) (l, r fqgw.Expr, ok bool) {
	c, isCall := x.(*expr.Call)
	if !isCall || !c.Operator || c.Name != "=" || len(c.Args) != 2 {
		return nil, nil, false
	}
	l, r = c.Args[0], c.Args[1]
	return l, r, l.Type().Kind() == r.Type().Kind()
}

// side says whose columns an expression reads: 'l', 'r', or 0 for both, none,
// or what cannot be told (subqueries).
func side(x fqgw.Expr, width int) byte {
	s, mixed := byte(0), false
	expr.Walk(x, func(e fqgw.Expr) bool {
		switch e := e.(type) {
		case *expr.Column:
			if e.Level != 0 {
				return true
			}
			at := byte('l')
			if e.Index >= width {
				at = 'r'
			}
			if s != 0 && s != at {
				mixed = true
			}
			s = at
		case *expr.Subquery:
			mixed = true
		}
		return !mixed
	})
	if mixed || expr.Volatile(x) {
		return 0
	}
	return s
}

// shifted moves an expression's columns down by width.
func shifted(x fqgw.Expr, width int) fqgw.Expr {
	return expr.Rewrite(x, func(e fqgw.Expr) fqgw.Expr {
		if c, ok := e.(*expr.Column); ok && c.Level == 0 {
			d := *c
			d.Index -= width
			return &d
		}
		return e
	})
}

// rightJoin is the left join of the sides exchanged, its columns put back.
func (b *builder) rightJoin(n *plan.Join) (sql.Node, error) {
	l, r := len(n.Left.Columns()), len(n.Right.Columns())
	cond := n.Cond
	if cond != nil {
		cond = expr.Rewrite(cond, func(e fqgw.Expr) fqgw.Expr {
			c, ok := e.(*expr.Column)
			if !ok || c.Level != 0 {
				return e
			}
			d := *c
			if d.Index < l {
				d.Index += r
			} else {
				d.Index -= l
			}
			return &d
		})
	}
	join, err := b.join(&plan.Join{Kind: plan.LeftOuter, Left: n.Right, Right: n.Left, Cond: cond})
	if err != nil {
		return nil, err
	}
	var xs []sql.Expression
	for i, c := range n.Columns() {
		at := i + r
		if i >= l {
			at = i - l
		}
		xs = append(xs, b.scalar(&expr.Column{Index: at, Typ: c.Type, Name: c.Name}))
	}
	return gms.NewProject(xs, join), nil
}

// lateral runs the right side anew for each row of the left, which it sees as
// its innermost outer row.
func (b *builder) lateral(n *plan.Join) (sql.Node, error) {
	if n.Kind == plan.RightOuter || n.Kind == plan.FullOuter {
		return nil, fqgw.Errorf(fqgw.CodeInvalidColumnRef, "the combining JOIN type must be INNER or LEFT for a LATERAL reference")
	}
	return b.ours(n, func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) {
		left := in[0]
		var lrow []fqgw.Value
		var right fqgw.Rows
		matched := false
		width := len(n.Right.Columns())
		closeRight := func() {
			if right != nil {
				right.Close()
				right = nil
			}
		}
		return &funcRows{close: func() error { closeRight(); return left.Close() }, next: func() ([]fqgw.Value, error) {
			for {
				if right == nil {
					row, err := left.Next()
					if err != nil {
						return nil, err
					}
					lrow, matched = append([]fqgw.Value(nil), row...), false
					env := *b.env
					env.Outer = append(env.Outer[:len(env.Outer):len(env.Outer)], lrow)
					if right, err = b.run.rows(&env, n.Right); err != nil {
						return nil, err
					}
				}
				rrow, err := right.Next()
				if err == io.EOF {
					closeRight()
					if !matched && n.Kind == plan.LeftOuter {
						return append(lrow[:len(lrow):len(lrow)], make([]fqgw.Value, width)...), nil
					}
					continue
				}
				if err != nil {
					return nil, err
				}
				row := append(lrow[:len(lrow):len(lrow)], rrow...)
				if n.Cond != nil {
					v, err := n.Cond.Eval(b.env, row)
					if err != nil {
						return nil, err
					}
					if !v.True() {
						continue
					}
				}
				matched = true
				return row, nil
			}
		}}, nil
	}, n.Left)
}

// pairs runs full, semi and anti joins: a hash of the right side where there is
// an equality, all pairs otherwise.
func (b *builder) pairs(n *plan.Join, left, right fqgw.Rows) (fqgw.Rows, error) {
	rights, err := b.run.collect(b.env.Ctx, right)
	if err != nil {
		left.Close()
		return nil, err
	}
	lkeys, rkeys := equalities(n)
	byKey := map[string][]int{}
	all := make([]int, len(rights))
	for i, row := range rights {
		all[i] = i
		if len(rkeys) == 0 {
			continue
		}
		key, ok, err := b.joinKey(rkeys, row)
		if err != nil {
			left.Close()
			return nil, err
		}
		if ok {
			byKey[key] = append(byKey[key], i)
		}
	}
	hit := make([]bool, len(rights))
	lwidth, rwidth := len(n.Left.Columns()), len(n.Right.Columns())
	var lrow []fqgw.Value
	var candidates []int
	matched, rest := true, 0
	leftDone := false
	return &funcRows{close: left.Close, next: func() ([]fqgw.Value, error) {
		for !leftDone {
			if len(candidates) == 0 {
				if !matched {
					matched = true
					if n.Kind == plan.Anti {
						return lrow, nil
					}
					if n.Kind == plan.FullOuter {
						return append(lrow[:len(lrow):len(lrow)], make([]fqgw.Value, rwidth)...), nil
					}
				}
				row, err := left.Next()
				if err == io.EOF {
					leftDone = true
					break
				}
				if err != nil {
					return nil, err
				}
				lrow, matched, candidates = append([]fqgw.Value(nil), row...), false, all
				if len(lkeys) > 0 {
					key, ok, err := b.joinKey(lkeys, lrow)
					if err != nil {
						return nil, err
					}
					if candidates = nil; ok {
						candidates = byKey[key]
					}
				}
				continue
			}
			i := candidates[0]
			candidates = candidates[1:]
			row := append(lrow[:len(lrow):len(lrow)], rights[i]...)
			if n.Cond != nil {
				v, err := n.Cond.Eval(b.env, row)
				if err != nil {
					return nil, err
				}
				if !v.True() {
					continue
				}
			}
			matched, hit[i] = true, true
			switch n.Kind {
			case plan.FullOuter:
				return row, nil
			case plan.Semi:
				candidates = nil
				return lrow, nil
			}
			candidates = nil // anti: one match is enough to drop the row
		}
		for n.Kind == plan.FullOuter && rest < len(rights) {
			if rest++; !hit[rest-1] {
				return append(make([]fqgw.Value, lwidth), rights[rest-1]...), nil
			}
		}
		return nil, io.EOF
	}}, nil
}

func (b *builder) joinKey(xs []fqgw.Expr, row []fqgw.Value) (string, bool, error) {
	var buf []byte
	for _, x := range xs {
		v, err := x.Eval(b.env, row)
		if err != nil || v.IsNull() {
			return "", false, err
		}
		buf = appendHashKey(buf, v)
	}
	return string(buf), true, nil
}
