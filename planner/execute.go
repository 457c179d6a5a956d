package planner

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/guc"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
)

// execution is a statement that is carried out: its answer, and what ends with it.
// It is the rows of the answer.
type execution struct {
	result Result
	env    fqgw.Env
	memory fqgw.Memory // what it keeps
	rows   fqgw.Rows
	cancel context.CancelFunc // nil: its context is its caller's

	meter *Meter // nil when it has been counted
	route string
	began time.Time
	err   error // of the rows
}

// Execute carries out a prepared statement. The context ends with the statement:
// its cancellation, or the session's statement_timeout, is 57014.
func (s *Session) Execute(ctx context.Context, p *Prepared, args []fqgw.Value) (*Result, error) {
	if p.text == nil {
		return &Result{}, nil
	}
	x := &execution{meter: s.planner.meter, began: time.Now()}
	err := s.execute(ctx, x, p, args)
	x.route = s.routeOf(p)
	if err != nil {
		x.finish(err)
		return nil, err
	}
	res := &x.result
	switch in := res.CopyIn; {
	case res.Rows != nil:
		x.rows, res.Rows = res.Rows, x
	case res.CopyOut != nil:
		x.rows, res.CopyOut.Rows = res.CopyOut.Rows, x
	case in != nil:
		run := in.Run
		in.Run = func(_ context.Context, rows fqgw.Rows) (int64, error) {
			n, err := run(x.env.Ctx, rows)
			if err != nil {
				err = timedOut(x.env.Ctx, err)
			}
			x.finish(err)
			return n, err
		}
	default:
		x.finish(nil)
	}
	return res, nil
}

func (s *Session) execute(ctx context.Context, x *execution, p *Prepared, args []fqgw.Value) error {
	if err := s.fresh(p); err != nil {
		return err
	}
	st := p.bound.statement
	s.tx.queried = s.tx.queried || queries(st)
	s.said = nil
	s.activity.does(p.text.stmt.Text, x.began)
	// What is read by key has nothing that would go on without its reader: its
	// caller's context is enough.
	if !p.bound.keyed || s.settings.typed.statementTimeout > 0 {
		ctx, x.cancel = s.withTimeout(ctx)
	}
	x.env = s.env(ctx)
	x.env.Args, x.env.Literals, x.env.Run = args, s.literals(p, &x.env), s.subplan
	x.memory.Within(s.memory, "the statement", "--memory", s.planner.engine.MemoryLimit())
	x.env.Memory = &x.memory
	number := s.tx.number
	err := s.run(&x.env, st, &x.result)
	if err != nil || x.result.Rows == nil {
		s.settle()
	}
	s.tx.ran = s.tx.ran || s.tx.number == number
	if err != nil {
		err = timedOut(ctx, err)
	}
	return err
}

// Next implements fqgw.Rows.
func (x *execution) Next() ([]fqgw.Value, error) {
	row, err := x.rows.Next()
	if err != nil && err != io.EOF {
		err = timedOut(x.env.Ctx, err)
		x.err = err
	}
	return row, err
}

// WriteRow implements fqgw.DirectRows.
func (x *execution) WriteRow(w fqgw.RowWriter) error {
	err := fqgw.WriteRow(x.rows, w)
	if err != nil && err != io.EOF {
		err = timedOut(x.env.Ctx, err)
		x.err = err
	}
	return err
}

// Close implements fqgw.Rows.
func (x *execution) Close() error {
	err := x.rows.Close()
	if x.err == nil {
		x.err = err
	}
	x.finish(x.err)
	return err
}

// finish ends the statement: its context, and it is counted. Finished twice, it is
// one statement.
func (x *execution) finish(err error) {
	if x.cancel != nil {
		x.cancel()
	}
	x.env.Memory.Close()
	if x.meter != nil {
		x.meter.count(x.route, x.began, err)
		x.meter = nil
	}
}

func (s *Session) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if d := s.settings.typed.statementTimeout; d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return context.WithCancel(ctx)
}

// timedOut makes the end of the statement's own context the error, whatever a
// store made of it.
func timedOut(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fqgw.AsError(ctx.Err())
	}
	return err
}

// run carries out a bound statement; its answer goes to res.
func (s *Session) run(env *fqgw.Env, st plan.Statement, res *Result) error {
	if q, ok := st.(*plan.Query); ok {
		rows, err := s.planner.engine.Query(env, q)
		if err == nil {
			*res = Result{Columns: columns(q), Rows: rows, Tag: countTag("SELECT")}
		}
		return err
	}
	answer, err := s.answer(env, st)
	if err == nil {
		*res = *answer
	}
	return err
}

