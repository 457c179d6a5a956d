package sqltests

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// sequences makes random sequences of turns, the same for a seed.
//
// What fqgw documents to differ from PostgreSQL, or does not have, is left out:
//   - rows of a source, which a block sees after COMMIT only: tables of the lake
//     stand for them, they go through the same transaction;
//   - UPDATE, DELETE, TRUNCATE, cursors (DECLARE, FETCH), LISTEN, COMMIT AND
//     CHAIN, PREPARE TRANSACTION, SELECT INTO: 0A000, or without effect;
//   - search_path: relations of fqgw are in one schema;
//   - errors in constants alone (SELECT 1/0): PostgreSQL folds them when it plans,
//     at Bind or before RowDescription, fqgw computes them with the rows;
//   - portals over tables that stay open: PostgreSQL refuses to drop a table that
//     one reads (55006), fqgw reads a snapshot; so only the unnamed portal reads
//     tables, which the next Bind replaces;
//   - a Query among the messages before Sync: whether an error before it hides it
//     cannot be seen from the number of answers;
//   - the first temporary table of a session, at which PostgreSQL analyses all
//     prepared statements anew (its search path grows): every session begins with one;
//   - EXECUTE of a BEGIN or COMMIT that Parse gave a name: it ends the session of
//     PostgreSQL 15 with an internal error (XX000);
//   - a prepared statement over a table of the same transaction is analysed again
//     after its COMMIT in PostgreSQL, with the TimeZone of then (rare, not left out);
//   - RESET of transaction_isolation and its kin, which PostgreSQL 15 lets pass
//     where SET would be refused (a bug mended in 16).
type sequences struct {
	*rand.Rand
	names string // ends the names of tables, so that runs side by side do not meet
}

func newSequences(seed uint64, names string) *sequences {
	return &sequences{Rand: rand.New(rand.NewPCG(seed, 7)), names: names}
}

func (g *sequences) one(of ...string) string { return of[g.IntN(len(of))] }

// sequence is some turns of one client.
func (g *sequences) sequence() []turn {
	turns := []turn{{"Query CREATE TEMP TABLE first (a int); DROP TABLE first"}}
	simple := g.IntN(3) // 0: pipelines mostly, 2: query strings mostly
	for range 3 + g.IntN(12) {
		switch {
		case g.IntN(40) == 0:
			turns = append(turns, g.lost()...)
		case g.IntN(12) == 0:
			turns = append(turns, turn{"Query " + probe})
		case g.IntN(4) <= simple:
			turns = append(turns, g.query())
		default:
			turns = append(turns, append(g.pipeline(), "Sync"))
		}
	}
	return append(turns, turn{"Query ROLLBACK"}, turn{"Query " + probe})
}

// probe shows settings without being a query to its transaction.
const probe = "SHOW application_name; SHOW TimeZone; SHOW transaction_isolation; SHOW transaction_read_only; SHOW transaction_deferrable; " +
	"SHOW default_transaction_read_only; SHOW default_transaction_isolation; SHOW extra_float_digits"

// lost is a client that hangs up, perhaps in the middle of a pipeline.
func (g *sequences) lost() []turn {
	var t turn
	if g.IntN(2) == 0 {
		t = g.pipeline()
	}
	return []turn{append(t, "Lost"), {"Query CREATE TEMP TABLE first (a int); DROP TABLE first"}}
}

// query is a query string of one or several statements.
func (g *sequences) query() turn {
	n := 1
	if g.IntN(2) == 0 {
		n = 1 + g.IntN(5)
	}
	var stmts []string
	var data turn
	for range n {
		if g.IntN(20) == 0 {
			stmts = append(stmts, "COPY "+g.table()+" FROM STDIN")
			data = append(data, g.data()...)
			continue
		}
		stmts = append(stmts, g.statement())
	}
	return append(turn{"Query " + strings.Join(stmts, "; ")}, data...)
}

// data is what a client sends for COPY FROM STDIN.
func (g *sequences) data() turn {
	var t turn
	for range g.IntN(3) {
		t = append(t, "Data "+g.one("1", "2", "3", "3", "x"))
	}
	return append(t, g.one("Done", "Done", "Done", "Fail"))
}

