package expr

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// jsonGet is -> and ->>: a member by name or an element by number.
func jsonGet(jsonb, text bool) func(a, b value) (value, error) {
	return func(a, b value) (value, error) {
		n, err := readJSON(a.Str())
		if err != nil {
			return fqgw.Null, err
		}
		if b.Kind() == fqgw.KindInt {
			n = n.element(b.Int())
		} else {
			n = n.member(b.Str())
		}
		if text {
			return n.text(jsonb)
		}
		return n.json(jsonb)
	}
}

// jsonPath is #> and #>>.
func jsonPath(jsonb, text bool) func(a, b value) (value, error) {
	return func(a, b value) (value, error) {
		n, err := readJSON(a.Str())
		if err != nil {
			return fqgw.Null, err
		}
		if n = followPath(n, b.List().Items); text {
			return n.text(jsonb)
		}
		return n.json(jsonb)
	}
}

func followPath(n *jsonNode, path []value) *jsonNode {
	for _, p := range path {
		if n == nil || p.IsNull() {
			return nil
		}
		if n.kind == '[' {
			i, err := strconv.ParseInt(p.Str(), 10, 32)
			if err != nil {
				return nil
			}
			n = n.element(i)
			continue
		}
		n = n.member(p.Str())
	}
	return n
}

// jsonExtractPath is json_extract_path(json, VARIADIC text[]).
func jsonExtractPath(jsonb, text bool) func(args []value) (value, error) {
	get := jsonPath(jsonb, text)
	return func(args []value) (value, error) { return get(args[0], fqgw.ArrayOf(fqgw.Text, args[1:]...)) }
}

func concatJSONB(a, b value) (value, error) {
	x, err := readJSON(a.Str())
	if err != nil {
		return fqgw.Null, err
	}
	y, err := readJSON(b.Str())
	if err != nil {
		return fqgw.Null, err
	}
	var n *jsonNode
	switch {
	case x.kind == '{' && y.kind == '{':
		n = &jsonNode{kind: '{', keys: slices.Concat(x.keys, y.keys), items: slices.Concat(x.items, y.items)}
	default:
		n = &jsonNode{kind: '['}
		for _, part := range []*jsonNode{x, y} {
			if part.kind == '[' {
				n.items = append(n.items, part.items...)
			} else {
				n.items = append(n.items, part)
			}
		}
	}
	return n.json(true)
}

func jsonContains(a, b value) (value, error) {
	x, err := readJSON(a.Str())
	if err != nil {
		return fqgw.Null, err
	}
	y, err := readJSON(b.Str())
	if err != nil {
		return fqgw.Null, err
	}
	if x.kind == '[' && y.kind != '[' && y.kind != '{' { // an array contains a bare scalar
		y = &jsonNode{kind: '[', items: []*jsonNode{y}}
	}
	return fqgw.BoolValue(nodeContains(x, y)), nil
}

func nodeContains(a, b *jsonNode) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case '{':
		for i, k := range b.keys {
			if m := a.member(k); m == nil || !nodeContains(m, b.items[i]) {
				return false
			}
		}
		return true
	case '[':
		for _, y := range b.items {
			if !slices.ContainsFunc(a.items, func(x *jsonNode) bool { return nodeContains(x, y) }) {
				return false
			}
		}
		return true
	}
	return compareJSONB(a, b) == 0
}

func jsonHas(a, b value) (value, error) {
	n, err := readJSON(a.Str())
	if err != nil {
		return fqgw.Null, err
	}
	has := n.member(b.Str()) != nil || n.kind == '"' && n.str == b.Str()
	if n.kind == '[' {
		has = slices.ContainsFunc(n.items, func(i *jsonNode) bool { return i.kind == '"' && i.str == b.Str() })
	}
	return fqgw.BoolValue(has), nil
}

