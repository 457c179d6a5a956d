package stream

import (
	"context"
	"fmt"
	"strconv"

	"github.com/fqgw/fqgw"
)

const (
	// clockSlack is how far the clock may be behind a state's horizon; the state is
	// then read at its horizon. Further back the view is rebuilt (SEMANTICS §6.1).
	clockSlack = 60_000_000
	// foresight is how far ahead the registry says that horizons may be, so that it
	// need not be told of each. A clock further back than clockSlack less foresight
	// may be taken for one that is further back than clockSlack.
	foresight = 30_000_000
)

// horizonFact names what no horizon of a view's states is ahead of.
func horizonFact(v *fqgw.FeatureView) string {
	return "horizon " + v.Name + "@" + strconv.FormatInt(v.State, 10)
}

// foresee sees to it that the registry knows of a horizon before states with it
// are written: a process that is killed does not get to say it afterwards.
func (s *source) foresee(ctx context.Context, v *fqgw.FeatureView, h int64) error {
	s.mu.Lock()
	known, ok := s.horizons[v.State]
	s.mu.Unlock()
	if ok && h <= known {
		return nil
	}
	if !ok { // what a process before said
		text, err := s.p.o.Registry.Get(ctx, horizonFact(v))
		if err != nil {
			return err
		}
		known, err = strconv.ParseInt(text, 10, 64)
		ok = err == nil
	}
	if !ok || h > known {
		known = h + foresight
		if err := s.p.o.Registry.Put(ctx, horizonFact(v), strconv.FormatInt(known, 10)); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.horizons[v.State] = known
	s.mu.Unlock()
	return nil
}

// forget is told that there are no states of a view any more.
func (s *source) forget(ctx context.Context, v *fqgw.FeatureView) error {
	s.mu.Lock()
	delete(s.horizons, v.State)
	s.mu.Unlock()
	return s.p.o.Registry.Put(ctx, horizonFact(v), "")
}

// checkClock drops the states of a view that were written when the clock was
// much further.
func (s *source) checkClock(ctx context.Context, v *fqgw.FeatureView, notice func(string)) error {
	text, err := s.p.o.Registry.Get(ctx, horizonFact(v))
	if err != nil || text == "" {
		return err
	}
	h, err := strconv.ParseInt(text, 10, 64)
	now := s.p.o.Clock.Now()
	if err != nil || h <= now+clockSlack {
		return nil
	}
	msg := fmt.Sprintf("the clock went back from about %s to %s: the online state of %s is rebuilt from history", show(h-foresight), show(now), v.Name)
	s.p.o.Logger.Warn(msg)
	if err := s.p.unfill(ctx, v); err != nil {
		return err
	}
	notice(msg)
	if err := s.p.o.Online.Drop(ctx, v.Name, v.State); err != nil {
		return err
	}
	return s.forget(ctx, v)
}
