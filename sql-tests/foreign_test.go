package sqltests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// TestForeignRestart: sources that others write come back with the columns that they
// had, and their views with what was written while nobody looked. Files may lie in
// a folder that was allowed, and not once it is no longer.
func TestForeignRestart(t *testing.T) {
	dir, allowed := filepath.Join(t.TempDir(), "data"), t.TempDir()
	write := func(name, rows string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(allowed, name), []byte("who,n,at\n"+rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := app.Throwaway(dir)
	c.Log, c.Clock, c.ClockRate, c.AllowFiles = "error", "2024-07-01 11:00Z", 0, allowed
	with := func(f func(ctx context.Context, conn *pgx.Conn)) {
		t.Helper()
		err := app.WithApp(t.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
			conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			f(ctx, conn)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(ctx context.Context, conn *pgx.Conn, statements ...string) {
		t.Helper()
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	check := func(ctx context.Context, conn *pgx.Conn, files, lake int64) {
		t.Helper()
		for sql, want := range map[string]int64{"SELECT n FROM sums WHERE who = 'a'": files, "SELECT n FROM sums AS OF now() WHERE who = 'a'": files,
			"SELECT n FROM counts WHERE who = 'a'": lake, "SELECT n FROM counts AS OF now() WHERE who = 'a'": lake} {
			var got int64
			if err := conn.QueryRow(ctx, sql).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %d, %v; want %d", sql, got, err, want)
			}
		}
	}
	write("1.csv", "a,1,2024-07-01 10:30Z\n")
	with(func(ctx context.Context, conn *pgx.Conn) {
		exec(
			ctx,
			conn,
			"CREATE TABLE t (who text, at timestamptz)",
			"INSERT INTO t VALUES ('a', '2024-07-01 10:30Z')",
			fmt.Sprintf("CREATE SOURCE f WITH (connector = 'files', path = '%s/*.csv', event_time = 'at')", allowed),
			"CREATE SOURCE i WITH (connector = 'iceberg', table = 'lake.t', event_time = 'at')",
			"CREATE FEATURE VIEW sums AS SELECT who, sum(n) OVER w AS n FROM f WINDOW w AS (PARTITION BY who ORDER BY at RANGE '1 hour' PRECEDING)",
			"CREATE FEATURE VIEW counts AS SELECT who, count(*) OVER w AS n FROM i WINDOW w AS (PARTITION BY who ORDER BY at RANGE '1 hour' PRECEDING)",
		)
		check(ctx, conn, 1, 1)
		exec(ctx, conn, "INSERT INTO t VALUES ('a', '2024-07-01 10:31Z')")
	})
	write("2.csv", "a,10,2024-07-01 10:40Z\n")
	with(func(ctx context.Context, conn *pgx.Conn) {
		exec(ctx, conn, "SELECT fqgw.sync()")
		check(ctx, conn, 11, 2)
	})
	c.AllowFiles = ""
	with(func(ctx context.Context, conn *pgx.Conn) {
		var n int64
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM f").Scan(&n); err == nil {
			t.Error("a folder that is not allowed any more was read")
		}
	})
}
