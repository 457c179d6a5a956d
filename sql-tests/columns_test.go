package sqltests

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// rowByRow makes the times of a spine in a way that no join by columns takes.
const rowByRow = "l.ts + interval '0'"

// TestByColumns: a training set goes by columns from its table to the file, and says
// what the same join says row by row.
func TestByColumns(t *testing.T) {
	withSession(t, func(ctx context.Context, a *app.App, conn *pgx.Conn, exec func(sql string)) {
		exec(`CREATE SOURCE ev (k bigint, site text, x double precision, n numeric(12,2), ok boolean, ts timestamptz NOT NULL)
			WITH (connector = 'kafka', topic = 'ev', format = 'json', event_time = 'ts', known_time = 'event_time')`)
		exec(`CREATE FEATURE VIEW v WITH (max_age = '40 days') AS SELECT DISTINCT ON (k) k, site, x, n, ok FROM ev ORDER BY k, ts DESC`)
		exec(`CREATE FEATURE VIEW w AS SELECT DISTINCT ON (site, k) site, k, x, x * 2 AS twice FROM ev ORDER BY site, k, ts DESC`)
		rows := func(from int) string {
			return fmt.Sprintf(`INSERT INTO ev SELECT i %% 37, 's' || i %% 5, CASE WHEN i %% 7 > 0 THEN i / 8.0 END, CASE WHEN i %% 3 > 0 THEN i * 1.25 END, i %% 2 = 0,
				timestamptz '2024-01-01 00:00Z' + i * interval '1 hour' FROM generate_series(%d, %d) AS i`, from, from+999)
		}
		exec(rows(0))
		exec(`CREATE TABLE labels (id bigint, k bigint, site text, ts timestamptz)`)
		exec(`INSERT INTO labels SELECT i, CASE WHEN i % 11 > 0 THEN i % 41 END, 's' || i % 6, CASE WHEN i % 13 > 0 THEN timestamptz '2023-12-30 00:00Z' + i * interval '97 minutes' END
			FROM generate_series(0, 2999) AS i`)
		const joins = `FROM %s AS l LEFT JOIN v AS OF l.ts AS a ON a.k = l.k LEFT JOIN w AS OF l.ts AS b ON b.k = l.k AND b.site = l.site
			LEFT JOIN v AS OF timestamptz '2024-01-20 00:00Z' AS c ON c.k = l.k`
		inRows := strings.NewReplacer("AS OF l.ts", "AS OF "+rowByRow, "00:00Z'", "00:00Z' + l.id * interval '0'").Replace(joins)
		shown := "l.id, l.ts, a.k, a.site, a.x, a.n, a.ok, b.site AS bs, b.x AS bx, c.n AS cn"
		counts := func() (columns, rows uint64) { return a.Engine().Joined(true), a.Engine().Joined(false) }
		compare := func(what string) {
			t.Helper()
			_, before := counts()
			exec(fmt.Sprintf("DROP TABLE IF EXISTS made; CREATE TABLE made AS SELECT %s "+joins, shown, "labels"))
			exec(fmt.Sprintf("COPY (SELECT %s "+joins+") TO 'set.parquet' (FORMAT parquet)", shown, "labels"))
			if _, after := counts(); after != before {
				t.Errorf("%s: %d rows were joined row by row", what, after-before)
			}
			columns, _ := counts()
			byRows := fmt.Sprintf("SELECT %s "+inRows, shown, "labels")
			// Of a spine that is a query, or a temporary table, the rows come one by one first.
			spine := fmt.Sprintf("SELECT %s "+joins, shown, "(SELECT id + 0 AS id, k, site, ts FROM labels)")
			exec("DROP TABLE IF EXISTS temporary; CREATE TEMP TABLE temporary (id bigint, k bigint, site text, ts timestamptz)")
			exec("INSERT INTO temporary SELECT * FROM labels")
			temporary := fmt.Sprintf("SELECT %s "+joins, shown, "temporary")
			for _, other := range []string{"SELECT * FROM made", spine, temporary, byRows} {
				var differ int
				both := fmt.Sprintf("SELECT count(*) FROM ((%s EXCEPT ALL %s) UNION ALL (%s EXCEPT ALL %s)) AS d", byRows, other, other, byRows)
				if err := conn.QueryRow(ctx, both).Scan(&differ); err != nil {
					t.Fatal(err)
				}
				if differ != 0 {
					t.Errorf("%s: %d rows differ", what, differ)
				}
			}
			_, before = counts()
			exec(spine)
			exec(temporary)
			if _, after := counts(); columns == 0 || after != before {
				t.Errorf("%s: %d rows were joined by columns, %d row by row", what, columns, after-before)
			}
			if exec(byRows); a.Engine().Joined(false) != before+3*3000 {
				t.Errorf("%s: what is to be joined row by row is not", what)
			}
		}
		atEachStage(exec, rows, compare)
	})
}

