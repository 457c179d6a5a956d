package decode

import (
	"math"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// assigning has values of the type that a schema says assigned to a column, as
// PostgreSQL assigns one of the nearest type.
type assigning struct {
	column  *column
	from    fqgw.Type // of the values, where as was told
	fit     fqgw.Expr // nil: nothing more to do
	whole   bool      // of numbers those alone that are integers
	decimal bool      // which the lake stores as a decimal
}

// assigningTo is for values that are of the column's type but for its modifier.
func assigningTo(c *column) assigning {
	return assigning{column: c, fit: c.fit, decimal: c.decimal}
}

// as is for values of another type; false where PostgreSQL has no such assignment.
func (a *assigning) as(nearest fqgw.Type) bool {
	fit, err := expr.Cast(&expr.Column{Typ: nearest.Base(), Name: a.column.name}, a.column.typ, expr.Assignment)
	if err != nil || a.column.typ.IsArray() {
		return false
	}
	from := nearest.Kind()
	a.from, a.fit, a.whole = nearest, fit, (from == fqgw.KindFloat || from == fqgw.KindNumeric) && a.column.typ.Kind() == fqgw.KindInt
	return true
}

// value assigns v; row is room for it.
func (a *assigning) value(v fqgw.Value, row *[1]fqgw.Value) (fqgw.Value, error) {
	if v.IsNull() || a.fit == nil {
		return v, nil
	}
	if a.decimal && hasNaN(v) {
		return fqgw.Null, errNoNaN(a.column)
	}
	if a.whole && fraction(v) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "%s is no %s: it has a fraction", expr.Text(v, a.from, nil), a.column.typ).
			WithHint("Declare the column as double precision, or numeric.")
	}
	row[0] = v
	return a.fit.Eval(nil, row[:])
}

func fraction(v fqgw.Value) bool {
	if v.Kind() == fqgw.KindNumeric {
		n := v.Numeric()
		return n.Finite() && n.Floor().Cmp(n) != 0
	}
	f := v.Float()
	return f != math.Trunc(f) && !math.IsNaN(f)
}
