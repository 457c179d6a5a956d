package exec

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/stream/window"
)

// lookup is a plan.FeatureScan or plan.FeatureJoin, perhaps below a projection of
// plain columns, compiled: which entities are asked for, what is read of their
// states, and what a row shows. It is compiled once for a plan, immutable, and run
// by many sessions at once.
type lookup struct {
	view    *fqgw.FeatureView
	program *window.Program
	globals *window.Layout // of the global windows that are shown; nil: none are
	outputs []fqgw.Output
	types   []fqgw.Type // of the join keys

	input     plan.Node     // a join's spine; nil for a scan
	tuples    [][]fqgw.Expr // the join keys: of a scan for each entity; of a join one
	array     fqgw.Expr     // a scan's array of the only join key
	every     bool          // a scan of all entities
	at, known fqgw.Expr     // nil: now
	left      bool
	on        fqgw.Expr

	width   int   // of the spine's rows
	columns []int // what a row shows: columns of the spine, and from width on outputs
	all     []int // these, where nothing is projected
	alone   bool  // nothing in it, or below it, is the relational engine's

	// joins are the lookup and those below it, the innermost first, where all go by
	// columns.
	joins []*columnJoin
	bytes int64 // about what a probe takes with its answer and its row
}

// lookupOf is the compiled form of n where n is a lookup, nil where it is none.
func (e *Engine) lookupOf(n plan.Node) (*lookup, error) {
	node, exprs := n, []fqgw.Expr(nil)
	if p, ok := n.(*plan.Project); ok {
		node, exprs = p.Input, p.Exprs
	}
	var keep *plan.Compiled
	switch node := node.(type) {
	case *plan.FeatureScan:
		keep = node.Compiled
	case *plan.FeatureJoin:
		keep = node.Compiled
	default:
		return nil, nil
	}
	if l, ok := keep.Of(n).(*lookup); ok {
		return l, nil
	}
	l, err := e.compile(node, exprs)
	if err == nil && l != nil {
		keep.Keep(n, l)
	}
	return l, err
}

// compile compiles a scan or a join under a projection, nil for none. Nothing comes
// of a projection that computes something.
func (e *Engine) compile(node plan.Node, exprs []fqgw.Expr) (*lookup, error) {
	columns, plain := plainColumns(exprs)
	if !plain {
		return nil, nil
	}
	l := &lookup{columns: columns}
	switch n := node.(type) {
	case *plan.FeatureScan:
		l.view, l.outputs, l.tuples, l.array, l.at, l.known = n.View, n.Outputs, n.Keys, n.KeyArray, n.At, n.Known
		l.every = n.Keys == nil && n.KeyArray == nil
		l.alone = !slices.ContainsFunc(slices.Concat(slices.Concat(n.Keys...), present(n.KeyArray, n.At, n.Known)), expr.HasSubquery)
	case *plan.FeatureJoin:
		l.view, l.outputs, l.tuples, l.at, l.known = n.View, n.Outputs, [][]fqgw.Expr{n.Keys}, n.At, n.Known
		l.input, l.left, l.on, l.width = n.Input, n.Left, n.On, len(n.Input.Columns())
		l.alone = native(n.Input) && !slices.ContainsFunc(slices.Concat(n.Keys, present(n.At, n.Known, n.On)), expr.HasSubquery)
	}
	for i := range l.width + len(l.outputs) {
		l.all = append(l.all, i)
	}
	if exprs == nil {
		l.columns = l.all
	}
	if slices.ContainsFunc(l.outputs, func(o fqgw.Output) bool { return o.Kind == fqgw.OutToken }) {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "feature_token() is not supported yet")
	}
	for _, k := range l.view.Keys {
		l.types = append(l.types, k.Type)
	}
	layout, err := e.layout(l.view)
	if err != nil {
		return nil, err
	}
	l.program = window.NewProgram(layout, l.view, l.outputs)
	if l.globals, err = justGlobals(l.view, l.program); err != nil {
		return nil, err
	}
	if j := columnJoinOf(l); j != nil {
		below, err := e.lookupOf(l.input)
		if err != nil {
			return nil, err
		}
		if below == nil || below.joins == nil || !slices.Equal(below.columns, below.all) || !j.follows(below.joins) {
			l.joins = []*columnJoin{j}
		} else {
			l.joins = append(slices.Clip(below.joins), j)
		}
	}
	const probe, slot, value = 400, 64, 48
	slots := max(len(l.view.Aggregates), len(l.view.Row)) + len(l.view.Global.Aggregates)
	l.bytes = probe + int64(slot*slots+value*(l.width+len(l.outputs))) + l.program.Shown().ListBytes()
	return l, nil
}

