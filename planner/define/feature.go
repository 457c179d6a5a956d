package define

import (
	"slices"
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// definition is a feature view while it is being analysed.
type definition struct {
	*Definer
	sel     *pg.SelectStmt
	view    *fqgw.FeatureView
	rel     string       // what FROM calls the source
	binder  *bind.Binder // of row expressions
	row     *bind.Scope  // the source's columns
	options []option
	names   []string // CREATE … v (names)

	windows map[string]*windowSpec // the WINDOW clause
	used    []*windowSpec          // the view's windows
	slots   map[string]slot        // by what they compute
	inline  int                    // how many inline windows have been named
	group   bool                   // it was written with GROUP BY
}

// createFeatureView is CREATE FEATURE VIEW and CREATE MATERIALIZED VIEW.
func (d *Definer) createFeatureView(n *pg.CreateTableAsStmt) (plan.Statement, error) {
	name, err := d.newName(n.Into.Rel)
	if err != nil {
		return nil, err
	}
	sel := n.Query.GetSelectStmt()
	if sel == nil {
		return nil, d.invalid(n.Into.Rel.Location, "a feature view is defined by a SELECT")
	}
	switch into := n.Into; {
	case into.AccessMethod != "":
		return nil, d.unsupported(into.Rel.Location, "USING")
	case into.TableSpaceName != "":
		return nil, d.unsupported(into.Rel.Location, "TABLESPACE")
	}
	f := &definition{Definer: d, sel: sel, binder: d.rowBinder(), names: words(n.Into.ColNames), slots: map[string]slot{},
		view: &fqgw.FeatureView{Schema: name.Schema, Name: name.Name, SQL: d.stmt.Text}}
	if f.options, err = d.optionList(n.Into.Options); err != nil {
		return nil, err
	}
	f.view.Options = written(f.options)
	if err := f.analyse(); err != nil {
		return nil, err
	}
	noWait, err := f.settle()
	if err != nil {
		return nil, err
	}
	return &plan.CreateFeatureView{View: f.view, Path: d.storedPath(), IfNotExists: n.IfNotExists, OrReplace: d.stmt.OrReplace, NoWait: noWait || n.Into.SkipData}, nil
}

// noReplacing refuses CREATE OR REPLACE of what there is.
func (d *Definer) noReplacing(r *pg.RangeVar, name fqgw.QualifiedName, kind string) error {
	if !d.stmt.OrReplace || d.Binder.Catalog.Has(name) != kind {
		return nil
	}
	return d.unsupported(r.Location, "replacing %s \"%s\"", kind, name).
		WithHint("DROP it and CREATE it again, or choose another name; the topic and its history stay.")
}

// invalid is 42P17: a definition that cannot be a feature view.
func (d *Definer) invalid(loc int32, format string, args ...any) *fqgw.Error {
	return d.fail(loc, fqgw.CodeInvalidDefinition, format, args...)
}

func (f *definition) analyse() error {
	if err := f.shape(); err != nil {
		return err
	}
	if err := f.from(); err != nil {
		return err
	}
	if len(f.sel.GroupClause) > 0 { // the statement may be bound again: a copy is rewritten
		f.sel = edited(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: f.sel}}, func(*pg.Node) *pg.Node { return nil }).GetSelectStmt()
		if err := f.grouped(); err != nil {
			return err
		}
	}
	if f.sel.WhereClause != nil {
		e, err := f.condition(f.sel.WhereClause, "WHERE")
		if err != nil {
			return err
		}
		f.view.Where = e
	}
	if len(f.sel.DistinctClause) > 0 {
		return f.latest()
	}
	return f.windowed()
}

// shape refuses the clauses that no feature view has.
func (f *definition) shape() error {
	s, loc := f.sel, f.where()
	const over = "A feature view is one SELECT over one source."
	switch {
	case s.WithClause != nil:
		return f.invalid(s.WithClause.Location, "a feature view cannot have a WITH clause").WithHint(over)
	case s.Op != pg.SetOperation_SETOP_NONE:
		return f.invalid(loc, "a feature view cannot be a UNION, INTERSECT or EXCEPT").WithHint(over)
	case len(s.ValuesLists) > 0:
		return f.invalid(loc, "a feature view cannot be VALUES").WithHint(over)
	case s.IntoClause != nil:
		return f.invalid(s.IntoClause.Rel.Location, "a feature view cannot have INTO")
	case s.LimitCount != nil || s.LimitOffset != nil:
		return f.invalid(loc, "a feature view cannot have LIMIT or OFFSET").WithHint("It has a row for every entity.")
	case len(s.LockingClause) > 0:
		return f.invalid(loc, "a feature view cannot have FOR UPDATE")
	case s.HavingClause != nil:
		return f.invalid(leftmost(s.HavingClause), "a feature view cannot have HAVING").WithHint("Filter the rows of the view where it is read.")
	case len(s.TargetList) == 0:
		return f.invalid(loc, "a feature view needs a SELECT list")
	}
	return nil
}

