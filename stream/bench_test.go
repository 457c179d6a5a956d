package stream

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// BenchmarkFold is decode, gate and fold of JSON events of about 120 bytes,
// 100,000 entities with zipf-like keys, count, sum(double) and max over 5 min,
// 1 h and 1 d; flushes go to a store in memory that keeps nothing.
func BenchmarkFold(b *testing.B) {
	src := &fqgw.Source{Name: "clicks", Topic: "t", Format: "json", History: "lake.clicks", MaxFuture: 300 * sec, TimeUnit: 1000, KeyColumn: -1, Columns: []fqgw.Column{
		{Name: "ts", Type: fqgw.Timestamptz, NotNull: true}, {Name: "user_id", Type: fqgw.Int8, NotNull: true}, {Name: "kind", Type: fqgw.Text},
		{Name: "price", Type: fqgw.Float8}, {Name: "country", Type: fqgw.Text}}}
	price := &expr.Column{Index: 3, Typ: fqgw.Float8, Name: "price"}
	v := &fqgw.FeatureView{Name: "user_clicks", State: 1, Source: src, Keys: []fqgw.KeyColumn{{Name: "user_id", Column: 1, Type: fqgw.Int8}},
		Windows: []fqgw.Window{{Length: 300 * sec, Hop: 5 * sec}, {Length: 3600 * sec, Hop: 60 * sec}, {Length: 86400 * sec, Hop: 900 * sec}}}
	for i := range v.Windows {
		v.Aggregates = append(v.Aggregates, fqgw.Aggregate{Func: "count", Star: true, Window: i, Type: fqgw.Int8},
			fqgw.Aggregate{Func: "sum", Args: []fqgw.Expr{price}, Window: i, Type: fqgw.Float8},
			fqgw.Aggregate{Func: "max", Args: []fqgw.Expr{price}, Window: i, Type: fqgw.Float8})
	}
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 10, 99_999)
	const n = 400_000
	start := time.Now().UnixMilli() - 600_000
	recs := make([]fqgw.LogRecord, n)
	for i := range recs {
		at := start + int64(i)*600_000/n
		recs[i] = fqgw.LogRecord{Partition: int32(i % 4), Timestamp: at * 1000, Value: fmt.Appendf(nil,
			`{"ts":%d,"user_id":%d,"session":"s%08x","kind":"%s","price":%d.%02d,"country":"%s","ok":true}`,
			at, zipf.Uint64(), r.Uint32(), []string{"view", "buy", "cart"}[i%3], i%500, i%100, []string{"NO", "DE", "FR", "US"}[i%4])}
	}
	for _, views := range []bool{false, true} {
		b.Run(fmt.Sprintf("views=%v", views), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w := newWorld(4, 64, fqgw.RealClock())
				if err := w.log.Produce(b.Context(), "t", recs); err != nil {
					b.Fatal(err)
				}
				p := w.start(func(o *Options) {
					o.FlushEvery, o.LandEvery, o.Fault, o.Folders = 20*time.Millisecond, time.Hour, nil, 2
				})
				p.far = 1 << 40
				held := w.log.parts
				w.log.mu.Lock()
				w.log.parts = make([][]fqgw.LogRecord, 4) // the view comes first
				w.log.mu.Unlock()
				if err := p.AddSource(b.Context(), src); err != nil {
					b.Fatal(err)
				}
				if views {
					if err := p.AddView(b.Context(), v, nil); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
				w.log.mu.Lock()
				w.log.parts = held
				close(w.log.grown)
				w.log.grown = make(chan struct{})
				w.log.mu.Unlock()
				for p.Metrics().Events < n || views && p.Metrics().Applied < n {
					time.Sleep(time.Millisecond)
				}
				b.StopTimer()
				m := p.Metrics()
				if views {
					b.ReportMetric(float64(m.FlushBytes)/n, "bytes/event")
				}
				p.kill()
				b.StartTimer()
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
