package define

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// What a Step does.
const (
	StepCreate  = "create"
	StepChange  = "change"
	StepReplace = "replace" // dropped and made again
	StepDrop    = "drop"
	StepKeep    = "keep" // it is not in the texts, and stays
)

// Step is what becomes of one object.
type Step struct {
	Action string
	Kind   string
	Name   fqgw.QualifiedName
	Why    string
	Fills  *fqgw.Source // of a feature view that is filled from history: its source
	Loses  *fqgw.Table  // the rows of this table are lost
	Text   int          // the index of the text that defines it, -1 for none
	Pos    int          // the character in it
	// First are statements to be run before those of all steps, of the last step first;
	// Then those of its own, in the order of the steps; Later those for when their
	// transaction has ended, and a feature view's next version is the current one.
	First, Then, Later []string
}

// Migration is how a catalog becomes what texts say.
type Migration struct {
	Steps  []Step
	Faults []Fault // what is wrong with the texts; then there are no steps
}

// Migrate compares the definitions of cat with those that texts want, by what they say
// and not by how they are written. With prune what no text defines is dropped.
func Migrate(cat *fqgw.Catalog, definer Definer, texts []string, prune bool) (*Migration, error) {
	keep := func(n fqgw.QualifiedName) bool { return !prune }
	w := Want(cat, definer, texts, keep)
	m := &migration{cat: cat, want: w, steps: map[fqgw.QualifiedName]*Step{}}
	if len(w.Faults) == 0 {
		if err := m.compare(prune); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(w.Faults, func(a, b Fault) int {
		if a.Text != b.Text {
			return a.Text - b.Text
		}
		return a.Err.Position - b.Err.Position
	})
	if len(w.Faults) > 0 {
		return &Migration{Faults: w.Faults}, nil
	}
	return &Migration{Steps: m.list}, nil
}

type migration struct {
	cat   *fqgw.Catalog
	want  *Wanted
	now   []*Text // the objects of cat, each behind those that it reads
	steps map[fqgw.QualifiedName]*Step
	list  []Step
}

func (m *migration) compare(prune bool) (err error) {
	if m.now, err = Texts(m.cat); err != nil {
		return err
	}
	for _, o := range m.want.ordered {
		s, err := m.object(o)
		if err != nil {
			return err
		}
		m.steps[o.name] = s
	}
	if prune {
		for _, t := range m.now {
			if t.Kind != "schema" && m.want.object(t.Name) == nil {
				m.steps[t.Name] = &Step{Action: StepDrop, Kind: t.Kind, Name: t.Name, Text: -1, Loses: m.cat.Tables[t.Name],
					Then: []string{drop(t.Kind, t.Name)}}
			}
		}
	}
	if err := m.cascade(); err != nil {
		return err
	}
	for _, o := range m.want.ordered {
		if s := m.steps[o.name]; s.Action != "" {
			m.list = append(m.list, *s)
		}
	}
	for _, t := range slices.Backward(m.now) { // those that read first
		switch s := m.steps[t.Name]; {
		case s == nil && t.Kind != "schema":
			m.list = append(m.list, Step{Action: StepKeep, Kind: t.Kind, Name: t.Name, Text: -1})
		case s != nil && s.Action == StepDrop && len(s.First) == 0:
			m.list = append(m.list, *s)
		}
	}
	for _, t := range m.now { // those that read last: First is run from the end
		if s := m.steps[t.Name]; s != nil && s.Action == StepDrop && len(s.First) > 0 {
			m.list = append(m.list, *s)
		}
	}
	return nil
}

func drop(kind string, name fqgw.QualifiedName) string {
	return "DROP " + strings.ToUpper(kind) + " " + relation(name)
}

// object is what becomes of an object that the texts make; Action "" for nothing.
func (m *migration) object(o *wantedObject) (*Step, error) {
	s := &Step{Kind: o.kind, Name: o.name, Text: o.text, Pos: o.Start()}
	if o.kind == "schema" {
		return s, m.schemaStep(s, o.name.Schema)
	}
	t, err := TextOf(m.want.Catalog, o.noun)
	if err != nil {
		return nil, err
	}
	switch kind := m.cat.Has(o.name); {
	case kind == "":
		s.Action = StepCreate
		s.Then = append(under(t.Path, t.Create), t.More...)
		m.fills(s, o.noun)
	case kind != o.kind:
		m.replace(s, "it is a "+kind, t, o.noun)
	default:
		err = m.change(s, t, o.noun)
	}
	return s, err
}

func (m *migration) fills(s *Step, noun any) {
	if v, ok := noun.(*fqgw.FeatureView); ok && !v.Offline {
		s.Fills = v.Source
	}
}

func (m *migration) replace(s *Step, why string, t *Text, noun any) {
	s.Action, s.Why = StepReplace, why
	s.Loses = m.cat.Tables[s.Name]
	s.First = []string{drop(m.cat.Has(s.Name), s.Name)}
	s.Then = append(under(t.Path, t.Create), t.More...)
	m.fills(s, noun)
}

// under is a statement that is read under a search path.
func under(path []string, sql string) []string {
	if len(path) == 0 {
		return []string{sql}
	}
	quoted := make([]string, len(path))
	for i, p := range path {
		quoted[i] = expr.QuoteIdent(p)
	}
	return []string{"SET LOCAL search_path = " + strings.Join(quoted, ", "), sql, "SET LOCAL search_path = " + fqgw.PublicSchema}
}

func (m *migration) schemaStep(s *Step, name string) error {
	what := "SCHEMA " + expr.QuoteIdent(name)
	want, now := m.want.Catalog.Schemas[name], m.cat.Schemas[name]
	if now == nil {
		s.Action, s.Then = StepCreate, []string{"CREATE " + what}
		now = &fqgw.Schema{}
	}
	if want.Comment != now.Comment {
		s.Then = append(s.Then, commentOn(what, want.Comment))
		if s.Action == "" {
			s.Action, s.Why = StepChange, "comment"
		}
	}
	return nil
}

// change compares an object with the one of its name and kind.
func (m *migration) change(s *Step, t *Text, noun any) error {
	var before any
	switch noun.(type) {
	case *fqgw.Source:
		before = m.cat.Sources[s.Name]
	case *fqgw.Table:
		before = m.cat.Tables[s.Name]
	case *fqgw.FeatureView:
		before = m.cat.Features[s.Name]
	case *fqgw.View:
		before = m.cat.Views[s.Name]
	}
	form, err := FormHash(before)
	if err != nil {
		return err
	}
	var whys []string
	if form != t.Form {
		switch n := noun.(type) {
		case *fqgw.Source:
			whys, err = m.alterSource(s, before.(*fqgw.Source), n)
		case *fqgw.Table:
			if whys, err = m.alterTable(s, t, before.(*fqgw.Table), n); err != nil || s.Action == StepReplace {
				return err
			}
		case *fqgw.FeatureView:
			whys, err = m.alterFeature(s, t, before.(*fqgw.FeatureView), n)
		case *fqgw.View:
			if _, whys = columnActions(before.(*fqgw.View).Columns, n.Columns); len(whys) == 0 {
				whys = []string{"its query differs"}
			}
			s.Then = under(t.Path, "CREATE OR REPLACE"+strings.TrimPrefix(t.Create, "CREATE"))
		}
		if err != nil {
			return err
		}
	}
	if comments := commentChanges(s.Kind, s.Name, before, noun); len(comments) > 0 {
		s.behind(fqgw.Difference{Rebuild: s.Fills != nil}, comments...)
		whys = append(whys, "comments")
	}
	if len(s.Then) > 0 {
		s.Action, s.Why = StepChange, strings.Join(whys, ", ")
	}
	return nil
}

// alterFeature makes a feature view what it shall be: its defaults alone, or its next version.
func (m *migration) alterFeature(s *Step, t *Text, before, next *fqgw.FeatureView) ([]string, error) {
	with := *before
	with.Features = slices.Clone(before.Features)
	for i := range with.Features {
		if j := featureIndex(next, with.Features[i].Name); j >= 0 {
			with.Features[i].Default = next.Features[j].Default
		}
	}
	d, err := Compare(&with, next)
	if err != nil {
		return nil, err
	}
	var whys []string
	if !d.Same {
		whys = d.Why
		s.Then = under(t.Path, "CREATE OR REPLACE"+strings.TrimPrefix(t.Create, "CREATE"))
		if d.Rebuild {
			m.fills(s, next)
		}
	}
	for _, f := range next.Features {
		i := featureIndex(before, f.Name)
		_, alters := next.Options["default."+f.Name] // the next version has those of its statement
		if i >= 0 && d.Same && !sameDefault(before.Features[i], f) || !d.Same && alters {
			s.behind(d, defaultText(s.Name, f))
			whys = append(whys, fmt.Sprintf("the default of %s", expr.QuoteIdent(f.Name)))
		}
	}
	return whys, nil
}

// behind adds what is to be done behind the replacement of a feature view, which is
// another one when that is done.
func (s *Step) behind(d fqgw.Difference, sql ...string) {
	if d.Rebuild {
		s.Later = append(s.Later, sql...)
	} else {
		s.Then = append(s.Then, sql...)
	}
}

// comments are those of an object and its columns, by what COMMENT ON names.
func comments(kind string, name fqgw.QualifiedName, noun any) (what []string, text map[string]string) {
	text = map[string]string{}
	add := func(on, comment string) {
		what = append(what, on)
		text[on] = comment
	}
	columns := func(cols []fqgw.Column) {
		for _, c := range cols {
			add("COLUMN "+relation(name)+"."+expr.QuoteIdent(c.Name), c.Comment)
		}
	}
	whole := strings.ToUpper(kind) + " " + relation(name)
	switch n := noun.(type) {
	case *fqgw.Source:
		add(whole, n.Comment)
		columns(n.Columns)
	case *fqgw.Table:
		add(whole, n.Comment)
		columns(n.Columns)
	case *fqgw.View:
		add(whole, n.Comment)
		columns(n.Columns)
	case *fqgw.FeatureView:
		add(whole, n.Comment)
		for _, f := range n.Features {
			add("COLUMN "+relation(name)+"."+expr.QuoteIdent(f.Name), f.Comment)
		}
	}
	return what, text
}

func commentChanges(kind string, name fqgw.QualifiedName, before, next any) (sql []string) {
	_, was := comments(kind, name, before)
	what, is := comments(kind, name, next)
	for _, on := range what {
		if was[on] != is[on] {
			sql = append(sql, commentOn(on, is[on]))
		}
	}
	return sql
}

// cascade makes anew what reads what is dropped to be made again. What goes, and reads
// what changes, goes first, as it could stand against the change.
func (m *migration) cascade() error {
	for _, t := range m.now { // each behind those that it reads
		for _, r := range t.Reads {
			below := m.steps[r]
			if below == nil {
				continue
			}
			s := m.steps[t.Name]
			if s != nil && s.Action == StepDrop && len(s.First) == 0 {
				if len(below.First) > 0 || below.Action == StepChange && !m.readByWhatStays(t.Name) {
					s.First, s.Then = s.Then, nil
				}
			}
			if len(below.First) == 0 || s != nil && s.Action == StepDrop {
				continue
			}
			switch {
			case s == nil:
				m.want.fault(below.Text, fqgw.Errorf("2BP01", "%s \"%s\" cannot be made again, because %s \"%s\" reads it, which no file defines",
					below.Kind, r, t.Kind, t.Name).At(below.Pos).WithHint("Write that in a file too, or DROP it, or apply with --prune."))
			case s.Action != StepReplace:
				o := m.want.object(t.Name)
				text, err := TextOf(m.want.Catalog, o.noun)
				if err != nil {
					return err
				}
				m.replace(s, fmt.Sprintf("it reads %s \"%s\"", below.Kind, r), text, o.noun)
			}
		}
	}
	return nil
}

// readByWhatStays says whether something that is not dropped reads a relation now.
func (m *migration) readByWhatStays(name fqgw.QualifiedName) bool {
	return slices.ContainsFunc(m.now, func(t *Text) bool {
		s := m.steps[t.Name]
		return slices.Contains(t.Reads, name) && (s == nil || s.Action != StepDrop)
	})
}
