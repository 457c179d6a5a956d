package exec

import (
	"context"
	"io"
	"math"
	"sync"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// derivation is the definition of a derived source as it was bound to a catalog.
type derivation struct {
	version int64
	source  *fqgw.Source
	// now reads the online store; then reads history AS OF the known time of each record.
	now, then plan.Node
}

// derivations are those of the derived sources, by OID.
type derivations struct {
	mu   sync.Mutex
	made map[uint32]*derivation
}

// derivation is that of a source over the catalog as it is now.
func (e *Engine) derivation(s *fqgw.Source) (*derivation, error) {
	cat := e.Catalog()
	d := &e.derived
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := d.made[s.OID]; m != nil && m.version == cat.Version && m.source == s {
		return m, nil
	}
	of, err := e.o.Derive(cat, s)
	if err != nil {
		return nil, err
	}
	query := of.Query.(plan.Node)
	if d.made == nil {
		d.made = map[uint32]*derivation{}
	}
	m := &derivation{version: cat.Version, source: s, now: lookingUp(query, true), then: lookingUp(query, false)}
	d.made[s.OID] = m
	return m, nil
}

// lookingUp is a copy of a plan whose lookups take no error of an expression for one of
// the statement, and read the online store if they are to read what there is now.
func lookingUp(n plan.Node, now bool) plan.Node {
	n = plan.Rewrite(n, func(n plan.Node, _ int) plan.Node { return lookingUp(n, now) }, func(e fqgw.Expr, _ int) fqgw.Expr { return e })
	if j, ok := n.(*plan.FeatureJoin); ok {
		j.Compiled = new(plan.Compiled)
		for i, k := range j.Keys {
			if _, plain := k.(*expr.Column); !plain {
				j.Keys[i] = lenient{k}
			}
		}
		if now {
			j.At, j.Known = nil, nil
		}
	}
	return n
}

// lenient is an expression of a definition, whose errors are NULL (SEMANTICS §2.4).
type lenient struct{ fqgw.Expr }

// Eval implements fqgw.Expr.
func (l lenient) Eval(env *fqgw.Env, row []fqgw.Value) (fqgw.Value, error) {
	v, err := l.Expr.Eval(env, row)
	if err != nil {
		return fqgw.Null, nil
	}
	return v, nil
}

// Derive gives the rows of a derived source for events of its origin, in their order:
// what its feature views have now or, with then, had at the known time of each event. at
// says which event a row is made of; others were dropped. Every value is one that the
// stores gave: a view that cannot be read, and a store that does not answer, is an error.
func (e *Engine) Derive(ctx context.Context, s *fqgw.Source, events []*fqgw.Event, then bool) (rows [][]fqgw.Value, at []int, err error) {
	d, err := e.derivation(s)
	if err != nil {
		return nil, nil, err
	}
	memory := e.memory.Part("the records of a derived source", "--memory", e.o.MemoryLimit)
	defer memory.Close()
	env := &fqgw.Env{Ctx: context.WithValue(ctx, pinsKey{}, (*pins)(nil)), Now: e.Now(), LakeEntities: math.MaxInt, Memory: memory}
	n := d.now
	if then {
		n = d.then
	}
	r := deriving{e: e, env: env, source: s, events: events}
	out, err := r.run(n)
	if err != nil {
		return nil, nil, err
	}
	defer out.Close()
	width := len(s.Columns)
	for i := 0; ; i++ {
		row, err := out.Next()
		if err == io.EOF {
			return rows, at, nil
		}
		if err != nil {
			return nil, nil, err
		}
		for i < len(events) && (int64(events[i].Pos.Partition) != row[width].Int() || events[i].Pos.Offset != row[width+1].Int()) {
			i++
		}
		if i == len(events) {
			return nil, nil, fqgw.Errorf(fqgw.CodeInternal, "the rows of derived source \"%s\" are not in the order of its records", s.Name)
		}
		rows, at = append(rows, row[:width:width]), append(at, i)
	}
}

// deriving runs the plan of a derived source over some events.
type deriving struct {
	e      *Engine
	env    *fqgw.Env
	source *fqgw.Source
	events []*fqgw.Event
}

func (r *deriving) run(n plan.Node) (fqgw.Rows, error) {
	switch n := n.(type) {
	case *plan.SourceScan:
		return r.scan(n), nil
	case *plan.Filter:
		in, err := r.run(n.Input)
		if err != nil {
			return nil, err
		}
		return &stream{close: in.Close, next: func() ([]fqgw.Value, error) {
			for {
				row, err := in.Next()
				if err != nil {
					return nil, err
				}
				if ok, err := expr.Holds(r.env, n.Cond, row); ok && err == nil {
					return row, nil
				}
			}
		}}, nil
	case *plan.Project:
		in, err := r.run(n.Input)
		if err != nil {
			return nil, err
		}
		return &stream{close: in.Close, next: func() ([]fqgw.Value, error) {
			row, err := in.Next()
			if err != nil {
				return nil, err
			}
			out := make([]fqgw.Value, len(n.Exprs))
			for i, x := range n.Exprs {
				out[i], _ = lenient{x}.Eval(r.env, row)
			}
			return out, nil
		}}, nil
	case *plan.FeatureJoin:
		return r.lookUp(n)
	}
	return nil, fqgw.Errorf(fqgw.CodeInternal, "a derived source has no way to run a %T", n)
}

// scan are the events as rows of the origin.
func (r *deriving) scan(n *plan.SourceScan) fqgw.Rows {
	i := 0
	return &stream{close: func() error { return nil }, next: func() ([]fqgw.Value, error) {
		if i == len(r.events) {
			return nil, io.EOF
		}
		ev := r.events[i]
		i++
		row := make([]fqgw.Value, len(n.Fields))
		for c, f := range n.Fields {
			if own := len(n.Source.Columns); f < own {
				row[c] = ev.Row[f]
			} else {
				row[c] = hiddenValue(ev, fqgw.HiddenColumns[f-own].Name)
			}
		}
		return row, nil
	}}
}

// hiddenValue is what the hidden column of a landed event has.
func hiddenValue(ev *fqgw.Event, column string) fqgw.Value {
	switch column {
	case fqgw.ColEpoch:
		return fqgw.IntValue(int64(ev.Pos.Epoch))
	case fqgw.ColPartition:
		return fqgw.IntValue(int64(ev.Pos.Partition))
	case fqgw.ColOffset:
		return fqgw.IntValue(ev.Pos.Offset)
	case fqgw.ColSub:
		return fqgw.IntValue(int64(ev.Pos.Sub))
	case fqgw.ColOperation:
		return fqgw.TextValue(ev.Op.String())
	}
	return fqgw.TimestampValue(ev.Known)
}

// lookUp joins a feature view onto the events.
func (r *deriving) lookUp(n *plan.FeatureJoin) (fqgw.Rows, error) {
	l, err := r.e.lookupOf(n)
	if err != nil {
		return nil, err
	}
	if err := r.e.readable(l.view); err != nil {
		return nil, err
	}
	in, err := r.run(n.Input)
	if err != nil {
		return nil, err
	}
	rows, err := r.e.lookOver(r.env, l, in)
	if err != nil {
		in.Close()
		return nil, err
	}
	looked := rows.(*looked)
	return &stream{close: rows.Close, next: func() ([]fqgw.Value, error) {
		row, err := rows.Next()
		if err == nil && looked.answer.Late {
			return nil, fqgw.Errorf(fqgw.CodeConnectionFailure, "the stores of feature view \"%s\" do not answer", l.view.Qualified())
		}
		return row, err
	}}, nil
}

// stillThere is nil if a catalog has what a derived source reads.
func stillThere(cat *fqgw.Catalog, s *fqgw.Source) error {
	if s.Derived == nil {
		return nil
	}
	if origin := s.Derived.Origin.Qualified(); cat.Sources[origin] == nil {
		return missing(cat, "source", origin)
	}
	for _, v := range s.Derived.Views {
		if cat.Features[v.Qualified()] == nil {
			return missing(cat, "feature view", v.Qualified())
		}
	}
	return nil
}
