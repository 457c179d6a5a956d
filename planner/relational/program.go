package relational

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// program is a compiled plan. It runs once at a time; each run has its own outer
// rows.
type program struct {
	run        *run
	env        fqgw.Env // of the current run: the expressions in the tree refer to it
	ctx        *sql.Context
	tree       sql.Node
	layout     layout
	generation int      // counts the runs
	account    account  // what the current run keeps
	atEnd      []func() // closes what may still be open when it ends
	busy       bool
	ticks      int // counts what is done between two looks at the context

	// A plan that sees no outer row gives the same rows each time: from its second
	// run on they are kept, unless they are too many.
	steady  bool
	kept    [][]fqgw.Value
	full    bool
	tooMany bool
}

// keptMax is the number of rows of a subquery that are kept for its next run.
const keptMax = 100_000

// compile makes the program of a plan.
func (r *run) compile(n plan.Node) (*program, error) {
	p := &program{run: r, steady: steady(n)}
	b := &builder{run: r, p: p}
	var err error
	if p.tree, p.layout, err = b.build(shape(n)); err != nil {
		return nil, err
	}
	ctx := sql.NewContext(contextOf(&p.env), sql.WithSession(session))
	p.tree, err = rules.Analyze(ctx, p.tree, nil, &sql.QueryFlags{})
	return p, err
}

// start runs a program; it is busy until its rows are closed.
func (p *program) start(env *fqgw.Env) (fqgw.Rows, error) {
	if p.full {
		return &sliceRows{p.kept}, nil
	}
	p.env = *env
	p.env.Run = p.run.sub
	if p.ctx == nil || p.ctx.Context != env.Ctx {
		p.ctx = sql.NewContext(env.Ctx, sql.WithSession(session))
	}
	p.generation++
	iter, err := executor.Build(p.ctx, p.tree, nil)
	if err != nil {
		p.end()
		return nil, err
	}
	p.busy = true
	rows := &iterRows{ctx: p.ctx, iter: iter, layout: p.layout, done: p.end}
	if p.steady && !p.tooMany && p.generation > 1 {
		return p.keep(rows)
	}
	return rows, nil
}

func (p *program) end() {
	p.busy = false
	for _, f := range p.atEnd {
		f()
	}
	p.atEnd = p.atEnd[:0]
	p.run.give(&p.account)
}

// keep takes the rows for the runs to come. Of more than keptMax it takes none,
// and does not try again: an EXISTS over a large table needs its first row only.
func (p *program) keep(rows fqgw.Rows) (fqgw.Rows, error) {
	var a account
	head, more, err := p.run.collectSome(p.env.Ctx, &a, rows, keptMax)
	if err != nil {
		p.run.give(&a)
		return nil, err
	}
	if !more {
		p.run.lasting.held += a.held
		p.kept, p.full = head, true
		return &sliceRows{head}, nil
	}
	p.tooMany = true
	first := sliceRows{head}
	return &funcRows{close: func() error { p.run.give(&a); return rows.Close() }, next: func() ([]fqgw.Value, error) {
		if row, err := first.Next(); err == nil {
			return row, nil
		}
		return rows.Next()
	}}, nil
}

// census is what a plan depends on beside its leaves.
type census struct {
	free     int // how many rows around the plan it sees
	volatile bool
	working  bool // reads the working table of a recursive query around it
	inside   []*plan.CTE
	outer    map[outerColumn]struct{} // the columns of the rows around it, where they are asked for
}

// outerColumn is a column of a row around a plan; level 1 is the innermost.
type outerColumn struct{ level, index int }

// steady says whether a plan gives the same rows whenever it is run within a
// statement.
func steady(n plan.Node) bool {
	var c census
	c.node(n, 0)
	return c.free == 0 && !c.volatile && !c.working
}

// alike says the same of an expression over the rows of its node.
func alike(x fqgw.Expr) bool {
	var c census
	c.expr(x, 0)
	return c.free == 0 && !c.volatile && !c.working
}