// appendAsJSON prints a value as to_json does; sep is between the outermost
// members of a record or an array.
func appendAsJSON(b []byte, v value, t fqgw.Type, sep string, env *fqgw.Env) []byte {
	switch v.Kind() {
	case fqgw.KindNull:
		return append(b, "null"...)
	case fqgw.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case fqgw.KindInt:
		if t.Category() == 'N' && !isOIDLike(t) {
			return strconv.AppendInt(b, v.Int(), 10)
		}
	case fqgw.KindFloat, fqgw.KindNumeric:
		s := Text(v, t, env)
		if strings.ContainsAny(s, "NI") { // NaN and the infinities are no JSON numbers
			return appendJSONString(b, s)
		}
		return append(b, s...)
	case fqgw.KindDate: // ISO 8601 whatever the session's DateStyle
		return appendJSONString(b, string(appendDay(nil, v.Int(), fqgw.Style{})))
	case fqgw.KindTimestamp:
		s := Text(v, t, &fqgw.Env{Zone: env.Location()})
		if !isInfinite(v.Int()) {
			s = isoTimestamp(s)
		}
		return appendJSONString(b, s)
	case fqgw.KindArray:
		return appendArrayJSON(b, v.List(), sep, env)
	case fqgw.KindRecord:
		return appendRecordJSON(b, v, sep, env)
	case fqgw.KindText:
		if t.OID == fqgw.JSON.OID || t.OID == fqgw.JSONB.OID {
			return append(b, v.Str()...)
		}
	}
	return appendJSONString(b, Text(v, t, env))
}

// isoTimestamp writes the T of ISO 8601, and minutes of the offset.
func isoTimestamp(s string) string {
	s = strings.Replace(s, " ", "T", 1)
	if i := strings.LastIndexAny(s, "+-"); i > len("2000-01-01T") && len(s)-i == 3 {
		s += ":00"
	}
	return s
}

func appendArrayJSON(b []byte, l *fqgw.List, sep string, env *fqgw.Env) []byte {
	d := dims(l)
	if d == nil {
		return append(b, "[]"...)
	}
	at := 0
	var level func(dim int)
	level = func(dim int) {
		b = append(b, '[')
		for k := range d[dim] {
			switch {
			case k > 0 && dim == 0:
				b = append(b, sep...)
			case k > 0:
				b = append(b, ',')
			}
			if dim < len(d)-1 {
				level(dim + 1)
				continue
			}
			b = appendAsJSON(b, l.Items[at], l.Elem, ",", env)
			at++
		}
		b = append(b, ']')
	}
	level(0)
	return b
}

// appendRecordJSON prints a record as an object.
func appendRecordJSON(b []byte, v value, sep string, env *fqgw.Env) []byte {
	b = append(b, '{')
	for i, f := range v.Fields() {
		if i > 0 {
			b = append(b, sep...)
		}
		b = append(appendJSONString(b, v.RowType().Name(i)), ':')
		b = appendAsJSON(b, f, v.RowType().Type(i), ",", env)
	}
	return append(b, '}')
}

// ToJSON is to_json of a value, as the aggregates json_agg and its kin need it.
func ToJSON(v fqgw.Value, t fqgw.Type, env *fqgw.Env) string {
	return string(appendAsJSON(nil, v, t, ",", env))
}

func toJSON(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	sep := ","
	if len(args) > 1 && args[1].Bool() {
		sep = ",\n "
	}
	return fqgw.TextValue(string(appendAsJSON(nil, args[0], types[0], sep, env))), nil
}

func toJSONB(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	return parseJSONB(ToJSON(args[0], types[0], env))
}

// buildObject is json_build_object: names and values in turn.
func buildObject(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	if len(args)%2 != 0 {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "argument list must have even number of elements").
			WithHint("The arguments of json_build_object() must consist of alternating keys and values.")
	}
	b := []byte{'{'}
	for i := 0; i < len(args); i += 2 {
		if args[i].IsNull() {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "argument %d cannot be null", i+1).
				WithHint("Object keys should be text.")
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(appendJSONString(b, castText(args[i], types[i], env)), " : "...)
		b = appendAsJSON(b, args[i+1], types[i+1], ",", env)
	}
	return fqgw.TextValue(string(append(b, '}'))), nil
}

func buildArray(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	b := []byte{'['}
	for i, v := range args {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendAsJSON(b, v, types[i], ",", env)
	}
	return fqgw.TextValue(string(append(b, ']'))), nil
}

// asJSONB makes the jsonb form of a function that gives json.
func asJSONB(f func(*fqgw.Env, []fqgw.Type, []value) (value, error)) func(*fqgw.Env, []fqgw.Type, []value) (value, error) {
	return func(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
		v, err := f(env, types, args)
		if err != nil || v.IsNull() {
			return v, err
		}
		return parseJSONB(v.Str())
	}
}

func jsonTypeOf(a value) (value, error) {
	n, err := readJSON(a.Str())
	if err != nil {
		return fqgw.Null, err
	}
	return fqgw.TextValue(map[byte]string{'{': "object", '[': "array", '"': "string", '0': "number", 't': "boolean", 'f': "boolean", 'n': "null"}[n.kind]), nil
}

