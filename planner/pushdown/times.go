package pushdown

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// scanTimes gives a source's scan the bounds that conditions set to the event
// time; they stay in the filter above.
func scanTimes(n *plan.SourceScan, offers []offer) plan.Node {
	c := *n
	bound := func(e fqgw.Expr, op string) {
		switch op {
		case ">", ">=":
			if c.Lo == nil {
				c.Lo = e
			}
		case "<", "<=":
			if c.Hi == nil {
				c.Hi = e
			}
		case "=":
			c.Lo, c.Hi = e, e
		}
	}
	flipped := map[string]string{">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "="}
	for _, o := range offers {
		x, ok := o.x.(*expr.Call)
		if !ok || !x.Operator || len(x.Args) != 2 || flipped[x.Name] == "" {
			continue
		}
		for i, op := range []string{x.Name, flipped[x.Name]} {
			col, ok := x.Args[i].(*expr.Column)
			e := x.Args[1-i]
			if !ok || col.Level != 0 || n.Fields[col.Index] != n.Source.EventTime ||
				plan.Varies(e) || expr.Volatile(e) || e.Type().Base() != col.Typ.Base() {
				continue
			}
			bound(e, op)
		}
	}
	if c.Lo == nil && c.Hi == nil {
		return n
	}
	return &c
}
