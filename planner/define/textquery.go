package define

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
)

// queryText is a query's tree as text, a line for each of its parts, with AS OF where
// the tree has a sample. Read again it has the same tree, or it is an error.
func queryText(n *pg.Node) (string, error) {
	text, err := deparse(n)
	if err != nil {
		return "", err
	}
	if text, err = parse.Lines(text); err != nil {
		return "", err
	}
	again, err := statementOf(text)
	if err != nil {
		return "", fqgw.Errorf(fqgw.CodeInternal, "a query was written as text that cannot be read: %v: %s", err, text)
	}
	want, err := (&parse.Statement{Node: n}).Form()
	if err != nil {
		return "", err
	}
	got, err := again.Form()
	if err == nil && !bytes.Equal(got, want) {
		err = fqgw.Errorf(fqgw.CodeInternal, "this query cannot be written as text: %s", text)
	}
	return text, err
}

// deparse is parse.Deparse with AS OF.
func deparse(n *pg.Node) (string, error) {
	var failed error
	places := map[string]string{} // the relations with AS OF, by the name that stands for each meanwhile
	plain := edited(n, func(x *pg.Node) *pg.Node {
		s := x.GetRangeTableSample()
		if s == nil || last(words(s.Method)) != parse.AsOfMethod || failed != nil {
			return nil
		}
		var text string
		text, failed = sampleText(s)
		name := fmt.Sprintf("%s_%d_%x", parse.AsOfMethod, len(places), text)
		places[name] = text
		return &pg.Node{Node: &pg.Node_RangeVar{RangeVar: &pg.RangeVar{Relname: name, Inh: true, Relpersistence: "p"}}}
	})
	if failed != nil {
		return "", failed
	}
	eachWindow(reflect.ValueOf(plain), func(w *pg.WindowDef) { // whose names PostgreSQL's own way back leaves as they are
		for _, name := range []*string{&w.Name, &w.Refname} {
			if quoted := expr.QuoteIdent(*name); *name != "" && quoted != *name {
				*name = fmt.Sprintf("__fq_window_%x_", *name)
				places[*name] = quoted
			}
		}
	})
	text, err := parse.Deparse(plain)
	for name, with := range places {
		text = strings.ReplaceAll(text, name, with)
	}
	return text, err
}

// eachWindow calls f for every window of a tree.
func eachWindow(v reflect.Value, f func(*pg.WindowDef)) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			eachWindow(v.Elem(), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachWindow(v.Index(i), f)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if w, ok := v.Interface().(*pg.WindowDef); ok {
			f(w)
		}
		for i := range v.Elem().NumField() {
			if v.Elem().Type().Field(i).IsExported() {
				eachWindow(v.Elem().Field(i), f)
			}
		}
	}
}

// sampleText is relation AS OF e KNOWN AT k AS alias.
func sampleText(s *pg.RangeTableSample) (string, error) {
	r := s.Relation.GetRangeVar()
	text := expr.QuoteIdent(r.GetRelname())
	if r.GetSchemaname() != "" {
		text = expr.QuoteIdent(r.Schemaname) + "." + text
	}
	for i, a := range s.Args {
		e, err := deparse(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: &pg.SelectStmt{
			TargetList:  []*pg.Node{{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Val: a}}}},
			LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE}}})
		if err != nil {
			return "", err
		}
		e = strings.TrimPrefix(e, "SELECT ")
		if a.GetColumnRef() == nil && a.GetAConst() == nil {
			e = "(" + e + ")"
		}
		text += []string{" AS OF ", " KNOWN AT "}[i] + e
	}
	if a := r.GetAlias(); a != nil {
		text += " AS " + expr.QuoteIdent(a.Aliasname)
		if cols := columnList(words(a.Colnames)); cols != "" {
			text += strings.TrimPrefix(cols, " ")
		}
	}
	return text, nil
}

// reads are the relations of the catalog that a query names, in the order in which it
// does; a name of a WITH is none.
func reads(cat *fqgw.Catalog, query *pg.Node, path []string) []fqgw.QualifiedName {
	if len(path) == 0 {
		path = []string{fqgw.PublicSchema}
	}
	var out []fqgw.QualifiedName
	for _, r := range relations(query) {
		schemas := path
		if r.Schemaname != "" {
			schemas = []string{r.Schemaname}
		}
		for _, s := range schemas {
			if n := (fqgw.QualifiedName{Schema: s, Name: r.Relname}); cat.Has(n) != "" {
				if !slices.Contains(out, n) {
					out = append(out, n)
				}
				break
			}
		}
	}
	return out
}

// relations are what a query reads by name, but for what its WITHs define.
func relations(n *pg.Node) []*pg.RangeVar {
	var w relationWalk
	w.walk(reflect.ValueOf(n), nil)
	return w.found
}

type relationWalk struct{ found []*pg.RangeVar }

// walk goes through a tree; hidden are the names of the WITHs around.
func (w *relationWalk) walk(v reflect.Value, hidden []string) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			w.walk(v.Elem(), hidden)
		}
	case reflect.Slice:
		for i := range v.Len() {
			w.walk(v.Index(i), hidden)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		switch x := v.Interface().(type) {
		case *pg.RangeVar:
			if x.Schemaname != "" || !slices.Contains(hidden, x.Relname) {
				w.found = append(w.found, x)
			}
			return
		case *pg.SelectStmt:
			hidden = w.with(x.WithClause, hidden)
		case *pg.WithClause:
			return // the statement has looked into it
		}
		for i := range v.Elem().NumField() {
			if v.Elem().Type().Field(i).IsExported() {
				w.walk(v.Elem().Field(i), hidden)
			}
		}
	}
}

// with looks into a WITH clause, and is what is hidden by it too: each of its queries
// sees the names before its own, all of them if it is RECURSIVE.
func (w *relationWalk) with(c *pg.WithClause, hidden []string) []string {
	if c == nil {
		return hidden
	}
	hidden = slices.Clone(hidden)
	if c.Recursive {
		for _, e := range c.Ctes {
			hidden = append(hidden, e.GetCommonTableExpr().Ctename)
		}
	}
	for _, e := range c.Ctes {
		w.walk(reflect.ValueOf(e.GetCommonTableExpr().Ctequery), slices.Clone(hidden))
		hidden = append(hidden, e.GetCommonTableExpr().Ctename)
	}
	return hidden
}
