package stream

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// Sync returns when everything that was produced before the call, and is not
// ahead of the clock, is applied online and landed, and every unit records it; 55000
// when that never comes, because a partition stands for another reason.
func (p *Pipeline) Sync(ctx context.Context) error {
	sources := p.all()
	p.mu.Lock()
	tables := slices.Collect(maps.Values(p.tables))
	p.mu.Unlock()
	errs := make([]error, len(sources)+len(tables))
	var wg sync.WaitGroup
	for i, t := range tables {
		wg.Go(func() { errs[len(sources)+i] = t.follow(ctx) })
	}
	for i, s := range sources {
		wg.Go(func() { errs[i] = guarded(func() error { return s.sync(ctx) }) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *source) sync(ctx context.Context) error {
	if s.deriver != nil {
		if err := s.deriver.caughtUp(ctx); err != nil {
			return err
		}
	}
	return s.during(ctx, func(ctx context.Context, ses *session) error {
		_, end, err := s.log.Offsets(ctx, s.src().Topic)
		if err == nil { // they are of the topic that the session reads
			err = s.still(ctx, ses.at)
		}
		if err != nil {
			return err
		}
		views := s.unfit()
		if err := ses.reach(ctx, reach{end: end, all: true}); err != nil {
			return err
		}
		var unlanded error
		var wg sync.WaitGroup
		wg.Go(func() { unlanded = guarded(func() error { return ses.lander.wait(ctx) }) })
		err = ses.crew.flush(ctx)
		wg.Wait()
		if err == nil {
			err = unlanded
		}
		if err == nil { // it can be read now
			err = s.makeFit(ctx, views)
		}
		return err
	})
}

// reach waits until the feed has sent on everything below the end offsets.
func (ses *session) reach(ctx context.Context, r reach) error {
	reached := make(chan error, 1)
	r.done = func(err error) { reached <- err }
	ses.feed.do(func() { ses.feed.reaches = append(ses.feed.reaches, &r) })
	select {
	case err := <-reached:
		return err
	case <-ctx.Done():
		return errSessionOver
	}
}

// applied waits until everything that lies in the log now, and is not ahead of
// the clock, is readable.
func (ses *session) applied(ctx context.Context) error {
	pl, err := ses.s.places(ctx, ses.at)
	if err == nil { // they are of the topic that the session reads
		err = ses.s.still(ctx, ses.at)
	}
	if err != nil {
		return err
	}
	if err := ses.reach(ctx, reach{end: pl.end}); err != nil {
		return err
	}
	return ses.crew.flush(ctx)
}
