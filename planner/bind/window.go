package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// The frame options of PostgreSQL's parser.
const (
	frameNonDefault              = 0x1
	frameRows                    = 0x4
	frameGroups                  = 0x8
	frameStartUnboundedPreceding = 0x20
	frameEndUnboundedPreceding   = 0x40
	frameStartUnboundedFollowing = 0x80
	frameEndUnboundedFollowing   = 0x100
	frameStartCurrentRow         = 0x200
	frameEndCurrentRow           = 0x400
	frameStartOffsetPreceding    = 0x800
	frameEndOffsetPreceding      = 0x1000
	frameStartOffsetFollowing    = 0x2000
	frameEndOffsetFollowing      = 0x4000
	frameExcludeCurrentRow       = 0x8000
	frameExcludeGroup            = 0x10000
	frameExcludeTies             = 0x20000
	frameDefaults                = 0x2 | frameStartUnboundedPreceding | frameEndCurrentRow
)

// windowCall binds f(…) OVER w.
func (b *Binder) windowCall(x *pg.FuncCall, name string, kind kindOf, c *clause) (fqgw.Expr, error) {
	fail := func(code fqgw.Code, format string, args ...any) (fqgw.Expr, error) {
		return nil, b.fail(x.Location, code, format, args...)
	}
	switch {
	case c.inAgg:
		return fail(fqgw.CodeGrouping, "aggregate function calls cannot contain window function calls")
	case c.inWindow:
		return fail("42P20", "window function calls cannot be nested")
	case !c.windows || c.sc.block == nil:
		return fail("42P20", "window functions are not allowed in %s", c.name)
	case kind != windowFunc && kind != aggregateFunc:
		return fail(fqgw.CodeWrongObjectType, "OVER specified, but %s is not a window function nor an aggregate function", name)
	case x.AggDistinct:
		return fail(fqgw.CodeFeatureNotSupported, "DISTINCT is not implemented for window functions")
	case len(x.AggOrder) > 0:
		return fail(fqgw.CodeFeatureNotSupported, "aggregate ORDER BY is not implemented for window functions")
	case x.AggFilter != nil && kind == windowFunc:
		return fail(fqgw.CodeFeatureNotSupported, "FILTER is not implemented for non-aggregate window functions")
	}
	in := &clause{sc: c.sc, name: "a window function", aggs: c.aggs, inWindow: true}
	w := plan.WindowCall{AggCall: plan.AggCall{Func: name, Star: x.AggStar}}
	var err error
	if w.Args, err = b.bindAll(x.Args, in); err != nil {
		return nil, err
	}
	var types []fqgw.Type
	if kind == windowFunc {
		types, w.Type, err = expr.WindowType(name, typesOf(w.Args))
	} else {
		types, w.Type, err = expr.AggregateType(name, typesOf(w.Args), x.AggStar)
	}
	if err != nil {
		return nil, b.at(err, x.Location)
	}
	for i := range w.Args {
		if i >= len(types) {
			break
		}
		if w.Args[i], err = expr.Cast(w.Args[i], types[i], expr.Implicit); err != nil {
			return nil, b.at(err, x.Location, x.Args...)
		}
	}
	if x.AggFilter != nil {
		if w.Filter, err = b.condition(x.AggFilter, in, "FILTER"); err != nil {
			return nil, err
		}
	}
	def, err := b.windowDef(x.Over, c.sc.block)
	if err != nil {
		return nil, err
	}
	if err := b.fillWindow(&w, def, in); err != nil {
		return nil, err
	}
	blk := c.sc.block
	blk.windows = append(blk.windows, w)
	e := &expr.Column{Index: windowBase + len(blk.windows) - 1, Typ: w.Type, Name: name}
	b.describe(e, b.fieldsOfCall(&w.AggCall))
	return e, nil
}

