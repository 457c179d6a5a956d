package expr

import (
	"strings"

	"github.com/fqgw/fqgw"
)

// Logic is AND, or OR, of two or more conditions, three-valued.
type Logic struct {
	Or   bool
	Args []fqgw.Expr
}

// And is the conjunction; one argument is returned as it is, none is true. An
// argument that is not boolean is 42804.
func And(args ...fqgw.Expr) (fqgw.Expr, error) { return logic(false, args) }

// Conjuncts are the parts of a condition that are joined by AND; none of nil.
func Conjuncts(x fqgw.Expr) []fqgw.Expr {
	if x == nil {
		return nil
	}
	and, ok := x.(*Logic)
	if !ok || and.Or {
		return []fqgw.Expr{x}
	}
	var out []fqgw.Expr
	for _, a := range and.Args {
		out = append(out, Conjuncts(a)...)
	}
	return out
}

// Conjunction is all of some conditions together; nil for none. Unlike And it takes
// booleans.
func Conjunction(conds []fqgw.Expr) fqgw.Expr {
	switch len(conds) {
	case 0:
		return nil
	case 1:
		return conds[0]
	}
	return &Logic{Args: conds}
}

// Holds says whether a condition is true for a row. Of parts joined by AND those
// behind one that is false or NULL are not asked, as in PostgreSQL; Eval asks for more
// behind a NULL, since it has to tell NULL from false.
func Holds(env *fqgw.Env, cond fqgw.Expr, row []value) (bool, error) {
	if and, ok := cond.(*Logic); ok && !and.Or {
		for _, a := range and.Args {
			if ok, err := Holds(env, a, row); err != nil || !ok {
				return false, err
			}
		}
		return true, nil
	}
	v, err := cond.Eval(env, row)
	return err == nil && v.True(), err
}

// Or is the disjunction; none is false.
func Or(args ...fqgw.Expr) (fqgw.Expr, error) { return logic(true, args) }

func logic(or bool, args []fqgw.Expr) (fqgw.Expr, error) {
	l := &Logic{Or: or}
	for _, a := range args {
		a, err := Condition(a, l.word())
		if err != nil {
			return nil, err
		}
		if in, ok := a.(*Logic); ok && in.Or == or {
			l.Args = append(l.Args, in.Args...)
			continue
		}
		l.Args = append(l.Args, a)
	}
	switch len(l.Args) {
	case 0:
		return &Const{Val: fqgw.BoolValue(!or), Typ: fqgw.Bool}, nil
	case 1:
		return l.Args[0], nil
	}
	return l, nil
}

// Condition is e as a boolean, an unknown literal read as one; otherwise 42804
// "argument of WHERE must be type boolean, not type integer".
func Condition(e fqgw.Expr, what string) (fqgw.Expr, error) {
	if t := e.Type(); t != fqgw.Bool && t != fqgw.Unknown {
		return nil, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "argument of %s must be type boolean, not type %s", what, typeName(t))
	}
	return Cast(e, fqgw.Bool, Implicit)
}

func (l *Logic) word() string {
	if l.Or {
		return "OR"
	}
	return "AND"
}

func (l *Logic) Type() fqgw.Type { return fqgw.Bool }

// Eval stops at the first argument that decides.
func (l *Logic) Eval(env *fqgw.Env, row []value) (value, error) {
	null := false
	for _, a := range l.Args {
		v, err := a.Eval(env, row)
		switch {
		case err != nil:
			return fqgw.Null, err
		case v.IsNull():
			null = true
		case v.Bool() == l.Or:
			return v, nil
		}
	}
	if null {
		return fqgw.Null, nil
	}
	return fqgw.BoolValue(!l.Or), nil
}

func (l *Logic) String() string { return "(" + join(l.Args, " "+l.word()+" ") + ")" }

func (l *Logic) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *l
	return &c, pointers(&c.Args)
}

func (l *Logic) encode(w *encoder) {
	w.either(l.Or, tagOr, tagAnd)
	w.nodes(l.Args)
}

