package sqltests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

const protocolSetup = `CREATE SOURCE clicks (user_id text, id bigint, price double precision, amount numeric, ts timestamptz NOT NULL)
WITH (connector = 'kafka', topic = 'clicks', format = 'json', event_time = 'ts', partitions = 1);
CREATE FEATURE VIEW per_user AS SELECT user_id, count(*) OVER w AS n, sum(price) OVER w AS total, max(amount) OVER w AS biggest
FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING);
CREATE FEATURE VIEW per_id AS SELECT id, count(*) OVER w AS n
FROM clicks WINDOW w AS (PARTITION BY id ORDER BY ts RANGE '1 hour' PRECEDING);
INSERT INTO clicks VALUES ('a', 1, 1.5, 10.25, '2024-01-01 11:50Z'), ('a', 1, 2, 3, '2024-01-01 11:55Z'), ('b', -9007199254740993, 0.25, 0.001, '2024-01-01 11:59Z')`

// TestProtocol drives the PostgreSQL protocol of one embedded gateway with two
// clients: pgx, which programs use, and bare frames, which say exactly what
// came. Every subtest ends with a check that the gateway still answers.
func TestProtocol(t *testing.T) {
	c := app.Throwaway(t.TempDir())
	c.Clock, c.ClockRate = "2024-01-01 12:00:00Z", 0
	err := app.WithApp(t.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
		conn := dial(t, ctx, a.Addr(), "")
		for _, sql := range append(strings.Split(protocolSetup, ";\n"), "SELECT fqgw.sync()") {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		for _, test := range []struct {
			name string
			run  func(*testing.T, context.Context, string)
		}{
			{"parameters", testParameters}, {"result types", testResultTypes}, {"views", testViewReads}, {"errors", testErrors}, {"cancel", testCancel}, {"copy", testCopy},
			{"blocks", testBlocks}, {"notices", testNotices}, {"describe", testDescribe}, {"suspension", testSuspension},
			{"batch", testBatch}, {"error then sync", testErrorThenSync}, {"implicit transaction", testImplicit}, {"vanish", testVanish},
			{"huge frame", testHugeFrame}, {"startup", testStartup}, {"names", testNames}, {"bad frames", testBadFrames},
		} {
			t.Run(test.name, func(t *testing.T) {
				test.run(t, ctx, a.Addr())
				var one int
				if err := conn.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil || one != 1 {
					t.Fatalf("another connection afterwards: %d, %v", one, err)
				}
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, ctx context.Context, addr, options string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(ctx, "postgres://test@"+addr+"/fqgw?sslmode=disable"+options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(ctx)) })
	return conn
}

// wantCode checks the SQLSTATE of an error that pgx brought.
func wantCode(t *testing.T, what string, err error, code string) *pgconn.PgError {
	t.Helper()
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v, expected %s", what, err, code)
		return &pgconn.PgError{}
	}
	if e.Code != code {
		t.Errorf("%s: got %s (%s), expected %s", what, e.Code, e.Message, code)
	}
	return e
}

// testParameters sends each type in both formats, in both directions.
func testParameters(t *testing.T, ctx context.Context, addr string) {
	conn := dial(t, ctx, addr, "").PgConn()
	m := pgtype.NewMap()
	cases := []struct {
		typ  string
		oid  uint32
		val  any
		text string
	}{
		{"int8", pgtype.Int8OID, int64(-9007199254740993), "-9007199254740993"},
		{"float8", pgtype.Float8OID, 0.1, "0.1"},
		{"float8", pgtype.Float8OID, "NaN", "NaN"},
		{"float8", pgtype.Float8OID, -1e300, "-1e+300"},
		{"text", pgtype.TextOID, "grüße, 世界 \U0001f600", "grüße, 世界 \U0001f600"},
		{"text", pgtype.TextOID, "", ""},
		{"text[]", pgtype.TextArrayOID, []pgtype.Text{{String: "a", Valid: true}, {}, {String: "NULL", Valid: true}, {String: `q"\,{}`, Valid: true}, {Valid: true}}, `{a,NULL,"NULL","q\"\\,{}",""}`},
		{"text[]", pgtype.TextArrayOID, []string{}, "{}"},
		{"int8[]", pgtype.Int8ArrayOID, []int64{1, -2}, "{1,-2}"},
		{"timestamptz", pgtype.TimestamptzOID, time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC), "2024-02-29 23:59:59.123456+00"},
		{"timestamptz", pgtype.TimestamptzOID, time.Date(1969, 7, 20, 20, 17, 40, 0, time.UTC), "1969-07-20 20:17:40+00"},
		{"timestamptz", pgtype.TimestamptzOID, pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, "infinity"},
		{"numeric", pgtype.NumericOID, "123456789012345678901234567890.00012300", "123456789012345678901234567890.00012300"},
		{"numeric", pgtype.NumericOID, "-0.00001", "-0.00001"},
		{"numeric", pgtype.NumericOID, "NaN", "NaN"},
		{"bool", pgtype.BoolOID, true, "t"},
		{"bytea", pgtype.ByteaOID, []byte{0, 255, '\\'}, `\x00ff5c`},
		{"int4", pgtype.Int4OID, int32(-2147483648), "-2147483648"},
		{"date", pgtype.DateOID, time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), "2024-02-29"},
		{"jsonb", pgtype.JSONBOID, []byte(`{"a": 1}`), `{"a": 1}`},
	}
	for _, tc := range cases {
		val := tc.val
		if s, ok := val.(string); ok && tc.oid != pgtype.TextOID { // pgx's own parser makes the value
			switch tc.oid {
			case pgtype.NumericOID:
				var n pgtype.Numeric
				if err := n.Scan(s); err != nil {
					t.Fatal(err)
				}
				val = n
			case pgtype.Float8OID:
				var f pgtype.Float8
				if err := m.Scan(tc.oid, pgtype.TextFormatCode, []byte(s), &f); err != nil {
					t.Fatal(err)
				}
				val = f
			}
		}
		encoded, err := m.Encode(tc.oid, pgtype.BinaryFormatCode, val, nil)
		if err != nil {
			t.Fatalf("%s %v: %v", tc.typ, val, err)
		}
		for _, in := range []int16{0, 1} {
			for _, out := range []int16{0, 1} {
				what := fmt.Sprintf("%s %q format %d to %d", tc.typ, tc.text, in, out)
				raw := [][]byte{[]byte(tc.text), encoded}[in]
				r := conn.ExecParams(ctx, "SELECT $1::"+tc.typ, [][]byte{raw}, []uint32{0}, []int16{in}, []int16{out}).Read()
				if r.Err != nil || len(r.Rows) != 1 {
					t.Errorf("%s: %v", what, r.Err)
					continue
				}
				if f := r.FieldDescriptions[0]; f.DataTypeOID != tc.oid || f.Format != out {
					t.Errorf("%s: described as %d in format %d", what, f.DataTypeOID, f.Format)
				}
				got := r.Rows[0][0]
				want := [][]byte{[]byte(tc.text), encoded}[out]
				if tc.text == "{}" && out == 1 { // PostgreSQL's empty array has no dimension, pgx sends one of length 0
					want = []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19")
				}
				if tc.typ == "float8" && tc.text == "NaN" && out == 1 { // pgx sends Go's NaN; one goes out (SEMANTICS, head)
					want = []byte("\x7f\xf8\x00\x00\x00\x00\x00\x00")
				}
				if tc.oid == pgtype.NumericOID && out == 1 { // leading and trailing zero groups are free
					v, err := pgtype.NumericCodec{}.DecodeDatabaseSQLValue(m, tc.oid, 1, got)
					w, _ := pgtype.NumericCodec{}.DecodeDatabaseSQLValue(m, tc.oid, 1, encoded)
					if err != nil || v != w {
						t.Errorf("%s: got %v, %v", what, v, err)
					}
				} else if in == 1 && tc.oid == pgtype.NumericOID { // pgx's encoder has its own display scale
					if !strings.HasPrefix(tc.text, strings.TrimRight(string(got), "0")) {
						t.Errorf("%s: got %s", what, got)
					}
				} else if !bytes.Equal(got, want) {
					t.Errorf("%s: got %q, expected %q", what, got, want)
				}
			}
		}
	}
	for _, typ := range []string{"int8", "text", "text[]", "numeric", "timestamptz"} {
		for _, f := range []int16{0, 1} {
			r := conn.ExecParams(ctx, "SELECT $1::"+typ+", $1 IS NULL", [][]byte{nil}, nil, []int16{f}, nil).Read()
			if r.Err != nil || r.Rows[0][0] != nil || string(r.Rows[0][1]) != "t" {
				t.Errorf("NULL as %s: %v", typ, r.Err)
			}
		}
	}
	for _, bad := range []struct {
		sql  string
		raw  string
		in   int16
		code string
	}{
		{"SELECT $1::int8", "x", 0, "22P02"}, {"SELECT $1::int8", "abc", 1, "22P03"}, {"SELECT $1::float8", "abc", 1, "22P03"},
		{"SELECT $1::text", "a\xff", 0, "22021"}, {"SELECT $1::text", "a\xff", 1, "22021"}, {"SELECT $1::text", "a\x00b", 0, "22021"},
		{"SELECT $1::text[]", "{a", 0, "22P02"}, {"SELECT $1::text[]", "\x00\x00\x00\x01\x7f\xff\xff\xff", 1, "22P03"},
		{"SELECT $1::text[]", "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x19\x7f\xff\xff\xff\x00\x00\x00\x01", 1, "22P03|54000"},
		{"SELECT $1::timestamptz", "yesterdayish", 0, "22007"}, {"SELECT $1::numeric", "\x7f\xff\x00\x00\x00\x00\x00\x00", 1, "22P03"},
		{"SELECT $1::int4", "2147483648", 0, "22003"}, {"SELECT $1::int8", "", 7, "22023"},
	} {
		r := conn.ExecParams(ctx, bad.sql, [][]byte{[]byte(bad.raw)}, nil, []int16{bad.in}, nil).Read()
		e := &pgconn.PgError{}
		if !errors.As(r.Err, &e) || !strings.Contains(bad.code, e.Code) {
			t.Errorf("%s with %q in format %d: got %v, expected %s", bad.sql, bad.raw, bad.in, r.Err, bad.code)
		}
	}
}

