package sqltests

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// memoryRows is how many rows of big there are per MiB of the limit: kept whole,
// they take nearly four times the limit.
const memoryRows = 10_000

// memorySetup makes the lake table big, ten features, a table to write to, and a
// dead letter of 20 KB for every hundredth row; %d is the number of rows.
const memorySetup = `CREATE TABLE big AS SELECT g AS id, mod(g, 100) AS k, md5(g::text) AS s, g::numeric / 7 AS n, timestamptz '2024-01-01 00:00Z' + g * interval '1 second' AS t FROM generate_series(1, %d) AS g;
CREATE TABLE lake (id bigint, s text);
CREATE SOURCE e (id bigint NOT NULL, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e', format = 'json', event_time = 'at');
CREATE FEATURE VIEW counts AS SELECT id, count(*) OVER d AS c FROM e WINDOW d AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING);
CREATE FEATURE VIEW counts_now AS SELECT id, count(*) OVER d AS c FROM e WINDOW d AS (PARTITION BY id ORDER BY at RANGE UNBOUNDED PRECEDING);
INSERT INTO e (id, at, _fq_known_at) SELECT mod(g, 10), timestamptz '2024-01-01 00:00Z' + g * interval '1 minute', timestamptz '2024-01-01 00:00Z' + g * interval '1 minute' FROM generate_series(1, 500) AS g;
CREATE SOURCE lax (id text, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'x', format = 'json', event_time = 'at');
CREATE SOURCE strict (id bigint, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'x', format = 'json', event_time = 'at');
INSERT INTO lax SELECT repeat('x', 20000), t FROM big WHERE mod(id, 400) = 0;
INSERT INTO lax SELECT repeat('x', 20000), t FROM big WHERE mod(id, 400) = 100;
INSERT INTO lax SELECT repeat('x', 20000), t FROM big WHERE mod(id, 400) = 200;
INSERT INTO lax SELECT repeat('x', 20000), t FROM big WHERE mod(id, 400) = 300;
SELECT fqgw.sync()`

const (
	tooMuch = string(fqgw.CodeOutOfMemory)
	tooLong = "54000" // of a text or an array that one function makes, whatever the limit is
)

// A memoryKind is a kind of statement over big. want is the SQLSTATE, empty for
// success: what keeps its rows must refuse, what streams must not.
type memoryKind struct {
	name, sql, want string
	do              func(*session) error // in the place of the SQL
	times           int                  // the SQL is run so often, with its number for %[1]d
	copies          string               // or the rows of big are copied into this table
	after           string               // undoes it
}

// A memoryGroup is run in a process of its own.
type memoryGroup struct {
	name  string
	kinds []memoryKind
	limit int // MiB of --memory and --session-memory; 0: 64
	more  int // MiB that are in no account
}

