package define

import (
	"slices"
	"strings"
	"unicode"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
)

// renamedIn are the texts of the feature views that name a column which has another name
// now, with that name: their features keep theirs.
func (d *Definer) renamedIn(cat *fqgw.Catalog, old, next *fqgw.Source, places []int, loc int32) (map[fqgw.QualifiedName]string, error) {
	names := map[string]string{}
	for i, p := range places {
		if p >= 0 && old.Columns[p].Name != next.Columns[i].Name {
			names[old.Columns[p].Name] = next.Columns[i].Name
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	out := map[fqgw.QualifiedName]string{}
	for _, v := range cat.FeaturesOf(old) {
		stmts, err := parse.Parse(v.SQL)
		if err != nil || len(stmts) != 1 {
			return nil, d.unsupported(loc, "renaming a column that feature view \"%s\" names", v.Name)
		}
		if sql := renamedText(v.SQL, stmts[0], names); sql != v.SQL {
			out[v.Qualified()] = sql
		}
	}
	return out, nil
}

// renamedText is the text of a statement, which is all of it, with other names of columns.
func renamedText(sql string, s *parse.Statement, names map[string]string) string {
	type edit struct {
		from, to int
		text     string
	}
	text := []rune(sql)
	var edits []edit
	bare := map[*pg.Node]bool{} // what gives a column of the result its name
	visit(s.Node, func(n *pg.Node) bool {
		if t := n.GetResTarget(); t != nil && t.Name == "" {
			bare[t.Val] = true
		}
		c := n.GetColumnRef()
		if c == nil {
			return true
		}
		name := last(words(c.Fields))
		to, ok := names[name]
		at := s.Pos(c.Location) - 1
		if !ok || at < 0 || n.GetColumnRef().Fields[len(c.Fields)-1].GetString_() == nil {
			return true
		}
		from, end := at, identEnd(text, at)
		for range len(c.Fields) - 1 {
			for from = end; from < len(text) && (text[from] == '.' || unicode.IsSpace(text[from])); from++ {
			}
			end = identEnd(text, from)
		}
		e := edit{from, end, expr.QuoteIdent(to)}
		if bare[n] {
			e.text += " AS " + expr.QuoteIdent(name)
		}
		edits = append(edits, e)
		return true
	})
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var out strings.Builder
	done := 0
	for _, e := range edits {
		if e.from < done {
			continue
		}
		out.WriteString(string(text[done:e.from]))
		out.WriteString(e.text)
		done = e.to
	}
	out.WriteString(string(text[done:]))
	return out.String()
}

// identEnd is behind the identifier that begins at i.
func identEnd(text []rune, i int) int {
	if i < len(text) && text[i] == '"' {
		for i++; i < len(text); i++ {
			if text[i] != '"' {
				continue
			}
			if i+1 == len(text) || text[i+1] != '"' {
				return i + 1
			}
			i++
		}
		return i
	}
	for i < len(text) && (text[i] == '_' || text[i] == '$' || unicode.IsLetter(text[i]) || unicode.IsDigit(text[i])) {
		i++
	}
	return i
}
