package expr

import (
	"strings"

	"github.com/fqgw/fqgw"
)

func stringToArray(args []value) ([]value, bool) {
	if args[0].IsNull() {
		return nil, false
	}
	s := args[0].Str()
	null := func(s string) value {
		if len(args) == 3 && !args[2].IsNull() && s == args[2].Str() {
			return fqgw.Null
		}
		return fqgw.TextValue(s)
	}
	var out []value
	switch {
	case s == "":
	case args[1].IsNull():
		for _, r := range s {
			out = append(out, null(string(r)))
		}
	case args[1].Str() == "":
		out = append(out, null(s))
	default:
		for _, p := range strings.Split(s, args[1].Str()) {
			out = append(out, null(p))
		}
	}
	return out, true
}

func stringToArrayValue(args []value) (value, error) {
	items, ok := stringToArray(args)
	if !ok {
		return fqgw.Null, nil
	}
	return fqgw.ArrayOf(fqgw.Text, items...), nil
}

func stringToTable(_ *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
	items, _ := stringToArray(args)
	return columnOf(items), nil
}

func arrayToString(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	if args[0].IsNull() || args[1].IsNull() {
		return fqgw.Null, nil
	}
	l := args[0].List()
	var parts []string
	for _, v := range l.Items {
		switch {
		case !v.IsNull():
			parts = append(parts, Text(v, types[0].Elem().Base(), env))
		case len(args) == 3 && !args[2].IsNull():
			parts = append(parts, args[2].Str())
		}
	}
	return fqgw.TextValue(strings.Join(parts, args[1].Str())), nil
}

// arrayBound is array_length, array_lower and array_upper.
func arrayBound(f func(n, base int) int) func(*fqgw.Env, []fqgw.Type, []value) (value, error) {
	return func(_ *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
		d, i := dims(args[0].List()), args[1].Int()
		if i < 1 || i > int64(len(d)) {
			return fqgw.Null, nil
		}
		return fqgw.IntValue(int64(f(d[i-1], lowerBound(types[0])))), nil
	}
}

func arrayPosition(_ *fqgw.Env, _ []fqgw.Type, args []value) (value, error) {
	if args[0].IsNull() {
		return fqgw.Null, nil
	}
	l, from := args[0].List(), 0
	if len(dims(l)) > 1 {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "searching for elements in multidimensional arrays is not supported")
	}
	if len(args) == 3 {
		if args[2].IsNull() {
			return fqgw.Null, fqgw.Errorf("22004", "initial position must not be null")
		}
		from = int(args[2].Int()) - 1
	}
	for i, v := range l.Items {
		if i >= from && fqgw.Compare(v, args[1]) == 0 && v.IsNull() == args[1].IsNull() {
			return fqgw.IntValue(int64(i + 1)), nil
		}
	}
	return fqgw.Null, nil
}

func arrayPositions(_ *fqgw.Env, _ []fqgw.Type, args []value) (value, error) {
	if args[0].IsNull() {
		return fqgw.Null, nil
	}
	var out []value
	for i, v := range args[0].List().Items {
		if fqgw.Compare(v, args[1]) == 0 {
			out = append(out, fqgw.IntValue(int64(i+1)))
		}
	}
	return fqgw.ArrayOf(fqgw.Int4, out...), nil
}

// mapArray is array_remove and array_replace: f gives an item's replacement, or drops it.
func mapArray(l *fqgw.List, f func(v value) (value, bool)) value {
	out := &fqgw.List{Elem: l.Elem, Dims: l.Dims}
	for _, v := range l.Items {
		if w, keep := f(v); keep {
			out.Items = append(out.Items, w)
		}
	}
	return fqgw.ListValue(out)
}

func arrayRemove(args []value) (value, error) {
	if args[0].IsNull() {
		return fqgw.Null, nil
	}
	if len(dims(args[0].List())) > 1 {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "removing elements from multidimensional arrays is not supported")
	}
	return mapArray(args[0].List(), func(v value) (value, bool) { return v, fqgw.Compare(v, args[1]) != 0 }), nil
}

