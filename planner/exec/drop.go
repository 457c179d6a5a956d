package exec

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// Drop removes relations; with Cascade, what depends on them too. DependsOn
// names the relations that a plain view reads.
func (e *Engine) Drop(st *plan.Drop, dependsOn func(cat *fqgw.Catalog, v *fqgw.View) []string) Change {
	var after []func(ctx context.Context) error
	var cascaded []string
	return Change{
		Tag: "DROP " + strings.ToUpper(st.Kind),
		Define: func(ctx context.Context, cat *fqgw.Catalog, _ *Numbers) ([]fqgw.Object, []uint32, error) {
			after, cascaded = nil, nil
			var gone []uint32
			var victims []string
			for _, n := range st.Names {
				kind := cat.Has(n.Name)
				switch {
				case kind == "" && st.IfExists:
					continue
				case kind == "":
					return nil, nil, missing(cat, st.Kind, n.Name)
				case kind != st.Kind:
					return nil, nil, fqgw.Errorf(fqgw.CodeWrongObjectType, "\"%s\" is not a %s", n.Name, st.Kind).
						WithHint("Use DROP %s to remove a %s.", strings.ToUpper(kind), kind)
				}
				if !slices.Contains(victims, n.Name) {
					victims = append(victims, n.Name)
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
				what := st.Kind + " " + victims[0]
				if named > 1 {
					what = "the " + st.Kind + "s"
				}
				return nil, nil, fqgw.Errorf("2BP01", "cannot drop %s because other objects depend on it", what).
					WithDetail("%s", strings.Join(detail, "\n")).WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
			}
			for _, v := range victims[named:] {
				cascaded = append(cascaded, cat.Has(v)+" "+v)
			}
			for _, v := range slices.Backward(victims) {
				oid, f := e.dropOne(cat, v, st.Purge)
				gone = append(gone, oid)
				after = append(after, f)
			}
			return nil, gone, nil
		},
		After: func(ctx context.Context, notice func(string, string)) error {
			if len(cascaded) > 0 {
				notice("drop cascades to "+strings.Join(cascaded, ", "), "")
			}
			for _, f := range after {
				if err := f(ctx); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func dependents(cat *fqgw.Catalog, name string, dependsOn func(*fqgw.Catalog, *fqgw.View) []string) []string {
	var out []string
	for _, v := range cat.Features {
		if v.Source.Name == name {
			out = append(out, v.Name)
		}
	}
	for _, v := range cat.Views {
		if v.Name != name && slices.Contains(dependsOn(cat, v), name) {
			out = append(out, v.Name)
		}
	}
	slices.Sort(out)
	return out
}

// dropOne takes a relation out of the catalog; the function does the rest once
// the catalog without it is published.
func (e *Engine) dropOne(cat *fqgw.Catalog, name string, purge bool) (uint32, func(context.Context) error) {
	if s := cat.Sources[name]; s != nil {
		delete(cat.Sources, name)
		return s.OID, func(ctx context.Context) error { return e.o.Streams.DropSource(ctx, name, purge) }
	}
	if v := cat.Features[name]; v != nil {
		delete(cat.Features, name)
		return v.OID, func(ctx context.Context) error {
			e.mu.Lock()
			b := e.building[v.State]
			delete(e.building, v.State)
			delete(e.layouts, v)
			e.mu.Unlock()
			if b != nil {
				b.cancel()
				<-b.done
			}
			return e.o.Streams.DropView(ctx, v)
		}
	}
	if t := cat.Tables[name]; t != nil {
		delete(cat.Tables, name)
		return t.OID, func(ctx context.Context) error { return e.o.History.Drop(ctx, t.History) }
	}
	v := cat.Views[name]
	delete(cat.Views, name)
	return v.OID, func(context.Context) error { return nil }
}

// Comment sets or removes the comment of a relation or of one of its columns.
func (e *Engine) Comment(st *plan.Comment) Change {
	return Change{
		Tag: "COMMENT",
		Define: func(ctx context.Context, cat *fqgw.Catalog, _ *Numbers) ([]fqgw.Object, []uint32, error) {
			oid, err := setComment(cat, st)
			if err != nil {
				return nil, nil, err
			}
			obj, err := e.object(ctx, oid)
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
		return nil, fqgw.Errorf(fqgw.CodeUndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", st.Column, st.Name)
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
