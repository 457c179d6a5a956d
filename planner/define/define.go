// Package define turns parsed statements other than queries into plan
// statements: sources, feature views, tables, views, INSERT and COPY, and what
// concerns the session. Queries go through to planner/bind. It also binds the
// stored definitions anew when the process starts (Load).
package define

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// Definer binds one statement. It is used once, by one goroutine.
type Definer struct {
	Binder *bind.Binder // for the statement's queries and expressions; its Stmt is set by Bind
	// Foreign is fqgw.Foreign's Columns, of the source's connector; nil: sources whose
	// rows others write must have columns, which are taken as they are.
	Foreign func(*fqgw.Source) ([]fqgw.Column, error)
	// ForeignTables is fqgw.Foreign's Tables; nil: IMPORT FOREIGN SCHEMA is refused.
	ForeignTables func(connector, schema string) ([]string, error)
	// Schemas is fqgw.RecordSchemas' Latest; nil: there is no schema registry.
	Schemas func(subject string) (*fqgw.RecordSchema, error)

	stmt *parse.Statement
}

// Bind binds a statement of any kind. Errors are *fqgw.Error with the position
// in the client's text: PostgreSQL's where PostgreSQL has the rule, 0A000 with
// what to write instead where fqgw has not the feature, 42P17 where a definition
// breaks a rule of SEMANTICS §2.
func (d *Definer) Bind(s *parse.Statement) (plan.Statement, error) {
	d.stmt, d.Binder.Stmt = s, s
	if s.AsOf != nil && !readsRows(s.Node) {
		return nil, d.fail(leftmost(s.AsOf), fqgw.CodeSyntax, "AS OF belongs to a query")
	}
	st, err := d.bind(s.Node)
	if err != nil {
		return nil, fqgw.AsError(err)
	}
	return st, nil
}

// readsRows says whether a statement runs a query to which a trailing AS OF can apply.
func readsRows(n *pg.Node) bool {
	switch n := n.Node.(type) {
	case *pg.Node_SelectStmt, *pg.Node_InsertStmt, *pg.Node_PrepareStmt:
		return true
	case *pg.Node_CopyStmt:
		return n.CopyStmt.Query != nil
	case *pg.Node_ExplainStmt:
		return readsRows(n.ExplainStmt.Query)
	case *pg.Node_CreateTableAsStmt:
		return n.CreateTableAsStmt.Objtype == pg.ObjectType_OBJECT_TABLE
	}
	return false
}

func (d *Definer) bind(whole *pg.Node) (plan.Statement, error) {
	switch n := whole.Node.(type) {
	case *pg.Node_SelectStmt:
		return d.query(n.SelectStmt)
	case *pg.Node_ExplainStmt:
		return d.explain(n.ExplainStmt)
	case *pg.Node_CreateStmt:
		if d.stmt.Definition == "source" {
			return d.createSource(n.CreateStmt)
		}
		return d.createTable(n.CreateStmt)
	case *pg.Node_CreateTableAsStmt:
		if n.CreateTableAsStmt.Objtype == pg.ObjectType_OBJECT_MATVIEW {
			return d.createFeatureView(n.CreateTableAsStmt)
		}
		if d.stmt.Definition == "source" {
			return d.derivedSource(n.CreateTableAsStmt)
		}
		return d.createTableAs(n.CreateTableAsStmt)
	case *pg.Node_ViewStmt:
		return d.createView(n.ViewStmt)
	case *pg.Node_InsertStmt:
		return d.insert(n.InsertStmt)
	case *pg.Node_CopyStmt:
		return d.copy(n.CopyStmt)
	case *pg.Node_DropStmt:
		return d.drop(n.DropStmt)
	case *pg.Node_AlterTableStmt:
		return d.alter(n.AlterTableStmt)
	case *pg.Node_RenameStmt:
		if r := n.RenameStmt; r.RenameType == pg.ObjectType_OBJECT_COLUMN && r.RelationType == pg.ObjectType_OBJECT_TABLE {
			return d.renameColumn(r)
		} else if kind := renamedKind(r.RenameType); kind != "" {
			return d.rename(kind, r)
		}
	case *pg.Node_CommentStmt:
		return d.comment(n.CommentStmt)
	case *pg.Node_ImportForeignSchemaStmt:
		return d.importForeignSchema(n.ImportForeignSchemaStmt)
	case *pg.Node_RefreshMatViewStmt:
		return d.refresh(n.RefreshMatViewStmt)
	case *pg.Node_UpdateStmt:
		return nil, d.changesRows("UPDATE", n.UpdateStmt.Relation)
	case *pg.Node_DeleteStmt:
		return nil, d.changesRows("DELETE", n.DeleteStmt.Relation)
	case *pg.Node_MergeStmt:
		return nil, d.changesRows("MERGE", n.MergeStmt.Relation)
	case *pg.Node_TruncateStmt:
		return nil, d.changesRows("TRUNCATE", n.TruncateStmt.Relations[0].GetRangeVar())
	}
	return d.session(whole)
}

