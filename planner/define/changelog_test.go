package define

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// keyed is a changelog: orders of customers.
func keyed(columns ...int) *fqgw.Source {
	return &fqgw.Source{Name: "orders", EventTime: 2, PrimaryKey: columns, Columns: []fqgw.Column{{Name: "id", Type: fqgw.Int8, NotNull: true},
		{Name: "customer", Type: fqgw.Text, NotNull: true}, {Name: "at", Type: fqgw.Timestamptz, NotNull: true}, {Name: "total", Type: fqgw.Int8}}}
}

// TestPrimaryKey: with a column or with the table; its columns are NOT NULL.
func TestPrimaryKey(t *testing.T) {
	for _, c := range []struct {
		elements string
		want     []int
		code     fqgw.Code
	}{
		{"a int PRIMARY KEY, b int", []int{0}, ""},
		{"a int, b int, CONSTRAINT x PRIMARY KEY (b, a)", []int{1, 0}, ""},
		{"a int PRIMARY KEY, b int, PRIMARY KEY (b)", nil, "42P16"},
		{"a int PRIMARY KEY, b int PRIMARY KEY", nil, "42P16"},
		{"a int, b int, PRIMARY KEY (a, c)", nil, "42703"},
		{"a int, b int, PRIMARY KEY (a, a)", nil, "42701"},
		{"a numeric PRIMARY KEY", nil, "0A000"},
	} {
		stmts, err := parse.Parse("CREATE TABLE s (" + c.elements + ")")
		if err != nil {
			t.Fatal(err)
		}
		d := &Definer{Binder: &bind.Binder{}, stmt: stmts[0]}
		cols, rest, err := d.columns(stmts[0].Node.GetCreateStmt().TableElts)
		if err != nil {
			t.Fatal(err)
		}
		s := &fqgw.Source{Name: "s"}
		take := func(list []*pg.Constraint, column string) {
			for _, k := range list {
				if err == nil {
					err = d.keyColumns(s, k, column)
				}
			}
		}
		for _, col := range cols {
			s.Columns = append(s.Columns, col.col)
		}
		for _, col := range cols {
			take(col.rest, col.col.Name)
		}
		take(rest, "")
		if c.code != "" {
			if err == nil || fqgw.AsError(err).Code != c.code {
				t.Errorf("%s: %v, want %s", c.elements, err, c.code)
			}
			continue
		}
		if err != nil || !slices.Equal(s.PrimaryKey, c.want) || slices.ContainsFunc(c.want, func(i int) bool { return !s.Columns[i].NotNull }) {
			t.Errorf("%s: %v of %v, %v", c.elements, s.PrimaryKey, s.Columns, err)
		}
	}
}

// TestPrimaryKeyForm: a source with another primary key, or none, is another one.
func TestPrimaryKeyForm(t *testing.T) {
	var forms [][]byte
	for _, s := range []*fqgw.Source{keyed(), keyed(0), keyed(1), keyed(0, 1)} {
		b, err := Form(s)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(forms, func(f []byte) bool { return bytes.Equal(f, b) }) {
			t.Errorf("the form of the key %v is that of another", s.PrimaryKey)
		}
		forms = append(forms, b)
	}
}

// TestViewsOfChangelogs: what a view over a changelog may be.
func TestViewsOfChangelogs(t *testing.T) {
	cat := catalog(t)
	cat.Sources[fqgw.Public("orders")] = keyed(1, 0)
	const latest = "CREATE FEATURE VIEW v AS SELECT DISTINCT ON (id, customer) id, customer, total FROM orders WHERE total > 1 ORDER BY id, customer, at DESC"
	st, err := script(cat.Clone(), latest)
	if err != nil || !st.(*plan.CreateFeatureView).View.Latest {
		t.Fatal(st, err)
	}
	const hint = "Write SELECT DISTINCT ON (customer, id) … ORDER BY customer, id, at DESC."
	refuse(t, cat, []refusal{
		{strings.ReplaceAll(latest, "id, customer", "id"), "42P17", "id)", hint},
		{strings.ReplaceAll(latest, "(id, customer)", "(id, customer, total)"), "42P17", "id, customer, total)", hint},
		{strings.ReplaceAll(latest, "(id, customer)", "(id, total)"), "42P17", "id, total)", hint},
		{strings.Replace(latest, " AS", " WITH (max_age = '1 day') AS", 1), "42P17", "max_age", "until it is deleted"},
	})
	const windows = "CREATE FEATURE VIEW v AS SELECT customer, %s AS n FROM orders WINDOW w AS (PARTITION BY customer ORDER BY at RANGE '1 day' PRECEDING)"
	for _, fn := range []string{"count(*)", "count(total)", "sum(total)", "avg(total)", "var_pop(total)", "variance(total)", "stddev(total)", "stddev_pop(total)",
		"bool_and(total > 1)", "every(total > 1)", "bool_or(total > 1)", "histogram(total, '{1,2}')", "decayed_sum(total, '1 hour')"} {
		if _, err := script(cat.Clone(), fmt.Sprintf(windows, fn+" OVER w")); err != nil {
			t.Errorf("%s: %v", fn, err)
		}
	}
	for _, fn := range []string{"min(total)", "max(total)", "first_value(total)", "last_value(total)", "approx_count_distinct(total)", "approx_percentile(total, 0.5)", "last_n(total, 3)", "top_k(total, 3)"} {
		name, _, _ := strings.Cut(fn, "(")
		refuse(t, cat, []refusal{{fmt.Sprintf(windows, fn+" OVER w"), "0A000", fn, "which " + name + " cannot"}})
	}
	refuse(t, cat, []refusal{{fmt.Sprintf(windows, "count(*) OVER (PARTITION BY customer ORDER BY at ROWS 3 PRECEDING)"), "0A000", "3 PRECEDING", "one that is kept no more"}})
}
