package relational

import (
	"math"

	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// leaf has the methods that every wrapper of bound expressions shares: to
// go-mysql-server it is an expression that it cannot look into.
type leaf struct{ text string }

func (l *leaf) Resolved() bool             { return true }
func (l *leaf) String() string             { return l.text }
func (l *leaf) Type() sql.Type             { return rowType{} }
func (l *leaf) IsNullable() bool           { return true }
func (l *leaf) Children() []sql.Expression { return nil }

// condition is a boolean expression by which go-mysql-server decides: true or
// false, NULL being false, since its anti join takes NULL for NOT IN's.
type condition struct {
	leaf
	place  int
	x      fqgw.Expr // nil: true
	layout layout
}

func (c *condition) WithChildren(...sql.Expression) (sql.Expression, error) { return c, nil }

// Eval also looks whether the statement was cancelled: the joins of
// go-mysql-server do not.
func (c *condition) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	in := instanceOf(ctx)
	if err := in.tick(); err != nil {
		return nil, err
	}
	if c.x == nil {
		return true, nil
	}
	return expr.Holds(&in.env, c.x, c.layout.flat(place[[]fqgw.Value](in, c.place), row))
}

// projection makes the one element of a new row.
type projection struct {
	leaf
	place  int
	xs     []fqgw.Expr
	layout layout
}

// projected is what a projection uses again for its next row.
type projected struct {
	buf []fqgw.Value
	out tuple
}

func (e *projection) WithChildren(...sql.Expression) (sql.Expression, error) { return e, nil }

func (e *projection) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	in := instanceOf(ctx)
	p := place[projected](in, e.place)
	from := e.layout.flat(&p.buf, row)
	if p.out.vals == nil {
		p.out.vals = make([]fqgw.Value, len(e.xs))
	}
	for i, x := range e.xs {
		v, err := x.Eval(&in.env, from)
		if err != nil {
			return nil, err
		}
		p.out.vals[i] = v
	}
	return &p.out, nil
}

// count is the number of LIMIT or OFFSET; NULL is none.
type count struct {
	leaf
	x    fqgw.Expr
	name string
	none int64
}

func (c *count) WithChildren(...sql.Expression) (sql.Expression, error) { return c, nil }

func (c *count) Eval(ctx *sql.Context, _ sql.Row) (any, error) { return c.value(instanceOf(ctx)) }

func (c *count) value(in *instance) (int64, error) {
	if c.x == nil {
		return c.none, nil
	}
	v, err := c.x.Eval(&in.env, nil)
	switch {
	case err != nil:
		return 0, err
	case v.IsNull():
		return c.none, nil
	case v.Int() >= 0:
		return v.Int(), nil
	case c.name == "LIMIT":
		return 0, fqgw.Errorf("2201W", "LIMIT must not be negative")
	}
	return 0, fqgw.Errorf("2201X", "OFFSET must not be negative")
}

func (b *builder) limits(n *plan.Limit) (limit, offset *count) {
	return &count{leaf{text(n.Count)}, b.final(n.Count), "LIMIT", math.MaxInt64},
		&count{leaf{text(n.Offset)}, b.final(n.Offset), "OFFSET", 0}
}

func text(x fqgw.Expr) string {
	if x == nil {
		return "none"
	}
	return x.String()
}
