package stream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

const (
	landRows  = 1 << 17 // rows that are worth a commit
	landBurst = 50      // commits that may follow each other at once; they come back one a second
)

// lander appends accepted events to a source's history, with its positions in
// the same commit (SEMANTICS §6.3). Its goroutine alone touches it.
type lander struct {
	s        *source
	at       *incarnation
	ctx      context.Context
	in       chan msg[*lander]
	builder  *array.RecordBuilder // of the source's columns
	hidden   fqgw.HiddenRows      // and of the others
	rows     int
	bytes    int64        // about what they take
	mem      *fqgw.Memory // they, and those of the commit
	landed   fqgw.Marks   // what the history has
	taken    fqgw.Marks   // what was taken, landed or not
	first    time.Time    // when the oldest waiting row was taken
	commit   *commit
	over     chan *commit
	tokens   float64
	counted  time.Time // when tokens was right
	barriers []barrier
	stopping bool
	hand     *fqgw.Position // of the row that is being taken
}

// commit is one that is under way.
type commit struct {
	rows  arrow.RecordBatch
	bytes int64
	to    fqgw.Marks
	err   error
}

// barrier is someone who waits until a vector is landed.
type barrier struct {
	to   fqgw.Marks
	done func()
}

func newLander(ctx context.Context, s *source, at *incarnation, landed fqgw.Marks) *lander {
	l := &lander{s: s, at: at, ctx: ctx, in: make(chan msg[*lander], 16), landed: landed, taken: landed,
		over: make(chan *commit, 1), tokens: landBurst, counted: time.Now()}
	l.mem = s.p.budget.landing.Part("rows of a source to be landed", memoryOption, 0)
	l.builder = array.NewRecordBuilder(memory.DefaultAllocator, fqgw.ArrowSchema(s.src().Own()))
	return l
}

// wait has something done once everything that was sent before is landed.
func (l *lander) wait(ctx context.Context) error {
	done := make(chan struct{})
	err := put(ctx, l.in, msg[*lander]{do: func(l *lander) {
		l.barriers = append(l.barriers, barrier{l.taken, func() { close(done) }})
	}})
	if err != nil {
		return err
	}
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-tick.C:
			if err := l.s.stuck(began); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.ctx.Done():
			return errSessionOver
		}
	}
}

// hurry makes the lander look at once who waits for it.
func (s *source) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		select {
		case s.session.lander.in <- msg[*lander]{do: func(*lander) {}}:
		default: // it is busy and will look anyway
		}
	}
}

