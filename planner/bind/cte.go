package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// cte is one WITH query. It is bound when it is first named.
type cte struct {
	node   *pg.CommonTableExpr
	scope  *Scope // where the names of its query are looked up
	refs   int    // how often it is named, at least
	self   bool   // it names itself, under WITH RECURSIVE
	busy   bool   // it is being bound
	works  bool   // it reads the work table of a recursive query around it
	work   *plan.CTE
	shared *plan.CTE
	cols   []plan.Column
	fields map[int][]relColumn // of the columns that are records
}

// with makes the scope that WITH opens; it stands for no row.
func (b *Binder) with(s *pg.SelectStmt, parent *Scope) (*Scope, error) {
	seen := map[string]bool{}
	all := &Scope{parent: parent, site: parent, depth: parent.depth, rowless: true, ctes: map[string]*cte{}}
	for _, n := range s.WithClause.Ctes {
		x := n.GetCommonTableExpr()
		if seen[x.Ctename] {
			return nil, b.fail(x.Location, fqgw.CodeDuplicateAlias, "WITH query name %q specified more than once", x.Ctename)
		}
		seen[x.Ctename] = true
		if x.Ctequery.GetSelectStmt() == nil {
			return nil, b.fail(x.Location, fqgw.CodeFeatureNotSupported, "data-modifying statements in WITH are not supported")
		}
		if x.SearchClause != nil || x.CycleClause != nil {
			return nil, b.fail(x.Location, fqgw.CodeFeatureNotSupported, "SEARCH and CYCLE are not supported")
		}
		c := &cte{node: x, refs: references(selectNode(s), x.Ctename), scope: all}
		if s.WithClause.Recursive {
			c.self = references(x.Ctequery, x.Ctename) > 0
			all.ctes[x.Ctename] = c
			continue
		}
		// Without RECURSIVE a WITH query sees those before it.
		all = &Scope{parent: all, site: all, depth: parent.depth, rowless: true, ctes: map[string]*cte{x.Ctename: c}}
	}
	return all, nil
}

// references counts the places in a tree that may name the WITH query.
func references(n *pg.Node, name string) int {
	count := 0
	if v := n.GetRangeVar(); v != nil && v.Schemaname == "" && v.Relname == name {
		count++
	}
	children(n, func(c *pg.Node) { count += references(c, name) })
	return count
}

// cteNode gives a plan for a reference to c from site, and its columns. With t,
// an AS OF stands at the reference.
func (b *Binder) cteNode(c *cte, site *Scope, t *times, loc int32) (plan.Node, error) {
	name := c.node.Ctename
	if c.busy {
		if c.work == nil {
			return nil, b.fail(loc, "42P19", "recursive reference to query %q must not appear within its non-recursive term", name)
		}
		for i := len(b.ctes) - 1; b.ctes[i] != c; i-- {
			b.ctes[i].works = true
		}
		return &plan.WorkTable{CTE: c.work, Cols: c.cols}, nil
	}
	if c.self {
		if t != nil {
			return nil, b.fail(loc, fqgw.CodeFeatureNotSupported, "AS OF cannot be applied to the recursive query %q", name)
		}
		q, err := b.recursive(c)
		if err != nil {
			return nil, err
		}
		n := &plan.CTEScan{CTE: q, Cols: c.cols}
		if q.Correlated && site.depth > c.scope.depth {
			return farther(n, c.scope, site), nil
		}
		return n, nil
	}
	if t == nil && c.shares() {
		if c.shared == nil {
			node, err := b.inlined(c, c.scope, nil)
			if err != nil {
				return nil, err
			}
			if plan.Free(node) == 0 && !c.works { // else it sees outer rows and is run where it is named
				c.shared, c.cols = &plan.CTE{Name: name, Plan: node}, node.Columns()
			}
		}
		if c.shared != nil {
			return &plan.CTEScan{CTE: c.shared, Cols: c.cols}, nil
		}
	}
	return b.inlined(c, site, t)
}

// shares says whether c is run once for all its references.
func (c *cte) shares() bool {
	switch c.node.Ctematerialized {
	case pg.CTEMaterialize_CTEMaterializeAlways:
		return true
	case pg.CTEMaterialize_CTEMaterializeNever:
		return false
	}
	return c.refs > 1
}

// inlined binds the query of c to run at site.
func (b *Binder) inlined(c *cte, site *Scope, t *times) (plan.Node, error) {
	defer b.begin(c)()
	sc := &Scope{parent: c.scope, site: site, depth: site.depth, rowless: true, times: t}
	q, err := b.query(c.node.Ctequery.GetSelectStmt(), sc, &clause{sc: site, name: "WITH"}, false)
	if err != nil {
		return nil, err
	}
	c.fields = q.fields
	cols, err := b.cteColumns(c, q.node)
	if err != nil {
		return nil, err
	}
	return renamed(q.node, cols), nil
}

