package redis

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

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

// combiner lets reads of one server that come while others are under way share
// the next trip. A lone read costs what it would cost without it; under load the
// number of system calls on both sides falls.
type combiner struct {
	store   *Store
	mu      sync.Mutex
	running int
	waiting []*waiter
}

// waiter is a read in the queue. Its answer belongs to the trip until done is closed.
type waiter struct {
	reads []fqgw.UnitRead
	keys  int
	until time.Time
	out   []fqgw.UnitState
	err   error
	done  chan struct{}
}

// patience is how long a read may take, where its caller does not say less: a
// server that hangs is taken for one that is away (08006).
const patience = 5 * time.Second

// Server implements fqgw.OnlineStore: in a Cluster the master of the shard's slot.
func (s *Store) Server(shard uint32) string {
	c, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return ""
	}
	// Only a Cluster of which nothing is known yet is asked for anything.
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	m, err := c.MasterForKey(ctx, "{"+strconv.FormatUint(uint64(shard), 10)+"}")
	if err != nil {
		return "" // the Cluster is away as a whole, which the trip finds by itself
	}
	return m.Options().Addr
}

// lane is the combiner of the reads of one server.
func (s *Store) lane(server string) *combiner {
	if c, ok := s.lanes.Load(server); ok {
		return c.(*combiner)
	}
	c, _ := s.lanes.LoadOrStore(server, &combiner{store: s})
	return c.(*combiner)
}

// Read implements fqgw.OnlineStore. The states of a unit are read together with
// its marks or after them, never before: a state may hold more than the marks say
// (its own positions tell), but never less.
func (s *Store) Read(ctx context.Context, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	if len(reads) == 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, several := s.client.(*redis.ClusterClient); !several {
		return s.only.readAll(ctx, reads)
	}
	servers, at := s.servers(len(reads), func(i int) uint32 { return reads[i].Unit.Shard })
	if len(servers) == 1 {
		return s.lane(servers[0]).readAll(ctx, reads)
	}
	type answer struct {
		states []fqgw.UnitState
		err    error
	}
	answers := make([]answer, len(servers))
	var wg sync.WaitGroup
	for n, server := range servers {
		wg.Go(func() {
			some := make([]fqgw.UnitRead, len(at[n]))
			for i, r := range at[n] {
				some[i] = reads[r]
			}
			a := &answers[n]
			if a.states, a.err = s.lane(server).read(ctx, some); a.err != nil {
				a.states = unread(len(some), a.err)
			}
		})
	}
	wg.Wait()
	out := make([]fqgw.UnitState, len(reads))
	for n := range servers {
		for i, r := range at[n] {
			out[r] = answers[n].states[i]
		}
	}
	for i := range out {
		if out[i].Err != nil {
			return out, out[i].Err
		}
	}
	return out, nil
}

// servers sorts n things by the servers that have their shards: at has the
// numbers of those of each.
func (s *Store) servers(n int, shard func(i int) uint32) (names []string, at [][]int) {
	for i := range n {
		name := s.Server(shard(i))
		if name == "" {
			return []string{""}, nil
		}
		k := slices.Index(names, name)
		if k < 0 {
			k = len(names)
			names, at = append(names, name), append(at, nil)
		}
		at[k] = append(at[k], i)
	}
	return names, at
}

// unread are the answers of units that cannot be read.
func unread(n int, err error) []fqgw.UnitState {
	out := make([]fqgw.UnitState, n)
	for i := range out {
		out[i].Err = err
	}
	return out
}

// readAll is read whose answers say why there are none.
func (c *combiner) readAll(ctx context.Context, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	out, err := c.read(ctx, reads)
	if err != nil {
		out = unread(len(reads), err)
	}
	return out, err
}

// read answers reads of one server.
func (c *combiner) read(ctx context.Context, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	until := time.Now().Add(patience)
	if end, ok := ctx.Deadline(); ok && end.Before(until) {
		until = end
	}
	keys := len(reads)
	for i := range reads {
		keys += len(reads[i].Keys)
	}
	if keys > company {
		return c.store.tripUntil(ctx, until, reads)
	}
	c.mu.Lock()
	if c.running < alone {
		c.running++
		c.mu.Unlock()
		defer c.handOver()
		return c.store.tripUntil(ctx, until, reads)
	}
	w := &waiter{reads: reads, keys: keys, until: until, done: make(chan struct{})}
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()
	timer := timers.Get().(*time.Timer)
	timer.Reset(time.Until(until))
	defer timers.Put(timer)
	defer timer.Stop()
	select {
	case <-w.done:
		if w.err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return w.out, w.err
	case <-ctx.Done():
		return nil, ctx.Err() // the trip may still be under way for the others
	case <-timer.C:
		if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
			return nil, context.DeadlineExceeded
		}
		return nil, unreachable(errSlow)
	}
}

// timers are stopped timers.
var timers = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}}

// tripUntil is a trip that ends at a time, unless its caller's ends earlier.
// A panic in it is its error: several may share it, in nobody's goroutine.
func (s *Store) tripUntil(ctx context.Context, until time.Time, reads []fqgw.UnitRead) (out []fqgw.UnitState, err error) {
	defer func() {
		if what := recover(); what != nil {
			out, err = nil, &fqgw.Error{Code: fqgw.CodeInternal, Message: fmt.Sprintf("a read of the online store panicked: %v", what), Detail: string(debug.Stack())}
		}
	}()
	out, err = s.trip(ctx, until, reads)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fail(ctx, context.DeadlineExceeded) // the caller's end, or that of the store's patience
	}
	return out, err
}

// handOver gives the place of a trip that ended to those who wait.
func (c *combiner) handOver() {
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
	go c.share(batch)
}

// share is a trip for several. It lasts as long as the most patient of them.
func (c *combiner) share(batch []*waiter) {
	defer c.handOver()
	var reads []fqgw.UnitRead
	var until time.Time
	for _, w := range batch {
		reads = append(reads, w.reads...)
		if w.until.After(until) {
			until = w.until
		}
	}
	out, err := c.store.tripUntil(context.Background(), until, reads)
	var known *fqgw.Error
	apart := len(batch) > 1 && errors.As(err, &known) && known.Code != fqgw.CodeConnectionFailure
	for _, w := range batch {
		switch {
		case err == nil:
			w.out, out = out[:len(w.reads):len(w.reads)], out[len(w.reads):]
		case apart: // what is wrong with one read is not the others' error
			w.out, w.err = c.store.tripUntil(context.Background(), w.until, w.reads)
		default:
			w.err = err
		}
		close(w.done)
	}
}
