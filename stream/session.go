package stream

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fqgw/fqgw"
)

// session is the goroutines of one source, from claiming its units to the first
// doubt about any of them.
type session struct {
	s      *source
	at     *incarnation
	ctx    context.Context
	fail   context.CancelCauseFunc
	feed   *feed
	crew   *crew
	lander *lander
	wg     sync.WaitGroup
	// polling ends before ctx when the session ends gracefully: then nothing more
	// is consumed.
	polling context.Context
	retired atomic.Pointer[error] // why the session ends gracefully
	over    chan struct{}         // closed when every goroutine has ended
}

// open claims the units of every view and finds where consumption starts.
func (s *source) open(ctx context.Context, fail context.CancelCauseFunc) (*session, error) {
	if s.unmet {
		if err := s.meetHistory(ctx, s.at.Load().Topic); err != nil {
			s.stats.trouble("landing", err.Error())
			return nil, err
		}
		s.stats.trouble("landing", "")
		s.unmet = false
	}
	at, err := s.takeUp(ctx)
	if err != nil {
		return nil, err
	}
	ses := &session{s: s, at: at, ctx: ctx, fail: fail, over: make(chan struct{}), crew: newCrew(ctx, fail, s, at, true)}
	s.mu.Lock()
	views := slices.Clone(s.views)
	s.mu.Unlock()
	for _, v := range views {
		shares, err := s.prepare(ctx, at, nil, v, func(string) {})
		if err != nil {
			return nil, err
		}
		for i, f := range ses.crew.folders {
			f.attach(shares[i])
		}
	}
	pl, err := s.places(ctx, at)
	if err != nil {
		return nil, err
	}
	from := make([]int64, at.Partitions)
	for p := range from {
		m := pl.snap.Landed.Of(int32(p))
		if from[p] = offsetIn(m, at.epoch); from[p] > pl.end[p] {
			return nil, s.cutShort(ctx, at, p, pl.end[p], from[p])
		}
		if m != (fqgw.Mark{}) && from[p] < pl.first[p] {
			s.lostRecords(int32(p), from[p], pl.first[p])
		}
		from[p] = max(from[p], pl.first[p])
	}
	for _, f := range ses.crew.folders {
		for _, sh := range f.shares {
			for p := range from {
				from[p] = min(from[p], sh.applied.Of(int32(p)).Next)
			}
		}
	}
	for _, f := range ses.crew.folders {
		copy(f.progress, from)
		copy(f.flushed, from)
	}
	ses.lander = newLander(ctx, s, at, pl.snap.Landed)
	s.frontier.reset(pl.snap.Landed, at.Partitions, at.epoch)
	s.stats.begin(from, pl.snap.Landed, at.epoch)
	if ses.feed, err = newFeed(ctx, s, ses.crew, ses.lander, views, slices.Clone(from)); err != nil {
		ses.lander.builder.Release()
		return nil, err
	}
	ses.feed.moved = ses.retire
	return ses, nil
}

// cutShort says that the log ends before what was read from it: new records
// would get offsets that were passed already. Or it is another topic by now.
func (s *source) cutShort(ctx context.Context, at *incarnation, p int, end, had int64) error {
	if err := s.still(ctx, at); err != nil {
		return err
	}
	return fqgw.Errorf(fqgw.CodeDataCorrupted, "partition %d of topic %s ends at offset %d, before offset %d that was read already: the broker has lost records", p, s.src().Topic, end, had)
}

// places are where a topic begins and ends and what of it is landed.
type places struct {
	first, end []int64
	snap       fqgw.Snapshot
}

func (s *source) places(ctx context.Context, at *incarnation) (pl places, err error) {
	now := s.p.o.Clock.Now()
	err = retry(ctx, func(err error) { s.stats.trouble("log", err.Error()) }, func() (err error) {
		now = s.p.o.Clock.Now()
		pl.first, pl.end, err = s.log.Offsets(ctx, s.src().Topic)
		return err
	})
	if err != nil {
		return pl, err
	}
	s.frontier.ended(pl.end, now)
	s.stats.trouble("log", "")
	if err := at.counts(len(pl.first)); err != nil {
		return pl, err
	}
	err = retry(ctx, nil, func() (err error) {
		pl.snap, err = s.p.o.History.Current(ctx, s.src().History)
		return err
	})
	return pl, err
}

// ends asks where the topic ends. A log that was away a moment ago gets little time.
func (s *source) ends(ctx context.Context) ([]int64, error) {
	if s.stats.why("log") != "" {
		bounded, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		end, err := s.askEnds(bounded)
		if err != nil && ctx.Err() == nil && bounded.Err() != nil {
			return nil, fqgw.Errorf(fqgw.CodeConnectionFailure, "the log of source %q cannot be reached: no answer in time", s.src().Name).
				WithHint("What is known to be landed can be read AS OF an earlier time.")
		}
		return end, err
	}
	return s.askEnds(ctx)
}

