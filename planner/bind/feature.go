package bind

import (
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// feature is a FROM item that is a feature view, or a feature service, or a bare
// projection of one in a subquery, WITH query or view (SEMANTICS §4.2): what can
// be joined by its entity.
type feature struct {
	view    *fqgw.FeatureView
	service *service   // instead of view
	plain   *fqgw.View // the service's definition
	name    string
	schema  string
	loc     int32
	cols    []featureColumn
	keys    []fqgw.Type
	keyName []string
	row     []string // as in relation
	// times binds its AS OF as seen from the row that it is joined to; nil: it has none.
	times func(row *Scope) (*times, error)
}

// featureColumn is a column of a feature: the column of the view (of the
// service) that it shows, and the join key that it is, or -1.
type featureColumn struct {
	name    string
	of, key int
	typ     fqgw.Type
}

// feature recognizes a FROM item that is one; nil when it is something else.
// lat gives the names of WITH queries.
func (b *Binder) feature(n *pg.Node, lat *Scope) (*feature, error) {
	switch x := n.Node.(type) {
	case *pg.Node_RangeVar:
		return b.featureNamed(x.RangeVar, nil, lat)
	case *pg.Node_RangeTableSample:
		if s := x.RangeTableSample; len(s.Args) > 0 && s.Relation.GetRangeVar() != nil {
			return b.featureNamed(s.Relation.GetRangeVar(), s.Args, lat)
		}
	case *pg.Node_RangeFunction:
		return b.featureFunction(x.RangeFunction, lat)
	case *pg.Node_RangeSubselect:
		ft, err := b.bare(x.RangeSubselect.Subquery.GetSelectStmt(), lat)
		if err != nil || ft == nil {
			return nil, err
		}
		if !x.RangeSubselect.Lateral {
			ft.hideRow()
		}
		ft.name, ft.schema = "", ""
		return ft, b.aliasFeature(ft, x.RangeSubselect.Alias)
	}
	return nil, nil
}

func (b *Binder) featureNamed(rv *pg.RangeVar, asOf []*pg.Node, lat *Scope) (*feature, error) {
	n, err := b.resolve(rv, lat)
	if err != nil {
		return nil, err
	}
	var ft *feature
	switch {
	case n.feature != nil:
		ft = viewFeature(n.feature)
	case n.view != nil:
		in, sel, err := b.viewText(n.view, rv.Location)
		if err != nil {
			return nil, err
		}
		if n.view.Service {
			ft, err = in.serviceFeature(n.view, sel)
		} else if ft, err = in.bare(sel, &Scope{}); ft != nil {
			ft.hideNames()
			for i := range ft.cols {
				if i < len(n.view.Columns) {
					ft.cols[i].name = n.view.Columns[i].Name
				}
			}
		}
		if err != nil {
			return nil, b.inView(err, n.view, rv.Location)
		}
	case n.cte != nil && !n.cte.self && !n.cte.busy:
		c := n.cte
		if ft, err = b.bare(c.node.Ctequery.GetSelectStmt(), c.scope); err != nil || ft == nil {
			return nil, err
		}
		ft.namesFrom(c.scope)
		ft.name = rv.Relname
		if err := b.aliasFeature(ft, &pg.Alias{Aliasname: rv.Relname, Colnames: c.node.Aliascolnames}); err != nil {
			return nil, err
		}
	}
	if ft == nil {
		return nil, nil
	}
	ft.name, ft.loc = rv.Relname, rv.Location
	switch {
	case n.view != nil:
		ft.schema = n.view.Qualified().Schema
	case n.feature != nil:
		ft.schema = n.feature.Qualified().Schema
	}
	if len(asOf) > 0 && ft.times == nil {
		ft.times = func(row *Scope) (*times, error) { return b.timesOf(asOf, row) }
	}
	if n.cte == nil && len(rv.Alias.GetColnames()) > 0 {
		for _, c := range ft.cols {
			ft.row = append(ft.row, c.name)
		}
	}
	return ft, b.aliasFeature(ft, rv.Alias)
}

// featureOf is a feature view named in FROM.
func (b *Binder) featureOf(v *fqgw.FeatureView, rv *pg.RangeVar, asOf []*pg.Node) *feature {
	ft := viewFeature(v)
	ft.name, ft.schema, ft.loc = rv.Relname, v.Qualified().Schema, rv.Location
	if len(asOf) > 0 {
		ft.times = func(row *Scope) (*times, error) { return b.timesOf(asOf, row) }
	}
	return ft
}

func viewFeature(v *fqgw.FeatureView) *feature {
	ft := &feature{view: v}
	for _, k := range v.Keys {
		ft.keys, ft.keyName = append(ft.keys, k.Type), append(ft.keyName, k.Name)
	}
	for i, c := range v.Columns {
		ft.cols = append(ft.cols, featureColumn{name: c.Name, of: i, key: c.Key, typ: v.OutputType(i)})
	}
	return ft
}

// featureFunction recognizes as_of('view', at [, known]) in FROM.
func (b *Binder) featureFunction(x *pg.RangeFunction, lat *Scope) (*feature, error) {
	if len(x.Functions) != 1 || x.Ordinality {
		return nil, nil
	}
	f := x.Functions[0].GetList().GetItems()[0].GetFuncCall()
	if f == nil || lastName(f.Funcname) != "as_of" {
		return nil, nil
	}
	if name, err := b.functionName(f.Funcname, f.Location); err != nil || name != "as_of" {
		return nil, err
	}
	var name string
	if len(f.Args) > 0 {
		name = f.Args[0].GetAConst().GetSval().GetSval()
	}
	if name == "" || len(f.Args) < 2 || len(f.Args) > 3 {
		return nil, b.fail(f.Location, fqgw.CodeUndefinedFunction, "as_of() takes the name of a feature view, a time, and the time it is known at").
			WithHint("Write as_of('view', time) or as_of('view', time, known_at).")
	}
	rv := &pg.RangeVar{Relname: name, Location: f.Args[0].GetAConst().Location}
	if schema, rel, ok := strings.Cut(name, "."); ok {
		rv.Schemaname, rv.Relname = schema, rel
	}
	ft, err := b.featureNamed(rv, f.Args[1:], lat)
	if err != nil {
		return nil, err
	}
	if ft == nil {
		return nil, b.fail(rv.Location, fqgw.CodeWrongObjectType, "%q is not a feature view", name)
	}
	return ft, b.aliasFeature(ft, x.Alias)
}

// bare recognizes SELECT of plain columns over one feature and nothing else.
func (b *Binder) bare(s *pg.SelectStmt, lat *Scope) (*feature, error) {
	if s == nil || len(s.FromClause) != 1 || s.WithClause != nil || len(s.DistinctClause) > 0 || s.WhereClause != nil ||
		len(s.GroupClause) > 0 || s.HavingClause != nil || len(s.WindowClause) > 0 || len(s.SortClause) > 0 ||
		s.LimitCount != nil || s.LimitOffset != nil || s.IntoClause != nil || len(s.LockingClause) > 0 || s.Larg != nil {
		return nil, nil
	}
	for _, n := range s.TargetList {
		if n.GetResTarget().GetVal().GetColumnRef() == nil {
			return nil, nil
		}
	}
	ft, err := b.feature(s.FromClause[0], lat)
	if err != nil || ft == nil {
		return nil, err
	}
	var cols []featureColumn
	for _, n := range s.TargetList {
		t := n.GetResTarget()
		if q, star := isStar(t.Val); star {
			if len(q) > 0 && lastName(q) != ft.name {
				return nil, nil
			}
			cols = append(cols, ft.cols...)
			continue
		}
		names := strs(t.Val.GetColumnRef().Fields)
		if len(names) > 1 && names[len(names)-2] != ft.name {
			return nil, nil
		}
		hits := 0
		for _, c := range ft.cols {
			if c.name == names[len(names)-1] {
				if t.Name != "" {
					c.name = t.Name
				}
				cols = append(cols, c)
				hits++
			}
		}
		if hits != 1 {
			return nil, nil
		}
	}
	ft.cols, ft.row = cols, nil
	return ft, nil
}

func (b *Binder) aliasFeature(ft *feature, a *pg.Alias) error {
	if a == nil {
		return nil
	}
	ft.name, ft.schema = a.Aliasname, ""
	if len(a.Colnames) > len(ft.cols) {
		return b.fail(ft.loc, fqgw.CodeInvalidColumnRef, "table %q has %d columns available but %d columns specified", ft.name, len(ft.cols), len(a.Colnames))
	}
	ft.cols = append([]featureColumn(nil), ft.cols...)
	for i, name := range strs(a.Colnames) {
		ft.cols[i].name = name
	}
	return nil
}

// over changes the scope in which the AS OF is bound; it stays at the same depth.
func (ft *feature) over(scope func(row *Scope) *Scope) {
	if inner := ft.times; inner != nil {
		ft.times = func(row *Scope) (*times, error) { return inner(scope(row)) }
	}
}

// hideRow: from a subquery without LATERAL the row to the left cannot be named.
func (ft *feature) hideRow() {
	ft.over(func(row *Scope) *Scope {
		return &Scope{parent: row.parent, site: row.site, depth: row.depth, closed: true}
	})
}

// hideNames: in the text of a view there are only its own names.
func (ft *feature) hideNames() {
	ft.over(func(row *Scope) *Scope { return &Scope{site: row.site, depth: row.depth} })
}

// namesFrom: a WITH query sees the names of where it was written.
func (ft *feature) namesFrom(sc *Scope) {
	ft.over(func(row *Scope) *Scope { return &Scope{parent: sc, site: row.site, depth: row.depth} })
}

// timesAt gives AS OF and KNOWN AT over a row: the feature's own, else the one
// that reaches it from outside.
func (ft *feature) timesAt(row *Scope) (at, known fqgw.Expr, err error) {
	t := row.asOf()
	if ft.times != nil {
		if t, err = ft.times(row); err != nil {
			return nil, nil, err
		}
	}
	at, known = t.in(row)
	return at, known, nil
}

// relation makes the names of a feature view's outputs, which stand behind the
// first width columns of a row, and the outputs: those that the query mentions.
func (ft *feature) relation(m *mentions, width int) (*relation, []fqgw.Output, []plan.Column) {
	return ft.relationOver(m, width, nil)
}

// relationOver is relation where the join keys stand already in the row, at
// these places (-1: not).
func (ft *feature) relationOver(m *mentions, width int, keys []int) (*relation, []fqgw.Output, []plan.Column) {
	v := ft.view
	rel := &relation{name: ft.name, table: ft.name, schema: ft.schema, loc: ft.loc, view: v, row: ft.row}
	var outs []fqgw.Output
	var cols []plan.Column
	for _, c := range ft.cols {
		rc := relColumn{name: c.name, index: -1, typ: c.typ}
		if c.key >= 0 && keys != nil && keys[c.key] >= 0 {
			rc.index = keys[c.key]
		} else if m.needs(ft.name, c.name) {
			rc.index = width + len(outs)
			o := fqgw.Output{Kind: fqgw.OutFeature, Index: v.Columns[c.of].Feature}
			if c.key >= 0 {
				o = fqgw.Output{Kind: fqgw.OutKey, Index: c.key}
			}
			outs = append(outs, o)
			cols = append(cols, plan.Column{Name: c.name, Type: c.typ, Rel: v.OID, Att: int16(c.of + 1)})
		}
		rel.cols = append(rel.cols, rc)
	}
	for _, p := range m.probes {
		if !m.asks(p, ft.name) || rel.extra(p) >= 0 {
			continue
		}
		o, typ := fqgw.Output{Kind: fqgw.OutToken}, fqgw.Text
		if p.kind != "feature_token" {
			i := ft.column(p.col)
			if i < 0 || ft.cols[i].key >= 0 {
				continue
			}
			o = fqgw.Output{Kind: fqgw.OutStatus, Index: v.Columns[ft.cols[i].of].Feature}
			if p.kind == "feature_time" {
				o.Kind, typ = fqgw.OutTime, fqgw.Timestamptz
			}
		}
		rel.extras = append(rel.extras, extra{kind: p.kind, column: p.col, index: width + len(outs)})
		outs = append(outs, o)
		cols = append(cols, plan.Column{Name: p.kind, Type: typ})
	}
	return rel, outs, cols
}

// column is the index of the named column, -1 when there is none.
func (ft *feature) column(name string) int {
	for i, c := range ft.cols {
		if c.name == name {
			return i
		}
	}
	return -1
}

// extra is the index of what answers p, -1 when nothing does.
func (r *relation) extra(p probe) int {
	for i, e := range r.extras {
		if e.kind == p.kind && e.column == p.col {
			return i
		}
	}
	return -1
}

// featureScan binds a feature that stands alone, or that is joined otherwise
// than by its keys.
func (b *Binder) featureScan(ft *feature, lat *Scope, blk *block) (*from, error) {
	row := lat.inner()
	row.joined = true
	if ft.view == nil {
		return b.serviceScan(ft, row, lat, blk)
	}
	at, known, err := ft.timesAt(row)
	if err != nil {
		return nil, err
	}
	rel, outs, cols := ft.relation(blk.mention, 0)
	scan := &plan.FeatureScan{View: ft.view, At: at, Known: known, Outputs: outs, Cols: cols, Compiled: new(plan.Compiled)}
	if len(ft.keys) == 0 {
		scan.Keys = [][]fqgw.Expr{{}} // a view of global windows has one row
	}
	return &from{node: scan, rels: []*relation{rel}}, nil
}

// serviceScan binds a service that stands alone: its text, as plain SQL, and what
// is asked of its columns besides.
func (b *Binder) serviceScan(ft *feature, row, lat *Scope, blk *block) (*from, error) {
	var t *times
	if ft.times != nil {
		var err error
		if t, err = ft.times(row); err != nil {
			return nil, err
		}
	}
	rel := &relation{name: ft.name, table: ft.name, schema: ft.schema, loc: ft.loc, row: ft.row}
	for _, c := range ft.cols {
		rel.cols = append(rel.cols, relColumn{name: c.name, index: c.of, typ: c.typ})
	}
	var asked []*pg.Node
	for _, p := range blk.mention.probes {
		if i := ft.column(p.col); i >= 0 && blk.mention.asks(p, ft.name) && rel.extra(p) < 0 {
			if n := ft.service.probed(p.kind, ft.cols[i]); n != nil {
				rel.extras = append(rel.extras, extra{kind: p.kind, column: p.col, index: len(ft.service.targets) + len(asked)})
				asked = append(asked, n)
			}
		}
	}
	node, _, err := b.viewNode(ft.plain, lat, t, ft.loc, asked...)
	if err != nil {
		return nil, err
	}
	return &from{node: node, rels: []*relation{rel}}, nil
}

// probedFeature binds a FROM item of whose columns feature_status() or its kin is
// asked, where a feature is behind it; nil: another item.
func (b *Binder) probedFeature(n *pg.Node, lat *Scope, blk *block) (*from, error) {
	if blk == nil || blk.mention == nil || len(blk.mention.probes) == 0 || n.GetJoinExpr() != nil {
		return nil, nil
	}
	ft, err := b.feature(n, lat)
	if err != nil || ft == nil {
		return nil, err
	}
	return b.featureScan(ft, lat, blk)
}
