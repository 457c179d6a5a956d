package define

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

const derivedHint = "Write CREATE SOURCE %s AS SELECT c.*, f.x FROM source AS c LEFT JOIN feature_view AS f ON f.key = c.key [WHERE …]."

// derivedSource is CREATE SOURCE … AS SELECT, which the parser sees as a CREATE TABLE AS.
func (d *Definer) derivedSource(n *pg.CreateTableAsStmt) (plan.Statement, error) {
	rel := n.Into.Rel
	name, err := d.newName(rel)
	if err != nil {
		return nil, err
	}
	if err := d.noReplacing(rel, name, "source"); err != nil {
		return nil, err
	}
	switch into := n.Into; {
	case into.SkipData:
		return nil, d.unsupported(rel.Location, "WITH NO DATA on a source").WithHint("It passes what its origin has from the beginning.")
	case into.AccessMethod != "" || into.TableSpaceName != "" || into.OnCommit != pg.OnCommitAction_ONCOMMIT_NOOP || rel.Relpersistence == "u":
		return nil, d.unsupported(rel.Location, "USING, TABLESPACE, ON COMMIT or UNLOGGED on a source")
	case rel.Relpersistence == "t":
		return nil, d.unsupported(rel.Location, "a temporary source")
	case d.stmt.AsOf != nil:
		return nil, d.asOfInDerived(leftmost(d.stmt.AsOf))
	}
	s := &fqgw.Source{Schema: name.Schema, Name: name.Name, Connector: "kafka", Topic: name.Dotted(), Format: "json", EventTime: -1, KnownColumn: -1, KeyColumn: -1,
		TimeUnit: 1000, Start: "earliest", History: name.LakeTable(), SQL: d.stmt.Text}
	opts, err := d.optionList(n.Into.Options)
	if err != nil {
		return nil, err
	}
	s.Options = written(opts)
	sel, err := d.derive(s, n.Query.GetSelectStmt(), words(n.Into.ColNames), rel.Location)
	if err != nil {
		return nil, err
	}
	for _, o := range opts {
		switch o.name {
		case "topic", "history", "event_time", "key", "max_future":
			if err := d.sourceOption(s, o); err != nil {
				return nil, err
			}
		default:
			return nil, d.unknownOption(o, "topic", "history", "event_time", "key", "max_future")
		}
	}
	if s.EventTime < 0 {
		from := s.Derived.Origin
		return nil, d.fail(rel.Location, fqgw.CodeInvalidDefinition, "source \"%s\" has no event time", name).
			WithHint("Put column \"%s\", the event time of source \"%s\", into the SELECT list, or write WITH (event_time = '…').", from.Columns[from.EventTime].Name, from.Qualified())
	}
	s.SQL, err = derivedSQL(s, words(n.Into.ColNames), &pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: sel}})
	return &plan.CreateSource{Source: s, IfNotExists: n.IfNotExists, OrReplace: d.stmt.OrReplace}, err
}

// Derive binds the definition of a derived source anew, over a catalog whose views may
// have changed: 0A000 where it has other columns by now.
func Derive(cat *fqgw.Catalog, s *fqgw.Source) (*fqgw.Derivation, error) {
	stmts, err := parse.Parse(s.SQL)
	if err != nil {
		return nil, err
	}
	st, err := (&Definer{Binder: &bind.Binder{Catalog: cat, SearchPath: s.Derived.Path}}).Bind(stmts[0])
	if err != nil {
		return nil, err
	}
	now := st.(*plan.CreateSource).Source
	same := func(a, b fqgw.Column) bool { return a.Name == b.Name && a.Type == b.Type }
	if !slices.EqualFunc(now.Columns, s.Columns, same) {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "the definition of source \"%s\" gives other columns than those that it has", s.Qualified()).
			WithHint("A relation that it reads was changed: DROP the source and CREATE it again.")
	}
	return now.Derived, nil
}

