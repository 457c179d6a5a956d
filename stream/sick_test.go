package stream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// TestSickServer: one of two servers of the online store is away. Events of the
// other's entities become readable, also of those that must be loaded; the status
// names the server, Applied stays below what cannot be read, and when it is back
// nothing is missing.
func TestSickServer(t *testing.T) {
	healthy, sick := "", ""
	var keys []string
	for i := range 40 {
		k := fmt.Sprint("k", i)
		key, _ := fqgw.EncodeKey(fqgw.TextValue(k))
		if keys = append(keys, k); key.Shard(4)%2 == 0 {
			healthy = k
		} else {
			sick = k
		}
	}
	for name, restart := range map[string]bool{"in memory": false, "to be loaded": true} {
		t.Run(name, func(t *testing.T) {
			w, p, src, views := setup(t, fqgw.SetClock(t0, 0), nil)
			for _, k := range keys {
				w.produce(t, record(k, -1, 0))
			}
			p.sync(t)
			if restart { // the units are not complete: every entity is read first
				p.stop()
				p = begin(t, w, src, views, nil)
			}
			p.plug.sick.Store(true)
			for _, k := range keys {
				w.produce(t, record(k, -1, 0))
			}
			eventually(t, "the healthy server has it", func() bool { return w.count(t, views[0], healthy) == 2 })
			eventually(t, "the status names the sick one", func() bool {
				return strings.Contains(p.Status()[0].Paused, "online store odd: the server of the odd shards is away")
			})
			for range 3 { // flushes go on beside the one that waits
				n := w.count(t, views[0], healthy)
				w.produce(t, record(healthy, -1, 0), record(sick, -1, 0))
				eventually(t, "the healthy server goes on", func() bool { return w.count(t, views[0], healthy) == n+1 })
			}
			if n := w.count(t, views[0], sick); n != 1 {
				t.Errorf("the sick server has %d", n)
			}
			time.Sleep(20 * time.Millisecond)
			if applied := p.Status()[0].Applied + p.Status()[1].Applied; applied > 46 {
				t.Errorf("%d records are said to be readable", applied)
			}
			p.plug.sick.Store(false)
			p.sync(t)
			for _, k := range keys {
				want := int64(2)
				if k == healthy || k == sick {
					want = 5
				}
				if n := w.count(t, views[0], k); n != want {
					t.Errorf("%s counted %d times, want %d", k, n, want)
				}
			}
			if s := p.Status()[0]; s.Paused != "" {
				t.Errorf("still %q", s.Paused)
			}
			p.stop()
			(&model{t: t, w: w, src: src, views: views, added: len(views)}).check()
		})
	}
}

// A store that hangs is named before its connections time out.
func TestHangingStore(t *testing.T) {
	w, p, _, views := setup(t, fqgw.SetClock(t0, 0), nil)
	p.plug.hangs.Store(true)
	w.produce(t, record("a", -1, 0))
	eventually(t, "the status says so", func() bool { return strings.Contains(p.Status()[0].Paused, "no answer for 2 s") })
	p.plug.hangs.Store(false)
	p.sync(t)
	if s := p.Status()[0]; s.Paused != "" || w.count(t, views[0], "a") != 1 {
		t.Errorf("afterwards %+v, counted %d", s, w.count(t, views[0], "a"))
	}
}
