package define

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/stream/decode"
)

// formVersion is that of the canonical form of definitions, which outlives the
// process by its hash (fqgw.Object.Form); testdata/form.golden pins it.
//
// The form is what a definition says, made of what it was bound to and not of how it
// was written: equal for equal definitions, whatever their white space, letter
// case, order of options, and defaults that are spelled out or not. It does not have
// the relation's own name, its numbers, comments, and what was decided for it:
// whoever compares knows which definitions to compare.
const formVersion = 1

// Form is the canonical form of a *fqgw.Source, *fqgw.FeatureView, *fqgw.Table or
// *fqgw.View.
func Form(noun any) ([]byte, error) {
	w := &form{b: []byte{formVersion}}
	switch n := noun.(type) {
	case *fqgw.Source:
		w.source(n)
	case *fqgw.FeatureView:
		w.state(n)
		w.view(n)
	case *fqgw.Table:
		w.text("table")
		w.columns(n.Columns)
	case *fqgw.View:
		w.text("view")
		w.query(n)
	default:
		return nil, fqgw.Errorf(fqgw.CodeInternal, "a %T has no form", noun)
	}
	return w.b, w.err
}

// StateForm is the part of a feature view's form that its states depend on: a view
// with another one is filled anew, one with an equal one is not (SEMANTICS §4.2).
func StateForm(v *fqgw.FeatureView) ([]byte, error) {
	w := &form{b: []byte{formVersion}}
	w.state(v)
	return w.b, w.err
}

// FormHash is the hash of a definition's form, as the registry keeps it:
// "<version>:<SHA-256 in hex>".
func FormHash(noun any) (string, error) {
	b, err := Form(noun)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%x", formVersion, sha256.Sum256(b)), nil
}

// form writes a form: each text with its length, each list with its count.
type form struct {
	b   []byte
	err error
}

func (w *form) text(s string)  { w.b = fqgw.AppendString(w.b, s) }
func (w *form) number(n int64) { w.b = binary.AppendVarint(w.b, n) }
func (w *form) count(n int)    { w.number(int64(n)) }

func (w *form) flag(on bool) {
	if on {
		w.number(1)
	} else {
		w.number(0)
	}
}

func (w *form) typ(t fqgw.Type) {
	w.number(int64(t.OID))
	w.number(int64(t.Mod))
}

func (w *form) tree(e fqgw.Expr) {
	b, err := expr.Encode(nil, e)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.text(string(b))
}

func (w *form) trees(list []fqgw.Expr) {
	w.count(len(list))
	for _, e := range list {
		w.tree(e)
	}
}

func (w *form) columns(cols []fqgw.Column) {
	w.count(len(cols))
	for _, c := range cols {
		w.text(c.Name)
		w.typ(c.Type)
		w.flag(c.NotNull)
		if c.Field == c.Name {
			c.Field = ""
		}
		w.text(c.Field)
	}
}

// source leaves out the number of partitions: it is that of a topic to be made.
func (w *form) source(s *fqgw.Source) {
	w.text("source")
	w.columns(s.Columns)
	w.count(len(s.Checks))
	for _, c := range s.Checks {
		w.text(c.Name)
		w.tree(c.Expr)
	}
	for _, text := range []string{s.Connector, s.Topic, s.Format, s.History} {
		w.text(text)
	}
	if s.Positions() != fqgw.TopicOffsets {
		w.foreign(s)
	} else if schema := s.Options["schema"]; schema != "" {
		w.text("schema")
		w.text(schema)
		if message := s.Options["message"]; message != "" {
			w.text("message")
			w.text(message)
		}
	}
	if s.Derived != nil {
		w.derived(s)
	}
	w.count(s.EventTime)
	w.number(int64(s.Known))
	if s.Known == fqgw.KnownByColumn {
		w.count(s.KnownColumn)
	}
	w.count(s.KeyColumn)
	w.number(s.MaxFuture)
	w.number(s.TimeUnit)
	if s.Changelog() {
		w.text("primary key")
		w.count(len(s.PrimaryKey))
		for _, c := range s.PrimaryKey {
			w.count(c)
		}
	}
	if s.Positions() == fqgw.TopicOffsets {
		options := decode.Options(s.Format)
		for _, name := range slices.Sorted(maps.Keys(options)) {
			if value := s.Options[name]; value != "" && value != options[name][0] {
				w.text(name)
				w.text(value)
			}
		}
	}
	if t, err := expr.Parse(s.Start, fqgw.Timestamptz, nil); err == nil {
		w.text("at")
		w.number(t.Int())
	} else {
		w.text(s.Start)
	}
}

