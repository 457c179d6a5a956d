package relational

import (
	"io"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// setProjection is a ProjectSet: set-returning functions of the SELECT list run
// in step, shorter ones give NULLs.
type setProjection struct {
	exprs []fqgw.Expr
	names []string        // of the functions, "" where there is none
	of    []*fqgw.RowType // of what they return, nil for single values
	args  [][]fqgw.Expr   // over the input's row as the innermost outer row
	types [][]fqgw.Type   // of the arguments
}

func (b *builder) setProjection(n *plan.ProjectSet) *setProjection {
	s := &setProjection{exprs: b.finals(n.Exprs), names: make([]string, len(n.Sets)), of: make([]*fqgw.RowType, len(n.Sets)), args: make([][]fqgw.Expr, len(n.Sets)), types: make([][]fqgw.Type, len(n.Sets))}
	for i, f := range n.Sets {
		if f == nil {
			continue
		}
		s.names[i], s.args[i] = f.Name, b.finals(f.Args)
		if len(f.Cols) > 1 {
			s.of[i] = &fqgw.RowType{}
			for _, c := range f.Cols {
				s.of[i].Names, s.of[i].Types = append(s.of[i].Names, c.Name), append(s.of[i].Types, c.Type)
			}
		}
		for _, a := range f.Args {
			s.types[i] = append(s.types[i], a.Type())
		}
	}
	return s
}

func (s *setProjection) rows(in *instance, input fqgw.Rows) fqgw.Rows {
	var row []fqgw.Value
	sets := make([]fqgw.Rows, len(s.names))
	active := false
	closeSets := func() {
		for i, set := range sets {
			if set != nil {
				set.Close()
			}
			sets[i] = nil
		}
	}
	out := make([]fqgw.Value, len(s.exprs))
	return &funcRows{close: func() error { closeSets(); return input.Close() }, next: func() ([]fqgw.Value, error) {
		for {
			if !active {
				r, err := input.Next()
				if err != nil {
					return nil, err
				}
				row = append(row[:0:0], r...)
				if err := s.open(in, row, sets); err != nil {
					return nil, err
				}
				active = true
			}
			ok, err := s.step(in, row, sets, out)
			if err != nil {
				return nil, err
			}
			if ok {
				return out, nil
			}
			active = false
		}
	}}
}

// step fills the next row of the sets; false when all have ended.
func (s *setProjection) step(in *instance, row []fqgw.Value, sets []fqgw.Rows, out []fqgw.Value) (bool, error) {
	any := false
	clear(out)
	for i, set := range sets {
		if set == nil {
			continue
		}
		v, err := set.Next()
		if err == io.EOF {
			set.Close()
			sets[i] = nil
			continue
		}
		if err != nil {
			return false, err
		}
		any = true
		if out[i] = v[0]; s.of[i] != nil {
			out[i] = fqgw.RecordValue(s.of[i], append([]fqgw.Value(nil), v...))
		}
	}
	if !any {
		return false, nil
	}
	for i, x := range s.exprs {
		if s.names[i] != "" {
			continue
		}
		v, err := x.Eval(&in.env, row)
		if err != nil {
			return false, err
		}
		out[i] = v
	}
	return true, nil
}

func (s *setProjection) open(in *instance, row []fqgw.Value, sets []fqgw.Rows) error {
	env := in.env
	env.Outer = append(env.Outer[:len(env.Outer):len(env.Outer)], row)
	for i, name := range s.names {
		if name == "" {
			continue
		}
		args := make([]fqgw.Value, len(s.args[i]))
		for j, a := range s.args[i] {
			v, err := a.Eval(&env, nil)
			if err != nil {
				return err
			}
			args[j] = v
		}
		set, err := expr.RunSet(name, &env, args, s.types[i])
		if err != nil {
			return err
		}
		sets[i] = set
	}
	return nil
}
