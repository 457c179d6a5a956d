package expr

import (
	"strings"

	"github.com/fqgw/fqgw"
)

// When is one arm of a CASE.
type When struct{ Cond, Result fqgw.Expr }

// CaseExpr is CASE in its searched form; the form with an argument is a Choice.
type CaseExpr struct {
	Whens []When
	Else  fqgw.Expr // never nil
	typ   fqgw.Type
}

// Choice is CASE arg WHEN value THEN result: arg is evaluated once.
type Choice struct {
	Arg   fqgw.Expr
	Whens []When
	Else  fqgw.Expr
	typ   fqgw.Type
	cmps  []comparison
}

// Case builds a CASE; arg nil is the searched form, els nil is ELSE NULL.
func Case(arg fqgw.Expr, whens []When, els fqgw.Expr) (fqgw.Expr, error) {
	if els == nil {
		els = &Const{Typ: fqgw.Unknown}
	}
	// PostgreSQL looks at the ELSE first.
	results := []fqgw.Expr{els}
	for _, w := range whens {
		results = append(results, w.Result)
	}
	results, t, err := Common(results, "CASE")
	if err != nil {
		return nil, err
	}
	out := make([]When, len(whens))
	for i, w := range whens {
		out[i] = When{w.Cond, results[i+1]}
	}
	if arg == nil {
		for i := range out {
			if out[i].Cond, err = Condition(out[i].Cond, "CASE/WHEN"); err != nil {
				return nil, err
			}
		}
		return &CaseExpr{Whens: out, Else: results[0], typ: t}, nil
	}
	if arg.Type() == fqgw.Unknown {
		if arg, err = Cast(arg, fqgw.Text, Implicit); err != nil {
			return nil, err
		}
	}
	c := &Choice{Arg: arg, Whens: out, Else: results[0], typ: t}
	for i := range out {
		cmp, err := compareBy("=", arg.Type(), out[i].Cond.Type())
		if err != nil {
			return nil, err
		}
		if out[i].Cond, err = Cast(out[i].Cond, cmp.right, Implicit); err != nil {
			return nil, err
		}
		c.cmps = append(c.cmps, cmp)
	}
	return c, nil
}

func (c *CaseExpr) Type() fqgw.Type { return c.typ }

func (c *CaseExpr) Eval(env *fqgw.Env, row []value) (value, error) {
	for _, w := range c.Whens {
		v, err := w.Cond.Eval(env, row)
		if err != nil {
			return fqgw.Null, err
		}
		if v.True() {
			return w.Result.Eval(env, row)
		}
	}
	return c.Else.Eval(env, row)
}

func (c *CaseExpr) String() string { return caseString("", c.Whens, c.Else) }

func (c *CaseExpr) operands() (fqgw.Expr, []*fqgw.Expr) {
	d := *c
	return &d, append(whenPointers(&d.Whens), &d.Else)
}

func (c *CaseExpr) encode(w *encoder) {
	w.byte(tagCase)
	w.typ(c.typ)
	w.whens(c.Whens, c.Else)
}

func caseString(arg string, whens []When, els fqgw.Expr) string {
	var b strings.Builder
	b.WriteString("CASE" + arg)
	for _, w := range whens {
		b.WriteString(" WHEN " + w.Cond.String() + " THEN " + w.Result.String())
	}
	b.WriteString(" ELSE " + els.String() + " END")
	return b.String()
}

func (c *Choice) Type() fqgw.Type { return c.typ }

func (c *Choice) Eval(env *fqgw.Env, row []value) (value, error) {
	arg, err := c.Arg.Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	for i, w := range c.Whens {
		v, err := w.Cond.Eval(env, row)
		if err != nil {
			return fqgw.Null, err
		}
		if arg.IsNull() || v.IsNull() {
			continue
		}
		a := arg
		if from := c.Arg.Type(); from.OID != c.cmps[i].left.OID {
			if a, err = Coerce(arg, from, c.cmps[i].left, env); err != nil {
				return fqgw.Null, err
			}
		}
		same, err := c.cmps[i].test(env, a, v)
		if err != nil {
			return fqgw.Null, err
		}
		if same.True() {
			return w.Result.Eval(env, row)
		}
	}
	return c.Else.Eval(env, row)
}

func (c *Choice) String() string { return caseString(" "+c.Arg.String(), c.Whens, c.Else) }

func (c *Choice) operands() (fqgw.Expr, []*fqgw.Expr) {
	d := *c
	return &d, append(append([]*fqgw.Expr{&d.Arg}, whenPointers(&d.Whens)...), &d.Else)
}

func (c *Choice) encode(w *encoder) {
	w.byte(tagChoice)
	w.typ(c.typ)
	w.comparisons(c.cmps)
	w.node(c.Arg)
	w.whens(c.Whens, c.Else)
}

