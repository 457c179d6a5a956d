package relational

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	gms "github.com/dolthub/go-mysql-server/sql/plan"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
)

// table is rows in memory with an index by key; without keys every row is a
// candidate.
type table struct {
	keys  []fqgw.Expr // over the rows
	types []fqgw.Type
	rows  *rowList
	set   keySet
	first []int32 // the first row of each key
	next  []int32 // the next row of the same key, -1 none
	buf   []byte
}

// index makes a table of rows, which must not change; what it takes beside them
// is charged to a.
func (in *instance) index(a *account, keys []fqgw.Expr, rows *rowList) (*table, error) {
	t := &table{keys: keys, rows: rows}
	if len(keys) == 0 {
		return t, nil
	}
	for _, k := range keys {
		t.types = append(t.types, k.Type())
	}
	if err := in.run.takeBytes(a, 4*int64(rows.n)); err != nil {
		return nil, err
	}
	t.next = make([]int32, rows.n)
	for i := rows.n - 1; i >= 0; i-- { // backwards: chains then go forwards
		t.next[i] = -1
		if err := in.tick(); err != nil {
			return nil, err
		}
		ok, err := t.key(&in.env, keys, rows.at(i))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		n, added := t.set.add(t.buf)
		if !added {
			t.next[i], t.first[n] = t.first[n], int32(i)
			continue
		}
		t.first = append(t.first, int32(i))
		if err := in.run.takeBytes(a, keyBytes+4+int64(len(t.buf))); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// key is the key of the values of xs over row; false when one is NULL, which
// equals nothing.
func (t *table) key(env *fqgw.Env, xs []fqgw.Expr, row []fqgw.Value) (bool, error) {
	t.buf = t.buf[:0]
	for i, x := range xs {
		v, err := x.Eval(env, row)
		if err != nil || v.IsNull() {
			return false, err
		}
		t.buf = appendKey(t.buf, v, t.types[i])
	}
	return true, nil
}

// candidates goes through the rows whose key is that of xs over row.
func (t *table) candidates(env *fqgw.Env, xs []fqgw.Expr, row []fqgw.Value) (matches, error) {
	m := matches{t: t, at: -1}
	if len(t.keys) == 0 {
		m.all = true
		m.at = 0
		return m, nil
	}
	n, err := t.number(env, xs, row)
	if n >= 0 {
		m.at = t.first[n]
	}
	return m, err
}

// number is that of the key of the values of xs over row, -1 where no row has it; all
// rows of a table without keys are of one key.
func (t *table) number(env *fqgw.Env, xs []fqgw.Expr, row []fqgw.Value) (int, error) {
	if len(t.keys) == 0 {
		return len(t.first) - 1, nil
	}
	ok, err := t.key(env, xs, row)
	if err != nil || !ok {
		return -1, err
	}
	return t.set.find(t.buf), nil
}

// chain makes one key of all rows of a table without keys.
func (t *table) chain() {
	t.next = make([]int32, t.rows.n)
	for i := range t.next {
		t.next[i] = int32(i) + 1
	}
	if n := t.rows.n; n > 0 {
		t.next[n-1], t.first = -1, []int32{0}
	}
}

// matches is a place in a table.
type matches struct {
	t   *table
	at  int32
	all bool
}

// take is the next row's number, false at the end.
func (m *matches) take() (int32, bool) {
	at := m.at
	switch {
	case at < 0 || int(at) >= m.t.rows.n:
		return 0, false
	case m.all:
		m.at++
	default:
		m.at = m.t.next[at]
	}
	return at, true
}

// filter is go-mysql-server's; but where a program that is run again selects
// rows of an unchanging input by outer values, it looks them up in a table.
func (b *builder) filter(n *plan.Filter) (sql.Node, layout, error) {
	if tree, rest := unnested(n); tree != n.Input {
		return b.build(pushdown.Where(tree, rest...))
	}
	tree, l, err := b.build(n.Input)
	if err != nil {
		return nil, nil, err
	}
	inner, outer := probes(n)
	if len(inner) == 0 {
		return gms.NewFilter(b.condition(n.Cond, l), tree), l, nil
	}
	one := layout{l.width()}
	cond := b.condition(n.Cond, one)
	at := b.place()
	out := &node{title: "Filter by key (" + n.Cond.String() + ")", schema: one.schema(n.Columns()), layout: one, children: []sql.Node{tree},
		open: func(ctx *sql.Context, in *instance, n *node, _ sql.Row) (sql.RowIter, error) {
			if in.generation == 1 {
				rows, err := n.input(ctx, 0, l)
				if err != nil {
					return nil, err
				}
				return newRowsIter(cond.passing(in, rows.Next, rows.Close)), nil
			}
			t := place[*table](in, at)
			if *t == nil {
				rows, err := n.input(ctx, 0, l)
				if err != nil {
					return nil, err
				}
				kept, err := in.run.collect(in.env.Ctx, &in.run.lasting, rows)
				if err == nil {
					*t, err = in.index(&in.run.lasting, inner, &kept)
				}
				if err != nil {
					return nil, err
				}
			}
			m, err := (*t).candidates(&in.env, outer, nil)
			return newRowsIter(cond.passing(in, func() ([]fqgw.Value, error) {
				if i, ok := m.take(); ok {
					return m.t.rows.at(int(i)), nil
				}
				return nil, io.EOF
			}, nil)), err
		}}
	return out, one, nil
}

// passing are the rows for which the condition is true.
func (c *condition) passing(in *instance, next func() ([]fqgw.Value, error), close func() error) fqgw.Rows {
	return &funcRows{close: close, next: func() ([]fqgw.Value, error) {
		for {
			row, err := next()
			if err != nil {
				return nil, err
			}
			ok, err := expr.Holds(&in.env, c.x, row)
			if err != nil {
				return nil, err
			}
			if ok {
				return row, nil
			}
		}
	}}
}

// probes are the equalities of a filter between its input's columns and outer
// rows, when the input is the same in every run.
func probes(n *plan.Filter) (inner, outer []fqgw.Expr) {
	if alike(n.Cond) || !steady(n.Input) {
		return nil, nil
	}
	for _, c := range expr.Conjuncts(n.Cond) {
		l, r, ok := equality(c)
		if !ok || expr.HasSubquery(c) {
			continue
		}
		width := len(n.Input.Columns())
		if pushdown.Side(l, width) == 'n' {
			l, r = r, l
		}
		if pushdown.Side(l, width) == 'l' && alike(l) && pushdown.Side(r, width) == 'n' && !alike(r) {
			inner, outer = append(inner, l), append(outer, r)
		}
	}
	return inner, outer
}
