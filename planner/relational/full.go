package relational

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// fullJoin is ours: go-mysql-server's remembers by a hash which rows were
// matched. A right join whose condition has a subquery takes this way too.
func (b *builder) fullJoin(n *plan.Join) (sql.Node, layout, error) {
	lkeys, rkeys := equalities(n)
	lkeys, rkeys = b.finals(lkeys), b.finals(rkeys)
	cond := b.final(n.Cond)
	return b.ours(n, func(in []fqgw.Rows) (fqgw.Rows, error) {
		t := newTable(rkeys)
		f := &outerPairs{b: b, table: t, lkeys: lkeys, cond: cond, left: in[0], keepLeft: n.Kind == plan.FullOuter,
			lwidth: len(n.Left.Columns()), rwidth: len(n.Right.Columns())}
		rights, err := b.run.collect(b.p.env.Ctx, &b.p.account, in[1])
		if err == nil {
			err = t.index(b.p, &b.p.account, rights)
		}
		if err != nil {
			return nil, err
		}
		f.hit = make([]bool, len(rights))
		return f, nil
	}, n.Left, n.Right)
}

// outerPairs yields the matching pairs, the left rows without one if keepLeft,
// then the right rows without one.
type outerPairs struct {
	b              *builder
	table          *table
	lkeys          []fqgw.Expr
	cond           fqgw.Expr
	left           fqgw.Rows
	keepLeft       bool
	lwidth, rwidth int

	row     []fqgw.Value // the left row, then room for the right one
	matches matches
	open    bool // a left row is being matched
	matched bool
	hit     []bool
	ended   bool
	rest    int
	count   int
}

func (f *outerPairs) Close() error { return f.left.Close() }

func (f *outerPairs) Next() ([]fqgw.Value, error) {
	for !f.ended {
		if f.open {
			i, ok := f.matches.take()
			if !ok {
				f.open = false
				if !f.matched && f.keepLeft {
					clear(f.row[f.lwidth:])
					return f.row, nil
				}
				continue
			}
			if f.count++; f.count&often == 0 && f.b.p.env.Ctx.Err() != nil {
				return nil, f.b.p.env.Ctx.Err()
			}
			copy(f.row[f.lwidth:], f.table.rows[i])
			if f.cond != nil {
				v, err := f.cond.Eval(&f.b.p.env, f.row)
				if err != nil {
					return nil, err
				}
				if !v.True() {
					continue
				}
			}
			f.matched, f.hit[i] = true, true
			return f.row, nil
		}
		row, err := f.left.Next()
		if err == io.EOF {
			f.ended = true
			break
		}
		if err != nil {
			return nil, err
		}
		if f.row == nil {
			f.row = make([]fqgw.Value, f.lwidth+f.rwidth)
		}
		copy(f.row, row)
		f.open, f.matched = true, false
		if f.matches, err = f.table.candidates(&f.b.p.env, f.lkeys, f.row[:f.lwidth]); err != nil {
			return nil, err
		}
	}
	for f.rest < len(f.hit) {
		if f.rest++; !f.hit[f.rest-1] {
			return append(make([]fqgw.Value, f.lwidth), f.table.rows[f.rest-1]...), nil
		}
	}
	return nil, io.EOF
}
