package stream

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// setup is a world with a source, its views and a running process.
func setup(t *testing.T, clock *fqgw.Clock, tune func(*Options)) (*world, *process, *fqgw.Source, []*fqgw.FeatureView) {
	t.Helper()
	w := newWorld(2, 4, clock)
	src := testSource()
	views := testViews(src)
	p := begin(t, w, src, views, tune)
	return w, p, src, views
}

func begin(t *testing.T, w *world, src *fqgw.Source, views []*fqgw.FeatureView, tune func(*Options)) *process {
	t.Helper()
	p := w.start(tune)
	t.Cleanup(p.kill)
	if err := p.AddSource(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		if err := p.AddView(t.Context(), v, nil); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// record is an event of key k: event time and known time in seconds after t0.
func record(k string, at, known int64) fqgw.LogRecord {
	return fqgw.LogRecord{Timestamp: t0 + known*sec, Value: fmt.Appendf(nil, `{"ts":%d,"k":%q,"v":1,"n":30}`, t0+at*sec, k)}
}

func (w *world) produce(t *testing.T, recs ...fqgw.LogRecord) {
	t.Helper()
	if err := w.log.Produce(context.Background(), "t", recs); err != nil {
		t.Fatal(err)
	}
}

func (p *process) sync(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.Sync(ctx); err != nil {
		t.Fatalf("sync: %v; %+v", err, p.Status())
	}
}

// count is clicks in the last minute of a key at the clock's now.
func (w *world) count(t *testing.T, v *fqgw.FeatureView, k string) int64 {
	t.Helper()
	r := w.readNow(t, v, k)
	return r.Slots[0].Int()
}

// readNow is what the online store says of an entity.
func (w *world) readNow(t *testing.T, v *fqgw.FeatureView, k string) window.Reading {
	t.Helper()
	l, err := window.NewLayout(v)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := fqgw.EncodeKey(fqgw.TextValue(k))
	w.online.mu.Lock()
	defer w.online.mu.Unlock()
	s, err := l.Decode(w.online.states[fqgw.Unit{State: v.State, Shard: key.Shard(w.online.shards)}][key])
	if err != nil {
		t.Fatal(err)
	}
	return l.Read(s, w.clock.Now())
}

func (w *world) rows() int {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	return len(w.history.rows)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func code(err error) fqgw.Code {
	if err == nil {
		return ""
	}
	return fqgw.AsError(err).Code
}

func TestSetClockHoldsBack(t *testing.T) {
	w, p, _, views := setup(t, fqgw.SetClock(t0, 0), nil)
	for i := range w.log.parts {
		r := []fqgw.LogRecord{record("a", -1, 0), record("a", 5, 5), record("a", -2, 0)} // the third waits behind the second
		for j := range r {
			r[j].Partition = int32(i)
		}
		w.produce(t, r...)
	}
	p.sync(t)
	if n, rows := w.count(t, views[0], "a"), w.rows(); n != 2 || rows != 2 {
		t.Errorf("at the clock: %d counted, %d landed, want 2 and 2", n, rows)
	}
	for _, s := range p.Status() {
		if s.Applied != 1 || s.Landed != 1 || s.End != 3 || !strings.HasPrefix(s.Paused, "waits for the clock") {
			t.Errorf("status %+v", s)
		}
	}
	if _, err := w.clock.Advance(5 * sec); err != nil {
		t.Fatal(err)
	}
	p.sync(t) // must notice that the clock moved
	if n, rows := w.count(t, views[0], "a"), w.rows(); n != 6 || rows != 6 {
		t.Errorf("after the clock moved: %d counted, %d landed, want 6 and 6", n, rows)
	}
	for _, s := range p.Status() {
		if s.Applied != 3 || s.Landed != 3 || s.Lag() != 0 || s.Paused != "" || s.EventTime != t0+5*sec {
			t.Errorf("status %+v", s)
		}
	}
}

func TestInsert(t *testing.T) {
	w, p, src, views := setup(t, fqgw.SetClock(t0+1234, 0), nil)
	row := func(at int64, n fqgw.Value) []fqgw.Value {
		return []fqgw.Value{fqgw.TimestampValue(at), fqgw.TextValue("a"), fqgw.FloatValue(1), n}
	}
	good := row(t0, fqgw.IntValue(1))
	for _, c := range []struct {
		row    []fqgw.Value
		code   fqgw.Code
		column string
	}{
		{row(t0, fqgw.Null), "23502", "n"},
		{row(t0, fqgw.IntValue(-1)), "23514", ""},
		{row(t0+301*sec, fqgw.IntValue(1)), "23514", "ts"},
		{row(t0, fqgw.IntValue(13)), "22012", ""}, // the CHECK raises
		{[]fqgw.Value{fqgw.TimestampValue(t0), fqgw.TextValue("\xff"), fqgw.Null, fqgw.IntValue(1)}, "22021", "k"},
	} {
		err := p.Insert(t.Context(), src, [][]fqgw.Value{good, c.row}, nil)
		if e := fqgw.AsError(errors.Join(err)); err == nil || code(err) != c.code || err.(*fqgw.Error).Column != c.column || !strings.Contains(err.(*fqgw.Error).Detail, "Row 2 of 2") {
			t.Errorf("got %v, %+v; want %s in column %q", err, e, c.code, c.column)
		}
	}
	if _, end, _ := w.log.Offsets(t.Context(), "t"); end[0]+end[1] != 0 {
		t.Errorf("a refused statement produced: %v", end)
	}
	if err := p.Insert(t.Context(), src, [][]fqgw.Value{good, good}, []int64{0, t0 - 7*sec}); err != nil {
		t.Fatal(err)
	}
	recs := append(w.log.parts[0], w.log.parts[1]...)
	if len(recs) != 2 || string(recs[0].Key) != "a" || recs[0].Timestamp != t0+1000 || recs[1].Timestamp != t0-7*sec {
		t.Fatalf("produced %+v", recs)
	}
	p.sync(t)
	if n := w.count(t, views[0], "a"); n != 2 {
		t.Errorf("counted %d of 2", n)
	}
	if err := p.Insert(t.Context(), &fqgw.Source{Name: "nobody"}, nil, nil); code(err) != fqgw.CodeUndefinedTable {
		t.Errorf("got %v, want 42P01", err)
	}
}

func TestWaitKnown(t *testing.T) {
	w, p, _, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	both := func(at, known int64) {
		for i := range int32(2) {
			r := record("a", at, known)
			r.Partition = i
			w.produce(t, r)
		}
	}
	both(-100, -100)
	if err := p.WaitKnown(t.Context(), "s", t0, nil); err != nil || w.rows() != 2 {
		t.Fatalf("rows %d, %v: did not wait for an early landing", w.rows(), err)
	}
	p.plug.lakeOff.Store(true)
	both(-10, -10)
	eventually(t, "polled", func() bool { return p.Status()[1].Applied == 2 })
	quick, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.WaitKnown(quick, "s", t0-101*sec, nil); err != nil {
		t.Errorf("a read of the past waited: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
	defer cancel()
	var said []string
	if err := p.WaitKnown(short, "s", t0-10*sec, func(s string) { said = append(said, s) }); !errors.Is(err, context.DeadlineExceeded) || len(said) != 1 {
		t.Errorf("got %v, said %q; want the deadline and one notice", err, said)
	}
	if s := p.Status()[0]; !strings.Contains(s.Paused, "the lake is away") || s.Landed != 1 || s.Applied != 2 {
		t.Errorf("status %+v", s)
	}
	p.plug.lakeOff.Store(false)
	if err := p.WaitKnown(quick, "s", t0-10*sec, nil); err != nil || w.rows() != 4 {
		t.Errorf("rows %d, %v", w.rows(), err)
	}
	both(100, 100) // ahead of the clock: nobody waits for it
	if err := p.WaitKnown(quick, "s", t0+200*sec, nil); err != nil {
		t.Error(err)
	}
}

func TestOnlineStoreAway(t *testing.T) {
	w, p, _, views := setup(t, fqgw.SetClock(t0, 0), func(o *Options) { o.Memory, o.Folders = within(256<<10), 1 })
	p.plug.away.Store(true)
	for i := range 400 {
		w.produce(t, record(fmt.Sprintf("k%d", i%200), -1, 0))
	}
	eventually(t, "status says so", func() bool { return strings.Contains(p.Status()[0].Paused, "online store is away") })
	p.plug.away.Store(false)
	p.sync(t)
	for i := range 200 {
		if n := w.count(t, views[0], fmt.Sprintf("k%d", i)); n != 2 {
			t.Fatalf("k%d counted %d times, want 2", i, n)
		}
	}
	if s := p.Status()[0]; s.Paused != "" {
		t.Errorf("still %q", s.Paused)
	}
}

// TestPartsInOrder: many states of a unit are written in parts. The positions,
// which the last part moves, never come before the states of the others, in
// whatever order the writes of a trip happen.
func TestPartsInOrder(t *testing.T) {
	w := newWorld(1, 1, fqgw.SetClock(t0, 0))
	src := testSource()
	views := testViews(src)
	p := begin(t, w, src, views, func(o *Options) { o.FlushEvery, o.Fault = 50*time.Millisecond, nil })
	p.plug.flaky.Store(true)
	var recs []fqgw.LogRecord
	for i := range 8 * flushKeys {
		recs = append(recs, record(fmt.Sprint("k", i), -1, -1))
	}
	w.produce(t, recs...)
	p.sync(t)
	p.stop()
	if n := p.Metrics().Fences; n != 0 {
		t.Errorf("the stream was fenced %d times by its own writes", n)
	}
	(&model{t: t, w: w, src: src, views: views, added: len(views)}).check()
}

func TestDropView(t *testing.T) {
	w, p, _, views := setup(t, fqgw.SetClock(t0, 0), nil)
	w.produce(t, record("a", -1, 0))
	p.sync(t)
	if err := p.DropView(t.Context(), views[0]); err != nil {
		t.Fatal(err)
	}
	w.produce(t, record("a", -1, 0))
	p.sync(t)
	for u := range w.online.marks {
		if u.State == views[0].State {
			t.Fatalf("%v is still there", u)
		}
	}
	again := *views[0]
	again.State = 99
	if err := p.AddView(t.Context(), &again, nil); err != nil {
		t.Fatal(err)
	}
	p.sync(t)
	if n := w.count(t, &again, "a"); n != 2 {
		t.Errorf("made anew: counted %d, want 2", n)
	}
	off := *views[1]
	off.State, off.Offline = 100, true
	if err := errors.Join(p.AddView(t.Context(), &off, nil), p.DropView(t.Context(), &off)); err != nil {
		t.Error(err)
	}
}

func TestAddSource(t *testing.T) {
	w := newWorld(2, 4, fqgw.SetClock(t0, 0))
	p := w.start(nil)
	t.Cleanup(p.kill)
	s := testSource()
	s.Topic = "tt"
	if err := p.AddSource(t.Context(), s); code(err) != fqgw.CodeUndefinedTable || !strings.Contains(fqgw.AsError(err).Hint, `"t"`) {
		t.Errorf("got %v, want 42P01 with a hint", err)
	}
	s = testSource()
	w.log.created, s.Partitions = false, 3
	w.history.columns = []fqgw.Column{{Name: "ts", Type: fqgw.Text}}
	if err := p.AddSource(t.Context(), s); code(err) != fqgw.CodeDatatypeMismatch {
		t.Errorf("got %v, want 42804", err)
	}
	w.history.columns, s.Start = nil, "latest"
	w.produce(t, record("a", -1, 0))
	if err := p.AddSource(t.Context(), s); err != nil || len(w.log.parts) != 3 {
		t.Fatalf("%d partitions, %v", len(w.log.parts), err)
	}
	if err := p.AddSource(t.Context(), s); code(err) != fqgw.CodeDuplicateTable {
		t.Errorf("got %v, want 42P07", err)
	}
	v := testViews(s)[0]
	if err := p.AddView(t.Context(), v, nil); err != nil {
		t.Fatal(err)
	}
	w.produce(t, record("a", -1, 0))
	p.sync(t)
	if n, rows := w.count(t, v, "a"), w.rows(); n != 1 || rows != 1 {
		t.Errorf("from the latest: %d counted, %d landed; want 1 and 1", n, rows)
	}
	if got := p.TopicNotice("s"); !strings.Contains(got, "CreateTime") {
		t.Errorf("of a topic that was there: %q", got)
	}
	if got := p.Notices("s"); len(got) != 0 {
		t.Errorf("notices %q", got)
	}
	if err := p.DropSource(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if err := p.AddView(t.Context(), v, nil); code(err) != fqgw.CodeUndefinedTable {
		t.Errorf("got %v, want 42P01", err)
	}
}

func TestStopFlushesAndLands(t *testing.T) {
	w, p, src, views := setup(t, fqgw.SetClock(t0, 0), func(o *Options) { o.FlushEvery, o.LandEvery = time.Hour, time.Hour })
	for range 50 {
		w.produce(t, record("a", -1, 0), fqgw.LogRecord{Timestamp: t0, Value: []byte("no")})
	}
	eventually(t, "polled", func() bool { return p.Metrics().Events == 50 })
	p.stop()
	if rows := w.rows(); rows != 50 || w.count(t, views[0], "a") != 50 {
		t.Errorf("landed %d, counted %d", rows, w.count(t, views[0], "a"))
	}
	(&model{t: t, w: w, src: src, views: views, added: len(views)}).check()
	m := p.Metrics()
	if m.Rejected["22P02"] != 50 || m.DeadLetters != 50 || m.LandedRows != 50 || m.Applied != 200 || m.Flushes == 0 || m.FlushBytes == 0 || m.Fences != 0 {
		t.Errorf("metrics %+v", m)
	}
	for pos, l := range w.registry.letters {
		if string(l.Payload) != "no" || l.Source != "s" || l.Reason == "" || l.Time != t0 {
			t.Fatalf("dead letter %v: %+v", pos, l)
		}
	}
}

// TestDamagedState: a state that cannot be read is made anew.
func TestDamagedState(t *testing.T) {
	w, p, src, views := setup(t, fqgw.SetClock(t0, 0), nil)
	w.produce(t, record("a", -1, 0))
	p.sync(t)
	p.stop()
	for _, states := range w.online.states {
		for k, b := range states {
			states[k] = append(b[:len(b)-1], 99, 99)
		}
	}
	p = begin(t, w, src, views, nil)
	w.produce(t, record("a", -1, 0))
	p.sync(t)
	p.stop()
	(&model{t: t, w: w, src: src, views: views, added: len(views)}).check()
}

// TestGoroutines: nothing runs on when Run has returned.
func TestGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	w, p, _, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	w.produce(t, record("a", -1, 0))
	p.sync(t)
	p.stop()
	eventually(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	ctx := t.Context()
	if err := p.AddSource(ctx, testSource()); err == nil {
		t.Error("a source was added after the end")
	}
	if err := p.Sync(ctx); code(err) != fqgw.CodeAdminShutdown {
		t.Errorf("got %v, want 57P01", err)
	}
}

// TestLandingElsewhere: someone else has landed what this owner holds.
func TestLandingElsewhere(t *testing.T) {
	w, p, src, views := setup(t, fqgw.SetClock(t0, 0), func(o *Options) { o.LandEvery = time.Hour })
	w.produce(t, record("a", -1, 0))
	eventually(t, "polled", func() bool { return p.Metrics().Events == 1 })
	other := begin(t, w, src, nil, nil)
	other.sync(t)
	other.stop()
	w.produce(t, record("a", -1, 0))
	p.sync(t)
	p.stop()
	if p.Metrics().Fences != 1 {
		t.Errorf("fenced %d times", p.Metrics().Fences)
	}
	(&model{t: t, w: w, src: src, views: views, added: len(views)}).check()
}
