package exec

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

func taken(cat *fqgw.Catalog, name fqgw.QualifiedName) error {
	if kind := cat.Has(name); kind != "" {
		return fqgw.Errorf(fqgw.CodeDuplicateTable, "relation \"%s\" already exists", name.Name)
	}
	return nil
}

// put is what the registry is to keep of a definition.
func (e *Engine) put(noun any, o fqgw.Object) (put []fqgw.Object, drop []uint32, err error) {
	o.Form, err = e.o.Form(noun)
	return []fqgw.Object{o}, nil, err
}

// CreateSource makes a source: its topic is checked or created, its history
// made, its stream started.
func (e *Engine) CreateSource(st *plan.CreateSource) Change {
	s := *st.Source
	return Change{
		Tag: "CREATE SOURCE",
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
			if err := taken(cat, s.Qualified()); err != nil {
				return nil, nil, err
			}
			if err := stillThere(cat, &s); err != nil {
				return nil, nil, err
			}
			oid, err := n.Next(ctx, "oid")
			if err != nil {
				return nil, nil, err
			}
			s.OID, s.GateVersion = uint32(oid), 1
			if s.History == "" && s.Positions() == fqgw.TopicOffsets {
				s.History = s.Qualified().LakeTable()
			}
			cat.Sources[s.Qualified()] = &s
			var path []string
			if s.Derived != nil {
				path = s.Derived.Path
			}
			return e.put(&s, fqgw.Object{Path: path, OID: s.OID, Kind: "source", Schema: s.Qualified().Schema, Name: s.Name, Version: 1, SQL: s.SQL,
				Props: map[string]string{"history": s.History}})
		},
		// The stream starts before the definition is kept, so that a topic which
		// cannot be had leaves nothing behind.
		Write: func(ctx context.Context, notice func(string, string)) error {
			if s.Partitions == 0 && e.o.MakeTopics && s.Derived == nil {
				s.Partitions = 1
			}
			return e.o.Streams.AddSource(ctx, &s)
		},
		Undo: func(ctx context.Context) error { return e.o.Streams.DropSource(ctx, s.Qualified().String()) },
		After: func(ctx context.Context, notice func(string, string)) error {
			if msg := e.o.Streams.TopicNotice(s.Qualified().String()); msg != "" {
				notice(msg, "")
			}
			return nil
		},
	}
}

// CreateFeatureView makes a feature view and waits until it is filled, unless
// it is told not to or ctx ends: then it goes on in the background.
func (e *Engine) CreateFeatureView(st *plan.CreateFeatureView) Change {
	v := *st.View
	var r *replacement
	return Change{
		Tag: "CREATE FEATURE VIEW",
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) (put []fqgw.Object, _ []uint32, err error) {
			r = nil
			if old := cat.Features[v.Qualified()]; old != nil && st.OrReplace {
				r, put, err = e.nextVersion(ctx, cat, n, old, st)
				return put, nil, err
			}
			if err := taken(cat, v.Qualified()); err != nil {
				return nil, nil, err
			}
			src := cat.Sources[v.Source.Qualified()]
			if src == nil {
				return nil, nil, fqgw.Errorf(fqgw.CodeUndefinedTable, "source \"%s\" does not exist", v.Source.Name)
			}
			oid, err := n.Next(ctx, "oid")
			if err != nil {
				return nil, nil, err
			}
			if v.State, err = n.Next(ctx, "state"); err != nil {
				return nil, nil, err
			}
			v.OID, v.Version, v.Source, v.Since = uint32(oid), 1, src, e.o.Clock.Now()
			cat.Features[v.Qualified()] = &v
			return e.put(&v, fqgw.Object{OID: v.OID, Kind: "feature view", Schema: v.Qualified().Schema, Name: v.Name, Version: 1, State: v.State, SQL: v.SQL,
				Path: st.Path, Props: map[string]string{"since": strconv.FormatInt(v.Since, 10)}})
		},
		After: func(ctx context.Context, notice func(string, string)) error {
			if r != nil {
				return e.replaced(ctx, r, st, notice)
			}
			if v.Offline {
				return nil
			}
			b := e.fill(&v, false, func(msg string) {})
			if st.NoWait {
				return nil
			}
			if err := b.wait(ctx, &v, notice); err != nil {
				return err
			}
			for _, msg := range e.o.Streams.Notices(v.Source.Qualified().String()) {
				notice(msg, "")
			}
			if err := e.o.Streams.Follows(&v, math.MaxInt64); err != nil {
				notice(fqgw.AsError(err).Message, fqgw.AsError(err).Hint)
			}
			return nil
		},
	}
}

// CreateView makes a plain view or a feature service.
func (e *Engine) CreateView(st *plan.CreateView) Change {
	v := *st.View
	return Change{
		Tag: "CREATE VIEW",
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
			old := cat.Views[v.Qualified()]
			props := map[string]string{}
			if old == nil || !st.OrReplace {
				if err := taken(cat, v.Qualified()); err != nil {
					return nil, nil, err
				}
				oid, err := n.Next(ctx, "oid")
				if err != nil {
					return nil, nil, err
				}
				v.OID = uint32(oid)
			} else {
				props = keepComments(&v, old)
			}
			cat.Views[v.Qualified()] = &v
			return e.put(&v, fqgw.Object{OID: v.OID, Kind: "view", Schema: v.Qualified().Schema, Name: v.Name, Version: 1, SQL: v.SQL, Path: v.Path, Props: props})
		},
	}
}

