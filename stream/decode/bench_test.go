package decode

import (
	"fmt"
	"testing"

	"github.com/fqgw/fqgw"
)

// BenchmarkDecode reads events of about 120 bytes of which five fields are wanted.
func BenchmarkDecode(b *testing.B) {
	benchmark(b, func(i int) []byte {
		return fmt.Appendf(nil, `{"ts":%d,"user_id":%d,"session":"s%08x","kind":"%s","price":%d.%02d,"country":"%s","ok":true}`,
			1362131640000+i*13, i*7919%100000, i*2654435761, []string{"view", "buy", "cart"}[i%3], i%500, i%100, []string{"NO", "DE", "FR", "US"}[i%4])
	}, fqgw.Column{Name: "ts", Type: fqgw.Timestamptz}, fqgw.Column{Name: "user_id", Type: fqgw.Int8}, fqgw.Column{Name: "kind", Type: fqgw.Text},
		fqgw.Column{Name: "price", Type: fqgw.Float8}, fqgw.Column{Name: "country", Type: fqgw.Text})
}

// BenchmarkDecodeTexts reads the same events where all is written as text.
func BenchmarkDecodeTexts(b *testing.B) {
	benchmark(b, func(i int) []byte {
		return fmt.Appendf(nil, `{"ts":"2013-03-01T%02d:%02d:%02d.%03dZ","user_id":"%d","kind":"%s","price":"%d.%02d","day":"2013-03-%02d"}`,
			i%24, i%60, i*7%60, i%1000, i*7919%100000, []string{"view", "buy", "cart"}[i%3], i%500, i%100, i%28+1)
	}, fqgw.Column{Name: "ts", Type: fqgw.Timestamptz}, fqgw.Column{Name: "user_id", Type: fqgw.Int8}, fqgw.Column{Name: "kind", Type: fqgw.Text},
		fqgw.Column{Name: "price", Type: fqgw.Float8}, fqgw.Column{Name: "day", Type: fqgw.Date})
}

// benchmark reads 4,096 events again and again.
func benchmark(b *testing.B, event func(i int) []byte, columns ...fqgw.Column) {
	d, err := newJSON(source(columns...))
	if err != nil {
		b.Fatal(err)
	}
	var events [][]byte
	for i := range 4096 {
		events = append(events, event(i))
	}
	row := make([]fqgw.Value, len(columns))
	b.SetBytes(int64(len(events[0])))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := d.decode(events[n&4095], row); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
