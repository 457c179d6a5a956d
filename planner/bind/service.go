package bind

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// service is a feature service taken apart: feature views joined on their keys,
// and expressions over them (SEMANTICS §5).
type service struct {
	text    *Binder // binds what the view's text says
	def     *fqgw.View
	members []*member
	targets []serviceTarget
	class   map[memberKey]int // the service's join key that a member's key equals
}

// member is one feature view of a service.
type member struct {
	ft    *feature
	outer bool // joined by LEFT JOIN; the first is not
}

type memberKey struct{ member, key int }

// serviceTarget is an output of a service; from is the member's column that it
// shows unchanged, if any.
type serviceTarget struct {
	name         string
	node         *pg.Node
	member, from int // -1: computed
}

// serviceFeature takes the text of a service apart. nil when it is not of that
// form: then it is a plain view.
func (b *Binder) serviceFeature(v *fqgw.View, sel *pg.SelectStmt) (*feature, error) {
	if len(sel.FromClause) != 1 || sel.WithClause != nil || len(sel.DistinctClause) > 0 || sel.WhereClause != nil || len(sel.GroupClause) > 0 ||
		sel.HavingClause != nil || len(sel.SortClause) > 0 || sel.LimitCount != nil || sel.LimitOffset != nil || sel.Larg != nil {
		return nil, nil
	}
	s := &service{text: b, def: v, class: map[memberKey]int{}}
	equal := [][2]memberKey{}
	all, ok, err := s.flatten(sel.FromClause[0], &equal)
	if err != nil || !ok {
		return nil, err
	}
	s.expand(sel.TargetList, all)
	// Keys that are equated are one class; a class that an output shows is a join key.
	root := map[memberKey]memberKey{}
	var find func(memberKey) memberKey
	find = func(k memberKey) memberKey {
		if r, ok := root[k]; ok && r != k {
			return find(r)
		}
		return k
	}
	for _, e := range equal {
		root[find(e[0])] = find(e[1])
	}
	ft := &feature{service: s, plain: v, name: v.Name}
	shown := map[memberKey]int{}
	for i, t := range s.targets {
		c := featureColumn{name: t.name, of: i, key: -1}
		if t.member >= 0 {
			m := s.members[t.member].ft
			if k := m.cols[t.from].key; k >= 0 {
				r := find(memberKey{t.member, k})
				n, ok := shown[r]
				if !ok {
					n = len(ft.keys)
					shown[r] = n
					ft.keys, ft.keyName = append(ft.keys, m.keys[k]), append(ft.keyName, t.name)
				}
				c.key = n
			}
		}
		ft.cols = append(ft.cols, c)
	}
	for i, m := range s.members {
		for k := range m.ft.keys {
			n, ok := shown[find(memberKey{i, k})]
			if !ok || expr.ManyKeys(m.ft.keys[k], ft.keys[n]) {
				return nil, nil
			}
			s.class[memberKey{i, k}] = n
		}
	}
	return ft, s.types(ft, sel)
}

// types gives the outputs the types of the view's columns.
func (s *service) types(ft *feature, sel *pg.SelectStmt) error {
	types := make([]fqgw.Type, 0, len(ft.cols))
	for _, c := range s.def.Columns {
		types = append(types, c.Type)
	}
	if len(types) != len(ft.cols) {
		q, err := s.text.query(sel, &Scope{rowless: true}, nil, false)
		if err != nil {
			return err
		}
		types = types[:0]
		for _, c := range q.node.Columns() {
			types = append(types, c.Type)
		}
	}
	for i := range ft.cols {
		ft.cols[i].typ = types[i]
		if i < len(s.def.Columns) {
			ft.cols[i].name = s.def.Columns[i].Name
		}
	}
	return nil
}

