package bind

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// joining is a join onto a feature: how it was written and where.
type joining struct {
	expr    *pg.JoinExpr // nil for a comma
	kind    plan.JoinKind
	lat     *Scope
	blk     *block
	strict  bool // WHERE may supply key equalities
	swapped bool // the feature stands on the left
}

// featureCross joins a feature behind a comma; nil when n is something else or
// its keys are not equated.
func (b *Binder) featureCross(spine *from, n *pg.Node, lat *Scope, blk *block) (*from, error) {
	ft, err := b.feature(n, lat)
	if err != nil || ft == nil {
		return nil, err
	}
	return b.featureJoin(spine, ft, joining{kind: plan.Cross, lat: lat, blk: blk, strict: true})
}

// equating collects what a join's conditions say about a feature's keys.
type equating struct {
	b     *Binder
	ft    *feature
	rel   *relation
	rels  []*relation // of both sides, in their written order
	spine []*relation
	lat   *Scope
	keys  []fqgw.Expr // over the spine's row; nil: not equated yet
	rest  []fqgw.Expr // the other conditions, over both rows
}

// featureJoin joins a feature onto a spine by its entity (SEMANTICS §4.2): all
// join keys are equated with expressions over the spine. nil when they are not.
func (b *Binder) featureJoin(spine *from, ft *feature, jn joining) (*from, error) {
	row := jn.lat.inner(spine.rels...)
	if jn.swapped { // AS OF names what is to its left (SEMANTICS §5)
		row = jn.lat.inner()
	}
	row.joined = true
	at, known, err := ft.timesAt(row)
	if err != nil {
		return nil, err
	}
	width := spine.width()
	rel := ft.names(jn.blk.mention, width)
	sides := [][]*relation{spine.rels, {rel}}
	if jn.swapped {
		sides[0], sides[1] = sides[1], sides[0]
	}
	if err := b.distinctNames(sides[0], sides[1]); err != nil {
		return nil, err
	}
	q := &equating{b: b, ft: ft, rel: rel, rels: slices.Concat(sides[0], sides[1]), spine: spine.rels, lat: jn.lat, keys: make([]fqgw.Expr, len(ft.keys))}
	names, merged, values, err := q.conditions(jn, sides[0], sides[1])
	if err != nil {
		return nil, err
	}
	if jn.strict && jn.kind != plan.LeftOuter {
		q.fromWhere(jn.blk.where)
	}
	if slices.Contains(q.keys, nil) {
		own := func(e fqgw.Expr) bool { return ownColumns(e, anyColumn) }
		if own(at) || own(known) {
			return nil, b.fail(ft.loc, fqgw.CodeFeatureNotSupported, "%q AS OF a column needs a join on every join key", ft.name).
				WithHint("Write … LEFT JOIN %s AS OF … ON every join key is equated: %s.", ft.viewName(), strings.Join(ft.keyName, ", "))
		}
		return nil, nil
	}
	f, err := q.node(spine, at, known, jn)
	if err != nil || f == nil {
		return nil, err
	}
	f.rels = q.rels
	if jn.expr == nil {
		return f, nil
	}
	b.appendMerged(f, merged, values)
	return f, b.joinAlias(jn.expr, f, names, merged)
}

// viewName is the name of the feature view or service itself.
func (ft *feature) viewName() string {
	if ft.view != nil {
		return ft.view.Name
	}
	return ft.plain.Name
}

// names is the relation by which a feature's columns are named behind a spine.
func (ft *feature) names(m *mentions, width int) *relation {
	if ft.service != nil {
		return ft.service.relation(ft, m, width)
	}
	rel, _, _ := ft.relation(m, width)
	return rel
}

// node makes the plan; the conditions that are no key equality decide whether a
// row of the feature is taken.
func (q *equating) node(spine *from, at, known fqgw.Expr, jn joining) (*from, error) {
	left := jn.kind == plan.LeftOuter
	var on fqgw.Expr
	if len(q.rest) > 0 {
		var err error
		if on, err = expr.And(q.rest...); err != nil {
			return nil, err
		}
	}
	if q.ft.service != nil {
		n, err := q.b.serviceJoin(spine, q, at, known, left, on, jn.blk.mention)
		return &from{node: n}, err
	}
	_, outs, cols := q.ft.relation(jn.blk.mention, spine.width())
	if left && len(outs) == 0 {
		return &from{node: spine.node}, nil // exactly the spine's rows, and nothing is shown of the view
	}
	return &from{node: &plan.FeatureJoin{Input: spine.node, View: q.ft.view, Keys: q.keys, At: at, Known: known, Left: left, On: on,
		Outputs: outs, Cols: append(slices.Clone(spine.node.Columns()), cols...)}}, nil
}

// conditions reads ON or USING; names, merged and values describe the columns
// that USING merges.
func (q *equating) conditions(jn joining, left, right []*relation) (names []string, merged []relColumn, values []fqgw.Expr, err error) {
	if jn.expr == nil {
		return nil, nil, nil, nil
	}
	on := q.b.onClause(q.rels, q.lat)
	for _, n := range equalities(jn.expr.Quals) {
		cond, err := q.b.condition(n, on, "JOIN/ON")
		if err != nil {
			return nil, nil, nil, err
		}
		if k, ok := cond.(*expr.Const); ok && k.Val.True() {
			continue // ON true
		}
		if !q.equate(n, on.sc) {
			q.rest = append(q.rest, cond)
		}
	}
	if names, err = q.b.using(jn.expr, left, right); err != nil {
		return nil, nil, nil, err
	}
	// The merged column is the spine's: the rows are the spine's, or equal in it.
	kind := plan.LeftOuter
	if jn.swapped {
		kind = plan.RightOuter
	}
	for _, name := range names {
		l, r, err := q.b.usingPair(jn.expr, name, left, right)
		if err != nil {
			return nil, nil, nil, err
		}
		cond, value, err := mergedColumn(kind, l, r)
		if err != nil {
			return nil, nil, nil, q.b.at(err, location(jn.expr.Larg))
		}
		own, other := r, l
		if jn.swapped {
			own, other = l, r
		}
		merged, values = append(merged, relColumn{name: name, typ: value.Type()}), append(values, value)
		if !q.take(own, &expr.Column{Index: other.index, Typ: other.typ, Name: other.name}) {
			q.rest = append(q.rest, cond)
		}
	}
	return names, merged, values, nil
}

