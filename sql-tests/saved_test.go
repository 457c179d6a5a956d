package sqltests

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/embedded"
)

// syncedBuffer is a log that several goroutines write.
type syncedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestSaved: the embedded online store goes on from what was saved: after a stop
// nothing is filled again; what was saved earlier, or cannot be read, gives the same values.
func TestSaved(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(data, "online.save")
	online := "embedded"
	run := func(statements ...string) (n int64, log string) {
		t.Helper()
		var out syncedBuffer
		c := app.Throwaway(data)
		c.Online = online
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a, err := app.Open(ctx, c, nil, slog.New(slog.NewTextHandler(&out, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ready, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- a.Run(ctx, func() { close(ready) }) }()
		select {
		case <-ready:
		case err := <-done:
			t.Fatal(err)
		}
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		var past int64
		if err := conn.QueryRow(ctx, "SELECT (SELECT sum(n) FROM counts)::bigint, (SELECT sum(n) FROM counts AS OF now())::bigint").Scan(&n, &past); err != nil {
			t.Fatal(err)
		}
		if n != past {
			t.Errorf("online %d, AS OF now() %d", n, past)
		}
		_ = conn.Close(ctx)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return n, out.String()
	}
	const more, filled = `INSERT INTO e SELECT g % 100, now() FROM generate_series(1, 2000) g`, "filled from history"
	n, _ := run(`CREATE SOURCE e (id bigint NOT NULL, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e', format = 'json', event_time = 'at', partitions = 3)`,
		`CREATE FEATURE VIEW counts AS SELECT id, count(*) OVER d AS n FROM e WINDOW d AS (PARTITION BY id ORDER BY at RANGE '30 days' PRECEDING)`, more, `SELECT fqgw.sync()`)
	if n != 2000 {
		t.Fatalf("counted %d", n)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// From here on nothing is waited for: the first read of a process has it all.
	if n, log := run(); n != 2000 || strings.Contains(log, filled) {
		t.Errorf("after a stop: counted %d; %s", n, log)
	}
	if n, log := run(more, `SELECT fqgw.sync()`); n != 4000 || strings.Contains(log, filled) {
		t.Errorf("going on: counted %d; %s", n, log)
	}
	// As after a kill: what was saved lies back.
	if err := os.WriteFile(file, old, 0o644); err != nil {
		t.Fatal(err)
	}
	if n, log := run(`SELECT fqgw.sync()`); n != 4000 || strings.Contains(log, filled) {
		t.Errorf("from an older save: counted %d; %s", n, log)
	}
	// What another store got meanwhile is not in there.
	r, err := embedded.StartRedis(embedded.RedisOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	online = "redis://" + r.Addr
	if n, _ := run(more, `SELECT fqgw.sync()`); n != 6000 {
		t.Errorf("in another store: counted %d", n)
	}
	online = "embedded"
	if n, log := run(`SELECT fqgw.sync()`); n != 6000 || !strings.Contains(log, filled) {
		t.Errorf("from another store: counted %d; %s", n, log)
	}
	for name, b := range map[string][]byte{"damaged": old[:len(old)-1], "not there": nil} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if b != nil {
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		n, log := run(`SELECT fqgw.sync()`)
		if n != 6000 || !strings.Contains(log, filled) || strings.Contains(log, "damaged") != (b != nil) {
			t.Errorf("%s: counted %d; %s", name, n, log)
		}
	}
}
