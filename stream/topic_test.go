package stream

import (
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// TestTopicMadeAgain: a topic that is deleted and made again, with other
// partitions, under a running process. What was polled of the old one is landed;
// the records of the new one count once, from its beginning.
func TestTopicMadeAgain(t *testing.T) {
	for name, partitions := range map[string]int{"same": 2, "fewer": 1, "more": 3} {
		t.Run(name, func(t *testing.T) {
			w, p, src, views := setup(t, fqgw.SetClock(t0, 0), func(o *Options) { o.LandEvery = time.Hour })
			for i := range int32(2) {
				w.produce(t, fqgw.LogRecord{Partition: i, Timestamp: t0, Value: []byte("bad")}, on(i, record("a", -1, -1)), on(i, record("a", -1, -1)))
			}
			p.sync(t)
			w.produce(t, on(0, record("a", -1, -1)), on(1, record("a", -1, -1)))
			eventually(t, "polled", func() bool { return p.Metrics().Events == 6 })
			if rows := w.rows(); rows != 4 {
				t.Fatalf("landed %d, want 4: the rest waits", rows)
			}
			w.log.again(partitions)
			w.produce(t, fqgw.LogRecord{Timestamp: t0, Value: []byte("bad")}, on(0, record("a", -1, -1)), on(int32(partitions)-1, record("a", -1, -1)))
			p.sync(t)
			if err := p.WaitKnown(t.Context(), "s", t0, nil); err != nil {
				t.Error(err)
			}
			if n, rows := w.count(t, views[0], "a"), w.rows(); n != 8 || rows != 8 {
				t.Errorf("counted %d, landed %d, want 8 and 8", n, rows)
			}
			if n := len(w.registry.letters); n != 3 {
				t.Errorf("%d dead letters, want 3", n)
			}
			for _, s := range p.Status() {
				if s.Epoch != 1 || s.Lag() != 0 || s.Applied != s.End || s.Paused != "" {
					t.Errorf("status %+v", s)
				}
			}
			if got := len(p.Status()); got != partitions {
				t.Errorf("%d partitions in the status", got)
			}
			p.stop()
			p = begin(t, w, src, views, nil)
			w.produce(t, on(0, record("a", -1, -1)))
			p.sync(t)
			if n, rows := w.count(t, views[0], "a"), w.rows(); n != 9 || rows != 9 {
				t.Errorf("after a restart: counted %d, landed %d, want 9 and 9", n, rows)
			}
		})
	}
}

// TestTopicMadeAgainUnasked: nobody asks, the consumer or the clock tells.
func TestTopicMadeAgainUnasked(t *testing.T) {
	w, p, _, views := setup(t, fqgw.SetClock(t0, 0), nil)
	w.produce(t, on(0, record("a", -1, -1)))
	p.sync(t)
	w.log.again(2)
	w.produce(t, on(0, record("a", -1, -1)))
	eventually(t, "counted", func() bool { return w.count(t, views[0], "a") == 2 })
}

// TestPartitionsAdded: partitions that a topic gets under a running process are
// waited for and taken up.
func TestPartitionsAdded(t *testing.T) {
	for name, wait := range map[string]func(t *testing.T, p *process, v *fqgw.FeatureView) error{
		"sync": func(t *testing.T, p *process, _ *fqgw.FeatureView) error { return p.Sync(t.Context()) },
		"as of": func(t *testing.T, p *process, _ *fqgw.FeatureView) error {
			return p.WaitKnown(t.Context(), "s", t0, nil)
		},
		"a new view": func(t *testing.T, p *process, v *fqgw.FeatureView) error { return p.AddView(t.Context(), v, nil) },
		"nobody":     func(t *testing.T, p *process, v *fqgw.FeatureView) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1, 4, fqgw.SetClock(t0, 0))
			src := testSource()
			views := testViews(src)
			p := w.start(nil)
			p.look = time.Hour
			if name == "nobody" {
				p.look = time.Millisecond
			}
			t.Cleanup(p.kill)
			if err := p.AddSource(t.Context(), src); err != nil {
				t.Fatal(err)
			}
			if err := p.AddView(t.Context(), views[0], nil); err != nil {
				t.Fatal(err)
			}
			w.produce(t, record("a", -1, -1))
			p.sync(t)
			w.log.grow(3)
			w.produce(t, on(0, record("a", -1, -1)), on(1, record("a", -1, -1)), on(2, record("a", -1, -1)))
			if err := wait(t, p, views[1]); err != nil {
				t.Fatal(err)
			}
			switch name {
			case "sync", "as of":
				if rows := w.rows(); rows != 4 {
					t.Errorf("landed %d, want 4", rows)
				}
			}
			if name != "as of" && name != "nobody" {
				if n := w.count(t, views[0], "a"); n != 4 {
					t.Errorf("counted %d, want 4", n)
				}
			}
			eventually(t, "counted", func() bool { return w.count(t, views[0], "a") == 4 })
			p.sync(t)
			if s := p.Status(); len(s) != 3 || s[2].Landed != 1 {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func on(partition int32, r fqgw.LogRecord) fqgw.LogRecord {
	r.Partition = partition
	return r
}