// pipeline is messages of the extended protocol, without their Sync.
func (g *sequences) pipeline() turn {
	var t turn
	for range 1 + g.IntN(5) {
		switch g.IntN(10) {
		case 0, 1, 2, 3: // a statement, run at once
			t = append(t, "Parse - "+g.statement())
			if g.IntN(3) == 0 {
				t = append(t, "Describe S -")
			}
			t = append(t, "Bind - -")
			if g.IntN(3) == 0 {
				t = append(t, "Describe P -")
			}
			t = append(t, "Execute - "+g.one("0", "0", "0", "2"))
			if g.IntN(10) == 0 {
				t = append(t, "Execute - 0")
			}
		case 4: // a named statement
			t = append(t, "Parse "+g.name()+" "+g.one(g.prepared(), g.executable()))
		case 5:
			t = append(t, "Bind - "+g.name()+g.one("", "", " 4"), "Execute - 0")
		case 6: // a portal that stays
			t = append(t, "Parse - "+g.one(series...), "Bind "+g.portal()+" -", "Execute "+g.portal()+" 2")
		case 7:
			t = append(t, g.one("Execute "+g.portal()+" "+g.one("1", "0"), "Describe P "+g.portal(), "Describe S "+g.name(),
				"Close P "+g.portal(), "Close S "+g.name(), "Flush"))
		case 8:
			t = append(t, "Parse - COPY "+g.table()+" FROM STDIN", "Bind - -", "Execute - 0")
			t = append(t, g.data()...)
		case 9:
			t = append(t, g.one("Parse - ", "Bind - -"))
		}
	}
	return t
}

// series are queries that read no table.
var series = []string{"SELECT g FROM generate_series(1, 5) AS g", "SELECT g, 6 / (g - 4) FROM generate_series(1, 5) AS g", "SHOW TimeZone", "SELECT FROM generate_series(1, 3)"}

func (g *sequences) name() string   { return g.one("p", "q") }
func (g *sequences) portal() string { return g.one("c", "d") }

// table is the name of a table that may be there.
func (g *sequences) table() string {
	return g.one("t", "t", "u", "v", "l", "m") + g.names
}

func (g *sequences) savepoint() string { return g.one("a", "a", "b") }

// statement is any statement.
func (g *sequences) statement() string {
	switch n := g.IntN(100); {
	case n < 28:
		return g.transaction()
	case n < 48:
		return g.setting()
	case n < 66:
		return g.definition()
	case n < 88:
		return g.rows()
	case n < 96:
		return g.one("PREPARE "+g.name()+" AS "+g.prepared(), "EXECUTE "+g.name(), "EXECUTE "+g.name(), "EXECUTE "+g.name()+"(3)",
			"DEALLOCATE "+g.name(), "DEALLOCATE ALL", "DISCARD PLANS", "DISCARD TEMP", "DISCARD ALL")
	}
	return g.one("SELECT nix", "SELEC", "SELECT * FROM nosuch", "SELECT 1/(g - 2) FROM generate_series(1, 3) AS g", "DROP TABLE nosuch", "EXECUTE nosuch")
}

// executable is a statement that EXECUTE can run, too.
func (g *sequences) executable() string {
	return g.one(g.setting(), g.definition(), g.rows(), "EXECUTE "+g.name(), "COPY "+g.table()+" TO STDOUT", "DEALLOCATE "+g.name(), "DISCARD ALL")
}

func (g *sequences) transaction() string {
	modes := []string{"", "", " ISOLATION LEVEL SERIALIZABLE", " READ ONLY", " READ WRITE", " ISOLATION LEVEL REPEATABLE READ, READ ONLY", " DEFERRABLE"}
	switch g.IntN(10) {
	case 0, 1:
		return g.one("BEGIN", "START TRANSACTION") + g.one(modes...)
	case 2, 3:
		return g.one("COMMIT", "END")
	case 4:
		return g.one("ROLLBACK", "ABORT")
	case 5, 6:
		return "SAVEPOINT " + g.savepoint()
	case 7:
		return g.one("RELEASE ", "RELEASE SAVEPOINT ") + g.savepoint()
	case 8:
		return g.one("ROLLBACK TO ", "ROLLBACK TO SAVEPOINT ") + g.savepoint()
	}
	return g.one("SET TRANSACTION", "SET TRANSACTION", "SET SESSION CHARACTERISTICS AS TRANSACTION") + g.one(modes[2:]...)
}

