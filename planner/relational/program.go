package relational

import (
	"context"
	"slices"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// Programs is what was made of the plans of one statement, its subqueries and
// common table expressions: made when they are first run, and kept for further
// runs. The zero value is empty. Safe for concurrent use.
type Programs struct {
	mu   sync.Mutex
	made map[plan.Node]*program
}

func (c *Programs) of(n plan.Node) (*program, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.compile(n)
}

// compile makes the program of a plan, if that was not done.
func (c *Programs) compile(n plan.Node) (*program, error) {
	if p := c.made[n]; p != nil {
		return p, nil
	}
	p := &program{steady: steady(n)}
	b := &builder{programs: c, p: p}
	var err error
	if p.tree, p.layout, err = b.build(n); err != nil {
		return nil, err
	}
	if p.tree, err = rules.Analyze(analysis, p.tree, nil, &sql.QueryFlags{}); err != nil {
		return nil, err
	}
	if c.made == nil {
		c.made = map[plan.Node]*program{}
	}
	c.made[n] = p
	return p, nil
}

// analysis is the context in which trees are analysed: our rules look at nothing of it.
var analysis = sql.NewContext(context.Background(), sql.WithSession(session))

// program is a compiled plan. It does not change: what its nodes keep is in the
// places of an instance.
type program struct {
	tree   sql.Node
	layout layout
	places int  // how many its nodes have taken
	steady bool // the plan gives the same rows in each run within a statement
}

// instance runs a program within a run of the statement, once at a time; each time
// it may see other rows around it.
type instance struct {
	*program
	run        *run
	env        fqgw.Env // of the run under way
	ctx        *sql.Context
	generation int      // counts the times
	account    account  // what is kept this time
	atEnd      []func() // closes what may still be open when it ends
	busy       bool
	ticks      int   // counts what is done between two looks at the context
	places     []any // what its nodes keep, this time or for the next ones

	// A plan that sees no outer row gives the same rows each time: from the second
	// time on they are kept, unless they are too many.
	kept    rowList
	full    bool
	tooMany bool
}

// within is the context of an instance for go-mysql-server, whose nodes hand it
// through to ours.
type within struct {
	context.Context
	in *instance
}

func instanceOf(ctx *sql.Context) *instance { return ctx.Context.(*within).in }

// place is what a node keeps in an instance, under the number that it took when it was built.
func place[T any](in *instance, i int) *T {
	if in.places[i] == nil {
		in.places[i] = new(T)
	}
	return in.places[i].(*T)
}

// keptMax is the number of rows of a subquery that are kept for its next time.
const keptMax = 100_000

// start runs the program; the instance is busy until its rows are closed.
func (in *instance) start(env *fqgw.Env) (fqgw.Rows, error) {
	if in.full {
		return in.kept.stream(nil), nil
	}
	in.env = *env
	in.env.Run = in.run.sub
	if in.ctx == nil || in.ctx.Context.(*within).Context != env.Ctx {
		in.ctx = &sql.Context{Context: &within{env.Ctx, in}, Session: session}
	}
	in.generation++
	iter, err := executor.Build(in.ctx, in.tree, nil)
	if err != nil {
		in.end()
		return nil, err
	}
	in.busy = true
	rows := &iterRows{ctx: in.ctx, iter: iter, layout: in.layout, done: in.end}
	if in.steady && !in.tooMany && in.generation > 1 {
		return in.keep(rows)
	}
	return rows, nil
}

func (in *instance) end() {
	in.busy = false
	for _, f := range in.atEnd {
		f()
	}
	in.atEnd = in.atEnd[:0]
	in.run.give(&in.account)
}

// tick ends with the statement's context; it is asked now and then.
func (in *instance) tick() error {
	if in.ticks++; in.ticks&often == 0 {
		return in.env.Ctx.Err()
	}
	return nil
}

// keep takes the rows for the times to come. Of more than keptMax it takes none,
// and does not try again: an EXISTS over a large table needs its first row only.
func (in *instance) keep(rows fqgw.Rows) (fqgw.Rows, error) {
	var a account
	var head rowList
	more, err := in.run.collectSome(in.env.Ctx, &a, rows, &head, keptMax)
	if err != nil {
		in.run.give(&a)
		return nil, err
	}
	if !more {
		in.run.lasting.held += a.held
		in.kept, in.full = head, true
		return head.stream(nil), nil
	}
	in.tooMany = true
	all := head.stream(rows)
	return &funcRows{next: all.Next, close: func() error { in.run.give(&a); return all.Close() }}, nil
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

func (c *census) node(n plan.Node, depth int) {
	switch n := n.(type) {
	case *plan.CTEScan:
		if !n.CTE.Correlated { // the same in each run
			return
		}
		c.node(n.CTE.Plan, depth)
		if n.CTE.Recursive {
			c.inside = append(c.inside, n.CTE.Origin())
			c.node(n.CTE.Step, depth)
			c.inside = c.inside[:len(c.inside)-1]
		}
	case *plan.WorkTable:
		c.working = c.working || !slices.Contains(c.inside, n.CTE.Origin())
	default:
		plan.Rewrite(n, func(n plan.Node, deeper int) plan.Node { c.node(n, depth+deeper); return n },
			func(e fqgw.Expr, deeper int) fqgw.Expr { c.expr(e, depth+deeper); return e })
	}
}
