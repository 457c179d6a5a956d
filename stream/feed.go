package stream

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

// batchRecords bounds a batch, so that folding begins before a long poll is decoded.
const batchRecords = 2048

// feed consumes a topic for a crew of folders and, in a session, for the
// lander. Its goroutine alone touches what is not under mu.
type feed struct {
	s        *source
	crew     *crew
	lander   *lander // nil while a new view catches up: then records are neither landed, buried nor counted
	gates    *gates
	router   *router
	purse    *purse
	fetch    int64 // bytes that the consumer may have fetched
	consumer fqgw.Consumer
	next     []int64                             // by partition: the record that is expected
	floors   []int64                             // of a changelog, by partition: the known time of the last change before it
	follower *follower                           // of a changelog, in a session
	paused   []*pause                            // by partition: nil while it runs
	reaches  []*reach                            // statements that wait
	verdicts []deadLetter                        // of the batch in the making
	said     time.Time                           // when refused records were last logged
	unsaid   int                                 // refused since then
	moved    func(error)                         // told when the topic is another one; nil: that is an error
	sure     bool                                // the consumer reads the topic that was taken up
	sink     func(context.Context, *batch) error // takes the batches, in the place of a crew

	mu     sync.Mutex
	todo   []func() // what others want done between two polls
	cancel func()   // of the poll that is under way
}

type deadLetter = fqgw.DeadLetter

// reach waits until everything below the end offsets was sent on that is not
// ahead of the clock.
type reach struct {
	end  []int64
	all  bool // a partition that stands for another reason does not count as reached
	done func(error)
}

