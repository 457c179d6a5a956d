package sqltests

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var trainingDefinitions = []string{
	`CREATE SOURCE c (k int, v int, t timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'c', format = 'json', event_time = 't', known_time = 'event_time')`,
	`CREATE FEATURE VIEW w AS SELECT k, count(*) OVER h AS n, sum(v) OVER h AS total FROM c
	 WINDOW h AS (PARTITION BY k ORDER BY t RANGE '1 hour' PRECEDING)`,
	`INSERT INTO c SELECT i % 100, i, '2024-01-01 10:00Z'::timestamptz + i * '1 second'::interval FROM generate_series(1, 1000) AS i`,
	`CREATE TABLE labels AS SELECT i AS id, i % 100 AS k, '2024-01-01 10:00Z'::timestamptz + i % 3600 * '1 second'::interval AS ts FROM generate_series(1, 2000) AS i`,
}

// The spine is the labels once, or so often that it takes a while.
const (
	trainingFew  = `SELECT l.id, l.k, u.n, u.total FROM labels AS l LEFT JOIN w AS OF l.ts AS u ON u.k = l.k`
	trainingMany = `SELECT l.id, i, l.k, u.n, u.total FROM labels AS l CROSS JOIN generate_series(1, 5000) AS i LEFT JOIN w AS OF l.ts AS u ON u.k = l.k`
)

// trainingForms are the ways to keep rows: what is written, and where it shows first.
var trainingForms = []struct{ name, before, after, path, begun string }{
	{"file", "COPY (", ") TO 'x.parquet' (FORMAT parquet)", "files/x.parquet", "files/.x.parquet.*"},
	{"folder", "COPY (", ") TO 'x.parquet' (FORMAT parquet, PARTITION_BY (k))", "files/x.parquet", "files/.x.parquet.*"},
	{"table", "CREATE TABLE x AS ", "", "lake/x", "lake/x/data/*.parquet"},
}

// leftOf is what there is of a training set in a data directory: its files, what was
// begun, and the tags on the labels.
func leftOf(t *testing.T, data, path string) (out []string) {
	t.Helper()
	for _, dir := range []string{"files", "lake"} {
		err := filepath.WalkDir(filepath.Join(data, dir), func(name string, d os.DirEntry, err error) error {
			rel, _ := filepath.Rel(data, name)
			if err == nil && (strings.HasPrefix(d.Name(), ".x") || rel == path) {
				out = append(out, rel)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	newest, err := filepath.Glob(filepath.Join(data, "lake/labels/metadata/*.metadata.json"))
	if err != nil || len(newest) == 0 {
		t.Fatal(newest, err)
	}
	slices.Sort(newest) // by their number
	text, err := os.ReadFile(newest[len(newest)-1])
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "fqgw-training") {
		out = append(out, "tag")
	}
	return out
}

func trainingProcess(t *testing.T, data, fault string) (*process, *pgx.Conn) {
	t.Helper()
	p, err := start(t, data, fault, "-clock", crashClock, "-clock-rate", "0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := p.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return p, conn
}

// TestTrainingCrash kills fqgw while a training set is written, when it is, and when its
// manifest is committed: it is there, whole, or nothing of it is. A statement that is
// cancelled leaves nothing either.
func TestTrainingCrash(t *testing.T) {
	for _, form := range trainingForms {
		for _, fault := range []string{"cancel", "kill", "training-written", "training-committed"} {
			t.Run(form.name+" "+fault, func(t *testing.T) {
				t.Parallel()
				ctx, data := t.Context(), filepath.Join(t.TempDir(), "data")
				at := ""
				if strings.HasPrefix(fault, "training") {
					at = fault
				}
				p, conn := trainingProcess(t, data, at)
				for _, sql := range trainingDefinitions {
					if _, err := conn.Exec(ctx, sql); err != nil {
						t.Fatal(err)
					}
				}
				query := trainingFew
				if at == "" {
					query = trainingMany
				}
				ended := make(chan error, 1)
				go func() {
					_, err := conn.Exec(ctx, form.before+query+form.after)
					ended <- err
				}()
				if at == "" {
					err := eventually(func() bool {
						found, _ := filepath.Glob(filepath.Join(data, form.begun))
						return len(found) > 0
					})
					if err != nil {
						t.Fatalf("%s: %v", form.begun, err)
					}
				}
				if fault == "kill" {
					p.kill()
				}
				if fault == "cancel" {
					other, err := p.connect(ctx)
					if err != nil {
						t.Fatal(err)
					}
					defer other.Close(ctx)
					if _, err := other.Exec(ctx, "SELECT pg_cancel_backend($1)", int32(conn.PgConn().PID())); err != nil {
						t.Fatal(err)
					}
				}
				err := <-ended
				if err == nil {
					t.Fatal("it was carried out")
				}
				if pg := (*pgconn.PgError)(nil); fault == "cancel" && (!errors.As(err, &pg) || pg.Code != "57014") {
					t.Errorf("a cancelled statement: %v", err)
				}
				if fault != "cancel" {
					<-p.dead
					p, conn = trainingProcess(t, data, "")
				}
				want := []string(nil)
				if fault == "training-committed" {
					want = []string{form.path, "tag"}
				}
				if got := leftOf(t, data, form.path); !slices.Equal(got, want) {
					t.Errorf("%q is left, not %q", got, want)
				}
				var sets int
				if err := conn.QueryRow(ctx, "SELECT count(*) FROM fqgw.training_sets").Scan(&sets); err != nil || sets != len(want)/2 {
					t.Errorf("%d training sets, %v", sets, err)
				}
				// The next try works, or it is there.
				if fault != "training-committed" {
					if _, err := conn.Exec(ctx, form.before+trainingFew+form.after); err != nil {
						t.Fatal(err)
					}
				}
				var done string
				if err := conn.QueryRow(ctx, "SELECT fqgw.rebuild(name) FROM fqgw.training_sets").Scan(&done); err != nil || !strings.HasPrefix(done, "2000 rows in ") {
					t.Errorf("rebuilt: %q, %v", done, err)
				}
				p.interrupt(t)
			})
		}
	}
}
