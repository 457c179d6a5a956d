package sqltests

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// TestColumnsShapes: spines of every origin, inner joins, further conditions, defaults, and
// what a query asks of the joined columns go by columns, with the bytes that they have row
// by row, to a client, to a table and in a join above.
func TestColumnsShapes(t *testing.T) {
	withSession(t, func(ctx context.Context, a *app.App, conn *pgx.Conn, exec func(sql string)) {
		exec(`CREATE SOURCE ev (k bigint, site text, a int, x double precision, n numeric(12,2), ts timestamptz NOT NULL)
			WITH (connector = 'kafka', topic = 'ev', format = 'json', event_time = 'ts', known_time = 'event_time')`)
		exec(`CREATE FEATURE VIEW v WITH (max_age = '20 days') AS SELECT DISTINCT ON (k) k, site, x, n, COALESCE(x, -1.5) AS dx, COALESCE(site, 'none') AS ds FROM ev ORDER BY k, ts DESC`)
		exec(`CREATE FEATURE VIEW s AS SELECT DISTINCT ON (site, k) site, k, x FROM ev ORDER BY site, k, ts DESC`)
		exec(`CREATE FEATURE VIEW w AS SELECT k, count(*) OVER d AS c, COALESCE(sum(a) OVER d, 0) AS sa, avg(a) OVER d AS aa, COALESCE(avg(a) OVER d, 0.5) AS da, max(x) OVER d AS mx,
			COALESCE(last_value(site) OVER d, '?') AS ls FROM ev WINDOW d AS (PARTITION BY k ORDER BY ts RANGE '3 days' PRECEDING)`)
		rows := func(from int) string {
			return fmt.Sprintf(`INSERT INTO ev SELECT i %% 17, CASE WHEN i %% 4 > 0 THEN 's' || i %% 5 END, i %% 100 - 50, CASE WHEN i %% 7 > 0 THEN i / 8.0 END, CASE WHEN i %% 3 > 0 THEN i * 1.25 END,
				timestamptz '2024-01-01 00:00Z' + i * interval '1 hour' FROM generate_series(%d, %d) AS i`, from, from+999)
		}
		exec(rows(0))
		exec(`CREATE TABLE labels (id bigint, k bigint, site text, amount numeric(12,2), ts timestamptz)`)
		exec(`INSERT INTO labels SELECT i, CASE WHEN i % 11 > 0 THEN i % 19 END, 's' || i % 6, CASE WHEN i % 5 > 0 THEN i * 0.25 END,
			CASE WHEN i % 13 > 0 THEN timestamptz '2023-12-30 00:00Z' + i * interval '2 hours' END FROM generate_series(0, 799) AS i`)
		exec(`CREATE TEMP TABLE spine (id bigint, k bigint, site text, amount numeric(12,2), ts timestamptz)`)
		exec(`INSERT INTO spine SELECT id, k, site, COALESCE(amount, 'NaN'), ts FROM labels`)
		const vw = " JOIN v AS OF l.ts AS x ON x.k = l.k LEFT JOIN w AS OF l.ts AS y ON y.k = l.k"
		queries := []string{
			// Spines.
			"SELECT l.*, x.*, y.c, y.aa FROM spine AS l LEFT" + vw,
			"SELECT l.*, x.*, y.c, y.aa FROM (SELECT id * 2 AS id, k + 0 AS k, ts, amount FROM labels WHERE id % 3 = 0) AS l LEFT" + vw,
			"SELECT l.*, x.x, y.c FROM (SELECT k, max(ts) AS ts, count(*) AS n FROM labels GROUP BY k ORDER BY k) AS l LEFT" + vw,
			"SELECT l.*, x.x, y.c FROM (VALUES (1::bigint, timestamptz '2024-01-10 00:00Z'), (2, '2024-01-12 00:00Z'), (NULL, '2024-01-12 00:00Z'), (3, NULL)) AS l(k, ts) LEFT" + vw,
			"SELECT l.*, x.x, y.c FROM unnest(ARRAY[1, 2, 3, 99]::bigint[], ARRAY['2024-01-10 00:00Z', '2024-01-12 00:00Z', NULL, '2024-01-14 00:00Z']::timestamptz[]) AS l(k, ts) LEFT" + vw,
			"WITH l AS MATERIALIZED (SELECT * FROM labels WHERE amount > 20) SELECT l.id, x.x, y.c FROM l LEFT" + vw,
			"SELECT l.*, x.x, y.sa FROM (SELECT *, ARRAY[id, NULL] AS ids, interval '1 month' AS i FROM labels) AS l LEFT" + vw,
			// Inner joins, alone and among others.
			"SELECT l.id, x.*, y.* FROM labels AS l" + vw,
			"SELECT l.id, x.*, y.* FROM labels AS l" + strings.Replace(vw, "LEFT JOIN", "JOIN", 1),
			"SELECT l.id, z.x, y.c FROM labels AS l JOIN w AS OF l.ts AS y ON y.k = l.k JOIN s AS OF l.ts AS z ON z.k = l.k AND z.site = l.site",
			"SELECT l.id, z.x, y.c FROM labels AS l JOIN s AS OF l.ts AS z ON z.k = l.k AND z.site = l.site LEFT JOIN w AS OF l.ts AS y ON y.k = l.k",
			"SELECT l.id FROM labels AS l JOIN v AS OF l.ts AS x ON x.k = l.k",
			// Further conditions.
			"SELECT l.id, x.*, y.* FROM labels AS l LEFT" + strings.Replace(vw, "x.k = l.k", "x.k = l.k AND x.x > l.id / 20.0 AND x.site <> l.site", 1),
			"SELECT l.id, x.*, y.* FROM labels AS l" + vw + " AND (y.c > 3 OR y.ls = '?')",
			"SELECT l.id, y.* FROM labels AS l JOIN w AS OF l.ts AS y ON y.k = l.k AND y.c > 3 AND l.amount > 20",
			"SELECT l.id, x.site, s.x FROM labels AS l LEFT JOIN v AS OF l.ts AS x ON x.k = l.k LEFT JOIN s AS OF l.ts AS s ON s.k = l.k AND s.site = x.ds AND x.n > 100",
			// What is asked of the joined columns.
			"SELECT l.id, x.x, y.c FROM labels AS l LEFT" + vw + " WHERE x.x > 20 AND y.c BETWEEN 1 AND 5",
			"SELECT l.id, x.x * 2 + y.c AS e, upper(x.site), COALESCE(x.x, y.mx, 0), y.aa / 3 FROM labels AS l LEFT" + vw + " WHERE x.site IS DISTINCT FROM 's1'",
			"SELECT l.id, x.x, y.sa FROM labels AS l LEFT" + vw + " WHERE l.id % 2 = 0 LIMIT 100 OFFSET 7",
			"SELECT l.id, x.x, y.aa FROM labels AS l LEFT" + vw + " WHERE y.c > 0 ORDER BY y.aa DESC, l.id LIMIT 50",
			"SELECT x.site, count(*), sum(y.sa), avg(x.x) FROM labels AS l LEFT" + vw + " GROUP BY x.site ORDER BY 1",
			"SELECT j.e, v.x FROM (SELECT l.k, l.ts, x.x + 1 AS e, x.ds FROM labels AS l" + vw + " WHERE y.c > 2) AS j LEFT JOIN v AS OF j.ts AS v ON v.k = j.k AND v.ds = j.ds",
			"SELECT l.id, (SELECT count(*) FROM spine WHERE spine.k = x.k AND spine.id < 50) AS n FROM labels AS l LEFT" + vw + " WHERE l.id < 40",
		}
		// A table's columns have different names, and types that it knows.
		distinct := strings.NewReplacer("l.*", "l.k AS lk", "x.*", "x.x, x.ds, x.dx, x.n", "y.*", "y.c, y.sa, y.da, y.ls", "upper(x.site)", "upper(x.site) AS u",
			"0), y.aa / 3", "0) AS o, y.aa / 3 AS third", "site, count(*), sum(y.sa), avg(x.x)", "site, count(*) AS rows, sum(y.sa) AS sum, avg(x.x) AS avg", "l.id, x.site, s.x", "l.id, x.site, s.x AS sx")
		times := strings.NewReplacer("AS OF l.ts", "AS OF "+rowByRow, "AS OF j.ts", "AS OF j.ts + interval '0'")
		// How often features were served AS OF a time, by status.
		served := func(sql string) (n [fqgw.StatusTimeout + 1]uint64) {
			for status := range n {
				n[status] = -a.Engine().Served(true, fqgw.Status(status))
			}
			exec(sql)
			for status := range n {
				n[status] += a.Engine().Served(true, fqgw.Status(status))
			}
			return n
		}
		atEachStage(exec, rows, func(stage string) {
			for _, sql := range queries {
				byColumns, before := a.Engine().Joined(true), a.Engine().Joined(false)
				exec("DROP TABLE IF EXISTS made")
				exec("CREATE TABLE made AS " + distinct.Replace(sql))
				counts := served(sql)
				odd := strings.Contains(sql, "ARRAY[id") // the spine has types that no batch has
				if after := a.Engine().Joined(false); (after != before) != odd || (a.Engine().Joined(true) != byColumns) == odd {
					t.Errorf("%s: %s: %d rows were joined by columns, %d row by row", stage, sql, a.Engine().Joined(true)-byColumns, after-before)
				}
				before = a.Engine().Joined(false)
				boxed := times.Replace(sql)
				// Those that are not shown are counted where there is no row, or not at all.
				if want := served(boxed); counts != want && !strings.Contains(sql, "LIMIT") && !strings.HasPrefix(sql, "SELECT l.id FROM") {
					t.Errorf("%s: %s: statuses %v, want %v", stage, sql, counts, want)
				}
				got := sameAnswers(t, ctx, conn, sql, boxed)
				if len(got["simple"]) == 0 {
					t.Errorf("%s: %s: no rows", stage, sql)
				}
				if a.Engine().Joined(false) == before {
					t.Errorf("%s: %s: nothing is joined row by row", stage, boxed)
				}
				var differ int
				of := distinct.Replace(boxed)
				if err := conn.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM ((TABLE made EXCEPT ALL (%s)) UNION ALL ((%s) EXCEPT ALL TABLE made)) AS d", of, of)).Scan(&differ); err != nil || differ != 0 {
					t.Errorf("%s: %s: %d rows differ in a table, %v", stage, sql, differ, err)
				}
			}
		})
	})
}
