package decode

import (
	"fmt"
	"testing"

	"github.com/twmb/avro"

	"github.com/fqgw/fqgw"
)

// clicks are the events of BenchmarkDecode as Avro: a schema as a producer has it, with
// a nullable field, an enum and a logical type.
const clicks = `{"type":"record","name":"click","namespace":"shop","fields":[
	{"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"user_id","type":"long"},
	{"name":"session","type":"string"},
	{"name":"kind","type":{"type":"enum","name":"kind","symbols":["view","buy","cart"]}},
	{"name":"price","type":["null","double"],"default":null},
	{"name":"country","type":"string"},
	{"name":"ok","type":"boolean"}]}`

func clickColumns() []fqgw.Column {
	return []fqgw.Column{{Name: "ts", Type: fqgw.Timestamptz}, {Name: "user_id", Type: fqgw.Int8}, {Name: "kind", Type: fqgw.Text},
		{Name: "price", Type: fqgw.Float8}, {Name: "country", Type: fqgw.Text}}
}

// avroClicks are n framed records.
func avroClicks(tb testing.TB, id int32, n int) [][]byte {
	schema, err := avro.Parse(clicks)
	if err != nil {
		tb.Fatal(err)
	}
	var out [][]byte
	for i := range n {
		b, err := schema.AppendEncode([]byte{0, 0, 0, 0, byte(id)}, map[string]any{"ts": 1362131640000 + int64(i)*13, "user_id": int64(i * 7919 % 100000),
			"session": fmt.Sprintf("s%08x", i*2654435761), "kind": []string{"view", "buy", "cart"}[i%3], "price": float64(i%500) + float64(i%100)/100,
			"country": []string{"NO", "DE", "FR", "US"}[i%4], "ok": true})
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// BenchmarkDecodeAvro reads the events of BenchmarkDecode, as Avro in Confluent's frame.
func BenchmarkDecodeAvro(b *testing.B) {
	r := newRegistry()
	id := r.add(clicks)
	s := source(clickColumns()...)
	s.Format = "avro"
	made, err := Maker{Schemas: r}.Decoder(s)
	if err != nil {
		b.Fatal(err)
	}
	d, events := made.(*avroDecoder), avroClicks(b, id, 4096)
	row := make([]fqgw.Value, len(s.Columns))
	b.SetBytes(int64(len(events[0])))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		clear(row)
		if err := d.decode(events[n&4095], row); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkDecodeDebeziumAvro reads the rows of BenchmarkDecodeDebezium as Avro.
func BenchmarkDecodeDebeziumAvro(b *testing.B) {
	const row = `"optional":true,"type":"struct","name":"Value","fields":[{"field":"ts","type":"int64","name":"io.debezium.time.MicroTimestamp"},{"field":"user_id","type":"int64"},` +
		`{"field":"session","type":"string","optional":true},{"field":"kind","type":"string","optional":true},{"field":"price","type":"double","optional":true},` +
		`{"field":"country","type":"string","optional":true},{"field":"ok","type":"boolean","optional":true}]`
	const schema = `{"type":"struct","name":"Envelope","fields":[{"field":"before",` + row + `},{"field":"after",` + row + `},{"field":"source","type":"struct","name":"Source","fields":[` +
		`{"field":"version","type":"string"},{"field":"connector","type":"string"},{"field":"name","type":"string"},{"field":"ts_ms","type":"int64"},{"field":"snapshot","type":"string"},` +
		`{"field":"db","type":"string"},{"field":"sequence","type":"string","optional":true},{"field":"ts_us","type":"int64"},{"field":"ts_ns","type":"int64"},{"field":"schema","type":"string"},` +
		`{"field":"table","type":"string"},{"field":"txId","type":"int64"},{"field":"lsn","type":"int64"},{"field":"xmin","type":"int64","optional":true}]},{"field":"op","type":"string"},{"field":"ts_ms","type":"int64"}]}`
	image := func(i int) string {
		return fmt.Sprintf(`{"ts":%d,"user_id":%d,"session":"s%08x","kind":"%s","price":%d.%02d,"country":"%s","ok":true}`, (1362131640000+i*13)*1000,
			i*7919%100000, i*2654435761, []string{"view", "buy", "cart"}[i%3], i%500, i%100, []string{"NO", "DE", "FR", "US"}[i%4])
	}
	for _, op := range []string{"c", "u"} {
		b.Run(op, func(b *testing.B) {
			r := newRegistry()
			s := avroSource(fqgw.Column{Name: "user_id", Type: fqgw.Int8}, fqgw.Column{Name: "ts", Type: fqgw.Timestamp}, fqgw.Column{Name: "kind", Type: fqgw.Text},
				fqgw.Column{Name: "price", Type: fqgw.Float8}, fqgw.Column{Name: "country", Type: fqgw.Text})
			s.Format, s.PrimaryKey, s.EventTime = "debezium-avro", []int{0}, 1
			d, err := Maker{Schemas: r}.Decoder(s)
			if err != nil {
				b.Fatal(err)
			}
			var records [][]byte
			for i := range 4096 {
				before := "null"
				if op == "u" {
					before = image(i + 1)
				}
				records = append(records, converted(b, r, []byte(`{"schema":`+schema+`,"payload":{"before":`+before+`,"after":`+image(i)+`,"source":{"version":"3.7.0.Final",`+
					`"connector":"postgresql","name":"shop","ts_ms":1362131640047,"snapshot":"false","db":"shop","sequence":"[\"22226136\"]","ts_us":1362131640047202,`+
					`"ts_ns":1362131640047202000,"schema":"public","table":"clicks","txId":746,"lsn":22226136},"op":"`+op+`","ts_ms":1362131640122}}`)))
			}
			var changes []fqgw.Event
			record := &fqgw.LogRecord{}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				record.Value = records[n&4095]
				if changes, err = d.Decode(record, changes[:0]); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