// answer carries out a statement that is no query.
func (s *Session) answer(env *fqgw.Env, st plan.Statement) (*Result, error) {
	ctx := env.Ctx
	switch st := st.(type) {
	case *plan.Explain:
		return s.runExplain(env, st)
	case *plan.Transaction:
		return s.runTransaction(ctx, st)
	case *plan.Set:
		return s.runSet(st)
	case *plan.SetTransaction:
		return s.runSetTransaction(st)
	case *plan.Show:
		return s.runShow(st)
	case *plan.CopyTo:
		return s.runCopyTo(env, st)
	case *plan.CopyFrom:
		in, err := s.copyIn(st)
		if err != nil {
			return nil, err
		}
		return &Result{CopyIn: in, Tag: countTag("COPY")}, nil
	case *plan.Insert:
		n, err := s.runInsert(env, st)
		if err != nil {
			return nil, err
		}
		return &Result{Tag: fixedTag(fmt.Sprintf("INSERT 0 %d", n))}, nil
	case *plan.Prepare:
		return s.runPrepare(st)
	case *plan.Execute:
		return s.runExecute(env, st)
	case *plan.Deallocate:
		return s.runDeallocate(st)
	case *plan.Discard:
		return s.runDiscard(ctx, st)
	case *plan.Vacuum:
		if s.blockLike() {
			return nil, fqgw.Errorf(fqgw.CodeActiveTransaction, "VACUUM cannot run inside a transaction block")
		}
		return &Result{Tag: fixedTag("VACUUM")}, s.planner.engine.Vacuum(env.Ctx, st)
	case *plan.NoOp:
		if st.Notice != "" {
			s.notify(st.Notice, "")
		}
		return &Result{Tag: fixedTag(st.Tag)}, nil
	}
	return s.runDefinition(env, st)
}

func (s *Session) runExplain(env *fqgw.Env, st *plan.Explain) (*Result, error) {
	if x, ok := st.Statement.(*plan.Execute); ok {
		inner, executed, err := s.executed(env, x)
		if err != nil {
			return nil, err
		}
		of := *st
		env, of.Statement = inner, executed
		st = &of
	}
	lines, err := s.planner.engine.Explain(env, st)
	if err != nil {
		return nil, err
	}
	var rows [][]fqgw.Value
	for _, l := range lines {
		rows = append(rows, []fqgw.Value{fqgw.TextValue(l)})
	}
	return &Result{Columns: explainColumns(st), Rows: relational.Slice(rows), Tag: fixedTag("EXPLAIN")}, nil
}

func showColumns(name string) []plan.Column {
	if strings.EqualFold(name, "all") {
		return []plan.Column{{Name: "name", Type: fqgw.Text}, {Name: "setting", Type: fqgw.Text}, {Name: "description", Type: fqgw.Text}}
	}
	return []plan.Column{{Name: settingTitle(name), Type: fqgw.Text}}
}

// settingTitle is how SHOW heads its column.
func settingTitle(name string) string {
	if known := guc.Lookup(canonicalSetting(name)); known != nil {
		return known.Name
	}
	return name
}

func (s *Session) runShow(st *plan.Show) (*Result, error) {
	var rows [][]fqgw.Value
	if strings.EqualFold(st.Name, "all") {
		for _, known := range guc.All() {
			if known.Hidden {
				continue
			}
			v, err := s.settings.show(known.Name, s)
			if err != nil {
				return nil, err
			}
			rows = append(rows, []fqgw.Value{fqgw.TextValue(known.Name), fqgw.TextValue(v), fqgw.TextValue(known.Short)})
		}
	} else {
		v, err := s.settings.show(st.Name, s)
		if err != nil {
			return nil, err
		}
		rows = [][]fqgw.Value{{fqgw.TextValue(v)}}
	}
	return &Result{Columns: showColumns(st.Name), Rows: relational.Slice(rows), Tag: fixedTag("SHOW")}, nil
}

func (s *Session) runPrepare(st *plan.Prepare) (*Result, error) {
	texts, err := s.Split(st.Text)
	if err != nil {
		return nil, err
	}
	oids := make([]uint32, len(st.Types))
	for i, t := range st.Types {
		oids[i] = t.OID
	}
	p, err := s.Prepare(texts[0], oids)
	if err != nil {
		return nil, err
	}
	if err := s.Keep(st.Name, p); err != nil {
		return nil, err
	}
	return &Result{Tag: fixedTag("PREPARE")}, nil
}