// begin notes that c is being bound, until the function it returns is called.
func (b *Binder) begin(c *cte) (end func()) {
	c.busy, c.works, c.work = true, false, nil
	b.ctes = append(b.ctes, c)
	return func() {
		c.busy = false
		b.ctes = b.ctes[:len(b.ctes)-1]
	}
}

// farther is a scan of a correlated query, bound for a place in scope from, at a
// site that has more rows around it.
func farther(n *plan.CTEScan, from, site *Scope) plan.Node {
	at := site.inner()
	return plan.MapNode(n, 0, func(c *expr.Column, depth int) fqgw.Expr {
		if c.Level <= depth {
			return c
		}
		for to := from; to != nil; to = to.site {
			if !to.rowless && to.depth == from.depth+1-(c.Level-depth) {
				at.reach(to)
			}
		}
		d := *c
		d.Level += site.depth - from.depth
		return &d
	})
}

// cteColumns are the columns of a WITH query under its column list.
func (b *Binder) cteColumns(c *cte, n plan.Node) ([]plan.Column, error) {
	cols := append([]plan.Column(nil), n.Columns()...)
	names := strs(c.node.Aliascolnames)
	if len(names) > len(cols) {
		return nil, b.fail(c.node.Location, fqgw.CodeInvalidColumnRef, "WITH query %q has %d columns available but %d columns specified",
			c.node.Ctename, len(cols), len(names))
	}
	for i, name := range names {
		cols[i].Name = name
	}
	return cols, nil
}

// renamed is a node whose columns have other names.
func renamed(n plan.Node, cols []plan.Column) plan.Node {
	same := true
	for i, c := range n.Columns() {
		same = same && c == cols[i]
	}
	if same {
		return n
	}
	if p, ok := n.(*plan.Project); ok {
		return &plan.Project{Input: p.Input, Exprs: p.Exprs, Cols: cols}
	}
	return &plan.Project{Input: n, Exprs: columnsOf(n), Cols: cols}
}

// recursive binds a query that names itself: what is before UNION, then the
// step over the work table. It runs where its WITH stands.
func (b *Binder) recursive(c *cte) (*plan.CTE, error) {
	if c.shared != nil {
		return c.shared, nil
	}
	name, sel := c.node.Ctename, c.node.Ctequery.GetSelectStmt()
	fail := func(code fqgw.Code, format string, args ...any) (*plan.CTE, error) {
		return nil, b.fail(c.node.Location, code, format, args...)
	}
	switch {
	case sel.Op != pg.SetOperation_SETOP_UNION:
		return fail("42P19", "recursive query %q does not have the form non-recursive-term UNION [ALL] recursive-term", name)
	case len(sel.SortClause) > 0:
		return fail(fqgw.CodeFeatureNotSupported, "ORDER BY in a recursive query is not implemented")
	case sel.LimitCount != nil || sel.LimitOffset != nil:
		return fail(fqgw.CodeFeatureNotSupported, "LIMIT in a recursive query is not implemented")
	}
	defer b.begin(c)()
	sc := &Scope{parent: c.scope, site: c.scope, depth: c.scope.depth, rowless: true}
	if sel.WithClause != nil {
		var err error
		if sc, err = b.with(sel, sc); err != nil {
			return nil, err
		}
	}
	first, err := b.query(sel.Larg, sc, &clause{sc: c.scope, name: "WITH"}, false)
	if err != nil {
		return nil, err
	}
	cols, err := b.cteColumns(c, first.node)
	if err != nil {
		return nil, err
	}
	for i := range cols {
		cols[i].Rel, cols[i].Att = 0, 0
	}
	work := &plan.CTE{Name: name, Plan: renamed(first.node, cols), Recursive: true, All: sel.All}
	c.work, c.cols, c.fields = work, cols, first.fields
	step, err := b.query(sel.Rarg, sc, &clause{sc: c.scope, name: "WITH"}, true)
	if err != nil {
		return nil, err
	}
	types, err := b.commonColumns(first.node, step.node, "UNION", sel.Rarg)
	if err != nil {
		return nil, err
	}
	for i, t := range types {
		if t.OID != cols[i].Type.OID {
			return nil, b.fail(targetLocation(sel.Larg, i), fqgw.CodeDatatypeMismatch,
				"recursive query %q column %d has type %s in non-recursive term but type %s overall", name, i+1, cols[i].Type.Base(), t.Base()).
				WithHint("Cast the output of the non-recursive term to the correct type.")
		}
		types[i] = cols[i].Type
	}
	if work.Step, err = castColumns(step.node, types, func(i int, e fqgw.Expr) (fqgw.Expr, error) {
		return expr.Cast(e, types[i], expr.Implicit)
	}); err != nil {
		return nil, b.at(err, targetLocation(sel.Rarg, -1))
	}
	work.Correlated = c.works || plan.Free(work.Plan) > 0 || plan.Free(work.Step) > 0
	if !c.works {
		c.shared = work
	}
	return work, nil
}
