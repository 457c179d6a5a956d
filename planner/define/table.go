package define

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// createTable is CREATE [TEMP] TABLE with columns.
func (d *Definer) createTable(n *pg.CreateStmt) (plan.Statement, error) {
	name, err := d.newName(n.Relation)
	if err != nil {
		return nil, err
	}
	if err := d.plainTable(n, "table"); err != nil {
		return nil, err
	}
	cols, rest, err := d.columns(n.TableElts)
	if err != nil {
		return nil, err
	}
	t := &fqgw.Table{Schema: name.Schema, Name: name.Name}
	for _, c := range cols {
		if len(c.rest) > 0 {
			return nil, d.refusedConstraint(c.rest[0], "table")
		}
		t.Columns = append(t.Columns, c.col)
	}
	if len(rest) > 0 {
		return nil, d.refusedConstraint(rest[0], "table")
	}
	if len(t.Columns) == 0 {
		return nil, d.unsupported(n.Relation.Location, "a table without columns")
	}
	st := &plan.CreateTable{Table: t, Temp: n.Relation.Relpersistence == "t", IfNotExists: n.IfNotExists}
	return st, d.divided(st, n.Options, n.Relation.Location)
}

// divided takes the WITH list of a table.
func (d *Definer) divided(st *plan.CreateTable, list []*pg.Node, loc int32) error {
	if len(list) == 0 {
		return nil
	}
	if st.Temp {
		return d.unsupported(loc, "WITH on a temporary table")
	}
	var err error
	if st.Layout, err = d.tableLayout(list, st.Table); err == nil && st.Layout.Bytes > 0 && st.Query == nil {
		return d.unsupported(loc, "%s on a table without AS", optFileBytes)
	}
	return err
}

// createTableAs is CREATE [TEMP] TABLE … AS.
func (d *Definer) createTableAs(n *pg.CreateTableAsStmt) (plan.Statement, error) {
	into := n.Into
	name, err := d.newName(into.Rel)
	if err != nil {
		return nil, err
	}
	switch {
	case n.Query.GetSelectStmt() == nil:
		return nil, d.unsupported(into.Rel.Location, "CREATE TABLE AS EXECUTE")
	case into.Rel.Relpersistence == "u":
		return nil, d.unsupported(into.Rel.Location, "UNLOGGED")
	case into.AccessMethod != "" || into.TableSpaceName != "":
		return nil, d.unsupported(into.Rel.Location, "USING or TABLESPACE on a table")
	case into.OnCommit != pg.OnCommitAction_ONCOMMIT_NOOP && into.OnCommit != pg.OnCommitAction_ONCOMMIT_PRESERVE_ROWS:
		return nil, d.unsupported(into.Rel.Location, "ON COMMIT")
	}
	root, kept, err := d.kept(n.Query)
	if err != nil {
		return nil, err
	}
	t := &fqgw.Table{Schema: name.Schema, Name: name.Name}
	if t.Columns, err = d.queryColumns(root, words(into.ColNames), into.Rel.Location); err != nil {
		return nil, err
	}
	st := &plan.CreateTable{Table: t, Query: root, WithNoData: into.SkipData, Temp: into.Rel.Relpersistence == "t", IfNotExists: n.IfNotExists, Kept: kept}
	return st, d.divided(st, into.Options, into.Rel.Location)
}

// queryColumns are the columns that a relation gets from a query, the first
// ones under other names.
func (d *Definer) queryColumns(root plan.Node, renamed []string, loc int32) ([]fqgw.Column, error) {
	cols := root.Columns()
	if len(renamed) > len(cols) {
		return nil, d.fail(loc, fqgw.CodeSyntax, "too many column names were specified")
	}
	out := make([]fqgw.Column, len(cols))
	names, locs := make([]string, len(cols)), make([]int32, len(cols))
	for i, c := range cols {
		if i < len(renamed) {
			c.Name = renamed[i]
		}
		t, err := d.columnType(c.Type, c.Name, loc)
		if err != nil {
			return nil, err
		}
		out[i] = fqgw.Column{Name: c.Name, Type: t}
		names[i], locs[i] = c.Name, loc
	}
	return out, d.columnNames(names, locs)
}

