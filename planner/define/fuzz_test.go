package define

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/parse"
)

// FuzzBind holds that no statement makes the binding panic, and that every
// refusal is an error with a position inside the text.
func FuzzBind(f *testing.F) {
	for _, sql := range []string{
		clicksSQL, viewsSQL,
		"CREATE FEATURE VIEW v WITH (hop.w = '1 hour') AS SELECT user_id, COALESCE(sum(qty) FILTER (WHERE price > 1) OVER w, 0) + 1 FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)",
		"CREATE FEATURE VIEW v AS SELECT DISTINCT ON (user_id) user_id, upper(kind) FROM clicks WHERE qty > 0 ORDER BY user_id, ts DESC",
		"ALTER FEATURE VIEW pair ALTER m SET DEFAULT 1; COMMENT ON COLUMN pair.m IS 'x'; DROP TABLE a, b.c CASCADE; DROP FUNCTION f(int)",
		"COPY (SELECT 1) TO 'x' (FORMAT parquet); COPY labels (id) FROM STDIN CSV HEADER QUOTE 'x' FORCE NOT NULL id",
		"INSERT INTO labels (id) SELECT 1; INSERT INTO labels DEFAULT VALUES; CREATE TABLE t (a) AS SELECT 1; CREATE VIEW s (a) AS SELECT user_id FROM byuser",
		"SET a = 1, b; SET TIME ZONE INTERVAL '1' HOUR; SET TRANSACTION READ ONLY; PREPARE p (int) AS SELECT $1; EXECUTE p(1 + 1); EXPLAIN (FORMAT json) SELECT 1",
		"TRUNCATE labels; UPDATE clicks SET kind = 'x'; MERGE INTO labels USING clicks ON true WHEN MATCHED THEN DELETE; CREATE TABLE x (LIKE labels, CHECK (a > 1))",
	} {
		f.Add(sql)
	}
	cat := (*fqgw.Catalog)(nil).Clone()
	if _, err := script(cat, clicksSQL+";"+viewsSQL); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		stmts, err := parse.Parse(sql)
		if err != nil {
			return
		}
		for _, s := range stmts {
			d := &Definer{Binder: &bind.Binder{Catalog: cat, Params: bind.NewParams(nil)}}
			_, err := d.Bind(s)
			var e *fqgw.Error
			if err == nil || errors.As(err, &e) && e.Code != fqgw.CodeInternal && e.Position <= utf8.RuneCountInString(sql)+1 {
				continue
			}
			t.Fatalf("%q: %v", sql, err)
		}
	})
}
