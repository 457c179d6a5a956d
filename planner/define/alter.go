package define

import (
	"fmt"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// altering is a source or a table whose columns are being changed.
type altering struct {
	d       *Definer
	kind    string // "source", "table"
	name    string // as constraints are named by it
	cols    []fqgw.Column
	places  []int        // by column: where it stood before the statement; -1: it is new
	source  *fqgw.Source // with cols as its columns; nil: a table
	loc     int32
	notices []string
}

// alterRelation is ALTER SOURCE and ALTER TABLE.
func (d *Definer) alterRelation(n *pg.AlterTableStmt) (plan.Statement, error) {
	kind := "table"
	if d.stmt.Definition == "source" {
		kind = "source"
	}
	return d.altered(kind, n.Relation, n.MissingOk, func(a *altering) error { return a.all(n.Cmds) })
}

// renameColumn is ALTER SOURCE … RENAME COLUMN, and that of tables.
func (d *Definer) renameColumn(n *pg.RenameStmt) (plan.Statement, error) {
	kind := "table"
	if d.stmt.Definition == "source" {
		kind = "source"
	}
	st, err := d.altered(kind, n.Relation, n.MissingOk, func(a *altering) error { return a.rename(n.Subname, n.Newname) })
	if st, ok := st.(*plan.AlterRelation); ok {
		st.Renamed = [2]string{n.Subname, n.Newname}
	}
	return st, err
}

// altered changes the relation that a statement names, and checks what depends on it.
func (d *Definer) altered(kind string, r *pg.RangeVar, missingOK bool, change func(*altering) error) (plan.Statement, error) {
	name, err := d.relationName(r)
	if err != nil {
		return nil, err
	}
	cat := d.Binder.Catalog
	if d.Binder.Temp != nil && r.Schemaname != fqgw.PublicSchema && d.Binder.Temp(name.Name) != nil {
		return nil, d.unsupported(r.Location, "ALTER of a temporary table").WithHint("CREATE TEMP TABLE another AS SELECT … from it.")
	}
	st := &plan.AlterRelation{Kind: kind, Name: name, SQL: d.stmt.Text}
	switch is := cat.Has(name); {
	case is == "" && missingOK:
		return &plan.NoOp{Tag: "ALTER " + strings.ToUpper(kind), Notice: fmt.Sprintf("relation \"%s\" does not exist, skipping", r.Relname)}, nil
	case is == "":
		return nil, d.undefined(r.Location, kind, name.String(), cat.Names())
	case is != kind:
		return nil, d.fail(r.Location, fqgw.CodeWrongObjectType, "\"%s\" is a %s, not a %s", name, is, kind).
			WithHint("Use ALTER %s.", strings.ToUpper(is))
	}
	if kind == "table" {
		a := tableAltering(d, cat.Tables[name], r)
		if err := change(a); err != nil {
			return nil, err
		}
		st.Notices = a.notices
		return st, nil
	}
	old := cat.Sources[name]
	a := sourceAltering(d, old, r)
	if err := change(a); err != nil {
		return nil, err
	}
	next := a.after()
	if err := d.dependsOn(cat, old, next, a.places, r.Location); err != nil {
		return nil, err
	}
	if st.Views, err = d.renamedIn(cat, old, next, a.places, r.Location); err != nil {
		return nil, err
	}
	st.Notices = a.notices
	return st, nil
}

func sourceAltering(d *Definer, old *fqgw.Source, r *pg.RangeVar) *altering {
	s := *old
	s.Earlier, s.Steps = nil, nil
	s.Columns, s.Checks, s.PrimaryKey = slices.Clone(s.Columns), slices.Clone(s.Checks), slices.Clone(s.PrimaryKey)
	s.Options = copied(s.Options)
	return &altering{d: d, kind: "source", name: r.Relname, cols: s.Columns, places: all(len(s.Columns)), source: &s, loc: r.Location}
}

func tableAltering(d *Definer, old *fqgw.Table, r *pg.RangeVar) *altering {
	return &altering{d: d, kind: "table", name: r.Relname, cols: slices.Clone(old.Columns), places: all(len(old.Columns)), loc: r.Location}
}

func copied(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// after is the source as the statement leaves it.
func (a *altering) after() *fqgw.Source {
	a.source.Columns = a.cols
	return a.source
}

// all carries out the actions of one statement, in their order.
func (a *altering) all(cmds []*pg.Node) error {
	if a.source != nil && a.source.Positions() != fqgw.TopicOffsets {
		return a.d.unsupported(a.loc, "ALTER of a source whose rows others write").
			WithHint("DROP SOURCE %s and CREATE it again: its rows stay where they are.", expr.QuoteIdent(a.name))
	}
	for _, n := range cmds {
		if err := a.one(n.GetAlterTableCmd()); err != nil {
			return err
		}
		if a.source != nil {
			a.source.Columns = a.cols
		}
	}
	return nil
}

func (a *altering) one(cmd *pg.AlterTableCmd) error {
	cascade := cmd.Behavior == pg.DropBehavior_DROP_CASCADE
	switch cmd.Subtype {
	case pg.AlterTableType_AT_AddColumn:
		return a.add(cmd.Def.GetColumnDef(), cmd.MissingOk)
	case pg.AlterTableType_AT_DropColumn:
		return a.drop(cmd.Name, cmd.MissingOk, cascade)
	case pg.AlterTableType_AT_AlterColumnType:
		return a.retype(cmd.Name, cmd.Def.GetColumnDef())
	case pg.AlterTableType_AT_SetNotNull, pg.AlterTableType_AT_DropNotNull:
		return a.notNull(cmd.Name, cmd.Subtype == pg.AlterTableType_AT_SetNotNull)
	case pg.AlterTableType_AT_ColumnDefault:
		if cmd.Def == nil {
			return nil // there is none
		}
		return a.noDefault(leftmost(cmd.Def))
	}
	if a.source != nil {
		switch cmd.Subtype {
		case pg.AlterTableType_AT_AddConstraint:
			return a.addCheck(cmd.Def.GetConstraint())
		case pg.AlterTableType_AT_DropConstraint:
			return a.dropCheck(cmd.Name, cmd.MissingOk)
		case pg.AlterTableType_AT_SetRelOptions:
			return a.set(cmd.Def.GetList().GetItems())
		case pg.AlterTableType_AT_ResetRelOptions:
			return a.reset(cmd.Def.GetList().GetItems())
		}
	}
	if cmd.Subtype == pg.AlterTableType_AT_AddConstraint {
		return a.d.refusedConstraint(cmd.Def.GetConstraint(), a.kind)
	}
	return a.d.unsupported(a.loc, "this form of ALTER %s", strings.ToUpper(a.kind)).
		WithHint("Columns are added, dropped, renamed, made wider and NOT NULL; a source has CHECKs and options besides.")
}

// at is the place of a column; 42703 with the nearest name.
func (a *altering) at(name string) (int, error) {
	var all []string
	for i, c := range a.cols {
		if c.Name == name {
			return i, nil
		}
		all = append(all, c.Name)
	}
	e := a.d.fail(a.loc, fqgw.CodeUndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", name, a.name)
	if near := fqgw.Nearest(name, all); near != "" {
		return -1, e.WithHint("Perhaps you meant \"%s\".", near)
	}
	return -1, e
}

func (a *altering) has(name string) bool {
	return slices.ContainsFunc(a.cols, func(c fqgw.Column) bool { return c.Name == name })
}

func (a *altering) noDefault(loc int32) error {
	return a.d.unsupported(loc, "DEFAULT on a %s", a.kind).
		WithDetail("Rows that are there have NULL in a new column.").WithHint("Write COALESCE(column, constant) where it is read.")
}

func (a *altering) add(n *pg.ColumnDef, missingOK bool) error {
	if a.has(n.Colname) {
		if missingOK {
			a.notices = append(a.notices, fmt.Sprintf("column \"%s\" of relation \"%s\" already exists, skipping", n.Colname, a.name))
			return nil
		}
		return a.d.fail(n.Location, "42701", "column \"%s\" of relation \"%s\" already exists", n.Colname, a.name)
	}
	c, err := a.d.column(n)
	if err != nil {
		return err
	}
	if err := a.d.columnNames([]string{n.Colname}, []int32{n.Location}); err != nil {
		return err
	}
	if a.source == nil && c.col.NotNull {
		return a.d.unsupported(n.Location, "a new column that is NOT NULL").WithDetail("Rows that are there have NULL in it.")
	}
	if a.source != nil && a.source.Changelog() {
		return a.d.unsupported(n.Location, "a new column of a changelog").
			WithDetail("Changes that are to come would take rows back with values which they did not have when they were counted.").
			WithHint("CREATE another SOURCE with the column, and have the connector take a snapshot anew.")
	}
	for _, col := range a.cols {
		c.col.Number = max(c.col.Number, col.Number)
	}
	if c.col.Number > 0 {
		c.col.Number++
	}
	a.cols, a.places = append(a.cols, c.col), append(a.places, -1)
	for _, k := range c.rest {
		if k.Contype == pg.ConstrType_CONSTR_DEFAULT {
			return a.noDefault(k.Location)
		}
		if a.source == nil || k.Contype != pg.ConstrType_CONSTR_CHECK {
			return a.d.refusedConstraint(k, a.kind)
		}
		a.source.Columns = a.cols
		if err := a.check(k, n.Colname); err != nil {
			return err
		}
	}
	return nil
}

// uses says what of the source itself a column is, "" when it may go.
func (a *altering) uses(i int) string {
	s := a.source
	if s == nil {
		return ""
	}
	what := ""
	switch {
	case i == s.EventTime:
		what = "the event time"
	case s.Known == fqgw.KnownByColumn && i == s.KnownColumn:
		what = "the known time"
	case i == s.KeyColumn:
		what = "the key of the records"
	case slices.Contains(s.PrimaryKey, i):
		what = "a column of the primary key"
	}
	if what != "" {
		return fmt.Sprintf("it is %s of source %s", what, a.name)
	}
	for _, c := range s.Checks {
		if slices.Contains(expr.Columns(c.Expr), i) {
			return fmt.Sprintf("constraint %s on source %s depends on column %s", c.Name, a.name, a.cols[i].Name)
		}
	}
	return ""
}

func (a *altering) drop(name string, missingOK, cascade bool) error {
	if missingOK && !a.has(name) {
		a.notices = append(a.notices, fmt.Sprintf("column \"%s\" of relation \"%s\" does not exist, skipping", name, a.name))
		return nil
	}
	i, err := a.at(name)
	if err != nil {
		return err
	}
	if why := a.uses(i); why != "" {
		return a.d.fail(a.loc, "2BP01", "cannot drop column %s of source %s because other objects depend on it", name, a.name).
			WithDetail("%s", why).WithHint("A CHECK goes by DROP CONSTRAINT, in the same statement if you like; the others stay as long as the source.")
	}
	if cascade {
		return a.d.unsupported(a.loc, "DROP COLUMN … CASCADE").WithHint("DROP what reads the column first.")
	}
	if len(a.cols) == 1 {
		return a.d.unsupported(a.loc, "a table without columns")
	}
	for j := range a.cols { // from now on their places are not their numbers
		if a.cols[j].Number == 0 {
			a.cols[j].Number = j + 1
		}
	}
	a.cols, a.places = slices.Delete(slices.Clone(a.cols), i, i+1), slices.Delete(a.places, i, i+1)
	if a.source == nil {
		return nil
	}
	s := a.source
	delete(s.Options, "field."+name)
	for _, at := range []*int{&s.EventTime, &s.KnownColumn, &s.KeyColumn} {
		if *at > i {
			*at--
		}
	}
	for k := range s.PrimaryKey {
		if s.PrimaryKey[k] > i {
			s.PrimaryKey[k]--
		}
	}
	a.eachColumn(func(c *expr.Column) {
		if c.Index > i {
			c.Index--
		}
	})
	return nil
}

// eachColumn changes the columns in the CHECKs.
func (a *altering) eachColumn(change func(*expr.Column)) {
	for k := range a.source.Checks {
		c := &a.source.Checks[k]
		c.Expr = expr.Rewrite(c.Expr, func(e fqgw.Expr) fqgw.Expr {
			if col, ok := e.(*expr.Column); ok && col.Level == 0 {
				next := *col
				change(&next)
				return &next
			}
			return e
		})
		c.SQL = c.Expr.String()
	}
}

func (a *altering) retype(name string, n *pg.ColumnDef) error {
	i, err := a.at(name)
	if err != nil {
		return err
	}
	if n.RawDefault != nil {
		return a.d.unsupported(leftmost(n.RawDefault), "ALTER COLUMN … TYPE … USING").
			WithHint("A column can be made wider, and its values stay what they are.")
	}
	c, err := a.d.column(&pg.ColumnDef{Colname: name, TypeName: n.TypeName, CollClause: n.CollClause})
	if err != nil {
		return err
	}
	from, to := a.cols[i].Type, c.col.Type
	if from == to {
		return nil
	}
	if !widens(from, to) {
		e := a.d.unsupported(n.TypeName.Location, "changing column \"%s\" from type %s to %s", name, from, to)
		if from.Base() == fqgw.Date {
			e = e.WithDetail("Iceberg's tables of format 2 cannot read dates as timestamps.")
		}
		return e.WithHint("A column can be made wider: smallint, integer, bigint; real, double precision; " +
			"numeric of a greater precision and the same scale; varchar, text. Else ADD another column.")
	}
	if why := a.uses(i); why != "" {
		return a.d.unsupported(a.loc, "changing the type of column \"%s\"", name).WithDetail("%s", why).
			WithHint("A CHECK can be dropped before and added after it in the same statement.")
	}
	a.cols[i].Type = to
	return nil
}

// widens says whether a column's values are values of the other type as they are, in files
// of the lake too.
func widens(from, to fqgw.Type) bool {
	size := func(t fqgw.Type) int { return slices.Index([]fqgw.Type{fqgw.Int2, fqgw.Int4, fqgw.Int8}, t) }
	text := func(t fqgw.Type) bool { return t.Base() == fqgw.Text || t.Base() == fqgw.Varchar }
	switch {
	case size(from) >= 0 && size(to) >= 0:
		return size(to) > size(from)
	case from == fqgw.Float4:
		return to == fqgw.Float8
	case from.Base() == fqgw.Numeric && to.Base() == fqgw.Numeric && from.Mod >= 0 && to.Mod >= 0:
		p, scale := from.NumericMod()
		wide, same := to.NumericMod()
		return scale == same && wide > p && (wide <= 38 || p > 38)
	case text(from) && text(to):
		return to.Mod < 0 || from.Mod >= 0 && to.Mod >= from.Mod
	}
	return false
}

func (a *altering) notNull(name string, on bool) error {
	i, err := a.at(name)
	if err != nil {
		return err
	}
	if s := a.source; s != nil && !on &&
		(i == s.EventTime || s.Known == fqgw.KnownByColumn && i == s.KnownColumn || slices.Contains(s.PrimaryKey, i)) {
		return a.d.fail(a.loc, "42P16", "column \"%s\" is never NULL: %s", name, a.uses(i))
	}
	if a.source != nil && on && !a.cols[i].NotNull {
		a.says()
	}
	a.cols[i].NotNull = on
	return nil
}

// says that what is there is not judged again.
func (a *altering) says() {
	const notice = "records are judged by the new definition from now on: rows that are in the history stay as they are"
	if !slices.Contains(a.notices, notice) {
		a.notices = append(a.notices, notice)
	}
}

func (a *altering) addCheck(k *pg.Constraint) error {
	if k.Contype != pg.ConstrType_CONSTR_CHECK {
		return a.d.refusedConstraint(k, a.kind)
	}
	a.says()
	return a.check(k, "")
}

// check adds a CHECK. Its name is made of the name that the relation had when the
// statement was written.
func (a *altering) check(k *pg.Constraint, column string) error {
	s := a.source
	name := s.Name
	defer func() { s.Name = name }()
	s.Name = a.name
	return a.d.check(s, k, column)
}

func (a *altering) dropCheck(name string, missingOK bool) error {
	i := slices.IndexFunc(a.source.Checks, func(c fqgw.Check) bool { return c.Name == name })
	switch {
	case i >= 0:
		a.source.Checks = slices.Delete(a.source.Checks, i, i+1)
	case missingOK:
		a.notices = append(a.notices, fmt.Sprintf("constraint \"%s\" of relation \"%s\" does not exist, skipping", name, a.name))
	default:
		return a.d.fail(a.loc, fqgw.CodeUndefinedObject, "constraint \"%s\" of relation \"%s\" does not exist", name, a.name)
	}
	return nil
}

// rename gives a column another name; its field in the records stays what it was.
func (a *altering) rename(from, to string) error {
	if err := a.all(nil); err != nil {
		return err
	}
	i, err := a.at(from)
	if err != nil {
		return err
	}
	if a.has(to) {
		return a.d.fail(a.loc, "42701", "column \"%s\" of relation \"%s\" already exists", to, a.name)
	}
	if err := a.d.columnNames([]string{to}, []int32{a.loc}); err != nil {
		return err
	}
	a.cols[i].Name = to
	if a.source == nil {
		return nil
	}
	s := a.source
	if a.cols[i].Field == "" {
		if strings.ContainsAny(from, ".|") {
			return a.d.unsupported(a.loc, "renaming column \"%s\"", from).WithDetail("Its name would be a path of fields.").
				WithHint("Name the field first: ALTER SOURCE %s SET (field.…).", expr.QuoteIdent(a.name))
		}
		a.cols[i].Field = from
	}
	delete(s.Options, "field."+from)
	s.Options["field."+to] = a.cols[i].Field
	for _, option := range []string{"event_time", "known_time", "key"} {
		if s.Options[option] == from && !(option == "known_time" && s.Known != fqgw.KnownByColumn) {
			s.Options[option] = to
		}
	}
	a.eachColumn(func(c *expr.Column) {
		if c.Index == i {
			c.Name = to
		}
	})
	for k := range s.Checks {
		s.Checks[k].Text = checkRenamed(s.Checks[k].Text, from, to)
	}
	return nil
}