// keepComments makes v the view old by another definition: its OID, its comment and
// those of the columns that are still there, which are also the object's properties.
func keepComments(v, old *fqgw.View) map[string]string {
	props := map[string]string{}
	v.OID, v.Comment, v.Columns = old.OID, old.Comment, slices.Clone(v.Columns)
	if v.Comment != "" {
		props["comment"] = v.Comment
	}
	for i := range v.Columns {
		c := &v.Columns[i]
		for _, before := range old.Columns {
			if before.Name == c.Name && before.Comment != "" {
				c.Comment = before.Comment
				props["comment."+c.Name] = c.Comment
			}
		}
	}
	return props
}

// CreateTable makes an empty table of the lake.
func (e *Engine) CreateTable(st *plan.CreateTable) Change {
	t := *st.Table
	return Change{
		Tag:    "CREATE TABLE",
		Early:  true,
		Define: e.defineTable(&t),
		Write: func(ctx context.Context, _ func(string, string)) error {
			return e.makeTable(ctx, &t, st.Layout.Partition)
		},
		Undo:  func(ctx context.Context) error { return e.unmakeTable(ctx, &t) },
		After: func(ctx context.Context, _ func(string, string)) error { return e.making(ctx, t.History, true) },
	}
}

// numbered is a lake name that no other table of the registry has.
func numbered(t *fqgw.Table) string { return fmt.Sprintf("%s_%d", t.Qualified().LakeTable(), t.OID) }

// defineTable enters a table.
func (e *Engine) defineTable(t *fqgw.Table) func(context.Context, *fqgw.Catalog, *Numbers) ([]fqgw.Object, []uint32, error) {
	return func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
		if err := taken(cat, t.Qualified()); err != nil {
			return nil, nil, err
		}
		oid, err := n.Next(ctx, "oid")
		if err != nil {
			return nil, nil, err
		}
		if t.OID = uint32(oid); t.History == "" {
			t.History = t.Qualified().LakeTable()
		}
		cat.Tables[t.Qualified()] = t
		return e.put(t, fqgw.Object{OID: t.OID, Kind: "table", Schema: t.Qualified().Schema, Name: t.Name, Version: 1, SQL: tableSQL(t),
			Props: map[string]string{"history": t.History}})
	}
}

// tableSQL is the statement that makes the table's columns again.
func tableSQL(t *fqgw.Table) string {
	cols := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = quoteIdent(c.Name) + " " + c.Type.String()
		if c.NotNull {
			cols[i] += " NOT NULL"
		}
	}
	return fmt.Sprintf("CREATE TABLE %s (%s)", quoteIdent(t.Qualified().Schema)+"."+quoteIdent(t.Name), strings.Join(cols, ", "))
}

func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// AlterDefault sets or drops a feature's default: a new view version over the
// same state version, so nothing is rebuilt (SEMANTICS §4.2). It takes the place of
// the one before, which is not to be read any more.
func (e *Engine) AlterDefault(st *plan.AlterFeature) Change {
	return Change{
		Tag: "ALTER FEATURE VIEW",
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
			old := cat.Features[st.View]
			if old == nil {
				return nil, nil, missing(cat, "feature view", st.View)
			}
			if old.Of != "" {
				return nil, nil, isVersion(old)
			}
			v := *old
			v.Version = cat.NextVersion(old)
			v.Given, v.Since = v.Version, e.o.Clock.Now()
			v.Features = append([]fqgw.Feature(nil), old.Features...)
			found := false
			for i := range v.Features {
				if v.Features[i].Name == st.Feature {
					v.Features[i].Default, v.Features[i].Instead, found = st.Default, nil, true
				}
			}
			if !found {
				return nil, nil, fqgw.Errorf(fqgw.CodeUndefinedColumn, "column \"%s\" of feature view \"%s\" does not exist", st.Feature, st.View.Name)
			}
			obj, err := n.Object(ctx, v.OID)
			if err != nil {
				return nil, nil, err
			}
			obj.Version = v.Version
			setProp(&obj, "default."+st.Feature, st.SQL)
			setProp(&obj, "given", strconv.Itoa(v.Given))
			setProp(&obj, "since", strconv.FormatInt(v.Since, 10))
			v.Options = withDefault(old.Options, st.Feature, st.SQL)
			for name, sql := range v.Options {
				if strings.HasPrefix(name, "default.") {
					setProp(&obj, name, sql)
				}
			}
			cat.Features[v.Qualified()] = &v
			return e.put(&v, obj)
		},
	}
}

// withDefault notes a default's SQL beside the view's options, so that several
// changes of one transaction add up.
func withDefault(options map[string]string, feature, sql string) map[string]string {
	out := map[string]string{}
	for k, v := range options {
		out[k] = v
	}
	out["default."+feature] = sql
	return out
}

func setProp(o *fqgw.Object, name, value string) {
	if o.Props == nil {
		o.Props = map[string]string{}
	}
	if value == "" {
		delete(o.Props, name)
		return
	}
	o.Props[name] = value
}

func missing(cat *fqgw.Catalog, kind string, name fqgw.QualifiedName) *fqgw.Error {
	err := fqgw.Errorf(fqgw.CodeUndefinedTable, "%s \"%s\" does not exist", kind, name)
	if near := fqgw.Nearest(name.String(), cat.Names()); near != "" {
		err = err.WithHint("Perhaps you meant \"%s\".", near)
	}
	return err
}

// wait waits until a view is filled and passes its progress on; when ctx ends
// the fill goes on by itself.
func (b *building) wait(ctx context.Context, v *fqgw.FeatureView, notice func(string, string)) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var said *string
	for {
		select {
		case <-b.done:
			return b.err
		case <-tick.C:
			if p := b.progress.Load(); p != nil && p != said {
				said = p
				notice(*p, "")
			}
		case <-ctx.Done():
			what := "goes on filling in the background"
			if v.Next {
				what += ", and becomes the current version then"
			}
			notice(fmt.Sprintf("feature view \"%s\" %s", v.Name, what), "")
			return ctx.Err()
		}
	}
}
