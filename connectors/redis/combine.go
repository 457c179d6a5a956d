package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

const (
	// alone is how many trips run at once before reads wait for company. One lone
	// caller, or two, never wait.
	alone = 2
	// company is the most keys that a read or a shared trip asks for: larger reads
	// go by themselves, so that nobody waits for another's bulk.
	company = 512
)

// combiner lets reads that come while others are under way share the next
// trip. A lone read costs what it would cost without it; under load the number
// of system calls on both sides falls.
type combiner struct {
	mu      sync.Mutex
	running int
	waiting []*waiter
}

// waiter is a read in the queue. Its answer belongs to the trip until done is closed.
type waiter struct {
	reads []fqgw.UnitRead
	keys  int
	until time.Time // zero: no deadline
	out   []fqgw.UnitState
	err   error
	done  chan struct{}
}

// Read answers all reads, in order, in one pipelined trip. The states of a unit
// are read together with its marks or after them, never before: a state may
// hold more than the marks say (its own positions tell), but never less.
func (s *Store) Read(ctx context.Context, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	if len(reads) == 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	keys := len(reads)
	for i := range reads {
		keys += len(reads[i].Keys)
	}
	if keys > company {
		return s.trip(ctx, reads)
	}
	c := &s.combiner
	c.mu.Lock()
	if c.running < alone {
		c.running++
		c.mu.Unlock()
		defer s.handOver()
		return s.trip(ctx, reads)
	}
	w := &waiter{reads: reads, keys: keys, done: make(chan struct{})}
	w.until, _ = ctx.Deadline()
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()
	select {
	case <-w.done:
		if w.err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return w.out, w.err
	case <-ctx.Done():
		return nil, ctx.Err() // the trip may still be under way for the others
	}
}

// handOver gives the place of a trip that ended to those who wait.
func (s *Store) handOver() {
	c := &s.combiner
	c.mu.Lock()
	n, keys := 0, 0
	for n < len(c.waiting) && keys+c.waiting[n].keys <= company {
		keys += c.waiting[n].keys
		n++
	}
	if n == 0 {
		c.running--
		c.mu.Unlock()
		return
	}
	batch := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	c.mu.Unlock()
	go s.share(batch)
}

// share is a trip for several. It lasts as long as the most patient of them.
func (s *Store) share(batch []*waiter) {
	defer s.handOver()
	var reads []fqgw.UnitRead
	until, forever := time.Time{}, false
	for _, w := range batch {
		reads = append(reads, w.reads...)
		forever = forever || w.until.IsZero()
		if w.until.After(until) {
			until = w.until
		}
	}
	ctx := context.Background()
	if !forever {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	out, err := s.trip(ctx, reads)
	var known *fqgw.Error
	apart := len(batch) > 1 && errors.As(err, &known) && known.Code != fqgw.CodeConnectionFailure
	for _, w := range batch {
		switch {
		case err == nil:
			w.out, out = out[:len(w.reads):len(w.reads)], out[len(w.reads):]
		case apart: // what is wrong with one read is not the others' error
			w.out, w.err = s.trip(ctx, w.reads)
		default:
			w.err = err
		}
		close(w.done)
	}
}
