package sqltests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// BenchmarkForeignParquet joins labels with the latest rows of 10 M that others wrote, in
// a Parquet file, in the order of arrival and sorted by entity and time, and in a table of
// the lake; the answer goes to Parquet. Nothing is kept from one run to the next. DuckDB
// answers from the same files, by the best of three forms, and its answer must be the same.
// The figures are CPU seconds, medians of b.N runs. FQGW_TEST_DUCKDB names a Python that has
// duckdb; FQGW_TEST_LABELS how many labels there are, 100,000 if nothing is said.
func BenchmarkForeignParquet(b *testing.B) {
	python := os.Getenv("FQGW_TEST_DUCKDB")
	if python == "" {
		b.Skip("FQGW_TEST_DUCKDB must name a Python executable that has the package duckdb")
	}
	labels := os.Getenv("FQGW_TEST_LABELS")
	if labels == "" {
		labels = "100000"
	}
	run := func(args ...string) []byte {
		b.Helper()
		cmd := exec.CommandContext(b.Context(), python, append([]string{filepath.Join("testdata", "duckdb_foreign.py")}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatalf("%v: %s", err, &stderr)
		}
		return out
	}
	folder := b.TempDir()
	run("make", folder, "10000000", labels)
	c := app.Throwaway(b.TempDir())
	c.Log, c.Clock, c.ClockRate, c.AllowFiles = "error", "2026-06-01 00:00Z", 0, folder
	err := app.WithApp(b.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://bench@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		file := func(name string) string { return filepath.Join(folder, name+".parquet") }
		for _, sql := range []string{
			fmt.Sprintf("CREATE SOURCE labels_in WITH (connector = 'files', path = '%s', event_time = 'ts')", file("labels")),
			"CREATE TABLE labels (label_id bigint, entity bigint, ts timestamptz)", "INSERT INTO labels SELECT label_id, entity, ts FROM labels_in",
			fmt.Sprintf("CREATE SOURCE arrival WITH (connector = 'files', path = '%s', event_time = 'ts')", file("hist_arrival")),
			fmt.Sprintf("CREATE SOURCE sorted WITH (connector = 'files', path = '%s', event_time = 'ts')", file("hist_sorted")),
			"CREATE TABLE hist (entity bigint, ts timestamptz, f0 float8, f1 float8, f2 float8, f3 float8, f4 float8, f5 float8)",
			"INSERT INTO hist SELECT entity, ts, f0, f1, f2, f3, f4, f5 FROM arrival",
			"CREATE SOURCE lake WITH (connector = 'iceberg', table = 'lake.hist', event_time = 'ts')",
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		sources := []struct{ name, order string }{{"arrival", "arrival"}, {"sorted", "sorted"}, {"lake", "arrival"}}
		for _, of := range sources {
			if _, err := conn.Exec(ctx, fmt.Sprintf(`CREATE FEATURE VIEW %s_v WITH (max_age = '30 days') AS
				SELECT DISTINCT ON (entity) entity, f0, f1, f2, f3, f4, f5 FROM %[1]s ORDER BY entity, ts DESC`, of.name)); err != nil {
				return err
			}
		}
		for _, of := range sources {
			b.Run(of.name, func(b *testing.B) {
				var took []time.Duration
				for i := range b.N {
					runtime.GC()
					before := cpu()
					if _, err := conn.Exec(ctx, fmt.Sprintf(`COPY (SELECT l.label_id, l.entity, l.ts, v.f0, v.f1, v.f2, v.f3, v.f4, v.f5
						FROM labels AS l LEFT JOIN %s_v AS OF l.ts AS v ON v.entity = l.entity) TO '%[1]s_%d_%d.parquet' (FORMAT parquet)`, of.name, b.N, i)); err != nil {
						b.Fatal(err)
					}
					took = append(took, cpu()-before)
				}
				slices.Sort(took)
				own := took[len(took)/2].Seconds()
				var peer struct {
					CPU, MB         float64
					Rows, Different int
				}
				out := filepath.Join(a.Data(), "files", fmt.Sprintf("%s_%d_0.parquet", of.name, b.N))
				if err := json.Unmarshal(run("answer", folder, of.order, out, strconv.Itoa(b.N)), &peer); err != nil {
					b.Fatal(err)
				}
				if want, _ := strconv.Atoi(labels); peer.Rows != want || peer.Different > 0 {
					b.Errorf("%d of %d rows are not DuckDB's", peer.Different, peer.Rows)
				}
				b.ReportMetric(own, "fqgw-cpu-s")
				b.ReportMetric(peer.CPU, "duckdb-cpu-s")
				b.ReportMetric(peer.MB, "duckdb-MB")
				b.ReportMetric(own/peer.CPU, "of-duckdb")
			})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
