package fqgw

import (
	"sync/atomic"
	"time"
)

// durationBuckets are the upper bounds of a Histogram's buckets.
var durationBuckets = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// Histogram counts durations in fixed buckets, from 50 µs to a minute. The zero
// value is ready; safe for concurrent use. To observe one is two atomic additions.
type Histogram struct {
	buckets [len(durationBuckets) + 1]atomic.Uint64
	nanos   atomic.Int64
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < len(durationBuckets) && d > durationBuckets[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(int64(d))
}

// TripMeter counts the round trips to a store. The zero value is ready; safe for
// concurrent use.
type TripMeter struct {
	// Trips are the times of round trips: of one command or one pipeline, in a
	// cluster of one pipeline to all the servers that it concerns.
	Trips Histogram
	// Timeouts, Connection and Replies count the trips that failed: no answer in
	// time, no connection, an answer that is an error.
	Timeouts, Connection, Replies atomic.Uint64
}

// Read gives how many durations there were, their sum in seconds, and how many
// were at most each bound, in seconds.
func (h *Histogram) Read() (count uint64, sum float64, atMost map[float64]uint64) {
	atMost = make(map[float64]uint64, len(durationBuckets))
	for i, bound := range durationBuckets {
		count += h.buckets[i].Load()
		atMost[bound.Seconds()] = count
	}
	count += h.buckets[len(durationBuckets)].Load()
	return count, time.Duration(h.nanos.Load()).Seconds(), atMost
}
