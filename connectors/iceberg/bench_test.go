package iceberg

import (
	"testing"

	"github.com/fqgw/fqgw"
)

// BenchmarkLand is the cost of landing 1,000 rows in one commit.
func BenchmarkLand(b *testing.B) {
	for name, sync := range map[string]bool{"cached": false, "sync": true} {
		b.Run(name, func(b *testing.B) {
			l := open(b, Options{Sync: sync})
			l.keepAge = 0
			create(b, l, "lake.t")
			rows := count(b, 0, 1000)
			at := fqgw.Marks(nil)
			for b.Loop() {
				to := next(int(at.Of(0).Next) + 1000)
				if _, ok, err := l.Land(b.Context(), "lake.t", rows, at, to); !ok || err != nil {
					b.Fatal(ok, err)
				}
				at = to
			}
		})
	}
}

// BenchmarkScan is the cost of reading tables of many small files: 15,000 rows
// in 50, 3,000 in 1,000, and the last file of those alone.
func BenchmarkScan(b *testing.B) {
	for _, c := range []struct {
		name        string
		files, rows int
		last        bool
	}{{"50 files", 50, 300, false}, {"1000 files", 1000, 3, false}, {"1 of 1000 files", 1000, 3, true}} {
		b.Run(c.name, func(b *testing.B) {
			l := open(b, Options{})
			l.keepAge = 0
			create(b, l, "lake.t")
			for i := range c.files {
				land(b, l, "lake.t", i*c.rows, c.rows)
			}
			s, want := fqgw.Scan{Table: "lake.t", Columns: []string{"v", "ts"}}, int64(c.files*c.rows)
			if c.last {
				s.Time, s.From, s.To = "ts", int64((c.files-1)*c.rows)*1_000_000, fqgw.InfinityTime
				want = int64(c.rows)
			}
			for b.Loop() {
				_, records, err := l.Scan(b.Context(), s)
				if err != nil {
					b.Fatal(err)
				}
				var n int64
				for r, err := range records {
					if err != nil {
						b.Fatal(err)
					}
					n += r.NumRows()
					r.Release()
				}
				if n != want {
					b.Fatalf("%d rows", n)
				}
			}
		})
	}
}
