package define

import (
	"cmp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
)

// Text is a definition as statements: written the same whoever wrote it, however it
// was written, and of the same form when they are carried out. There are no secrets in
// it, for there are none in definitions.
type Text struct {
	Kind   string             // "schema", "source", "table", "feature view", "view"
	Name   fqgw.QualifiedName // of a schema: its name and no relation's
	Path   []string           // the search_path under which Create is read; nil: public
	Create string             // the statement that makes it, without a semicolon
	More   []string           // those that set its defaults and comments
	Form   string             // the hash of its form (FormHash); "" of a schema
	Reads  []fqgw.QualifiedName
}

// SQL is all of its statements, each with a semicolon at its end and a line's.
func (t *Text) SQL() string {
	var out strings.Builder
	for _, s := range append([]string{t.Create}, t.More...) {
		out.WriteString(s + ";\n")
	}
	return out.String()
}

// Texts are the definitions of a catalog, each behind those that it reads; otherwise
// by kind and name. A view that does not bind any more is as it was written.
func Texts(cat *fqgw.Catalog) ([]*Text, error) {
	var all []*Text
	for _, name := range names(cat.Schemas) {
		s := cat.Schemas[name]
		t := &Text{Kind: "schema", Name: fqgw.QualifiedName{Schema: name}, Create: "CREATE SCHEMA " + expr.QuoteIdent(name)}
		t.comment("SCHEMA "+expr.QuoteIdent(name), s.Comment)
		all = append(all, t)
	}
	var nouns []any
	for _, name := range byName(cat.Sources) {
		nouns = append(nouns, cat.Sources[name])
	}
	for _, name := range byName(cat.Tables) {
		nouns = append(nouns, cat.Tables[name])
	}
	for _, name := range byName(cat.Features) {
		if v := cat.Features[name]; v.Of == "" { // the versions beside it come from its history
			nouns = append(nouns, v)
		}
	}
	for _, name := range byName(cat.Views) {
		nouns = append(nouns, cat.Views[name])
	}
	for _, noun := range nouns {
		t, err := TextOf(cat, noun)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return readFirst(all), nil
}

func byName[V any](m map[fqgw.QualifiedName]V) []fqgw.QualifiedName {
	list := make([]fqgw.QualifiedName, 0, len(m))
	for n := range m {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b fqgw.QualifiedName) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// readFirst puts each behind those that it reads, and leaves the order otherwise.
func readFirst(all []*Text) []*Text {
	at := map[fqgw.QualifiedName]*Text{}
	for _, t := range all {
		at[t.Name] = t
	}
	var out []*Text
	seen := map[*Text]bool{}
	var put func(*Text)
	put = func(t *Text) {
		if t == nil || seen[t] {
			return
		}
		seen[t] = true
		for _, r := range t.Reads {
			put(at[r])
		}
		out = append(out, t)
	}
	for _, t := range all {
		put(t)
	}
	return out
}

// TextOf is the definition of a *fqgw.Source, *fqgw.Table, *fqgw.FeatureView or
// *fqgw.View.
func TextOf(cat *fqgw.Catalog, noun any) (t *Text, err error) {
	switch n := noun.(type) {
	case *fqgw.Source:
		if n.Derived != nil {
			t, err = derivedText(cat, n)
		} else {
			t = sourceText(n)
		}
	case *fqgw.Table:
		t = tableText(n)
	case *fqgw.FeatureView:
		t, err = featureText(cat, n)
	case *fqgw.View:
		t, err = viewText(cat, n)
	default:
		return nil, fqgw.Errorf(fqgw.CodeInternal, "a %T has no text", noun)
	}
	if err == nil {
		t.Form, err = FormHash(noun)
	}
	return t, err
}

// relation is a relation's name as a statement has it: bare in public, whatever the
// search path is.
func relation(n fqgw.QualifiedName) string {
	if n.Schema == fqgw.PublicSchema {
		return expr.QuoteIdent(n.Name)
	}
	return expr.QuoteIdent(n.Schema) + "." + expr.QuoteIdent(n.Name)
}

// comment adds COMMENT ON what, if there is a comment.
func (t *Text) comment(what, comment string) {
	if comment != "" {
		t.More = append(t.More, commentOn(what, comment))
	}
}

// commentOn is the statement that sets a comment; "" takes it away.
func commentOn(what, comment string) string {
	text := "NULL"
	if comment != "" {
		text = expr.QuoteLiteral(comment)
	}
	return "COMMENT ON " + what + " IS " + text
}

func (t *Text) columnComments(cols []fqgw.Column) {
	for _, c := range cols {
		t.comment("COLUMN "+relation(t.Name)+"."+expr.QuoteIdent(c.Name), c.Comment)
	}
}

func tableText(n *fqgw.Table) *Text {
	t := &Text{Kind: "table", Name: n.Qualified()}
	cols := make([]string, len(n.Columns))
	for i, c := range n.Columns {
		cols[i] = columnText(c)
	}
	t.Create = "CREATE TABLE " + relation(t.Name) + " (\n    " + strings.Join(cols, ",\n    ") + "\n)"
	t.comment("TABLE "+relation(t.Name), n.Comment)
	t.columnComments(n.Columns)
	return t
}

func columnText(c fqgw.Column) string {
	text := expr.QuoteIdent(c.Name) + " " + c.Type.String()
	if c.NotNull {
		text += " NOT NULL"
	}
	return text
}

// featureText is a feature view: its query as it was written, its options as they are.
func featureText(cat *fqgw.Catalog, v *fqgw.FeatureView) (*Text, error) {
	t := &Text{Kind: "feature view", Name: v.Qualified(), Reads: []fqgw.QualifiedName{v.Source.Qualified()}}
	st, err := statementOf(v.SQL)
	if err != nil {
		return nil, err
	}
	n := st.Node.GetCreateTableAsStmt()
	if n == nil {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the text of feature view \"%s\" makes something else", t.Name)
	}
	query := edited(n.Query, func(x *pg.Node) *pg.Node {
		r := x.GetRangeVar()
		if r == nil {
			return nil
		}
		to := &pg.RangeVar{Relname: v.Source.Name, Inh: true, Relpersistence: "p", Alias: r.Alias}
		if s := v.Source.Qualified().Schema; s != fqgw.PublicSchema {
			to.Schemaname = s
		}
		if to.Relname != r.Relname && to.Alias == nil { // its columns may be written with its name
			to.Alias = &pg.Alias{Aliasname: r.Relname}
		}
		return &pg.Node{Node: &pg.Node_RangeVar{RangeVar: to}}
	})
	body, err := queryText(query)
	if err != nil { // a tree that there is no way back from
		body = st.Body()
	}
	head := relation(t.Name) + columnList(words(n.Into.ColNames)) + withText(featureOptions(v))
	t.Create = "CREATE FEATURE VIEW " + head + " AS\n" + body
	t.defaults(cat, v, st)
	t.comment("FEATURE VIEW "+relation(t.Name), v.Comment)
	for _, f := range v.Features {
		t.comment("COLUMN "+relation(t.Name)+"."+expr.QuoteIdent(f.Name), f.Comment)
	}
	return t, nil
}

func columnList(names []string) string {
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = expr.QuoteIdent(n)
	}
	return " (" + strings.Join(quoted, ", ") + ")"
}

