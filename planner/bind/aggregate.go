package bind

import (
	"fmt"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// aggregate binds an aggregate call. It belongs to the innermost query whose
// columns it uses: count(*) to its own, max(outer.x) to the outer one.
func (b *Binder) aggregate(x *pg.FuncCall, name string, kind kindOf, c *clause) (fqgw.Expr, error) {
	call, err := b.aggCall(x, name, kind, c)
	if err != nil {
		return nil, err
	}
	fields := b.fieldsOfCall(&call)
	level := callLevel(&call)
	owner := c
	at := c.sc.depth - level
	for owner != nil && (owner.sc.depth > at || owner.sc.rowless) {
		owner = owner.sc.enclosing()
	}
	switch {
	case owner == nil, owner.sc.lateral, owner.sc.depth != at:
		return nil, b.fail(x.Location, fqgw.CodeGrouping, "aggregate functions are not allowed in FROM clause of their own query level")
	case owner.inAgg:
		return nil, b.fail(x.Location, fqgw.CodeGrouping, "aggregate function calls cannot be nested")
	case !owner.aggs || owner.sc.block == nil:
		return nil, b.fail(x.Location, fqgw.CodeGrouping, "aggregate functions are not allowed in %s", owner.name)
	}
	if level > 0 {
		inward(&call, level)
	}
	blk := owner.sc.block
	key := callKey(&call)
	i, ok := blk.aggKeys[key]
	if !ok {
		i = len(blk.aggs)
		blk.aggs = append(blk.aggs, call)
		blk.aggKeys[key] = i
	}
	e := &expr.Column{Index: aggBase + i, Level: level, Typ: call.Type, Name: name}
	b.describe(e, fields)
	return e, nil
}

// aggCall binds what stands in the parentheses and FILTER.
func (b *Binder) aggCall(x *pg.FuncCall, name string, kind kindOf, c *clause) (plan.AggCall, error) {
	call := plan.AggCall{Func: name, Star: x.AggStar, Distinct: x.AggDistinct}
	fail := func(code fqgw.Code, format string, args ...any) (plan.AggCall, error) {
		return call, b.fail(x.Location, code, format, args...)
	}
	in := &clause{sc: c.sc, name: "an aggregate's arguments", aggs: true, inAgg: true}
	switch {
	case x.FuncVariadic:
		return fail(fqgw.CodeFeatureNotSupported, "VARIADIC in aggregates is not supported")
	case kind == orderedSetFunc && !x.AggWithinGroup:
		return fail(fqgw.CodeWrongObjectType, "WITHIN GROUP is required for ordered-set aggregate %s", name)
	case kind != orderedSetFunc && x.AggWithinGroup:
		return fail(fqgw.CodeWrongObjectType, "%s is not an ordered-set aggregate, so it cannot have WITHIN GROUP", name)
	case x.AggWithinGroup && x.AggDistinct:
		return fail(fqgw.CodeSyntax, "cannot use DISTINCT with WITHIN GROUP")
	case !x.AggStar && len(x.Args) == 0 && len(x.AggOrder) == 0 && name == "count":
		return fail(fqgw.CodeWrongObjectType, "count(*) must be used to call a parameterless aggregate function")
	}
	args, err := b.bindAll(x.Args, in)
	if err != nil {
		return call, err
	}
	for _, n := range x.AggOrder {
		s := n.GetSortBy()
		k := plan.SortKey{}
		if k.Expr, err = b.ordering(s.Node, in); err != nil {
			return call, err
		}
		if k.Desc, k.NullsFirst, err = b.direction(s); err != nil {
			return call, err
		}
		call.Order = append(call.Order, k)
	}
	// An ordered-set aggregate is resolved over its direct arguments, then the sorted ones.
	all := args
	if x.AggWithinGroup {
		for _, k := range call.Order {
			all = append(all[:len(all):len(all)], k.Expr)
		}
	}
	types, result, err := expr.AggregateType(name, typesOf(all), x.AggStar)
	if err != nil {
		return call, b.at(err, x.Location)
	}
	for i := range all {
		if i >= len(types) {
			break
		}
		if all[i], err = expr.Cast(all[i], types[i], expr.Implicit); err != nil {
			return call, b.at(err, x.Location, x.Args...)
		}
	}
	call.Type = result
	if x.AggWithinGroup {
		call.Direct = all[:len(args)]
		for i := range call.Order {
			call.Order[i].Expr = all[len(args)+i]
		}
	} else {
		call.Args = all
	}
	if x.AggFilter != nil {
		if call.Filter, err = b.condition(x.AggFilter, in, "FILTER"); err != nil {
			return call, err
		}
	}
	if call.Distinct {
		for _, a := range call.Args {
			if err := b.orderable(a, x.Location); err != nil {
				return call, err
			}
		}
		for i, k := range call.Order {
			found := false
			for _, a := range call.Args {
				found = found || expr.Equal(a, k.Expr)
			}
			if !found {
				return call, b.fail(location(x.AggOrder[i]), fqgw.CodeInvalidColumnRef,
					"in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list")
			}
		}
	}
	return call, nil
}

// visitCall calls f for the expressions of an aggregate call.
func visitCall(a *plan.AggCall, f func(*fqgw.Expr)) {
	for _, l := range [][]fqgw.Expr{a.Args, a.Direct} {
		for i := range l {
			f(&l[i])
		}
	}
	for i := range a.Order {
		f(&a.Order[i].Expr)
	}
	if a.Filter != nil {
		f(&a.Filter)
	}
}

// callLevel is the level of the innermost query whose columns the call uses.
func callLevel(a *plan.AggCall) int {
	least := -1
	visitCall(a, func(e *fqgw.Expr) {
		plan.MapColumns(*e, 0, func(c *expr.Column, depth int) fqgw.Expr {
			if l := c.Level - depth; l >= 0 && (least < 0 || l < least) {
				least = l
			}
			return c
		})
	})
	return max(least, 0)
}

// inward makes the call one of the query by levels further out.
func inward(a *plan.AggCall, by int) {
	visitCall(a, func(e *fqgw.Expr) { *e = plan.MapColumns(*e, 0, plan.Outward(-1, -by)) })
}

// callKey tells aggregate calls apart, so that equal ones are computed once.
func callKey(a *plan.AggCall) string {
	var k strings.Builder
	fmt.Fprintf(&k, "%s %v %v %d %d", a.Func, a.Star, a.Distinct, len(a.Args), len(a.Direct))
	visitCall(a, func(e *fqgw.Expr) {
		k.WriteByte(0)
		if expr.Volatile(*e) {
			fmt.Fprintf(&k, "%p", *e)
		}
		k.WriteString(expr.Key(*e))
	})
	for _, o := range a.Order {
		fmt.Fprintf(&k, " %v %v", o.Desc, o.NullsFirst)
	}
	fmt.Fprintf(&k, " %v", a.Filter != nil)
	return k.String()
}
