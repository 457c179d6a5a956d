package planner

import (
	"context"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/define"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// Prepare binds a statement and describes it. paramOIDs are the types that the
// client gave, 0 where it left them to be inferred.
func (s *Session) Prepare(ctx context.Context, t *Text, paramOIDs []uint32) (*Prepared, error) {
	p := &Prepared{text: t, types: paramOIDs}
	if t == nil {
		return p, nil
	}
	return p, s.bind(ctx, p)
}

// PrepareQuery is Prepare for a statement of a query string, which has no
// parameters: a $1 in it is 42P02.
func (s *Session) PrepareQuery(ctx context.Context, t *Text) (*Prepared, error) {
	p := &Prepared{text: t, plain: true}
	if t == nil {
		return p, nil
	}
	return p, s.bind(ctx, p)
}

// bind binds p to the catalog that the session sees and to its settings.
func (s *Session) bind(ctx context.Context, p *Prepared) error {
	cat := s.catalog()
	var params *bind.Params
	if !p.plain {
		params = bind.NewParams(p.types)
	}
	b := &bind.Binder{Catalog: cat, System: s.planner.engine.SystemRelation, Temp: s.tempTable,
		SearchPath: searchPath(s.settings.values["search_path"]), Params: params, Stmt: p.text.stmt}
	if at := s.settings.values["fqgw.as_of"]; at != "" {
		v, err := expr.Parse(at, fqgw.Timestamptz, s.env(ctx))
		if err != nil {
			return err
		}
		b.AsOfDefault = &expr.Const{Val: v, Typ: fqgw.Timestamptz}
	}
	d := &define.Definer{Binder: b}
	st, err := d.Bind(p.text.stmt)
	if err != nil {
		return err
	}
	sink(st)
	types, err := params.Types()
	if err != nil {
		return err
	}
	if _, isTx := st.(*plan.Transaction); !isTx {
		if err := s.aborted(st); err != nil {
			return err
		}
	}
	p.bound, p.Params, p.catalog, p.search = st, types, cat, s.bindSettings()
	p.CopyIn, p.CopyOut, p.Columns = false, false, nil
	switch st := st.(type) {
	case *plan.Query:
		p.Columns = st.Root.Columns()
	case *plan.Explain:
		p.Columns = []plan.Column{{Name: "QUERY PLAN", Type: fqgw.Text}}
	case *plan.Show:
		p.Columns = showColumns(st.Name)
	case *plan.CopyFrom:
		p.CopyIn = true
	case *plan.CopyTo:
		p.CopyOut = st.Path == ""
	case *plan.Execute:
		named, err := s.Named(st.Name)
		if err != nil {
			return err
		}
		p.Columns = named.Columns
	}
	return nil
}

// fresh binds p again when the catalog or a setting that it depends on changed
// since; a result of another shape is 0A000, as PostgreSQL says it.
func (s *Session) fresh(ctx context.Context, p *Prepared) error {
	if p.text == nil || p.catalog == s.catalog() && p.search == s.bindSettings() {
		return nil
	}
	q := &Prepared{text: p.text, types: p.types}
	if len(p.Params) > 0 {
		q.types = make([]uint32, len(p.Params))
		for i, t := range p.Params {
			q.types[i] = t.OID
		}
	}
	if err := s.bind(ctx, q); err != nil {
		return err
	}
	if p.Columns != nil && !sameColumns(p.Columns, q.Columns) {
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "cached plan must not change result type")
	}
	p.bound, p.catalog, p.search = q.bound, q.catalog, q.search
	return nil
}

func sameColumns(a, b []plan.Column) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Type != b[i].Type {
			return false
		}
	}
	return true
}

// bindSettings are the settings that a bound plan depends on.
func (s *Session) bindSettings() string {
	return s.settings.values["search_path"] + "\x00" + s.settings.values["fqgw.as_of"] + "\x00" + s.settings.values["timezone"]
}

func (s *Session) tempTable(name string) *fqgw.Table {
	if t := s.temp[name]; t != nil {
		return t.Table
	}
	return nil
}

// env is the environment of the statement that runs now.
func (s *Session) env(ctx context.Context) *fqgw.Env {
	zone, err := expr.Zone(s.settings.values["timezone"])
	if err != nil {
		zone = time.UTC
	}
	return &fqgw.Env{Ctx: ctx, Now: s.planner.engine.Now(), Zone: zone, Session: s}
}

var _ exec.Session = (*Session)(nil)

// sink moves the conditions of a statement's query below its feature joins.
func sink(st plan.Statement) {
	switch st := st.(type) {
	case *plan.Query:
		st.Root = exec.Sink(st.Root)
	case *plan.CopyTo:
		st.Query = exec.Sink(st.Query)
	case *plan.CreateTable:
		if st.Query != nil {
			st.Query = exec.Sink(st.Query)
		}
	case *plan.Insert:
		st.Query = exec.Sink(st.Query)
	case *plan.Explain:
		sink(st.Statement)
	}
}