// memoryGroups are kinds of plain SQL.
var memoryGroups = []memoryGroup{
	{name: "rows", kinds: []memoryKind{
		{name: "scan", sql: "SELECT * FROM big"},
		{name: "scan, LIMIT", sql: "SELECT * FROM big OFFSET 1000 LIMIT 1000"},
		{name: "sort", sql: "SELECT * FROM big ORDER BY s", want: tooMuch},
		{name: "sort, LIMIT", sql: "SELECT * FROM big ORDER BY s LIMIT 10"},
		{name: "sort, large LIMIT", sql: "SELECT * FROM big ORDER BY s LIMIT 1000000", want: tooMuch},
		{name: "sort, WITH TIES", sql: "SELECT 1 FROM big ORDER BY 1 FETCH FIRST 10 ROWS WITH TIES", want: tooMuch},
		{name: "distinct", sql: "SELECT DISTINCT s, n, s || s FROM big", want: tooMuch},
		{name: "distinct, few", sql: "SELECT DISTINCT k FROM big"},
		{name: "DISTINCT ON", sql: "SELECT DISTINCT ON (s) s, t FROM big ORDER BY s, t", want: tooMuch},
		{name: "hash join", sql: "SELECT count(*) FROM big a JOIN big b ON a.s = b.s", want: tooMuch},
		{name: "hash join, small side", sql: "SELECT count(*) FROM big a JOIN generate_series(1, 100) b ON a.id = b"},
		{name: "full join", sql: "SELECT count(*) FROM big a FULL JOIN big b ON a.s = b.s", want: tooMuch},
		{name: "cross join", sql: "SELECT count(*) FROM generate_series(1, 3) a, big b"},
		{name: "window", sql: "SELECT id, rank() OVER (PARTITION BY k ORDER BY s) FROM big", want: tooMuch},
		{name: "union", sql: "SELECT s, s || s, n FROM big UNION SELECT s, s || s, n FROM big", want: tooMuch},
		{name: "union all", sql: "SELECT s FROM big UNION ALL SELECT s FROM big"},
		{name: "intersect", sql: "SELECT s, n FROM big INTERSECT SELECT s, n FROM big", want: tooMuch},
		{name: "except", sql: "SELECT s, n FROM big EXCEPT SELECT s, n FROM big WHERE id < 0", want: tooMuch},
	}},
	{name: "aggregates", kinds: []memoryKind{
		{name: "group", sql: "SELECT s, count(*) FROM big GROUP BY s", want: tooMuch},
		{name: "group, few", sql: "SELECT k, count(*), max(s), sum(n) FROM big GROUP BY k"},
		{name: "array_agg", sql: "SELECT array_agg(s) FROM big", want: tooMuch},
		{name: "string_agg", sql: "SELECT string_agg(s || s || s || s, ',') FROM big", want: tooMuch},
		{name: "json_agg", sql: "SELECT json_agg(b) FROM big b", want: tooMuch},
		{name: "jsonb_agg", sql: "SELECT jsonb_agg(s) FROM big", want: tooMuch},
		{name: "percentile_cont", sql: "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n) FROM big, generate_series(1, 2)", want: tooMuch},
		{name: "count distinct", sql: "SELECT count(DISTINCT s || s) FROM big", want: tooMuch},
		{name: "count distinct, few", sql: "SELECT count(DISTINCT k) FROM big"},
	}},
	{name: "texts", limit: 32, more: 512, kinds: []memoryKind{ // a function makes up to 64 MiB before the limit is asked

		{name: "repeat", sql: "SELECT length(repeat('x', 1000000000))", want: tooLong},
		{name: "lpad", sql: "SELECT length(lpad('x', 200000000, 'yz'))", want: tooLong},
		{name: "replace", sql: "SELECT length(replace(repeat('x', 100000), 'x', repeat('y', 1000)))", want: tooLong},
		{name: "regexp_replace", sql: "SELECT length(regexp_replace(repeat('x', 100000), 'x', repeat('y', 1000), 'g'))", want: tooLong},
		{name: "format", sql: "SELECT length(format('%500000000s', 'x'))", want: tooLong},
		{name: "array_fill", sql: "SELECT cardinality(array_fill(1, ARRAY[50000000]))", want: tooLong},
		{name: "string_to_array", sql: "SELECT cardinality(string_to_array(repeat('x,', 1000000), ','))", want: tooMuch},
		{name: "a long text", sql: "SELECT length(repeat('x', 60000000))", want: tooMuch},
		{name: "||, in itself", sql: doubled("a || a", "repeat('x', 1000000)"), want: tooMuch},
		{name: "concat, in itself", sql: doubled("concat(a, a)", "repeat('x', 1000000)"), want: tooMuch},
		{name: "jsonb_build_array, in itself", sql: doubled("jsonb_build_array(a, a)", "to_jsonb(repeat('x', 1000000))"), want: tooMuch},
		{name: "array || array, in itself", sql: doubled("a || a", "string_to_array(repeat(',', 100000), ',')"), want: tooMuch},
		{name: "array_to_string", sql: "SELECT array_to_string(array_fill(repeat('x', 100000), ARRAY[1000]), ',')", want: tooMuch},
		{name: "a cast of an array", sql: "SELECT array_fill(repeat('x', 100000), ARRAY[1000])::text", want: tooMuch},
		{name: "text that doubles", sql: "WITH RECURSIVE r(i) AS (SELECT 'x' UNION ALL SELECT i || i FROM r) SELECT max(length(i)) FROM r", want: tooMuch},
	}},
	{name: "subqueries", kinds: []memoryKind{
		{name: "CTE, twice", sql: "WITH x AS MATERIALIZED (SELECT * FROM big) SELECT count(*) FROM x a JOIN x b ON a.id = b.id", want: tooMuch},
		{name: "recursion, UNION ALL", sql: "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 1000) SELECT count(*) FROM r"},
		{name: "recursion, UNION", sql: "WITH RECURSIVE r(i) AS (SELECT 1 UNION SELECT i + 1 FROM r) SELECT count(*) FROM r", want: tooMuch},
		{name: "recursion, UNION ALL, doubling", sql: "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + g FROM r, generate_series(1, 2) g) SELECT count(*) FROM r", want: tooMuch},
		{name: "IN", sql: "SELECT count(*) FROM big WHERE s IN (SELECT s || s FROM big)", want: tooMuch},
		{name: "NOT IN", sql: "SELECT count(*) FROM big WHERE s NOT IN (SELECT s || s FROM big)", want: tooMuch},
		{name: "IN, small", sql: "SELECT count(*) FROM big WHERE id IN (SELECT generate_series(1, 100))"},
		{name: "EXISTS", sql: "SELECT count(*) FROM big a WHERE EXISTS (SELECT FROM generate_series(1, 100) g WHERE g = a.id)"},
		{name: "correlated", sql: "SELECT count((SELECT max(g) FROM generate_series(1, 3) g WHERE g < a.id)) FROM big a"}, // forgets what it had
		{name: "ARRAY(subquery)", sql: "SELECT cardinality(ARRAY(SELECT s || s FROM big))", want: tooMuch},
		{name: "feature join AS OF", sql: "SELECT count(f.c) FROM big b LEFT JOIN counts AS OF b.t AS f ON f.id = b.k"}, // in chunks
		{name: "feature joins AS OF, five", sql: `SELECT count(f.c), count(j.c) FROM big b LEFT JOIN counts AS OF b.t AS f ON f.id = b.k LEFT JOIN counts AS OF b.t AS g ON g.id = b.k
			LEFT JOIN counts AS OF b.t AS h ON h.id = b.k LEFT JOIN counts AS OF b.t AS i ON i.id = b.k LEFT JOIN counts AS OF b.t AS j ON j.id = b.k`},
		{name: "feature join AS OF, long texts", do: longTexts},
		{name: "feature join AS OF, sorted", sql: "SELECT b.*, f.c FROM big b LEFT JOIN counts AS OF b.t AS f ON f.id = b.k ORDER BY b.s", want: tooMuch},
	}},
	{name: "relations of the system", kinds: []memoryKind{
		{name: "dead letters", sql: "SELECT * FROM fqgw.dead_letters", want: tooMuch},
		{name: "dead letters, counted", sql: "SELECT count(*) FROM fqgw.dead_letters"},
	}},
	{name: "writes", kinds: []memoryKind{
		{name: "CREATE TABLE AS", sql: "CREATE TABLE big2 AS SELECT * FROM big", after: "DROP TABLE big2"},
		{name: "INSERT … SELECT into a lake table", sql: "INSERT INTO lake SELECT id, s FROM big"},
		{name: "INSERT … SELECT in a block", sql: "BEGIN; INSERT INTO lake SELECT id, s FROM big", want: tooMuch, after: "ROLLBACK"},
		{name: "COPY into a lake table", copies: "lake"},
		{name: "COPY to a file", sql: "COPY (SELECT * FROM big) TO 'x.parquet' (FORMAT parquet)"},
		{name: "CREATE TEMP TABLE AS", sql: "CREATE TEMP TABLE temp AS SELECT * FROM big", want: tooMuch, after: "DROP TABLE IF EXISTS temp"},
		{name: "INSERT … SELECT into a temporary table", sql: "CREATE TEMP TABLE temp (id bigint, s text); INSERT INTO temp SELECT id, s FROM big", want: tooMuch, after: "DROP TABLE IF EXISTS temp"},
		{name: "a temporary table that fits", sql: "CREATE TEMP TABLE temp AS SELECT * FROM big WHERE id <= 1000", after: "DROP TABLE temp"},
		{name: "temporary tables, each of which fits", sql: "CREATE TEMP TABLE temp%[1]d AS SELECT * FROM big LIMIT 1000", times: 1000, want: tooMuch, after: "DISCARD ALL"},
		{name: "COPY into a temporary table", sql: "CREATE TEMP TABLE temp (id bigint, s text)", copies: "temp", want: tooMuch, after: "DROP TABLE temp"},
		{name: "INSERTs in a block", sql: "BEGIN; INSERT INTO lake SELECT id, s FROM big LIMIT 1000; SAVEPOINT a%[1]d", times: 1000, want: tooMuch, after: "ROLLBACK"},
		{name: "prepared statements", sql: "PREPARE p%[1]d AS SELECT id, k, s, n, t, %[1]d AS a FROM big WHERE id = $1 AND s = 'abc'", times: 100_000, want: tooMuch, after: "DEALLOCATE ALL"},
	}},
}

