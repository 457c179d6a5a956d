package fqgw

import (
	"errors"
	"math"
	"testing"
	"time"
)

// TestClockIsHeld: a clock that goes back by up to a minute is held at what it
// showed; further back it goes (SEMANTICS §6.1).
func TestClockIsHeld(t *testing.T) {
	const sec = 1_000_000
	c := SetClock(1000*sec, 0)
	for _, s := range []struct{ raw, want, behind int64 }{
		{1000, 1000, 0}, {970, 1000, 30}, {940, 1000, 60}, {1001, 1001, 0}, {940, 940, 0}, {939, 940, 1}, {-5000, -5000, 0},
	} {
		c.start = s.raw * sec
		if now, behind := c.Now(), c.Behind(); now != s.want*sec || behind != s.behind*sec {
			t.Errorf("set to %d it shows %d, behind by %d", s.raw, now/sec, behind/sec)
		}
	}
	c = SetClock(1000*sec, 0)
	if b := c.Hold(1061 * sec); b != 0 || c.Now() != 1000*sec {
		t.Errorf("held at more than a minute ahead: %d", c.Now()/sec)
	}
	if b := c.Hold(1030 * sec); b != 30*sec || c.Now() != 1030*sec {
		t.Errorf("held at %d, behind by %d", c.Now()/sec, b/sec)
	}
	if now, err := c.Advance(5 * sec); err != nil || now != 1035*sec || c.Behind() != 0 {
		t.Errorf("moved from where it is held: %d, %v", now/sec, err)
	}
	if b := c.Hold(1000 * sec); b != 0 || c.Now() != 1035*sec {
		t.Errorf("held at a time before: %d", c.Now()/sec)
	}
}

// TestClockIsRemembered before it is shown, and a running one ahead of what the
// process can show before it is kept again.
func TestClockIsRemembered(t *testing.T) {
	const sec = 1_000_000
	c := SetClock(1000*sec, 0)
	var kept, shown int64
	c.Remember(func(t int64) error {
		kept, shown = t, c.Now()
		return nil
	})
	if now, err := c.Advance(30 * sec); err != nil || now != 1030*sec || kept != now || shown != 1000*sec {
		t.Errorf("now %d, kept %d while it showed %d, %v", now/sec, kept/sec, shown/sec, err)
	}
	full := errors.New("the disk is full")
	c.Remember(func(int64) error { return full })
	if _, err := c.Advance(sec); err != full || c.Now() != 1030*sec {
		t.Errorf("moved to %d although it is not remembered: %v", c.Now()/sec, err)
	}
	if _, err := c.Advance(math.MaxInt64); AsError(err).Code != CodeDatetimeOverflow || c.Now() != 1030*sec {
		t.Errorf("beyond the range: %d, %v", c.Now(), err)
	}
	c = SetClock(1000*sec, 60)
	c.Remember(func(t int64) error { kept = t; return nil })
	if err := c.Keep(false); err != nil || kept < c.Now()+60*sec {
		t.Errorf("kept %d s ahead: a second later it is behind", (kept-c.Now())/sec)
	}
	if err := c.Keep(true); err != nil || kept > c.Now() || kept < c.Now()-60*sec {
		t.Errorf("at the end %d kept, it shows %d", kept, c.Now())
	}
	kept = 0
	c = RealClock()
	c.Remember(func(t int64) error { kept = t; return nil })
	if err := c.Keep(true); err != nil || kept != 0 || time.Since(time.UnixMicro(c.Now())) > time.Minute {
		t.Errorf("the machine's clock was kept: %d, %v", kept, err)
	}
}
