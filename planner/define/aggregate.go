package define

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/window"
)

// windowed analyses a view over windows. Every aggregate becomes a slot, and
// the expression around it one over (join keys…, slots…).
func (f *definition) windowed() error {
	if len(f.sel.SortClause) > 0 {
		return f.invalid(leftmost(f.sel.SortClause[0]), "a feature view of windows cannot have ORDER BY").WithHint("Order the rows where the view is read.")
	}
	if err := f.windowClause(); err != nil {
		return err
	}
	reads := make([]*pg.Node, len(f.sel.TargetList))
	for i, n := range f.sel.TargetList {
		t := n.GetResTarget()
		var err error
		if reads[i], err = f.slotted(t.Val); err != nil {
			return err
		}
	}
	if len(f.used) == 0 {
		return f.invalid(f.where(), "a feature view needs a window aggregate or DISTINCT ON").
			WithHint("Write count(*) OVER (PARTITION BY key ORDER BY event_time RANGE '5 minutes' PRECEDING), or SELECT DISTINCT ON (key) … ORDER BY key, event_time DESC.")
	}
	sc := f.readScope()
	for i, n := range f.sel.TargetList {
		t := n.GetResTarget()
		if c, err := f.column(t.Val); err != nil {
			return err
		} else if c >= 0 && f.key(c) >= 0 {
			f.output(t, f.key(c), fqgw.Feature{})
			continue
		}
		if err := f.onlyKeys(reads[i]); err != nil {
			return err
		}
		e, err := f.expr(reads[i], sc)
		if err != nil {
			return err
		}
		feature, err := f.readFeature(e, leftmost(t.Val))
		if err != nil {
			return err
		}
		f.output(t, -1, feature)
	}
	return f.finish()
}

// readScope names the row (join keys…, slots…).
func (f *definition) readScope() *bind.Scope {
	var cols []fqgw.Column
	for _, k := range f.view.Keys {
		c := f.view.Source.Columns[k.Column]
		cols = append(cols, fqgw.Column{Name: c.Name, Type: c.Type})
	}
	own := len(f.view.Aggregates)
	for i, t := range f.view.SlotTypes() {
		s := slot{index: i}
		if i >= own {
			s = slot{i - own, true}
		}
		cols = append(cols, fqgw.Column{Name: s.name(), Type: t})
	}
	return bind.ColumnsScope(f.rel, cols)
}

// slotted is an expression with its window aggregates replaced by slots.
func (f *definition) slotted(n *pg.Node) (*pg.Node, error) {
	var failed error
	out := edited(n, func(n *pg.Node) *pg.Node {
		if failed != nil {
			return n
		}
		if s := n.GetSubLink(); s != nil {
			failed = f.invalid(s.Location, "a feature view cannot have a subquery").WithHint("Join other relations where the view is read.")
			return n
		}
		c := n.GetFuncCall()
		if c == nil {
			return nil
		}
		if c.Over == nil {
			failed = f.lonely(c)
			return nil
		}
		slot, err := f.aggregate(c)
		if err != nil {
			failed = err
			return n
		}
		return columnRef(slot.name(), c.Location)
	})
	return out, failed
}

// lonely refuses an aggregate without OVER.
func (f *definition) lonely(c *pg.FuncCall) error {
	name := last(words(c.Funcname))
	if !c.AggStar && c.AggFilter == nil && !c.AggDistinct && !c.AggWithinGroup && !isAggregate(name) {
		return nil
	}
	return f.invalid(c.Location, "aggregate %s needs a window in a feature view", name).
		WithHint("Write %s(…) OVER (PARTITION BY key ORDER BY event_time RANGE '5 minutes' PRECEDING).", name)
}

// isAggregate says whether a name is an aggregate's, supported or not.
func isAggregate(name string) bool {
	return !expr.HasFunc(name) && window.Known(name)
}

// onlyKeys refuses columns of the source that are neither join keys nor inside an aggregate.
func (f *definition) onlyKeys(n *pg.Node) error {
	var failed error
	visit(n, func(n *pg.Node) bool {
		r := n.GetColumnRef()
		if r == nil || failed != nil {
			return failed == nil
		}
		if strings.HasPrefix(last(words(r.Fields)), "_fq_slot_") {
			return false
		}
		i, err := f.column(n)
		switch {
		case err != nil:
			failed = err
		case i < 0 || f.key(i) < 0:
			if f.group {
				failed = f.fail(r.Location, "42803", "column \"%s\" must appear in the GROUP BY clause or be used in an aggregate function", last(words(r.Fields)))
				return false
			}
			failed = f.invalid(r.Location, "column \"%s\" is neither a join key nor inside a window aggregate", last(words(r.Fields))).
				WithHint("Write last_value(%[1]s) OVER w for its newest value, or add it to PARTITION BY.", last(words(r.Fields)))
		}
		return false
	})
	return failed
}

