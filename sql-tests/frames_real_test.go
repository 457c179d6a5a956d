package sqltests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// TestFramesReal judges ROWS n PRECEDING, and what has a counterpart in PostgreSQL of the
// aggregates that are fqgw's own, by a real PostgreSQL (FQGW_TEST_POSTGRES, its URL): what it
// says of a probe that is appended to the same events and left out of the frame
// (SEMANTICS §2.1).
func TestFramesReal(t *testing.T) {
	url := os.Getenv("FQGW_TEST_POSTGRES")
	if url == "" {
		t.Skip("set FQGW_TEST_POSTGRES to the URL of a PostgreSQL 15")
	}
	seed := number("FQGW_TEST_SEED", 1)
	rnd := rand.New(rand.NewPCG(uint64(seed), 7))
	withSession(t, func(ctx context.Context, _ *app.App, conn *pgx.Conn, exec func(sql string)) {
		pg, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		defer pg.Close(ctx)
		both := func(sql string) {
			t.Helper()
			exec(sql)
			if _, err := pg.Exec(ctx, sql); err != nil {
				t.Fatalf("PostgreSQL: %s: %v", sql, err)
			}
		}
		const columns = "k bigint, x int, f float8, n numeric, s text, d date, ok boolean, v float8[], t timestamptz NOT NULL"
		exec("CREATE SOURCE framed (" + columns + `) WITH (connector = 'kafka', topic = 'framed', format = 'json', event_time = 't', known_time = 'event_time')`)
		if _, err := pg.Exec(ctx, "SET timezone = 'UTC'; CREATE TEMP TABLE framed ("+columns+", at serial); CREATE TEMP TABLE probes (id int, k bigint, t timestamptz)"); err != nil {
			t.Fatal(err)
		}
		exec("CREATE TABLE probes (id int, k bigint, t timestamptz)")
		both("INSERT INTO framed (k, x, f, n, s, d, ok, v, t) VALUES " + randomFramed(rnd, 400))
		var probes []string
		for i := range 150 {
			probes = append(probes, fmt.Sprintf("(%d, %d, '2024-01-01 00:00Z'::timestamptz + interval '%d seconds')", i, rnd.IntN(6), rnd.IntN(7200)))
		}
		both("INSERT INTO probes VALUES " + strings.Join(probes, ", "))
		exec("SELECT fqgw.sync()")

		// The same aggregates, over the same frame but for the row of the probe.
		const aggregates = `array_agg(x) OVER w AS xs, array_agg(s) OVER w AS ss, array_agg(n) OVER w AS ns, array_agg(d) OVER w AS ds, array_agg(f) FILTER (WHERE ok) OVER w AS fs,
			first_value(x) OVER w AS fx, last_value(s) OVER w AS ls, count(*) OVER w AS c, count(x) OVER w AS cx, count(*) FILTER (WHERE ok) OVER w AS cok, sum(x) OVER w AS sx,
			sum(n) FILTER (WHERE ok) OVER w AS sn, avg(x) OVER w AS ax, min(s) OVER w AS ms, max(n::int) OVER w AS mn, bool_and(ok) OVER w AS ba, stddev_pop(x) OVER w AS dx`
		for _, n := range []int{1, 2, 7, 100} {
			exec(fmt.Sprintf("CREATE FEATURE VIEW last_%d AS SELECT k, %s FROM framed WHERE x IS DISTINCT FROM 3 WINDOW w AS (PARTITION BY k ORDER BY t ROWS %d PRECEDING)", n, aggregates, n))
			compareText(t, ctx, conn, pg,
				fmt.Sprintf("SELECT p.id, v.xs, v.ss, v.ns, v.ds, v.fs, v.fx, v.ls, v.c, v.cx, v.cok, v.sx, v.sn, v.ax, v.ms, v.mn, v.ba, v.dx FROM probes AS p LEFT JOIN last_%d AS OF p.t AS v ON v.k = p.k ORDER BY p.id", n),
				fmt.Sprintf(`SELECT p.id, v.* FROM probes AS p, LATERAL (SELECT %s FROM (SELECT k, x, f, n, s COLLATE "C", d, ok, t, at FROM framed WHERE k = p.k AND t <= p.t AND x IS DISTINCT FROM 3
					UNION ALL SELECT p.k, NULL, NULL, NULL, NULL, NULL, NULL, p.t, 1000000) AS e WINDOW w AS (PARTITION BY k ORDER BY t, at ROWS BETWEEN %d PRECEDING AND 1 PRECEDING) ORDER BY t DESC, at DESC LIMIT 1) AS v ORDER BY p.id`, aggregates, n))
		}

		// Windows of 20 minutes, whose tails move by 10 seconds.
		const within = `FROM framed AS e WHERE e.k = p.k AND e.t <= p.t AND e.t >= to_timestamp(floor(extract(epoch FROM p.t - interval '20 minutes') / 10) * 10)`
		histogram := func(x, bounds, filter string) string {
			return fmt.Sprintf(`(SELECT CASE WHEN sum(c) > 0 THEN array_agg(c ORDER BY b) END FROM (SELECT b, (SELECT count(%[1]s) %[4]s AND %[3]s AND width_bucket(%[1]s, %[2]s) = b) AS c
				FROM generate_series(0, cardinality(%[2]s)) AS b) AS h)`, x, bounds, filter, within)
		}
		exec(`CREATE FEATURE VIEW own WITH (hop = '10 s') AS SELECT k, last_n(x, 5) OVER w AS xs, last_n(s, 3) FILTER (WHERE ok) OVER w AS ss, top_k(s, 3) OVER w AS ts, top_k(x, 2) OVER w AS tx,
			histogram(x, '{0,2,5}') OVER w AS hx, histogram(f, '{-1.5,0,2.5}') OVER w AS hf, histogram(n, ARRAY[0.5,1]) FILTER (WHERE ok) OVER w AS hn, histogram(s, '{c,f}') OVER w AS hs,
			histogram(d, '{2024-01-03}') OVER w AS hd, decayed_sum(x, '5 minutes') OVER w AS dx, sum(v) OVER w AS sv, avg(v) OVER w AS av
			FROM framed WINDOW w AS (PARTITION BY k ORDER BY t RANGE '20 minutes' PRECEDING)`)
		elements := func(fn string) string {
			return `(SELECT array_agg(e ORDER BY i) FROM (SELECT i, ` + fn + `(a) AS e FROM (SELECT e.v ` + within + `) AS q, unnest(q.v) WITH ORDINALITY AS u(a, i) GROUP BY i) AS q)`
		}
		compareText(t, ctx, conn, pg,
			`SELECT p.id, v.xs, v.ss, v.ts, v.tx, v.hx, v.hf, v.hn, v.hs, v.hd, round(v.dx::numeric, 9), v.sv, v.av FROM probes AS p LEFT JOIN own AS OF p.t AS v ON v.k = p.k ORDER BY p.id`,
			`SELECT p.id, nullif(ARRAY(SELECT x FROM (SELECT x, t, at `+within+` ORDER BY t DESC, at DESC LIMIT 5) AS q ORDER BY t, at), '{}'),
				nullif(ARRAY(SELECT s FROM (SELECT s, t, at `+within+` AND ok ORDER BY t DESC, at DESC LIMIT 3) AS q ORDER BY t, at), '{}'),
				nullif(ARRAY(SELECT s `+within+` AND s IS NOT NULL GROUP BY s ORDER BY count(*) DESC, s COLLATE "C" LIMIT 3), '{}'),
				nullif(ARRAY(SELECT x `+within+` AND x IS NOT NULL GROUP BY x ORDER BY count(*) DESC, x LIMIT 2), '{}'), `+
				histogram("x", "'{0,2,5}'::int[]", "true")+", "+histogram("f", "'{-1.5,0,2.5}'::float8[]", "true")+", "+histogram("n", "ARRAY[0.5,1]", "ok")+", "+
				histogram(`s COLLATE "C"`, "'{c,f}'::text[]", "true")+", "+histogram("d", "'{2024-01-03}'::date[]", "true")+
				`, round((SELECT sum(s * 2 ^ (-extract(epoch FROM p.t - b) / 300)) FROM (SELECT to_timestamp(floor(extract(epoch FROM e.t) / 10) * 10) AS b, sum(x) AS s `+within+` GROUP BY 1) AS q)::numeric, 9), `+
				elements("sum")+", "+elements("avg")+" FROM probes AS p ORDER BY p.id")
	})
}

