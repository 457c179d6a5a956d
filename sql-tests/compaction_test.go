package sqltests

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// parquetIn are the Parquet files below a folder.
func parquetIn(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".parquet") {
			out = append(out, path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return out
}

// aged makes every file below a folder two days old.
func aged(t *testing.T, dir string) {
	t.Helper()
	past := time.Now().Add(-48 * time.Hour)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chtimes(path, past, past)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCrashCompaction kills fqgw in the middle of a compaction: the answers stay what
// they were, and what is left of the compaction goes.
func TestCrashCompaction(t *testing.T) {
	ctx := t.Context()
	for _, fault := range []string{"run-written:1", "runs-committed:1", "run-written:2", "runs-committed:2", "runs-merged:1", ""} {
		t.Run(fault, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			p, err := start(t, dir, fault, "-clock", crashClock, "-clock-rate", "0")
			if err != nil {
				t.Fatal(err)
			}
			conn, err := p.connect(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, sql := range strings.Split(crashSource("clicks", "sums", "newest"), ";\n") {
				if _, err := conn.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
			if err := feed(ctx, conn); err != nil {
				t.Fatal(err)
			}
			want, err := answers(ctx, conn)
			if err != nil {
				t.Fatal(err)
			}
			if fault == "" {
				cmd := p.cmd
				defer time.AfterFunc(rand.N(150*time.Millisecond), func() { _ = cmd.Process.Kill() }).Stop()
			}
			for range 20 { // some of them merge
				if _, err = conn.Exec(ctx, "VACUUM clicks"); err != nil {
					break
				}
				if _, err = conn.Exec(ctx, "INSERT INTO clicks SELECT 10000 + i, 1000 + i, 1, fqgw.now() FROM generate_series(1, 9) i; SELECT fqgw.sync()"); err != nil {
					break
				}
			}
			if err == nil {
				t.Fatal("fqgw lives")
			}
			p.kill()
			left := parquetIn(t, filepath.Join(dir, "lake", "sorted"))
			aged(t, filepath.Join(dir, "lake"))

			if p, err = start(t, dir, ""); err != nil {
				t.Fatal(err)
			}
			if conn, err = p.connect(ctx); err != nil {
				t.Fatal(err)
			}
			same := func(when string) {
				t.Helper()
				if _, err := conn.Exec(ctx, "SELECT fqgw.sync()"); err != nil {
					t.Fatal(err)
				}
				got, err := answers(ctx, conn)
				if err != nil || !maps.Equal(got, want) {
					t.Errorf("%s: %v\n%v\nnot\n%v", when, err, got, want)
				}
			}
			same("after the crash")
			for _, sql := range []string{"INSERT INTO clicks VALUES (20000, 2000, 1, fqgw.now())", "SELECT fqgw.sync()", "VACUUM clicks"} {
				if _, err := conn.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
			same("after another VACUUM")
			_ = conn.Close(ctx)
			p.interrupt(t)
			if fault == "run-written:1" { // nothing of it was committed
				for _, f := range left {
					if slices.Contains(parquetIn(t, filepath.Join(dir, "lake", "sorted")), f) {
						t.Errorf("%s is left of a compaction that was killed", f)
					}
				}
				if len(left) != 1 {
					t.Errorf("%d files were left", len(left))
				}
			}
		})
	}
}

// manyEvents fills a source with 200,000 rows of 10,000 entities.
func manyEvents(t *testing.T, ctx context.Context, conn *pgx.Conn) {
	t.Helper()
	for _, sql := range []string{
		"CREATE SOURCE ev (k bigint, x double precision, ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'ev', format = 'json', event_time = 'ts', known_time = 'event_time')",
		"CREATE FEATURE VIEW newest AS SELECT DISTINCT ON (k) k, x FROM ev ORDER BY k, ts DESC"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		sql := fmt.Sprintf("INSERT INTO ev SELECT (i::bigint * 7919) %% 10000, i, timestamptz '2024-01-01' + i * interval '1 second' FROM generate_series(%d, %d) i", i*100_000, i*100_000+99_999)
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Exec(ctx, "SELECT fqgw.sync()"); err != nil {
		t.Fatal(err)
	}
}

// TestCompactionStops ends fqgw in the middle of a compaction.
func TestCompactionStops(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 200,000 rows")
	}
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "data")
	p, err := start(t, dir, "", "-memory", "256MiB")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := p.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	manyEvents(t, ctx, conn)
	const ask = "SELECT md5(string_agg(concat(k, x), ',' ORDER BY k)) FROM generate_series(0, 9999) AS l(e) LEFT JOIN newest AS OF '2024-01-10' ON k = e"
	var want, got string
	if err := conn.QueryRow(ctx, ask).Scan(&want); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := conn.Exec(ctx, "VACUUM ev"); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	if err := conn.QueryRow(ctx, ask).Scan(&got); err != nil || got != want {
		t.Errorf("%s, not %s: %v", got, want, err)
	}
	t.Logf("a compaction takes %s", took)
	for i := range 3 {
		if _, err := conn.Exec(ctx, "INSERT INTO ev VALUES (1, 1, '2024-01-01'); SELECT fqgw.sync()"); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		vacuum := conn
		go func() { _, err := vacuum.Exec(ctx, "VACUUM ev"); done <- err }()
		time.Sleep(took * time.Duration(i) / 4)
		begun := time.Now()
		p.interrupt(t)
		if stopped := time.Since(begun); stopped > 10*time.Second {
			t.Errorf("it took %s to stop", stopped)
		}
		<-done
		if p, err = start(t, dir, "", "-memory", "256MiB"); err != nil {
			t.Fatal(err)
		}
		if conn, err = p.connect(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.QueryRow(ctx, ask).Scan(&got); err != nil || got != want {
		t.Errorf("%s, not %s: %v", got, want, err)
	}
}
