package exec

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// Alter changes columns, CHECKs and options of a source, or columns of a table. The
// registry keeps the statement, and of a source where its next gate version begins: all is
// decided by its commit. What follows, the columns in the lake and the session of the stream, is
// carried out after it, by a start too, however often.
func (e *Engine) Alter(st *plan.AlterRelation) Change {
	name := st.Name.String()
	var filled []string // columns of a table that are NOT NULL from now on
	c := Change{Tag: "ALTER " + strings.ToUpper(st.Kind), Alters: st.Name}
	if st.Kind == "source" {
		c.Holds = name
	} else {
		c.Write = func(ctx context.Context, _ func(string, string)) error { return e.withoutNulls(ctx, st.Name, filled) }
		c.After = func(ctx context.Context, _ func(string, string)) error {
			t := e.Catalog().Tables[st.Name]
			if t == nil {
				return nil
			}
			return e.evolve(ctx, t)
		}
	}
	c.Define = func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
		oid := uint32(0)
		switch s, t := cat.Sources[st.Name], cat.Tables[st.Name]; {
		case st.Kind == "source" && s != nil:
			oid = s.OID
			if e.Catalog().Sources[st.Name] == nil {
				return nil, nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported,
					"source \"%s\" was made in this transaction: ALTER of it is not supported", name).
					WithHint("Write CREATE SOURCE as it shall be.")
			}
		case st.Kind == "table" && t != nil:
			oid = t.OID
		default:
			return nil, nil, missing(cat, st.Kind, st.Name)
		}
		obj, err := n.Object(ctx, oid)
		if err != nil {
			return nil, nil, err
		}
		obj.Version = max(obj.Version, 1) + 1
		a := fqgw.Alteration{SQL: st.SQL}
		if h := n.held[name]; h != nil {
			a.From = h.From
		}
		setProp(&obj, fqgw.AlterationName(obj.Version), a.Text())
		if c := obj.Props["comment."+st.Renamed[0]]; c != "" {
			setProp(&obj, "comment."+st.Renamed[0], "")
			setProp(&obj, "comment."+st.Renamed[1], c)
		}
		put := []fqgw.Object{obj}
		for _, v := range cat.Features {
			if sql, ok := st.Views[v.Qualified()]; ok {
				of, err := n.Object(ctx, v.OID)
				if err != nil {
					return nil, nil, err
				}
				of.SQL = sql
				put = append(put, of)
			}
		}
		next, err := e.rebound(ctx, n, put)
		if err != nil {
			return nil, nil, err
		}
		if s := next.Sources[st.Name]; s != nil && st.Kind == "source" {
			if err := e.o.Streams.Readable(s); err != nil {
				return nil, nil, err
			}
		}
		if t := next.Tables[st.Name]; t != nil && st.Kind == "table" {
			filled = nil
			for _, was := range cat.Tables[st.Name].Columns {
				is := func(c fqgw.Column) bool { return c.Name == was.Name && c.NotNull && !was.NotNull }
				if slices.ContainsFunc(t.Columns, is) {
					filled = append(filled, was.Name)
				}
			}
		}
		if err := e.takeOver(cat, next, st); err != nil {
			return nil, nil, err
		}
		if s := cat.Sources[st.Name]; s != nil {
			for _, v := range cat.FeaturesOf(s) { // whose columns may have moved
				of, err := n.Object(ctx, v.OID)
				if err != nil {
					return nil, nil, err
				}
				form, err := e.o.Form(v)
				if err != nil {
					return nil, nil, err
				}
				if form != of.Form && !slices.ContainsFunc(put, func(o fqgw.Object) bool { return o.OID == of.OID }) {
					put = append(put, of)
				}
			}
		}
		return e.formed(cat, put)
	}
	return c
}

// rebound is the catalog of the registry's definitions with those of the transaction and put.
func (e *Engine) rebound(ctx context.Context, n *Numbers, put []fqgw.Object) (*fqgw.Catalog, error) {
	objects, err := n.objects(ctx)
	if err != nil {
		return nil, err
	}
	next, err := e.bound(objects, put)
	if err != nil {
		return nil, fqgw.Errorf(fqgw.AsError(err).Code, "the ALTER does not go together with what is defined: %w", err)
	}
	return next, nil
}

// takeOver puts the altered relation, and what is bound to it, from next into cat.
func (e *Engine) takeOver(cat, next *fqgw.Catalog, st *plan.AlterRelation) error {
	for name, v := range cat.Views {
		is := next.Views[name]
		if is == nil || v.Columns == nil {
			continue
		}
		for _, c := range v.Columns {
			if !slices.ContainsFunc(is.Columns, func(d fqgw.Column) bool { return d.Name == c.Name && d.Type == c.Type }) {
				return fqgw.Errorf("2BP01", "cannot alter %s %s because other objects depend on it", st.Kind, st.Name).
					WithDetail("view %s depends on it", name).WithHint("DROP the view, and CREATE it again after.")
			}
		}
	}
	if st.Kind == "table" {
		cat.Tables[st.Name] = next.Tables[st.Name]
		return nil
	}
	old, s := cat.Sources[st.Name], next.Sources[st.Name]
	for name, d := range cat.Sources {
		if d.Derived != nil && (name == st.Name || d.Reads(st.Name)) {
			return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "ALTER of a derived source, or of one that such a source is derived from, is not supported").
				WithDetail("source %s is derived from %s", name, d.Derived.Origin.Qualified()).WithHint("DROP the derived source, and CREATE it again after.")
		}
	}
	dropped := len(s.Columns) < len(old.Columns)
	if g := s.Earlier[len(s.Earlier)-1]; g.Places != nil {
		dropped = false
		for i := range old.Columns {
			dropped = dropped || !slices.Contains(g.Places, i)
		}
	}
	for name, v := range cat.Features {
		if v.Source.Qualified() != st.Name {
			continue
		}
		is := next.Features[name]
		if is == nil || is.State != v.State {
			return fqgw.Errorf(fqgw.CodeSerialization, "feature view \"%s\" was changed by another transaction", name)
		}
		if !dropped { // then its columns have the places that they had
			was, err := e.o.Form(v)
			if err != nil {
				return err
			}
			if form, err := e.o.Form(is); err != nil || form != was {
				return fqgw.Errorf(fqgw.CodeFeatureNotSupported,
					"ALTER SOURCE %s is not supported: feature view \"%s\" would say something else", st.Name, name).
					WithHint("DROP it, and CREATE it again after.")
			}
		}
		cat.Features[name] = is
	}
	cat.Sources[st.Name] = s
	for name, v := range next.Views {
		if old := cat.Views[name]; old != nil && old.OID == v.OID {
			cat.Views[name] = v
		}
	}
	return nil
}

