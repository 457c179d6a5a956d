package define

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// grouped makes the window form of a definition that is written for now, with GROUP
// BY and now() (SEMANTICS §2.2): of
//
//	SELECT k, count(*) FILTER (WHERE kind = 'buy' AND ts > now() - interval '1 day') FROM s GROUP BY k
//
// it is count(*) FILTER (WHERE kind = 'buy') OVER (PARTITION BY k ORDER BY ts RANGE '1 day' PRECEDING).
// Everything else about it is the window form's.
func (f *definition) grouped() error {
	s := f.sel
	switch {
	case len(s.DistinctClause) > 0:
		return f.invalid(f.where(), "a feature view has GROUP BY or DISTINCT ON, not both")
	case len(s.WindowClause) > 0:
		return f.invalid(s.WindowClause[0].GetWindowDef().Location, "a feature view with GROUP BY has no windows").
			WithHint("Write FILTER (WHERE event_time > now() - interval '5 minutes'), or PARTITION BY in the windows and no GROUP BY.")
	case s.GroupDistinct:
		return f.unsupported(f.where(), "GROUP BY DISTINCT in a feature view")
	}
	for i, n := range s.GroupClause {
		if g := n.GetGroupingSet(); g != nil {
			return f.unsupported(g.Location, "grouping sets in a feature view").WithHint("A view describes one entity: make a feature view for each.")
		}
		s.GroupClause[i] = f.groupedBy(n)
	}
	f.group = true
	keys := s.GroupClause
	if err := f.keys(keys, "GROUP BY"); err != nil {
		return err
	}
	bound, rest, err := f.since(s.WhereClause)
	if err != nil {
		return err
	}
	s.WhereClause, s.GroupClause = rest, nil
	for _, n := range s.TargetList {
		if err := f.overNow(n, keys, bound); err != nil {
			return err
		}
	}
	return nil
}

// groupedBy resolves an output name or number in GROUP BY; a name is a column of the
// source before it is one of the output.
func (f *definition) groupedBy(n *pg.Node) *pg.Node {
	if i := n.GetAConst().GetIval(); i != nil && i.Ival >= 1 && int(i.Ival) <= len(f.sel.TargetList) {
		return f.sel.TargetList[i.Ival-1].GetResTarget().Val
	}
	if r := n.GetColumnRef(); r != nil && len(r.Fields) == 1 && f.view.Source.ColumnIndex(last(words(r.Fields))) < 0 {
		for _, t := range f.sel.TargetList {
			if t := t.GetResTarget(); t.Name != "" && t.Name == last(words(r.Fields)) {
				return t.Val
			}
		}
	}
	return n
}

// overNow gives every aggregate of an expression, in place, the window that its FILTER
// says, within bound: microseconds, 0 for a lifetime.
func (f *definition) overNow(n *pg.Node, keys []*pg.Node, bound int64) error {
	var failed error
	visit(n, func(n *pg.Node) bool {
		c := n.GetFuncCall()
		if c == nil || failed != nil {
			return failed == nil
		}
		name := last(words(c.Funcname))
		switch {
		case c.Over != nil:
			failed = f.invalid(c.Location, "a feature view with GROUP BY has no windows").
				WithHint("Write FILTER (WHERE event_time > now() - interval '5 minutes') instead of OVER.")
			return false
		case !c.AggStar && c.AggFilter == nil && !c.AggDistinct && !c.AggWithinGroup && !isAggregate(name):
			return true
		case name == "first_value" || name == "last_value": // SEMANTICS §2.1: what PostgreSQL refuses
			failed = f.fail(c.Location, "42P20", "window function %s requires an OVER clause", name)
			return false
		}
		length, rest, err := f.since(c.AggFilter)
		if err != nil {
			failed = err
			return false
		}
		c.AggFilter, c.Over = rest, f.windowOf(keys, shorter(length, bound), c.Location)
		return false
	})
	return failed
}

