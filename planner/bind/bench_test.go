package bind

import "testing"

func BenchmarkPointQuery(b *testing.B) {
	benchmark(b, "SELECT departures_1h, avg_delay_3h FROM origin_departures WHERE origin = $1")
}

func BenchmarkService(b *testing.B) {
	benchmark(b, "SELECT l.label_id, r.excess, r.bad FROM labels l LEFT JOIN flight_risk AS OF l.predict_ts r ON r.origin = l.origin AND r.carrier = l.carrier")
}

func benchmark(b *testing.B, sql string) {
	for b.Loop() {
		if _, err := bindSQL(sql, nil); err != nil {
			b.Fatal(err)
		}
	}
}
