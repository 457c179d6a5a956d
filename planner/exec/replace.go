package exec

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// replacement is what a CREATE OR REPLACE FEATURE VIEW of a view that there is comes to.
type replacement struct {
	view   fqgw.QualifiedName
	was    int               // the version that is the current one
	made   *fqgw.FeatureView // the next one; nil: the definition is the same
	filled bool              // it is read at once: its states are there, or it has none
}

// nextVersion makes the next version of a feature view (SEMANTICS §4.2): at once where an
// earlier one has its states, else as the one that becomes current when it is filled.
func (e *Engine) nextVersion(ctx context.Context, cat *fqgw.Catalog, n *Numbers, old *fqgw.FeatureView, st *plan.CreateFeatureView) (r *replacement, put []fqgw.Object, err error) {
	r = &replacement{view: old.Current(), was: old.Version}
	if old.Of != "" {
		return r, nil, fqgw.Errorf(fqgw.CodeWrongObjectType, "\"%s\" is version %d of feature view \"%s\"", old.Name, old.Version, old.Of).
			WithHint("CREATE OR REPLACE FEATURE VIEW %s makes the next version.", quoteIdent(old.Of))
	}
	v := *st.View
	v.Source = cat.Sources[v.Source.Qualified()]
	if v.Source == nil {
		return r, nil, missing(cat, "source", st.View.Source.Qualified())
	}
	versions := cat.VersionsOf(old)
	for _, x := range versions {
		if !x.Next {
			continue
		}
		d, err := e.o.Compare(x, &v)
		if err != nil {
			return r, nil, err
		}
		if d.Same { // this statement once more
			r.made = x
			return r, nil, nil
		}
		return r, nil, fqgw.Errorf("55006", "feature view \"%s\" is being replaced by version %d", old.Name, x.Version).
			WithHint("Wait until fqgw.versions has it as the current one, or cancel it: DROP FEATURE VIEW %s.", quoteIdent(x.Name))
	}
	d, err := e.o.Compare(old, &v)
	if err != nil || d.Same {
		return r, nil, err
	}
	v.Version = cat.NextVersion(old)
	for _, name := range []fqgw.QualifiedName{fqgw.VersionName(r.view, old.Version), fqgw.VersionName(r.view, v.Version)} {
		if kind := cat.Has(name); kind != "" {
			return r, nil, fqgw.Errorf(fqgw.CodeDuplicateTable, "relation \"%s\" already exists", name.Name).
				WithDetail("A version of feature view \"%s\" is called so.", old.Name).WithHint("Rename or drop that %s.", kind)
		}
	}
	oid, err := n.Next(ctx, "oid")
	if err != nil {
		return r, nil, err
	}
	v.OID = uint32(oid)
	obj := fqgw.Object{OID: v.OID, Kind: "feature view", Schema: r.view.Schema, Version: v.Version, SQL: v.SQL, Path: st.Path, Props: keptComments(old, &v)}
	var shared *fqgw.FeatureView
	for _, x := range slices.Backward(append(versions, old)) { // rather the current one's
		if x.Offline && !v.Offline {
			continue
		}
		if d, err = e.o.Compare(x, &v); err != nil {
			return r, nil, err
		}
		if d.Same || !d.Rebuild {
			shared = x
			break
		}
	}
	if shared != nil {
		obj.State = shared.State // whose slots are as that version has them
		setProp(&obj, "order", d.Order)
	} else if obj.State, err = n.Next(ctx, "state"); err != nil {
		return r, nil, err
	}
	r.filled = shared != nil || v.Offline
	if obj.Form, err = e.o.Form(&v); err != nil {
		return r, nil, err
	}
	e.called(&obj, r.view, 0, false)
	switched, err := e.succeed(ctx, n, cat, old, &v, &obj)
	if err != nil {
		return r, nil, err
	}
	if r.filled {
		put = switched
	} else { // that it can be the current one is known now
		e.called(&obj, r.view, v.Version, true)
		was, err := n.Object(ctx, old.OID)
		if err != nil {
			return r, nil, err
		}
		setProp(&was, "given", strconv.Itoa(v.Version))
		put = []fqgw.Object{was, obj}
	}
	if err := e.rebind(ctx, n, cat, put); err != nil {
		return r, nil, err
	}
	r.made = cat.FeatureByOID(v.OID)
	return r, put, nil
}

// keptComments are the properties that a next version has from the one before it: the
// comments of what is still there.
func keptComments(old, next *fqgw.FeatureView) map[string]string {
	props := map[string]string{}
	if old.Comment != "" {
		props["comment"] = old.Comment
	}
	for i := range next.Features {
		for j := range old.Features {
			if f := &old.Features[j]; f.Name == next.Features[i].Name && f.Comment != "" {
				props["comment."+f.Name] = f.Comment
			}
		}
	}
	return props
}

