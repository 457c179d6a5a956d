package sqltests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// BenchmarkForeignParquet joins labels with the latest rows of 10 M that others wrote: in a
// Parquet file, in a table that pyiceberg wrote, each in the order of arrival and sorted by
// entity and time, and in a table of the lake that INSERT filled; the answer goes to Parquet.
// Nothing is kept from one run to the next, and nothing is filled online: the view is taken
// back with its transaction. DuckDB answers from the file of the same order, in turns with
// fqgw and by the best of three forms, and its answer must be the same. The figures are CPU
// seconds, medians of b.N runs. FQGW_TEST_DUCKDB names a Python that has duckdb and pyiceberg;
// FQGW_TEST_LABELS how many labels there are, 100,000 if nothing is said.
func BenchmarkForeignParquet(b *testing.B) {
	python := os.Getenv("FQGW_TEST_DUCKDB")
	if python == "" {
		b.Skip("FQGW_TEST_DUCKDB must name a Python executable that has the packages duckdb, pyarrow and pyiceberg")
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
		run("lake", folder, a.Data())
		for _, sql := range []string{
			fmt.Sprintf("CREATE SOURCE labels_in WITH (connector = 'files', path = '%s', event_time = 'ts')", file("labels")),
			"CREATE TABLE labels (label_id bigint, entity bigint, ts timestamptz)", "INSERT INTO labels SELECT label_id, entity, ts FROM labels_in",
			fmt.Sprintf("CREATE SOURCE file_arrival WITH (connector = 'files', path = '%s', event_time = 'ts')", file("hist_arrival")),
			fmt.Sprintf("CREATE SOURCE file_sorted WITH (connector = 'files', path = '%s', event_time = 'ts')", file("hist_sorted")),
			"CREATE SOURCE pyiceberg_arrival WITH (connector = 'iceberg', table = 'shop.hist_arrival', event_time = 'ts')",
			"CREATE SOURCE pyiceberg_sorted WITH (connector = 'iceberg', table = 'shop.hist_sorted', event_time = 'ts')",
			"CREATE TABLE hist (entity bigint, ts timestamptz, f0 float8, f1 float8, f2 float8, f3 float8, f4 float8, f5 float8)",
			"INSERT INTO hist SELECT entity, ts, f0, f1, f2, f3, f4, f5 FROM file_arrival",
			"CREATE SOURCE insert_arrival WITH (connector = 'iceberg', table = 'lake.hist', event_time = 'ts')",
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		for _, source := range []string{"file_arrival", "file_sorted", "pyiceberg_arrival", "pyiceberg_sorted", "insert_arrival"} {
			b.Run(source, func(b *testing.B) {
				_, order, _ := strings.Cut(source, "_")
				own, forms, mb := []float64{}, map[string][]float64{}, 0.0
				for i := range b.N {
					out := fmt.Sprintf("%s_%d_%d.parquet", source, b.N, i)
					own = append(own, joinForeign(b, conn, source, out).Seconds())
					var peer struct {
						Forms           map[string]struct{ CPU, MB float64 }
						Rows, Different int
					}
					if err := json.Unmarshal(run("answer", folder, order, filepath.Join(a.Data(), "files", out)), &peer); err != nil {
						b.Fatal(err)
					}
					if want, _ := strconv.Atoi(labels); peer.Rows != want || peer.Different > 0 {
						b.Errorf("%d of %d rows are not DuckDB's", peer.Different, peer.Rows)
					}
					for form, took := range peer.Forms {
						forms[form], mb = append(forms[form], took.CPU), max(mb, took.MB)
					}
				}
				best := math.Inf(1)
				for _, took := range forms {
					best = min(best, median(took))
				}
				b.ReportMetric(median(own), "fqgw-cpu-s")
				b.ReportMetric(best, "duckdb-cpu-s")
				b.ReportMetric(mb, "duckdb-MB")
				b.ReportMetric(median(own)/best, "of-duckdb")
			})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// joinForeign is the CPU time of the join of the labels with a source, whose answer goes to a file.
func joinForeign(b *testing.B, conn *pgx.Conn, source, out string) time.Duration {
	b.Helper()
	run := func(sql string) {
		b.Helper()
		if _, err := conn.Exec(b.Context(), sql); err != nil {
			b.Fatalf("%s: %v", sql, err)
		}
	}
	run("BEGIN")
	run(fmt.Sprintf(`CREATE FEATURE VIEW v WITH (max_age = '30 days') AS
		SELECT DISTINCT ON (entity) entity, f0, f1, f2, f3, f4, f5 FROM %s ORDER BY entity, ts DESC`, source))
	runtime.GC()
	before := cpu()
	run(fmt.Sprintf(`COPY (SELECT l.label_id, l.entity, l.ts, v.f0, v.f1, v.f2, v.f3, v.f4, v.f5
		FROM labels AS l LEFT JOIN v AS OF l.ts AS v ON v.entity = l.entity) TO '%s' (FORMAT parquet)`, out))
	took := cpu() - before
	run("ROLLBACK")
	return took
}

// median is that of a list that is not empty, which it sorts.
func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
