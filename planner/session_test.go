package planner

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/expr"
)

// client runs query strings in a session over an engine without stores and
// writes down what came, as the gateway would send it.
type client struct {
	*Session
	said []string
}

func newClient(t *testing.T) *client {
	t.Helper()
	return clientOf(t, &fqgw.Catalog{})
}

func clientOf(t *testing.T, cat *fqgw.Catalog) *client {
	t.Helper()
	engine := exec.New(exec.Options{Catalog: cat, Clock: fqgw.RealClock(), Logger: slog.New(slog.DiscardHandler)})
	c := &client{}
	var err error
	c.Session, err = New(engine).NewSession(SessionOptions{User: "test", PID: 1, Notice: func(n Notice) { c.said = append(c.said, n.Severity+" "+n.Code) }})
	if err != nil {
		t.Fatal(err)
	}
	c.Changed()
	t.Cleanup(c.Session.Close)
	return c
}

// query is a Query message: its answers, joined by "; ", and the status.
func (c *client) query(sql string) string {
	c.said = nil
	if err := c.run(sql); err != nil {
		c.said = append(c.said, string(fqgw.AsError(err).Code))
		c.Failed()
	}
	return strings.Join(append(c.said, string(c.TxStatus())), "; ")
}

func (c *client) run(sql string) error {
	texts, err := c.Split(sql)
	if err != nil {
		return err
	}
	c.BeginImplicit(len(texts) > 1)
	for i, text := range texts {
		p, err := c.PrepareQuery(text)
		if err != nil {
			return err
		}
		if err := c.answer(p, i == len(texts)-1); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) answer(p *Prepared, last bool) error {
	ctx := context.Background()
	res, err := c.Execute(ctx, p, nil)
	if err != nil {
		return err
	}
	n := int64(0)
	if res.Rows != nil {
		defer res.Rows.Close()
		for {
			row, err := res.Rows.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			var cells []string
			for i, v := range row {
				cells = append(cells, expr.Text(v, res.Columns[i].Type, c.Env()))
			}
			c.said = append(c.said, "("+strings.Join(cells, ",")+")")
			n++
		}
	}
	if last {
		if err := c.EndImplicit(ctx); err != nil {
			return err
		}
	}
	if tag := string(res.Tag.Append(nil, n)); !strings.HasPrefix(tag, "SELECT") && tag != "SHOW" {
		c.said = append(c.said, tag)
	}
	return nil
}

// steps are query strings and what a real PostgreSQL 15 answers to them.
func (c *client) steps(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := c.query(pairs[i]); got != pairs[i+1] {
			t.Errorf("%s\n  got  %s\n  want %s", pairs[i], got, pairs[i+1])
		}
	}
}

func TestSettingsFollowTransactions(t *testing.T) {
	newClient(t).steps(t,
		"BEGIN; SET application_name = 'a'; SAVEPOINT s; SET application_name = 'b'; ROLLBACK TO s; SHOW application_name", "BEGIN; SET; SAVEPOINT; SET; ROLLBACK; (a); T",
		"ROLLBACK; SHOW application_name", "ROLLBACK; (); I",
		"SET application_name = 'x'; SELECT 1/0", "SET; 22012; I",
		"SHOW application_name", "(); I",
		"SELECT 1; SET LOCAL application_name = 'l'; SHOW application_name", "(1); SET; (l); I",
		"SHOW application_name", "(); I",
		"SET LOCAL application_name = 'l'", "WARNING 25P01; SET; I",
		"SELECT set_config('application_name', 'c', true)", "(c); I",
		"SHOW application_name", "(); I",
		"BEGIN; SET application_name = 'one'; SET LOCAL application_name = 'two'; COMMIT; SHOW application_name", "BEGIN; SET; SET; COMMIT; (one); I",
		"BEGIN; SET LOCAL application_name = 'two'; SET application_name = 'three'; COMMIT; SHOW application_name", "BEGIN; SET; SET; COMMIT; (three); I",
		"BEGIN; SET LOCAL application_name = 'x'; SAVEPOINT s; RESET ALL; SHOW application_name", "BEGIN; SET; SAVEPOINT; RESET; (); T",
		"ROLLBACK TO s; SHOW application_name; COMMIT; SHOW application_name", "ROLLBACK; (x); COMMIT; (three); I",
		"RESET application_name; ROLLBACK; SHOW application_name", "RESET; WARNING 25P01; ROLLBACK; (three); I",
		"RESET application_name; COMMIT; SELECT 1/0", "RESET; WARNING 25P01; COMMIT; 22012; I",
		"SHOW application_name", "(); I",
		"BEGIN; SET my.own = '1'; ROLLBACK; SHOW my.own", "BEGIN; SET; ROLLBACK; (); I",
		"SET fqgw.as_of = '2020-01-01 00:00Z'; BEGIN; SAVEPOINT s; SET fqgw.as_of = '2021-01-01 00:00Z'; ROLLBACK TO s; SHOW fqgw.as_of; COMMIT",
		"SET; BEGIN; SAVEPOINT; SET; ROLLBACK; (2020-01-01 00:00:00+00); COMMIT; I",
	)
}

