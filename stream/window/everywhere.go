package window

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// What a view shows of its global windows is not of the entity that is asked for: one
// reading of them, of a whole second, stands behind many answers (Answer.Global).

// globalsOf are the slots of the global windows that a feature names, or its default.
func globalsOf(v *fqgw.FeatureView, f *fqgw.Feature) []int {
	out := slices.Clone(f.Globals)
	if f.Instead != nil {
		for _, i := range expr.Columns(f.Instead) {
			out = append(out, i-len(v.Keys)-len(v.Aggregates))
		}
	}
	return out
}

// Globals are the slots of the view's global windows that the program needs.
func (p *Program) Globals() []int { return p.globals }

// row puts the row together over which read expressions and defaults are: of a late
// entity, and of none, with nothing but the global windows.
func (p *Program) row(a *Answer) {
	first := len(p.view.Keys) + len(p.view.Aggregates)
	if p.view.Latest {
		first = len(p.view.Keys) + len(p.view.Row)
	}
	n := first + len(p.view.Global.Aggregates)
	a.row = slices.Grow(a.row[:0], n)[:n]
	clear(a.row)
	copy(a.row, a.Key)
	if a.Key != nil && !a.Late {
		for _, i := range p.needs {
			a.row[len(a.Key)+i] = a.slot(i)
		}
	}
	if a.Global != nil {
		for _, i := range p.globals {
			a.row[first+i] = a.Global.slot(i)
		}
	}
}

// global is the value of a slot of the global windows.
func (a *Answer) global(slot int) FeatureValue {
	out := FeatureValue{Status: fqgw.StatusNull, Time: NoTime}
	if a.Global == nil {
		return out
	}
	out.Value, out.Time = a.Global.slot(slot), a.Global.time(slot)
	out.Status = a.status(out.Value.IsNull(), out.Value.IsNull() && a.Global.failed(slot))
	return out
}

// instead is what stands where a feature is NULL; NULL: nothing. A default that raises
// gives nothing.
func (p *Program) instead(a *Answer, o *output) fqgw.Value {
	if o.feature.Instead == nil {
		return o.instead
	}
	p.row(a)
	v, err := o.feature.Instead.Eval(&definitionEnv, a.row)
	if err != nil {
		return fqgw.Null
	}
	return v
}
