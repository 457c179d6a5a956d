package stream

import (
	"container/heap"
	"fmt"
	"slices"
	"sync"

	"github.com/fqgw/fqgw"
)

// pause says why a partition stands, for applying and landing alike: before which
// offset, and one of three reasons.
type pause struct {
	offset int64
	known  int64  // the set clock must come to it,
	full   bool   // or the events ahead of their time fill their budget,
	broken string // or the next record makes a panic: nothing helps but another program
}

// waits says whether the partition stands for the clock alone: what comes is
// ahead of it, and nobody is to see it.
func (p *pause) waits() bool { return !p.full && p.broken == "" }

// text is the reason; budget is that of the events ahead of their time.
func (p *pause) text(budget int64) string {
	switch {
	case p.broken != "":
		return p.broken
	case p.full:
		return fmt.Sprintf("the events ahead of their time fill their %d bytes of memory (stream_memory)", budget)
	}
	return "waits for the clock: the next record is known at " + show(p.known)
}

// ahead is the account of the events of all sources that are ahead of their time:
// each state that they belong to keeps them singly (SEMANTICS §6.1).
type ahead struct {
	budget int64

	mu      sync.Mutex
	sum     int64
	charges charges
}

type charge struct {
	until, bytes int64
	source       *source
}

// What an event takes that is kept singly, and each of its values, besides text.
const (
	heldBytes  = 256
	valueBytes = 48
)

// admit charges an event that so many views keep singly; false when the budget has
// no place for it. One event fits in any case.
func (a *ahead) admit(s *source, ev *fqgw.Event, payload, views int) bool {
	bytes := int64(views) * (heldBytes + int64(len(ev.Row))*valueBytes + int64(payload))
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes == 0 {
		return true
	}
	if a.sum > 0 && a.sum+bytes > a.budget {
		return false
	}
	a.sum += bytes
	heap.Push(&a.charges, charge{ev.VisibleAt(), bytes, s})
	return true
}

// room gives back what the clock has come to, and says whether it is worth while to
// go on.
func (a *ahead) room(now int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.charges) > 0 && a.charges[0].until <= now {
		a.sum -= heap.Pop(&a.charges).(charge).bytes
	}
	return a.sum <= a.budget/8*7
}

// forget gives back what a source was charged.
func (a *ahead) forget(s *source) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.charges = slices.DeleteFunc(a.charges, func(c charge) bool {
		if c.source == s {
			a.sum -= c.bytes
		}
		return c.source == s
	})
	heap.Init(&a.charges)
}

// charges are a heap by until.
type charges []charge

func (c charges) Len() int           { return len(c) }
func (c charges) Less(i, j int) bool { return c[i].until < c[j].until }
func (c charges) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *charges) Push(x any)        { *c = append(*c, x.(charge)) }
func (c *charges) Pop() any {
	last := len(*c) - 1
	x := (*c)[last]
	*c = (*c)[:last]
	return x
}