func (s *source) askEnds(ctx context.Context) ([]int64, error) {
	now := s.p.o.Clock.Now()
	_, end, err := s.log.Offsets(ctx, s.src().Topic)
	if err == nil {
		s.frontier.ended(end, now)
		s.stats.trouble("log", "")
	} else if lost(err) {
		s.stats.trouble("log", err.Error())
	}
	return end, err
}

// lostRecords says that records are neither in the log nor in the history.
func (s *source) lostRecords(p int32, from, first int64) {
	s.p.o.Logger.Error("the broker no longer has records that were never landed", "source", s.src().Name, "partition", p, "from", from, "to", first)
	s.stats.lost(p, from, first)
}

// start lets the goroutines of an opened session run.
func (ses *session) start() {
	s := ses.s
	var stopped context.CancelFunc
	ses.polling, stopped = context.WithCancel(ses.ctx)
	ses.crew.start()
	ses.wg.Go(func() {
		if err := guardedAt(func() *fqgw.Position { return ses.lander.hand }, ses.lander.run); err != nil {
			ses.fail(err)
		}
	})
	wake := context.AfterFunc(s.life, func() { ses.feed.do(func() {}) })
	ses.wg.Go(func() {
		defer wake()
		defer stopped()
		err := guarded(func() error {
			return ses.feed.run(ses.ctx, func() bool { return s.life.Err() != nil || ses.retired.Load() != nil })
		})
		if err != nil {
			ses.fail(err)
			return
		}
		// A graceful end: what was polled is flushed and landed.
		_ = put(ses.ctx, ses.lander.in, msg[*lander]{do: func(l *lander) { l.stopping = true }})
		_ = ses.crew.do(ses.ctx, func(f *folder) { f.stopping = true })
	})
	ses.wg.Go(func() {
		if err := guarded(ses.watch); err != nil {
			ses.fail(err)
		}
	})
	ses.wg.Go(func() {
		if err := guarded(ses.makeFit); err != nil && ses.polling.Err() == nil {
			ses.fail(err)
		}
	})
}

// wait returns when the session is over, with the reason; nil after a graceful end.
func (ses *session) wait() error {
	defer close(ses.over)
	ses.crew.wg.Wait()
	ses.wg.Wait()
	ses.feed.close()
	err := context.Cause(ses.ctx)
	if why := ses.retired.Load(); err == nil && why != nil {
		err = *why
	}
	ses.fail(errSessionOver)
	return err
}

// abandon gives back what an opened session holds that never ran.
func (ses *session) abandon() {
	ses.feed.close()
	ses.lander.builder.Release()
	close(ses.over)
}

// attach hands a filled view to the session: its folders keep the shares from
// here on, and consumption goes back to where the view is. Every consumer skips
// what it has.
func (ses *session) attach(ctx context.Context, v *view, shares []*share) error {
	return ses.inFeed(ctx, func() error {
		s := ses.s
		s.mu.Lock()
		v.set = keySet(s.views, v.v)
		s.views = append(s.views, v)
		ses.feed.router = newRouter(s.p.o.Online.Shards(), len(ses.crew.folders), s.views)
		s.mu.Unlock()
		if err := ses.crew.do(ses.ctx, func(f *folder) {
			f.attach(shares[f.id])
			f.shrink()
		}); err != nil {
			return err
		}
		from, back := slices.Clone(ses.feed.next), false
		for _, sh := range shares {
			for p := range from {
				if next := sh.applied.Of(int32(p)).Next; next < from[p] {
					from[p], back = next, true
				}
			}
		}
		if !back {
			return nil
		}
		return ses.feed.seek(ses.ctx, from)
	})
}

// detach makes the session forget a view; no flush of it is under way afterwards.
func (ses *session) detach(ctx context.Context, v *fqgw.FeatureView) error {
	var gone []*view
	err := ses.inFeed(ctx, func() error {
		s := ses.s
		s.mu.Lock()
		defer s.mu.Unlock()
		s.views = slices.DeleteFunc(s.views, func(w *view) bool {
			if w.v.State != v.State {
				return false
			}
			gone = append(gone, w)
			return true
		})
		ses.feed.router = newRouter(s.p.o.Online.Shards(), len(ses.crew.folders), s.views)
		return nil
	})
	if err != nil || len(gone) == 0 {
		return err
	}
	return ses.crew.quiet(ctx, func(f *folder) {
		for _, w := range gone {
			f.detach(w)
		}
	})
}

// inFeed has something done by the feed's goroutine and waits for it.
func (ses *session) inFeed(ctx context.Context, what func() error) error {
	done := make(chan error, 1)
	ses.feed.do(func() {
		err := what()
		if err != nil {
			ses.fail(err)
		}
		done <- err
	})
	select {
	case err := <-done:
		return err
	case <-ses.ctx.Done():
		return errSessionOver
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch looks from time to time whether the topic is what it was, and notes how far
// the history is.
func (ses *session) watch() error {
	s := ses.s
	tick := time.NewTicker(s.p.look)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.still(ses.polling, ses.at); hasMoved(err) {
				ses.retire(err)
				return nil
			}
			_, _ = s.ends(ses.polling)
			s.keep(ses.ctx)
		case <-ses.polling.Done():
			return nil
		}
	}
}