// testResultTypes decodes a row of every kind by pgx's own binary codecs.
func testResultTypes(t *testing.T, ctx context.Context, addr string) {
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		conn := dial(t, ctx, addr, "&default_query_exec_mode="+mode)
		var (
			i   int64
			f   float64
			s   string
			a   []*string
			ts  time.Time
			n   pgtype.Numeric
			b   []byte
			d   time.Duration
			nul *int32
		)
		err := conn.QueryRow(ctx, `SELECT 5::int8, 'infinity'::float8, 'ü', ARRAY['x', NULL], '2024-01-01 00:00+02'::timestamptz,
			1.50::numeric, '\x01'::bytea, '90 minutes'::interval, NULL::int4`).Scan(&i, &f, &s, &a, &ts, &n, &b, &d, &nul)
		if err != nil {
			t.Errorf("%s: %v", mode, err)
			continue
		}
		nv, _ := n.Value()
		if i != 5 || f < 1e308 || s != "ü" || len(a) != 2 || *a[0] != "x" || a[1] != nil || !ts.Equal(time.Date(2023, 12, 31, 22, 0, 0, 0, time.UTC)) ||
			nv != "1.50" && nv != "1.5" || !bytes.Equal(b, []byte{1}) || d != 90*time.Minute || nul != nil {
			t.Errorf("%s: got %v %v %v %v %v %v %v %v %v", mode, i, f, s, a, ts, nv, b, d, nul)
		}
	}
}

