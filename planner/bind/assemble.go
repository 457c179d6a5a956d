package bind

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// assemble stacks the nodes of a SELECT: grouping, HAVING, windows, functions
// that return sets, the projection, DISTINCT, ORDER BY, LIMIT.
func (st *assembly) assemble() (plan.Node, error) {
	if err := st.aggregate(); err != nil {
		return nil, err
	}
	st.window()
	sorted := st.choosesFirst()
	if sorted {
		st.chooseFirst()
	}
	if err := st.projectSets(); err != nil {
		return nil, err
	}
	st.node = st.project()
	if st.distinct && st.on == nil {
		st.node = &plan.Distinct{Input: st.node}
	}
	if len(st.sort) > 0 && !sorted {
		st.node = &plan.Sort{Input: st.node, Keys: st.sortKeys()}
	}
	if st.on != nil && !sorted {
		d := &plan.Distinct{Input: st.node}
		for _, i := range st.on {
			d.On = append(d.On, st.output(i))
		}
		st.node = d
	}
	if st.limit != nil {
		if st.limit.Ties != nil {
			st.limit.Ties = st.sortKeys()
		}
		st.limit.Input = st.node
		st.node = st.limit
	}
	if n := st.visible(); n < len(st.targets) {
		cols := st.node.Columns()[:n]
		p := &plan.Project{Input: st.node, Cols: cols}
		for i := range cols {
			p.Exprs = append(p.Exprs, st.output(i))
		}
		st.node = p
	}
	return st.node, nil
}

// choosesFirst says whether DISTINCT ON chooses before the functions that return
// sets are run, as PostgreSQL does when there is an ORDER BY and neither names one of them.
func (st *assembly) choosesFirst() bool {
	if st.on == nil || len(st.stmt.SortClause) == 0 || len(st.blk.sets) == 0 {
		return false
	}
	hasSet := func(i int) bool {
		return plan.Reads(st.targets[i].expr, func(i int) bool { return i >= setBase && i < groupBase })
	}
	return !slices.ContainsFunc(st.on, hasSet) && !slices.ContainsFunc(st.sort, func(s sortItem) bool { return hasSet(s.target) })
}

// chooseFirst puts the sort and the choice of DISTINCT ON below the projection:
// what they need is computed behind the columns that are there.
func (st *assembly) chooseFirst() {
	in := st.node.Columns()
	p := &plan.Project{Input: st.node, Cols: slices.Clone(in)}
	for i, c := range in {
		p.Exprs = append(p.Exprs, &expr.Column{Index: i, Typ: c.Type, Name: c.Name})
	}
	at := map[int]*expr.Column{}
	key := func(target int) fqgw.Expr {
		if at[target] == nil {
			e := st.targets[target].expr
			at[target] = &expr.Column{Index: len(p.Exprs), Typ: e.Type(), Name: st.targets[target].name}
			p.Exprs, p.Cols = append(p.Exprs, e), append(p.Cols, originOf(e, in))
		}
		return at[target]
	}
	s, d := &plan.Sort{Input: p}, &plan.Distinct{}
	for _, k := range st.sort {
		s.Keys = append(s.Keys, plan.SortKey{Expr: key(k.target), Desc: k.desc, NullsFirst: k.nullsFirst})
	}
	for _, i := range st.on {
		d.On = append(d.On, key(i))
	}
	d.Input = s
	st.node = d
}

// output is target i as a column of the projection.
func (st *assembly) output(i int) fqgw.Expr {
	return &expr.Column{Index: i, Typ: st.targets[i].expr.Type(), Name: st.targets[i].name}
}

func (st *assembly) sortKeys() []plan.SortKey {
	keys := make([]plan.SortKey, len(st.sort))
	for i, s := range st.sort {
		keys[i] = plan.SortKey{Expr: st.output(s.target), Desc: s.desc, NullsFirst: s.nullsFirst}
	}
	return keys
}

// each replaces the expressions above the FROM clause: targets, HAVING, and the
// arguments of windows and sets.
func (st *assembly) each(f func(fqgw.Expr) (fqgw.Expr, error)) error {
	one := func(p *fqgw.Expr) error {
		if *p == nil {
			return nil
		}
		e, err := f(*p)
		*p = e
		return err
	}
	for i := range st.targets {
		if err := one(&st.targets[i].expr); err != nil {
			return err
		}
	}
	if err := one(&st.having); err != nil {
		return err
	}
	for i := range st.blk.windows {
		if err := eachOfCall(&st.blk.windows[i], one); err != nil {
			return err
		}
	}
	for i := range st.blk.sets {
		fn := *st.blk.sets[i].fn
		fn.Args = append([]fqgw.Expr(nil), fn.Args...)
		for j := range fn.Args {
			if err := one(&fn.Args[j]); err != nil {
				return err
			}
		}
		st.blk.sets[i].fn = &fn
	}
	return nil
}

// eachOfCall visits the expressions of a window call that see the row.
func eachOfCall(w *plan.WindowCall, one func(*fqgw.Expr) error) error {
	lists := [][]fqgw.Expr{w.Args, w.Partition}
	for _, l := range lists {
		for i := range l {
			if err := one(&l[i]); err != nil {
				return err
			}
		}
	}
	for _, keys := range [][]plan.SortKey{w.Order, w.OrderBy} {
		for i := range keys {
			if err := one(&keys[i].Expr); err != nil {
				return err
			}
		}
	}
	return one(&w.Filter)
}

