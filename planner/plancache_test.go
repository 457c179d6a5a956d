package planner

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
)

// newPlanner is a planner over the catalog of known, without stores.
func newPlanner(t testing.TB) *Planner {
	return New(exec.New(exec.Options{Catalog: known(t), Clock: fqgw.RealClock(), Logger: slog.New(slog.DiscardHandler)}))
}

// connected is one more session of a planner.
func connected(t testing.TB, p *Planner, pid int32) *client {
	t.Helper()
	c := &client{}
	var err error
	c.Session, err = p.NewSession(SessionOptions{User: "test", PID: pid, Notice: func(n Notice) { c.said = append(c.said, n.Severity+" "+n.Code) }})
	if err != nil {
		t.Fatal(err)
	}
	c.Changed()
	t.Cleanup(c.Session.Close)
	return c
}

// prepared is Parse of one statement.
func (c *client) prepared(t *testing.T, sql string, types ...uint32) *Prepared {
	t.Helper()
	texts, err := c.Split(sql)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Prepare(texts[0], types)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return p
}

// TestPlanIsShared: a text has one plan for all sessions, and another one where
// what it was bound to differs.
func TestPlanIsShared(t *testing.T) {
	planner := newPlanner(t)
	a, b := connected(t, planner, 1), connected(t, planner, 2)
	const sql = "SELECT id, ts FROM labels WHERE id = $1"
	first := a.prepared(t, sql)
	if b.prepared(t, sql).bound != first.bound {
		t.Error("another session has another plan")
	}
	if b.prepared(t, sql, 20).bound == first.bound || b.prepared(t, sql, 20).Params[0] != fqgw.Int8 || first.Params[0] != fqgw.Int4 {
		t.Error("a parameter of another type has the same plan")
	}
	for _, set := range []string{"SET search_path = pg_catalog, public", "SET fqgw.as_of = '2020-01-01'", "SET TimeZone = 'Asia/Tokyo'", "SET DateStyle = 'SQL, DMY'",
		"SET IntervalStyle = 'iso_8601'"} {
		b.query(set)
		if b.prepared(t, sql).bound == first.bound {
			t.Errorf("after %s it has the same plan", set)
		}
		b.query("RESET ALL")
		if b.prepared(t, sql).bound != first.bound {
			t.Errorf("after %s and RESET ALL it has another plan", set)
		}
	}
	other, err := planner.NewSession(SessionOptions{User: "somebody", PID: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if (&client{Session: other}).prepared(t, sql).bound == first.bound {
		t.Error("another role has the same plan")
	}
	if s := planner.CacheStats(); s.Hits == 0 || s.Binds == 0 || s.Bytes == 0 {
		t.Errorf("%+v", s)
	}
}

// TestPlanOfTemporaryTable: what reads a temporary table is its session's alone,
// and one that hides a relation is read, whoever asked first.
func TestPlanOfTemporaryTable(t *testing.T) {
	planner := newPlanner(t)
	a, b := connected(t, planner, 1), connected(t, planner, 2)
	const sql = "SELECT count(*) AS n, max(pg_typeof(id)::text) AS type FROM labels"
	lasting := a.prepared(t, sql)
	b.query("CREATE TEMP TABLE labels (id text)")
	b.query("INSERT INTO labels VALUES ('x'), ('y')")
	if b.prepared(t, sql).bound == lasting.bound {
		t.Fatal("the plan of the table that is hidden was taken")
	}
	if got := b.query(sql); got != "(2,text); I" {
		t.Errorf("the temporary table: %s", got)
	}
	if a.prepared(t, sql).bound != lasting.bound {
		t.Error("another session's temporary table pushed the plan out")
	}
	a.query("CREATE TEMP TABLE labels (id bigint)")
	if got := a.query(sql); got != "(0,); I" {
		t.Errorf("the other's temporary table: %s", got)
	}
	p := b.prepared(t, sql)
	b.query("DROP TABLE labels")
	if b.prepared(t, sql).bound != lasting.bound {
		t.Error("when it is dropped the table of the catalog is not read")
	}
	if err := b.fresh(p); err != nil || p.bound != lasting.bound {
		t.Errorf("what was prepared over it: %v", err)
	}
}

// TestPlanOfLiterals: a literal that is read when the statement is carried out means
// what the session's settings, or those of when it was prepared, make of it.
func TestPlanOfLiterals(t *testing.T) {
	planner := newPlanner(t)
	a, b := connected(t, planner, 1), connected(t, planner, 2)
	b.query("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'ISO, DMY'")
	const sql = "SELECT extract(epoch FROM timestamptz '2020-01-01 00:00'), date '01/02/2020'"
	for range 2 {
		if got := a.query(sql); got != "(1577836800.000000,2020-01-02); I" {
			t.Errorf("in UTC, MDY: %s", got)
		}
		if got := b.query(sql); got != "(1577804400.000000,2020-02-01); I" {
			t.Errorf("in Tokyo, DMY: %s", got)
		}
	}
	a.query("PREPARE p AS " + sql)
	a.query("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'ISO, DMY'")
	if got := a.query("EXECUTE p"); got != "(1577836800.000000,2020-01-02); I" {
		t.Errorf("prepared in UTC: %s", got)
	}
	if got := a.query(sql); got != "(1577804400.000000,2020-02-01); I" {
		t.Errorf("a query beside it: %s", got)
	}
	// 'now' is the time of each query, and that of its preparation.
	const now = "SELECT timestamptz 'now' = now(), clock_timestamp() >= timestamptz 'now'"
	for range 2 {
		if got := a.query(now); got != "(t,t); I" {
			t.Errorf("'now': %s", got)
		}
	}
	a.query("PREPARE q AS " + now)
	if got := a.query("EXECUTE q"); got != "(f,t); I" {
		t.Errorf("'now' of before: %s", got)
	}
	b.query("RESET ALL")
	b.query("PREPARE q AS " + now)
	if got := b.query("EXECUTE q"); got != "(f,t); I" {
		t.Errorf("'now' of before, of another session: %s", got)
	}
}

// TestPlanOfVolatile: what a function says is asked each time.
func TestPlanOfVolatile(t *testing.T) {
	planner := newPlanner(t)
	a, b := connected(t, planner, 1), connected(t, planner, 2)
	for _, sql := range []string{"SELECT random()", "SELECT gen_random_uuid()", "SELECT pg_backend_pid()"} {
		one, two := a.query(sql), b.query(sql)
		if one == two {
			t.Errorf("%s: %s for two sessions", sql, one)
		}
	}
	b.query("SET application_name = 'b'; SET search_path = fqgw")
	const sql = "SELECT current_setting('application_name'), current_schemas(false)"
	for range 2 {
		if got := a.query(sql); got != "(,{public}); I" {
			t.Errorf("a: %s", got)
		}
		if got := b.query(sql); got != "(b,{fqgw}); I" {
			t.Errorf("b: %s", got)
		}
	}
}

// TestPlanOfTransaction: what a transaction alone sees has plans that are its own.
func TestPlanOfTransaction(t *testing.T) {
	planner := newPlanner(t)
	a, b := connected(t, planner, 1), connected(t, planner, 2)
	const sql = "SELECT id FROM labels"
	first := a.prepared(t, sql)
	a.query("BEGIN")
	if a.prepared(t, sql).bound != first.bound {
		t.Error("a block that changed nothing has another plan")
	}
	a.query("INSERT INTO labels (id) VALUES (1)")
	if a.catalog() != planner.engine.Catalog() || a.prepared(t, sql).bound != first.bound {
		t.Error("an INSERT made a catalog for the block")
	}
	changed := planner.engine.Catalog().Clone()
	table := *changed.Tables[fqgw.Public("labels")]
	changed.Tables[fqgw.Public("labels")] = &table
	a.tx.catalog = changed // as a definition of the block makes it
	mine := a.prepared(t, sql)
	if mine.bound == first.bound || b.prepared(t, sql).bound != first.bound || a.prepared(t, sql).bound == mine.bound {
		t.Error("the plan of a transaction's own catalog is shared")
	}
}

// TestPlanCacheBytes: the room is kept, what was used last stays, and the estimate
// of what a text takes is not far from what it takes.
func TestPlanCacheBytes(t *testing.T) {
	planner := newPlanner(t)
	c := connected(t, planner, 1)
	planner.cache = newPlanCache(1 << 20)
	const kept = "SELECT 'kept'"
	first := c.prepared(t, kept)
	for i := range 5000 {
		c.prepared(t, fmt.Sprintf("SELECT %d", i))
		if i%50 == 0 && c.prepared(t, kept).bound != first.bound {
			t.Fatalf("after %d other texts the one that is used is gone", i)
		}
	}
	if n := planner.CacheStats().Bytes; n > 1<<20 || n < 1<<19 {
		t.Errorf("%d bytes of 1 MiB", n)
	}
	long := "SELECT '" + strings.Repeat("x", 1<<20) + "'"
	if once := c.prepared(t, long).bound; c.prepared(t, long).bound == once {
		t.Error("a text for which there is no room is kept")
	}
	for name, sql := range map[string]string{
		"point": "SELECT n, mean FROM user_clicks WHERE user_id = %d",
		"join":  "SELECT l.id, u.n, coalesce(u.mean, 0) + %d AS m FROM labels AS l LEFT JOIN user_clicks AS OF l.ts AS u ON u.user_id = l.user_id WHERE l.id BETWEEN 3 AND 7 ORDER BY 1",
		"short": "SELECT %d",
	} {
		planner.cache = newPlanCache(1 << 30)
		before := heap()
		for i := range 500 {
			c.prepared(t, fmt.Sprintf(sql, i))
		}
		took, said := heap()-before, planner.CacheStats().Bytes
		t.Logf("%s: %d bytes a text, the estimate is %d", name, took/500, said/500)
		if took > 2*said || said > 4*took {
			t.Errorf("%s: 500 texts take %d bytes, the estimate is %d", name, took, said)
		}
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestPlansOfManySessions runs the same texts in many sessions at once, which share
// their plans: each has the answers of a session alone. For the race detector.
func TestPlansOfManySessions(t *testing.T) {
	texts := []string{
		"SELECT 1 + 2, 'a' || 'b', date '2020-01-02' + 3",
		"SELECT x, sum(x) OVER (ORDER BY x) FROM generate_series(1, 20) AS g(x) WHERE x % 3 = 1",
		"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT sum(n) FROM r",
		"SELECT a.x, (SELECT count(*) FROM generate_series(1, 5) AS b(y) WHERE b.y <= a.x) FROM generate_series(1, 7) AS a(x) ORDER BY 2 DESC, 1",
		"SELECT x FROM generate_series(1, 9) AS a(x) WHERE EXISTS (SELECT FROM (VALUES (2), (4)) AS b(y) WHERE b.y = a.x) AND x IN (SELECT 4 UNION SELECT 6)",
		"SELECT regexp_replace('abcabc', 'b(c)', '<\\1>', 'g'), 'abc' ~ '^a.c$', 'abc' LIKE '%b_'",
		"SELECT count(*), count(DISTINCT x % 3), array_agg(x ORDER BY x DESC) FILTER (WHERE x > 7), percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM generate_series(1, 10) AS a(x)",
		"SELECT a.attname, format_type(a.atttypid, a.atttypmod), n.nspname FROM pg_attribute a JOIN pg_type t ON a.atttypid = t.oid JOIN pg_namespace n ON n.oid = t.typnamespace WHERE a.attrelid = 'labels'::regclass ORDER BY a.attnum",
		"SELECT 'labels'::regclass, 'user_clicks'::regclass::oid, current_setting('server_version_num'), to_char(timestamp '2020-02-03 04:05:06', 'YYYY-MM-DD HH24')",
		"SELECT * FROM (SELECT x, row_number() OVER (PARTITION BY x % 2 ORDER BY x DESC) AS r FROM generate_series(1, 8) AS a(x)) AS q WHERE r = 1 ORDER BY x",
		"SELECT x % 2 AS k, count(*) FROM generate_series(1, 9) AS a(x) GROUP BY ROLLUP (1) ORDER BY 1 NULLS FIRST",
		"SELECT unnest(ARRAY[1, 2, 3]), generate_series(1, 2)",
		"SELECT a.x, b.y FROM generate_series(1, 3) AS a(x) FULL JOIN generate_series(2, 4) AS b(y) ON a.x = b.y ORDER BY 1, 2",
		"EXPLAIN SELECT typname FROM pg_type WHERE oid = 23 ORDER BY 1",
	}
	alone := connected(t, newPlanner(t), 1)
	want := make([]string, len(texts))
	for i, sql := range texts {
		want[i] = alone.query(sql)
		if !strings.HasPrefix(want[i], "(") {
			t.Fatalf("%s: %s", sql, want[i])
		}
	}
	planner := newPlanner(t)
	var wg sync.WaitGroup
	for n := range 8 {
		c := connected(t, planner, int32(n+2))
		wg.Go(func() {
			for round := range 6 {
				for i := range texts {
					at := (i + n*3 + round) % len(texts)
					if got := c.query(texts[at]); got != want[at] {
						t.Errorf("%s\n  got  %s\n  want %s", texts[at], got, want[at])
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if s := planner.CacheStats(); s.Hits < 8*5*10 {
		t.Errorf("the plans were not shared: %+v", s)
	}
}
