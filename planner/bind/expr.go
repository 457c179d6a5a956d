package bind

import (
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// clause is where an expression stands: its scope, and what is allowed there.
type clause struct {
	sc                    *Scope
	name                  string // as messages name it: "WHERE"
	aggs, windows, sets   bool
	inAgg, inWindow, into bool // into: VALUES of an INSERT, where DEFAULT may stand
}

// bind binds one expression.
func (b *Binder) bind(n *pg.Node, c *clause) (fqgw.Expr, error) {
	if n == nil {
		return nil, fqgw.Errorf(fqgw.CodeSyntax, "an expression is missing")
	}
	switch x := n.Node.(type) {
	case *pg.Node_ColumnRef:
		return b.columnRef(x.ColumnRef, c)
	case *pg.Node_ParamRef:
		if b.Definition {
			return nil, b.fail(x.ParamRef.Location, fqgw.CodeUndefinedParameter, "a definition cannot have parameters")
		}
		if p := b.Params.at(x.ParamRef.Number); p != nil {
			return p, nil
		}
		return nil, b.fail(x.ParamRef.Location, fqgw.CodeUndefinedParameter, "there is no parameter $%d", x.ParamRef.Number)
	case *pg.Node_AConst:
		return b.constant(x.AConst)
	case *pg.Node_TypeCast:
		return b.typeCast(x.TypeCast, c)
	case *pg.Node_AExpr:
		return b.operator(x.AExpr, c)
	case *pg.Node_BoolExpr:
		return b.boolExpr(x.BoolExpr, c)
	case *pg.Node_FuncCall:
		return b.funcCall(x.FuncCall, c)
	case *pg.Node_SubLink:
		return b.subLink(x.SubLink, c)
	case *pg.Node_CaseExpr:
		return b.caseExpr(x.CaseExpr, c)
	case *pg.Node_AArrayExpr:
		return b.array(x.AArrayExpr, fqgw.Type{}, c)
	case *pg.Node_RowExpr:
		fields, err := b.rowFields(x.RowExpr.Args, c)
		if err != nil {
			return nil, err
		}
		return expr.Row(fields)
	case *pg.Node_AIndirection:
		return b.indirection(x.AIndirection, c)
	case *pg.Node_CoalesceExpr:
		args, err := b.bindAll(x.CoalesceExpr.Args, c)
		if err != nil {
			return nil, err
		}
		e, err := expr.Coalesce(args)
		return e, b.at(err, x.CoalesceExpr.Location, x.CoalesceExpr.Args...)
	case *pg.Node_MinMaxExpr:
		args, err := b.bindAll(x.MinMaxExpr.Args, c)
		if err != nil {
			return nil, err
		}
		make := expr.Greatest
		if x.MinMaxExpr.Op == pg.MinMaxOp_IS_LEAST {
			make = expr.Least
		}
		e, err := make(args)
		return e, b.at(err, x.MinMaxExpr.Location, x.MinMaxExpr.Args...)
	case *pg.Node_SqlvalueFunction:
		return b.valueFunction(x.SqlvalueFunction)
	case *pg.Node_NullTest:
		arg, err := b.bind(x.NullTest.Arg, c)
		if err != nil {
			return nil, err
		}
		return expr.IsNull(arg, x.NullTest.Nulltesttype == pg.NullTestType_IS_NOT_NULL)
	case *pg.Node_BooleanTest:
		arg, err := b.bind(x.BooleanTest.Arg, c)
		if err != nil {
			return nil, err
		}
		kinds := map[pg.BoolTestType]expr.BoolTestKind{
			pg.BoolTestType_IS_TRUE: expr.IsTrue, pg.BoolTestType_IS_NOT_TRUE: expr.IsNotTrue,
			pg.BoolTestType_IS_FALSE: expr.IsFalse, pg.BoolTestType_IS_NOT_FALSE: expr.IsNotFalse,
			pg.BoolTestType_IS_UNKNOWN: expr.IsUnknown, pg.BoolTestType_IS_NOT_UNKNOWN: expr.IsNotUnknown}
		e, err := expr.BoolTest(arg, kinds[x.BooleanTest.Booltesttype])
		return e, b.at(err, location(x.BooleanTest.Arg), x.BooleanTest.Arg)
	case *pg.Node_CollateClause:
		return b.collate(x.CollateClause, c)
	case *pg.Node_SetToDefault:
		if c.into {
			return &expr.Const{Typ: fqgw.Unknown}, nil
		}
		return nil, b.fail(x.SetToDefault.Location, fqgw.CodeSyntax, "DEFAULT is not allowed in this context")
	case *pg.Node_NamedArgExpr:
		return nil, b.fail(x.NamedArgExpr.Location, fqgw.CodeFeatureNotSupported, "named arguments are not supported")
	case *pg.Node_GroupingFunc:
		return nil, b.fail(x.GroupingFunc.Location, fqgw.CodeFeatureNotSupported, "GROUPING() is not supported")
	}
	return nil, b.fail(location(n), fqgw.CodeFeatureNotSupported, "this expression is not supported (%s)",
		strings.TrimPrefix(strings.TrimPrefix(nodeName(n), "*pg_query.Node_"), "*pg.Node_"))
}

func (b *Binder) bindAll(list []*pg.Node, c *clause) ([]fqgw.Expr, error) {
	out := make([]fqgw.Expr, 0, len(list))
	for _, n := range list {
		e, err := b.bind(n, c)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// rowFields binds the fields of ROW(…), where t.* stands for its columns.
func (b *Binder) rowFields(list []*pg.Node, c *clause) ([]fqgw.Expr, error) {
	var out []fqgw.Expr
	for _, n := range list {
		if stars, ok := isStar(n); ok {
			cols, err := b.star(stars, c.sc, location(n))
			if err != nil {
				return nil, err
			}
			for _, t := range cols {
				out = append(out, t.expr)
			}
			continue
		}
		e, err := b.bind(n, c)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// condition binds a boolean expression.
func (b *Binder) condition(n *pg.Node, c *clause, what string) (fqgw.Expr, error) {
	e, err := b.bind(n, c)
	if err != nil {
		return nil, err
	}
	e, err = expr.Condition(e, what)
	return e, b.at(err, location(n), n)
}

func (b *Binder) constant(k *pg.A_Const) (fqgw.Expr, error) {
	if k.Isnull {
		return &expr.Const{Typ: fqgw.Unknown}, nil
	}
	switch v := k.Val.(type) {
	case *pg.A_Const_Ival:
		return &expr.Const{Val: fqgw.IntValue(int64(v.Ival.Ival)), Typ: fqgw.Int4}, nil
	case *pg.A_Const_Fval:
		return b.number(v.Fval.Fval, k.Location)
	case *pg.A_Const_Boolval:
		return &expr.Const{Val: fqgw.BoolValue(v.Boolval.Boolval), Typ: fqgw.Bool}, nil
	case *pg.A_Const_Sval:
		return &expr.Const{Val: fqgw.TextValue(v.Sval.Sval), Typ: fqgw.Unknown}, nil
	}
	return nil, b.fail(k.Location, fqgw.CodeFeatureNotSupported, "bit strings are not supported")
}

// number types a numeric literal that is no int4: bigint where it fits, else numeric.
func (b *Binder) number(s string, loc int32) (fqgw.Expr, error) {
	digits := strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(digits, 0, 64); err == nil && !strings.HasPrefix(strings.TrimLeft(digits, "+-"), "0") {
		return &expr.Const{Val: fqgw.IntValue(i), Typ: fqgw.Int8}, nil
	}
	if low := strings.ToLower(digits); strings.HasPrefix(low, "0x") || strings.HasPrefix(low, "0o") || strings.HasPrefix(low, "0b") {
		i, err := strconv.ParseInt(low, 0, 64)
		if err != nil {
			return nil, b.fail(loc, fqgw.CodeOutOfRange, "value %q is out of range for type bigint", s)
		}
		return &expr.Const{Val: fqgw.IntValue(i), Typ: fqgw.Int8}, nil
	}
	if i, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return &expr.Const{Val: fqgw.IntValue(i), Typ: fqgw.Int8}, nil
	}
	d, ok := fqgw.ParseDecimal(digits)
	if !ok {
		return nil, b.fail(loc, fqgw.CodeOutOfRange, "value overflows numeric format")
	}
	return &expr.Const{Val: fqgw.NumericValue(d), Typ: fqgw.Numeric}, nil
}

func (b *Binder) boolExpr(x *pg.BoolExpr, c *clause) (fqgw.Expr, error) {
	names := map[pg.BoolExprType]string{pg.BoolExprType_AND_EXPR: "AND", pg.BoolExprType_OR_EXPR: "OR", pg.BoolExprType_NOT_EXPR: "NOT"}
	args := make([]fqgw.Expr, len(x.Args))
	for i, a := range x.Args {
		e, err := b.condition(a, c, names[x.Boolop])
		if err != nil {
			return nil, err
		}
		args[i] = e
	}
	switch x.Boolop {
	case pg.BoolExprType_NOT_EXPR:
		return expr.Not(args[0])
	case pg.BoolExprType_OR_EXPR:
		return expr.Or(args...)
	}
	return expr.And(args...)
}

func (b *Binder) caseExpr(x *pg.CaseExpr, c *clause) (fqgw.Expr, error) {
	var arg, els fqgw.Expr
	var err error
	if x.Arg != nil {
		if arg, err = b.bind(x.Arg, c); err != nil {
			return nil, err
		}
	}
	literals := []*pg.Node{x.Defresult}
	var whens []expr.When
	for _, n := range x.Args {
		w := n.GetCaseWhen()
		var when expr.When
		if x.Arg == nil {
			when.Cond, err = b.condition(w.Expr, c, "CASE/WHEN")
		} else {
			when.Cond, err = b.bind(w.Expr, c)
		}
		if err != nil {
			return nil, err
		}
		if when.Result, err = b.bind(w.Result, c); err != nil {
			return nil, err
		}
		whens = append(whens, when)
		literals = append(literals, w.Result)
	}
	if x.Defresult != nil {
		if els, err = b.bind(x.Defresult, c); err != nil {
			return nil, err
		}
	}
	e, err := expr.Case(arg, whens, els)
	return e, b.at(err, x.Location, literals...)
}

// valueFunction binds CURRENT_TIMESTAMP(3) and its kin.
func (b *Binder) valueFunction(x *pg.SQLValueFunction) (fqgw.Expr, error) {
	e, err := expr.Func(valueFunction(x.Op), nil)
	if err != nil {
		return nil, b.at(err, x.Location)
	}
	if x.Typmod >= 0 && strings.HasSuffix(x.Op.String(), "_N") {
		e, err = expr.Cast(e, fqgw.Type{OID: e.Type().OID, Mod: min(x.Typmod, 6)}, expr.Explicit)
	}
	return e, b.at(err, x.Location)
}

// collate accepts the collation that fqgw has under its usual names.
func (b *Binder) collate(x *pg.CollateClause, c *clause) (fqgw.Expr, error) {
	names := strs(x.Collname)
	switch names[len(names)-1] {
	case "C", "default", "POSIX", "ucs_basic", "C.UTF-8", "C.utf8", "unicode":
	default:
		return nil, b.fail(x.Location, fqgw.CodeUndefinedObject, "collation %q for encoding \"UTF8\" does not exist", strings.Join(names, ".")).
			WithHint("Text is ordered by its bytes: the collation is \"C\".")
	}
	e, err := b.bind(x.Arg, c)
	if err != nil {
		return nil, err
	}
	switch t := e.Type(); t.Base() {
	case fqgw.Unknown, fqgw.Text, fqgw.Varchar, fqgw.BPChar, fqgw.Name:
		return e, nil
	default:
		if t.IsArray() {
			return e, nil
		}
		return nil, b.fail(x.Location, fqgw.CodeDatatypeMismatch, "collations are not supported by type %s", t.Base())
	}
}
