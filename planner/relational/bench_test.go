package relational

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// The tables of the benchmarks: name, columns, rows, and the columns' values
// over the row's number i, in SQL and here.
var benchTables = []struct {
	name, columns string
	n             int
	sql           string
	row           func(i int64) []fqgw.Value
}{
	{"big", "id int8 k int4 v float8 s text", 1_000_000, "i, i * 7919 % 10000, (i * 7919 % 1000003) / 8.0, 's' || i % 50000",
		func(i int64) []fqgw.Value {
			s := "s" + strconv.FormatInt(i%50000, 10)
			return []fqgw.Value{fqgw.IntValue(i), fqgw.IntValue(i * 7919 % 10000), fqgw.FloatValue(float64(i*7919%1000003) / 8), fqgw.TextValue(s)}
		}},
	{"small", "k int4 name text g int4", 10_000, "i, 'n' || i, i % 100", func(i int64) []fqgw.Value {
		return []fqgw.Value{fqgw.IntValue(i), fqgw.TextValue("n" + strconv.FormatInt(i, 10)), fqgw.IntValue(i % 100)}
	}},
	{"tiny", "g int4 title text", 100, "i, 't' || i", func(i int64) []fqgw.Value {
		return []fqgw.Value{fqgw.IntValue(i), fqgw.TextValue("t" + strconv.FormatInt(i, 10))}
	}},
}

var benchQueries = []struct{ name, sql string }{
	{"point", "SELECT title FROM tiny WHERE g = 5"},
	{"join-small", "SELECT s.name, t.title FROM (VALUES (1, 2), (3, 4)) AS p(k, g) " +
		"JOIN (SELECT 3 AS k, 'x' AS name) s ON s.k = p.k JOIN tiny t ON t.g = p.g"},
	{"join-equi", "SELECT count(*), sum(b.v) FROM big b JOIN small s ON s.k = b.k"},
	{"join-equi-left-small", "SELECT count(*), sum(b.v) FROM small s JOIN big b ON s.k = b.k"},
	{"join-one-to-one", "SELECT count(*) FROM big a JOIN big b ON a.id = b.id"},
	{"join-left", "SELECT count(s.name) FROM big b LEFT JOIN small s ON s.k = b.id"},
	{"join-right", "SELECT count(s.name) FROM big b RIGHT JOIN small s ON s.k = b.id"},
	{"join-full", "SELECT count(*) FROM big b FULL JOIN small s ON s.k = b.id"},
	{"join-theta", "SELECT count(*) FROM small s JOIN tiny t ON s.g < t.g"},
	{"join-chain", "SELECT count(*) FROM big b, tiny t, small s WHERE s.g = t.g AND s.k = b.k"},
	{"join-chain-bad", "SELECT count(*) FROM big b JOIN big c ON c.k = b.k JOIN small s ON s.k = b.id JOIN tiny t ON t.g = s.k AND t.g < 10"},
	{"semi", "SELECT count(*) FROM big b WHERE EXISTS (SELECT 1 FROM small s WHERE s.k = b.id)"},
	{"anti", "SELECT count(*) FROM big b WHERE NOT EXISTS (SELECT 1 FROM small s WHERE s.k = b.id)"},
	{"in", "SELECT count(*) FROM big WHERE id IN (SELECT k FROM small)"},
	{"not-in", "SELECT count(*) FROM big WHERE id NOT IN (SELECT k FROM small)"},
	{"scalar-correlated", "SELECT sum((SELECT max(s.g) FROM small s WHERE s.k = b.k)) FROM big b WHERE b.id < 100000"},
	{"lateral", "SELECT count(*) FROM small s, LATERAL (SELECT t.title FROM tiny t WHERE t.g = s.g) x"},
	{"sort", "SELECT id, v FROM big ORDER BY v"},
	{"sort-text", "SELECT id, s FROM big ORDER BY s DESC, id"},
	{"top-10", "SELECT id, v FROM big ORDER BY v LIMIT 10"},
	{"top-10-sorted", "SELECT id, v FROM big ORDER BY id LIMIT 10"},
	{"top-10-worst", "SELECT id, v FROM big ORDER BY id DESC LIMIT 10"},
	{"top-10000", "SELECT id, v FROM big ORDER BY v LIMIT 10000"},
	{"top-ties", "SELECT id, k FROM big ORDER BY k FETCH FIRST 10 ROWS WITH TIES"},
	{"distinct", "SELECT DISTINCT k FROM big"},
	{"distinct-all", "SELECT DISTINCT id, s FROM big"},
	{"group", "SELECT k, count(*), sum(v) FROM big GROUP BY k"},
	{"union-all", "SELECT count(*) FROM (SELECT id FROM big UNION ALL SELECT k FROM big) x"},
	{"union", "SELECT count(*) FROM (SELECT id FROM big UNION SELECT k FROM big) x"},
	{"intersect", "SELECT count(*) FROM (SELECT id FROM big INTERSECT SELECT k FROM small) x"},
	{"except", "SELECT count(*) FROM (SELECT id FROM big EXCEPT ALL SELECT k FROM small) x"},
	{"cte-twice", "WITH x AS MATERIALIZED (SELECT k, sum(v) AS v FROM big GROUP BY k) SELECT count(*) FROM x a JOIN x b ON a.k = b.k"},
	{"cte-large", "WITH x AS MATERIALIZED (SELECT id, v FROM big) SELECT (SELECT count(*) FROM x), (SELECT max(v) FROM x)"},
	{"window", "SELECT id, row_number() OVER (PARTITION BY k ORDER BY v) FROM big"},
	{"window-sum", "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY id ROWS 9 PRECEDING) FROM big"},
	{"array-agg", "SELECT k, array_agg(id ORDER BY v) FROM big GROUP BY k"},
	{"filter-project", "SELECT id + 1, v * 2 FROM big WHERE k < 5000"},
}

