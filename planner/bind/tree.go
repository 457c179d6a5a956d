package bind

import (
	"reflect"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// children calls f for the direct parts of an expression, a FROM item or a
// SELECT, in the order of the text; nil parts are left out.
func children(n *pg.Node, f func(*pg.Node)) {
	one := func(n *pg.Node) {
		if n != nil {
			f(n)
		}
	}
	all := func(lists ...[]*pg.Node) {
		for _, l := range lists {
			for _, n := range l {
				one(n)
			}
		}
	}
	switch n := n.Node.(type) {
	case nil, *pg.Node_ColumnRef, *pg.Node_ParamRef, *pg.Node_AConst, *pg.Node_AStar, *pg.Node_String_, *pg.Node_TypeName, *pg.Node_RangeVar:
	case *pg.Node_List:
		all(n.List.Items)
	case *pg.Node_ResTarget:
		one(n.ResTarget.Val)
	case *pg.Node_AExpr:
		one(n.AExpr.Lexpr)
		one(n.AExpr.Rexpr)
	case *pg.Node_BoolExpr:
		all(n.BoolExpr.Args)
	case *pg.Node_FuncCall:
		all(n.FuncCall.Args, n.FuncCall.AggOrder)
		one(n.FuncCall.AggFilter)
		if n.FuncCall.Over != nil {
			windowChildren(n.FuncCall.Over, one)
		}
	case *pg.Node_WindowDef:
		windowChildren(n.WindowDef, one)
	case *pg.Node_NamedArgExpr:
		one(n.NamedArgExpr.Arg)
	case *pg.Node_SubLink:
		one(n.SubLink.Testexpr)
		one(n.SubLink.Subselect)
	case *pg.Node_TypeCast:
		one(n.TypeCast.Arg)
	case *pg.Node_CollateClause:
		one(n.CollateClause.Arg)
	case *pg.Node_AIndirection:
		one(n.AIndirection.Arg)
		all(n.AIndirection.Indirection)
	case *pg.Node_AIndices:
		one(n.AIndices.Lidx)
		one(n.AIndices.Uidx)
	case *pg.Node_AArrayExpr:
		all(n.AArrayExpr.Elements)
	case *pg.Node_RowExpr:
		all(n.RowExpr.Args)
	case *pg.Node_CaseExpr:
		one(n.CaseExpr.Arg)
		all(n.CaseExpr.Args)
		one(n.CaseExpr.Defresult)
	case *pg.Node_CaseWhen:
		one(n.CaseWhen.Expr)
		one(n.CaseWhen.Result)
	case *pg.Node_CoalesceExpr:
		all(n.CoalesceExpr.Args)
	case *pg.Node_MinMaxExpr:
		all(n.MinMaxExpr.Args)
	case *pg.Node_NullTest:
		one(n.NullTest.Arg)
	case *pg.Node_BooleanTest:
		one(n.BooleanTest.Arg)
	case *pg.Node_SortBy:
		one(n.SortBy.Node)
	case *pg.Node_GroupingSet:
		all(n.GroupingSet.Content)
	case *pg.Node_GroupingFunc:
		all(n.GroupingFunc.Args)
	case *pg.Node_JoinExpr:
		one(n.JoinExpr.Larg)
		one(n.JoinExpr.Rarg)
		one(n.JoinExpr.Quals)
	case *pg.Node_RangeSubselect:
		one(n.RangeSubselect.Subquery)
	case *pg.Node_RangeFunction:
		all(n.RangeFunction.Functions)
	case *pg.Node_RangeTableSample:
		one(n.RangeTableSample.Relation)
		all(n.RangeTableSample.Args)
	case *pg.Node_CommonTableExpr:
		one(n.CommonTableExpr.Ctequery)
	case *pg.Node_SelectStmt:
		selectChildren(n.SelectStmt, one)
	default:
		fieldChildren(n, one)
	}
}

// fieldChildren finds the parts of the nodes that children does not name, the
// rarer ones: they are the node's fields.
func fieldChildren(n any, f func(*pg.Node)) {
	v := reflect.ValueOf(n).Elem().Field(0).Elem() // of the oneof's wrapper, the message
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		switch x := v.Field(i).Interface().(type) {
		case *pg.Node:
			f(x)
		case []*pg.Node:
			for _, c := range x {
				f(c)
			}
		}
	}
}

func windowChildren(w *pg.WindowDef, f func(*pg.Node)) {
	for _, n := range w.PartitionClause {
		f(n)
	}
	for _, n := range w.OrderClause {
		f(n)
	}
	f(w.StartOffset)
	f(w.EndOffset)
}

func selectChildren(s *pg.SelectStmt, f func(*pg.Node)) {
	all := func(lists ...[]*pg.Node) {
		for _, l := range lists {
			for _, n := range l {
				f(n)
			}
		}
	}
	if s.WithClause != nil {
		all(s.WithClause.Ctes)
	}
	all(s.DistinctClause, s.TargetList, s.FromClause)
	f(s.WhereClause)
	all(s.GroupClause)
	f(s.HavingClause)
	all(s.WindowClause, s.ValuesLists, s.SortClause)
	f(s.LimitOffset)
	f(s.LimitCount)
	for _, arg := range []*pg.SelectStmt{s.Larg, s.Rarg} {
		if arg != nil {
			f(selectNode(arg))
		}
	}
}

func selectNode(s *pg.SelectStmt) *pg.Node {
	return &pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: s}}
}

// location is the byte position of an expression, -1 when it has none. As in
// PostgreSQL it is that of its leftmost part.
func location(n *pg.Node) int32 {
	if n == nil {
		return -1
	}
	own := ownLocation(n)
	switch x := n.Node.(type) {
	case *pg.Node_SelectStmt, *pg.Node_SubLink:
		return own
	case *pg.Node_FuncCall:
		// The name stands before the arguments, but not in AT TIME ZONE and LIKE ESCAPE.
		if x.FuncCall.Funcformat != pg.CoercionForm_COERCE_SQL_SYNTAX {
			return own
		}
	}
	least := own
	children(n, func(c *pg.Node) {
		if l := location(c); l >= 0 && (least < 0 || l < least) {
			least = l
		}
	})
	return least
}

// ownLocation is the position that the node itself carries: an operator's for
// an operator call.
func ownLocation(n *pg.Node) int32 {
	switch n := n.Node.(type) {
	case nil:
		return -1
	case *pg.Node_RangeTableSample:
		return n.RangeTableSample.Relation.GetRangeVar().GetLocation()
	case *pg.Node_SortBy:
		return location(n.SortBy.Node)
	}
	if at, ok := reflect.ValueOf(n.Node).Elem().Field(0).Interface().(interface{ GetLocation() int32 }); ok {
		return at.GetLocation()
	}
	return -1
}

// conjuncts splits a condition at its top-level ANDs.
func conjuncts(n *pg.Node) []*pg.Node {
	if n == nil {
		return nil
	}
	if be := n.GetBoolExpr(); be != nil && be.Boolop == pg.BoolExprType_AND_EXPR {
		var out []*pg.Node
		for _, a := range be.Args {
			out = append(out, conjuncts(a)...)
		}
		return out
	}
	return []*pg.Node{n}
}
