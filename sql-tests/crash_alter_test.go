package sqltests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestCrashAlter: a process is killed around an ALTER SOURCE, while rows are inserted.
// What was acknowledged is there once, whichever gate version is the newest then: none of it
// becomes a dead letter of a later one. Online and history agree, and every column can be read.
func TestCrashAlter(t *testing.T) {
	if testing.Short() {
		t.Skip("it kills processes")
	}
	ctx := t.Context()
	dir := t.TempDir()
	var seq, acknowledged, refused atomic.Int64
	version := 1
	for round := range 6 {
		p, err := start(t, dir, "")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := p.connect(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			for _, sql := range []string{
				"CREATE SOURCE s (k text NOT NULL, seq bigint NOT NULL, v integer, at timestamptz NOT NULL) WITH (topic = 's', event_time = 'at', partitions = 2)",
				"CREATE FEATURE VIEW f AS SELECT k, count(*) OVER d AS n, sum(v) OVER d AS total FROM s WINDOW d AS (PARTITION BY k ORDER BY at RANGE '1 day' PRECEDING)",
			} {
				if _, err := conn.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
		}
		version = checkAltered(t, ctx, conn, version, acknowledged.Load(), seq.Load())
		if t.Failed() {
			p.kill()
			t.Fatalf("in round %d", round)
		}
		writing, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := p.connect(writing)
			if err != nil {
				return
			}
			defer c.Close(context.Background())
			for writing.Err() == nil {
				_, err := c.Exec(writing, fmt.Sprintf("INSERT INTO s (k, seq, v, at) SELECT 'k' || i %% 3, %d + i, (random() * 100)::int, now() FROM generate_series(1, 5) i", seq.Add(5)-5))
				switch {
				case err == nil:
					acknowledged.Add(5)
				case c.IsClosed():
					return
				default:
					refused.Add(1)
				}
			}
		}()
		time.Sleep(rand.N(100 * time.Millisecond))
		altered := make(chan error, 1)
		go func() {
			sql := fmt.Sprintf("ALTER SOURCE s ADD COLUMN c%d_%d text, DROP CONSTRAINT IF EXISTS least, ADD CONSTRAINT least CHECK (v >= %d)", round, version, rand.IntN(40))
			if round%3 == 2 {
				sql = "ALTER SOURCE s DROP CONSTRAINT IF EXISTS least"
			}
			_, err := conn.Exec(ctx, sql)
			altered <- err
		}()
		time.Sleep(rand.N(200 * time.Millisecond))
		p.kill()
		<-altered
		stop()
		<-done
	}
	p, err := start(t, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	conn, err := p.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	version = checkAltered(t, ctx, conn, version, acknowledged.Load(), seq.Load())
	t.Logf("%d rows acknowledged, %d INSERTs refused, gate version %d", acknowledged.Load(), refused.Load(), version)
	if version < 3 || acknowledged.Load() < 100 {
		t.Error("the test says little")
	}
}

// checkAltered looks after all that was produced is applied and landed; it returns the gate version.
func checkAltered(t *testing.T, ctx context.Context, conn *pgx.Conn, before int, acknowledged, seq int64) (version int) {
	t.Helper()
	one := func(to any, sql string) {
		t.Helper()
		if err := conn.QueryRow(ctx, sql).Scan(to); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if _, err := conn.Exec(ctx, "SELECT fqgw.sync()"); err != nil {
		t.Fatal(err)
	}
	var rows, distinct, letters, online, then int64
	one(&version, "SELECT gate_version FROM fqgw.sources WHERE name = 's'")
	one(&rows, "SELECT count(*) FROM s")
	one(&distinct, "SELECT count(DISTINCT seq) FROM s")
	one(&letters, "SELECT count(*) FROM fqgw.dead_letters")
	one(&online, "SELECT COALESCE(sum(f.n), 0)::bigint FROM (VALUES ('k0'), ('k1'), ('k2')) x(k) JOIN f ON f.k = x.k")
	one(&then, "SELECT COALESCE(sum(f.n), 0)::bigint FROM (VALUES ('k0'), ('k1'), ('k2')) x(k) JOIN f AS OF now() AS f ON f.k = x.k")
	if rows != distinct || rows < acknowledged || rows > seq || letters != 0 || online != rows || then != rows {
		t.Errorf("%d rows, %d of them different, %d acknowledged, %d tried, %d dead letters; %d online, %d in history", rows, distinct, acknowledged, seq, letters, online, then)
	}
	if version < before {
		t.Errorf("gate version %d, it was %d", version, before)
	}
	if _, err := conn.Exec(ctx, "SELECT * FROM s"); err != nil {
		t.Errorf("the columns cannot be read: %v", err)
	}
	return version
}
