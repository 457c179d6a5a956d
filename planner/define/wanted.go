package define

import (
	"maps"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// Wanted are definitions that somebody wants there to be, read from texts of
// statements, and the catalog as it is with them. Nothing is carried out.
type Wanted struct {
	Catalog *fqgw.Catalog
	Faults  []Fault // what is wrong with the texts

	definer Definer // what each statement is bound with
	made    []*wantedObject
	ordered []*wantedObject    // those of made that are right, each behind those that it reads
	more    []*wantedStatement // defaults and comments
}

// Fault is an error in a text.
type Fault struct {
	Text int // the index of the text
	Err  *fqgw.Error
	name fqgw.QualifiedName // of what is defined twice
}

// wantedStatement is a statement of a text.
type wantedStatement struct {
	*parse.Statement
	text int
	path []string // the search path there
}

// wantedObject is what a statement makes.
type wantedObject struct {
	wantedStatement
	kind   string
	name   fqgw.QualifiedName
	noun   any // once it is bound
	reads  []fqgw.QualifiedName
	state  int // of the search for an order: 0 not met, 1 being bound, 2 done
	failed bool
}

// Want reads the texts, each of which begins in schema public. The definitions are
// bound each behind those that it reads, wherever they stand, over those of cat that
// keep says; definer has what else a statement may need.
func Want(cat *fqgw.Catalog, definer Definer, texts []string, keep func(fqgw.QualifiedName) bool) *Wanted {
	w := &Wanted{Catalog: cat.Clone(), definer: definer}
	for i, text := range texts {
		w.read(i, text)
	}
	forget(w.Catalog, func(n fqgw.QualifiedName) bool { return w.object(n) == nil && keep(n) })
	for _, o := range w.made {
		w.bind(o, nil)
	}
	for _, s := range w.more {
		w.modify(s)
	}
	return w
}

// forget leaves of the relations of a catalog, which is the caller's own, those that keep says.
func forget(cat *fqgw.Catalog, keep func(fqgw.QualifiedName) bool) {
	maps.DeleteFunc(cat.Sources, func(n fqgw.QualifiedName, _ *fqgw.Source) bool { return !keep(n) })
	maps.DeleteFunc(cat.Tables, func(n fqgw.QualifiedName, _ *fqgw.Table) bool { return !keep(n) })
	maps.DeleteFunc(cat.Features, func(n fqgw.QualifiedName, _ *fqgw.FeatureView) bool { return !keep(n) })
	maps.DeleteFunc(cat.Views, func(n fqgw.QualifiedName, _ *fqgw.View) bool { return !keep(n) })
}

func (w *Wanted) fault(text int, err error) {
	w.Faults = append(w.Faults, Fault{Text: text, Err: fqgw.AsError(err)})
}

// object is the one of that name that the texts make, nil if they make none.
func (w *Wanted) object(n fqgw.QualifiedName) *wantedObject {
	for _, o := range w.made {
		if o.name == n {
			return o
		}
	}
	return nil
}

// read sorts the statements of a text.
func (w *Wanted) read(text int, sql string) {
	stmts, err := parse.Parse(sql)
	if err != nil {
		w.fault(text, err)
		return
	}
	path := []string{fqgw.PublicSchema}
	for _, st := range stmts {
		s := wantedStatement{Statement: st, text: text, path: path}
		switch n := st.Node.Node.(type) {
		case *pg.Node_VariableSetStmt:
			if path, err = s.searchPath(n.VariableSetStmt); err != nil {
				w.fault(text, err)
			}
		case *pg.Node_CreateSchemaStmt:
			w.schema(&s, n.CreateSchemaStmt)
		case *pg.Node_CreateStmt:
			kind := "table"
			if st.Definition == "source" {
				kind = "source"
			}
			w.make(&s, kind, n.CreateStmt.Relation, nil)
		case *pg.Node_CreateTableAsStmt:
			kind := st.Definition
			if kind == "" && n.CreateTableAsStmt.Objtype == pg.ObjectType_OBJECT_MATVIEW {
				kind = "feature view"
			}
			if kind == "" {
				w.fault(text, s.refused("CREATE TABLE AS").WithHint("Write CREATE TABLE with columns: rows are no definition."))
				continue
			}
			w.make(&s, kind, n.CreateTableAsStmt.Into.Rel, n.CreateTableAsStmt.Query)
		case *pg.Node_ViewStmt:
			w.make(&s, "view", n.ViewStmt.View, n.ViewStmt.Query)
		case *pg.Node_CommentStmt, *pg.Node_AlterTableStmt:
			w.more = append(w.more, &s)
		default:
			words := (&Definer{stmt: st}).firstWords(st.Node)
			w.fault(text, s.refused(words))
		}
	}
}

// refused is the error for a statement that defines nothing.
func (s *wantedStatement) refused(words string) *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "%s is no definition", words).At(s.Start()).
		WithHint("Definitions are CREATE SCHEMA, SOURCE, TABLE, FEATURE VIEW and VIEW, ALTER FEATURE VIEW … SET DEFAULT, COMMENT, and SET search_path.")
}

