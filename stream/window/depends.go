package window

import (
	"github.com/fqgw/fqgw"
)

// dependencies are the slots on which each feature of the view depends.
func dependencies(v *fqgw.FeatureView) [][]int {
	out := make([][]int, len(v.Features))
	for i := range v.Features {
		out[i] = dependsOn(v, v.Features[i].Read)
	}
	return out
}

// dependsOn are the slots on which a read expression depends. An expression
// does not tell what it reads, so it is tried: a slot matters when some row of
// samples gives another result for another value of it.
func dependsOn(v *fqgw.FeatureView, e fqgw.Expr) []int {
	var out []int
	types := v.SlotTypes()
	for s := range types {
		if depends(v, e, types, s) {
			out = append(out, s)
		}
	}
	return out
}

func depends(v *fqgw.FeatureView, e fqgw.Expr, types []fqgw.Type, slot int) bool {
	row := make([]fqgw.Value, len(v.Keys)+len(types))
	at := len(v.Keys) + slot
	for variant := range sampleCount {
		for i, k := range v.Keys {
			row[i] = sample(k.Type, 1)
		}
		for i, t := range types {
			row[len(v.Keys)+i] = sample(t, variant)
		}
		base := outcome(e, row)
		for other := range sampleCount {
			row[at] = sample(types[slot], other)
			if outcome(e, row) != base {
				return true
			}
		}
	}
	return false
}

// outcome is what an expression gives for a row, failure included.
func outcome(e fqgw.Expr, row []fqgw.Value) string {
	v, err := e.Eval(&fqgw.Env{}, row)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(appendValue(nil, v))
}

const sampleCount = 5

// sample is a value of type t: NULL, and some that are told apart by most conditions.
func sample(t fqgw.Type, variant int) fqgw.Value {
	n := [sampleCount]int64{0, 1, 0, -3, 30_000}[variant]
	if variant == 0 {
		return fqgw.Null
	}
	switch t.Kind() {
	case fqgw.KindBool:
		return fqgw.BoolValue(n > 0)
	case fqgw.KindInt:
		return fqgw.IntValue(n)
	case fqgw.KindFloat:
		return fqgw.FloatValue(float64(n))
	case fqgw.KindNumeric:
		return fqgw.NumericValue(fqgw.DecimalFromInt(n))
	case fqgw.KindDate:
		return fqgw.DateValue(n)
	case fqgw.KindTime:
		return fqgw.TimeValue(n + 3)
	case fqgw.KindTimestamp:
		return fqgw.TimestampValue(n)
	case fqgw.KindInterval:
		return fqgw.SpanValue(fqgw.Span{Micros: n})
	case fqgw.KindUUID:
		return fqgw.UUIDValue([16]byte{byte(n)})
	case fqgw.KindArray:
		return fqgw.ArrayOf(t.Elem(), sample(t.Elem(), variant))
	case fqgw.KindBytes:
		return fqgw.BytesValue([]string{"", "1", "", "-3", "30000"}[variant])
	case fqgw.KindText:
		return fqgw.TextValue([]string{"", "1", "", "-3", "30000"}[variant])
	}
	return fqgw.Null
}
