package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// The demo's clock: the afternoon of the snow storm, a minute a second.
const (
	demoClock = "2013-03-08 17:00:00Z"
	demoRate  = 60
)

// demo starts everything embedded with the NYC flights example, prints a tour
// and keeps serving. Without -data it lives in a temporary directory.
func demo(ctx context.Context, args []string, out, stderr io.Writer) error {
	c, explicit, rest, err := loadConfig(args, os.Environ(), stderr)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", rest[0])}
	}
	if !explicit["data"] {
		if c.Data, err = os.MkdirTemp("", "fqgw-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(c.Data)
	}
	if _, err := os.Stat(filepath.Join(c.Data, "registry.db")); os.IsNotExist(err) && !explicit["clock"] {
		c.Clock, explicit["clock"] = demoClock, true
	}
	if !explicit["clock_rate"] {
		c.ClockRate = demoRate
	}
	if !explicit["log"] {
		c.Log = "warn"
	}
	a, err := Open(ctx, c, explicit, newLogger(c, stderr))
	if err != nil {
		return err
	}
	return a.Run(ctx, func() {
		go func() {
			// A directory in which somebody has played may lack what the tour shows.
			if err := a.tour(ctx, out); err != nil && ctx.Err() == nil {
				fmt.Fprintf(out, "\nThe tour cannot go on: %s\nWithout --data the demo starts in a fresh directory. Serving on:\n\n", explain(err))
				a.banner(out)
			}
		}()
	})
}

// tour loads the example and shows what fqgw does.
func (a *App) tour(ctx context.Context, w io.Writer) error {
	begun := time.Now()
	fmt.Fprintf(w, "fqgw demo: flights of New York's airports, March 2013, in %s\n", a.config.Data)
	conn, err := pgx.Connect(ctx, connString(a.Addr(), "simple"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := LoadNYC(ctx, conn, a.log); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT fqgw.sync()"); err != nil {
		return err
	}
	stops := []struct{ title, sql string }{
		{"An online read: JFK now, from the online store", "SELECT fqgw.now(), departures_1h, avg_delay_3h, share_late_3h FROM origin_departures WHERE origin = 'JFK'"},
		{"The same key AS OF a quiet morning a week before, from history", "SELECT departures_1h, avg_delay_3h, share_late_3h FROM origin_departures AS OF '2013-03-01 15:00Z' WHERE origin = 'JFK'"},
		{"The feature service for one flight, its expressions computed on read", "SELECT carrier_excess_3h, cancel_ratio, bad_weather FROM flight_risk WHERE origin = 'LGA' AND carrier = 'DL'"},
		{"A training set: each label with what was known at its own time, to Parquet", trainingSet},
		{"How the joins of a training set are planned", "EXPLAIN " + trainingQuery},
	}
	for _, s := range stops {
		start := time.Now()
		text, err := show(ctx, conn, s.sql)
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		fmt.Fprintf(w, "\n-- %s\n%s\n%s(%.1f ms)\n", s.title, s.sql, text, float64(time.Since(start).Microseconds())/1000)
	}
	host, port, _ := strings.Cut(a.Addr(), ":")
	fmt.Fprintf(w, "\nReady after %.1f s. The clock runs a minute a second: ask again and the values move.\n\n  psql -h %s -p %s\n\nfiles: %s   health: http://%s/readyz   ctrl-C ends\n",
		time.Since(begun).Seconds(), host, port, filepath.Join(a.config.Data, "files"), a.AdminAddr())
	return nil
}

const trainingQuery = `SELECT l.label_id, l.delayed, r.share_late_3h, r.carrier_excess_3h, r.bad_weather,
       f.flights_1d, a.arr_delay, a.dest AS last_dest
FROM   labels AS l
       LEFT JOIN flight_risk       AS OF l.predict_ts AS r ON r.origin = l.origin AND r.carrier = l.carrier
       LEFT JOIN tail_flights      AS OF l.predict_ts AS f ON f.tailnum = l.tailnum
       LEFT JOIN tail_last_arrival AS OF l.predict_ts AS a ON a.tailnum = l.tailnum
WHERE  l.predict_ts <= fqgw.now()`

const trainingSet = "COPY (" + trainingQuery + ") TO 'training.parquet' (FORMAT parquet)"

// show runs SQL and lays its rows out as psql does, the first few of them.
func show(ctx context.Context, conn *pgx.Conn, sql string) (string, error) {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, res := range results {
		if len(res.FieldDescriptions) == 0 {
			fmt.Fprintln(&b, res.CommandTag)
			continue
		}
		table := [][]string{{}}
		for _, f := range res.FieldDescriptions {
			table[0] = append(table[0], f.Name)
		}
		for _, row := range res.Rows {
			cells := make([]string, len(row))
			for i, c := range row {
				cells[i] = string(c)
			}
			table = append(table, cells)
		}
		layOut(&b, table)
	}
	return b.String(), nil
}

func layOut(b *strings.Builder, table [][]string) {
	width := make([]int, len(table[0]))
	for _, row := range table {
		for i, c := range row {
			width[i] = max(width[i], len(c))
		}
	}
	for n, row := range table {
		for i, c := range row {
			if i > 0 {
				b.WriteString(" | ")
			}
			if i == len(row)-1 {
				b.WriteString(c) // nothing to line up behind it
				continue
			}
			fmt.Fprintf(b, "%-*s", width[i], c)
		}
		b.WriteByte('\n')
		if n == 0 {
			for i, w := range width {
				w = min(w, 60)
				if i > 0 {
					b.WriteString("-+-")
				}
				b.WriteString(strings.Repeat("-", w))
			}
			b.WriteByte('\n')
		}
	}
}
