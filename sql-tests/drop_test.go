package sqltests

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/embedded"
	"github.com/fqgw/fqgw/connectors/kafka"
)

// TestDropWhileAway drops a source with its view while the online store is away:
// the names are free at once, and when the store is back what was left there goes,
// by the process that runs or by the next one; the new view is not hurt.
func TestDropWhileAway(t *testing.T) {
	for _, state := range []string{"refusing", "stalled"} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", state, restart), func(t *testing.T) {
				t.Parallel()
				testDropWhileAway(t, state, restart)
			})
		}
	}
}

func testDropWhileAway(t *testing.T, state string, restart bool) {
	dir := t.TempDir()
	k, err := embedded.StartKafka("127.0.0.1:0", filepath.Join(dir, "kafka"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	r, err := embedded.StartRedis(embedded.RedisOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer client.Close()
	p := newProxy(t, r.Addr)
	run := func(f func(ctx context.Context, conn *pgx.Conn) error) {
		t.Helper()
		c := app.Throwaway(filepath.Join(dir, "data"))
		c.Log, c.Kafka, c.Online = "error", k.Brokers[0], "redis://"+p.listener.Addr().String()
		err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
			conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			return f(ctx, conn)
		})
		if err != nil {
			t.Fatal(err)
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
	const view = `CREATE FEATURE VIEW counts %s AS SELECT id, count(*) OVER d AS n FROM e WINDOW d AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING)`
	const source = `CREATE SOURCE e (id bigint NOT NULL, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = '%s', format = 'json', event_time = 'at', partitions = 1, history = 'lake.%s')`
	var old []string
	check := func(ctx context.Context, conn *pgx.Conn) error {
		p.set("")
		if err := eventually(func() bool {
			keys, err := client.Keys(ctx, "fq:*").Result()
			return err == nil && !slices.ContainsFunc(keys, func(key string) bool { return slices.Contains(old, key) })
		}); err != nil {
			return fmt.Errorf("what was left is still there: %w", err)
		}
		var n int64
		if err := eventually(func() bool { return conn.QueryRow(ctx, `SELECT n FROM counts WHERE id = 1`).Scan(&n) == nil }); err != nil {
			return fmt.Errorf("the new view: %w", err)
		}
		if n != 1 {
			t.Errorf("the new view counts %d, want 1", n)
		}
		return exec(ctx, conn, `INSERT INTO e VALUES (1, now())`, `SELECT fqgw.sync()`)
	}
	run(func(ctx context.Context, conn *pgx.Conn) error {
		if err := exec(ctx, conn, fmt.Sprintf(source, "e", "e"), fmt.Sprintf(view, ""),
			`INSERT INTO e SELECT 1, now() FROM generate_series(1, 5)`, `SELECT fqgw.sync()`); err != nil {
			return err
		}
		number, err := stateNumber(ctx, conn, "counts")
		if err != nil {
			return err
		}
		keys, err := client.Keys(ctx, fmt.Sprintf("fq:*:%d[:!]*", number)).Result()
		if old = keys; err != nil || len(old) == 0 {
			return fmt.Errorf("keys %v, %w", old, err)
		}
		p.set(state)
		began := time.Now()
		if err := exec(ctx, conn, `DROP SOURCE e CASCADE`); err != nil {
			return err
		}
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("the DROP took %v", took)
		}
		if err := exec(ctx, conn, fmt.Sprintf(source, "e2", "e2"), `INSERT INTO e VALUES (1, now())`, fmt.Sprintf(view, "WITH (wait = false)")); err != nil {
			return err
		}
		if restart {
			return nil
		}
		return check(ctx, conn)
	})
	if restart {
		p.set("refusing") // what hangs holds up a stop for its whole time
		p.set("")
		run(check)
	}
}

// TestPurgeWhileAway: a topic that PURGE cannot remove goes when Kafka is back.
func TestPurgeWhileAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, err := embedded.StartKafka("127.0.0.1:0", filepath.Join(dir, "kafka"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { k.Close() }()
	c := app.Throwaway(filepath.Join(dir, "data"))
	c.Log, c.Kafka = "error", k.Brokers[0]
	err = app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for _, name := range []string{"gone", "stays"} {
			if _, err := conn.Exec(ctx, fmt.Sprintf(`CREATE SOURCE %s (id bigint, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = '%s', format = 'json', event_time = 'at', partitions = 1)`, name, name)); err != nil {
				return err
			}
		}
		brokers := k.Brokers[0]
		k.Close()
		if _, err := conn.Exec(ctx, `DROP SOURCE gone PURGE`); err != nil {
			return err
		}
		if k, err = embedded.StartKafka(brokers, filepath.Join(dir, "kafka")); err != nil {
			return err
		}
		log, err := kafka.Open(kafka.Options{Brokers: k.Brokers})
		if err != nil {
			return err
		}
		defer log.Close()
		err = eventually(func() bool {
			_, err := log.Topic(ctx, "gone")
			return err != nil && fqgw.AsError(err).Code == fqgw.CodeUndefinedTable
		})
		if err == nil {
			_, err = log.Topic(ctx, "stays")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
