package stream

import (
	"context"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/fqgw/fqgw"
)

const (
	// DefaultMemory is the budget of all pipelines where Options name none, in bytes.
	DefaultMemory = 1 << 30
	// LeastMemory is the smallest budget that serves: below it a record of ordinary
	// size is a share by itself, and every step waits for the one before.
	LeastMemory = 16 << 20

	memoryOption = "--stream-memory"
)

// budget is what the pipelines may keep in memory, divided once (Options.Memory).
// An account is full at its limit; its owners may be past it by what each of them
// must have to go on: a reader by one batch, a lander and a folder by what they
// take at once.
//
//   - ahead, an eighth: events ahead of the clock, which the states have singly.
//     They stay for as long as the clock takes, so they must not displace the rest.
//   - batches, an eighth: what is fetched and decoded and not yet folded and
//     landed. It only has to cover the time between two polls.
//   - landing, a quarter: rows that wait for a commit, and those of the commit
//     under way. Commits are the fewer, the more rows there is place for.
//   - states, a half: entities, also those that wait for a flush, and the flushes
//     under way. What is not there is read again, a trip for each batch.
type budget struct {
	ahead, batches, landing, states *fqgw.Memory

	feeds, landers, folders atomic.Int64 // that are at work
}

func (b *budget) divide(whole *fqgw.Memory) {
	part := func(who string, share int64) *fqgw.Memory { return whole.Part(who, memoryOption, max(share, 1)) }
	n := whole.Limit()
	b.ahead, b.batches = part("events ahead of the clock", n/8), part("batches of records", n/8)
	b.landing, b.states = part("rows to be landed", n/4), part("states of entities", n/2)
}

// Account is a share of the budget of all pipelines.
type Account struct {
	Name        string // ahead, batches, landing, states
	Used, Limit int64  // bytes
}

// Memory says how much of the budget is in use, by share.
func (p *Pipeline) Memory() []Account {
	b := &p.budget
	return []Account{{"ahead", b.ahead.Used(), b.ahead.Limit()}, {"batches", b.batches.Used(), b.batches.Limit()},
		{"landing", b.landing.Used(), b.landing.Limit()}, {"states", b.states.Used(), b.states.Limit()}}
}

// batchBytes is how many bytes a batch has at most, but for a record that has more
// by itself. Queues are 16 batches long: one source can fill its own.
func (b *budget) batchBytes() int64 { return max(b.batches.Limit()/16, 1) }

// fetchBytes is how many bytes one more consumer may fetch ahead. The sum over many
// of them stays below the share.
func (b *budget) fetchBytes() int64 {
	return b.batches.Limit() / 8 / max(b.feeds.Load(), 1)
}

// forFolder is how much one of the folders may keep, in bytes.
func (b *budget) forFolder() int64 { return b.states.Limit() / max(b.folders.Load(), 1) }

// purse pays for the batches of one reader, of a topic or of a history. One
// goroutine pays; whoever is the last to be done with a batch gives back.
type purse struct {
	mem  *fqgw.Memory
	back chan struct{} // something was given back
}

func (b *budget) purse() *purse {
	return &purse{mem: b.batches.Part("batches of a source", memoryOption, 0), back: make(chan struct{}, 1)}
}

// pay takes n bytes, at once where nothing else is out; else it waits until there
// is room. late is told after a second of it.
func (p *purse) pay(ctx context.Context, n int64, late func()) error {
	if p.mem.Take(n) == nil {
		return nil
	}
	tick := time.NewTicker(20 * time.Millisecond) // others give back too
	defer tick.Stop()
	for began := time.Now(); ; {
		if p.mem.Used() == 0 {
			p.mem.Force(n)
			return nil
		}
		if p.mem.Take(n) == nil {
			return nil
		}
		if late != nil && time.Since(began) > time.Second {
			late()
			late = nil
		}
		select {
		case <-p.back:
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// change corrects what was paid for a batch to what it takes.
func (p *purse) change(paid, takes int64) {
	if takes > paid {
		p.mem.Force(takes - paid)
	} else if takes < paid {
		p.give(paid - takes)
	}
}

func (p *purse) give(n int64) {
	p.mem.Give(n)
	select {
	case p.back <- struct{}{}:
	default:
	}
}

// close ends a purse when nobody is left who would give back; what is in the
// queues of a crew that has failed goes with it.
func (p *purse) close() {
	p.mem.Set(0)
	p.mem.Close()
}

// What things take besides what they refer to.
var (
	eventBytes = int64(reflect.TypeFor[fqgw.Event]().Size())
	routeBytes = int64(reflect.TypeFor[route]().Size())
	entryBytes = int64(reflect.TypeFor[entry]().Size()) + 64 // and its places in a map and a list
)

// guess is what a record takes as an event, before it is decoded: the values of its
// row, and no more text than it has.
func guess(r *fqgw.LogRecord, columns int) int64 {
	return eventBytes + int64(columns)*valueBytes + int64(len(r.Key)+len(r.Value))
}