// featureOptions are the options of a view that are not what they would be without.
func featureOptions(v *fqgw.FeatureView) (opts [][2]string) {
	add := func(name, value string) { opts = append(opts, [2]string{name, value}) }
	hops := map[int64]bool{}
	other := false // than the default
	for _, w := range v.Windows {
		if w.Length > 0 {
			hops[w.Hop] = true
			other = other || w.Hop != fqgw.DefaultHop(w.Length)
		}
	}
	for _, w := range v.Windows {
		switch {
		case w.Length == 0 || !other:
		case len(hops) == 1:
			add("hop", spanText(w.Hop))
			other = false
		case w.Hop != fqgw.DefaultHop(w.Length):
			add("hop."+w.Name, spanText(w.Hop))
		}
	}
	if v.MaxAge > 0 {
		add("max_age", spanText(v.MaxAge))
	}
	if v.Offline {
		add("online", "false")
	}
	if v.Retain > 0 {
		add("retain", spanText(v.Retain))
	}
	return opts
}

// spanText is a length in microseconds as an interval.
func spanText(us int64) string {
	const day = 86_400 * second
	return expr.Text(fqgw.SpanValue(fqgw.Span{Days: int32(us / day), Micros: us % day}), fqgw.Interval, nil)
}

// optionName is the name of an option; what is behind its first dot is another name.
func optionName(option string) string {
	of, name, dotted := strings.Cut(option, ".")
	if !dotted {
		return expr.QuoteIdent(of)
	}
	return expr.QuoteIdent(of) + "." + expr.QuoteIdent(name)
}

// withText is a WITH list.
func withText(opts [][2]string) string {
	if len(opts) == 0 {
		return ""
	}
	list := make([]string, len(opts))
	long := 0
	for i, o := range opts {
		list[i] = optionName(o[0]) + " = " + expr.QuoteLiteral(o[1])
		long += len(list[i]) + 2
	}
	if long > 100 {
		return " WITH (\n    " + strings.Join(list, ",\n    ") + "\n)"
	}
	return " WITH (" + strings.Join(list, ", ") + ")"
}

