package planner

import (
	"context"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/define"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/plan"
)

// Prepare binds a statement and describes it. paramOIDs are the types that the
// client gave, 0 where it left them to be inferred.
func (s *Session) Prepare(ctx context.Context, t *Text, paramOIDs []uint32) (*Prepared, error) {
	p := &Prepared{text: t, types: paramOIDs}
	if t == nil {
		return p, nil
	}
	s.analyse(ctx, p)
	began := time.Now()
	err := s.bind(ctx, p)
	if err != nil && err != errAborted && define.Deferred(t.stmt) {
		err = nil // as in PostgreSQL, it is looked into when it is carried out
	}
	s.planner.meter.refused(began, err)
	return p, err
}

// PrepareQuery is Prepare for a statement of a query string, which has no
// parameters: a $1 in it is 42P02.
func (s *Session) PrepareQuery(ctx context.Context, t *Text) (*Prepared, error) {
	p := &Prepared{text: t, plain: true}
	if t == nil {
		return p, nil
	}
	began := time.Now()
	err := s.bind(ctx, p)
	s.planner.meter.refused(began, err)
	return p, err
}

// analyse fixes how the literals of p are read, as PostgreSQL does: a later SET
// TimeZone does not change them.
func (s *Session) analyse(ctx context.Context, p *Prepared) {
	p.read, p.number = s.env(context.WithoutCancel(ctx)), s.tx.number
}

// literals is the environment in which the literals of p are read, nil for that
// of its execution. In the transaction that analysed it 'now' is now().
func (s *Session) literals(p *Prepared, env *fqgw.Env) *fqgw.Env {
	if p.read == nil || p.number != s.tx.number {
		return p.read
	}
	read := *p.read
	read.Now = env.Now
	return &read
}

// bind binds p to the catalog that the session sees and to its settings.
func (s *Session) bind(ctx context.Context, p *Prepared) error {
	if s.tx.status == 'E' && !define.EndsBlock(p.text.stmt) {
		return errAborted
	}
	s.tx.queried = s.tx.queried || define.Analysed(p.text.stmt)
	cat := s.catalog()
	var params *bind.Params
	if !p.plain {
		params = bind.NewParams(p.types)
	}
	b := &bind.Binder{Catalog: cat, System: s.planner.engine.SystemRelation, Temp: s.tempTable,
		SearchPath: s.settings.typed.path, AsOfDefault: s.settings.typed.asOf, Params: params, Stmt: p.text.stmt}
	var used []any
	b.Used = func(r any) { used = append(used, r) }
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
	p.Params = types
	p.bound = binding{statement: st, route: route(st), catalog: cat, search: s.settings.values["search_path"], asOf: s.settings.values["fqgw.as_of"]}
	switch st.(type) {
	case *plan.Query, *plan.Insert, *plan.CopyTo:
		p.bound.used, p.bound.lasting = used, true
	}
	p.CopyIn, p.CopyOut, p.Columns = false, false, nil
	switch st := st.(type) {
	case *plan.Query:
		p.Columns = columns(st)
	case *plan.Explain:
		p.Columns = explainColumns(st)
	case *plan.Show:
		if _, err := s.settings.show(st.Name, s); err != nil && !strings.EqualFold(st.Name, "all") {
			return err
		}
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

// binding is a bound statement and what it was bound to.
type binding struct {
	statement    plan.Statement
	route        string
	catalog      *fqgw.Catalog
	search, asOf string // the settings
	lasting      bool   // it holds in another catalog that has the same relations
	used         []any  // the relations: *fqgw.Table, *fqgw.Source, *fqgw.FeatureView, *fqgw.View
}

// Revalidate is done when a portal is made: a query is bound again if it must be.
func (s *Session) Revalidate(ctx context.Context, p *Prepared) error {
	switch {
	case s.tx.status == 'E' && (p.text == nil || !define.EndsBlock(p.text.stmt)):
		return errAborted
	case p.text == nil || define.Deferred(p.text.stmt):
		return nil
	}
	s.tx.queried = s.tx.queried || define.Analysed(p.text.stmt)
	return s.fresh(ctx, p)
}

// fresh binds p again when a relation or a setting that it depends on changed
// since; a result of another shape is 0A000, as PostgreSQL says it.
func (s *Session) fresh(ctx context.Context, p *Prepared) error {
	if p.text == nil {
		return nil
	}
	if s.tx.status == 'E' && !define.EndsBlock(p.text.stmt) {
		return errAborted
	}
	same := s.there(&p.bound) && p.bound.search == s.settings.values["search_path"]
	if same && p.bound.asOf == s.settings.values["fqgw.as_of"] {
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
	p.bound = q.bound
	if !same && p.read != nil {
		s.analyse(ctx, p)
	}
	return nil
}

// there says whether the relations of a statement are the ones that it was bound to.
func (s *Session) there(b *binding) bool {
	cat := s.catalog()
	if !b.lasting {
		return b.catalog == cat
	}
	for _, r := range b.used {
		same := false
		switch r := r.(type) {
		case *fqgw.Table:
			same = cat.Tables[r.Name] == r || s.TempTable(r) != nil
		case *fqgw.Source:
			same = cat.Sources[r.Name] == r
		case *fqgw.FeatureView:
			same = cat.Features[r.Name] == r
		case *fqgw.View:
			same = cat.Views[r.Name] == r
		}
		if !same {
			return false
		}
	}
	b.catalog = cat
	return true
}

// columns are those of a query; not nil where there are none.
func columns(q *plan.Query) []plan.Column {
	if cols := q.Root.Columns(); cols != nil {
		return cols
	}
	return []plan.Column{}
}

// queries says whether a statement, when it runs, is a query as the modes of a
// transaction see it: they cannot be changed behind one.
func queries(st plan.Statement) bool {
	switch st := st.(type) {
	case *plan.Transaction, *plan.Set, *plan.SetTransaction, *plan.Show:
		return false
	case *plan.NoOp:
		return st.Tag != "LOCK TABLE" && st.Tag != "SET CONSTRAINTS" && st.Tag != "LISTEN" && st.Tag != "UNLISTEN" && st.Tag != "NOTIFY"
	}
	return true
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

func (s *Session) tempTable(name string) *fqgw.Table {
	if t := s.temp[name]; t != nil {
		return t.Table
	}
	return nil
}

// env is the environment of the statement that runs now.
func (s *Session) env(ctx context.Context) *fqgw.Env {
	t := &s.settings.typed
	return &fqgw.Env{Ctx: ctx, Now: s.planner.engine.Now(), Zone: t.zone, Style: t.style, Deadline: t.deadline, Session: s}
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
