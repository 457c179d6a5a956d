package expr

import (
	"github.com/fqgw/fqgw"
)

// In is left IN (items…). Many constant items are looked up by hash.
type In struct {
	Left  fqgw.Expr
	Items []fqgw.Expr
	Not   bool
	cmp   comparison
	set   map[string]struct{} // of constant items, when there are many
	null  bool                // the set's list had a NULL
}

// InList is left IN (items…), or NOT IN. The items get a common type when they
// have one; else each is compared by itself.
func InList(left fqgw.Expr, items []fqgw.Expr, not bool) (fqgw.Expr, error) {
	if _, ok := left.(*RowExpr); ok || len(items) == 1 {
		return inEach(left, items, not)
	}
	t, _, ok := commonTypeOf(append([]fqgw.Type{left.Type()}, typesOf(items)...))
	for _, i := range items {
		_, row := i.(*RowExpr)
		ok = ok && !row && (i.Type() == fqgw.Unknown || findPath(i.Type().Base(), t, Implicit) != noPath)
	}
	if !ok {
		return inEach(left, items, not)
	}
	cmp, err := compareBy("=", left.Type(), t)
	if err != nil {
		return nil, err
	}
	in := &In{Items: make([]fqgw.Expr, len(items)), Not: not, cmp: cmp}
	if in.Left, err = Cast(left, cmp.left, Implicit); err != nil {
		return nil, err
	}
	for i, e := range items {
		if in.Items[i], err = Cast(e, cmp.right, Implicit); err != nil {
			return nil, err
		}
	}
	in.index()
	return in, nil
}

// inEach is the form for items of no common type: an OR of comparisons.
func inEach(left fqgw.Expr, items []fqgw.Expr, not bool) (fqgw.Expr, error) {
	var tests []fqgw.Expr
	for _, i := range items {
		l, lrow := left.(*RowExpr)
		r, rrow := i.(*RowExpr)
		var test fqgw.Expr
		var err error
		if lrow && rrow {
			test, err = RowCompare("=", l.Args, r.Args)
		} else {
			test, err = Op("=", left, i)
		}
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	e, err := Or(tests...)
	if err != nil || !not {
		return e, err
	}
	return Not(e)
}

// index makes the set when all items are constants of the left side's own type,
// so that equal values have equal hash keys.
func (in *In) index() {
	if len(in.Items) < 9 || in.cmp.left.OID != in.cmp.right.OID || !hashable(in.cmp.left) {
		return
	}
	set, null := make(map[string]struct{}, len(in.Items)), false
	for _, e := range in.Items {
		c, ok := e.(*Const)
		if !ok {
			return
		}
		if c.Val.IsNull() {
			null = true
			continue
		}
		set[string(HashKey(nil, c.Val))] = struct{}{}
	}
	in.set, in.null = set, null
}

func (in *In) Type() fqgw.Type { return fqgw.Bool }

func (in *In) Eval(env *fqgw.Env, row []value) (value, error) {
	l, err := in.Left.Eval(env, row)
	if err != nil || l.IsNull() {
		return fqgw.Null, err
	}
	null := in.null
	if in.set != nil {
		var buf [64]byte
		if _, ok := in.set[string(HashKey(buf[:0], l))]; ok {
			return fqgw.BoolValue(!in.Not), nil
		}
	} else {
		for _, e := range in.Items {
			v, err := e.Eval(env, row)
			if err != nil {
				return fqgw.Null, err
			}
			same, err := in.cmp.test(env, l, v)
			if err != nil {
				return fqgw.Null, err
			}
			if same.True() {
				return fqgw.BoolValue(!in.Not), nil
			}
			null = null || same.IsNull()
		}
	}
	if null {
		return fqgw.Null, nil
	}
	return fqgw.BoolValue(in.Not), nil
}

func (in *In) String() string {
	not := ""
	if in.Not {
		not = "NOT "
	}
	return "(" + in.Left.String() + " " + not + "IN (" + join(in.Items, ", ") + "))"
}

func (in *In) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *in
	return &c, append([]*fqgw.Expr{&c.Left}, pointers(&c.Items)...)
}

func (in *In) encode(w *encoder) {
	w.byte(tagIn)
	w.flag(in.Not)
	w.comparison(&in.cmp)
	w.node(in.Left)
	w.nodes(in.Items)
}

// Between is e BETWEEN lo AND hi; symmetric takes the bounds in either order.
func Between(e, lo, hi fqgw.Expr, symmetric, not bool) (fqgw.Expr, error) {
	in := func(a, b fqgw.Expr) (fqgw.Expr, error) {
		ge, err := Op(">=", e, a)
		if err != nil {
			return nil, err
		}
		le, err := Op("<=", e, b)
		if err != nil {
			return nil, err
		}
		return And(ge, le)
	}
	out, err := in(lo, hi)
	if err == nil && symmetric {
		var back fqgw.Expr
		if back, err = in(hi, lo); err == nil {
			out, err = Or(out, back)
		}
	}
	if err != nil || !not {
		return out, err
	}
	return Not(out)
}

// AnyOf is left op ANY (array), or with All left op ALL (array).
type AnyOf struct {
	Operator string
	Left     fqgw.Expr
	Array    fqgw.Expr
	All      bool
	cmp      comparison
}

// AnyAll is left op ANY (array), or ALL. An unknown literal or parameter becomes
// an array of what the operator wants.
func AnyAll(op string, left, array fqgw.Expr, all bool) (fqgw.Expr, error) {
	if op == "!=" {
		op = "<>"
	}
	elem := fqgw.Unknown
	if t := array.Type(); t.IsArray() {
		elem = t.Elem()
	} else if t != fqgw.Unknown {
		return nil, fqgw.Errorf(fqgw.CodeWrongObjectType, "op ANY/ALL (array) requires array on right side")
	}
	cmp, err := compareBy(op, left.Type(), elem)
	if err != nil {
		return nil, err
	}
	if left, err = Cast(left, cmp.left, Implicit); err != nil {
		return nil, err
	}
	want := cmp.right.Array()
	if want.OID == 0 {
		return nil, noArrayType(cmp.right)
	}
	if array, err = Cast(array, want, Implicit); err != nil {
		return nil, err
	}
	return &AnyOf{Operator: op, Left: left, Array: array, All: all, cmp: cmp}, nil
}

func (a *AnyOf) Type() fqgw.Type { return fqgw.Bool }

func (a *AnyOf) Eval(env *fqgw.Env, row []value) (value, error) {
	l, err := a.Left.Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	arr, err := a.Array.Eval(env, row)
	if err != nil || arr.IsNull() {
		return fqgw.Null, err
	}
	null := false
	for _, item := range arr.List().Items {
		v, err := a.cmp.test(env, l, item)
		switch {
		case err != nil:
			return fqgw.Null, err
		case v.IsNull():
			null = true
		case v.Bool() != a.All:
			return v, nil
		}
	}
	if null {
		return fqgw.Null, nil
	}
	return fqgw.BoolValue(a.All), nil
}

func (a *AnyOf) String() string {
	word := "ANY"
	if a.All {
		word = "ALL"
	}
	return "(" + a.Left.String() + " " + a.Operator + " " + word + " (" + a.Array.String() + "))"
}

func (a *AnyOf) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *a
	return &c, []*fqgw.Expr{&c.Left, &c.Array}
}

func (a *AnyOf) encode(w *encoder) {
	w.either(a.All, tagAll, tagAny)
	w.comparison(&a.cmp)
	w.node(a.Left)
	w.node(a.Array)
}
