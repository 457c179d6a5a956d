package bind

import (
	"fmt"
	"reflect"
	"sort"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// maxGroupingSets bounds CUBE and products of ROLLUPs, as PostgreSQL does.
const maxGroupingSets = 4096

// groupBy binds GROUP BY: plain items and GROUPING SETS, ROLLUP, CUBE.
func (st *assembly) groupBy() error {
	st.grouped = len(st.stmt.GroupClause) > 0
	product := [][]int{{}}
	nested := false
	for _, n := range st.stmt.GroupClause {
		sets := [][]int(nil)
		if g := n.GetGroupingSet(); g != nil {
			var err error
			if sets, err = st.groupingSet(g); err != nil {
				return err
			}
			nested = true
		} else {
			i, err := st.group(n)
			if err != nil {
				return err
			}
			sets = [][]int{i}
		}
		var next [][]int
		for _, a := range product {
			for _, s := range sets {
				next = append(next, union(a, s))
			}
		}
		if product = next; len(product) > maxGroupingSets {
			return fqgw.Errorf("54001", "too many grouping sets present (maximum %d)", maxGroupingSets)
		}
	}
	if !nested {
		return nil
	}
	if st.stmt.GroupDistinct {
		seen := map[string]bool{}
		kept := product[:0]
		for _, s := range product {
			s := append([]int(nil), s...)
			sort.Ints(s)
			if k := fmt.Sprint(s); !seen[k] {
				seen[k] = true
				kept = append(kept, s)
			}
		}
		product = kept
	}
	st.sets = product
	return nil
}

func union(a, b []int) []int {
	out := append([]int(nil), a...)
	for _, x := range b {
		if !contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// groupingSet gives the sets that one item of GROUP BY stands for.
func (st *assembly) groupingSet(g *pg.GroupingSet) ([][]int, error) {
	var parts [][]int // the members of ROLLUP and CUBE
	var out [][]int
	for _, n := range g.Content {
		if in := n.GetGroupingSet(); in != nil && g.Kind == pg.GroupingSetKind_GROUPING_SET_SETS {
			sets, err := st.groupingSet(in)
			if err != nil {
				return nil, err
			}
			out = append(out, sets...)
			continue
		}
		p, err := st.group(n)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	switch g.Kind {
	case pg.GroupingSetKind_GROUPING_SET_EMPTY:
		return [][]int{{}}, nil
	case pg.GroupingSetKind_GROUPING_SET_SETS:
		return append(out, parts...), nil
	case pg.GroupingSetKind_GROUPING_SET_ROLLUP:
		for n := len(parts); n >= 0; n-- {
			set := []int{}
			for _, p := range parts[:n] {
				set = union(set, p)
			}
			out = append(out, set)
		}
		return out, nil
	case pg.GroupingSetKind_GROUPING_SET_CUBE:
		if len(parts) > 12 {
			return nil, st.b.fail(g.Location, "54011", "CUBE is limited to 12 elements")
		}
		for bits := 1<<len(parts) - 1; bits >= 0; bits-- {
			set := []int{}
			for i, p := range parts {
				if bits&(1<<(len(parts)-1-i)) != 0 {
					set = union(set, p)
				}
			}
			out = append(out, set)
		}
		return out, nil
	}
	return nil, st.b.fail(g.Location, fqgw.CodeFeatureNotSupported, "this grouping is not supported")
}

// group binds one grouping expression, or a parenthesized list of them, and
// gives their indexes in st.groups.
func (st *assembly) group(n *pg.Node) ([]int, error) {
	if row := n.GetRowExpr(); row != nil && row.RowFormat == pg.CoercionForm_COERCE_IMPLICIT_CAST {
		var out []int
		for _, a := range row.Args {
			i, err := st.group(a)
			if err != nil {
				return nil, err
			}
			out = union(out, i)
		}
		return out, nil
	}
	e, target, err := st.groupExpr(n)
	if err != nil {
		return nil, err
	}
	k := expr.Key(e)
	for i, g := range st.groups {
		if st.groupTargets[i] == target && expr.Key(g) == k {
			return []int{i}, nil
		}
	}
	st.groups, st.groupTargets = append(st.groups, e), append(st.groupTargets, target)
	return []int{len(st.groups) - 1}, nil
}

// groupExpr is a grouping expression and the target that it is, -1 for none. A
// name is first a column of FROM, then an output column.
func (st *assembly) groupExpr(n *pg.Node) (fqgw.Expr, int, error) {
	target := -1
	if i, ok, err := st.ordinal(n, "GROUP BY"); err != nil {
		return nil, 0, err
	} else if ok {
		target = i
	} else if ref := n.GetColumnRef(); ref != nil && len(ref.Fields) == 1 && ref.Fields[0].GetString_() != nil {
		f, err := st.sc.unqualified(ref.Fields[0].GetString_().Sval)
		if err != nil || f == nil || f.scope != st.sc {
			i, err := st.named(ref, "GROUP BY")
			if err != nil {
				return nil, 0, err
			}
			target = i
		}
	}
	if target >= 0 {
		t := st.targets[target]
		if what := st.placeholder(t.expr); what != "" {
			return nil, 0, st.b.fail(location(t.node), fqgw.CodeGrouping, "%s are not allowed in GROUP BY", what)
		}
		if err := st.sortable(target, n); err != nil {
			return nil, 0, err
		}
		return st.targets[target].expr, target, nil
	}
	e, err := st.b.bind(n, &clause{sc: st.sc, name: "GROUP BY"})
	if err != nil {
		return nil, 0, err
	}
	if i := st.same(e); i >= 0 {
		if err := st.sortable(i, n); err != nil {
			return nil, 0, err
		}
		return st.targets[i].expr, i, nil
	}
	if e, err = b2text(e); err != nil {
		return nil, 0, st.b.at(err, location(n))
	}
	return e, -1, st.b.orderable(e, location(n))
}

func b2text(e fqgw.Expr) (fqgw.Expr, error) {
	if e.Type() == fqgw.Unknown {
		return expr.Cast(e, fqgw.Text, expr.Implicit)
	}
	return e, nil
}

// placeholder says what sort of function that stands over groups e has, "" for none.
func (st *assembly) placeholder(e fqgw.Expr) string {
	switch {
	case plan.Reads(e, func(i int) bool { return i >= aggBase && i < windowBase }):
		return "aggregate functions"
	case plan.Reads(e, func(i int) bool { return i >= windowBase && i < setBase }):
		return "window functions"
	}
	return ""
}

// folder replaces grouping expressions by columns of the Aggregate node.
type folder struct {
	st    *assembly
	byKey map[string]int
	kinds map[reflect.Type]bool // the node types of grouping expressions
	err   *fqgw.Error
}

// newFolder registers the groups, the small ones first: a large one may hold them.
func (st *assembly) newFolder() *folder {
	f := &folder{st: st, byKey: map[string]int{}, kinds: map[reflect.Type]bool{}}
	order := make([]int, len(st.groups))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return size(st.groups[order[i]]) < size(st.groups[order[j]]) })
	for _, i := range order {
		e := expr.Rewrite(st.groups[i], f.replace)
		if c, ok := e.(*expr.Column); ok && c.Index >= groupBase && c.Level == 0 {
			continue // the same as one before
		}
		f.byKey[expr.Key(e)] = i
		f.kinds[reflect.TypeOf(e)] = true
	}
	f.err = nil
	return f
}

func size(e fqgw.Expr) int {
	n := 0
	expr.Walk(e, func(fqgw.Expr) bool { n++; return true })
	return n
}

// replace is a step of a rewrite from the leaves up.
func (f *folder) replace(e fqgw.Expr) fqgw.Expr {
	if s, ok := e.(*expr.Subquery); ok {
		c := *s
		c.Plan = plan.MapNode(s.Plan.(plan.Node), 1, f.outer)
		e = &c
	}
	if !f.kinds[reflect.TypeOf(e)] {
		return e
	}
	if i, ok := f.byKey[expr.Key(e)]; ok {
		name := ""
		if c, ok := e.(*expr.Column); ok {
			name = c.Name
		}
		return &expr.Column{Index: groupBase + i, Typ: f.st.groups[i].Type(), Name: name}
	}
	return e
}

// outer replaces the columns of this SELECT in a subquery's plan.
func (f *folder) outer(c *expr.Column, depth int) fqgw.Expr {
	if c.Level != depth || c.Index >= placeholders {
		return c
	}
	own := *c
	own.Level = 0
	if i, ok := f.byKey[expr.Key(&own)]; ok {
		return &expr.Column{Index: groupBase + i, Level: depth, Typ: c.Typ, Name: c.Name}
	}
	if f.err == nil {
		f.err = f.st.b.fail(f.st.b.place(c), fqgw.CodeGrouping, "subquery uses ungrouped column %q from outer query", c.Name)
	}
	return c
}

// fold is e over the rows of the Aggregate node; 42803 when it names a column
// that is not grouped by.
func (f *folder) fold(e fqgw.Expr) (fqgw.Expr, error) {
	if e == nil {
		return nil, nil
	}
	f.err = nil
	e = expr.Rewrite(e, f.replace)
	if f.err != nil {
		return nil, f.err
	}
	var bad *expr.Column
	e = plan.MapColumns(e, 0, func(c *expr.Column, depth int) fqgw.Expr {
		if c.Level != depth {
			return c
		}
		switch d := *c; {
		case c.Index >= groupBase:
			d.Index -= groupBase
			return &d
		case c.Index >= windowBase:
			return c
		case c.Index >= aggBase:
			d.Index += len(f.st.groups) - aggBase
			return &d
		}
		if bad == nil {
			bad = c
		}
		return c
	})
	if bad != nil {
		return nil, f.st.b.fail(f.st.b.place(bad), fqgw.CodeGrouping,
			"column %q must appear in the GROUP BY clause or be used in an aggregate function", bad.Name)
	}
	return e, nil
}

// place is where a column was written, -1 when that is not known.
func (b *Binder) place(c *expr.Column) int32 {
	if loc, ok := b.places[c]; ok {
		return loc
	}
	return -1
}
