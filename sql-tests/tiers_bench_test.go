package sqltests

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// BenchmarkCold reads entities by key, each once: of which the state is online, and of
// which it is in the lake, with the history in runs and as it landed. An entity has 40
// events and five aggregates over all of them. FQGW_BENCH_ENTITIES says how many there are
// (5,000). The store's bytes are those of keys and values, or used_memory where
// FQGW_TEST_REDIS names a real Redis.
func BenchmarkCold(b *testing.B) {
	entities := 5000
	if n, err := strconv.Atoi(os.Getenv("FQGW_BENCH_ENTITIES")); err == nil {
		entities = n
	}
	c := app.Throwaway(b.TempDir())
	if url := os.Getenv("FQGW_TEST_REDIS"); url != "" {
		c.Online = url
		borrow(b, url)
	}
	c.Clock, c.ClockRate = storm, 0 // so that nothing goes before it shall
	err := app.WithApp(b.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://bench@%s/fqgw?sslmode=disable", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		run := func(sql string, args ...any) {
			if _, err := conn.Exec(ctx, sql, args...); err != nil {
				b.Fatalf("%s: %v", sql, err)
			}
		}
		run("CREATE SOURCE ev (k bigint, price double precision, note text, ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'ev', format = 'json', event_time = 'ts')")
		run(`CREATE FEATURE VIEW spent WITH (retain = '1 hour') AS SELECT k, count(*) OVER w AS n, sum(price) OVER w AS total, avg(price) OVER w AS mean,
			stddev_samp(price) OVER w AS dev, approx_count_distinct(note) OVER w AS notes FROM ev WINDOW w AS (PARTITION BY k ORDER BY ts RANGE '30 days' PRECEDING)`)
		for i := range 40 {
			run("INSERT INTO ev SELECT k, k * 0.37 + $1::int, 'note ' || (k + $1::int) % 50, now() - $1::int * interval '11 hours' FROM generate_series(1, $2::int) k", i, entities)
		}
		run("SELECT fqgw.sync()")
		size := func(when string) {
			var url string
			if err := conn.QueryRow(ctx, "SHOW fqgw.redis").Scan(&url); err != nil {
				b.Fatal(err)
			}
			b.Logf("%s: %d bytes in the online store", when, bytesOf(b, ctx, url, c.Online != "embedded"))
		}
		size("hot")
		read := func(b *testing.B) {
			began, used := time.Now(), cpu()
			for i := range b.N {
				var n int64
				if err := conn.QueryRow(ctx, "SELECT n, total, mean, dev, notes FROM spent WHERE k = $1", int64(i%entities+1)).Scan(&n, nil, nil, nil, nil); err != nil || n != 40 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(time.Since(began).Microseconds())/float64(b.N), "µs/read")
			b.ReportMetric(float64((cpu()-used).Microseconds())/float64(b.N), "cpu-µs/read")
		}
		b.Run("hot", read)
		away := func() {
			run("VACUUM spent")
			run("SELECT fqgw.sync()")
			run("VACUUM spent")
			run("SELECT fqgw.sync()")
		}
		if os.Getenv("FQGW_BENCH_FRESH") == "" {
			run("VACUUM ev")
		}
		run("SELECT fqgw.advance('2 hours')")
		began, used := time.Now(), cpu()
		away()
		var cold int
		if err := conn.QueryRow(ctx, "SELECT cold FROM fqgw.tiers").Scan(&cold); err != nil {
			return err
		}
		b.Logf("%d of %d entities went in %s, %s of CPU", cold, entities, time.Since(began).Round(time.Millisecond), (cpu() - used).Round(time.Millisecond))
		size("cold")
		b.Run("cold", read)
		time.Sleep(time.Second)
		b.Run("warm", read)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// bytesOf is what a Redis holds.
func bytesOf(b *testing.B, ctx context.Context, url string, real bool) (n int64) {
	o, err := redis.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	client := redis.NewClient(o)
	defer client.Close()
	if real {
		n, err := client.InfoMap(ctx, "memory").Result()
		if err != nil {
			b.Fatal(err)
		}
		used, _ := strconv.ParseInt(n["Memory"]["used_memory"], 10, 64)
		return used
	}
	for it := client.Scan(ctx, 0, "fq:*", 1000).Iterator(); it.Next(ctx); {
		n += int64(len(it.Val())) + client.StrLen(ctx, it.Val()).Val()
	}
	return n
}
