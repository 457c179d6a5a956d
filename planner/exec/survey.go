package exec

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// survey is what a plan says of whether its rows can be made again.
type survey struct {
	asOf bool // it reads something as of a time
	seen map[*plan.CTE]bool
	temp func(*fqgw.Table) bool
	why  func(format string, args ...any) // is told what cannot be made again
}

// AsOf says whether a plan reads something as of a time: its rows are a training set.
func AsOf(n plan.Node) bool {
	s := survey{temp: func(*fqgw.Table) bool { return false }, why: func(string, ...any) {}}
	s.node(n)
	return s.asOf
}

func (s *survey) node(n plan.Node) {
	switch n := n.(type) {
	case *plan.FeatureScan:
		s.feature(n.View, n.At)
	case *plan.FeatureJoin:
		s.feature(n.View, n.At)
	case *plan.SourceScan:
		s.asOf = s.asOf || n.AsOf != nil
	case *plan.TableScan:
		s.asOf = s.asOf || n.AsOf != nil
		if s.temp(n.Table) {
			s.why("it reads temporary table \"%s\", which only its session has", n.Table.Name)
		}
	case *plan.SystemScan:
		s.why("it reads %s.%s, which changes by itself", n.Rel.Schema, n.Rel.Name)
	case *plan.CTEScan:
		if s.seen[n.CTE] {
			return
		}
		if s.seen == nil {
			s.seen = map[*plan.CTE]bool{}
		}
		s.seen[n.CTE] = true
		s.node(n.CTE.Plan)
		if n.CTE.Recursive {
			s.node(n.CTE.Step)
		}
		return
	}
	plan.Rewrite(n, func(n plan.Node, _ int) plan.Node { s.node(n); return n }, func(e fqgw.Expr, _ int) fqgw.Expr { s.expr(e); return e })
}

func (s *survey) feature(v *fqgw.FeatureView, at fqgw.Expr) {
	if s.asOf = s.asOf || at != nil; at == nil {
		s.why("feature view \"%s\" is read online, as it is now: write %s AS OF a time", v.Name, v.Name)
	}
}

func (s *survey) expr(e fqgw.Expr) {
	if expr.Volatile(e) {
		s.why("it calls a function whose results differ from call to call: %s", e)
	} else if expr.AsksSession(e) {
		s.why("it depends on who asks: %s", e)
	}
	expr.Walk(e, func(e fqgw.Expr) bool {
		if q, ok := e.(*expr.Subquery); ok {
			s.node(q.Plan.(plan.Node))
		}
		return true
	})
}
