package bind

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// named is what a relation's name stands for: one of the fields.
type named struct {
	cte     *cte
	system  *plan.SystemRelation
	table   *fqgw.Table
	source  *fqgw.Source
	feature *fqgw.FeatureView
	view    *fqgw.View
}

// resolve finds the relation of that name as PostgreSQL does: WITH queries,
// temporary tables, pg_catalog, then the search path; 42P01 with the nearest name.
func (b *Binder) resolve(rv *pg.RangeVar, sc *Scope) (named, error) {
	n, err := b.find(rv, sc)
	if err == nil && b.Used != nil {
		switch {
		case n.table != nil:
			b.Used(n.table)
		case n.source != nil:
			b.Used(n.source)
		case n.feature != nil:
			b.Used(n.feature)
		case n.view != nil:
			b.Used(n.view)
		}
	}
	return n, err
}

func (b *Binder) find(rv *pg.RangeVar, sc *Scope) (named, error) {
	schema, name := rv.Schemaname, rv.Relname
	if rv.Catalogname != "" && rv.Catalogname != "fqgw" {
		return named{}, b.fail(rv.Location, fqgw.CodeFeatureNotSupported, "cross-database references are not implemented: \"%s.%s.%s\"",
			rv.Catalogname, schema, name)
	}
	if schema == "" {
		if c := sc.cte(name); c != nil {
			return named{cte: c}, nil
		}
	}
	if t := b.temporary(schema, name); t != nil {
		return named{table: t}, nil
	}
	if schema != "" {
		if n, ok := b.inSchema(schema, name); ok {
			return n, nil
		}
		return named{}, b.noTable(rv)
	}
	if n, ok := b.inSchema("", name); ok { // pg_catalog comes first
		return n, nil
	}
	path := b.SearchPath
	if path == nil {
		path = []string{fqgw.PublicSchema}
	}
	for _, schema := range path {
		if n, ok := b.inSchema(schema, name); ok {
			return n, nil
		}
	}
	return named{}, b.noTable(rv)
}

func (b *Binder) temporary(schema, name string) *fqgw.Table {
	if b.Temp == nil || schema != "" && schema != "pg_temp" {
		return nil
	}
	return b.Temp(name)
}

func (b *Binder) inSchema(schema, name string) (named, bool) {
	c := b.Catalog
	switch {
	case c != nil && c.HasSchema(schema):
		q := fqgw.QualifiedName{Schema: schema, Name: name}
		n := named{source: c.Sources[q], feature: c.Features[q], table: c.Tables[q], view: c.Views[q]}
		return n, n != named{}
	case schema == "lake" && c != nil: // the lake's own names
		if t := c.Tables[fqgw.Public(name)]; t != nil {
			return named{table: t}, true
		}
		for _, t := range c.Tables {
			if t.History == "lake."+name {
				return named{table: t}, true
			}
		}
		for _, s := range c.Sources {
			if s.History == "lake."+name {
				return named{source: s}, true
			}
		}
	case schema != fqgw.PublicSchema && b.System != nil:
		if r := b.System(schema, name); r != nil {
			return named{system: r}, true
		}
	}
	return named{}, false
}

func (b *Binder) noTable(rv *pg.RangeVar) error {
	shown := rv.Relname
	if rv.Schemaname != "" {
		shown = rv.Schemaname + "." + shown
	}
	e := b.fail(rv.Location, fqgw.CodeUndefinedTable, "relation %q does not exist", shown)
	if b.Catalog != nil && (rv.Schemaname == "" || rv.Schemaname == fqgw.PublicSchema) {
		if near := nearest(rv.Relname, b.Catalog.Names()); near != "" {
			e.Hint = "Perhaps you meant the relation \"" + near + "\"."
		}
	}
	return e
}