// windowDef resolves OVER name and OVER (name …) against the WINDOW clause.
func (b *Binder) windowDef(w *pg.WindowDef, blk *block) (*pg.WindowDef, error) {
	find := func(name string, before *pg.WindowDef) (*pg.WindowDef, error) {
		for _, d := range blk.named {
			if d == before {
				break
			}
			if d.Name == name {
				return d, nil
			}
		}
		return nil, b.fail(w.Location, fqgw.CodeUndefinedObject, "window %q does not exist", name)
	}
	if w.Name != "" && w.Refname == "" && !isNamed(w, blk) { // OVER w
		d, err := find(w.Name, nil)
		if err != nil {
			return nil, err
		}
		return b.windowDef(d, blk)
	}
	if w.Refname == "" {
		return w, nil
	}
	var before *pg.WindowDef
	if isNamed(w, blk) {
		before = w
	}
	base, err := find(w.Refname, before)
	if err != nil {
		return nil, err
	}
	if base, err = b.windowDef(base, blk); err != nil {
		return nil, err
	}
	switch {
	case len(w.PartitionClause) > 0:
		return nil, b.fail(w.Location, "42P20", "cannot override PARTITION BY clause of window %q", w.Refname)
	case len(w.OrderClause) > 0 && len(base.OrderClause) > 0:
		return nil, b.fail(w.Location, "42P20", "cannot override ORDER BY clause of window %q", w.Refname)
	case base.FrameOptions&frameNonDefault != 0:
		return nil, b.fail(w.Location, "42P20", "cannot copy window %q because it has a frame clause", w.Refname)
	}
	d := &pg.WindowDef{PartitionClause: base.PartitionClause, OrderClause: base.OrderClause,
		FrameOptions: w.FrameOptions, StartOffset: w.StartOffset, EndOffset: w.EndOffset, Location: w.Location}
	if len(w.OrderClause) > 0 {
		d.OrderClause = w.OrderClause
	}
	return d, nil
}

func isNamed(w *pg.WindowDef, blk *block) bool {
	for _, d := range blk.named {
		if d == w {
			return true
		}
	}
	return false
}

// ordering binds an expression that rows are put in order by, a literal as text.
func (b *Binder) ordering(n *pg.Node, c *clause) (fqgw.Expr, error) {
	e, err := b.bind(n, c)
	if err != nil {
		return nil, err
	}
	if e, err = b2text(e); err != nil {
		return nil, b.at(err, location(n))
	}
	return e, b.orderable(e, location(n))
}

// fillWindow binds PARTITION BY, ORDER BY and the frame.
func (b *Binder) fillWindow(w *plan.WindowCall, d *pg.WindowDef, c *clause) error {
	for _, n := range d.PartitionClause {
		e, err := b.ordering(n, c)
		if err != nil {
			return err
		}
		w.Partition = append(w.Partition, e)
	}
	for _, n := range d.OrderClause {
		s := n.GetSortBy()
		e, err := b.ordering(s.Node, c)
		if err != nil {
			return err
		}
		k := plan.SortKey{Expr: e}
		if k.Desc, k.NullsFirst, err = b.direction(s); err != nil {
			return err
		}
		w.OrderBy = append(w.OrderBy, k)
	}
	return b.frame(w, d, c)
}

