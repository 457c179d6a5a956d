package define

import (
	"fmt"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/window"
)

// The bits of WindowDef.FrameOptions (PostgreSQL's parsenodes.h).
const (
	frameNonDefault              = 0x00001
	frameRows                    = 0x00004
	frameGroups                  = 0x00008
	frameStartUnboundedPreceding = 0x00020
	frameStartCurrentRow         = 0x00200
	frameEndCurrentRow           = 0x00400
	frameStartOffsetPreceding    = 0x00800
	frameEndOffsetPreceding      = 0x01000
	frameFollowing               = 0x00080 | 0x00100 | 0x02000 | 0x04000 // start or end, unbounded or by an offset
	frameExclusion               = 0x08000 | 0x10000 | 0x20000
)

// windowSpec is a window of the definition.
type windowSpec struct {
	fqgw.Window
	def    *pg.WindowDef // with what it takes over from a window it names
	global bool          // it is over all entities
	slot   int           // index in the view's windows, or its global ones, -1 while unused
}

// windowClause reads the WINDOW clause.
func (f *definition) windowClause() error {
	f.windows = map[string]*windowSpec{}
	for _, n := range f.sel.WindowClause {
		def := n.GetWindowDef()
		if f.windows[def.Name] != nil {
			return f.fail(def.Location, "42P20", "window \"%s\" is already defined", def.Name)
		}
		w, err := f.window(def)
		if err != nil {
			return err
		}
		w.Name = def.Name
		f.windows[def.Name] = w
	}
	return nil
}

// over is the window of an OVER clause; inline windows are named w1, w2 … in
// the order of their first use.
func (f *definition) over(def *pg.WindowDef) (*windowSpec, error) {
	if def.Name != "" { // OVER w
		w := f.windows[def.Name]
		if w == nil {
			e := f.fail(def.Location, fqgw.CodeUndefinedObject, "window \"%s\" does not exist", def.Name)
			if near := fqgw.Nearest(def.Name, names(f.windows)); near != "" {
				e = e.WithHint("Perhaps you meant \"%s\".", near)
			}
			return nil, e
		}
		f.use(w)
		return w, nil
	}
	w, err := f.window(def)
	if err != nil {
		return nil, err
	}
	for _, u := range f.used {
		if u.Length == w.Length && u.Rows == w.Rows && u.global == w.global && f.windows[u.Name] != u {
			return u, nil
		}
	}
	for w.Name == "" || f.windows[w.Name] != nil {
		f.inline++
		w.Name = fmt.Sprintf("w%d", f.inline)
	}
	f.use(w)
	return w, nil
}

func (f *definition) use(w *windowSpec) {
	if w.slot < 0 {
		list := f.windowsWith(w)
		w.slot = len(*list)
		f.used = append(f.used, w)
		*list = append(*list, w.Window)
	}
}

// windowsWith are the view's windows of which w is one.
func (f *definition) windowsWith(w *windowSpec) *[]fqgw.Window {
	if w.global {
		return &f.view.Global.Windows
	}
	return &f.view.Windows
}

// window analyses a window definition; the first one gives the join keys.
func (f *definition) window(def *pg.WindowDef) (*windowSpec, error) {
	w := &windowSpec{def: def, slot: -1}
	if def.Refname != "" {
		var err error
		if w.def, err = f.takeOver(def); err != nil {
			return nil, err
		}
	}
	if w.global = len(w.def.PartitionClause) == 0; !w.global { // SEMANTICS §2.3
		if err := f.partition(w.def); err != nil {
			return nil, err
		}
	}
	if err := f.order(w.def); err != nil {
		return nil, err
	}
	return w, f.frame(w)
}