func (d *Definer) asOfInDerived(loc int32) error {
	return d.unsupported(loc, "AS OF in a derived source").
		WithHint("Leave it out: each record sees what was known when it was.")
}

// derive binds the SELECT of a derived source, and gives the source its columns; it
// returns the SELECT with the columns written out.
func (d *Definer) derive(s *fqgw.Source, sel *pg.SelectStmt, renamed []string, loc int32) (*pg.SelectStmt, error) {
	hint := func(e *fqgw.Error) (*pg.SelectStmt, error) { return nil, e.WithHint(derivedHint, s.Name) }
	if sel == nil || sel.Op != pg.SetOperation_SETOP_NONE || len(sel.FromClause) != 1 || len(sel.ValuesLists) > 0 {
		return hint(d.fail(loc, fqgw.CodeInvalidDefinition, "a derived source is one SELECT from one source"))
	}
	if sel.WithClause != nil || len(sel.DistinctClause) > 0 || len(sel.GroupClause) > 0 || sel.HavingClause != nil || len(sel.WindowClause) > 0 ||
		len(sel.SortClause) > 0 || sel.LimitCount != nil || sel.LimitOffset != nil || len(sel.LockingClause) > 0 || sel.IntoClause != nil {
		return hint(d.fail(loc, fqgw.CodeInvalidDefinition, "a derived source passes records one by one: it has joins onto feature views and WHERE, nothing else"))
	}
	f := fromDerived{d: d}
	from, err := f.item(edited(sel.FromClause[0], func(*pg.Node) *pg.Node { return nil }))
	if err != nil {
		return nil, err
	}
	b := bind.Binder{Catalog: d.Binder.Catalog, SearchPath: d.Binder.SearchPath, Used: d.Binder.Used, Definition: true, Stmt: d.stmt}
	written := b
	plain, err := written.Query(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: sel}}) // its errors do not speak of AS OF
	if err == nil {
		err = d.derivable(&fqgw.Derivation{}, plain, loc)
	}
	var cols []fqgw.Column
	if err == nil {
		cols, err = d.queryColumns(plain, renamed, loc)
	}
	if err == nil {
		sel, err = withoutStars(b, sel)
	}
	if err != nil {
		return nil, err
	}
	own := edited(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: sel}}, func(*pg.Node) *pg.Node { return nil }).GetSelectStmt()
	own.FromClause = []*pg.Node{from}
	for _, c := range []string{fqgw.ColPartition, fqgw.ColOffset} {
		own.TargetList = append(own.TargetList, &pg.Node{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Val: f.hidden(c), Location: -1}}})
	}
	root, err := b.Query(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: own}})
	if err != nil {
		return nil, err
	}
	s.Derived = &fqgw.Derivation{Origin: f.origin, Query: root, Path: d.storedPath()}
	if err := d.derivable(s.Derived, root, loc); err != nil {
		return nil, err
	}
	return sel, d.derivedColumns(s, root, cols, loc)
}

// fromDerived reads the FROM of a derived source.
type fromDerived struct {
	d      *Definer
	origin *fqgw.Source
	alias  string // of the origin
}

// hidden is a hidden column of the origin.
func (f *fromDerived) hidden(column string) *pg.Node {
	text := func(s string) *pg.Node {
		return &pg.Node{Node: &pg.Node_String_{String_: &pg.String{Sval: s}}}
	}
	return &pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: &pg.ColumnRef{Fields: []*pg.Node{text(f.alias), text(column)}, Location: -1}}}
}