// table binds a relation by name; asOf has the time and KNOWN AT of AS OF.
func (b *Binder) table(rv *pg.RangeVar, asOf []*pg.Node, lat *Scope, blk *block) (*from, error) {
	n, err := b.resolve(rv, lat)
	if err != nil {
		return nil, err
	}
	if n.feature != nil {
		ft := b.featureOf(n.feature, rv, asOf)
		if err := b.aliasFeature(ft, rv.Alias); err != nil {
			return nil, err
		}
		return b.featureScan(ft, lat, blk)
	}
	sc := lat.inner()
	sc.joined = true
	var t *times
	if len(asOf) > 0 {
		if t, err = b.timesOf(asOf, sc); err != nil {
			return nil, err
		}
	}
	switch {
	case n.cte != nil:
		node, err := b.cteNode(n.cte, lat, t, rv.Location)
		if err != nil {
			return nil, err
		}
		f, err := b.derived(node, rv.Alias, rv.Relname, rv.Location)
		return known(f, err, n.cte.fields)
	case n.view != nil:
		node, fields, err := b.viewNode(n.view, lat, t, rv.Location)
		if err != nil {
			return nil, err
		}
		f, err := b.derived(node, nil, rv.Relname, rv.Location)
		if err == nil {
			f.rels[0].schema = n.view.Qualified().Schema
			err = b.storedAlias(f.rels[0], rv.Alias)
		}
		return known(f, err, fields)
	case n.source != nil:
		return b.sourceScan(n.source, rv, t, blk, asOf)
	case n.table != nil:
		return b.tableScan(n.table, rv, t, blk, asOf)
	}
	if t != nil {
		return nil, b.fail(rv.Location, fqgw.CodeWrongObjectType, "AS OF cannot be applied to system relation %q", rv.Relname)
	}
	return b.systemScan(n.system, rv, blk)
}

// scanned makes the FROM item of a stored relation: the columns that the query
// mentions, with their places in the relation.
func (b *Binder) scanned(rv *pg.RangeVar, schema string, oid uint32, cols []fqgw.Column, hidden int, blk *block) (*relation, []plan.Column, []int, error) {
	rel := &relation{name: rv.Relname, table: rv.Relname, schema: schema, oid: oid, loc: rv.Location}
	for i, c := range cols {
		rel.cols = append(rel.cols, relColumn{name: c.Name, index: -1, typ: c.Type, hidden: i >= hidden})
	}
	if err := b.storedAlias(rel, rv.Alias); err != nil {
		return nil, nil, nil, err
	}
	var out []plan.Column
	fields := []int{}
	for i := range rel.cols {
		c := &rel.cols[i]
		if c.hidden && !blk.mention.names[c.name] || !blk.mention.needs(rel.name, c.name) {
			continue
		}
		c.index = len(out)
		col := plan.Column{Name: c.name, Type: c.typ, Rel: oid, Att: int16(i + 1)}
		if c.hidden {
			col.Rel, col.Att = 0, 0
		}
		out, fields = append(out, col), append(fields, i)
	}
	if hidden < len(rel.cols) { // hidden columns that are not named are not there
		rel.cols = slices.DeleteFunc(rel.cols, func(c relColumn) bool { return c.hidden && c.index < 0 })
	}
	return rel, out, fields, nil
}

func (b *Binder) sourceScan(s *fqgw.Source, rv *pg.RangeVar, t *times, blk *block, asOf []*pg.Node) (*from, error) {
	all := append(slices.Clone(s.Columns), fqgw.HiddenColumns...)
	rel, cols, fields, err := b.scanned(rv, s.Qualified().Schema, s.OID, all, len(s.Columns), blk)
	if err != nil {
		return nil, err
	}
	scan := &plan.SourceScan{Source: s, Cols: cols, Fields: fields}
	if t != nil {
		if scan.AsOf, err = b.snapshot(t, "source", rv.Relname, asOf); err != nil {
			return nil, err
		}
	}
	return &from{node: scan, rels: []*relation{rel}}, nil
}

func (b *Binder) tableScan(s *fqgw.Table, rv *pg.RangeVar, t *times, blk *block, asOf []*pg.Node) (*from, error) {
	rel, cols, fields, err := b.scanned(rv, s.Qualified().Schema, s.OID, s.Columns, len(s.Columns), blk)
	if err != nil {
		return nil, err
	}
	scan := &plan.TableScan{Table: s, Cols: cols, Fields: fields}
	if t != nil {
		if scan.AsOf, err = b.snapshot(t, "table", rv.Relname, asOf); err != nil {
			return nil, err
		}
	}
	return &from{node: scan, rels: []*relation{rel}}, nil
}