// explainColumns describes EXPLAIN's answer, as PostgreSQL's.
func explainColumns(st *plan.Explain) []plan.Column {
	if st.Format == "json" {
		return []plan.Column{{Name: "QUERY PLAN", Type: fqgw.JSON}}
	}
	return []plan.Column{{Name: "QUERY PLAN", Type: fqgw.Text}}
}

// maxNested is how deep an EXECUTE may execute another one.
const maxNested = 100

func (s *Session) runExecute(env *fqgw.Env, st *plan.Execute) (*Result, error) {
	inner, executed, err := s.executed(env, st)
	if err != nil {
		return nil, err
	}
	if s.nested == maxNested { // a statement that executes itself: a stack that overflows ends the process
		return nil, fqgw.Errorf(fqgw.CodeTooComplex, "stack depth limit exceeded").
			WithDetail("EXECUTE of a prepared EXECUTE, %d deep.", maxNested)
	}
	s.nested++
	defer func() { s.nested-- }()
	res := &Result{}
	if err := s.run(inner, executed, res); err != nil {
		return nil, err
	}
	return res, nil
}

// executed is the statement that EXECUTE names, with its arguments.
func (s *Session) executed(env *fqgw.Env, st *plan.Execute) (*fqgw.Env, plan.Statement, error) {
	p, err := s.Named(st.Name)
	if err != nil {
		return nil, nil, err
	}
	if p.text == nil {
		return env, &plan.NoOp{Tag: "EXECUTE"}, nil
	}
	if len(p.Params) == 0 {
		st = &plan.Execute{Name: st.Name} // PostgreSQL does not look at them then
	}
	if len(st.Args) != len(p.Params) {
		return nil, nil, fqgw.Errorf(fqgw.CodeSyntax, "wrong number of parameters for prepared statement \"%s\"", st.Name).
			WithDetail("Expected %d parameters but got %d.", len(p.Params), len(st.Args))
	}
	args := make([]fqgw.Value, len(st.Args))
	for i, a := range st.Args {
		v, err := a.Eval(env, nil)
		if err != nil {
			return nil, nil, err
		}
		if args[i], err = exec.Assign(v, a.Type(), p.Params[i], env); err != nil {
			return nil, nil, err
		}
	}
	if err := s.fresh(p); err != nil {
		return nil, nil, err
	}
	inner := *env
	inner.Args, inner.Literals = args, s.literals(p, env)
	return &inner, p.bound.statement, nil
}

func (s *Session) runDeallocate(st *plan.Deallocate) (*Result, error) {
	if st.Name == "" {
		s.forgetNamed()
		return &Result{Tag: fixedTag("DEALLOCATE ALL")}, nil
	}
	if _, err := s.Named(st.Name); err != nil {
		return nil, err
	}
	s.Forget(st.Name)
	return &Result{Tag: fixedTag("DEALLOCATE")}, nil
}

func (s *Session) runDiscard(ctx context.Context, st *plan.Discard) (*Result, error) {
	what := strings.ToUpper(st.What)
	if what == "ALL" {
		switch {
		case s.nested > 0:
			return nil, fqgw.Errorf(fqgw.CodeActiveTransaction, "DISCARD ALL cannot be executed from EXECUTE")
		case s.blockLike():
			return nil, fqgw.Errorf(fqgw.CodeActiveTransaction, "DISCARD ALL cannot run inside a transaction block")
		case s.tx.batch && s.tx.ran:
			return nil, fqgw.Errorf(fqgw.CodeActiveTransaction, "DISCARD ALL cannot be executed within a pipeline")
		}
		s.forgetNamed()
		user := s.settings.defaults["session_authorization"]
		s.settings.change(s, "session_authorization", user, false)
		s.resetAll()
	}
	if what == "ALL" || what == "TEMP" {
		clear(s.temp)
	}
	if what == "ALL" || what == "PLANS" { // all are analysed again
		for _, p := range s.prepared {
			p.bound, p.valid = unbound, nil
		}
	}
	if what == "ALL" && s.tx.batch { // it is a transaction of its own
		if err := s.commit(ctx); err != nil {
			return nil, err
		}
		s.BeginBatch()
	}
	return &Result{Tag: fixedTag("DISCARD " + what)}, nil
}