func join(args []fqgw.Expr, sep string) string {
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = a.String()
	}
	return strings.Join(parts, sep)
}

// Negation is NOT.
type Negation struct{ Arg fqgw.Expr }

// Not is NOT e.
func Not(e fqgw.Expr) (fqgw.Expr, error) {
	e, err := Condition(e, "NOT")
	if err != nil {
		return nil, err
	}
	return &Negation{Arg: e}, nil
}

func (n *Negation) Type() fqgw.Type { return fqgw.Bool }

func (n *Negation) Eval(env *fqgw.Env, row []value) (value, error) {
	v, err := n.Arg.Eval(env, row)
	if err != nil || v.IsNull() {
		return fqgw.Null, err
	}
	return fqgw.BoolValue(!v.Bool()), nil
}

func (n *Negation) String() string { return "(NOT " + n.Arg.String() + ")" }

func (n *Negation) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *n
	return &c, []*fqgw.Expr{&c.Arg}
}

func (n *Negation) encode(w *encoder) {
	w.byte(tagNot)
	w.node(n.Arg)
}

// NullTest is IS [NOT] NULL. Of a row: every field is NULL, or none is.
type NullTest struct {
	Arg fqgw.Expr
	Not bool
}

// IsNull is e IS NULL, or with not e IS NOT NULL.
func IsNull(e fqgw.Expr, not bool) (fqgw.Expr, error) { return &NullTest{Arg: e, Not: not}, nil }

func (n *NullTest) Type() fqgw.Type { return fqgw.Bool }

func (n *NullTest) Eval(env *fqgw.Env, row []value) (value, error) {
	v, err := n.Arg.Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	if v.Kind() == fqgw.KindRecord {
		for _, f := range v.Fields() {
			if f.IsNull() == n.Not {
				return fqgw.BoolValue(false), nil
			}
		}
		return fqgw.BoolValue(true), nil
	}
	return fqgw.BoolValue(v.IsNull() != n.Not), nil
}

func (n *NullTest) String() string {
	if n.Not {
		return "(" + n.Arg.String() + " IS NOT NULL)"
	}
	return "(" + n.Arg.String() + " IS NULL)"
}

func (n *NullTest) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *n
	return &c, []*fqgw.Expr{&c.Arg}
}

func (n *NullTest) encode(w *encoder) {
	w.byte(tagNullTest)
	w.flag(n.Not)
	w.node(n.Arg)
}

// BoolTestKind is what a BooleanTest asks.
type BoolTestKind uint8

// IS TRUE and its kin.
const (
	IsTrue BoolTestKind = iota
	IsNotTrue
	IsFalse
	IsNotFalse
	IsUnknown
	IsNotUnknown
)

var boolTestWords = [...]string{"IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN", "IS NOT UNKNOWN"}

// BooleanTest is IS TRUE and its kin.
type BooleanTest struct {
	Arg  fqgw.Expr
	Kind BoolTestKind
}

// BoolTest is e IS TRUE and so on; 42804 unless e is boolean.
func BoolTest(e fqgw.Expr, kind BoolTestKind) (fqgw.Expr, error) {
	e, err := Condition(e, boolTestWords[kind])
	if err != nil {
		return nil, err
	}
	return &BooleanTest{Arg: e, Kind: kind}, nil
}

func (b *BooleanTest) Type() fqgw.Type { return fqgw.Bool }

func (b *BooleanTest) Eval(env *fqgw.Env, row []value) (value, error) {
	v, err := b.Arg.Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	var is bool
	switch b.Kind / 2 {
	case 0:
		is = v.True()
	case 1:
		is = !v.IsNull() && !v.Bool()
	default:
		is = v.IsNull()
	}
	return fqgw.BoolValue(is != (b.Kind%2 == 1)), nil
}

func (b *BooleanTest) String() string {
	return "(" + b.Arg.String() + " " + boolTestWords[b.Kind] + ")"
}