func (b *Binder) systemScan(s *plan.SystemRelation, rv *pg.RangeVar, blk *block) (*from, error) {
	rel, cols, fields, err := b.scanned(rv, s.Schema, s.OID, s.Columns, len(s.Columns), blk)
	if err != nil {
		return nil, err
	}
	return &from{node: &plan.SystemScan{Rel: s, Cols: cols, Fields: fields}, rels: []*relation{rel}}, nil
}

// snapshot is the time of a scan of stored rows, which is one for the statement.
func (b *Binder) snapshot(t *times, what, name string, asOf []*pg.Node) (fqgw.Expr, error) {
	if t.known != nil {
		return nil, b.fail(location(asOf[1]), fqgw.CodeFeatureNotSupported, "KNOWN AT cannot be applied to %s %q", what, name).
			WithHint("The rows of AS OF t are those known by t.")
	}
	if plan.Varies(t.at) {
		return nil, b.fail(location(asOf[0]), fqgw.CodeFeatureNotSupported, "AS OF of %s %q must be one time for the whole statement", what, name).
			WithHint("Only feature views, and views over them, can be read AS OF a column.")
	}
	return t.at, nil
}

// viewNode binds the text of a plain view to run at site; with t, at that time.
func (b *Binder) viewNode(v *fqgw.View, site *Scope, t *times, loc int32, more ...*pg.Node) (plan.Node, map[int][]relColumn, error) {
	in, sel, err := b.viewText(v, loc)
	if err != nil {
		return nil, nil, err
	}
	b.routed(v.Name, false)
	for _, n := range more {
		sel.TargetList = append(sel.TargetList, &pg.Node{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Val: n, Location: -1}}})
	}
	q, err := in.query(sel, &Scope{site: site, depth: site.depth, rowless: true, times: t}, nil, false)
	if err != nil {
		return nil, nil, b.inView(err, v, loc)
	}
	cols := slices.Clone(q.node.Columns())
	for i := range cols {
		if i < len(v.Columns) {
			cols[i] = plan.Column{Name: v.Columns[i].Name, Type: cols[i].Type, Rel: v.OID, Att: int16(i + 1)}
		}
	}
	return renamed(q.node, cols), q.fields, nil
}

// viewText parses a view and gives the binder of its text: the catalog is the
// same, but parameters, temporary tables and positions are the statement's own.
func (b *Binder) viewText(v *fqgw.View, loc int32) (*Binder, *pg.SelectStmt, error) {
	name := v.Qualified().String()
	if slices.Contains(b.views, name) {
		return nil, nil, b.fail(loc, fqgw.CodeInvalidDefinition, "view %q reads itself: %s", v.Name, strings.Join(append(b.views, name), " → "))
	}
	stmts, err := parse.Parse(v.Query)
	if err != nil {
		return nil, nil, b.inView(err, v, loc)
	}
	if len(stmts) != 1 || stmts[0].Node.GetSelectStmt() == nil {
		return nil, nil, b.fail(loc, fqgw.CodeDataCorrupted, "the text of view %q is not one query", v.Name)
	}
	if b.Expanded != nil {
		b.Expanded(v)
	}
	in := &Binder{Catalog: b.Catalog, System: b.System, SearchPath: v.Path, Expanded: b.Expanded, Used: b.Used, Routed: b.Routed,
		views: append(slices.Clone(b.views), name), subplans: b.subplans + 100}
	return in, stmts[0].Node.GetSelectStmt(), nil
}

func (b *Binder) routed(view string, service bool) {
	if b.Routed != nil {
		b.Routed(view, service)
	}
}

// inView says of an error that it is in a view's text; its position is where the
// view is named.
func (b *Binder) inView(err error, v *fqgw.View, loc int32) error {
	e := *fqgw.AsError(err)
	e.Position = b.pos(loc)
	if e.Detail == "" {
		e.Detail = "The error is in the text of view \"" + v.Name + "\"."
	}
	return &e
}
