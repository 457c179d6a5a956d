package relational

import (
	"math"

	"github.com/fqgw/fqgw"
)

// orderedSet is percentile_cont, percentile_disc and mode: WITHIN GROUP (ORDER
// BY x) gives its values in order.
type orderedSet struct{ items []fqgw.Value }

func (o *orderedSet) add(args []fqgw.Value) error {
	if !args[0].IsNull() {
		o.items = append(o.items, args[0])
	}
	return nil
}

func (o *orderedSet) result(env *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	if c.Func == "mode" {
		return o.mode(), nil
	}
	q, err := c.Direct[0].Eval(env, nil)
	if err != nil || q.IsNull() || len(o.items) == 0 {
		return fqgw.Null, err
	}
	if q.Kind() != fqgw.KindArray {
		return o.percentile(env, c, q.Float())
	}
	l := &fqgw.List{Elem: c.Type.Elem(), Dims: q.List().Dims}
	for _, f := range q.List().Items {
		v := fqgw.Null
		if !f.IsNull() {
			if v, err = o.percentile(env, c, f.Float()); err != nil {
				return fqgw.Null, err
			}
		}
		l.Items = append(l.Items, v)
	}
	return fqgw.ListValue(l), nil
}

func (o *orderedSet) mode() fqgw.Value {
	best, most := fqgw.Null, 0
	for i := 0; i < len(o.items); {
		j := i
		for j < len(o.items) && fqgw.Compare(o.items[i], o.items[j]) == 0 {
			j++
		}
		if j-i > most {
			best, most = o.items[i], j-i
		}
		i = j
	}
	return best
}

func (o *orderedSet) percentile(env *fqgw.Env, c *aggCall, f float64) (fqgw.Value, error) {
	if f < 0 || f > 1 || math.IsNaN(f) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "percentile value %g is not between 0 and 1", f)
	}
	n := float64(len(o.items))
	if c.Func == "percentile_disc" {
		return o.items[max(int(math.Ceil(f*n))-1, 0)], nil
	}
	pos := f * (n - 1)
	first := math.Floor(pos)
	lo, hi := o.items[int(first)], o.items[int(math.Ceil(pos))]
	if lo.Kind() == fqgw.KindFloat {
		return fqgw.FloatValue(lo.Float() + (pos-first)*(hi.Float()-lo.Float())), nil
	}
	gap, err := operate(env, "-", hi, fqgw.Interval, lo, fqgw.Interval)
	if err != nil {
		return fqgw.Null, err
	}
	part, err := operate(env, "*", gap, fqgw.Interval, fqgw.FloatValue(pos-first), fqgw.Float8)
	if err != nil {
		return fqgw.Null, err
	}
	return operate(env, "+", lo, fqgw.Interval, part, fqgw.Interval)
}
