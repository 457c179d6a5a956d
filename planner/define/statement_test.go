package define

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

const viewsSQL = `CREATE FEATURE VIEW byuser AS SELECT user_id, count(*) OVER w AS n FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING);
	CREATE FEATURE VIEW pair AS SELECT user_id, kind, count(*) OVER w AS m, sum(price) OVER w AS s FROM clicks WINDOW w AS (PARTITION BY user_id, kind ORDER BY ts RANGE '1 day' PRECEDING);
	CREATE FEATURE VIEW bykind AS SELECT DISTINCT ON (kind) kind, price FROM clicks ORDER BY kind, ts DESC;
	CREATE TABLE labels (id int NOT NULL, at timestamptz, y double precision)`

func TestStatements(t *testing.T) {
	cat := catalog(t, viewsSQL)
	for _, c := range []struct {
		sql  string
		want plan.Statement
	}{
		{"DROP SOURCE IF EXISTS a, public.b CASCADE PURGE", &plan.Drop{Kind: "source", Names: []plan.RelationName{{QualifiedName: fqgw.Public("a")}, {QualifiedName: fqgw.Public("b"), Written: "public"}}, IfExists: true, Cascade: true, Purge: true}},
		{"DROP FEATURE VIEW v", &plan.Drop{Kind: "feature view", Names: []plan.RelationName{{QualifiedName: fqgw.Public("v")}}}},
		{"DROP MATERIALIZED VIEW v", &plan.Drop{Kind: "feature view", Names: []plan.RelationName{{QualifiedName: fqgw.Public("v")}}}},
		{"DROP VIEW IF EXISTS v", &plan.Drop{Kind: "view", Names: []plan.RelationName{{QualifiedName: fqgw.Public("v")}}, IfExists: true}},
		{"DROP TABLE t RESTRICT", &plan.Drop{Kind: "table", Names: []plan.RelationName{{QualifiedName: fqgw.Public("t")}}}},
		{"DROP TABLE IF EXISTS other.t", &plan.Drop{Kind: "table", IfExists: true}},
		{"ALTER FEATURE VIEW pair ALTER COLUMN m SET DEFAULT 7", &plan.AlterFeature{View: fqgw.Public("pair"), Feature: "m", Default: fqgw.IntValue(7), SQL: "'7'::bigint"}},
		{"ALTER MATERIALIZED VIEW pair ALTER s SET DEFAULT -1", &plan.AlterFeature{View: fqgw.Public("pair"), Feature: "s", Default: fqgw.FloatValue(-1), SQL: "'-1'::double precision"}},
		{"ALTER FEATURE VIEW pair SET (version = 2)", &plan.SetVersion{View: fqgw.Public("pair"), Version: 2}},
		{"ALTER FEATURE VIEW pair ALTER s DROP DEFAULT", &plan.AlterFeature{View: fqgw.Public("pair"), Feature: "s", SQL: "NULL"}},
		{"COMMENT ON SOURCE clicks IS 'x'", &plan.Comment{Kind: "source", Name: fqgw.Public("clicks"), Text: "x"}},
		{"COMMENT ON TABLE clicks IS NULL", &plan.Comment{Kind: "source", Name: fqgw.Public("clicks")}},
		{"COMMENT ON COLUMN public.pair.m IS 'x'", &plan.Comment{Kind: "feature view", Name: fqgw.Public("pair"), Column: "m", Text: "x"}},
		{"REFRESH MATERIALIZED VIEW pair", &plan.Refresh{Name: "pair"}},
		{"SET search_path TO a, \"B c\"", &plan.Set{Name: "search_path", Value: "a, \"B c\""}},
		{"SET DateStyle = ISO, MDY", &plan.Set{Name: "datestyle", Value: "iso, mdy"}},
		{"SET statement_timeout = 5000", &plan.Set{Name: "statement_timeout", Value: "5000"}},
		{"SET extra_float_digits TO 0", &plan.Set{Name: "extra_float_digits", Value: "0"}},
		{"SET LOCAL fqgw.as_of = '2013-01-01'", &plan.Set{Name: "fqgw.as_of", Value: "2013-01-01", Local: true}},
		{"SET jit = off", &plan.Set{Name: "jit", Value: "off"}},
		{"SET x.y = -1.5", &plan.Set{Name: "x.y", Value: "-1.5"}},
		{"SET NAMES 'utf8'", &plan.Set{Name: "client_encoding", Value: "utf8"}},
		{"SET TIME ZONE 'Europe/Vienna'", &plan.Set{Name: "timezone", Value: "Europe/Vienna"}},
		{"SET TIME ZONE INTERVAL '-08:30' HOUR TO MINUTE", &plan.Set{Name: "timezone", Value: "INTERVAL '-08:30:00'"}},
		{"SET TIME ZONE LOCAL", &plan.Set{Name: "timezone", Default: true}},
		{"SET work_mem TO DEFAULT", &plan.Set{Name: "work_mem", Default: true}},
		{"RESET work_mem", &plan.Set{Name: "work_mem", Default: true, Reset: true}},
		{"RESET ALL", &plan.Set{Reset: true, All: true}},
		{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", &plan.SetTransaction{Session: true, Modes: []plan.Mode{{Name: "transaction_read_only", Value: "on"}}}},
		{"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", &plan.SetTransaction{Session: true, Modes: []plan.Mode{{Name: "transaction_isolation", Value: "serializable"}}}},
		{"SET TRANSACTION READ WRITE", &plan.SetTransaction{Modes: []plan.Mode{{Name: "transaction_read_only", Value: "off"}}}},
		{"SHOW TIME ZONE", &plan.Show{Name: "timezone"}},
		{"SHOW TRANSACTION ISOLATION LEVEL", &plan.Show{Name: "transaction_isolation"}},
		{"SHOW ALL", &plan.Show{Name: "all"}},
		{"BEGIN", &plan.Transaction{Kind: plan.Begin, Tag: "BEGIN"}},
		{"START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", &plan.Transaction{Kind: plan.Begin, Tag: "START TRANSACTION", Modes: []plan.Mode{{Name: "transaction_isolation", Value: "repeatable read"}, {Name: "transaction_read_only", Value: "on"}}}},
		{"BEGIN READ WRITE", &plan.Transaction{Kind: plan.Begin, Tag: "BEGIN", Modes: []plan.Mode{{Name: "transaction_read_only", Value: "off"}}}},
		{"END", &plan.Transaction{Kind: plan.Commit, Tag: "COMMIT"}},
		{"ABORT", &plan.Transaction{Kind: plan.Rollback, Tag: "ROLLBACK"}},
		{"SAVEPOINT a", &plan.Transaction{Kind: plan.Savepoint, Name: "a", Tag: "SAVEPOINT"}},
		{"RELEASE a", &plan.Transaction{Kind: plan.Release, Name: "a", Tag: "RELEASE"}},
		{"ROLLBACK TO a", &plan.Transaction{Kind: plan.RollbackTo, Name: "a", Tag: "ROLLBACK"}},
		{"PREPARE p (int, unknown) AS SELECT * FROM pair AS OF $1 u", &plan.Prepare{Name: "p", Types: []fqgw.Type{fqgw.Int4, fqgw.Unknown}, Text: "SELECT * FROM pair AS OF $1 u"}},
		{"DEALLOCATE p", &plan.Deallocate{Name: "p"}},
		{"DEALLOCATE ALL", &plan.Deallocate{}},
		{"DISCARD ALL", &plan.Discard{What: "ALL"}},
		{"DISCARD TEMP", &plan.Discard{What: "TEMP"}},
		{"VACUUM pair", &plan.Vacuum{Views: []*fqgw.FeatureView{cat.Features[fqgw.Public("pair")]}}},
		{"UNLISTEN *", &plan.NoOp{Tag: "UNLISTEN"}},
		{"CLOSE ALL", &plan.NoOp{Tag: "CLOSE CURSOR ALL"}},
		{"CREATE TABLE IF NOT EXISTS t (a int NOT NULL, b numeric(5,1))", &plan.CreateTable{IfNotExists: true, Table: &fqgw.Table{Schema: "public", Name: "t",
			Columns: []fqgw.Column{{Name: "a", Type: fqgw.Int4, NotNull: true}, {Name: "b", Type: fqgw.NumericOf(5, 1)}}}}},
		{"CREATE TEMP TABLE t (a text)", &plan.CreateTable{Temp: true, Table: &fqgw.Table{Schema: "public", Name: "t", Columns: []fqgw.Column{{Name: "a", Type: fqgw.Text}}}}},
		{"COPY labels FROM STDIN", &plan.CopyFrom{Table: cat.Tables[fqgw.Public("labels")], Fields: []int{0, 1, 2}, Format: plan.CopyFormat{Name: "text", Delimiter: '\t', Null: `\N`}}},
		{"COPY labels (y, id) FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';', NULL '-')", &plan.CopyFrom{Table: cat.Tables[fqgw.Public("labels")], Fields: []int{2, 0},
			Format: plan.CopyFormat{Name: "csv", Header: true, Delimiter: ';', Null: "-", Quote: '"', Escape: '"'}}},
		{"copy clicks (ts, _fq_known_at) from stdin csv quote '''' escape '\\'", &plan.CopyFrom{Source: cat.Sources[fqgw.Public("clicks")], Fields: []int{4, 9},
			Format: plan.CopyFormat{Name: "csv", Delimiter: ',', Quote: '\'', Escape: '\\'}}},
		{"COPY labels FROM STDIN BINARY", &plan.CopyFrom{Table: cat.Tables[fqgw.Public("labels")], Fields: []int{0, 1, 2}, Format: plan.CopyFormat{Name: "binary"}}},
	} {
		st, err := script(cat.Clone(), c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if !reflect.DeepEqual(st, c.want) {
			t.Errorf("%s\n got %+v\nwant %+v", c.sql, st, c.want)
		}
	}
	for sql, tag := range map[string]string{"LISTEN x": "LISTEN", "NOTIFY x": "NOTIFY", "LOCK TABLE labels": "LOCK TABLE", "GRANT SELECT ON FEATURE VIEW pair TO u": "GRANT",
		"REVOKE ALL ON labels FROM u": "REVOKE", "ANALYZE": "ANALYZE",
		"CREATE INDEX i ON labels (id)": "CREATE INDEX", "DROP INDEX i": "DROP INDEX", "REINDEX TABLE labels": "REINDEX", "CLUSTER labels": "CLUSTER"} {
		st, err := script(cat.Clone(), sql)
		if n, ok := st.(*plan.NoOp); err != nil || !ok || n.Tag != tag || n.Notice == "" {
			t.Errorf("%s: %+v %v", sql, st, err)
		}
	}
}

func TestRowStatements(t *testing.T) {
	cat := catalog(t, viewsSQL)
	for sql, want := range map[string]string{
		"SELECT 1 AS a, 'x' AS b":                                           "query a integer, b text",
		"INSERT INTO labels VALUES (1, now(), 2)":                           "insert labels [0 1 2] id integer, at timestamp with time zone, y double precision",
		"INSERT INTO labels VALUES (1)":                                     "insert labels [0] id integer",
		"INSERT INTO labels (y, id) SELECT 1, 2":                            "insert labels [2 0] y double precision, id integer",
		"INSERT INTO labels DEFAULT VALUES":                                 "insert labels [] ",
		"WITH x AS (SELECT 5 AS n) INSERT INTO labels (id) SELECT n FROM x": "insert labels [0] id integer",
		"INSERT INTO temp VALUES ($1)":                                      "insert temp [0] x integer",
		"INSERT INTO clicks (ts, _fq_known_at) VALUES ('2013-01-01', $1)":   "insert clicks [4 9] ts timestamp with time zone, _fq_known_at timestamp with time zone",
		"COPY labels TO STDOUT":                                             "copy \"\" text id integer, at timestamp with time zone, y double precision",
		"COPY labels (y) TO STDOUT CSV HEADER FORCE QUOTE *":                "copy \"\" csv y double precision",
		"COPY (SELECT 1 AS a) TO 'x.parquet' (FORMAT parquet)":              "copy \"x.parquet\" parquet a integer",
		"EXPLAIN (ANALYZE, FORMAT json, COSTS off) SELECT 1 AS a":           "explain true json query a integer",
		"EXPLAIN CREATE TABLE t AS SELECT 1 AS a":                           "explain false text create t false a integer",
		"CREATE TEMP TABLE t (b) AS SELECT 1 AS a, 'x' AS c WITH NO DATA":   "create t true b integer, c text",
		"CREATE OR REPLACE VIEW w AS SELECT id, y + 1 AS z FROM labels":     "view w false true \"SELECT id, y + 1 AS z FROM labels\" id integer, z double precision",
		"CREATE VIEW \"W\" (a) AS SELECT id, y FROM labels WHERE y > 0":     "view W false false \"SELECT * FROM (SELECT id, y FROM labels WHERE y > 0) AS \\\"W\\\"(a)\" a integer, y double precision",
		"CREATE VIEW s AS SELECT user_id, n FROM byuser":                    "view s true false \"SELECT user_id, n FROM byuser\" user_id bigint, n bigint",
		"EXECUTE p(1, 'x')":                                                 "execute p 2",
		"CREATE MATERIALIZED VIEW m AS SELECT DISTINCT ON (kind) kind, qty FROM clicks ORDER BY kind, ts DESC WITH NO DATA": "feature view m true",
	} {
		st, err := script(cat.Clone(), sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		if got := shown(st); got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
}

func shown(st plan.Statement) string {
	columns := func(n plan.Node) string {
		var out []string
		for _, c := range n.Columns() {
			out = append(out, c.Name+" "+c.Type.String())
		}
		return strings.Join(out, ", ")
	}
	list := func(cols []fqgw.Column) string {
		var out []string
		for _, c := range cols {
			out = append(out, c.Name+" "+c.Type.String())
		}
		return strings.Join(out, ", ")
	}
	switch st := st.(type) {
	case *plan.Query:
		return "query " + columns(st.Root)
	case *plan.Insert:
		name := ""
		var all []fqgw.Column
		if st.Source != nil {
			name, all = st.Source.Name, append(append([]fqgw.Column{}, st.Source.Columns...), fqgw.Column{Name: fqgw.ColKnownAt})
		} else {
			name, all = st.Table.Name, st.Table.Columns
		}
		var out []string
		for i, c := range st.Query.Columns() {
			out = append(out, all[st.Fields[i]].Name+" "+c.Type.String())
		}
		return fmt.Sprintf("insert %s %v %s", name, st.Fields, strings.Join(out, ", "))
	case *plan.CopyTo:
		return fmt.Sprintf("copy %q %s %s", st.Path, st.Format.Name, columns(st.Query))
	case *plan.Explain:
		return fmt.Sprintf("explain %v %s %s", st.Analyze, st.Format, shown(st.Statement))
	case *plan.CreateTable:
		return fmt.Sprintf("create %s %v %s", st.Table.Name, st.WithNoData, list(st.Table.Columns))
	case *plan.CreateView:
		return fmt.Sprintf("view %s %v %v %q %s", st.View.Name, st.View.Service, st.OrReplace, st.View.Query, list(st.View.Columns))
	case *plan.CreateFeatureView:
		return fmt.Sprintf("feature view %s %v", st.View.Name, st.NoWait)
	case *plan.Execute:
		return fmt.Sprintf("execute %s %d", st.Name, len(st.Args))
	}
	return fmt.Sprintf("%T", st)
}

func TestServices(t *testing.T) {
	cat := catalog(t, viewsSQL)
	for sql, want := range map[string]bool{
		"SELECT user_id, n + 1 AS n FROM byuser":                                                                       true,
		"SELECT b.user_id, b.kind, u.n / b.m AS r FROM pair b LEFT JOIN byuser u ON u.user_id = b.user_id":             true,
		"SELECT b.*, k.price FROM pair b LEFT JOIN byuser u ON b.user_id = u.user_id JOIN bykind k ON k.kind = b.kind": true,
		"SELECT kind, user_id, m FROM pair JOIN byuser USING (user_id)":                                                true,
		"SELECT a.user_id, b.kind, a.m FROM pair a LEFT JOIN pair b ON a.user_id = b.user_id AND b.kind = a.kind":      true,
		"SELECT b.user_id, u.n FROM pair b LEFT JOIN byuser u ON u.user_id = b.user_id":                                false, // kind is not shown
		"SELECT b.user_id, b.kind FROM pair b LEFT JOIN byuser u ON u.user_id = b.user_id WHERE b.m > 1":               false,
		"SELECT b.user_id, b.kind FROM pair b LEFT JOIN byuser u ON u.user_id = b.user_id AND u.n > 1":                 false,
		"SELECT b.user_id, b.kind FROM pair b LEFT JOIN byuser u ON u.n = b.user_id":                                   false,
		"SELECT b.user_id, b.kind, c.kind AS k FROM pair b LEFT JOIN pair c ON c.user_id = b.user_id":                  false,
		"SELECT b.user_id, b.kind FROM pair b CROSS JOIN byuser u":                                                     false,
		"SELECT b.user_id, b.kind FROM pair b, byuser u":                                                               false,
		"SELECT b.user_id, b.kind FROM pair b FULL JOIN byuser u ON u.user_id = b.user_id":                             false,
		"SELECT count(*) FROM byuser":                              false,
		"SELECT user_id, sum(n) AS s FROM byuser GROUP BY user_id": false,
		"SELECT DISTINCT user_id, n FROM byuser":                   false,
		"SELECT user_id, n FROM byuser LIMIT 1":                    false,
		"SELECT user_id, n FROM byuser AS OF '2013-01-01' b":       false,
		"SELECT user_id, (SELECT 1) AS x FROM byuser":              false,
		"SELECT id FROM labels":                                    false,
		"SELECT user_id, n FROM byuser UNION SELECT 1, 2":          false,
	} {
		st, err := script(cat.Clone(), "CREATE VIEW s AS "+sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		if got := st.(*plan.CreateView).View.Service; got != want {
			t.Errorf("%s: service %v", sql, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	cat := catalog(t, viewsSQL, "CREATE VIEW w AS SELECT id FROM labels")
	refuse(t, cat, []refusal{
		{"CREATE UNIQUE INDEX i ON labels (id)", "0A000", "labels (id)", "a unique index is not supported"},
		{"CREATE INDEX i ON labels (nope)", "42703", "", "column \"nope\" does not exist"},
		{"CREATE INDEX i ON nope (id)", "42P01", "nope", "does not exist"},
		{"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "0A000", "", "CREATE FUNCTION is not supported"},
		{"/* a */ -- b\n CREATE EXTENSION IF NOT EXISTS x", "0A000", "", "CREATE EXTENSION is not supported"},
		{"CREATE SCHEMA x", "0A000", "", "CREATE SCHEMA is not supported"},
		{"CREATE ROLE x", "0A000", "", "CREATE ROLE is not supported"},
		{"DO $$ BEGIN END $$", "0A000", "", "DO is not supported"},
		{"CALL f()", "0A000", "", "CALL is not supported"},
		{"DECLARE c CURSOR FOR SELECT 1", "0A000", "", "DECLARE CURSOR is not supported"},
		{"FETCH 1 FROM c", "0A000", "", "FETCH is not supported"},
		{"CLOSE c", "34000", "", "cursor \"c\" does not exist"},
		{"ALTER FEATURE VIEW pair SET (hop = 1)", "22023", "hop", "CREATE OR REPLACE FEATURE VIEW"},
		{"ALTER FEATURE VIEW pair SET (version = 0)", "22023", "version", "number of a version"},
		{"ALTER FEATURE VIEW pair OWNER TO x", "0A000", "pair", "SET (version = 1)"},
		{"ALTER FEATURE VIEW pair ALTER COLUMN mm SET DEFAULT 0", "42703", "pair", "Perhaps you meant \"m\""},
		{"ALTER FEATURE VIEW pair ALTER COLUMN user_id SET DEFAULT 0", "42P17", "pair", "join key"},
		{"ALTER FEATURE VIEW pairr ALTER COLUMN m SET DEFAULT 0", "42P01", "pairr", "Perhaps you meant \"pair\""},
		{"ALTER FEATURE VIEW clicks ALTER COLUMN m SET DEFAULT 0", "42809", "clicks", "is a source"},
		{"ALTER FEATURE VIEW pair ALTER COLUMN m SET DEFAULT 'x'", "22P02", "'x'", "bigint"},
		{"ALTER FEATURE VIEW pair ALTER COLUMN m SET DEFAULT true", "42804", "true", "boolean"},
		{"ALTER FEATURE VIEW pair ALTER COLUMN m SET DEFAULT n", "42703", "n", "\"n\" does not exist"},
		{"ALTER FEATURE VIEW pair ALTER COLUMN m SET DEFAULT extract(epoch FROM now())", "42P17", "extract", "row alone"},
		{"UPDATE clicks SET kind = 'x'", "0A000", "clicks", "append-only"},
		{"DELETE FROM labels", "0A000", "labels", "DELETE is not supported"},
		{"TRUNCATE labels", "0A000", "labels", "TRUNCATE is not supported"},
		{"COMMENT ON DATABASE x IS 'y'", "0A000", "", "COMMENT ON DATABASE"},
		{"COMMENT ON TABLE nope IS 'y'", "42P01", "", "does not exist"},
		{"COMMENT ON VIEW clicks IS 'y'", "42809", "", "is a source, not a view"},
		{"DROP DOMAIN i", "0A000", "", "DROP DOMAIN"},
		{"DROP TABLE other.t", "3F000", "", "schema \"other\""},
		{"REFRESH MATERIALIZED VIEW nope", "42P01", "nope", "feature view \"nope\""},
		{"SELECT 1 AS a INTO x", "0A000", "x", "CREATE TABLE x AS"},
		{"CREATE TABLE t (a int PRIMARY KEY)", "0A000", "PRIMARY", "PRIMARY KEY on a table"},
		{"CREATE TABLE t (a int DEFAULT 1)", "0A000", "DEFAULT", "DEFAULT on a table"},
		{"CREATE TABLE t (a serial)", "42704", "serial", "serial"},
		{"CREATE TABLE t (a int) WITH (connector = 'kafka')", "22023", "connector", "CREATE SOURCE"},
		{"CREATE TABLE t ()", "0A000", "t ()", "without columns"},
		{"CREATE TABLE t AS SELECT 1 AS a, 2 AS a", "42701", "t AS", "more than once"},
		{"CREATE TABLE t (a, b) AS SELECT 1", "42601", "t (", "too many column names"},
		{"CREATE TABLE t AS EXECUTE p", "0A000", "t AS", "EXECUTE"},
		{"CREATE VIEW v AS SELECT $1::int AS a", "42P02", "$1", "parameter"},
		{"CREATE VIEW v AS SELECT * FROM temp", "42P01", "temp", "temp"},
		{"CREATE VIEW v AS SELECT * FROM pair WHERE true AS OF now()", "42601", "now()", "AS OF"},
		{"CREATE TEMP VIEW v AS SELECT 1 AS a", "0A000", "v", "temporary view"},
		{"INSERT INTO nope VALUES (1)", "42P01", "nope", "relation \"nope\""},
		{"INSERT INTO pair VALUES (1)", "42809", "pair", "cannot insert into feature view"},
		{"INSERT INTO w VALUES (1)", "42809", "w VALUES", "cannot insert into view"},
		{"INSERT INTO labels (idd) VALUES (1)", "42703", "idd", "Perhaps you meant \"id\""},
		{"INSERT INTO labels (id, id) VALUES (1, 2)", "42701", "id)", "more than once"},
		{"INSERT INTO labels (_fq_known_at) VALUES (now())", "42703", "_fq_known_at", "does not exist"},
		{"INSERT INTO labels (id) VALUES (1, 2)", "42601", "2)", "more expressions"},
		{"INSERT INTO labels (id) VALUES (true)", "42804", "true", "boolean"},
		{"INSERT INTO labels (id) VALUES ('é')", "22P02", "'é'", "integer"},
		{"INSERT INTO labels (id) VALUES (1) RETURNING id", "0A000", "id", "RETURNING"},
		{"INSERT INTO labels (id) VALUES (1) ON CONFLICT DO NOTHING", "0A000", "ON CONFLICT", "ON CONFLICT"},
		{"COPY labels FROM '/etc/passwd'", "0A000", "labels", "COPY FROM a file"},
		{"COPY labels FROM PROGRAM 'x'", "0A000", "labels", "PROGRAM"},
		{"COPY labels TO STDOUT (FORMAT parquet)", "0A000", "labels", "Parquet goes to a file"},
		{"COPY labels TO STDOUT (FORMAT yaml)", "22023", "FORMAT", "not recognized"},
		{"COPY labels TO STDOUT (HEADR)", "42601", "HEADR", "Perhaps you meant \"header\""},
		{"COPY labels TO STDOUT (DELIMITER 'ab')", "0A000", "DELIMITER", "single one-byte"},
		{"COPY labels TO STDOUT (QUOTE '''')", "0A000", "QUOTE", "available only in CSV mode"},
		{"COPY labels FROM STDIN (FORMAT csv, DELIMITER '\"')", "22023", "DELIMITER", "must be different"},
		{"COPY labels FROM STDIN (FORMAT binary, DELIMITER ',')", "42601", "DELIMITER", "BINARY mode"},
		{"COPY labels TO STDOUT (FORMAT csv, FORCE_QUOTE (z))", "42703", "labels", "\"z\" does not exist"},
		{"COPY nope FROM STDIN", "42P01", "nope", "nope"},
		{"EXPLAIN (FORMAT xml) SELECT 1", "0A000", "FORMAT", "xml"},
		{"EXPLAIN (ANALYSIS) SELECT 1", "42601", "ANALYSIS", "unrecognized EXPLAIN option"},
		{"COMMIT AND CHAIN", "0A000", "", "AND CHAIN"},
		{"PREPARE TRANSACTION 'x'", "0A000", "'x'", "prepared transaction"},
		{"PREPARE p (nosuch) AS SELECT 1", "42704", "nosuch", "nosuch"},
		{"SET a, b TO 1", "42601", ",", "syntax"},
		{"SET work_mem TO a, b", "22023", "", "takes only one argument"},
	})
}
