package planner

import (
	"context"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/define"
)

// migration is fqgw.plan(texts, prune): a row for each thing that would be done so that
// what is defined is what the texts say, or for each thing that is wrong with them.
// Nothing is done.
func (s *Session) migration(ctx context.Context, args []fqgw.Value) ([][]fqgw.Value, error) {
	var texts []string
	for _, t := range args[0].List().Items {
		if t.IsNull() {
			return nil, fqgw.Errorf("22004", "a text of definitions must not be null")
		}
		texts = append(texts, t.Str())
	}
	prune := len(args) > 1 && args[1].Bool()
	e := s.planner.engine
	m, err := define.Migrate(s.catalog(), define.Definer{Binder: &bind.Binder{System: e.SystemRelation}, Foreign: e.ForeignColumns,
		ForeignTables: e.ForeignTables, Schemas: e.LatestSchema()}, texts, prune)
	if err != nil {
		return nil, err
	}
	var out [][]fqgw.Value
	for _, f := range m.Faults {
		out = append(out, migrationRow{action: "error", text: f.Text, position: f.Err.Position, err: f.Err}.values())
	}
	sequence := sequences(m.Steps)
	for i, st := range m.Steps {
		r := migrationRow{action: st.Action, kind: st.Kind, name: st.Name.String(), why: st.Why, text: st.Text, position: st.Pos,
			statements: slices.Concat(st.First, st.Then, st.Later), sequence: sequence[i]}
		if st.Kind == "schema" {
			r.name = st.Name.Schema
		}
		if st.Fills != nil {
			r.rebuild = true
			if now := s.catalog().Sources[st.Fills.Qualified()]; now != nil {
				r.events = e.Rows(ctx, now.History)
			}
		}
		if st.Loses != nil {
			r.loses = e.Rows(ctx, st.Loses.History)
		}
		out = append(out, r.values())
	}
	return out, nil
}

// sequences number the statements of steps in the order in which they are to be run,
// from 1: what comes first of the last step first. Those for when the transaction has
// ended are 0.
func sequences(steps []define.Step) [][]int {
	out := make([][]int, len(steps))
	n := 0
	take := func(i, count int) {
		for range count {
			n++
			out[i] = append(out[i], n)
		}
	}
	for i := len(steps) - 1; i >= 0; i-- {
		take(i, len(steps[i].First))
	}
	for i := range steps {
		take(i, len(steps[i].Then))
		out[i] = append(out[i], make([]int, len(steps[i].Later))...)
	}
	return out
}

// migrationRow is a row of fqgw.plan().
type migrationRow struct {
	action, kind, name, why string
	rebuild                 bool
	events, loses           int64
	statements              []string
	sequence                []int
	text, position          int
	err                     *fqgw.Error
}

func (r migrationRow) values() []fqgw.Value {
	text := func(s string) fqgw.Value {
		if s == "" {
			return fqgw.Null
		}
		return fqgw.TextValue(s)
	}
	statements, sequence := make([]fqgw.Value, len(r.statements)), make([]fqgw.Value, len(r.sequence))
	for i := range r.statements {
		statements[i], sequence[i] = fqgw.TextValue(r.statements[i]), fqgw.IntValue(int64(r.sequence[i]))
	}
	where, position := fqgw.Null, fqgw.Null
	if r.text >= 0 {
		where = fqgw.IntValue(int64(r.text + 1))
	}
	if r.position > 0 {
		position = fqgw.IntValue(int64(r.position))
	}
	out := []fqgw.Value{fqgw.TextValue(r.action), text(r.kind), text(r.name), text(r.why), fqgw.BoolValue(r.rebuild), fqgw.IntValue(r.events),
		fqgw.IntValue(r.loses), fqgw.ArrayOf(fqgw.Text, statements...), fqgw.ArrayOf(fqgw.Int4, sequence...), where, position}
	if r.err == nil {
		return append(out, fqgw.Null, fqgw.Null, fqgw.Null, fqgw.Null)
	}
	return append(out, fqgw.TextValue(string(r.err.Code)), fqgw.TextValue(r.err.Message), text(r.err.Detail), text(r.err.Hint))
}
