package sqltests

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// nycView is a view of the case: its join keys with their types, the spine
// column behind each being of the same name.
type nycView struct {
	name string
	keys []string
}

var nycViews = []nycView{
	{"origin_departures", []string{"origin"}}, {"carrier_departures", []string{"origin", "carrier"}}, {"tail_flights", []string{"tailnum"}},
	{"tail_last_arrival", []string{"tailnum"}}, {"origin_cancellations", []string{"origin"}}, {"origin_weather", []string{"origin"}},
	{"origin_weather_1d", []string{"origin"}}, {"origin_sketches", []string{"origin"}}, {"flight_risk", []string{"origin", "carrier"}},
}

// The moments at which every key is checked online, and the end of the data.
const (
	storm = "2013-03-08 22:17:30.5Z"
	dst   = "2013-03-10 07:00:00Z"
	after = "2013-03-17 06:00:00Z"
)

// TestNYCFlights is the acceptance run: every definition of the case, every
// expected answer that a real PostgreSQL computed, online at two moments and AS
// OF each label's own time. It runs on the embedded servers.
func TestNYCFlights(t *testing.T) {
	c := app.Throwaway(t.TempDir())
	acceptNYC(t, c)
}

// TestNYCFlightsOnRealServers is the same run by configuration alone:
// FQGW_TEST_KAFKA and FQGW_TEST_REDIS name the servers.
func TestNYCFlightsOnRealServers(t *testing.T) {
	brokers, redis := os.Getenv("FQGW_TEST_KAFKA"), os.Getenv("FQGW_TEST_REDIS")
	if brokers == "" || redis == "" {
		t.Log("FQGW_TEST_KAFKA and FQGW_TEST_REDIS name no servers: only the embedded run")
		return
	}
	c := app.Throwaway(t.TempDir())
	c.Kafka, c.Online = brokers, redis
	acceptNYC(t, c)
}

