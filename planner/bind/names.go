package bind

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// ColumnName is the name that PostgreSQL gives an unnamed output column.
func ColumnName(n *pg.Node) string {
	if name, strength := figureName(n); strength > 0 {
		return name
	}
	return "?column?"
}

// figureName follows FigureColnameInternal: 2 is a name that comes from the
// expression itself, 1 one that is only better than nothing, 0 none.
func figureName(n *pg.Node) (name string, strength int) {
	if n == nil {
		return "", 0
	}
	switch n := n.Node.(type) {
	case *pg.Node_ColumnRef:
		for _, f := range n.ColumnRef.Fields {
			if s := f.GetString_(); s != nil {
				name, strength = s.Sval, 2
			}
		}
		return name, strength
	case *pg.Node_AIndirection:
		for _, f := range n.AIndirection.Indirection {
			if s := f.GetString_(); s != nil {
				name, strength = s.Sval, 2
			}
		}
		if strength > 0 {
			return name, strength
		}
		return figureName(n.AIndirection.Arg)
	case *pg.Node_FuncCall:
		return lastName(n.FuncCall.Funcname), 2
	case *pg.Node_AExpr:
		if n.AExpr.Kind == pg.A_Expr_Kind_AEXPR_NULLIF {
			return "nullif", 2
		}
	case *pg.Node_TypeCast:
		if name, strength = figureName(n.TypeCast.Arg); strength <= 1 && n.TypeCast.TypeName != nil {
			return lastName(n.TypeCast.TypeName.Names), 1
		}
		return name, strength
	case *pg.Node_CollateClause:
		return figureName(n.CollateClause.Arg)
	case *pg.Node_GroupingFunc:
		return "grouping", 2
	case *pg.Node_SubLink:
		return sublinkName(n.SubLink)
	case *pg.Node_CaseExpr:
		if name, strength = figureName(n.CaseExpr.Defresult); strength <= 1 {
			return "case", 1
		}
		return name, strength
	case *pg.Node_AArrayExpr:
		return "array", 2
	case *pg.Node_RowExpr:
		return "row", 2
	case *pg.Node_CoalesceExpr:
		return "coalesce", 2
	case *pg.Node_MinMaxExpr:
		if n.MinMaxExpr.Op == pg.MinMaxOp_IS_GREATEST {
			return "greatest", 2
		}
		return "least", 2
	case *pg.Node_SqlvalueFunction:
		return valueFunction(n.SqlvalueFunction.Op), 2
	}
	return "", 0
}

func sublinkName(s *pg.SubLink) (string, int) {
	switch s.SubLinkType {
	case pg.SubLinkType_EXISTS_SUBLINK:
		return "exists", 2
	case pg.SubLinkType_ARRAY_SUBLINK:
		return "array", 2
	case pg.SubLinkType_EXPR_SUBLINK:
		sel := s.Subselect.GetSelectStmt()
		for sel != nil && sel.Larg != nil {
			sel = sel.Larg
		}
		if sel == nil || len(sel.TargetList) == 0 {
			return "", 0
		}
		t := sel.TargetList[0].GetResTarget()
		if t.Name != "" {
			return t.Name, 2
		}
		return ColumnName(t.Val), 2
	}
	return "", 0
}

// valueFunction is the name of a function that SQL writes as a keyword.
func valueFunction(op pg.SQLValueFunctionOp) string {
	name := strings.TrimPrefix(op.String(), "SVFOP_")
	return strings.ToLower(strings.TrimSuffix(name, "_N"))
}

// lastName is the last part of a possibly qualified name.
func lastName(names []*pg.Node) string {
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1].GetString_().GetSval()
}

// strs are the parts of a qualified name.
func strs(names []*pg.Node) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, n.GetString_().GetSval())
	}
	return out
}
