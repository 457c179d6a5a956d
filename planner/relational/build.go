package relational

import (
	"context"
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	gms "github.com/dolthub/go-mysql-server/sql/plan"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// builder makes go-mysql-server's tree of a plan.
type builder struct {
	programs *Programs
	p        *program
	bounds   map[*plan.Sort]*bound
}

// place takes the next place in the program's instances.
func (b *builder) place() int {
	b.p.places++
	return b.p.places - 1
}

func contextOf(env *fqgw.Env) context.Context {
	if env.Ctx == nil {
		return context.Background()
	}
	return env.Ctx
}

// runFunc runs one of our nodes over its inputs, which it closes.
type runFunc func(in *instance, inputs []fqgw.Rows) (fqgw.Rows, error)

// ours wraps a node that we run over inputs read as streams.
func (b *builder) ours(n plan.Node, run runFunc, inputs ...plan.Node) (sql.Node, layout, error) {
	cols := n.Columns()
	l := layout{len(cols)}
	out := &node{title: Title(n), schema: l.schema(cols), layout: l}
	var layouts []layout
	for _, input := range inputs {
		c, cl, err := b.build(input)
		if err != nil {
			return nil, nil, err
		}
		out.children = append(out.children, c)
		layouts = append(layouts, cl)
	}
	out.open = func(ctx *sql.Context, in *instance, n *node, _ sql.Row) (sql.RowIter, error) {
		inputs := make([]fqgw.Rows, len(n.children))
		closeAll := func() {
			for _, r := range inputs {
				if r != nil {
					r.Close()
				}
			}
		}
		for i := range n.children {
			r, err := n.input(ctx, i, layouts[i])
			if err != nil {
				closeAll()
				return nil, err
			}
			inputs[i] = r
		}
		rows, err := run(in, inputs)
		if err != nil {
			closeAll()
			return nil, err
		}
		return newRowsIter(rows), nil
	}
	return out, l, nil
}

func (b *builder) build(n plan.Node) (sql.Node, layout, error) {
	switch n := n.(type) {
	case *plan.Filter:
		return b.filter(n)
	case *plan.Project:
		in, l, err := b.build(n.Input)
		if err != nil {
			return nil, nil, err
		}
		return b.project(n.Exprs, in, l)
	case *plan.Join:
		return b.join(n)
	case *plan.Limit:
		return b.limit(n)
	case *plan.SetOp:
		return b.setOp(n)
	case *plan.Sort:
		keys, bound := b.finalKeys(n.Keys), b.bounds[n]
		return b.ours(n, func(in *instance, of []fqgw.Rows) (fqgw.Rows, error) { return in.sort(of[0], keys, bound) }, n.Input)
	case *plan.Distinct:
		types, on := plan.Types(n.Columns()), b.finals(n.On)
		return b.ours(n, func(in *instance, of []fqgw.Rows) (fqgw.Rows, error) { return in.distinct(of[0], on, types), nil }, n.Input)
	case *plan.Aggregate:
		g := b.grouping(n)
		return b.ours(n, func(in *instance, of []fqgw.Rows) (fqgw.Rows, error) { return in.aggregate(of[0], g) }, n.Input)
	case *plan.Window:
		calls := b.windowCalls(n)
		return b.ours(n, func(in *instance, of []fqgw.Rows) (fqgw.Rows, error) { return in.window(of[0], calls) }, n.Input)
	case *plan.ProjectSet:
		s := b.setProjection(n)
		return b.ours(n, func(in *instance, of []fqgw.Rows) (fqgw.Rows, error) { return s.rows(in, of[0]), nil }, n.Input)
	case *plan.CTEScan:
		return b.ours(n, func(in *instance, _ []fqgw.Rows) (fqgw.Rows, error) { return in.cte(n.CTE), nil })
	case *plan.WorkTable:
		return b.ours(n, func(in *instance, _ []fqgw.Rows) (fqgw.Rows, error) { return in.workTable(n.CTE) })
	}
	return b.leaf(n)
}

// leaf asks the Runner for rows, and keeps them when the program is run again
// with other outer rows and they cannot have changed.
func (b *builder) leaf(n plan.Node) (sql.Node, layout, error) {
	lasting := !b.p.steady && steady(n)
	at := b.place()
	return b.ours(n, func(in *instance, _ []fqgw.Rows) (fqgw.Rows, error) {
		if !lasting {
			return in.run.runner.Leaf(&in.env, n)
		}
		keeps := place[keptRows](in, at)
		if keeps.full {
			return keeps.rows.stream(nil), nil
		}
		rows, err := in.run.runner.Leaf(&in.env, n)
		if err != nil || in.generation == 1 {
			return rows, err
		}
		if keeps.rows, err = in.run.collect(in.env.Ctx, &in.run.lasting, rows); err != nil {
			return nil, err
		}
		keeps.full = true
		return keeps.rows.stream(nil), nil
	})
}

// keptRows is the rows of a leaf that last; full when they are there.
type keptRows struct {
	rows rowList
	full bool
}

func (b *builder) project(xs []fqgw.Expr, in sql.Node, l layout) (sql.Node, layout, error) {
	names := ""
	for i, x := range xs {
		if i > 0 {
			names += ", "
		}
		names += x.String()
	}
	p := &projection{leaf: leaf{names}, place: b.place(), xs: b.finals(xs), layout: l}
	return gms.NewProject([]sql.Expression{p}, in), layout{len(xs)}, nil
}

// single is a tree whose rows have one element.
func (b *builder) single(n plan.Node) (sql.Node, error) {
	tree, l, err := b.build(n)
	if err != nil || len(l) == 1 {
		return tree, err
	}
	one := layout{l.width()}
	return &node{title: "Row", schema: one.schema(n.Columns()), layout: one, children: []sql.Node{tree},
		open: func(ctx *sql.Context, _ *instance, n *node, _ sql.Row) (sql.RowIter, error) {
			rows, err := n.input(ctx, 0, l)
			if err != nil {
				return nil, err
			}
			return newRowsIter(rows), nil
		}}, nil
}

func (b *builder) condition(x fqgw.Expr, l layout) *condition {
	t := "true"
	if x != nil {
		t = x.String()
	}
	return &condition{leaf: leaf{t}, place: b.place(), x: b.final(x), layout: l}
}

func (b *builder) limit(n *plan.Limit) (sql.Node, layout, error) {
	limit, offset := b.limits(n)
	if s := sortBelow(n.Input); s != nil && n.Count != nil {
		if b.bounds == nil {
			b.bounds = map[*plan.Sort]*bound{}
		}
		b.bounds[s] = &bound{limit, offset, n.Ties != nil}
		defer delete(b.bounds, s)
	}
	if n.Ties != nil {
		keys := b.finalKeys(n.Ties)
		return b.ours(n, func(in *instance, of []fqgw.Rows) (fqgw.Rows, error) { return in.withTies(of[0], limit, offset, keys) }, n.Input)
	}
	tree, l, err := b.build(n.Input)
	if err != nil {
		return nil, nil, err
	}
	if n.Offset != nil {
		tree = gms.NewOffset(offset, tree)
	}
	if n.Count != nil {
		tree = gms.NewLimit(limit, tree)
	}
	return tree, l, nil
}

// sortBelow is the sort whose first rows are those of n, if it is one.
func sortBelow(n plan.Node) *plan.Sort {
	switch n := n.(type) {
	case *plan.Sort:
		return n
	case *plan.Project:
		return sortBelow(n.Input)
	}
	return nil
}

// withTies is FETCH FIRST n ROWS WITH TIES: also the rows equal to the last by keys.
func (in *instance) withTies(rows fqgw.Rows, limit, offset *count, by []plan.SortKey) (fqgw.Rows, error) {
	n, err := limit.value(in)
	if err != nil {
		return nil, err
	}
	skip, err := offset.value(in)
	if err != nil {
		return nil, err
	}
	var last []fqgw.Value
	return &funcRows{close: rows.Close, next: func() ([]fqgw.Value, error) {
		for ; skip > 0; skip-- {
			if _, err := rows.Next(); err != nil {
				return nil, err
			}
		}
		if n == 0 && last == nil {
			return nil, io.EOF
		}
		row, err := rows.Next()
		if err != nil {
			return nil, err
		}
		keys, err := in.keys(by, row)
		if err != nil {
			return nil, err
		}
		if n == 0 && compareKeys(by, last, keys) != 0 {
			return nil, io.EOF
		}
		if n > 0 {
			n--
			last = keys
		}
		return row, nil
	}}, nil
}
