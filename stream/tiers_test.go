package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// revive is a lake that reads all rows for every entity.
func (h history) revive(_ context.Context, l *window.Layout, keys []fqgw.EntityKey, stubs []*window.Stub, most int) ([][]byte, error) {
	if err := h.check(true); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	src := l.View().Source
	s := &source{}
	s.define(src)
	out := make([][]byte, len(keys))
	for i, key := range keys {
		r := stubs[i].Revive()
		for _, row := range h.rows {
			ev, ok, err := s.eventOf(row)
			if err != nil {
				return nil, err
			}
			if k, in := l.Key(ev.Row); !ok || !in || k != key {
				continue
			}
			if in, keep, _ := l.Input(&ev); keep {
				r.Load(&in)
			}
		}
		out[i] = r.Packed()
	}
	return out, nil
}

// whole is what the store has of an entity, from the lake where there is a stub.
func (w *world) whole(l *window.Layout, key fqgw.EntityKey, b []byte) ([]byte, error) {
	if !window.IsStub(b) {
		return b, nil
	}
	stub, err := l.OpenStub(b)
	if err != nil {
		return nil, err
	}
	states, err := history{w.history, &plug{}}.revive(context.Background(), l, []fqgw.EntityKey{key}, []*window.Stub{stub}, 0)
	if err == nil && states[0] == nil {
		err = fmt.Errorf("%s does not come back", key)
	}
	if err != nil {
		return nil, err
	}
	return states[0], nil
}

// chill sends what can go to the lake there.
func (p *process) chill(t testing.TB) {
	t.Helper()
	p.tiers.mu.Lock()
	for _, x := range p.tiers.of {
		clear(x.warm)
	}
	p.tiers.mu.Unlock()
	if err := p.Chill(context.Background()); err != nil && !p.plug.dead.Load() && !p.plug.zombie.Load() {
		t.Fatal(err)
	}
}

// stubs are the entities of a view that the lake has, with the stubs.
func (w *world) stubs(v *fqgw.FeatureView) map[fqgw.EntityKey][]byte {
	w.online.mu.Lock()
	defer w.online.mu.Unlock()
	out := map[fqgw.EntityKey][]byte{}
	for u, states := range w.online.states {
		for k, b := range states {
			if u.State == v.State && window.IsStub(b) {
				out[k] = bytes.Clone(b)
			}
		}
	}
	return out
}

func (w *world) stored(v *fqgw.FeatureView, k string) []byte {
	key, _ := fqgw.EncodeKey(fqgw.TextValue(k))
	w.online.mu.Lock()
	defer w.online.mu.Unlock()
	return bytes.Clone(w.online.states[fqgw.Unit{State: v.State, Shard: key.Shard(w.online.shards)}][key])
}

// someEvents are enough of them that a state is worth a stub.
func someEvents(k string, from, n int64) (out []fqgw.LogRecord) {
	for i := range n {
		out = append(out, record(k, from+i, from+i))
	}
	return out
}

func coldSetup(t *testing.T, memory int64) (*world, *process, *fqgw.FeatureView) {
	w, p, _, views := setup(t, fqgw.SetClock(t0+100*sec, 0), func(o *Options) { o.OnlineMemory = memory })
	w.produce(t, someEvents("a", 0, 60)...)
	w.produce(t, someEvents("b", 40, 60)...)
	p.sync(t)
	return w, p, views[0]
}

