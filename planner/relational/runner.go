package relational

import (
	"context"
	"io"
	"math"

	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	gms "github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/rowexec"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// Runner runs plans. Safe for concurrent use.
type Runner struct {
	// Leaf runs what reaches a store: leaves, and feature joins with their input.
	// Its rows need only be valid until the next.
	Leaf func(env *fqgw.Env, n plan.Node) (fqgw.Rows, error)
	// MemoryLimit bounds what one statement keeps in memory, in bytes (an
	// estimate), where its Env does not say; past it is 53200. 0: no bound.
	MemoryLimit int64
	// Whole is the account that a statement's is a part of; nil: of none.
	Whole func(env *fqgw.Env) *fqgw.Memory
}

// Run runs a plan. The rows end with env.Ctx; the caller closes them. A plan run
// below another (a subquery, the input of a leaf) whose Env came from that one's
// shares its common table expressions, programs and memory bound.
func (r *Runner) Run(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	env, end := r.Begin(env, nil)
	rows, err := runOf(env).rows(env, n)
	return Ending(rows, err, end)
}

// Ending is rows that call end, if there is one, when they are closed; it is
// called at once when there are none.
func Ending(rows fqgw.Rows, err error, end func()) (fqgw.Rows, error) {
	if end == nil {
		return rows, err
	}
	if err != nil {
		end()
		return nil, err
	}
	return &funcRows{next: rows.Next, close: func() error { defer end(); return rows.Close() }}, nil
}

// Begin is env for one statement: what is run below the Env it returns shares
// as Run says, until end. An Env that was begun is returned as it is, without an
// end. Who evaluates expressions with subqueries outside Run should begin first,
// else each of them is planned at every row. Programs are those of the statement's
// runs before; nil: it is run once.
func (r *Runner) Begin(env *fqgw.Env, programs *Programs) (begun *fqgw.Env, end func()) {
	ctx := contextOf(env)
	if s, ok := ctx.Value(runKey{}).(*run); ok && s.runner == r {
		return env, nil
	}
	if programs == nil {
		programs = &Programs{}
	}
	s := &run{runner: r, programs: programs, memory: env.Memory}
	if s.memory == nil {
		var whole *fqgw.Memory
		if r.Whole != nil {
			whole = r.Whole(env)
		}
		s.memory = whole.Part("the statement", "--memory", r.MemoryLimit)
		s.own = true
	}
	e := *env
	e.Ctx, e.Run, e.Memory = context.WithValue(ctx, runKey{}, s), s.sub, s.memory
	return &e, s.end
}

type runKey struct{}

// runOf is the statement that a begun Env is of.
func runOf(env *fqgw.Env) *run { return env.Ctx.Value(runKey{}).(*run) }

// run is one run of a statement: what it shares between its parts. It is used by
// one goroutine at a time.
type run struct {
	runner    *Runner
	programs  *Programs
	instances map[*program][]*instance
	ctes      map[*plan.CTE]*shared
	memos     map[fqgw.Expr]*memo // what subqueries gave, by their expression
	memory    *fqgw.Memory
	own       bool     // memory is closed with the run
	lasting   account  // what is kept until the statement ends
	atEnd     []func() // closes what may still be open then
}

func (r *run) end() {
	for _, f := range r.atEnd {
		f()
	}
	r.atEnd = nil
	r.give(&r.lasting)
	for _, m := range r.memos {
		r.give(&m.account)
	}
	if r.own {
		r.memory.Close()
	}
}

func (r *run) sub(env *fqgw.Env, n any) (fqgw.Rows, error) { return r.rows(env, n.(plan.Node)) }

// rows runs a plan.
func (r *run) rows(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	p, err := r.programs.of(n)
	if err != nil {
		return nil, err
	}
	return r.instance(p).start(env)
}

// instance is one of a program that is not running.
func (r *run) instance(p *program) *instance {
	for _, in := range r.instances[p] {
		if !in.busy {
			return in
		}
	}
	in := &instance{program: p, run: r, places: make([]any, p.places)}
	if r.instances == nil {
		r.instances = map[*program][]*instance{}
	}
	r.instances[p] = append(r.instances[p], in)
	return in
}

// session serves every statement: none of what a session holds is ever used.
var session = sql.NewBaseSession()

// rules is the analyzer with its allow-list (see the package's comment).
var rules = func() *analyzer.Analyzer {
	a := analyzer.NewBuilder(memory.NewDBProvider()).Build()
	ours := &analyzer.Batch{Desc: "fqgw", Iterations: 1, Rules: []analyzer.Rule{{Id: onlyOursID, Apply: onlyOurs}}}
	for _, b := range a.Batches {
		for _, rule := range b.Rules {
			if rule.Id.String() == "validateResolved" {
				ours.Rules = append(ours.Rules, rule)
			}
		}
	}
	a.Batches, a.ExecBuilder = []*analyzer.Batch{ours}, executor
	return a
}()

// onlyOursID is far from the numbers of go-mysql-server's rules.
const onlyOursID analyzer.RuleId = 10_000

// onlyOurs refuses a tree with an expression that is not planner/expr's in one
// of our wrappers.
func onlyOurs(_ *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *gms.Scope, _ analyzer.RuleSelector, _ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
	var bad error
	transform.Inspect(n, func(n sql.Node) bool {
		if e, ok := n.(sql.Expressioner); ok && bad == nil {
			for _, x := range e.Expressions() {
				switch x.(type) {
				case nil, *condition, *projection, *count:
				default:
					bad = fqgw.Errorf(fqgw.CodeInternal, "an expression of another kind is in the plan: %T", x)
				}
			}
		}
		return bad == nil
	})
	return n, transform.SameTree, bad
}

// executor runs our nodes by ourselves and leaves the others to go-mysql-server.
var executor = rowexec.NewOverrideBuilder(ours{})

type ours struct{}

// Build implements sql.NodeExecBuilder; nil, nil is "not mine".
func (ours) Build(ctx *sql.Context, n sql.Node, row sql.Row) (sql.RowIter, error) {
	if m, ok := n.(*node); ok {
		return m.open(ctx, instanceOf(ctx), m, row)
	}
	return nil, nil
}

// account is the part of a statement's memory that is given back together.
type account struct{ held int64 }

// mapEntry is about what an entry of a map by key takes beside the key's bytes.
const mapEntry = 64

// take charges a row to an account; 53200 when the statement has no room for it.
func (r *run) take(a *account, row []fqgw.Value) error { return r.takeBytes(a, fqgw.RowBytes(row)) }

func (r *run) takeBytes(a *account, n int64) error {
	if err := r.memory.Take(n); err != nil {
		return err
	}
	a.held += n
	return nil
}

func (r *run) give(a *account) {
	r.memory.Give(a.held)
	a.held = 0
}

// collect reads rows into memory and closes them.
func (r *run) collect(ctx context.Context, a *account, in fqgw.Rows) (out rowList, err error) {
	_, err = r.collectSome(ctx, a, in, &out, math.MaxInt)
	return out, err
}

// collectSome reads up to n rows more into list; when there are others it leaves in
// open.
func (r *run) collectSome(ctx context.Context, a *account, in fqgw.Rows, list *rowList, n int) (more bool, err error) {
	for i := range n {
		row, err := in.Next()
		if err == io.EOF {
			return false, in.Close()
		}
		if err == nil && i&often == 0 {
			err = ctx.Err()
		}
		if err == nil {
			err = r.takeBytes(a, rowBytes(row))
		}
		if err != nil {
			in.Close()
			return false, err
		}
		list.add(row)
	}
	return true, nil
}

// Describe is the tree that runs a plan, for people; "" when it cannot be made.
func Describe(n plan.Node) string {
	p, err := (&Programs{}).of(n)
	if err != nil {
		return ""
	}
	return p.tree.String()
}
