package sqltests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/embedded"
	"github.com/fqgw/fqgw/connectors/kafka"
)

const (
	streamBudget = 64 // MiB
	// streamFactor is how many bytes the process may take for each of the budget: the
	// collector lets the heap double, and what decoding, Arrow's builders as they
	// grow, Parquet and the clients of Kafka and Redis use for a moment is on top.
	// Measured: 0.6 to 3.3, with records of 1 MiB 4.5.
	streamFactor = 6
)

// A streamKind is records that would take more than the budget if they were kept.
type streamKind struct {
	name    string
	views   []string // of source e; %d is a number
	n, keys int
	pad     int // bytes of text in each record
	ahead   time.Duration
	apart   time.Duration // of the event times, 50 of them
	filled  bool          // the views come when all is landed
}

const (
	latestView = "SELECT DISTINCT ON (k) k, n, pad FROM e ORDER BY k, at DESC"
	newestView = "SELECT k, count(*) OVER w AS c, max(pad) OVER w AS top FROM e WINDOW w AS (PARTITION BY k ORDER BY at RANGE '1 hour' PRECEDING)"
)

// wideStreamView has so many windows with two features each.
func wideStreamView(windows int) string {
	var features, over []string
	for i := range windows {
		features = append(features, fmt.Sprintf("max(pad) OVER w%d AS top%d, approx_count_distinct(n) OVER w%d AS c%d", i, i, i, i))
		over = append(over, fmt.Sprintf("w%d AS (PARTITION BY k ORDER BY at RANGE '%d minutes' PRECEDING)", i, 60+i))
	}
	return "SELECT k, " + strings.Join(features, ", ") + " FROM e WINDOW " + strings.Join(over, ", ")
}

var streamKinds = []streamKind{
	{name: "many keys", views: []string{latestView, newestView}, n: 200_000, keys: 200_000, pad: 1024},
	{name: "large records", views: []string{latestView, newestView}, n: 300, keys: 300, pad: 950_000},
	{name: "ahead of the clock", views: []string{latestView, newestView}, n: 100_000, keys: 1000, pad: 1024, ahead: 4 * time.Minute},
	{name: "wide states", views: []string{wideStreamView(100)}, n: 50_000, keys: 1_009, pad: 30, apart: time.Minute},
	{name: "filling", views: []string{latestView, newestView}, n: 200_000, keys: 200_000, pad: 1024, filled: true},
}

// TestMemoryPeakOfStreams runs the program over Kafka and Redis of another process
// with little --stream-memory, and streams through it what is several times as much.
// It reads from /proc how much memory the process took beyond what it had with the
// definitions alone, and compares what can be read afterwards with what was produced.
func TestMemoryPeakOfStreams(t *testing.T) {
	if os.Getenv("FQGW_TEST_MEMORY") == "" {
		t.Skip("FQGW_TEST_MEMORY is not set")
	}
	for _, k := range streamKinds {
		t.Run(k.name, func(t *testing.T) { k.run(t) })
	}
}

func (k *streamKind) run(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	broker, err := embedded.StartKafka("127.0.0.1:0", filepath.Join(t.TempDir(), "kafka"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	redis, err := embedded.StartRedis(embedded.RedisOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer redis.Close()
	log, err := kafka.Open(kafka.Options{Brokers: broker.Brokers})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := log.CreateTopic(ctx, "e", 2); err != nil {
		t.Fatal(err)
	}
	p, err := start(t, filepath.Join(t.TempDir(), "data"), "", "-kafka", strings.Join(broker.Brokers, ","), "-redis", "redis://"+redis.Addr, "-shards", "16",
		"-stream-memory", fmt.Sprintf("%dMiB", streamBudget))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := p.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	do := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%.80s: %v", sql, err)
		}
	}
	views := func() {
		for i, v := range k.views {
			do(fmt.Sprintf("CREATE FEATURE VIEW v%d AS %s", i, v))
		}
	}
	do(`CREATE SOURCE e (k bigint NOT NULL, n bigint, at timestamptz NOT NULL, pad text) WITH (connector = 'kafka', topic = 'e', format = 'json', event_time = 'at', history = 'lake.e')`)
	if !k.filled {
		views()
	}
	do("SELECT fqgw.sync()")
	idle := p.peak(t)
	p.peakAnew(t)
	begun := time.Now()
	produced := make(chan error, 1)
	go func() { produced <- k.produce(ctx, log) }()
	if k.ahead > 0 {
		k.stands(t, ctx, conn)
	} else {
		if err := <-produced; err != nil {
			t.Fatal(err)
		}
		do("SELECT fqgw.sync()")
		if k.filled {
			views()
		}
		k.check(t, ctx, conn)
	}
	peak, most := p.peak(t), idle+streamFactor*streamBudget
	t.Logf("%-20s idle %d MiB, at most %d MiB of %d, %s", k.name, idle, peak, most, time.Since(begun).Round(time.Millisecond))
	if peak > most {
		t.Errorf("%s: the process took %d MiB, more than %d", k.name, peak, most)
	}
}

// produce writes the records, a thousand or 16 MiB of them at a time.
func (k *streamKind) produce(ctx context.Context, log *kafka.Log) error {
	var recs []fqgw.LogRecord
	bytes := 0
	for i := range k.n {
		at := time.Now().Add(k.ahead - time.Duration(i%50)*k.apart)
		value := fmt.Appendf(nil, `{"k":%d,"n":%d,"at":%d,"pad":"%06d%s"}`, i%k.keys, i, at.UnixMilli(), i, strings.Repeat("x", k.pad))
		recs = append(recs, fqgw.LogRecord{Partition: int32(i % 2), Value: value})
		if bytes += len(value); len(recs) == 1000 || bytes > 16<<20 || i == k.n-1 {
			if err := log.Produce(ctx, "e", recs); err != nil {
				return err
			}
			recs, bytes = recs[:0], 0
		}
	}
	return nil
}

// check compares the history and some entities with what was produced.
func (k *streamKind) check(t *testing.T, ctx context.Context, conn *pgx.Conn) {
	t.Helper()
	var rows, sum int64
	if err := conn.QueryRow(ctx, "SELECT count(*), sum(n)::bigint FROM lake.e").Scan(&rows, &sum); err != nil {
		t.Fatal(err)
	}
	if n := int64(k.n); rows != n || sum != n*(n-1)/2 {
		t.Errorf("%d rows whose n have the sum %d, want %d and %d", rows, sum, n, n*(n-1)/2)
	}
	for key := 0; key < k.keys; key += max(k.keys/50, 1) {
		last := key + (k.n-1-key)/k.keys*k.keys // the last record of the key
		want := fmt.Sprintf("%06d", last) + strings.Repeat("x", k.pad)
		column := "pad"
		if len(k.views) == 1 {
			column = "top0"
		}
		var got string
		if err := conn.QueryRow(ctx, fmt.Sprintf("SELECT %s FROM v0 WHERE k = %d", column, key)).Scan(&got); err != nil || got != want {
			t.Errorf("key %d has %.10q, want %.10q: %v", key, got, want, err)
			return
		}
	}
}

// stands waits until both partitions stand for want of memory.
func (k *streamKind) stands(t *testing.T, ctx context.Context, conn *pgx.Conn) {
	t.Helper()
	for {
		var standing int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM fqgw.stream_status WHERE paused LIKE '%ahead of their time fill%'").Scan(&standing)
		if err != nil {
			t.Fatal(err)
		}
		if standing == 2 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