// doubled is an expression of a over itself, six times, over a first one.
func doubled(expr, first string) string {
	sql := "SELECT " + first + " AS a"
	for range 6 {
		sql = "SELECT " + expr + " AS a FROM (" + sql + ") q"
	}
	return sql
}

// longTexts joins big by columns with texts of 2 KB.
func longTexts(s *session) error {
	for _, sql := range []string{
		"CREATE SOURCE words (k integer NOT NULL, at timestamptz NOT NULL, s text) WITH (connector = 'kafka', topic = 'words', format = 'json', event_time = 'at', known_time = 'event_time')",
		"CREATE FEATURE VIEW texts AS SELECT DISTINCT ON (k) k, s FROM words ORDER BY k, at DESC",
		"INSERT INTO words SELECT g, timestamptz '2023-12-31 00:00Z', repeat(md5(g::text), 60) FROM generate_series(0, 99) AS g",
		"SELECT fqgw.sync()",
		"VACUUM words",
		"COPY (SELECT b.id, f.s FROM big b LEFT JOIN texts AS OF b.t AS f ON f.k = b.k) TO 'x.parquet' (FORMAT parquet)",
		"DROP FEATURE VIEW texts",
		"DROP SOURCE words PURGE", // whose runs are open, and counted
	} {
		if err := s.exec(sql); err != nil {
			return err
		}
	}
	return nil
}

