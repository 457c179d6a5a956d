package decode

import (
	"fmt"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode/internal/protobuf"
)

// protoClicks are the events of BenchmarkDecode as a producer has them in Protobuf.
const protoClicks = `syntax = "proto3"; import "google/protobuf/timestamp.proto"; enum Kind { view = 0; buy = 1; cart = 2; }
	message Click { google.protobuf.Timestamp ts = 1; int64 user_id = 2; string session = 3; Kind kind = 4; optional double price = 5; string country = 6; bool ok = 7; }`

// BenchmarkDecodeProtobuf reads the events of BenchmarkDecode, in Confluent's frame.
func BenchmarkDecodeProtobuf(b *testing.B) {
	r := newRegistry()
	r.byID[1] = &fqgw.RecordSchema{ID: 1, Type: protobuf.Type, Text: protoClicks}
	made, err := Maker{Schemas: r}.Decoder(protoSource("", "", clickColumns()...))
	if err != nil {
		b.Fatal(err)
	}
	d, f := made.(*protoDecoder), protoFile(b, protoClicks, nil)
	var events [][]byte
	for i := range 4096 {
		at := 1362131640000 + int64(i)*13
		events = append(events, protoFrame(1, []int{0}, protoBody(b, f, "Click", fmt.Sprintf("ts { seconds: %d nanos: %d } user_id: %d session: 's%08x' kind: %s price: %d.%02d country: '%s' ok: true",
			at/1000, at%1000*1_000_000, i*7919%100000, i*2654435761, []string{"view", "buy", "cart"}[i%3], i%500, i%100, []string{"NO", "DE", "FR", "US"}[i%4]))))
	}
	row := make([]fqgw.Value, 5)
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
