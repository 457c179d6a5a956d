package stream

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

// frontier says, by partition, which known times the history may still lack
// (SEMANTICS §5, "No gap at the front").
type frontier struct {
	mu      sync.Mutex
	epoch   int32
	parts   []front
	changed chan struct{} // closed when anything moves
}

type front struct {
	landed int64     // offset after the last record in the history
	base   int64     // known time of the last landed record, or of the first one polled; MinInt64: not known yet
	polled []stretch // and not landed
	paused *pause
	whole  int64 // when the clock was here the partition ended at an offset below which all is landed
	asked  int64 // the same for end, which is not landed yet; MinInt64: nobody asked
	end    int64
}

// stretch is what was polled up to an offset and is not landed.
type stretch struct {
	next        int64
	least, last int64 // known times; least is MaxInt64 without an event
}

func newFrontier(partitions int, epoch int32) *frontier {
	f := &frontier{epoch: epoch, changed: make(chan struct{})}
	f.reset(nil, partitions, epoch)
	return f
}

func (f *frontier) move() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// reset begins a session at the landed positions.
func (f *frontier) reset(landed fqgw.Marks, partitions int, epoch int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.parts
	f.parts = make([]front, partitions)
	for p := range f.parts {
		f.parts[p] = front{landed: offsetIn(landed.Of(int32(p)), epoch), base: math.MinInt64, whole: math.MinInt64, asked: math.MinInt64}
		if p < len(old) && epoch == f.epoch {
			f.parts[p].base, f.parts[p].whole = old[p].base, old[p].whole
		}
	}
	f.epoch = epoch
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
		p.polled = append(p.polled, st)
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
		for n < len(p.polled) && p.polled[n].next <= p.landed {
			if p.polled[n].last != math.MinInt64 {
				p.base = p.polled[n].last
			}
			n++
		}
		p.polled = append(p.polled[:0], p.polled[n:]...)
		if p.asked != math.MinInt64 && p.landed >= p.end {
			p.whole, p.asked = p.asked, math.MinInt64
		}
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
		if p.paused != nil && (!p.paused.waits() || p.paused.known > now) && p.landed >= p.paused.offset {
			continue // what comes waits, for applying and landing alike
		}
		least := p.base
		for _, s := range p.polled {
			least = min(least, s.least)
		}
		if k >= least {
			return false, f.changed
		}
	}
	return true, f.changed
}

// ended notes where the partitions ended when the clock was at now.
func (f *frontier) ended(end []int64, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range min(len(end), len(f.parts)) {
		switch p := &f.parts[i]; {
		case p.landed >= end[i]:
			p.whole, p.asked = max(p.whole, now), math.MinInt64
		case p.asked == math.MinInt64:
			p.asked, p.end = now, end[i]
		}
	}
}

// settled says whether the history has all that was known at k as far as can be
// told without the log: it was asked later than k where the partition ends, and
// all of that is landed. The brokers' clocks may differ by clockSlack.
func (f *frontier) settled(k int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.parts {
		p := &f.parts[i]
		least := p.base
		for _, s := range p.polled {
			least = min(least, s.least)
		}
		if k >= max(least, p.whole-clockSlack) {
			return false
		}
	}
	return true
}

// text is what the next process need not ask again, version 1: by partition, base and
// whole.
func (f *frontier) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	b.WriteString("1")
	for i := range f.parts {
		fmt.Fprintf(&b, " %d %d", f.parts[i].base, f.parts[i].whole)
	}
	return b.String()
}

// restore takes up what text wrote, and of another text nothing. What was landed since then makes the times
// too small, never too great.
func (f *frontier) restore(text string) {
	words := strings.Fields(text)
	if len(words) != 1+2*len(f.parts) || words[0] != "1" {
		return
	}
	words = words[1:]
	for i := range f.parts {
		base, err1 := strconv.ParseInt(words[2*i], 10, 64)
		whole, err2 := strconv.ParseInt(words[2*i+1], 10, 64)
		if err1 == nil && err2 == nil {
			f.parts[i].base, f.parts[i].whole = base, whole
		}
	}
}

// WaitKnown returns when the history has every record of the source that was
// known at k and lay in the log when the call began. A k before the frontier
// does not wait. notice is told after a second.
func (p *Pipeline) WaitKnown(ctx context.Context, source string, k int64, notice func(string)) error {
	if p.table(source) != nil { // all that there is can be read
		return nil
	}
	s, err := p.source(source)
	if err != nil {
		return err
	}
	if s.deriver != nil {
		if err := s.deriver.passedBy(ctx, k, notice); err != nil {
			return err
		}
	}
	now := p.o.Clock.Now
	if ok, _ := s.frontier.clear(k, nil, now()); ok {
		return nil
	}
	end, err := s.ends(ctx)
	if err != nil && fqgw.UnlessMissing(err) == nil {
		// The topic is gone: more than was read of it nobody will ever know.
		end, err = s.stats.positions(), nil
	}
	if err != nil {
		if lost(err) && s.frontier.settled(k) {
			return nil
		}
		return err
	}
	if s.at.Load().counts(len(end)) != nil { // partitions were added
		if err := s.renewed(ctx, len(end)); err != nil {
			return err
		}
	}
	s.wanted.Add(1) // a landing comes early
	defer s.wanted.Add(-1)
	s.hurry()
	late := time.NewTimer(time.Second)
	defer late.Stop()
	began := time.Now()
	for {
		ok, changed := s.frontier.clear(k, end, now())
		if ok {
			if why := s.stands(end); why != "" && notice != nil {
				notice(why)
			}
			return nil
		}
		select {
		case <-changed:
		case <-late.C:
			if notice != nil {
				notice(fmt.Sprintf("waiting until the records of source %q are landed", source))
			}
		case <-time.After(100 * time.Millisecond): // the clock may have moved
			if err := s.stuck(began); err != nil {
				return err
			}
		case <-s.done:
			return errStopped()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// patience is how long a statement waits for a landing that fails again and again.
const patience = 10 * time.Second

// stuck is the error for a statement that has waited since began, when what it
// waits for cannot be landed; 53100 on a full disk.
func (s *source) stuck(began time.Time) error {
	why := s.stats.why("landing")
	if why == "" || time.Since(began) < patience {
		return nil
	}
	code := fqgw.CodeIO
	if strings.Contains(why, "no space left") {
		code = fqgw.CodeDiskFull
	}
	return fqgw.Errorf(code, "records of source %q cannot be landed: %s", s.src().Name, why).
		WithHint("They are not lost: the landing is tried on. AS OF an earlier time can be read meanwhile.")
}
