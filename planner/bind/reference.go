package bind

import (
	"fmt"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// columnRef binds a name: a column, or a whole row.
func (b *Binder) columnRef(x *pg.ColumnRef, c *clause) (fqgw.Expr, error) {
	if stars, ok := isStar(&pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: x}}); ok {
		if len(stars) > 0 { // f(t.*) is f(t)
			at, rel, err := b.relationOf(strs(stars), c.sc)
			if err != nil {
				return nil, b.at(err, x.Location)
			}
			return b.wholeRow(at, rel, c.sc)
		}
		return nil, b.fail(x.Location, fqgw.CodeFeatureNotSupported, "row expansion via \"*\" is not supported here")
	}
	names := strs(x.Fields)
	f, err := b.lookup(names, c.sc)
	if err != nil {
		if names[len(names)-1] == "tableoid" {
			if e := b.tableOID(names, c.sc); e != nil {
				return e, nil
			}
		}
		return nil, b.at(err, x.Location)
	}
	if f == nil { // a whole row
		sc, rel, err := c.sc.relation("", names[len(names)-1])
		if err != nil || rel == nil {
			return nil, b.at(c.sc.noColumn("", names[0]), x.Location)
		}
		return b.wholeRow(sc, rel, c.sc)
	}
	return b.reference(*f, c.sc, x.Location)
}

// tableOID is the system column tableoid: the one of PostgreSQL's that catalog
// queries ask for. nil when no relation is meant.
func (b *Binder) tableOID(names []string, sc *Scope) fqgw.Expr {
	var rel *relation
	if len(names) > 1 {
		_, r, err := b.relationOf(names[:len(names)-1], sc)
		if err != nil {
			return nil
		}
		rel = r
	}
	for at := sc; at != nil && rel == nil; at = at.next() {
		for _, r := range at.rels {
			if r.oid != 0 && rel == nil {
				rel = r
			}
		}
	}
	if rel == nil || rel.oid == 0 {
		return nil
	}
	return &expr.Const{Val: fqgw.IntValue(int64(rel.oid)), Typ: fqgw.OID}
}

// reference makes a column expression and remembers where it was written.
func (b *Binder) reference(f found, sc *Scope, loc int32) (fqgw.Expr, error) {
	if f.col.index < 0 {
		return nil, b.fail(loc, fqgw.CodeInternal, "column %s.%s was left out of its scan", f.rel.name, f.col.name)
	}
	if f.scope != sc && f.scope.refused {
		return nil, b.fail(loc, fqgw.CodeUndefinedTable, "invalid reference to FROM-clause entry for table %q", f.rel.name).
			WithDetail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
	}
	e := f.expr(sc)
	if b.places == nil {
		b.places = map[*expr.Column]int32{}
	}
	b.places[e.(*expr.Column)] = loc
	b.describe(e, f.col.fields)
	return e, nil
}

// lookup finds the column that a possibly qualified name stands for; nil, nil is
// an unqualified name of a relation.
func (b *Binder) lookup(names []string, sc *Scope) (*found, error) {
	if len(names) == 1 {
		f, err := sc.unqualified(names[0])
		if err != nil || f != nil {
			return f, err
		}
		if _, rel, err := sc.relation("", names[0]); err != nil || rel != nil {
			return nil, err
		}
		return nil, sc.noColumn("", names[0])
	}
	at, rel, err := b.relationOf(names[:len(names)-1], sc)
	if err != nil {
		return nil, err
	}
	name := names[len(names)-1]
	col, err := rel.column(name)
	if err != nil {
		return nil, err
	}
	if col == nil {
		return nil, sc.noColumn(rel.name, name)
	}
	return &found{at, rel, col}, nil
}

// relationOf finds the FROM item that [catalog.][schema.]name stands for.
func (b *Binder) relationOf(names []string, sc *Scope) (*Scope, *relation, error) {
	schema, name := "", names[len(names)-1]
	if len(names) > 1 {
		schema = names[len(names)-2]
	}
	if len(names) > 3 {
		return nil, nil, fqgw.Errorf(fqgw.CodeSyntax, "improper qualified name (too many dotted names)")
	}
	at, rel, err := sc.relation(schema, name)
	if err != nil {
		return nil, nil, err
	}
	if rel == nil {
		return nil, nil, sc.noRelation(name)
	}
	return at, rel, nil
}

