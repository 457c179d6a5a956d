package sqltests

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/planner/expr/exprtest"
)

// TestEveryType sends a value of each type along its whole way: from a driver into a
// record, the history, a state and a feature of now and of then, a table, GROUP BY and
// a join key, and back to the driver in both formats.
func TestEveryType(t *testing.T) {
	c := app.Throwaway(t.TempDir())
	c.Clock, c.ClockRate = "2024-03-01 12:00:00Z", 0
	err := app.WithApp(t.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
		conn := dial(t, ctx, a.Addr(), "")
		exprtest.Types(t, func(t *testing.T, e exprtest.Example) { testType(t, ctx, conn, e) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testType(t *testing.T, ctx context.Context, conn *pgx.Conn, e exprtest.Example) {
	name, typ := e.Type.PgName(), e.Type.String()
	if e.Type == fqgw.BPChar {
		typ = name // character is of length 1
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, strings.NewReplacer("{name}", name, "{type}", typ).Replace(sql)); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	// read asks for one row in both formats, with $1 the lesser value in both.
	read := func(sql string, texts ...string) {
		t.Helper()
		raw, err := hex.DecodeString(e.Binary)
		if err != nil {
			t.Fatal(err)
		}
		sql = strings.NewReplacer("{name}", name, "{type}", typ).Replace(sql)
		params, oids, formats := [][]byte{[]byte(e.Less)}, []uint32{e.Type.OID}, []int16{0}
		if !strings.Contains(sql, "$1") {
			params, oids, formats = nil, nil, nil
		}
		for format := range int16(2) {
			if format == 1 && params != nil {
				params, formats = [][]byte{raw}, []int16{1}
			}
			r := conn.PgConn().ExecParams(ctx, sql, params, oids, formats, []int16{format}).Read()
			if r.Err != nil || len(r.Rows) != 1 {
				t.Fatalf("%s: %d rows, %v", sql, len(r.Rows), r.Err)
			}
			for i, want := range texts {
				if want == e.Less && format == 1 {
					want = string(raw)
				} else if format == 1 {
					continue
				}
				if got := string(r.Rows[0][i]); got != want {
					t.Errorf("%s: column %d in format %d is %q, not %q", sql, i+1, format, got, want)
				}
			}
		}
	}
	read("SELECT $1::{type}, pg_typeof($1)", e.Less, e.Type.String())
	if e.Type != fqgw.JSON {
		read(fmt.Sprintf("SELECT x FROM (VALUES ('%[1]s'::{type}), ('%[2]s'), ('%[1]s')) v(x) GROUP BY x HAVING count(*) = 2 ORDER BY x", e.Less, e.Greater), e.Less)
	}
	exec("CREATE TEMP TABLE t_{name} (v {type}, a {type}[])")
	exec(fmt.Sprintf("INSERT INTO t_{name} VALUES ('%s', ARRAY['%s', NULL]::{type}[])", e.Less, e.Greater))
	read("SELECT v, a[1] FROM t_{name}", e.Less, e.Greater)
	if !e.Type.InRecords() {
		return
	}
	const with = "WITH (connector = 'kafka', topic = '{name}', format = 'json', event_time = 't', partitions = 1)"
	exec("CREATE SOURCE s_{name} (k int, v {type}, a {type}[], t timestamptz NOT NULL) " + with)
	exec("CREATE FEATURE VIEW w_{name} AS SELECT k, first_value(v) OVER w AS f, last_value(v) OVER w AS l FROM s_{name} WINDOW w AS (PARTITION BY k ORDER BY t)")
	exec("CREATE FEATURE VIEW r_{name} AS SELECT DISTINCT ON (k) k, v, a FROM s_{name} ORDER BY k, t DESC")
	exec("CREATE TABLE l_{name} (v {type}, a {type}[])")
	if fqgw.KeyTypeOK(e.Type) {
		exec("CREATE FEATURE VIEW k_{name} AS SELECT v, count(*) OVER w AS n FROM s_{name} WINDOW w AS (PARTITION BY v ORDER BY t)")
	}
	exec(fmt.Sprintf(`INSERT INTO s_{name} VALUES (1, '%[2]s', NULL, '2024-03-01 11:00Z'),
		(1, '%[1]s', ARRAY['%[2]s', NULL]::{type}[], '2024-03-01 11:01Z')`, e.Less, e.Greater))
	exec("SELECT fqgw.sync()")
	exec("INSERT INTO l_{name} SELECT v, a FROM s_{name} WHERE a IS NOT NULL")
	read("SELECT v, a[1] FROM l_{name}", e.Less, e.Greater)
	read("SELECT v, a[1] FROM s_{name} ORDER BY t DESC LIMIT 1", e.Less, e.Greater)
	for _, asOf := range []string{"", " AS OF '2024-03-01 12:00Z'"} {
		read("SELECT l, f FROM w_{name}"+asOf+" WHERE k = 1", e.Less, e.Greater)
		read("SELECT v, a[1] FROM r_{name}"+asOf+" WHERE k = 1", e.Less, e.Greater)
		if fqgw.KeyTypeOK(e.Type) {
			read("SELECT v, n::text FROM k_{name}"+asOf+" WHERE v = $1", e.Less, "1")
		}
	}
}
