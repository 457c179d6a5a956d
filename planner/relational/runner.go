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
	// estimate); past it is 53200. 0: no bound.
	MemoryLimit int64
}

// Run runs a plan. The rows end with env.Ctx; the caller closes them. A plan run
// below another (a subquery, the input of a leaf) whose Env came from that one's
// shares its common table expressions, compiled programs and memory bound.
func (r *Runner) Run(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	env = r.Begin(env)
	return env.Ctx.Value(runKey{}).(*run).rows(env, n)
}

// Begin is env for one statement: what is run below the Env it returns shares
// as Run says. An Env that was begun is returned as it is. Who evaluates
// expressions with subqueries outside Run should begin first, else each of them
// is planned at every row.
func (r *Runner) Begin(env *fqgw.Env) *fqgw.Env {
	ctx := env.Ctx
	if ctx == nil {
		ctx = context.Background()
	}
	if s, ok := ctx.Value(runKey{}).(*run); ok && s.runner == r {
		return env
	}
	s := &run{runner: r, ctes: map[*plan.CTE]*shared{}, programs: map[plan.Node][]*program{}}
	s.memory.limit = r.MemoryLimit
	begun := *env
	begun.Ctx = context.WithValue(ctx, runKey{}, s)
	begun.Run = s.sub
	return &begun
}

type runKey struct{}

// run is one statement: what it shares between its parts. It is used by one
// goroutine at a time.
type run struct {
	runner   *Runner
	ctes     map[*plan.CTE]*shared
	programs map[plan.Node][]*program
	memory   budget
	lasting  account // what is kept until the statement ends
}

func (r *run) sub(env *fqgw.Env, n any) (fqgw.Rows, error) { return r.rows(env, n.(plan.Node)) }

// rows runs a plan, compiling it if that was not done yet or if all its programs
// are running.
func (r *run) rows(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	for _, p := range r.programs[n] {
		if !p.busy {
			return p.start(env)
		}
	}
	p, err := r.compile(n)
	if err != nil {
		return nil, err
	}
	r.programs[n] = append(r.programs[n], p)
	return p.start(env)
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
		return m.open(ctx, m, row)
	}
	return nil, nil
}

// budget counts what a statement keeps in memory.
type budget struct{ limit, used int64 }

// account is the part of it that is given back together.
type account struct{ held int64 }

// take charges a row to an account; 53200 when the statement has no room for it.
func (r *run) take(a *account, row []fqgw.Value) error {
	n := int64(24)
	for i := range row {
		n += 64 + int64(len(row[i].Str()))
	}
	a.held += n
	if r.memory.used += n; r.memory.limit > 0 && r.memory.used > r.memory.limit {
		return fqgw.Errorf(fqgw.CodeOutOfMemory, "the statement needs more than %d MiB of memory", max(r.memory.limit>>20, 1)).
			WithHint("Restrict or aggregate its inputs, or raise the limit on a statement's memory.")
	}
	return nil
}

func (r *run) give(a *account) {
	r.memory.used -= a.held
	a.held = 0
}

// collect reads rows into memory and closes them.
func (r *run) collect(ctx context.Context, a *account, in fqgw.Rows) ([][]fqgw.Value, error) {
	out, _, err := r.collectSome(ctx, a, in, math.MaxInt)
	return out, err
}

// collectSome reads up to n rows; when there are more it leaves in open.
func (r *run) collectSome(ctx context.Context, a *account, in fqgw.Rows, n int) (out [][]fqgw.Value, more bool, err error) {
	for len(out) < n {
		row, err := in.Next()
		if err == io.EOF {
			return out, false, in.Close()
		}
		if err == nil && len(out)&255 == 0 {
			err = ctx.Err()
		}
		if err == nil {
			err = r.take(a, row)
		}
		if err != nil {
			in.Close()
			return nil, false, err
		}
		out = append(out, append([]fqgw.Value(nil), row...))
	}
	return out, true, nil
}

// Describe is the tree that runs a plan, for people; "" when it cannot be made.
func Describe(n plan.Node) string {
	r := &Runner{}
	env := r.Begin(&fqgw.Env{})
	p, err := env.Ctx.Value(runKey{}).(*run).compile(n)
	if err != nil {
		return ""
	}
	return p.tree.String()
}
