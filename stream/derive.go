package stream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
)

// Derive gives the rows of a derived source for events of its origin: what its feature
// views have now or, with then, had at the known time of each event. at says which event
// a row is made of, in their order; others were dropped.
type Derive func(ctx context.Context, s *fqgw.Source, events []*fqgw.Event, then bool) (rows [][]fqgw.Value, at []int, err error)

// passesWithin is for how much of the machine's time a record is fresh: it sees what is
// served when it passes. One that comes later sees what was served when it was known.
const passesWithin = 10 * time.Second

// deriver writes the records of a derived source: each record that the gate of the origin
// accepts, once, to the partition of its own number, in their order. A write is a
// transaction, and says by a header of each record where the origin had it: whoever
// goes on reads there how far the one before came.
type deriver struct {
	s       *source // the derived one
	encoder decode.Encoder
	derive  Derive

	mu      sync.Mutex
	pass    *passing // nil between passes
	changed chan struct{}
	passed  []int64 // of the origin, by partition: what passing.next was last

	floor atomic.Int64 // every record that comes is known later, or came late; MinInt64: not known
}

// passing is a run of a deriver from the place that it found.
type passing struct {
	d      *deriver
	origin *source
	at     *incarnation // of the origin
	feed   *feed
	writer fqgw.LogWriter
	over   chan struct{}
	next   []int64   // of the origin, by partition: below it all is written, or dropped
	known  []int64   // by partition: the known time of the last record
	end    []int64   // of the derived topic, by partition: behind the last record that was written
	noted  []int64   // what the registry has of next
	when   time.Time // when it was noted
}

// passed is what a record had that its events do not say.
type passed struct {
	stamp int64
	key   []byte
}

func (p *Pipeline) newDeriver(s *source) (*deriver, error) {
	if p.o.Derive == nil {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "derived sources are not supported")
	}
	encoder, err := p.o.Encoder(s.src())
	if err != nil {
		return nil, err
	}
	d := &deriver{s: s, encoder: encoder, derive: p.o.Derive, changed: make(chan struct{})}
	d.floor.Store(math.MinInt64)
	return d, nil
}

// run passes records until the source stops.
func (d *deriver) run() {
	s := d.s
	for again := tryAgain; s.life.Err() == nil; {
		began := time.Now()
		err := guarded(d.work)
		if s.life.Err() != nil {
			return
		}
		s.broke(err)
		d.trouble(err)
		if time.Since(began) > time.Minute || hasMoved(err) {
			again.Reset()
		}
		again.Wait(s.life)
	}
}

// trouble says why no records are passed; nil: they are.
func (d *deriver) trouble(err error) {
	text := ""
	if err != nil {
		e := fqgw.AsError(err)
		if text = e.Message; e.Detail != "" {
			text += ": " + e.Detail
		}
	}
	d.s.stats.trouble("deriving", text)
}

// work passes records from the place that is found to the first doubt.
func (d *deriver) work() error {
	s, p := d.s, d.s.p
	ctx := s.life
	origin, err := p.source(s.src().Derived.Origin.Qualified().String())
	if err != nil {
		return err
	}
	at := origin.at.Load()
	// First the one before is fenced, then what it wrote is read.
	w, err := s.log.Writer(ctx, s.src().Topic, "fqgw."+s.src().Topic)
	if err != nil {
		return err
	}
	defer w.Close()
	from, err := d.place(ctx, origin, at)
	if err != nil {
		return err
	}
	r := &passing{d: d, origin: origin, at: at, writer: w, over: make(chan struct{}), next: from, noted: slices.Clone(from), known: make([]int64, len(from)), end: make([]int64, len(from))}
	for i := range r.known {
		r.known[i] = math.MinInt64
	}
	r.feed, err = newFeed(ctx, origin, &crew{s: origin, at: at, ctx: ctx}, nil, nil, slices.Clone(from))
	if err != nil {
		return err
	}
	defer r.feed.close()
	r.feed.sink = r.take
	d.reachedTo(from)
	d.publish(r)
	defer close(r.over)
	defer d.publish(nil)
	d.trouble(nil)
	return r.feed.run(ctx, func() bool { return false })
}

func (d *deriver) publish(r *passing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pass = r
	close(d.changed)
	d.changed = make(chan struct{})
}

// reachedTo notes how far the origin has passed.
func (d *deriver) reachedTo(next []int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.passed = append(d.passed[:0], next...)
}