// flatten collects the members of a join tree and the keys that it equates; all
// are the columns that * stands for, as member and column.
func (s *service) flatten(n *pg.Node, equal *[][2]memberKey) (all [][2]int, ok bool, err error) {
	j := n.GetJoinExpr()
	if j == nil {
		ft, err := s.text.feature(n, &Scope{})
		if err != nil || ft == nil || ft.view == nil || ft.times != nil {
			return nil, false, err
		}
		for c := range ft.cols {
			all = append(all, [2]int{len(s.members), c})
		}
		s.members = append(s.members, &member{ft: ft})
		return all, true, nil
	}
	kind := joinKind(j)
	if kind != plan.Inner && kind != plan.LeftOuter || j.IsNatural || j.Alias != nil || j.Rarg.GetJoinExpr() != nil {
		return nil, false, nil
	}
	var merged [][2]int
	for _, side := range []*pg.Node{j.Larg, j.Rarg} {
		cols, ok, err := s.flatten(side, equal)
		if err != nil || !ok {
			return nil, false, err
		}
		all = append(all, cols...)
	}
	at := len(s.members) - 1
	m := s.members[at]
	m.outer = kind == plan.LeftOuter
	done := map[int]memberKey{}
	equate := func(own int, other memberKey) bool {
		if was, twice := done[own]; twice {
			return was == other // the same equality twice is one
		}
		done[own] = other
		*equal = append(*equal, [2]memberKey{{at, own}, other})
		return true
	}
	for _, c := range equalities(j.Quals) {
		if !equates(c) {
			return nil, false, nil
		}
		x := c.GetAExpr()
		own, other := x.Lexpr, x.Rexpr
		i, k, ok := s.key(own)
		if !ok || i != at {
			own, other = other, own
			i, k, ok = s.key(own)
		}
		oi, ko, found := s.key(other)
		if !ok || i != at || !found || oi == at || !equate(k, memberKey{oi, ko}) {
			return nil, false, nil
		}
	}
	for _, name := range strs(j.UsingClause) {
		k := m.ft.column(name)
		oi, ko, found := s.key(refNode("", name))
		if k < 0 || m.ft.cols[k].key < 0 || !found || oi == at || !equate(m.ft.cols[k].key, memberKey{oi, ko}) {
			return nil, false, nil
		}
		named := func(c [2]int) bool { return s.members[c[0]].ft.cols[c[1]].name == name }
		merged = append(merged, all[slices.IndexFunc(all, named)])
		all = slices.DeleteFunc(all, named)
	}
	return append(merged, all...), len(done) == len(m.ft.keys), nil
}

// key is the member's join key that an expression names.
func (s *service) key(n *pg.Node) (member, key int, ok bool) {
	i, c := s.column(n)
	if i < 0 || s.members[i].ft.cols[c].key < 0 {
		return 0, 0, false
	}
	return i, s.members[i].ft.cols[c].key, true
}

// column is the member's column that a reference names: of the first member that
// has it, for the names that USING merges. -1 when n is none.
func (s *service) column(n *pg.Node) (member, column int) {
	ref := n.GetColumnRef()
	if ref == nil {
		return -1, -1
	}
	if _, star := isStar(n); star {
		return -1, -1
	}
	names := strs(ref.Fields)
	for i, m := range s.members {
		if len(names) > 1 && m.ft.name != names[len(names)-2] {
			continue
		}
		if c := m.ft.column(names[len(names)-1]); c >= 0 {
			return i, c
		}
	}
	return -1, -1
}

// expand lists the outputs; all are those of *.
func (s *service) expand(list []*pg.Node, all [][2]int) {
	for _, n := range list {
		t := n.GetResTarget()
		q, star := isStar(t.Val)
		if !star {
			name := t.Name
			if name == "" {
				name = ColumnName(t.Val)
			}
			i, c := s.column(t.Val)
			s.targets = append(s.targets, serviceTarget{name, t.Val, i, c})
			continue
		}
		cols := all
		if len(q) > 0 { // of one view, also what USING merged
			cols = nil
			for i, m := range s.members {
				for c := range m.ft.cols {
					if m.ft.name == lastName(q) {
						cols = append(cols, [2]int{i, c})
					}
				}
			}
		}
		for _, c := range cols {
			ft := s.members[c[0]].ft
			s.targets = append(s.targets, serviceTarget{ft.cols[c[1]].name, refNode(ft.name, ft.cols[c[1]].name), c[0], c[1]})
		}
	}
}

