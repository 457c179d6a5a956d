package relational

import (
	"io"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// final is an expression as it is run: x IN (SELECT …) and NOT IN over a query
// that sees no outer row look it up in a hash of its rows.
func (b *builder) final(x fqgw.Expr) fqgw.Expr {
	if x == nil {
		return nil
	}
	return expr.Rewrite(x, func(e fqgw.Expr) fqgw.Expr {
		s, ok := e.(*expr.Subquery)
		if !ok || len(s.Left) != 1 || len(s.Columns) != 1 {
			return e
		}
		in := s.Kind == expr.AnySubquery && s.Operator == "="
		notIn := s.Kind == expr.AllSubquery && s.Operator == "<>"
		n := s.Plan.(plan.Node)
		if !in && !notIn || !sameKey(s.Left[0].Type(), s.Columns[0]) || !steady(n) {
			return e
		}
		return &member{Subquery: s, run: b.run, plan: n, not: notIn}
	})
}

func (b *builder) finals(list []fqgw.Expr) []fqgw.Expr {
	if list == nil {
		return nil
	}
	out := make([]fqgw.Expr, len(list))
	for i, x := range list {
		out[i] = b.final(x)
	}
	return out
}

func (b *builder) finalKeys(list []plan.SortKey) []plan.SortKey {
	if list == nil {
		return nil
	}
	out := append([]plan.SortKey(nil), list...)
	for i := range out {
		out[i].Expr = b.final(out[i].Expr)
	}
	return out
}

// member is left IN (a query run once), or NOT IN; three-valued as in SQL.
type member struct {
	*expr.Subquery
	run    *run
	plan   plan.Node
	not    bool
	values map[string]struct{}
	null   bool // the query gave a NULL
	buf    []byte
}

// Eval implements fqgw.Expr. It keeps state: a program is run by one goroutine.
func (m *member) Eval(env *fqgw.Env, row []fqgw.Value) (fqgw.Value, error) {
	left, err := m.Left[0].Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	if m.values == nil {
		if err := m.load(env); err != nil {
			return fqgw.Null, err
		}
	}
	if len(m.values) == 0 && !m.null {
		return fqgw.BoolValue(m.not), nil
	}
	if left.IsNull() {
		return fqgw.Null, nil
	}
	m.buf = appendKey(m.buf[:0], left, m.Left[0].Type())
	if _, found := m.values[string(m.buf)]; found {
		return fqgw.BoolValue(!m.not), nil
	}
	if m.null {
		return fqgw.Null, nil
	}
	return fqgw.BoolValue(m.not), nil
}

func (m *member) load(env *fqgw.Env) error {
	rows, err := m.run.rows(env, m.plan)
	if err != nil {
		return err
	}
	defer rows.Close()
	values := map[string]struct{}{}
	for n := 0; ; n++ {
		row, err := rows.Next()
		if err == io.EOF {
			m.values = values
			return nil
		}
		if err != nil {
			return err
		}
		if row[0].IsNull() {
			m.null = true
			continue
		}
		m.buf = appendKey(m.buf[:0], row[0], m.Columns[0])
		if _, found := values[string(m.buf)]; found {
			continue
		}
		if err := m.run.takeBytes(&m.run.lasting, mapEntry+int64(len(m.buf))); err != nil {
			return err
		}
		values[string(m.buf)] = struct{}{}
	}
}
