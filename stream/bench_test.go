package stream

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/iceberg"
	"github.com/fqgw/fqgw/planner/expr"
)

const benchEvents = 400_000

// BenchmarkFold is decode, gate, fold and the rows for the landing of JSON events
// of about 120 bytes, 100,000 entities with zipf-like keys, count, sum(double) and
// max over 5 min, 1 h and 1 d, without them, and with the same over all entities as
// well; the stores are in memory and keep nothing.
func BenchmarkFold(b *testing.B) {
	src := benchSource()
	price := &expr.Column{Index: 3, Typ: fqgw.Float8, Name: "price"}
	v := &fqgw.FeatureView{Name: "user_clicks", State: 1, Source: src, Keys: []fqgw.KeyColumn{{Name: "user_id", Column: 1, Type: fqgw.Int8}},
		Windows: []fqgw.Window{{Length: 300 * sec, Hop: 5 * sec}, {Length: 3600 * sec, Hop: 60 * sec}, {Length: 86400 * sec, Hop: 900 * sec}}}
	for i := range v.Windows {
		v.Aggregates = append(v.Aggregates, fqgw.Aggregate{Func: "count", Star: true, Window: i, Type: fqgw.Int8},
			fqgw.Aggregate{Func: "sum", Args: []fqgw.Expr{price}, Window: i, Type: fqgw.Float8},
			fqgw.Aggregate{Func: "max", Args: []fqgw.Expr{price}, Window: i, Type: fqgw.Float8})
	}
	everywhere := &fqgw.FeatureView{Name: "everywhere", State: 2, Source: src, Windows: v.Windows, Aggregates: v.Aggregates}
	recs := benchRecords()
	for _, c := range []struct {
		name  string
		views []*fqgw.FeatureView
	}{{"views=false", nil}, {"views=true", []*fqgw.FeatureView{v}}, {"views=global", []*fqgw.FeatureView{v, everywhere}}} {
		b.Run(c.name, func(b *testing.B) {
			benchStream(b, recs, func(o *Options) { o.History = forgetful{o.History} }, func(p *Pipeline) error {
				err := p.AddSource(b.Context(), src)
				for _, v := range c.views {
					if err == nil {
						err = p.AddView(b.Context(), v, nil)
					}
				}
				return err
			})
		})
	}
}

// BenchmarkLand is the same events without a view, until they are in an Iceberg
// table on disk.
func BenchmarkLand(b *testing.B) {
	dir := b.TempDir()
	lake, err := iceberg.Open(b.Context(), iceberg.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer lake.Close()
	runs := 0
	benchStream(b, benchRecords(), func(o *Options) { o.History = lake }, func(p *Pipeline) error {
		src := benchSource()
		src.History = fmt.Sprintf("lake.clicks%d", runs)
		runs++
		return p.AddSource(b.Context(), src)
	})
	b.ReportMetric(float64(size(b, filepath.Join(dir, "lake")))/float64(runs*benchEvents), "disk-B/event")
}

func benchSource() *fqgw.Source {
	return &fqgw.Source{Name: "clicks", Connector: "kafka", Topic: "t", Format: "json", History: "lake.clicks", MaxFuture: 300 * sec, TimeUnit: 1000, KeyColumn: -1, Columns: []fqgw.Column{
		{Name: "ts", Type: fqgw.Timestamptz, NotNull: true}, {Name: "user_id", Type: fqgw.Int8, NotNull: true}, {Name: "kind", Type: fqgw.Text},
		{Name: "price", Type: fqgw.Float8}, {Name: "country", Type: fqgw.Text}}}
}

func benchRecords() []fqgw.LogRecord {
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 10, 99_999)
	start := time.Now().UnixMilli() - 600_000
	recs := make([]fqgw.LogRecord, benchEvents)
	for i := range recs {
		at := start + int64(i)*600_000/benchEvents
		recs[i] = fqgw.LogRecord{Partition: int32(i % 4), Timestamp: at * 1000, Value: fmt.Appendf(nil,
			`{"ts":%d,"user_id":%d,"session":"s%08x","kind":"%s","price":%d.%02d,"country":"%s","ok":true}`,
			at, zipf.Uint64(), r.Uint32(), []string{"view", "buy", "cart"}[i%3], i%500, i%100, []string{"NO", "DE", "FR", "US"}[i%4])}
	}
	return recs
}

// benchStream measures pipelines, b.N one after the other, from the moment the
// records are in the log until a Sync has returned.
func benchStream(b *testing.B, recs []fqgw.LogRecord, tune func(*Options), add func(*Pipeline) error) {
	var used time.Duration
	var flushed int64
	for b.Loop() {
		b.StopTimer()
		w := newWorld(4, 64, fqgw.RealClock())
		if err := w.log.Produce(b.Context(), "t", recs); err != nil {
			b.Fatal(err)
		}
		full := w.log.parts // which the source and the view find empty
		w.log.parts = make([][]fqgw.LogRecord, len(full))
		p := w.start(func(o *Options) {
			o.FlushEvery, o.LandEvery, o.Fault, o.Folders = 20*time.Millisecond, time.Hour, nil, 2
			tune(o)
		})
		p.far = 1 << 40
		if err := add(p.Pipeline); err != nil {
			b.Fatal(err)
		}
		before := cpu(b)
		b.StartTimer()
		w.log.mu.Lock()
		w.log.parts = full
		close(w.log.grown)
		w.log.grown = make(chan struct{})
		w.log.mu.Unlock()
		if err := p.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		used += cpu(b) - before
		m := p.Metrics()
		if m.Events != benchEvents || m.LandedRows != benchEvents {
			b.Fatalf("%d events, %d rows landed", m.Events, m.LandedRows)
		}
		flushed += m.FlushBytes
		p.kill()
		b.StartTimer()
	}
	n := float64(benchEvents) * float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(used.Nanoseconds())/n, "cpu-ns/event")
	if flushed > 0 {
		b.ReportMetric(float64(flushed)/n, "bytes/event")
	}
}

// forgetful is a history that has landed everything and keeps no row.
type forgetful struct{ fqgw.History }

func (forgetful) Land(_ context.Context, _ string, _ arrow.RecordBatch, _, to fqgw.Marks) (fqgw.Marks, bool, error) {
	return to, true, nil
}

// cpu is what the process has used, user and system.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// size is of the files below a folder, in bytes.
func size(b *testing.B, dir string) (n int64) {
	err := fs.WalkDir(os.DirFS(dir), ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}