// relation is what names the service's columns behind a spine of that width.
func (s *service) relation(ft *feature, m *mentions, width int) *relation {
	rel := &relation{name: ft.name, table: ft.name, schema: ft.schema, loc: ft.loc, row: ft.row}
	n := width
	for _, c := range ft.cols {
		rc := relColumn{name: c.name, index: -1, typ: c.typ}
		if m.needs(ft.name, c.name) {
			rc.index = n
			n++
		}
		rel.cols = append(rel.cols, rc)
	}
	for _, p := range m.probes {
		if i := ft.column(p.col); i >= 0 && m.asks(p, ft.name) && rel.extra(p) < 0 {
			if s.probed(p.kind, ft.cols[i]) != nil {
				rel.extras = append(rel.extras, extra{kind: p.kind, column: p.col, index: n})
				n++
			}
		}
	}
	return rel
}

// serviceJoin evaluates each feature view of a service by itself for the keys
// of a spine's row (SEMANTICS §5), then the expressions. Joined by LEFT JOIN, no
// missing row of one view makes another vanish, and the keys are shown where one
// of the views has a row.
func (b *Binder) serviceJoin(spine *from, q *equating, at, known fqgw.Expr, left bool, on fqgw.Expr, m *mentions) (plan.Node, error) {
	s, width := q.ft.service, spine.width()
	b.routed(q.ft.viewName(), true)
	node, keys, own := spine.node, q.keys, []fqgw.Expr(nil)
	several := q.several()
	for i, k := range q.keys {
		if several || !isKey(k.Type(), q.ft.keys[i]) {
			node, keys, own = entities(spine.node, q.keys, q.ft.keys)
			break
		}
	}
	node, keys, err := serviceKeys(node, keys, at, known)
	if err != nil {
		return nil, err
	}
	if own == nil {
		own = keys
	}
	inner := mentioned(&pg.SelectStmt{TargetList: s.used(q)})
	shown := left && s.readsKey(q, on, m)
	sc := &Scope{site: q.lat, depth: q.lat.depth + 1}
	var found []fqgw.Expr // of each view, a key that is NULL where it has no row
	for i, mem := range s.members {
		vals, places := make([]fqgw.Expr, len(mem.ft.keys)), make([]int, len(mem.ft.keys))
		for k := range vals {
			vals[k] = keys[s.class[memberKey{i, k}]]
			places[k] = vals[k].(*expr.Column).Index
		}
		rel, outs, cols := mem.ft.relationOver(inner, len(node.Columns()), places)
		sc.rels = append(sc.rels, rel)
		if len(vals) > 0 && (shown || left && several) {
			found = append(found, &expr.Column{Index: len(node.Columns()) + len(outs), Typ: mem.ft.keys[0], Name: "found"})
			outs, cols = append(outs, fqgw.Output{Kind: fqgw.OutKey}), append(cols, plan.Column{Name: "found", Type: mem.ft.keys[0]})
		}
		outer := left || mem.outer
		if outer && len(outs) == 0 {
			continue
		}
		node = &plan.FeatureJoin{Input: node, View: mem.ft.view, Keys: vals, At: at, Known: known, Left: outer,
			Outputs: outs, Cols: append(slices.Clone(node.Columns()), cols...), Compiled: new(plan.Compiled)}
	}
	if shown && len(found) > 0 {
		if node, err = s.showKeys(node, own, sc.rels, anyNotNull(found)); err != nil {
			return nil, err
		}
	}
	p, rejected, err := b.serviceOutputs(spine, q, node, sc, left, keys)
	if err != nil {
		return nil, err
	}
	if left && several {
		return settle(p, &expr.Column{Index: width, Typ: fqgw.Int8, Name: "row"}, found, width, on, rejected), nil
	}
	return serviceOn(p, width, left, on, rejected)
}

