package sqltests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// trainingSets are the questions of BenchmarkTrainingSet; testdata/duckdb_training.py
// has DuckDB's side of each under the same name.
var trainingSets = []struct{ name, sql string }{
	{"latest", `SELECT l.label_id, a.arr_delay, a.dest, a.carrier, a.air_time
		FROM labels AS l LEFT JOIN tail_last_arrival AS OF l.predict_ts AS a ON a.tailnum = l.tailnum`},
	{"windows", `SELECT l.label_id, o.departures_1h, o.avg_delay_1h, o.max_delay_1h, o.share_late_1h, o.departures_3h, o.avg_delay_3h, o.max_delay_3h,
		o.share_late_3h, o.departures_1d, o.avg_delay_1d, o.max_delay_1d, o.share_late_1d
		FROM labels AS l LEFT JOIN origin_departures AS OF l.predict_ts AS o ON o.origin = l.origin`},
	{"service", `SELECT l.label_id, l.delayed, r.share_late_3h, r.carrier_excess_3h, r.bad_weather, f.flights_1d, a.arr_delay, a.dest AS last_dest
		FROM labels AS l LEFT JOIN flight_risk AS OF l.predict_ts AS r ON r.origin = l.origin AND r.carrier = l.carrier
		     LEFT JOIN tail_flights AS OF l.predict_ts AS f ON f.tailnum = l.tailnum
		     LEFT JOIN tail_last_arrival AS OF l.predict_ts AS a ON a.tailnum = l.tailnum`},
}

// BenchmarkTrainingSet writes features of the NYC case's 14,830 labels, each AS
// OF its own time, to Parquet: the latest row with a max age, twelve windowed
// features, and a feature service with two views more. DuckDB answers the same
// from Parquet files of the same events, in its own process, started and warm,
// and its answer must be the same. FQGW_TEST_DUCKDB names a Python that has
// duckdb.
func BenchmarkTrainingSet(b *testing.B) {
	python := os.Getenv("FQGW_TEST_DUCKDB")
	if python == "" {
		b.Skip("FQGW_TEST_DUCKDB must name a Python executable that has the package duckdb")
	}
	withNYC(b, after, func(ctx context.Context, a *app.App, _ string, conn *pgx.Conn) error {
		dir := filepath.Join(a.Data(), "files")
		for _, table := range []string{"departures", "arrivals", "cancellations", "weather", "labels"} {
			if _, err := conn.Exec(ctx, fmt.Sprintf("COPY (SELECT * FROM %s) TO '%s.parquet' (FORMAT parquet)", table, table)); err != nil {
				return err
			}
		}
		for _, q := range trainingSets {
			copySQL := fmt.Sprintf("COPY (%s) TO 'fqgw_%s.parquet' (FORMAT parquet)", q.sql, q.name)
			b.Run(q.name, func(b *testing.B) {
				if _, err := conn.Exec(ctx, copySQL); err != nil { // warm, and the answer to compare with
					b.Fatal(err)
				}
				peer := duckdb(b, python, dir, q.name, b.N)
				b.ResetTimer()
				for range b.N {
					if _, err := conn.Exec(ctx, copySQL); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				own := b.Elapsed() / time.Duration(b.N)
				b.ReportMetric(float64(own.Microseconds())/1000, "fqgw-ms")
				b.ReportMetric(float64(peer.Microseconds())/1000, "duckdb-ms")
				b.ReportMetric(own.Seconds()/peer.Seconds(), "of-duckdb-time")
			})
		}
		return nil
	})
}

// duckdb has DuckDB answer a question n times and compare its last answer with
// fqgw's; it returns the mean time.
func duckdb(b *testing.B, python, dir, question string, n int) time.Duration {
	cmd := exec.CommandContext(b.Context(), python, filepath.Join("testdata", "duckdb_training.py"), dir, question, strconv.Itoa(n))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v: %s", err, &stderr)
	}
	var got struct {
		Seconds   float64
		Rows      int
		Different int
		First     string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		b.Fatal(err)
	}
	if got.Rows == 0 || got.Different > 0 {
		b.Errorf("%s: %d of %d rows are not DuckDB's, such as %s", question, got.Different, got.Rows, got.First)
	}
	return time.Duration(got.Seconds * float64(time.Second))
}