// shorter is the shorter of two lengths, of which 0 has no end.
func shorter(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// windowOf is (PARTITION BY keys ORDER BY event time RANGE length PRECEDING).
func (f *definition) windowOf(keys []*pg.Node, length int64, loc int32) *pg.WindowDef {
	src := f.view.Source
	sort := &pg.Node{Node: &pg.Node_SortBy{SortBy: &pg.SortBy{Node: columnRef(src.Columns[src.EventTime].Name, loc),
		SortbyDir: pg.SortByDir_SORTBY_DEFAULT, SortbyNulls: pg.SortByNulls_SORTBY_NULLS_DEFAULT, Location: loc}}}
	w := &pg.WindowDef{PartitionClause: keys, OrderClause: []*pg.Node{sort}, Location: loc}
	if length > 0 {
		text := pg.MakeAConstStrNode(expr.Text(fqgw.SpanValue(fqgw.Span{Micros: length}), fqgw.Interval, nil), loc)
		w.FrameOptions, w.StartOffset = frameNonDefault|frameStartOffsetPreceding|frameEndCurrentRow, text
	}
	return w
}

// since takes out of a condition the conjuncts that bound the event time by now():
// the length of the shortest, 0 without any, and what is left, nil for nothing.
func (f *definition) since(n *pg.Node) (length int64, rest *pg.Node, err error) {
	if n == nil {
		return 0, nil, nil
	}
	var kept []*pg.Node
	for _, c := range conjuncts(n) {
		l, ok, err := f.span(c)
		if err != nil {
			return 0, nil, err
		}
		if ok {
			length = shorter(l, length)
		} else {
			kept = append(kept, c)
		}
	}
	switch len(kept) {
	case 0:
		return length, nil, nil
	case 1:
		return length, kept[0], nil
	}
	return length, &pg.Node{Node: &pg.Node_BoolExpr{BoolExpr: &pg.BoolExpr{Boolop: pg.BoolExprType_AND_EXPR, Args: kept, Location: location(n)}}}, nil
}

func conjuncts(n *pg.Node) (out []*pg.Node) {
	if b := n.GetBoolExpr(); b != nil && b.Boolop == pg.BoolExprType_AND_EXPR {
		for _, a := range b.Args {
			out = append(out, conjuncts(a)...)
		}
		return out
	}
	return []*pg.Node{n}
}

// span reads event_time > now() - interval, however it is turned round, and what
// says no more than that an event is not of the future; ok is false for another condition.
func (f *definition) span(n *pg.Node) (length int64, ok bool, err error) {
	x := n.GetAExpr()
	if x == nil {
		return 0, false, nil
	}
	left, right, op := x.Lexpr, x.Rexpr, last(words(x.Name))
	if x.Kind == pg.A_Expr_Kind_AEXPR_BETWEEN && len(right.GetList().GetItems()) == 2 && now(right.GetList().Items[1]) {
		right, op = right.GetList().Items[0], ">"
	} else if x.Kind != pg.A_Expr_Kind_AEXPR_OP || left == nil {
		return 0, false, nil
	}
	if turned := map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}[op]; turned != "" && left.GetColumnRef() == nil {
		left, right, op = right, left, turned
	}
	if left.GetColumnRef() == nil {
		return 0, false, nil
	}
	if i, err := f.column(left); err != nil || i != f.view.Source.EventTime {
		return 0, false, err
	}
	switch {
	case op == "<=" && now(right):
		return 0, true, nil
	case op != ">" && op != ">=":
		return 0, false, nil
	}
	ago := right.GetAExpr()
	if ago == nil || ago.Kind != pg.A_Expr_Kind_AEXPR_OP || last(words(ago.Name)) != "-" || !now(ago.Lexpr) || ago.Rexpr.GetAConst().GetSval() != nil {
		return 0, false, nil
	}
	length, err = f.length(ago.Rexpr)
	return length, err == nil, err
}

// now says that an expression is the time of the read.
func now(n *pg.Node) bool {
	if v := n.GetSqlvalueFunction(); v != nil {
		return slices.Contains([]pg.SQLValueFunctionOp{pg.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP, pg.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP}, v.Op)
	}
	c := n.GetFuncCall()
	if c == nil || len(c.Args) > 0 || len(c.Funcname) > 1 && words(c.Funcname)[0] != "pg_catalog" {
		return false
	}
	return slices.Contains([]string{"now", "transaction_timestamp"}, last(words(c.Funcname)))
}
