package bind

import (
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// operatorName is the operator in x, which may be written OPERATOR(pg_catalog.~).
func (b *Binder) operatorName(names []*pg.Node, loc int32) (string, error) {
	parts := strs(names)
	if len(parts) > 1 && parts[0] != "pg_catalog" {
		return "", b.fail(loc, fqgw.CodeUndefinedFunction, "operator does not exist: %s", strings.Join(parts, "."))
	}
	return parts[len(parts)-1], nil
}

func (b *Binder) operator(x *pg.A_Expr, c *clause) (fqgw.Expr, error) {
	op, err := b.operatorName(x.Name, x.Location)
	if err != nil {
		return nil, err
	}
	var left fqgw.Expr
	if x.Lexpr != nil {
		if x.Kind == pg.A_Expr_Kind_AEXPR_OP {
			if e, done, err := b.rowOperator(op, x, c); done || err != nil {
				return e, err
			}
		}
		if left, err = b.bind(x.Lexpr, c); err != nil {
			return nil, err
		}
	}
	switch x.Kind {
	case pg.A_Expr_Kind_AEXPR_IN:
		return b.in(left, x, op == "<>", c)
	case pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN, pg.A_Expr_Kind_AEXPR_BETWEEN_SYM, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
		items := x.Rexpr.GetList().GetItems()
		ends, err := b.bindAll(items, c)
		if err != nil {
			return nil, err
		}
		symmetric := x.Kind == pg.A_Expr_Kind_AEXPR_BETWEEN_SYM || x.Kind == pg.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM
		not := x.Kind == pg.A_Expr_Kind_AEXPR_NOT_BETWEEN || x.Kind == pg.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM
		e, err := expr.Between(left, ends[0], ends[1], symmetric, not)
		return e, b.at(err, x.Location, append([]*pg.Node{x.Lexpr}, items...)...)
	}
	right, err := b.bind(x.Rexpr, c)
	if err != nil {
		return nil, err
	}
	var e fqgw.Expr
	switch x.Kind {
	case pg.A_Expr_Kind_AEXPR_OP_ANY, pg.A_Expr_Kind_AEXPR_OP_ALL:
		e, err = expr.AnyAll(op, left, right, x.Kind == pg.A_Expr_Kind_AEXPR_OP_ALL)
	case pg.A_Expr_Kind_AEXPR_DISTINCT, pg.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		e, err = expr.IsDistinct(left, right, x.Kind == pg.A_Expr_Kind_AEXPR_NOT_DISTINCT)
	case pg.A_Expr_Kind_AEXPR_NULLIF:
		e, err = expr.NullIf(left, right)
	default: // OP, LIKE, ILIKE, SIMILAR
		e, err = expr.Op(op, left, right)
	}
	return e, b.at(err, x.Location, x.Lexpr, x.Rexpr)
}

// rowOperator binds the comparisons whose sides are rows: (a, b) = (c, d) and
// (a, b) = (SELECT c, d …). done is false for any other operator.
func (b *Binder) rowOperator(op string, x *pg.A_Expr, c *clause) (e fqgw.Expr, done bool, err error) {
	l := x.Lexpr.GetRowExpr()
	if l == nil {
		return nil, false, nil
	}
	if sub := x.Rexpr.GetSubLink(); sub != nil && sub.SubLinkType == pg.SubLinkType_EXPR_SUBLINK {
		left, err := b.rowFields(l.Args, c)
		if err != nil {
			return nil, true, err
		}
		e, err := b.subquery(expr.RowSubquery, sub, op, left, c)
		return e, true, b.at(err, x.Location)
	}
	r := x.Rexpr.GetRowExpr()
	if r == nil {
		return nil, false, nil
	}
	left, err := b.rowFields(l.Args, c)
	if err != nil {
		return nil, true, err
	}
	right, err := b.rowFields(r.Args, c)
	if err != nil {
		return nil, true, err
	}
	e, err = expr.RowCompare(op, left, right)
	return e, true, b.at(err, x.Location, append(l.Args[:len(l.Args):len(l.Args)], r.Args...)...)
}

func (b *Binder) in(left fqgw.Expr, x *pg.A_Expr, not bool, c *clause) (fqgw.Expr, error) {
	nodes := x.Rexpr.GetList().GetItems()
	items, err := b.bindAll(nodes, c)
	if err != nil {
		return nil, err
	}
	e, err := expr.InList(left, items, not)
	return e, b.at(err, x.Location, append([]*pg.Node{x.Lexpr}, nodes...)...)
}

func (b *Binder) typeCast(x *pg.TypeCast, c *clause) (fqgw.Expr, error) {
	t, err := b.TypeName(x.TypeName)
	if err != nil {
		return nil, err
	}
	if a := x.Arg.GetAArrayExpr(); a != nil && t.IsArray() {
		return b.array(a, t, c)
	}
	e, err := b.bind(x.Arg, c)
	if err != nil {
		return nil, err
	}
	// The position of a cast that cannot be is its own, of a literal the literal's.
	e, err = expr.Cast(e, t, expr.Explicit)
	return e, b.at(err, x.Location, x.Arg)
}

// array binds ARRAY[…]; want is the array type of a cast around it, or zero.
func (b *Binder) array(x *pg.A_ArrayExpr, want fqgw.Type, c *clause) (fqgw.Expr, error) {
	items := make([]fqgw.Expr, 0, len(x.Elements))
	for _, n := range x.Elements {
		var e fqgw.Expr
		var err error
		if in := n.GetAArrayExpr(); in != nil {
			e, err = b.array(in, want, c)
		} else {
			e, err = b.bind(n, c)
		}
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	var e fqgw.Expr
	var err error
	if want.OID != 0 {
		e, err = expr.ArrayOf(items, want.Elem())
	} else {
		e, err = expr.Array(items)
	}
	return e, b.at(err, x.Location, x.Elements...)
}

// subLink binds a subquery in an expression.
func (b *Binder) subLink(x *pg.SubLink, c *clause) (fqgw.Expr, error) {
	op := "="
	if len(x.OperName) > 0 {
		var err error
		if op, err = b.operatorName(x.OperName, x.Location); err != nil {
			return nil, err
		}
	}
	var left []fqgw.Expr
	if x.Testexpr != nil {
		var err error
		if row := x.Testexpr.GetRowExpr(); row != nil {
			left, err = b.rowFields(row.Args, c)
		} else {
			left, err = b.bindAll([]*pg.Node{x.Testexpr}, c)
		}
		if err != nil {
			return nil, err
		}
	}
	kind := expr.ScalarSubquery
	switch x.SubLinkType {
	case pg.SubLinkType_EXISTS_SUBLINK:
		kind = expr.ExistsSubquery
	case pg.SubLinkType_ANY_SUBLINK:
		kind = expr.AnySubquery
	case pg.SubLinkType_ALL_SUBLINK:
		kind = expr.AllSubquery
	case pg.SubLinkType_ARRAY_SUBLINK:
		kind = expr.ArraySubquery
	case pg.SubLinkType_EXPR_SUBLINK:
	default:
		return nil, b.fail(x.Location, fqgw.CodeFeatureNotSupported, "this form of subquery is not supported")
	}
	e, err := b.subquery(kind, x, op, left, c)
	return e, b.at(err, x.Location)
}

func (b *Binder) subquery(kind expr.SubqueryKind, x *pg.SubLink, op string, left []fqgw.Expr, c *clause) (fqgw.Expr, error) {
	if b.Definition {
		return nil, b.fail(x.Location, fqgw.CodeFeatureNotSupported, "cannot use subquery in %s", c.name)
	}
	sel, err := b.selectOf(x.Subselect)
	if err != nil {
		return nil, err
	}
	q, err := b.query(sel, c.sc, c, false)
	if err != nil {
		return nil, err
	}
	cols := q.node.Columns()
	types := make([]fqgw.Type, len(cols))
	for i, col := range cols {
		types[i] = col.Type
	}
	node := q.node
	if kind == expr.ExistsSubquery {
		if p, ok := node.(*plan.Project); ok { // its columns do not matter
			node = p.Input
		}
	}
	s, err := expr.NewSubquery(kind, node, types, op, left)
	if err != nil {
		return nil, err
	}
	b.subplans++
	s.SQL = "SubPlan " + itoa(b.subplans)
	if kind == expr.ScalarSubquery || kind == expr.ArraySubquery {
		b.describe(s, q.fields[0])
	}
	return s, nil
}
