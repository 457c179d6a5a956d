package expr

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// edit reads jsonb, changes it and prints it.
func edit(a value, f func(*jsonNode) (*jsonNode, error)) (value, error) {
	n, err := readJSON(a.Str())
	if err != nil {
		return fqgw.Null, err
	}
	if n, err = f(n); err != nil {
		return fqgw.Null, err
	}
	return n.json(true)
}

// without is n without the members or string elements that drop names.
func (n *jsonNode) without(drop func(i int) bool) *jsonNode {
	out := &jsonNode{kind: n.kind}
	for i, item := range n.items {
		if drop(i) {
			continue
		}
		if n.kind == '{' {
			out.keys = append(out.keys, n.keys[i])
		}
		out.items = append(out.items, item)
	}
	return out
}

func deleteKeys(a value, keys []value) (value, error) {
	named := func(s string) bool {
		return slices.ContainsFunc(keys, func(k value) bool { return !k.IsNull() && k.Str() == s })
	}
	return edit(a, func(n *jsonNode) (*jsonNode, error) {
		switch n.kind {
		case '{':
			return n.without(func(i int) bool { return named(n.keys[i]) }), nil
		case '[':
			return n.without(func(i int) bool { return n.items[i].kind == '"' && named(n.items[i].str) }), nil
		}
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot delete from scalar")
	})
}

func deleteElement(a, b value) (value, error) {
	return edit(a, func(n *jsonNode) (*jsonNode, error) {
		switch n.kind {
		case '[':
			at := b.Int()
			if at < 0 {
				at += int64(len(n.items))
			}
			return n.without(func(i int) bool { return int64(i) == at }), nil
		case '{':
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot delete from object using integer index")
		}
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot delete from scalar")
	})
}

func deletePath(a, b value) (value, error) {
	return edit(a, func(n *jsonNode) (*jsonNode, error) {
		if n.kind != '{' && n.kind != '[' {
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot delete path in scalar")
		}
		return n.change(b.List().Items, nil, false)
	})
}

// jsonSet is jsonb_set(target, path, new, create).
func jsonSet(args []value) (value, error) {
	item, err := readJSON(args[2].Str())
	if err != nil {
		return fqgw.Null, err
	}
	create := len(args) < 4 || args[3].Bool()
	return edit(args[0], func(n *jsonNode) (*jsonNode, error) {
		if n.kind != '{' && n.kind != '[' {
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "cannot set path in scalar")
		}
		return n.change(args[1].List().Items, item, create)
	})
}

// change replaces what the path leads to by item, or removes it (nil).
func (n *jsonNode) change(path []value, item *jsonNode, create bool) (*jsonNode, error) {
	if len(path) == 0 {
		return n, nil
	}
	if path[0].IsNull() {
		return nil, fqgw.Errorf("22004", "path element at position 1 is null")
	}
	step, at := path[0].Str(), -1
	switch n.kind {
	case '{':
		at = slices.Index(n.keys, step)
	case '[':
		i, err := strconv.Atoi(step)
		if err != nil {
			return nil, fqgw.Errorf(fqgw.CodeInvalidText, "path element at position 1 is not an integer: \"%s\"", step)
		}
		if i < 0 {
			i += len(n.items)
		}
		if i >= 0 && i < len(n.items) {
			at = i
		} else if len(path) == 1 && create && item != nil {
			out := n.without(func(int) bool { return false })
			if i < 0 {
				out.items = append([]*jsonNode{item}, out.items...)
			} else {
				out.items = append(out.items, item)
			}
			return out, nil
		}
	default:
		return n, nil
	}
	out := n.without(func(int) bool { return false })
	switch {
	case at < 0 && len(path) == 1 && create && item != nil && n.kind == '{':
		out.keys, out.items = append(out.keys, step), append(out.items, item)
	case at < 0:
	case len(path) > 1:
		c, err := n.items[at].change(path[1:], item, create)
		if err != nil {
			return nil, err
		}
		out.items[at] = c
	case item == nil:
		return n.without(func(i int) bool { return i == at }), nil
	default:
		out.items[at] = item
	}
	return out, nil
}