// FirstOf is COALESCE.
type FirstOf struct {
	Args []fqgw.Expr
	typ  fqgw.Type
}

// Coalesce is COALESCE(args…).
func Coalesce(args []fqgw.Expr) (fqgw.Expr, error) {
	args, t, err := Common(args, "COALESCE")
	if err != nil {
		return nil, err
	}
	return &FirstOf{Args: args, typ: t}, nil
}

func (f *FirstOf) Type() fqgw.Type { return f.typ }

func (f *FirstOf) Eval(env *fqgw.Env, row []value) (value, error) {
	for _, a := range f.Args {
		v, err := a.Eval(env, row)
		if err != nil || !v.IsNull() {
			return v, err
		}
	}
	return fqgw.Null, nil
}

func (f *FirstOf) String() string { return "COALESCE(" + join(f.Args, ", ") + ")" }

func (f *FirstOf) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *f
	return &c, pointers(&c.Args)
}

func (f *FirstOf) encode(w *encoder) {
	w.byte(tagFirstOf)
	w.typ(f.typ)
	w.nodes(f.Args)
}

// NullIfEqual is NULLIF.
type NullIfEqual struct {
	Left, Right fqgw.Expr
	cmp         comparison
}

// NullIf is NULLIF(l, r); its type is what = takes l as.
func NullIf(l, r fqgw.Expr) (fqgw.Expr, error) {
	cmp, l, r, err := comparePair("=", l, r)
	if err != nil {
		return nil, err
	}
	return &NullIfEqual{Left: l, Right: r, cmp: cmp}, nil
}

func (n *NullIfEqual) Type() fqgw.Type { return n.Left.Type() }

func (n *NullIfEqual) Eval(env *fqgw.Env, row []value) (value, error) {
	l, err := n.Left.Eval(env, row)
	if err != nil || l.IsNull() {
		return fqgw.Null, err
	}
	r, err := n.Right.Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	same, err := n.cmp.test(env, l, r)
	if err != nil || same.True() {
		return fqgw.Null, err
	}
	return l, nil
}

func (n *NullIfEqual) String() string {
	return "NULLIF(" + n.Left.String() + ", " + n.Right.String() + ")"
}

func (n *NullIfEqual) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *n
	return &c, []*fqgw.Expr{&c.Left, &c.Right}
}

func (n *NullIfEqual) encode(w *encoder) {
	w.byte(tagNullIf)
	w.comparison(&n.cmp)
	w.node(n.Left)
	w.node(n.Right)
}

// Extreme is GREATEST or LEAST: NULLs do not count.
type Extreme struct {
	Least bool
	Args  []fqgw.Expr
	typ   fqgw.Type
	less  comparison
}

// Greatest is GREATEST(args…).
func Greatest(args []fqgw.Expr) (fqgw.Expr, error) { return extreme(args, false, "GREATEST") }

// Least is LEAST(args…).
func Least(args []fqgw.Expr) (fqgw.Expr, error) { return extreme(args, true, "LEAST") }

func extreme(args []fqgw.Expr, least bool, what string) (fqgw.Expr, error) {
	args, t, err := Common(args, what)
	if err != nil {
		return nil, err
	}
	less, err := compareBy("<", t, t)
	if err != nil {
		return nil, fqgw.Errorf(fqgw.CodeUndefinedFunction, "could not identify a comparison function for type %s", typeName(t))
	}
	return &Extreme{Least: least, Args: args, typ: t, less: less}, nil
}

func (x *Extreme) Type() fqgw.Type { return x.typ }

func (x *Extreme) Eval(env *fqgw.Env, row []value) (value, error) {
	best := fqgw.Null
	for _, a := range x.Args {
		v, err := a.Eval(env, row)
		if err != nil {
			return fqgw.Null, err
		}
		if v.IsNull() {
			continue
		}
		if best.IsNull() {
			best = v
			continue
		}
		l, r := v, best
		if !x.Least {
			l, r = best, v
		}
		less, err := x.less.test(env, l, r)
		if err != nil {
			return fqgw.Null, err
		}
		if less.True() {
			best = v
		}
	}
	return best, nil
}

func (x *Extreme) String() string {
	if x.Least {
		return "LEAST(" + join(x.Args, ", ") + ")"
	}
	return "GREATEST(" + join(x.Args, ", ") + ")"
}

func (x *Extreme) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *x
	return &c, pointers(&c.Args)
}

func (x *Extreme) encode(w *encoder) {
	w.either(x.Least, tagLeast, tagGreatest)
	w.typ(x.typ)
	w.comparison(&x.less)
	w.nodes(x.Args)
}
