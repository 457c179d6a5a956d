package sqltests

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// generalTables are made by the same statements in both: a million rows, again a
// million in another order, a hundred thousand and a thousand.
var generalTables = []struct{ name, query string }{
	{"big", "SELECT g AS id, mod(g * 7919, 100000)::int AS k, mod(g, 10)::int AS ten, mod(g * 31, 1000)::int AS d, " +
		"mod(g * 7919, 1000003) / 8.0::float8 AS v, 's' || mod(g, 50000) AS s, timestamptz '2024-01-01 00:00Z' + mod(g * 7919, 1000003) * interval '1 second' AS at " +
		"FROM generate_series(1::bigint, 1000000) AS g"},
	{"again", "SELECT mod(g * 7919, 1000003) AS id, mod(g, 1000)::int AS w FROM generate_series(1::bigint, 1000000) AS g"},
	{"mid", "SELECT g AS id, mod(g, 1000)::int AS d FROM generate_series(1::bigint, 100000) AS g"},
	{"dim", "SELECT g::int AS id, 'name ' || g AS name FROM generate_series(0::bigint, 999) AS g"},
}

var generalQueries = []struct{ name, sql string }{
	{"filter-count", "SELECT count(*) FROM big WHERE v < 50000 AND ten <> 3"},
	{"group-10", "SELECT ten, count(*), sum(v), max(at) FROM big GROUP BY ten"},
	{"group-100k", "SELECT k, count(*), sum(v) FROM big GROUP BY k"},
	{"order-limit", "SELECT id, v FROM big ORDER BY v DESC LIMIT 10"},
	{"order-all", "SELECT id, v FROM big ORDER BY v"},
	{"order-text", "SELECT id FROM big ORDER BY s, id"},
	{"distinct-100k", "SELECT DISTINCT k FROM big"},
	{"distinct-1m", "SELECT count(*) FROM (SELECT DISTINCT id, s FROM big) x"},
	{"count-distinct", "SELECT ten, count(DISTINCT k) FROM big GROUP BY ten"},
	{"join-1k", "SELECT d.name, count(*), sum(b.v) FROM big b JOIN dim d ON d.id = b.d GROUP BY d.name"},
	{"join-1m", "SELECT count(*) FROM big b JOIN again a ON a.id = b.id"},
	{"left-join-1m", "SELECT count(a.w) FROM big b LEFT JOIN again a ON a.id = b.id"},
	{"full-join-1m", "SELECT count(*) FROM big b FULL JOIN again a ON a.id = b.id"},
	{"join-chain", "SELECT count(*) FROM big b JOIN big c ON c.k = b.k JOIN mid m ON m.id = b.id JOIN dim d ON d.id = m.d AND d.id < 100"},
	{"not-exists", "SELECT count(*) FROM big b WHERE NOT EXISTS (SELECT FROM again a WHERE a.id = b.id)"},
	{"latest-row", "SELECT count(*) FROM big b WHERE NOT EXISTS (SELECT FROM big n WHERE n.k = b.k AND n.at > b.at)"},
	{"in", "SELECT count(*) FROM big WHERE id IN (SELECT id FROM mid WHERE d < 500)"},
	{"window", "SELECT id, row_number() OVER (PARTITION BY k ORDER BY at) FROM big"},
	{"window-sum", "SELECT id, sum(v) OVER (PARTITION BY ten ORDER BY at ROWS 9 PRECEDING) FROM big"},
	{"union", "SELECT count(*) FROM (SELECT id FROM big UNION SELECT id FROM again) x"},
}

// BenchmarkGeneralSQL runs the queries of dashboards over a million rows, in the
// gateway's lake and in the tables of the PostgreSQL that FQGW_TEST_POSTGRES names: it
// runs on this machine, and its user may read files of it. "cpu-ms" is the CPU time of a
// query, "of-postgres" its ratio to what PostgreSQL's process took in the same run, one
// process with a gigabyte of work_mem. What the client takes, in this process too, is
// what it takes for PostgreSQL's rows, and not counted.
func BenchmarkGeneralSQL(b *testing.B) {
	address := os.Getenv("FQGW_TEST_POSTGRES")
	if address == "" {
		b.Skip("FQGW_TEST_POSTGRES names no PostgreSQL")
	}
	pg := general(b, address, "SET max_parallel_workers_per_gather = 0; SET jit = off; SET work_mem = '1GB'; SET TimeZone = 'UTC'; SET client_min_messages = error")
	for _, t := range generalTables {
		generalExec(b, pg, "DROP TABLE IF EXISTS "+t.name)
	}
	c := app.Throwaway(b.TempDir())
	err := app.WithApp(b.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		own := general(b, fmt.Sprintf("postgres://bench@%s/fqgw?sslmode=disable", a.Addr()), "SET TimeZone = 'UTC'")
		for _, t := range generalTables {
			for _, conn := range []*pgconn.PgConn{pg, own} {
				generalExec(b, conn, "CREATE TABLE "+t.name+" AS "+t.query)
			}
			generalExec(b, pg, "VACUUM ANALYZE "+t.name)
		}
		for _, q := range generalQueries {
			b.Run(q.name, func(b *testing.B) {
				var theirs, ours []time.Duration
				for range b.N {
					used, before := cpu(), backendTime(b, pg)
					want := generalExec(b, pg, q.sql)
					client := cpu() - used
					theirs = append(theirs, backendTime(b, pg)-before)
					used = cpu()
					if got := generalExec(b, own, q.sql); got != want {
						b.Fatalf("%d rows, PostgreSQL has %d", got, want)
					}
					ours = append(ours, cpu()-used-client)
				}
				slices.Sort(theirs)
				slices.Sort(ours)
				median := b.N / 2
				b.ReportMetric(float64(ours[median].Microseconds())/1000, "cpu-ms")
				b.ReportMetric(float64(theirs[median].Microseconds())/1000, "postgres-ms")
				b.ReportMetric(float64(ours[median])/float64(theirs[median]), "of-postgres")
				b.ReportMetric(0, "ns/op")
			})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range generalTables {
		generalExec(b, pg, "DROP TABLE "+t.name)
	}
}

// general is a connection after a statement.
func general(b *testing.B, url, first string) *pgconn.PgConn {
	conn, err := pgconn.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	generalExec(b, conn, first)
	return conn
}

// generalExec runs SQL and throws its rows away; how many they were.
func generalExec(b *testing.B, conn *pgconn.PgConn, sql string) (rows int) {
	results := conn.Exec(b.Context(), sql)
	for results.NextResult() {
		r := results.ResultReader()
		for r.NextRow() {
			rows++
		}
	}
	if err := results.Close(); err != nil {
		b.Fatal(sql, err)
	}
	return rows
}

// backendTime is the CPU time that a connection's process has taken.
func backendTime(b *testing.B, conn *pgconn.PgConn) time.Duration {
	res, err := conn.Exec(b.Context(), "SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)").ReadAll()
	if err != nil {
		b.Fatal(err)
	}
	var ns int64
	if _, err := fmt.Sscan(string(res[0].Rows[0][0]), &ns); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ns)
}
