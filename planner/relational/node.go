package relational

import (
	"fmt"
	"io"

	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// node is a plan node that we run ourselves, as go-mysql-server sees it. Its
// children are trees of either kind.
type node struct {
	plan     plan.Node
	schema   sql.Schema
	children []sql.Node
	run      func(ctx *sql.Context, inputs []fqgw.Rows) (fqgw.Rows, error)
	lazy     bool // run opens its inputs itself
}

func (n *node) Resolved() bool       { return true }
func (n *node) IsReadOnly() bool     { return true }
func (n *node) Schema() sql.Schema   { return n.schema }
func (n *node) Children() []sql.Node { return n.children }
func (n *node) String() string {
	p := sql.NewTreePrinter()
	_ = p.WriteNode("%s", Title(n.plan))
	var below []string
	for _, c := range n.children {
		below = append(below, c.String())
	}
	_ = p.WriteChildren(below...)
	return p.String()
}

func (n *node) WithChildren(children ...sql.Node) (sql.Node, error) {
	if len(children) != len(n.children) {
		return nil, sql.ErrInvalidChildrenNumber.New(n, len(children), len(n.children))
	}
	m := *n
	m.children = children
	return &m, nil
}

// CollationCoercibility implements sql.CollationCoercible.
func (n *node) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 7
}

func schemaOf(cols []plan.Column) sql.Schema {
	out := make(sql.Schema, len(cols))
	for i, c := range cols {
		out[i] = &sql.Column{Name: c.Name, Type: pgType{c.Type}, Nullable: true}
	}
	return out
}

// Title names a node for EXPLAIN.
func Title(n plan.Node) string {
	switch n := n.(type) {
	case *plan.Join:
		kind := [...]string{"Inner", "Left", "Right", "Full", "Cross", "Semi", "Anti"}[n.Kind]
		if n.Lateral {
			return kind + " Lateral Join"
		}
		if l, _ := equalities(n); len(l) > 0 {
			return kind + " Hash Join"
		}
		return kind + " Nested Loop Join"
	case *plan.Aggregate:
		if len(n.Groups) == 0 {
			return "Aggregate"
		}
		return "Hash Aggregate"
	case *plan.SetOp:
		return [...]string{"Union", "Intersect", "Except"}[n.Kind]
	case *plan.CTEScan:
		return "CTE Scan on " + n.CTE.Name
	case *plan.WorkTable:
		return "WorkTable Scan on " + n.CTE.Name
	}
	name := fmt.Sprintf("%T", n)
	return name[len("*plan."):]
}

// rowsIter is our rows as go-mysql-server's.
type rowsIter struct {
	rows fqgw.Rows
}

func (r *rowsIter) Next(*sql.Context) (sql.Row, error) {
	row, err := r.rows.Next()
	if err != nil {
		return nil, err
	}
	return boxed(row), nil
}

func (r *rowsIter) Close(*sql.Context) error { return r.rows.Close() }

// iterRows is go-mysql-server's rows as ours.
type iterRows struct {
	ctx    *sql.Context
	iter   sql.RowIter
	row    []fqgw.Value
	count  int
	closed bool
}

func (r *iterRows) Next() ([]fqgw.Value, error) {
	if r.closed {
		return nil, io.EOF
	}
	if r.count++; r.count&255 == 0 && r.ctx.Err() != nil {
		return nil, r.ctx.Err()
	}
	row, err := r.iter.Next(r.ctx)
	if err != nil {
		return nil, err
	}
	r.row = values(r.row, row)
	return r.row, nil
}

func (r *iterRows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	return r.iter.Close(r.ctx)
}

// sliceRows is rows in memory.
type sliceRows struct {
	rows [][]fqgw.Value
}

func (s *sliceRows) Next() ([]fqgw.Value, error) {
	if len(s.rows) == 0 {
		return nil, io.EOF
	}
	r := s.rows[0]
	s.rows = s.rows[1:]
	return r, nil
}

func (s *sliceRows) Close() error { s.rows = nil; return nil }

// funcRows is rows from a function.
type funcRows struct {
	next  func() ([]fqgw.Value, error)
	close func() error
}

func (f *funcRows) Next() ([]fqgw.Value, error) { return f.next() }
func (f *funcRows) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}
