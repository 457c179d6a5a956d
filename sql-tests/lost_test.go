package sqltests

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/embedded"
)

// TestStoreLostUnderReaders flushes Redis while the view is read: each read gives
// the right value or says that the view is being filled, whether the stream has
// noticed or not.
func TestStoreLostUnderReaders(t *testing.T) {
	r, err := embedded.StartRedis(embedded.RedisOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer client.Close()
	c := app.Throwaway(filepath.Join(t.TempDir(), "data"))
	c.Log, c.Online = "error", "redis://"+r.Addr
	err = app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for _, sql := range []string{
			`CREATE SOURCE e (id bigint NOT NULL, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e', format = 'json', event_time = 'at')`,
			`CREATE FEATURE VIEW counts AS SELECT id, count(*) OVER d AS n FROM e WINDOW d AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING)`,
			`INSERT INTO e SELECT g % 100, now() FROM generate_series(1, 20000) g`,
			`SELECT fqgw.sync()`,
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		for _, read := range []string{
			`SELECT coalesce(sum(f.n), 0)::bigint FROM (VALUES (7)) r(id) LEFT JOIN counts f ON f.id = r.id`,
			`SELECT coalesce(sum(n), 0)::bigint FROM counts WHERE id IN (3)`,
			`SELECT coalesce(sum(n), 0)::bigint / 100 FROM counts`,
		} {
			if err := client.FlushAll(ctx).Err(); err != nil {
				return err
			}
			refused, noticed := 0, false
			value := func() (n int64, err error) {
				err = conn.QueryRow(ctx, read).Scan(&n)
				var e *pgconn.PgError
				if err == nil && n != 200 {
					t.Fatalf("%s: after %d refusals: %d, want 200", read, refused, n)
				}
				if errors.As(err, &e) && e.Code == string(fqgw.CodeNotInState) {
					refused++
					return 0, nil
				}
				return n, err
			}
			if n, err := value(); err != nil || n != 0 {
				return fmt.Errorf("%s: of a lost store: %d, %v", read, n, err)
			}
			err := eventually(func() bool {
				n, err := value()
				if err != nil {
					t.Errorf("%s: %v", read, err)
				}
				if !noticed { // a flush meets what is there
					noticed = true
					if _, err := conn.Exec(ctx, `INSERT INTO e VALUES (-1, now())`); err != nil {
						t.Error(err)
					}
				}
				return n == 200 || t.Failed()
			})
			if err != nil {
				return fmt.Errorf("%s: %w", read, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