// createView is CREATE [OR REPLACE] VIEW: a feature service or a plain view.
func (d *Definer) createView(n *pg.ViewStmt) (plan.Statement, error) {
	name, err := d.newName(n.View)
	if err != nil {
		return nil, err
	}
	switch {
	case n.View.Relpersistence == "t":
		return nil, d.unsupported(n.View.Location, "a temporary view")
	case n.WithCheckOption != pg.ViewCheckOption_NO_CHECK_OPTION && n.WithCheckOption != pg.ViewCheckOption_VIEW_CHECK_OPTION_UNDEFINED:
		return nil, d.unsupported(n.View.Location, "WITH CHECK OPTION")
	case len(n.Options) > 0:
		return nil, d.unknownOption(option{name: n.Options[0].GetDefElem().Defname, loc: n.Options[0].GetDefElem().Location}, "no parameters")
	}
	b := *d.Binder
	b.Params, b.AsOfDefault, b.Temp = nil, nil, nil // a view outlives the session and its temporary tables
	root, err := b.Query(n.Query)
	if err != nil {
		return nil, err
	}
	v := &fqgw.View{Schema: name.Schema, Name: name.Name, Query: d.stmt.Body(), SQL: d.stmt.Text, Path: d.storedPath(),
		Service: d.isService(n.Query.GetSelectStmt())}
	renamed := words(n.Aliases)
	if v.Columns, err = d.queryColumns(root, renamed, n.View.Location); err != nil {
		return nil, err
	}
	if len(renamed) > 0 {
		quoted := make([]string, len(renamed))
		for i, r := range renamed {
			quoted[i] = expr.QuoteIdent(r)
		}
		v.Query = "SELECT * FROM (" + v.Query + ") AS " + expr.QuoteIdent(name.Name) + "(" + strings.Join(quoted, ", ") + ")"
	}
	return &plan.CreateView{View: v, OrReplace: n.Replace}, nil
}

// insert is INSERT.
func (d *Definer) insert(n *pg.InsertStmt) (plan.Statement, error) {
	loc := n.Relation.Location
	switch {
	case n.OnConflictClause != nil:
		return nil, d.unsupported(n.OnConflictClause.Location, "ON CONFLICT")
	case len(n.ReturningList) > 0:
		return nil, d.unsupported(leftmost(n.ReturningList[0]), "RETURNING")
	case n.WithClause != nil && n.SelectStmt == nil:
		return nil, d.unsupported(n.WithClause.Location, "WITH before INSERT … DEFAULT VALUES")
	}
	st := &plan.Insert{}
	cols, err := d.target(n.Relation, &st.Source, &st.Table, "INSERT")
	if err != nil {
		return nil, err
	}
	named := len(n.Cols) > 0
	if named {
		var list []string
		var locs []int32
		for _, c := range n.Cols {
			t := c.GetResTarget()
			if len(t.Indirection) > 0 {
				return nil, d.unsupported(t.Location, "INSERT into a part of a column")
			}
			list, locs = append(list, t.Name), append(locs, t.Location)
		}
		if st.Fields, err = d.fields(n.Relation, st.Source != nil, cols, list, locs); err != nil {
			return nil, err
		}
	} else {
		st.Fields = all(len(cols))
	}
	if n.SelectStmt == nil { // DEFAULT VALUES
		st.Fields = nil
		st.Query = &plan.Values{Rows: [][]fqgw.Expr{{}}}
		return st, nil
	}
	query := n.SelectStmt
	if n.WithClause != nil {
		if query, err = d.with(n.WithClause, query.GetSelectStmt()); err != nil {
			return nil, err
		}
	}
	into := make([]fqgw.Column, len(st.Fields))
	for i, f := range st.Fields {
		into[i] = fqgw.Column{Name: fqgw.ColKnownAt, Type: fqgw.Timestamptz}
		if f < len(cols) {
			into[i] = cols[f]
		}
	}
	if st.Query, err = d.Binder.QueryInto(query, into, !named); err != nil {
		return nil, d.at(err, loc)
	}
	st.Fields = st.Fields[:len(st.Query.Columns())]
	return st, nil
}