// Columns of joins lie outside of Go's heap, where nobody finds what was forgotten: they
// are given back however the statement ends.
func TestColumnsAreGivenBack(t *testing.T) {
	withSession(t, func(ctx context.Context, a *app.App, conn *pgx.Conn, exec func(sql string)) {
		exec(`CREATE SOURCE ev (k bigint, x double precision, ts timestamptz NOT NULL)
			WITH (connector = 'kafka', topic = 'ev', format = 'json', event_time = 'ts', known_time = 'event_time')`)
		exec(`CREATE FEATURE VIEW v AS SELECT DISTINCT ON (k) k, x FROM ev ORDER BY k, ts DESC`)
		exec(`INSERT INTO ev SELECT i % 37, i / 8.0, timestamptz '2024-01-01 00:00Z' + i * interval '1 hour' FROM generate_series(0, 999) AS i`)
		exec(`CREATE TABLE labels AS SELECT i AS id, (i % 41)::bigint AS k, timestamptz '2024-01-01 00:00Z' + i * interval '3 minutes' AS ts FROM generate_series(0, 19999) AS i`)
		exec("SELECT fqgw.sync()")
		exec("VACUUM")
		join := "SELECT l.id%s, a.x, b.x AS y FROM labels AS l LEFT JOIN v AS OF l.ts AS a ON a.k = l.k LEFT JOIN v AS OF l.ts AS b ON b.k = l.k"
		whole := fmt.Sprintf(join, "")
		var most atomic.Int64
		go func() {
			for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
				most.Store(max(most.Load(), a.Engine().ColumnBytes()))
			}
		}()
		for _, sql := range []string{
			"COPY (" + whole + ") TO 'a.parquet' (FORMAT parquet)",
			"COPY (" + whole + ") TO '/nowhere/a.parquet' (FORMAT parquet)",
			"CREATE TABLE made AS " + whole,
			"CREATE TABLE made AS " + whole,
			whole,
			whole + " LIMIT 3",
			fmt.Sprintf(join, ", 1 / (l.id - 15000)"),
			"SELECT sum(x), sum(y) FROM (" + whole + ") AS j",
		} {
			if rows, err := conn.Query(ctx, sql); err == nil {
				rows.Next()
				rows.Close()
			}
			held := int64(1)
			for until := time.Now().Add(time.Minute); held > 0 && time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
				held = a.Engine().ColumnBytes()
			}
			if held > 0 {
				t.Errorf("%s: %d bytes are not given back", sql, held)
			}
		}
		if most.Load() == 0 {
			t.Error("no column lay outside of the heap")
		}
	})
}

// withSession runs f against a gateway of its own over one session; exec runs statements,
// of which none may fail.
func withSession(t *testing.T, f func(ctx context.Context, a *app.App, conn *pgx.Conn, exec func(sql string))) {
	t.Helper()
	err := app.WithApp(t.Context(), app.Throwaway(t.TempDir()), nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=simple_protocol", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		f(ctx, a, conn, func(sql string) {
			t.Helper()
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// atEachStage compares while the history, whose first 1,000 rows are inserted, is fresh,
// while it is a run, and while 1,000 rows more are beside that.
func atEachStage(exec func(sql string), rows func(from int) string, compare func(stage string)) {
	exec("SELECT fqgw.sync()")
	compare("fresh")
	exec("VACUUM")
	compare("compacted")
	exec(rows(1000))
	exec("SELECT fqgw.sync()")
	compare("a run and fresh rows")
}
