package bind

import (
	"fmt"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// verify checks that every column in a plan exists in the row where it is
// evaluated and has its type, and that nodes have the columns that they say.
// outer has the columns of the enclosing rows, the innermost last.
func verify(n plan.Node, outer [][]plan.Column) error {
	v := &verifier{}
	v.node(n, outer)
	return v.err
}

type verifier struct{ err error }

func (v *verifier) fail(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf(format, args...)
	}
}

func (v *verifier) expr(e fqgw.Expr, row []plan.Column, outer [][]plan.Column) {
	if e == nil {
		return
	}
	expr.Walk(e, func(e fqgw.Expr) bool {
		switch x := e.(type) {
		case *expr.Column:
			cols := row
			if x.Level > len(outer) {
				v.fail("column %s: level %d of %d", x.Name, x.Level, len(outer))
				return true
			}
			if x.Level > 0 {
				cols = outer[len(outer)-x.Level]
			}
			if x.Index < 0 || x.Index >= len(cols) {
				v.fail("column %s: place %d of %d at level %d", x.Name, x.Index, len(cols), x.Level)
			} else if cols[x.Index].Type.OID != x.Typ.OID {
				v.fail("column %s: type %s, the row has %s", x.Name, x.Typ, cols[x.Index].Type)
			}
		case *expr.Subquery:
			v.node(x.Plan.(plan.Node), append(outer[:len(outer):len(outer)], row))
		case *expr.Const:
			_ = x
		}
		return true
	})
}

func (v *verifier) list(list []fqgw.Expr, row []plan.Column, outer [][]plan.Column) {
	for _, e := range list {
		v.expr(e, row, outer)
	}
}

func (v *verifier) same(n plan.Node, cols []plan.Column, exprs []fqgw.Expr) {
	if len(cols) != len(exprs) {
		v.fail("%T: %d columns for %d expressions", n, len(cols), len(exprs))
		return
	}
	for i, e := range exprs {
		if e != nil && e.Type().OID != cols[i].Type.OID {
			v.fail("%T: column %s is %s, its expression %s", n, cols[i].Name, cols[i].Type, e.Type())
		}
		if cols[i].Type == fqgw.Unknown {
			v.fail("%T: column %s has no type", n, cols[i].Name)
		}
	}
}

func (v *verifier) call(a *plan.AggCall, row []plan.Column, outer [][]plan.Column) {
	visitCall(a, func(e *fqgw.Expr) { v.expr(*e, row, outer) })
}

func (v *verifier) keys(keys []plan.SortKey, row []plan.Column, outer [][]plan.Column) {
	for _, k := range keys {
		v.expr(k.Expr, row, outer)
	}
}

