package bind

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// from is a bound FROM item: its plan, and the relations that name its columns.
type from struct {
	node plan.Node
	rels []*relation
}

func (f *from) width() int { return len(f.node.Columns()) }

// from binds the FROM list of a SELECT below parent.
func (b *Binder) from(list []*pg.Node, parent *Scope, blk *block) (*from, error) {
	if len(list) == 0 {
		return &from{node: &plan.Values{Rows: [][]fqgw.Expr{{}}}}, nil
	}
	var acc *from
	for _, n := range list {
		if acc == nil {
			var err error
			if acc, err = b.fromItem(n, parent, blk, true); err != nil {
				return nil, err
			}
			continue
		}
		// A feature view behind a comma joins the rows before it where WHERE
		// equates its keys.
		if joined, err := b.featureCross(acc, n, parent, blk); err != nil || joined != nil {
			if err != nil {
				return nil, err
			}
			acc = joined
			continue
		}
		lat := parent.left(acc.rels)
		right, err := b.fromItem(n, lat, blk, true)
		if err != nil {
			return nil, err
		}
		if acc.node, err = b.joinNode(acc, right, lat, plan.Cross); err != nil {
			return nil, err
		}
	}
	return acc, nil
}

// joinNode puts right's relations behind left's and gives the node above both,
// lateral only if right used a row of left.
func (b *Binder) joinNode(left, right *from, lat *Scope, kind plan.JoinKind) (*plan.Join, error) {
	if err := b.distinctNames(left.rels, right.rels); err != nil {
		return nil, err
	}
	j := &plan.Join{Kind: kind, Left: left.node, Right: right.node, Lateral: lat.used}
	if !lat.used && lat.crossed {
		j.Right = plan.MapNode(j.Right, 0, plan.Outward(1, -1)) // the row to the left is not there at run time
	}
	n := left.width()
	for _, r := range right.rels {
		r.shift(n)
	}
	left.rels = append(left.rels[:len(left.rels):len(left.rels)], right.rels...)
	return j, nil
}

// distinctNames refuses two FROM items of one name.
func (b *Binder) distinctNames(left, right []*relation) error {
	for _, r := range right {
		if r.name == "" || r.noName {
			continue
		}
		for _, l := range left {
			if l.name == r.name && !l.noName && (l.schema == "" || r.schema == "" || l.schema == r.schema) {
				return b.fail(r.loc, fqgw.CodeDuplicateAlias, "table name %q specified more than once", r.name)
			}
		}
	}
	return nil
}

// fromItem binds one FROM item; lat encloses it. strict: every row that WHERE
// rejects may be left out of it (no outer join above makes it nullable).
func (b *Binder) fromItem(n *pg.Node, lat *Scope, blk *block, strict bool) (*from, error) {
	if f, err := b.probedFeature(n, lat, blk); err != nil || f != nil {
		return f, err
	}
	switch x := n.Node.(type) {
	case *pg.Node_RangeVar:
		return b.table(x.RangeVar, nil, lat, blk)
	case *pg.Node_RangeTableSample:
		s := x.RangeTableSample
		if lastName(s.Method) != parse.AsOfMethod {
			return nil, b.fail(s.Location, fqgw.CodeFeatureNotSupported, "TABLESAMPLE is not supported")
		}
		return b.table(s.Relation.GetRangeVar(), s.Args, lat, blk)
	case *pg.Node_RangeSubselect:
		return b.subselect(x.RangeSubselect, lat)
	case *pg.Node_RangeFunction:
		return b.rangeFunction(x.RangeFunction, lat, blk)
	case *pg.Node_JoinExpr:
		return b.join(x.JoinExpr, lat, blk, strict)
	}
	return nil, b.fail(location(n), fqgw.CodeFeatureNotSupported, "this FROM item is not supported (%s)", nodeName(n))
}

// subselect binds (SELECT …) AS alias.
func (b *Binder) subselect(x *pg.RangeSubselect, lat *Scope) (*from, error) {
	sel, err := b.selectOf(x.Subquery)
	if err != nil {
		return nil, err
	}
	sc := &Scope{parent: lat, site: lat, depth: lat.depth, rowless: true, closed: !x.Lateral}
	q, err := b.query(sel, sc, &clause{sc: lat, name: "FROM"}, false)
	if err != nil {
		return nil, err
	}
	f, err := b.derived(q.node, x.Alias, "", targetLocation(sel, -1))
	return known(f, err, q.fields)
}

