package relational

import (
	"github.com/dolthub/go-mysql-server/sql"
	gms "github.com/dolthub/go-mysql-server/sql/plan"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
)

// join makes the node of a join: inner joins of any number of relations are one
// node of ours, each other kind is one over two; go-mysql-server's is the lateral join.
func (b *builder) join(n *plan.Join) (sql.Node, layout, error) {
	switch {
	case n.Lateral:
		return b.lateral(n)
	case n.Kind == plan.Inner || n.Kind == plan.Cross:
		return b.innerJoin(n)
	case n.Kind == plan.Semi || n.Kind == plan.Anti:
		return b.semiJoin(n)
	}
	return b.outerJoin(n)
}

// equalities are the parts of a join's condition that equate an expression over
// the left side with one over the right, and the rest; the right ones are over the
// right side's own columns.
func equalities(n *plan.Join) (left, right, rest []fqgw.Expr) {
	width := len(n.Left.Columns())
	for _, c := range expr.Conjuncts(n.Cond) {
		l, r, ok := equality(c)
		ls, rs := byte(0), byte(0)
		if ok {
			ls, rs = pushdown.Side(l, width), pushdown.Side(r, width)
		}
		if ls == 'r' && rs == 'l' {
			l, r, ls, rs = r, l, rs, ls
		}
		if ls == 'l' && rs == 'r' {
			left, right = append(left, l), append(right, plan.Shift(r, -width))
		} else {
			rest = append(rest, c)
		}
	}
	return left, right, rest
}

// equality splits l = r where keys decide it as the operator does.
func equality(x fqgw.Expr) (l, r fqgw.Expr, ok bool) {
	c, isCall := x.(*expr.Call)
	if !isCall || !c.Operator || c.Name != "=" || len(c.Args) != 2 {
		return nil, nil, false
	}
	l, r = c.Args[0], c.Args[1]
	return l, r, sameKey(l.Type(), r.Type())
}

// lateral runs the right side, a program of its own, for each row of the left,
// which is its innermost outer row.
func (b *builder) lateral(n *plan.Join) (sql.Node, layout, error) {
	op, ok := map[plan.JoinKind]gms.JoinType{plan.Inner: gms.JoinTypeLateralInner, plan.Cross: gms.JoinTypeLateralInner,
		plan.LeftOuter: gms.JoinTypeLateralLeft, plan.Semi: gms.JoinTypeSemi, plan.Anti: gms.JoinTypeAnti}[n.Kind]
	if !ok {
		return nil, nil, fqgw.Errorf(fqgw.CodeInvalidColumnRef, "invalid reference to FROM-clause entry").
			WithDetail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
	}
	left, ll, err := b.build(n.Left)
	if err != nil {
		return nil, nil, err
	}
	inner, err := b.programs.compile(n.Right)
	if err != nil {
		return nil, nil, err
	}
	rl := layout{len(n.Right.Columns())}
	both := append(ll[:len(ll):len(ll)], rl...)
	partial := n.Kind == plan.Semi || n.Kind == plan.Anti
	at := b.place()
	right := &node{title: "Lateral", inside: inner.tree, schema: rl.schema(n.Right.Columns()), layout: rl,
		open: func(_ *sql.Context, in *instance, _ *node, row sql.Row) (sql.RowIter, error) {
			s := place[lateralSide](in, at)
			if s.in == nil || s.in.busy {
				s.in = in.run.instance(inner)
			}
			env := in.env
			env.Outer = append(env.Outer[:len(env.Outer):len(env.Outer)], append([]fqgw.Value(nil), ll.flat(&s.buf, row)...))
			rows, err := s.in.start(&env)
			if err != nil {
				return nil, err
			}
			if partial {
				return newRowsIter(rows), nil
			}
			// go-mysql-server's lateral join expects the left row in front.
			it := &rowsIter{rows: rows}
			it.row = append(append(sql.Row(nil), row...), &it.part)
			return it, nil
		}}
	tree := gms.NewJoin(left, right, op, b.condition(n.Cond, both))
	if partial {
		return tree, ll, nil
	}
	return tree, both, nil
}

// lateralSide is the right side of a lateral join in an instance.
type lateralSide struct {
	in  *instance
	buf []fqgw.Value // for the left row
}