// run lands until it is told to stop or the history stands elsewhere.
func (l *lander) run() error {
	landers := &l.s.p.budget.landers
	landers.Add(1)
	defer func() {
		if l.commit != nil {
			<-l.over
			l.commit.rows.Release()
		}
		l.builder.Release()
		l.mem.Set(0)
		l.mem.Close()
		landers.Add(-1)
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if l.settle(); l.stopping && l.commit == nil && l.rows == 0 {
			return nil
		}
		in := l.in
		if l.full() || l.stopping {
			in = nil
		}
		select {
		case m := <-in:
			if m.do != nil {
				m.do(l)
			} else if err := l.take(m.batch); err != nil {
				return err
			}
		case done := <-l.over:
			l.commit = nil
			done.rows.Release()
			l.mem.Give(done.bytes)
			if done.err != nil {
				return done.err
			}
			l.landed = done.to
			l.s.p.metrics.landedRows.Add(done.rows.NumRows())
			l.s.p.metrics.landings.Add(1)
			l.publish()
		case <-tick.C: // something may be due
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
	}
}

// full says that no more rows may be taken before some are landed.
func (l *lander) full() bool {
	all := l.s.p.budget.landing
	return l.mem.Used() > 0 && all.Used() >= all.Limit()
}

// pressed says that the rows are to be landed to make room: half of what there is
// for all landers is in use, since those of a commit under way need the other half,
// and not much less than others this one has.
func (l *lander) pressed() bool {
	b := &l.s.p.budget
	used := b.landing.Used()
	return l.full() || used >= b.landing.Limit()/2 && 2*l.bytes*b.landers.Load() >= used
}

// take appends a batch's events, those that the history lacks.
func (l *lander) take(b *batch) error {
	defer b.done()
	before := l.rows
	fields := l.builder.Fields()
	columns := l.s.src().Columns
	for i := range b.events {
		ev := &b.events[i]
		if l.taken.Covers(ev.Pos) {
			continue
		}
		l.hand = &ev.Pos
		for c := range columns {
			if err := fqgw.AppendValue(fields[c], ev.Row[c], columns[c].Type); err != nil {
				return fmt.Errorf("column %s of source %s cannot be landed: %w", columns[c].Name, l.s.src().Name, err)
			}
		}
		l.hidden.Append(ev)
		if l.rows++; l.rows == 1 {
			l.first = time.Now()
		}
	}
	l.hand = nil
	if more := l.rows - before; more > 0 {
		bytes := b.bytes * int64(more) / int64(len(b.events))
		l.bytes += bytes
		l.mem.Force(bytes)
	}
	taken := slices.Clone(l.taken)
	for _, s := range b.spans {
		if m := (fqgw.Mark{Epoch: l.at.epoch, Next: s.next}); taken.Of(s.partition).Before(m) {
			taken = taken.Set(s.partition, m)
		}
	}
	l.taken = taken
	if l.rows == 0 && l.commit == nil {
		l.publish()
	}
	return nil
}

// settle starts a commit when one is due, and tells those whose rows are landed.
func (l *lander) settle() {
	if l.rows == 0 && l.commit == nil {
		for _, b := range l.barriers {
			b.done()
		}
		l.barriers = nil
		return
	}
	l.barriers = slices.DeleteFunc(l.barriers, func(b barrier) bool {
		reached := samePlace(further(l.landed, b.to), l.landed)
		if reached {
			b.done()
		}
		return reached
	})
	if l.commit != nil || l.rows == 0 || !l.due() {
		return
	}
	rows := l.hidden.Complete(l.builder.NewRecordBatch())
	l.commit = &commit{rows: rows, bytes: l.bytes, to: l.taken}
	l.rows, l.bytes = 0, 0
	from, fl := l.landed, l.commit
	go func() {
		fl.err = guarded(func() error { return l.s.land(l.ctx, fl.rows, from, fl.to) })
		l.over <- fl
	}()
}

// due says whether to commit now: on demand, by size or by age, and within the
// rate; for want of memory and at the end in any case.
func (l *lander) due() bool {
	if l.stopping || l.pressed() {
		return true
	}
	if len(l.barriers) == 0 && l.s.wanted.Load() == 0 && l.rows < landRows && time.Since(l.first) < l.s.p.o.LandEvery {
		return false
	}
	now := time.Now()
	l.tokens, l.counted = min(landBurst, l.tokens+now.Sub(l.counted).Seconds()), now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

// publish tells readers of the history what they need not wait for. Positions
// that only refused records lie behind need no commit.
func (l *lander) publish() {
	to := l.landed
	if l.rows == 0 && l.commit == nil {
		to = l.taken
	}
	l.s.frontier.landed(to, l.at.epoch)
	l.s.stats.landed(to, l.at.epoch)
}

// land commits rows. The history's own positions decide whether they are in it:
// an answer that was lost changes nothing.
func (s *source) land(ctx context.Context, rows arrow.RecordBatch, from, to fqgw.Marks) error {
	s.p.fault("before-land")
	for again := tryAgain; ; {
		found, ok, err := s.p.o.History.Land(ctx, s.src().History, rows, from, to)
		if err != nil && !ok {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			s.stats.trouble("landing", err.Error())
			s.p.o.Logger.Warn("landing failed, will try again", "source", s.src().Name, "error", err)
			snap, cerr := s.p.o.History.Current(ctx, s.src().History)
			if cerr == nil {
				found = snap.Landed
			} else {
				found = from
			}
		}
		switch {
		case ok, samePlace(found, to):
			if err != nil {
				s.p.o.Logger.Warn("landed, but the history complains", "source", s.src().Name, "error", err)
			}
			s.stats.trouble("landing", "")
			s.p.fault("after-land")
			return nil
		case !samePlace(found, from):
			return &fenced{"the history of source " + s.src().Name}
		}
		if !again.Wait(ctx) {
			return context.Cause(ctx)
		}
	}
}
