package sqltests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// answersOf are the bytes of a query by every way to a client.
func answersOf(t *testing.T, ctx context.Context, conn *pgx.Conn, sql string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, format := range []string{"text", "csv", "csv, FORCE_QUOTE *, NULL 'x', DELIMITER '-'", "binary"} {
		var to bytes.Buffer
		if _, err := conn.PgConn().CopyTo(ctx, &to, fmt.Sprintf("COPY (%s) TO STDOUT (FORMAT %s)", sql, format)); err != nil {
			t.Fatalf("COPY (%s) as %s: %v", sql, format, err)
		}
		out["COPY "+format] = to.Bytes()
	}
	row := func(to *bytes.Buffer, values [][]byte) {
		for _, v := range values {
			fmt.Fprintf(to, "%v %d %x ", v == nil, len(v), v)
		}
		to.WriteByte('\n')
	}
	for format := range int16(2) {
		var to bytes.Buffer
		result := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, []int16{format})
		for result.NextRow() {
			row(&to, result.Values())
		}
		if _, err := result.Close(); err != nil {
			t.Fatalf("%s in format %d: %v", sql, format, err)
		}
		out[fmt.Sprintf("extended %d", format)] = to.Bytes()
	}
	var to bytes.Buffer
	results := conn.PgConn().Exec(ctx, sql)
	for results.NextResult() {
		for result := results.ResultReader(); result.NextRow(); {
			row(&to, result.Values())
		}
	}
	if err := results.Close(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	out["simple"] = to.Bytes()
	return out
}

// sameAnswers compares the bytes of two queries by every way, and gives those of the first.
func sameAnswers(t *testing.T, ctx context.Context, conn *pgx.Conn, sql, other string) map[string][]byte {
	t.Helper()
	got, want := answersOf(t, ctx, conn, sql), answersOf(t, ctx, conn, other)
	for way := range want {
		if bytes.Equal(got[way], want[way]) {
			continue
		}
		a, b := bytes.Split(got[way], []byte("\n")), bytes.Split(want[way], []byte("\n"))
		for i := range min(len(a), len(b)) {
			if !bytes.Equal(a[i], b[i]) {
				t.Errorf("%s, %s: line %d is\n%.500q, want\n%.500q", sql, way, i, a[i], b[i])
				break
			}
		}
		t.Errorf("%s, %s: %d bytes differ from %d of %s", sql, way, len(got[way]), len(want[way]), other)
	}
	return got
}

