package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// rows binds the lists of VALUES.
func (b *Binder) rows(s *pg.SelectStmt, parent *Scope, into bool) ([][]fqgw.Expr, error) {
	sc := parent.inner()
	c := &clause{sc: sc, name: "VALUES", into: into}
	var out [][]fqgw.Expr
	for _, l := range s.ValuesLists {
		items := l.GetList().GetItems()
		row, err := b.rowFields(items, c)
		if err != nil {
			return nil, err
		}
		if len(out) > 0 && len(row) != len(out[0]) {
			return nil, b.fail(location(items[0]), fqgw.CodeSyntax, "VALUES lists must all be the same length")
		}
		out = append(out, row)
	}
	return out, nil
}

// values binds VALUES as a query; with open, columns of untyped literals alone stay untyped.
func (b *Binder) values(s *pg.SelectStmt, parent *Scope, open bool) (*query, error) {
	rows, err := b.rows(s, parent, false)
	if err != nil {
		return nil, err
	}
	v := &plan.Values{Rows: rows}
	open = open && len(s.SortClause) == 0 && s.LimitCount == nil && s.LimitOffset == nil
	for i := range rows[0] {
		col := make([]fqgw.Expr, len(rows))
		unknown := true
		for j := range rows {
			col[j] = rows[j][i]
			unknown = unknown && col[j].Type() == fqgw.Unknown
		}
		t := fqgw.Unknown
		if !unknown || !open {
			if col, t, err = expr.Common(col, "VALUES"); err != nil {
				return nil, b.at(err, b.oddOne(s, i), b.literals(s, i)...)
			}
			for j := range rows {
				rows[j][i] = col[j]
			}
		}
		v.Cols = append(v.Cols, plan.Column{Name: "column" + itoa(i+1), Type: t})
	}
	q, err := b.tail(v, s, parent)
	if err == nil {
		q.fields = b.fieldsOfAll(rows[0])
	}
	return q, err
}

// literals are the nodes of column i of VALUES.
func (b *Binder) literals(s *pg.SelectStmt, i int) []*pg.Node {
	var out []*pg.Node
	for _, l := range s.ValuesLists {
		if items := l.GetList().GetItems(); i < len(items) {
			out = append(out, items[i])
		}
	}
	return out
}

// oddOne is where column i of VALUES stands in its second row, the first that
// can differ.
func (b *Binder) oddOne(s *pg.SelectStmt, i int) int32 {
	nodes := b.literals(s, i)
	if len(nodes) > 1 {
		return location(nodes[1])
	}
	return location(nodes[0])
}

func (b *Binder) queryInto(s *pg.SelectStmt, root *Scope, cols []fqgw.Column, short bool) (plan.Node, error) {
	types := make([]fqgw.Type, len(cols))
	for i, c := range cols {
		types[i] = c.Type
	}
	count := func(n int, loc int32) error {
		switch {
		case n > len(cols):
			return b.fail(loc, fqgw.CodeSyntax, "INSERT has more expressions than target columns")
		case n < len(cols) && !short:
			return b.fail(loc, fqgw.CodeSyntax, "INSERT has more target columns than expressions")
		}
		return nil
	}
	assign := func(i int, e fqgw.Expr) (fqgw.Expr, error) {
		to, err := expr.Cast(e, types[i], expr.Assignment)
		if err != nil && fqgw.AsError(err).Code == "42846" {
			err = fqgw.Errorf(fqgw.CodeDatatypeMismatch, "column %q is of type %s but expression is of type %s", cols[i].Name, types[i].Base(), e.Type().Base()).
				WithHint("You will need to rewrite or cast the expression.")
		}
		return to, err
	}
	if len(s.ValuesLists) == 0 || len(s.SortClause) > 0 || s.LimitCount != nil || s.LimitOffset != nil || s.WithClause != nil {
		q, err := b.query(s, root, nil, true)
		if err != nil {
			return nil, err
		}
		n := len(q.node.Columns())
		if err := count(n, targetLocation(s, min(n-1, len(cols)))); err != nil {
			return nil, err
		}
		node, err := castColumns(q.node, types[:n], assign)
		return node, b.at(err, targetLocation(s, -1))
	}
	rows, err := b.rows(s, root, true)
	if err != nil {
		return nil, err
	}
	v := &plan.Values{Rows: rows}
	first := s.ValuesLists[0].GetList().GetItems()
	if err := count(len(rows[0]), location(first[min(len(cols), len(first)-1)])); err != nil {
		return nil, err
	}
	for j, row := range rows {
		items := s.ValuesLists[j].GetList().GetItems()
		for i := range row {
			if row[i], err = assign(i, row[i]); err != nil {
				return nil, b.at(err, location(items[min(i, len(items)-1)]))
			}
		}
	}
	for i := range rows[0] {
		v.Cols = append(v.Cols, plan.Column{Name: cols[i].Name, Type: types[i]})
	}
	return v, nil
}
