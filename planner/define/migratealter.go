package define

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
)

// alterSource changes a source in place; where that cannot be, it is a fault, for what
// reads it and what lies in its topic are at stake.
func (m *migration) alterSource(s *Step, before, next *fqgw.Source) ([]string, error) {
	if same, err := sameSource(before, next); same || err != nil {
		return nil, err
	}
	actions, whys := columnActions(before.Columns, next.Columns)
	gone, come := checkActions(before, next)
	options, changed := optionActions(slices.DeleteFunc(sourceOptionsOf(before), func(o [2]string) bool { // they go with their columns
		column, ok := strings.CutPrefix(o[0], "field.")
		return ok && next.ColumnIndex(column) < 0
	}), sourceOptionsOf(next))
	actions = slices.Concat(gone, actions, options, come)
	if len(gone)+len(come) > 0 {
		whys = append(whys, "its CHECKs differ")
	}
	if len(changed) > 0 {
		whys = append(whys, strings.Join(changed, ", ")+" differ")
	}
	sql := "ALTER SOURCE " + relation(s.Name) + " " + strings.Join(actions, ", ")
	if err := m.sourceAlters(sql, len(actions), before, next); err != nil {
		why := fqgw.AsError(err)
		m.want.fault(s.Text, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "source \"%s\" cannot be changed in place: %s", s.Name, why.Message).
			At(s.Pos).WithDetail("%s.", strings.Join(append(whys, withoutDot(why.Detail)...), "; ")).WithHint("%s", why.Hint))
		return nil, nil
	}
	s.Then = []string{sql}
	return whys, nil
}

// sourceAlters is nil if an ALTER SOURCE of so many actions makes the source the next one.
func (m *migration) sourceAlters(sql string, actions int, before, next *fqgw.Source) error {
	const last = "The columns that stay keep their order, and a new one stands behind them."
	switch {
	case before.Derived != nil || next.Derived != nil:
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "a derived source is what its query says").WithHint("CREATE another SOURCE.")
	case actions == 0:
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "its columns have another order").WithHint(last)
	}
	a, err := m.alteredBy(sql, func(d *Definer, r *pg.RangeVar) *altering { return sourceAltering(d, before, r) })
	if err != nil {
		return err
	}
	same, err := sameSource(a.after(), next)
	if err == nil && !same {
		err = fqgw.Errorf(fqgw.CodeFeatureNotSupported, "no ALTER SOURCE makes it what it shall be").WithHint(last)
	}
	return err
}

func withoutDot(s string) []string {
	if s == "" {
		return nil
	}
	return []string{strings.TrimSuffix(s, ".")}
}

// alterTable changes a table in place if that can be, otherwise it is dropped and made again.
func (m *migration) alterTable(s *Step, t *Text, before, next *fqgw.Table) ([]string, error) {
	actions, whys := columnActions(before.Columns, next.Columns)
	if len(actions) > 0 {
		sql := "ALTER TABLE " + relation(s.Name) + " " + strings.Join(actions, ", ")
		a, err := m.alteredBy(sql, func(d *Definer, r *pg.RangeVar) *altering { return tableAltering(d, before, r) })
		if err == nil {
			is, err := FormHash(&fqgw.Table{Columns: a.cols})
			if err != nil {
				return nil, err
			}
			if is == t.Form {
				s.Then = []string{sql}
				if strings.Contains(sql, " DROP COLUMN ") {
					s.Loses = before
				}
				return whys, nil
			}
		}
	}
	if whys == nil {
		whys = []string{"its columns have another order"}
	}
	m.replace(s, strings.Join(whys, ", "), t, next)
	return nil, nil
}

// alteredBy is what an ALTER makes of a relation of the catalog; an error too where
// something that depends on it does not allow that.
func (m *migration) alteredBy(sql string, begin func(*Definer, *pg.RangeVar) *altering) (*altering, error) {
	st, err := statementOf(sql)
	if err != nil {
		return nil, err
	}
	d := m.want.definer
	d.Binder, d.stmt = &bind.Binder{Catalog: m.cat, Stmt: st}, st
	n := st.Node.GetAlterTableStmt()
	a := begin(&d, n.Relation)
	if err := a.all(n.Cmds); err != nil {
		return nil, err
	}
	_, err = d.Bind(st)
	return a, err
}

