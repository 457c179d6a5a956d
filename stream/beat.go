package stream

import (
	"time"

	"github.com/fqgw/fqgw"
)

// Global windows are published once a second (SEMANTICS §3.8): the state of their only
// entity, which stands at the whole second of the clock, is written when the clock has
// come to the next one, also while there are no events. Every event of the source changes
// it, so that it is not written with every flush as others are. Events that come meanwhile
// are in it all the same (stream/window, ahead.go): what is written has everything below
// the unit's positions.

const (
	// beatEvery is how often the clock is looked at, in real time.
	beatEvery = 100 * time.Millisecond
	// beatLeast is how long there is at least between two writes, in real time: a set
	// clock may run faster.
	beatLeast = 500 * time.Millisecond
	// beatMost is when a state that changed is written although the clock stands still.
	beatMost = time.Second
	second   = 1_000_000
)

// beat is when the global windows of a unit were published.
type beat struct {
	key       fqgw.EntityKey
	published int64     // the second
	at        time.Time // in real time
}

// global says that a view is over all entities.
func (v *view) global() bool { return len(v.v.Keys) == 0 }

// beating is f.beat's channel where there are global windows, nil else.
func (f *folder) beating(tick *time.Ticker) <-chan time.Time {
	if len(f.beats) == 0 {
		return nil
	}
	return tick.C
}

// meet loads the entities of global windows, which are written without events too.
func (f *folder) meet() error {
	for _, u := range f.beats {
		f.entry(u, u.beat.key)
	}
	if len(f.missing) == 0 {
		return nil
	}
	return f.load()
}

// beat publishes what is due.
func (f *folder) beat() error {
	f.tick()
	for _, u := range f.beats {
		if f.strikes(u) {
			if err := f.meet(); err != nil {
				return err
			}
			if !f.drains() {
				f.flush(false, false)
			}
			return nil
		}
	}
	return nil
}

// strikes says that the global windows of a unit are to be published.
func (f *folder) strikes(u *unit) bool {
	since := time.Since(u.beat.at)
	return f.c.live && (fqgw.Floor(f.h, second) > u.beat.published && since >= beatLeast || len(u.dirty) > 0 && since >= beatMost) ||
		len(u.dirty) > 0 && f.laden()
}

// publish packs the global windows that are due; with all every one that has changed since
// it was published, or the second has.
func (f *folder) publish(all bool, to func(*unit) *flight) {
	for _, u := range f.beats {
		e := u.entries[u.beat.key]
		changed := len(u.dirty) > 0 || fqgw.Floor(f.h, second) > u.beat.published
		if e == nil || e.state == nil || !(all && changed) && !f.strikes(u) {
			continue
		}
		if fl := to(u); fl != nil {
			f.touch(e)
			f.pack(fl, u)
			u.beat.published, u.beat.at = fqgw.Floor(f.h, second), time.Now()
		}
	}
}
