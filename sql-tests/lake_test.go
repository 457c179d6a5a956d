package sqltests

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/embedded"
	"github.com/fqgw/fqgw/connectors/iceberg"
)

// TestLakeReal is the acceptance run with the history in S3, known to a REST catalog
// that hands the credentials out, and to a database (.ci/run starts them).
func TestLakeReal(t *testing.T) {
	vending, postgres, s3 := os.Getenv("FQGW_TEST_LAKE_VENDING"), os.Getenv("FQGW_TEST_POSTGRES"), os.Getenv("FQGW_TEST_S3")
	if vending == "" || postgres == "" || s3 == "" {
		t.Skip("FQGW_TEST_LAKE_VENDING, FQGW_TEST_POSTGRES or FQGW_TEST_S3 is not set")
	}
	run := fmt.Sprint(time.Now().UnixNano())
	t.Run("REST", func(t *testing.T) {
		c := app.Throwaway(t.TempDir())
		c.Lake = vending
		acceptNYC(t, c)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		c := app.Throwaway(t.TempDir())
		c.Lake, c.Warehouse = postgres, "s3://warehouse/"+run
		c.Catalog = iceberg.Catalog{Name: run, S3: iceberg.S3{Endpoint: s3, AccessKey: "fqgw", SecretKey: "fqgw-secret"}}
		acceptNYC(t, c)
	})
}

// TestLakeRealAway starts fqgw while the lake's catalog is away: reads of now are
// answered, what needs the lake is an error that says so, and landing goes on when the
// catalog is back.
func TestLakeRealAway(t *testing.T) {
	vending, postgres := os.Getenv("FQGW_TEST_LAKE_VENDING"), os.Getenv("FQGW_TEST_POSTGRES")
	run := fmt.Sprint("away", time.Now().UnixNano())
	t.Run("REST", func(t *testing.T) {
		if vending == "" {
			t.Skip("FQGW_TEST_LAKE_VENDING is not set")
		}
		catalogAway(t, vending, run+"r", iceberg.Catalog{})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		if postgres == "" {
			t.Skip("FQGW_TEST_POSTGRES is not set")
		}
		catalogAway(t, postgres, run+"p", iceberg.Catalog{Name: run})
	})
}

func catalogAway(t *testing.T, catalog, source string, more iceberg.Catalog) {
	u, err := url.Parse(catalog)
	if err != nil {
		t.Fatal(err)
	}
	way := &relay{to: u.Host}
	if err := way.open("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer way.close()
	u.Host = way.addr
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
	config := func(data string) app.Config {
		c := app.Throwaway(filepath.Join(dir, data))
		c.Log, c.Kafka, c.Online, c.Lake, c.Catalog = "error", k.Brokers[0], "redis://"+r.Addr, u.String(), more
		return c
	}
	start := func(f func(ctx context.Context, conn *pgx.Conn, a *app.App)) {
		t.Helper()
		err := app.WithApp(t.Context(), config("data"), nil, func(ctx context.Context, a *app.App) error {
			conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			f(ctx, conn, a)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(ctx context.Context, conn *pgx.Conn, sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, strings.ReplaceAll(sql, "e0", source)); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	want := func(ctx context.Context, conn *pgx.Conn, sql, want string) {
		t.Helper()
		var got string
		if err := conn.QueryRow(ctx, strings.ReplaceAll(sql, "e0", source)).Scan(&got); err != nil {
			got = string(fqgw.AsError(err).Code) + " " + err.Error()
		}
		if got != want && (len(want) != 5 || !strings.Contains(got, "SQLSTATE "+want) || !strings.Contains(got, "catalog")) {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	const (
		online = "SELECT n::text FROM e0_counts WHERE id = 1"
		then   = "SELECT n::text FROM e0_counts AS OF now() WHERE id = 1"
		before = "SELECT n::text FROM e0_counts AS OF now() - interval '1 hour' WHERE id = 1"
		rows   = "SELECT count(*)::text FROM e0"
		insert = "INSERT INTO e0 VALUES (1, now())"
	)
	start(func(ctx context.Context, conn *pgx.Conn, _ *app.App) {
		exec(ctx, conn, `CREATE SOURCE e0 (id bigint NOT NULL, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e0', format = 'json', event_time = 'at', partitions = 1)`)
		exec(ctx, conn, `CREATE FEATURE VIEW e0_counts AS SELECT id, count(*) OVER d AS n FROM e0 WINDOW d AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING)`)
		exec(ctx, conn, insert)
		exec(ctx, conn, "SELECT fqgw.sync()")
		want(ctx, conn, then, "1")
	})
	way.close()
	start(func(ctx context.Context, conn *pgx.Conn, a *app.App) {
		want(ctx, conn, online, "1")
		want(ctx, conn, before, "08006")
		want(ctx, conn, then, "58030") // it waited for the landing
		exec(ctx, conn, insert)
		if err := way.open(way.addr); err != nil {
			t.Fatal(err)
		}
		exec(ctx, conn, "SELECT fqgw.sync()")
		want(ctx, conn, online, "2")
		want(ctx, conn, then, "2")
		want(ctx, conn, rows, "2")
		exec(ctx, conn, "DROP SOURCE e0 CASCADE")
	})
	way.close()
	// A first start with a wrong address says so.
	c := config("new")
	c.Online = "embedded"
	err = app.WithApp(t.Context(), c, nil, func(context.Context, *app.App) error { return nil })
	if fqgw.AsError(err).Code != fqgw.CodeConnectionFailure {
		t.Errorf("a first start without the catalog: %v", err)
	}
}

// relay passes connections on to a server, until it is closed.
type relay struct {
	to, addr string
	listener net.Listener
	mu       sync.Mutex
	all      []net.Conn
}

func (r *relay) open(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	r.listener, r.addr = l, l.Addr().String()
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", r.to)
			if err != nil {
				from.Close()
				continue
			}
			r.mu.Lock()
			r.all = append(r.all, from, to)
			r.mu.Unlock()
			for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
	return nil
}

func (r *relay) close() {
	r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.all {
		c.Close()
	}
	r.all = nil
}