// takeOver is a window that names another one: (w ORDER BY … RANGE …).
func (f *definition) takeOver(def *pg.WindowDef) (*pg.WindowDef, error) {
	base := f.windows[def.Refname]
	switch {
	case base == nil:
		return nil, f.fail(def.Location, fqgw.CodeUndefinedObject, "window \"%s\" does not exist", def.Refname)
	case len(def.PartitionClause) > 0:
		return nil, f.fail(def.Location, "42P20", "cannot override PARTITION BY clause of window \"%s\"", def.Refname)
	case len(def.OrderClause) > 0 && len(base.def.OrderClause) > 0:
		return nil, f.fail(def.Location, "42P20", "cannot override ORDER BY clause of window \"%s\"", def.Refname)
	case base.def.FrameOptions&frameNonDefault != 0:
		return nil, f.fail(def.Location, "42P20", "cannot copy window \"%s\" because it has a frame clause", def.Refname).
			WithHint("Omit the parentheses in this OVER clause.")
	}
	order := base.def.OrderClause
	if len(order) == 0 {
		order = def.OrderClause
	}
	return &pg.WindowDef{PartitionClause: base.def.PartitionClause, OrderClause: order, FrameOptions: def.FrameOptions,
		StartOffset: def.StartOffset, EndOffset: def.EndOffset, Location: def.Location}, nil
}

func (f *definition) partition(def *pg.WindowDef) error {
	if len(f.view.Keys) == 0 {
		return f.keys(def.PartitionClause, "PARTITION BY")
	}
	var cols []int
	for _, n := range def.PartitionClause {
		i, err := f.column(n)
		if err != nil {
			return err
		}
		if i < 0 || f.key(i) < 0 || slices.Contains(cols, i) {
			return f.differentKeys(leftmost(n))
		}
		cols = append(cols, i)
	}
	if len(cols) != len(f.view.Keys) {
		return f.differentKeys(leftmost(def.PartitionClause[0]))
	}
	return nil
}

func (f *definition) differentKeys(loc int32) error {
	return f.invalid(loc, "the windows of a feature view must have the same PARTITION BY").
		WithHint("A view describes one entity: make a second feature view for the other keys, and join the two in a CREATE VIEW.")
}

func (f *definition) order(def *pg.WindowDef) error {
	src := f.view.Source
	time := src.Columns[src.EventTime].Name
	if len(def.OrderClause) == 0 {
		return f.invalid(def.Location, "a window of a feature view needs ORDER BY and the event time").WithHint("Write ORDER BY %s.", expr.QuoteIdent(time))
	}
	return f.timeOrder(def.OrderClause, false)
}

// timeOrder checks that the ORDER BY is the event time alone, ascending or descending.
func (f *definition) timeOrder(list []*pg.Node, desc bool) error {
	src := f.view.Source
	time := expr.QuoteIdent(src.Columns[src.EventTime].Name)
	s := list[0].GetSortBy()
	i, err := f.column(s.Node)
	if err != nil {
		return err
	}
	switch {
	case s.SortbyDir == pg.SortByDir_SORTBY_USING:
		return f.unsupported(leftmost(s.Node), "ORDER BY … USING")
	case i != src.EventTime:
		return f.invalid(leftmost(s.Node), "ORDER BY must be the event time of source \"%s\", which is %s", src.Name, time)
	case !desc && s.SortbyDir == pg.SortByDir_SORTBY_DESC:
		return f.invalid(leftmost(s.Node), "a window of a feature view cannot be ordered DESC").
			WithHint("Write ORDER BY %s; first_value and last_value give the oldest and the newest.", time)
	case desc && s.SortbyDir != pg.SortByDir_SORTBY_DESC:
		return f.invalid(leftmost(s.Node), "a DISTINCT ON view must be ordered by the event time DESC: it is the latest row").WithHint("Write ORDER BY …, %s DESC.", time)
	case len(list) > 1:
		return f.invalid(leftmost(list[1].GetSortBy().Node), "ORDER BY ends with the event time: equal times are ordered by known time and position")
	}
	return nil
}

