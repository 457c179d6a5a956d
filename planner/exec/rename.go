package exec

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// Rename gives a relation another name, a feature view's versions with it. Views and derived
// sources are kept by their texts: one that names the relation stands against it, 2BP01.
func (e *Engine) Rename(st *plan.Rename) Change {
	return Change{
		Tag: "ALTER " + strings.ToUpper(st.Kind),
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
			to := fqgw.QualifiedName{Schema: st.Name.Schema, Name: st.To}
			objects, names, err := e.renamed(ctx, cat, n, st, to)
			if err != nil {
				return nil, nil, err
			}
			for _, name := range names {
				if err := taken(cat, name); err != nil {
					return nil, nil, err
				}
			}
			if detail := derivedFrom(cat, st.Name); len(detail) > 0 {
				return nil, nil, fqgw.Errorf("2BP01", "cannot rename %s %s because other objects depend on it", st.Kind, st.Name).
					WithDetail("%s", strings.Join(detail, "\n")).WithHint("DROP the derived source, and CREATE it again with the new name after.")
			}
			after := cat.Clone()
			if err := e.rebind(ctx, n, after, objects); err != nil {
				return nil, nil, err
			}
			before := cat.Clone()
			for i := range names { // a view that is renamed itself is compared by its new name
				if v := cat.Views[st.Name]; v != nil && i == 0 {
					delete(before.Views, st.Name)
					before.Views[to] = v
				}
			}
			if detail := torn(before, after); len(detail) > 0 {
				return nil, nil, fqgw.Errorf("2BP01", "cannot rename %s %s because other objects depend on it", st.Kind, st.Name).
					WithDetail("%s", strings.Join(detail, "\n")).WithHint("DROP the view, and CREATE it again with the new name after.")
			}
			*cat = *after
			return objects, nil, nil
		},
	}
}

// derivedFrom are the derived sources that name a feature view or one of its versions.
func derivedFrom(cat *fqgw.Catalog, name fqgw.QualifiedName) (detail []string) {
	v := cat.Features[name]
	if v == nil {
		return nil
	}
	for of, s := range cat.Sources {
		for _, x := range cat.VersionsOf(v) {
			if s.Reads(x.Qualified()) {
				detail = append(detail, fmt.Sprintf("source %s depends on feature view %s", of, x.Qualified()))
			}
		}
	}
	slices.Sort(detail)
	return detail
}

// renamed are the objects of a relation and of its versions by their new names.
func (e *Engine) renamed(ctx context.Context, cat *fqgw.Catalog, n *Numbers, st *plan.Rename, to fqgw.QualifiedName) (objects []fqgw.Object, names []fqgw.QualifiedName, err error) {
	rename := func(oid uint32, name fqgw.QualifiedName, change func(*fqgw.Object)) error {
		o, err := n.Object(ctx, oid)
		if err != nil {
			return err
		}
		o.Name = name.Name
		change(&o)
		objects, names = append(objects, o), append(names, name)
		return nil
	}
	switch v, t, s := cat.Features[st.Name], cat.Tables[st.Name], cat.Views[st.Name]; {
	case v != nil && v.Of != "":
		return nil, nil, isVersion(v)
	case v != nil:
		for _, o := range cat.VersionsOf(v) {
			name, of := to, ""
			if o.Of != "" {
				name, of = fqgw.VersionName(to, o.Version), to.Name
			}
			if err := rename(o.OID, name, func(obj *fqgw.Object) { setProp(obj, "of", of) }); err != nil {
				return nil, nil, err
			}
		}
	case t != nil:
		if cat.TrainingSetOfTable(t.OID) != nil {
			return nil, nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "renaming a training set is not supported").
				WithHint("CREATE VIEW %s AS SELECT * FROM %s reads it by another name.", quoteIdent(st.To), quoteIdent(st.Name.Name))
		}
		err = rename(t.OID, to, func(obj *fqgw.Object) { setProp(obj, "history", t.History) })
	case s != nil:
		err = rename(s.OID, to, func(*fqgw.Object) {})
	default:
		err = missing(cat, st.Kind, st.Name)
	}
	return objects, names, err
}