// plainColumns are the columns that a projection shows of the row below; plain is
// false when it computes something.
func plainColumns(exprs []fqgw.Expr) (columns []int, plain bool) {
	for _, x := range exprs {
		c, ok := x.(*expr.Column)
		if !ok || c.Level != 0 {
			return nil, false
		}
		columns = append(columns, c.Index)
	}
	return columns, true
}

// present are the expressions that are there.
func present(exprs ...fqgw.Expr) []fqgw.Expr {
	return slices.DeleteFunc(exprs, func(x fqgw.Expr) bool { return x == nil })
}

// look runs a lookup.
func (e *Engine) look(env *fqgw.Env, l *lookup) (fqgw.Rows, error) {
	if l.at == nil {
		if err := e.readable(l.view); err != nil {
			return nil, err
		}
	}
	if l.every && l.at != nil {
		return e.allThen(env, l)
	}
	if l.joins != nil {
		return e.lookJoins(env, l)
	}
	return e.lookOver(env, l, nil)
}

// lookJoins runs joins by columns where their spine comes so, else one over the other.
func (e *Engine) lookJoins(env *fqgw.Env, l *lookup) (fqgw.Rows, error) {
	in, err := e.spineOf(env, l.joins[0].input)
	if err != nil {
		return nil, err
	}
	batches, ok := batchesOf(in)
	if spine := l.joins[0].input; !ok && inBatches(spine.Columns()) && !namesEntities(spine) {
		batches, ok = e.batched(in, spine.Columns()), true
	}
	if ok {
		memory := e.memoryOf(env)
		if err := memory.Reserve(memory.Limit() / joinShare); err != nil {
			memory.Close()
			in.Close()
			return nil, err
		}
		return e.byColumns(env, l.joins, l.columns, in, batches, memory), nil
	}
	for _, j := range l.joins {
		rows, err := e.lookOver(env, j.lookup, in)
		if err != nil {
			in.Close()
			return nil, err
		}
		in = rows
	}
	return in, nil
}

// spineOf runs a spine: a table's scan so that it may be taken in batches.
func (e *Engine) spineOf(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	if scan, ok := n.(*plan.TableScan); ok {
		return e.tableScan(env, scan)
	}
	return e.Run(env, n)
}

// lookOver runs a lookup, a join over the rows of its spine where they are given.
func (e *Engine) lookOver(env *fqgw.Env, l *lookup, spine fqgw.Rows) (fqgw.Rows, error) {
	r := &looked{e: e, env: env, lookup: l, room: newRoom(), history: l.at != nil}
	memory := env.Memory
	if r.own = memory == nil || r.history; r.own {
		memory = e.memoryOf(env)
	}
	if env.Memory == nil {
		own := *env
		own.Memory = memory
		r.env = &own
	}
	r.limit = chunk{rows: batchRows, each: l.bytes, memory: memory}
	var err error
	if r.history {
		r.limit.rows = spineRows
		err = memory.Reserve(memory.Limit() / joinShare)
	}
	if err == nil && l.globals != nil && !r.history {
		r.global, r.stale, err = e.lastPublished(r.env, l.view, r.env.Now)
	}
	switch {
	case err != nil:
	case spine != nil:
		r.input, r.more = spine, true
	case l.input != nil:
		r.input, err = e.Run(r.env, l.input)
		r.more = true
	case l.every:
		err = r.askEntities()
	default:
		err = r.askKeys()
	}
	if err != nil {
		r.room = nil
		r.forget()
		return nil, err
	}
	return r, nil
}

// memoryOf is an account for a part of a statement, of what is given back with it.
func (e *Engine) memoryOf(env *fqgw.Env) *fqgw.Memory {
	whole := env.Memory
	if whole == nil {
		whole = wholeOf(env)
	}
	return whole.Part("the statement", "--memory", e.o.MemoryLimit)
}