// derived is a FROM item over any plan, named by its alias, else by name.
func (b *Binder) derived(n plan.Node, alias *pg.Alias, name string, loc int32) (*from, error) {
	rel := &relation{name: name, table: name, loc: loc}
	for i, c := range n.Columns() {
		rel.cols = append(rel.cols, relColumn{name: c.Name, index: i, typ: c.Type})
	}
	if err := b.alias(rel, alias); err != nil {
		return nil, err
	}
	switch n := n.(type) { // made for this item alone: it may as well have its names
	case *plan.TableFunc:
		nameColumns(n.Cols, rel.cols)
	case *plan.Values:
		nameColumns(n.Cols, rel.cols)
	}
	return &from{node: n, rels: []*relation{rel}}, nil
}

func nameColumns(cols []plan.Column, names []relColumn) {
	for i := range cols {
		cols[i].Name = names[i].name
	}
}

// storedAlias is alias for what has a row type of its own.
func (b *Binder) storedAlias(rel *relation, a *pg.Alias) error {
	if len(a.GetColnames()) > 0 {
		for _, c := range rel.cols {
			if !c.hidden {
				rel.row = append(rel.row, c.name)
			}
		}
	}
	return b.alias(rel, a)
}

// alias applies AS name (columns…).
func (b *Binder) alias(rel *relation, a *pg.Alias) error {
	if a == nil {
		return nil
	}
	rel.name, rel.schema = a.Aliasname, ""
	names := strs(a.Colnames)
	seen := 0
	for i := range rel.cols {
		if rel.cols[i].hidden {
			continue
		}
		if seen < len(names) {
			rel.cols[i].name = names[seen]
		}
		seen++
	}
	if len(names) > seen {
		return b.fail(rel.loc, fqgw.CodeInvalidColumnRef, "table %q has %d columns available but %d columns specified", rel.name, seen, len(names))
	}
	return nil
}

// rangeFunction binds functions in FROM: one, or ROWS FROM (…) that run in step.
func (b *Binder) rangeFunction(x *pg.RangeFunction, lat *Scope, blk *block) (*from, error) {
	if len(x.Coldeflist) > 0 {
		return nil, b.fail(location(x.Functions[0]), fqgw.CodeFeatureNotSupported, "a column definition list is not supported")
	}
	if rv := viewOfFunction(x); rv != nil {
		return b.table(rv, nil, lat, blk)
	}
	if ft, err := b.featureFunction(x, lat); err != nil || ft != nil {
		if err != nil {
			return nil, err
		}
		return b.featureScan(ft, lat, blk)
	}
	sc := lat.inner()
	sc.joined = true
	c := &clause{sc: sc, name: "functions in FROM"}
	var nodes []plan.Node
	name := ""
	for _, f := range x.Functions {
		items := f.GetList().GetItems()
		if len(items) > 1 && items[1].GetList() != nil && len(items[1].GetList().Items) > 0 {
			return nil, b.fail(location(items[0]), fqgw.CodeFeatureNotSupported, "a column definition list is not supported")
		}
		n, fname, err := b.functionNode(items[0], c)
		if err != nil {
			return nil, err
		}
		if nodes = append(nodes, n); name == "" {
			name = fname
		}
	}
	node, err := b.inStep(nodes, x.Ordinality)
	if err != nil {
		return nil, err
	}
	alias := x.Alias
	// A function of one column names it after the alias.
	if cols := node.Columns(); len(nodes) == 1 && alias != nil && len(alias.Colnames) == 0 && cols[0].Name == name &&
		(len(cols) == 1 || len(cols) == 2 && x.Ordinality) {
		alias = &pg.Alias{Aliasname: alias.Aliasname, Colnames: []*pg.Node{pg.MakeStrNode(alias.Aliasname)}}
	}
	f, err := b.derived(node, alias, name, location(x.Functions[0].GetList().GetItems()[0]))
	if err == nil {
		f.rels[0].scalar = len(nodes) == 1 && f.width() == 1
	}
	return f, err
}

