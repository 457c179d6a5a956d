package exec

import (
	"io"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// entitiesOfRow caps the entities that one row may name: with several join keys
// it is a product.
const entitiesOfRow = 1 << 16

// nobody stands where a value equals no key: a value of another kind than the
// key's. (As a boolean key every boolean is somebody.)
var nobody = fqgw.BoolValue(false)

// keysOver evaluates one join key over a row: the first key of type key that
// equals x, and the others. NULL is NULL, and a value that no key equals nobody.
func keysOver(env *fqgw.Env, x fqgw.Expr, key fqgw.Type, row []fqgw.Value) (first fqgw.Value, others []fqgw.Value, err error) {
	v, err := x.Eval(env, row)
	if err != nil {
		return fqgw.Null, nil, err
	}
	first, others = keysEqual(env, v, x.Type(), key)
	return first, others, nil
}

// keysEqual is keysOver for a value of type of.
func keysEqual(env *fqgw.Env, v fqgw.Value, of, key fqgw.Type) (first fqgw.Value, others []fqgw.Value) {
	// Every text type encodes alike, and a value is never cut to the key's modifier.
	if v.IsNull() || v.Kind() == key.Kind() && (v.Kind() == fqgw.KindText || of.OID == key.OID) {
		return v, nil
	}
	equal := expr.EqualKeys(v, of, key, env)
	if len(equal) == 0 {
		return nobody, nil
	}
	return equal[0], equal[1:]
}

// tuplesOver are the entities that keys name over a row: one, or several where
// several keys equal a value.
func tuplesOver(env *fqgw.Env, keys []fqgw.Expr, types []fqgw.Type, row []fqgw.Value) ([][]fqgw.Value, error) {
	tuples := [][]fqgw.Value{make([]fqgw.Value, 0, len(keys))}
	for i, x := range keys {
		first, others, err := keysOver(env, x, types[i], row)
		if err != nil {
			return nil, err
		}
		if len(tuples)*(1+len(others)) > entitiesOfRow {
			return nil, fqgw.Errorf("54000", "a row names more than %d entities", entitiesOfRow).
				WithHint("Many bigints equal one large double precision value. Give the join keys as bigint.")
		}
		before := len(tuples)
		for _, v := range others {
			for _, t := range tuples[:before] {
				tuples = append(tuples, append(slices.Clone(t), v))
			}
		}
		for j := range before {
			tuples[j] = append(tuples[j], first)
		}
	}
	return tuples, nil
}

// entities runs plan.Entities.
func (e *Engine) entities(env *fqgw.Env, n *plan.Entities) (fqgw.Rows, error) {
	in, err := e.Run(env, n.Input)
	if err != nil {
		return nil, err
	}
	var ready [][]fqgw.Value
	number := int64(0)
	return &stream{fresh: true, close: in.Close, next: func() ([]fqgw.Value, error) {
		if len(ready) == 0 {
			row, err := in.Next()
			if err != nil {
				return nil, err
			}
			tuples, err := tuplesOver(env, n.Keys, n.Types, row)
			if err != nil {
				return nil, err
			}
			number++
			for _, t := range tuples {
				out := append(make([]fqgw.Value, 0, len(row)+1+2*len(t)), row...)
				out = append(append(out, fqgw.IntValue(number)), t...)
				for i, v := range t {
					if v.Kind() != n.Types[i].Kind() {
						v = fqgw.Null
					}
					out = append(out, v)
				}
				ready = append(ready, out)
			}
		}
		out := ready[0]
		ready = ready[1:]
		return out, nil
	}}, nil
}

// settle runs plan.Settle.
func (e *Engine) settle(env *fqgw.Env, n *plan.Settle) (fqgw.Rows, error) {
	in, err := e.Run(env, n.Input)
	if err != nil {
		return nil, err
	}
	var ready, group [][]fqgw.Value
	ended := false
	return &stream{fresh: true, close: in.Close, next: func() ([]fqgw.Value, error) {
		for len(ready) == 0 {
			var row []fqgw.Value
			if !ended {
				switch row, err = in.Next(); err {
				case nil:
					row = slices.Clone(row)
				case io.EOF:
					ended = true
				default:
					return nil, err
				}
			}
			if row != nil && (len(group) == 0 || group[0][n.Row].Int() == row[n.Row].Int()) {
				group = append(group, row)
				continue
			}
			if len(group) == 0 {
				return nil, io.EOF
			}
			if ready, err = settled(env, n, group); err != nil {
				return nil, err
			}
			if group = nil; row != nil {
				group = append(group, row)
			}
		}
		out := ready[0]
		ready = ready[1:]
		return out, nil
	}}, nil
}

// settled is what plan.Settle makes of the rows of one input row.
func settled(env *fqgw.Env, n *plan.Settle, group [][]fqgw.Value) ([][]fqgw.Value, error) {
	found := slices.DeleteFunc(slices.Clone(group), func(row []fqgw.Value) bool { return !row[n.Found].True() })
	if len(found) == 0 {
		found = group[:1]
	}
	var out [][]fqgw.Value
	for _, row := range found {
		if n.On != nil {
			ok, err := expr.Holds(env, n.On, row)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		out = append(out, row[:len(n.Cols)])
	}
	if len(out) == 0 {
		out = append(out, append(slices.Clone(found[0][:n.Width]), n.Rejected...))
	}
	return out, nil
}
