package sqltests

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// withNYC runs f over a gateway that holds the NYC case, its clock standing at
// the given time. FQGW_TEST_REDIS names a real Redis (the embedded one otherwise).
func withNYC(b *testing.B, clock string, f func(ctx context.Context, a *app.App, url string, conn *pgx.Conn) error) {
	c := app.Throwaway(b.TempDir())
	if url := os.Getenv("FQGW_TEST_REDIS"); url != "" {
		c.Online = url
		borrow(b, url)
	}
	c.Clock, c.ClockRate = clock, 0
	err := app.WithApp(b.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
		url := fmt.Sprintf("postgres://bench@%s/fqgw?sslmode=disable", a.Addr())
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if err := app.LoadNYC(ctx, conn, a.Log()); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "SELECT fqgw.sync()"); err != nil {
			return err
		}
		return f(ctx, a, url, conn)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPointRead reads one airport's twelve windowed features by a prepared
// statement, at 1, 16 and 64 connections: from a bare Redis client that gets the
// packed state and does not read it, from a PostgreSQL table that holds the
// finished values, and through the gateway, which says what share of the others'
// rate it has. The CPU time is this process's: the client's, and the gateway's
// where it is the one that is read from. FQGW_TEST_POSTGRES names a PostgreSQL; without it that yardstick
// is left out.
func BenchmarkPointRead(b *testing.B) {
	withNYC(b, storm, func(ctx context.Context, _ *app.App, url string, conn *pgx.Conn) error {
		var address string
		if err := conn.QueryRow(ctx, "SELECT current_setting('fqgw.redis')").Scan(&address); err != nil {
			return err
		}
		pg := os.Getenv("FQGW_TEST_POSTGRES")
		if pg != "" {
			if err := finished(ctx, conn, pg); err != nil {
				return err
			}
		}
		number, err := stateNumber(ctx, conn, "origin_departures")
		if err != nil {
			return err
		}
		const sql = "SELECT * FROM origin_departures WHERE origin = $1"
		for _, n := range []int{1, 16, 64} {
			var redis, postgres float64
			b.Run(fmt.Sprintf("redis/%d", n), func(b *testing.B) { redis = benchRedis(b, ctx, address, number, n) })
			if pg != "" {
				b.Run(fmt.Sprintf("postgres/%d", n), func(b *testing.B) { postgres = benchSQL(b, ctx, pg, sql, n) })
			}
			b.Run(fmt.Sprintf("fqgw/%d", n), func(b *testing.B) {
				own := benchSQL(b, ctx, url, sql, n)
				share(b, own, redis, "of-redis")
				share(b, own, postgres, "of-postgres")
			})
		}
		return nil
	})
}

// borrow takes a Redis that must be empty, and leaves it empty: what another
// gateway has written there is not read by this one.
func borrow(b *testing.B, url string) {
	o, err := redis.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	client := redis.NewClient(o)
	if n, err := client.DBSize(b.Context()).Result(); err != nil || n > 0 {
		b.Fatalf("the Redis of FQGW_TEST_REDIS must be empty; it has %d keys, %v", n, err)
	}
	b.Cleanup(func() {
		client.FlushDB(context.Background())
		client.Close()
	})
}

// emptied empties a Redis that was borrowed.
func emptied(b *testing.B, url string) {
	o, err := redis.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	client := redis.NewClient(o)
	defer client.Close()
	if err := client.FlushDB(b.Context()).Err(); err != nil {
		b.Fatal(err)
	}
}

// share reports which part of a yardstick's rate was reached; nothing where the
// yardstick was not measured.
func share(b *testing.B, rate, yardstick float64, unit string) {
	if yardstick > 0 {
		b.ReportMetric(rate/yardstick, unit)
	}
}

// finished copies the view's values into a table of a PostgreSQL.
func finished(ctx context.Context, conn *pgx.Conn, url string) error {
	pg, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer pg.Close(ctx)
	res := conn.PgConn().ExecParams(ctx, "SELECT * FROM origin_departures", nil, nil, nil, nil).Read()
	if res.Err != nil {
		return res.Err
	}
	cols := []string{"origin text PRIMARY KEY"}
	for _, f := range res.FieldDescriptions[1:] {
		cols = append(cols, f.Name+" double precision")
	}
	if _, err := pg.Exec(ctx, "DROP TABLE IF EXISTS origin_departures; CREATE TABLE origin_departures ("+strings.Join(cols, ", ")+")"); err != nil {
		return err
	}
	for _, row := range res.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			if cells[i] = "NULL"; v != nil {
				cells[i] = "'" + string(v) + "'"
			}
		}
		if _, err := pg.Exec(ctx, "INSERT INTO origin_departures VALUES ("+strings.Join(cells, ", ")+")"); err != nil {
			return err
		}
	}
	_, err = pg.Exec(ctx, "ANALYZE origin_departures")
	return err
}

