package stream

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestFillingAgain: from the moment when a store is found lost, damaged or ahead
// of the clock until it has what the log had, its view is being filled.
func TestFillingAgain(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, w *world, ses *session){
		"lost, the history has it": func(t *testing.T, w *world, ses *session) {
			w.online.lose()
			ses.fail(lookAt(ses.crew.folders[0]))
		},
		"lost, the log has it": func(t *testing.T, w *world, ses *session) {
			w.online.lose()
			w.history.mu.Lock()
			w.history.rows, w.history.landed = nil, nil
			w.history.mu.Unlock()
			ses.fail(lookAt(ses.crew.folders[0]))
		},
		"damaged": func(t *testing.T, w *world, ses *session) {
			v := ses.s.views[0].v
			ses.fail(&damaged{v, fqgw.Errorf(fqgw.CodeDataCorrupted, "a state cannot be read")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var p *process
			var v *fqgw.FeatureView
			var once sync.Once
			gate, reached := make(chan struct{}), make(chan struct{})
			w := newWorld(2, 4, fqgw.SetClock(t0, 0))
			src := testSource()
			v = testViews(src)[0]
			p = begin(t, w, src, nil, func(o *Options) {
				o.Folders = 1
				o.Fault = func(point string) {
					if _, filling := p.Filling(v); filling && point == "before-flush" && p.metrics.flushes.Load() > 0 {
						once.Do(func() { close(reached) })
						<-gate
					}
				}
			})
			var told atomic.Bool
			p.WatchFilling(func(state int64, filling bool) {
				if state == v.State && told.Swap(filling) == filling {
					t.Errorf("told twice that it is filling: %t", filling)
				}
			})
			t.Cleanup(sync.OnceFunc(func() {
				select {
				case <-gate:
				default:
					close(gate)
				}
			}))
			if err := p.AddView(t.Context(), v, nil); err != nil {
				t.Fatal(err)
			}
			if progress, filling := p.Filling(v); filling {
				t.Fatalf("AddView returned, and the view is %q", progress)
			}
			if told.Load() {
				t.Error("AddView returned, and the watcher was not told")
			}
			w.produce(t, record("a", -1, -1), record("a", -1, -1))
			p.sync(t)
			ses := p.current(t)
			harm(t, w, ses)
			<-reached // nothing is in the store again
			progress, filling := p.Filling(v)
			if history := w.rows() > 0; !filling || history && !strings.Contains(progress, "0 % (0 of 2 rows") {
				t.Errorf("filling %t, %q", filling, progress)
			}
			if !told.Load() {
				t.Error("the watcher was not told that it is being filled again")
			}
			if ok, err := p.Stands(t.Context(), v); ok || err != nil {
				t.Errorf("for the next process it stands: %t, %v", ok, err)
			}
			close(gate)
			p.sync(t)
			if progress, filling := p.Filling(v); filling {
				t.Errorf("Sync returned, and the view is %q", progress)
			}
			if told.Load() {
				t.Error("Sync returned, and the watcher was not told")
			}
			if n := w.count(t, v, "a"); n != 2 {
				t.Errorf("filled: counted %d, want 2", n)
			}
			if ok, err := p.Stands(t.Context(), v); !ok || err != nil {
				t.Errorf("it stands: %t, %v", ok, err)
			}
		})
	}
}

// lookAt compares the marks of a folder's units with the store's.
func lookAt(f *folder) error {
	var checks []check
	for _, sh := range f.shares {
		for _, u := range sh.units {
			checks = append(checks, check{u.id, u.marks})
		}
	}
	return f.c.verify("", checks)
}
