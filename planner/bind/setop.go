package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// setOp binds UNION, INTERSECT and EXCEPT.
func (b *Binder) setOp(s *pg.SelectStmt, parent *Scope) (*query, error) {
	left, err := b.query(s.Larg, parent, parent.enclosing(), true)
	if err != nil {
		return nil, err
	}
	right, err := b.query(s.Rarg, parent, parent.enclosing(), true)
	if err != nil {
		return nil, err
	}
	op := &plan.SetOp{Kind: plan.Union, All: s.All}
	what := "UNION"
	switch s.Op {
	case pg.SetOperation_SETOP_INTERSECT:
		op.Kind, what = plan.Intersect, "INTERSECT"
	case pg.SetOperation_SETOP_EXCEPT:
		op.Kind, what = plan.Except, "EXCEPT"
	}
	types, err := b.commonColumns(left.node, right.node, what, s.Rarg)
	if err != nil {
		return nil, err
	}
	if op.Left, err = castColumns(left.node, types, nil); err != nil {
		return nil, b.at(err, targetLocation(s.Larg, -1))
	}
	if op.Right, err = castColumns(right.node, types, nil); err != nil {
		return nil, b.at(err, targetLocation(s.Rarg, -1))
	}
	for i, c := range left.node.Columns() {
		op.Cols = append(op.Cols, plan.Column{Name: c.Name, Type: types[i]})
	}
	q, err := b.tail(op, s, parent)
	if err == nil {
		q.fields = left.fields
	}
	return q, err
}

// commonColumns are the types that the columns of two queries get together.
func (b *Binder) commonColumns(left, right plan.Node, what string, at *pg.SelectStmt) ([]fqgw.Type, error) {
	l, r := outputs(left), outputs(right)
	if len(l) != len(r) {
		return nil, b.fail(targetLocation(at, min(len(l), len(r))), fqgw.CodeSyntax, "each %s query must have the same number of columns", what)
	}
	types := make([]fqgw.Type, len(l))
	for i := range l {
		_, t, err := expr.Common([]fqgw.Expr{l[i], r[i]}, what)
		if err != nil {
			return nil, b.at(err, targetLocation(at, i))
		}
		types[i] = t
	}
	return types, nil
}

// targetLocation is where output i of a query was written, or its first output.
func targetLocation(s *pg.SelectStmt, i int) int32 {
	for s.Larg != nil {
		s = s.Larg
	}
	list := s.TargetList
	if len(s.ValuesLists) > 0 {
		list = s.ValuesLists[0].GetList().GetItems()
	}
	if len(list) == 0 {
		return -1
	}
	if i < 0 || i >= len(list) {
		i = 0
	}
	return location(list[i])
}

// outputs are the columns of a node as expressions: those of a projection
// itself, where untyped literals can be seen.
func outputs(n plan.Node) []fqgw.Expr {
	if p, ok := n.(*plan.Project); ok {
		return p.Exprs
	}
	return columnsOf(n)
}

func columnsOf(n plan.Node) []fqgw.Expr {
	cols := n.Columns()
	out := make([]fqgw.Expr, len(cols))
	for i, c := range cols {
		out[i] = &expr.Column{Index: i, Typ: c.Type, Name: c.Name}
	}
	return out
}

// castColumns gives the columns of a node these types: in the node itself where
// it is a projection or VALUES, else by a projection above. cast nil is an
// implicit cast.
func castColumns(n plan.Node, types []fqgw.Type, cast func(i int, e fqgw.Expr) (fqgw.Expr, error)) (plan.Node, error) {
	if cast == nil {
		cast = func(i int, e fqgw.Expr) (fqgw.Expr, error) { return expr.Cast(e, types[i], expr.Implicit) }
	}
	list := func(in []fqgw.Expr) ([]fqgw.Expr, error) {
		out := make([]fqgw.Expr, len(in))
		for i, e := range in {
			if i >= len(types) {
				out[i] = e
				continue
			}
			c, err := cast(i, e)
			if err != nil {
				return nil, err
			}
			out[i] = c
		}
		return out, nil
	}
	cols := append([]plan.Column(nil), n.Columns()...)
	same := true
	for i := range cols {
		if i < len(types) && cols[i].Type != types[i] {
			same = false
			cols[i] = plan.Column{Name: cols[i].Name, Type: types[i]}
		}
	}
	if same {
		return n, nil
	}
	var err error
	switch n := n.(type) {
	case *plan.Project:
		p := &plan.Project{Input: n.Input, Cols: cols}
		p.Exprs, err = list(n.Exprs)
		return p, err
	case *plan.Values:
		v := &plan.Values{Cols: cols, Rows: make([][]fqgw.Expr, len(n.Rows))}
		for i := range n.Rows {
			if v.Rows[i], err = list(n.Rows[i]); err != nil {
				return nil, err
			}
		}
		return v, nil
	}
	p := &plan.Project{Input: n, Cols: cols}
	p.Exprs, err = list(columnsOf(n))
	return p, err
}

// tail puts ORDER BY and LIMIT above a set operation or VALUES, whose items can
// only be output columns.
func (b *Binder) tail(n plan.Node, s *pg.SelectStmt, parent *Scope) (*query, error) {
	cols := n.Columns()
	rel := &relation{}
	for i, c := range cols {
		rel.cols = append(rel.cols, relColumn{name: c.Name, index: i, typ: c.Type})
	}
	sc := parent.inner(rel)
	var keys []plan.SortKey
	for _, item := range s.SortClause {
		by := item.GetSortBy()
		e, err := b.tailKey(by.Node, sc, len(s.ValuesLists) > 0)
		if err != nil {
			return nil, err
		}
		if err := b.orderable(e, location(by.Node)); err != nil {
			return nil, err
		}
		k := plan.SortKey{Expr: e}
		if k.Desc, k.NullsFirst, err = b.direction(by); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	limit, err := b.limit(s, sc)
	if err != nil {
		return nil, err
	}
	if keys != nil {
		n = &plan.Sort{Input: n, Keys: keys}
	}
	if limit != nil {
		if limit.Ties != nil {
			limit.Ties = keys
		}
		limit.Input = n
		n = limit
	}
	return &query{node: n}, nil
}

func (b *Binder) tailKey(n *pg.Node, sc *Scope, values bool) (fqgw.Expr, error) {
	cols := sc.rels[0].cols
	if k := n.GetAConst(); k != nil {
		i := k.GetIval()
		if i == nil {
			return nil, b.fail(k.Location, fqgw.CodeSyntax, "non-integer constant in ORDER BY")
		}
		if i.Ival < 1 || int(i.Ival) > len(cols) {
			return nil, b.fail(k.Location, fqgw.CodeInvalidColumnRef, "ORDER BY position %d is not in select list", i.Ival)
		}
		c := cols[i.Ival-1]
		return &expr.Column{Index: c.index, Typ: c.typ, Name: c.name}, nil
	}
	e, err := b.bind(n, &clause{sc: sc, name: "ORDER BY"})
	if err != nil {
		return nil, err
	}
	if _, ok := e.(*expr.Column); !ok && !values {
		return nil, b.fail(location(n), fqgw.CodeFeatureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause").
			WithDetail("Only result column names can be used, not expressions or functions.").
			WithHint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
	}
	return e, nil
}