// derived is the SELECT of a derived source, as the grammar reads it.
func (w *form) derived(s *fqgw.Source) {
	w.text("derived")
	stmts, err := parse.Parse(s.SQL)
	if err == nil {
		stmts, err = parse.Parse(stmts[0].Body())
	}
	w.statement(stmts, err)
}

// statement is the first of what was parsed, as the grammar reads it.
func (w *form) statement(stmts []*parse.Statement, err error) {
	var tree []byte
	if err == nil {
		tree, err = stmts[0].Form()
	}
	if err != nil && w.err == nil {
		w.err = err
	}
	w.text(string(tree))
}

// foreign is what says which rows a source has that others write, and how they are read.
func (w *form) foreign(s *fqgw.Source) {
	for _, name := range foreignForm {
		w.text(s.Options[name])
	}
}

// state is what the states of a view depend on: source, WHERE, keys, windows and
// aggregates, or the latest row and its age. What a window is called is not.
func (w *form) state(v *fqgw.FeatureView) {
	w.text("feature view")
	w.text(v.Source.Qualified().String())
	w.tree(v.Where)
	w.count(len(v.Keys))
	for _, k := range v.Keys {
		w.count(k.Column)
		w.typ(k.Type)
	}
	w.flag(v.Latest)
	if v.Latest {
		w.number(v.MaxAge)
		w.trees(v.Row)
		return
	}
	w.windows(v.Windows, v.Aggregates)
	if len(v.Global.Windows) > 0 {
		w.text("everywhere")
		w.windows(v.Global.Windows, v.Global.Aggregates)
	}
}

func (w *form) windows(windows []fqgw.Window, aggregates []fqgw.Aggregate) {
	w.count(len(windows))
	for _, win := range windows {
		w.window(win)
	}
	w.count(len(aggregates))
	for _, a := range aggregates {
		w.aggregate(a)
	}
}

func (w *form) window(win fqgw.Window) {
	w.number(win.Length)
	w.number(win.Hop)
	if win.Rows > 0 {
		w.text("rows")
		w.count(win.Rows)
	}
}

func (w *form) aggregate(a fqgw.Aggregate) {
	w.text(a.Func)
	w.flag(a.Star)
	w.trees(a.Args)
	w.text(string(fqgw.AppendPackedRow(nil, a.Params)))
	w.tree(a.Filter)
	w.count(a.Window)
	w.typ(a.Type)
}

// view is how a view shows its states.
func (w *form) view(v *fqgw.FeatureView) {
	w.count(len(v.Keys))
	for _, k := range v.Keys {
		w.text(k.Name)
	}
	w.count(len(v.Features))
	for _, f := range v.Features {
		w.text(f.Name)
		w.typ(f.Type)
		w.tree(f.Read)
		w.text(string(fqgw.AppendPacked(nil, f.Default)))
		if f.Instead != nil {
			w.text("instead")
			w.tree(f.Instead)
		}
	}
	w.count(len(v.Columns))
	for _, c := range v.Columns {
		w.text(c.Name)
		w.count(c.Key)
		w.count(c.Feature)
	}
	w.flag(!v.Offline)
	if v.Retain > 0 {
		w.text("retain")
		w.number(v.Retain)
	}
}

// query is a plain view: its text as the grammar reads it, and where its bare names
// are looked up. clicks and public.clicks are two forms.
func (w *form) query(v *fqgw.View) {
	w.columns(v.Columns)
	w.count(len(v.Path))
	for _, s := range v.Path {
		w.text(s)
	}
	stmts, err := parse.Parse(v.Query)
	if err == nil && len(stmts) != 1 {
		err = fqgw.Errorf(fqgw.CodeDataCorrupted, "the text of view %q is not one query", v.Name)
	}
	w.statement(stmts, err)
}