// query is a SELECT or VALUES.
func (d *Definer) query(sel *pg.SelectStmt) (plan.Statement, error) {
	if into := sel.IntoClause; into != nil {
		return nil, d.fail(into.Rel.Location, fqgw.CodeFeatureNotSupported, "SELECT INTO is not supported").
			WithHint("Write CREATE TABLE %s AS SELECT ….", into.Rel.Relname)
	}
	root, err := d.Binder.Query(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: sel}})
	if err != nil {
		return nil, err
	}
	return &plan.Query{Root: root}, nil
}

func (d *Definer) fail(loc int32, code fqgw.Code, format string, args ...any) *fqgw.Error {
	return fqgw.Errorf(code, format, args...).At(d.stmt.Pos(loc))
}

func (d *Definer) unsupported(loc int32, format string, args ...any) *fqgw.Error {
	return d.fail(loc, fqgw.CodeFeatureNotSupported, format+" is not supported", args...)
}

// at gives an error of another room a position, if it has none.
func (d *Definer) at(err error, loc int32) error {
	if err == nil {
		return nil
	}
	return fqgw.AsError(err).At(d.stmt.Pos(loc))
}

// relationName is the relation that a statement names: a bare name is that of the
// first schema of the search path with a relation of that name, else one to be
// made. 3F000 for a schema that is not there.
func (d *Definer) relationName(r *pg.RangeVar) (fqgw.QualifiedName, error) {
	cat := d.Binder.Catalog
	switch s := r.Schemaname; {
	case s == "":
		for _, s := range d.path() {
			if n := (fqgw.QualifiedName{Schema: s, Name: r.Relname}); cat.Has(n) != "" {
				return n, nil
			}
		}
		return fqgw.QualifiedName{Schema: d.path()[0], Name: r.Relname}, nil
	case s == "pg_temp":
		return fqgw.Public(r.Relname), nil
	case cat.HasSchema(s):
		return fqgw.QualifiedName{Schema: s, Name: r.Relname}, nil
	case s == "pg_catalog", s == "information_schema", s == "fqgw":
		return fqgw.QualifiedName{}, d.fail(r.Location, "42501", "permission denied: schema \"%s\" is a system schema", s)
	}
	return fqgw.QualifiedName{}, d.fail(r.Location, fqgw.CodeInvalidSchema, "schema \"%s\" does not exist", r.Schemaname)
}

// path are the schemas of the search path that people define things in, at least
// one: new relations go into the first.
func (d *Definer) path() []string {
	var out []string
	for _, s := range d.Binder.SearchPath {
		if d.Binder.Catalog.HasSchema(s) {
			out = append(out, s)
		}
	}
	if out == nil {
		return []string{fqgw.PublicSchema}
	}
	return out
}

// storedPath is where the bare names of a definition are looked up whenever it is
// bound again; nil: in public alone.
func (d *Definer) storedPath() []string {
	if slices.Equal(d.Binder.SearchPath, []string{fqgw.PublicSchema}) {
		return nil
	}
	return slices.Clone(d.Binder.SearchPath)
}

// listName is the name in a list of its parts, as DROP and COMMENT have it.
func (d *Definer) listName(parts []string) (fqgw.QualifiedName, error) {
	r := &pg.RangeVar{Relname: parts[len(parts)-1], Location: -1}
	if len(parts) > 1 {
		r.Schemaname = parts[len(parts)-2]
	}
	return d.relationName(r)
}

// newName is the name of a relation to be made.
func (d *Definer) newName(r *pg.RangeVar) (fqgw.QualifiedName, error) {
	name := fqgw.QualifiedName{Schema: d.path()[0], Name: r.Relname}
	var err error
	if r.Schemaname != "" {
		name, err = d.relationName(r)
	}
	if err == nil && strings.HasPrefix(name.Name, "_fq_") {
		err = d.fail(r.Location, "42939", "relation name \"%s\" is reserved", name.Name)
	}
	return name, err
}

// undefined is 42P01 with the nearest of the candidates as a hint.
func (d *Definer) undefined(loc int32, kind, name string, candidates []string) *fqgw.Error {
	e := d.fail(loc, fqgw.CodeUndefinedTable, "%s \"%s\" does not exist", kind, name)
	if near := fqgw.Nearest(name, candidates); near != "" {
		return e.WithHint("Perhaps you meant \"%s\".", near)
	}
	return e
}

// columnNames checks the names of columns to be made: 42701 when one comes
// twice, 42939 when it is one of the hidden ones.
func (d *Definer) columnNames(names []string, locs []int32) error {
	seen := map[string]bool{}
	for i, n := range names {
		switch {
		case strings.HasPrefix(n, "_fq_"):
			return d.fail(locs[i], "42939", "column name \"%s\" is reserved", n).WithHint("Names that begin with _fq_ are fqgw's own.")
		case seen[n]:
			return d.fail(locs[i], "42701", "column \"%s\" specified more than once", n)
		}
		seen[n] = true
	}
	return nil
}