// run runs the kind's statements until one fails.
func (k memoryKind) run(s *session) error {
	if k.do != nil {
		return k.do(s)
	}
	for i := range max(k.times, min(1, len(k.sql))) {
		sql := k.sql
		if k.times > 0 {
			sql = fmt.Sprintf(k.sql, i)
			if i > 0 {
				sql = strings.TrimPrefix(sql, "BEGIN; ")
			}
		}
		if err := s.exec(sql); err != nil {
			return err
		}
	}
	if k.copies == "" {
		return nil
	}
	i := 0
	_, err := s.conn.CopyFrom(s.ctx, pgx.Identifier{k.copies}, []string{"id", "s"}, pgx.CopyFromFunc(func() ([]any, error) {
		if i++; i > s.rows {
			return nil, nil
		}
		return []any{i, "what is copied " + strconv.Itoa(i)}, nil
	}))
	return err
}

// check runs the kind and says whether it did what it must; the session goes on, and
// so does the process: a row of the lake and a feature are read as before.
func (k memoryKind) check(s *session) {
	s.t.Helper()
	err := k.run(s)
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code != k.want || !errors.As(err, &e) && (err != nil || k.want != "") {
		s.t.Errorf("%s: %v, want %q", k.name, err, k.want)
	}
	if e != nil && e.Code == tooMuch && e.Hint == "" {
		s.t.Errorf("%s: %v has no hint", k.name, err)
	}
	if err := s.exec(k.after, "SELECT 1"); err != nil {
		s.t.Fatalf("after %s: %v", k.name, err)
	}
	if err := s.wants("50", "SELECT c::text FROM counts_now WHERE id = 7"); err != nil {
		s.t.Fatalf("a point read after %s: %v", k.name, err)
	}
}