// where is a position for what has none of its own: the first column's.
func (f *definition) where() int32 {
	if len(f.sel.TargetList) > 0 {
		return f.sel.TargetList[0].GetResTarget().GetLocation()
	}
	return -1
}

// from finds the source.
func (f *definition) from() error {
	const hint = "Join feature views in a feature service: CREATE VIEW … AS SELECT … FROM view1 LEFT JOIN view2 ON …."
	if len(f.sel.FromClause) == 0 {
		return f.invalid(f.where(), "a feature view needs FROM and a source")
	}
	item := f.sel.FromClause[0]
	if len(f.sel.FromClause) > 1 {
		return f.invalid(leftmost(f.sel.FromClause[1]), "a feature view reads one source: joins are not possible").WithHint(hint)
	}
	switch x := item.Node.(type) {
	case *pg.Node_RangeVar:
		return f.source(x.RangeVar)
	case *pg.Node_JoinExpr:
		return f.invalid(leftmost(item), "a feature view reads one source: joins are not possible").WithHint(hint)
	case *pg.Node_RangeTableSample:
		return f.invalid(x.RangeTableSample.Relation.GetRangeVar().GetLocation(), "a definition has no AS OF: the time is given where the view is read")
	}
	return f.invalid(leftmost(item), "a feature view reads a source, not a subquery or a function").WithHint("Name a source in FROM.")
}

func (f *definition) source(r *pg.RangeVar) error {
	name, err := f.relationName(r)
	if err != nil {
		return err
	}
	cat := f.binder.Catalog
	f.rel, f.view.Source = name.Name, cat.Sources[name]
	if f.view.Source == nil {
		if kind := cat.Has(name); kind != "" {
			return f.fail(r.Location, fqgw.CodeWrongObjectType, "\"%s\" is a %s, not a source", name, kind).
				WithHint("A feature view reads a source; CREATE VIEW combines feature views.")
		}
		return f.undefined(r.Location, "source", name.String(), fqgw.NamesOf(cat.Sources))
	}
	if a := r.Alias; a != nil {
		f.rel = a.Aliasname
		if len(a.Colnames) > 0 {
			return f.unsupported(r.Location, "an alias with a column list in a feature view")
		}
	}
	f.row = bind.ColumnsScope(f.rel, f.view.Source.Columns)
	return nil
}

// expr binds a row expression.
func (f *definition) expr(n *pg.Node, sc *bind.Scope) (fqgw.Expr, error) {
	e, err := f.binder.Expr(n, sc)
	if err == nil {
		return e, nil
	}
	x := fqgw.AsError(err)
	if x.Code == fqgw.CodeInvalidDefinition && x.Hint == "" {
		x.Hint = "A span of time is a window: RANGE '5 minutes' PRECEDING. Other values of the request are joined where the view is read."
		if f.group {
			x.Hint = "now() bounds the event time, alone or in AND: event_time > now() - interval '5 minutes'."
		}
	}
	return nil, x
}

func (f *definition) condition(n *pg.Node, what string) (fqgw.Expr, error) {
	e, err := f.expr(n, f.row)
	if err != nil {
		return nil, err
	}
	e, err = expr.Condition(e, what)
	return e, f.at(err, leftmost(n))
}

// column is the index in the source of a plain column; -1 when n is another expression.
func (f *definition) column(n *pg.Node) (int, error) {
	r := n.GetColumnRef()
	if r == nil {
		return -1, nil
	}
	if r.Fields[len(r.Fields)-1].GetAStar() != nil {
		return -1, f.invalid(r.Location, "a feature view cannot select *").WithHint("Name the join keys and the features.")
	}
	e, err := f.expr(n, f.row)
	if err != nil {
		return -1, err
	}
	if c, ok := e.(*expr.Column); ok {
		return c.Index, nil
	}
	return -1, nil
}

// keys makes the columns the view's join keys; what names the clause.
func (f *definition) keys(list []*pg.Node, what string) error {
	for _, n := range list {
		i, err := f.column(n)
		if err != nil {
			return err
		}
		if i < 0 {
			return f.invalid(leftmost(n), "%s must name columns of the source, not expressions", what).
				WithHint("The columns are the join keys.")
		}
		c := f.view.Source.Columns[i]
		if !fqgw.KeyTypeOK(c.Type) {
			return f.invalid(leftmost(n), "column \"%s\" of type %s cannot be a join key", c.Name, c.Type).
				WithHint("Join keys are boolean, smallint, integer, bigint, text, uuid, bytea, date or timestamp.")
		}
		if f.key(i) >= 0 {
			return f.invalid(leftmost(n), "column \"%s\" is a join key twice", c.Name)
		}
		f.view.Keys = append(f.view.Keys, fqgw.KeyColumn{Name: c.Name, Column: i, Type: c.Type})
	}
	return nil
}