func (v *verifier) node(n plan.Node, outer [][]plan.Column) {
	below := func(n plan.Node) []plan.Column {
		v.node(n, outer)
		return n.Columns()
	}
	switch n := n.(type) {
	case *plan.Values:
		for _, r := range n.Rows {
			v.list(r, nil, outer)
			v.same(n, n.Cols, r)
		}
	case *plan.SourceScan:
		v.list([]fqgw.Expr{n.AsOf, n.Lo, n.Hi}, nil, outer)
	case *plan.TableScan:
		v.expr(n.AsOf, nil, outer)
	case *plan.TableFunc:
		v.list(n.Args, nil, outer)
	case *plan.FeatureScan:
		v.list([]fqgw.Expr{n.At, n.Known, n.KeyArray}, nil, outer)
		for _, k := range n.Keys {
			v.list(k, nil, outer)
			if len(k) != len(n.View.Keys) {
				v.fail("scan of %s: %d keys", n.View.Name, len(k))
			}
		}
		v.outputs(n, n.View, n.Outputs, n.Cols)
	case *plan.FeatureJoin:
		in := below(n.Input)
		v.list(append([]fqgw.Expr{n.At, n.Known}, n.Keys...), in, outer)
		if len(n.Keys) != len(n.View.Keys) || len(n.Cols) != len(in)+len(n.Outputs) {
			v.fail("join of %s: %d keys, %d columns", n.View.Name, len(n.Keys), len(n.Cols))
			return
		}
		v.expr(n.On, n.Cols, outer)
		v.outputs(n, n.View, n.Outputs, n.Cols[len(in):])
	case *plan.Entities:
		in := below(n.Input)
		v.list(n.Keys, in, outer)
		if len(n.Keys) != len(n.Types) || len(n.Cols) != len(in)+1+2*len(n.Keys) {
			v.fail("entities: %d keys, %d types, %d columns", len(n.Keys), len(n.Types), len(n.Cols))
		}
	case *plan.Settle:
		in := below(n.Input)
		v.expr(n.On, in, outer)
		if n.Row >= len(in) || n.Found >= len(in) || in[n.Row].Type != fqgw.Int8 || in[n.Found].Type != fqgw.Bool || len(n.Cols) != n.Width+len(n.Rejected) {
			v.fail("settle: row %d, found %d of %d columns, %d outputs", n.Row, n.Found, len(in), len(n.Cols))
		}
	case *plan.Filter:
		v.expr(n.Cond, below(n.Input), outer)
	case *plan.Project:
		v.list(n.Exprs, below(n.Input), outer)
		v.same(n, n.Cols, n.Exprs)
	case *plan.ProjectSet:
		in := below(n.Input)
		v.list(n.Exprs, in, outer)
		v.same(n, n.Cols, n.Exprs)
		for _, s := range n.Sets {
			if s != nil {
				v.list(s.Args, nil, append(outer[:len(outer):len(outer)], in))
			}
		}
	case *plan.Join:
		left := below(n.Left)
		if n.Lateral {
			v.node(n.Right, append(outer[:len(outer):len(outer)], left))
		} else {
			v.node(n.Right, outer)
		}
		v.expr(n.Cond, append(left[:len(left):len(left)], n.Right.Columns()...), outer)
	case *plan.Aggregate:
		in := below(n.Input)
		v.list(n.Groups, in, outer)
		for i := range n.Aggs {
			v.call(&n.Aggs[i], in, outer)
		}
		if len(n.Cols) != len(n.Groups)+len(n.Aggs) {
			v.fail("aggregate of %d columns", len(n.Cols))
		}
	case *plan.Window:
		in := below(n.Input)
		for i := range n.Calls {
			w := &n.Calls[i]
			v.call(&w.AggCall, in, outer)
			v.list(w.Partition, in, outer)
			v.keys(w.OrderBy, in, outer)
			v.list([]fqgw.Expr{w.Frame.StartOffset, w.Frame.EndOffset}, in, outer)
		}
		if len(n.Cols) != len(in)+len(n.Calls) {
			v.fail("window of %d columns", len(n.Cols))
		}
	case *plan.Sort:
		v.keys(n.Keys, below(n.Input), outer)
	case *plan.Limit:
		in := below(n.Input)
		v.list([]fqgw.Expr{n.Count, n.Offset}, nil, outer)
		v.keys(n.Ties, in, outer)
	case *plan.Distinct:
		v.list(n.On, below(n.Input), outer)
	case *plan.SetOp:
		v.same(n, n.Cols, columnsOf(n.Left))
		v.same(n, n.Cols, columnsOf(n.Right))
		below(n.Left)
		below(n.Right)
	case *plan.CTEScan:
		around := outer
		if !n.CTE.Correlated {
			around = nil
		}
		v.node(n.CTE.Plan, around)
		if n.CTE.Recursive {
			v.node(n.CTE.Step, around)
			v.same(n, n.Cols, columnsOf(n.CTE.Step))
		}
		v.same(n, n.Cols, columnsOf(n.CTE.Plan))
	}
}

func (v *verifier) outputs(n plan.Node, view *fqgw.FeatureView, outs []fqgw.Output, cols []plan.Column) {
	for i, o := range outs {
		var want fqgw.Type
		switch o.Kind {
		case fqgw.OutKey:
			want = view.Keys[o.Index].Type
		case fqgw.OutFeature:
			want = view.Features[o.Index].Type
		case fqgw.OutTime:
			want = fqgw.Timestamptz
		default:
			want = fqgw.Text
		}
		if i >= len(cols) || cols[i].Type != want {
			v.fail("%T: output %d of %s", n, i, view.Name)
		}
	}
}
