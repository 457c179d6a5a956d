package bind

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// functionName is the name by which planner/expr knows a function: without the
// schema, but for those of schema fqgw.
func (b *Binder) functionName(names []*pg.Node, loc int32) (string, error) {
	parts := strs(names)
	name := parts[len(parts)-1]
	if len(parts) == 1 {
		return name, nil
	}
	switch schema := parts[len(parts)-2]; {
	case len(parts) > 2:
	case schema == "pg_catalog", schema == "public", schema == "information_schema":
		return name, nil
	case schema == "fqgw":
		if _, ok := probeOf(&pg.FuncCall{Funcname: names}); ok || name == "as_of" {
			return name, nil
		}
		return "fqgw." + name, nil
	}
	return "", b.fail(loc, fqgw.CodeInvalidSchema, "schema %q does not exist", strings.Join(parts[:len(parts)-1], "."))
}

func (b *Binder) funcCall(x *pg.FuncCall, c *clause) (fqgw.Expr, error) {
	name, err := b.functionName(x.Funcname, x.Location)
	if err != nil {
		return nil, err
	}
	switch name {
	case "feature_status", "feature_time", "feature_token":
		return b.featureProbe(x, name, c)
	case "as_of":
		return nil, b.fail(x.Location, fqgw.CodeFeatureNotSupported, "as_of() must stand in FROM").
			WithHint("Write … LEFT JOIN LATERAL as_of('view', time) AS a ON …, or view AS OF time.")
	}
	kind := functionKind(name)
	if x.Over != nil {
		return b.windowCall(x, name, kind, c)
	}
	if kind == aggregateFunc || kind == orderedSetFunc {
		return b.aggregate(x, name, kind, c)
	}
	notAggregate := func(what string) error {
		return b.fail(x.Location, fqgw.CodeWrongObjectType, "%s specified, but %s is not an aggregate function", what, name)
	}
	switch {
	case kind == windowFunc:
		return nil, b.fail(x.Location, "42P20", "window function %s requires an OVER clause", name)
	case x.AggStar:
		return nil, notAggregate(name + "(*)")
	case x.AggDistinct:
		return nil, notAggregate("DISTINCT")
	case x.AggWithinGroup:
		return nil, notAggregate("WITHIN GROUP")
	case len(x.AggOrder) > 0:
		return nil, notAggregate("ORDER BY")
	case x.AggFilter != nil:
		return nil, notAggregate("FILTER")
	}
	nodes, err := b.positional(name, x)
	if err != nil {
		return nil, err
	}
	args, err := b.bindAll(nodes, c)
	if err != nil {
		return nil, err
	}
	if kind == setFunc {
		return b.setCall(x, name, args, c)
	}
	call := expr.Func
	if x.FuncVariadic {
		call = expr.FuncVariadic
	}
	e, err := call(name, args)
	return e, b.at(err, x.Location, x.Args...)
}

// intervalArgs are the parameters of make_interval, the one function that people
// call by name.
var intervalArgs = []string{"years", "months", "weeks", "days", "hours", "mins", "secs"}

// positional gives the arguments in the order that the function declares.
func (b *Binder) positional(name string, x *pg.FuncCall) ([]*pg.Node, error) {
	var out []*pg.Node
	for i, n := range x.Args {
		a := n.GetNamedArgExpr()
		if a == nil {
			out = append(out, n)
			continue
		}
		at := -1
		if name == "make_interval" {
			for j, p := range intervalArgs {
				if p == a.Name {
					at = j
				}
			}
		}
		if at < i {
			return nil, b.fail(a.Location, fqgw.CodeUndefinedFunction, "function %s has no parameter %q that can be named here", name, a.Name)
		}
		for len(out) <= at {
			out = append(out, &pg.Node{Node: &pg.Node_AConst{AConst: &pg.A_Const{Val: &pg.A_Const_Ival{Ival: &pg.Integer{}}, Location: -1}}})
		}
		out[at] = a.Arg
	}
	return out, nil
}

