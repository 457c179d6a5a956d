package fqgw

import (
	"sync"
	"time"
)

// Clock tells T (SEMANTICS §1): the machine's clock, or a set clock that starts
// at a given time and goes on at a rate. Flushes, landing and commits run on
// real time whatever the Clock says. Safe for concurrent use.
type Clock struct {
	mu    sync.Mutex
	set   bool
	start int64     // what a set clock showed …
	at    time.Time // … at this moment
	rate  float64
}

// RealClock is the machine's clock.
func RealClock() *Clock { return &Clock{rate: 1} }

// SetClock starts at t (microseconds UTC) and runs rate times as fast as the
// machine's clock; rate 0 stands still.
func SetClock(t int64, rate float64) *Clock {
	return &Clock{set: true, start: t, at: time.Now(), rate: rate}
}

// Now is the time in microseconds UTC.
func (c *Clock) Now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() int64 {
	if !c.set {
		return time.Now().UnixMicro()
	}
	return c.start + int64(float64(time.Since(c.at).Microseconds())*c.rate)
}

// IsSet says whether the clock is not the machine's, and gives its rate.
func (c *Clock) IsSet() (rate float64, set bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rate, c.set
}

// Advance moves a set clock by us microseconds (forward only) and returns the
// new time; 55000 on the machine's clock.
func (c *Clock) Advance(us int64) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.set {
		return 0, Errorf(CodeNotInState, "the clock is the machine's and cannot be moved").
			WithHint("Start with --clock to run on a set clock.")
	}
	if us < 0 {
		return 0, Errorf(CodeInvalidParameter, "the clock cannot go back")
	}
	c.start, c.at = c.now()+us, time.Now()
	return c.start, nil
}