// aggregate puts the Aggregate node below, if there is anything to group.
func (st *assembly) aggregate() error {
	if !st.grouped && len(st.blk.aggs) == 0 && st.having == nil {
		return nil
	}
	for _, g := range st.groups {
		if plan.Reads(g, func(i int) bool { return i >= setBase && i < groupBase }) {
			// A set that is grouped by is made before the groups.
			if err := st.projectSets(); err != nil {
				return err
			}
			break
		}
	}
	f := st.newFolder()
	if err := st.each(f.fold); err != nil {
		return err
	}
	for i, g := range st.groups { // each target its own, where one expression is grouped by twice
		if t := st.groupTargets[i]; t >= 0 {
			st.targets[t].expr = &expr.Column{Index: i, Typ: g.Type(), Name: st.targets[t].name}
		}
	}
	in := st.node.Columns()
	agg := &plan.Aggregate{Input: st.node, Groups: st.groups, Aggs: st.blk.aggs, Sets: st.sets}
	for _, g := range st.groups {
		agg.Cols = append(agg.Cols, originOf(g, in))
	}
	for _, a := range st.blk.aggs {
		agg.Cols = append(agg.Cols, plan.Column{Name: a.Func, Type: a.Type})
	}
	st.node = agg
	if st.having != nil {
		st.node = &plan.Filter{Input: agg, Cond: st.having}
	}
	return nil
}

// originOf describes an expression over a node's columns: a plain column keeps
// the table column that it comes from.
func originOf(e fqgw.Expr, in []plan.Column) plan.Column {
	if c, ok := e.(*expr.Column); ok && c.Level == 0 && c.Index < len(in) {
		col := in[c.Index]
		col.Type = c.Typ
		return col
	}
	return plan.Column{Name: "?column?", Type: e.Type()}
}

// window puts the Window node below.
func (st *assembly) window() {
	if len(st.blk.windows) == 0 {
		return
	}
	in := st.node.Columns()
	w := &plan.Window{Input: st.node, Calls: st.blk.windows, Cols: append([]plan.Column(nil), in...)}
	for _, c := range st.blk.windows {
		w.Cols = append(w.Cols, plan.Column{Name: c.Func, Type: c.Type})
	}
	st.node = w
	places := map[int]int{}
	for i := range st.blk.windows {
		places[windowBase+i] = len(in) + i
	}
	st.blk.windows = nil
	st.place(places)
}

// place gives placeholders their columns.
func (st *assembly) place(places map[int]int) {
	move := func(c *expr.Column, depth int) fqgw.Expr {
		at, ok := places[c.Index]
		if c.Level != depth || !ok {
			return c
		}
		d := *c
		d.Index = at
		return &d
	}
	_ = st.each(func(e fqgw.Expr) (fqgw.Expr, error) { return plan.MapColumns(e, 0, move), nil })
	st.groups = plan.MapList(st.groups, 0, move)
}

// projectSets puts the ProjectSet node below: the input's columns, then one for
// each set-returning function. One whose arguments have sets is run above those.
func (st *assembly) projectSets() error {
	var at []int // of the sets that are left, their placeholders
	for i := range st.blk.sets {
		at = append(at, setBase+i)
	}
	for len(st.blk.sets) > 0 {
		in := st.node.Columns()
		p := &plan.ProjectSet{Input: st.node, Cols: append([]plan.Column(nil), in...)}
		for i, c := range in {
			p.Exprs = append(p.Exprs, &expr.Column{Index: i, Typ: c.Type, Name: c.Name})
			p.Sets = append(p.Sets, nil)
		}
		var above []setCall
		var aboveAt []int
		places := map[int]int{}
		for i, s := range st.blk.sets {
			if slices.ContainsFunc(s.fn.Args, func(a fqgw.Expr) bool {
				return plan.Reads(a, func(i int) bool { return i >= setBase && i < groupBase })
			}) {
				above, aboveAt = append(above, s), append(aboveAt, at[i])
				continue
			}
			fn := *s.fn
			// The arguments see the input's row as the innermost outer row.
			fn.Args = plan.MapList(fn.Args, 0, plan.Outward(-1, 1))
			places[at[i]] = len(p.Cols)
			p.Exprs = append(p.Exprs, nil)
			p.Sets = append(p.Sets, &fn)
			p.Cols = append(p.Cols, plan.Column{Name: s.name, Type: s.typ})
		}
		st.node = p
		st.blk.sets, at = above, aboveAt
		st.place(places)
	}
	return nil
}

// project puts the projection on top, unless it would change nothing.
func (st *assembly) project() plan.Node {
	in := st.node.Columns()
	p := &plan.Project{Input: st.node}
	same := len(in) == len(st.targets)
	for i, t := range st.targets {
		col := originOf(t.expr, in)
		if !t.junk {
			col.Name = t.name
		}
		p.Exprs = append(p.Exprs, t.expr)
		p.Cols = append(p.Cols, col)
		c, ok := t.expr.(*expr.Column)
		same = same && ok && c.Level == 0 && c.Index == i && in[i] == col
	}
	if same && len(in) > 0 {
		return st.node
	}
	return p
}
