package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// Type record does not say which fields a record has. Where it can be told from
// the query, it travels with the columns of subqueries (relColumn.fields) and
// with expressions (expr.RowExpr.Names, Binder.records).

// record is a row whose fields have names.
func (b *Binder) record(fields []fqgw.Expr, names []string) (fqgw.Expr, error) {
	e, err := expr.Row(fields)
	if err != nil {
		return nil, err
	}
	e.(*expr.RowExpr).Names = names
	return e, nil
}

// describe notes the fields of the record, or of the records in an array, that e is.
func (b *Binder) describe(e fqgw.Expr, fields []relColumn) {
	if fields == nil {
		return
	}
	if b.records == nil {
		b.records = map[fqgw.Expr][]relColumn{}
	}
	b.records[e] = fields
}

// fieldsOf are the fields of the record, or of the records in an array, that e
// is; nil when they are not known.
func (b *Binder) fieldsOf(e fqgw.Expr) []relColumn {
	first := func(list ...fqgw.Expr) []relColumn {
		for _, x := range list {
			if x != nil {
				if f := b.fieldsOf(x); f != nil {
					return f
				}
			}
		}
		return nil
	}
	switch x := e.(type) {
	case *expr.RowExpr:
		out := make([]relColumn, len(x.Args))
		for i, a := range x.Args {
			out[i] = relColumn{name: "f" + itoa(i+1), typ: a.Type(), fields: b.fieldsOf(a)}
			if x.Names != nil {
				out[i].name = x.Names[i]
			}
		}
		return out
	case *expr.ArrayExpr:
		return first(x.Args...)
	case *expr.SubscriptExpr:
		return first(x.Arg)
	case *expr.FirstOf:
		return first(x.Args...)
	case *expr.CaseExpr:
		for _, w := range x.Whens {
			if f := b.fieldsOf(w.Result); f != nil {
				return f
			}
		}
		return first(x.Else)
	}
	return b.records[e]
}

// fieldsOfAll are the fields of those of the expressions that are records.
func (b *Binder) fieldsOfAll(list []fqgw.Expr) map[int][]relColumn {
	var out map[int][]relColumn
	for i, e := range list {
		if f := b.fieldsOf(e); f != nil {
			if out == nil {
				out = map[int][]relColumn{}
			}
			out[i] = f
		}
	}
	return out
}

// known is f with what is known of its columns that are records.
func known(f *from, err error, fields map[int][]relColumn) (*from, error) {
	if err == nil {
		for i, list := range fields {
			f.rels[0].cols[i].fields = list
		}
	}
	return f, err
}

// fieldsOfCall are the fields of the result of an aggregate or window function.
func (b *Binder) fieldsOfCall(a *plan.AggCall) []relColumn {
	switch a.Func {
	case "array_agg", "lag", "lead", "first_value", "last_value", "nth_value":
		return b.fieldsOf(a.Args[0])
	}
	return nil
}

// wholeRow is a relation's row as a record.
func (b *Binder) wholeRow(at *Scope, rel *relation, sc *Scope) (fqgw.Expr, error) {
	if rel.scalar {
		return b.reference(found{at, rel, &rel.cols[0]}, sc, -1)
	}
	var fields []fqgw.Expr
	var names []string
	for i := range rel.cols {
		if rel.cols[i].hidden {
			continue
		}
		e, err := b.reference(found{at, rel, &rel.cols[i]}, sc, -1)
		if err != nil {
			return nil, err
		}
		fields, names = append(fields, e), append(names, rel.cols[i].name)
	}
	if rel.row != nil {
		names = rel.row
	}
	e, err := b.record(fields, names)
	if err == nil {
		e.(*expr.RowExpr).Missing = rel.nullable
	}
	return e, err
}

// field is (record).name, where the names of the record's fields are known.
func (b *Binder) field(e fqgw.Expr, name string, loc int32) (fqgw.Expr, error) {
	row, isRow := e.(*expr.RowExpr)
	if e.Type() == fqgw.Record {
		for i, f := range b.fieldsOf(e) {
			switch {
			case f.name != name:
			case isRow:
				return row.Args[i], nil
			default:
				return b.fieldExpr(e, i, f), nil
			}
		}
	}
	switch {
	case isRow && row.Names != nil:
		return nil, b.fail(loc, fqgw.CodeUndefinedColumn, "column %q not found in data type record", name)
	case e.Type() == fqgw.Record:
		return nil, b.fail(loc, fqgw.CodeUndefinedColumn, "could not identify column %q in record data type", name)
	}
	return nil, b.fail(loc, fqgw.CodeWrongObjectType, "column notation .%s applied to type %s, which is not a composite type", name, e.Type().Base())
}

func (b *Binder) fieldExpr(e fqgw.Expr, i int, f relColumn) fqgw.Expr {
	out := expr.Field(e, i, f.typ, f.name)
	b.describe(out, f.fields)
	return out
}

// fields expands (record).*, where the names of the record's fields are known.
func (st *assembly) fields(n *pg.Node) error {
	e, err := st.b.bind(n, st.clause("SELECT"))
	if err != nil {
		return err
	}
	fields := st.b.fieldsOf(e)
	if fields == nil || e.Type() != fqgw.Record {
		return st.b.fail(location(n), fqgw.CodeWrongObjectType, "type %s is not composite", e.Type().Base())
	}
	row, isRow := e.(*expr.RowExpr)
	for i, f := range fields {
		t := target{name: f.name}
		if isRow {
			t.expr = row.Args[i]
		} else {
			t.expr = st.b.fieldExpr(e, i, f)
		}
		st.targets = append(st.targets, t)
	}
	return nil
}
