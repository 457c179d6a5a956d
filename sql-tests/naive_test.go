package sqltests

import (
	"context"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// rawFlight is a raw record of departures or arrivals; times are microseconds.
type rawFlight struct {
	at, known int64
	partition int32
	offset    int64
	Event     time.Time `json:"event_ts"`
	Origin    string
	Tailnum   *string
	Dest      string
	Distance  int64
	DepDelay  float64 `json:"dep_delay"`
}

func rawFlights(t *testing.T, topic string) []rawFlight {
	t.Helper()
	recs, err := app.NYCRecords(topic)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]rawFlight, len(recs))
	for i, r := range recs {
		if err := json.Unmarshal(r.Value, &out[i]); err != nil {
			t.Fatal(err)
		}
		out[i].at, out[i].known, out[i].partition, out[i].offset = out[i].Event.UnixMicro(), r.Timestamp, r.Partition, r.Offset
	}
	return out
}

// newer is the order of events (SEMANTICS §1).
func (f *rawFlight) newer(g *rawFlight) bool {
	for _, c := range [][2]int64{{f.at, g.at}, {f.known, g.known}, {int64(f.partition), int64(g.partition)}, {f.offset, g.offset}} {
		if c[0] != c[1] {
			return c[0] > c[1]
		}
	}
	return false
}

// tail is the lower edge of a window: the floor of T - W on hops.
func tail(t, length, hop int64) int64 {
	e := t - length
	return e - (e%hop+hop)%hop
}

// checkNaive counts some labels' features once more from the raw records, by
// SEMANTICS §3 alone: every record is looked at for every label. Averages are
// exact fractions rounded once, so they must be equal to the last bit.
func checkNaive(t *testing.T, ctx context.Context, conn *pgx.Conn) {
	const minute, hour, day = 60_000_000, 3_600_000_000, 86_400_000_000
	departures, arrivals := rawFlights(t, "departures"), rawFlights(t, "arrivals")
	rows, err := conn.Query(ctx, `SELECT l.label_id, l.predict_ts, l.origin, l.tailnum,
			o.departures_3h, o.avg_delay_3h, o.max_delay_1d, f.flights_1d, f.miles_1d, f.last_dest_1d, f.first_origin_1d, a.dest
		FROM labels AS l LEFT JOIN origin_departures AS OF l.predict_ts AS o ON o.origin = l.origin
			LEFT JOIN tail_flights AS OF l.predict_ts AS f ON f.tailnum = l.tailnum
			LEFT JOIN tail_last_arrival AS OF l.predict_ts AS a ON a.tailnum = l.tailnum
		WHERE l.label_id % 29 = 0`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	labels := 0
	for rows.Next() {
		labels++
		var id int32
		var predict time.Time
		var origin string
		var tailnum, lastDest, firstOrigin, dest *string
		var n3h, flights, miles *int64
		var avg, top *float64
		if err := rows.Scan(&id, &predict, &origin, &tailnum, &n3h, &avg, &top, &flights, &miles, &lastDest, &firstOrigin, &dest); err != nil {
			t.Fatal(err)
		}
		at := predict.UnixMicro()
		var count, tails, distance int64
		sum := new(big.Rat)
		var worst *float64
		var first, last, latest *rawFlight
		for i := range departures {
			e := &departures[i]
			if e.at > at || e.known > at {
				continue
			}
			if e.Origin == origin && e.at >= tail(at, 3*hour, minute) {
				count++
				sum.Add(sum, new(big.Rat).SetFloat64(e.DepDelay))
			}
			if e.Origin == origin && e.at >= tail(at, day, 15*minute) && (worst == nil || e.DepDelay > *worst) {
				worst = &e.DepDelay
			}
			if e.Tailnum == nil || tailnum == nil || *e.Tailnum != *tailnum || e.at < tail(at, day, 15*minute) {
				continue
			}
			tails++
			distance += e.Distance
			if last == nil || e.newer(last) {
				last = e
			}
			if first == nil || first.newer(e) {
				first = e
			}
		}
		for i := range arrivals {
			e := &arrivals[i]
			if tailnum != nil && *e.Tailnum == *tailnum && e.at <= at && e.known <= at && (latest == nil || e.newer(latest)) {
				latest = e
			}
		}
		if latest != nil && at-latest.at > 2*day {
			latest = nil
		}
		same(t, id, "departures_3h", n3h, &count)
		same(t, id, "max_delay_1d", top, worst)
		if count > 0 {
			mean, _ := sum.Quo(sum, new(big.Rat).SetInt64(count)).Float64()
			same(t, id, "avg_delay_3h", avg, &mean)
		} else {
			same(t, id, "avg_delay_3h", avg, nil)
		}
		if tailnum == nil {
			same(t, id, "flights_1d", flights, nil)
		} else {
			same(t, id, "flights_1d", flights, &tails)
		}
		if tails > 0 {
			same(t, id, "miles_1d", miles, &distance)
			same(t, id, "last_dest_1d", lastDest, &last.Dest)
			same(t, id, "first_origin_1d", firstOrigin, &first.Origin)
		} else {
			same(t, id, "last_dest_1d", lastDest, nil)
		}
		if latest != nil {
			same(t, id, "dest", dest, &latest.Dest)
		} else {
			same(t, id, "dest", dest, nil)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if labels < 500 {
		t.Errorf("only %d labels were counted again", labels)
	}
}

func same[T comparable](t *testing.T, label int32, feature string, got, want *T) {
	t.Helper()
	switch {
	case got == nil && want == nil:
	case got == nil || want == nil || *got != *want:
		t.Errorf("label %d: %s is %v, counted from the raw records %v", label, feature, shown(got), shown(want))
	}
}

func shown[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}
