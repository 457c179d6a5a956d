package define

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// Load binds the stored definitions: sources, then feature views, tables and
// views. What was decided when they were made, or changed by ALTER and COMMENT,
// is in Object.Props: "history", "history_since" (microseconds), "comment",
// "comment.<column>" and "default.<feature>" (the SQL of a constant; NULL is
// none, whatever the definition's COALESCE says). Of versions of feature views they
// are what FeatureView.Of, Next, Given and Since say, and "order" (arrange).
//
// A view whose text does not bind any more is kept without columns: its text is
// bound at each use, and says then what is missing.
func Load(defs fqgw.Definitions) (*fqgw.Catalog, error) {
	cat := (*fqgw.Catalog)(nil).Clone()
	cat.Version = defs.Version
	objects := slices.Clone(defs.Objects)
	for i := range objects {
		if o := &objects[i]; o.Kind == "schema" {
			cat.Schemas[o.Name] = &fqgw.Schema{OID: o.OID, Name: o.Name, Comment: o.Props["comment"]}
		}
	}
	slices.SortFunc(objects, func(a, b fqgw.Object) int { return int(int64(a.OID) - int64(b.OID)) })
	if err := loadRelations(cat, objects); err != nil {
		return nil, err
	}
	loadViews(cat, objects)
	for i := range objects {
		t, err := fqgw.TrainingSetOf(&objects[i])
		if err != nil {
			return nil, err
		}
		if t != nil {
			cat.Training[t.Key()] = t
		}
	}
	return cat, nil
}

// loadRelations binds sources, feature views and tables. A derived source reads feature
// views, and other sources: what does not bind yet is bound behind the others.
func loadRelations(cat *fqgw.Catalog, objects []fqgw.Object) error {
	var left []*fqgw.Object
	for _, kind := range []string{"source", "feature view", "table"} {
		for i := range objects {
			if objects[i].Kind == kind {
				left = append(left, &objects[i])
			}
		}
	}
	for {
		var failed []*fqgw.Object
		var first error
		for _, o := range left {
			if err := load(cat, o); err != nil {
				failed = append(failed, o)
				first = cmp.Or(first, fmt.Errorf("%s %s: %w", o.Kind, o.Name, err))
			}
		}
		if len(failed) == 0 || len(failed) == len(left) {
			return first
		}
		left = failed
	}
}

// bound is the statement behind an object.
func bound(cat *fqgw.Catalog, o *fqgw.Object) (plan.Statement, error) {
	stmts, err := parse.Parse(o.SQL)
	if err != nil {
		return nil, err
	}
	if len(stmts) != 1 {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the stored definition has %d statements", len(stmts))
	}
	return (&Definer{Binder: &bind.Binder{Catalog: cat, SearchPath: o.Path}}).Bind(stmts[0])
}

// nameOf is the name of a stored relation.
func nameOf(o *fqgw.Object) fqgw.QualifiedName {
	if o.Schema == "" {
		return fqgw.Public(o.Name)
	}
	return fqgw.QualifiedName{Schema: o.Schema, Name: o.Name}
}

func load(cat *fqgw.Catalog, o *fqgw.Object) error {
	name := nameOf(o)
	st, err := bound(cat, o)
	if err != nil {
		return err
	}
	switch st := st.(type) {
	case *plan.CreateSource:
		s, err := alterSource(cat, st.Source, o)
		if err != nil {
			return err
		}
		s.OID, s.Schema, s.Name, s.GateVersion, s.Comment = o.OID, name.Schema, name.Name, o.Version, o.Props["comment"]
		if h := o.Props["history"]; h != "" {
			s.History = h
		}
		columnComments(s.Columns, o)
		cat.Sources[name] = s
	case *plan.CreateTable:
		t, err := alterTable(cat, st.Table, o)
		if err != nil {
			return err
		}
		t.OID, t.Version = o.OID, o.Version
		t.OID, t.Schema, t.Name, t.History, t.Comment = o.OID, name.Schema, name.Name, o.Props["history"], o.Props["comment"]
		if t.History == "" {
			t.History = name.LakeTable()
		}
		columnComments(t.Columns, o)
		cat.Tables[name] = t
	case *plan.CreateFeatureView:
		cat.Features[name] = st.View
		return featureProps(cat, st.View, o)
	default:
		return fqgw.Errorf(fqgw.CodeDataCorrupted, "the stored definition is no %s", o.Kind)
	}
	return nil
}

func columnComments(cols []fqgw.Column, o *fqgw.Object) {
	for i := range cols {
		cols[i].Comment = o.Props["comment."+cols[i].Name]
	}
}

// featureProps applies what ALTER and COMMENT changed, and the numbers.
func featureProps(cat *fqgw.Catalog, v *fqgw.FeatureView, o *fqgw.Object) error {
	v.OID, v.Schema, v.Name, v.Version, v.State, v.Comment = o.OID, nameOf(o).Schema, o.Name, o.Version, o.State, o.Props["comment"]
	v.Of, v.Next = o.Props["of"], o.Props["next"] != ""
	v.Given, _ = strconv.Atoi(o.Props["given"])
	v.Since, _ = strconv.ParseInt(o.Props["since"], 10, 64)
	if err := arrange(v, o.Props["order"]); err != nil {
		return err
	}
	for i := range v.Features {
		v.Features[i].Comment = o.Props["comment."+v.Features[i].Name]
	}
	for prop, sql := range o.Props {
		name, ok := strings.CutPrefix(prop, "default.")
		if !ok {
			continue
		}
		i := featureIndex(v, name)
		if i < 0 {
			continue // a later version has no such feature
		}
		n, err := parse.Expr(sql)
		if err != nil {
			return err
		}
		d := &Definer{Binder: &bind.Binder{Catalog: cat}}
		if v.Features[i].Default, _, err = d.defaultValue(n, v.Features[i].Type); err != nil {
			return err
		}
		v.Features[i].Instead = nil
		v.Options[prop] = sql
	}
	return nil
}

// loadViews binds views until no further one binds: they may read each other.
func loadViews(cat *fqgw.Catalog, objects []fqgw.Object) {
	var left []*fqgw.Object
	for i := range objects {
		if objects[i].Kind == "view" {
			left = append(left, &objects[i])
		}
	}
	keep := func(v *fqgw.View, o *fqgw.Object) {
		v.OID, v.Schema, v.Name, v.SQL, v.Path, v.Comment = o.OID, nameOf(o).Schema, o.Name, o.SQL, o.Path, o.Props["comment"]
		columnComments(v.Columns, o)
		cat.Views[nameOf(o)] = v
	}
	for again := true; again; {
		again = false
		left = slices.DeleteFunc(left, func(o *fqgw.Object) bool {
			st, err := bound(cat, o)
			v, ok := st.(*plan.CreateView)
			if err != nil || !ok {
				return false
			}
			keep(v.View, o)
			again = true
			return true
		})
	}
	for _, o := range left {
		v := &fqgw.View{}
		if stmts, err := parse.Parse(o.SQL); err == nil && len(stmts) == 1 {
			v.Query = stmts[0].Body()
		}
		keep(v, o)
	}
}

// bindAlone binds a statement as a session with that search path and nothing else
// would.
func bindAlone(cat *fqgw.Catalog, st *parse.Statement, path []string) (plan.Statement, error) {
	return (&Definer{Binder: &bind.Binder{Catalog: cat, SearchPath: path}}).Bind(st)
}

// createdView is the feature view that a statement makes, nil if it makes none.
func createdView(st plan.Statement) *fqgw.FeatureView {
	if c, ok := st.(*plan.CreateFeatureView); ok {
		return c.View
	}
	return nil
}