// item reads a FROM item, whose leftmost relation is the origin, and gives the others
// the time at which a record was known.
func (f *fromDerived) item(n *pg.Node) (*pg.Node, error) {
	d := f.d
	switch x := n.Node.(type) {
	case *pg.Node_RangeTableSample:
		return nil, d.asOfInDerived(x.RangeTableSample.Location)
	case *pg.Node_RangeVar:
		return n, f.from(x.RangeVar)
	case *pg.Node_JoinExpr:
		j := x.JoinExpr
		loc := leftmost(n)
		if j.Jointype != pg.JoinType_JOIN_LEFT && j.Jointype != pg.JoinType_JOIN_INNER || j.Alias != nil {
			return nil, d.unsupported(loc, "this join in a derived source").WithHint(derivedHint, "…")
		}
		left, err := f.item(j.Larg)
		if err != nil {
			return nil, err
		}
		rv := j.Rarg.GetRangeVar()
		if rv == nil {
			if sample := j.Rarg.GetRangeTableSample(); sample != nil {
				return nil, d.asOfInDerived(sample.Location)
			}
			return nil, d.unsupported(loc, "joining this in a derived source").WithHint("Join feature views by their names.")
		}
		j.Larg = left
		j.Rarg = &pg.Node{Node: &pg.Node_RangeTableSample{RangeTableSample: &pg.RangeTableSample{Relation: j.Rarg,
			Method: []*pg.Node{{Node: &pg.Node_String_{String_: &pg.String{Sval: parse.AsOfMethod}}}}, Args: []*pg.Node{f.hidden(fqgw.ColKnownAt)}, Location: rv.Location}}}
		return n, f.looksUp(rv)
	}
	return nil, d.fail(leftmost(n), fqgw.CodeInvalidDefinition, "a derived source reads one source").WithHint(derivedHint, "…")
}

// from takes the origin.
func (f *fromDerived) from(r *pg.RangeVar) error {
	d := f.d
	name, err := d.relationName(r)
	if err != nil {
		return err
	}
	cat := d.Binder.Catalog
	if f.origin = cat.Sources[name]; f.origin == nil {
		if kind := cat.Has(name); kind != "" {
			return d.fail(r.Location, fqgw.CodeWrongObjectType, "a derived source reads a source, and \"%s\" is a %s", name, kind).WithHint(derivedHint, "…")
		}
		return d.undefined(r.Location, "source", name.String(), fqgw.NamesOf(cat.Sources))
	}
	if f.alias = r.Relname; r.Alias != nil {
		f.alias = r.Alias.Aliasname
	}
	switch {
	case f.origin.Positions() != fqgw.TopicOffsets:
		return d.unsupported(r.Location, "deriving from source \"%s\", whose rows others write,", name).
			WithHint("A view (CREATE VIEW) joins them when they are read.")
	case f.origin.Changelog():
		return d.unsupported(r.Location, "deriving from changelog \"%s\"", name).
			WithDetail("A change that takes a row back would have to see what the row saw when it came.").
			WithHint("Look it up: LEFT JOIN a DISTINCT ON view of it.")
	}
	return nil
}

// looksUp checks what is joined onto the origin.
func (f *fromDerived) looksUp(r *pg.RangeVar) error {
	d := f.d
	name, err := d.relationName(r)
	if err != nil {
		return err
	}
	cat := d.Binder.Catalog
	if v := cat.Features[name]; v != nil {
		if v.Offline {
			return d.unsupported(r.Location, "looking up feature view \"%s\", which is not kept online,", name)
		}
		return nil
	}
	if kind := cat.Has(name); kind != "" {
		return d.fail(r.Location, fqgw.CodeWrongObjectType, "a derived source looks up feature views, and \"%s\" is a %s", name, kind).
			WithHint("Make a feature view of it: CREATE FEATURE VIEW … AS SELECT DISTINCT ON (key) ….")
	}
	return d.undefined(r.Location, "feature view", name.String(), fqgw.NamesOf(cat.Features))
}

