package sqltests

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// TestWindowsByColumns: joins with windows say by columns, from a table to a table, to a
// file and to a client, what they say row by row, with a KNOWN AT of their own too.
func TestWindowsByColumns(t *testing.T) {
	withSession(t, func(ctx context.Context, a *app.App, conn *pgx.Conn, exec func(sql string)) {
		exec(`CREATE SOURCE ev (k bigint, site text, a int, b bigint, x double precision, n numeric, ok boolean, ts timestamptz NOT NULL, seen timestamptz)
			WITH (connector = 'kafka', topic = 'ev', format = 'json', event_time = 'ts', known_time = 'seen')`)
		exec(`CREATE FEATURE VIEW w AS SELECT k, count(*) OVER h AS c, sum(a) OVER h AS sa, avg(b) OVER d AS ab, sum(b) OVER d AS sb, sum(x) OVER d AS sx, max(x) OVER h AS mx,
			sum(n) OVER d AS sn, stddev(x) OVER d AS dx, last_value(site) OVER d AS ls, first_value(n) OVER h AS fn, bool_or(ok) OVER h AS bo, approx_count_distinct(site) OVER d AS ds,
			array_agg(a) OVER r AS aa, sum(n) FILTER (WHERE ok) OVER r AS rn, last_n(site, 3) OVER d AS ln
			FROM ev WINDOW r AS (PARTITION BY k ORDER BY ts ROWS 4 PRECEDING), h AS (PARTITION BY k ORDER BY ts RANGE '6 hours' PRECEDING), d AS (PARTITION BY k ORDER BY ts RANGE '5 days' PRECEDING)`)
		exec(`CREATE FEATURE VIEW f AS SELECT site, k, count(*) FILTER (WHERE ok) OVER d AS c, sum(a * 2) OVER d AS s FROM ev WHERE x IS NOT NULL
			WINDOW d AS (PARTITION BY site, k ORDER BY ts RANGE '9 days' PRECEDING)`)
		rows := func(from int) string {
			return fmt.Sprintf(`INSERT INTO ev SELECT i %% 17, 's' || i %% 5, i %% 100, CASE WHEN i %% 9 > 0 THEN i * 7 END, CASE WHEN i %% 7 > 0 THEN i / 8.0 END,
				CASE WHEN i %% 3 > 0 THEN i * 1.25 END, i %% 2 = 0, timestamptz '2024-01-01 00:00Z' + i * interval '1 hour',
				timestamptz '2024-01-01 00:00Z' + (i + i %% 10) * interval '1 hour' FROM generate_series(%d, %d) AS i`, from, from+999)
		}
		exec(rows(0))
		exec(`CREATE TABLE labels (id bigint, k bigint, site text, ts timestamptz, seen timestamptz)`)
		exec(`INSERT INTO labels SELECT i, CASE WHEN i % 11 > 0 THEN i % 19 END, 's' || i % 6, CASE WHEN i % 13 > 0 THEN timestamptz '2023-12-30 00:00Z' + i * interval '97 minutes' END,
			timestamptz '2024-01-20 00:00Z' + (i * 7919 % 900) * interval '1 hour' FROM generate_series(0, 1499) AS i`)
		const joins = `FROM %s AS l LEFT JOIN w AS OF l.ts AS a ON a.k = l.k LEFT JOIN f AS OF l.ts KNOWN AT l.seen AS b ON b.k = l.k AND b.site = l.site
			LEFT JOIN w AS OF l.ts KNOWN AT l.seen AS z ON z.k = l.k`
		const shown = `l.id, l.ts, a.k AS ak, a.c, a.sa, a.ab, a.sb, a.sx, a.mx, a.sn, a.dx, a.ls, a.fn, a.bo, a.ds, a.aa, a.rn, a.ln, b.site AS bs, b.c AS bc, b.s AS bsum,
			z.c AS zc, z.ab AS zab, z.sx AS zsx, z.ls AS zls, z.aa AS zaa, z.k AS zk`
		compare := func(what string) {
			t.Helper()
			byRows := fmt.Sprintf("SELECT %s "+strings.ReplaceAll(joins, "AS OF l.ts", "AS OF "+rowByRow), shown, "labels")
			exec("DROP TABLE IF EXISTS made")
			before := a.Engine().Joined(false)
			exec(fmt.Sprintf("CREATE TABLE made AS SELECT %s "+joins, shown, "labels"))
			if after := a.Engine().Joined(false); after != before || a.Engine().Joined(true) == 0 {
				t.Errorf("%s: %d rows were joined row by row", what, after-before)
			}
			for _, other := range []string{"SELECT * FROM made", fmt.Sprintf("SELECT %s "+joins, shown, "labels")} {
				var differ, all int
				both := fmt.Sprintf("SELECT count(*), (SELECT count(*) FROM made WHERE c > 0 AND zc > 0 AND bc > 0) FROM ((%s EXCEPT ALL %s) UNION ALL (%s EXCEPT ALL %s)) AS d",
					byRows, other, other, byRows)
				if err := conn.QueryRow(ctx, both).Scan(&differ, &all); err != nil {
					t.Fatal(err)
				}
				if differ != 0 || all < 30 {
					t.Errorf("%s: %d rows differ, %d say something", what, differ, all)
				}
			}
		}
		atEachStage(exec, rows, compare)
	})
}