// key is the index of the join key that is column i of the source, -1 for none.
func (f *definition) key(i int) int {
	return slices.IndexFunc(f.view.Keys, func(k fqgw.KeyColumn) bool { return k.Column == i })
}

// output adds a column of the SELECT list: a join key or a feature.
func (f *definition) output(t *pg.ResTarget, key int, feature fqgw.Feature) {
	c := fqgw.OutputColumn{Name: outputName(t), Key: key, Feature: -1}
	if i := len(f.view.Columns); i < len(f.names) {
		c.Name = f.names[i]
	}
	if key < 0 {
		feature.Name, c.Feature = c.Name, len(f.view.Features)
		f.view.Features = append(f.view.Features, feature)
	}
	f.view.Columns = append(f.view.Columns, c)
}

// finish checks the SELECT list as a whole.
func (f *definition) finish() error {
	if len(f.names) > len(f.view.Columns) {
		return f.fail(f.where(), fqgw.CodeSyntax, "too many column names were specified")
	}
	list, locs := make([]string, len(f.view.Columns)), make([]int32, len(f.view.Columns))
	shown := map[int]bool{}
	for i, c := range f.view.Columns {
		list[i], locs[i] = c.Name, f.sel.TargetList[i].GetResTarget().Location
		if c.Key >= 0 && !shown[c.Key] {
			shown[c.Key] = true
			f.view.Keys[c.Key].Name = c.Name
		}
	}
	if err := f.columnNames(list, locs); err != nil {
		return err
	}
	for i, k := range f.view.Keys {
		if !shown[i] {
			return f.invalid(f.where(), "join key \"%s\" is not in the SELECT list", k.Name).WithHint("Add %s to the SELECT list.", expr.QuoteIdent(k.Name))
		}
	}
	if len(f.view.Keys) > 0 && !f.view.Latest && len(f.view.Windows) == 0 {
		return f.invalid(f.where(), "no aggregate uses a window with PARTITION BY, so that there is no entity").
			WithHint("Leave the join keys out: windows without PARTITION BY are over all entities, and make one row.")
	}
	for i := range f.view.Features {
		f.view.Features[i].Slots, f.view.Features[i].Globals = slotsOf(f.view, f.view.Features[i].Read)
	}
	if len(f.view.Features) == 0 {
		return f.invalid(f.where(), "a feature view needs a feature beside its join keys")
	}
	return nil
}

// slotsOf are the slots that an expression over the row (join keys…, slots…) names, and
// those of the global windows.
func slotsOf(v *fqgw.FeatureView, read fqgw.Expr) (own, global []int) {
	keys, all := len(v.Keys), firstGlobal(v)
	for _, i := range expr.Columns(read) {
		switch {
		case i >= all && !v.Latest:
			global = append(global, i-all)
		case i >= keys:
			own = append(own, i-keys)
		}
	}
	slices.Sort(own)
	slices.Sort(global)
	return own, global
}

// firstGlobal is where in the row the slots of the global windows begin.
func firstGlobal(v *fqgw.FeatureView) int { return len(v.Keys) + len(v.Aggregates) }

// standsIn says that an expression may be a default: it is constant, or has no columns
// but slots of global windows.
func (f *definition) standsIn(e fqgw.Expr) bool {
	if expr.Constant(e) {
		return true
	}
	columns := expr.Columns(e)
	return !f.view.Latest && len(columns) > 0 && slices.Min(columns) >= firstGlobal(f.view)
}

// readFeature splits a bound feature into what is read and its default: of a
// top-level COALESCE the constants and global windows at its end, of which the first
// that is not NULL counts. The first argument is always read, be it one of them too.
func (f *definition) readFeature(e fqgw.Expr, loc int32) (fqgw.Feature, error) {
	if e.Type() == fqgw.Unknown {
		var err error
		if e, err = expr.Cast(e, fqgw.Text, expr.Implicit); err != nil {
			return fqgw.Feature{}, f.at(err, loc)
		}
	}
	out := fqgw.Feature{Type: e.Type(), Read: e}
	c, ok := e.(*expr.FirstOf)
	if !ok {
		return out, nil
	}
	n := len(c.Args)
	for n > 1 && f.standsIn(c.Args[n-1]) {
		n--
	}
	var err error
	if slices.ContainsFunc(c.Args[n:], func(a fqgw.Expr) bool { return !expr.Constant(a) }) {
		if out.Instead = c.Args[n]; len(c.Args)-n > 1 {
			if out.Instead, err = expr.Coalesce(slices.Clone(c.Args[n:])); err != nil {
				return out, f.at(err, loc)
			}
		}
	}
	for _, k := range c.Args[n:] {
		if out.Instead != nil {
			break
		}
		v, err := k.Eval(&fqgw.Env{}, nil)
		if err != nil {
			return out, f.at(err, loc)
		}
		if !v.IsNull() {
			out.Default = v
			break
		}
	}
	if out.Read = c.Args[0]; n > 1 {
		out.Read, err = expr.Coalesce(c.Args[:n])
	}
	return out, f.at(err, loc)
}