// testViewReads asks for features in the three ways in which services do.
func testViewReads(t *testing.T, ctx context.Context, addr string) {
	for _, mode := range []string{"cache_statement", "cache_describe", "exec", "simple_protocol"} {
		conn := dial(t, ctx, addr, "&default_query_exec_mode="+mode)
		for _, q := range []struct {
			sql  string
			arg  any
			want string
		}{
			{"SELECT n::text, total::text, biggest::text FROM per_user WHERE user_id = $1", "a", "2|3.5|10.25"},
			{"SELECT n::text, total::text, biggest::text FROM per_user WHERE user_id = $1", "nobody", ""},
			{"SELECT user_id, n::text FROM per_user WHERE user_id = ANY($1) ORDER BY user_id", []string{"b", "z", "a", "a"}, "a|2;b|1"},
			{"SELECT k.id, f.n::text, f.biggest::text FROM unnest($1::text[]) WITH ORDINALITY AS k(id, o) LEFT JOIN per_user AS f ON f.user_id = k.id ORDER BY k.o",
				[]string{"z", "b", "a", "b"}, "z|0|NULL;b|1|0.001;a|2|10.25;b|1|0.001"},
			{"SELECT n::text FROM per_id WHERE id = $1", int64(-9007199254740993), "1"},
			{"SELECT id::text, n::text FROM per_id WHERE id = ANY($1) ORDER BY id", []int64{1, 2}, "1|2"},
		} {
			if mode == "exec" && strings.Contains(q.sql, "ANY") {
				continue // pgx guesses the type of a slice there
			}
			for range 2 { // the second time the statement is prepared already
				var got []string
				for _, row := range readRows(t, ctx, conn, q.sql, q.arg) {
					cells := make([]string, len(row))
					for i := range row {
						cells[i] = "NULL"
						if row[i] != nil {
							cells[i] = *row[i]
						}
					}
					got = append(got, strings.Join(cells, "|"))
				}
				if g := strings.Join(got, ";"); g != q.want {
					t.Errorf("%s: %s %v: got %s, expected %s", mode, q.sql, q.arg, g, q.want)
				}
			}
		}
	}
}

