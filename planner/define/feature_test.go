package define

import (
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/stream/window"
)

func TestFeatureViews(t *testing.T) {
	cat := catalog(t)
	for _, c := range []struct{ sql, want string }{
		{`CREATE FEATURE VIEW v AS SELECT user_id, count(*) OVER last_5m AS clicks_5m,
			sum(price) FILTER (WHERE kind = 'buy') OVER last_1d AS spend_1d, COALESCE(avg(price) OVER last_1d, 0) AS avg_price_1d
			FROM clicks WHERE price >= 0
			WINDOW last_5m AS (PARTITION BY user_id ORDER BY ts RANGE '5 minutes' PRECEDING),
			last_1d AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`,
			`v(user_id=0 bigint) where (price >= '0'::double precision) last_5m:300/5 last_1d:86400/900
			[count(*) last_5m bigint] [sum(price) filter (kind = 'buy'::text) last_1d double precision] [avg(price) last_1d double precision]
			user_id key 0
			clicks_5m bigint = _fq_slot_0
			spend_1d double precision = _fq_slot_1
			avg_price_1d double precision = _fq_slot_2 default`},
		{`CREATE FEATURE VIEW v WITH (hop = '1 minute', hop.w2 = '2 hours', wait = false, online = true) AS
			SELECT c.user_id AS uid, kind, count(*) OVER (PARTITION BY user_id, c.kind ORDER BY c.ts RANGE BETWEEN '1 hour' PRECEDING AND CURRENT ROW) * 2,
			max(c.qty) OVER (PARTITION BY kind, user_id ORDER BY ts RANGE INTERVAL '30 days' PRECEDING),
			count(*) OVER (PARTITION BY kind, user_id ORDER BY ts RANGE '60 minutes' PRECEDING) + length(c.kind) AS n,
			sum(qty) OVER (PARTITION BY user_id, kind ORDER BY ts) AS life,
			sum(qty) OVER (PARTITION BY user_id, kind ORDER BY ts RANGE UNBOUNDED PRECEDING) AS life2 FROM clicks AS c`,
			`v(uid=0 bigint, kind=1 text) w1:3600/60 w2:2592000/7200 w3:0/0
			[count(*) w1 bigint] [max(qty) w2 integer] [sum(qty) w3 bigint]
			uid key 0
			kind key 1
			?column? bigint = (_fq_slot_0 * 2)
			max integer = _fq_slot_1
			n bigint = (_fq_slot_0 + length(kind))
			life bigint = _fq_slot_2
			life2 bigint = _fq_slot_2`},
		{`CREATE MATERIALIZED VIEW v AS SELECT user_id, avg((price > 15)::int) OVER w AS share, approx_percentile(price, 0.9) OVER w AS p90,
			approx_percentile(price, 0.5) OVER w AS p50, CASE WHEN count(*) OVER w >= 3 THEN avg((price > 15)::int) OVER w END AS smooth,
			COALESCE(sum(amount) OVER w, sum(qty) OVER w, 1) AS many, COALESCE(NULL, count(*) OVER w) AS notconst
			FROM clicks WINDOW base AS (PARTITION BY user_id ORDER BY ts), w AS (base RANGE '90 seconds' PRECEDING), unused AS (PARTITION BY user_id ORDER BY ts)`,
			`v(user_id=0 bigint) w:90/1
			[avg((price > '15'::double precision)::integer) w numeric] [approx_percentile(price, 0.9) w double precision]
			[approx_percentile(price, 0.5) w double precision] [count(*) w bigint] [sum(amount) w numeric] [sum(qty) w bigint]
			user_id key 0
			share numeric = _fq_slot_0
			p90 double precision = _fq_slot_1
			p50 double precision = _fq_slot_2
			smooth numeric = CASE WHEN (_fq_slot_3 >= 3) THEN _fq_slot_0 ELSE NULL::numeric END
			many numeric = COALESCE(_fq_slot_4, _fq_slot_5::numeric) default
			notconst bigint = COALESCE(NULL::bigint, _fq_slot_3)`},
		{`CREATE FEATURE VIEW v AS SELECT user_id, COALESCE('seen', 'unseen') AS seen, COALESCE(sum(qty) OVER w, NULL, 5, 7) AS first, COALESCE(sum(qty) OVER w, NULL) AS none,
			COALESCE(NULL, 3) AS three, COALESCE(1) AS one, COALESCE(1, sum(qty) OVER w) AS never
			FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`,
			`v(user_id=0 bigint) w:86400/900 [sum(qty) w bigint]
			user_id key 0
			seen text = 'seen'::text default
			first bigint = _fq_slot_0 default
			none bigint = _fq_slot_0
			three integer = NULL::integer default
			one integer = 1
			never bigint = COALESCE('1'::bigint, _fq_slot_0)`},
		{`CREATE FEATURE VIEW v (u, n) AS SELECT user_id, first_value(kind) OVER (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING) FROM clicks`,
			`v(u=0 bigint) w1:86400/900 [first_value(kind) w1 text]
			u key 0
			n text = _fq_slot_0`},
		{`CREATE FEATURE VIEW p WITH (max_age = '30 days') AS SELECT DISTINCT ON (user_id) user_id, kind, COALESCE(price, 0) AS price, upper(kind) AS k2,
			kind AS again, ts FROM clicks WHERE qty > 0 ORDER BY user_id, ts DESC`,
			`p(user_id=0 bigint) where (qty > 0) latest 2592000s [kind text] [price double precision] [upper(kind) text] [ts timestamp with time zone]
			user_id key 0
			kind text = _fq_slot_0
			price double precision = _fq_slot_1 default
			k2 text = _fq_slot_2
			again text = _fq_slot_0
			ts timestamp with time zone = _fq_slot_3`},
		{`CREATE FEATURE VIEW p AS SELECT DISTINCT ON (c.kind, user_id) user_id u, kind, price FROM clicks c ORDER BY u DESC, 2, c.ts DESC NULLS LAST`,
			`p(kind=1 text, u=0 bigint) latest 0s [price double precision]
			u key 1
			kind key 0
			price double precision = _fq_slot_0`},
	} {
		st, err := script(cat, c.sql)
		if err != nil {
			t.Errorf("%s\n\t%v", c.sql, err)
			continue
		}
		v := st.(*plan.CreateFeatureView).View
		join := func(s string) string { return strings.Join(strings.Fields(s), " ") }
		if got := join(describe(v)); got != join(c.want) {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, join(c.want))
		}
		if v.SQL != c.sql {
			t.Errorf("SQL is %q", v.SQL)
		}
		if _, err := window.NewLayout(v); err != nil {
			t.Errorf("%s: %v", c.sql, err)
		}
	}
}

