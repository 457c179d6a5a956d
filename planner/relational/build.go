package relational

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	gms "github.com/dolthub/go-mysql-server/sql/plan"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// builder makes go-mysql-server's tree of a plan, for one run.
type builder struct {
	run *run
	env *fqgw.Env
}

func (b *builder) scalar(x fqgw.Expr) *scalar       { return &scalar{x: x, env: b.env} }
func (b *builder) condition(x fqgw.Expr) *condition { return &condition{scalar{x: x, env: b.env}} }

// ours wraps a node that we run.
func (b *builder) ours(n plan.Node, run func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error), inputs ...plan.Node) (sql.Node, error) {
	out := &node{plan: n, schema: schemaOf(n.Columns()), run: run}
	for _, in := range inputs {
		c, err := b.build(in)
		if err != nil {
			return nil, err
		}
		out.children = append(out.children, c)
	}
	return out, nil
}

func (b *builder) build(n plan.Node) (sql.Node, error) {
	switch n := n.(type) {
	case *plan.Filter:
		in, err := b.build(n.Input)
		if err != nil {
			return nil, err
		}
		return gms.NewFilter(b.condition(n.Cond), in), nil
	case *plan.Project:
		in, err := b.build(n.Input)
		if err != nil {
			return nil, err
		}
		xs := make([]sql.Expression, len(n.Exprs))
		for i, x := range n.Exprs {
			xs[i] = b.scalar(x)
		}
		return gms.NewProject(xs, in), nil
	case *plan.Join:
		return b.join(n)
	case *plan.Sort:
		return b.ours(n, func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) { return b.sort(in[0], n.Keys) }, n.Input)
	case *plan.Limit:
		return b.ours(n, func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) { return b.limit(in[0], n) }, n.Input)
	case *plan.Distinct:
		return b.ours(n, func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) { return b.distinct(in[0], n.On), nil }, n.Input)
	case *plan.Aggregate:
		return b.ours(n, func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) { return b.aggregate(in[0], n) }, n.Input)
	case *plan.Window:
		return b.ours(n, func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) { return b.window(in[0], n) }, n.Input)
	case *plan.ProjectSet:
		return b.ours(n, func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) { return b.projectSet(in[0], n), nil }, n.Input)
	case *plan.SetOp:
		return b.setOp(n)
	case *plan.CTEScan:
		return b.ours(n, func(ctx *sql.Context, _ []fqgw.Rows) (fqgw.Rows, error) { return b.cte(n.CTE) })
	case *plan.WorkTable:
		return b.ours(n, func(ctx *sql.Context, _ []fqgw.Rows) (fqgw.Rows, error) {
			return &sliceRows{b.run.ctes[n.CTE].work}, nil
		})
	}
	return b.ours(n, func(*sql.Context, []fqgw.Rows) (fqgw.Rows, error) { return b.run.runner.Leaf(b.env, n) })
}

func (b *builder) limit(in fqgw.Rows, n *plan.Limit) (fqgw.Rows, error) {
	count, offset := int64(-1), int64(0)
	for _, l := range []struct {
		x    fqgw.Expr
		to   *int64
		name string
		code fqgw.Code
	}{{n.Count, &count, "LIMIT", "2201W"}, {n.Offset, &offset, "OFFSET", "2201X"}} {
		if l.x == nil {
			continue
		}
		v, err := l.x.Eval(b.env, nil)
		if err != nil {
			return nil, err
		}
		if v.IsNull() {
			continue
		}
		if *l.to = v.Int(); *l.to < 0 {
			return nil, fqgw.Errorf(l.code, "%s must not be negative", l.name)
		}
	}
	var last []fqgw.Value
	return &funcRows{close: in.Close, next: func() ([]fqgw.Value, error) {
		for ; offset > 0; offset-- {
			if _, err := in.Next(); err != nil {
				return nil, err
			}
		}
		if count == 0 && (n.Ties == nil || last == nil) {
			return nil, io.EOF
		}
		row, err := in.Next()
		if err != nil {
			return nil, err
		}
		if count > 0 {
			count--
		}
		if n.Ties == nil {
			return row, nil
		}
		keys, err := b.keys(n.Ties, row)
		if err != nil {
			return nil, err
		}
		if count == 0 && last != nil && compareKeys(n.Ties, last, keys) != 0 {
			return nil, io.EOF
		}
		last = keys
		return row, nil
	}}, nil
}
