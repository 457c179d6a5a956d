package parse

import (
	"errors"
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// show prints a statement's relations in FROM with their AS OF, its trailing
// AS OF and what its head said; every expression as its first location's text.
func show(t *testing.T, sql string, s *Statement) string {
	t.Helper()
	word := func(n *pg.Node) string {
		if n == nil {
			return "?"
		}
		loc := location(n)
		pos := s.Pos(loc)
		if pos == 0 {
			t.Errorf("%s: no position for %v", sql, n)
			return "?"
		}
		rest := string([]rune(sql)[pos-1:])
		if i := strings.IndexAny(rest, " ,();"); i > 0 {
			rest = rest[:i]
		}
		return rest
	}
	var out []string
	if s.Definition != "" {
		out = append(out, s.Definition)
	}
	if s.OrReplace {
		out = append(out, "replace")
	}
	if s.Purge {
		out = append(out, "purge")
	}
	sel := s.Node.GetSelectStmt()
	if e := s.Node.GetExplainStmt(); e != nil {
		sel = e.Query.GetSelectStmt()
	}
	if c := s.Node.GetCopyStmt(); c != nil {
		sel = c.Query.GetSelectStmt()
	}
	var walk func(n *pg.Node)
	walk = func(n *pg.Node) {
		switch {
		case n.GetRangeVar() != nil:
			out = append(out, relation(n.GetRangeVar()))
		case n.GetRangeTableSample() != nil:
			ts := n.GetRangeTableSample()
			if m := ts.Method[0].GetString_().Sval; m != AsOfMethod {
				t.Errorf("method %s", m)
			}
			x := relation(ts.Relation.GetRangeVar()) + "@" + word(ts.Args[0])
			if len(ts.Args) > 1 {
				x += "@" + word(ts.Args[1])
			}
			out = append(out, x)
		case n.GetJoinExpr() != nil:
			walk(n.GetJoinExpr().Larg)
			walk(n.GetJoinExpr().Rarg)
		case n.GetRangeSubselect() != nil:
			for _, f := range n.GetRangeSubselect().Subquery.GetSelectStmt().FromClause {
				walk(f)
			}
		}
	}
	for _, f := range sel.GetFromClause() {
		walk(f)
	}
	if s.AsOf != nil {
		x := "all@" + word(s.AsOf)
		if s.KnownAt != nil {
			x += "@" + word(s.KnownAt)
		}
		out = append(out, x)
	}
	return strings.Join(out, " ")
}

func relation(v *pg.RangeVar) string {
	s := v.Relname
	if v.Schemaname != "" {
		s = v.Schemaname + "." + s
	}
	if v.Alias != nil {
		s += "=" + v.Alias.Aliasname
		for _, c := range v.Alias.Colnames {
			s += "," + c.GetString_().Sval
		}
	}
	return s
}

// location is the leftmost location of an expression.
func location(n *pg.Node) int32 {
	switch n := n.Node.(type) {
	case *pg.Node_AConst:
		return n.AConst.Location
	case *pg.Node_ColumnRef:
		return n.ColumnRef.Location
	case *pg.Node_ParamRef:
		return n.ParamRef.Location
	case *pg.Node_FuncCall:
		return n.FuncCall.Location
	case *pg.Node_TypeCast:
		if l := location(n.TypeCast.Arg); n.TypeCast.Location < 0 || l < n.TypeCast.Location {
			return l
		}
		return n.TypeCast.Location
	case *pg.Node_AExpr:
		if n.AExpr.Lexpr != nil {
			return location(n.AExpr.Lexpr)
		}
		return n.AExpr.Location
	case *pg.Node_CaseExpr:
		return n.CaseExpr.Location
	case *pg.Node_SqlvalueFunction:
		return n.SqlvalueFunction.Location
	case *pg.Node_SubLink:
		return n.SubLink.Location
	}
	return -1
}

func TestAsOf(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"SELECT * FROM v AS OF '2013-01-01'", "v@'2013-01-01'"},
		{"SELECT * FROM v AS OF '2013-01-01' u", "v=u@'2013-01-01'"},
		{"SELECT * FROM v AS OF '2013-01-01' AS u", "v=u@'2013-01-01'"},
		{"SELECT * FROM v AS u AS OF '2013-01-01'", "v=u@'2013-01-01'"},
		{"SELECT * FROM v u AS OF '2013-01-01'", "v=u@'2013-01-01'"},
		{"SELECT * FROM v u (a, b) AS OF $1", "v=u,a,b@$1"},
		{"SELECT * FROM v AS OF $1 AS u(a, b)", "v=u,a,b@$1"},
		{"SELECT * FROM v AS OF l.ts u(a)", "v=u,a@l.ts"},
		{"SELECT * FROM v AS OF now() KNOWN AT $2 u", "v=u@now@$2"},
		{"SELECT * FROM v u AS OF now() KNOWN AT ts - interval '1 day'", "v=u@now@ts"},
		{"SELECT * FROM v AS OF ts known", "v=known@ts"},
		{"SELECT * FROM v known", "v=known"},
		{"SELECT known, of FROM v AS known", "v=known"},
		{"SELECT * FROM v AS of", "v=of"},
		{"SELECT * FROM v AS of WHERE of.x = 1", "v=of"},
		{"SELECT * FROM v AS of JOIN w AS OF 'x' AS of ON true", "v=of w=of@'x'"},
		{"SELECT * FROM v AS of, w AS of2", "v=of w=of2"},
		{"SELECT * FROM v AS of AS OF now() ORDER BY 1", "v=of@now"},
		{"SELECT * FROM v AS OF now() AS of ORDER BY 1", "v=of@now"},
		{`SELECT * FROM v AS "of" WHERE 'as of' = $$ AS OF $$ -- AS OF`, "v=of"},
		{"SELECT x AS of FROM v", "v"},
		{"SELECT x AS OF, y as of FROM v", "v"},
		{"SELECT * FROM l LEFT JOIN v AS OF l.ts - interval '5' minute u ON u.k = l.k", "l v=u@l.ts"},
		{"SELECT * FROM l LEFT JOIN v AS OF l.ts AT TIME ZONE 'UTC' AS u USING (k)", "l v=u@AT"},
		{"SELECT * FROM l LEFT JOIN v AS OF l.ts::timestamptz(3) at time zone 'UTC' - '1 day'::interval u USING (k)", "l v=u@at"},
		{"SELECT * FROM l LEFT JOIN v AS OF (l.ts) AS u ON true", "l v=u@l.ts"},
		{"SELECT * FROM l LEFT JOIN v AS OF left(x, 3) u ON true", "l v=u@left"},
		{"SELECT * FROM v AS OF CASE WHEN a THEN b ELSE c END u", "v=u@CASE"},
		{"SELECT * FROM v AS OF TIMESTAMP WITH TIME ZONE '2013-01-01' u", "v=u@'2013-01-01'"},
		{"SELECT * FROM v AS OF date '2013-01-01' u", "v=u@'2013-01-01'"},
		{"SELECT * FROM v AS OF INTERVAL '1' DAY TO SECOND + now() u", "v=u@'1'"},
		{"SELECT * FROM v AS OF CURRENT_TIMESTAMP u", "v=u@CURRENT_TIMESTAMP"},
		{"SELECT * FROM v AS OF CURRENT_TIMESTAMP(3) u", "v=u@CURRENT_TIMESTAMP"},
		{"SELECT * FROM v AS OF (ARRAY[ts])[1]", "v@?"},
		{"SELECT * FROM v AS OF TIMESTAMP l.ts u", "v=u@l.ts"},
		{"SELECT * FROM v AS OF timestamp u", "v=u@timestamp"},
		{"SELECT * FROM v AS OF SYSTEM TIME '2013-01-01'", "v@'2013-01-01'"},
		{"SELECT * FROM v FOR SYSTEM_TIME AS OF l.ts AS u", "v=u@l.ts"},
		{"SELECT * FROM v u FOR SYSTEM_TIME AS OF l.ts", "v=u@l.ts"},
		{"SELECT * FROM v FOR TIMESTAMP AS OF CAST('2013-01-01' AS TIMESTAMP) AS u", "v=u@CAST"},
		{"SELECT * FROM v TIMESTAMP AS OF '2013-01-01' u", "v=u@'2013-01-01'"},
		{"SELECT * FROM v AT (TIMESTAMP => '2013-01-01'::timestamptz) u", "v=u@'2013-01-01'::timestamptz"},
		{"SELECT * FROM v at", "v=at"},
		{"SELECT * FROM timestamp AS OF '2013-01-01' u", "timestamp=u@'2013-01-01'"},
		{"SELECT * FROM v FOR UPDATE OF v", "v"},
		{`SELECT * FROM "S"."V 1" AS OF "T"."ts" "A"`, `S.V 1=A@"T"."ts"`},
		{"SELECT * FROM v AS /* of */ OF /* x */ now() -- y\n u", "v=u@now"},
		{"SELECT * FROM (SELECT * FROM v AS OF $1 x) s", "v=x@$1"},
		{"SELECT * FROM (SELECT * FROM v WHERE é = 1 LIMIT 5 AS OF $1) s", "v@$1"},
		{"SELECT * FROM (SELECT * FROM s.v AS é (a) ORDER BY 1 AS OF now() - 'é'::interval KNOWN AT $2) s", "s.v=é,a@now@$2"},
		{"SELECT * FROM (SELECT * FROM v x WHERE a AS OF $1) s JOIN w AS OF $2 ON true WHERE b AS OF $3", "v=x@$1 w@$2 all@$3"},
		{"SELECT * FROM (l JOIN v AS OF l.ts u USING (k)) JOIN w AS OF l.ts USING (k)", "l v=u@l.ts w@l.ts"},
		{"SELECT * FROM ((l JOIN v AS OF l.ts u USING (k)))", "l v=u@l.ts"},
		{"SELECT * FROM a WHERE a IS NOT DISTINCT FROM b AND x IN (SELECT 1 FROM v AS OF $1)", "a"},
		{"SELECT extract(epoch FROM ts) FROM v AS OF $1", "v@$1"},
		{"WITH c AS (SELECT * FROM v AS OF $1) SELECT * FROM c", "c"},
		{"SELECT * FROM v WHERE k = 7 AS OF '2013-01-01'", "v all@'2013-01-01'"},
		{"SELECT * FROM v WHERE k = 7 LIMIT 1 AS OF now() KNOWN AT $1;", "v all@now@$1"},
		{"SELECT * FROM l JOIN v ON v.k = l.k AS OF now() WHERE l.x = 1", "l v all@now"},
		{"SELECT * FROM l JOIN v USING (k) AS of", "l v"},
		{"EXPLAIN (COSTS off) SELECT * FROM v WHERE true AS OF now() -- end", "v all@now"},
		{"COPY (SELECT * FROM v WHERE true AS OF now()) TO STDOUT", "v all@now"},
		{"COPY (SELECT * FROM v AS OF now() u) TO STDOUT", "v=u@now"},
		{"SELECT * FROM générer AS OF 'é' ü WHERE 'ö' = 'ö'", "générer=ü@'é'"},
		{"SELECT 'é' FROM v WHERE 'ö' = 'ö' AS OF ü.ts", "v all@ü.ts"},
		{"SELECT * FROM v AS OF (SELECT max(ts) FROM w AS OF $1) AS u", "v=u@?"},
		{"SELECT * FROM t asof", "t=asof"},
		{"SELECT * FROM t AS asof JOIN u ON true", "t=asof u"},
		{`SELECT * FROM t "asof" JOIN u ON true`, "t=asof u"},
	} {
		stmts, err := Parse(c.sql)
		if err != nil {
			t.Errorf("%s: %v at %d", c.sql, err, err.(*fqgw.Error).Position)
			continue
		}
		if len(stmts) != 1 {
			t.Errorf("%s: %d statements", c.sql, len(stmts))
			continue
		}
		want := strings.TrimRight(strings.TrimSpace(c.sql), ";")
		if stmts[0].Text != want {
			t.Errorf("%s: text %q", c.sql, stmts[0].Text)
		}
		if strings.Contains(c.want, "@?") {
			c.want = strings.ReplaceAll(c.want, "@?", "")
			if got := stmts[0].Node.GetSelectStmt().FromClause[0].GetRangeTableSample(); got == nil || relation(got.Relation.GetRangeVar()) != c.want {
				t.Errorf("%s: %v", c.sql, got)
			}
			continue
		}
		if got := show(t, c.sql, stmts[0]); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		sql  string
		code fqgw.Code
		at   string // the text at the position; "" for none, "$" for the end
		msg  string
	}{
		{"SELEC 1", "42601", "SELEC", `syntax error at or near "SELEC"`},
		{"SELECT 'é', 1 +", "42601", "$", "syntax error at end of input"},
		{"SELECT 'é' FROM v AS OF l.ts u u2", "42601", "u2", `syntax error at or near "u2"`},
		{"SELECT * FROM v x AS OF l.ts u", "42601", "u", `syntax error at or near "u"`},
		{"SELECT * FROM v AS OF *", "42601", "*", `syntax error at or near "*"`},
		{"SELECT * FROM v AS OF now() +", "42601", "$", "syntax error at end of input"},
		{"SELECT 1 AS OF '2013'", "42601", "'2013'", `syntax error at or near "'2013'"`},
		{"SELECT * FROM (SELECT 1) AS OF now() u", "0A000", "AS OF", "AS OF applies to a named relation, not to a subquery"},
		{"SELECT * FROM f(1) AS OF now()", "42601", "AS OF", `syntax error at or near "AS OF"`},
		{"SELECT * FROM (SELECT * FROM v, w WHERE a = 1 AS OF $1) x", "0A000", "AS OF", "AS OF at the end of a subquery of several relations is not supported"},
		{"SELECT * FROM (SELECT * FROM f(1) WHERE a = 1 AS OF $1) x", "0A000", "AS OF", "AS OF at the end of a subquery of several relations is not supported"},
		{"SELECT * FROM l ASOF JOIN r ON true", "0A000", "ASOF", "ASOF JOIN is not supported"},
		{"SELECT * FROM l ASOF LEFT JOIN r ON true", "0A000", "ASOF", "ASOF JOIN is not supported"},
		{"SELECT * FROM l LEFT ASOF JOIN r MATCH_CONDITION (l.t >= r.t) ON true", "0A000", "ASOF", "ASOF JOIN is not supported"},
		{"SELECT * FROM v FOR VERSION AS OF 5", "0A000", "VERSION", "AS OF a version is not supported"},
		{"SELECT * FROM v VERSION AS OF 5", "0A000", "VERSION", "AS OF a version is not supported"},
		{"SELECT * FROM v WHERE true AS OF now() AS OF now()", "42601", "AS", `syntax error at or near "AS"`},
		{"SELECT 1 FROM v WHERE true AS OF now() UNION SELECT 1 FROM v WHERE true AS OF now()", "42601", "UNION", `syntax error at or near "UNION"`},
		{"CREATE SOURCE s (a int b)", "42601", "b)", `syntax error at or near "b"`},
		{"CREATE SOURCE s", "42601", "$", "syntax error at end of input"},
		{"CREATE FEATURE VIEW v", "42601", "$", "syntax error at end of input"},
		{"DROP SOURCE", "42601", "$", "syntax error at end of input"},
		{"SELECT 'abc", "42601", "'abc", `unterminated quoted string at or near "'abc"`},
		{"SELECT * FROM v AS OF 'abc", "42601", "'abc", `unterminated quoted string at or near "'abc"`},
		{"SELECT \xff", "22021", "", `invalid byte sequence for encoding "UTF8": 0xff`},
		{"SELECT 'a\x00b'", "22021", "", `invalid byte sequence for encoding "UTF8": 0x00`},
		{"SELECT 1" + strings.Repeat("+1", 30000), "54001", "+1", "statement is too complex: more than 2000 operators in one expression"},
	} {
		_, err := Parse(c.sql)
		var e *fqgw.Error
		if !errors.As(err, &e) {
			t.Errorf("%.80s: %v", c.sql, err)
			continue
		}
		if e.Code != c.code || e.Message != c.msg {
			t.Errorf("%.80s: %s %s", c.sql, e.Code, e.Message)
		}
		switch r := []rune(c.sql); {
		case c.at == "" && e.Position != 0, c.at != "" && e.Position == 0,
			c.at == "$" && e.Position != len(r)+1,
			c.at != "" && c.at != "$" && !strings.HasPrefix(string(r[min(e.Position-1, len(r)):]), c.at):
			t.Errorf("%.80s: position %d", c.sql, e.Position)
		}
	}
}