// called gives the object of a version its name: that of the view, or, with a version
// that is not 0, the one that it has beside the current one.
func (e *Engine) called(o *fqgw.Object, view fqgw.QualifiedName, version int, next bool) {
	o.Schema, o.Name = view.Schema, view.Name
	of, becomes := "", ""
	if version != 0 {
		o.Name, of = fqgw.VersionName(view, version).Name, view.Name
		setProp(o, "given", "")
	}
	if next {
		becomes = "1"
	}
	setProp(o, "of", of)
	setProp(o, "next", becomes)
	setProp(o, "since", strconv.FormatInt(e.o.Clock.Now(), 10))
}

// succeed makes next, which has no name yet or one beside the current one, the current
// version in the place of old; v is what next defines. 42P16 where a view reads columns
// that it lacks, or a derived source would have others.
func (e *Engine) succeed(ctx context.Context, n *Numbers, cat *fqgw.Catalog, old, v *fqgw.FeatureView, next *fqgw.Object) ([]fqgw.Object, error) {
	if detail := e.underivable(cat, old, v); len(detail) > 0 {
		return nil, fqgw.Errorf("42P16", "feature view \"%s\" cannot become version %d: derived sources depend on its columns", old.Name, next.Version).
			WithDetail("%s", strings.Join(detail, "\n")).WithHint("Keep those columns and their types, or drop the derived sources first.")
	}
	was, err := n.Object(ctx, old.OID)
	if err != nil {
		return nil, err
	}
	given := max(cat.NextVersion(old)-1, next.Version)
	e.called(&was, old.Current(), old.Version, false)
	e.called(next, old.Current(), 0, false)
	setProp(next, "given", strconv.Itoa(given))
	put := []fqgw.Object{was, *next}
	trial := cat.Clone()
	if err := e.rebind(ctx, n, trial, put); err != nil {
		return nil, err
	}
	if detail := torn(cat, trial); len(detail) > 0 {
		return nil, fqgw.Errorf("42P16", "feature view \"%s\" cannot become version %d: other views depend on its columns", old.Name, next.Version).
			WithDetail("%s", strings.Join(detail, "\n")).WithHint("Keep those columns, or change or drop the views first.")
	}
	return put, nil
}

// underivable are the derived sources that look a feature view up and could not, or would
// have other columns, with next in its place: their topics and histories have those that they have.
func (e *Engine) underivable(cat *fqgw.Catalog, old, next *fqgw.FeatureView) (detail []string) {
	trial := cat.Clone()
	delete(trial.Features, next.Qualified())
	trial.Features[fqgw.VersionName(old.Current(), old.Version)] = old
	trial.Features[old.Current()] = next
	for name, s := range cat.Sources {
		if !s.Reads(old.Current()) && !s.Reads(next.Qualified()) {
			continue
		}
		if _, err := e.o.Derive(trial, s); err != nil {
			detail = append(detail, fmt.Sprintf("source %s: %s", name, fqgw.AsError(err).Message))
		}
	}
	slices.Sort(detail)
	return detail
}

// torn are the views that lack a column they had, or have it with another type.
func torn(before, after *fqgw.Catalog) (detail []string) {
	for name, was := range before.Views {
		is := after.Views[name]
		if len(was.Columns) == 0 || is == nil { // it could not be read before
			continue
		}
		if len(is.Columns) == 0 {
			detail = append(detail, fmt.Sprintf("view %s could not be read any more", name))
			continue
		}
		for _, c := range was.Columns {
			i := slices.IndexFunc(is.Columns, func(o fqgw.Column) bool { return o.Name == c.Name })
			switch {
			case i < 0:
				detail = append(detail, fmt.Sprintf("view %s would lack its column %s", name, c.Name))
			case is.Columns[i].Type != c.Type:
				detail = append(detail, fmt.Sprintf("column %s of view %s would be of type %s, and is of type %s", c.Name, name, is.Columns[i].Type, c.Type))
			}
		}
	}
	slices.Sort(detail)
	return detail
}

// replaced does what follows from a replacement: the next version is filled.
func (e *Engine) replaced(ctx context.Context, r *replacement, st *plan.CreateFeatureView, notice func(string, string)) error {
	v := r.made
	switch {
	case v == nil:
		notice(fmt.Sprintf("feature view \"%s\" is defined so already, as version %d", r.view.Name, r.was), "")
		return nil
	case r.filled:
		notice(fmt.Sprintf("version %d of feature view \"%s\" is the current one: it needs no filling", v.Version, r.view.Name),
			fmt.Sprintf("Version %d can be read as %s until it is dropped.", r.was, fqgw.VersionName(r.view, r.was)))
		return nil
	}
	b := e.snap.Load().building[v.State]
	if b == nil {
		if x := e.Catalog().FeatureByOID(v.OID); x == nil || !x.Next { // the same statement once more, a moment ago
			return nil
		}
		b = e.fill(v, false, func(string) {})
	}
	if st.NoWait {
		return nil
	}
	if err := b.wait(ctx, v, notice); err != nil {
		return err
	}
	notice(fmt.Sprintf("version %d of feature view \"%s\" is the current one", v.Version, r.view.Name),
		fmt.Sprintf("Version %d can be read as %s until it is dropped.", r.was, fqgw.VersionName(r.view, r.was)))
	return nil
}