func (s *wantedStatement) searchPath(n *pg.VariableSetStmt) ([]string, error) {
	public := []string{fqgw.PublicSchema}
	if n.Name != "search_path" {
		return s.path, s.refused("SET " + n.Name)
	}
	if n.Kind != pg.VariableSetKind_VAR_SET_VALUE {
		return public, nil
	}
	var path []string
	for _, a := range n.Args {
		for name := range strings.SplitSeq(optionValue(a), ",") {
			if name = strings.Trim(strings.TrimSpace(name), `"`); name != "" && name != "$user" {
				path = append(path, name)
			}
		}
	}
	return path, nil
}

func (w *Wanted) schema(s *wantedStatement, n *pg.CreateSchemaStmt) {
	if n.Schemaname == "" || len(n.SchemaElts) > 0 {
		w.fault(s.text, s.refused("CREATE SCHEMA with more than a name"))
		return
	}
	if n.Schemaname == fqgw.PublicSchema {
		return
	}
	o := &wantedObject{wantedStatement: *s, kind: "schema", name: fqgw.QualifiedName{Schema: n.Schemaname}, state: 2}
	if w.object(o.name) != nil {
		w.fault(s.text, fqgw.Errorf("42P06", "schema \"%s\" is defined twice", n.Schemaname).At(s.Start()))
		return
	}
	if w.Catalog.Schemas[n.Schemaname] == nil {
		w.Catalog.Schemas[n.Schemaname] = &fqgw.Schema{Name: n.Schemaname}
	}
	w.made, w.ordered = append(w.made, o), append(w.ordered, o)
}

// make notes what a statement makes; query is what it reads, nil for nothing.
func (w *Wanted) make(s *wantedStatement, kind string, r *pg.RangeVar, query *pg.Node) {
	if r.Relpersistence == "t" {
		w.fault(s.text, s.refused("a temporary "+kind))
		return
	}
	o := &wantedObject{wantedStatement: *s, kind: kind, name: fqgw.QualifiedName{Schema: r.Schemaname, Name: r.Relname}}
	if o.name.Schema == "" {
		o.name.Schema = s.path[0]
	}
	if w.object(o.name) != nil {
		twice := fqgw.Errorf(fqgw.CodeDuplicateTable, "relation \"%s\" is defined twice", o.name).At(s.Pos(r.Location))
		w.Faults = append(w.Faults, Fault{s.text, twice, o.name})
		return
	}
	for _, r := range relations(query) {
		schemas := s.path
		if r.Schemaname != "" {
			schemas = []string{r.Schemaname}
		}
		for _, schema := range schemas {
			o.reads = append(o.reads, fqgw.QualifiedName{Schema: schema, Name: r.Relname})
		}
	}
	w.made = append(w.made, o)
}

// bind binds an object behind those that it reads; above are those that read it.
func (w *Wanted) bind(o *wantedObject, above []*wantedObject) {
	if o.state == 1 { // it is above itself
		o.failed = true
		var names []string
		for _, a := range above[slices.Index(above, o):] {
			names = append(names, a.name.String())
			a.failed = true
		}
		w.fault(o.text, fqgw.Errorf(fqgw.CodeInvalidDefinition, "%s \"%s\" reads itself", o.kind, o.name).At(o.Start()).
			WithDetail("%s", strings.Join(append(names, o.name.String()), " reads ")+"."))
		return
	}
	if o.state == 2 {
		return
	}
	o.state = 1
	defer func() {
		if o.state = 2; !o.failed {
			w.ordered = append(w.ordered, o)
		}
	}()
	for _, n := range o.reads {
		if r := w.object(n); r != nil {
			if w.bind(r, append(above, o)); r.failed {
				o.failed = true // why is said there
			}
		}
	}
	if o.failed {
		return
	}
	st, err := w.bound(&o.wantedStatement)
	if err != nil {
		o.failed = true
		w.fault(o.text, err)
		return
	}
	switch st := st.(type) {
	case *plan.CreateSource:
		o.noun, w.Catalog.Sources[o.name] = st.Source, st.Source
	case *plan.CreateTable:
		o.noun, w.Catalog.Tables[o.name] = st.Table, st.Table
	case *plan.CreateFeatureView:
		o.noun, w.Catalog.Features[o.name] = st.View, st.View
	case *plan.CreateView:
		o.noun, w.Catalog.Views[o.name] = st.View, st.View
	default:
		o.failed = true
		w.fault(o.text, fqgw.Errorf(fqgw.CodeInternal, "a %T makes nothing", st).At(o.Start()))
	}
}

