package stream

import (
	"context"
	"errors"
	"sync"
)

// Sync returns when everything that was produced before the call, and is not
// ahead of the clock, is applied online and landed, and every unit records it.
func (p *Pipeline) Sync(ctx context.Context) error {
	sources := p.all()
	errs := make([]error, len(sources))
	var wg sync.WaitGroup
	for i, s := range sources {
		wg.Go(func() { errs[i] = s.sync(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *source) sync(ctx context.Context) error {
	_, end, err := s.p.o.Log.Offsets(ctx, s.topic.Name)
	if err != nil {
		return err
	}
	return s.during(ctx, func(ctx context.Context, ses *session) error {
		reached := make(chan struct{})
		ses.feed.do(func() {
			ses.feed.reaches = append(ses.feed.reaches, &reach{end, func() { close(reached) }})
		})
		select {
		case <-reached:
		case <-ctx.Done():
			return errSessionOver
		}
		var landed error
		var wg sync.WaitGroup
		wg.Go(func() { landed = ses.lander.wait(ctx) })
		err := ses.crew.flush(ctx)
		wg.Wait()
		if err == nil {
			err = landed
		}
		return err
	})
}
