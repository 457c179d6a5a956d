package relational

import (
	"context"
	"io"

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
	Leaf func(env *fqgw.Env, n plan.Node) (fqgw.Rows, error)
	// MemoryLimit bounds what one statement keeps in memory, in bytes; past it is 53200.
	MemoryLimit int64
}

// Run runs a plan. The rows end with env.Ctx; the caller closes them.
func (r *Runner) Run(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	return (&run{runner: r, ctes: map[*plan.CTE]*shared{}, memory: &budget{limit: r.MemoryLimit}}).rows(env, n)
}

// run is one statement: what it shares between its parts.
type run struct {
	runner *Runner
	ctes   map[*plan.CTE]*shared
	memory *budget
}

// rows builds, analyses and starts a tree.
func (r *run) rows(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	ctx := env.Ctx
	if ctx == nil {
		ctx = context.Background()
	}
	inner := *env
	inner.Ctx = ctx
	if env.Run != nil {
		// Sub-plans share the statement's common table expressions and budget.
		inner.Run = func(env *fqgw.Env, p any) (fqgw.Rows, error) { return r.rows(env, p.(plan.Node)) }
	}
	b := &builder{run: r, env: &inner}
	tree, err := b.build(n)
	if err != nil {
		return nil, err
	}
	sctx := sql.NewContext(ctx, sql.WithSession(session))
	if tree, err = rules.Analyze(sctx, tree, nil, &sql.QueryFlags{}); err != nil {
		return nil, err
	}
	iter, err := executor.Build(sctx, tree, nil)
	if err != nil {
		return nil, err
	}
	return &iterRows{ctx: sctx, iter: iter}, nil
}

// session serves every statement: none of what a session holds is ever used.
var session = sql.NewBaseSession()

// rules is the analyzer with its allow-list: nothing of go-mysql-server's own
// rules, which resolve names, move columns and coerce to MySQL's types; only
// the check that the finished tree is ours.
var rules = func() *analyzer.Analyzer {
	a := analyzer.NewBuilder(memory.NewDBProvider()).Build()
	a.Batches = []*analyzer.Batch{{Desc: "ours", Iterations: 1, Rules: []analyzer.Rule{{Id: 1000, Apply: onlyOurs}}}}
	a.ExecBuilder = executor
	return a
}()

// onlyOurs refuses a tree with an expression that is not planner/expr's.
func onlyOurs(_ *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *gms.Scope, _ analyzer.RuleSelector, _ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
	var bad error
	transform.Inspect(n, func(n sql.Node) bool {
		if e, ok := n.(sql.Expressioner); ok && bad == nil {
			for _, x := range e.Expressions() {
				switch x.(type) {
				case nil, *scalar, *condition, *hashKey:
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
func (ours) Build(ctx *sql.Context, n sql.Node, _ sql.Row) (sql.RowIter, error) {
	m, ok := n.(*node)
	if !ok {
		return nil, nil
	}
	var inputs []fqgw.Rows
	if !m.lazy {
		for _, c := range m.children {
			iter, err := executor.Build(ctx, c, nil)
			if err != nil {
				for _, in := range inputs {
					in.Close()
				}
				return nil, err
			}
			inputs = append(inputs, &iterRows{ctx: ctx, iter: iter})
		}
	}
	rows, err := m.run(ctx, inputs)
	if err != nil {
		return nil, err
	}
	return &rowsIter{rows}, nil
}

// budget counts what a statement keeps in memory.
type budget struct {
	limit, used int64
}

// take reserves room for a row; 53200 when there is none.
func (b *budget) take(row []fqgw.Value) error {
	n := int64(24)
	for i := range row {
		n += 64 + int64(len(row[i].Str()))
	}
	if b.used += n; b.limit > 0 && b.used > b.limit {
		return fqgw.Errorf(fqgw.CodeOutOfMemory, "the statement needs more than %d MiB of memory", b.limit>>20).
			WithHint("Restrict or aggregate its inputs, or raise the limit with --memory.")
	}
	return nil
}

// collect reads rows into memory and closes them.
func (r *run) collect(ctx context.Context, in fqgw.Rows) ([][]fqgw.Value, error) {
	defer in.Close()
	var out [][]fqgw.Value
	for {
		row, err := in.Next()
		if err == io.EOF {
			return out, nil
		}
		if err == nil && len(out)&255 == 0 {
			err = ctx.Err()
		}
		if err == nil {
			err = r.memory.take(row)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, append([]fqgw.Value(nil), row...))
	}
}