func newFeed(ctx context.Context, s *source, c *crew, l *lander, views []*view, from []int64) (*feed, error) {
	g, err := s.gates()
	if err != nil {
		return nil, err
	}
	b := &s.p.budget
	b.feeds.Add(1)
	f := &feed{s: s, crew: c, lander: l, gates: g, router: newRouter(s.p.o.Online.Shards(), len(c.folders), views), purse: b.purse(), fetch: b.fetchBytes()}
	b.batches.Force(f.fetch)
	if err := f.seek(ctx, from); err != nil {
		f.close()
		return nil, err
	}
	if l != nil && s.src().Changelog() {
		err := retry(ctx, nil, func() (err error) {
			f.follower, err = s.newFollower(ctx, c.at.epoch, len(from))
			return err
		})
		if err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

// close gives back what the feed's batches take, once nobody reads them any more.
func (f *feed) close() {
	if f.consumer != nil {
		f.consumer.Close()
		f.consumer = nil
	}
	f.purse.close()
	f.s.p.budget.batches.Give(f.fetch)
	f.s.p.budget.feeds.Add(-1)
}

// seek consumes from other offsets, or from earlier ones.
func (f *feed) seek(ctx context.Context, from []int64) error {
	if f.consumer != nil {
		f.consumer.Close()
		f.consumer = nil
	}
	err := retry(ctx, nil, func() (err error) {
		f.floors, err = f.s.floors(ctx, f.crew.at.epoch, from)
		return err
	})
	if err != nil {
		return err
	}
	err = retry(ctx, f.trouble, func() (err error) {
		f.consumer, err = f.s.log.Consume(ctx, f.s.src().Topic, from, f.fetch/2) // what is polled keeps its fetch while the next one comes
		return err
	})
	for p := range f.paused {
		if f.paused[p] != nil {
			f.unpause(int32(p))
		}
	}
	f.next, f.sure, f.paused = from, false, make([]*pause, len(from))
	return err
}

func (f *feed) trouble(err error) {
	if f.lander != nil {
		f.s.stats.trouble("log", err.Error())
	}
}

// do has something done by the feed's goroutine, between two polls.
func (f *feed) do(what func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.todo = append(f.todo, what)
	if f.cancel != nil {
		f.cancel()
	}
}

// run consumes until ctx ends or stop says so.
func (f *feed) run(ctx context.Context, stop func() bool) error {
	for ctx.Err() == nil {
		f.mu.Lock()
		todo := f.todo
		f.todo = nil
		f.mu.Unlock()
		for _, do := range todo {
			do()
		}
		if ctx.Err() != nil { // one of them failed, perhaps in the midst of a seek
			break
		}
		if stop() {
			return nil
		}
		f.resume()
		f.answer()
		recs, err := f.poll(ctx)
		if err == nil && len(recs) > 0 && !f.sure {
			err = f.s.still(ctx, f.crew.at)
			f.sure = err == nil
		}
		switch {
		case hasMoved(err) && f.moved != nil:
			f.moved(err)
			continue
		case err != nil:
			return err
		}
		if len(recs) == 0 {
			continue
		}
		f.s.p.fault("poll")
		polled := time.Now()
		for len(recs) > 0 {
			n, bytes := f.cut(recs)
			if err := f.pay(ctx, bytes); err != nil {
				return err
			}
			if err := f.take(ctx, recs[:n], bytes, polled); err != nil {
				return err
			}
			recs = recs[n:]
		}
	}
	return context.Cause(ctx)
}

// poll waits for records; it comes back empty when there is something else to do.
func (f *feed) poll(ctx context.Context) ([]fqgw.LogRecord, error) {
	wait := time.Second
	for _, p := range f.paused {
		if p != nil {
			wait = 5 * time.Millisecond
		}
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	f.mu.Lock()
	f.cancel = cancel
	if len(f.todo) > 0 {
		cancel()
	}
	f.mu.Unlock()
	recs, err := f.consumer.Poll(ctx)
	f.mu.Lock()
	f.cancel = nil
	f.mu.Unlock()
	if err != nil && (ctx.Err() != nil || lost(err)) {
		if lost(err) {
			f.trouble(err)
			<-ctx.Done()
		}
		return nil, nil
	}
	if err != nil && fqgw.UnlessMissing(err) == nil { // has it been made again?
		if again := f.s.still(ctx, f.crew.at); hasMoved(again) {
			return nil, again
		}
		f.trouble(err)
		<-ctx.Done()
		return nil, nil
	}
	return recs, err
}

// cut says how many of the records make a batch, and what it will take.
func (f *feed) cut(recs []fqgw.LogRecord) (n int, bytes int64) {
	most := f.s.p.budget.batchBytes()
	each := int64(len(f.router.keys)) * routeBytes
	for n < min(len(recs), batchRecords) {
		r := guess(&recs[n], len(f.gates.src.Columns)) + each
		if n > 0 && bytes+r > most {
			break
		}
		n, bytes = n+1, bytes+r
	}
	return n, bytes
}

// pay waits until there is memory for a batch; its partitions stand meanwhile.
func (f *feed) pay(ctx context.Context, bytes int64) error {
	late := false
	err := f.purse.pay(ctx, bytes, func() {
		late = f.lander != nil
		if late {
			f.s.stats.trouble("memory", fmt.Sprintf("the batches that are not folded and landed fill their %d bytes of memory (stream_memory)", f.s.p.budget.batches.Limit()))
		}
	})
	if late {
		f.s.stats.trouble("memory", "")
	}
	return err
}

// take decodes and judges records, for which so many bytes were paid, and sends on
// what they are.
func (f *feed) take(ctx context.Context, recs []fqgw.LogRecord, paid int64, polled time.Time) error {
	b := &batch{events: make([]fqgw.Event, 0, len(recs)), polled: polled, purse: f.purse}
	gap, ok := f.judgeAll(b, recs)
	f.purse.change(paid, b.bytes)
	if !ok || len(b.spans) == 0 {
		return nil
	}
	if err := f.bury(ctx); err != nil {
		return err
	}
	if err := f.s.noteLapse(ctx, gap); err != nil {
		return err
	}
	return f.send(ctx, b)
}

// judgeAll puts what records are into a batch, and notes what is refused; not ok where the
// source has another definition, by which the next session reads them.
func (f *feed) judgeAll(b *batch, recs []fqgw.LogRecord) (gap *lapse, ok bool) {
	f.s.judging.RLock()
	defer f.s.judging.RUnlock()
	if f.s.next.Load() != nil || f.s.src() != f.gates.src {
		return nil, false
	}
	in := f.moment()
	f.verdicts = f.verdicts[:0]
	var at *span
	for i := range recs {
		r := &recs[i]
		if int(r.Partition) >= len(f.next) || r.Offset < f.next[r.Partition] || f.paused[r.Partition] != nil {
			continue
		}
		if r.Control { // nothing but a place
			if at == nil || at.partition != r.Partition {
				at = b.span(r.Partition, f.next[r.Partition])
			}
			at.next, at.stamp = r.Offset+1, r.Timestamp
			f.next[r.Partition] = at.next
			continue
		}
		events, stop, err := f.judge(b.events, r, &in)
		if stop != nil {
			f.pause(r.Partition, stop)
			continue
		}
		if at == nil || at.partition != r.Partition {
			at = b.span(r.Partition, f.next[r.Partition])
		}
		at.next, at.stamp = r.Offset+1, r.Timestamp
		f.next[r.Partition] = at.next
		gap = f.lapses(gap, r, events[min(len(b.events), len(events)):], err)
		if err != nil {
			f.refuse(r, err)
			continue
		}
		for i := len(b.events); i < len(events); i++ {
			if f.sink != nil {
				b.passed = append(b.passed, passed{r.Timestamp, bytes.Clone(r.Key)})
			}
			at.add(&events[i])
			b.bytes += f.router.bytes(&events[i])
		}
		if n := len(events); f.floors != nil && n > len(b.events) {
			f.floors[r.Partition] = events[n-1].Known
		}
		b.events = events
	}
	return gap, true
}

// moment is what a batch of records is judged in.
type moment struct {
	now    int64
	set    bool // on a set clock
	views  int
	breaks map[int32]broken
}

func (f *feed) moment() (m moment) {
	m.now = f.s.p.o.Clock.Now()
	_, m.set = f.s.p.o.Clock.IsSet()
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	m.views, m.breaks = len(f.s.views), maps.Clone(f.s.breaks)
	return m
}

// judge decodes a record, asks the gate, whose refusal is err, and appends the
// record's changes; stop is why it is not its turn yet. One change that is refused
// refuses the record, and it waits until the last one is known.
func (f *feed) judge(events []fqgw.Event, r *fqgw.LogRecord, in *moment) (out []fqgw.Event, stop *pause, err error) {
	at := f.position(r)
	if b, ok := in.breaks[r.Partition]; ok && b.stops(at) {
		return nil, &pause{offset: r.Offset, broken: b.why}, nil
	}
	defer func() {
		if what := recover(); what != nil {
			f.s.broke(panickedAt(what, at))
			in.breaks = f.moment().breaks
			stop = &pause{offset: r.Offset, broken: in.breaks[r.Partition].why}
		}
	}()
	g := f.gates.at(at)
	if out = events; !f.s.replayedFor(r) { // else it has no changes here
		out, err = g.Decode(r, events)
	}
	if lost(err) {
		return nil, &pause{offset: r.Offset, lacks: err.Error(), again: time.Now().Add(readAgain)}, nil
	}
	changes := out[len(events):]
	known, visible := int64(math.MinInt64), int64(math.MinInt64)
	for i := range changes {
		ev := &changes[i]
		ev.Pos = at
		at.Sub++
		if err == nil {
			err = g.Judge(ev, r.Timestamp)
		}
		known, visible = max(known, ev.Known), max(visible, ev.VisibleAt())
	}
	if err == nil {
		g.now(changes)
	}
	switch {
	case err != nil || len(changes) == 0:
		known = knownOf(g, changes, r)
	case f.floors != nil:
		known = max(known, f.floors[r.Partition])
		visible = f.s.knownAt(changes, known)
	}
	switch {
	case in.set && known > in.now:
		return nil, &pause{offset: r.Offset, known: known}, nil
	case err != nil || f.lander == nil || visible <= in.now || !f.s.stats.unseen(r.Partition, r.Offset):
	case !f.s.p.ahead.admit(f.s, changes, visible, len(r.Value), in.views):
		return nil, &pause{offset: r.Offset, full: true}, nil
	}
	return out, nil, err
}

// knownOf is when a record that is refused, or has no changes, could be known;
// MinInt64 when nothing says so.
func knownOf(g *gate, changes []fqgw.Event, r *fqgw.LogRecord) int64 {
	known := int64(math.MinInt64)
	for i := range max(len(changes), 1) {
		var row []fqgw.Value
		if i < len(changes) {
			row = changes[i].Row
		}
		if t, ok := g.Known(row, r.Timestamp); ok {
			known = max(known, t)
		}
	}
	return known
}

// position is where a record lies.
func (f *feed) position(r *fqgw.LogRecord) fqgw.Position {
	return fqgw.Position{Epoch: f.crew.at.epoch, Partition: r.Partition, Offset: r.Offset}
}

// span is the batch's span of a partition, begun at from when it is new.
func (b *batch) span(partition int32, from int64) *span {
	for i := range b.spans {
		if b.spans[i].partition == partition {
			return &b.spans[i]
		}
	}
	b.spans = append(b.spans, span{partition: partition, from: from, next: from})
	return &b.spans[len(b.spans)-1]
}

// refuse notes a record that the gate or the decoder did not accept.
func (f *feed) refuse(r *fqgw.LogRecord, err error) {
	if f.lander == nil || !f.s.stats.unseen(r.Partition, r.Offset) {
		return
	}
	e := fqgw.AsError(err)
	reason := fmt.Sprintf("%s (%s)", e.Message, e.Code)
	f.s.stats.refused(r.Partition)
	f.s.p.metrics.reject(e.Code)
	f.verdicts = append(f.verdicts, deadLetter{Source: f.s.src().Qualified().String(), Pos: f.position(r),
		Time: r.Timestamp, Rejected: f.s.p.o.Clock.Now(), Reason: reason, Column: e.Column, Key: bytes.Clone(r.Key),
		Headers: cloned(r.Headers), Payload: bytes.Clone(r.Value)})
}

// cloned is headers in memory of their own.
func cloned(headers []fqgw.Header) []fqgw.Header {
	headers = slices.Clone(headers)
	for i := range headers {
		headers[i].Value = bytes.Clone(headers[i].Value)
	}
	return headers
}

// bury keeps the refused records before anything says that they were passed.
func (f *feed) bury(ctx context.Context) error {
	if len(f.verdicts) == 0 {
		return nil
	}
	f.s.p.fault("before-bury")
	for again := tryAgain; ; {
		err := f.s.p.o.Letters.Bury(ctx, f.verdicts)
		if err == nil {
			f.s.p.metrics.deadLetters.Add(int64(len(f.verdicts)))
			f.sayRefused()
			f.s.stats.trouble("registry", "")
			return nil
		}
		f.s.stats.trouble("registry", "dead letters cannot be kept: "+err.Error())
		if !again.Wait(ctx) {
			return context.Cause(ctx)
		}
	}
}

// sayRefused logs refused records, at most once a minute.
func (f *feed) sayRefused() {
	f.unsaid += len(f.verdicts)
	if time.Since(f.said) < time.Minute {
		return
	}
	last := f.verdicts[len(f.verdicts)-1]
	f.s.p.o.Logger.Warn("records were refused: see fqgw.dead_letters", "source", f.s.src().Name, "records", f.unsaid, "last", last.Reason)
	f.said, f.unsaid = time.Now(), 0
}

// send passes a batch on. What is polled and not landed is known to readers
// before a flush can make it visible (SEMANTICS §5).
func (f *feed) send(ctx context.Context, b *batch) error {
	if f.sink != nil {
		return f.sink(ctx, b)
	}
	err := guardedAt(func() *fqgw.Position { return f.router.hand }, func() error {
		f.router.route(b, func(ev *fqgw.Event) {
			if f.lander != nil && f.s.stats.unseen(ev.Pos.Partition, ev.Pos.Offset) {
				f.s.stats.nullKey(ev.Pos.Partition)
				f.s.p.metrics.nullKeys.Add(1)
			}
		})
		return nil
	})
	if err != nil {
		return err
	}
	if f.lander != nil {
		if err := f.s.noteSince(ctx, b.spans); err != nil {
			return err
		}
		f.s.frontier.polled(b.spans)
		f.s.stats.seen(b.spans, f.s.p.o.Clock.Now())
		f.s.stats.trouble("log", "")
		f.s.p.metrics.events.Add(int64(len(b.events)))
	}
	b.pending.Store(int32(len(f.crew.folders)))
	if f.lander != nil {
		b.pending.Add(1)
		if err := put(ctx, f.lander.in, msg[*lander]{batch: b}); err != nil {
			return err
		}
	}
	return f.crew.send(ctx, b)
}

// pause stops a partition before a record.
func (f *feed) pause(partition int32, p *pause) {
	f.consumer.Pause(partition)
	f.paused[partition] = p
	if f.lander != nil {
		f.s.frontier.pause(partition, p)
		f.s.stats.pause(partition, p)
	}
}

// resume lets partitions go on whose clock has come, or for which there is memory.
func (f *feed) resume() {
	now := f.s.p.o.Clock.Now()
	room := f.s.p.ahead.room(f.s.p.budget.ahead, now)
	for i, p := range f.paused {
		partition := int32(i)
		if p != nil && p.over(now, room) {
			f.unpause(partition)
			f.sure = false // the consumer may ask for the topic again
			f.consumer.Resume(partition, f.next[i])
		}
	}
}

func (f *feed) unpause(partition int32) {
	f.paused[partition] = nil
	if f.lander != nil {
		f.s.frontier.pause(partition, nil)
		f.s.stats.pause(partition, nil)
	}
}

// answer tells the statements whose offsets are reached, or never will be.
func (f *feed) answer() {
	f.reaches = slices.DeleteFunc(f.reaches, func(r *reach) bool {
		if f.reached(r.end, r.all) {
			r.done(nil)
			return true
		}
		err := f.never(r)
		if err != nil {
			r.done(err)
		}
		return err != nil
	})
}

func (f *feed) reached(end []int64, all bool) bool {
	for i, p := range f.paused {
		if i < len(end) && f.next[i] < end[i] && (p == nil || all && !p.waits()) {
			return false
		}
	}
	return true
}

// never is why offsets will not be reached: a partition stands, and the clock, if
// that would help, as well.
func (f *feed) never(r *reach) error {
	rate, set := f.s.p.o.Clock.IsSet()
	for i, p := range f.paused {
		if !r.all || p == nil || p.waits() || p.lacks != "" || p.full && !(set && rate == 0) || i >= len(r.end) || f.next[i] >= r.end[i] {
			continue
		}
		err := fqgw.Errorf(fqgw.CodeNotInState, "partition %d of source \"%s\" stands at offset %d, so that its %d records from there on are not applied: %s",
			i, f.s.src().Name, f.next[i], r.end[i]-f.next[i], p.text(f.s.p.budget.ahead.Limit()))
		if p.full {
			return err.WithHint("Move the clock with fqgw.advance(), or start with more --stream-memory.")
		}
		return err.WithHint("The log has the panic. The record is in the topic: after a restart with a program that can read it the stream goes on.")
	}
	return nil
}

// put sends unless ctx ends.
func put[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
