package expr

import (
	"cmp"
	"strings"

	"github.com/fqgw/fqgw"
)

// order compares two values that are not NULL.
type order func(env *fqgw.Env, a, b value) (int, error)

func byInt(_ *fqgw.Env, a, b value) (int, error)   { return cmp.Compare(a.Int(), b.Int()), nil }
func byValue(_ *fqgw.Env, a, b value) (int, error) { return fqgw.Compare(a, b), nil }
func byFloat(_ *fqgw.Env, a, b value) (int, error) {
	return fqgw.CompareFloats(a.Float(), b.Float()), nil
}
func byText(_ *fqgw.Env, a, b value) (int, error) { return strings.Compare(a.Str(), b.Str()), nil }

func byPadded(_ *fqgw.Env, a, b value) (int, error) {
	return strings.Compare(strings.TrimRight(a.Str(), " "), strings.TrimRight(b.Str(), " ")), nil
}

func byJSONB(_ *fqgw.Env, a, b value) (int, error) {
	x, err := readJSON(a.Str())
	if err != nil {
		return 0, err
	}
	y, err := readJSON(b.Str())
	if err != nil {
		return 0, err
	}
	return compareJSONB(x, y), nil
}

// A date against a timestamp stands for its midnight; a timestamp without zone
// against one with, for that wall-clock time in the session's zone.
func byMoment(l, r fqgw.Type) order {
	at := func(env *fqgw.Env, v value, t fqgw.Type) int64 {
		n := v.Int()
		if t == fqgw.Date && !isInfinite(n) {
			if n > maxTSDay {
				return fqgw.InfinityTime - 1
			}
			n *= usDay
		}
		if t != fqgw.Timestamptz && (l == fqgw.Timestamptz || r == fqgw.Timestamptz) && n != fqgw.InfinityTime-1 {
			n = toUTC(n, env.Location())
		}
		return n
	}
	return func(env *fqgw.Env, a, b value) (int, error) {
		return cmp.Compare(at(env, a, l), at(env, b, r)), nil
	}
}

// compareOps are =, <>, <, <=, > and >= over every pair of types that has them.
func compareOps() []opDef {
	var out []opDef
	add := func(l, r string, o order) {
		sig := l + " " + r + " bool"
		for op, test := range comparisons {
			out = append(out, opDef{op, sig, compareWith(o, test)})
		}
	}
	ints, moments := []string{"int2", "int4", "int8"}, []string{"date", "timestamp", "timestamptz"}
	for _, l := range ints {
		for _, r := range ints {
			add(l, r, byInt)
		}
	}
	for _, l := range []string{"float4", "float8"} {
		for _, r := range []string{"float4", "float8"} {
			add(l, r, byFloat)
		}
	}
	for _, l := range moments {
		for _, r := range moments {
			a, _ := fqgw.TypeByName(l)
			b, _ := fqgw.TypeByName(r)
			if a == b {
				add(l, r, byInt)
			} else {
				add(l, r, byMoment(a, b))
			}
		}
	}
	for _, t := range []string{"time", "oid"} {
		add(t, t, byInt)
	}
	for _, t := range []string{"text", "name", "char", "bytea", "uuid"} {
		add(t, t, byText)
	}
	add("text", "name", byText)
	add("name", "text", byText)
	add("bpchar", "bpchar", byPadded)
	add("jsonb", "jsonb", byJSONB)
	for _, t := range []string{"bool", "numeric", "interval", "anyarray", "oidvector", "record"} {
		add(t, t, byValue)
	}
	return out
}

var comparisons = map[string]func(int) bool{
	"=": func(c int) bool { return c == 0 }, "<>": func(c int) bool { return c != 0 },
	"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
	">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
}

func compareWith(o order, test func(int) bool) func(*fqgw.Env, value, value) (value, error) {
	return func(env *fqgw.Env, a, b value) (value, error) {
		c, err := o(env, a, b)
		if err != nil {
			return fqgw.Null, err
		}
		return fqgw.BoolValue(test(c)), nil
	}
}

// compareJSONB is jsonb's order: object > array > boolean > number > string >
// null; more members above fewer.
func compareJSONB(a, b *jsonNode) int {
	rank := func(n *jsonNode) int { return strings.IndexByte("n\"0ft[{", n.kind) }
	if a.kind != b.kind {
		// PostgreSQL keeps empty top-level arrays below scalars; we do not.
		return cmp.Compare(rank(a), rank(b))
	}
	switch a.kind {
	case '"':
		return strings.Compare(a.str, b.str)
	case '0':
		x, _ := fqgw.ParseDecimal(a.raw)
		y, _ := fqgw.ParseDecimal(b.raw)
		return x.Cmp(y)
	case '[':
		if len(a.items) != len(b.items) {
			return cmp.Compare(len(a.items), len(b.items))
		}
		for i := range a.items {
			if c := compareJSONB(a.items[i], b.items[i]); c != 0 {
				return c
			}
		}
	case '{':
		x, y := a.order(), b.order()
		if len(x) != len(y) {
			return cmp.Compare(len(x), len(y))
		}
		for i := range x {
			if c := cmp.Or(strings.Compare(a.keys[x[i]], b.keys[y[i]]), compareJSONB(a.items[x[i]], b.items[y[i]])); c != 0 {
				return c
			}
		}
	}
	return 0
}
