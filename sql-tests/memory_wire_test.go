package sqltests

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// memoryWide makes a source with wide rows, a view of their latest ones, and a hundredth
// of memoryRows of them.
const (
	memoryWide = `CREATE SOURCE w (id bigint NOT NULL, s text CHECK (s <> 'bad'), at timestamptz NOT NULL%s) WITH (connector = 'kafka', topic = 'w', format = 'json', event_time = 'at');
CREATE FEATURE VIEW wide AS SELECT DISTINCT ON (id) id, s, at%s FROM w ORDER BY id, at DESC`
	memoryWideRows = `INSERT INTO w (id, s, at, c7, _fq_known_at) SELECT g, repeat(md5(g::text), 32), timestamptz '2024-01-01 00:00Z' + g * interval '1 minute', g, timestamptz '2024-01-01 00:00Z' + g * interval '2 minutes' FROM generate_series(%d, %d) AS g`
)

// memoryColumns is how many columns the wide rows have besides three.
const memoryColumns = 200

func memoryWideSetup(rows int) []string {
	var names, columns strings.Builder
	for i := range memoryColumns {
		fmt.Fprintf(&names, ", c%d", i)
		fmt.Fprintf(&columns, ", c%d double precision", i)
	}
	setup := strings.Split(fmt.Sprintf(memoryWide, &columns, &names), ";\n")
	for at := 0; at < rows/100; at += 100 {
		setup = append(setup, fmt.Sprintf(memoryWideRows, at+1, at+100))
	}
	return append(setup, "SELECT fqgw.sync()")
}

// wideValues are expressions for the columns c0 to c199.
func wideValues(of string) string {
	var out strings.Builder
	for i := range memoryColumns {
		fmt.Fprintf(&out, ", sin(%s + %d) AS c%d", of, i, i)
	}
	return out.String()
}

// session is a client of the process that a kind of statement runs in.
type session struct {
	t    *testing.T
	ctx  context.Context
	conn *pgx.Conn
	addr string
	rows int // of big
	mib  int // of --memory and --session-memory
}

// wants is nil when the query gives that one value.
func (s *session) wants(want, sql string, args ...any) error {
	var got string
	err := s.conn.QueryRow(s.ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...).Scan(&got)
	if err == nil && got != want {
		return fmt.Errorf("it gave %.100q, want %q", got, want)
	}
	return err
}

// list is n items, made of their number from 1 on, with commas between.
func list(n int, item string) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		if i > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, item, i)
	}
	return b.String()
}

// standing opens portals, of each of which ten rows are read, until one is refused;
// want is how many there must be at least. It closes its connection.
func (s *session) standing(sql string, most, want int) error {
	f := openFrames(s.t, s.addr)
	defer f.net.Close()
	_ = f.net.SetDeadline(time.Now().Add(5 * time.Minute))
	f.query("BEGIN", "Complete(BEGIN) Ready(T)")
	f.send(parse("s", sql), syncMsg).expect("ParseComplete Ready(T)")
	for i := range most {
		name := fmt.Sprintf("p%d", i)
		f.send(bind(name, "s"), execute(name, 10), syncMsg)
		for {
			m := f.answers(1)[0]
			if strings.HasPrefix(m, "Ready") {
				break
			}
			if m == "closed" {
				return fmt.Errorf("portal %d: the connection was closed", i)
			}
			if strings.HasPrefix(m, "Error") {
				if i < want {
					return fmt.Errorf("portal %d of at least %d: %s", i, want, f.last.Message)
				}
				return &pgconn.PgError{Code: f.last.Code, Message: f.last.Message, Hint: f.last.Hint}
			}
		}
	}
	return nil
}

// keys is how many keys a batch has.
func (s *session) keys() int { return s.mib * 1500 }

// batch reads n features by key, and says whether their counts add up.
func (s *session) batch(sql string) error {
	keys := make([]int64, s.keys())
	for i := range keys {
		keys[i] = int64(i % 20)
	}
	return s.wants(fmt.Sprint(len(keys)/20*10*50), sql, keys)
}

