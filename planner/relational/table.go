package relational

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	gms "github.com/dolthub/go-mysql-server/sql/plan"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// table is rows in memory with an index by key; without keys every row is a
// candidate.
type table struct {
	keys  []fqgw.Expr // over the rows
	types []fqgw.Type
	rows  [][]fqgw.Value
	first map[string]int32
	next  []int32 // the next row of the same key, -1 none

	generation int // of the program in which the rows were read
	buf        []byte
}

func newTable(keys []fqgw.Expr) *table {
	t := &table{keys: keys}
	for _, k := range keys {
		t.types = append(t.types, k.Type())
	}
	return t
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

// index takes the rows, which must not change.
func (t *table) index(p *program, a *account, rows [][]fqgw.Value) error {
	t.rows = rows
	env := &p.env
	if len(t.keys) == 0 {
		return nil
	}
	t.first, t.next = map[string]int32{}, make([]int32, len(rows))
	for i := len(rows) - 1; i >= 0; i-- { // backwards: chains then go forwards
		t.next[i] = -1
		if i&often == 0 {
			if err := env.Ctx.Err(); err != nil {
				return err
			}
		}
		ok, err := t.key(env, t.keys, rows[i])
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if old, there := t.first[string(t.buf)]; there {
			t.next[i] = old
		} else if err := p.run.takeBytes(a, mapEntry+int64(len(t.buf))); err != nil {
			return err
		}
		t.first[string(t.buf)] = int32(i)
	}
	return nil
}

// candidates goes through the rows whose key is that of xs over row.
func (t *table) candidates(env *fqgw.Env, xs []fqgw.Expr, row []fqgw.Value) (matches, error) {
	m := matches{t: t, at: -1}
	if len(t.keys) == 0 {
		m.all = true
		m.at = 0
		return m, nil
	}
	ok, err := t.key(env, xs, row)
	if err != nil || !ok {
		return m, err
	}
	if at, there := t.first[string(t.buf)]; there {
		m.at = at
	}
	return m, nil
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
	case at < 0 || int(at) >= len(m.t.rows):
		return 0, false
	case m.all:
		m.at++
	default:
		m.at = m.t.next[at]
	}
	return at, true
}

// load fills the table from rows unless it has those of this run, or of any
// run where they are lasting.
func (t *table) load(p *program, lasting bool, open func() (fqgw.Rows, error)) error {
	if t.generation == p.generation || t.generation > 0 && lasting {
		return nil
	}
	in, err := open()
	if err != nil {
		return err
	}
	a := &p.account
	if lasting {
		a = &p.run.lasting
	}
	rows, err := p.run.collect(p.env.Ctx, a, in)
	if err == nil {
		err = t.index(p, a, rows)
	}
	if err == nil {
		t.generation = p.generation
	}
	return err
}

// table is the right side of a join, asked with the left side's row.
func (b *builder) table(n *plan.Join, left layout) (sql.Node, error) {
	tree, err := b.single(n.Right)
	if err != nil {
		return nil, err
	}
	lkeys, rkeys := equalities(n)
	t := newTable(b.finals(rkeys))
	lkeys = b.finals(lkeys)
	title := "Kept"
	if len(lkeys) > 0 {
		title = "Hash"
	}
	lasting := steady(n.Right)
	for _, k := range rkeys {
		lasting = lasting && alike(k)
	}
	one := layout{len(n.Right.Columns())}
	it := &matchIter{}
	it.row = sql.Row{&it.part}
	var buf []fqgw.Value
	return &node{title: title, schema: one.schema(n.Right.Columns()), layout: one, children: []sql.Node{tree},
		open: func(ctx *sql.Context, n *node, row sql.Row) (sql.RowIter, error) {
			if err := t.load(b.p, lasting, func() (fqgw.Rows, error) { return n.input(ctx, 0, one) }); err != nil {
				return nil, err
			}
			var lrow []fqgw.Value
			if len(lkeys) > 0 {
				lrow = left.flat(&buf, row)
			}
			// A join reads one left row's matches at a time: the iterator is used again.
			it.matches, err = t.candidates(&b.p.env, lkeys, lrow)
			return it, err
		}}, nil
}

// matchIter gives the matches of one left row.
type matchIter struct {
	matches matches
	part    tuple
	row     sql.Row
}

func (m *matchIter) Next(*sql.Context) (sql.Row, error) {
	i, ok := m.matches.take()
	if !ok {
		return nil, io.EOF
	}
	m.part.vals = m.matches.t.rows[i]
	return m.row, nil
}

func (m *matchIter) Close(*sql.Context) error { return nil }

// filter is go-mysql-server's; but where a program that is run again selects
// rows of an unchanging input by outer values, it looks them up in a table.
func (b *builder) filter(n *plan.Filter) (sql.Node, layout, error) {
	in, l, err := b.build(n.Input)
	if err != nil {
		return nil, nil, err
	}
	inner, outer := probes(n)
	if len(inner) == 0 {
		return gms.NewFilter(b.condition(n.Cond, l), in), l, nil
	}
	one := layout{l.width()}
	cond := b.condition(n.Cond, one)
	t := newTable(inner)
	out := &node{title: "Filter by key (" + n.Cond.String() + ")", schema: one.schema(n.Columns()), layout: one, children: []sql.Node{in},
		open: func(ctx *sql.Context, n *node, _ sql.Row) (sql.RowIter, error) {
			open := func() (fqgw.Rows, error) { return n.input(ctx, 0, l) }
			if b.p.generation == 1 {
				rows, err := open()
				if err != nil {
					return nil, err
				}
				return newRowsIter(cond.passing(rows.Next, rows.Close)), nil
			}
			if err := t.load(b.p, true, open); err != nil {
				return nil, err
			}
			m, err := t.candidates(&b.p.env, outer, nil)
			return newRowsIter(cond.passing(func() ([]fqgw.Value, error) {
				if i, ok := m.take(); ok {
					return t.rows[i], nil
				}
				return nil, io.EOF
			}, nil)), err
		}}
	return out, one, nil
}

// passing are the rows for which the condition is true.
func (c *condition) passing(next func() ([]fqgw.Value, error), close func() error) fqgw.Rows {
	return &funcRows{close: close, next: func() ([]fqgw.Value, error) {
		for {
			row, err := next()
			if err != nil {
				return nil, err
			}
			v, err := c.x.Eval(&c.p.env, row)
			if err != nil {
				return nil, err
			}
			if v.True() {
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
	for _, c := range conjuncts(n.Cond) {
		l, r, ok := equality(c)
		if !ok || expr.HasSubquery(c) {
			continue
		}
		width := len(n.Input.Columns())
		if side(l, width) == 'n' {
			l, r = r, l
		}
		if side(l, width) == 'l' && alike(l) && side(r, width) == 'n' && !alike(r) {
			inner, outer = append(inner, l), append(outer, r)
		}
	}
	return inner, outer
}
