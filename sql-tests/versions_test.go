package sqltests

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// versioned is a definition that says which it is, over windows of so many minutes.
func versioned(tag, minutes int) string {
	return fmt.Sprintf(`CREATE OR REPLACE FEATURE VIEW v AS SELECT user_id, count(*) OVER h AS n, %d + 0 * count(*) OVER h AS tag
		FROM clicks WINDOW h AS (PARTITION BY user_id ORDER BY ts RANGE '%d minutes' PRECEDING)`, tag, minutes)
}

const (
	versionUsers = 40
	oldClicks    = `INSERT INTO clicks SELECT u, '2024-01-01 12:00Z'::timestamptz - i * interval '1 minute' FROM generate_series(1, 40) u, generate_series(0, 99) i WHERE i < 10 + u`
)

// clicksOf is the naive answer: user u has a click in each of the 10 + u minutes before
// noon, and the window reaches from noon back, both ends counted.
func clicksOf(user, minutes int) int { return min(10+user, minutes+1) }

// A view is replaced, and switched back and forth, under readers and a writer: each
// answer is one version's, whole and right, and none fails (SEMANTICS §4.2, §6.4).
func TestVersionsUnderLoad(t *testing.T) {
	c := app.Throwaway(t.TempDir())
	c.Clock, c.ClockRate = "2024-01-01 12:00Z", 0
	minutes := []int{0, 5, 20, 45, 11}
	err := app.WithApp(t.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
		connect := func() (*pgx.Conn, error) {
			return pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=cache_describe", a.Addr()))
		}
		main, err := connect()
		if err != nil {
			return err
		}
		defer main.Close(ctx)
		exec := func(sql string) error {
			if _, err := main.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
			return nil
		}
		for _, sql := range []string{`CREATE SOURCE clicks (user_id bigint, ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'clicks', format = 'json', event_time = 'ts', partitions = 2)`,
			versioned(1, minutes[1]), oldClicks, "SELECT fqgw.sync()"} {
			if err := exec(sql); err != nil {
				return err
			}
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		load, stop := context.WithCancel(ctx)
		defer stop()
		var answers, written atomic.Int64
		seen := make([]atomic.Int64, len(minutes))
		loop := func(once func(conn *pgx.Conn, i int) error) error {
			conn, err := connect()
			if err != nil {
				return err
			}
			wg.Go(func() {
				defer conn.Close(ctx)
				for i := 0; load.Err() == nil; i++ {
					if err := once(conn, i); err != nil {
						t.Error(err)
						return
					}
				}
			})
			return nil
		}
		for range 2 {
			err = loop(func(conn *pgx.Conn, i int) error {
				u := i%versionUsers + 1
				var n, tag int
				if err := conn.QueryRow(ctx, "SELECT n, tag FROM v WHERE user_id = $1", u).Scan(&n, &tag); err != nil {
					return fmt.Errorf("user %d: %w", u, err)
				}
				if want := clicksOf(u, minutes[tag]); n != want {
					return fmt.Errorf("user %d has %d clicks by version %d, want %d", u, n, tag, want)
				}
				answers.Add(1)
				seen[tag].Add(1)
				return nil
			})
			if err != nil {
				return err
			}
		}
		err = loop(func(conn *pgx.Conn, _ int) error { // all entities, and two reads of a transaction
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				var before int
				for i := range 2 {
					var users, least, most int
					if err := tx.QueryRow(ctx, "SELECT count(*), min(tag), max(tag) FROM v WHERE user_id <= 40").Scan(&users, &least, &most); err != nil {
						return err
					}
					if users != versionUsers || least != most || i > 0 && most != before {
						return fmt.Errorf("%d users by versions %d to %d, want %d by one, and in a transaction %d again", users, least, most, versionUsers, before)
					}
					before = most
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		err = loop(func(conn *pgx.Conn, i int) error {
			_, err := conn.Exec(ctx, "INSERT INTO clicks VALUES ($1, '2024-01-01 11:59:30Z')", 1000+i%5)
			written.Add(1)
			return err
		})
		if err != nil {
			return err
		}
		for tag := 2; tag < len(minutes); tag++ {
			time.Sleep(100 * time.Millisecond)
			if err := exec(versioned(tag, minutes[tag])); err != nil {
				return err
			}
		}
		for i := range 20 {
			time.Sleep(20 * time.Millisecond)
			if err := exec(fmt.Sprintf("ALTER FEATURE VIEW v SET (version = %d)", i%4+1)); err != nil {
				return err
			}
		}
		stop()
		wg.Wait()
		for tag := 1; tag < len(minutes); tag++ {
			if seen[tag].Load() == 0 {
				t.Errorf("nobody read version %d", tag)
			}
		}
		t.Logf("%d answers, %d clicks written meanwhile", answers.Load(), written.Load())
		if err := exec("SELECT fqgw.sync()"); err != nil {
			return err
		}
		for _, relation := range []string{"v", "v_v1", "v_v2", "v_v3"} { // what came while they were filled
			for _, asOf := range []string{"", " AS OF now()"} {
				var n int64
				if err := main.QueryRow(ctx, "SELECT sum(n)::bigint FROM "+relation+asOf+" AS x WHERE user_id >= 1000").Scan(&n); err != nil {
					return err
				}
				if n != written.Load() {
					t.Errorf("%s%s has %d of %d clicks", relation, asOf, n, written.Load())
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A killed process goes on with a replacement when it starts again, and the view is
// the one or the other version meanwhile.
func TestVersionsKilled(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	begin := func() (*process, *pgx.Conn) {
		p, err := start(t, dir, "", "-clock", "2024-01-01 12:00Z", "-clock-rate", "0")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := p.connect(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return p, conn
	}
	p, conn := begin()
	for _, sql := range []string{`CREATE SOURCE clicks (user_id bigint, ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'clicks', format = 'json', event_time = 'ts', partitions = 2)`,
		versioned(1, 5), oldClicks, "SELECT fqgw.sync()"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	minutes := []int{0, 5}
	for round, after := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond} {
		tag := round + 2
		minutes = append(minutes, 7+3*tag)
		committed := make(chan error, 1)
		go func() {
			_, err := conn.Exec(ctx, versioned(tag, minutes[tag]))
			committed <- err
		}()
		if after == 0 { // the definition is there for certain
			other, err := p.connect(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for n := 0; n == 0; {
				if err := other.QueryRow(ctx, "SELECT count(*) FROM fqgw.versions WHERE version = $1", tag).Scan(&n); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(after)
		p.kill()
		<-committed
		p, conn = begin()
		deadline := time.Now().Add(60 * time.Second)
		for made := false; ; time.Sleep(10 * time.Millisecond) {
			var n, is int
			err := conn.QueryRow(ctx, "SELECT n, tag FROM v WHERE user_id = 30").Scan(&n, &is)
			var pg *pgconn.PgError
			if errors.As(err, &pg) && pg.Code == "55000" && time.Now().Before(deadline) { // the store is filled again after the kill
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if is > tag || is < tag-1 || n != clicksOf(30, minutes[is]) {
				t.Fatalf("user 30 has %d clicks by version %d, want %d by version %d or the one before", n, is, clicksOf(30, minutes[is]), tag)
			}
			if is == tag {
				break
			}
			var building int
			if err := conn.QueryRow(ctx, "SELECT count(*) FROM fqgw.versions WHERE version = $1", tag).Scan(&building); err != nil {
				t.Fatal(err)
			}
			if building == 0 && !made { // it was killed before anything was committed
				made = true
				if _, err := conn.Exec(ctx, versioned(tag, minutes[tag])); err != nil {
					t.Fatal(err)
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("version %d does not become the current one", tag)
			}
		}
		var versions int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM fqgw.versions").Scan(&versions); err != nil || versions != tag {
			t.Fatalf("there are %d versions, want %d (%v)", versions, tag, err)
		}
	}
}