func arrayReplace(args []value) (value, error) {
	if args[0].IsNull() {
		return fqgw.Null, nil
	}
	return mapArray(args[0].List(), func(v value) (value, bool) {
		if fqgw.Compare(v, args[1]) == 0 {
			return args[2], true
		}
		return v, true
	}), nil
}

func arrayDims(_ *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	d := dims(args[0].List())
	if d == nil {
		return fqgw.Null, nil
	}
	var b strings.Builder
	base := lowerBound(types[0])
	for _, n := range d {
		b.WriteString("[" + itoa(base) + ":" + itoa(base+n-1) + "]")
	}
	return fqgw.TextValue(b.String()), nil
}

func arrayFill(_ *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	if args[1].IsNull() {
		return fqgw.Null, fqgw.Errorf("22004", "dimension array or low bound array cannot be null")
	}
	out, total := &fqgw.List{Elem: types[0].Base()}, 1
	for _, v := range args[1].List().Items {
		if v.IsNull() {
			return fqgw.Null, fqgw.Errorf("22004", "dimension values cannot be null")
		}
		n := int(v.Int())
		if n < 0 || n > 1<<21 || total*max(n, 1) > 1<<21 || len(out.Dims) >= maxArrayDims {
			return fqgw.Null, fqgw.Errorf("54000", "array size exceeds the maximum allowed")
		}
		total *= n
		out.Dims = append(out.Dims, n)
	}
	if len(out.Dims) == 0 || total == 0 {
		return fqgw.ArrayOf(out.Elem), nil
	}
	if len(out.Dims) == 1 {
		out.Dims = nil
	}
	out.Items = make([]value, total)
	for i := range out.Items {
		out.Items[i] = args[0]
	}
	return fqgw.ListValue(out), nil
}

func trimArray(a, b value) (value, error) {
	l, n := a.List(), b.Int()
	d := dims(l)
	have := 0
	if d != nil {
		have = d[0]
	}
	if n < 0 || n > int64(have) {
		return fqgw.Null, fqgw.Errorf("2202E", "number of elements to trim must be between 0 and %d", have)
	}
	return sliceList(l, d, []int{1}, []int{have - int(n)}, 1), nil
}

func arrayFuncs() []def {
	length := arrayBound(func(n, _ int) int { return n })
	return []def{
		{"string_to_array", "text text _text|n", stringToArrayValue}, {"string_to_array", "text text text _text|n", stringToArrayValue},
		{"array_to_string", "anyarray text text|ns", arrayToString}, {"array_to_string", "anyarray text text text|ns", arrayToString},
		{"array_length", "anyarray int4 int4", length}, {"array_upper", "anyarray int4 int4", arrayBound(func(n, base int) int { return base + n - 1 })},
		{"array_lower", "anyarray int4 int4", arrayBound(func(_, base int) int { return base })},
		{"array_ndims", "anyarray int4", func(v value) value {
			if d := dims(v.List()); d != nil {
				return fqgw.IntValue(int64(len(d)))
			}
			return fqgw.Null
		}},
		{"array_dims", "anyarray text", arrayDims},
		{"cardinality", "anyarray int4", func(v value) value { return fqgw.IntValue(int64(len(v.List().Items))) }},
		{"array_append", "anycompatiblearray anycompatible anycompatiblearray|n", arrayAppend},
		{"array_prepend", "anycompatible anycompatiblearray anycompatiblearray|n", arrayPrepend},
		{"array_cat", "anycompatiblearray anycompatiblearray anycompatiblearray|n", joinArrays},
		{"array_position", "anycompatiblearray anycompatible int4|n", arrayPosition},
		{"array_position", "anycompatiblearray anycompatible int4 int4|n", arrayPosition},
		{"array_positions", "anycompatiblearray anycompatible _int4|n", arrayPositions},
		{"array_remove", "anycompatiblearray anycompatible anycompatiblearray|n", arrayRemove},
		{"array_replace", "anycompatiblearray anycompatible anycompatible anycompatiblearray|n", arrayReplace},
		{"array_fill", "anyelement _int4 anyarray|n", arrayFill},
		{"trim_array", "anyarray int4 anyarray", trimArray},
	}
}
