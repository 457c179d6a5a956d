package sqltests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// derivedFaults are where fqgw dies while records are derived; at "" it is killed at a
// random moment.
var derivedFaults = []string{"before-derive:2", "after-derive:1", "", "after-derive:2", "before-land:2", "before-derive:1", "", "after-flush:3"}

// TestCrashDerived kills fqgw while records pass into a derived source: each passes once
// and in its order, with what AS OF the time at which it was known gives.
func TestCrashDerived(t *testing.T) { crashDerived(t, "") }

// TestCrashDerivedReal does it on a real Kafka.
func TestCrashDerivedReal(t *testing.T) {
	brokers := os.Getenv("FQGW_TEST_KAFKA")
	if brokers == "" {
		t.Skip("FQGW_TEST_KAFKA is not set")
	}
	crashDerived(t, fmt.Sprintf("_%x", rand.Uint32()), "-kafka", brokers)
}

func crashDerived(t *testing.T, suffix string, more ...string) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "data")
	named := strings.NewReplacer("CLICKS", "clicks"+suffix, "ITEMS", "items"+suffix, "ENRICHED", "enriched"+suffix).Replace
	p, conn := derivedProcess(t, dir, "", append([]string{"-clock", crashClock, "-clock-rate", "0"}, more...)...)
	for _, sql := range []string{
		"CREATE SOURCE ITEMS (item bigint, category text, at timestamptz) WITH (topic = 'ITEMS', event_time = 'at', partitions = 2)",
		"CREATE SOURCE CLICKS (seq int, item bigint, at timestamptz) WITH (topic = 'CLICKS', event_time = 'at', partitions = 3)",
		"CREATE FEATURE VIEW profile AS SELECT DISTINCT ON (item) item, category FROM ITEMS ORDER BY item, at DESC",
		"CREATE SOURCE ENRICHED AS SELECT c.*, p.category FROM CLICKS AS c LEFT JOIN profile AS p ON p.item = c.item WHERE c.seq % 7 <> 0",
		"CREATE FEATURE VIEW by_category AS SELECT category, count(*) OVER w AS n, sum(seq) OVER w AS total FROM ENRICHED WINDOW w AS (PARTITION BY category ORDER BY at RANGE '1 day' PRECEDING)",
	} {
		if _, err := conn.Exec(ctx, named(sql)); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Close(ctx)
	p.interrupt(t)
	random := rand.New(rand.NewPCG(1, 2))
	for round, fault := range derivedFaults {
		p, conn := derivedProcess(t, dir, fault, more...)
		if fault == "" {
			time.AfterFunc(time.Duration(random.IntN(1500))*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		}
		err := derivedRound(ctx, conn, named, round)
		_ = conn.Close(ctx)
		if err == nil && fault != "" {
			t.Errorf("round %d: nothing came to %s", round, fault)
		}
		p.kill()
	}
	p, conn = derivedProcess(t, dir, "", more...)
	if err := derivedRound(ctx, conn, named, len(derivedFaults)); err != nil {
		t.Fatal(err)
	}
	came := column(t, ctx, conn, named("SELECT seq::text FROM CLICKS WHERE seq % 7 <> 0 ORDER BY _fq_partition, _fq_offset"))
	passed := column(t, ctx, conn, named("SELECT seq::text FROM ENRICHED ORDER BY _fq_partition, _fq_offset"))
	if !slices.Equal(came, passed) || len(came) < 200 {
		t.Errorf("%d records came, and passed are %d: %v, not %v", len(came), len(passed), passed, came)
	}
	seen := named(`SELECT concat_ws(' ', e.seq, e.category, p.category) FROM ENRICHED AS e LEFT JOIN profile AS OF e._fq_known_at AS p ON p.item = e.item WHERE e.category IS `)
	if other := column(t, ctx, conn, seen+"DISTINCT FROM p.category"); len(other) > 0 {
		t.Errorf("these saw something else: %v", other)
	}
	if some := column(t, ctx, conn, seen+"NOT NULL"); len(some) < len(came)/2 {
		t.Errorf("only %d saw anything", len(some))
	}
	counts := "SELECT concat_ws(' ', category, n, total) FROM by_category%s ORDER BY 1"
	now, then := column(t, ctx, conn, fmt.Sprintf(counts, "")), column(t, ctx, conn, fmt.Sprintf(counts, " AS OF fqgw.now()"))
	if !slices.Equal(now, then) || len(now) == 0 {
		t.Errorf("online %v, history %v", now, then)
	}
	for _, sql := range []string{"DROP SOURCE ENRICHED CASCADE", "DROP SOURCE CLICKS PURGE", "DROP SOURCE ITEMS CASCADE"} {
		if _, err := conn.Exec(ctx, named(sql)); err != nil {
			t.Error(err)
		}
	}
	_ = conn.Close(ctx)
	p.interrupt(t)
}

func derivedProcess(t *testing.T, dir, fault string, more ...string) (*process, *pgx.Conn) {
	t.Helper()
	p, err := start(t, dir, fault, more...)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := p.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p, conn
}

// derivedRound writes a minute later: other categories of some items, and clicks on all.
func derivedRound(ctx context.Context, conn *pgx.Conn, named func(string) string, round int) error {
	for _, sql := range []string{
		"SELECT fqgw.sync()",
		"SELECT fqgw.advance('1 minute')",
		fmt.Sprintf("INSERT INTO ITEMS SELECT i, 'c' || i || '_%d', fqgw.now() FROM generate_series(%d, %d) AS i", round, round%4, round%4+9),
		"SELECT fqgw.sync()",
	} {
		if _, err := conn.Exec(ctx, named(sql)); err != nil {
			return err
		}
	}
	for part := range 8 {
		sql := fmt.Sprintf("INSERT INTO CLICKS SELECT i, i %% 16, fqgw.now() FROM generate_series(%d, %d) AS i", round*200+part*25, round*200+part*25+24)
		if _, err := conn.Exec(ctx, named(sql)); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, "SELECT fqgw.sync()")
	return err
}

// column are the rows of a query of one text.
func column(t *testing.T, ctx context.Context, conn *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}
