package sqltests

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// BenchmarkDerive has 200,000 clicks land that are there when the clock comes to them, by
// themselves and passed into a source that is derived from theirs: renamed alone, with a
// latest row of 20,000 looked up online, and the same AS OF a past time. Broker, store
// and lake are in the process, and of its CPU.
func BenchmarkDerive(b *testing.B) {
	const n = 200_000
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	recs := clicks(n, start)
	var landed float64
	for _, bench := range []struct {
		name, derived string
		late          string // by how much the records are older than the clock when they pass
	}{
		{"land", "", ""},
		{"rename", "SELECT c.ts, c.user_id AS who, c.kind, c.price, c.country FROM clicks AS c", ""},
		{"look up", "SELECT c.*, p.plan FROM clicks AS c LEFT JOIN profile AS p ON p.user_id = c.user_id", ""},
		{"look up AS OF", "SELECT c.*, p.plan FROM clicks AS c LEFT JOIN profile AS p ON p.user_id = c.user_id", "1 hour"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var used time.Duration
			b.StopTimer()
			b.ResetTimer()
			for range b.N {
				c := app.Throwaway(b.TempDir())
				c.Clock, c.ClockRate = start.Format(time.RFC3339), 0
				err := app.WithApp(b.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
					conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://bench@%s/fqgw?sslmode=disable", a.Addr()))
					if err != nil {
						return err
					}
					defer conn.Close(context.WithoutCancel(ctx))
					run := func(sql ...string) error {
						for _, s := range sql {
							if _, err := conn.Exec(ctx, s); err != nil {
								return fmt.Errorf("%s: %w", s, err)
							}
						}
						return nil
					}
					if err := run("CREATE SOURCE users (user_id bigint, plan text, at timestamptz) WITH (topic = 'users', event_time = 'at', partitions = 4)",
						"CREATE FEATURE VIEW profile AS SELECT DISTINCT ON (user_id) user_id, plan FROM users ORDER BY user_id, at DESC",
						"INSERT INTO users SELECT i, 'p' || i % 7, fqgw.now() FROM generate_series(0, 19999) AS i", "SELECT fqgw.sync()",
						"CREATE SOURCE clicks ("+clicksColumns+") WITH (topic = 'clicks', event_time = 'ts', partitions = 4, max_future = '1 day')"); err != nil {
						return err
					}
					if bench.derived != "" {
						if err := run("CREATE SOURCE derived AS " + bench.derived); err != nil {
							return err
						}
					}
					if _, err := conn.Exec(ctx, "SELECT fqgw.advance('10 minutes')"); err != nil {
						return err
					}
					batch := recs
					if bench.late == "" { // known at the very time of the clock
						batch = append(batch[:0:0], recs...)
						for i := range batch {
							batch[i].Timestamp = start.Add(10 * time.Minute).UnixMicro()
						}
					}
					before := cpu()
					b.StartTimer()
					for len(batch) > 0 {
						m := min(len(batch), 10_000)
						if err := a.Log().Produce(ctx, "clicks", batch[:m]); err != nil {
							return err
						}
						batch = batch[m:]
					}
					err = run("SELECT fqgw.sync()")
					b.StopTimer()
					used += cpu() - before
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			report(b, n, used)
			each := float64(used.Nanoseconds()) / 1000 / n / float64(b.N)
			if bench.derived == "" {
				landed = each
			} else if landed > 0 {
				b.ReportMetric(each/landed, "cpu-of-landing")
			}
		})
	}
}
