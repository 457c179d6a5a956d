package exec

import (
	"cmp"
	"context"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// stored is a relation whose rows are in a table of the lake that is fqgw's.
type stored struct {
	name    string // in SQL
	history string // the lake's
}

// stored are the tables, and the sources with a history, by their names.
func (e *Engine) stored(cat *fqgw.Catalog) (out []stored) {
	for name, s := range cat.Sources {
		if e.foreign(s) == nil {
			out = append(out, stored{name.String(), s.History})
		}
	}
	for name, t := range cat.Tables {
		if t.History != "" {
			out = append(out, stored{name.String(), t.History})
		}
	}
	slices.SortFunc(out, func(a, b stored) int { return cmp.Compare(a.name, b.name) })
	return out
}

// maintain removes what is old of a relation's table.
func (e *Engine) maintain(ctx context.Context, r stored) error {
	err := e.o.History.Maintain(ctx, r.history)
	if fqgw.HasCode(err, fqgw.CodeUndefinedTable) { // dropped meanwhile
		return nil
	}
	return err
}

// Vacuum compacts the histories of sources, whole, and removes old snapshots and
// orphaned files of them and of tables; it sends what is cold of feature views to the
// lake.
func (e *Engine) Vacuum(ctx context.Context, st *plan.Vacuum) error {
	for _, s := range st.Sources {
		if err := e.Compact(ctx, s, true); err != nil {
			return err
		}
		if e.foreign(s) != nil {
			continue
		}
		if err := e.maintain(ctx, stored{s.Name, s.History}); err != nil {
			return err
		}
	}
	for _, t := range st.Tables {
		if err := e.maintain(ctx, stored{t.Name, t.History}); err != nil {
			return err
		}
	}
	if len(st.Views) > 0 {
		return e.o.Streams.Chill(ctx)
	}
	return nil
}
