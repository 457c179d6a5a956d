package planner

import (
	"context"
	"fmt"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// runDefinition carries out CREATE, ALTER, DROP and COMMENT.
func (s *Session) runDefinition(env *fqgw.Env, st plan.Statement) (*Result, error) {
	e, ctx := s.planner.engine, env.Ctx
	if err := s.writable(command(st)); err != nil {
		return nil, err
	}
	switch st := st.(type) {
	case *plan.CreateSource:
		return s.create(ctx, "SOURCE", st.Source.Qualified(), st.IfNotExists, st.Notices, e.CreateSource(st))
	case *plan.ImportForeignSchema:
		for _, n := range st.Notices {
			s.notify(n, "")
		}
		return s.altered(ctx, e.ImportForeignSchema(st))
	case *plan.CreateFeatureView:
		return s.create(ctx, "FEATURE VIEW", st.View.Qualified(), st.IfNotExists, st.Notices, e.CreateFeatureView(st))
	case *plan.CreateView:
		return s.create(ctx, "VIEW", st.View.Qualified(), false, nil, e.CreateView(st))
	case *plan.CreateTable:
		return s.createTable(env, st)
	case *plan.Drop:
		return s.drop(ctx, st)
	case *plan.AlterFeature:
		return s.altered(ctx, e.AlterDefault(st))
	case *plan.AlterRelation:
		r, err := s.altered(ctx, e.Alter(st))
		if err == nil {
			for _, n := range st.Notices {
				s.notify(n, "")
			}
		}
		return r, err
	case *plan.Rename:
		return s.altered(ctx, e.Rename(st))
	case *plan.SetVersion:
		return s.altered(ctx, e.SetVersion(st))
	case *plan.Comment:
		return s.altered(ctx, e.Comment(st))
	case *plan.Refresh:
		s.notify("a feature view is always fresh: nothing to do", "")
		return &Result{Tag: fixedTag("REFRESH MATERIALIZED VIEW")}, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeInternal, "no way to run a %T", st)
}

// drop drops all of the relations or, after an error, none: temporary tables,
// which hide others of their names, and those of the catalog.
func (s *Session) drop(ctx context.Context, st *plan.Drop) (*Result, error) {
	rest := *st
	rest.Names = nil
	var temp []string
	cat := s.catalog()
	for _, n := range st.Names {
		mine := n.Written != fqgw.PublicSchema && s.temp[n.Name] != nil
		switch kind := cat.Has(n.QualifiedName); {
		case mine && st.Kind != "table":
			return nil, fqgw.Errorf(fqgw.CodeWrongObjectType, "\"%s\" is not a %s", n.Name, st.Kind).WithHint("Use DROP TABLE to remove a table.")
		case mine:
			temp = append(temp, n.Name)
			continue
		case n.Written == "pg_temp" && !st.IfExists:
			return nil, fqgw.Errorf(fqgw.CodeUndefinedTable, "table \"%s\" does not exist", n.Name)
		case st.IfExists && (kind == "" || n.Written == "pg_temp"):
			s.notify(fmt.Sprintf("%s \"%s\" does not exist, skipping", st.Kind, n.Name), "")
			continue
		}
		rest.Names = append(rest.Names, n)
	}
	c := s.planner.engine.Drop(&rest, func(cat *fqgw.Catalog, v *fqgw.View) []fqgw.QualifiedName { return s.reads(cat, v) })
	if len(rest.Names) > 0 {
		if err := s.change(ctx, c); err != nil {
			return nil, err
		}
	}
	for _, n := range temp {
		delete(s.temp, n)
	}
	return &Result{Tag: fixedTag(c.Tag)}, nil
}

// command is the name of a definition, as messages have it.
func command(st plan.Statement) string {
	switch st := st.(type) {
	case *plan.CreateSource:
		return "CREATE SOURCE"
	case *plan.ImportForeignSchema:
		return "IMPORT FOREIGN SCHEMA"
	case *plan.CreateFeatureView:
		return "CREATE FEATURE VIEW"
	case *plan.CreateView:
		return "CREATE VIEW"
	case *plan.CreateTable:
		if st.Query != nil {
			return "CREATE TABLE AS"
		}
		return "CREATE TABLE"
	case *plan.Drop:
		return "DROP " + strings.ToUpper(st.Kind)
	case *plan.AlterFeature, *plan.SetVersion:
		return "ALTER FEATURE VIEW"
	case *plan.AlterRelation:
		return "ALTER " + strings.ToUpper(st.Kind)
	case *plan.Rename:
		return "ALTER " + strings.ToUpper(st.Kind)
	case *plan.Refresh:
		return "REFRESH MATERIALIZED VIEW"
	}
	return "COMMENT"
}

func (s *Session) altered(ctx context.Context, c exec.Change) (*Result, error) {
	if err := s.change(ctx, c); err != nil {
		return nil, err
	}
	return &Result{Tag: fixedTag(c.Tag)}, nil
}

func (s *Session) create(ctx context.Context, kind string, name fqgw.QualifiedName, ifNotExists bool, notices []string, c exec.Change) (*Result, error) {
	if ifNotExists && s.catalog().Has(name) != "" {
		s.options.Notice(Notice{Severity: "NOTICE", Code: "42P07", Message: fmt.Sprintf("relation \"%s\" already exists, skipping", name.Name)})
		return &Result{Tag: fixedTag("CREATE " + kind)}, nil
	}
	for _, n := range notices {
		s.notify(n, "")
	}
	if err := s.change(ctx, c); err != nil {
		return nil, err
	}
	return &Result{Tag: fixedTag("CREATE " + kind)}, nil
}

func (s *Session) createTable(env *fqgw.Env, st *plan.CreateTable) (*Result, error) {
	e := s.planner.engine
	exists := s.catalog().Has(st.Table.Qualified()) != ""
	if st.Temp {
		exists = s.temp[st.Table.Name] != nil
	}
	if exists && st.IfNotExists {
		s.options.Notice(Notice{Severity: "NOTICE", Code: "42P07", Message: fmt.Sprintf("relation \"%s\" already exists, skipping", st.Table.Name)})
		return &Result{Tag: fixedTag("CREATE TABLE")}, nil
	}
	if st.Temp {
		return s.createTemp(env, st, exists)
	}
	if st.Query == nil {
		return s.create(env.Ctx, "TABLE", st.Table.Qualified(), false, nil, e.CreateTable(st))
	}
	var t *exec.Training
	if !st.WithNoData {
		var err error
		if t, err = s.training(env, st.Kept, st.Query); err != nil {
			return nil, err
		}
	}
	var n int64
	if err := s.change(env.Ctx, e.CreateTableAs(env, st, t, &n)); err != nil {
		return nil, err
	}
	return &Result{Tag: fixedTag(fmt.Sprintf("SELECT %d", n))}, nil
}

func (s *Session) createTemp(env *fqgw.Env, st *plan.CreateTable, exists bool) (*Result, error) {
	if exists {
		return nil, fqgw.Errorf(fqgw.CodeDuplicateTable, "relation \"%s\" already exists", st.Table.Name)
	}
	t := &exec.TempTable{Table: st.Table}
	tag := "CREATE TABLE"
	if st.Query != nil && !st.WithNoData {
		rows, err := s.planner.engine.Run(env, st.Query)
		if err != nil {
			return nil, err
		}
		if _, err := s.planner.engine.Fill(s, t, rows); err != nil {
			return nil, err
		}
		tag = fmt.Sprintf("SELECT %d", len(t.Rows))
	}
	s.temp[st.Table.Name] = t
	return &Result{Tag: fixedTag(tag)}, nil
}

// reads are the relations that a plain view reads, found by binding it.
func (s *Session) reads(cat *fqgw.Catalog, v *fqgw.View) []fqgw.QualifiedName {
	stmts, err := parse.Parse(v.Query)
	if err != nil || len(stmts) != 1 {
		return nil
	}
	var out []fqgw.QualifiedName
	b := &bind.Binder{Catalog: cat, System: s.planner.engine.SystemRelation, SearchPath: v.Path, Stmt: stmts[0],
		Expanded: func(v *fqgw.View) { out = append(out, v.Qualified()) }}
	root, err := b.Query(stmts[0].Node)
	if err != nil {
		return nil
	}
	var walk func(n plan.Node)
	walk = func(n plan.Node) {
		switch n := n.(type) {
		case *plan.FeatureScan:
			out = append(out, n.View.Qualified())
		case *plan.FeatureJoin:
			out = append(out, n.View.Qualified())
		case *plan.SourceScan:
			out = append(out, n.Source.Qualified())
		case *plan.TableScan:
			out = append(out, n.Table.Qualified())
		}
		for _, c := range n.Children() {
			walk(c)
		}
	}
	walk(root)
	return out
}