// sameSource says whether two sources say the same. The order of CHECKs does not count: of
// a record that breaks two it decides which is named.
func sameSource(a, b *fqgw.Source) (bool, error) {
	var hashes [2]string
	for i, s := range []*fqgw.Source{a, b} {
		sorted := *s
		sorted.Checks = slices.Clone(s.Checks)
		slices.SortFunc(sorted.Checks, func(a, b fqgw.Check) int { return strings.Compare(a.Name, b.Name) })
		var err error
		if hashes[i], err = FormHash(&sorted); err != nil {
			return false, err
		}
	}
	return hashes[0] == hashes[1], nil
}

// columnActions are the actions of an ALTER that makes columns others, and why each is.
func columnActions(before, next []fqgw.Column) (actions, whys []string) {
	at := func(cols []fqgw.Column, name string) int {
		return slices.IndexFunc(cols, func(c fqgw.Column) bool { return c.Name == name })
	}
	say := func(action, format string, args ...any) {
		actions, whys = append(actions, action), append(whys, fmt.Sprintf(format, args...))
	}
	for _, c := range before {
		if name := expr.QuoteIdent(c.Name); at(next, c.Name) < 0 {
			say("DROP COLUMN "+name, "column %s is gone", name)
		}
	}
	for _, c := range next {
		name := expr.QuoteIdent(c.Name)
		i := at(before, c.Name)
		if i < 0 {
			say("ADD COLUMN "+columnText(c), "column %s is new", name)
			continue
		}
		if before[i].Type != c.Type {
			say("ALTER COLUMN "+name+" TYPE "+c.Type.String(), "column %s is %s and was %s", name, c.Type, before[i].Type)
		}
		switch {
		case c.NotNull && !before[i].NotNull:
			say("ALTER COLUMN "+name+" SET NOT NULL", "column %s is NOT NULL", name)
		case !c.NotNull && before[i].NotNull:
			say("ALTER COLUMN "+name+" DROP NOT NULL", "column %s may be NULL", name)
		}
	}
	return actions, whys
}

// checkActions take CHECKs away and add others, by their names.
func checkActions(before, next *fqgw.Source) (gone, come []string) {
	texts := checkTexts(next)
	same := func(a fqgw.Check, list []fqgw.Check) bool {
		return slices.ContainsFunc(list, func(b fqgw.Check) bool { return a.Name == b.Name && a.SQL == b.SQL })
	}
	for _, c := range before.Checks {
		if !same(c, next.Checks) {
			gone = append(gone, "DROP CONSTRAINT "+expr.QuoteIdent(c.Name))
		}
	}
	for i, c := range next.Checks {
		if !same(c, before.Checks) {
			text := texts[i].text
			if !strings.HasPrefix(text, "CONSTRAINT ") {
				text = "CONSTRAINT " + expr.QuoteIdent(c.Name) + " " + text
			}
			come = append(come, "ADD "+text)
		}
	}
	return gone, come
}

// optionActions set what differs and reset what is not said any more. How many partitions
// there are is no part of a definition that is there: its topic was made.
func optionActions(before, next [][2]string) (actions, changed []string) {
	was, is := map[string]string{}, map[string]string{}
	of := func(o [2]string) bool { return o[0] == "partitions" }
	for _, o := range slices.DeleteFunc(before, of) {
		was[o[0]] = o[1]
	}
	var set [][2]string
	for _, o := range slices.DeleteFunc(next, of) {
		is[o[0]] = o[1]
		if old, ok := was[o[0]]; !ok || old != o[1] {
			set = append(set, o)
			changed = append(changed, o[0])
		}
	}
	if len(set) > 0 {
		actions = append(actions, "SET "+strings.TrimPrefix(withText(set), " WITH "))
	}
	var reset []string
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, ok := is[name]; !ok {
			reset = append(reset, optionName(name))
			changed = append(changed, name)
		}
	}
	if len(reset) > 0 {
		actions = append(actions, "RESET ("+strings.Join(reset, ", ")+")")
	}
	return actions, changed
}
