package iceberg

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// The rows of a large file do not come into memory while those before it are read.
func TestNoLargeFileAhead(t *testing.T) {
	const files, batches, rows = 3, 60, 20_000 // 9.6 MB a file, which do not compress
	l := open(t, Options{})
	cols := []fqgw.Column{{Name: "x", Type: fqgw.Int8}}
	if err := l.Create(t.Context(), "lake.t", cols); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range files {
		_, err := l.Append(t.Context(), "lake.t", func(yield func(arrow.RecordBatch, error) bool) {
			for range batches {
				values := make([][]fqgw.Value, rows)
				for i := range values {
					values[i] = []fqgw.Value{fqgw.IntValue(int64(rnd.Uint64()))}
				}
				if !yield(storetest.Batch(t, cols, values), nil) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, n := held(), uint64(0), int64(0)
	_, all, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t"})
	if err != nil {
		t.Fatal(err)
	}
	next := int64(rows * batches / 2)
	for b, err := range all {
		if err != nil {
			t.Fatal(err)
		}
		if n += b.NumRows(); n > next {
			most, next = max(most, held()), next+rows*batches/4
		}
		b.Release()
	}
	if n != files*batches*rows {
		t.Fatalf("%d rows", n)
	}
	if whole := uint64(8 * rows * batches); most > before+whole/2 {
		t.Errorf("%d MB are held, a file is %d", (most-before)>>20, whole>>20)
	}
}
