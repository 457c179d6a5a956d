package pushdown

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// maxKeyTuples bounds the product of IN lists over several join keys.
const maxKeyTuples = 1000

// scanKeys gives a scan the entities that conditions name: key = e, key IN (…),
// key = ANY (array), for e that does not depend on the row.
func scanKeys(n *plan.FeatureScan, offers []offer) plan.Node {
	keys := n.View.Keys
	if n.Keys != nil || n.KeyArray != nil || len(keys) == 0 {
		return n
	}
	for _, o := range offers {
		if tuples := keyTuples(n, o.x); tuples != nil {
			o.of.gone = true
			c := *n
			c.Keys = tuples
			return &c
		}
	}
	values, from := make([][]fqgw.Expr, len(keys)), make([]*condition, len(keys))
	var array fqgw.Expr
	total := 1
	for _, o := range offers {
		k, vals, arr := keyCondition(n, o.x)
		if k < 0 || values[k] != nil || array != nil || total*max(len(vals), 1) > maxKeyTuples && len(keys) > 1 {
			continue
		}
		if arr != nil {
			if len(keys) == 1 {
				array, from[0] = arr, o.of
			}
			continue
		}
		values[k], from[k] = vals, o.of
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
	for _, taken := range from {
		taken.gone = true
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
		if k < 0 || x.All || x.Operator != "=" || plan.Reads(x.Array, plan.AnyColumn) || expr.Volatile(x.Array) {
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
	if plan.Reads(e, plan.AnyColumn) || expr.Volatile(e) {
		return nil, false
	}
	key, seen := n.View.Keys[k].Type, own.Type()
	if c, ok := e.(*expr.Conversion); ok && c.To.Mod < 0 && expr.SameKeys(c.Arg.Type(), c.To) &&
		expr.KeySeenAs(c.Arg.Type(), c.To) && expr.SameKeys(seen, key) {
		e = c.Arg // the cast to the operator's type changes nothing
	}
	return expr.KeyOperand(e, key, seen)
}
