package exec

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// Drop removes relations; with Cascade, what depends on them too. DependsOn
// names the relations that a plain view reads.
func (e *Engine) Drop(st *plan.Drop, dependsOn func(cat *fqgw.Catalog, v *fqgw.View) []fqgw.QualifiedName) Change {
	var gone []victim
	var cascaded []string
	return Change{
		Tag: "DROP " + strings.ToUpper(st.Kind),
		Define: func(ctx context.Context, cat *fqgw.Catalog, _ *Numbers) ([]fqgw.Object, []uint32, error) {
			gone, cascaded = nil, nil
			var oids []uint32
			var victims []fqgw.QualifiedName
			for _, n := range st.Names {
				kind := cat.Has(n.QualifiedName)
				switch {
				case kind == "" && st.IfExists:
					continue
				case kind == "":
					return nil, nil, missing(cat, st.Kind, n.QualifiedName)
				case kind != st.Kind:
					return nil, nil, fqgw.Errorf(fqgw.CodeWrongObjectType, "\"%s\" is not a %s", n.Name, st.Kind).
						WithHint("Use DROP %s to remove a %s.", strings.ToUpper(kind), kind)
				}
				if !slices.Contains(victims, n.QualifiedName) {
					victims = append(victims, n.QualifiedName)
				}
			}
			victims = withVersions(cat, victims)
			if st.Purge {
				for _, n := range victims {
					if s := cat.Sources[n]; s != nil && s.Positions() != fqgw.TopicOffsets {
						return nil, nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "the rows of source \"%s\" are others': PURGE does not remove them", n).
							WithHint("Write DROP SOURCE without PURGE.")
					}
				}
			}
			named := len(victims)
			var detail []string
			for i := 0; i < len(victims); i++ {
				for _, d := range dependents(cat, victims[i], dependsOn) {
					if !slices.Contains(victims, d) {
						victims = append(victims, d)
						detail = append(detail, fmt.Sprintf("%s %s depends on %s %s", cat.Has(d), d, cat.Has(victims[i]), victims[i]))
					}
				}
			}
			if len(detail) > 0 && !st.Cascade {
				what := st.Kind + " " + victims[0].String()
				if named > 1 {
					what = "the " + st.Kind + "s"
				}
				return nil, nil, fqgw.Errorf("2BP01", "cannot drop %s because other objects depend on it", what).
					WithDetail("%s", strings.Join(detail, "\n")).WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
			}
			for _, v := range victims[named:] {
				cascaded = append(cascaded, cat.Has(v)+" "+v.String())
			}
			for _, v := range slices.Backward(victims) {
				g := e.dropOne(cat, v, st.Purge)
				gone, oids = append(gone, g), append(oids, g.oid)
				if t := cat.TrainingSetOfTable(g.oid); t != nil {
					delete(cat.Training, t.Key())
					gone, oids = append(gone, victim{oid: t.OID, left: tagsOf(t)}), append(oids, t.OID)
				}
			}
			return nil, oids, nil
		},
		// A store may be away, and the process may end: what is to be removed is noted
		// before the definitions go.
		Write: func(ctx context.Context, _ func(string, string)) error { return e.leave(ctx, leftOf(gone)) },
		Undo:  func(ctx context.Context) error { return e.forgive(ctx, leftOf(gone)) },
		After: func(ctx context.Context, notice func(string, string)) error {
			if len(cascaded) > 0 {
				notice("drop cascades to "+strings.Join(cascaded, ", "), "")
			}
			// The sources first: then nothing of their views runs any more.
			for _, g := range gone {
				if g.source != "" {
					if err := e.o.Streams.DropSource(ctx, g.source); err != nil {
						e.o.Logger.Warn("a source that was dropped does not stop", "source", g.source, "error", err)
					}
				}
			}
			for _, g := range gone {
				if g.view != nil {
					e.forget(ctx, g.view)
				}
			}
			e.removeNow(ctx, leftOf(gone), notice)
			return nil
		},
	}
}

// withVersions are the relations with the versions of those that are the current
// versions of feature views.
func withVersions(cat *fqgw.Catalog, names []fqgw.QualifiedName) []fqgw.QualifiedName {
	for _, name := range names {
		v := cat.Features[name]
		if v == nil || v.Of != "" {
			continue
		}
		for _, o := range cat.VersionsOf(v) {
			if !slices.Contains(names, o.Qualified()) {
				names = append(names, o.Qualified())
			}
		}
	}
	return names
}

// victim is a relation that a DROP took out of the catalog.
type victim struct {
	oid    uint32
	source string            // its name, of a source
	view   *fqgw.FeatureView // of a feature view
	left   []leftover
}

func leftOf(gone []victim) (out []leftover) {
	for _, g := range gone {
		out = append(out, g.left...)
	}
	return out
}

