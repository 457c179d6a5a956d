package fqgw

import (
	"math"
	"sync"
	"time"
)

// ClockSlack is how far, in microseconds, a clock may be behind what it showed: it
// is held there until it has come to it. Further back it goes back, and what was
// written online is made anew (SEMANTICS §6.1).
const ClockSlack = 60_000_000

// foresight is how far ahead a running set clock is remembered, in its own time for
// so much of the machine's: a process that is killed does not get to say what it
// showed last, and the next one must not show less.
const foresight = 2 * time.Second

// Clock tells T (SEMANTICS §1): the machine's clock, or a set clock that starts
// at a given time and goes on at a rate. Flushes, landing and commits run on
// real time whatever the Clock says. Safe for concurrent use.
type Clock struct {
	mu    sync.Mutex
	set   bool
	start int64     // what a set clock showed …
	at    time.Time // … at this moment
	rate  float64
	shown int64 // the latest that Now gave, or Hold named

	moving sync.Mutex // held while the clock is moved or remembered, around mu
	keep   func(t int64) error
}

// RealClock is the machine's clock.
func RealClock() *Clock { return &Clock{rate: 1, shown: math.MinInt64} }

// SetClock starts at t (microseconds UTC) and runs rate times as fast as the
// machine's clock; rate 0 stands still.
func SetClock(t int64, rate float64) *Clock {
	return &Clock{set: true, start: t, at: time.Now(), rate: rate, shown: math.MinInt64}
}

// Now is the time in microseconds UTC. It goes back only by more than ClockSlack.
func (c *Clock) Now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() int64 {
	if t := c.raw(); t >= c.shown || c.shown-t > ClockSlack {
		c.shown = t
	}
	return c.shown
}

// raw is the time as if the clock had never gone back.
func (c *Clock) raw() int64 {
	if !c.set {
		return time.Now().UnixMicro()
	}
	return c.start + int64(float64(time.Since(c.at).Microseconds())*c.rate)
}

// Hold has the clock show t until it comes to it, if it is behind t by at most
// ClockSlack, and says by how much it is.
func (c *Clock) Hold(t int64) (behind int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); t <= now || t-now > ClockSlack {
		return 0
	}
	c.shown = t
	return c.behind()
}

// Behind is for how many microseconds more the clock is held; 0 when it runs.
func (c *Clock) Behind() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.behind()
}

func (c *Clock) behind() int64 { return c.now() - c.raw() }

// IsSet says whether the clock is not the machine's, and gives its rate.
func (c *Clock) IsSet() (rate float64, set bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rate, c.set
}

// Remember names what keeps the time of a set clock for the next process: keep is
// called before Advance moves the clock, and by Keep; by one at a time.
func (c *Clock) Remember(keep func(t int64) error) {
	c.moving.Lock()
	defer c.moving.Unlock()
	c.keep = keep
}

// Keep has the time of a set clock remembered: exactly, for a process that ends, or
// a little ahead, for one that runs and calls it once a second.
func (c *Clock) Keep(exactly bool) error {
	c.moving.Lock()
	defer c.moving.Unlock()
	c.mu.Lock()
	t := c.now()
	if !exactly {
		t = c.ahead(t)
	}
	keeps := c.set && c.keep != nil
	c.mu.Unlock()
	if !keeps {
		return nil
	}
	return c.keep(t)
}

// ahead is t and foresight, in the clock's own time.
func (c *Clock) ahead(t int64) int64 {
	return max(t, t+int64(float64(foresight.Microseconds())*c.rate)) // t at the end of the range
}

// Advance moves a set clock by us microseconds (forward only) and returns the new
// time, which is remembered before anybody is shown it; 55000 on the machine's
// clock, 22008 beyond the range of times.
func (c *Clock) Advance(us int64) (int64, error) {
	c.moving.Lock()
	defer c.moving.Unlock()
	c.mu.Lock()
	set, t, at, ahead := c.set, c.now()+us, time.Now(), c.ahead(c.now()+us)
	c.mu.Unlock()
	switch {
	case !set:
		return 0, Errorf(CodeNotInState, "the clock is the machine's and cannot be moved").
			WithHint("Start with --clock to run on a set clock.")
	case us < 0:
		return 0, Errorf(CodeInvalidParameter, "the clock cannot go back")
	case t-us > math.MaxInt64-us:
		return 0, Errorf(CodeDatetimeOverflow, "timestamp out of range")
	}
	if c.keep != nil {
		if err := c.keep(ahead); err != nil {
			return 0, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.start, c.at = t, at
	return c.now(), nil
}

// TimeText is a time as messages have it: in UTC, with what there is of microseconds.
func TimeText(t int64) string { return time.UnixMicro(t).UTC().Format("2006-01-02 15:04:05.999999Z") }