// randomFramed are rows of VALUES: NULLs, ties of the event time, few different values.
func randomFramed(rnd *rand.Rand, n int) string {
	or := func(text string) string {
		if rnd.IntN(7) == 0 {
			return "NULL"
		}
		return text
	}
	var rows []string
	for range n {
		v := fmt.Sprintf("ARRAY[%s, %s, %s]::float8[]", or(fmt.Sprint(rnd.IntN(9)-4)), or(fmt.Sprint(float64(rnd.IntN(64))/8)), or(fmt.Sprint(rnd.IntN(3))))
		rows = append(rows, fmt.Sprintf("(%d, %s, %s, %s, %s, %s, %s, %s, '2024-01-01 00:00Z'::timestamptz + interval '%d seconds')", rnd.IntN(5), or(fmt.Sprint(rnd.IntN(9)-2)),
			or([]string{"'NaN'", "'Infinity'", "-1.5", "0", "2.5", "1e9", "-2"}[rnd.IntN(7)]), or(fmt.Sprintf("%.*f", rnd.IntN(3), rnd.Float64()*3-1)), or("'"+string(rune('a'+rnd.IntN(8)))+"'"),
			or(fmt.Sprintf("'2024-01-0%d'", 1+rnd.IntN(5))), or(fmt.Sprint(rnd.IntN(2) == 0)), or(v), rnd.IntN(600)*10+rnd.IntN(3)))
	}
	return strings.Join(rows, ", ")
}

// compareText compares the rows that two servers give as text.
func compareText(t *testing.T, ctx context.Context, conn, pg *pgx.Conn, ours, theirs string) {
	t.Helper()
	rows := func(c *pgx.Conn, sql string) (out []string) {
		all, err := c.PgConn().Exec(ctx, sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		for _, r := range all[0].Rows {
			var cells []string
			for _, b := range r {
				if b == nil {
					b = []byte("NULL")
				}
				cells = append(cells, string(b))
			}
			out = append(out, strings.Join(cells, "|"))
		}
		return out
	}
	got, want := rows(conn, ours), rows(pg, theirs)
	if len(got) != len(want) || len(got) == 0 {
		t.Fatalf("%d rows, PostgreSQL has %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s\n  gives %s\n  PostgreSQL %s", ours, got[i], want[i])
			return
		}
	}
}