// memoryWire are kinds of statements that need a program, or a table of their own.
var memoryWire = []memoryGroup{
	{name: "long texts", kinds: []memoryKind{
		{name: "VALUES that fit", do: func(s *session) error {
			n := s.mib * 300
			return s.wants(fmt.Sprint(n*(n+1)/2), "SELECT sum(x)::text FROM (VALUES "+list(n, "(%d, 'some text')")+") v(x, t)")
		}},
		{name: "IN that fits", do: func(s *session) error {
			n := s.mib * 1000
			return s.wants(fmt.Sprint(n), "SELECT count(*)::text FROM generate_series(1, 1000000) g WHERE g IN ("+list(n, "%d")+")")
		}},
		{name: "VALUES of 5,000,000 rows", want: tooMuch, do: func(s *session) error {
			return s.wants("", "SELECT sum(x)::text FROM (VALUES "+list(5_000_000, "(%d)")+") v(x)")
		}},
		{name: "INSERT that fits", after: "DROP TABLE IF EXISTS temp", do: func(s *session) error {
			return s.exec("CREATE TEMP TABLE temp (id bigint, s text)", "INSERT INTO temp VALUES "+list(s.mib*300, "(%d, 'text')"))
		}},
		{name: "a literal that fits", do: func(s *session) error {
			n := s.mib << 20 / 16
			return s.wants(fmt.Sprint(n), "SELECT length('"+strings.Repeat("x", n)+"')::text")
		}},
		{name: "a literal as long as the limit", want: tooMuch, do: func(s *session) error {
			return s.wants("", "SELECT length('"+strings.Repeat("x", s.mib<<20-100)+"')::text")
		}},
		{name: "300,000 statements in a string", want: tooMuch, do: func(s *session) error {
			return s.exec(strings.Repeat("SELECT 1;", 300_000))
		}},
		{name: "statements in a string that fit", do: func(s *session) error {
			return s.exec(strings.Repeat("SELECT 1;", s.mib*500))
		}},
		{name: "3,000 operators", want: "54001", do: func(s *session) error {
			return s.exec("SELECT 1" + strings.Repeat("+1", 3000))
		}},
		{name: "prepared statements of the protocol", want: tooMuch, after: "DEALLOCATE ALL", do: func(s *session) error {
			for i := range 100_000 {
				if _, err := s.conn.PgConn().Prepare(s.ctx, fmt.Sprintf("p%d", i), fmt.Sprintf("SELECT id, k, s, n, t, %d AS a FROM big WHERE id = $1 AND s = 'abc'", i), nil); err != nil {
					return err
				}
			}
			return nil
		}},
	}},
	{name: "parameters", more: 96, kinds: []memoryKind{ // a line of COPY, of up to 64 MiB, is in no account
		{name: "parameters", do: func(s *session) error {
			args := make([]any, min(s.mib*200, 60_000))
			for i := range args {
				args[i] = i + 1
			}
			return s.wants(fmt.Sprint(len(args)), "SELECT count(x)::text FROM (VALUES "+list(len(args), "($%d::bigint)")+") v(x)", args...)
		}},
		{name: "a text that fits", do: func(s *session) error {
			n := s.mib << 20 / 8
			return s.wants(fmt.Sprint(n), "SELECT length($1::text)::text", strings.Repeat("x", n))
		}},
		{name: "a text as long as the limit", want: tooMuch, do: func(s *session) error {
			return s.wants("", "SELECT length($1::text)::text", strings.Repeat("x", s.mib<<20))
		}},
		{name: "a text of 200 MB", want: tooMuch, do: func(s *session) error {
			return s.wants("", "SELECT length($1::text)::text", strings.Repeat("x", 200_000_000))
		}},
		{name: "an array that fits", do: func(s *session) error {
			n := s.mib * 5000
			return s.wants(fmt.Sprint(n), "SELECT cardinality($1::int[])::text", "{"+strings.Repeat("1,", n-1)+"1}")
		}},
		{name: "an array of half the limit", want: tooMuch, do: func(s *session) error {
			return s.wants("", "SELECT cardinality($1::int[])::text", "{"+strings.Repeat("1,", s.mib<<18)+"1}")
		}},
		{name: "a jsonb of half the limit", want: tooMuch, do: func(s *session) error {
			return s.wants("", "SELECT jsonb_array_length($1::jsonb)::text", "["+strings.Repeat("1,", s.mib<<18)+"1]")
		}},
		{name: "a message of 300 MB", do: func(s *session) error {
			c, err := pgx.Connect(s.ctx, "postgres://test@"+s.addr+"/fqgw?sslmode=disable")
			if err != nil {
				return err
			}
			defer c.Close(s.ctx)
			err = c.PgConn().Exec(s.ctx, "SELECT '"+strings.Repeat("x", 300_000_000)+"'").Close()
			if !c.IsClosed() {
				return fmt.Errorf("the connection lives: %w", err)
			}
			return nil // the message that says so may be lost with what was not read
		}},
		{name: "COPY of two values, each more than half the limit", want: tooMuch, after: "DROP TABLE IF EXISTS temp", do: func(s *session) error {
			if err := s.exec("CREATE TEMP TABLE temp (s text)"); err != nil {
				return err
			}
			_, err := s.conn.PgConn().CopyFrom(s.ctx, strings.NewReader(strings.Repeat(strings.Repeat("x", s.mib*550_000)+"\n", 2)), "COPY temp FROM STDIN")
			return err
		}},
	}},
	{name: "kept", more: 1536, kinds: []memoryKind{ // a scan that stands has more than it is charged for, and what it had comes back late
		{name: "portals over a scan", want: tooMuch, do: func(s *session) error { return s.standing("SELECT * FROM big", 1000, 3) }},
		{name: "portals over a few rows", do: func(s *session) error { return s.standing("SELECT generate_series(1, 100)", 1000, 1000) }},
		{name: "portals over a sort", want: tooMuch, do: func(s *session) error {
			return s.standing(fmt.Sprintf("SELECT * FROM generate_series(1, %d) g ORDER BY g DESC", s.rows/8), 1000, 3)
		}},
		{name: "portals over a join AS OF", want: tooMuch, do: func(s *session) error {
			return s.standing("SELECT b.*, f.c FROM big b LEFT JOIN counts AS OF b.t AS f ON f.id = b.k", 1000, 1)
		}},
		{name: "portals over a wide scan", want: tooMuch, do: func(s *session) error { return s.standing("SELECT * FROM w", 1000, 1) }},
		{name: "notices", do: func(s *session) error {
			return s.exec("SELECT fqgw.sync() FROM generate_series(1, 100)")
		}},
	}},
	{name: "generated", kinds: []memoryKind{
		{name: "generate_series", do: func(s *session) error {
			return s.wants(fmt.Sprint(s.mib*1_000_000), fmt.Sprintf("SELECT count(*)::text FROM generate_series(1, %d)", s.mib*1_000_000))
		}},
		{name: "generate_series, sent", sql: "SELECT * FROM generate_series(1, 1000000)"},
		{name: "generate_series, sorted", sql: "SELECT * FROM generate_series(1, 100000000) g ORDER BY g DESC", want: tooMuch},
		{name: "generate_series in the list", sql: "SELECT count(*) FROM (SELECT generate_series(1, 1000000)) q"},
		{name: "semi join", sql: "SELECT count(*) FROM big a WHERE EXISTS (SELECT FROM big b WHERE b.s = a.s || a.s)", want: tooMuch},
		{name: "anti join", sql: "SELECT count(*) FROM big a WHERE NOT EXISTS (SELECT FROM big b WHERE b.s = a.s || a.s)", want: tooMuch},
		{name: "left join", sql: "SELECT count(*) FROM big a LEFT JOIN big b ON a.s = b.s AND a.id <> b.id", want: tooMuch},
		{name: "right join, small side", sql: "SELECT count(*) FROM generate_series(1, 100) g RIGHT JOIN big b ON b.id = g"},
		{name: "EXPLAIN ANALYZE of a sort", sql: "EXPLAIN ANALYZE SELECT * FROM big ORDER BY s", want: tooMuch},
		{name: "EXPLAIN ANALYZE of a scan", sql: "EXPLAIN ANALYZE SELECT * FROM big"},
		{name: "WITH TIES of few", sql: "SELECT k FROM big ORDER BY k DESC FETCH FIRST 1 ROW WITH TIES"},
		{name: "GROUPING of a window", sql: "SELECT sum(count(*)) OVER () FROM big GROUP BY s", want: tooMuch},
		{name: "array_agg in groups", sql: "SELECT k, array_agg(s) FROM big GROUP BY k", want: tooMuch},
		{name: "jsonb_object_agg", sql: "SELECT jsonb_object_agg(s, n) FROM big", want: tooMuch},
		{name: "unnest of what was aggregated", sql: "SELECT count(*) FROM (SELECT unnest(a) FROM (SELECT array_agg(s) a FROM big) q) r", want: tooMuch},
	}},
	{name: "features", more: 512, kinds: []memoryKind{ // of 200 columns, or long texts: two row groups with their pages
		{name: "many keys, unnest", do: func(s *session) error {
			return s.batch("SELECT sum(f.c)::bigint::text FROM unnest($1::bigint[]) k(id) LEFT JOIN counts_now f ON f.id = k.id")
		}},
		{name: "many keys, ANY", do: func(s *session) error {
			return s.wants("500", "SELECT sum(c)::text FROM counts_now WHERE id = ANY($1)", seq(s.keys()))
		}},
		{name: "many keys, IN", do: func(s *session) error {
			return s.wants("500", "SELECT sum(c)::text FROM counts_now WHERE id IN ("+list(s.mib*500, "%d - 1")+")")
		}},
		{name: "every entity, AS OF", do: func(s *session) error {
			return s.wants(fmt.Sprint(s.rows/100), "SELECT count(*)::text FROM wide AS OF '2026-01-01 00:00Z'")
		}},
		{name: "every entity, AS OF, sorted", sql: "SELECT * FROM wide AS OF '2026-01-01 00:00Z', generate_series(1, 4) g ORDER BY s", want: tooMuch},
		{name: "every entity, now", do: func(s *session) error {
			return s.wants(fmt.Sprint(s.rows/100), "SELECT count(*)::text FROM wide")
		}},
		{name: "labels, AS OF a wide view", do: func(s *session) error {
			return s.wants(fmt.Sprint(min(s.rows/100, 2000)), "SELECT count(f.s)::text FROM big b LEFT JOIN wide AS OF timestamptz '2026-01-01 00:00Z' AS f ON f.id = b.id WHERE b.id <= 2000")
		}},
		{name: "labels, AS OF KNOWN AT", do: func(s *session) error {
			return s.wants("20", "SELECT count(f.s)::text FROM big b LEFT JOIN wide AS OF timestamptz '2026-01-01 00:00Z' KNOWN AT timestamptz '2024-01-01 00:40Z' AS f ON f.id = b.id WHERE b.id <= 2000")
		}},
		{name: "labels sorted, AS OF", sql: "SELECT b.id, f.c FROM (SELECT * FROM big ORDER BY s) b LEFT JOIN counts AS OF b.t AS f ON f.id = b.k", want: tooMuch},
		{name: "labels, AS OF, sorted above", sql: "SELECT b.id, f.s FROM big b JOIN wide AS OF b.t AS f ON f.id = b.id WHERE b.id <= 2000 ORDER BY b.s"},
		{name: "a wide training set", sql: "CREATE TABLE ts AS SELECT b.id AS label, b.t, f.* FROM big b LEFT JOIN wide AS OF timestamptz '2026-01-01 00:00Z' AS f ON f.id = b.id WHERE b.id < 20000", after: "DROP TABLE IF EXISTS ts"},
		{name: "a wide table", sql: "CREATE TABLE ts AS SELECT id" + wideValues("id") + " FROM big WHERE id < 100000"},
		{name: "a wide table, scanned", sql: "SELECT * FROM ts"},
		{name: "a wide table, one column", sql: "SELECT sum(c7) FROM ts"},
		{name: "a wide table to a file", sql: "COPY (SELECT * FROM ts) TO 'wide.parquet' (FORMAT parquet)", after: "DROP TABLE ts"},
		{name: "a table of long texts", sql: "CREATE TABLE lt AS SELECT id, repeat(s, 3000) AS s FROM big WHERE id <= 2000"},
		{name: "a table of long texts, scanned", sql: "SELECT count(s) FROM lt", after: "DROP TABLE lt"},
		{name: "a table of one long text", sql: "CREATE TABLE lt AS SELECT id, repeat('x', 100000) AS s FROM big WHERE id <= 10000"},
		{name: "a table of one long text, scanned", sql: "SELECT count(s) FROM lt", after: "DROP TABLE lt"},
	}},
	{name: "catalog", kinds: []memoryKind{
		{name: "pg_catalog", sql: "SELECT count(*) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"},
		{name: "pg_catalog with itself", sql: "SELECT a.attname, b.attname FROM pg_catalog.pg_attribute a, pg_catalog.pg_attribute b ORDER BY 1, 2", want: tooMuch},
		{name: "information_schema", sql: "SELECT * FROM information_schema.columns"},
	}},
}

func seq(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i)
	}
	return out
}

func (s *session) exec(all ...string) error {
	for _, sql := range all {
		if err := s.conn.PgConn().Exec(s.ctx, sql).Close(); err != nil {
			return err
		}
	}
	return nil
}