func jsonArrayLength(a value) (value, error) {
	n, err := readJSON(a.Str())
	if err != nil {
		return fqgw.Null, err
	}
	switch n.kind {
	case '[':
		return fqgw.IntValue(int64(len(n.items))), nil
	case '{':
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot get array length of a non-array")
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot get array length of a scalar")
}

type setRun = func(env *fqgw.Env, types []fqgw.Type, args []value) (setRows, error)

func jsonElements(jsonb, text bool) setRun {
	return func(_ *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
		n, err := readJSON(args[0].Str())
		if err != nil {
			return nil, err
		}
		if n.kind != '[' {
			what := map[bool]string{true: "an object", false: "a scalar"}[n.kind == '{']
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot extract elements from %s", what)
		}
		var out []value
		for _, item := range n.items {
			v, err := item.json(jsonb)
			if text {
				v, err = item.text(jsonb)
			}
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return columnOf(out), nil
	}
}

func jsonMembers(s string, jsonb bool, what string) (*jsonNode, []int, error) {
	n, err := readJSON(s)
	if err != nil {
		return nil, nil, err
	}
	if n.kind != '{' {
		kind := map[bool]string{true: "an array", false: "a scalar"}[n.kind == '[']
		return nil, nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot call %s on %s", what, kind)
	}
	if jsonb {
		return n, n.order(), nil
	}
	all := make([]int, len(n.keys))
	for i := range all {
		all[i] = i
	}
	return n, all, nil
}

func jsonKeys(jsonb bool) setRun {
	name := map[bool]string{false: "json_object_keys", true: "jsonb_object_keys"}[jsonb]
	return func(_ *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
		n, order, err := jsonMembers(args[0].Str(), jsonb, name)
		if err != nil {
			return nil, err
		}
		var out []value
		for _, i := range order {
			out = append(out, fqgw.TextValue(n.keys[i]))
		}
		return columnOf(out), nil
	}
}

func jsonEach(jsonb, text bool) setRun {
	name := map[bool]string{false: "json_each", true: "jsonb_each"}[jsonb] + map[bool]string{true: "_text"}[text]
	return func(_ *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
		n, order, err := jsonMembers(args[0].Str(), jsonb, name)
		if err != nil {
			return nil, err
		}
		var rows [][]value
		for _, i := range order {
			v, err := n.items[i].json(jsonb)
			if text {
				v, err = n.items[i].text(jsonb)
			}
			if err != nil {
				return nil, err
			}
			rows = append(rows, []value{fqgw.TextValue(n.keys[i]), v})
		}
		return rowsOf(rows), nil
	}
}

func jsonFuncs() []def {
	return []def{
		{"to_json", "anyelement json|s", toJSON}, {"to_jsonb", "anyelement jsonb|s", toJSONB},
		{"row_to_json", "record json|s", toJSON}, {"row_to_json", "record bool json|s", toJSON}, {"array_to_json", "anyarray bool json|s", toJSON}, {"array_to_json", "anyarray json|s", toJSON},
		{"json_build_object", "...any json|ns", buildObject}, {"jsonb_build_object", "...any jsonb|ns", asJSONB(buildObject)},
		{"json_build_array", "...any json|ns", buildArray}, {"jsonb_build_array", "...any jsonb|ns", asJSONB(buildArray)},
		{"json_build_object", "json|s", func([]value) (value, error) { return fqgw.TextValue("{}"), nil }},
		{"jsonb_build_object", "jsonb", func([]value) (value, error) { return fqgw.TextValue("{}"), nil }},
		{"json_build_array", "json", func([]value) (value, error) { return fqgw.TextValue("[]"), nil }},
		{"jsonb_build_array", "jsonb", func([]value) (value, error) { return fqgw.TextValue("[]"), nil }},
		{"json_typeof", "json text", jsonTypeOf}, {"jsonb_typeof", "jsonb text", jsonTypeOf},
		{"json_array_length", "json int4", jsonArrayLength}, {"jsonb_array_length", "jsonb int4", jsonArrayLength},
		{"json_extract_path", "json ...text json", jsonExtractPath(false, false)},
		{"json_extract_path_text", "json ...text text", jsonExtractPath(false, true)},
		{"jsonb_extract_path", "jsonb ...text jsonb", jsonExtractPath(true, false)},
		{"jsonb_extract_path_text", "jsonb ...text text", jsonExtractPath(true, true)},
	}
}