// TestColdest: what is over the budget goes, the entity whose last event is the oldest
// first, and no more than must.
func TestColdest(t *testing.T) {
	w, p, v := coldSetup(t, 1)
	all := int64(0)
	a, b := w.stored(v, "a"), w.stored(v, "b")
	p.chill(t)
	eventually(t, "a and b are in the lake", func() bool { return len(w.stubs(v)) == 2 })
	p.chill(t)
	tier := p.Tier(v)
	if tier.Hot != 0 || tier.Cold != 2 || tier.Left != 2 || tier.Saved != int64(len(a)+len(b)-len(w.stored(v, "a"))-len(w.stored(v, "b"))) {
		t.Errorf("the tiers: %+v", tier)
	}
	all = tier.ColdBytes + tier.Saved
	p.kill()

	w, p, v = coldSetup(t, all*3) // the other views have something too
	p.chill(t)
	if n := len(w.stubs(v)); n != 0 {
		t.Errorf("%d entities left within the budget", n)
	}
	p.o.OnlineMemory = 1
	p.plug.lakeOff.Store(true)
	p.chill(t)
	if n := len(w.stubs(v)); n != 0 {
		t.Errorf("%d entities left without a lake", n)
	}
}

// TestRetain: entities without an event for longer go, whatever the budget.
func TestRetain(t *testing.T) {
	w, p, v := coldSetup(t, 0)
	v.Retain = 30 * sec
	p.chill(t)
	eventually(t, "a is in the lake", func() bool { return window.IsStub(w.stored(v, "a")) })
	if window.IsStub(w.stored(v, "b")) {
		t.Error("b went, whose last event was a second ago")
	}
}

// TestColdEvent: the first event of an entity in the lake finds it whole, and the next
// ones wait for it in their order; those of others do not.
func TestColdEvent(t *testing.T) {
	w, p, v := coldSetup(t, 1)
	want := w.count(t, v, "b")
	p.chill(t)
	eventually(t, "a and b are in the lake", func() bool { return len(w.stubs(v)) == 2 })
	p.plug.lakeOff.Store(true)
	w.produce(t, record("b", 100, 100))
	w.produce(t, record("b", 99, 100))
	eventually(t, "the lake is in trouble", func() bool {
		for _, s := range p.Status() {
			if s.Paused != "" {
				return true
			}
		}
		return false
	})
	if !window.IsStub(w.stored(v, "b")) {
		t.Error("b changed without its history")
	}
	p.plug.lakeOff.Store(false)
	p.sync(t)
	if n := w.count(t, v, "b"); n != want+2 {
		t.Errorf("%d events of the last minute, want %d", n, want+2)
	}
	if !window.IsStub(w.stored(v, "a")) {
		t.Error("a came back too")
	}
	if tier := p.Tier(v); tier.Loaded != 1 {
		t.Errorf("the tiers: %+v", tier)
	}
}

// TestColdMany: more entities than are loaded at once wait for the lake, and all come.
func TestColdMany(t *testing.T) {
	const entities = window.BatchStubs + 100
	w, p, v := coldSetup(t, 1)
	name := func(i int) string { return fmt.Sprint("e", i) }
	var early, late []fqgw.LogRecord
	for i := range entities {
		early = append(early, someEvents(name(i), 76, 14)...)
		late = append(late, record(name(i), 99, 100))
	}
	w.produce(t, early...)
	p.sync(t)
	want := w.count(t, v, name(7))
	for i := 0; len(w.stubs(v)) < entities; i++ {
		if p.chill(t); i == 20 {
			t.Fatalf("%d entities are in the lake", len(w.stubs(v)))
		}
	}
	w.produce(t, late...)
	p.sync(t)
	for i := range entities {
		if n := w.count(t, v, name(i)); n != want+1 {
			t.Fatalf("%s has %d events, want %d", name(i), n, want+1)
		}
	}
}

