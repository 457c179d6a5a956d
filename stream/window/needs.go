package window

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// anyOrder are the aggregates whose value does not depend on the order of events.
var anyOrder = []string{"count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every", "var_pop", "var_samp", "variance",
	"stddev_pop", "stddev_samp", "stddev", "approx_count_distinct", "approx_percentile", "top_k", "histogram", "decayed_sum"}

// ordered says whether a view's values depend on the order of events, and so on how
// equal ones tie.
func ordered(v *fqgw.FeatureView) bool {
	return v.Latest || slices.ContainsFunc(v.Aggregates, func(a fqgw.Aggregate) bool {
		return v.Windows[a.Window].Rows > 0 || !slices.Contains(anyOrder, a.Func)
	})
}

// Needs says of each column of its source whether a view needs it: for the join
// keys, the order of events, or an expression. Rows that never were in Kafka tie
// by their canonical bytes, so that of their sources every column is needed where the
// order of equal events matters. A fill and the point-in-time join read the same ones:
// rows that tie, tie alike.
func Needs(v *fqgw.FeatureView) []bool {
	s := v.Source
	out := make([]bool, len(s.Columns))
	if s.Positions() != fqgw.TopicOffsets && ordered(v) {
		for i := range out {
			out[i] = true
		}
		return out
	}
	out[s.EventTime] = true
	if s.Known == fqgw.KnownByColumn {
		out[s.KnownColumn] = true
	}
	for _, k := range v.Keys {
		out[k.Column] = true
	}
	reads := append([]fqgw.Expr{v.Where}, v.Row...)
	for i := range v.Aggregates {
		reads = append(append(reads, v.Aggregates[i].Filter), v.Aggregates[i].Args...)
	}
	for _, e := range reads {
		for _, c := range expr.Columns(e) {
			out[c] = true
		}
	}
	return out
}