func dependents(cat *fqgw.Catalog, name fqgw.QualifiedName, dependsOn func(*fqgw.Catalog, *fqgw.View) []fqgw.QualifiedName) []fqgw.QualifiedName {
	var out []fqgw.QualifiedName
	for _, v := range cat.Features {
		if v.Source.Qualified() == name {
			out = append(out, v.Qualified())
		}
	}
	for _, s := range cat.Sources {
		if s.Reads(name) {
			out = append(out, s.Qualified())
		}
	}
	for _, v := range cat.Views {
		if v.Qualified() != name && slices.Contains(dependsOn(cat, v), name) {
			out = append(out, v.Qualified())
		}
	}
	slices.SortFunc(out, func(a, b fqgw.QualifiedName) int { return cmp.Compare(a.String(), b.String()) })
	return out
}

// dropOne takes a relation out of the catalog.
func (e *Engine) dropOne(cat *fqgw.Catalog, name fqgw.QualifiedName, purge bool) victim {
	if s := cat.Sources[name]; s != nil {
		delete(cat.Sources, name)
		g := victim{oid: s.OID, source: name.String()}
		if purge {
			g.left = []leftover{{OID: s.OID, What: "topic", Name: s.Topic, Topic: e.o.Streams.TopicID(name.String())}, {OID: s.OID, What: "history", Name: s.History}}
		}
		return g
	}
	if v := cat.Features[name]; v != nil {
		delete(cat.Features, name)
		g := victim{oid: v.OID}
		if !v.Offline && cat.Keeper(v.State) == nil { // no other version has its states
			g.view, g.left = v, leftStates(v)
		}
		return g
	}
	if t := cat.Tables[name]; t != nil {
		delete(cat.Tables, name)
		return victim{oid: t.OID, left: []leftover{{OID: t.OID, What: "history", Name: t.History}}}
	}
	v := cat.Views[name]
	delete(cat.Views, name)
	return victim{oid: v.OID}
}

// forget ends the filling of a view and forgets it.
func (e *Engine) forget(ctx context.Context, v *fqgw.FeatureView) {
	b := e.ended(v)
	if b == nil {
		return
	}
	b.cancel()
	select {
	case <-b.done:
	case <-ctx.Done():
	case <-time.After(dropWithin):
	}
}

// Comment sets or removes the comment of a relation or of one of its columns.
func (e *Engine) Comment(st *plan.Comment) Change {
	return Change{
		Tag: "COMMENT",
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
			oid, err := setComment(cat, st)
			if err != nil {
				return nil, nil, err
			}
			obj, err := n.Object(ctx, oid)
			if err != nil {
				return nil, nil, err
			}
			prop := "comment"
			if st.Column != "" {
				prop = "comment." + st.Column
			}
			setProp(&obj, prop, st.Text)
			return []fqgw.Object{obj}, nil, nil
		},
	}
}

// setComment puts the comment on a copy of the relation.
func setComment(cat *fqgw.Catalog, st *plan.Comment) (uint32, error) {
	column := func(cols []fqgw.Column) ([]fqgw.Column, error) {
		cols = slices.Clone(cols)
		for i := range cols {
			if cols[i].Name == st.Column {
				cols[i].Comment = st.Text
				return cols, nil
			}
		}
		return nil, fqgw.Errorf(fqgw.CodeUndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", st.Column, st.Name.Name)
	}
	var err error
	switch {
	case cat.Sources[st.Name] != nil:
		s := *cat.Sources[st.Name]
		if st.Column == "" {
			s.Comment = st.Text
		} else if s.Columns, err = column(s.Columns); err != nil {
			return 0, err
		}
		cat.Sources[st.Name] = &s
		return s.OID, nil
	case cat.Tables[st.Name] != nil:
		t := *cat.Tables[st.Name]
		if st.Column == "" {
			t.Comment = st.Text
		} else if t.Columns, err = column(t.Columns); err != nil {
			return 0, err
		}
		cat.Tables[st.Name] = &t
		return t.OID, nil
	case cat.Features[st.Name] != nil:
		v := *cat.Features[st.Name]
		if st.Column == "" {
			v.Comment = st.Text
		} else {
			i := slices.IndexFunc(v.Features, func(f fqgw.Feature) bool { return f.Name == st.Column })
			if i < 0 {
				_, err := column(nil)
				return 0, err
			}
			v.Features = slices.Clone(v.Features)
			v.Features[i].Comment = st.Text
		}
		cat.Features[st.Name] = &v
		return v.OID, nil
	case cat.Views[st.Name] != nil:
		v := *cat.Views[st.Name]
		if st.Column == "" {
			v.Comment = st.Text
		} else if v.Columns, err = column(v.Columns); err != nil {
			return 0, err
		}
		cat.Views[st.Name] = &v
		return v.OID, nil
	}
	return 0, missing(cat, "relation", st.Name)
}