// used are the outputs of a service that a query names, as its text has them.
func (s *service) used(q *equating) []*pg.Node {
	var out []*pg.Node
	for i, c := range q.rel.cols {
		if c.index >= 0 {
			out = append(out, s.targets[q.ft.cols[i].of].node)
		}
	}
	for _, e := range q.rel.extras {
		out = append(out, s.probed(e.kind, q.ft.cols[q.ft.column(e.column)]))
	}
	return out
}

// readsKey says whether a query reads one of the join keys, by itself or in an
// on-demand feature.
func (s *service) readsKey(q *equating, on fqgw.Expr, m *mentions) bool {
	for i, c := range q.rel.cols {
		switch fc := q.ft.cols[i]; {
		case c.index < 0:
		case fc.key >= 0:
			if m.reads(q.ft.name, c.name) || plan.Reads(on, func(col int) bool { return col == c.index }) {
				return true
			}
		case s.ofKey(fc):
			return true
		}
	}
	return slices.ContainsFunc(q.rel.extras, func(e extra) bool { return s.ofKey(q.ft.cols[q.ft.column(e.column)]) })
}

// ofKey says whether a column is computed of a join key.
func (s *service) ofKey(c featureColumn) bool {
	t, hit := s.targets[c.of], false
	var walk func(n *pg.Node)
	walk = func(n *pg.Node) {
		_, _, key := s.key(n)
		hit = hit || key
		children(n, walk)
	}
	walk(t.node)
	return hit
}

// showKeys makes the join keys NULL where no view of the service has a row.
func (s *service) showKeys(node plan.Node, keys []fqgw.Expr, rels []*relation, found fqgw.Expr) (plan.Node, error) {
	p := &plan.Project{Input: node, Exprs: columnsOf(node), Cols: slices.Clone(node.Columns())}
	first := len(p.Exprs)
	for _, k := range keys {
		e, err := expr.Case(nil, []expr.When{{Cond: found, Result: k}}, nil)
		if err != nil {
			return nil, err
		}
		p.Exprs, p.Cols = append(p.Exprs, e), append(p.Cols, plan.Column{Name: "key", Type: e.Type()})
	}
	for i, mem := range s.members {
		for c, col := range mem.ft.cols {
			if col.key >= 0 {
				rels[i].cols[c].index = first + s.class[memberKey{i, col.key}]
			}
		}
	}
	return p, nil
}

// serviceOutputs computes what a query names of a service behind the spine's
// columns, over the joined views, and what stands there in a row that a further
// ON condition rejects.
func (b *Binder) serviceOutputs(spine *from, q *equating, node plan.Node, sc *Scope, left bool, keys []fqgw.Expr) (*plan.Project, []fqgw.Value, error) {
	s := q.ft.service
	p := &plan.Project{Input: node, Exprs: columnsOf(spine.node), Cols: slices.Clone(spine.node.Columns())}
	var rejected []fqgw.Value
	add := func(n *pg.Node, c plan.Column, computed bool, none fqgw.Value) error {
		e, err := s.text.bind(n, &clause{sc: sc, name: "SELECT"})
		if err == nil {
			e, err = expr.Cast(e, c.Type, expr.Assignment)
		}
		if err == nil && left && computed && len(keys) > 0 { // a NULL key gives NULL everywhere
			e, err = whenNotNull(keys[:1], e, none)
		}
		if err != nil {
			return b.inView(err, s.def, q.ft.loc)
		}
		p.Exprs, p.Cols, rejected = append(p.Exprs, e), append(p.Cols, c), append(rejected, none)
		return nil
	}
	for i, c := range q.rel.cols {
		if c.index < 0 {
			continue
		}
		t := s.targets[q.ft.cols[i].of]
		col := plan.Column{Name: c.name, Type: c.typ, Rel: s.def.OID, Att: int16(q.ft.cols[i].of + 1)}
		if err := add(t.node, col, t.member < 0, fqgw.Null); err != nil {
			return nil, nil, err
		}
	}
	for _, x := range q.rel.extras {
		c, col, none := q.ft.cols[q.ft.column(x.column)], plan.Column{Name: x.kind, Type: fqgw.Text}, fqgw.TextValue(fqgw.StatusNotFound.String())
		if x.kind == "feature_time" {
			col.Type, none = fqgw.Timestamptz, fqgw.Null
		}
		if err := add(s.probed(x.kind, c), col, s.targets[c.of].member < 0, none); err != nil {
			return nil, nil, err
		}
	}
	return p, rejected, nil
}