// behind says in the status of partitions how many records of the origin, which ends
// there, have not passed.
func (d *deriver) behind(list []fqgw.StreamStatus, end []int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range min(len(list), len(end), len(d.passed)) {
		list[i].Behind = max(end[i]-d.passed[i], 0)
	}
}

// take derives and writes a batch of the origin.
func (r *passing) take(ctx context.Context, b *batch) error {
	b.pending.Store(1)
	defer b.done()
	s := r.d.s
	recs, err := r.records(ctx, b)
	if err != nil {
		return err
	}
	s.p.fault("before-derive")
	if err := r.writer.Write(ctx, recs); err != nil {
		return err
	}
	s.p.fault("after-derive")
	for i := range recs {
		r.end[recs[i].Partition] = recs[i].Offset + 1
	}
	s.p.metrics.derived.Add(int64(len(recs)))
	s.p.metrics.derivedFrom.Add(int64(len(b.events)))
	least := int64(math.MaxInt64)
	for _, sp := range b.spans {
		r.next[sp.partition] = sp.next
		if sp.landable > 0 {
			r.known[sp.partition] = sp.last
		}
	}
	for _, k := range r.known {
		least = min(least, k)
	}
	r.d.floor.Store(least)
	r.d.reachedTo(r.next)
	if len(recs) < len(b.events) || len(b.events) == 0 { // the topic does not tell of what was dropped
		return r.note(ctx)
	}
	return nil
}

// records are the records of a batch as they are written. It waits as long as what is
// looked up cannot be read.
func (r *passing) records(ctx context.Context, b *batch) ([]fqgw.LogRecord, error) {
	var rows [][]fqgw.Value
	var of []int
	for again := tryAgain; len(b.events) > 0; {
		over := r.sayLate()
		err := r.settled(ctx)
		if err == nil {
			rows, of, err = r.rows(ctx, b)
		}
		over()
		if err == nil {
			r.d.trouble(nil)
			break
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r.d.trouble(err)
		if !again.Wait(ctx) {
			return nil, context.Cause(ctx)
		}
	}
	recs := make([]fqgw.LogRecord, len(rows))
	var payload []byte
	name := r.origin.src().Qualified().String()
	for i, row := range rows {
		ev, was, from := &b.events[of[i]], &b.passed[of[i]], len(payload)
		var err error
		if payload, err = r.d.encoder.Append(payload, row); err != nil {
			return nil, fmt.Errorf("the record at offset %d of partition %d of source %s cannot be written: %w", ev.Pos.Offset, ev.Pos.Partition, name, err)
		}
		recs[i] = fqgw.LogRecord{Partition: ev.Pos.Partition, Timestamp: was.stamp, Key: was.key, Value: payload[from:len(payload):len(payload)],
			Headers: []fqgw.Header{{Name: OriginHeader, Value: originText(ev.Pos, name)}}}
	}
	return recs, nil
}

// sayLate says after a second why a batch waits, unless over is called before.
func (r *passing) sayLate() (over func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-done:
			return
		case <-time.After(time.Second):
		}
		text := "what it looks up is not applied yet"
		for _, v := range r.d.s.src().Derived.Views {
			if s, err := r.d.s.p.source(v.Source.Qualified().String()); err == nil {
				if why := s.stats.text(); why != "" {
					text += fmt.Sprintf(": source \"%s\": %s", s.src().Qualified(), why)
					break
				}
			}
		}
		r.d.s.stats.trouble("deriving", text)
	}()
	return func() {
		close(done)
		<-ended
	}
}

// rows are those of a batch's events: the fresh ones see what is served now, the others
// what was served when they were known.
func (r *passing) rows(ctx context.Context, b *batch) (rows [][]fqgw.Value, of []int, err error) {
	clock := r.d.s.p.o.Clock
	rate, _ := clock.IsSet()
	fresh := clock.Now() - int64(rate*float64(passesWithin.Microseconds()))
	var events [2][]*fqgw.Event
	var places [2][]int
	for i := range b.events {
		then := 0
		if b.events[i].Known < fresh {
			then = 1
		}
		events[then], places[then] = append(events[then], &b.events[i]), append(places[then], i)
	}
	var made [2][][]fqgw.Value
	var at [2][]int
	for then := range events {
		if len(events[then]) == 0 {
			continue
		}
		if made[then], at[then], err = r.d.derive(ctx, r.d.s.src(), events[then], then == 1); err != nil {
			return nil, nil, err
		}
		for i, n := range at[then] {
			at[then][i] = places[then][n]
		}
	}
	for len(at[0])+len(at[1]) > 0 {
		then := 0
		if len(at[0]) == 0 || len(at[1]) > 0 && at[1][0] < at[0][0] {
			then = 1
		}
		rows, of = append(rows, made[then][0]), append(of, at[then][0])
		made[then], at[then] = made[then][1:], at[then][1:]
	}
	return rows, of, nil
}

