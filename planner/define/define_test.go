package define

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

const clicksSQL = `CREATE SOURCE clicks (
	user_id bigint, kind text, price double precision, qty integer, ts timestamptz NOT NULL, other timestamptz,
	note jsonb, amount numeric(10,2), code char(3)) WITH (event_time = 'ts')`

// script binds statements one after another, putting what they define into the
// catalog, and returns the last statement.
func script(cat *fqgw.Catalog, sql string) (plan.Statement, error) {
	stmts, err := parse.Parse(sql)
	if err != nil {
		return nil, err
	}
	var st plan.Statement
	for _, s := range stmts {
		d := &Definer{Binder: &bind.Binder{Catalog: cat, Params: bind.NewParams(nil), Temp: func(name string) *fqgw.Table {
			if name == "temp" {
				return &fqgw.Table{Name: "temp", Columns: []fqgw.Column{{Name: "x", Type: fqgw.Int4}}}
			}
			return nil
		}}}
		if st, err = d.Bind(s); err != nil {
			return nil, err
		}
		switch st := st.(type) {
		case *plan.CreateSource:
			cat.Sources[st.Source.Qualified()] = st.Source
		case *plan.CreateFeatureView:
			cat.Features[st.View.Qualified()] = st.View
		case *plan.CreateTable:
			cat.Tables[st.Table.Qualified()] = st.Table
		case *plan.CreateView:
			cat.Views[st.View.Qualified()] = st.View
		}
	}
	return st, nil
}

func catalog(t *testing.T, sql ...string) *fqgw.Catalog {
	t.Helper()
	cat := (*fqgw.Catalog)(nil).Clone()
	for _, s := range append([]string{clicksSQL}, sql...) {
		if _, err := script(cat, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return cat
}

// refusal is a statement that must fail: at is where its position points, "" for nowhere.
type refusal struct {
	sql  string
	code fqgw.Code
	at   string
	msg  string // part of the message, or of message and hint
}

func refuse(t *testing.T, cat *fqgw.Catalog, list []refusal) {
	t.Helper()
	for _, c := range list {
		_, err := script(cat.Clone(), c.sql)
		var e *fqgw.Error
		if !errors.As(err, &e) {
			t.Errorf("%s\n\tpassed: %v", c.sql, err)
			continue
		}
		if e.Code != c.code || !strings.Contains(e.Message+" | "+e.Detail+" | "+e.Hint, c.msg) {
			t.Errorf("%s\n\tgave %s %s | %s | %s\n\twant %s %s", c.sql, e.Code, e.Message, e.Detail, e.Hint, c.code, c.msg)
		}
		switch {
		case c.at == "" && e.Position != 0:
			t.Errorf("%s\n\tposition %d: %q", c.sql, e.Position, string([]rune(c.sql)[e.Position-1:]))
		case c.at != "" && (e.Position == 0 || !strings.HasPrefix(string([]rune(c.sql)[e.Position-1:]), c.at)):
			at := "none"
			if e.Position > 0 {
				at = string([]rune(c.sql)[e.Position-1:])
			}
			t.Errorf("%s\n\tposition at %q, want %q", c.sql, at, c.at)
		}
	}
}

// describe prints a feature view.
func describe(v *fqgw.FeatureView) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s(", v.Name)
	for i, k := range v.Keys {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s=%d %s", k.Name, k.Column, k.Type)
	}
	b.WriteString(")")
	if v.Where != nil {
		fmt.Fprintf(&b, " where %s", v.Where)
	}
	if v.Latest {
		fmt.Fprintf(&b, " latest %ds", v.MaxAge/second)
		for _, e := range v.Row {
			fmt.Fprintf(&b, " [%s %s]", e, e.Type())
		}
	}
	for _, w := range v.Windows {
		fmt.Fprintf(&b, " %s:%d/%d", w.Name, w.Length/second, w.Hop/second)
	}
	for _, a := range v.Aggregates {
		fmt.Fprintf(&b, " [%s(", a.Func)
		if a.Star {
			b.WriteString("*")
		}
		for i, e := range a.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(e.String())
		}
		for _, p := range a.Params {
			if p.Kind() == fqgw.KindNumeric {
				fmt.Fprintf(&b, ", %s", p.Numeric())
			} else {
				b.WriteString(", ?")
			}
		}
		b.WriteString(")")
		if a.Filter != nil {
			fmt.Fprintf(&b, " filter %s", a.Filter)
		}
		fmt.Fprintf(&b, " %s %s]", v.Windows[a.Window].Name, a.Type)
	}
	for _, c := range v.Columns {
		if c.Key >= 0 {
			fmt.Fprintf(&b, "\n%s key %d", c.Name, c.Key)
			continue
		}
		f := v.Features[c.Feature]
		fmt.Fprintf(&b, "\n%s %s = %s", c.Name, f.Type, f.Read)
		if !f.Default.IsNull() {
			b.WriteString(" default")
		}
	}
	return b.String()
}