// isStar gives the qualifiers of a reference that ends in *.
func isStar(n *pg.Node) (qualifiers []*pg.Node, ok bool) {
	ref := n.GetColumnRef()
	if ref == nil || len(ref.Fields) == 0 {
		return nil, false
	}
	last := len(ref.Fields) - 1
	return ref.Fields[:last], ref.Fields[last].GetAStar() != nil
}

// starColumn is one column that * stands for.
type starColumn struct {
	name string
	expr fqgw.Expr
}

// star expands * or t.*.
func (b *Binder) star(qualifiers []*pg.Node, sc *Scope, loc int32) ([]starColumn, error) {
	var out []starColumn
	expand := func(at *Scope, rel *relation) error {
		for i := range rel.cols {
			if rel.cols[i].hidden {
				continue
			}
			e, err := b.reference(found{at, rel, &rel.cols[i]}, sc, loc)
			if err != nil {
				return err
			}
			out = append(out, starColumn{rel.cols[i].name, e})
		}
		return nil
	}
	if len(qualifiers) > 0 {
		at, rel, err := b.relationOf(strs(qualifiers), sc)
		if err != nil {
			return nil, b.at(err, loc)
		}
		return out, expand(at, rel)
	}
	if len(sc.rels) == 0 {
		return nil, b.fail(loc, fqgw.CodeSyntax, "SELECT * with no tables specified is not valid")
	}
	for _, rel := range sc.rels {
		if rel.noColumns {
			continue
		}
		if err := expand(sc, rel); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// indirection binds subscripts and field selections: a[1], a[2:3], (row).field.
func (b *Binder) indirection(x *pg.A_Indirection, c *clause) (fqgw.Expr, error) {
	if _, ok := isStar(x.Arg); ok {
		return nil, b.fail(location(x.Arg), fqgw.CodeFeatureNotSupported, "row expansion via \"*\" is not supported here")
	}
	if ref := x.Arg.GetColumnRef(); ref != nil && len(x.Indirection) == 1 && x.Indirection[0].GetString_() != nil {
		// (t).column is t.column when t is a relation.
		names := strs(ref.Fields)
		if f, err := b.lookup(names, c.sc); err == nil && f == nil {
			return b.columnRef(&pg.ColumnRef{Fields: append(ref.Fields[:len(ref.Fields):len(ref.Fields)], x.Indirection[0]), Location: ref.Location}, c)
		}
	}
	e, err := b.bind(x.Arg, c)
	if err != nil {
		return nil, err
	}
	var bounds []expr.Bounds
	flush := func() error {
		if len(bounds) == 0 {
			return nil
		}
		e, err = expr.Subscript(e, bounds...)
		bounds = nil
		return b.at(err, location(x.Arg))
	}
	for _, n := range x.Indirection {
		if i := n.GetAIndices(); i != nil {
			bound := expr.Bounds{Slice: i.IsSlice}
			if i.Lidx != nil {
				if bound.Lo, err = b.bind(i.Lidx, c); err != nil {
					return nil, err
				}
			}
			if i.Uidx != nil {
				if bound.Hi, err = b.bind(i.Uidx, c); err != nil {
					return nil, err
				}
			}
			if !i.IsSlice { // a single index is in Uidx
				bound.Lo, bound.Hi = bound.Hi, nil
			}
			bounds = append(bounds, bound)
			continue
		}
		if err := flush(); err != nil {
			return nil, err
		}
		if n.GetAStar() != nil {
			return nil, b.fail(location(x.Arg), fqgw.CodeFeatureNotSupported, "row expansion via \"*\" is not supported here")
		}
		if e, err = b.field(e, n.GetString_().GetSval(), location(x.Arg)); err != nil {
			return nil, err
		}
	}
	return e, flush()
}

func nodeName(n *pg.Node) string { return fmt.Sprintf("%T", n.Node) }
