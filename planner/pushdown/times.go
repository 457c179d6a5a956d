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
	for _, o := range offers {
		comparisons(o.x, func(col *expr.Column, op string, e fqgw.Expr) {
			if n.Fields[col.Index] != n.Source.EventTime || e.Type().Base() != col.Typ.Base() {
				return
			}
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
		})
	}
	if c.Lo == nil && c.Hi == nil {
		return n
	}
	return &c
}

// systemBounds tells a system relation that seeks what conditions ask of its columns;
// they stay in the filter above.
func systemBounds(n *plan.SystemScan, offers []offer) plan.Node {
	if n.Rel.Seek == nil {
		return n
	}
	c := *n
	for _, o := range offers {
		if x, ok := o.x.(*expr.NullTest); ok && !x.Not {
			if col, ok := x.Arg.(*expr.Column); ok && col.Level == 0 {
				c.Where = append(c.Where[:len(c.Where):len(c.Where)], plan.Bound{Column: n.Fields[col.Index]})
			}
		}
		comparisons(o.x, func(col *expr.Column, op string, e fqgw.Expr) {
			c.Where = append(c.Where[:len(c.Where):len(c.Where)], plan.Bound{Column: n.Fields[col.Index], Op: op, Of: e})
		})
	}
	return &c
}

// flipped are the comparisons, with those that say the same from the other side.
var flipped = map[string]string{">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "="}

// comparisons calls f for each column of the condition's own row that it compares with
// what is the same for the whole statement: col op e.
func comparisons(x fqgw.Expr, f func(col *expr.Column, op string, e fqgw.Expr)) {
	call, ok := x.(*expr.Call)
	if !ok || !call.Operator || len(call.Args) != 2 || flipped[call.Name] == "" {
		return
	}
	for i, op := range []string{call.Name, flipped[call.Name]} {
		e := call.Args[1-i]
		if col, ok := call.Args[i].(*expr.Column); ok && col.Level == 0 && !plan.Varies(e) && !expr.Volatile(e) {
			f(col, op, e)
		}
	}
}