// derivable checks that a plan passes records one by one, and finds what it looks up.
func (d *Definer) derivable(of *fqgw.Derivation, n plan.Node, loc int32) error {
	var exprs []fqgw.Expr
	switch n := n.(type) {
	case *plan.SourceScan:
		return nil
	case *plan.Filter:
		exprs = append(exprs, n.Cond)
	case *plan.Project:
		exprs = append(exprs, n.Exprs...)
	case *plan.FeatureJoin:
		if n.On != nil {
			return d.unsupported(loc, "a condition in ON besides the keys of feature view \"%s\"", n.View.Qualified()).
				WithHint("Write CASE WHEN … THEN … END in the SELECT list.")
		}
		if len(n.View.Keys) == 0 {
			return d.unsupported(loc, "a global window in a derived source")
		}
		exprs = append(exprs, n.Keys...)
		if !slices.ContainsFunc(of.Views, func(v *fqgw.FeatureView) bool { return v.Qualified() == n.View.Qualified() }) {
			of.Views = append(of.Views, n.View)
		}
	default:
		return d.fail(loc, fqgw.CodeInvalidDefinition, "a derived source passes records one by one: all keys of a feature view are equated with expressions of the record").
			WithHint(derivedHint, "…")
	}
	for _, e := range exprs {
		if expr.Volatile(e) || expr.MentionsNow(e) || expr.AsksSession(e) || expr.HasSubquery(e) {
			return d.fail(loc, fqgw.CodeInvalidDefinition, "an expression of a definition must depend on its row alone: %s", e)
		}
	}
	for _, c := range n.Children() {
		if err := d.derivable(of, c, loc); err != nil {
			return err
		}
	}
	return nil
}

// derivedColumns gives the source its columns, which those of root are but for the record's
// place behind them, and finds the times and the key among them that are the origin's.
func (d *Definer) derivedColumns(s *fqgw.Source, root plan.Node, cols []fqgw.Column, loc int32) error {
	origin := s.Derived.Origin
	s.MaxFuture, s.Known = origin.MaxFuture, origin.Known
	for i, col := range cols {
		switch at := originColumn(root, i); {
		case at < 0:
		case at == origin.EventTime && s.EventTime < 0:
			s.EventTime, col.NotNull = i, true
		case at == origin.KnownColumn && s.KnownColumn < 0:
			s.KnownColumn, col.NotNull = i, true
		case at == origin.KeyColumn && s.KeyColumn < 0:
			s.KeyColumn, col.NotNull = i, origin.Columns[at].NotNull
		default:
			col.NotNull = origin.Columns[at].NotNull
		}
		s.Columns = append(s.Columns, col)
	}
	if s.Known == fqgw.KnownByColumn && origin.KnownColumn == origin.EventTime {
		s.KnownColumn = s.EventTime
	}
	if s.Known == fqgw.KnownByColumn && s.KnownColumn < 0 {
		return d.fail(loc, fqgw.CodeInvalidDefinition, "source \"%s\" has no known time", s.Name).
			WithHint("Put column \"%s\", the known time of source \"%s\", into the SELECT list.", origin.Columns[origin.KnownColumn].Name, origin.Qualified())
	}
	return nil
}

// originColumn is the column of the origin that column i of a plan is; -1 for none.
func originColumn(n plan.Node, i int) int {
	switch n := n.(type) {
	case *plan.SourceScan:
		if f := n.Fields[i]; f < len(n.Source.Columns) {
			return f
		}
	case *plan.Filter:
		return originColumn(n.Input, i)
	case *plan.FeatureJoin:
		if i < len(n.Input.Columns()) {
			return originColumn(n.Input, i)
		}
	case *plan.Project:
		if c, ok := n.Exprs[i].(*expr.Column); ok && c.Level == 0 {
			return originColumn(n.Input, c.Index)
		}
	}
	return -1
}

// derivedTarget is why nothing can be put into a derived source.
func (d *Definer) derivedTarget(r *pg.RangeVar, s *fqgw.Source, verb string) error {
	return d.unsupported(r.Location, "%s into derived source \"%s\"", strings.ToUpper(verb), s.Qualified()).
		WithHint("Its records are made of those of source \"%s\": write into that.", s.Derived.Origin.Qualified())
}
