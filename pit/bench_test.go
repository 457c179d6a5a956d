package pit

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/iceberg"
	"github.com/fqgw/fqgw/stream/window"
)

// BenchmarkLanded reads a history of 1,048,576 landed events of 100,000 users from
// an Iceberg table on disk, for the windows of 10,000 probes (`join`) and without
// doing anything with it (`scan`).
func BenchmarkLanded(b *testing.B) {
	const files, rows = 8, 1 << 17
	s := &fqgw.Source{Name: "clicks", Connector: "kafka", EventTime: 0, History: "lake.clicks", KeyColumn: -1, Columns: []fqgw.Column{
		{Name: "ts", Type: fqgw.Timestamptz, NotNull: true}, {Name: "user_id", Type: fqgw.Int8, NotNull: true}, {Name: "price", Type: fqgw.Float8}}}
	lake, err := iceberg.Open(b.Context(), iceberg.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer lake.Close()
	if err := lake.Create(b.Context(), s.History, append(s.Columns[:3:3], fqgw.HiddenColumns...)); err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC).UnixMicro()
	var at fqgw.Marks
	for f := range files {
		batch := landedRows(s, rows, func(i int) fqgw.Event {
			n := int64(f*rows + i)
			t := start + n*1000
			return fqgw.Event{Time: t, Known: t, Pos: fqgw.Position{Partition: int32(n % 4), Offset: n / 4},
				Row: []fqgw.Value{fqgw.TimestampValue(t), fqgw.IntValue(r.Int64N(100_000)), fqgw.FloatValue(r.Float64())}}
		})
		next := fqgw.Mark{Next: int64((f + 1) * rows / 4)}
		to := fqgw.Marks{next, next, next, next}
		if _, ok, err := lake.Land(b.Context(), s.History, batch, at, to); !ok || err != nil {
			b.Fatal(ok, err)
		}
		at = to
		batch.Release()
	}
	keys := []fqgw.KeyColumn{{Name: "user_id", Column: 1, Type: fqgw.Int8}}
	price := []fqgw.Expr{sourceCol(s, 2)}
	windows := &fqgw.FeatureView{Name: "w", State: 1, Source: s, Keys: keys, Windows: []fqgw.Window{{Length: hour, Hop: minute}}, Aggregates: []fqgw.Aggregate{
		{Func: "count", Star: true, Type: fqgw.Int8}, {Func: "sum", Args: price, Type: fqgw.Float8}, {Func: "max", Args: price, Type: fqgw.Float8}}}
	end := start + files*rows*1000
	probes := make([]Probe, 10_000)
	for i := range probes {
		key, _ := fqgw.EncodeKey(fqgw.IntValue(r.Int64N(100_000)))
		t := start + r.Int64N(end-start)
		probes[i] = Probe{Key: key, OK: true, T: t, K: t}
	}
	history := func(v *fqgw.FeatureView) fqgw.Records {
		return func(yield func(arrow.RecordBatch, error) bool) {
			_, records, err := lake.Scan(b.Context(), fqgw.Scan{Table: s.History, Columns: Columns(v), Time: "ts", From: start, To: end})
			if err != nil {
				yield(nil, err)
				return
			}
			records(yield)
		}
	}
	measure := func(name string, v *fqgw.FeatureView, read func(l *window.Layout) (int, error)) {
		b.Run(name, func(b *testing.B) {
			l, err := window.NewLayout(v)
			if err != nil {
				b.Fatal(err)
			}
			before := cpu(b)
			for b.Loop() {
				if n, err := read(l); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N)/(files*rows), "cpu-ns/row")
		})
	}
	measure("join", windows, func(l *window.Layout) (n int, err error) {
		err = Join(l, probes, &fqgw.Sorted{Fresh: history(windows)}, fqgw.NewMemory("the join", "", 1<<30), func(int, *window.Reading) error { n++; return nil })
		return n, err
	})
	measure("scan", windows, func(*window.Layout) (n int, err error) {
		for batch, err := range history(windows) {
			if err != nil {
				return n, err
			}
			n += int(batch.NumRows())
			batch.Release()
		}
		return n, err
	})
}

// landedRows are n events as landing writes them.
func landedRows(s *fqgw.Source, n int, event func(i int) fqgw.Event) arrow.RecordBatch {
	own := array.NewRecordBuilder(memory.DefaultAllocator, fqgw.ArrowSchema(s.Columns))
	defer own.Release()
	var hidden fqgw.HiddenRows
	for i := range n {
		ev := event(i)
		for c, col := range s.Columns {
			if err := fqgw.AppendValue(own.Field(c), ev.Row[c], col.Type); err != nil {
				panic(fmt.Sprint(col.Name, err))
			}
		}
		hidden.Append(&ev)
	}
	return hidden.Complete(own.NewRecordBatch())
}

// cpu is what the process has used, user and system.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