func (b *BooleanTest) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *b
	return &c, []*fqgw.Expr{&c.Arg}
}

func (b *BooleanTest) encode(w *encoder) {
	w.byte(tagBoolTest)
	w.byte(boolTests[b.Kind])
	w.node(b.Arg)
}

// comparison is an operator kept apart from its operands, for the forms that
// apply it many times. left and right are what the operands are coerced to.
type comparison struct {
	op          string
	over        *overload
	left, right fqgw.Type
}

// compareBy resolves op over two types; the result must be boolean (42804).
func compareBy(op string, l, r fqgw.Type) (comparison, error) {
	c, err := findOp(op, []fqgw.Type{l, r})
	if err != nil {
		return comparison{}, err
	}
	if c.over.result != fqgw.Bool {
		return comparison{}, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "operator %s must return type boolean, not type %s", op, typeName(c.over.result))
	}
	out := comparison{op: op, over: c.over}
	p, ok := polymorphic([]fqgw.Type{l.Base(), r.Base()}, c.args)
	if !ok {
		return comparison{}, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "arguments of %s do not agree", op)
	}
	if out.left, err = p.concrete(c.args[0]); err == nil {
		out.right, err = p.concrete(c.args[1])
	}
	return out, err
}

// test applies the comparison to two values.
func (c *comparison) test(env *fqgw.Env, a, b value) (value, error) {
	if (a.IsNull() || b.IsNull()) && !c.over.lax {
		return fqgw.Null, nil
	}
	return c.over.f2(env, a, b)
}

// Distinct is IS [NOT] DISTINCT FROM.
type Distinct struct {
	Left, Right fqgw.Expr
	Not         bool
	cmp         comparison
}

// IsDistinct is l IS DISTINCT FROM r, or with not l IS NOT DISTINCT FROM r.
func IsDistinct(l, r fqgw.Expr, not bool) (fqgw.Expr, error) {
	if isNullLiteral(r) {
		return IsNull(l, !not)
	}
	if isNullLiteral(l) {
		return IsNull(r, !not)
	}
	cmp, l, r, err := comparePair("=", l, r)
	if err != nil {
		return nil, err
	}
	return &Distinct{Left: l, Right: r, Not: not, cmp: cmp}, nil
}

func isNullLiteral(e fqgw.Expr) bool {
	c, ok := e.(*Const)
	return ok && c.Val.IsNull() && c.Typ == fqgw.Unknown
}

// comparePair resolves op and coerces both sides.
func comparePair(op string, l, r fqgw.Expr) (comparison, fqgw.Expr, fqgw.Expr, error) {
	cmp, err := compareBy(op, l.Type(), r.Type())
	if err != nil {
		return cmp, nil, nil, err
	}
	if l, err = Cast(l, cmp.left, Implicit); err != nil {
		return cmp, nil, nil, err
	}
	r, err = Cast(r, cmp.right, Implicit)
	return cmp, l, r, err
}

func (d *Distinct) Type() fqgw.Type { return fqgw.Bool }

func (d *Distinct) Eval(env *fqgw.Env, row []value) (value, error) {
	a, err := d.Left.Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	b, err := d.Right.Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	distinct := a.IsNull() != b.IsNull()
	if !a.IsNull() && !b.IsNull() {
		same, err := d.cmp.test(env, a, b)
		if err != nil {
			return fqgw.Null, err
		}
		distinct = !same.True()
	}
	return fqgw.BoolValue(distinct != d.Not), nil
}

func (d *Distinct) String() string {
	not := ""
	if d.Not {
		not = "NOT "
	}
	return "(" + d.Left.String() + " IS " + not + "DISTINCT FROM " + d.Right.String() + ")"
}

func (d *Distinct) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *d
	return &c, []*fqgw.Expr{&c.Left, &c.Right}
}

func (d *Distinct) encode(w *encoder) {
	w.byte(tagDistinct)
	w.flag(d.Not)
	w.comparison(&d.cmp)
	w.node(d.Left)
	w.node(d.Right)
}
