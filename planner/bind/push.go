package bind

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// maxKeyTuples bounds the product of IN lists over several join keys.
const maxKeyTuples = 1000

// offer is one condition of a WHERE on its way down to the leaves.
type offer struct {
	cond fqgw.Expr // over the row of the node at hand
	root int       // which condition of the WHERE it is
}

// push offers the conditions above a node to its leaves: feature views take
// equalities of their keys, sources bounds of their event time. It gives the
// node and what is still to be checked above it, nil for nothing.
func push(n plan.Node, cond fqgw.Expr) (plan.Node, fqgw.Expr) {
	conds := []fqgw.Expr{cond}
	if l, ok := cond.(*expr.Logic); ok && !l.Or {
		conds = l.Args
	}
	var offers []offer
	for i, c := range conds {
		offers = append(offers, offer{c, i})
	}
	taken := map[int]bool{}
	n = offerTo(n, offers, taken)
	if len(taken) == 0 {
		return n, cond
	}
	var rest []fqgw.Expr
	for i, c := range conds {
		if !taken[i] {
			rest = append(rest, c)
		}
	}
	if len(rest) == 0 {
		return n, nil
	}
	left, err := expr.And(rest...)
	if err != nil {
		return n, cond
	}
	return n, left
}

// offerTo passes conditions through the nodes that keep them meaning the same.
// Nodes that change are copied.
func offerTo(n plan.Node, offers []offer, taken map[int]bool) plan.Node {
	if len(offers) == 0 {
		return n
	}
	switch n := n.(type) {
	case *plan.FeatureScan:
		return scanKeys(n, offers, taken)
	case *plan.SourceScan:
		return scanTimes(n, offers)
	case *plan.Filter:
		return &plan.Filter{Input: offerTo(n.Input, offers, taken), Cond: n.Cond}
	case *plan.Sort:
		return &plan.Sort{Input: offerTo(n.Input, offers, taken), Keys: n.Keys}
	case *plan.Project:
		var below []offer
		for _, o := range offers {
			if c, ok := through(o.cond, n.Exprs); ok {
				below = append(below, offer{c, o.root})
			}
		}
		return &plan.Project{Input: offerTo(n.Input, below, taken), Exprs: n.Exprs, Cols: n.Cols}
	case *plan.FeatureJoin:
		c := *n
		c.Input = offerTo(n.Input, within(offers, 0, len(n.Input.Columns())), taken)
		return &c
	case *plan.Entities:
		c := *n
		c.Input = offerTo(n.Input, within(offers, 0, len(n.Input.Columns())), taken)
		return &c
	case *plan.Settle:
		c := *n
		c.Input = offerTo(n.Input, within(offers, 0, n.Width), taken)
		return &c
	case *plan.Join:
		c := *n
		width := len(n.Left.Columns())
		if n.Kind == plan.Inner || n.Kind == plan.Cross || n.Kind == plan.LeftOuter || n.Kind == plan.Semi || n.Kind == plan.Anti {
			c.Left = offerTo(n.Left, within(offers, 0, width), taken)
		}
		if (n.Kind == plan.Inner || n.Kind == plan.Cross || n.Kind == plan.RightOuter) && !n.Lateral {
			c.Right = offerTo(n.Right, within(offers, width, len(n.Columns())), taken)
		}
		return &c
	}
	return n
}

// within are the offers over columns from … to-1 alone, which become 0 ….
func within(offers []offer, from, to int) []offer {
	var out []offer
	for _, o := range offers {
		if !ownColumns(o.cond, anyColumn) || ownColumns(o.cond, func(i int) bool { return i < from || i >= to }) {
			continue
		}
		out = append(out, offer{mapColumns(o.cond, 0, sideways(from, -from)), o.root})
	}
	return out
}

// through is a condition over the rows below a projection; ok is false when it
// uses a column that is computed there.
func through(cond fqgw.Expr, exprs []fqgw.Expr) (fqgw.Expr, bool) {
	ok := true
	e := mapColumns(cond, 0, func(c *expr.Column, depth int) fqgw.Expr {
		if c.Level != depth {
			return c
		}
		in, plain := exprs[c.Index].(*expr.Column)
		if !plain || in.Typ != c.Typ {
			ok = false
			return c
		}
		d := *in
		d.Level += depth
		return &d
	})
	return e, ok
}

// scanKeys gives a scan the entities that conditions name: key = e, key IN (…),
// key = ANY (array), for e that does not depend on the row.
func scanKeys(n *plan.FeatureScan, offers []offer, taken map[int]bool) plan.Node {
	keys := n.View.Keys
	if n.Keys != nil || n.KeyArray != nil || len(keys) == 0 {
		return n
	}
	for _, o := range offers {
		if tuples := keyTuples(n, o.cond); tuples != nil {
			taken[o.root] = true
			c := *n
			c.Keys = tuples
			return &c
		}
	}
	values, from := make([][]fqgw.Expr, len(keys)), make([]int, len(keys))
	var array fqgw.Expr
	total := 1
	for _, o := range offers {
		k, vals, arr := keyCondition(n, o.cond)
		if k < 0 || values[k] != nil || array != nil || total*max(len(vals), 1) > maxKeyTuples && len(keys) > 1 {
			continue
		}
		if arr != nil {
			if len(keys) == 1 {
				array, from[0] = arr, o.root
			}
			continue
		}
		values[k], from[k] = vals, o.root
		total *= len(vals)
	}
	c := *n
	if array != nil {
		c.KeyArray = array
	} else {
		tuples := [][]fqgw.Expr{{}}
		for _, vals := range values {
			if vals == nil {
				return n
			}
			var next [][]fqgw.Expr
			for _, t := range tuples {
				for _, v := range vals {
					next = append(next, append(slices.Clone(t), v))
				}
			}
			tuples = next
		}
		c.Keys = tuples
	}
	for _, i := range from {
		taken[i] = true
	}
	return &c
}