// spread does b.N operations over n workers, each of which gets one made for it,
// and returns the rate.
func spread(b *testing.B, n int, worker func() (op func() error, done func(), err error)) float64 {
	ops := make([]func() error, n)
	for i := range ops {
		op, done, err := worker()
		if err != nil {
			b.Fatal(err)
		}
		defer done()
		ops[i] = op
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	used := cpu()
	b.ResetTimer()
	for _, op := range ops {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := op(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	rate := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "reads/s")
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/1000/float64(b.N), "cpu-us/read")
	return rate
}

func benchSQL(b *testing.B, ctx context.Context, url, sql string, n int) float64 {
	return spread(b, n, func() (func() error, func(), error) {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, nil, err
		}
		if _, err := conn.Prepare(ctx, "point", sql); err != nil {
			return nil, nil, err
		}
		return func() error {
			res := conn.PgConn().ExecPrepared(ctx, "point", [][]byte{[]byte("JFK")}, nil, []int16{1}).Read()
			if res.Err == nil && len(res.Rows) != 1 {
				return fmt.Errorf("%d rows", len(res.Rows))
			}
			return res.Err
		}, func() { conn.Close(ctx) }, nil
	})
}

// BenchmarkUnprepared is the read of BenchmarkPointRead by clients that keep no
// statement: the text in a query string, as psycopg2 sends it, and Parse, Bind and
// Execute each time, as asyncpg without its cache and behind a pool does.
func BenchmarkUnprepared(b *testing.B) {
	withNYC(b, storm, func(ctx context.Context, _ *app.App, url string, _ *pgx.Conn) error {
		for name, read := range map[string]func(conn *pgconn.PgConn) ([]*pgconn.Result, error){
			"simple": func(conn *pgconn.PgConn) ([]*pgconn.Result, error) {
				return conn.Exec(ctx, "SELECT * FROM origin_departures WHERE origin = 'JFK'").ReadAll()
			},
			"parse": func(conn *pgconn.PgConn) ([]*pgconn.Result, error) {
				res := conn.ExecParams(ctx, "SELECT * FROM origin_departures WHERE origin = $1", [][]byte{[]byte("JFK")}, nil, nil, nil).Read()
				return []*pgconn.Result{res}, res.Err
			},
		} {
			b.Run(name, func(b *testing.B) {
				spread(b, 16, func() (func() error, func(), error) {
					conn, err := pgconn.Connect(ctx, url)
					if err != nil {
						return nil, nil, err
					}
					return func() error {
						res, err := read(conn)
						if err == nil && (len(res) != 1 || len(res[0].Rows) != 1) {
							err = fmt.Errorf("not one row")
						}
						return err
					}, func() { conn.Close(ctx) }, nil
				})
			})
		}
		return nil
	})
}

func benchRedis(b *testing.B, ctx context.Context, address string, number int64, n int) float64 {
	o, err := redis.ParseURL(address)
	if err != nil {
		b.Fatal(err)
	}
	o.PoolSize = n
	client := redis.NewClient(o)
	defer client.Close()
	keys, err := client.Keys(ctx, fmt.Sprintf("fq:*:%d:*JFK", number)).Result()
	if err != nil || len(keys) != 1 {
		b.Fatalf("state keys %q, %v", keys, err)
	}
	return spread(b, n, func() (func() error, func(), error) {
		return func() error { return client.Get(ctx, keys[0]).Err() }, func() {}, nil
	})
}
