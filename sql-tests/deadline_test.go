package sqltests

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/embedded"
)

// proxy stands between fqgw and its online store; it can stop answering.
type proxy struct {
	listener net.Listener
	backend  string

	mu     sync.Mutex
	open   *sync.Cond
	state  string // "", "stalled" or "refusing"
	closed bool
	conns  map[net.Conn]bool
}

func newProxy(t *testing.T, backend string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, backend: backend, conns: map[net.Conn]bool{}}
	p.open = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.set("refusing")
	})
	return p
}

// set changes how the proxy behaves; refusing also cuts every connection.
func (p *proxy) set(state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
	if state == "refusing" {
		for c := range p.conns {
			c.Close()
		}
	}
	p.open.Broadcast()
}

// keep notes a connection; false when none is wanted.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return p.state != "refusing"
}

// pass waits while the proxy is stalled.
func (p *proxy) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.state == "stalled" && !p.closed {
		p.open.Wait()
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.backend)
		if err != nil || !p.keep(client) || !p.keep(server) {
			client.Close()
			continue
		}
		go p.forward(client, server)
		go p.forward(server, client)
	}
}

func (p *proxy) forward(to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		p.pass()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

const deadlineSetup = `CREATE SOURCE c (k text, v int, t timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'c', format = 'json', event_time = 't');
CREATE FEATURE VIEW w AS SELECT k, count(*) OVER h AS n, sum(v) OVER h AS total, COALESCE(max(v) OVER h, -1) AS most
FROM c WINDOW h AS (PARTITION BY k ORDER BY t RANGE '1 hour' PRECEDING);
CREATE FEATURE VIEW r AS SELECT DISTINCT ON (k) k, v FROM c ORDER BY k, t DESC;
CREATE FEATURE VIEW g AS SELECT k, count(*) OVER h AS n, COALESCE(sum(v) OVER h, sum(v) OVER a) AS total, max(v) OVER a AS most, COALESCE(min(v) OVER h, min(v) FILTER (WHERE v > 9) OVER a, -3) AS least
FROM c WINDOW h AS (PARTITION BY k ORDER BY t RANGE '1 hour' PRECEDING), a AS (ORDER BY t RANGE '1 hour' PRECEDING);
CREATE FEATURE VIEW e AS SELECT count(*) OVER a AS n, sum(v) OVER a AS total FROM c WINDOW a AS (ORDER BY t RANGE '1 hour' PRECEDING);
CREATE VIEW service AS SELECT w.k, w.n, w.most, r.v, w.most + 1 AS next FROM w LEFT JOIN r ON r.k = w.k;
INSERT INTO c VALUES ('a', 5, '2024-01-01 11:30Z');
SELECT fqgw.sync()`

// deadlineReads are point reads with what they answer when the online store does
// and when it does not (SEMANTICS §4.3: timeout, the default stands in).
var deadlineReads = []struct{ sql, answered, late string }{
	{`SELECT k, n, total, most, feature_status(w.n), feature_status(w.total), feature_status(w.most), feature_time(w.n) FROM w WHERE k = 'a'`,
		"a|1|5|5|present|present|present|2024-01-01 11:30:00+00", "a|NULL|NULL|-1|timeout|timeout|timeout|NULL"},
	{`SELECT k, v, feature_status(r.v) FROM r WHERE k IN ('a', 'never')`, "a|5|present", "a|NULL|timeout\nnever|NULL|timeout"},
	{`SELECT s.k, f.n, f.most, feature_status(f.n), feature_status(f.most) FROM (VALUES ('a'), ('never'), (NULL)) AS s(k) LEFT JOIN w AS f ON f.k = s.k`,
		"a|1|5|present|present\nnever|0|-1|not_found|default\nNULL|NULL|-1|not_found|default",
		"a|NULL|-1|timeout|timeout\nnever|NULL|-1|timeout|timeout\nNULL|NULL|-1|not_found|default"},
	{`SELECT s.k, f.n, feature_status(f.n) FROM (VALUES ('a'), ('never')) AS s(k) JOIN w AS f ON f.k = s.k`, "a|1|present", "a|NULL|timeout\nnever|NULL|timeout"},
	{`SELECT s.k, f.n, f.v, f.next FROM (VALUES ('a')) AS s(k) LEFT JOIN service AS f ON f.k = s.k`, "a|1|5|6", "a|NULL|NULL|0"},
	// The last published global values stand in, as values and as defaults.
	{`SELECT k, n, total, most, least, feature_status(g.n), feature_status(g.total), feature_status(g.most), feature_status(g.least) FROM g WHERE k = 'a'`,
		"a|1|5|5|5|present|present|present|present", "a|NULL|5|5|-3|timeout|timeout|timeout|timeout"},
	{`SELECT s.k, f.n, f.total, f.most, feature_status(f.total) FROM (VALUES ('never')) AS s(k) LEFT JOIN g AS f ON f.k = s.k`, "never|0|5|5|default", "never|NULL|5|5|timeout"},
	{`SELECT n, total FROM e`, "1|5", "1|5"},
	// History does not ask the online store.
	{`SELECT n, most, feature_status(w.most) FROM w AS OF now() WHERE k = 'a'`, "1|5|present", "1|5|present"},
	{`SELECT 1`, "1", "1"},
}

// TestDeadline reads through a proxy that stalls, and then cuts, the way to the
// online store: past SET fqgw.deadline a point read answers with the defaults.
func TestDeadline(t *testing.T) {
	t.Parallel()
	c := app.Throwaway(t.TempDir())
	explicit := map[string]bool{"clock": true, "clock_rate": true}
	c.Clock, c.ClockRate = "2024-01-01 12:00:00Z", 0
	r, err := embedded.StartRedis(embedded.RedisOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := newProxy(t, r.Addr)
	c.Online = "redis://" + p.listener.Addr().String()
	err = app.WithApp(t.Context(), c, explicit, func(ctx context.Context, a *app.App) error {
		defer p.set("")
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		run := func(protocol, sql string) (string, error) {
			var rows [][][]byte
			var err error
			if protocol == "simple" {
				var all []*pgconn.Result
				if all, err = conn.PgConn().Exec(ctx, sql).ReadAll(); len(all) > 0 {
					rows = all[0].Rows
				}
			} else {
				res := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
				rows, err = res.Rows, res.Err
			}
			var lines []string
			for _, row := range rows {
				cells := make([]string, len(row))
				for i, cell := range row {
					if cells[i] = string(cell); cell == nil {
						cells[i] = "NULL"
					}
				}
				lines = append(lines, strings.Join(cells, "|"))
			}
			return strings.Join(lines, "\n"), err
		}
		for _, sql := range strings.Split(deadlineSetup, ";\n") {
			if _, err := run("simple", sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		check := func(state, deadline string) {
			t.Helper()
			if _, err := run("simple", "SET fqgw.deadline = '"+deadline+"'"); err != nil {
				t.Fatal(err)
			}
			p.set(state)
			for _, protocol := range app.Protocols {
				for _, r := range deadlineReads {
					want := r.answered
					if state != "" {
						want = r.late
					}
					if got, err := run(protocol, r.sql); err != nil || got != want {
						t.Errorf("%q, %s, deadline %s: %s\n got %s, %v\nwant %s", state, protocol, deadline, r.sql, got, err, want)
					}
				}
			}
		}
		check("", "1 min")
		check("stalled", "20ms")
		check("stalled", "0.03 s")
		check("stalled", "20000 us")
		check("stalled", "20")
		check("", "0")
		check("refusing", "100ms")
		check("", "10 min")
		// What was published grows old: it still gives its value (SEMANTICS §3.8).
		p.set("stalled")
		ages := func(want string) {
			t.Helper()
			const sql = "SELECT n, total, feature_status(e.n) FROM e"
			for until := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				got, err := run("extended", sql)
				if err != nil || got != want && time.Now().After(until) {
					t.Fatalf("%s: %s, %v, it must be %s", sql, got, err, want)
				}
				if got == want {
					return
				}
			}
		}
		ages("1|5|timeout")
		p.set("")
		ages("1|5|present")
		if _, err := run("simple", "SET fqgw.deadline = 'soon'"); err == nil || !strings.Contains(err.Error(), "22023") {
			t.Errorf("SET fqgw.deadline = 'soon': %v", err)
		}
		// Without a deadline it is the statement's time-out that ends it, as an error.
		for _, sql := range []string{"RESET fqgw.deadline", "SET statement_timeout = '20ms'"} {
			if _, err := run("simple", sql); err != nil {
				t.Fatal(err)
			}
		}
		p.set("stalled")
		if _, err := run("simple", deadlineReads[0].sql); err == nil || !strings.Contains(err.Error(), "57014") {
			t.Errorf("past statement_timeout: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
