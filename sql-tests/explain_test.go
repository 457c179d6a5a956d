package sqltests

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// EXPLAIN (FORMAT JSON) has PostgreSQL's type and shape: an array of one object,
// its Plan a tree of Node Type and Plans.
func TestExplainJSON(t *testing.T) {
	c := app.Throwaway(t.TempDir())
	err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, "postgres://t@"+a.Addr()+"/fqgw?sslmode=disable")
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		type node struct {
			Type   string `json:"Node Type"`
			Rows   *int   `json:"Actual Rows"`
			Filter string
			Plans  []node
		}
		explain := func(sql string) (out struct {
			Plan  node
			Time  *float64 `json:"Execution Time"`
			Route string
		}) {
			t.Helper()
			rows, err := conn.Query(ctx, sql)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			if oid := rows.FieldDescriptions()[0].DataTypeOID; oid != 114 {
				t.Errorf("%s: type %d, not json", sql, oid)
			}
			var text string
			for n := 0; rows.Next(); n++ {
				if n > 0 {
					t.Errorf("%s: more than one row", sql)
				}
				text = string(rows.RawValues()[0])
			}
			var list []json.RawMessage
			if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 {
				t.Fatalf("%s: %v\n%s", sql, err, text)
			}
			if err := json.Unmarshal(list[0], &out); err != nil {
				t.Fatalf("%s: %v\n%s", sql, err, text)
			}
			return out
		}
		got := explain("EXPLAIN (FORMAT JSON) SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relname <> '<x>'")
		if got.Plan.Type != "Project" || len(got.Plan.Plans) != 1 || len(got.Plan.Plans[0].Plans) == 0 || got.Time != nil || got.Route != "relational" {
			t.Errorf("%+v", got)
		}
		got = explain("EXPLAIN (ANALYZE, FORMAT JSON) VALUES (1), (2)")
		if got.Plan.Rows == nil || *got.Plan.Rows != 2 || got.Time == nil {
			t.Errorf("%+v", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
