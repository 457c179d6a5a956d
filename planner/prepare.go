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
func (s *Session) Prepare(t *Text, paramOIDs []uint32) (*Prepared, error) {
	p := &Prepared{text: t, types: paramOIDs, bound: unbound}
	if t == nil {
		return p, nil
	}
	s.analyse(p)
	began := time.Now()
	err := s.bind(p)
	if err != nil && err != errAborted && define.Deferred(t.stmt) {
		err = nil // as in PostgreSQL, it is looked into when it is carried out
	}
	s.planner.meter.refused(began, err)
	return p, err
}

// PrepareQuery is Prepare for a statement of a query string, which has no
// parameters: a $1 in it is 42P02.
func (s *Session) PrepareQuery(t *Text) (*Prepared, error) {
	p := &Prepared{text: t, plain: true, bound: unbound}
	if t == nil {
		return p, nil
	}
	began := time.Now()
	err := s.bind(p)
	s.planner.meter.refused(began, err)
	return p, err
}

// analyse fixes how the literals of p are read, as PostgreSQL does: a later SET
// TimeZone does not change them.
func (s *Session) analyse(p *Prepared) {
	read := s.env(context.Background())
	p.read, p.number = &read, s.tx.number
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
func (s *Session) bind(p *Prepared) error {
	if s.tx.status == 'E' && !define.EndsBlock(p.text.stmt) {
		return errAborted
	}
	s.tx.queried = s.tx.queried || define.Analysed(p.text.stmt)
	cat, t := s.catalog(), &s.settings.typed
	reads := t.reads
	reads.plain = p.plain
	// A catalog that a transaction has for itself, or that is not the newest any
	// more, is nobody else's.
	shared := cat == s.planner.engine.Catalog()
	if shared {
		if b := s.planner.cache.find(p.text, cat, &reads, p.types, s.hides); b != nil {
			p.take(b)
			return nil
		}
	}
	s.planner.cache.binds.Add(1)
	b := &binding{reading: reads, types: p.types, catalog: cat}
	var params *bind.Params
	if !p.plain {
		params = bind.NewParams(p.types)
	}
	binder := &bind.Binder{Catalog: cat, System: s.planner.engine.SystemRelation, SearchPath: t.path, AsOfDefault: t.asOf, Params: params, Stmt: p.text.stmt}
	binder.Temp = func(name string) *fqgw.Table {
		b.asked = append(b.asked, name)
		table := s.tempTable(name)
		b.temp = b.temp || table != nil
		return table
	}
	binder.Used = func(r any) { b.used = append(b.used, r) }
	st, err := (&define.Definer{Binder: binder, Foreign: s.planner.engine.ForeignColumns, ForeignTables: s.planner.engine.ForeignTables,
		Schemas: s.planner.engine.LatestSchema()}).Bind(p.text.stmt)
	if err != nil {
		return err
	}
	if b.params, err = params.Types(); err != nil {
		return err
	}
	b.statement, b.route = st, route(st)
	switch st := st.(type) {
	case *plan.CopyTo:
		st.Kept.Params = b.params
	case *plan.CreateTable:
		st.Kept.Params = b.params
	}
	if q, ok := st.(*plan.Query); ok {
		b.keyed = exec.ByKey(q.Root)
	}
	if b.columns, err = s.columnsOf(st); err != nil {
		return err
	}
	switch st.(type) {
	case *plan.Query, *plan.Insert, *plan.CopyTo:
		b.lasting = true
		if shared && !b.temp {
			s.planner.cache.add(p.text, b)
		}
	}
	p.take(b)
	return nil
}

// take makes b what p is bound to.
func (p *Prepared) take(b *binding) {
	p.bound, p.valid = b, b.catalog
	p.Params, p.Columns = b.params, b.columns
}

// columnsOf are the columns of the rows that a statement returns; nil for none.
func (s *Session) columnsOf(st plan.Statement) ([]plan.Column, error) {
	switch st := st.(type) {
	case *plan.Query:
		return columns(st), nil
	case *plan.Explain:
		return explainColumns(st), nil
	case *plan.Show:
		if _, err := s.settings.show(st.Name, s); err != nil && !strings.EqualFold(st.Name, "all") {
			return nil, err
		}
		return showColumns(st.Name), nil
	case *plan.Execute:
		named, err := s.Named(st.Name)
		if err != nil {
			return nil, err
		}
		return named.Columns, nil
	}
	return nil, nil
}

// binding is a bound statement and what it was bound to. It may be that of many
// sessions and is not changed once it is made.
type binding struct {
	statement plan.Statement
	params    []fqgw.Type
	columns   []plan.Column
	route     string
	keyed     bool // a query that leaves nothing behind when its rows are closed (exec.ByKey)

	reading reading
	types   []uint32 // of the parameters, as the client gave them
	catalog *fqgw.Catalog
	lasting bool     // it holds in another catalog that has the same relations
	used    []any    // the relations: *fqgw.Table, *fqgw.Source, *fqgw.FeatureView, *fqgw.View
	asked   []string // names that a temporary table would have had
	temp    bool     // it reads a temporary table
}

// unbound is that of a statement which is yet to be bound.
var unbound = &binding{}

// fresh binds p again when a relation or a setting that it depends on changed
// since; a result of another shape is 0A000, as PostgreSQL says it.
func (s *Session) fresh(p *Prepared) error {
	if p.text == nil {
		return nil
	}
	if s.tx.status == 'E' && !define.EndsBlock(p.text.stmt) {
		return errAborted
	}
	reads := &s.settings.typed.reads
	same := s.there(p) && p.bound.reading.search == reads.search
	if same && p.bound.reading.asOf == reads.asOf {
		return nil
	}
	q := &Prepared{text: p.text, types: p.types, plain: p.plain}
	if len(p.Params) > 0 {
		q.types = make([]uint32, len(p.Params))
		for i, t := range p.Params {
			q.types[i] = t.OID
		}
	}
	if err := s.bind(q); err != nil {
		return err
	}
	if p.Columns != nil && !sameColumns(p.Columns, q.Columns) {
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "cached plan must not change result type")
	}
	p.bound, p.valid = q.bound, q.valid
	if !same && p.read != nil {
		s.analyse(p)
	}
	return nil
}