// keyTuples reads a condition that names whole entities: (k1, k2) = (…), and ORs
// of such, which is also what (k1, k2) IN (…) is. nil when it is another.
func keyTuples(n *plan.FeatureScan, cond fqgw.Expr) [][]fqgw.Expr {
	switch x := cond.(type) {
	case *expr.Logic:
		if !x.Or {
			break
		}
		var all [][]fqgw.Expr
		for _, a := range x.Args {
			some := keyTuples(n, a)
			if some == nil {
				return nil
			}
			all = append(all, some...)
		}
		return all
	case *expr.RowTest:
		tuple := make([]fqgw.Expr, len(n.View.Keys))
		if x.Operator != "=" || len(x.Left) != len(tuple) {
			break
		}
		for i := range x.Left {
			own, other := x.Left[i], x.Right[i]
			k := keyOutput(n, own)
			if k < 0 {
				k, other = keyOutput(n, other), own
			}
			if k < 0 || tuple[k] != nil {
				return nil
			}
			if other == x.Left[i] {
				own = x.Right[i]
			}
			v, ok := fixedKey(n, k, own, other)
			if !ok {
				return nil
			}
			tuple[k] = v
		}
		return [][]fqgw.Expr{tuple}
	case *expr.Call: // one key; in a conjunction of several the product is made
		if len(n.View.Keys) == 1 {
			if k, vals, _ := keyCondition(n, x); k == 0 && len(vals) == 1 {
				return [][]fqgw.Expr{vals}
			}
		}
	}
	return nil
}

// keyCondition reads a condition on one key column of a scan; key -1 is none.
func keyCondition(n *plan.FeatureScan, cond fqgw.Expr) (key int, values []fqgw.Expr, array fqgw.Expr) {
	switch x := cond.(type) {
	case *expr.Call:
		if !x.Operator || x.Name != "=" || len(x.Args) != 2 {
			return -1, nil, nil
		}
		for i := range x.Args {
			if k := keyOutput(n, x.Args[i]); k >= 0 {
				if v, ok := fixedKey(n, k, x.Args[i], x.Args[1-i]); ok {
					return k, []fqgw.Expr{v}, nil
				}
			}
		}
	case *expr.In:
		k := keyOutput(n, x.Left)
		if k < 0 || x.Not {
			return -1, nil, nil
		}
		for _, e := range x.Items {
			v, ok := fixedKey(n, k, x.Left, e)
			if !ok {
				return -1, nil, nil
			}
			values = append(values, v)
		}
		return k, values, nil
	case *expr.AnyOf:
		k := keyOutput(n, x.Left)
		if k < 0 || x.All || x.Operator != "=" || ownColumns(x.Array, anyColumn) || expr.Volatile(x.Array) {
			return -1, nil, nil
		}
		item := &expr.Const{Typ: x.Array.Type().Elem()}
		if v, ok := fixedKey(n, k, x.Left, item); ok && v.Type() == item.Typ {
			return k, nil, x.Array
		}
	case *expr.Column: // WHERE flag, over a boolean key
		if k := keyOutput(n, x); k >= 0 {
			return k, []fqgw.Expr{&expr.Const{Val: fqgw.BoolValue(true), Typ: fqgw.Bool}}, nil
		}
	}
	return -1, nil, nil
}

// keyOutput is the join key that e is, also under a cast that still tells the key.
func keyOutput(n *plan.FeatureScan, e fqgw.Expr) int {
	if c, ok := e.(*expr.Conversion); ok {
		if c.To.Mod >= 0 || !expr.KeySeenAs(c.Arg.Type(), c.To) {
			return -1
		}
		return keyOutput(n, c.Arg)
	}
	c, ok := e.(*expr.Column)
	if !ok || c.Level != 0 || n.Outputs[c.Index].Kind != fqgw.OutKey {
		return -1
	}
	return n.Outputs[c.Index].Index
}

// fixedKey is e, which key column own is compared with, as what tells its keys,
// if it is the same for every row of the scan.
func fixedKey(n *plan.FeatureScan, k int, own, e fqgw.Expr) (fqgw.Expr, bool) {
	if ownColumns(e, anyColumn) || expr.Volatile(e) {
		return nil, false
	}
	key, seen := n.View.Keys[k].Type, own.Type()
	if c, ok := e.(*expr.Conversion); ok && c.To.Mod < 0 && expr.SameKeys(c.Arg.Type(), c.To) && expr.KeySeenAs(c.Arg.Type(), c.To) && expr.SameKeys(seen, key) {
		e = c.Arg // the cast to the operator's type changes nothing
	}
	return expr.KeyOperand(e, key, seen)
}

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
		x, ok := o.cond.(*expr.Call)
		if !ok || !x.Operator || len(x.Args) != 2 || flipped[x.Name] == "" {
			continue
		}
		for i, op := range []string{x.Name, flipped[x.Name]} {
			col, ok := x.Args[i].(*expr.Column)
			e := x.Args[1-i]
			if !ok || col.Level != 0 || n.Fields[col.Index] != n.Source.EventTime || varies(e) || expr.Volatile(e) || e.Type().Base() != col.Typ.Base() {
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
