package relational

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// shared is a common table expression's rows, found once for the statement, or
// at each scan of one that is correlated.
type shared struct {
	rows [][]fqgw.Value
	done bool
	work [][]fqgw.Value // the working table of a recursive one
}

func (b *builder) cte(c *plan.CTE) (fqgw.Rows, error) {
	a, origin := &b.run.lasting, c.Origin()
	s := b.run.ctes[origin]
	if c.Correlated {
		// Its rows are those of this run of the program, which charges them.
		a = &b.p.account
		defer func(around *shared) { b.run.ctes[origin] = around }(s)
		s = nil
	}
	if s == nil {
		s = &shared{}
		b.run.ctes[origin] = s
	}
	if s.done {
		return &sliceRows{s.rows}, nil
	}
	var err error
	if s.rows, err = b.collected(c.Plan, a); err != nil {
		return nil, err
	}
	if c.Recursive {
		if err := b.recurse(c, s, a); err != nil {
			return nil, err
		}
	}
	s.done = true
	return &sliceRows{s.rows}, nil
}

func (b *builder) collected(n plan.Node, a *account) ([][]fqgw.Value, error) {
	rows, err := b.run.rows(&b.p.env, n)
	if err != nil {
		return nil, err
	}
	return b.run.collect(b.p.env.Ctx, a, rows)
}

// recurse runs the step over what the step before added until it adds nothing.
func (b *builder) recurse(c *plan.CTE, s *shared, a *account) error {
	seen := map[string]bool{}
	types := typesOf(c.Plan.Columns())
	var buf []byte
	fresh := func(rows [][]fqgw.Value) [][]fqgw.Value {
		if c.All {
			return rows
		}
		var out [][]fqgw.Value
		for _, r := range rows {
			buf = rowKey(buf[:0], r, types)
			if !seen[string(buf)] {
				seen[string(buf)] = true
				out = append(out, r)
			}
		}
		return out
	}
	s.rows = fresh(s.rows)
	for s.work = s.rows; len(s.work) > 0; {
		if err := b.p.env.Ctx.Err(); err != nil {
			return err
		}
		rows, err := b.collected(c.Step, a)
		if err != nil {
			return err
		}
		s.work = fresh(rows)
		s.rows = append(s.rows, s.work...)
	}
	return nil
}

func (b *builder) workTable(c *plan.CTE) (fqgw.Rows, error) {
	s := b.run.ctes[c.Origin()]
	if s == nil {
		return nil, fqgw.Errorf(fqgw.CodeInternal, "the working table of \"%s\" is read outside its query", c.Name)
	}
	return &sliceRows{s.work}, nil
}