func stripNulls(jsonb bool) func(a value) (value, error) {
	return func(a value) (value, error) {
		n, err := readJSON(a.Str())
		if err != nil {
			return fqgw.Null, err
		}
		n = n.stripped()
		if jsonb {
			return n.json(true)
		}
		return fqgw.TextValue(string(n.compact(nil))), nil
	}
}

func (n *jsonNode) stripped() *jsonNode {
	if n.kind != '{' && n.kind != '[' {
		return n
	}
	out := n.without(func(i int) bool { return n.kind == '{' && n.items[i].kind == 'n' })
	for i := range out.items {
		out.items[i] = out.items[i].stripped()
	}
	return out
}

// compact prints without spaces.
func (n *jsonNode) compact(b []byte) []byte {
	switch n.kind {
	case '{', '[':
		b = append(b, n.kind)
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			if n.kind == '{' {
				b = append(appendJSONString(b, n.keys[i]), ':')
			}
			b = item.compact(b)
		}
		return append(b, n.kind+2) // the closing bracket
	case '"':
		return appendJSONString(b, n.str)
	}
	return append(b, n.raw...)
}

// pretty is jsonb_pretty.
func pretty(a value) (value, error) {
	n, err := readJSON(a.Str())
	if err != nil {
		return fqgw.Null, err
	}
	var b strings.Builder
	var print func(n *jsonNode, depth int) error
	print = func(n *jsonNode, depth int) error {
		if n.kind != '{' && n.kind != '[' {
			s, err := appendJSONB(nil, n)
			b.Write(s)
			return err
		}
		indent := "\n" + strings.Repeat("    ", depth)
		b.WriteByte(n.kind)
		order := make([]int, len(n.items))
		for i := range order {
			order[i] = i
		}
		if n.kind == '{' {
			order = n.order()
		}
		for i, k := range order {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(indent + "    ")
			if n.kind == '{' {
				b.Write(append(appendJSONString(nil, n.keys[k]), ": "...))
			}
			if err := print(n.items[k], depth+1); err != nil {
				return err
			}
		}
		b.WriteString(indent)
		b.WriteByte(n.kind + 2)
		return nil
	}
	err = print(n, 0)
	return fqgw.TextValue(b.String()), err
}

// hasKeys is ?| and ?&.
func hasKeys(all bool) func(a, b value) (value, error) {
	return func(a, b value) (value, error) {
		for _, k := range b.List().Items {
			if k.IsNull() {
				continue
			}
			v, err := jsonHas(a, k)
			if err != nil {
				return fqgw.Null, err
			}
			if v.Bool() != all {
				return v, nil
			}
		}
		return fqgw.BoolValue(all), nil
	}
}

func jsonEditOps() []opDef {
	return []opDef{
		{"-", "jsonb text jsonb", func(a, b value) (value, error) { return deleteKeys(a, []value{b}) }},
		{"-", "jsonb _text jsonb", func(a, b value) (value, error) { return deleteKeys(a, b.List().Items) }},
		{"-", "jsonb int4 jsonb", deleteElement}, {"#-", "jsonb _text jsonb", deletePath},
		{"?|", "jsonb _text bool", hasKeys(false)}, {"?&", "jsonb _text bool", hasKeys(true)},
	}
}

func jsonEditFuncs() []def {
	return []def{
		{"jsonb_set", "jsonb _text jsonb jsonb", jsonSet}, {"jsonb_set", "jsonb _text jsonb bool jsonb", jsonSet},
		{"json_strip_nulls", "json json", stripNulls(false)}, {"jsonb_strip_nulls", "jsonb jsonb", stripNulls(true)},
		{"jsonb_pretty", "jsonb text", pretty},
	}
}
