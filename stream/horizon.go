package stream

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/fqgw/fqgw"
)

const (
	// clockSlack is how far the clock may be behind a state's horizon; it is held
	// there then. Further back the states are made anew (SEMANTICS §6.1).
	clockSlack = fqgw.ClockSlack
	// foresight is how far ahead the registry says that horizons may be, in the
	// clock's time for so much of the machine's (microseconds), so that it need not
	// be told of each. A clock that stands needs none.
	foresight = 1_000_000
)

// horizon is what no state in the online store is ahead of, as the registry has it.
// It must be known before such a state is written: a process that is killed does
// not get to say it afterwards, and the next one would not notice that the clock
// went back. An era is the time from one return of the clock by more than
// clockSlack to the next; the registry has for each view the era of its states.
type horizon struct {
	mu     sync.Mutex
	loaded bool   // the registry was asked
	text   string // what it has
	era    int64
	bound  int64
	any    bool // there is a bound
}

// factHorizon outlives the process, version 1: "1 <era> <bound in microseconds>".
const factHorizon = "horizon"

func horizonText(era, bound int64) string { return fmt.Sprintf("1 %d %d", era, bound) }

func parseHorizon(text string) (era, bound int64, any bool, err error) {
	if text == "" {
		return 1, 0, false, nil
	}
	var version int
	if _, err := fmt.Sscanf(text, "%d %d %d", &version, &era, &bound); err != nil || version != 1 {
		return 0, 0, false, fqgw.Errorf(fqgw.CodeDataCorrupted, "the horizon %q of the registry cannot be read", text)
	}
	return era, bound, true, nil
}

// Horizon is what no state in the online store is ahead of (SEMANTICS §6.1);
// MinInt64 is that nothing was ever written.
func Horizon(ctx context.Context, r fqgw.Registry) (int64, error) {
	text, err := r.Get(ctx, factHorizon)
	if err != nil {
		return 0, err
	}
	_, bound, any, err := parseHorizon(text)
	if !any {
		bound = -1 << 63
	}
	return bound, err
}

// eraFact has the era of a view's states.
func eraFact(v *fqgw.FeatureView) string {
	return "era " + strconv.FormatInt(v.State, 10)
}

// load asks the registry. h.mu is held.
func (p *Pipeline) loadHorizon(ctx context.Context) error {
	h := &p.horizon
	if h.loaded {
		return nil
	}
	text, err := p.o.Registry.Get(ctx, factHorizon)
	if err != nil {
		return err
	}
	h.era, h.bound, h.any, err = parseHorizon(text)
	h.text, h.loaded = text, err == nil
	return err
}

// swapHorizon tells the registry of an era and a bound, and says whether it took
// them: not when another process told it something since it was asked, which is
// asked for then. h.mu is held.
func (p *Pipeline) swapHorizon(ctx context.Context, era, bound int64) (bool, error) {
	h := &p.horizon
	text := horizonText(era, bound)
	same, err := p.o.Registry.Swap(ctx, factHorizon, h.text, text)
	if err != nil {
		return false, err
	}
	if same {
		h.era, h.bound, h.any, h.text = era, bound, true, text
	} else {
		h.loaded = false
	}
	return same, nil
}

// foresee sees to it that the registry knows of a horizon before states with it
// are written.
func (p *Pipeline) foresee(ctx context.Context, t int64) error {
	h := &p.horizon
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		if err := p.loadHorizon(ctx); err != nil {
			return err
		}
		if t > p.o.Clock.Now()+clockSlack {
			return errClock // it would be of an era that is over
		}
		if h.any && t <= h.bound {
			return nil
		}
		rate, _ := p.o.Clock.IsSet()
		if told, err := p.swapHorizon(ctx, h.era, max(t, t+int64(foresight*rate))); told || err != nil {
			return err
		}
	}
}

var errClock = &fenced{"the clock"}

// currentEra looks at the clock: when it went back further than it is held, another
// era has begun.
func (p *Pipeline) currentEra(ctx context.Context) (int64, error) {
	h := &p.horizon
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		if err := p.loadHorizon(ctx); err != nil {
			return 0, err
		}
		now, bound := p.o.Clock.Now(), h.bound
		if !h.any || bound <= now+clockSlack {
			return h.era, nil
		}
		told, err := p.swapHorizon(ctx, h.era+1, now)
		if err != nil {
			return 0, err
		}
		if told {
			p.o.Logger.Warn("the clock went back: what is online is rebuilt from history", "from", fqgw.TimeText(bound), "to", fqgw.TimeText(now))
			return h.era, nil
		}
	}
}

// checkClock drops the states of a view that were written in another era.
func (s *source) checkClock(ctx context.Context, v *fqgw.FeatureView, notice func(string)) error {
	era, err := s.p.currentEra(ctx)
	if err != nil {
		return err
	}
	text, err := s.p.o.Registry.Get(ctx, eraFact(v))
	now := strconv.FormatInt(era, 10)
	if err != nil || text == now {
		return err
	}
	if text != "" {
		if err := s.p.makeUnfit(ctx, v); err != nil {
			return err
		}
		notice(fmt.Sprintf("the clock went back: the online state of %s is rebuilt from history", v.Name))
		if err := s.p.o.Online.Drop(ctx, v.State); err != nil {
			return err
		}
	}
	return s.p.o.Registry.Put(ctx, eraFact(v), now)
}
