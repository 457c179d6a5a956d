package relational

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// shared is a common table expression's rows, found once for the statement; it
// sees no outer rows.
type shared struct {
	rows [][]fqgw.Value
	done bool
	work [][]fqgw.Value // the working table of a recursive one
}

func (b *builder) cte(c *plan.CTE) (fqgw.Rows, error) {
	s := b.run.ctes[c]
	if s == nil {
		s = &shared{}
		b.run.ctes[c] = s
	}
	if s.done {
		return &sliceRows{s.rows}, nil
	}
	var err error
	if s.rows, err = b.collected(c.Plan); err != nil {
		return nil, err
	}
	if c.Recursive {
		if err := b.recurse(c, s); err != nil {
			return nil, err
		}
	}
	s.done = true
	return &sliceRows{s.rows}, nil
}

func (b *builder) collected(n plan.Node) ([][]fqgw.Value, error) {
	rows, err := b.run.rows(&b.p.env, n)
	if err != nil {
		return nil, err
	}
	return b.run.collect(b.p.env.Ctx, &b.run.lasting, rows)
}

// recurse runs the step over what the step before added until it adds nothing.
func (b *builder) recurse(c *plan.CTE, s *shared) error {
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
		rows, err := b.collected(c.Step)
		if err != nil {
			return err
		}
		s.work = fresh(rows)
		s.rows = append(s.rows, s.work...)
	}
	return nil
}

func (b *builder) workTable(c *plan.CTE) (fqgw.Rows, error) {
	s := b.run.ctes[c]
	if s == nil {
		return nil, fqgw.Errorf(fqgw.CodeInternal, "the working table of \"%s\" is read outside its query", c.Name)
	}
	return &sliceRows{s.work}, nil
}