// fromWhere looks for the missing keys in WHERE, whose conditions stay there.
func (q *equating) fromWhere(where []*pg.Node) {
	on := q.b.onClause(q.rels, q.lat)
	for _, w := range where {
		for _, n := range equalities(w) {
			if slices.Contains(q.keys, nil) {
				q.equate(n, on.sc)
			}
		}
	}
}

// equalities splits a condition at AND, and (a, b) = (c, d) into a = c AND b = d.
func equalities(n *pg.Node) []*pg.Node {
	var out []*pg.Node
	for _, c := range conjuncts(n) {
		x := c.GetAExpr()
		l, r := x.GetLexpr().GetRowExpr(), x.GetRexpr().GetRowExpr()
		if x == nil || x.Kind != pg.A_Expr_Kind_AEXPR_OP || lastName(x.Name) != "=" || l == nil || r == nil || len(l.Args) != len(r.Args) {
			out = append(out, c)
			continue
		}
		for i := range l.Args {
			out = append(out, &pg.Node{Node: &pg.Node_AExpr{AExpr: &pg.A_Expr{Kind: x.Kind, Name: x.Name, Lexpr: l.Args[i], Rexpr: r.Args[i], Location: x.Location}}})
		}
	}
	return out
}

// equate takes `key = expression over the spine`, either way round.
func (q *equating) equate(n *pg.Node, on *Scope) bool {
	x := n.GetAExpr()
	if x == nil || x.Kind != pg.A_Expr_Kind_AEXPR_OP || lastName(x.Name) != "=" || x.Lexpr == nil {
		return false
	}
	for _, side := range [][2]*pg.Node{{x.Lexpr, x.Rexpr}, {x.Rexpr, x.Lexpr}} {
		own := q.keyColumn(side[0], on)
		if own == nil {
			continue
		}
		sc := q.lat.inner(q.spine...)
		sc.closed = true
		e, err := q.b.bind(side[1], &clause{sc: sc, name: "JOIN conditions"})
		if err == nil && q.take(own, e) {
			return true
		}
	}
	return false
}

// take makes e the value of the key that column own shows, if it is one that has
// no value yet and e's type agrees with its.
func (q *equating) take(own *relColumn, e fqgw.Expr) bool {
	for i := range q.rel.cols {
		if &q.rel.cols[i] != own || i >= len(q.ft.cols) {
			continue
		}
		k := q.ft.cols[i].key
		if k < 0 || q.keys[k] != nil {
			return false
		}
		e, ok := keyValue(e, q.ft.keys[k])
		if ok {
			q.keys[k] = e
		}
		return ok
	}
	return false
}

// keyColumn is the feature's column that an expression names, also under a cast
// that changes nothing.
func (q *equating) keyColumn(n *pg.Node, on *Scope) *relColumn {
	if c := n.GetTypeCast(); c != nil {
		own := q.keyColumn(c.Arg, on)
		if own == nil {
			return nil
		}
		to, err := q.b.TypeName(c.TypeName)
		if err != nil || to.Mod >= 0 || !sameKey(own.typ, to) {
			return nil
		}
		return own
	}
	ref := n.GetColumnRef()
	if ref == nil {
		return nil
	}
	if _, star := isStar(n); star {
		return nil
	}
	f, err := q.b.lookup(strs(ref.Fields), on)
	if err != nil || f == nil || f.rel != q.rel {
		return nil
	}
	return f.col
}

// keyClass groups the types whose values are the same entity keys: integers of
// every width, and the text types.
func keyClass(t fqgw.Type) fqgw.Type {
	switch t.Base() {
	case fqgw.Int2, fqgw.Int4, fqgw.Int8, fqgw.OID:
		return fqgw.Int8
	case fqgw.Text, fqgw.Varchar, fqgw.Name:
		return fqgw.Text
	}
	return t.Base()
}

// sameKey says whether a cast from one type to the other keeps every key apart
// and equal to itself.
func sameKey(from, to fqgw.Type) bool {
	if from.Base() == fqgw.Int8 && to.Base() != fqgw.Int8 {
		return false // it may not fit
	}
	return keyClass(from) == keyClass(to)
}

// keyValue is e as a value of a join key of type t; ok is false when `key = e`
// is no equality of entity keys.
func keyValue(e fqgw.Expr, t fqgw.Type) (fqgw.Expr, bool) {
	from := e.Type()
	if from != fqgw.Unknown && keyClass(from) == keyClass(t) {
		return e, true
	}
	switch from.Base() {
	case fqgw.Unknown, fqgw.BPChar:
	case fqgw.Numeric:
		return e, keyClass(t) == fqgw.Int8 // compared as it is: 2.5 is no integer, and no NULL
	case fqgw.Date:
		if t.Base() != fqgw.Timestamp && t.Base() != fqgw.Timestamptz {
			return nil, false
		}
	case fqgw.Timestamp:
		if t.Base() != fqgw.Timestamptz {
			return nil, false
		}
	default:
		return nil, false
	}
	c, err := expr.Cast(e, t.Base(), expr.Implicit)
	return c, err == nil
}