// settled waits until all is applied that lies in the topics of what is looked up.
func (r *passing) settled(ctx context.Context) error {
	seen := map[string]bool{}
	for _, v := range r.d.s.src().Derived.Views {
		name := v.Source.Qualified().String()
		if seen[name] || r.d.s.p.table(name) != nil {
			continue
		}
		seen[name] = true
		s, err := r.d.s.p.source(name)
		if err == nil {
			err = s.settled(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settled waits until all is applied that lies in the source's topic, or is to be
// derived into it, and is not ahead of the clock.
func (s *source) settled(ctx context.Context) error {
	if s.deriver != nil {
		if err := s.deriver.caughtUp(ctx); err != nil {
			return err
		}
	}
	return s.during(ctx, func(ctx context.Context, ses *session) error {
		_, end, err := s.log.Offsets(ctx, s.src().Topic)
		if err != nil {
			return err
		}
		if err := ses.reach(ctx, reach{end: end, all: true}); err != nil {
			return err
		}
		return ses.crew.flush(ctx)
	})
}

// caughtUp waits until all that lies in the origin's topic, and is not ahead of the
// clock, is passed; 55000 when that does not come, and says why.
func (d *deriver) caughtUp(ctx context.Context) error {
	origin, err := d.s.p.source(d.s.src().Derived.Origin.Qualified().String())
	if err != nil {
		return err
	}
	if origin.deriver != nil {
		if err := origin.deriver.caughtUp(ctx); err != nil {
			return err
		}
	}
	_, end, err := origin.log.Offsets(ctx, origin.src().Topic)
	if err != nil {
		return err
	}
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		d.mu.Lock()
		r, changed := d.pass, d.changed
		d.mu.Unlock()
		reached := make(chan error, 1)
		var written []int64
		var over chan struct{}
		if r != nil {
			over = r.over
			r.feed.do(func() {
				r.feed.reaches = append(r.feed.reaches, &reach{end: end, all: true, done: func(err error) {
					written = slices.Clone(r.end)
					reached <- err
				}})
			})
			changed = nil
		}
		for again := true; again; {
			select {
			case err := <-reached:
				if err == nil {
					err = d.shown(ctx, written)
				}
				return err
			case <-over:
				again = false
			case <-changed:
				again = false
			case <-d.s.done:
				return errStopped()
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-tick.C:
				if why := d.s.stats.why("deriving"); why != "" && time.Since(began) > patience {
					return fqgw.Errorf(fqgw.CodeNotInState, "records of source \"%s\" wait, and are not passed into \"%s\": %s", origin.src().Qualified(), d.s.src().Qualified(), why).
						WithHint("They are not lost: they pass when that is over.")
				}
			}
		}
	}
}

// passedBy waits until what was known at k, and lay in the origin's topic when the call
// began, is passed.
func (d *deriver) passedBy(ctx context.Context, k int64, notice func(string)) error {
	if k < d.floor.Load() {
		return nil
	}
	if notice != nil {
		late := time.AfterFunc(time.Second, func() {
			notice(fmt.Sprintf("waiting until the records of source %q are passed into %q", d.s.src().Derived.Origin.Name, d.s.src().Name))
		})
		defer late.Stop()
	}
	err := d.caughtUp(ctx)
	if lost(err) && d.s.frontier.settled(k) {
		return nil
	}
	if errors.Is(err, errSessionOver) && ctx.Err() == nil {
		return d.caughtUp(ctx)
	}
	return err
}

// shown waits until the topic shows what was written below some offsets: brokers may end
// a transaction a moment after they have said that they will. What was written into a
// topic that is gone is not waited for.
func (d *deriver) shown(ctx context.Context, below []int64) error {
	topic := d.s.at.Load().ID
	for again := (fqgw.Backoff{First: time.Millisecond, Most: 100 * time.Millisecond}); ; {
		_, end, err := d.s.log.Offsets(ctx, d.s.src().Topic)
		if err != nil {
			return err
		}
		missing := false
		for p, o := range below {
			missing = missing || p < len(end) && end[p] < o
		}
		if !missing || d.s.at.Load().ID != topic || !again.Wait(ctx) {
			return ctx.Err()
		}
	}
}
