package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// sortItem is one ORDER BY item: a target and how it is sorted.
type sortItem struct {
	target           int
	desc, nullsFirst bool
}

// direction reads ASC, DESC, NULLS FIRST, USING <.
func (b *Binder) direction(s *pg.SortBy) (desc, nullsFirst bool, err error) {
	switch s.SortbyDir {
	case pg.SortByDir_SORTBY_DESC:
		desc = true
	case pg.SortByDir_SORTBY_USING:
		op, err := b.operatorName(s.UseOp, s.Location)
		if err != nil {
			return false, false, err
		}
		switch op {
		case "<":
		case ">":
			desc = true
		default:
			return false, false, b.fail(s.Location, fqgw.CodeWrongObjectType, "operator %s is not a valid ordering operator", op).
				WithHint("Ordering operators must be \"<\" or \">\" members of btree operator families.")
		}
	}
	nullsFirst = desc
	switch s.SortbyNulls {
	case pg.SortByNulls_SORTBY_NULLS_FIRST:
		nullsFirst = true
	case pg.SortByNulls_SORTBY_NULLS_LAST:
		nullsFirst = false
	}
	return desc, nullsFirst, nil
}

func (st *assembly) orderBy() error {
	for _, n := range st.stmt.SortClause {
		s := n.GetSortBy()
		i, err := st.entry(s.Node, "ORDER BY")
		if err != nil {
			return err
		}
		item := sortItem{target: i}
		if item.desc, item.nullsFirst, err = st.b.direction(s); err != nil {
			return err
		}
		if err := st.sortable(i, s.Node); err != nil {
			return err
		}
		st.sort = append(st.sort, item)
	}
	return nil
}

// sortable checks that a target can be ordered; an untyped literal becomes text.
func (st *assembly) sortable(i int, n *pg.Node) error {
	t := &st.targets[i]
	if t.expr.Type() == fqgw.Unknown {
		e, err := expr.Cast(t.expr, fqgw.Text, expr.Implicit)
		if err != nil {
			return st.b.at(err, location(n))
		}
		t.expr = e
	}
	return st.b.orderable(t.expr, location(n))
}

// orderable refuses types without an order.
func (b *Binder) orderable(e fqgw.Expr, loc int32) error {
	switch t := e.Type().Base(); t {
	case fqgw.JSON, fqgw.PgNodeTree, fqgw.ACLItem:
		return b.fail(loc, fqgw.CodeUndefinedFunction, "could not identify an ordering operator for type %s", t).
			WithHint("Use an explicit ordering operator or modify the query.")
	}
	return nil
}

// entry finds the target that an item of ORDER BY or DISTINCT ON stands for: an
// output name, an ordinal, an equal expression; else it becomes a junk target.
func (st *assembly) entry(n *pg.Node, what string) (int, error) {
	if i, ok, err := st.ordinal(n, what); ok || err != nil {
		return i, err
	}
	if ref := n.GetColumnRef(); ref != nil && len(ref.Fields) == 1 {
		if i, err := st.named(ref, what); i >= 0 || err != nil {
			return i, err
		}
	}
	e, err := st.b.bind(n, st.clause(what))
	if err != nil {
		return 0, err
	}
	if i := st.same(e); i >= 0 {
		return i, nil
	}
	return st.junk(e, n), nil
}

// ordinal is the target that a constant names.
func (st *assembly) ordinal(n *pg.Node, what string) (int, bool, error) {
	k := n.GetAConst()
	if k == nil {
		return 0, false, nil
	}
	if k.GetIval() == nil {
		if k.Isnull {
			return 0, false, nil
		}
		return 0, true, st.b.fail(k.Location, fqgw.CodeSyntax, "non-integer constant in %s", what)
	}
	i := int(k.GetIval().Ival)
	if i < 1 || i > st.visible() {
		return 0, true, st.b.fail(k.Location, fqgw.CodeInvalidColumnRef, "%s position %d is not in select list", what, i)
	}
	return i - 1, true, nil
}

