package sqltests

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/kafka"
	"github.com/fqgw/fqgw/stream/decode"
)

const clicksColumns = "ts timestamptz NOT NULL, user_id bigint NOT NULL, kind text, price double precision, country text"

// clicksView has count, sum(double) and max over 5 minutes, 1 hour and 1 day.
const clicksView = `SELECT user_id,
       count(*) OVER m5 AS n_5m, sum(price) OVER m5 AS sum_5m, max(price) OVER m5 AS max_5m,
       count(*) OVER h1 AS n_1h, sum(price) OVER h1 AS sum_1h, max(price) OVER h1 AS max_1h,
       count(*) OVER d1 AS n_1d, sum(price) OVER d1 AS sum_1d, max(price) OVER d1 AS max_1d
FROM %s
WINDOW m5 AS (PARTITION BY user_id ORDER BY ts RANGE '5 minutes' PRECEDING),
       h1 AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING),
       d1 AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)`

// clicks are JSON events of about 120 bytes over ten minutes, of 100,000 users
// with zipf-like shares.
func clicks(n int, start time.Time) []fqgw.LogRecord {
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 10, 99_999)
	recs := make([]fqgw.LogRecord, n)
	for i := range recs {
		at := start.UnixMilli() + int64(i)*600_000/int64(n)
		recs[i] = fqgw.LogRecord{Partition: int32(i % 4), Timestamp: at * 1000, Value: fmt.Appendf(nil,
			`{"ts":%d,"user_id":%d,"session":"s%08x","kind":"%s","price":%d.%02d,"country":"%s","ok":true}`,
			at, zipf.Uint64(), r.Uint32(), []string{"view", "buy", "cart"}[i%3], i%500, i%100, []string{"NO", "DE", "FR", "US"}[i%4])}
	}
	return recs
}

// BenchmarkStream takes one topic of 400,000 events from a real Kafka: into
// nothing, decoded and thrown away, landed without a feature view, and folded
// into a view of nine aggregates whose states are flushed to a real Redis until
// every event is readable. The gateway's clock stands before the events until
// the source and the view are there; moving it lets them in. FQGW_TEST_KAFKA
// and FQGW_TEST_REDIS name the servers.
func BenchmarkStream(b *testing.B) {
	brokers, redis := os.Getenv("FQGW_TEST_KAFKA"), os.Getenv("FQGW_TEST_REDIS")
	if brokers == "" || redis == "" {
		b.Skip("FQGW_TEST_KAFKA and FQGW_TEST_REDIS must name a real Kafka and a real Redis")
	}
	borrow(b, redis)
	const n = 400_000
	ctx := b.Context()
	log, err := kafka.Open(kafka.Options{Brokers: strings.Split(brokers, ",")})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	topic := fmt.Sprintf("bench%d", time.Now().UnixNano())
	if _, err := log.CreateTopic(ctx, topic, 4); err != nil {
		b.Fatal(err)
	}
	defer log.DropTopic(context.WithoutCancel(ctx), topic)
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	recs := clicks(n, start)
	for at := 0; at < n; at += 10_000 {
		if err := log.Produce(ctx, topic, recs[at:at+10_000]); err != nil {
			b.Fatal(err)
		}
	}
	dec, err := decode.New(&fqgw.Source{Name: topic, Format: "json", TimeUnit: 1000, KeyColumn: -1, Columns: []fqgw.Column{
		{Name: "ts", Type: fqgw.Timestamptz}, {Name: "user_id", Type: fqgw.Int8}, {Name: "kind", Type: fqgw.Text},
		{Name: "price", Type: fqgw.Float8}, {Name: "country", Type: fqgw.Text}}})
	if err != nil {
		b.Fatal(err)
	}
	var changes []fqgw.Event
	poll := func(each func(*fqgw.LogRecord) error) error {
		c, err := log.Consume(ctx, topic, make([]int64, 4), 8<<20)
		if err != nil {
			return err
		}
		defer c.Close()
		for got := 0; got < n; {
			recs, err := c.Poll(ctx)
			if err != nil {
				return err
			}
			for i := range recs {
				if err := each(&recs[i]); err != nil {
					return err
				}
			}
			got += len(recs)
		}
		return nil
	}
	b.Run("consume", func(b *testing.B) {
		timed(b, n, func() error { return poll(func(*fqgw.LogRecord) error { return nil }) })
	})
	var decoded float64
	b.Run("decode", func(b *testing.B) {
		decoded = timed(b, n, func() error {
			return poll(func(r *fqgw.LogRecord) (err error) {
				changes, err = dec.Decode(r, changes[:0])
				return err
			})
		})
	})
	for _, view := range []bool{false, true} {
		b.Run(map[bool]string{false: "land", true: "redis"}[view], func(b *testing.B) {
			c := app.Throwaway(b.TempDir())
			c.Kafka, c.Online = brokers, redis
			c.Clock, c.ClockRate = start.Add(-time.Minute).Format(time.RFC3339), 0
			share(b, benchPipeline(b, c, topic, view, n), decoded, "of-decode")
		})
	}
}

