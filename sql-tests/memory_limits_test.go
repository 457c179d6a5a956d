package sqltests

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// TestMemoryLimits: what a session keeps is bounded by --session-memory, all of
// them together by --total-memory; a refusal names the limit that was met, and
// takes nothing: when another session goes there is room again.
func TestMemoryLimits(t *testing.T) {
	c := app.Throwaway(t.TempDir())
	c.Log, c.Memory, c.Session, c.Total = "error", "8MiB", "8MiB", "21MiB"
	err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		// keep makes a temporary table of about 6 MiB.
		keep := func(conn *pgx.Conn, name string) error {
			_, err := conn.Exec(ctx, "CREATE TEMP TABLE "+name+" AS SELECT repeat('x', 1000) AS s FROM generate_series(1, 5500)")
			return err
		}
		refused := func(err error, option string) {
			t.Helper()
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "53200" || !strings.Contains(pg.Hint, option) {
				t.Errorf("not refused by %s: %v", option, err)
			}
		}
		var all []*pgx.Conn
		for range 3 {
			conn := dial(t, ctx, a.Addr(), "")
			defer conn.Close(context.WithoutCancel(ctx))
			if err := keep(conn, "a"); err != nil {
				return err
			}
			all = append(all, conn)
		}
		refused(keep(all[0], "b"), "--session-memory")
		late := dial(t, ctx, a.Addr(), "")
		defer late.Close(context.WithoutCancel(ctx))
		refused(keep(late, "a"), "--total-memory")
		for _, conn := range append(all, late) { // each goes on
			var n int
			if err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_namespace").Scan(&n); err != nil || n == 0 {
				t.Errorf("%d schemas, %v", n, err)
			}
		}
		if err := all[1].Close(ctx); err != nil {
			return err
		}
		var err error
		for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			if err = keep(late, "a"); err == nil { // the other's end is noticed by then
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLongTexts reads 12 MB of long texts within 64 MiB: they are one row group, and
// one batch, and no more is in hand than they are and what they are made of.
func TestLongTexts(t *testing.T) {
	c := app.Throwaway(t.TempDir())
	c.Log, c.Memory = "error", "64MiB"
	err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn := dial(t, ctx, a.Addr(), "")
		defer conn.Close(context.WithoutCancel(ctx))
		if _, err := conn.Exec(ctx, "CREATE TABLE long AS SELECT repeat(md5(i::text), 3125) AS s FROM generate_series(1, 120) i"); err != nil {
			return err
		}
		var n, most int
		err := conn.QueryRow(ctx, "SELECT count(*), max(length(s)) FROM long").Scan(&n, &most)
		if n != 120 || most != 100_000 {
			t.Errorf("%d texts, the longest has %d characters", n, most)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