// TestColumnsOnTheWire: what a join gives by columns has the bytes that it has row by
// row, for every type, by every way to a client and in the session's styles.
func TestColumnsOnTheWire(t *testing.T) {
	withSession(t, func(ctx context.Context, a *app.App, conn *pgx.Conn, exec func(sql string)) {
		const columns = `b bool, i2 int2, i4 int4, i8 int8, o oid, f4 real, f8 double precision, n numeric, n2 numeric(20,4), n9 numeric(50,9), s text, vc varchar(9), bc char(4),
			j json, jb jsonb, by bytea, u uuid, d date, tm time, tp timestamp, tz timestamptz, ia int[], ta text[], na numeric[]`
		exec(`CREATE SOURCE ev (k bigint, amount bigint, part numeric, ` + columns + `, ts timestamptz NOT NULL)
			WITH (connector = 'kafka', topic = 'ev', format = 'json', event_time = 'ts', known_time = 'event_time')`)
		var names []string
		for _, c := range strings.Split(columns, ", ") {
			names = append(names, strings.Fields(c)[0])
		}
		exec(`CREATE FEATURE VIEW v AS SELECT DISTINCT ON (k) k, ` + strings.Join(names, ", ") + ` FROM ev ORDER BY k, ts DESC`)
		exec(`CREATE FEATURE VIEW w AS SELECT k, count(*) OVER d AS c, sum(amount) OVER d AS sa, avg(amount) OVER d AS aa, sum(part) OVER d AS sp, avg(part) OVER d AS ap,
			max(part) OVER d AS mp, sum(f8) OVER d AS sf, avg(f8) OVER d AS af, last_value(s) OVER d AS ls, last_value(tz) OVER d AS lt, bool_or(b) OVER d AS bo, last_value(f4) OVER d AS lf,
			first_value(d) OVER d AS fd, stddev(amount) OVER d AS da FROM ev WINDOW d AS (PARTITION BY k ORDER BY ts RANGE '5 days' PRECEDING)`)
		// Row i: values of every length, the ends of types, what must be escaped.
		const values = `i % 7, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 4000000000000000000 ELSE (i - 400)::bigint * 1000003 * i END, CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN 1e45 + i WHEN 2 THEN 'NaN' ELSE (i - 300) / 7.0 END,
			i % 2 = 0, (i % 400 - 200)::int2, (i * 7919 - 3000000)::int4, (9223372036854775807 - i) * CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END, i::oid, (i / 3.0)::real,
			CASE i % 13 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' WHEN 2 THEN 1e300 WHEN 3 THEN -1e-7 WHEN 4 THEN '-0' ELSE sin(i) * i END::double precision,
			CASE i % 11 WHEN 0 THEN 'NaN' WHEN 1 THEN '1e40' WHEN 2 THEN '-0.000001' WHEN 3 THEN '0.00' WHEN 4 THEN '123456789012345678901234567890123456.78' ELSE (i * 31 / 8.0)::text END::numeric,
			(i - 500) * 12345.6789, (i - 500) * 123456789012345678901234567890.123456789::numeric,
			CASE i % 6 WHEN 0 THEN '' WHEN 1 THEN E'tab\there\nand \\ "so", on-' WHEN 2 THEN '\.' WHEN 3 THEN '\N' WHEN 4 THEN 'x' ELSE 'ü' || i END,
			'v' || i, 'c', '{"a": 1.50}', '{"b":[1, null], "a": "-"}', decode('00ff5c', 'hex'), ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid,
			CASE i % 5 WHEN 0 THEN 'infinity' WHEN 1 THEN '0044-03-15 BC' ELSE date '2024-01-01' + i END::date, time '23:59:59.5' - i * interval '1 second',
			CASE i % 5 WHEN 0 THEN '-infinity' ELSE timestamp '1969-12-31 23:59:59.999999' + i * interval '77 days' END::timestamp,
			CASE i % 5 WHEN 0 THEN 'infinity' ELSE timestamptz '1800-01-01 00:00Z' + i * interval '77.5 days' END::timestamptz,
			ARRAY[i, NULL], ARRAY['a', NULL, '"x,'], ARRAY[i / 8.0, 'NaN']`
		rows := func(from int) string {
			return fmt.Sprintf(`INSERT INTO ev SELECT %s, timestamptz '2024-01-01 00:00Z' + i * interval '1 hour' FROM generate_series(%d, %d) AS i`, values, from, from+999)
		}
		exec(rows(0))
		exec(`CREATE TABLE labels (id bigint, k bigint, ts timestamptz, ` + columns + `)`)
		exec(`INSERT INTO labels (id, k, ts, ` + strings.Join(names, ", ") + `) SELECT i, CASE WHEN i % 11 > 0 THEN i % 8 END,
			CASE WHEN i % 13 > 0 THEN timestamptz '2023-12-30 00:00Z' + i * interval '4 hours' END, ` + strings.Join(names, ", ") + `
			FROM (SELECT row_number() OVER (ORDER BY ts) AS i, ev.* FROM ev) AS e WHERE i < 500`)
		query := func(at string) string {
			return fmt.Sprintf("SELECT l.*, x.*, y.* FROM labels AS l LEFT JOIN v AS OF %s AS x ON x.k = l.k LEFT JOIN w AS OF %s AS y ON y.k = l.k", at, at)
		}
		atEachStage(exec, rows, func(stage string) {
			for _, style := range []string{"SET TimeZone = 'UTC'", "SET TimeZone = 'Europe/Berlin'; SET DateStyle = 'German'; SET bytea_output = 'escape'",
				"SET DateStyle = 'Postgres, MDY'; SET extra_float_digits = 0", "RESET ALL"} {
				exec(style)
				columns, rows := a.Engine().Joined(true), a.Engine().Joined(false)
				got := sameAnswers(t, ctx, conn, query("l.ts"), query(rowByRow))
				if columns, rows = a.Engine().Joined(true)-columns, a.Engine().Joined(false)-rows; columns != rows || rows == 0 {
					t.Errorf("%s: %d rows were joined by columns, %d row by row", stage, columns, rows)
				}
				if n := bytes.Count(got["simple"], []byte("\n")); n != 499 {
					t.Errorf("%s: %d rows", stage, n)
				}
			}
		})
	})
}

