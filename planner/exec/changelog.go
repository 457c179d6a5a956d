package exec

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
	"github.com/fqgw/fqgw/stream/window"
)

// changelogScan reads a changelog as the table that it is by what was known at a time
// (SEMANTICS §8): the latest row of each primary key, as a feature view of all of its
// columns would show it. A query that names a hidden column reads what landed instead,
// every version of a row.
func (e *Engine) changelogScan(env *fqgw.Env, n *plan.SourceScan, known int64) (fqgw.Rows, error) {
	s := n.Source
	from, to, empty, err := bounds(env, n)
	if err != nil || empty {
		return relational.Slice(nil), err
	}
	v := &fqgw.FeatureView{Schema: s.Schema, Name: s.Name, Source: s, Latest: true}
	column := func(i int) *expr.Column {
		return &expr.Column{Index: i, Typ: s.Columns[i].Type, Name: s.Columns[i].Name}
	}
	for _, c := range s.PrimaryKey {
		v.Keys = append(v.Keys, fqgw.KeyColumn{Name: s.Columns[c].Name, Column: c, Type: s.Columns[c].Type})
	}
	for _, f := range n.Fields {
		v.Row = append(v.Row, column(f))
	}
	v.Row = append(v.Row, column(s.EventTime)) // by which the rows are bounded
	l, err := window.NewLayout(v)
	if err != nil {
		return nil, err
	}
	row := func(_ fqgw.EntityKey, r *window.Reading) (_ []fqgw.Value, shown bool, err error) {
		last := len(r.Slots) - 1
		if t, ok := fqgw.Micros(r.Slots[last]); ok && (t < from || t > to) {
			return nil, false, nil
		}
		return r.Slots[:last:last], true, nil
	}
	return e.everyEntity(env, l, known, known, e.historyOf(env, v, known, known), row, func() {}), nil
}

// waitView waits until the history of a view's source has everything known by k, by which
// the view can be told.
func (e *Engine) waitView(env *fqgw.Env, v *fqgw.FeatureView, k int64) error {
	err := e.waitKnown(env, v.Source, k)
	if err == nil && e.o.Streams != nil {
		err = e.o.Streams.Follows(v, k)
	}
	return err
}
