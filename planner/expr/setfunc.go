package expr

import (
	"io"
	"strings"

	"github.com/fqgw/fqgw"
)

// setFunc is one overload of a set-returning function. With columns it yields
// those (name and type each), else one column of the signature's result, named
// as the function.
type setFunc struct {
	sig     string
	columns string
	run     func(env *fqgw.Env, types []fqgw.Type, args []value) (setRows, error)
}

// setRows yields one row, nil at the end.
type setRows func() ([]value, error)

var setOverloads = map[string][]*overload{}
var setRunners = map[*overload]setFunc{}

func init() {
	for name, list := range setFuncs() {
		for _, f := range list {
			o := parseSignature(name, f.sig)
			o.lax = strings.Contains(f.sig, "|n")
			setOverloads[name] = append(setOverloads[name], o)
			setRunners[o] = f
		}
	}
}

// IsSetFunc says whether name is a set-returning function.
func IsSetFunc(name string) bool { return len(setOverloads[name]) > 0 }

// SetFuncColumns resolves a call of a set-returning function: its arguments
// coerced, and its output columns. unnest may have several arguments (in FROM).
func SetFuncColumns(name string, args []fqgw.Expr) (coerced []fqgw.Expr, types []fqgw.Type, names []string, err error) {
	if name == "unnest" && len(args) > 1 {
		for _, a := range args {
			c, t, n, err := SetFuncColumns(name, []fqgw.Expr{a})
			if err != nil {
				return nil, nil, nil, err
			}
			coerced, types, names = append(coerced, c...), append(types, t...), append(names, n...)
		}
		return coerced, types, names, nil
	}
	argTypes := typesOf(args)
	c, n := resolve(setOverloads[name], argTypes, false)
	if n != 1 {
		if n == 0 {
			return nil, nil, nil, noFunction(name, argTypes)
		}
		return nil, nil, nil, fqgw.Errorf(fqgw.CodeAmbiguousFunction, "function %s(%s) is not unique", name, typeNames(argTypes)).
			WithHint("Could not choose a best candidate function. You might need to add explicit type casts.")
	}
	call, err := c.apply(args, false, false)
	if err != nil {
		return nil, nil, nil, err
	}
	cols := setRunners[c.over].columns
	if cols == "" {
		return call.Args, []fqgw.Type{call.typ}, []string{name}, nil
	}
	words := strings.Fields(cols)
	for i := 0; i+1 < len(words); i += 2 {
		t, ok := fqgw.TypeByName(words[i+1])
		if !ok { // the element type of the argument
			t = call.Args[0].Type().Elem().Base()
		}
		names, types = append(names, words[i]), append(types, t)
	}
	return call.Args, types, names, nil
}

// RunSet runs a set-returning function over evaluated arguments, whose types are
// those of the coerced arguments that SetFuncColumns gave.
func RunSet(name string, env *fqgw.Env, args []fqgw.Value, types []fqgw.Type) (fqgw.Rows, error) {
	if name == "unnest" && len(args) > 1 {
		return unnestMany(args), nil
	}
	c, n := resolve(setOverloads[name], types, false)
	if n == 0 || len(args) != len(types) {
		return nil, noFunction(name, types)
	}
	if !c.over.lax {
		for _, a := range args {
			if a.IsNull() {
				return setIterator(func() ([]value, error) { return nil, nil }), nil
			}
		}
	}
	next, err := setRunners[c.over].run(env, types, args)
	if err != nil {
		return nil, err
	}
	return setIterator(next), nil
}

type setIterator setRows

func (s setIterator) Next() ([]value, error) {
	row, err := s()
	if err == nil && row == nil {
		return nil, io.EOF
	}
	return row, err
}

func (s setIterator) Close() error { return nil }

// unnestMany runs several arrays in step; the shorter ones end in NULLs.
func unnestMany(args []value) fqgw.Rows {
	longest, at := 0, 0
	for _, a := range args {
		if !a.IsNull() {
			longest = max(longest, len(a.List().Items))
		}
	}
	return setIterator(func() ([]value, error) {
		if at >= longest {
			return nil, nil
		}
		row := make([]value, len(args))
		for i, a := range args {
			if !a.IsNull() && at < len(a.List().Items) {
				row[i] = a.List().Items[at]
			}
		}
		at++
		return row, nil
	})
}

// rowsOf yields prepared rows.
func rowsOf(rows [][]value) setRows {
	at := 0
	return func() ([]value, error) {
		if at >= len(rows) {
			return nil, nil
		}
		at++
		return rows[at-1], nil
	}
}

// columnOf yields the items of one column.
func columnOf(items []value) setRows {
	at := 0
	return func() ([]value, error) {
		if at >= len(items) {
			return nil, nil
		}
		at++
		return []value{items[at-1]}, nil
	}
}
