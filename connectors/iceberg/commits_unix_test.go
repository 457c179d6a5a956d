//go:build unix

package iceberg

import (
	"syscall"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// BenchmarkCommits lands 10,000 times 100 rows into one table, and says what a commit
// costs at the beginning, what at the end, and what it takes to plan a read then.
func BenchmarkCommits(b *testing.B) {
	const commits, part = 10_000, 1000
	for b.Loop() {
		l := open(b, Options{})
		create(b, l, "lake.t")
		rows := count(b, 0, 100)
		var at fqgw.Marks
		var took []time.Duration
		for range commits / part {
			begun := processTime()
			for range part {
				to := next(int(at.Of(0).Next) + 100)
				if _, ok, err := l.Land(b.Context(), "lake.t", rows, at, to); !ok || err != nil {
					b.Fatal(ok, err)
				}
				at = to
			}
			took = append(took, (processTime()-begun)/part)
			b.Logf("%d commits: %s of CPU each", len(took)*part, took[len(took)-1])
		}
		begun := processTime()
		tasks, err := tableOf(b, l).Scan().PlanFiles(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%d files are planned in %s of CPU", len(tasks), processTime()-begun)
		b.ReportMetric(float64(took[1].Microseconds()), "µs-CPU/early")
		b.ReportMetric(float64(took[len(took)-1].Microseconds()), "µs-CPU/late")
	}
}

// processTime is the CPU time of the process.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