// setCall binds a set-returning function in a SELECT list.
func (b *Binder) setCall(x *pg.FuncCall, name string, args []fqgw.Expr, c *clause) (fqgw.Expr, error) {
	switch {
	case c.inAgg:
		return nil, b.fail(x.Location, fqgw.CodeFeatureNotSupported, "aggregate function calls cannot contain set-returning function calls")
	case c.inWindow:
		return nil, b.fail(x.Location, fqgw.CodeFeatureNotSupported, "window function calls cannot contain set-returning function calls")
	case !c.sets || c.sc.block == nil:
		return nil, b.fail(x.Location, fqgw.CodeFeatureNotSupported, "set-returning functions are not allowed in %s", c.name)
	}
	fn, err := b.tableFunc(name, args)
	if err != nil {
		return nil, b.at(err, x.Location, x.Args...)
	}
	blk, call := c.sc.block, setCall{fn: fn, typ: fn.Cols[0].Type, name: name}
	var fields []relColumn
	if len(fn.Cols) > 1 {
		call.typ = fqgw.Record
		for _, col := range fn.Cols {
			fields = append(fields, relColumn{name: col.Name, typ: col.Type})
		}
		if row := (&expr.RowExpr{Args: fn.Args}); !expr.Volatile(row) {
			call.key = name + expr.Key(row)
		}
	}
	at := len(blk.sets)
	if call.key != "" {
		if i := slices.IndexFunc(blk.sets, func(s setCall) bool { return s.key == call.key }); i >= 0 {
			at = i
		}
	}
	if at == len(blk.sets) {
		blk.sets = append(blk.sets, call)
	}
	e := &expr.Column{Index: setBase + at, Typ: call.typ, Name: name}
	b.describe(e, fields)
	return e, nil
}

// tableFunc makes the node of a set-returning function over bound arguments.
func (b *Binder) tableFunc(name string, args []fqgw.Expr) (*plan.TableFunc, error) {
	args, types, names, err := expr.SetFuncColumns(name, args)
	if err != nil {
		return nil, err
	}
	fn := &plan.TableFunc{Name: name, Args: args}
	for i, t := range types {
		col := plan.Column{Name: name, Type: t}
		if i < len(names) && names[i] != "" {
			col.Name = names[i]
		}
		fn.Cols = append(fn.Cols, col)
	}
	return fn, nil
}

// featureProbe binds feature_status(f.x), feature_time(f.x), feature_token(f) to
// the further outputs that the view's node was given for them.
func (b *Binder) featureProbe(x *pg.FuncCall, name string, c *clause) (fqgw.Expr, error) {
	p, ok := probeOf(x)
	if !ok {
		return nil, b.fail(x.Location, fqgw.CodeWrongObjectType, "%s() takes a column of a feature view", name).
			WithHint("Write %s(f.feature), where f is a feature view in FROM; feature_token(f) takes the view itself.", name)
	}
	ref := x.Args[0].GetColumnRef()
	var f *found
	var err error
	if p.kind == "feature_token" {
		var at *Scope
		var rel *relation
		if at, rel, err = b.relationOf([]string{p.rel}, c.sc); err == nil {
			f = &found{scope: at, rel: rel}
		}
	} else if f, err = b.lookup(strs(ref.Fields), c.sc); err == nil && f == nil {
		err = c.sc.noColumn("", p.col)
	}
	if err != nil {
		return nil, b.at(err, ref.Location)
	}
	// The column of a JOIN … USING or of an aliased join belongs to one of its parts.
	for _, rel := range append([]*relation{f.rel}, f.scope.rels...) {
		for i := range rel.extras {
			if e := &rel.extras[i]; e.kind == p.kind && e.column == p.col && (rel == f.rel || p.rel == "" && f.rel.name == "") {
				typ := fqgw.Text
				if p.kind == "feature_time" {
					typ = fqgw.Timestamptz
				}
				return b.reference(found{f.scope, rel, &relColumn{name: name + "(" + p.col + ")", index: e.index, typ: typ}}, c.sc, x.Location)
			}
		}
	}
	if f.rel.view != nil && f.col != nil {
		return nil, b.fail(ref.Location, fqgw.CodeWrongObjectType, "%q is a join key of %s, not a feature", p.col, f.rel.view.Name)
	}
	return nil, b.fail(ref.Location, fqgw.CodeFeatureNotSupported, "%s() can be used only in the query whose FROM has the feature view", name).
		WithHint("Call it in the subquery that reads the view, and select it there under a name.")
}

// kindOf is what sort of function a name is.
type kindOf uint8

const (
	scalarFunc kindOf = iota
	aggregateFunc
	orderedSetFunc
	windowFunc // only with OVER
	setFunc
)

func functionKind(name string) kindOf {
	switch {
	case expr.IsOrderedSet(name):
		return orderedSetFunc
	case expr.IsAggregate(name):
		return aggregateFunc
	case expr.IsWindow(name):
		return windowFunc
	case expr.IsSetFunc(name):
		return setFunc
	}
	return scalarFunc
}

func typesOf(list []fqgw.Expr) []fqgw.Type {
	out := make([]fqgw.Type, len(list))
	for i, e := range list {
		out[i] = e.Type()
	}
	return out
}