func testErrors(t *testing.T, ctx context.Context, addr string) {
	for _, mode := range []string{"simple_protocol", "cache_statement"} {
		conn := dial(t, ctx, addr, "&default_query_exec_mode="+mode)
		for _, q := range []struct {
			sql, code string
			position  int32
		}{
			{"SELECT 'grüße 世界', nix", "42703", 20}, {"/* 😀 */ SELECT 1 FROM nirgends", "42P01", 23}, {"SELECT 'ü' SELEC", "", 0}, {"SELECT 'ü' 5", "42601", 12},
			{"SELECT nofunc('ü', 1)", "42883", 8}, {"SELECT 'é', 'x'::int8", "22P02", 13}, {"SELECT " + strings.Repeat("1+", 30<<10) + "1", "54001", 0},
			{"SELECT " + strings.Repeat("(", 30<<10) + "1" + strings.Repeat(")", 30<<10), "54001", 0},
		} {
			_, err := conn.Exec(ctx, q.sql)
			if q.code == "" {
				if err != nil {
					t.Errorf("%s: %v", q.sql, err)
				}
				continue
			}
			e := wantCode(t, mode+" "+q.sql[:min(40, len(q.sql))], err, q.code)
			if q.position != 0 && e.Position != q.position {
				t.Errorf("%s %s: position %d, expected %d", mode, q.sql, e.Position, q.position)
			}
		}
	}
	conn := dial(t, ctx, addr, "").PgConn()
	_, err := conn.Exec(ctx, "SELECT 'a\xff'").ReadAll()
	wantCode(t, "invalid UTF-8 in a query", err, "22021")
	_, err = conn.Prepare(ctx, "", "SELECT '\xc3'", nil)
	wantCode(t, "invalid UTF-8 in Parse", err, "22021")
	if _, err := conn.Exec(ctx, "SELECT 1").ReadAll(); err != nil {
		t.Errorf("after the errors: %v", err)
	}
}