// there says whether the relations of a statement are the ones that it was bound to.
func (s *Session) there(p *Prepared) bool {
	b, cat := p.bound, s.catalog()
	if p.valid == cat && !b.temp {
		return true
	}
	if !b.lasting {
		return p.valid == cat
	}
	for _, r := range b.used {
		same := false
		switch r := r.(type) {
		case *fqgw.Table:
			same = cat.Tables[r.Qualified()] == r || s.TempTable(r) != nil
		case *fqgw.Source:
			same = cat.Sources[r.Qualified()] == r
		case *fqgw.FeatureView:
			same = cat.Features[r.Qualified()] == r
		case *fqgw.View:
			same = cat.Views[r.Qualified()] == r
		}
		if !same {
			return false
		}
	}
	p.valid = cat
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

// hides says whether a temporary table of the session has that name.
func (s *Session) hides(name string) bool { return s.temp[name] != nil }

func (s *Session) tempTable(name string) *fqgw.Table {
	if t := s.temp[name]; t != nil {
		return t.Table
	}
	return nil
}

// env is the environment of the statement that runs now.
func (s *Session) env(ctx context.Context) fqgw.Env {
	t := &s.settings.typed
	return fqgw.Env{Ctx: ctx, Now: s.planner.engine.Now(), Zone: t.zone, Style: t.style, Deadline: t.deadline,
		LakeDeadline: t.lakeDeadline, LakeEntities: t.lakeEntities, Session: s}
}

var _ exec.Session = (*Session)(nil)
