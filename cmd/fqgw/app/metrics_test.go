package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// logs is what a gateway writes while it is read.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// running runs a gateway on dir around f and gives what it logged.
func running(t *testing.T, dir string, f func(ctx context.Context, a *App, conn *pgx.Conn, log *logs)) string {
	t.Helper()
	c := Throwaway(dir)
	c.Log = "info"
	var log logs
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, err := Open(ctx, c, nil, newLogger(c, &log))
	if err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- a.Run(ctx, func() { close(ready) }) }()
	<-ready
	conn, err := pgx.Connect(ctx, connString(a.Addr(), "simple"))
	if err != nil {
		t.Fatal(err)
	}
	f(ctx, a, conn, &log)
	conn.Close(ctx)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return log.String()
}

func get(t *testing.T, a *App, path string) (int, string) {
	t.Helper()
	res, err := http.Get("http://" + a.AdminAddr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// What happened is in /metrics, under the names of docs/metrics.md and no others;
// a second start says what it fills and when it is ready.
func TestMetrics(t *testing.T) {
	dir := t.TempDir()
	log := running(t, dir, func(ctx context.Context, a *App, conn *pgx.Conn, log *logs) {
		for _, sql := range []string{
			`CREATE SOURCE s (k text, x float8 CHECK (x > 0), ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 't', format = 'json', event_time = 'ts')`,
			`CREATE FEATURE VIEW f AS SELECT k, count(*) OVER w AS n, max(x) OVER w AS m FROM s WINDOW w AS (PARTITION BY k ORDER BY ts RANGE '1 hour' PRECEDING)`,
			`INSERT INTO s VALUES ('a', 1, now()), ('b', NULL, now())`, `SELECT fqgw.sync()`,
			`SELECT * FROM f WHERE k = 'a'`, `SELECT * FROM f WHERE k IN ('a', 'b', 'c')`, `SELECT * FROM f AS OF now() WHERE k = 'a'`,
			`SELECT * FROM f`, `SELECT count(*) FROM pg_class`,
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		for _, sql := range []string{"SELECT 1/0", "SELECT nosuch", "SELEC", "INSERT INTO s VALUES ('a', -1, now())"} {
			if _, err := conn.Exec(ctx, sql); err == nil {
				t.Fatalf("%s succeeded", sql)
			}
		}
		code, text := get(t, a, "/metrics")
		if code != http.StatusOK {
			t.Fatalf("%d: %s", code, text)
		}
		for _, want := range []string{
			`fqgw_statements_total{route="point",sqlstate="00000"} 2`, `fqgw_statements_total{route="point_in_time",sqlstate="00000"} 1`,
			`fqgw_statements_total{route="entities",sqlstate="00000"} 1`, `fqgw_statements_total{route="relational",sqlstate="00000"} 1`,
			`fqgw_statements_total{route="definition",sqlstate="00000"} 2`, `fqgw_statements_total{route="write",sqlstate="00000"} 1`,
			`fqgw_statements_total{route="write",sqlstate="23514"} 1`, `fqgw_statements_total{route="scan",sqlstate="22012"} 1`,
			`fqgw_statements_total{route="none",sqlstate="42703"} 1`, `fqgw_statements_total{route="none",sqlstate="42601"} 1`,
			`fqgw_statement_duration_seconds_count{route="point"} 2`,
			// a: 1 and 1 by name, 1 and 1 in the list; b: 1, NULL; c: nothing; all: a and b.
			`fqgw_feature_values_total{path="now",status="present"} 8`, `fqgw_feature_values_total{path="now",status="null"} 2`,
			`fqgw_feature_values_total{path="now",status="not_found"} 2`, `fqgw_feature_values_total{path="as_of",status="present"} 2`,
			`fqgw_online_store_errors_total{kind="connection"} 0`, `fqgw_stream_lag_records{partition="0",source="s"} 0`,
			`fqgw_stream_events_total 2`, `fqgw_memory_bytes{part="sessions"} `, `fqgw_memory_bytes{part="stream_states"} `, `fqgw_ready 1`, `fqgw_sessions 1`, "go_goroutines ", "process_resident_memory_bytes ",
		} {
			if !strings.Contains(text, "\n"+want) {
				t.Errorf("/metrics has no %q", want)
			}
		}
		if m := regexp.MustCompile(`\nfqgw_online_store_trip_duration_seconds_count (\d+)`).FindStringSubmatch(text); m == nil || m[1] == "0" {
			t.Errorf("no trips to the online store: %v", m)
		}
		documented(t, a, text)
		if t.Failed() {
			t.Log(text)
		}
	})
	if !strings.Contains(log, "ready: every feature view can be read") {
		t.Errorf("a first start logs\n%s", log)
	}
	if err := os.Remove(filepath.Join(dir, "online.save")); err != nil { // it is to be filled again
		t.Fatal(err)
	}
	log = running(t, dir, func(ctx context.Context, a *App, conn *pgx.Conn, log *logs) {
		until(t, "/readyz", func() bool { code, text := get(t, a, "/readyz"); return code == 200 && text == "ready\n" })
		until(t, "the log says ready", func() bool { return strings.Contains(log.String(), "ready: every") })
		var address string
		if err := conn.QueryRow(ctx, "SELECT current_setting('fqgw.redis')").Scan(&address); err != nil {
			t.Fatal(err)
		}
		empty(t, address)
		lost := "not ready, waiting for\n  feature view \"f\": the online store has lost it\n"
		if code, text := get(t, a, "/readyz"); code != http.StatusServiceUnavailable || text != lost {
			t.Errorf("an online store that was emptied: %d %q", code, text)
		}
		until(t, "the view is filled again", func() bool { code, _ := get(t, a, "/readyz"); return code == 200 })
	})
	if want := regexp.MustCompile(`embedded online store does not have it.*view=f(?s:.*)msg="ready: every feature view can be read" views=1 after=`); !want.MatchString(log) {
		t.Errorf("a second start logs\n%s", log)
	}
}

// empty empties a Redis behind the gateway's back.
func empty(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "redis://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer := make([]byte, 5)
	if _, err := io.WriteString(conn, "*1\r\n$8\r\nFLUSHALL\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+OK\r\n" {
		t.Fatalf("%q, %v", answer, err)
	}
}

// documented compares the names, types and labels with the page.
func documented(t *testing.T, a *App, text string) {
	page, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(fqgw_[a-z_]+)` \\| (\\w+) \\| ([a-z, _]*?) ?\\| (.*) \\|$").FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = m[2] + " {" + m[3] + "} " + m[4]
	}
	own := map[string]string{}
	for _, m := range a.metrics() {
		kind := map[int]string{0: "histogram", 1: "counter", 2: "gauge"}[int(m.kind)]
		own[m.name] = fmt.Sprintf("%s {%s} %s", kind, strings.Join(m.labels, ", "), m.help)
	}
	if !maps.Equal(listed, own) {
		for _, name := range slices.Sorted(maps.Keys(own)) {
			if listed[name] != own[name] {
				t.Errorf("docs/metrics.md says of %s %q, not %q", name, listed[name], own[name])
			}
		}
		for name := range listed {
			if own[name] == "" {
				t.Errorf("docs/metrics.md lists %s, which is not there", name)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\w+) `).FindAllStringSubmatch(text, -1) {
		if name := m[1]; own[name] == "" && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") && !strings.HasPrefix(name, "promhttp_") {
			t.Errorf("/metrics has %s, of which nothing is said", name)
		}
	}
}

// While a view is filled /readyz says which, and how far that is.
func TestWaiting(t *testing.T) {
	running(t, t.TempDir(), func(ctx context.Context, a *App, conn *pgx.Conn, log *logs) {
		for _, sql := range []string{
			`CREATE SOURCE s (k text, ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 't', format = 'json', event_time = 'ts')`,
			`INSERT INTO s SELECT 'k' || i % 5000, now() FROM generate_series(1, 20000) i`, `SELECT fqgw.sync()`,
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		done := make(chan error, 1)
		go func() {
			_, err := conn.Exec(ctx, `CREATE FEATURE VIEW f AS SELECT k, count(*) OVER w AS n FROM s WINDOW w AS (PARTITION BY k ORDER BY ts RANGE '1 hour' PRECEDING)`)
			done <- err
		}()
		var said string
		until(t, "/readyz while a view is filled", func() bool {
			code, text := get(t, a, "/readyz")
			said = text
			return code == http.StatusServiceUnavailable
		})
		if !strings.HasPrefix(said, "not ready, waiting for\n  feature view \"f\": filling") {
			t.Errorf("/readyz says %q", said)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		until(t, "/readyz", func() bool { code, _ := get(t, a, "/readyz"); return code == 200 })
	})
}