func memoryTables(ctx context.Context, conn *pgx.Conn, rows int) error {
	for _, sql := range slices.Concat(strings.Split(fmt.Sprintf(memorySetup, rows), ";\n"), memoryWideSetup(rows)) {
		if err := conn.PgConn().Exec(ctx, sql).Close(); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// TestMemory runs every kind of statement over four times what --memory allows
// to keep: what must keep it is refused with 53200, what streams is not.
func TestMemory(t *testing.T) {
	t.Parallel()
	const limit = 4
	c := app.Throwaway(t.TempDir())
	c.Log, c.Memory = "error", fmt.Sprintf("%dMiB", limit)
	err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if err := memoryTables(ctx, conn, limit*memoryRows); err != nil {
			return err
		}
		s := &session{t, ctx, conn, a.Addr(), limit * memoryRows, limit}
		for _, g := range memoryGroups {
			for _, k := range g.kinds {
				begun := time.Now()
				k.check(s)
				t.Logf("%-45s %5s %s", k.name, k.want, time.Since(begun).Round(time.Millisecond))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMemoryPeak runs the same kinds, and those of memoryWire, a group in a process of
// its own each, and reads from /proc how much memory that took: at most what it has
// once the tables are made (the embedded Kafka and Redis are in it), and
//
//   - twice what one session may have, --memory and --session-memory: accounts count
//     what is kept, and the collector lets as much garbage lie beside it (GOGC is 100);
//   - 64 MiB for what is in no account: two row groups of Parquet that are written or
//     read, the pages and batches of history that a point-in-time join goes through, the
//     plan cache, and what the C parser has in its hands.
//
// Without accounts of texts and messages VALUES of 5,000,000 rows took 5,200 MiB, and
// portals that stand on scans 3,000.
func TestMemoryPeak(t *testing.T) {
	if os.Getenv("FQGW_TEST_MEMORY") == "" {
		t.Skip("FQGW_TEST_MEMORY is not set")
	}
	ctx := t.Context()
	for _, g := range slices.Concat(memoryGroups, memoryWire) {
		t.Run(g.name, func(t *testing.T) {
			limit := cmp.Or(g.limit, 64)
			size, admin := fmt.Sprintf("%dMiB", limit), freeAddr(t)
			p, err := start(t, filepath.Join(t.TempDir(), "data"), "", "-memory", size, "-session-memory", size, "-stream-memory", size, "-admin", admin)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := p.connect(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(ctx)
			if err := memoryTables(ctx, conn, limit*memoryRows); err != nil {
				t.Fatal(err)
			}
			made := p.peak(t)
			p.peakAnew(t)
			idle := p.peak(t)
			most := idle + 2*2*limit + 64 + g.more
			t.Logf("%-45s %d MiB, idle %d, at most %d", "the tables", made, idle, most)
			s := &session{t, ctx, conn, p.addr, limit * memoryRows, limit}
			for _, k := range g.kinds {
				p.peakAnew(t)
				begun := time.Now()
				k.check(s)
				peak := p.peak(t)
				if t.Logf("%-45s %5s %d MiB, %s", k.name, k.want, peak, time.Since(begun).Round(time.Millisecond)); peak > most {
					t.Errorf("%s: the process took %d MiB, more than %d", k.name, peak, most)
				}
			}
			if err := conn.Close(ctx); err != nil {
				t.Fatal(err)
			}
			var all map[string]float64
			if err := eventually(func() bool {
				all, err = metrics(admin)
				// The account of open runs keeps what it borrowed ahead.
				return err == nil && all[`fqgw_memory_bytes{part="sessions"}`] < 64<<10 && all["fqgw_memory_lost_bytes_total"] == 0
			}); err != nil {
				t.Errorf("bytes were not given back: %v, %v", err, all)
			}
		})
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// peak is the most memory the process had since peakAnew, in MiB.
func (p *process) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kB int
	if _, err := fmt.Sscan(after, &kB); err != nil {
		t.Fatalf("no VmHWM: %v", err)
	}
	return kB >> 10
}

func (p *process) peakAnew(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}
