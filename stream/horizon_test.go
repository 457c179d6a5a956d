package stream

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"unsafe"

	"github.com/fqgw/fqgw"
)

// setBack does to a clock what happens to a machine's.
func setBack(c *fqgw.Clock, t int64) {
	field := func(name string) unsafe.Pointer {
		return unsafe.Pointer(reflect.ValueOf(c).Elem().FieldByName(name).UnsafeAddr())
	}
	mu := (*sync.Mutex)(field("mu"))
	mu.Lock()
	defer mu.Unlock()
	*(*int64)(field("start")) = t
}

// TestClockWentBack: states of a later horizon are not read at an earlier time,
// whether the process ended in good order, was killed or goes on.
func TestClockWentBack(t *testing.T) {
	for _, c := range []struct {
		name string
		back int64
		end  func(p *process)
		want int64 // of two events, of which one is known when the clock is back
	}{
		{"stopped", 3600, func(p *process) { p.stop() }, 1},
		{"killed", 3600, func(p *process) { p.kill() }, 1},
		{"running", 3600, nil, 1},
		{"a minute and a bit", 61, nil, 1},
		{"within a minute, killed", 25, func(p *process) { p.kill() }, 2},
		{"within a minute, running", 59, nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, p, src, views := setup(t, fqgw.SetClock(t0, 0), nil)
			at := 3600 - c.back
			first := at - 5
			if c.want == 2 { // what was seen stays seen: the clock is held
				first = 3570
			}
			if _, err := w.clock.Advance(3600 * sec); err != nil {
				t.Fatal(err)
			}
			w.produce(t, record("a", first, first), record("a", 3600, 3600))
			p.sync(t)
			if n := w.count(t, views[0], "a"); c.want == 2 && n != 2 {
				t.Fatalf("counted %d, want 2", n)
			}
			if c.end != nil {
				c.end(p)
			}
			setBack(w.clock, t0+at*sec)
			if c.end != nil {
				p = begin(t, w, src, views, nil)
			}
			// Something to fold or to flush meets the clock.
			w.produce(t, record("b", at, at))
			if c.want == 1 {
				eventually(t, "the states are made anew", func() bool { return w.count(t, views[0], "b") == 1 && w.count(t, views[0], "a") == 1 })
			}
			p.sync(t)
			if n := w.count(t, views[0], "a"); n != c.want {
				t.Errorf("counted %d, want %d", n, c.want)
			}
		})
	}
}

// TestHorizonIsForeseen: whenever a state is in the store, the registry knows of a
// horizon that is not before its own.
func TestHorizonIsForeseen(t *testing.T) {
	w, p, _, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	for i := range int64(20) {
		w.produce(t, record("a", i*10, i*10))
		p.sync(t)
		// A clock that stands needs no foresight. The text outlives the process.
		if got, want := w.registry.facts[factHorizon], fmt.Sprintf("1 1 %d", w.clock.Now()); got != want {
			t.Errorf("the registry has %q, want %q", got, want)
		}
		if _, err := w.clock.Advance(10 * sec); err != nil {
			t.Fatal(err)
		}
	}
}