// serviceOn applies the further ON conditions: an inner join drops the row, in a
// left join the service's columns become rejected.
func serviceOn(p *plan.Project, width int, left bool, on fqgw.Expr, rejected []fqgw.Value) (plan.Node, error) {
	if on == nil {
		return p, nil
	}
	if !left {
		return pushdown.Where(p, on), nil
	}
	out := &plan.Project{Input: p, Exprs: columnsOf(p), Cols: p.Cols}
	for i := width; i < len(out.Exprs); i++ {
		none := &expr.Const{Val: rejected[i-width], Typ: out.Exprs[i].Type()}
		e, err := expr.Case(nil, []expr.When{{Cond: on, Result: out.Exprs[i]}}, none)
		if err != nil {
			return nil, err
		}
		out.Exprs[i] = e
	}
	return out, nil
}

// serviceKeys gives the join keys as columns of the spine. Several keys, or a
// time that may be NULL, are NULL together: a partly NULL key is no entity.
func serviceKeys(spine plan.Node, keys []fqgw.Expr, times ...fqgw.Expr) (plan.Node, []fqgw.Expr, error) {
	guards := []fqgw.Expr{}
	for _, k := range keys {
		if c, ok := k.(*expr.Const); !ok || c.Val.IsNull() {
			guards = append(guards, k)
		}
	}
	for _, t := range times {
		if c, ok := t.(*expr.Const); t != nil && (!ok || c.Val.IsNull()) {
			guards = append(guards, t)
		}
	}
	if len(keys) == 0 {
		return spine, nil, nil
	}
	if c, ok := keys[0].(*expr.Column); ok && len(keys) == 1 && len(guards) == 1 && c.Level == 0 {
		return spine, keys, nil
	}
	p := &plan.Project{Input: spine, Exprs: columnsOf(spine), Cols: slices.Clone(spine.Columns())}
	out := make([]fqgw.Expr, len(keys))
	for i, k := range keys {
		others := slices.DeleteFunc(slices.Clone(guards), func(g fqgw.Expr) bool { return g == k })
		e, err := whenNotNull(others, k, fqgw.Null)
		if err != nil {
			return nil, nil, err
		}
		name := "key" + itoa(i+1)
		out[i] = &expr.Column{Index: len(p.Exprs), Typ: e.Type(), Name: name}
		p.Exprs, p.Cols = append(p.Exprs, e), append(p.Cols, plan.Column{Name: name, Type: e.Type()})
	}
	return p, out, nil
}

// whenNotNull is e where none of the others is NULL, else none.
func whenNotNull(others []fqgw.Expr, e fqgw.Expr, none fqgw.Value) (fqgw.Expr, error) {
	if len(others) == 0 {
		return e, nil
	}
	var tests []fqgw.Expr
	for _, o := range others {
		t, err := expr.IsNull(o, true)
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
	}
	cond, err := expr.And(tests...)
	if err != nil {
		return nil, err
	}
	return expr.Case(nil, []expr.When{{Cond: cond, Result: e}}, &expr.Const{Val: none, Typ: e.Type()})
}