func (g *sequences) setting() string {
	name, values := "application_name", []string{"'one'", "'two'", "'three'"}
	switch g.IntN(7) {
	case 0, 1:
		name, values = "TimeZone", []string{"'UTC'", "'Asia/Tokyo'", "'America/New_York'", "'Nowhere/Land'"}
	case 2:
		name, values = "my.own", []string{"'1'", "'2'"}
	case 3:
		name, values = "extra_float_digits", []string{"'0'", "'1'", "'2'", "'77'"}
	case 4:
		name, values = g.one("default_transaction_read_only", "transaction_read_only"), []string{"'on'", "'off'", "'off'"}
	}
	switch v := g.one(values...); g.IntN(12) {
	case 0, 1, 2, 3:
		return "SET " + name + " = " + v
	case 4, 5:
		return "SET LOCAL " + name + " = " + v
	case 6:
		return "SELECT set_config('" + name + "', " + v + ", " + g.one("true", "false") + ")"
	case 7:
		if name == "transaction_read_only" {
			return "SHOW " + name
		}
		return g.one("RESET "+name, "SET "+name+" TO DEFAULT", "SET LOCAL "+name+" TO DEFAULT")
	case 8:
		return g.one("RESET ALL", "SET nosuch = 1", "RESET nosuch")
	case 9:
		return "SELECT current_setting('" + name + "', true)"
	}
	return "SHOW " + name
}

func (g *sequences) definition() string {
	columns := g.one(" (a int)", " (a int)", " (a int)", " (a int NOT NULL)", " (a int, b text)")
	as := g.one(" AS SELECT 1 AS a", " AS SELECT g AS a FROM generate_series(1, 2) AS g", " AS SELECT 1/(g - 2) AS a FROM generate_series(1, 3) AS g", " AS SELECT a FROM "+g.table())
	temp, lake := g.one("t", "t", "u")+g.names, g.one("l", "l", "m", "t")+g.names
	switch g.IntN(10) {
	case 0, 1, 2:
		return g.one("CREATE TEMP TABLE ", "CREATE TEMP TABLE ", "CREATE TEMP TABLE IF NOT EXISTS ") + temp + columns
	case 3:
		return "CREATE TEMP TABLE " + temp + as
	case 4, 5:
		return g.one("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ") + lake + columns
	case 6:
		return "CREATE TABLE " + lake + as
	case 7:
		return g.one("DROP VIEW ", "DROP TABLE pg_temp.", "DROP TABLE public.") + g.table()
	}
	list := []string{g.table()}
	for range g.IntN(3) {
		list = append(list, g.table())
	}
	return g.one("DROP TABLE ", "DROP TABLE IF EXISTS ") + strings.Join(list, ", ")
}

func (g *sequences) rows() string {
	switch g.IntN(10) {
	case 0, 1, 2:
		return fmt.Sprintf("INSERT INTO %s VALUES (%s)", g.table(), g.one("1", "2", "3", "NULL", "'x'"))
	case 3:
		return fmt.Sprintf("INSERT INTO %s SELECT %s FROM generate_series(1, 3) AS g", g.table(), g.one("g", "6 / (g - 2)"))
	case 4, 5, 6:
		return fmt.Sprintf("SELECT %s FROM %s ORDER BY a", g.one("a", "*", "count(*) OVER ()", ""), g.table())
	case 7:
		return g.one("SELECT", "SELECT UNION ALL SELECT", "SELECT UNION SELECT", "SELECT EXCEPT SELECT", "SELECT timestamptz '2020-01-01 00:00'", "")
	case 8:
		return "COPY " + g.one(g.table(), "(SELECT a FROM "+g.table()+" ORDER BY a)", "(SELECT)", "(SELECT 1/(g - 2) FROM generate_series(1, 3) AS g)") + " TO STDOUT"
	}
	return g.one(series...)
}

// prepared is a statement that can be prepared.
func (g *sequences) prepared() string {
	return g.one("SELECT timestamptz '2020-01-01 00:00'", "SELECT $1::int + 1", "INSERT INTO "+g.table()+" VALUES ($1)", "INSERT INTO "+g.table()+" VALUES (9)",
		"SELECT * FROM "+g.table()+" ORDER BY a", "SELECT a, timestamptz '2020-01-01 00:00' FROM "+g.table()+" ORDER BY a", "SELECT now() = 'now'", "SELECT nix", "SELECT")
}
