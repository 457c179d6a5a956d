package relational

import (
	"fmt"
	"io"

	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// node is a node that we run ourselves, as go-mysql-server sees it. Its
// children are trees of either kind.
type node struct {
	title    string
	schema   sql.Schema
	layout   layout
	children []sql.Node
	inside   sql.Node // the tree of the program that a lateral join runs
	// open starts the node. For the right side of a join row is the left side's
	// current row; it is nil elsewhere.
	open func(ctx *sql.Context, in *instance, n *node, row sql.Row) (sql.RowIter, error)
}

func (n *node) Resolved() bool       { return true }
func (n *node) IsReadOnly() bool     { return true }
func (n *node) Schema() sql.Schema   { return n.schema }
func (n *node) Children() []sql.Node { return n.children }
func (n *node) String() string {
	p := sql.NewTreePrinter()
	_ = p.WriteNode("%s", n.title)
	var below []string
	for _, c := range n.children {
		below = append(below, c.String())
	}
	if n.inside != nil {
		below = append(below, n.inside.String())
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

// input starts child i, whose rows have the layout.
func (n *node) input(ctx *sql.Context, i int, l layout) (fqgw.Rows, error) {
	iter, err := executor.Build(ctx, n.children[i], nil)
	if err != nil {
		return nil, err
	}
	return &iterRows{ctx: ctx, iter: iter, layout: l}, nil
}

// Title names a node for EXPLAIN.
func Title(n plan.Node) string {
	switch n := n.(type) {
	case *plan.Join:
		kind := [...]string{"Inner", "Left", "Right", "Full", "Cross", "Semi", "Anti"}[n.Kind]
		if n.Lateral {
			return kind + " Lateral Join"
		}
		if l, _, _ := equalities(n); len(l) > 0 {
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
	part tuple
	row  sql.Row
}

func newRowsIter(rows fqgw.Rows) *rowsIter {
	r := &rowsIter{rows: rows}
	r.row = sql.Row{&r.part}
	return r
}

func (r *rowsIter) Next(*sql.Context) (sql.Row, error) {
	vals, err := r.rows.Next()
	if err != nil {
		return nil, err
	}
	r.part.vals = vals
	return r.row, nil
}

func (r *rowsIter) Close(*sql.Context) error { return r.rows.Close() }

// iterRows is go-mysql-server's rows as ours.
type iterRows struct {
	ctx    *sql.Context
	iter   sql.RowIter
	layout layout
	buf    []fqgw.Value
	count  int
	closed bool
	done   func() // when closed
}

func (r *iterRows) Next() ([]fqgw.Value, error) {
	if r.closed {
		return nil, io.EOF
	}
	if r.count++; r.count&often == 0 && r.ctx.Err() != nil {
		return nil, r.ctx.Err()
	}
	row, err := r.iter.Next(r.ctx)
	if err != nil {
		return nil, err
	}
	return r.layout.flat(&r.buf, row), nil
}

func (r *iterRows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	err := r.iter.Close(r.ctx)
	if r.done != nil {
		r.done()
	}
	return err
}

// often is how many rows go by, less one, before it is asked whether the
// statement was cancelled: the expressions over one may take milliseconds.
const often = 15

// Cancellable are rows that end with the statement's context.
func Cancellable(env *fqgw.Env, rows fqgw.Rows) fqgw.Rows {
	n, ctx := 0, contextOf(env)
	return &funcRows{close: rows.Close, next: func() ([]fqgw.Value, error) {
		if n++; n&often == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return rows.Next()
	}}
}

// Slice is a stream of rows that are in memory.
func Slice(rows [][]fqgw.Value) fqgw.Rows { return &sliceRows{rows} }

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