func acceptNYC(t *testing.T, c app.Config) {
	c.Clock, c.ClockRate = storm, 0
	explicit := map[string]bool{"clock": true, "clock_rate": true}
	err := app.WithApp(t.Context(), c, explicit, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if err := app.LoadNYC(ctx, conn, a.Log()); err != nil {
			return err
		}
		checkNow(t, ctx, conn, "now_storm")
		advance(t, ctx, conn, dst)
		checkNow(t, ctx, conn, "now_dst")
		advance(t, ctx, conn, after)
		checkAsOf(t, ctx, conn)
		checkNaive(t, ctx, conn)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func advance(t *testing.T, ctx context.Context, conn *pgx.Conn, to string) {
	t.Helper()
	if _, err := conn.Exec(ctx, fmt.Sprintf("SELECT fqgw.advance('%s'::timestamptz - fqgw.now())", to)); err != nil {
		t.Fatal(err)
	}
}

// checkNow compares every key's values now with the expected ones, read online
// and again AS OF the same time.
func checkNow(t *testing.T, ctx context.Context, conn *pgx.Conn, moment string) {
	if _, err := conn.Exec(ctx, "SELECT fqgw.sync()"); err != nil {
		t.Fatal(err)
	}
	for _, v := range nycViews {
		header, want := readExpected(t, moment, v.name)
		n := len(v.keys)
		keys := make([][]string, n)
		for _, row := range want {
			for i := range keys {
				keys[i] = append(keys[i], row[i])
			}
		}
		params, names, on := make([]string, n), make([]string, n), make([]string, n)
		args := make([]any, n)
		for i, k := range v.keys {
			params[i], names[i], args[i] = fmt.Sprintf("$%d::text[]", i+1), k, keys[i]
			on[i] = fmt.Sprintf("f.%s = k.%s", k, k)
		}
		sql := fmt.Sprintf("SELECT %s FROM unnest(%s) WITH ORDINALITY AS k(%s, n) LEFT JOIN %s AS f ON %s ORDER BY k.n",
			features(header[n:]), strings.Join(params, ", "), strings.Join(names, ", "), v.name, strings.Join(on, " AND "))
		for _, path := range []string{"online", "AS OF"} {
			if path == "AS OF" {
				var now string
				if err := conn.QueryRow(ctx, "SELECT fqgw.now()::text").Scan(&now); err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Exec(ctx, "SET fqgw.as_of = '"+now+"'"); err != nil {
					t.Fatal(err)
				}
			}
			got := readRows(t, ctx, conn, sql, args...)
			if path == "AS OF" {
				if _, err := conn.Exec(ctx, "RESET fqgw.as_of"); err != nil {
					t.Fatal(err)
				}
			}
			compareRows(t, moment+" "+v.name+" "+path, header, want, got, n)
		}
	}
}

// checkAsOf compares each label's features at its own prediction time.
func checkAsOf(t *testing.T, ctx context.Context, conn *pgx.Conn) {
	for _, v := range nycViews {
		header, want := readExpected(t, "as_of", v.name)
		on := make([]string, len(v.keys))
		for i, k := range v.keys {
			on[i] = fmt.Sprintf("f.%s = l.%s", k, k)
		}
		sql := fmt.Sprintf("SELECT l.label_id::text, %s FROM labels AS l LEFT JOIN %s AS OF l.predict_ts AS f ON %s ORDER BY l.label_id",
			features(header[1:]), v.name, strings.Join(on, " AND "))
		got := readRows(t, ctx, conn, sql)
		for i := range got {
			if i < len(want) && *got[i][0] != want[i][0] {
				t.Fatalf("%s: row %d is label %s, not %s", v.name, i, *got[i][0], want[i][0])
			}
			got[i] = got[i][1:]
		}
		compareRows(t, "as_of "+v.name, header, want, got, 1)
	}
}

// features is the SELECT list for the columns of an expected file, as text.
func features(header []string) string {
	var out []string
	for _, h := range header {
		switch name, isStatus := strings.CutSuffix(h, "_status"); {
		case isStatus:
			out = append(out, "feature_status(f."+name+")")
		case h == "event_ts":
			out = append(out, "feature_time("+"f."+header[0]+")::text")
		case strings.HasSuffix(h, "_hi"):
		default:
			out = append(out, "f."+strings.TrimSuffix(h, "_lo")+"::text")
		}
	}
	return strings.Join(out, ", ")
}

func readRows(t *testing.T, ctx context.Context, conn *pgx.Conn, sql string, args ...any) [][]*string {
	t.Helper()
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var out [][]*string
	for rows.Next() {
		row := make([]*string, len(rows.FieldDescriptions()))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func readExpected(t *testing.T, folder, view string) (header []string, rows [][]string) {
	t.Helper()
	path := filepath.Join("nycflights", folder, view+".csv")
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		var packed []byte
		if packed, err = os.ReadFile(path + ".gz"); err == nil {
			text = unzip(t, packed)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

func unzip(t *testing.T, packed []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// compareRows compares all cells behind the first skip columns.
func compareRows(t *testing.T, what string, header []string, want [][]string, got [][]*string, skip int) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%s: %d rows, expected %d", what, len(got), len(want))
		return
	}
	cells, wrong := 0, 0
	for r := range want {
		g := 0
		for c := skip; c < len(header); c++ {
			if strings.HasSuffix(header[c], "_hi") {
				continue
			}
			hi := want[r][c]
			if strings.HasSuffix(header[c], "_lo") {
				hi = want[r][c+1]
			}
			cells++
			if cell := got[r][g]; !sameCell(header[c], want[r][c], hi, cell) {
				if wrong++; wrong <= 5 {
					shown := `\N`
					if cell != nil {
						shown = *cell
					}
					t.Errorf("%s: row %d (%s) %s: got %s, expected %s", what, r, strings.Join(want[r][:skip], ","), header[c], shown, want[r][c])
				}
			}
			g++
		}
	}
	if wrong > 0 {
		t.Errorf("%s: %d of %d values are wrong", what, wrong, cells)
	} else {
		t.Logf("%s: %d values, all right", what, cells)
	}
}

// sameCell follows the case's README: counts, extremes, texts and statuses are
// equal; sums, averages and deviations within 1e-9; a distinct count above 64
// within 7 %; a quantile within 1 % of the order statistic.
func sameCell(column, want, hi string, got *string) bool {
	if want == `\N` || got == nil {
		return want == `\N` && got == nil
	}
	if *got == want || column == "bad_weather" && (*got)[:1] == want {
		return true
	}
	w, err1 := strconv.ParseFloat(want, 64)
	g, err2 := strconv.ParseFloat(*got, 64)
	if err1 != nil || err2 != nil {
		return false
	}
	switch {
	case strings.HasPrefix(column, "tails_"):
		return w > 64 && math.Abs(g-w) <= 0.07*w
	case strings.HasSuffix(column, "_lo"):
		h, err := strconv.ParseFloat(hi, 64)
		return err == nil && g >= w-math.Abs(w)/100-1e-9 && g <= h+math.Abs(h)/100+1e-9
	}
	exact := []string{"departures_", "max_", "min_", "cancellations_", "flights_", "miles_", "gusts_", "very_late_", "late_miles_"}
	if slices.ContainsFunc(exact, func(p string) bool { return strings.HasPrefix(column, p) }) {
		return g == w
	}
	return math.Abs(g-w) <= 1e-9+math.Abs(w)*0x1p-52
}
