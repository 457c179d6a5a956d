package expr

import (
	"strings"

	"github.com/fqgw/fqgw"
)

// Call is a function or operator with its overload chosen and its arguments
// coerced to what that declares.
type Call struct {
	Name     string
	Operator bool
	Args     []fqgw.Expr
	Spread   bool // the last argument was given with VARIADIC
	over     *overload
	typ      fqgw.Type
	varies   bool // its values have no fixed size
}

func (c *Call) Type() fqgw.Type { return c.typ }

// Eval evaluates the arguments from left to right and calls the function; a
// NULL argument of a strict function gives NULL. 53200 for a value larger than
// the statement has room for.
func (c *Call) Eval(env *fqgw.Env, row []value) (value, error) {
	o := c.over
	switch {
	case o.f1 != nil:
		a, err := c.Args[0].Eval(env, row)
		if err != nil || a.IsNull() && !o.lax {
			return fqgw.Null, err
		}
		v, err := o.f1(env, a)
		if c.varies && err == nil {
			err = fits(env, v)
		}
		return v, err
	case o.f2 != nil:
		a, err := c.Args[0].Eval(env, row)
		if err != nil || a.IsNull() && !o.lax {
			return fqgw.Null, err
		}
		b, err := c.Args[1].Eval(env, row)
		if err != nil || b.IsNull() && !o.lax {
			return fqgw.Null, err
		}
		if len(a.Str()) >= largeText && o.arrays() {
			if err := o.room(env, []value{a, b}); err != nil {
				return fqgw.Null, err
			}
		}
		v, err := o.f2(env, a, b)
		if c.varies && err == nil {
			err = fits(env, v)
		}
		return v, err
	}
	args := make([]value, len(c.Args))
	for i, e := range c.Args {
		v, err := e.Eval(env, row)
		if err != nil || v.IsNull() && !o.lax {
			return fqgw.Null, err
		}
		args[i] = v
	}
	if err := o.room(env, args); err != nil {
		return fqgw.Null, err
	}
	types := []fqgw.Type(nil)
	if o.typed != nil {
		types = typesOf(c.Args)
	}
	v, err := o.call(env, types, args, c.Spread)
	if c.varies && err == nil {
		err = fits(env, v)
	}
	return v, err
}

// largeText is a text of which a function may make far more: an item of an
// array takes itemRoom bytes for perhaps one of the text.
const (
	largeText = 1 << 20
	itemRoom  = 32
)

// fits is 53200 when the statement has no room for the value: expressions within
// expressions may double a text or an array again and again, and none of what is
// between is a row that somebody counts. Small values are not looked at.
func fits(env *fqgw.Env, v value) error {
	n := int64(len(v.Str()))
	if l := v.List(); l != nil {
		n = itemRoom * int64(len(l.Items))
	}
	if n < largeText || env == nil {
		return nil
	}
	return env.Memory.Fits(n)
}

func (o *overload) arrays() bool { return o.result.IsArray() }

