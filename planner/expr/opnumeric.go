package expr

import (
	"github.com/fqgw/fqgw"
)

func numericOps() []opDef {
	const sig = "numeric numeric numeric"
	return []opDef{
		{"+", sig, numericOp(fqgw.Decimal.Add)},
		{"-", sig, numericOp(fqgw.Decimal.Sub)},
		{"*", sig, numericOp(fqgw.Decimal.Mul)},
		{"/", sig, divNumeric},
		{"%", sig, modNumeric},
		{"^", sig, powNumeric},
		{"-", "- numeric numeric", func(v value) value { return fqgw.NumericValue(v.Numeric().Neg()) }},
		{"+", "- numeric numeric", func(v value) value { return v }},
		{"@", "- numeric numeric", func(v value) value { return fqgw.NumericValue(v.Numeric().Abs()) }},
	}
}

func numericOp(f func(a, b fqgw.Decimal) fqgw.Decimal) func(a, b fqgw.Decimal) (fqgw.Decimal, error) {
	return func(a, b fqgw.Decimal) (fqgw.Decimal, error) { return checkNumeric(f(a, b)) }
}

func divNumeric(a, b fqgw.Decimal) (fqgw.Decimal, error) {
	q, ok := a.Quo(b)
	if !ok {
		return q, divisionByZero()
	}
	return checkNumeric(q)
}

func modNumeric(a, b fqgw.Decimal) (fqgw.Decimal, error) {
	r, ok := a.Rem(b)
	if !ok {
		return r, divisionByZero()
	}
	return r, nil
}