// with puts the WITH before an INSERT where the one of its query stands.
func (d *Definer) with(w *pg.WithClause, s *pg.SelectStmt) (*pg.Node, error) {
	if s.WithClause != nil {
		return nil, d.unsupported(w.Location, "WITH before INSERT and again before its query")
	}
	return &pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: &pg.SelectStmt{WithClause: w, DistinctClause: s.DistinctClause,
		TargetList: s.TargetList, FromClause: s.FromClause, WhereClause: s.WhereClause, GroupClause: s.GroupClause,
		GroupDistinct: s.GroupDistinct, HavingClause: s.HavingClause, WindowClause: s.WindowClause, ValuesLists: s.ValuesLists,
		SortClause: s.SortClause, LimitOffset: s.LimitOffset, LimitCount: s.LimitCount, LimitOption: s.LimitOption,
		LockingClause: s.LockingClause, Op: s.Op, All: s.All, Larg: s.Larg, Rarg: s.Rarg}}}, nil
}

// target finds the source or table that is written to, and its columns.
func (d *Definer) target(r *pg.RangeVar, source **fqgw.Source, table **fqgw.Table, verb string) ([]fqgw.Column, error) {
	name, err := d.relationName(r)
	if err != nil {
		return nil, err
	}
	cat := d.Binder.Catalog
	if d.Binder.Temp != nil && r.Schemaname != fqgw.PublicSchema {
		*table = d.Binder.Temp(name.Name)
	}
	if *table == nil {
		*source, *table = cat.Sources[name], cat.Tables[name]
	}
	switch {
	case *table != nil:
		d.used(*table)
		return (*table).Columns, nil
	case *source != nil && (*source).Positions() != fqgw.TopicOffsets:
		return nil, d.fail(r.Location, fqgw.CodeNotInState, "source \"%s\" does not allow inserts", name).
			WithHint("Its rows are those that others write: put them where it reads them.")
	case *source != nil && (*source).Derived != nil:
		return nil, d.derivedTarget(r, *source, verb)
	case *source != nil:
		d.used(*source)
		return (*source).Columns, nil
	}
	if kind := cat.Has(name); kind != "" {
		return nil, d.fail(r.Location, fqgw.CodeWrongObjectType, "cannot %s into %s \"%s\"", strings.ToLower(verb), kind, name).
			WithHint("Write into the source that it reads.")
	}
	return nil, d.undefined(r.Location, "relation", name.String(), append(fqgw.NamesOf(cat.Sources), fqgw.NamesOf(cat.Tables)...))
}

func (d *Definer) used(relation any) {
	if d.Binder.Used != nil {
		d.Binder.Used(relation)
	}
}

// fields are the target's columns that a list names; the number of columns is
// the hidden known time of a source.
func (d *Definer) fields(r *pg.RangeVar, source bool, cols []fqgw.Column, list []string, locs []int32) ([]int, error) {
	var out []int
	seen := map[string]bool{}
	for i, name := range list {
		if seen[name] {
			return nil, d.fail(locs[i], "42701", "column \"%s\" specified more than once", name)
		}
		seen[name] = true
		at := -1
		var candidates []string
		for j, c := range cols {
			candidates = append(candidates, c.Name)
			if c.Name == name {
				at = j
			}
		}
		if at < 0 && source && name == fqgw.ColKnownAt {
			at = len(cols)
		}
		if at < 0 {
			e := d.fail(locs[i], fqgw.CodeUndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", name, r.Relname)
			if near := fqgw.Nearest(name, candidates); near != "" {
				e = e.WithHint("Perhaps you meant \"%s\".", near)
			}
			return nil, e
		}
		out = append(out, at)
	}
	return out, nil
}

func all(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
