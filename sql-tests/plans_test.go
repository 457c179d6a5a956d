package sqltests

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// TestSharedPlans: sessions that send the same texts at once share their plans, over
// both protocols, while another one redefines what the texts name; each answer is
// right for one of the definitions.
func TestSharedPlans(t *testing.T) {
	c := app.Throwaway(t.TempDir())
	c.Clock, c.ClockRate = "2024-01-01 12:00Z", 0
	err := app.WithApp(t.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
		url := fmt.Sprintf("postgres://plans@%s/fqgw?sslmode=disable", a.Addr())
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for _, sql := range []string{
			"CREATE SOURCE s (k text NOT NULL, x bigint, ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 's', format = 'json', event_time = 'ts')",
			"CREATE FEATURE VIEW w AS SELECT k, count(*) OVER h AS n, sum(x) OVER h AS total FROM s WINDOW h AS (PARTITION BY k ORDER BY ts RANGE '1 hour' PRECEDING)",
			"CREATE FEATURE VIEW l AS SELECT DISTINCT ON (k) k, x FROM s ORDER BY k, ts DESC",
			"CREATE VIEW both_of AS SELECT w.k, w.n, l.x FROM w LEFT JOIN l ON l.k = w.k",
			"INSERT INTO s VALUES ('a', 1, '2024-01-01 11:30Z'), ('a', 2, '2024-01-01 11:40Z'), ('b', 5, '2024-01-01 11:50Z')",
			"SELECT fqgw.sync()",
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		texts := [][2]string{
			{"SELECT n, total FROM w WHERE k = 'a'", "2|3;"},
			{"SELECT k, n FROM w WHERE k IN ('b', 'a') ORDER BY k", "a|2;b|1;"},
			{"SELECT q.k, l.x FROM unnest(ARRAY['b', 'nobody']) AS q(k) LEFT JOIN l ON l.k = q.k ORDER BY 1", "b|5;nobody|;"},
			{"SELECT n, x FROM both_of WHERE k = 'a'", "2|2;"},
			{"SELECT n FROM w AS OF '2024-01-01 11:35Z' KNOWN AT now() WHERE k = 'a'", "1;"},
			{"WITH q AS (SELECT k, n FROM w WHERE k = 'a') SELECT q.n + q2.n FROM q JOIN q AS q2 ON q.k = q2.k", "4;"},
			{"SELECT version > 0 AS x FROM (SELECT count(*) AS version FROM fqgw.feature_views) AS v", "t;"},
			{"SELECT y FROM changing WHERE k = 'a'", "1;2;"},
		}
		ask := func(conn *pgx.Conn, sql string, simple bool) (string, error) {
			out := ""
			if !simple {
				res := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
				for _, row := range res.Rows {
					out += line(row)
				}
				return out, res.Err
			}
			results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
			for _, res := range results {
				for _, row := range res.Rows {
					out += line(row)
				}
			}
			return out, err
		}
		define := func(y int) error {
			_, err := conn.Exec(ctx, fmt.Sprintf("BEGIN; DROP VIEW IF EXISTS changing; CREATE VIEW changing AS SELECT k, %d AS y FROM w; COMMIT", y), pgx.QueryExecModeSimpleProtocol)
			return err
		}
		if err := define(1); err != nil {
			return err
		}
		var wg sync.WaitGroup
		for n := range 6 {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			wg.Go(func() {
				for i := range 40 * len(texts) {
					text := texts[(i+n)%len(texts)]
					got, err := ask(conn, text[0], (i+n)%3 == 0)
					if err != nil || got != text[1] && !(text[1] == "1;2;" && (got == "1;" || got == "2;")) {
						t.Errorf("%s: %s, %v", text[0], got, err)
						return
					}
				}
			})
		}
		for i := range 10 {
			if err := define(1 + i%2); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		if err := define(7); err != nil {
			return err
		}
		for simple := range 2 {
			if got, err := ask(conn, "SELECT y FROM changing WHERE k = 'a'", simple == 0); got != "7;" || err != nil {
				t.Errorf("after the last definition: %s, %v", got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func line(row [][]byte) string {
	out := ""
	for i, cell := range row {
		if i > 0 {
			out += "|"
		}
		out += string(cell)
	}
	return out + ";"
}
