package sqltests

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// TestStoreRefuses: whatever Redis answers instead of doing what it is asked, a
// read has an error that says why, the stream has it in its status, and when it is
// over all goes on by itself and nothing is missing.
func TestStoreRefuses(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	c := app.Throwaway(filepath.Join(t.TempDir(), "data"))
	c.Log, c.Online = "error", "redis://"+m.Addr()
	err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		defer m.SetError("")
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for _, sql := range []string{
			`CREATE SOURCE e (id bigint NOT NULL, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e', format = 'json', event_time = 'at')`,
			`CREATE FEATURE VIEW counts AS SELECT id, count(*) OVER d AS n FROM e WINDOW d AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING)`,
			`INSERT INTO e VALUES (1, now())`,
			`SELECT fqgw.sync()`,
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		want := int64(1)
		read := func() (n int64, err error) {
			err = conn.QueryRow(ctx, `SELECT n FROM counts WHERE id = 1`).Scan(&n)
			return n, err
		}
		for _, r := range []struct{ reply, reason, code string }{
			{"LOADING Redis is loading the dataset in memory", "LOADING", "08006"},
			{"READONLY You can't write against a read only replica.", "READONLY", "08006"},
			{"OOM command not allowed when used memory > 'maxmemory'.", "out of memory", "53200"},
			{"NOAUTH Authentication required.", "refuses the user or password", "28P01"},
			{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", "cannot write to its disk", "58030"},
			{"MOVED 3999 127.0.0.1:6381", "is a Redis Cluster", "08006"},
			{"BUSY Redis is busy running a script.", "BUSY", "08006"},
		} {
			m.SetError(r.reply)
			var e *pgconn.PgError
			if _, err := read(); !errors.As(err, &e) || e.Code != r.code || !strings.Contains(e.Message, r.reason) {
				t.Errorf("%s: a read: %v, want %s", r.reply, err, r.code)
			}
			if _, err := conn.Exec(ctx, `INSERT INTO e VALUES (1, now())`); err != nil {
				t.Errorf("%s: INSERT: %v", r.reply, err)
			}
			want++
			err := eventually(func() bool {
				var paused string
				err := conn.QueryRow(ctx, `SELECT coalesce(min(paused), '') FROM fqgw.stream_status`).Scan(&paused)
				return err == nil && strings.Contains(paused, r.reason)
			})
			if err != nil {
				t.Errorf("%s: the status does not say it: %v", r.reply, err)
			}
			m.SetError("")
			if err := eventually(func() bool { n, err := read(); return err == nil && n == want }); err != nil {
				n, err := read()
				t.Fatalf("%s: afterwards %d, %v; want %d", r.reply, n, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
