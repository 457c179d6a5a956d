package sqltests

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// BenchmarkFill is a feature view of four windows that is made over a source which
// already has a million events, of 100,000 users with zipf-like shares, over ten
// minutes and over seven days: from CREATE FEATURE VIEW until it can be read, with
// everything embedded, or the states in a real Redis that FQGW_TEST_REDIS names.
func BenchmarkFill(b *testing.B) {
	const n = 1_000_000
	for _, over := range []string{"10 minutes", "7 days"} {
		b.Run("over="+over, func(b *testing.B) {
			c := app.Throwaway(b.TempDir())
			c.Clock, c.ClockRate = "2026-01-08T12:00:00Z", 0
			if redis := os.Getenv("FQGW_TEST_REDIS"); redis != "" {
				borrow(b, redis)
				c.Online = redis
			}
			err := app.WithApp(b.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
				conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://bench@%s/fqgw?sslmode=disable", a.Addr()))
				if err != nil {
					return err
				}
				defer conn.Close(context.WithoutCancel(ctx))
				for _, sql := range []string{
					"CREATE SOURCE clicks (" + clicksColumns + ") WITH (connector = 'kafka', topic = 'clicks', format = 'json', event_time = 'ts', known_time = 'event_time', partitions = 4)",
					fmt.Sprintf(`INSERT INTO clicks SELECT timestamptz '2026-01-08 12:00Z' - (%d - i) * (interval '%s' / %d), (power(100000, random()))::bigint, 'view', (i %% 500) + 0.25, 'NO'
						FROM generate_series(1, %d) AS i`, n, over, n, n),
					"SELECT fqgw.sync()",
				} {
					if _, err := conn.Exec(ctx, sql); err != nil {
						return err
					}
				}
				b.ResetTimer()
				used := cpu()
				for i := range b.N {
					_, err := conn.Exec(ctx, fmt.Sprintf(`CREATE FEATURE VIEW v%d AS SELECT user_id,
						count(*) OVER m5 AS n_5m, sum(price) OVER m5 AS sum_5m, max(price) OVER m5 AS max_5m,
						count(*) OVER h1 AS n_1h, sum(price) OVER h1 AS sum_1h, max(price) OVER h1 AS max_1h,
						count(*) OVER d1 AS n_1d, sum(price) OVER d1 AS sum_1d, max(price) OVER d1 AS max_1d,
						count(*) OVER d7 AS n_7d, sum(price) OVER d7 AS sum_7d, max(price) OVER d7 AS max_7d
						FROM clicks
						WINDOW m5 AS (PARTITION BY user_id ORDER BY ts RANGE '5 minutes' PRECEDING),
						       h1 AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING),
						       d1 AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING),
						       d7 AS (PARTITION BY user_id ORDER BY ts RANGE '7 days' PRECEDING)`, i))
					if err != nil {
						return err
					}
				}
				b.StopTimer()
				report(b, n, cpu()-used)
				m, err := metrics(a.AdminAddr())
				if err != nil {
					return err
				}
				b.ReportMetric(m["fqgw_stream_flush_bytes_total"]/float64(b.N)/n, "flushed-B/event")
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
