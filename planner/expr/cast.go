package expr

import (
	"github.com/fqgw/fqgw"
)

// Conversion is a cast. Where To has a modifier, an explicit cast cuts a string
// to its length and an Assigned one refuses what is too long (22001).
type Conversion struct {
	Arg      fqgw.Expr
	To       fqgw.Type
	Assigned bool
	path     castPath
	direct   func(v value) (value, error) // the common casts, without a look at the types
}

func (c *Conversion) Type() fqgw.Type { return c.To }

func (c *Conversion) Eval(env *fqgw.Env, row []value) (value, error) {
	v, err := c.Arg.Eval(env, row)
	if err != nil || v.IsNull() {
		return fqgw.Null, err
	}
	if c.direct != nil {
		return c.direct(v)
	}
	if env != nil && env.Literals != nil && c.path == textPath && c.Arg.Type() == fqgw.Unknown && !c.To.IsReg() {
		env = env.Literals
	}
	if v, err = convert(v, c.Arg.Type(), c.To, c.path, c.Assigned, env); err == nil {
		err = fits(env, v)
	}
	return v, err
}

// directCast is the function of a cast among bool and numbers, nil for others.
func directCast(from, to fqgw.Type) func(v value) (value, error) {
	switch to {
	case fqgw.Int2, fqgw.Int4, fqgw.Int8:
		switch from.Base() {
		case fqgw.Bool:
			return func(v value) (value, error) { return fqgw.IntValue(int64(boolInt(v.Bool()))), nil }
		case fqgw.Int2, fqgw.Int4, fqgw.Int8:
			return func(v value) (value, error) { return v, intRange(v.Int(), to) }
		}
	case fqgw.Float8:
		switch from.Base() {
		case fqgw.Int2, fqgw.Int4, fqgw.Int8:
			return func(v value) (value, error) { return fqgw.FloatValue(float64(v.Int())), nil }
		case fqgw.Float4:
			return func(v value) (value, error) { return v, nil }
		}
	}
	return nil
}

func (c *Conversion) String() string { return wrap(c.Arg) + "::" + typeSQL(c.To) }

func (c *Conversion) operands() (fqgw.Expr, []*fqgw.Expr) {
	d := *c
	return &d, []*fqgw.Expr{&d.Arg}
}

func (c *Conversion) encode(w *encoder) {
	w.byte(tagConversion)
	w.byte(castPaths[c.path])
	w.flag(c.Assigned)
	w.typ(c.To)
	w.node(c.Arg)
}

// wrap prints e so that a suffix binds to all of it.
func wrap(e fqgw.Expr) string {
	switch e := e.(type) {
	case *Column, *Param:
		return e.String()
	case *Const:
		if e.Typ == fqgw.Unknown && !e.Val.IsNull() {
			return e.String()
		}
	case *Call:
		if e.Operator {
			return e.String()
		}
	}
	return "(" + e.String() + ")"
}

// Cast is e as a value of type to, or e itself when it is one already. Literals
// of unknown type are read at once (22P02, 22007 …) unless their meaning depends
// on the session or on now; other constants are converted at once when the cast
// is immutable. A parameter of unknown type takes the type. 42846 when there is
// no such cast in the context.
func Cast(e fqgw.Expr, to fqgw.Type, ctx CastContext) (fqgw.Expr, error) {
	from := e.Type()
	if from == to {
		return e, nil
	}
	switch x := e.(type) {
	case *Const:
		if from == fqgw.Unknown {
			return castLiteral(x, to, ctx)
		}
	case *Param:
		if from == fqgw.Unknown {
			x.Typ = to.Base()
			return Cast(x, to, ctx)
		}
	}
	if from.OID == to.OID {
		if to.Mod < 0 || from.Mod == to.Mod {
			return e, nil
		}
		return fold(&Conversion{Arg: e, To: to, Assigned: ctx != Explicit, path: samePath})
	}
	if from == fqgw.Unknown {
		// Not a literal: a column of a subquery that stayed unknown. It is text.
		from = fqgw.Text
	}
	path := findPath(from.Base(), to.Base(), ctx)
	if path == noPath {
		return nil, fqgw.Errorf("42846", "cannot cast type %s to %s", typeName(from), typeName(to))
	}
	return fold(&Conversion{Arg: e, To: to, Assigned: ctx != Explicit, path: path, direct: directCast(from, to)})
}