// aggregate is the slot of a window aggregate; equal ones share a slot.
func (f *definition) aggregate(c *pg.FuncCall) (s slot, err error) {
	names := words(c.Funcname)
	name := strings.ToLower(last(names))
	if len(names) > 1 && names[0] != "pg_catalog" && names[0] != "fqgw" {
		return s, f.fail(c.Location, fqgw.CodeInvalidSchema, "schema \"%s\" does not exist", names[0])
	}
	switch {
	case c.AggDistinct && name == "count":
		return s, f.unsupported(c.Location, "count(DISTINCT) in a feature view").WithHint("Use approx_count_distinct(x).")
	case c.AggDistinct:
		return s, f.unsupported(c.Location, "DISTINCT in an aggregate of a feature view").WithHint("Use approx_count_distinct(x) for a count.")
	case c.AggWithinGroup:
		return s, f.unsupported(c.Location, "WITHIN GROUP in a feature view").WithHint("Use approx_percentile(x, q).")
	case len(c.AggOrder) > 0:
		return s, f.unsupported(c.Location, "ORDER BY in an aggregate of a feature view").WithHint("Events are in the order of their time.")
	case c.FuncVariadic:
		return s, f.unsupported(c.Location, "VARIADIC in an aggregate of a feature view")
	case c.AggFilter != nil && (name == "first_value" || name == "last_value"): // SEMANTICS §2.1
		return s, f.fail(c.Location, fqgw.CodeFeatureNotSupported, "FILTER is not implemented for non-aggregate window functions").
			WithHint("%s is one in PostgreSQL. Make a feature view of those events alone, with WHERE.", name)
	}
	a := fqgw.Aggregate{Func: name, Star: c.AggStar}
	if err := f.arguments(c, &a); err != nil {
		return s, err
	}
	if c.AggFilter != nil {
		if a.Filter, err = f.condition(c.AggFilter, "FILTER"); err != nil {
			return s, err
		}
	}
	w, err := f.over(c.Over)
	if err != nil {
		return s, err
	}
	if err := window.Over(a.Func, w.Window); err != nil {
		return s, f.at(err, c.Location)
	}
	a.Window = w.slot
	key, err := slotKey(&a, w.global)
	if err != nil {
		return s, err
	}
	if s, ok := f.slots[key]; ok {
		return s, nil
	}
	list := &f.view.Aggregates
	if w.global {
		list = &f.view.Global.Aggregates
	}
	s = slot{len(*list), w.global}
	f.slots[key] = s
	*list = append(*list, a)
	return s, nil
}

// arguments binds and types the arguments of an aggregate.
func (f *definition) arguments(c *pg.FuncCall, a *fqgw.Aggregate) error {
	params := min(window.Params(a.Func), len(c.Args))
	var types []fqgw.Type
	for i, n := range c.Args {
		constant := i >= len(c.Args)-params && i > 0
		e, err := f.expr(n, f.row)
		if err != nil {
			return err
		}
		if !constant {
			a.Args, types = append(a.Args, e), append(types, e.Type())
			continue
		}
		if !expr.Constant(e) {
			return f.fail(leftmost(n), fqgw.CodeInvalidParameter, "the last argument of %s must be a constant", a.Func)
		}
		if e, err = f.param(a, e); err != nil {
			return f.at(err, leftmost(n))
		}
		v, err := e.Eval(&fqgw.Env{}, nil)
		if err != nil {
			return f.at(err, leftmost(n))
		}
		a.Params = append(a.Params, v)
	}
	for i := range a.Args { // param may have cast it
		types[i] = a.Args[i].Type()
	}
	want, result, err := window.ResultType(a.Func, types, a.Params, a.Star)
	if err != nil {
		return f.at(err, c.Location)
	}
	a.Type = result
	if f.view.Source.Changelog() && !a.Star && !window.Invertible(a.Func, want[0], a.Params) {
		return f.unsupported(c.Location, "%s over a changelog", a.Func).
			WithDetail("Rows of a changelog change and go: what an aggregate has counted must be taken back, which %s cannot.", a.Func).
			WithHint("count, sum, avg, bool_and, bool_or, the variances and deviations, histogram and decayed_sum can.")
	}
	for i := range a.Args {
		if a.Args[i], err = expr.Cast(a.Args[i], want[i], expr.Implicit); err != nil {
			return f.at(err, leftmost(c.Args[i]))
		}
	}
	return nil
}

// param is the constant behind the argument of an aggregate, as the aggregate takes it:
// a literal gets its type, and the bounds of a histogram and its argument a common one.
func (f *definition) param(a *fqgw.Aggregate, e fqgw.Expr) (fqgw.Expr, error) {
	arg := a.Args[len(a.Args)-1]
	if want := window.ParamType(a.Func, arg.Type()); e.Type() == fqgw.Unknown && want != fqgw.Unknown && want.OID != 0 {
		return expr.Cast(e, want, expr.Implicit)
	}
	if a.Func != "histogram" || !e.Type().IsArray() {
		return e, nil
	}
	both, of, err := expr.Common([]fqgw.Expr{arg, &expr.Const{Typ: e.Type().Elem()}}, "histogram")
	if err != nil {
		return nil, err
	}
	a.Args[len(a.Args)-1] = both[0]
	return expr.Cast(e, of.Array(), expr.Implicit)
}

// slotKey is what makes two slots the same: the aggregate, its window and
// parameters, the trees of its arguments and its FILTER.
func slotKey(a *fqgw.Aggregate, global bool) (string, error) {
	key := fqgw.AppendPackedRow(fmt.Appendf(nil, "%q %t %t %d ", a.Func, a.Star, global, a.Window), a.Params)
	for _, e := range append(a.Args[:len(a.Args):len(a.Args)], a.Filter) {
		var err error
		if key, err = expr.Encode(key, e); err != nil {
			return "", err
		}
	}
	return string(key), nil
}