// room is 53200 when the statement has none for the array that a function may
// make of large texts.
func (o *overload) room(env *fqgw.Env, args []value) error {
	if env == nil || env.Memory == nil || !o.arrays() {
		return nil
	}
	for _, a := range args {
		if n := len(a.Str()); n >= largeText {
			if err := env.Memory.Fits(itemRoom * int64(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// call runs the overload over evaluated arguments.
func (o *overload) call(env *fqgw.Env, types []fqgw.Type, args []value, spread bool) (value, error) {
	if !o.lax {
		for _, a := range args {
			if a.IsNull() {
				return fqgw.Null, nil
			}
		}
	}
	if spread {
		last := len(args) - 1
		if args[last].IsNull() && o.name != "format" { // to which it is an empty array
			return fqgw.Null, nil
		}
		l := &fqgw.List{}
		if !args[last].IsNull() {
			l = args[last].List()
		}
		args = append(args[:last:last], l.Items...)
		if types != nil {
			types = types[:last:last]
			for range l.Items {
				types = append(types, l.Elem)
			}
		}
	}
	switch {
	case o.f1 != nil:
		return o.f1(env, args[0])
	case o.f2 != nil:
		return o.f2(env, args[0], args[1])
	case o.typed != nil:
		return o.typed(env, types, args)
	}
	return o.fn(env, args)
}

func (c *Call) String() string {
	if c.Operator {
		if len(c.Args) == 1 {
			return "(" + c.Name + " " + c.Args[0].String() + ")"
		}
		return "(" + c.Args[0].String() + " " + c.Name + " " + c.Args[1].String() + ")"
	}
	if len(c.Args) == 0 && isKeywordFunction(c.Name) {
		return c.Name
	}
	var b strings.Builder
	b.WriteString(QuoteIdent(c.Name))
	b.WriteByte('(')
	for i, a := range c.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		if c.Spread && i == len(c.Args)-1 {
			b.WriteString("VARIADIC ")
		}
		b.WriteString(a.String())
	}
	b.WriteByte(')')
	return b.String()
}

func (c *Call) operands() (fqgw.Expr, []*fqgw.Expr) {
	d := *c
	return &d, pointers(&d.Args)
}

func (c *Call) encode(w *encoder) {
	w.either(c.Operator, tagOperator, tagFunction)
	w.text(c.Name)
	w.overload(c.over)
	w.flag(c.Spread)
	w.typ(c.typ)
	w.nodes(c.Args)
}

// isKeywordFunction: functions that SQL writes without parentheses. The binder
// calls Func with their lower-case names.
func isKeywordFunction(name string) bool {
	switch name {
	case "current_date", "current_timestamp", "current_time", "localtimestamp", "localtime", "current_user",
		"session_user", "user", "current_role", "current_catalog":
		return true
	}
	return false
}

// Func is a call of the scalar function name (lower case, without
// "pg_catalog."; the functions of schema fqgw carry it: "fqgw.sync"). 42883 when
// no overload fits, 42725 when several do.
func Func(name string, args []fqgw.Expr) (fqgw.Expr, error) { return call(name, args, false) }

// FuncVariadic is Func for f(…, VARIADIC array).
func FuncVariadic(name string, args []fqgw.Expr) (fqgw.Expr, error) { return call(name, args, true) }

func call(name string, args []fqgw.Expr, spread bool) (fqgw.Expr, error) {
	types := typesOf(args)
	c, n := resolve(functions[name], types, spread)
	if n == 1 && sameTypes(c.args, baseTypes(types)) {
		return c.result(args, false, spread)
	}
	// A type's name with one argument is a cast, unless a function fits exactly.
	if len(args) == 1 && !spread {
		if t, ok := fqgw.TypeByName(name); ok && !t.IsArray() && (types[0] == fqgw.Unknown || findPath(types[0].Base(), t, Explicit) != noPath) {
			return Cast(args[0], t, Explicit)
		}
	}
	switch n {
	case 0:
		return nil, noFunction(name, types)
	case 1:
		return c.result(args, false, spread)
	}
	return nil, fqgw.Errorf(fqgw.CodeAmbiguousFunction, "function %s(%s) is not unique", name, typeNames(types)).
		WithHint("Could not choose a best candidate function. You might need to add explicit type casts.")
}

func (c candidate) result(args []fqgw.Expr, op, spread bool) (fqgw.Expr, error) {
	out, err := c.apply(args, op, spread)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func noFunction(name string, types []fqgw.Type) *fqgw.Error {
	if len(functions[name]) == 0 && notOurs[name] {
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "function %s(%s) is not supported", name, typeNames(types))
	}
	return fqgw.Errorf(fqgw.CodeUndefinedFunction, "function %s(%s) does not exist", name, typeNames(types)).
		WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

// HasFunc says whether there is a scalar function of that name.
func HasFunc(name string) bool { return len(functions[name]) > 0 }

// Op is the operator op (as PostgreSQL spells it; LIKE is ~~) over left and
// right; left nil is a prefix operator. 42883 when none fits, 42725 when several do.
func Op(op string, left, right fqgw.Expr) (fqgw.Expr, error) {
	if op == "!=" {
		op = "<>"
	}
	args := []fqgw.Expr{right}
	if left != nil {
		args = []fqgw.Expr{left, right}
	}
	c, err := findOp(op, typesOf(args))
	if err != nil {
		return nil, err
	}
	out, err := c.apply(args, true, false)
	if err != nil {
		return nil, err
	}
	if k, ok := out.Args[0].(*Const); ok && left == nil && op == "-" && !k.Val.IsNull() {
		// The parser makes -5 one constant; so that String reads back, -(5) is one too.
		if v, err := out.Eval(nil, nil); err == nil {
			return &Const{Val: v, Typ: out.typ}, nil
		}
	}
	return out, nil
}

// findOp resolves an operator over one or two types.
func findOp(op string, types []fqgw.Type) (candidate, error) {
	list := prefixes[op]
	if len(types) == 2 {
		list = operators[op]
		if c, ok := exactBinary(list, types[0].Base(), types[1].Base()); ok {
			return c, nil
		}
	}
	c, n := resolve(list, types, false)
	if n == 1 {
		return c, nil
	}
	shown := op + " " + typeName(types[0])
	if len(types) == 2 {
		shown = typeName(types[0]) + " " + op + " " + typeName(types[1])
	}
	if n > 1 {
		return c, fqgw.Errorf(fqgw.CodeAmbiguousFunction, "operator is not unique: %s", shown).
			WithHint("Could not choose a best candidate operator. You might need to add explicit type casts.")
	}
	err := fqgw.Errorf(fqgw.CodeUndefinedFunction, "operator does not exist: %s", shown)
	if len(types) == 1 {
		return c, err.WithHint("No operator matches the given name and argument type. You might need to add an explicit type cast.")
	}
	return c, err.WithHint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

// exactBinary finds an operator for just those types, an unknown side taken to
// be of the other side's type.
func exactBinary(list []*overload, l, r fqgw.Type) (candidate, bool) {
	if l == fqgw.Unknown {
		l = r
	} else if r == fqgw.Unknown {
		r = l
	}
	for _, o := range list {
		if o.args[0].OID == l.OID && o.args[1].OID == r.OID {
			return candidate{o, o.args}, true
		}
	}
	return candidate{}, false
}
