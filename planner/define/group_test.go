package define

import (
	"bytes"
	"testing"

	"github.com/fqgw/fqgw/planner/plan"
)

// TestGroupBy: what is written for now is the window form of the same (SEMANTICS §2.2).
func TestGroupBy(t *testing.T) {
	cat := catalog(t)
	for _, c := range []struct{ group, windows string }{
		{`user_id, count(*) FILTER (WHERE ts > now() - interval '5 minutes') AS n FROM clicks GROUP BY user_id`,
			`user_id, count(*) OVER (PARTITION BY user_id ORDER BY ts RANGE '5 minutes' PRECEDING) AS n FROM clicks`},
		{`user_id, count(*) AS n, count(*) FILTER (WHERE kind = 'buy') AS buys, max(qty) FROM clicks GROUP BY user_id`,
			`user_id, count(*) OVER w1 AS n, count(*) FILTER (WHERE kind = 'buy') OVER w1 AS buys, max(qty) OVER w1 FROM clicks WINDOW w1 AS (PARTITION BY user_id ORDER BY ts)`},
		// several conjuncts and windows, each spelling of the bound, a bound that says nothing, names and numbers in GROUP BY
		{`kind AS k, user_id, COALESCE(sum(price) FILTER (WHERE price > 0 AND c.ts >= current_timestamp - '1 day'::interval AND qty > 1), 0) AS a,
			avg(price) FILTER (WHERE now() - 2 * interval '1 hour' < ts) / 2 AS b, sum(qty) FILTER (WHERE ts BETWEEN now() - interval '1 day' AND now()) AS c,
			count(*) FILTER (WHERE ts <= now()) AS d, count(*) FILTER (WHERE (ts > now() - interval '1 day' AND kind = 'x') AND transaction_timestamp() - interval '2 hours' <= ts) AS e
			FROM clicks AS c GROUP BY k, 2`,
			`kind AS k, user_id, COALESCE(sum(price) FILTER (WHERE price > 0 AND qty > 1) OVER w1, 0) AS a, avg(price) OVER w2 / 2 AS b, sum(qty) OVER w1 AS c,
			count(*) OVER w3 AS d, count(*) FILTER (WHERE kind = 'x') OVER w2 AS e FROM clicks
			WINDOW w1 AS (PARTITION BY kind, user_id ORDER BY ts RANGE '1 day' PRECEDING), w2 AS (PARTITION BY kind, user_id ORDER BY ts RANGE '2 hours' PRECEDING),
			w3 AS (PARTITION BY kind, user_id ORDER BY ts)`},
		// WHERE bounds all
		{`user_id, count(*) AS n, sum(qty) FILTER (WHERE ts > now() - interval '1 hour') AS s, sum(qty) FILTER (WHERE ts > now() - interval '30 days') AS l
			FROM clicks WHERE qty > 0 AND ts > now() - interval '7 days' GROUP BY user_id`,
			`user_id, count(*) OVER w1 AS n, sum(qty) OVER w2 AS s, sum(qty) OVER w1 AS l FROM clicks WHERE qty > 0
			WINDOW w1 AS (PARTITION BY user_id ORDER BY ts RANGE '7 days' PRECEDING), w2 AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING)`},
		{`user_id, count(*) AS n FROM clicks WHERE ts > now() - interval '7 days' GROUP BY clicks.user_id`,
			`user_id, count(*) OVER (PARTITION BY user_id ORDER BY ts RANGE '7 days' PRECEDING) AS n FROM clicks`},
	} {
		var forms [2][]byte
		for i, sel := range []string{c.group, c.windows} {
			// Twice, since a definition that is kept is bound again.
			for range 2 {
				st, err := script(cat.Clone(), "CREATE FEATURE VIEW v WITH (hop = '3 s') AS SELECT "+sel)
				if err != nil {
					t.Fatalf("%s: %v", sel, err)
				}
				if forms[i], err = Form(st.(*plan.CreateFeatureView).View); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !bytes.Equal(forms[0], forms[1]) {
			t.Errorf("%s\n\tis %q\n\twant %q", c.group, forms[0], forms[1])
		}
	}
	g := func(list, where string) string {
		return "CREATE FEATURE VIEW v AS SELECT user_id, " + list + " FROM clicks " + where + " GROUP BY user_id"
	}
	const filter = "count(*) FILTER (WHERE "
	refuse(t, cat, []refusal{
		{g("price, count(*) AS n", ""), "42803", "price", "must appear in the GROUP BY clause"},
		{g("sum(qty) + qty", ""), "42803", "qty FROM", "must appear in the GROUP BY clause"},
		{g("count(*) OVER (PARTITION BY user_id ORDER BY ts)", ""), "42P17", "count", "GROUP BY has no windows"},
		{g("last_value(price)", ""), "42P20", "last_value", "requires an OVER clause"},
		{g("count(DISTINCT kind)", ""), "0A000", "count", "approx_count_distinct"},
		{g("1 AS one", ""), "42P17", "user_id", "needs a window aggregate"},
		{g(filter+"NOT ts > now() - interval '1 day') AS n", ""), "42P17", "NOT ts", "alone or in AND"},
		{g(filter+"ts > now() - interval '1 day' OR qty > 1) AS n", ""), "42P17", "ts > now", "alone or in AND"},
		{g(filter+"ts < now() - interval '1 day') AS n", ""), "42P17", "ts < now", "alone or in AND"},
		{g(filter+"other > now() - interval '1 day') AS n", ""), "42P17", "other", "alone or in AND"},
		{g(filter+"ts > now() - interval '1 month') AS n", ""), "42P17", "'1 month'", "no fixed length"},
		{g(filter+"ts > now() - interval '10 ms') AS n", ""), "42P17", "'10 ms", "at least one second"},
		{g(filter+"ts > now() - qty * interval '1 s') AS n", ""), "42703", "qty", "qty"},
		{g("count(*) AS n", "WHERE ts > now() - interval '-1 day'"), "22013", "'-1 day", "preceding"},
		{g("count(*) AS n", "") + " HAVING count(*) > 1", "42P17", "count(*) > 1", "HAVING"},
		{"CREATE FEATURE VIEW v AS SELECT upper(kind), count(*) AS n FROM clicks GROUP BY 1", "42P17", "upper", "not expressions"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*) AS n FROM clicks GROUP BY ROLLUP (user_id)", "0A000", "ROLLUP", "grouping sets"},
		{"CREATE FEATURE VIEW v AS SELECT price, count(*) AS n FROM clicks GROUP BY price", "42P17", "price", "cannot be a join key"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, count(*) AS n FROM clicks GROUP BY user_id", "42P17", "user_id, count", "not both"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*) AS n FROM clicks GROUP BY user_id WINDOW w AS (PARTITION BY user_id ORDER BY ts)", "42P17", "(PARTITION", "GROUP BY has no windows"},
	})
}