// settle applies the WITH options once windows and keys are known.
func (f *definition) settle() (noWait bool, err error) {
	known := []string{"online", "wait", "retain"}
	if f.view.Latest {
		known = append(known, "max_age")
	} else {
		known = append(known, "hop")
		for _, w := range f.used {
			known = append(known, "hop."+w.Name)
		}
	}
	hops := map[string]int64{}
	for _, o := range f.options {
		switch {
		case o.name == "online":
			on, err := f.boolOption(o)
			if err != nil {
				return false, err
			}
			f.view.Offline = !on
		case o.name == "wait":
			wait, err := f.boolOption(o)
			if err != nil {
				return false, err
			}
			noWait = !wait
		case o.name == "retain":
			switch f.view.Retain, err = f.lengthOption(o); {
			case err != nil:
				return false, err
			case f.view.Retain <= 0:
				return false, f.badOption(o, "It must be positive.")
			case f.view.Source.Positions() != fqgw.TopicOffsets:
				return false, f.unsupported(o.loc, "retain over a source that others write").WithHint("Its rows have no positions, so its states stay in the online store.")
			case len(f.view.Keys) == 0:
				return false, f.invalid(o.loc, "retain is for views with join keys: a value over all entities stays in the online store")
			}
		case o.name == "max_age" && !f.view.Latest:
			return false, f.invalid(o.loc, "max_age is for DISTINCT ON views: a window has its own age").WithHint("Make the window shorter.")
		case o.name == "max_age" && f.view.Source.Changelog():
			return false, f.invalid(o.loc, "max_age is not for a changelog: a row is there until it is deleted").
				WithHint("Make the event time a feature, and compare it where the view is read.")
		case o.name == "max_age":
			if f.view.MaxAge, err = f.lengthOption(o); err != nil {
				return false, err
			}
			if f.view.MaxAge <= 0 {
				return false, f.badOption(o, "It must be positive.")
			}
		case f.view.Latest && (o.name == "hop" || len(o.name) > 4 && o.name[:4] == "hop."):
			return false, f.invalid(o.loc, "a DISTINCT ON view has no windows, so no hop")
		case slices.Contains(known, o.name):
			if hops[o.name], err = f.lengthOption(o); err != nil {
				return false, err
			}
			if hops[o.name] < second {
				return false, f.badOption(o, "A hop is at least one second.")
			}
		default:
			return false, f.unknownOption(o, known...)
		}
	}
	if f.view.Offline && f.view.Retain > 0 {
		return false, f.invalid(f.optionLoc("retain"), "retain is for views that are kept online").WithHint("Leave out online = false, or retain.")
	}
	for _, w := range f.used {
		if w.Length > 0 {
			w.Hop = fqgw.DefaultHop(w.Length)
			if h := hops["hop"]; h > 0 {
				w.Hop = h
			}
		}
		if h := hops["hop."+w.Name]; h > 0 {
			if w.Rows > 0 {
				return false, f.invalid(f.optionLoc("hop."+w.Name), "window \"%s\" is the last %d events and has no hop", w.Name, w.Rows)
			}
			if w.Length == 0 {
				return false, f.invalid(f.optionLoc("hop."+w.Name), "window \"%s\" is a lifetime and has no hop", w.Name)
			}
			w.Hop = h
		}
		(*f.windowsWith(w))[w.slot] = w.Window
	}
	return noWait, nil
}

func (f *definition) optionLoc(name string) int32 {
	i := slices.IndexFunc(f.options, func(o option) bool { return o.name == name })
	return f.options[i].loc
}

// slot is a slot of the view, or one of its global windows, which are counted apart.
type slot struct {
	index  int
	global bool
}

// name is the slot's in expressions over (join keys…, slots…).
func (s slot) name() string {
	if s.global {
		return "_fq_slot_global_" + strconv.Itoa(s.index)
	}
	return "_fq_slot_" + strconv.Itoa(s.index)
}