// becomes makes a view that has been filled the current version of its view, where it
// is to be. It fails where another view would lack a column by now; whatever else
// stands against it passes.
func (e *Engine) becomes(ctx context.Context, v *fqgw.FeatureView) error {
	for again := tryAgain; v.Next; {
		err := e.switchTo(ctx, v.OID)
		if err == nil || fqgw.HasCode(err, "42P16") || fqgw.HasCode(err, fqgw.CodeDuplicateTable) {
			return err
		}
		e.o.Logger.Warn("a version that is filled cannot become the current one yet", "view", v.Name, "error", err)
		if !again.Wait(ctx) {
			return ctx.Err()
		}
	}
	return nil
}

// switchTo makes a version the current one once it is filled, if it still is to be.
func (e *Engine) switchTo(ctx context.Context, oid uint32) error {
	return e.commitOne(ctx, Change{
		Tag: "CREATE FEATURE VIEW",
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
			v := cat.FeatureByOID(oid)
			if v == nil || !v.Next {
				return nil, nil, nil
			}
			return e.makeCurrent(ctx, cat, n, v)
		},
	}, func(string, string) {})
}

// makeCurrent makes a version the current one of its view.
func (e *Engine) makeCurrent(ctx context.Context, cat *fqgw.Catalog, n *Numbers, v *fqgw.FeatureView) ([]fqgw.Object, []uint32, error) {
	old := cat.Features[v.Current()]
	if old == nil {
		return nil, nil, missing(cat, "feature view", v.Current())
	}
	if name := fqgw.VersionName(old.Current(), old.Version); cat.Has(name) != "" {
		return nil, nil, fqgw.Errorf(fqgw.CodeDuplicateTable, "relation \"%s\" already exists", name.Name).
			WithDetail("Version %d of feature view \"%s\" is to be called so.", old.Version, old.Name)
	}
	next, err := n.Object(ctx, v.OID)
	if err != nil {
		return nil, nil, err
	}
	put, err := e.succeed(ctx, n, cat, old, v, &next)
	if err == nil {
		err = e.rebind(ctx, n, cat, put)
	}
	return put, nil, err
}

// SetVersion is ALTER FEATURE VIEW v SET (version = n).
func (e *Engine) SetVersion(st *plan.SetVersion) Change {
	var already bool
	return Change{
		Tag: "ALTER FEATURE VIEW",
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
			cur := cat.Features[st.View]
			if cur == nil {
				return nil, nil, missing(cat, "feature view", st.View)
			}
			if cur.Of != "" {
				return nil, nil, isVersion(cur)
			}
			var names []string
			for _, v := range cat.VersionsOf(cur) {
				names = append(names, strconv.Itoa(v.Version))
				if v.Version != st.Version {
					continue
				}
				if already = v == cur; already {
					return nil, nil, nil
				}
				if !v.Offline {
					if b := e.snap.Load().building[v.State]; v.Pending || b != nil && !b.stands {
						return nil, nil, fqgw.AsError(reading(v, "")).WithHint("It can be the current version when it is filled.")
					}
				}
				return e.makeCurrent(ctx, cat, n, v)
			}
			return nil, nil, fqgw.Errorf(fqgw.CodeUndefinedObject, "version %d of feature view \"%s\" does not exist", st.Version, cur.Name).
				WithHint("There are: %s; version %d is the current one.", strings.Join(names, ", "), cur.Version)
		},
		After: func(ctx context.Context, notice func(string, string)) error {
			if already {
				notice(fmt.Sprintf("version %d of feature view \"%s\" is the current one already", st.Version, st.View.Name), "")
			}
			return nil
		},
	}
}

// isVersion is the error of changing a version that is not the current one.
func isVersion(v *fqgw.FeatureView) *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeWrongObjectType, "\"%s\" is version %d of feature view \"%s\", and does not change", v.Name, v.Version, v.Of).
		WithHint("Name the view itself: %s.", quoteIdent(v.Of))
}

// rebind makes cat what the registry's objects make, as the changes before leave them,
// with some put. What is the same stays the same nouns.
func (e *Engine) rebind(ctx context.Context, n *Numbers, cat *fqgw.Catalog, put []fqgw.Object) error {
	objects, err := n.objects(ctx)
	if err != nil {
		return err
	}
	before := maps.Clone(objects)
	next, err := e.bound(objects, put)
	if err != nil {
		return err
	}
	keep(cat, next, func(oid uint32) bool {
		was, ok := before[oid]
		is := objects[oid]
		return ok && was.Equal(&is)
	})
	cat.Schemas, cat.Sources, cat.Features, cat.Tables, cat.Views = next.Schemas, next.Sources, next.Features, next.Tables, next.Views
	return nil
}

// bound puts objects among others, and binds all.
func (e *Engine) bound(objects map[uint32]fqgw.Object, put []fqgw.Object) (*fqgw.Catalog, error) {
	for _, o := range put {
		objects[o.OID] = o
	}
	var defs fqgw.Definitions
	for _, oid := range slices.Sorted(maps.Keys(objects)) {
		defs.Objects = append(defs.Objects, objects[oid])
	}
	return e.o.Bind(defs)
}
