package define

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// isService says whether a view's SELECT is a feature service (SEMANTICS §5): it
// joins feature views on their keys, without WHERE, grouping or anything else
// that removes or makes rows, and shows every join key.
func (d *Definer) isService(sel *pg.SelectStmt) bool {
	if sel == nil || sel.WithClause != nil || sel.Op != pg.SetOperation_SETOP_NONE || len(sel.ValuesLists) > 0 ||
		len(sel.DistinctClause) > 0 || sel.WhereClause != nil || len(sel.GroupClause) > 0 || sel.HavingClause != nil ||
		len(sel.WindowClause) > 0 || len(sel.SortClause) > 0 || sel.LimitCount != nil || sel.LimitOffset != nil ||
		len(sel.LockingClause) > 0 || len(sel.FromClause) != 1 {
		return false
	}
	s := &service{d: d, views: map[string]*fqgw.FeatureView{}, class: map[keyRef]keyRef{}}
	return s.join(sel.FromClause[0]) && s.shown(sel.TargetList)
}

// service is a FROM clause of feature views: which of their keys are equal.
type service struct {
	d     *Definer
	views map[string]*fqgw.FeatureView // by alias
	class map[keyRef]keyRef            // union-find over the keys
	order []string                     // the aliases from left to right
}

type keyRef struct {
	view string
	key  int
}

func (s *service) find(k keyRef) keyRef {
	for s.class[k] != k {
		k = s.class[k]
	}
	return k
}

func (s *service) unite(a, b keyRef) { s.class[s.find(a)] = s.find(b) }

// join reads a FROM item; false when it is not one of a service.
func (s *service) join(n *pg.Node) bool {
	if r := n.GetRangeVar(); r != nil {
		return s.relation(r)
	}
	j := n.GetJoinExpr()
	if j == nil || j.Alias != nil || j.IsNatural || j.JoinUsingAlias != nil {
		return false
	}
	if j.Jointype != pg.JoinType_JOIN_INNER && j.Jointype != pg.JoinType_JOIN_LEFT {
		return false
	}
	if !s.join(j.Larg) {
		return false
	}
	left := len(s.order)
	if j.Rarg.GetRangeVar() == nil || !s.join(j.Rarg) {
		return false
	}
	right := s.order[left]
	bound := map[int]bool{} // the keys of the right side that the condition binds
	if len(j.UsingClause) > 0 {
		for _, name := range words(j.UsingClause) {
			r, ok := s.named([]string{right, name})
			l, found := keyRef{}, false
			for _, alias := range s.order[:left] {
				if k, ok := s.named([]string{alias, name}); ok {
					l, found = k, true
				}
			}
			if !ok || !found {
				return false
			}
			s.unite(l, r)
			bound[r.key] = true
		}
	} else if !s.on(j.Quals, right, bound) {
		return false
	}
	return len(bound) == len(s.views[right].Keys)
}

func (s *service) relation(r *pg.RangeVar) bool {
	var v *fqgw.FeatureView
	if q, err := s.d.relationName(r); err == nil {
		v = s.d.Binder.Catalog.Features[q]
	}
	name := r.Relname
	if a := r.Alias; a != nil {
		name = a.Aliasname
		if len(a.Colnames) > 0 {
			return false
		}
	}
	if v == nil || s.views[name] != nil {
		return false
	}
	s.views[name] = v
	s.order = append(s.order, name)
	for i := range v.Keys {
		k := keyRef{name, i}
		s.class[k] = k
	}
	return true
}

// on reads a condition: equalities of keys, joined by AND.
func (s *service) on(n *pg.Node, right string, bound map[int]bool) bool {
	if b := n.GetBoolExpr(); b != nil && b.Boolop == pg.BoolExprType_AND_EXPR {
		for _, a := range b.Args {
			if !s.on(a, right, bound) {
				return false
			}
		}
		return true
	}
	e := n.GetAExpr()
	if e == nil || e.Kind != pg.A_Expr_Kind_AEXPR_OP || len(e.Name) != 1 || e.Name[0].GetString_().GetSval() != "=" {
		return false
	}
	l, ok1 := s.keyOf(e.Lexpr)
	r, oref := s.keyOf(e.Rexpr)
	if l.view == right {
		l, r = r, l
	}
	if !ok1 || !oref || r.view != right || l.view == right {
		return false
	}
	s.unite(l, r)
	bound[r.key] = true
	return true
}

// keyOf is the join key that a column reference names.
func (s *service) keyOf(n *pg.Node) (keyRef, bool) {
	r := n.GetColumnRef()
	if r == nil {
		return keyRef{}, false
	}
	return s.named(words(r.Fields))
}

func (s *service) named(fields []string) (keyRef, bool) {
	var hit keyRef
	hits := 0 // classes, not columns: USING makes one of two
	for alias, v := range s.views {
		if len(fields) > 1 && fields[len(fields)-2] != alias {
			continue
		}
		for i, k := range v.Keys {
			ref := keyRef{alias, i}
			if k.Name == last(fields) && (hits == 0 || s.find(hit) != s.find(ref)) {
				hit = ref
				hits++
			}
		}
	}
	return hit, hits == 1
}

// shown says whether the SELECT list has every join key as a plain column, and
// nothing that makes one row of several.
func (s *service) shown(list []*pg.Node) bool {
	shown := map[keyRef]bool{}
	for _, n := range list {
		t := n.GetResTarget()
		if k, ok := s.keyOf(t.Val); ok {
			shown[s.find(k)] = true
		}
		if r := t.Val.GetColumnRef(); r != nil && r.Fields[len(r.Fields)-1].GetAStar() != nil {
			qualifier := words(r.Fields)
			for k := range s.class {
				if len(qualifier) == 0 || last(qualifier) == k.view {
					shown[s.find(k)] = true
				}
			}
		}
		plain := true
		visit(t.Val, func(n *pg.Node) bool {
			if c := n.GetFuncCall(); c != nil && (c.Over != nil || c.AggStar || c.AggFilter != nil || isAggregate(last(words(c.Funcname)))) {
				plain = false
			}
			if n.GetSubLink() != nil {
				plain = false
			}
			return plain
		})
		if !plain {
			return false
		}
	}
	for k := range s.class {
		if !shown[s.find(k)] {
			return false
		}
	}
	return true
}
