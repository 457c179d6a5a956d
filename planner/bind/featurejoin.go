package bind

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
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
		own := func(e fqgw.Expr) bool { return plan.Reads(e, plan.AnyColumn) }
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
	if q.several() {
		return &from{node: q.severalJoin(spine, at, known, left, on, outs, cols)}, nil
	}
	if left && len(outs) == 0 {
		return &from{node: spine.node}, nil // exactly the spine's rows, and nothing is shown of the view
	}
	return &from{node: pushdown.Feature(&plan.FeatureJoin{Input: spine.node, View: q.ft.view, Keys: q.keys, At: at, Known: known, Left: left, On: on,
		Outputs: outs, Cols: append(slices.Clone(spine.node.Columns()), cols...), Compiled: new(plan.Compiled)})}, nil
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
		if !q.take(own, &expr.Column{Index: other.index, Typ: other.typ, Name: other.name}, own.typ) {
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

// equalities splits a condition at AND, and (a, b) = (c, d) into a = c AND b = d;
// a IN (b) is a = b.
func equalities(n *pg.Node) []*pg.Node {
	var out []*pg.Node
	for _, c := range conjuncts(n) {
		x := c.GetAExpr()
		if items := x.GetRexpr().GetList().GetItems(); x.GetKind() == pg.A_Expr_Kind_AEXPR_IN && lastName(x.Name) == "=" && len(items) == 1 {
			x = &pg.A_Expr{Kind: pg.A_Expr_Kind_AEXPR_OP, Name: x.Name, Lexpr: x.Lexpr, Rexpr: items[0], Location: x.Location}
			c = &pg.Node{Node: &pg.Node_AExpr{AExpr: x}}
		}
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

// equates says whether a condition is a = b.
func equates(n *pg.Node) bool {
	x := n.GetAExpr()
	return x != nil && x.Kind == pg.A_Expr_Kind_AEXPR_OP && lastName(x.Name) == "=" && x.Lexpr != nil
}

// equate takes `key = expression over the spine`, either way round.
func (q *equating) equate(n *pg.Node, on *Scope) bool {
	if !equates(n) {
		return false
	}
	x := n.GetAExpr()
	for _, side := range [][2]*pg.Node{{x.Lexpr, x.Rexpr}, {x.Rexpr, x.Lexpr}} {
		own, seen := q.keyColumn(side[0], on)
		if own == nil {
			continue
		}
		sc := q.lat.inner(q.spine...)
		sc.closed = true
		e, err := q.b.bind(side[1], &clause{sc: sc, name: "JOIN conditions"})
		if err == nil && q.take(own, e, seen) {
			return true
		}
	}
	return false
}

// take makes e the value of the key that column own shows, seen as a type, if =
// tells the keys that equal it. The same value twice is one.
func (q *equating) take(own *relColumn, e fqgw.Expr, seen fqgw.Type) bool {
	for i := range q.rel.cols {
		if &q.rel.cols[i] != own || i >= len(q.ft.cols) {
			continue
		}
		k := q.ft.cols[i].key
		if k < 0 {
			return false
		}
		e, ok := expr.KeyOperand(e, q.ft.keys[k], seen)
		switch {
		case !ok:
			return false
		case q.keys[k] == nil:
			q.keys[k] = e
			return true
		}
		return !expr.Volatile(e) && sameKeyValue(q.keys[k], e)
	}
	return false
}

// sameKeyValue says whether two expressions are the same value of a join key.
func sameKeyValue(a, b fqgw.Expr) bool {
	bare := func(e fqgw.Expr) fqgw.Expr {
		for {
			c, ok := e.(*expr.Conversion)
			if !ok || c.To.Mod >= 0 || !expr.KeySeenAs(c.Arg.Type(), c.To) || !expr.SameKeys(c.Arg.Type(), c.To) {
				return e
			}
			e = c.Arg
		}
	}
	return expr.Equal(bare(a), bare(b))
}

// keyColumn is the feature's column that an expression names, also under a cast
// that still tells the key, and the type as which it stands there.
func (q *equating) keyColumn(n *pg.Node, on *Scope) (own *relColumn, seen fqgw.Type) {
	if c := n.GetTypeCast(); c != nil {
		own, seen := q.keyColumn(c.Arg, on)
		if own == nil {
			return nil, seen
		}
		to, err := q.b.TypeName(c.TypeName)
		if err != nil || to.Mod >= 0 || !expr.KeySeenAs(seen, to) {
			return nil, seen
		}
		return own, to
	}
	ref := n.GetColumnRef()
	if ref == nil {
		return nil, seen
	}
	if _, star := isStar(n); star {
		return nil, seen
	}
	f, err := q.b.lookup(strs(ref.Fields), on)
	if err != nil || f == nil || f.rel != q.rel {
		return nil, seen
	}
	return f.col, f.col.typ
}
