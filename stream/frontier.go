package stream

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

// frontier says, by partition, which known times the history may still lack
// (SEMANTICS §5, "No gap at the front").
type frontier struct {
	mu      sync.Mutex
	parts   []front
	changed chan struct{} // closed when anything moves
}

type front struct {
	landed int64 // offset after the last record in the history
	base   int64 // known time of the last landed record, or of the first one polled; MinInt64: not known yet
	ahead  []stretch
	paused *pause
}

// stretch is what was polled up to an offset and is not landed.
type stretch struct {
	next        int64
	least, last int64 // known times; least is MaxInt64 without an event
}

func newFrontier(partitions int) *frontier {
	f := &frontier{parts: make([]front, partitions), changed: make(chan struct{})}
	for p := range f.parts {
		f.parts[p].base = math.MinInt64
	}
	return f
}

func (f *frontier) move() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// reset begins a session at the landed positions.
func (f *frontier) reset(landed fqgw.Marks, epoch int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.parts {
		f.parts[p] = front{landed: offsetIn(landed.Of(int32(p)), epoch), base: f.parts[p].base}
	}
	f.move()
}

func (f *frontier) polled(spans []span) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range spans {
		p := &f.parts[s.partition]
		if s.next <= p.landed {
			continue
		}
		st := stretch{next: s.next, least: math.MaxInt64, last: math.MinInt64}
		if s.landable > 0 {
			st.least, st.last = s.least, s.last
			if p.base == math.MinInt64 {
				p.base = s.first
			}
		}
		p.ahead = append(p.ahead, st)
	}
	f.move()
}

func (f *frontier) landed(to fqgw.Marks, epoch int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.parts {
		p := &f.parts[i]
		p.landed = max(p.landed, offsetIn(to.Of(int32(i)), epoch))
		n := 0
		for n < len(p.ahead) && p.ahead[n].next <= p.landed {
			if p.ahead[n].last != math.MinInt64 {
				p.base = p.ahead[n].last
			}
			n++
		}
		p.ahead = append(p.ahead[:0], p.ahead[n:]...)
	}
	f.move()
}

func (f *frontier) pause(partition int32, why *pause) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parts[partition].paused = why
	f.move()
}

// clear says whether the history has everything known at k that lay below end;
// nil stands for offsets that nobody asked for yet.
func (f *frontier) clear(k int64, end []int64, now int64) (ok bool, changed chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.parts {
		p := &f.parts[i]
		if end != nil && i < len(end) && p.landed >= end[i] {
			continue
		}
		if p.paused != nil && !p.paused.held && p.paused.known > now && p.landed >= p.paused.offset {
			continue // what comes is ahead of the clock
		}
		least := p.base
		for _, s := range p.ahead {
			least = min(least, s.least)
		}
		if k >= least {
			return false, f.changed
		}
	}
	return true, f.changed
}

// WaitKnown returns when the history has every record of the source that was
// known at k and lay in the log when the call began. A k before the frontier
// does not wait. notice is told after a second.
func (p *Pipeline) WaitKnown(ctx context.Context, source string, k int64, notice func(string)) error {
	s, err := p.source(source)
	if err != nil {
		return err
	}
	now := p.o.Clock.Now
	if ok, _ := s.frontier.clear(k, nil, now()); ok {
		return nil
	}
	_, end, err := p.o.Log.Offsets(ctx, s.topic.Name)
	if err != nil {
		return err
	}
	s.wanted.Add(1) // a landing comes early
	defer s.wanted.Add(-1)
	s.hurry()
	late := time.NewTimer(time.Second)
	defer late.Stop()
	for {
		ok, changed := s.frontier.clear(k, end, now())
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-late.C:
			if notice != nil {
				notice(fmt.Sprintf("waiting until the records of source %q are landed", source))
			}
		case <-time.After(100 * time.Millisecond): // the clock may have moved
		case <-s.done:
			return errStopped()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