func TestTransactionModes(t *testing.T) {
	newClient(t).steps(t,
		"START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY; SHOW transaction_isolation; SHOW transaction_read_only", "START TRANSACTION; (serializable); (on); T",
		"CREATE TEMP TABLE x (a int)", "25006; E",
		"COMMIT; SHOW transaction_isolation", "ROLLBACK; (read committed); I",
		"BEGIN; SELECT 1", "BEGIN; (1); T",
		"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "25001; E",
		"ROLLBACK", "ROLLBACK; I",
		"SELECT 1; BEGIN ISOLATION LEVEL SERIALIZABLE", "(1); 25001; I",
		"BEGIN; SAVEPOINT a; SET TRANSACTION READ ONLY; RELEASE a; SHOW transaction_read_only", "BEGIN; SAVEPOINT; SET; RELEASE; (off); T",
		"BEGIN READ ONLY", "WARNING 25001; BEGIN; T",
		"SHOW transaction_read_only; ROLLBACK", "(on); ROLLBACK; I",
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE; SHOW transaction_read_only", "SET; (off); I",
		"SHOW transaction_read_only; SHOW transaction_isolation", "(on); (serializable); I",
	)
}

func TestTemporaryTablesFollowTransactions(t *testing.T) {
	newClient(t).steps(t,
		"CREATE TEMP TABLE a (i int); CREATE TEMP TABLE b (i int)", "CREATE TABLE; CREATE TABLE; I",
		"DROP TABLE a, nosuch", "42P01; I",
		"DROP TABLE IF EXISTS nosuch, a, public.b", "NOTICE 00000; NOTICE 00000; DROP TABLE; I",
		"SELECT count(*) FROM b", "(0); I",
		"INSERT INTO b VALUES (1); COMMIT; INSERT INTO b VALUES (2); ROLLBACK; INSERT INTO b VALUES (3)",
		"INSERT 0 1; WARNING 25P01; COMMIT; INSERT 0 1; WARNING 25P01; ROLLBACK; INSERT 0 1; I",
		"SELECT i FROM b ORDER BY i", "(1); (3); I",
		"CREATE TEMP TABLE a (i int); BEGIN; DROP TABLE a, b; ROLLBACK; SELECT count(*) FROM b", "CREATE TABLE; BEGIN; DROP TABLE; ROLLBACK; (2); I",
		"SELECT * FROM a", "42P01; I", // the block was the whole string
		"DROP VIEW b", "42809; I",
		"DROP TABLE b, b", "DROP TABLE; I",
		"SELECT * FROM b", "42P01; I",
		"SELECT 1; DISCARD ALL", "(1); 25001; I",
	)
}

// TestLiteralsOfPreparedStatements: they mean what they meant when the statement
// was analysed, until it is analysed again.
func TestLiteralsOfPreparedStatements(t *testing.T) {
	c := newClient(t)
	c.steps(t,
		"PREPARE p AS SELECT timestamptz '2020-01-01 00:00', '2020-01-01 00:00'::text::timestamptz", "PREPARE; I",
		"SET TimeZone = 'Asia/Tokyo'", "SET; I",
		"EXECUTE p", "(2020-01-01 09:00:00+09,2020-01-01 00:00:00+09); I",
		"CREATE TEMP TABLE t (at timestamptz); PREPARE i AS INSERT INTO t VALUES ('2020-01-01 00:00')", "CREATE TABLE; PREPARE; I",
		"SET TimeZone = 'UTC'; EXECUTE i; SELECT * FROM t", "SET; INSERT 0 1; (2019-12-31 15:00:00+00); I",
		"PREPARE q AS SELECT timestamptz '2020-01-01 00:00' FROM t; SET TimeZone = 'Asia/Tokyo'; CREATE TEMP TABLE u (a int); EXECUTE q",
		"PREPARE; SET; CREATE TABLE; (2020-01-01 09:00:00+09); I",
		"DROP TABLE t; CREATE TEMP TABLE t AS SELECT 1 AS a; EXECUTE q", "DROP TABLE; (2020-01-01 00:00:00+09); I",
		"BEGIN; PREPARE n AS SELECT now() = 'now'; EXECUTE n; COMMIT", "BEGIN; PREPARE; (t); COMMIT; I",
	)
}
