package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream"
)

// The registry's facts about the set clock: its time, which no earlier process
// showed a later one than, and its rate; a directory remembers its clock
// (SEMANTICS §6.1).
const (
	factClock = "clock"
	factRate  = "clock_rate"
)

// setClock gives the process its clock: the one that the configuration names, else
// the one that the directory remembers, else the machine's. It is not behind what
// was written online, or by more than a minute.
func (a *App) setClock(ctx context.Context, explicit map[string]bool) error {
	horizon, err := stream.Horizon(ctx, a.registry)
	if err != nil {
		return err
	}
	if a.clock, err = a.configuredClock(ctx, explicit, horizon); err != nil {
		return err
	}
	a.clock.Remember(func(t int64) error { // a process that was killed has its clock moved, too
		return a.registry.Put(context.WithoutCancel(ctx), factClock, strconv.FormatInt(t, 10))
	})
	a.clock.Hold(horizon)
	a.sayHeld()
	rate, set := a.clock.IsSet()
	if !set {
		return a.registry.Put(ctx, factClock, "")
	}
	if err := a.registry.Put(ctx, factRate, strconv.FormatFloat(rate, 'g', -1, 64)); err != nil {
		return err
	}
	return a.clock.Keep(false)
}

func (a *App) configuredClock(ctx context.Context, explicit map[string]bool, horizon int64) (*fqgw.Clock, error) {
	if explicit["clock"] && a.config.Clock == clockReal {
		return fqgw.RealClock(), nil
	}
	if explicit["clock"] {
		t, err := clockTime(a.config.Clock)
		if err != nil {
			return nil, err
		}
		return fqgw.SetClock(t, a.config.ClockRate), nil
	}
	kept, err := a.registry.Get(ctx, factClock)
	if err != nil {
		return nil, err
	}
	if kept == "" {
		return fqgw.RealClock(), nil
	}
	t, err := strconv.ParseInt(kept, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the clock that the directory remembers is damaged: %w", err)
	}
	rate := a.config.ClockRate
	if text, err := a.registry.Get(ctx, factRate); err != nil {
		return nil, err
	} else if r, perr := strconv.ParseFloat(text, 64); perr == nil && !explicit["clock_rate"] {
		rate = r
	}
	return fqgw.SetClock(max(t, horizon), rate), nil
}

// rememberClock keeps a set clock once a second, and says when the clock is held.
func (a *App) rememberClock(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for held := a.clock.Behind() > 0; ; {
		select {
		case <-tick.C:
			if err := a.clock.Keep(false); err != nil && ctx.Err() == nil {
				return err
			}
			if now := a.clock.Behind() > 0; now != held {
				held = now
				a.sayHeld()
			}
		case <-ctx.Done():
			return a.clock.Keep(true)
		}
	}
}

// sayHeld logs that the clock stands because it is behind what was shown or
// written online. A machine's clock is a moment behind after a quick restart.
func (a *App) sayHeld() {
	behind := time.Duration(a.clock.Behind()) * time.Microsecond
	say := a.logger.Warn
	if _, set := a.clock.IsSet(); behind <= 0 {
		return
	} else if !set && behind < 2*time.Second {
		say = a.logger.Info
	}
	say("the clock is behind what is online and is held until it has come to it",
		"at", time.UnixMicro(a.clock.Now()).UTC().Format(time.RFC3339Nano), "behind", behind)
}