// Binding must leave the tree as it is: a statement is bound again when the catalog changes.
func TestBindTwice(t *testing.T) {
	cat := catalog(t)
	const sql = `CREATE FEATURE VIEW v AS SELECT user_id, COALESCE(sum(qty) OVER (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING), 0) + 1 AS f FROM clicks`
	var first string
	for range 2 {
		st, err := script(cat, sql)
		if err != nil {
			t.Fatal(err)
		}
		got := describe(st.(*plan.CreateFeatureView).View)
		if first != "" && got != first {
			t.Errorf("first %s\nthen %s", first, got)
		}
		first = got
	}
}

func TestFeatureDefaults(t *testing.T) {
	cat := catalog(t)
	st, err := script(cat, `CREATE FEATURE VIEW v AS SELECT user_id, COALESCE(avg(qty) OVER w, 0) AS a, COALESCE(max(ts) OVER w, '2000-01-01') AS b,
		COALESCE(last_value(kind) OVER w, 'none') AS c FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`)
	if err != nil {
		t.Fatal(err)
	}
	v := st.(*plan.CreateFeatureView).View
	for i, want := range []fqgw.Value{fqgw.NumericValue(fqgw.DecimalFromInt(0)), fqgw.TimestampValue(946684800000000), fqgw.TextValue("none")} {
		if f := v.Features[i]; f.Default.Kind() != want.Kind() || fqgw.Compare(f.Default, want) != 0 {
			t.Errorf("%s: %v", f.Name, f.Default)
		}
	}
}

const over = " OVER (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)"

