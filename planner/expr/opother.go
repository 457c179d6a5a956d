package expr

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

func textOps() []opDef {
	concat := func(a, b string) string { return a + b }
	return []opDef{
		{"||", "text text text", concat},
		{"||", "text anynonarray text", func(env *fqgw.Env, t []fqgw.Type, a []value) (value, error) {
			return fqgw.TextValue(a[0].Str() + castText(a[1], t[1], env)), nil
		}},
		{"||", "anynonarray text text", func(env *fqgw.Env, t []fqgw.Type, a []value) (value, error) {
			return fqgw.TextValue(castText(a[0], t[0], env) + a[1].Str()), nil
		}},
		{"||", "bytea bytea bytea", func(a, b value) value { return fqgw.BytesValue(a.Str() + b.Str()) }},
		{"||", "jsonb jsonb jsonb", concatJSONB},
		{"^@", "text text bool", strings.HasPrefix},
		{"->", "json text json", jsonGet(false, false)}, {"->", "json int4 json", jsonGet(false, false)},
		{"->>", "json text text", jsonGet(false, true)}, {"->>", "json int4 text", jsonGet(false, true)},
		{"->", "jsonb text jsonb", jsonGet(true, false)}, {"->", "jsonb int4 jsonb", jsonGet(true, false)},
		{"->>", "jsonb text text", jsonGet(true, true)}, {"->>", "jsonb int4 text", jsonGet(true, true)},
		{"#>", "json _text json", jsonPath(false, false)}, {"#>>", "json _text text", jsonPath(false, true)},
		{"#>", "jsonb _text jsonb", jsonPath(true, false)}, {"#>>", "jsonb _text text", jsonPath(true, true)},
		{"@>", "jsonb jsonb bool", jsonContains}, {"<@", "jsonb jsonb bool", swap(func(_ *fqgw.Env, a, b value) (value, error) { return jsonContains(a, b) })},
		{"?", "jsonb text bool", jsonHas},
	}
}

// castText is a value's cast to text: booleans in full, the rest as output.
func castText(v value, t fqgw.Type, env *fqgw.Env) string {
	switch v.Kind() {
	case fqgw.KindBool:
		if v.Bool() {
			return "true"
		}
		return "false"
	}
	return Text(v, t, env)
}

func arrayOps() []opDef {
	return []opDef{
		{"||", "anycompatiblearray anycompatiblearray anycompatiblearray|n", joinArrays},
		{"||", "anycompatiblearray anycompatible anycompatiblearray|n", arrayAppend},
		{"||", "anycompatible anycompatiblearray anycompatiblearray|n", arrayPrepend},
		{"@>", "anyarray anyarray bool", func(a, b value) bool { return containsAll(a.List(), b.List()) }},
		{"<@", "anyarray anyarray bool", func(a, b value) bool { return containsAll(b.List(), a.List()) }},
		{"&&", "anyarray anyarray bool", func(a, b value) bool {
			return slices.ContainsFunc(b.List().Items, func(v value) bool { return !v.IsNull() && indexOf(a.List(), v) >= 0 })
		}},
	}
}

// indexOf finds an item that is not NULL and equal to v.
func indexOf(l *fqgw.List, v value) int {
	return slices.IndexFunc(l.Items, func(i value) bool { return !i.IsNull() && fqgw.Compare(i, v) == 0 })
}

func containsAll(a, b *fqgw.List) bool {
	for _, v := range b.Items {
		if v.IsNull() || indexOf(a, v) < 0 {
			return false
		}
	}
	return true
}

// joinArrays is array || array: of the same dimensions, or one of them one less.
func joinArrays(_ *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	a, b := args[0], args[1]
	switch {
	case a.IsNull():
		return b, nil
	case b.IsNull():
		return a, nil
	}
	x, y := a.List(), b.List()
	dx, dy := dims(x), dims(y)
	switch {
	case dx == nil:
		return b, nil
	case dy == nil:
		return a, nil
	}
	out := &fqgw.List{Elem: x.Elem, Items: slices.Concat(x.Items, y.Items)}
	switch {
	case len(dx) == len(dy) && equalInts(dx[1:], dy[1:]):
		dx = slices.Clone(dx)
		dx[0] += dy[0]
	case len(dx) == len(dy)+1 && equalInts(dx[1:], dy):
		dx = slices.Clone(dx)
		dx[0]++
	case len(dy) == len(dx)+1 && equalInts(dy[1:], dx):
		dx = slices.Clone(dy)
		dx[0]++
	default:
		return fqgw.Null, fqgw.Errorf("2202E", "cannot concatenate incompatible arrays")
	}
	if len(dx) > 1 {
		out.Dims = dx
	}
	return fqgw.ListValue(out), nil
}

func arrayAppend(_ *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	return addItem(args[0], args[1], types[0].Elem().Base(), false)
}

func arrayPrepend(_ *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	return addItem(args[1], args[0], types[1].Elem().Base(), true)
}

func addItem(array, item value, elem fqgw.Type, front bool) (value, error) {
	var items []value
	if !array.IsNull() {
		if len(dims(array.List())) > 1 {
			return fqgw.Null, fqgw.Errorf("22000", "argument must be empty or one-dimensional array")
		}
		items = array.List().Items
	}
	if front {
		return fqgw.ArrayOf(elem, slices.Concat([]value{item}, items)...), nil
	}
	return fqgw.ArrayOf(elem, slices.Concat(items, []value{item})...), nil
}
