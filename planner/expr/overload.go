package expr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// overload is one function or operator for one list of argument types. Exactly
// one of the evaluators is set; a vector evaluator has its place beside them.
type overload struct {
	name     string
	args     []fqgw.Type
	result   fqgw.Type
	variadic bool // the last argument may repeat
	lax      bool // called with NULL arguments too
	volatile bool
	stable   bool // depends on the session or the statement
	now      bool // depends on Env.Now
	session  bool // asks the session or the catalog
	f1       func(env *fqgw.Env, a value) (value, error)
	f2       func(env *fqgw.Env, a, b value) (value, error)
	fn       func(env *fqgw.Env, args []value) (value, error)
	typed    func(env *fqgw.Env, types []fqgw.Type, args []value) (value, error)
}

// def is one row of a function table: the name; the argument types, then the
// result type, then "|" and flags (s stable, v volatile, n called on NULL, t
// depends on now); and the evaluator in one of the forms that bindEval knows.
type def struct {
	name, sig string
	eval      any
}

// opDef is one row of an operator table: "left right result", "- right result" for a prefix operator.
type opDef struct {
	name, sig string
	eval      any
}

var (
	functions = map[string][]*overload{}
	operators = map[string][]*overload{} // two arguments
	prefixes  = map[string][]*overload{} // one
)

func init() {
	for _, table := range functionTables() {
		for _, d := range table {
			addFunction(d)
		}
	}
	for _, d := range slices.Concat(systemFuncs(), privilegeFuncs()) {
		for _, o := range functions[d.name] {
			o.session = o.stable && !o.lax // the lax ones look at their arguments' types
		}
	}
	for _, table := range operatorTables() {
		for _, d := range table {
			addOperator(d)
		}
	}
}

func addFunction(d def) {
	o := parseSignature(d.name, d.sig)
	o.bindEval(d.eval)
	functions[d.name] = append(functions[d.name], o)
}

func addOperator(d opDef) {
	if prefix, ok := strings.CutPrefix(d.sig, "- "); ok {
		o := parseSignature(d.name, prefix)
		o.bindEval(d.eval)
		prefixes[d.name] = append(prefixes[d.name], o)
		return
	}
	o := parseSignature(d.name, d.sig)
	o.bindEval(d.eval)
	operators[d.name] = append(operators[d.name], o)
}

func parseSignature(name, sig string) *overload {
	o := &overload{name: name}
	sig, flags, _ := strings.Cut(sig, "|")
	for _, f := range flags {
		switch f {
		case 's':
			o.stable = true
		case 'v':
			o.volatile = true
		case 'n':
			o.lax = true
		case 't':
			o.now, o.stable = true, true
		}
	}
	words := strings.Fields(sig)
	for i, w := range words {
		if rest, ok := strings.CutPrefix(w, "..."); ok {
			o.variadic, w = true, rest
		}
		t, ok := pseudoNames[w]
		if !ok {
			if t, ok = fqgw.TypeByName(w); !ok {
				panic(fmt.Sprintf("expr: %s: no type %s", name, w)) // a slip in a table: every test fails
			}
		}
		if i == len(words)-1 {
			o.result = t
		} else {
			o.args = append(o.args, t)
		}
	}
	return o
}

// bindEval takes an evaluator in any of the forms that the tables use; the
// simple Go signatures are for functions that cannot fail.
func (o *overload) bindEval(eval any) {
	switch f := eval.(type) {
	case func(*fqgw.Env, value) (value, error):
		o.f1 = f
	case func(*fqgw.Env, value, value) (value, error):
		o.f2 = f
	case func(*fqgw.Env, []value) (value, error):
		o.fn = f
	case func(*fqgw.Env, []fqgw.Type, []value) (value, error):
		o.typed = f
	case func(value) (value, error):
		o.f1 = func(_ *fqgw.Env, a value) (value, error) { return f(a) }
	case func(value, value) (value, error):
		o.f2 = func(_ *fqgw.Env, a, b value) (value, error) { return f(a, b) }
	case func([]value) (value, error):
		o.fn = func(_ *fqgw.Env, a []value) (value, error) { return f(a) }
	case func(value) value:
		o.f1 = func(_ *fqgw.Env, a value) (value, error) { return f(a), nil }
	case func(value, value) value:
		o.f2 = func(_ *fqgw.Env, a, b value) (value, error) { return f(a, b), nil }
	case func(value, value) bool:
		o.f2 = func(_ *fqgw.Env, a, b value) (value, error) { return fqgw.BoolValue(f(a, b)), nil }
	case func(*fqgw.Env, value, value) bool:
		o.f2 = func(env *fqgw.Env, a, b value) (value, error) { return fqgw.BoolValue(f(env, a, b)), nil }
	case func(string) string:
		o.f1 = func(_ *fqgw.Env, a value) (value, error) { return fqgw.TextValue(f(a.Str())), nil }
	case func(string) int:
		o.f1 = func(_ *fqgw.Env, a value) (value, error) { return fqgw.IntValue(int64(f(a.Str()))), nil }
	case func(string, string) string:
		o.f2 = func(_ *fqgw.Env, a, b value) (value, error) { return fqgw.TextValue(f(a.Str(), b.Str())), nil }
	case func(string, string) bool:
		o.f2 = func(_ *fqgw.Env, a, b value) (value, error) { return fqgw.BoolValue(f(a.Str(), b.Str())), nil }
	case func(string, string) (bool, error):
		o.f2 = func(_ *fqgw.Env, a, b value) (value, error) {
			ok, err := f(a.Str(), b.Str())
			return fqgw.BoolValue(ok), err
		}
	case func(float64) float64:
		o.f1 = func(_ *fqgw.Env, a value) (value, error) { return fqgw.FloatValue(f(a.Float())), nil }
	case func(float64) (float64, error):
		o.f1 = func(_ *fqgw.Env, a value) (value, error) { return floatResult(f(a.Float())) }
	case func(float64, float64) (float64, error):
		o.f2 = func(_ *fqgw.Env, a, b value) (value, error) { return floatResult(f(a.Float(), b.Float())) }
	case func(int64) (int64, error):
		o.f1 = func(_ *fqgw.Env, a value) (value, error) { return intResult(f(a.Int())) }
	case func(int64, int64) (int64, error):
		o.f2 = func(_ *fqgw.Env, a, b value) (value, error) { return intResult(f(a.Int(), b.Int())) }
	case func(fqgw.Decimal) (fqgw.Decimal, error):
		o.f1 = func(_ *fqgw.Env, a value) (value, error) { return numericResult(f(a.Numeric())) }
	case func(fqgw.Decimal, fqgw.Decimal) (fqgw.Decimal, error):
		o.f2 = func(_ *fqgw.Env, a, b value) (value, error) { return numericResult(f(a.Numeric(), b.Numeric())) }
	default:
		panic(fmt.Sprintf("expr: %s: evaluator of form %T", o.name, eval)) // a slip in a table
	}
}

func floatResult(f float64, err error) (value, error) {
	if err != nil {
		return fqgw.Null, err
	}
	return fqgw.FloatValue(f), nil
}

func intResult(i int64, err error) (value, error) {
	if err != nil {
		return fqgw.Null, err
	}
	return fqgw.IntValue(i), nil
}

func numericResult(d fqgw.Decimal, err error) (value, error) {
	if err != nil {
		return fqgw.Null, err
	}
	return fqgw.NumericValue(d), nil
}
