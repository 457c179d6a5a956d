package bind

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
)

// several says whether a row of the spine may name several entities: then each
// is a row of its own, as in SQL.
func (q *equating) several() bool {
	for i, e := range q.keys {
		if expr.ManyKeys(q.ft.keys[i], e.Type()) {
			return true
		}
	}
	return false
}

// isKey says whether every value of type t is one of a key's type.
func isKey(t, key fqgw.Type) bool {
	return expr.SameKeys(t, key) && (key.Kind() != fqgw.KindInt || t.Size() <= key.Size())
}

// entities names the entities of a spine, and gives their keys as columns behind
// it, of the keys' own types: those to look up, and those to show.
func entities(spine plan.Node, keys []fqgw.Expr, types []fqgw.Type) (n *plan.Entities, lookup, shown []fqgw.Expr) {
	n = &plan.Entities{Input: spine, Keys: keys, Types: types, Cols: slices.Clone(spine.Columns())}
	n.Cols = append(n.Cols, plan.Column{Name: "row", Type: fqgw.Int8})
	for _, list := range []*[]fqgw.Expr{&lookup, &shown} {
		for i, t := range types {
			c := plan.Column{Name: "key" + itoa(i+1), Type: t}
			*list = append(*list, &expr.Column{Index: len(n.Cols), Typ: t, Name: c.Name})
			n.Cols = append(n.Cols, c)
		}
	}
	return n, lookup, shown
}

// severalJoin is the join of a feature view whose entities a spine's row may name
// several of; outs are what it shows behind the spine's row.
func (q *equating) severalJoin(spine *from, at, known fqgw.Expr, left bool, on fqgw.Expr, outs []fqgw.Output, cols []plan.Column) plan.Node {
	width := spine.width()
	names, keys, _ := entities(spine.node, q.keys, q.ft.keys)
	join := &plan.FeatureJoin{Input: names, View: q.ft.view, Keys: keys, At: at, Known: known, Left: left,
		Outputs: append(slices.Clone(outs), fqgw.Output{Kind: fqgw.OutKey}), Cols: slices.Clone(names.Cols), Compiled: new(plan.Compiled)}
	join.Cols = append(append(join.Cols, cols...), plan.Column{Name: "found", Type: q.ft.keys[0]})
	// The spine's columns, those of the view, the row's number, whether it is found.
	all := columnsOf(join)
	p := &plan.Project{Input: join, Cols: append(slices.Clone(spine.node.Columns()), cols...)}
	p.Exprs = append(slices.Clone(all[:width]), all[len(names.Cols):len(names.Cols)+len(cols)]...)
	if !left {
		if on == nil {
			return p
		}
		return pushdown.Where(p, on)
	}
	rejected := make([]fqgw.Value, len(outs))
	for i, o := range outs {
		if o.Kind == fqgw.OutStatus {
			rejected[i] = fqgw.TextValue(fqgw.StatusNotFound.String())
		}
	}
	return settle(p, all[width], []fqgw.Expr{all[len(all)-1]}, width, on, rejected)
}

// settle ends a left join: found are keys, one of which is not NULL where the
// feature has a row.
func settle(p *plan.Project, number fqgw.Expr, found []fqgw.Expr, width int, on fqgw.Expr, rejected []fqgw.Value) plan.Node {
	s := &plan.Settle{Input: p, Row: len(p.Exprs), Found: len(p.Exprs) + 1, Width: width, On: on, Rejected: rejected, Cols: slices.Clone(p.Cols)}
	p.Exprs = append(p.Exprs, number, anyNotNull(found))
	p.Cols = append(p.Cols, plan.Column{Name: "row", Type: fqgw.Int8}, plan.Column{Name: "found", Type: fqgw.Bool})
	return s
}

// anyNotNull is whether one of the columns is not NULL.
func anyNotNull(columns []fqgw.Expr) fqgw.Expr {
	var tests []fqgw.Expr
	for _, c := range columns {
		test, err := expr.IsNull(c, true)
		if err != nil {
			panic(err) // a plain column
		}
		tests = append(tests, test)
	}
	if len(tests) == 1 {
		return tests[0]
	}
	or, err := expr.Or(tests...)
	if err != nil {
		panic(err) // booleans
	}
	return or
}