// functionViews are the catalog's functions that return what a view of the
// catalog shows, and the views.
var functionViews = map[string]string{
	"pg_show_all_settings": "pg_settings", "pg_timezone_names": "pg_timezone_names", "pg_timezone_abbrevs": "pg_timezone_abbrevs",
	"pg_lock_status": "pg_locks", "pg_prepared_statement": "pg_prepared_statements", "pg_cursor": "pg_cursors", "pg_config": "pg_config",
	"pg_show_all_file_settings": "pg_file_settings", "pg_hba_file_rules": "pg_hba_file_rules", "pg_ident_file_mappings": "pg_ident_file_mappings",
	"pg_get_shmem_allocations": "pg_shmem_allocations", "pg_get_backend_memory_contexts": "pg_backend_memory_contexts",
}

// viewOfFunction is the view to read for a call of one of them, else nil.
func viewOfFunction(x *pg.RangeFunction) *pg.RangeVar {
	if len(x.Functions) != 1 || x.Ordinality {
		return nil
	}
	f := x.Functions[0].GetList().GetItems()[0].GetFuncCall()
	if f == nil || len(f.Args) > 0 {
		return nil
	}
	name := f.Funcname[len(f.Funcname)-1].GetString_().GetSval()
	view := functionViews[name]
	if view == "" || len(f.Funcname) > 1 && f.Funcname[0].GetString_().GetSval() != "pg_catalog" {
		return nil
	}
	alias := x.Alias
	if alias == nil {
		alias = &pg.Alias{Aliasname: name}
	}
	return &pg.RangeVar{Schemaname: "pg_catalog", Relname: view, Alias: alias, Inh: true, Relpersistence: "p", Location: f.Location}
}

// functionNode is one function in FROM; one that returns no set is a row.
func (b *Binder) functionNode(n *pg.Node, c *clause) (plan.Node, string, error) {
	if f := n.GetFuncCall(); f != nil {
		name, err := b.functionName(f.Funcname, f.Location)
		if err != nil {
			return nil, "", err
		}
		if functionKind(name) == setFunc {
			args, err := b.bindAll(f.Args, c)
			if err != nil {
				return nil, "", err
			}
			fn, err := b.tableFunc(name, args)
			return fn, name, b.at(err, f.Location, f.Args...)
		}
	}
	e, err := b.bind(n, c)
	if err != nil {
		return nil, "", err
	}
	if e, err = b2text(e); err != nil {
		return nil, "", b.at(err, location(n))
	}
	name := ColumnName(n)
	return &plan.Values{Cols: []plan.Column{{Name: name, Type: e.Type()}}, Rows: [][]fqgw.Expr{{e}}}, name, nil
}

// inStep runs several functions side by side, and numbers the rows.
func (b *Binder) inStep(nodes []plan.Node, ordinality bool) (plan.Node, error) {
	number := plan.Column{Name: "ordinality", Type: fqgw.Int8}
	if len(nodes) == 1 {
		if !ordinality {
			return nodes[0], nil
		}
		switch n := nodes[0].(type) {
		case *plan.TableFunc:
			n.Ordinality = true
			n.Cols = append(n.Cols, number)
			return n, nil
		case *plan.Values:
			n.Cols = append(n.Cols, number)
			n.Rows[0] = append(n.Rows[0], &expr.Const{Val: fqgw.IntValue(1), Typ: fqgw.Int8})
			return n, nil
		}
	}
	p := &plan.ProjectSet{Input: &plan.Values{Rows: [][]fqgw.Expr{{}}}}
	for _, n := range nodes {
		fn, ok := n.(*plan.TableFunc)
		if !ok || len(fn.Cols) != 1 {
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "ROWS FROM takes functions that return sets of one column")
		}
		f := *fn
		f.Args = plan.MapList(fn.Args, 0, plan.Outward(-1, 1))
		p.Exprs, p.Sets, p.Cols = append(p.Exprs, nil), append(p.Sets, &f), append(p.Cols, fn.Cols[0])
	}
	if !ordinality {
		return p, nil
	}
	row := plan.WindowCall{AggCall: plan.AggCall{Func: "row_number", Type: fqgw.Int8},
		Frame: plan.Frame{Mode: 'r', End: plan.CurrentRow}}
	return &plan.Window{Input: p, Calls: []plan.WindowCall{row}, Cols: append(slices.Clone(p.Cols), number)}, nil
}