// TestWarm: what a reader took from the lake is written whole, as it was; a stub that is
// another by then is not touched.
func TestWarm(t *testing.T) {
	w, p, v := coldSetup(t, 1)
	l, err := window.NewLayout(v)
	if err != nil {
		t.Fatal(err)
	}
	before := w.stored(v, "a")
	p.chill(t)
	eventually(t, "a and b are in the lake", func() bool { return len(w.stubs(v)) == 2 })
	key, _ := fqgw.EncodeKey(fqgw.TextValue("a"))
	stub := w.stored(v, "a")
	state, err := w.whole(l, key, stub)
	if err != nil || !bytes.Equal(state, before) {
		t.Fatalf("the state was %x, is %x, %v", before, state, err)
	}
	other := bytes.Clone(stub)
	other[len(other)-1]++
	p.Warm(v, []fqgw.EntityKey{key}, [][]byte{other}, [][]byte{state})
	time.Sleep(50 * time.Millisecond)
	if !bytes.Equal(w.stored(v, "a"), stub) {
		t.Error("warmed by another stub's state")
	}
	p.Warm(v, []fqgw.EntityKey{key}, [][]byte{stub}, [][]byte{state})
	eventually(t, "a is whole", func() bool { return bytes.Equal(w.stored(v, "a"), before) })
	p.sync(t)
	if err := p.Chill(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if window.IsStub(w.stored(v, "a")) {
		t.Error("it went again at once")
	}
}

// TestColdCrash: while an event waits for the lake no position passes it, whatever else of
// its unit is written: a process that dies meanwhile loses nothing.
func TestColdCrash(t *testing.T) {
	w, p, src, views := setup(t, fqgw.SetClock(t0+100*sec, 0), func(o *Options) { o.OnlineMemory = 1 })
	v := views[0]
	shard := func(k string) uint32 {
		key, _ := fqgw.EncodeKey(fqgw.TextValue(k))
		return key.Shard(w.online.shards)
	}
	near := "c"
	for shard(near) != shard("b") {
		near += "c"
	}
	w.produce(t, someEvents("b", 40, 60)...)
	p.sync(t)
	want := w.count(t, v, "b")
	p.chill(t)
	eventually(t, "b is in the lake", func() bool { return window.IsStub(w.stored(v, "b")) })
	p.plug.lakeOff.Store(true)
	w.produce(t, record("b", 99, 99), record(near, 99, 99))
	time.Sleep(100 * time.Millisecond)
	p.kill()
	p = begin(t, w, src, views, nil)
	p.sync(t)
	if b, c := w.count(t, v, "b"), w.count(t, v, near); b != want+1 || c != 1 {
		t.Errorf("%d and %d events of the last minute, want %d and 1", b, c, want+1)
	}
}

// TestColdBusy: an event that comes when its entity is about to go is not lost.
func TestColdBusy(t *testing.T) {
	w, p, v := coldSetup(t, 1)
	server := func(k string) uint32 {
		key, _ := fqgw.EncodeKey(fqgw.TextValue(k))
		return key.Shard(w.online.shards) % 2
	}
	other := "c"
	for server(other) != server("a") {
		other += "c"
	}
	want := w.count(t, v, "a")
	p.plug.hangs.Store(true) // so that nothing more of the server of a is written
	w.produce(t, record(other, 90, 90))
	time.Sleep(100 * time.Millisecond)
	p.chill(t)
	w.produce(t, record("a", 99, 99))
	time.Sleep(100 * time.Millisecond)
	p.plug.hangs.Store(false)
	p.sync(t)
	if n := w.count(t, v, "a"); n != want+1 {
		t.Errorf("%d events of the last minute, want %d", n, want+1)
	}
}

// TestColdStale: what was read of an entity before its next event does not take the place
// of what it has since.
func TestColdStale(t *testing.T) {
	w, p, _ := coldSetup(t, 0)
	s := p.all()[0]
	s.mu.Lock()
	ses, view := s.session, s.viewOf(1)
	s.mu.Unlock()
	key, _ := fqgw.EncodeKey(fqgw.TextValue("a"))
	for _, forgotten := range []bool{false, true} {
		moves, err := p.verified(t.Context(), view, []candidate{{key: key}})
		if err != nil || len(moves) != 1 {
			t.Fatalf("%d moves, %v", len(moves), err)
		}
		want := w.count(t, view.v, "a")
		w.produce(t, record("a", 98, 98))
		p.sync(t)
		if forgotten {
			if err := ses.crew.do(t.Context(), func(f *folder) { f.cache.shrink(0) }); err != nil {
				t.Fatal(err)
			}
		}
		ses.move(t.Context(), view, moves, (*folder).chill)
		p.sync(t)
		if n := w.count(t, view.v, "a"); n != want+1 {
			t.Errorf("%d events of the last minute, want %d", n, want+1)
		}
	}
}

// TestColdOver: an entity whose windows have run empty leaves nothing, and its next event
// needs no history.
func TestColdOver(t *testing.T) {
	w, p, v := coldSetup(t, 1)
	p.chill(t)
	eventually(t, "a and b are in the lake", func() bool { return len(w.stubs(v)) == 2 })
	if _, err := w.clock.Advance(2 * 3600 * sec); err != nil {
		t.Fatal(err)
	}
	p.plug.lakeOff.Store(true)
	w.produce(t, record("b", 7300, 7300))
	eventually(t, "b is counted", func() bool { return !window.IsStub(w.stored(v, "b")) && w.count(t, v, "b") == 1 })
	p.chill(t)
	eventually(t, "a is gone", func() bool { return w.stored(v, "a") == nil })
}

// TestColdLost: when history does not give a state any more the view is made anew from
// what there is, and nothing is counted twice.
func TestColdLost(t *testing.T) {
	w, p, v := coldSetup(t, 1)
	p.chill(t)
	eventually(t, "a and b are in the lake", func() bool { return len(w.stubs(v)) == 2 })
	w.history.mu.Lock()
	w.history.rows = w.history.rows[:len(w.history.rows)-10] // the last seconds of b
	w.history.mu.Unlock()
	w.produce(t, record("b", 100, 100))
	p.sync(t)
	eventually(t, "the view is whole again", func() bool { _, filling := p.Filling(v); return !filling && w.stored(v, "b") != nil })
	p.sync(t)
	if n := w.count(t, v, "b"); n != 51 {
		t.Errorf("%d events, want the 50 that are left and the new one", n)
	}
}

// TestColdSessionOver: what is on its way to a session that ends holds up nobody.
func TestColdSessionOver(t *testing.T) {
	_, p, _ := coldSetup(t, 0)
	ses := p.current(t)
	s := p.all()[0]
	s.mu.Lock()
	view := s.viewOf(1)
	s.mu.Unlock()
	key, _ := fqgw.EncodeKey(fqgw.TextValue("a"))
	ses.fail(errors.New("the store failed over"))
	<-ses.over
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			ses.move(t.Context(), view, []move{{key: key}}, (*folder).warm)
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for the session that is over")
	}
}

// TestColdPartitions: an entity with events in many partitions stays in the lake while the
// last of them counts, wherever that is.
func TestColdPartitions(t *testing.T) {
	const partitions = 24
	w := newWorld(partitions, 4, fqgw.SetClock(t0+100*sec, 0))
	src := testSource()
	views := testViews(src)
	p := begin(t, w, src, views, func(o *Options) { o.OnlineMemory = 1 })
	v := views[0]
	records := someEvents("a", 40, 60)
	for range partitions - 1 {
		records = append(records, record("a", 0, 0))
	}
	for i := range records {
		records[i].Partition = int32(max(partitions-1-max(i-59, 0), 0))
	}
	w.produce(t, records...)
	p.sync(t)
	p.chill(t)
	eventually(t, "a is in the lake", func() bool { return window.IsStub(w.stored(v, "a")) })
	if _, err := w.clock.Advance(3590 * sec); err != nil { // 60 s after t0 the hour of the window begins
		t.Fatal(err)
	}
	p.sync(t)
	p.chill(t)
	p.sync(t)
	if !window.IsStub(w.stored(v, "a")) {
		t.Errorf("what is left of the entity is %x", w.stored(v, "a"))
	}
}
