package sqltests

import (
	"bytes"
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// testBatch: what is sent up to one Sync is one transaction, also without a
// block; a query string has no parameters; a binary COPY begins as PostgreSQL's.
func testBatch(t *testing.T, ctx context.Context, addr string) {
	conn := dial(t, ctx, addr, "")
	count := func(sql string) (n int) {
		t.Helper()
		if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := conn.Exec(ctx, "CREATE TABLE batched (x int NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	insert := func(values ...any) error {
		b := &pgx.Batch{}
		for _, v := range values {
			b.Queue("INSERT INTO batched VALUES ($1)", v)
		}
		return conn.SendBatch(ctx, b).Close()
	}
	wantCode(t, "a batch with a NULL", insert(1, nil, 3), "23502")
	if n := count("SELECT count(*) FROM batched"); n != 0 {
		t.Errorf("a batch that failed left %d rows", n)
	}
	if err := insert(1, 2, 3); err != nil {
		t.Fatal(err)
	}
	if n := count("SELECT count(*) FROM batched"); n != 3 {
		t.Errorf("a batch wrote %d rows of 3", n)
	}
	// A batch reads what it wrote.
	b := &pgx.Batch{}
	b.Queue("INSERT INTO batched VALUES (4)")
	var n int
	b.Queue("SELECT count(*) FROM batched").QueryRow(func(r pgx.Row) error { return r.Scan(&n) })
	if err := conn.SendBatch(ctx, b).Close(); err != nil || n != 4 {
		t.Errorf("within a batch there are %d rows, %v", n, err)
	}

	_, err := conn.PgConn().Exec(ctx, "SELECT $1").ReadAll()
	if e := wantCode(t, "a parameter in a query string", err, "42P02"); e != nil && e.Position != 8 {
		t.Errorf("it is said to be at %d", e.Position)
	}

	var out bytes.Buffer
	if _, err := conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT 1::int4) TO STDOUT (FORMAT binary)"); err != nil {
		t.Fatal(err)
	}
	want := append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 0xff, 0xff)
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("binary COPY is %q", out.Bytes())
	}

	// A relation that another session made again is not written to.
	other := dial(t, ctx, addr, "")
	for _, sql := range []string{"BEGIN", "INSERT INTO batched VALUES (9)"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{"DROP TABLE batched", "CREATE TABLE batched (x int NOT NULL)"} {
		if _, err := other.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	_, err = conn.Exec(ctx, "COMMIT")
	wantCode(t, "rows for a table that was made again", err, "40001")
	if n := count("SELECT count(*) FROM batched"); n != 0 {
		t.Errorf("the new table has %d rows", n)
	}

	// What a batch writes at its end has the statement's time-out.
	if _, err := conn.Exec(ctx, "SET statement_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	res := conn.PgConn().ExecParams(ctx, "CREATE FEATURE VIEW late AS SELECT id, count(*) OVER w AS n FROM clicks WINDOW w AS (PARTITION BY id ORDER BY ts RANGE '1 day' PRECEDING)", nil, nil, nil, nil).Read()
	wantCode(t, "a feature view that is not filled within a millisecond", res.Err, "57014")
	for _, sql := range []string{"RESET statement_timeout", "DROP FEATURE VIEW IF EXISTS late"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}

	// Temporary tables are what they were before several statements that failed.
	if _, err := conn.Exec(ctx, "CREATE TEMP TABLE tt (x int)"); err != nil {
		t.Fatal(err)
	}
	_, err = conn.PgConn().Exec(ctx, "INSERT INTO tt VALUES (1); SELECT 1 / 0").ReadAll()
	wantCode(t, "a query string that fails", err, "22012")
	if n := count("SELECT count(*) FROM tt"); n != 0 {
		t.Errorf("it left %d rows", n)
	}
}
