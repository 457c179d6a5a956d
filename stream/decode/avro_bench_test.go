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
