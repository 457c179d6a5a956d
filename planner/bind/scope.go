package bind

import (
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Scope is what names an expression may use: the relations whose columns make
// up its row, and the scopes of the enclosing queries.
//
// Every scope that is not rowless stands for one row at run time; depth counts
// these rows, so that the Level of a column is the difference of two depths.
type Scope struct {
	parent *Scope // where names are looked up next; nil at the top and at the edge of a view's text
	site   *Scope // where it runs: the next row outwards
	depth  int
	rels   []*relation
	ctes   map[string]*cte
	times  *times // the AS OF that reaches the feature views below, nil: the enclosing scope's
	block  *block // the SELECT whose aggregates live here; nil: no SELECT's own scope

	// rowless scopes stand for no row. An edge is the outside of a query, which
	// stands within a clause of the enclosing one (nil: there is none).
	rowless, edge bool
	within        *clause

	// lateral scopes hold the relations to the left of a FROM item, joined ones
	// belong to the same query as their lateral parents, and from a closed one
	// lateral parents cannot be named (ON, subqueries without LATERAL).
	lateral, joined, closed bool
	// plain scopes are those of definitions: their expressions are printed over
	// the columns' names alone.
	plain bool
	// refused: the row is there, but RIGHT and FULL joins cannot be lateral.
	refused bool
	// used: a column of this lateral row was named; crossed: a column beyond it.
	used, crossed bool
}

// relation is one FROM item as names see it.
type relation struct {
	name   string // the alias, "" for a join without one
	schema string // of a system relation or table without alias, for schema.table.column
	table  string // the relation's own name, for hints
	oid    uint32 // of a stored relation
	loc    int32  // where it was written
	cols   []relColumn
	row    []string // the columns' names in its row, where an alias gives them others: a row has its table's type
	// A join hides its parts' columns from unqualified names, and with an alias
	// the parts altogether.
	noColumns, noName bool
	nullable          bool // of the nullable side of an outer join
	scalar            bool // a function whose row is its one value
	view              *fqgw.FeatureView
	extras            []extra // feature_status(), feature_time(), feature_token()
}

// relColumn is one column of a relation: index in the row of its scope, -1 when
// nothing in the query mentions it and it was left out.
type relColumn struct {
	name   string
	index  int
	typ    fqgw.Type
	hidden bool        // only when named: the hidden columns of a source
	fields []relColumn // of a record whose columns are known
}

// extra is a further output of a feature view: what is asked about which column
// ("" for the token).
type extra struct {
	kind   string
	column string
	index  int
}

// ColumnsScope is a scope of one relation: column i is row[i].
func ColumnsScope(rel string, cols []fqgw.Column) *Scope {
	r := &relation{name: rel, table: rel}
	for i, c := range cols {
		r.cols = append(r.cols, relColumn{name: c.Name, index: i, typ: c.Type})
	}
	return &Scope{depth: 1, plain: true, rels: []*relation{r}}
}

// inner is a new row scope below s, which may be nil.
func (s *Scope) inner(rels ...*relation) *Scope {
	return &Scope{parent: s, site: s, depth: s.rows() + 1, rels: rels}
}

// left is the scope of the rows to the left of a FROM item.
func (s *Scope) left(rels []*relation) *Scope {
	l := s.inner(rels...)
	l.lateral, l.joined = true, true
	return l
}

func (s *Scope) rows() int {
	if s == nil {
		return 0
	}
	return s.depth
}

// next is the scope where a name is looked up that is not in s.
func (s *Scope) next() *Scope {
	p := s.parent
	if s.closed {
		for p != nil && p.lateral {
			p = p.parent
		}
	}
	return p
}

// enclosing is the clause in which the query of s stands, nil for the outermost.
func (s *Scope) enclosing() *clause {
	for at := s; at != nil; at = at.site {
		if at.edge {
			return at.within
		}
	}
	return nil
}

// reach notes that an expression in s uses a row of to.
func (s *Scope) reach(to *Scope) {
	for at := s; at != nil && at.depth > to.depth; at = at.site {
		if at != s {
			at.crossed = true
		}
	}
	to.used = true
}

// asOf is the AS OF that reaches feature views in s without their own.
func (s *Scope) asOf() *times {
	for ; s != nil; s = s.site {
		if s.times != nil {
			return s.times
		}
	}
	return nil
}

func (s *Scope) cte(name string) *cte {
	for ; s != nil; s = s.parent {
		if c := s.ctes[name]; c != nil {
			return c
		}
	}
	return nil
}

// found is a column that a name stands for.
type found struct {
	scope *Scope
	rel   *relation
	col   *relColumn
}

// expr is a reference to the column from an expression in s.
func (f found) expr(s *Scope) fqgw.Expr {
	if f.scope != s {
		s.reach(f.scope)
	}
	name := f.col.name
	if f.rel.name != "" && !f.scope.plain {
		name = f.rel.name + "." + name
	}
	return &expr.Column{Index: f.col.index, Level: s.depth - f.scope.depth, Typ: f.col.typ, Name: name}
}

// unqualified looks a column up by its name alone: innermost query first; 42702
// when two relations of one query have it; not found is nil, nil.
func (s *Scope) unqualified(name string) (*found, error) {
	for at := s; at != nil; at = at.next() {
		var hit *found
		for group := at; ; {
			for _, r := range group.rels {
				if r.noColumns {
					continue
				}
				for i := range r.cols {
					if r.cols[i].name != name {
						continue
					}
					if hit != nil {
						return nil, fqgw.Errorf(fqgw.CodeAmbiguousColumn, "column reference %q is ambiguous", name)
					}
					hit = &found{group, r, &r.cols[i]}
				}
			}
			next := group.next()
			if !group.joined || next == nil || !next.lateral {
				break
			}
			group, at = next, next
		}
		if hit != nil {
			return hit, nil
		}
	}
	return nil, nil
}

// relation looks a FROM item up by its name; schema "" is none given.
func (s *Scope) relation(schema, name string) (*Scope, *relation, error) {
	for at := s; at != nil; at = at.next() {
		var hit *relation
		for _, r := range at.rels {
			if r.noName || r.name != name || r.name == "" || schema != "" && r.schema != schema {
				continue
			}
			if hit != nil {
				return nil, nil, fqgw.Errorf("42P09", "table reference %q is ambiguous", name)
			}
			hit = r
		}
		if hit != nil {
			return at, hit, nil
		}
	}
	return nil, nil, nil
}

// column is the column of r with that name, nil when there is none.
func (r *relation) column(name string) (*relColumn, error) {
	var hit *relColumn
	for i := range r.cols {
		if r.cols[i].name != name {
			continue
		}
		if hit != nil {
			return nil, fqgw.Errorf(fqgw.CodeAmbiguousColumn, "column reference %q is ambiguous", name)
		}
		hit = &r.cols[i]
	}
	return hit, nil
}

// visible are the columns that * stands for.
func (r *relation) visible() []relColumn {
	out := make([]relColumn, 0, len(r.cols))
	for _, c := range r.cols {
		if !c.hidden {
			out = append(out, c)
		}
	}
	return out
}

// shift moves the relation's columns to the right by n.
func (r *relation) shift(n int) {
	for i := range r.cols {
		if r.cols[i].index >= 0 {
			r.cols[i].index += n
		}
	}
	for i := range r.extras {
		r.extras[i].index += n
	}
}

// noRelation is the error for a qualified name whose relation is not there.
func (s *Scope) noRelation(name string) *fqgw.Error {
	subquery := false
	for at := s; at != nil; at = at.parent {
		subquery = subquery || at.closed && len(at.rels) == 0
		for _, r := range at.rels {
			if r.name == name || r.table == name {
				e := fqgw.Errorf(fqgw.CodeUndefinedTable, "invalid reference to FROM-clause entry for table %q", name)
				if r.name != name && r.name != "" {
					return e.WithHint("Perhaps you meant to reference the table alias %q.", r.name)
				}
				e.Detail = "There is an entry for table \"" + name + "\", but it cannot be referenced from this part of the query."
				if at.lateral && subquery {
					e.Hint = "To reference that table, you must mark this subquery with LATERAL."
				}
				return e
			}
		}
	}
	e := fqgw.Errorf(fqgw.CodeUndefinedTable, "missing FROM-clause entry for table %q", name)
	var names []string
	for at := s; at != nil; at = at.next() {
		for _, r := range at.rels {
			if r.name != "" && !r.noName {
				names = append(names, r.name)
			}
		}
	}
	if near := nearest(name, names); near != "" {
		e.Hint = "Perhaps you meant the table alias \"" + near + "\"."
	}
	return e
}

// noColumn is the error for a column that is not there, with the nearest one as
// the hint; rel "" is an unqualified name.
func (s *Scope) noColumn(rel, name string) *fqgw.Error {
	msg := "column \"" + name + "\" does not exist"
	if rel != "" {
		msg = "column " + rel + "." + name + " does not exist"
	}
	e := fqgw.Errorf(fqgw.CodeUndefinedColumn, "%s", msg)
	if rel == "" {
		for at := s; at != nil; at = at.parent {
			for _, r := range at.rels {
				if c, _ := r.column(name); c != nil && !r.noColumns {
					return e.WithDetail("There is a column named %q in table %q, but it cannot be referenced from this part of the query.", name, r.name)
				}
			}
		}
	}
	var names []string
	shown := map[string]string{}
	for at := s; at != nil; at = at.next() {
		for _, r := range at.rels {
			if rel != "" && r.name != rel || r.noColumns && rel == "" {
				continue
			}
			for _, c := range r.cols {
				if c.hidden {
					continue
				}
				if shown[c.name] == "" {
					names = append(names, c.name)
				}
				if q := s.qualified(r, c.name); shown[c.name] == "" || !strings.Contains(shown[c.name], ".") {
					shown[c.name] = q
				}
			}
		}
	}
	if near := nearest(name, names); near != "" {
		e.Hint = "Perhaps you meant to reference the column \"" + shown[near] + "\"."
	}
	return e
}

// qualified is how a hint names a column: with the relation that it comes from.
func (s *Scope) qualified(r *relation, col string) string {
	if r.name != "" {
		return r.name + "." + col
	}
	for at := s; at != nil; at = at.next() {
		for _, other := range at.rels {
			if c, _ := other.column(col); c != nil && other.name != "" && !other.noName {
				return other.name + "." + col
			}
		}
	}
	return col
}

// nearest is fqgw.Nearest for names long enough to be mistyped.
func nearest(name string, names []string) string {
	if len(name) < 3 {
		return ""
	}
	return fqgw.Nearest(name, names)
}