func testCancel(t *testing.T, ctx context.Context, addr string) {
	const long = "SELECT count(*) FROM generate_series(1, 100000000)"
	conn := dial(t, ctx, addr, "").PgConn()
	for _, extended := range []bool{false, true} {
		run := func() error {
			if extended {
				return conn.ExecParams(ctx, long, nil, nil, nil, nil).Read().Err
			}
			_, err := conn.Exec(ctx, long).ReadAll()
			return err
		}
		var asked time.Time
		cancelled := make(chan error, 1)
		go func() {
			time.Sleep(400 * time.Millisecond)
			asked = time.Now()
			cancelled <- conn.CancelRequest(ctx)
		}()
		err := run()
		if e := <-cancelled; e != nil {
			t.Error(e)
		}
		wantCode(t, "CancelRequest", err, "57014")
		if d := time.Since(asked); d > time.Second {
			t.Errorf("it was cancelled after %v", d)
		}
		if _, err := conn.Exec(ctx, "SET statement_timeout = '200ms'").ReadAll(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		e := wantCode(t, "statement_timeout", run(), "57014")
		if d := time.Since(start); d < 190*time.Millisecond || d > 1500*time.Millisecond || !strings.Contains(e.Message, "statement timeout") {
			t.Errorf("statement_timeout of 200 ms: %q after %v", e.Message, d)
		}
		if _, err := conn.Exec(ctx, "RESET statement_timeout; SELECT 1").ReadAll(); err != nil {
			t.Error(err)
		}
	}
}

// testCopy sends rows in each format and reads them back.
func testCopy(t *testing.T, ctx context.Context, addr string) {
	conn := dial(t, ctx, addr, "")
	p := conn.PgConn()
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	const textRows = "1\ta,\"\\n\t1.50\t2024-01-01 00:00:00+00\n2\t\\N\t\\N\t\\N\n3\t\t-7\tinfinity\n"
	const csvRows = "1,\"a,\"\"\n\",1.50,2024-01-01 00:00:00+00\n2,,,\n3,\"\",-7,infinity\n"
	var binary bytes.Buffer
	for i, f := range []struct{ with, rows, back string }{
		{"", strings.Replace(textRows, "\\n", "\\x0a", 1), textRows}, {" WITH (FORMAT csv)", csvRows, csvRows},
		{" WITH (FORMAT csv, HEADER)", "id,name,amount,at\n" + csvRows, "id,name,amount,at\n" + csvRows}, {" WITH (FORMAT binary)", "", ""},
	} {
		exec("DROP TABLE IF EXISTS spine")
		exec("CREATE TEMP TABLE spine (id bigint, name text, amount numeric, at timestamptz)")
		data := f.rows
		if f.back == "" {
			data = binary.String()
		}
		tag, err := p.CopyFrom(ctx, strings.NewReader(data), "COPY spine FROM STDIN"+f.with)
		if err != nil || tag.String() != "COPY 3" {
			t.Errorf("COPY FROM%s: %s, %v", f.with, tag, err)
			continue
		}
		for _, from := range []string{"spine", "(SELECT * FROM spine ORDER BY id)"} {
			var out bytes.Buffer
			want := f.back
			if tag, err = p.CopyTo(ctx, &out, "COPY "+from+" TO STDOUT"+f.with); err != nil || tag.String() != "COPY 3" {
				t.Errorf("COPY %s TO%s: %s, %v", from, f.with, tag, err)
			}
			if want == "" {
				want = binary.String()
			}
			if out.String() != want {
				t.Errorf("COPY %s TO%s: got %q, expected %q", from, f.with, out.String(), want)
			}
		}
		if i == 2 { // what the binary round takes in
			if _, err := p.CopyTo(ctx, &binary, "COPY spine TO STDOUT WITH (FORMAT binary)"); err != nil {
				t.Error(err)
			}
		}
	}
	// pgx's CopyFrom is binary with its own encoders.
	if n, err := conn.CopyFrom(ctx, pgx.Identifier{"spine"}, []string{"id", "at"}, pgx.CopyFromRows([][]any{{int64(9), time.Unix(0, 0)}})); err != nil || n != 1 {
		t.Errorf("CopyFrom: %d, %v", n, err)
	}
	for _, bad := range []struct{ with, rows, code string }{
		{"", "1\tx\n", "22P04"}, {"", "x\ta\t1\tinfinity\n", "22P02"}, {" WITH (FORMAT csv)", "1,\"a,1,2024-01-01\n", "22P04"}, {" WITH (FORMAT binary)", "not binary at all, no", "22P04"},
		{" WITH (FORMAT binary)", "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x08abc", "22P04|cut"},
		{"", "1\ta\xff\t1\tinfinity\n", "22021"},
	} {
		code, cut := strings.CutSuffix(bad.code, "|cut")
		if !cut { // much that is to be dropped behind the error
			bad.rows += strings.Repeat("1\ta\t1\tinfinity\n", 50_000)
		}
		_, err := p.CopyFrom(ctx, strings.NewReader(bad.rows), "COPY spine FROM STDIN"+bad.with)
		wantCode(t, fmt.Sprintf("COPY%s of %.40q", bad.with, bad.rows), err, code)
	}
	for _, format := range []string{"text", "csv", "binary"} {
		_, err := p.CopyFrom(ctx, failingReader{}, "COPY spine FROM STDIN WITH (FORMAT "+format+")")
		wantCode(t, "CopyFail of "+format, err, "57014")
	}
	var n int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM spine").Scan(&n); err != nil || n != 4 {
		t.Errorf("failed COPYs left %d rows, expected 4: %v", n, err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("the client's file is broken") }
