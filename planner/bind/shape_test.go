package bind

import (
	"fmt"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// shape prints a plan on one line, with the places of columns: #2 is column 2
// of the row, ^1#0 column 0 of the next row outwards.
func shape(n plan.Node) string {
	switch n := n.(type) {
	case *plan.Values:
		var rows []string
		for _, r := range n.Rows {
			rows = append(rows, "("+exprs(r)+")")
		}
		return "Values" + strings.Join(rows, "")
	case *plan.SourceScan:
		return fmt.Sprintf("Source(%s%v%s)", n.Source.Name, n.Fields, opts("asof", n.AsOf, "lo", n.Lo, "hi", n.Hi))
	case *plan.TableScan:
		return fmt.Sprintf("Table(%s%v%s)", n.Table.Name, n.Fields, opts("asof", n.AsOf))
	case *plan.SystemScan:
		return fmt.Sprintf("System(%s%v)", n.Rel.Name, n.Fields)
	case *plan.TableFunc:
		return tableFunc(n)
	case *plan.FeatureScan:
		s := "Feature(" + n.View.Name + outs(n.Outputs) + opts("at", n.At, "known", n.Known)
		for _, k := range n.Keys {
			s += " key(" + exprs(k) + ")"
		}
		return s + opts("any", n.KeyArray) + ")"
	case *plan.CTEScan:
		return "CTE(" + n.CTE.Name + ")"
	case *plan.WorkTable:
		return "Work(" + n.CTE.Name + ")"
	case *plan.FeatureJoin:
		kind := "Join"
		if n.Left {
			kind = "LeftJoin"
		}
		return fmt.Sprintf("Feature%s(%s%s key(%s)%s %s)", kind, n.View.Name, outs(n.Outputs), exprs(n.Keys),
			opts("at", n.At, "known", n.Known, "on", n.On), shape(n.Input))
	case *plan.Filter:
		return "Filter(" + text(n.Cond) + " " + shape(n.Input) + ")"
	case *plan.Project:
		return "Project([" + exprs(n.Exprs) + "] " + shape(n.Input) + ")"
	case *plan.ProjectSet:
		var items []string
		for i := range n.Exprs {
			if n.Sets[i] != nil {
				items = append(items, tableFunc(n.Sets[i]))
			} else {
				items = append(items, text(n.Exprs[i]))
			}
		}
		return "ProjectSet([" + strings.Join(items, ", ") + "] " + shape(n.Input) + ")"
	case *plan.Join:
		kind := [...]string{"Join", "LeftJoin", "RightJoin", "FullJoin", "Cross", "Semi", "Anti"}[n.Kind]
		if n.Lateral {
			kind = "Lateral" + kind
		}
		return kind + "(" + shape(n.Left) + " " + shape(n.Right) + opts("on", n.Cond) + ")"
	case *plan.Aggregate:
		var calls []string
		for _, a := range n.Aggs {
			calls = append(calls, aggText(&a))
		}
		s := "Aggregate([" + exprs(n.Groups) + "] [" + strings.Join(calls, ", ") + "]"
		if n.Sets != nil {
			s += fmt.Sprint(" sets", n.Sets)
		}
		return s + " " + shape(n.Input) + ")"
	case *plan.Window:
		var calls []string
		for _, w := range n.Calls {
			f := w.Frame
			calls = append(calls, fmt.Sprintf("%s over([%s] [%s] %c%d%s..%d%s%s)", aggText(&w.AggCall), exprs(w.Partition), sorts(w.OrderBy),
				f.Mode, f.Start, opts("", f.StartOffset), f.End, opts("", f.EndOffset), strings.Trim(string(f.Exclude), "\x00")))
		}
		return "Window([" + strings.Join(calls, ", ") + "] " + shape(n.Input) + ")"
	case *plan.Sort:
		return "Sort([" + sorts(n.Keys) + "] " + shape(n.Input) + ")"
	case *plan.Limit:
		s := "Limit(" + strings.TrimSpace(opts("count", n.Count, "offset", n.Offset))
		if n.Ties != nil {
			s += " ties[" + sorts(n.Ties) + "]"
		}
		return s + " " + shape(n.Input) + ")"
	case *plan.Distinct:
		if n.On != nil {
			return "Distinct([" + exprs(n.On) + "] " + shape(n.Input) + ")"
		}
		return "Distinct(" + shape(n.Input) + ")"
	case *plan.Entities:
		return "Entities([" + exprs(n.Keys) + "] " + shape(n.Input) + ")"
	case *plan.Settle:
		return fmt.Sprintf("Settle(row #%d found #%d%s ", n.Row, n.Found, opts("on", n.On)) + shape(n.Input) + ")"
	case *plan.SetOp:
		kind := [...]string{"Union", "Intersect", "Except"}[n.Kind]
		if n.All {
			kind += "All"
		}
		return kind + "(" + shape(n.Left) + " " + shape(n.Right) + ")"
	}
	return fmt.Sprintf("%T", n)
}

func tableFunc(n *plan.TableFunc) string {
	s := n.Name + "(" + exprs(n.Args) + ")"
	if n.Ordinality {
		s += "+n"
	}
	return s
}

func outs(list []fqgw.Output) string {
	var out []string
	for _, o := range list {
		out = append(out, fmt.Sprintf("%s%d", [...]string{"k", "f", "status", "time", "token"}[o.Kind], o.Index))
	}
	return "[" + strings.Join(out, " ") + "]"
}

func opts(pairs ...any) string {
	s := ""
	for i := 0; i < len(pairs); i += 2 {
		if e, ok := pairs[i+1].(fqgw.Expr); ok && e != nil {
			s += " "
			if name := pairs[i].(string); name != "" {
				s += name + "="
			}
			s += text(e)
		}
	}
	return s
}

func aggText(a *plan.AggCall) string {
	s := a.Func + "("
	if a.Distinct {
		s += "distinct "
	}
	if a.Star {
		s += "*"
	}
	s += exprs(append(a.Direct[:len(a.Direct):len(a.Direct)], a.Args...))
	if a.Order != nil {
		s += " order " + sorts(a.Order)
	}
	s += ")"
	return s + opts("filter", a.Filter)
}

func sorts(keys []plan.SortKey) string {
	var out []string
	for _, k := range keys {
		s := text(k.Expr)
		if k.Desc {
			s += " desc"
		}
		if k.NullsFirst != k.Desc {
			s += fmt.Sprintf(" nullsfirst=%v", k.NullsFirst)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func exprs(list []fqgw.Expr) string {
	var out []string
	for _, e := range list {
		out = append(out, text(e))
	}
	return strings.Join(out, ", ")
}

// place is a column printed by its place.
type place struct{ *expr.Column }

func (p place) String() string { return strings.Repeat("^", p.Level) + fmt.Sprintf("#%d", p.Index) }

func text(e fqgw.Expr) string {
	if e == nil {
		return "?"
	}
	return expr.Rewrite(e, func(e fqgw.Expr) fqgw.Expr {
		switch x := e.(type) {
		case *expr.Column:
			return place{x}
		case *expr.Subquery:
			c := *x
			c.SQL = shape(x.Plan.(plan.Node))
			return &c
		}
		return e
	}).String()
}
