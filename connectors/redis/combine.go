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
	// company is the most keys that a read or a shared trip asks for: larger reads
	// go by themselves, so that nobody waits for another's bulk. So much, in bytes,
	// should the answer of a shared trip be at the most.
	company      = 512
	companyBytes = 1 << 20
	// pace is how far apart trips begin while others are under way, about: a server
	// near by has one at a time, one far away as many as keep reads from waiting
	// for a way there and back, but never more than most.
	pace = 250 * time.Microsecond
	most = 8
	// late is when a trip counts no more: what holds one connection up holds the
	// others up no longer than this.
	late = 10 * time.Millisecond
)

// combiner lets reads of one server that come while others are under way share
// the next trip. A lone read costs what it would cost without it; under load the
// number of system calls, and of commands, falls on both sides.
type combiner struct {
	store   *Store
	mu      sync.Mutex
	trips   []time.Time   // those under way, by when they began
	quick   time.Duration // how long a trip takes that nothing holds up; 0: not known yet
	waiting []*waiter
}

// waiter is a read in the queue. Its answer belongs to the trip until done is told.
type waiter struct {
	ctx   context.Context
	reads []fqgw.UnitRead
	keys  int
	until time.Time
	out   []fqgw.UnitState
	err   error
	done  chan struct{} // holds one
	timer *time.Timer   // stopped
}

// waiters are those whose answers were taken: nobody else knows them any more.
var waiters = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &waiter{done: make(chan struct{}, 1), timer: t}
}}

// left says whether nobody waits for the answer any more.
func (w *waiter) left(now time.Time) bool { return w.ctx.Err() != nil || now.After(w.until) }

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
func (c *combiner) read(ctx context.Context, reads []fqgw.UnitRead) (out []fqgw.UnitState, err error) {
	now := time.Now()
	until := now.Add(patience)
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
	if len(c.waiting) == 0 && c.free(now) {
		c.trips = append(c.trips, now)
		c.mu.Unlock()
		defer func() { c.begin(c.end(now, err)) }()
		return c.store.tripUntil(ctx, until, reads)
	}
	w := waiters.Get().(*waiter)
	w.ctx, w.reads, w.keys, w.until = ctx, reads, keys, until
	c.waiting = append(c.waiting, w)
	c.begin(c.next(now)) // there may be more places than before
	c.mu.Unlock()
	return c.wait(w)
}

// wait is for the answer of a read in the queue, or until its caller's end.
func (c *combiner) wait(w *waiter) (out []fqgw.UnitState, err error) {
	for {
		w.timer.Reset(min(late, time.Until(w.until)))
		select {
		case <-w.done:
			if out, err = w.out, w.err; err != nil && w.ctx.Err() != nil {
				out, err = nil, w.ctx.Err()
			}
			w.timer.Stop()
			w.ctx, w.reads, w.out, w.err = nil, nil, nil, nil
			waiters.Put(w)
			return out, err
		case <-w.ctx.Done():
			w.timer.Stop()
			return nil, w.ctx.Err() // the trip may still be under way for the others
		case now := <-w.timer.C:
			if end, ok := w.ctx.Deadline(); ok && !now.Before(end) {
				return nil, context.DeadlineExceeded
			}
			if !now.Before(w.until) {
				return nil, unreachable(errSlow)
			}
			c.mu.Lock()
			c.begin(c.next(now))
			c.mu.Unlock()
		}
	}
}

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

// free says whether a trip may begin. c.mu is held, as for all that follow.
func (c *combiner) free(now time.Time) bool {
	n := 0
	for _, began := range c.trips {
		if now.Sub(began) < late {
			n++
		}
	}
	return len(c.trips) < most && n <= int(c.quick/pace)
}

// learn notes how long a trip took. What holds one up, here or there, is not the
// way: a shorter time is believed at once, a longer one by and by.
func (c *combiner) learn(took time.Duration) {
	if c.quick == 0 || took < c.quick {
		c.quick = took
		return
	}
	c.quick += min(took-c.quick, c.quick) / 64
}

// shared is a trip for those who wait longest, as many as go in one.
type shared struct {
	began time.Time
	batch []*waiter
}

// next is the trip that may begin: nil when none may, or nobody waits.
func (c *combiner) next(now time.Time) *shared {
	if len(c.waiting) == 0 || !c.free(now) {
		return nil
	}
	t := &shared{now, make([]*waiter, 0, len(c.waiting))}
	room := min(company, int(companyBytes/max(c.store.reply.Load(), 1)))
	n := 0
	for _, w := range c.waiting {
		if !w.left(now) {
			if len(t.batch) > 0 && w.keys > room {
				break
			}
			room -= w.keys
			t.batch = append(t.batch, w)
		}
		n++
	}
	c.waiting = slices.Delete(c.waiting, 0, n)
	if len(t.batch) == 0 {
		return nil
	}
	c.trips = append(c.trips, now)
	return t
}

// begin makes a trip, and those after it until nobody waits.
func (c *combiner) begin(t *shared) {
	if t == nil {
		return
	}
	go func() {
		for t != nil {
			err := c.carry(t.batch)
			t = c.end(t.began, err)
		}
	}()
}

// end is the end of a trip; it gives the one that takes its place. c.mu is not held.
func (c *combiner) end(began time.Time, err error) *shared {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.trips, began)
	c.trips = slices.Delete(c.trips, i, i+1)
	if err == nil {
		c.learn(now.Sub(began))
	}
	return c.next(now)
}

// carry is a trip for several. It lasts as long as the most patient of them.
func (c *combiner) carry(batch []*waiter) error {
	n := 0
	until := batch[0].until
	for _, w := range batch {
		n += len(w.reads)
		if w.until.After(until) {
			until = w.until
		}
	}
	reads := make([]fqgw.UnitRead, 0, n)
	for _, w := range batch {
		reads = append(reads, w.reads...)
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
		w.done <- struct{}{}
	}
	return err
}