// named is the target with that output name, -1 when there is none.
func (st *assembly) named(ref *pg.ColumnRef, what string) (int, error) {
	name := ref.Fields[0].GetString_().GetSval()
	hit := -1
	for i, t := range st.targets {
		if t.junk || t.name != name {
			continue
		}
		if hit >= 0 && !expr.Equal(st.targets[hit].expr, t.expr) {
			return 0, st.b.fail(ref.Location, fqgw.CodeAmbiguousColumn, "%s %q is ambiguous", what, name)
		}
		if hit < 0 {
			hit = i
		}
	}
	return hit, nil
}

// same is the target that equals e, -1 when none does.
func (st *assembly) same(e fqgw.Expr) int {
	k := expr.Key(e)
	for i, t := range st.targets {
		if expr.Key(t.expr) == k {
			return i
		}
	}
	return -1
}

func (st *assembly) distinctClause() error {
	d := st.stmt.DistinctClause
	if len(d) == 0 {
		return nil
	}
	st.distinct = true
	if d[0] == nil || d[0].Node == nil { // DISTINCT of whole rows
		for _, s := range st.sort {
			if st.targets[s.target].junk {
				return st.b.fail(location(st.targets[s.target].node), fqgw.CodeInvalidColumnRef,
					"for SELECT DISTINCT, ORDER BY expressions must appear in select list")
			}
		}
		return nil
	}
	for _, n := range d {
		i, err := st.entry(n, "DISTINCT ON")
		if err != nil {
			return err
		}
		if err := st.sortable(i, n); err != nil {
			return err
		}
		st.on = append(st.on, i)
	}
	// The sort must begin with these expressions, in any order.
	left := map[int]bool{}
	for _, i := range st.on {
		left[i] = true
	}
	for _, s := range st.sort {
		if len(left) == 0 {
			break
		}
		if !left[s.target] && !contains(st.on, s.target) {
			return st.b.fail(location(d[0]), fqgw.CodeInvalidColumnRef, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions")
		}
		delete(left, s.target)
	}
	for _, i := range st.on {
		if left[i] {
			st.sort = append(st.sort, sortItem{target: i})
		}
	}
	return nil
}

func contains(list []int, x int) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

// limit binds LIMIT, OFFSET and FETCH; nil when there is none. Ties are filled
// in by the caller.
func (b *Binder) limit(s *pg.SelectStmt, sc *Scope) (*plan.Limit, error) {
	l := &plan.Limit{}
	var err error
	if l.Offset, err = b.rowCount(s.LimitOffset, sc, "OFFSET"); err != nil {
		return nil, err
	}
	if l.Count, err = b.rowCount(s.LimitCount, sc, "LIMIT"); err != nil {
		return nil, err
	}
	if s.LimitOption == pg.LimitOption_LIMIT_OPTION_WITH_TIES && l.Count != nil {
		if len(s.SortClause) == 0 {
			return nil, b.fail(location(s.LimitCount), fqgw.CodeSyntax, "WITH TIES cannot be specified without ORDER BY clause")
		}
		l.Ties = []plan.SortKey{}
	}
	if l.Count == nil && l.Offset == nil {
		return nil, nil
	}
	return l, nil
}

func (b *Binder) rowCount(n *pg.Node, sc *Scope, what string) (fqgw.Expr, error) {
	if n == nil || n.GetAConst().GetIsnull() { // LIMIT ALL
		return nil, nil
	}
	e, err := b.bind(n, &clause{sc: sc, name: what})
	if err != nil {
		return nil, err
	}
	if plan.Reads(e, plan.AnyColumn) {
		return nil, b.fail(location(n), fqgw.CodeInvalidColumnRef, "argument of %s must not contain variables", what)
	}
	from := e.Type()
	if e, err = expr.Cast(e, fqgw.Int8, expr.Assignment); err != nil {
		if fqgw.AsError(err).Code == "42846" {
			err = fqgw.Errorf(fqgw.CodeDatatypeMismatch, "argument of %s must be type bigint, not type %s", what, from)
		}
		return nil, b.at(err, location(n), n)
	}
	return e, nil
}
