package parse

import (
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

func TestHeads(t *testing.T) {
	for _, c := range []struct{ sql, kind, said string }{
		{"CREATE SOURCE s (a int) WITH (connector = 'kafka', field.user_id = 'user.id', partitions = 3)", "create table s", "source"},
		{"create or replace source if not exists x.s (a int)", "create table s", "source replace"},
		{"CREATE SOURCE s WITH (connector = 'iceberg')", "create table s", "source"},
		{"CREATE SOURCE IF NOT EXISTS a.s WITH (connector = 'iceberg')", "create table s", "source"},
		{"CREATE SOURCE source (feature int)", "create table source", "source"},
		{"CREATE TABLE source (feature int)", "create table source", ""},
		{"CREATE TABLE feature (view int, source text)", "create table feature", ""},
		{"CREATE FEATURE VIEW v WITH (hop.last_1d = '1 hour', online = false) AS SELECT a FROM s", "create matview v", "feature view"},
		{"CREATE OR REPLACE FEATURE VIEW v AS SELECT a FROM source", "create matview v", "feature view replace"},
		{"CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT a FROM s", "create matview v", "replace"},
		{"CREATE MATERIALIZED VIEW v AS SELECT a FROM s", "create matview v", ""},
		{"CREATE FEATURE VIEW IF NOT EXISTS feature AS SELECT a FROM s", "create matview feature", "feature view"},
		{"EXPLAIN CREATE FEATURE VIEW v AS SELECT a FROM s", "create matview v", "feature view"},
		{"EXPLAIN (VERBOSE, COSTS off) CREATE OR REPLACE FEATURE VIEW v AS SELECT a FROM s", "create matview v", "feature view replace"},
		{"CREATE OR REPLACE VIEW v AS SELECT 1", "view v", ""},
		{"ALTER FEATURE VIEW v ALTER COLUMN c SET DEFAULT 1 + 1", "alter OBJECT_MATVIEW v", "feature view"},
		{"ALTER FEATURE VIEW IF EXISTS v ALTER c DROP DEFAULT", "alter OBJECT_MATVIEW v", "feature view"},
		{"ALTER FEATURE VIEW v SET (version = 1)", "alter OBJECT_MATVIEW v", "feature view"},
		{"ALTER SOURCE s ADD COLUMN b int", "alter OBJECT_TABLE s", "source"},
		{"ALTER TABLE source ADD COLUMN feature int", "alter OBJECT_TABLE source", ""},
		{"DROP SOURCE a, b", "drop OBJECT_TABLE 2", "source"},
		{"DROP SOURCE IF EXISTS a CASCADE PURGE", "drop OBJECT_TABLE 1 exists cascade", "source purge"},
		{"DROP SOURCE a PURGE", "drop OBJECT_TABLE 1", "source purge"},
		{"DROP SOURCE a PURGE CASCADE", "drop OBJECT_TABLE 1 cascade", "source purge"},
		{"DROP SOURCE purge", "drop OBJECT_TABLE 1", "source"},
		{"DROP SOURCE IF EXISTS a, purge PURGE", "drop OBJECT_TABLE 2 exists", "source purge"},
		{"DROP FEATURE VIEW IF EXISTS a, b", "drop OBJECT_MATVIEW 2 exists", "feature view"},
		{"DROP TABLE source, feature", "drop OBJECT_TABLE 2", ""},
		{"COMMENT ON SOURCE s IS 'x'", "comment OBJECT_TABLE", "source"},
		{"COMMENT ON FEATURE VIEW s IS 'x'", "comment OBJECT_MATVIEW", "feature view"},
		{"COMMENT ON COLUMN s.feature IS 'x'", "comment OBJECT_COLUMN", ""},
		{"REFRESH FEATURE VIEW s", "refresh s", "feature view"},
		{"GRANT SELECT ON FEATURE VIEW v TO u", "grant v", "feature view"},
		{"GRANT SELECT ON SOURCE s TO u", "grant s", "source"},
		{"GRANT SELECT ON source TO u", "grant source", ""},
	} {
		stmts, err := Parse(c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		s := stmts[0]
		if s.Text != c.sql {
			t.Errorf("%s: text %q", c.sql, s.Text)
		}
		if got := kind(s.Node); got != c.kind {
			t.Errorf("%s: %s", c.sql, got)
		}
		if got := show(t, c.sql, &Statement{Node: &pg.Node{}, Definition: s.Definition, OrReplace: s.OrReplace, Purge: s.Purge}); got != c.said {
			t.Errorf("%s: %s", c.sql, got)
		}
	}
}

func kind(n *pg.Node) string {
	if e := n.GetExplainStmt(); e != nil {
		n = e.Query
	}
	switch n := n.Node.(type) {
	case *pg.Node_CreateStmt:
		return "create table " + n.CreateStmt.Relation.Relname
	case *pg.Node_CreateTableAsStmt:
		if n.CreateTableAsStmt.Objtype == pg.ObjectType_OBJECT_MATVIEW {
			return "create matview " + n.CreateTableAsStmt.Into.Rel.Relname
		}
	case *pg.Node_ViewStmt:
		return "view " + n.ViewStmt.View.Relname
	case *pg.Node_AlterTableStmt:
		return "alter " + n.AlterTableStmt.Objtype.String() + " " + n.AlterTableStmt.Relation.Relname
	case *pg.Node_DropStmt:
		s := "drop " + n.DropStmt.RemoveType.String() + " " + string(rune('0'+len(n.DropStmt.Objects)))
		if n.DropStmt.MissingOk {
			s += " exists"
		}
		if n.DropStmt.Behavior == pg.DropBehavior_DROP_CASCADE {
			s += " cascade"
		}
		return s
	case *pg.Node_CommentStmt:
		return "comment " + n.CommentStmt.Objtype.String()
	case *pg.Node_RefreshMatViewStmt:
		return "refresh " + n.RefreshMatViewStmt.Relation.Relname
	case *pg.Node_GrantStmt:
		return "grant " + n.GrantStmt.Objects[0].GetRangeVar().Relname
	}
	return "?"
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"", nil},
		{" ; -- nothing\n;", nil},
		{"SELECT 1", []string{"SELECT 1"}},
		{"SELECT 'ä;' ; SELECT 2;", []string{"SELECT 'ä;'", "SELECT 2"}},
		{";; SELECT 'ö' FROM v WHERE a AS OF now();DROP SOURCE s PURGE; /* ; */ SELECT 3 FROM w AS OF $1 ü",
			[]string{"SELECT 'ö' FROM v WHERE a AS OF now()", "DROP SOURCE s PURGE", "/* ; */ SELECT 3 FROM w AS OF $1 ü"}},
		{"DROP SOURCE a;SELECT 1;DROP SOURCE b PURGE;DROP TABLE c", []string{"DROP SOURCE a", "SELECT 1", "DROP SOURCE b PURGE", "DROP TABLE c"}},
		{"SELECT 1 FROM v WHERE a AS OF 1;SELECT 2 FROM v;SELECT 3 FROM v WHERE b AS OF 3 -- x", []string{
			"SELECT 1 FROM v WHERE a AS OF 1", "SELECT 2 FROM v", "SELECT 3 FROM v WHERE b AS OF 3 -- x"}},
	} {
		stmts, err := Parse(c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		var got []string
		for i, s := range stmts {
			got = append(got, s.Text)
			if tailed := strings.Contains(s.Text, "WHERE"); tailed != (s.AsOf != nil) {
				t.Errorf("%s: statement %d: AS OF %v", c.sql, i, s.AsOf)
			}
			if strings.Contains(s.Text, "SOURCE") != (s.Definition != "") || strings.Contains(s.Text, "PURGE") != s.Purge {
				t.Errorf("%s: statement %d: %q %v", c.sql, i, s.Definition, s.Purge)
			}
			if v := s.AsOf.GetAConst(); v != nil {
				if pos := s.Pos(v.Location); c.sql[pos-1:pos] != string(rune('0'+v.GetIval().Ival)) {
					t.Errorf("%s: AS OF at %d", c.sql, pos)
				}
			}
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q: %q", c.sql, got)
		}
	}
}

func TestGuard(t *testing.T) {
	row := "(1, 'a', -2.5, now(), DEFAULT),"
	for _, c := range []struct {
		name, sql string
		ok        bool
	}{
		{"rows", "INSERT INTO t VALUES " + strings.Repeat(row, 20000) + "(1)", true},
		{"in", "SELECT x IN (" + strings.Repeat("1,", 50000) + "1)", true},
		{"and", "SELECT " + strings.Repeat("a = 1 AND ", 5000) + "true", true},
		{"or between", "SELECT " + strings.Repeat("a BETWEEN 1 AND 2 OR ", 500) + "true", true},
		{"columns", "SELECT " + strings.Repeat("a + b * c AS d, ", 1500) + "1", true},
		{"case", "SELECT CASE " + strings.Repeat("WHEN a = 1 THEN b + 1 ", 3000) + "ELSE 2 END", true},
		{"statements", strings.Repeat("SELECT 1 + 1;", 3000), true},
		{"sum", "SELECT 1" + strings.Repeat("+1", 2001), false},
		{"prefix", "SELECT " + strings.Repeat("- ", 2001) + "1", false},
		{"not", "SELECT " + strings.Repeat("NOT ", 4000) + "true", false},
		{"casts", "SELECT 1" + strings.Repeat("::int", 4000), false},
		{"is null", "SELECT 1" + strings.Repeat(" IS NULL", 4000), false},
		{"notnull", "SELECT 1" + strings.Repeat(" NOTNULL", 4000), false},
		{"collate", "SELECT a" + strings.Repeat(` COLLATE "C"`, 4000), false},
		{"zone", "SELECT a" + strings.Repeat(` AT TIME ZONE 'x'`, 4000), false},
		{"between", "SELECT 1" + strings.Repeat(" BETWEEN 0 AND 1 IS NULL", 2000), false},
		{"union", "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 4000), false},
		{"joins", "SELECT 1 FROM t" + strings.Repeat(" CROSS JOIN t", 4000), false},
		{"brackets", "SELECT " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000), false},
		{"arrays", "SELECT ARRAY" + strings.Repeat("[", 1000) + "1" + strings.Repeat("]", 1000), false},
		{"functions", "SELECT " + strings.Repeat("f(", 1000) + "1" + strings.Repeat(")", 1000), false},
		{"subqueries", "SELECT " + strings.Repeat("(SELECT ", 600) + "1" + strings.Repeat(")", 600), false},
		{"nested case", strings.Repeat("SELECT CASE WHEN a THEN ", 1) + strings.Repeat("CASE WHEN a THEN ", 600) + "1" + strings.Repeat(" END", 601), false},
		{"lists in sums", "SELECT " + strings.Repeat("f(1 + 1 + 1 + 1 + 1, 1 + 1 + ", 450) + "1" + strings.Repeat(")", 450), true},
		{"deep sums", "SELECT " + strings.Repeat("(1 + 1 + 1 + 1 + 1 + ", 450) + "1" + strings.Repeat(")", 450), false},
	} {
		_, err := Parse(c.sql)
		if c.ok && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.ok {
			if e, _ := err.(*fqgw.Error); e == nil || e.Code != fqgw.CodeTooComplex || e.Position == 0 {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	if _, err := (Limits{Bytes: 10, Operators: 10, Nesting: 10}).Parse("SELECT 12345"); err == nil {
		t.Error("a text over the byte limit passed")
	}
}

// The deepest texts that the guard lets pass must not hurt the parser.
func TestDeepest(t *testing.T) {
	half := DefaultLimits.Nesting - 10
	for name, sql := range map[string]string{
		"sum":        "SELECT 1" + strings.Repeat("+1", 1990),
		"not":        "SELECT " + strings.Repeat("NOT ", 1990) + "true",
		"prefix":     "SELECT " + strings.Repeat("- ", 1990) + "1",
		"casts":      "SELECT 1" + strings.Repeat("::int", 1990),
		"union":      "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 1990),
		"joins":      "SELECT 1 FROM t" + strings.Repeat(" JOIN t ON a", 1990),
		"subqueries": "SELECT " + strings.Repeat("(SELECT 1 + 1 + ", half) + "1" + strings.Repeat(")", half),
		"from":       "SELECT 1 FROM " + strings.Repeat("(SELECT * FROM ", half) + "t" + strings.Repeat(") x", half),
		"case":       "SELECT " + strings.Repeat("CASE WHEN a THEN ", half) + "1" + strings.Repeat(" END", half),
		"in":         "SELECT " + strings.Repeat("a IN (SELECT b WHERE ", half) + "c" + strings.Repeat(")", half),
		"functions":  "SELECT " + strings.Repeat("f(1, - 1 + - ", half) + "1" + strings.Repeat(")", half),
		"with":       "SELECT " + strings.Repeat("(WITH a AS (SELECT 1) SELECT ", half-1) + "1" + strings.Repeat(")", half-1),
		"over":       "SELECT " + strings.Repeat("sum(a) OVER (ORDER BY ", half) + "1" + strings.Repeat(")", half),
		"short":      "SELECT " + strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500),
		"short not":  "SELECT " + strings.Repeat("NOT ", 250) + "1",
		"short ops":  "SELECT " + strings.Repeat("@ ", 500) + "1",
		"short list": "SELECT ARRAY" + strings.Repeat("[", 500) + strings.Repeat("]", 500),
	} {
		if _, err := Parse(sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExpr(t *testing.T) {
	if n, err := Expr("dep_delay BETWEEN -120 AND 3000"); err != nil || n.GetAExpr() == nil {
		t.Errorf("%v %v", n, err)
	}
	for _, s := range []string{"", "1 FROM t", "1, 2", "1; SELECT 2", "1 AS x", "1 LIMIT 1", "1 UNION SELECT 2", "DISTINCT 1", "1 +"} {
		if n, err := Expr(s); err == nil {
			t.Errorf("%q: %v", s, n)
		}
	}
	_, err := Expr("1 + * 2")
	if e, _ := err.(*fqgw.Error); e == nil || e.Position != 5 {
		t.Errorf("%+v", err)
	}
}

func TestBody(t *testing.T) {
	for sql, want := range map[string]string{
		"CREATE VIEW v (a, b) AS SELECT 1 AS x":            "SELECT 1 AS x",
		"PREPARE p (int) AS SELECT * FROM v AS OF $1 u ":   "SELECT * FROM v AS OF $1 u",
		"CREATE FEATURE VIEW \"as\" /* as */ AS\nSELECT k": "SELECT k",
		"SELECT 1": "",
	} {
		stmts, err := Parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		if got := stmts[0].Body(); got != want {
			t.Errorf("%s: %q", sql, got)
		}
	}
}
