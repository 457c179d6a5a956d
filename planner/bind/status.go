package bind

import (
	"slices"

	"github.com/fqgw/fqgw"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// worst are the statuses that an on-demand feature has from the features that it
// is computed of, the first that one of them has.
var worst = []fqgw.Status{fqgw.StatusTimeout, fqgw.StatusError, fqgw.StatusNotFound, fqgw.StatusOutsideMaxAge, fqgw.StatusDefault}

// probed is feature_status() or feature_time() of a service's column in the words
// of the service's text: of the feature that it shows, or of those that it is
// computed of. nil for a join key, and for feature_token().
func (s *service) probed(kind string, c featureColumn) *pg.Node {
	if c.key >= 0 || kind == "feature_token" {
		return nil
	}
	t := s.targets[c.of]
	var calls []*pg.Node
	var asked [][2]int
	var walk func(n *pg.Node)
	walk = func(n *pg.Node) {
		if m, col := s.column(n); m >= 0 && s.members[m].ft.cols[col].key < 0 && !slices.Contains(asked, [2]int{m, col}) {
			asked = append(asked, [2]int{m, col})
			ft := s.members[m].ft
			calls = append(calls, callNode(kind, refNode(ft.name, ft.cols[col].name)))
		}
		children(n, walk)
	}
	walk(t.node)
	switch {
	case t.member >= 0:
		return calls[0]
	case kind == "feature_time" && len(calls) == 0:
		return constNode("")
	case kind == "feature_time": // the newest
		return &pg.Node{Node: &pg.Node_MinMaxExpr{MinMaxExpr: &pg.MinMaxExpr{Op: pg.MinMaxOp_IS_GREATEST, Args: calls, Location: -1}}}
	}
	all := &pg.CaseExpr{Location: -1, Defresult: constNode(fqgw.StatusPresent.String())}
	when := func(cond *pg.Node, st fqgw.Status) {
		all.Args = append(all.Args, &pg.Node{Node: &pg.Node_CaseWhen{CaseWhen: &pg.CaseWhen{Expr: cond, Result: constNode(st.String()), Location: -1}}})
	}
	for _, st := range worst {
		if len(calls) == 0 {
			break
		}
		when(&pg.Node{Node: &pg.Node_AExpr{AExpr: &pg.A_Expr{Kind: pg.A_Expr_Kind_AEXPR_IN, Name: []*pg.Node{pg.MakeStrNode("=")}, Lexpr: constNode(st.String()),
			Rexpr: &pg.Node{Node: &pg.Node_List{List: &pg.List{Items: calls}}}, Location: -1}}}, st)
	}
	when(&pg.Node{Node: &pg.Node_NullTest{NullTest: &pg.NullTest{Arg: t.node, Nulltesttype: pg.NullTestType_IS_NULL, Location: -1}}}, fqgw.StatusNull)
	return &pg.Node{Node: &pg.Node_CaseExpr{CaseExpr: all}}
}

func callNode(name string, arg *pg.Node) *pg.Node {
	return &pg.Node{Node: &pg.Node_FuncCall{FuncCall: &pg.FuncCall{Funcname: []*pg.Node{pg.MakeStrNode(name)}, Args: []*pg.Node{arg}, Location: -1}}}
}

func refNode(rel, col string) *pg.Node {
	ref := &pg.ColumnRef{Fields: []*pg.Node{pg.MakeStrNode(col)}, Location: -1}
	if rel != "" {
		ref.Fields = append([]*pg.Node{pg.MakeStrNode(rel)}, ref.Fields...)
	}
	return &pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: ref}}
}

// constNode is a literal; "" is NULL.
func constNode(s string) *pg.Node {
	if s == "" {
		return &pg.Node{Node: &pg.Node_AConst{AConst: &pg.A_Const{Isnull: true, Location: -1}}}
	}
	return pg.MakeAConstStrNode(s, -1)
}
