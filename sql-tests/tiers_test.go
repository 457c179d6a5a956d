package sqltests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/embedded"
)

// emptyRedis is the URL of a Redis without keys: a database of the one of
// FQGW_TEST_REDIS that no other test has, which is emptied again, or an embedded one.
func emptyRedis(t *testing.T) string {
	t.Helper()
	named := os.Getenv("FQGW_TEST_REDIS")
	if named == "" {
		r, err := embedded.StartRedis(embedded.RedisOptions{Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return "redis://" + r.Addr
	}
	u, err := url.Parse(named)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/5"
	o, err := redis.ParseURL(u.String())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	if n, err := c.DBSize(t.Context()).Result(); err != nil || n > 0 {
		t.Fatalf("database 5 of the Redis of FQGW_TEST_REDIS must be empty; it has %d keys, %v", n, err)
	}
	t.Cleanup(func() {
		c.FlushDB(context.Background())
		c.Close()
	})
	return u.String()
}

// TestCrashCold is TestCrash where Redis outlives fqgw, and what can go to the lake is sent
// there again and again. The answers, and the states when
// reads have brought them back, are those of an undisturbed run that keeps all.
func TestCrashCold(t *testing.T) {
	ctx := t.Context()
	begun := time.Now()
	want := undisturbed(t, ctx)
	took := time.Since(begun)
	for round, fault := range []string{"mid-flush:5", "", "after-flush:6"} {
		t.Run(fmt.Sprintf("%d %s", round, fault), func(t *testing.T) {
			run := crashRun{cold: crashUsers, beside: vacuums, options: []string{"-redis", emptyRedis(t), "-shards", "64"}}
			for _, sql := range crashDefinitions {
				run.definitions = append(run.definitions, strings.Replace(sql, "sums AS SELECT", "sums WITH (retain = '1 second') AS SELECT", 1))
			}
			crashRound(t, ctx, fault, want, took, run)
		})
	}
}

// vacuums sends what is cold to the lake again and again, until ctx ends or p dies.
func vacuums(ctx context.Context, p *process) {
	for ctx.Err() == nil {
		conn, err := p.connect(ctx)
		if err != nil {
			return
		}
		for err == nil && ctx.Err() == nil {
			_, err = conn.Exec(ctx, "VACUUM tap_sums")
			time.Sleep(20 * time.Millisecond)
		}
		conn.Close(context.WithoutCancel(ctx))
	}
}

// TestColdReal gives the same events at the same times to a gateway that sends all it can
// to the lake again and again, over a real Redis where FQGW_TEST_REDIS names one, and to
// one that keeps all. Every read says the same, text for text.
func TestColdReal(t *testing.T) {
	begin := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var conns [2]*pgx.Conn
	exec := func(sql string, args ...any) {
		t.Helper()
		for i, conn := range conns {
			if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
				t.Fatalf("gateway %d: %s: %v", i, sql, err)
			}
		}
	}
	run := func(ctx context.Context, _ *app.App) error {
		exec(`CREATE SOURCE ev (k int, n bigint, x double precision, note text, ts timestamptz NOT NULL)
			WITH (connector = 'kafka', topic = 'ev', format = 'json', event_time = 'ts', partitions = 3)`)
		for i, with := range []string{"WITH (retain = '1 second')", ""} {
			for _, sql := range []string{`CREATE FEATURE VIEW sums WITHOUT AS SELECT k, count(*) OVER h AS n, sum(x) FILTER (WHERE n > 3) OVER d AS total,
				stddev_samp(x) OVER d AS dev, approx_percentile(x, 0.5) OVER e AS half, last_value(note) OVER d AS last, approx_count_distinct(note) OVER e AS notes
				FROM ev WHERE n >= 0 WINDOW h AS (PARTITION BY k ORDER BY ts RANGE '1 hour' PRECEDING), d AS (PARTITION BY k ORDER BY ts RANGE '1 day' PRECEDING),
				e AS (PARTITION BY k ORDER BY ts)`,
				`CREATE FEATURE VIEW newest WITHOUT AS SELECT DISTINCT ON (k) k, n, x, note FROM ev WHERE n <> 5 ORDER BY k, ts DESC`} {
				if _, err := conns[i].Exec(ctx, strings.Replace(sql, "WITHOUT", with, 1)); err != nil {
					return err
				}
			}
		}
		r := rand.New(rand.NewPCG(5, 6))
		now, went, read := begin, 0, 0
		for step := range 60 {
			var rows []string
			for range r.IntN(60) {
				at := now.Add(-time.Duration(r.ExpFloat64() * float64(2*time.Hour)))
				rows = append(rows, fmt.Sprintf("(%d, %d, %g, repeat('%c', %d), '%s')", r.IntN(25), r.IntN(9)-1, r.NormFloat64(), 'a'+rune(r.IntN(26)),
					1+r.IntN(200), at.Format(time.RFC3339Nano)))
			}
			if len(rows) > 0 {
				exec("INSERT INTO ev VALUES " + strings.Join(rows, ", "))
			}
			if r.IntN(3) > 0 {
				exec("SELECT fqgw.sync()")
				if r.IntN(4) == 0 {
					exec("VACUUM ev") // history in runs
				}
				exec("VACUUM sums, newest")
			}
			exec("SELECT fqgw.sync()")
			keys := r.Perm(25)[:r.IntN(6)]
			var got [2]string
			for i, conn := range conns {
				err := conn.QueryRow(ctx, `SELECT coalesce(string_agg(concat_ws('|', k.k, s, feature_status(s.n), feature_time(s.total), w, feature_status(w.note)), e'\n' ORDER BY k.k), '')
					FROM unnest($1::int[]) k(k) LEFT JOIN sums s ON s.k = k.k LEFT JOIN newest w ON w.k = k.k`, keys).Scan(&got[i])
				if err != nil {
					return fmt.Errorf("step %d, gateway %d: %w", step, i, err)
				}
			}
			if read += len(keys); got[0] != got[1] {
				t.Fatalf("step %d, at %s:\n%s\nwant\n%s", step, now, got[0], got[1])
			}
			pause := time.Duration(r.IntN(90)) * time.Minute
			now = now.Add(pause)
			exec("SELECT fqgw.advance($1::text::interval)", pause.String())
		}
		if err := conns[0].QueryRow(ctx, "SELECT sum(went) FROM fqgw.tiers").Scan(&went); err != nil {
			return err
		}
		if went < 100 || read < 50 {
			t.Errorf("%d entities went to the lake and %d were read: the test says little", went, read)
		}
		return nil
	}
	for i := range conns {
		inner, n := run, i
		run = func(ctx context.Context, _ *app.App) error {
			c := app.Throwaway(t.TempDir())
			c.Clock, c.ClockRate = begin.Format(time.RFC3339), 0
			if n == 0 {
				c.Online, c.Shards = emptyRedis(t), 16
			}
			return app.WithApp(ctx, c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) (err error) {
				if conns[n], err = pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable", a.Addr())); err != nil {
					return err
				}
				defer conns[n].Close(context.WithoutCancel(ctx))
				return inner(ctx, a)
			})
		}
	}
	if err := run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}