func (b *Binder) frame(w *plan.WindowCall, d *pg.WindowDef, c *clause) error {
	o := d.FrameOptions
	if o == 0 {
		o = frameDefaults
	}
	bound := func(unboundedPreceding, offsetPreceding, current, offsetFollowing int32) plan.FrameBound {
		switch {
		case o&unboundedPreceding != 0:
			return plan.UnboundedPreceding
		case o&offsetPreceding != 0:
			return plan.OffsetPreceding
		case o&current != 0:
			return plan.CurrentRow
		case o&offsetFollowing != 0:
			return plan.OffsetFollowing
		}
		return plan.UnboundedFollowing
	}
	f := &w.Frame
	f.Mode = 'r'
	switch {
	case o&frameRows != 0:
		f.Mode = 'w'
	case o&frameGroups != 0:
		f.Mode = 'g'
	}
	f.Start = bound(frameStartUnboundedPreceding, frameStartOffsetPreceding, frameStartCurrentRow, frameStartOffsetFollowing)
	f.End = bound(frameEndUnboundedPreceding, frameEndOffsetPreceding, frameEndCurrentRow, frameEndOffsetFollowing)
	switch {
	case o&frameExcludeCurrentRow != 0:
		f.Exclude = 'c'
	case o&frameExcludeGroup != 0:
		f.Exclude = 'g'
	case o&frameExcludeTies != 0:
		f.Exclude = 't'
	}
	if f.Mode == 'g' && len(w.OrderBy) == 0 {
		return b.fail(d.Location, "42P20", "GROUPS mode requires an ORDER BY clause")
	}
	if f.Mode == 'r' && (d.StartOffset != nil || d.EndOffset != nil) && len(w.OrderBy) != 1 {
		return b.fail(d.Location, "42P20", "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column")
	}
	var err error
	if f.StartOffset, err = b.frameOffset(d.StartOffset, w, c); err != nil {
		return err
	}
	f.EndOffset, err = b.frameOffset(d.EndOffset, w, c)
	return err
}

func (b *Binder) frameOffset(n *pg.Node, w *plan.WindowCall, c *clause) (fqgw.Expr, error) {
	if n == nil {
		return nil, nil
	}
	what := map[byte]string{'r': "RANGE", 'w': "ROWS", 'g': "GROUPS"}[w.Frame.Mode]
	e, err := b.bind(n, &clause{sc: c.sc, name: "window " + what})
	if err != nil {
		return nil, err
	}
	if plan.Reads(e, plan.AnyColumn) {
		return nil, b.fail(location(n), fqgw.CodeInvalidColumnRef, "argument of %s must not contain variables", what)
	}
	to := fqgw.Int8
	if w.Frame.Mode == 'r' {
		by := w.OrderBy[0].Expr.Type().Base()
		switch by {
		case fqgw.Int2, fqgw.Int4, fqgw.Int8:
		case fqgw.Float4, fqgw.Float8:
			to = fqgw.Float8
		case fqgw.Numeric:
			to = fqgw.Numeric
		case fqgw.Date, fqgw.Timestamp, fqgw.Timestamptz, fqgw.Interval, fqgw.Time:
			to = fqgw.Interval
		default:
			return nil, b.fail(location(n), fqgw.CodeFeatureNotSupported,
				"RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s", by)
		}
	}
	from := e.Type()
	if e, err = expr.Cast(e, to, expr.Implicit); err != nil {
		if fqgw.AsError(err).Code == "42846" {
			if w.Frame.Mode == 'r' {
				err = fqgw.Errorf(fqgw.CodeFeatureNotSupported, "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s and offset type %s",
					w.OrderBy[0].Expr.Type().Base(), from).WithHint("Cast the offset value to an appropriate type.")
			} else {
				err = fqgw.Errorf(fqgw.CodeDatatypeMismatch, "argument of %s must be type bigint, not type %s", what, from)
			}
		}
		return nil, b.at(err, location(n), n)
	}
	return e, nil
}

// namedWindows binds the windows of the WINDOW clause that nothing used, so that
// their errors are seen.
func (st *assembly) namedWindows() error {
	seen := map[string]bool{}
	for _, d := range st.blk.named {
		if seen[d.Name] {
			return st.b.fail(d.Location, "42P20", "window %q is already defined", d.Name)
		}
		seen[d.Name] = true
		r, err := st.b.windowDef(d, st.blk)
		if err != nil {
			return err
		}
		var w plan.WindowCall
		if err := st.b.fillWindow(&w, r, &clause{sc: st.sc, name: "window definitions", aggs: true, inWindow: true}); err != nil {
			return err
		}
	}
	return nil
}