// timed runs f b.N times, each over n events, and reports the rate, which it
// returns, and the process's CPU time per event.
func timed(b *testing.B, n int, f func() error) float64 {
	used := cpu()
	b.ResetTimer()
	for range b.N {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	return report(b, n, cpu()-used)
}

func report(b *testing.B, n int, used time.Duration) float64 {
	events := float64(n) * float64(b.N)
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(used.Nanoseconds())/1000/events, "cpu-us/event")
	return events / b.Elapsed().Seconds()
}

// cpu is what the process has used, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchPipeline measures a gateway from the moment its clock lets the events of
// the topic in until all are readable, b.N times with a source of another name.
func benchPipeline(b *testing.B, c app.Config, topic string, view bool, n int) (rate float64) {
	var used time.Duration
	var flushed float64
	b.StopTimer()
	b.ResetTimer()
	for i := range b.N {
		c.Data = b.TempDir()
		emptied(b, c.Online) // a store serves one data directory
		name := fmt.Sprintf("%s_%d", topic, i)
		err := app.WithApp(b.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
			conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://bench@%s/fqgw?sslmode=disable", a.Addr()))
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			statements := []string{fmt.Sprintf("CREATE SOURCE %s (%s) WITH (connector = 'kafka', topic = '%s', format = 'json', event_time = 'ts', partitions = 4)", name, clicksColumns, topic)}
			if view {
				statements = append(statements, "CREATE FEATURE VIEW v"+name+" AS "+fmt.Sprintf(clicksView, name))
			}
			for _, sql := range statements {
				if _, err := conn.Exec(ctx, sql); err != nil {
					return err
				}
			}
			before := cpu()
			b.StartTimer()
			if _, err := conn.Exec(ctx, "SELECT fqgw.advance('1 hour')"); err != nil {
				return err
			}
			for {
				m, err := metrics(a.AdminAddr())
				if err != nil {
					return err
				}
				if m["fqgw_stream_events_total"] >= float64(n) && m["fqgw_stream_lag_records"] == 0 {
					flushed += m["fqgw_stream_flush_bytes_total"]
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			b.StopTimer()
			used += cpu() - before
			if view {
				_, err = conn.Exec(ctx, "DROP FEATURE VIEW v"+name)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if view {
		b.ReportMetric(flushed/float64(b.N)/float64(n), "flushed-B/event")
	}
	return report(b, n, used)
}

// metrics are the gateway's, each with its labels and summed over them.
func metrics(addr string) (map[string]float64, error) {
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		var v float64
		at := strings.LastIndexByte(lines.Text(), ' ')
		if strings.HasPrefix(lines.Text(), "#") || at < 0 {
			continue
		}
		if _, err := fmt.Sscan(lines.Text()[at+1:], &v); err != nil {
			return nil, err
		}
		name, labels, _ := strings.Cut(lines.Text()[:at], "{")
		out[name] += v
		if labels != "" {
			out[name+"{"+labels] = v
		}
	}
	return out, lines.Err()
}
