package fqgw

import (
	"context"
	"time"
)

// Backoff is the waiting between tries of what fails for a while: First before the
// second try, then twice as long each time, up to Most. It is one goroutine's.
type Backoff struct {
	First, Most time.Duration
	last        time.Duration
}

// Wait waits before the next try; false when ctx ended meanwhile.
func (b *Backoff) Wait(ctx context.Context) bool {
	b.last = min(max(2*b.last, b.First), b.Most)
	select {
	case <-time.After(b.last):
		return true
	case <-ctx.Done():
		return false
	}
}

// Reset begins anew, after a try that did not fail.
func (b *Backoff) Reset() { b.last = 0 }
