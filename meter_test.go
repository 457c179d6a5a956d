package fqgw

import (
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Minute, time.Hour} {
		h.Observe(d)
	}
	count, sum, atMost := h.Read()
	if want := (time.Hour + time.Minute + 2*time.Millisecond + 1).Seconds(); count != 5 || sum != want {
		t.Errorf("%d durations of %g s, not %g", count, sum, want)
	}
	for bound, want := range map[float64]uint64{50e-6: 1, 1e-3: 2, 2.5e-3: 3, 30: 3, 60: 4} {
		if atMost[bound] != want {
			t.Errorf("%d are at most %g s, not %d", atMost[bound], bound, want)
		}
	}
}

func BenchmarkHistogram(b *testing.B) {
	var h Histogram
	for b.Loop() {
		h.Observe(800 * time.Microsecond)
	}
}