func (c *census) expr(x fqgw.Expr, depth int) {
	if x == nil {
		return
	}
	c.volatile = c.volatile || expr.Volatile(x)
	expr.Walk(x, func(e fqgw.Expr) bool {
		switch e := e.(type) {
		case *expr.Column:
			c.free = max(c.free, e.Level-depth)
			if c.outer != nil && e.Level > depth {
				c.outer[outerColumn{e.Level - depth, e.Index}] = struct{}{}
			}
		case *expr.Subquery:
			c.node(e.Plan.(plan.Node), depth+1)
		}
		return true
	})
}

func (c *census) exprs(list []fqgw.Expr, depth int) {
	for _, x := range list {
		c.expr(x, depth)
	}
}

func (c *census) keys(list []plan.SortKey, depth int) {
	for _, k := range list {
		c.expr(k.Expr, depth)
	}
}

func (c *census) call(a *plan.AggCall, depth int) {
	c.exprs(a.Args, depth)
	c.exprs(a.Direct, depth)
	c.keys(a.Order, depth)
	c.expr(a.Filter, depth)
}

func (c *census) node(n plan.Node, depth int) {
	for i, child := range n.Children() {
		if j, ok := n.(*plan.Join); ok && j.Lateral && i == 1 {
			c.node(child, depth+1)
			continue
		}
		c.node(child, depth)
	}
	switch n := n.(type) {
	case *plan.Values:
		for _, row := range n.Rows {
			c.exprs(row, depth)
		}
	case *plan.SourceScan:
		c.exprs([]fqgw.Expr{n.AsOf, n.Lo, n.Hi}, depth)
	case *plan.TableScan:
		c.expr(n.AsOf, depth)
	case *plan.TableFunc:
		c.exprs(n.Args, depth)
	case *plan.FeatureScan:
		c.exprs([]fqgw.Expr{n.At, n.Known, n.KeyArray}, depth)
		for _, k := range n.Keys {
			c.exprs(k, depth)
		}
	case *plan.CTEScan:
		if !n.CTE.Correlated { // the same in each run
			break
		}
		c.node(n.CTE.Plan, depth)
		if n.CTE.Recursive {
			c.inside = append(c.inside, n.CTE.Origin())
			c.node(n.CTE.Step, depth)
			c.inside = c.inside[:len(c.inside)-1]
		}
	case *plan.WorkTable:
		c.working = c.working || !slices.Contains(c.inside, n.CTE.Origin())
	case *plan.FeatureJoin:
		c.exprs(n.Keys, depth)
		c.exprs([]fqgw.Expr{n.At, n.Known, n.On}, depth)
	case *plan.Entities:
		c.exprs(n.Keys, depth)
	case *plan.Settle:
		c.expr(n.On, depth)
	case *plan.Filter:
		c.expr(n.Cond, depth)
	case *plan.Project:
		c.exprs(n.Exprs, depth)
	case *plan.Join:
		c.expr(n.Cond, depth)
	case *plan.Aggregate:
		c.exprs(n.Groups, depth)
		for i := range n.Aggs {
			c.call(&n.Aggs[i], depth)
		}
	case *plan.Window:
		for i := range n.Calls {
			w := &n.Calls[i]
			c.call(&w.AggCall, depth)
			c.exprs(w.Partition, depth)
			c.keys(w.OrderBy, depth)
			c.exprs([]fqgw.Expr{w.Frame.StartOffset, w.Frame.EndOffset}, depth)
		}
	case *plan.Sort:
		c.keys(n.Keys, depth)
	case *plan.Limit:
		c.exprs([]fqgw.Expr{n.Count, n.Offset}, depth)
		c.keys(n.Ties, depth)
	case *plan.Distinct:
		c.exprs(n.On, depth)
	case *plan.ProjectSet:
		c.exprs(n.Exprs, depth)
		for _, f := range n.Sets {
			if f != nil {
				c.exprs(f.Args, depth+1)
			}
		}
	}
}