func TestFeatureRefusals(t *testing.T) {
	cat := catalog(t, `CREATE TABLE labels (user_id bigint, ts timestamptz)`, `CREATE FEATURE VIEW fv AS SELECT user_id, count(*)`+over+` AS n FROM clicks`)
	w := func(frame string) string {
		return "CREATE FEATURE VIEW v AS SELECT user_id, count(*) OVER (PARTITION BY user_id ORDER BY ts " + frame + ") AS é FROM clicks"
	}
	f := func(item string) string {
		return "CREATE FEATURE VIEW v AS SELECT user_id, " + item + " AS f FROM clicks"
	}
	refuse(t, cat, []refusal{
		// frames
		{w("GROUPS 1 PRECEDING"), "42P17", "(PARTITION", "GROUPS is not possible"},
		{w("RANGE BETWEEN '1 hour' PRECEDING AND '1 hour' FOLLOWING"), "42P17", "(PARTITION", "FOLLOWING"},
		{w("RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"), "42P17", "(PARTITION", "FOLLOWING"},
		{w("RANGE '1 hour' PRECEDING EXCLUDE CURRENT ROW"), "42P17", "(PARTITION", "EXCLUDE"},
		{w("RANGE BETWEEN '2 hours' PRECEDING AND '1 hour' PRECEDING"), "42P17", "(PARTITION", "must end at CURRENT ROW"},
		{w("RANGE CURRENT ROW"), "42P17", "(PARTITION", "at least one second"},
		{w("RANGE '1 month' PRECEDING"), "42P17", "'1 month'", "RANGE '30 days' PRECEDING"},
		{w("RANGE '1 year 2 days' PRECEDING"), "42P17", "'1 year", "no fixed length"},
		{w("RANGE '10 milliseconds' PRECEDING"), "42P17", "'10 milli", "at least one second"},
		{w("RANGE '-1 hour' PRECEDING"), "22013", "'-1 hour'", "invalid preceding"},
		{w("RANGE 'soon' PRECEDING"), "22007", "'soon'", "interval"},
		{w("RANGE 5 PRECEDING"), "0A000", "5 PRECEDING", "Write an interval"},
		{w("ROWS 1025 PRECEDING"), "54000", "1025", "more than the 1024 events"},
		{w("ROWS 0 PRECEDING"), "42P17", "0 PRECEDING", "at least one row"},
		{w("ROWS 'a' PRECEDING"), "22P02", "'a'", "bigint"},
		{strings.Replace(w("RANGE '1 day' PRECEDING"), "BY ts", "BY ts DESC", 1), "42P17", "ts DESC", "DESC"},
		{strings.Replace(w("RANGE '1 day' PRECEDING"), "BY ts", "BY other", 1), "42P17", "other", "event time of source \"clicks\", which is ts"},
		{strings.Replace(w("RANGE '1 day' PRECEDING"), "BY ts", "BY ts, price", 1), "42P17", "price", "ORDER BY ends with the event time"},
		{f("count(*) OVER (PARTITION BY user_id)"), "42P17", "(PARTITION", "Write ORDER BY ts"},
		{f("count(*) OVER (ORDER BY ts RANGE '1 day' PRECEDING)"), "42P17", "user_id", "neither a join key"},
		{f("count(*) OVER a") + " WINDOW a AS (ORDER BY ts), w AS (PARTITION BY user_id ORDER BY ts)", "42P17", "user_id", "no aggregate uses a window with PARTITION BY"},
		{f("count(*) OVER w"), "42704", "w AS f", "window \"w\" does not exist"},
		{f("count(*)" + over + " + count(*) OVER (PARTITION BY kind ORDER BY ts RANGE '1 day' PRECEDING)"), "42P17", "kind", "same PARTITION BY"},
		{f("count(*)" + over + " + count(*) OVER (PARTITION BY user_id, kind ORDER BY ts RANGE '1 day' PRECEDING)"), "42P17", "kind", "same PARTITION BY"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*) OVER (w) FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)", "42P20", "(w)", "frame clause"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*) OVER w FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts), w AS (PARTITION BY user_id ORDER BY ts)", "42P20", "(PARTITION BY user_id ORDER BY ts)", "already defined"},
		// keys
		{"CREATE FEATURE VIEW v AS SELECT price, count(*) OVER (PARTITION BY price ORDER BY ts RANGE '1 day' PRECEDING) FROM clicks", "42P17", "price ORDER", "cannot be a join key"},
		{"CREATE FEATURE VIEW v AS SELECT note, count(*) OVER (PARTITION BY note ORDER BY ts RANGE '1 day' PRECEDING) FROM clicks", "42P17", "note ORDER", "jsonb"},
		{"CREATE FEATURE VIEW v AS SELECT kind, count(*) OVER (PARTITION BY upper(kind) ORDER BY ts RANGE '1 day' PRECEDING) FROM clicks", "42P17", "upper(kind)", "not expressions"},
		{"CREATE FEATURE VIEW v AS SELECT count(*)" + over + " AS n FROM clicks", "42P17", "count", "Add user_id to the SELECT list"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, user_id AS user_id, count(*)" + over + " FROM clicks", "42701", "user_id AS", "more than once"},
		// the SELECT list
		{f("kind, count(*)" + over), "42P17", "kind", "neither a join key nor inside a window aggregate"},
		{f("price + count(*)" + over), "42P17", "price", "last_value(price) OVER w"},
		{f("nope + count(*)" + over), "42703", "nope", "column \"nope\" does not exist"},
		{"CREATE FEATURE VIEW v AS SELECT *, count(*)" + over + " FROM clicks", "42P17", "*", "cannot select *"},
		{f("count(*)"), "42P17", "count", "aggregate count needs a window"},
		{f("sum(price) + count(*)" + over), "42P17", "sum", "aggregate sum needs a window"},
		{"CREATE FEATURE VIEW v AS SELECT user_id FROM clicks", "42P17", "user_id", "needs a window aggregate or DISTINCT ON"},
		{f("count(DISTINCT kind)" + over), "0A000", "count", "approx_count_distinct"},
		{f("sum(DISTINCT qty)" + over), "0A000", "sum", "DISTINCT"},
		{f("lag(kind)" + over), "0A000", "lag", "last_n(x, n)"},
		{f("rank()" + over), "0A000", "rank", "count(*)"},
		{f("row_number()" + over), "0A000", "row_number", "count(*)"},
		{f("string_agg(kind, ',')" + over), "0A000", "string_agg", "last_n"},
		{f("nosuch(price)" + over), "42883", "nosuch", "nosuch"},
		{f("sum(kind)" + over), "42883", "sum", "sum(text)"},
		{f("approx_percentile(price, 2)" + over), "22023", "approx_percentile", "from 0 to 1"},
		{f("approx_percentile(price, price)" + over), "22023", "price)", "must be a constant"},
		{f("(SELECT 1) + count(*)" + over), "42P17", "(SELECT", "subquery"},
		{f("sum(price) FILTER (WHERE price)" + over), "42804", "price)", "FILTER"},
		{f("sum(price) FILTER (WHERE ts > now())" + over), "42P17", "ts > now()", "A span of time is a window"},
		{f("sum(price * random())" + over), "42P17", "price * random()", "row alone"},
		{f("count(*)" + over + " + extract(hour FROM now())"), "42P17", "count", "row alone"},
		{f("sum($1)" + over), "42P02", "$1", "parameters"},
		{f("count(*)" + over + " / 'x'"), "22P02", "'x'", "bigint"},
		{f("COALESCE(count(*)" + over + ", 'none')"), "22P02", "'none'", "bigint"},
		{strings.Replace(f("count(*)"+over), " f ", " _fq_x ", 1), "42939", "count", "reserved"},
		// the rest of the SELECT
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM clicks WHERE ts > now() - interval '1 day'", "42P17", "ts > now()", "window"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM clicks WHERE qty", "42804", "qty", "WHERE"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM clicks ORDER BY 1", "42P17", "1", "ORDER BY"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM clicks LIMIT 1", "42P17", "user_id", "LIMIT"},
		{"CREATE FEATURE VIEW v AS WITH x AS (SELECT 1) SELECT user_id, count(*)" + over + " AS n FROM clicks", "42P17", "WITH", "WITH"},
		{"CREATE FEATURE VIEW v AS SELECT 1 UNION SELECT 2", "42P17", "", "UNION"},
		{"CREATE FEATURE VIEW v AS VALUES (1)", "42P17", "", "VALUES"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT user_id, count(*)" + over + " AS n FROM clicks", "42P17", "user_id", "DISTINCT ON"},
		{"CREATE FEATURE VIEW v AS SELECT 1", "42P17", "1", "needs FROM"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM clicks c JOIN labels USING (user_id)", "42P17", "clicks c", "joins are not possible"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM clicks, labels", "42P17", "labels", "joins are not possible"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM (SELECT * FROM clicks) c", "42P17", "* FROM", "not a subquery"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM labels", "42809", "labels", "is a table, not a source"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM clickz", "42P01", "clickz", "Perhaps you meant \"clicks\""},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM clicks AS OF '2013-01-01' c", "42P17", "clicks AS OF", "AS OF"},
		{"CREATE FEATURE VIEW v AS SELECT user_id, count(*)" + over + " AS n FROM clicks WHERE true AS OF '2013-01-01'", "42601", "'2013", "AS OF"},
		// options
		{"CREATE FEATURE VIEW v WITH (max_age = '1 day') AS SELECT user_id, count(*)" + over + " AS n FROM clicks", "42P17", "max_age", "a window has its own age"},
		{"CREATE FEATURE VIEW v WITH (hops = '1 day') AS SELECT user_id, count(*)" + over + " AS n FROM clicks", "22023", "hops", "Perhaps you meant \"hop\""},
		{"CREATE FEATURE VIEW v WITH (hop.w2 = '1 day') AS SELECT user_id, count(*)" + over + " AS n FROM clicks", "22023", "hop.w2", "Perhaps you meant \"hop.w1\""},
		{"CREATE FEATURE VIEW v WITH (hop = '10 ms') AS SELECT user_id, count(*)" + over + " AS n FROM clicks", "22023", "hop", "at least one second"},
		{"CREATE FEATURE VIEW v WITH (hop = '1 month') AS SELECT user_id, count(*)" + over + " AS n FROM clicks", "22023", "hop", "no fixed length"},
		{"CREATE FEATURE VIEW v WITH (hop.w = '1 hour') AS SELECT user_id, count(*) OVER w AS n FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts)", "42P17", "hop.w", "lifetime"},
		{"CREATE FEATURE VIEW v WITH (online = false, retain = '1 day') AS SELECT user_id, count(*)" + over + " AS n FROM clicks", "42P17", "retain", "kept online"},
		{"CREATE FEATURE VIEW v WITH (hop = '1 hour', hop = '2 hours') AS SELECT user_id, count(*)" + over + " AS n FROM clicks", "42601", "hop = '2", "more than once"},
		// DISTINCT ON
		{"CREATE FEATURE VIEW v WITH (hop = '1 hour') AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY user_id, ts DESC", "42P17", "hop", "no windows"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY user_id, ts", "42P17", "ts", "DESC"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY user_id, ts DESC, price", "42P17", "price", "ORDER BY ends with the event time"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY user_id, other DESC", "42P17", "other", "must be the event time"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY kind, ts DESC", "42P10", "kind", "must match initial ORDER BY"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks", "42P17", "user_id, kind", "Write ORDER BY user_id, ts DESC"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) kind FROM clicks ORDER BY user_id, ts DESC", "42P17", "kind", "Add user_id"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id FROM clicks ORDER BY user_id, ts DESC", "42P17", "user_id FROM", "needs a feature"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, count(*)" + over + " FROM clicks ORDER BY user_id, ts DESC", "42P17", "count", "no windows"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, count(*) FROM clicks ORDER BY user_id, ts DESC", "42P17", "count", "needs a window"},
		{"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (upper(kind)) kind, price FROM clicks ORDER BY upper(kind), ts DESC", "42P17", "upper", "not expressions"},
		{"CREATE FEATURE VIEW _fq_v AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY user_id, ts DESC", "42939", "_fq_v", "reserved"},
		{"CREATE FEATURE VIEW x.v AS SELECT DISTINCT ON (user_id) user_id, kind FROM clicks ORDER BY user_id, ts DESC", "3F000", "x.v", "schema \"x\" does not exist"},
	})
}
