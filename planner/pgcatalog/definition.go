package pgcatalog

import (
	"fmt"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Comment answers obj_description and col_description of a relation: column 0
// is the relation itself. false when there is none.
func Comment(c *fqgw.Catalog, rel uint32, column int) (string, bool) {
	o := byOID(c, rel)
	switch {
	case o == nil || column < 0 || column > len(o.columns):
		return "", false
	case column == 0:
		return o.comment, o.comment != ""
	}
	comment := o.columns[column-1].Comment
	return comment, comment != ""
}

// ViewDef answers pg_get_viewdef: the SELECT of a view or feature view, with
// a semicolon as PostgreSQL prints it. false when oid is neither.
func ViewDef(c *fqgw.Catalog, oid uint32) (string, bool) {
	if o := byOID(c, oid); o != nil && o.kind != 'r' {
		return " " + strings.TrimSuffix(strings.TrimSpace(o.query), ";") + ";", true
	}
	return "", false
}

// IndexDef answers pg_get_indexdef: of the whole index, or of its column when
// column is not 0. false when oid is no index.
func IndexDef(c *fqgw.Catalog, oid uint32, column int) (string, bool) {
	o := listingOf(c).byOID[oid]
	if o == nil || len(o.keys) == 0 || o.indexOID() != oid {
		return "", false
	}
	cols := o.quotedKeys()
	switch {
	case column == 0:
		return fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s.%s USING btree (%s)", expr.QuoteIdent(o.indexName()),
			expr.QuoteIdent(o.name.Schema), expr.QuoteIdent(o.name.Name), strings.Join(cols, ", ")), true
	case column > 0 && column <= len(cols):
		return cols[column-1], true
	}
	return "", true
}

// ConstraintDef answers pg_get_constraintdef; false when oid is no constraint.
func ConstraintDef(c *fqgw.Catalog, oid uint32) (string, bool) {
	o := listingOf(c).byOID[oid]
	if o == nil {
		return "", false
	}
	if len(o.keys) > 0 && o.constraint() == oid {
		return "PRIMARY KEY (" + strings.Join(o.quotedKeys(), ", ") + ")", true
	}
	for i, ck := range o.checks {
		if o.check(i) == oid {
			return "CHECK (" + parenthesised(ck.SQL) + ")", true
		}
	}
	return "", false
}

func (o *object) quotedKeys() []string {
	cols := o.keyNames()
	for i := range cols {
		cols[i] = expr.QuoteIdent(cols[i])
	}
	return cols
}

// parenthesised puts an expression into parentheses unless one pair encloses it all.
func parenthesised(s string) string {
	depth, quoted := 0, false
	for i := range len(s) {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case quoted:
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		}
		if depth == 0 && i < len(s)-1 {
			return "(" + s + ")"
		}
	}
	return s
}

// selectOf is the query behind the first AS of a CREATE statement outside
// parentheses; the whole text when there is none.
func selectOf(sql string) string {
	depth := 0
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '\'' || c == '"':
			i++
			for i < len(sql) && sql[i] != c {
				i++
			}
			i++
		case strings.HasPrefix(sql[i:], "--"):
			for i < len(sql) && sql[i] != '\n' {
				i++
			}
		case c == '(':
			depth++
			i++
		case c == ')':
			depth--
			i++
		case isLetter(c):
			end := i
			for end < len(sql) && (isLetter(sql[end]) || sql[end] >= '0' && sql[end] <= '9') {
				end++
			}
			if depth == 0 && strings.EqualFold(sql[i:end], "as") {
				return strings.TrimRight(strings.TrimSpace(sql[end:]), "; \n\t")
			}
			i = end
		default:
			i++
		}
	}
	return sql
}

func isLetter(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}
