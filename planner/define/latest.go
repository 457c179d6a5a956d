package define

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// latest analyses SELECT DISTINCT ON (keys) … ORDER BY keys, event time DESC:
// the latest row per key.
func (f *definition) latest() error {
	f.view.Latest = true
	if f.sel.DistinctClause[0].GetNode() == nil {
		return f.invalid(f.where(), "a feature view cannot be SELECT DISTINCT").WithHint("Write SELECT DISTINCT ON (key) … ORDER BY key, event_time DESC for the latest row of a key.")
	}
	if len(f.sel.WindowClause) > 0 {
		return f.invalid(f.sel.WindowClause[0].GetWindowDef().Location, "a DISTINCT ON view has no windows").
			WithHint("Make one feature view of windows and one of the latest row.")
	}
	if err := f.keys(f.sel.DistinctClause, "DISTINCT ON"); err != nil {
		return err
	}
	if f.view.Source.Changelog() {
		if err := f.rowsOfTable(); err != nil {
			return err
		}
	}
	if err := f.latestOrder(); err != nil {
		return err
	}
	for _, n := range f.sel.TargetList {
		if err := f.latestColumn(n.GetResTarget()); err != nil {
			return err
		}
	}
	return f.finish()
}

// latestOrder checks ORDER BY: the keys in any order, then the event time DESC.
func (f *definition) latestOrder() error {
	src := f.view.Source
	hint := ""
	for _, k := range f.view.Keys {
		hint += expr.QuoteIdent(k.Name) + ", "
	}
	hint = "Write ORDER BY " + hint + expr.QuoteIdent(src.Columns[src.EventTime].Name) + " DESC."
	list := make([]*pg.Node, len(f.sel.SortClause))
	for i, n := range f.sel.SortClause {
		list[i] = f.sortedBy(n)
	}
	if len(list) <= len(f.view.Keys) {
		return f.invalid(f.where(), "a DISTINCT ON view must be ordered by its keys and the event time DESC").WithHint("%s", hint)
	}
	seen := map[int]bool{}
	for _, n := range list[:len(f.view.Keys)] {
		s := n.GetSortBy()
		i, err := f.column(s.Node)
		if err != nil {
			return err
		}
		if i < 0 || f.key(i) < 0 || seen[i] {
			return f.fail(leftmost(s.Node), fqgw.CodeInvalidColumnRef, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions").WithHint("%s", hint)
		}
		seen[i] = true
	}
	return f.timeOrder(list[len(f.view.Keys):], true)
}

// sortedBy resolves an output name or number in ORDER BY to its expression.
func (f *definition) sortedBy(n *pg.Node) *pg.Node {
	s := n.GetSortBy()
	var val *pg.Node
	if i := s.Node.GetAConst().GetIval(); i != nil && i.Ival >= 1 && int(i.Ival) <= len(f.sel.TargetList) {
		val = f.sel.TargetList[i.Ival-1].GetResTarget().Val
	}
	if r := s.Node.GetColumnRef(); r != nil && len(r.Fields) == 1 {
		for _, t := range f.sel.TargetList {
			if t := t.GetResTarget(); t.Name != "" && t.Name == last(words(r.Fields)) {
				val = t.Val
			}
		}
	}
	if val == nil {
		return n
	}
	return &pg.Node{Node: &pg.Node_SortBy{SortBy: &pg.SortBy{Node: val, SortbyDir: s.SortbyDir, SortbyNulls: s.SortbyNulls, Location: s.Location}}}
}

func (f *definition) latestColumn(t *pg.ResTarget) error {
	if err := f.noWindows(t.Val); err != nil {
		return err
	}
	if c, err := f.column(t.Val); err != nil {
		return err
	} else if c >= 0 && f.key(c) >= 0 {
		f.output(t, f.key(c), fqgw.Feature{})
		return nil
	}
	e, err := f.expr(t.Val, f.row)
	if err != nil {
		return err
	}
	feature, err := f.readFeature(e, leftmost(t.Val))
	if err != nil {
		return err
	}
	key, err := expr.Encode(nil, feature.Read)
	if err != nil {
		return err
	}
	slot, ok := f.slots[string(key)]
	if !ok {
		slot.index = len(f.view.Row)
		f.slots[string(key)] = slot
		f.view.Row = append(f.view.Row, feature.Read)
	}
	feature.Read = &expr.Column{Index: len(f.view.Keys) + slot.index, Typ: feature.Type, Name: slot.name()}
	f.output(t, -1, feature)
	return nil
}

// noWindows refuses window aggregates and aggregates in a DISTINCT ON view.
func (f *definition) noWindows(n *pg.Node) error {
	var failed error
	visit(n, func(n *pg.Node) bool {
		if c := n.GetFuncCall(); c != nil && failed == nil {
			if c.Over != nil {
				failed = f.invalid(c.Location, "a DISTINCT ON view has no windows").WithHint("Make one feature view of windows and one of the latest row.")
			} else {
				failed = f.lonely(c)
			}
		}
		return failed == nil
	})
	return failed
}
