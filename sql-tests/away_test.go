package sqltests

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/embedded"
	"github.com/fqgw/fqgw/connectors/kafka"
)

// TestServersAway starts fqgw while Kafka or Redis is away: what the others can
// answer is answered, and when the server is back nothing is lost.
func TestServersAway(t *testing.T) {
	dir := t.TempDir()
	k, err := embedded.StartKafka("127.0.0.1:0", filepath.Join(dir, "kafka"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { k.Close() }()
	r, err := embedded.StartRedis(embedded.RedisOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { r.Close() }()
	brokers, redis := k.Brokers[0], r.Addr
	run := func(what string, f func(ctx context.Context, a *app.App, conn *pgx.Conn) error) {
		t.Helper()
		c := app.Throwaway(filepath.Join(dir, "data"))
		c.Log, c.Kafka, c.Online = "error", brokers, "redis://"+redis
		err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
			conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			return f(ctx, a, conn)
		})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	exec := func(ctx context.Context, conn *pgx.Conn, statements ...string) error {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	}
	value := func(ctx context.Context, conn *pgx.Conn, sql string) string {
		var v string
		if err := conn.QueryRow(ctx, sql).Scan(&v); err != nil {
			return "error " + string(fqgw.AsError(err).Code) + " " + err.Error()
		}
		return v
	}
	const (
		online = "SELECT n::text FROM counts WHERE id = 1"
		then   = "SELECT n::text FROM counts AS OF now() - interval '10 minutes' WHERE id = 1"
		now    = "SELECT n::text FROM counts AS OF now() WHERE id = 1"
	)
	want := func(ctx context.Context, conn *pgx.Conn, what, sql, want string) {
		t.Helper()
		if got := value(ctx, conn, sql); !strings.HasPrefix(got, want) && !strings.Contains(got, "SQLSTATE "+want) {
			t.Errorf("%s: %s: %s, want %s", what, sql, got, want)
		}
	}

	run("with both", func(ctx context.Context, a *app.App, conn *pgx.Conn) error {
		// One of three partitions has records.
		err := exec(ctx, conn, `CREATE SOURCE e (id bigint NOT NULL, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e', format = 'json', event_time = 'at', partitions = 3, key = 'id')`,
			`CREATE FEATURE VIEW counts AS SELECT id, count(*) OVER d AS n FROM e WINDOW d AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING)`,
			`INSERT INTO e (id, at, _fq_known_at) SELECT 1, now() - interval '1 hour', now() - interval '1 hour' FROM generate_series(1, 3)`,
			`SELECT fqgw.sync()`)
		want(ctx, conn, "with both", online, "3")
		want(ctx, conn, "with both", then, "3")
		return err
	})

	k.Close()
	run("Kafka away", func(ctx context.Context, a *app.App, conn *pgx.Conn) error {
		want(ctx, conn, "Kafka away", online, "3")
		want(ctx, conn, "Kafka away", then, "3")
		want(ctx, conn, "Kafka away", now, string(fqgw.CodeConnectionFailure))
		want(ctx, conn, "Kafka away", "SELECT count(*)::text FROM e", "3")
		if got := readyz(a); got != http.StatusServiceUnavailable {
			t.Errorf("without Kafka /readyz answers %d", got)
		}
		if k, err = embedded.StartKafka(brokers, filepath.Join(dir, "kafka")); err != nil {
			return err
		}
		if err := eventually(func() bool { return readyz(a) == http.StatusOK }); err != nil {
			return fmt.Errorf("Kafka is back: %w", err)
		}
		err := exec(ctx, conn, `INSERT INTO e VALUES (1, now())`, `SELECT fqgw.sync()`)
		want(ctx, conn, "Kafka is back", online, "4")
		want(ctx, conn, "Kafka is back", now, "4")
		return err
	})

	r.Close()
	run("Redis away", func(ctx context.Context, a *app.App, conn *pgx.Conn) error {
		want(ctx, conn, "Redis away", online, string(fqgw.CodeNotInState))
		want(ctx, conn, "Redis away", then, "3")
		if err := exec(ctx, conn, `INSERT INTO e VALUES (1, now())`); err != nil {
			return err
		}
		want(ctx, conn, "Redis away", now, "5")
		if r, err = embedded.StartRedis(embedded.RedisOptions{Listen: redis}); err != nil { // it comes back empty
			return err
		}
		if err := eventually(func() bool { return readyz(a) == http.StatusOK }); err != nil {
			return fmt.Errorf("Redis is back: %w", err)
		}
		err := exec(ctx, conn, `SELECT fqgw.sync()`)
		want(ctx, conn, "Redis is back", online, "5")
		return err
	})

	// A first start with a wrong address says so.
	k.Close()
	c := app.Throwaway(filepath.Join(dir, "new"))
	c.Kafka = brokers
	err = app.WithApp(t.Context(), c, nil, func(context.Context, *app.App) error { return nil })
	if fqgw.AsError(err).Code != fqgw.CodeConnectionFailure {
		t.Errorf("a first start without Kafka: %v", err)
	}
}

// TestTopicDeleted: the history of a source whose topic was deleted is readable, and
// with it its views at any time; also by the next process.
func TestTopicDeleted(t *testing.T) {
	dir := t.TempDir()
	k, err := embedded.StartKafka("127.0.0.1:0", filepath.Join(dir, "kafka"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, round := range []string{"running", "started"} {
		c := app.Throwaway(filepath.Join(dir, "data"))
		c.Log, c.Kafka = "error", k.Brokers[0]
		err = app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
			conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			if round == "running" {
				for _, sql := range []string{
					`CREATE SOURCE stays (id bigint, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'stays', format = 'json', event_time = 'at', partitions = 1)`,
					`CREATE SOURCE first (id bigint, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e', format = 'json', event_time = 'at', partitions = 2)`,
					`DROP SOURCE first`,
					`CREATE SOURCE e (id bigint, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e', format = 'json', event_time = 'at')`,
					`CREATE FEATURE VIEW counts AS SELECT id, count(*) OVER d AS n FROM e WINDOW d AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING)`,
					`INSERT INTO e SELECT 1, now() FROM generate_series(1, 3)`,
					`SELECT fqgw.sync()`,
				} {
					if _, err := conn.Exec(ctx, sql); err != nil {
						return fmt.Errorf("%s: %w", sql, err)
					}
				}
				log, err := kafka.Open(kafka.Options{Brokers: k.Brokers})
				if err != nil {
					return err
				}
				defer log.Close()
				if err := log.DropTopic(ctx, "e"); err != nil {
					return err
				}
			}
			for _, sql := range []string{`SELECT count(*) FROM e`, `SELECT count(*) FROM e AS OF now()`, `SELECT n FROM counts AS OF now() WHERE id = 1`} {
				var n int64
				if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil || n != 3 {
					t.Errorf("%s: %s: %d, %v", round, sql, n, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", round, err)
		}
	}
}

func readyz(a *app.App) int {
	res, err := http.Get("http://" + a.AdminAddr() + "/readyz")
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func eventually(ok func() bool) error {
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return nil
		}
	}
	return fmt.Errorf("not within 30 seconds")
}
