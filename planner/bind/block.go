package bind

import (
	"strconv"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// While a SELECT is bound, its aggregates, window functions and set-returning
// functions are columns with an index behind these bounds; assemble gives them
// their places.
const (
	placeholders = 1 << 24
	aggBase      = 1 << 24
	windowBase   = 2 << 24
	setBase      = 3 << 24
	groupBase    = 4 << 24
)

// block is what one SELECT collects beside its expressions.
type block struct {
	mention *mentions
	where   []*pg.Node // conjuncts
	aggs    []plan.AggCall
	aggKeys map[string]int
	windows []plan.WindowCall
	named   []*pg.WindowDef
	sets    []setCall
}

type setCall struct {
	fn   *plan.TableFunc
	typ  fqgw.Type
	name string
	key  string // of one that gives records: (f(x)).a and (f(x)).b are of one call
}

// target is one output column; junk ones are only sorted by.
type target struct {
	expr fqgw.Expr
	name string
	node *pg.Node // as written; nil for what * stands for
	junk bool
}

// query is a bound SELECT or VALUES.
type query struct {
	node   plan.Node
	fields map[int][]relColumn // of the output columns that are records: their fields
}

// query binds a SELECT, VALUES or set operation below parent; within is the
// clause of the enclosing query where a subquery stands. With open, untyped
// literals and parameters of the result stay so where that is possible.
func (b *Binder) query(s *pg.SelectStmt, parent *Scope, within *clause, open bool) (*query, error) {
	if s.IntoClause != nil {
		return nil, b.fail(s.IntoClause.Rel.GetLocation(), fqgw.CodeSyntax, "SELECT ... INTO is not allowed here")
	}
	if len(s.LockingClause) > 0 {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "FOR UPDATE and FOR SHARE are not supported")
	}
	parent = &Scope{parent: parent, site: parent, depth: parent.depth, rowless: true, edge: true, within: within}
	if s.WithClause != nil {
		var err error
		if parent, err = b.with(s, parent); err != nil {
			return nil, err
		}
	}
	switch {
	case s.Op != pg.SetOperation_SETOP_NONE && s.Op != pg.SetOperation_SET_OPERATION_UNDEFINED:
		return b.setOp(s, parent)
	case len(s.ValuesLists) > 0:
		return b.values(s, parent, open)
	}
	return b.selectBlock(s, parent, open)
}

func (b *Binder) selectBlock(s *pg.SelectStmt, parent *Scope, open bool) (*query, error) {
	blk := &block{mention: mentioned(s), where: conjuncts(s.WhereClause), aggKeys: map[string]int{}}
	for _, w := range s.WindowClause {
		blk.named = append(blk.named, w.GetWindowDef())
	}
	sc := parent.inner()
	sc.block = blk
	in, err := b.from(s.FromClause, parent, blk)
	if err != nil {
		return nil, err
	}
	sc.rels = in.rels
	st := &assembly{b: b, blk: blk, sc: sc, node: in.node, stmt: s}
	if err := st.targetList(); err != nil {
		return nil, err
	}
	if s.WhereClause != nil {
		cond, err := b.condition(s.WhereClause, &clause{sc: sc, name: "WHERE"}, "WHERE")
		if err != nil {
			return nil, err
		}
		st.node = b.filter(st.node, cond)
	}
	if s.HavingClause != nil {
		if st.having, err = b.condition(s.HavingClause, st.clause("HAVING"), "HAVING"); err != nil {
			return nil, err
		}
	}
	if err := st.orderBy(); err != nil {
		return nil, err
	}
	if err := st.groupBy(); err != nil {
		return nil, err
	}
	if err := st.distinctClause(); err != nil {
		return nil, err
	}
	if st.limit, err = b.limit(s, sc); err != nil {
		return nil, err
	}
	if err := st.namedWindows(); err != nil {
		return nil, err
	}
	if err := st.settle(open); err != nil {
		return nil, err
	}
	outputs := make([]fqgw.Expr, st.visible())
	for i := range outputs {
		outputs[i] = st.targets[i].expr
	}
	fields := b.fieldsOfAll(outputs)
	node, err := st.assemble()
	return &query{node: node, fields: fields}, err
}

// assembly is a SELECT between its bound clauses and its plan.
type assembly struct {
	b            *Binder
	blk          *block
	sc           *Scope
	stmt         *pg.SelectStmt
	node         plan.Node
	targets      []target
	having       fqgw.Expr
	sort         []sortItem
	groups       []fqgw.Expr
	groupTargets []int // the target that a group is, -1 for none
	sets         [][]int
	grouped      bool // GROUP BY was written
	distinct     bool
	on           []int // DISTINCT ON: targets
	limit        *plan.Limit
}

// clause is a place where aggregates and window functions may stand, as HAVING
// (no window functions), the SELECT list and ORDER BY.
func (st *assembly) clause(name string) *clause {
	return &clause{sc: st.sc, name: name, aggs: true, windows: name != "HAVING", sets: name != "HAVING"}
}

func (st *assembly) targetList() error {
	for _, n := range st.stmt.TargetList {
		t := n.GetResTarget()
		if qualifiers, ok := st.starOf(t.Val); ok {
			cols, err := st.b.star(qualifiers, st.sc, location(t.Val))
			if err != nil {
				return err
			}
			for _, c := range cols {
				st.targets = append(st.targets, target{expr: c.expr, name: c.name})
			}
			continue
		}
		if i := t.Val.GetAIndirection(); i != nil && len(i.Indirection) == 1 && i.Indirection[0].GetAStar() != nil {
			if err := st.fields(i.Arg); err != nil {
				return err
			}
			continue
		}
		e, err := st.b.bind(t.Val, st.clause("SELECT"))
		if err != nil {
			return err
		}
		name := t.Name
		if name == "" {
			name = ColumnName(t.Val)
		}
		st.targets = append(st.targets, target{expr: e, name: name, node: t.Val})
	}
	return nil
}

// starOf is isStar, and (t).* of a relation besides.
func (st *assembly) starOf(n *pg.Node) ([]*pg.Node, bool) {
	if i := n.GetAIndirection(); i != nil && len(i.Indirection) == 1 && i.Indirection[0].GetAStar() != nil {
		if ref := i.Arg.GetColumnRef(); ref != nil {
			f, err := st.b.lookup(strs(ref.Fields), st.sc)
			return ref.Fields, err == nil && f == nil
		}
	}
	return isStar(n)
}

// settle gives untyped outputs the type text. With open they stay untyped if
// the plan's topmost node will be the projection, where they can still be cast.
func (st *assembly) settle(open bool) error {
	if open && !st.distinct && len(st.sort) == 0 && st.limit == nil {
		return nil
	}
	for i := range st.targets {
		t := &st.targets[i]
		if t.expr.Type() != fqgw.Unknown {
			continue
		}
		e, err := expr.Cast(t.expr, fqgw.Text, expr.Implicit)
		if err != nil {
			return st.b.at(err, location(t.node))
		}
		t.expr = e
	}
	return nil
}

// visible is how many targets are output columns; the junk stands behind them.
func (st *assembly) visible() int {
	n := 0
	for _, t := range st.targets {
		if !t.junk {
			n++
		}
	}
	return n
}

// junk adds a target that is only sorted by and gives its index.
func (st *assembly) junk(e fqgw.Expr, n *pg.Node) int {
	st.targets = append(st.targets, target{expr: e, node: n, junk: true})
	return len(st.targets) - 1
}

func itoa(i int) string { return strconv.Itoa(i) }