// frame is the length of the window, or how many events it has; of a lifetime neither.
func (f *definition) frame(w *windowSpec) (err error) {
	o, loc := w.def.FrameOptions, w.def.Location
	const hint = "Write RANGE 'interval' PRECEDING, or ROWS n PRECEDING for the last n events."
	switch {
	case o&frameNonDefault == 0:
		return nil
	case o&frameExclusion != 0:
		return f.invalid(loc, "EXCLUDE is not possible in a feature view").WithHint("Use FILTER to leave events out.")
	case o&frameGroups != 0:
		return f.invalid(loc, "GROUPS is not possible in a feature view").WithHint(hint)
	case o&frameFollowing != 0:
		return f.invalid(loc, "FOLLOWING is not possible in a feature view: the future is not known").WithHint(hint)
	case o&frameEndCurrentRow == 0:
		return f.invalid(loc, "a window of a feature view must end at CURRENT ROW").WithHint(hint)
	case o&frameStartUnboundedPreceding != 0:
		return nil
	case o&frameRows != 0 && (o&frameStartCurrentRow != 0 || o&frameStartOffsetPreceding == 0):
		return f.invalid(loc, "a window of a feature view must have at least one row").WithHint(hint)
	case o&frameRows != 0:
		w.Rows, err = f.rows(w.def.StartOffset)
		return err
	case o&frameStartCurrentRow != 0, o&frameStartOffsetPreceding == 0:
		return f.invalid(loc, "a window of a feature view must be at least one second long").WithHint(hint)
	}
	w.Length, err = f.length(w.def.StartOffset)
	return err
}

// rows is the constant number of ROWS … PRECEDING.
func (f *definition) rows(n *pg.Node) (int, error) {
	loc := leftmost(n)
	e, err := f.expr(n, nil)
	if err == nil {
		e, err = expr.Cast(e, fqgw.Int8, expr.Implicit)
	}
	if err != nil {
		return 0, f.at(err, loc)
	}
	v, err := e.Eval(&fqgw.Env{}, nil)
	switch {
	case err != nil:
		return 0, f.at(err, loc)
	case v.IsNull():
		return 0, f.fail(loc, "22004", "frame starting offset must not be null")
	case v.Int() < 0:
		return 0, f.fail(loc, "22013", "frame starting offset must not be negative")
	case v.Int() == 0:
		return 0, f.invalid(loc, "a window of a feature view must have at least one row")
	case v.Int() > window.MaxRows:
		return 0, f.fail(loc, fqgw.CodeLimitExceeded, "ROWS %d PRECEDING is more than the %d events that a window can keep", v.Int(), window.MaxRows).
			WithHint("An aggregate over RANGE 'interval' PRECEDING has no such limit.")
	case f.view.Source.Changelog():
		return 0, f.unsupported(loc, "ROWS over a changelog").
			WithDetail("Rows of a changelog change and go: when one of the last %d goes, one that is kept no more comes back.", v.Int()).
			WithHint("Write RANGE 'interval' PRECEDING.")
	}
	return int(v.Int()), nil
}

// length is the constant interval of RANGE … PRECEDING.
func (f *definition) length(n *pg.Node) (int64, error) {
	loc := leftmost(n)
	e, err := f.expr(n, nil)
	if err != nil {
		return 0, err
	}
	if e.Type() == fqgw.Unknown {
		if e, err = expr.Cast(e, fqgw.Interval, expr.Implicit); err != nil {
			return 0, f.at(err, loc)
		}
	}
	if e.Type().Base() != fqgw.Interval {
		return 0, f.unsupported(loc, "RANGE with an offset of type %s", e.Type()).WithHint("Write an interval: RANGE '5 minutes' PRECEDING.")
	}
	v, err := e.Eval(&fqgw.Env{}, nil)
	if err != nil {
		return 0, f.at(err, loc)
	}
	if v.IsNull() {
		return 0, f.fail(loc, "22013", "the length of a window must not be null")
	}
	length, why := micros(v.Span())
	switch {
	case why != "":
		return 0, f.invalid(loc, "RANGE needs an interval of days and shorter units").WithDetail("%s", why).
			WithHint("Write a number of days: RANGE '30 days' PRECEDING.")
	case length < 0:
		return 0, f.fail(loc, "22013", "invalid preceding or following size in window function")
	case length < second:
		return 0, f.invalid(loc, "a window of a feature view must be at least one second long")
	}
	return length, nil
}