var benchLeaf = sync.OnceValue(func() *testLeaf {
	l := &testLeaf{data: map[string][][]fqgw.Value{}, scans: map[string]int{}}
	for _, t := range benchTables {
		rows := make([][]fqgw.Value, t.n)
		for i := range rows {
			rows[i] = t.row(int64(i))
		}
		l.data[t.name] = rows
	}
	return l
})

func bindBench(sql string) (plan.Node, error) {
	c := &fqgw.Catalog{Tables: map[fqgw.QualifiedName]*fqgw.Table{}}
	for i, t := range benchTables {
		c.Tables[fqgw.Public(t.name)] = &fqgw.Table{OID: uint32(20000 + i), Name: t.name, Columns: columnsOf(t.columns)}
	}
	st, err := parse.Parse(sql)
	if err != nil {
		return nil, err
	}
	return (&bind.Binder{Catalog: c, Stmt: st[0]}).Query(st[0].Node)
}

// BenchmarkGeneral runs the general route over rows in memory. With -ask (see
// TestSQL) a PostgreSQL answers the same queries over the same rows in the same
// run, on one process and with room for its hash tables: "/pg" is the ratio of
// our time to its.
//
//	go test ./planner/relational -run - -bench General -benchtime 2x -ask 'host=127.0.0.1 port=15872 user=postgres'
func BenchmarkGeneral(b *testing.B) {
	leaf := benchLeaf()
	pg := func(string) time.Duration { return 0 }
	if *ask15 != "" {
		pg = askTimes(b)
	}
	for _, q := range benchQueries {
		b.Run(q.name, func(b *testing.B) {
			n, err := bindBench(q.sql)
			if err != nil {
				b.Fatal(err)
			}
			peak := newPeak()
			b.ReportAllocs()
			b.ResetTimer()
			cpu := cpuTime()
			for range b.N {
				env := &fqgw.Env{Ctx: context.Background(), Memory: peak.memory}
				if err := drain((&Runner{Leaf: leaf.run}).Run(env, n)); err != nil {
					b.Fatal(err)
				}
			}
			cpu = cpuTime() - cpu
			b.StopTimer()
			peak.stop()
			b.ReportMetric(float64(cpu.Microseconds())/1e3/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(peak.account)/(1<<20), "account-MiB")
			if d := pg(q.sql); d > 0 {
				b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(d), "/pg")
			}
		})
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is the most that a statement's account held, looked at each millisecond.
type peak struct {
	memory  *fqgw.Memory
	account int64
	end     chan struct{}
	ended   sync.WaitGroup
}

func newPeak() *peak {
	runtime.GC()
	p := &peak{memory: fqgw.NewMemory("the benchmark", "", 0), end: make(chan struct{})}
	p.ended.Go(func() {
		for {
			p.account = max(p.account, p.memory.Used())
			select {
			case <-p.end:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	return p
}

func (p *peak) stop() { close(p.end); p.ended.Wait() }

// askTimes fills the tables in PostgreSQL and gives the execution time of a query.
func askTimes(b *testing.B) func(sql string) time.Duration {
	psql := func(script string) string {
		cmd := exec.Command("psql", "-X", "-q", "-A", "-t", *ask15)
		cmd.Stdin = strings.NewReader("\\set ON_ERROR_STOP 1\n" + script)
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatal(err, string(out))
		}
		return string(out)
	}
	for _, t := range benchTables {
		var cols, names []string
		for _, c := range columnsOf(t.columns) {
			cols, names = append(cols, c.Name+" "+c.Type.PgName()), append(names, c.Name)
		}
		psql(fmt.Sprintf("CREATE TABLE IF NOT EXISTS %[1]s (%[2]s); TRUNCATE %[1]s;\n"+
			"INSERT INTO %[1]s (%[3]s) SELECT %[4]s FROM generate_series(0::bigint, %[5]d) i; VACUUM ANALYZE %[1]s",
			t.name, strings.Join(cols, ", "), strings.Join(names, ", "), t.sql, t.n-1))
	}
	took := regexp.MustCompile(`Execution Time: ([0-9.]+) ms`)
	return func(sql string) time.Duration {
		out := psql("SET max_parallel_workers_per_gather = 0; SET jit = off; SET work_mem = '1GB';\n" +
			sql + " \\g /dev/null\nEXPLAIN (ANALYZE, TIMING OFF) " + sql)
		m := took.FindStringSubmatch(out)
		if m == nil {
			return 0
		}
		ms, _ := strconv.ParseFloat(m[1], 64)
		return time.Duration(ms * 1e6)
	}
}

// BenchmarkSmall runs small queries: compiled anew each time, and with the programs
// of the runs before.
func BenchmarkSmall(b *testing.B) {
	leaf := newTestLeaf()
	for _, q := range []struct{ name, sql string }{
		{"point", "SELECT title FROM dept WHERE id = 10 ORDER BY 1"},
		{"join", "SELECT e.name, d.title, u.b FROM emp e JOIN dept d ON d.id = e.dept JOIN u ON u.a = e.id WHERE e.pay > 60 ORDER BY 1 LIMIT 5"},
		{"subquery", "SELECT name, (SELECT max(b.pay) FROM emp b WHERE b.boss = e.id) FROM emp e " +
			"WHERE EXISTS (SELECT 1 FROM dept d WHERE d.id = e.dept)"},
	} {
		n, err := bindSQL(q.sql)
		if err != nil {
			b.Fatal(err)
		}
		for _, kept := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/kept=%v", q.name, kept), func(b *testing.B) {
				b.ReportAllocs()
				r := &Runner{Leaf: leaf.run}
				programs := &Programs{}
				for range b.N {
					if !kept {
						programs = &Programs{}
					}
					env, end := r.Begin(&fqgw.Env{Ctx: context.Background()}, programs)
					if err := drain(r.Run(env, n)); err != nil {
						b.Fatal(err)
					}
					end()
				}
			})
		}
	}
}