// TestColumnsToSlowClient: of rows that come by columns no more waits for a client that
// does not read than the connection holds; the statement ends in the midst of them when
// it is cancelled, in its time, and when the client goes; a portal goes on where it was
// left.
func TestColumnsToSlowClient(t *testing.T) {
	withSession(t, func(ctx context.Context, a *app.App, conn *pgx.Conn, exec func(sql string)) {
		exec(`CREATE SOURCE ev (k bigint, x double precision, ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'ev', format = 'json', event_time = 'ts', known_time = 'event_time')`)
		exec(`CREATE FEATURE VIEW v AS SELECT DISTINCT ON (k) k, x FROM ev ORDER BY k, ts DESC`)
		exec(`INSERT INTO ev SELECT i % 7, i, timestamptz '2024-01-01 00:00Z' + i * interval '1 hour' FROM generate_series(1, 100) AS i`)
		exec(`CREATE TABLE labels (id bigint, k bigint, s text, ts timestamptz)`)
		const count = 200_000
		exec(fmt.Sprintf(`INSERT INTO labels SELECT i, i %% 7, repeat('x', 150), timestamptz '2024-01-03 00:00Z' FROM generate_series(1, %d) AS i`, count))
		exec("SELECT fqgw.sync()")
		const join = "SELECT l.id, l.s, x.x FROM labels AS l LEFT JOIN v AS OF l.ts AS x ON x.k = l.k"
		copies := []string{"COPY (" + join + ") TO STDOUT", "COPY (" + join + ") TO STDOUT (FORMAT binary)", join}
		begin := func(sql string, timeout int) *frames {
			f := openFrames(t, a.Addr())
			f.query(fmt.Sprintf("SET statement_timeout = %d", timeout), "Complete(SET) Ready(I)")
			f.fe.Send(&pgproto3.Query{String: sql})
			if err := f.fe.Flush(); err != nil {
				t.Fatal(err)
			}
			return f
		}
		// The rows up to what ends them.
		drain := func(f *frames) (rows int, end string) {
			_ = f.net.SetDeadline(time.Now().Add(time.Minute))
			for {
				switch m := f.answers(1)[0]; {
				case m == "CopyData" || strings.HasPrefix(m, "Row("):
					rows++
				case m == "BindComplete" || m == "CopyOutResponse" || strings.HasPrefix(m, "Columns("):
				default:
					return rows, m
				}
			}
		}
		for _, sql := range copies {
			f := begin(sql, 0)
			f.answers(2) // the first row is there
			time.Sleep(100 * time.Millisecond)
			if err := cancelRequest(a.Addr(), f); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			if n, m := drain(f); m != "Error(57014)" || n >= count {
				t.Errorf("%s, cancelled: %d rows, %s", sql, n, m)
			}
			f.expect("Ready(I)")

			f = begin(sql, 500)
			time.Sleep(700 * time.Millisecond)
			if n, m := drain(f); m != "Error(57014)" || n >= count {
				t.Errorf("%s, in its time: %d rows, %s", sql, n, m)
			}
			f.expect("Ready(I)")

			f.query("SET statement_timeout = 0", "Complete(SET) Ready(I)")
			f.fe.Send(&pgproto3.Query{String: sql})
			if n, m := drain(f); n < count || strings.HasPrefix(m, "Error") {
				t.Errorf("%s, afterwards: %d rows, %s", sql, n, m)
			}
			f = begin(sql, 0)
			f.answers(2)
			f.net.Close()
		}

		f := openFrames(t, a.Addr())
		f.query("BEGIN", "Complete(BEGIN) Ready(T)")
		f.send(parse("s", "SELECT id FROM ("+join+") AS j"), bind("p", "s"), execute("p", 2), syncMsg).
			expect("ParseComplete BindComplete Row(1) Row(2) PortalSuspended Ready(T)")
		f.send(execute("p", 1), &pgproto3.Close{ObjectType: 'P', Name: "p"}, syncMsg).expect("Row(3) PortalSuspended CloseComplete Ready(T)")
		f.send(bind("q", "s"), execute("q", count+1), syncMsg)
		if n, m := drain(f); n != count || m != fmt.Sprintf("Complete(SELECT_%d)", count) {
			t.Errorf("a portal of all rows: %d rows, %s", n, m)
		}
	})
}

// cancelRequest asks for the statement of a session to be cancelled.
func cancelRequest(addr string, f *frames) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	request, err := (&pgproto3.CancelRequest{ProcessID: f.pid, SecretKey: f.secret}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err = nc.Write(request); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, nc)
	return err
}