// castLiteral types an unknown literal.
func castLiteral(c *Const, to fqgw.Type, ctx CastContext) (fqgw.Expr, error) {
	if c.Val.IsNull() {
		return &Const{Val: fqgw.Null, Typ: to}, nil
	}
	in := input{}
	v, err := in.parse(c.Val.Str(), to)
	if err != nil && !in.usedEnv {
		return nil, err
	}
	if in.usedEnv {
		return &Conversion{Arg: c, To: to, Assigned: ctx != Explicit, path: textPath}, nil
	}
	v, err = applyMod(v, to, ctx != Explicit)
	if err != nil {
		return nil, err
	}
	return &Const{Val: v, Typ: to}, nil
}

// fold replaces an immutable cast of a constant by its value.
func fold(c *Conversion) (fqgw.Expr, error) {
	k, ok := c.Arg.(*Const)
	if !ok || !immutableCast(c.Arg.Type(), c.To, c.path) {
		return c, nil
	}
	v, err := c.Eval(nil, nil)
	if err != nil {
		return nil, err
	}
	if k.Val.IsNull() {
		v = fqgw.Null
	}
	return &Const{Val: v, Typ: c.To}, nil
}

// immutableCast says whether the cast sees neither session nor clock.
func immutableCast(from, to fqgw.Type, path castPath) bool {
	switch path {
	case samePath:
		return true
	case arrayPath:
		p := findPath(from.Elem().Base(), to.Elem().Base(), Explicit)
		return immutableCast(from.Elem(), to.Elem(), p)
	}
	if path == textPath && (styledType(from) || to.OID == fqgw.Interval.OID) {
		return false
	}
	return !sessionType(from) && !sessionType(to)
}

// styledType: types whose text alone depends on the session (IntervalStyle,
// bytea_output, extra_float_digits).
func styledType(t fqgw.Type) bool {
	if t.IsArray() {
		t = t.Elem()
	}
	switch t.OID {
	case fqgw.Interval.OID, fqgw.Bytea.OID, fqgw.Float8.OID, fqgw.Float4.OID:
		return true
	}
	return false
}

// sessionType: types whose text or whose conversion depends on the session (zone, search path, now).
func sessionType(t fqgw.Type) bool {
	if t.IsArray() {
		t = t.Elem()
	}
	switch t.OID {
	case fqgw.Timestamptz.OID, fqgw.Timestamp.OID, fqgw.Date.OID, fqgw.Time.OID:
		return true
	}
	return t.IsReg()
}

// Coerce casts a value at run time, as an explicit cast does.
func Coerce(v fqgw.Value, from, to fqgw.Type, env *fqgw.Env) (fqgw.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	path := samePath
	if from.OID != to.OID {
		if from == fqgw.Unknown {
			path = textPath
		} else if path = findPath(from.Base(), to.Base(), Explicit); path == noPath {
			return fqgw.Null, fqgw.Errorf("42846", "cannot cast type %s to %s", typeName(from), typeName(to))
		}
	}
	return convert(v, from, to, path, false, env)
}

// convert follows a path; v is not NULL.
func convert(v value, from, to fqgw.Type, path castPath, assigned bool, env *fqgw.Env) (value, error) {
	var err error
	switch path {
	case funcPath:
		v, err = coerceValue(v, from.Base(), to, env)
	case arrayPath:
		return convertArray(v, from, to, assigned, env)
	case textPath:
		v, err = Parse(Text(v, from, env), to.Base(), env)
	}
	if err != nil || v.IsNull() || to.Mod < 0 {
		return v, err
	}
	return applyMod(v, to, assigned)
}

func convertArray(v value, from, to fqgw.Type, assigned bool, env *fqgw.Env) (value, error) {
	l := v.List()
	out := &fqgw.List{Elem: to.Elem().Base(), Dims: l.Dims, Items: make([]value, len(l.Items))}
	fe, te := from.Elem(), to.Elem()
	path := findPath(fe.Base(), te.Base(), Explicit)
	for i, item := range l.Items {
		if item.IsNull() {
			continue
		}
		c, err := convert(item, fe, te, path, assigned, env)
		if err != nil {
			return fqgw.Null, err
		}
		out.Items[i] = c
	}
	return fqgw.ListValue(out), nil
}
