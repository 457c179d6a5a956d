package expr

import (
	"math"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// Column is a column reference: Level 0 is row[Index], Level n is column Index
// of the n-th enclosing query's row (1 is the innermost).
type Column struct {
	Index, Level int
	Typ          fqgw.Type
	Name         string
}

func (c *Column) Type() fqgw.Type { return c.Typ }

func (c *Column) Eval(env *fqgw.Env, row []value) (value, error) {
	if c.Level > 0 {
		if env == nil || c.Level > len(env.Outer) {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInternal, "column %s refers to a query that does not run", c.Name)
		}
		row = env.Outer[len(env.Outer)-c.Level]
	}
	if uint(c.Index) >= uint(len(row)) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInternal, "column %s is not in a row of %d columns", c.Name, len(row))
	}
	return row[c.Index], nil
}

func (c *Column) String() string {
	parts := strings.Split(c.Name, ".")
	for i := range parts {
		parts[i] = QuoteIdent(parts[i])
	}
	return strings.Join(parts, ".")
}

func (c *Column) operands() (fqgw.Expr, []*fqgw.Expr) { return c, nil }

func (c *Column) encode(w *encoder) {
	w.byte(tagColumn)
	if w.query {
		w.uint(c.Level)
	} else if c.Level != 0 {
		w.refuse("a column of an enclosing query")
	}
	w.uint(c.Index)
	w.typ(c.Typ)
}

// Const is a constant. A Const of type Unknown holds the text of a literal whose
// type is not decided yet, or NULL.
type Const struct {
	Val fqgw.Value
	Typ fqgw.Type
}

func (c *Const) Type() fqgw.Type { return c.Typ }

func (c *Const) Eval(*fqgw.Env, []value) (value, error) { return c.Val, nil }

func (c *Const) String() string {
	if c.Val.IsNull() {
		if c.Typ == fqgw.Unknown {
			return "NULL"
		}
		return "NULL::" + typeSQL(c.Typ)
	}
	switch {
	case c.Typ == fqgw.Unknown:
		return quoteSQL(c.Val.Str())
	case c.Typ == fqgw.Bool:
		return strconv.FormatBool(c.Val.Bool())
	case c.Typ == fqgw.Int4 && c.Val.Int() >= 0:
		return strconv.FormatInt(c.Val.Int(), 10)
	case c.Typ == fqgw.Int8 && c.Val.Int() > math.MaxInt32:
		return strconv.FormatInt(c.Val.Int(), 10)
	case c.Typ == fqgw.Numeric:
		if d := c.Val.Numeric(); d.Finite() && d.Sign() >= 0 && d.Scale() > 0 {
			return d.String()
		}
	}
	return quoteSQL(Text(c.Val, c.Typ, nil)) + "::" + typeSQL(c.Typ)
}

func (c *Const) operands() (fqgw.Expr, []*fqgw.Expr) { return c, nil }

func (c *Const) encode(w *encoder) {
	w.byte(tagConst)
	w.typ(c.Typ)
	w.b = fqgw.AppendPacked(w.b, c.Val)
}

// Param is the parameter $Index, counted from 1. One *Param stands for all its
// uses: while its type is Unknown, the first coercion decides it in place.
type Param struct {
	Index int
	Typ   fqgw.Type
}

func (p *Param) Type() fqgw.Type { return p.Typ }

func (p *Param) Eval(env *fqgw.Env, _ []value) (value, error) {
	if env == nil || p.Index < 1 || p.Index > len(env.Args) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeUndefinedParameter, "there is no parameter $%d", p.Index)
	}
	return env.Args[p.Index-1], nil
}

func (p *Param) String() string { return "$" + strconv.Itoa(p.Index) }

func (p *Param) operands() (fqgw.Expr, []*fqgw.Expr) { return p, nil }

func (p *Param) encode(w *encoder) {
	if !w.query {
		w.refuse("a parameter")
		return
	}
	w.byte(tagParam)
	w.uint(p.Index)
	w.typ(p.Typ)
}
