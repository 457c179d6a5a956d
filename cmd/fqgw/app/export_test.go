package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// embeddedGateway runs an embedded gateway around f, which has its address.
func embeddedGateway(t *testing.T, f func(addr string, a *App)) {
	t.Helper()
	err := WithApp(t.Context(), Throwaway(t.TempDir()), nil, func(_ context.Context, a *App) error {
		f(a.Addr(), a)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run is a command line with its exit code and what it printed.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// sql carries out statements and is the first column of the rows.
func sql(t *testing.T, addr, text string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), connString(addr, "simple"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	results, err := conn.PgConn().Exec(t.Context(), text).ReadAll()
	if err != nil {
		t.Fatalf("%s: %s", text, describeError(err))
	}
	var out []string
	for _, r := range results {
		for _, row := range r.Rows {
			out = append(out, string(row[0]))
		}
	}
	return out
}

const teamDefinitions = `
CREATE SOURCE clicks (user_id bigint NOT NULL, price double precision CHECK (price >= 0), kind text, ts timestamptz NOT NULL)
  WITH (connector = 'kafka', topic = 'clicks', format = 'json', event_time = 'ts');
CREATE FEATURE VIEW "User;Clicks" AS SELECT user_id, count(*) OVER h AS n, COALESCE(avg(price) OVER h, 0) AS "avg ""1h"""
  FROM clicks WINDOW h AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING);
ALTER FEATURE VIEW "User;Clicks" ALTER COLUMN n SET DEFAULT 7;
CREATE TABLE labels (user_id bigint, at timestamptz NOT NULL);
CREATE VIEW a_training AS SELECT l.user_id, c.n FROM labels l LEFT JOIN "User;Clicks" AS OF l.at AS c ON c.user_id = l.user_id;
COMMENT ON VIEW a_training IS 'it''s; -- not a comment';
`

// TestExport: what is exported makes the same definitions in another gateway, with the
// same forms, and is exported from there as the same bytes.
func TestExport(t *testing.T) {
	const forms = "SELECT name || ' ' || form FROM fqgw.definitions ORDER BY name"
	var stream string
	var first []string
	embeddedGateway(t, func(addr string, _ *App) {
		sql(t, addr, teamDefinitions)
		first = sql(t, addr, forms)
		code, out, errs := run(t, "export", "--address", addr)
		if code != 0 {
			t.Fatal(errs)
		}
		stream = out
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mine.sql"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		code, _, errs = run(t, "export", "--address", addr, dir)
		if code != 0 || !strings.Contains(errs, "mine.sql is not of this export") {
			t.Fatalf("%d: %s", code, errs)
		}
		files, err := sqlFiles([]string{dir})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range files {
			files[i] = strings.TrimPrefix(f, dir+"/")
		}
		if want := []string{"%55ser%3B%43licks.sql", "a_training.sql", "clicks.sql", "labels.sql", "mine.sql"}; !slices.Equal(files, want) {
			t.Errorf("files %q, want %q", files, want)
		}
		text, err := os.ReadFile(filepath.Join(dir, "a_training.sql"))
		want := `CREATE VIEW a_training AS
SELECT l.user_id,
       c.n
FROM labels l
     LEFT JOIN "User;Clicks" AS OF l.at AS c ON c.user_id = l.user_id;
COMMENT ON VIEW a_training IS 'it''s; -- not a comment';
`
		if err != nil || string(text) != want {
			t.Errorf("%v\n%s\nwant\n%s", err, text, want)
		}
	})
	embeddedGateway(t, func(addr string, _ *App) {
		sql(t, addr, stream)
		if got := sql(t, addr, forms); !slices.Equal(got, first) {
			t.Errorf("forms\n%q, want\n%q", got, first)
		}
		if _, again, _ := run(t, "export", "--address", addr); again != stream {
			t.Errorf("exported again:\n%s\nwant\n%s", again, stream)
		}
	})
	if code, _, errs := run(t, "export", "--adress", "x"); code != 2 || !strings.Contains(errs, "--address") {
		t.Errorf("%d: %s", code, errs)
	}
	if code, _, errs := run(t, "export", "--address", "127.0.0.1:1"); code != 1 || !strings.Contains(errs, "no gateway answers") {
		t.Errorf("%d: %s", code, errs)
	}
}
