package sqltests

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/registry"
	"github.com/fqgw/fqgw/planner/define"
)

// TestFollow commits definitions to the registry of a running gateway, as another
// process would: it takes them up and lets them go without a restart, and what that
// process was in the middle of when it ended.
func TestFollow(t *testing.T) {
	c := app.Throwaway(filepath.Join(t.TempDir(), "data"))
	c.Log = "error"
	err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		other, err := registry.Open(ctx, filepath.Join(a.Data(), "registry.db"))
		if err != nil {
			return err
		}
		return testFollow(t, ctx, a, conn, other)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testFollow(t *testing.T, ctx context.Context, a *app.App, conn *pgx.Conn, other fqgw.Registry) error {
	run := func(statements ...string) error {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	}
	if err := run("CREATE TABLE kept (a int)", "CREATE SOURCE taps (id int, at timestamptz) WITH (event_time = 'at', partitions = 1)",
		"INSERT INTO taps VALUES (1, now()), (1, now())"); err != nil {
		return err
	}
	own := a.Engine().Catalog()
	time.Sleep(500 * time.Millisecond)
	if a.Engine().Catalog() != own {
		t.Error("what the gateway committed itself was taken up again")
	}

	commit := func(put []fqgw.Object, drop ...uint32) error {
		defs, err := other.Load(ctx)
		if err != nil {
			return err
		}
		_, err = other.Commit(ctx, defs.Version, fqgw.DefinitionChange{Put: put, Drop: drop})
		return err
	}
	oid, err := other.Next(ctx, "oid", 3)
	if err != nil {
		return err
	}
	state, err := other.Next(ctx, "state", 1)
	if err != nil {
		return err
	}
	object := func(i int64, kind, name, sql string) fqgw.Object {
		return fqgw.Object{OID: uint32(oid + i), Kind: kind, Schema: "public", Name: name, Version: 1, SQL: sql}
	}
	const counts = "AS SELECT id, count(*) OVER d AS n FROM taps WINDOW d AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING)"
	view := object(0, "feature view", "counts", "CREATE FEATURE VIEW counts "+counts)
	view.State = state
	began := time.Now()
	if err := commit([]fqgw.Object{view, object(1, "view", "more", "CREATE VIEW more AS SELECT n + 1 AS m FROM counts WHERE id = 1"),
		object(2, "source", "late", "CREATE SOURCE late (id int, at timestamptz) WITH (event_time = 'at', partitions = 1)")}); err != nil {
		return err
	}
	var m int64
	if err := eventually(func() bool { return conn.QueryRow(ctx, "SELECT m FROM more").Scan(&m) == nil }); err != nil || m != 3 {
		return fmt.Errorf("the new view gives %d, %w", m, err)
	}
	t.Logf("a definition of another process was readable after %v", time.Since(began).Round(time.Millisecond))
	if err := run("INSERT INTO late VALUES (7, now())", "SELECT fqgw.sync()"); err != nil {
		return err
	}
	var late int64
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM late").Scan(&late); err != nil || late != 1 {
		return fmt.Errorf("the new source has %d rows, %w", late, err)
	}
	// The plans and layouts of what was not touched stay.
	now := a.Engine().Catalog()
	if now.Tables[fqgw.Public("kept")] != own.Tables[fqgw.Public("kept")] {
		t.Error("the table is another one now")
	}
	if now.Sources[fqgw.Public("taps")] != own.Sources[fqgw.Public("taps")] || now.Features[fqgw.Public("counts")].Source != own.Sources[fqgw.Public("taps")] {
		t.Error("the source is another one now")
	}

	// A change of this gateway on top of it: several of one object in one block.
	if err := run("BEGIN", "CREATE TABLE block (a int)", "COMMENT ON TABLE block IS 'of a block'", "COMMENT ON COLUMN block.a IS 'a column'",
		"COMMENT ON COLUMN counts.n IS 'how many'", "ALTER FEATURE VIEW counts ALTER COLUMN n SET DEFAULT 7", "COMMIT"); err != nil {
		return err
	}
	defs, err := other.Load(ctx)
	if err != nil {
		return err
	}
	bound, err := define.Load(defs)
	if err != nil {
		return err
	}
	for _, o := range defs.Objects {
		if o.Name == "block" || o.Name == "counts" { // what is kept and what is loaded are one
			var noun any = bound.Tables[fqgw.Public("block")]
			if o.Kind == "feature view" {
				noun = bound.Features[fqgw.Public("counts")]
			}
			if form, err := define.FormHash(noun); err != nil || form != o.Form {
				t.Errorf("the form of %s is %s, %v; not %s", o.Name, form, err, o.Form)
			}
		}
		switch {
		case o.SQL == "" || o.Kind == "":
			t.Errorf("the registry has %+v", o)
		case o.Name == "block" && (o.Props["comment"] != "of a block" || o.Props["comment.a"] != "a column" || o.Props["history"] != "lake.block"):
			t.Errorf("the block's table is %+v", o)
		case o.Name == "counts" && (o.Version != 2 || o.Props["comment.n"] != "how many" || o.Props["default.n"] == ""):
			t.Errorf("the view is %+v", o)
		}
	}

	// Dropped by the other: the names are free, and nothing of them runs.
	if err := commit(nil, uint32(oid), uint32(oid+1), uint32(oid+2)); err != nil {
		return err
	}
	for _, name := range []string{"counts", "more", "late"} {
		if err := eventually(func() bool {
			var e *pgconn.PgError
			_, err := conn.Exec(ctx, "SELECT * FROM "+name)
			return errors.As(err, &e) && e.Code == "42P01"
		}); err != nil {
			return fmt.Errorf("%s is still there: %w", name, err)
		}
	}
	if err := run("CREATE FEATURE VIEW counts "+counts, "CREATE SOURCE late (id int, at timestamptz) WITH (event_time = 'at')"); err != nil {
		return err
	}
	var n int64
	if err := conn.QueryRow(ctx, "SELECT n FROM counts WHERE id = 1").Scan(&n); err != nil || n != 2 {
		return fmt.Errorf("the view made again counts %d, %w", n, err)
	}

	// What the other was in the middle of when it ended.
	gone := other.Owner()
	for name, value := range map[string]string{"making": "lake.kept\nlake.never\n", "left over": `{"version":1,"left":[{"oid":1,"what":"view","name":"x","state":99999}]}`,
		"commit": `{"version":1,"tables":{"lake.never":5}}`} {
		if err := other.PutOwn(ctx, fmt.Sprint(name, " ", gone), value); err != nil {
			return err
		}
	}
	if err := other.Close(); err != nil {
		return err
	}
	next, err := registry.Open(ctx, filepath.Join(a.Data(), "registry.db"))
	if err != nil {
		return err
	}
	defer next.Close()
	for _, name := range []string{"making", "left over", "commit"} {
		if err := eventually(func() bool {
			v, err := next.Get(ctx, fmt.Sprint(name, " ", gone))
			return v == "" && err == nil
		}); err != nil {
			return fmt.Errorf("what was being done (%s) stays: %w", name, err)
		}
	}
	return run("SELECT * FROM kept")
}
