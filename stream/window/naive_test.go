package window

import (
	"slices"

	"github.com/fqgw/fqgw"
)

// naiveFeature is a FeatureValue with its default.
type naiveFeature struct {
	FeatureValue
	Cause fqgw.Status // of a default: the status that it replaced; else Status
}

// naiveFeatures are the values of all features of a view for one entity: read
// expressions, statuses, defaults. key has the join keys; it is nil when one of
// them, or the time asked for, is NULL: then every value is (a view without
// keys takes an empty key that is not nil). Where r has no row the values are
// those that a LEFT JOIN shows; a caller that wants rows only asks r.Exists.
// env is for the read expressions.
func naiveFeatures(v *fqgw.FeatureView, key []fqgw.Value, r *Reading, env *fqgw.Env) []naiveFeature {
	known := key != nil && r != nil
	out := make([]naiveFeature, len(v.Features))
	var row []fqgw.Value
	if known {
		row = append(append(make([]fqgw.Value, 0, len(key)+len(r.Slots)), key...), r.Slots...)
	}
	for i := range out {
		f := &out[i]
		*f = naiveFeature{FeatureValue: FeatureValue{Status: fqgw.StatusNotFound, Time: NoTime}}
		switch {
		case !known:
		case r.Exists || !v.Latest:
			f.read(v.Features[i].Read, row, r, env, v.Features[i].Slots)
		case r.OutsideMaxAge:
			f.Status = fqgw.StatusOutsideMaxAge
		}
		f.Cause = f.Status
		if d := v.Features[i].Default; f.Value.IsNull() && !d.IsNull() {
			f.Value, f.Status = d, fqgw.StatusDefault
		}
	}
	return out
}

// read evaluates a read expression; slots are those it names.
func (f *naiveFeature) read(e fqgw.Expr, row []fqgw.Value, r *Reading, env *fqgw.Env, slots []int) {
	v, err := e.Eval(env, row)
	f.Value = v
	for _, s := range slots {
		f.Time = max(f.Time, r.Times[s])
	}
	switch {
	case err != nil:
		f.Value, f.Status = fqgw.Null, fqgw.StatusError
	case v.IsNull() && slices.ContainsFunc(slots, func(s int) bool { return r.Errors[s] }):
		f.Status = fqgw.StatusError
	case !r.Exists:
	case v.IsNull():
		f.Status = fqgw.StatusNull
	default:
		f.Status = fqgw.StatusPresent
	}
}