// formed are the objects with the forms of what they are in cat; those of the feature views
// over an altered source too, where its columns moved.
func (e *Engine) formed(cat *fqgw.Catalog, put []fqgw.Object) ([]fqgw.Object, []uint32, error) {
	for i := range put {
		noun, _ := nounOf(cat, put[i].OID)
		if noun == nil {
			continue
		}
		var err error
		if put[i].Form, err = e.o.Form(noun); err != nil {
			return nil, nil, err
		}
	}
	return put, nil, nil
}

// withoutNulls is 23502 when a column of a table has a NULL.
func (e *Engine) withoutNulls(ctx context.Context, name fqgw.QualifiedName, columns []string) error {
	if len(columns) == 0 {
		return nil
	}
	_, records, err := e.o.History.Scan(ctx, fqgw.Scan{Table: e.Catalog().Tables[name].History, Columns: columns})
	if err != nil {
		return err
	}
	for b, err := range records {
		if err != nil {
			return err
		}
		for i, c := range columns {
			if b.Column(i).NullN() > 0 {
				b.Release()
				return &fqgw.Error{Code: fqgw.CodeNotNullViolation, Column: c,
					Message: fmt.Sprintf("column \"%s\" of relation \"%s\" contains null values", c, name.Name)}
			}
		}
		b.Release()
	}
	return nil
}

// evolve brings a table of the lake to the columns that it is defined with.
func (e *Engine) evolve(ctx context.Context, t *fqgw.Table) error {
	if t.Steps == nil {
		return nil
	}
	if err := e.o.History.Evolve(ctx, t.History, t.Steps); err != nil {
		return fqgw.Errorf(fqgw.AsError(err).Code, "table \"%s\" is altered, but its columns in the lake are not yet: %w", t.Name, err).
			WithHint("They are brought up to date by the next ALTER TABLE, or the next start.")
	}
	return nil
}

// evolveTables does that for all, as a process may have ended before it did.
func (e *Engine) evolveTables(ctx context.Context, cat *fqgw.Catalog) {
	for _, t := range cat.Tables {
		if err := e.evolve(ctx, t); err != nil && fqgw.UnlessMissing(err) != nil {
			e.o.Logger.Warn("a table of the lake has not the columns of its definition", "table", t.Name, "error", err)
		}
	}
}

// Held is a source whose records nobody judges until Release (stream.Pipeline.Hold).
type Held struct {
	From    fqgw.Marks
	Release func()
}

// hold holds the sources that the changes alter.
func (e *Engine) hold(ctx context.Context, c *Changes) (held map[string]*Held, err error) {
	for _, p := range c.list {
		if p.Holds == "" || held[p.Holds] != nil {
			continue
		}
		from, release, err := e.o.Streams.Hold(ctx, p.Holds)
		if err != nil {
			release := held
			for _, h := range release {
				h.Release()
			}
			return nil, err
		}
		if held == nil {
			held = map[string]*Held{}
		}
		held[p.Holds] = &Held{from, release}
	}
	return held, nil
}

// redefine has the streams of the sources that were held go on as cat has them, before
// anybody reads by it.
func (e *Engine) redefine(ctx context.Context, cat *fqgw.Catalog, held map[string]*Held, notice func(string, string)) {
	for name, h := range held {
		for _, s := range cat.Sources {
			if s.Qualified().String() != name {
				continue
			}
			release := h.Release
			e.redefineOne(ctx, cat, s, release, notice)
		}
		delete(held, name)
	}
}

func (e *Engine) redefineOne(ctx context.Context, cat *fqgw.Catalog, s *fqgw.Source, release func(), notice func(string, string)) {
	var kept []*fqgw.FeatureView // of those that share states their keeper
	for _, v := range cat.FeaturesOf(s) {
		if k := cat.Keeper(v.State); k != nil {
			kept = append(kept, k.Parts()...)
		}
	}
	late, err := e.o.Streams.Redefine(ctx, s, kept, release)
	switch {
	case err != nil:
		e.o.Logger.Warn("a source that was altered does not go on", "source", s.Name, "error", err)
	case late && notice != nil:
		notice(fmt.Sprintf("source \"%s\" goes by its new definition as soon as its history can be written", s.Name), "What cannot be read yet comes then.")
	}
}

// unheld lets sources go on whose ALTER may have failed: as the registry says, when it
// can be asked.
func (e *Engine) unheld(held map[string]*Held) {
	if len(held) == 0 {
		return
	}
	e.fills.Go(func() {
		for again := tryAgain; ; {
			e.define.Lock()
			err := e.catchUp(e.life)
			e.define.Unlock()
			if err == nil || !again.Wait(e.life) {
				break
			}
		}
		for _, h := range held {
			h.Release()
		}
	})
}
