package bind

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// joinKind is the kind of a JOIN as written.
func joinKind(j *pg.JoinExpr) plan.JoinKind {
	switch j.Jointype {
	case pg.JoinType_JOIN_LEFT:
		return plan.LeftOuter
	case pg.JoinType_JOIN_RIGHT:
		return plan.RightOuter
	case pg.JoinType_JOIN_FULL:
		return plan.FullOuter
	}
	if j.Quals == nil && len(j.UsingClause) == 0 && !j.IsNatural {
		return plan.Cross
	}
	return plan.Inner
}

// join binds a JOIN: onto a feature view by its keys where it can be, else a
// plain one.
func (b *Binder) join(j *pg.JoinExpr, lat *Scope, blk *block, strict bool) (*from, error) {
	kind := joinKind(j)
	if a := j.Alias; a != nil && blk != nil && blk.mention != nil && (blk.mention.alone[a.Aliasname] || blk.mention.stars[a.Aliasname]) {
		blk.mention.all = true // its row is that of its sides
	}
	if f, err := b.swapped(j, kind, lat, blk, strict); err != nil || f != nil {
		return f, err
	}
	left, err := b.fromItem(j.Larg, lat, blk, strict && kind != plan.RightOuter && kind != plan.FullOuter)
	if err != nil {
		return nil, err
	}
	if kind == plan.Inner || kind == plan.LeftOuter || kind == plan.Cross {
		ft, err := b.feature(j.Rarg, lat)
		if err != nil {
			return nil, err
		}
		if ft != nil {
			f, err := b.featureJoin(left, ft, joining{expr: j, kind: kind, lat: lat, blk: blk, strict: strict})
			if err != nil || f != nil {
				return f, err
			}
		}
	}
	row := lat.left(left.rels)
	if kind == plan.RightOuter || kind == plan.FullOuter {
		row.refused = true
	}
	right, err := b.fromItem(j.Rarg, row, blk, strict && (kind == plan.Inner || kind == plan.Cross || kind == plan.RightOuter))
	if err != nil {
		return nil, err
	}
	leftRels, rightRels := left.rels, right.rels
	node, err := b.joinNode(left, right, row, kind)
	if err != nil {
		return nil, err
	}
	left.node = node
	f, err := b.finishJoin(j, left, leftRels, rightRels, lat, func(cond fqgw.Expr) {
		node.Cond = cond
		left.node = pushdown.Join(node)
	})
	if kind == plan.RightOuter || kind == plan.FullOuter {
		makeNullable(leftRels)
	}
	if kind == plan.LeftOuter || kind == plan.FullOuter {
		makeNullable(rightRels)
	}
	return f, err
}

func makeNullable(rels []*relation) {
	for _, r := range rels {
		r.nullable = true
	}
}

// swapped binds a JOIN whose left side alone is a feature view as the join of
// that view onto the right side.
func (b *Binder) swapped(j *pg.JoinExpr, kind plan.JoinKind, lat *Scope, blk *block, strict bool) (*from, error) {
	if kind != plan.RightOuter && kind != plan.Inner {
		return nil, nil
	}
	ft, err := b.feature(j.Larg, lat)
	if err != nil || ft == nil {
		return nil, err
	}
	if kind == plan.Inner {
		if other, err := b.feature(j.Rarg, lat); err != nil || other != nil {
			return nil, err
		}
		if mayBeLateral(j.Rarg) {
			return nil, nil
		}
	}
	right, err := b.fromItem(j.Rarg, lat, blk, strict)
	if err != nil {
		return nil, err
	}
	if kind == plan.RightOuter {
		kind = plan.LeftOuter
	}
	return b.featureJoin(right, ft, joining{expr: j, kind: kind, lat: lat, blk: blk, strict: strict, swapped: true})
}

// mayBeLateral says whether a FROM item may use columns of what is to its left.
func mayBeLateral(n *pg.Node) bool {
	if n.GetRangeVar() != nil {
		return false
	}
	if s := n.GetRangeSubselect(); s != nil {
		return s.Lateral
	}
	return true
}

// finishJoin binds ON, USING or NATURAL over the joined row and gives the names
// of the join; set takes the condition. With USING, the merged columns that are
// neither side's own are appended by a projection.
func (b *Binder) finishJoin(j *pg.JoinExpr, f *from, left, right []*relation, lat *Scope, set func(fqgw.Expr)) (*from, error) {
	names, err := b.using(j, left, right)
	if err != nil {
		return nil, err
	}
	if j.Quals != nil {
		cond, err := b.condition(j.Quals, b.onClause(f.rels, lat), "JOIN/ON")
		if err != nil {
			return nil, err
		}
		set(cond)
		return f, b.joinAlias(j, f, nil, nil)
	}
	var conds []fqgw.Expr
	var merged []relColumn
	var exprs []fqgw.Expr
	for _, name := range names {
		l, r, err := b.usingPair(j, name, left, right)
		if err != nil {
			return nil, err
		}
		cond, m, err := mergedColumn(joinKind(j), l, r)
		if err != nil {
			return nil, b.at(err, location(j.Larg))
		}
		conds, exprs = append(conds, cond), append(exprs, m)
		merged = append(merged, relColumn{name: name, typ: m.Type()})
	}
	if len(conds) > 0 {
		cond, err := expr.And(conds...)
		if err != nil {
			return nil, err
		}
		set(cond)
	}
	b.appendMerged(f, merged, exprs)
	if names == nil {
		merged = nil
	}
	return f, b.joinAlias(j, f, names, merged)
}

