package sqltests

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/embedded"
)

// TestDerivedWaits takes the online store away while records pass into a derived source:
// they wait, the status says why, and when the store is back, empty, they see what the
// views have that were filled anew.
func TestDerivedWaits(t *testing.T) {
	redis, err := embedded.StartRedis(embedded.RedisOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if redis != nil {
			redis.Close()
		}
	}()
	c := app.Throwaway(t.TempDir())
	c.Online = "redis://" + redis.Addr
	err = app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for _, sql := range []string{
			"CREATE SOURCE items (item bigint, category text, at timestamptz) WITH (event_time = 'at')",
			"CREATE SOURCE clicks (seq int, item bigint, at timestamptz) WITH (event_time = 'at')",
			"CREATE FEATURE VIEW profile AS SELECT DISTINCT ON (item) item, category FROM items ORDER BY item, at DESC",
			"CREATE SOURCE enriched AS SELECT c.*, p.category FROM clicks AS c LEFT JOIN profile AS p ON p.item = c.item",
			"INSERT INTO items VALUES (1, 'books', now())", "SELECT fqgw.sync()",
			"INSERT INTO clicks VALUES (1, 1, now())", "SELECT fqgw.sync()",
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		_ = redis.Close()
		addr := redis.Addr
		redis = nil
		if _, err := conn.Exec(ctx, "INSERT INTO clicks VALUES (2, 1, now())"); err != nil {
			return err
		}
		why := ""
		for until := time.Now().Add(30 * time.Second); !strings.Contains(why, "deriving: "); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(until) {
				return fmt.Errorf("the status says %q", why)
			}
			why = strings.Join(column(t, ctx, conn, "SELECT COALESCE(paused, '') FROM fqgw.stream_status WHERE source = 'enriched'"), " ")
		}
		if n := column(t, ctx, conn, "SELECT count(*)::text FROM fqgw.sample('enriched')"); n[0] != "1" {
			t.Errorf("%s records have passed", n[0])
		}
		if redis, err = embedded.StartRedis(embedded.RedisOptions{Listen: addr}); err != nil {
			return err
		}
		for until := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			if _, err = conn.Exec(ctx, "SELECT fqgw.sync()"); err == nil || time.Now().After(until) {
				break
			}
		}
		if err != nil {
			return err
		}
		if got := column(t, ctx, conn, "SELECT concat_ws(' ', seq, category) FROM enriched ORDER BY seq"); !slices.Equal(got, []string{"1 books", "2 books"}) {
			t.Errorf("passed are %v", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