func (w *Wanted) bound(s *wantedStatement) (plan.Statement, error) {
	d, b := w.definer, bind.Binder{}
	if d.Binder != nil {
		b = *d.Binder
	}
	b.Catalog, b.SearchPath = w.Catalog, s.path
	d.Binder = &b
	return d.Bind(s.Statement)
}

// modify gives an object that the texts make a default or a comment.
func (w *Wanted) modify(s *wantedStatement) {
	if c := s.Node.GetCommentStmt(); c != nil && c.Objtype == pg.ObjectType_OBJECT_SCHEMA {
		w.schemaComment(s, c)
		return
	}
	name, ok := w.target(s)
	o := w.object(name)
	switch {
	case ok && o == nil:
		w.fault(s.text, fqgw.Errorf(fqgw.CodeUndefinedTable, "\"%s\" is not defined in these texts", name).At(s.Start()).
			WithHint("%s", nearest(name, w.made)))
		return
	case ok && o.failed:
		return
	}
	st, err := w.bound(s)
	switch st := st.(type) {
	case *plan.AlterFeature:
		v := o.noun.(*fqgw.FeatureView)
		v.Features[featureIndex(v, st.Feature)].Default = st.Default
		v.Options["default."+st.Feature] = st.SQL
	case *plan.Comment:
		err = o.comment(st)
	default:
		if err == nil {
			err = s.refused((&Definer{stmt: s.Statement}).firstWords(s.Node))
		}
	}
	if err != nil {
		w.fault(s.text, fqgw.AsError(err).At(s.Start()))
	}
}

func nearest(name fqgw.QualifiedName, made []*wantedObject) string {
	var all []string
	for _, o := range made {
		all = append(all, o.name.String())
	}
	if near := fqgw.Nearest(name.String(), all); near != "" {
		return "Perhaps you meant \"" + near + "\"."
	}
	return "Write it in the file that defines it."
}

// target is the relation that COMMENT or ALTER names; ok false if none is to be had.
func (w *Wanted) target(s *wantedStatement) (name fqgw.QualifiedName, ok bool) {
	var parts []string
	if a := s.Node.GetAlterTableStmt(); a != nil {
		parts = []string{a.Relation.GetSchemaname(), a.Relation.GetRelname()}
	} else {
		c := s.Node.GetCommentStmt()
		if parts = words(c.Object.GetList().GetItems()); c.Objtype == pg.ObjectType_OBJECT_COLUMN && len(parts) > 0 {
			parts = parts[:len(parts)-1]
		}
	}
	if len(parts) == 0 {
		return name, false
	}
	name.Name = parts[len(parts)-1]
	if len(parts) > 1 {
		name.Schema = parts[len(parts)-2]
	}
	if name.Schema != "" {
		return name, true
	}
	for _, schema := range s.path {
		if name.Schema = schema; w.object(name) != nil {
			return name, true
		}
	}
	name.Schema = s.path[0]
	return name, true
}

func (w *Wanted) schemaComment(s *wantedStatement, c *pg.CommentStmt) {
	name := c.Object.GetString_().GetSval()
	old := w.Catalog.Schemas[name]
	if w.object(fqgw.QualifiedName{Schema: name}) == nil || old == nil {
		w.fault(s.text, fqgw.Errorf(fqgw.CodeInvalidSchema, "schema \"%s\" is not defined in these texts", name).At(s.Start()))
		return
	}
	schema := *old
	schema.Comment = c.Comment
	w.Catalog.Schemas[name] = &schema
}

// comment sets a comment of the object, which is nobody else's.
func (o *wantedObject) comment(st *plan.Comment) error {
	var whole *string
	var cols []*string
	var names []string
	add := func(c []fqgw.Column) {
		for i := range c {
			cols, names = append(cols, &c[i].Comment), append(names, c[i].Name)
		}
	}
	switch n := o.noun.(type) {
	case *fqgw.Source:
		whole = &n.Comment
		add(n.Columns)
	case *fqgw.Table:
		whole = &n.Comment
		add(n.Columns)
	case *fqgw.View:
		whole = &n.Comment
		add(n.Columns)
	case *fqgw.FeatureView:
		whole = &n.Comment
		for i := range n.Features {
			cols, names = append(cols, &n.Features[i].Comment), append(names, n.Features[i].Name)
		}
	}
	if st.Column == "" {
		*whole = st.Text
		return nil
	}
	i := slices.Index(names, st.Column)
	if i < 0 {
		e := fqgw.Errorf(fqgw.CodeUndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", st.Column, o.name)
		if near := fqgw.Nearest(st.Column, names); near != "" {
			e = e.WithHint("Perhaps you meant \"%s\".", near)
		}
		return e
	}
	*cols[i] = st.Text
	return nil
}
