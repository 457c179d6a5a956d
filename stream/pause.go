package stream

import (
	"container/heap"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

// pause says why a partition stands, for applying and landing alike: before which
// offset, and one of four reasons.
type pause struct {
	offset int64
	known  int64     // the set clock must come to it,
	full   bool      // or the events ahead of their time fill their budget,
	lacks  string    // or what it takes to read the next record is away,
	again  time.Time // which is tried again then,
	broken string    // or the next record makes a panic: nothing helps but another program
}

// readAgain is how long a partition stands before a record that cannot be read for now.
const readAgain = 250 * time.Millisecond

// waits says whether the partition stands for the clock alone: what comes is
// ahead of it, and nobody is to see it.
func (p *pause) waits() bool { return !p.full && p.broken == "" && p.lacks == "" }

// over says whether the reason may be gone; room is whether there is some for
// events ahead of their time.
func (p *pause) over(now int64, room bool) bool {
	switch {
	case p.broken != "":
		return false
	case p.lacks != "":
		return !time.Now().Before(p.again)
	case p.full:
		return room
	}
	return p.known <= now
}

// text is the reason; budget is that of the events ahead of their time.
func (p *pause) text(budget int64) string {
	switch {
	case p.broken != "":
		return p.broken
	case p.lacks != "":
		return "the next record cannot be read for now: " + p.lacks
	case p.full:
		return fmt.Sprintf("the events ahead of their time fill their %d bytes of memory (stream_memory)", budget)
	}
	return "waits for the clock: the next record is known at " + fqgw.TimeText(p.known)
}

// ahead has what is charged for the events of all sources that are ahead of their
// time: each state that they belong to keeps them singly (SEMANTICS §6.1).
type ahead struct {
	mu      sync.Mutex
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

// admit charges the changes of a record of so many bytes, of which until is the
// last one to be visible, and which so many views keep singly; false when the budget has no
// place for them. One record fits in any case. What others take beyond their shares
// does not count: a statement may be told that the events ahead fill theirs.
func (a *ahead) admit(s *source, changes []fqgw.Event, until int64, payload, views int) bool {
	mem := s.p.budget.ahead
	each := heldBytes + int64(len(s.src().Columns))*valueBytes
	bytes := int64(views) * (int64(len(changes))*each + int64(payload))
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes == 0 {
		return true
	}
	if len(a.charges) > 0 && mem.Used()+bytes > mem.Limit() {
		return false
	}
	mem.Force(bytes)
	heap.Push(&a.charges, charge{until, bytes, s})
	return true
}

// room gives back what the clock has come to, and says whether it is worth while to
// go on.
func (a *ahead) room(mem *fqgw.Memory, now int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.charges) > 0 && a.charges[0].until <= now {
		mem.Give(heap.Pop(&a.charges).(charge).bytes)
	}
	return mem.Used() <= mem.Limit()/8*7 || len(a.charges) == 0
}

// forget gives back what a source was charged.
func (a *ahead) forget(s *source) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.charges = slices.DeleteFunc(a.charges, func(c charge) bool {
		if c.source == s {
			s.p.budget.ahead.Give(c.bytes)
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
