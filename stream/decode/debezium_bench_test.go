package decode

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// BenchmarkDecodeDebezium reads the events of BenchmarkDecode as JSON, and as rows of a
// table that Debezium tells of: inserted, with a schema or without, and updated with the row before and without. With
// zone the time is a text, as Debezium writes timestamptz.
func BenchmarkDecodeDebezium(b *testing.B) {
	const behind = `"source":{"version":"3.7.0.Final","connector":"postgresql","name":"shop","ts_ms":1362131640047,"snapshot":"false","db":"shop",` +
		`"sequence":"[\"22226136\",\"22226136\"]","ts_us":1362131640047202,"ts_ns":1362131640047202000,"schema":"public","table":"clicks","txId":746,` +
		`"lsn":22226136,"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,"op":"%s","ts_ms":1362131640122,"ts_us":1362131640122858,` +
		`"ts_ns":1362131640122858320}`
	event := func(i int, zone bool, perMilli int) []byte {
		ts := fmt.Sprint((1362131640000 + i*13) * perMilli)
		if zone {
			ts = fmt.Sprintf(`"2013-03-01T%02d:%02d:%02d.%06dZ"`, i%24, i%60, i*7%60, i*1001%1e6)
		}
		return fmt.Appendf(nil, `{"ts":%s,"user_id":%d,"session":"s%08x","kind":"%s","price":%d.%02d,"country":"%s","ok":true}`,
			ts, i*7919%100000, i*2654435761, []string{"view", "buy", "cart"}[i%3], i%500, i%100, []string{"NO", "DE", "FR", "US"}[i%4])
	}
	row := `{"type":"struct","fields":[{"type":"int64","optional":false,"name":"io.debezium.time.MicroTimestamp","version":1,"field":"ts"},` +
		`{"type":"int64","optional":false,"field":"user_id"},{"type":"string","optional":true,"field":"session"},{"type":"string","optional":true,"field":"kind"},` +
		`{"type":"double","optional":true,"field":"price"},{"type":"string","optional":true,"field":"country"},{"type":"boolean","optional":true,"field":"ok"}],` +
		`"optional":true,"name":"shop.public.clicks.Value","field":"%s"}`
	schema := `{"type":"struct","fields":[` + fmt.Sprintf(
		row,
		"before",
	) + "," + fmt.Sprintf(
		row,
		"after",
	) + `,{"type":"struct","fields":[` +
		strings.Repeat(
			`{"type":"int64","optional":true,"field":"ts_us"},`,
			15,
		) + `{"type":"int64","optional":true,"field":"origin_lsn"}],"field":"source"}]}`
	for _, zone := range []bool{false, true} {
		name, typ := "", fqgw.Timestamp
		if zone {
			name, typ = "zone/", fqgw.Timestamptz
		}
		s := source(
			fqgw.Column{Name: "user_id", Type: fqgw.Int8},
			fqgw.Column{Name: "ts", Type: typ},
			fqgw.Column{Name: "kind", Type: fqgw.Text},
			fqgw.Column{Name: "price", Type: fqgw.Float8},
			fqgw.Column{Name: "country", Type: fqgw.Text},
		)
		b.Run(name+"json", func(b *testing.B) { benchmarkRecords(b, s, func(i int) []byte { return event(i, zone, 1) }) })
		table := *s
		table.Format, table.PrimaryKey, table.EventTime, table.TimeUnit = "debezium-json", []int{0}, 1, 0
		for _, c := range []struct{ name, op, before string }{
			{"insert", "c", "null"}, {"upsert", "u", "null"}, {"update", "u", ""}, {"schema", "c", "null"},
		} {
			b.Run(name+"debezium/"+c.name, func(b *testing.B) {
				benchmarkRecords(b, &table, func(i int) []byte {
					row, before := event(i, zone, 1000), c.before
					if before == "" {
						before = string(event(i+1, zone, 1000))
					}
					record := fmt.Appendf(nil, `{"before":%s,"after":%s,`+behind, before, row, c.op)
					if c.name == "schema" {
						record = slices.Concat([]byte(`{"schema":`), []byte(schema), []byte(`,"payload":`), record, []byte{'}'})
					}
					return record
				})
			})
		}
	}
}

// benchmarkRecords reads 4,096 records again and again.
func benchmarkRecords(b *testing.B, s *fqgw.Source, payload func(i int) []byte) {
	d, err := New(s)
	if err != nil {
		b.Fatal(err)
	}
	var records []fqgw.LogRecord
	for i := range 4096 {
		records = append(records, fqgw.LogRecord{Value: payload(i)})
	}
	b.SetBytes(int64(len(records[0].Value)))
	b.ReportAllocs()
	var changes []fqgw.Event
	n := 0
	began := cpu(b)
	for b.Loop() {
		if changes, err = d.Decode(&records[n&4095], changes[:0]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(n), "cpu-ns/op")
}

// cpu is the processor time that the process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
