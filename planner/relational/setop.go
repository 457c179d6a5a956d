package relational

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	gms "github.com/dolthub/go-mysql-server/sql/plan"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// setOp is go-mysql-server's UNION ALL, below our DISTINCT for UNION; INTERSECT
// and EXCEPT are ours, since its own compare rows by a hash.
func (b *builder) setOp(n *plan.SetOp) (sql.Node, error) {
	if n.Kind != plan.Union {
		return b.ours(n, func(ctx *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) { return b.intersectOrExcept(n, in[0], in[1]) }, n.Left, n.Right)
	}
	left, err := b.build(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := b.build(n.Right)
	if err != nil {
		return nil, err
	}
	union := gms.NewSetOp(gms.UnionType, left, right, false, nil, nil, nil)
	if n.All {
		return union, nil
	}
	return &node{plan: n, schema: schemaOf(n.Cols), children: []sql.Node{union}, run: func(_ *sql.Context, in []fqgw.Rows) (fqgw.Rows, error) {
		return b.distinct(in[0], nil), nil
	}}, nil
}

// intersectOrExcept counts the right side's rows: with ALL each takes one of
// the left's, without it rows come once.
func (b *builder) intersectOrExcept(n *plan.SetOp, left, right fqgw.Rows) (fqgw.Rows, error) {
	rows, err := b.run.collect(b.env.Ctx, right)
	if err != nil {
		left.Close()
		return nil, err
	}
	counts := map[string]int{}
	for _, r := range rows {
		counts[string(rowKey(nil, r))]++
	}
	given := map[string]bool{}
	var buf []byte
	return &funcRows{close: left.Close, next: func() ([]fqgw.Value, error) {
		for {
			row, err := left.Next()
			if err != nil {
				return nil, err
			}
			buf = rowKey(buf[:0], row)
			there := counts[string(buf)] > 0
			if n.All {
				counts[string(buf)]--
			} else if given[string(buf)] {
				continue
			}
			if there == (n.Kind == plan.Intersect) {
				if !n.All {
					given[string(buf)] = true
				}
				return row, nil
			}
		}
	}}, nil
}

// shared is a common table expression's rows, found once for the statement.
type shared struct {
	rows [][]fqgw.Value
	done bool
	work [][]fqgw.Value // the working table of a recursive one
}

// recursionMax bounds a recursive query that does not end.
const recursionMax = 10_000_000

func (b *builder) cte(c *plan.CTE) (fqgw.Rows, error) {
	s := b.run.ctes[c]
	if s == nil {
		s = &shared{}
		b.run.ctes[c] = s
	}
	if s.done {
		return &sliceRows{s.rows}, nil
	}
	first, err := b.run.rows(b.env, c.Plan)
	if err != nil {
		return nil, err
	}
	if s.rows, err = b.run.collect(b.env.Ctx, first); err != nil {
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

func (b *builder) recurse(c *plan.CTE, s *shared) error {
	seen := map[string]bool{}
	fresh := func(rows [][]fqgw.Value) [][]fqgw.Value {
		if c.All {
			return rows
		}
		var out [][]fqgw.Value
		for _, r := range rows {
			if key := string(rowKey(nil, r)); !seen[key] {
				seen[key] = true
				out = append(out, r)
			}
		}
		return out
	}
	s.rows = fresh(s.rows)
	for s.work = s.rows; len(s.work) > 0; {
		step, err := b.run.rows(b.env, c.Step)
		if err != nil {
			return err
		}
		rows, err := b.run.collect(b.env.Ctx, step)
		if err != nil {
			return err
		}
		s.work = fresh(rows)
		if s.rows = append(s.rows[:len(s.rows):len(s.rows)], s.work...); len(s.rows) > recursionMax {
			return fqgw.Errorf(fqgw.CodeLimitExceeded, "the recursive query has more than %d rows", recursionMax)
		}
	}
	return nil
}

// projectSet runs set-returning functions of the SELECT list in step.
func (b *builder) projectSet(in fqgw.Rows, n *plan.ProjectSet) fqgw.Rows {
	var row []fqgw.Value
	sets := make([]fqgw.Rows, len(n.Sets))
	active := false
	closeSets := func() {
		for i, s := range sets {
			if s != nil {
				s.Close()
			}
			sets[i] = nil
		}
	}
	return &funcRows{close: func() error { closeSets(); return in.Close() }, next: func() ([]fqgw.Value, error) {
		for {
			if !active {
				r, err := in.Next()
				if err != nil {
					return nil, err
				}
				row = append([]fqgw.Value(nil), r...)
				if err := b.openSets(n, row, sets); err != nil {
					return nil, err
				}
				active = true
			}
			out := make([]fqgw.Value, len(n.Exprs))
			any := false
			for i := range n.Exprs {
				if n.Sets[i] == nil {
					v, err := n.Exprs[i].Eval(b.env, row)
					if err != nil {
						return nil, err
					}
					out[i] = v
					continue
				}
				if sets[i] == nil {
					continue
				}
				v, err := sets[i].Next()
				if err == io.EOF {
					sets[i].Close()
					sets[i] = nil
					continue
				}
				if err != nil {
					return nil, err
				}
				out[i], any = v[0], true
				if len(v) > 1 {
					out[i] = fqgw.RecordValue(append([]fqgw.Value(nil), v...))
				}
			}
			if any {
				return out, nil
			}
			active = false
		}
	}}
}

func (b *builder) openSets(n *plan.ProjectSet, row []fqgw.Value, sets []fqgw.Rows) error {
	env := *b.env
	env.Outer = append(env.Outer[:len(env.Outer):len(env.Outer)], row)
	for i, f := range n.Sets {
		if f == nil {
			continue
		}
		args, types := make([]fqgw.Value, len(f.Args)), make([]fqgw.Type, len(f.Args))
		for j, a := range f.Args {
			v, err := a.Eval(&env, nil)
			if err != nil {
				return err
			}
			args[j], types[j] = v, a.Type()
		}
		set, err := expr.RunSet(f.Name, &env, args, types)
		if err != nil {
			return err
		}
		sets[i] = set
	}
	return nil
}