// defaults adds ALTER … SET DEFAULT for each feature whose default is not that of the
// statement by itself.
func (t *Text) defaults(cat *fqgw.Catalog, v *fqgw.FeatureView, st *parse.Statement) {
	var plain *fqgw.FeatureView
	for _, f := range v.Features {
		if _, altered := v.Options["default."+f.Name]; altered && plain == nil {
			if plain = bareView(cat, v, st); plain == nil {
				return // its source changed: so it reads online as it did
			}
		}
	}
	if plain == nil {
		return
	}
	for _, f := range v.Features {
		if i := featureIndex(plain, f.Name); i < 0 || !sameDefault(plain.Features[i], f) {
			t.More = append(t.More, defaultText(t.Name, f))
		}
	}
}

// bareView is the view as its statement alone says.
func bareView(cat *fqgw.Catalog, v *fqgw.FeatureView, st *parse.Statement) *fqgw.FeatureView {
	alone := cat.Clone()
	delete(alone.Features, v.Qualified())
	bound, err := bindAlone(alone, st, []string{v.Source.Qualified().Schema})
	if err != nil {
		return nil
	}
	return createdView(bound)
}

func sameDefault(a, b fqgw.Feature) bool {
	return string(fqgw.AppendPacked(nil, a.Default)) == string(fqgw.AppendPacked(nil, b.Default))
}

// defaultText is the statement that sets a feature's default.
func defaultText(view fqgw.QualifiedName, f fqgw.Feature) string {
	alter := "ALTER FEATURE VIEW " + relation(view) + " ALTER COLUMN " + expr.QuoteIdent(f.Name)
	if f.Default.IsNull() {
		return alter + " DROP DEFAULT"
	}
	return alter + " SET DEFAULT " + (&expr.Const{Val: f.Default, Typ: f.Type}).String()
}

// viewText is a plain view or a feature service.
func viewText(cat *fqgw.Catalog, v *fqgw.View) (*Text, error) {
	t := &Text{Kind: "view", Name: v.Qualified(), Path: v.Path}
	st, err := statementOf(v.SQL)
	if err != nil {
		return nil, err
	}
	n := st.Node.GetViewStmt()
	if n == nil {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the text of view \"%s\" makes something else", t.Name)
	}
	body, err := queryText(n.Query)
	if err != nil {
		body = st.Body()
	}
	t.Create = "CREATE VIEW " + relation(t.Name) + columnList(words(n.Aliases)) + " AS\n" + body
	t.Reads = reads(cat, n.Query, v.Path)
	t.comment("VIEW "+relation(t.Name), v.Comment)
	t.columnComments(v.Columns)
	return t, nil
}

// statementOf is a stored text, which is one statement.
func statementOf(sql string) (*parse.Statement, error) {
	stmts, err := parse.Parse(sql)
	if err == nil && len(stmts) != 1 {
		err = fqgw.Errorf(fqgw.CodeDataCorrupted, "the stored definition has %d statements", len(stmts))
	}
	if err != nil {
		return nil, err
	}
	return stmts[0], nil
}

// Rows are the rows of fqgw.definitions: kind, name, schema_name, object_name, sql,
// search_path, form, reads.
func Rows(cat *fqgw.Catalog) ([][]fqgw.Value, error) {
	all, err := Texts(cat)
	if err != nil {
		return nil, err
	}
	var out [][]fqgw.Value
	for _, t := range all {
		schema, object, name := fqgw.TextValue(t.Name.Schema), fqgw.TextValue(t.Name.Name), t.Name.String()
		if t.Kind == "schema" {
			object, name = fqgw.Null, t.Name.Schema
		}
		path, form := fqgw.Null, fqgw.Null
		if len(t.Path) > 0 {
			path = texts(t.Path)
		}
		if t.Form != "" {
			form = fqgw.TextValue(t.Form)
		}
		var read []string
		for _, r := range t.Reads {
			read = append(read, r.String())
		}
		out = append(out, []fqgw.Value{fqgw.TextValue(t.Kind), fqgw.TextValue(name), schema, object, fqgw.TextValue(t.SQL()),
			path, form, texts(read)})
	}
	return out, nil
}

func texts(list []string) fqgw.Value {
	items := make([]fqgw.Value, len(list))
	for i, s := range list {
		items[i] = fqgw.TextValue(s)
	}
	return fqgw.ArrayOf(fqgw.Text, items...)
}