// onClause is the clause of ON: the joined row, and nothing of the query beside it.
func (b *Binder) onClause(rels []*relation, lat *Scope) *clause {
	sc := lat.inner(rels...)
	sc.closed = true
	return &clause{sc: sc, name: "JOIN conditions"}
}

// using are the names that USING or NATURAL merges; nil for neither.
func (b *Binder) using(j *pg.JoinExpr, left, right []*relation) ([]string, error) {
	if !j.IsNatural {
		if len(j.UsingClause) == 0 {
			return nil, nil
		}
		return strs(j.UsingClause), nil
	}
	names := []string{}
	for _, c := range visibleColumns(left) {
		if slices.Contains(names, c.name) {
			continue
		}
		for _, d := range visibleColumns(right) {
			if c.name == d.name {
				names = append(names, c.name)
				break
			}
		}
	}
	return names, nil
}

// visibleColumns are what * stands for over these relations.
func visibleColumns(rels []*relation) []relColumn {
	var out []relColumn
	for _, r := range rels {
		if !r.noColumns {
			out = append(out, r.visible()...)
		}
	}
	return out
}

// usingPair finds the two columns that USING name merges.
func (b *Binder) usingPair(j *pg.JoinExpr, name string, left, right []*relation) (l, r *relColumn, err error) {
	find := func(rels []*relation, side string) (*relColumn, error) {
		var hit *relColumn
		for _, rel := range rels {
			if rel.noColumns {
				continue
			}
			for i := range rel.cols {
				if rel.cols[i].name != name {
					continue
				}
				if hit != nil {
					return nil, b.fail(location(j.Larg), fqgw.CodeAmbiguousColumn, "common column name %q appears more than once in %s table", name, side)
				}
				hit = &rel.cols[i]
			}
		}
		if hit == nil {
			return nil, b.fail(location(j.Larg), fqgw.CodeUndefinedColumn, "column %q specified in USING clause does not exist in %s table", name, side)
		}
		return hit, nil
	}
	if l, err = find(left, "left"); err != nil {
		return nil, nil, err
	}
	r, err = find(right, "right")
	return l, r, err
}

// mergedColumn gives the condition of one USING column, and the merged column.
func mergedColumn(kind plan.JoinKind, l, r *relColumn) (cond, merged fqgw.Expr, err error) {
	le := &expr.Column{Index: l.index, Typ: l.typ, Name: l.name}
	re := &expr.Column{Index: r.index, Typ: r.typ, Name: r.name}
	if cond, err = expr.Op("=", le, re); err != nil {
		return nil, nil, err
	}
	both, t, err := expr.Common([]fqgw.Expr{le, re}, "JOIN/USING")
	if err != nil {
		return nil, nil, err
	}
	switch kind {
	case plan.FullOuter:
		merged, err = expr.Coalesce(both)
	case plan.RightOuter:
		merged = both[1]
	case plan.LeftOuter:
		merged = both[0]
	default:
		if merged = both[0]; r.typ.OID == t.OID && l.typ.OID != t.OID {
			merged = both[1]
		}
	}
	return cond, merged, err
}

// appendMerged gives the merged columns their places: those that are a side's
// own keep it, others are computed above the join.
func (b *Binder) appendMerged(f *from, merged []relColumn, exprs []fqgw.Expr) {
	var p *plan.Project
	for i, e := range exprs {
		if c, ok := e.(*expr.Column); ok {
			merged[i].index = c.Index
			continue
		}
		if p == nil {
			cols := f.node.Columns()
			p = &plan.Project{Input: f.node, Exprs: columnsOf(f.node), Cols: slices.Clone(cols)}
		}
		merged[i].index = len(p.Exprs)
		p.Exprs, p.Cols = append(p.Exprs, e), append(p.Cols, plan.Column{Name: merged[i].name, Type: e.Type()})
	}
	if p != nil {
		f.node = p
	}
}

// joinAlias names the join itself: with USING its merged columns come first and
// hide the sides' own from unqualified names; an alias hides the sides altogether.
func (b *Binder) joinAlias(j *pg.JoinExpr, f *from, names []string, merged []relColumn) error {
	if names == nil && j.Alias == nil {
		return nil
	}
	rel := &relation{loc: location(j.Larg)}
	rel.cols = append(rel.cols, merged...)
	for _, r := range f.rels {
		if r.noColumns {
			continue
		}
		for _, c := range r.cols {
			if !slices.Contains(names, c.name) {
				rel.cols = append(rel.cols, c)
			}
		}
		if j.Alias != nil {
			rel.extras = append(rel.extras, r.extras...)
		}
	}
	for _, r := range f.rels {
		r.noColumns = true
		r.noName = r.noName || j.Alias != nil
	}
	f.rels = append(f.rels[:len(f.rels):len(f.rels)], rel)
	if a := j.JoinUsingAlias; a != nil {
		u := &relation{name: a.Aliasname, loc: rel.loc, noColumns: true, cols: slices.Clone(merged)}
		f.rels = append(f.rels, u)
	}
	return b.alias(rel, j.Alias)
}
