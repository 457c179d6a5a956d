package stream

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
	"github.com/fqgw/fqgw/stream/window"
)

// TestModel drives the pipeline through random records of none, one or several
// changes, crashes at every point, lost stores, roll-backs, zombies, new partitions and topics, and compares the state of every entity
// with what a plain fold of the log gives. The history must have every accepted
// record once, the dead letters every other one.
func TestModel(t *testing.T) {
	seeds := 200
	if testing.Short() {
		seeds = 40
	}
	var left, loaded, read atomic.Int64
	t.Run("seed", func(t *testing.T) {
		for seed := range seeds {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				m := runModel(t, uint64(seed), nil)
				left.Add(m.left)
				loaded.Add(m.loaded)
				read.Add(int64(m.colds))
			})
		}
	})
	if n := int64(seeds); !t.Failed() && (left.Load() < n || loaded.Load() < n/4 || read.Load() < n/4) {
		t.Errorf("%d entities went to the lake, %d came back for an event, %d were read there: the test says little", left.Load(), loaded.Load(), read.Load())
	}
}

var faultPoints = []string{"poll", "before-bury", "before-flush", "mid-flush", "after-flush", "before-land", "after-land"}

type model struct {
	t     *testing.T
	r     *rand.Rand
	w     *world
	src   *fqgw.Source
	views []*fqgw.FeatureView
	p     *process
	added int // views that the process has
	last  []byte
	// decoder is what the process reads records with; nil: decode.New.
	decoder func(*fqgw.Source) (decode.Decoder, error)
	colds   int   // entities that were read from the lake
	left    int64 // that went there
	loaded  int64 // that came back for an event
	trust   bool  // nothing but the compare of a flush guards the online store

	alters   bool      // gate versions come
	versions []version // as they came; nil: none did
	altered  int       // how many came
	newest   bool      // a mutant: the process judges by the newest alone
	errorf   func(format string, args ...any)
	zombies  []*process // that were halted, and may be awake again
}

func runModel(t *testing.T, seed uint64, tune func(*model)) *model {
	r := rand.New(rand.NewPCG(seed, 77))
	m := &model{t: t, r: r, src: testSource(), decoder: newLines, trust: seed%2 == 0}
	m.w = newWorld(1+r.IntN(3), []uint32{1, 4, 16}[r.IntN(3)], fqgw.SetClock(t0, 0))
	m.w.history.lose = rand.New(rand.NewPCG(seed, 78))
	m.views = testViews(m.src)
	if seed%3 == 1 {
		m.src = testChangelog()
		m.views = append(changelogViews(m.src), changelogEverywhere(m.src))
	}
	if tune != nil {
		tune(m)
	}
	var free []chan struct{}
	var replica *memOnline
	m.boot()
	for range 6 + r.IntN(10) {
		if m.alters && len(free) == 0 && r.IntN(3) == 0 { // what a zombie judges is its own
			m.alter()
		}
		switch r.IntN(13) {
		case 0, 1, 2:
			m.produce(r.IntN(300))
		case 3:
			m.addView()
		case 4:
			m.sync()
			if !m.trust {
				m.check()
			}
			if len(free) > 0 { // a zombie wakes up while its successor works
				m.produce(r.IntN(100))
				close(free[0])
				free = free[1:]
			}
		case 5:
			replica = m.w.online.copyOf()
		case 6: // a fail-over to a replica that lags, or a store that is lost while it is used
			if replica == nil || r.IntN(2) == 0 {
				m.w.online.lose()
			} else {
				m.w.online.become(replica.copyOf())
			}
		case 7: // the broker drops what is landed
			m.w.history.mu.Lock()
			m.w.log.mu.Lock()
			for p := range m.w.log.first {
				m.w.log.first[p] = max(m.w.log.first[p], offsetIn(m.w.history.landed.Of(int32(p)), int32(len(m.w.log.past))))
			}
			m.w.log.mu.Unlock()
			m.w.history.mu.Unlock()
		case 8:
			if c := m.crash(); c != nil {
				free = append(free, c)
			}
		case 9: // the topic gets another partition
			if n := len(m.w.log.parts); n < 4 {
				m.w.log.grow(n + 1)
			}
		case 10: // all is known and landed, and the topic is made again
			if _, err := m.w.clock.Advance(600 * sec); err != nil {
				t.Fatal(err)
			}
			m.sync()
			m.w.log.again(1 + r.IntN(3))
		case 11, 12: // memory is short, whatever is under way or when all is landed
			calm := r.IntN(4) > 0
			if calm {
				m.produce(200 + r.IntN(300))
				if _, err := m.w.clock.Advance(300 * sec); err != nil { // nothing is ahead of it then
					t.Fatal(err)
				}
				m.sync()
			}
			m.p.chill(t)
			if calm && r.IntN(2) == 0 { // and a reader finds what went
				m.sync()
				m.read()
			}
		}
		if r.IntN(2) == 0 {
			if _, err := m.w.clock.Advance(r.Int64N(120 * sec)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range free {
		close(c)
	}
	m.produce(1 + r.IntN(100))
	for m.added < len(m.views) {
		m.addView()
	}
	if _, err := m.w.clock.Advance(600 * sec); err != nil {
		t.Fatal(err)
	}
	m.sync()
	m.p.stop()
	m.check()
	m.count()
	return m
}

// count adds up what the process did with the lake.
func (m *model) count() {
	for _, v := range m.views {
		tier := m.p.Tier(v)
		m.left, m.loaded = m.left+tier.Left, m.loaded+tier.Loaded
	}
}

// boot starts a process with the views that there were before.
func (m *model) boot() {
	if m.p != nil {
		m.count()
	}
	p := m.w.start(func(o *Options) {
		o.FlushEvery = time.Duration(1+m.r.IntN(2000)) * time.Microsecond
		o.OnlineMemory = 1
		o.LandEvery = time.Duration(1+m.r.IntN(20)) * time.Millisecond
		o.Decoder = func(src *fqgw.Source) (decode.Decoder, error) {
			json, err := decode.New(src)
			return &lines{json, func() bool { return rand.IntN(1000) == 0 }}, err
		}
	})
	for _, share := range []**fqgw.Memory{&p.budget.batches, &p.budget.landing, &p.budget.states} {
		*share = within([]int64{1, 16 << 10, 512 << 20}[m.r.IntN(3)])
	}
	p.trust, p.rows, p.far = m.trust, 16, 30
	p.trip, p.part = []int{1, 64}[m.r.IntN(2)], []int{1, 3, 256}[m.r.IntN(3)]
	p.plug.flaky.Store(m.r.IntN(4) == 0)
	m.p = p
	src := m.src
	if m.newest {
		mutant := *m.src
		mutant.Earlier, src = nil, &mutant
	}
	if err := p.AddSource(context.Background(), src); err != nil {
		m.t.Fatal(err)
	}
	for _, v := range m.views[:m.added] {
		if err := p.AddView(context.Background(), v, nil); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *model) produce(n int) {
	var recs []fqgw.LogRecord
	for range n {
		rec := anyRecord(m.r, m.w.clock.Now(), m.last)
		switch m.r.IntN(10) {
		case 0, 1, 2:
			for range 1 + m.r.IntN(3) {
				rec = several(rec, anyRecord(m.r, m.w.clock.Now(), m.last))
			}
		case 3:
			rec.Value = [][]byte{nil, []byte("\n"), append([]byte("-"), rec.Value...)}[m.r.IntN(3)]
		}
		if m.src.Changelog() {
			rec.Value = changed(m.r, rec.Value)
		}
		rec.Partition = m.r.Int32N(int32(len(m.w.log.parts)))
		m.last = rec.Value
		recs = append(recs, rec)
	}
	if err := m.w.log.Produce(context.Background(), "t", recs); err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) addView() {
	if m.added == len(m.views) {
		return
	}
	m.added++
	if m.r.IntN(3) > 0 {
		if err := m.p.AddView(context.Background(), m.views[m.added-1], nil); err != nil {
			m.t.Fatal(err)
		}
		return
	}
	// The process dies while it fills.
	f := m.arm([]string{"before-flush", "mid-flush", "after-flush", "before-land"}, false)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-f.struck:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := m.p.AddView(ctx, m.views[m.added-1], nil)
	m.p.plug.fault.Store(nil)
	switch {
	case m.p.plug.dead.Load():
		m.p.kill()
		m.boot()
	case err != nil:
		m.t.Fatal(err)
	}
}

// read takes an entity that left the online store from the lake, and has it warmed, now or
// when it may be another by then.
func (m *model) read() {
	for _, v := range m.views[:m.added] {
		l, err := window.NewLayout(v)
		if err != nil {
			m.t.Fatal(err)
		}
		for key, stub := range m.w.stubs(v) {
			state, err := m.w.whole(l, key, stub)
			if err != nil {
				m.t.Fatal(err)
			}
			m.colds++
			p := m.p
			warm := func() { p.Warm(v, []fqgw.EntityKey{key}, [][]byte{stub}, [][]byte{state}) }
			if m.r.IntN(2) == 0 {
				warm()
			} else {
				time.AfterFunc(time.Duration(m.r.IntN(30))*time.Millisecond, warm)
			}
		}
	}
}

// arm sets a fault for the process.
func (m *model) arm(points []string, halts bool) *fault {
	f := &fault{point: points[m.r.IntN(len(points))], halts: halts, struck: make(chan struct{}), free: make(chan struct{})}
	f.left.Store(1 + m.r.Int64N(4))
	m.p.plug.fault.Store(f)
	return f
}

func (m *model) sync() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := m.p.Sync(ctx); err != nil {
		m.t.Fatalf("sync: %v; %+v", err, m.p.Status())
	}
}

// crash ends the process: at a fault point, at once, or in good order. A halted
// process is returned as the channel that lets it go on.
func (m *model) crash() chan struct{} {
	old := m.p
	f := m.arm(faultPoints, m.r.IntN(3) == 0)
	m.produce(50 + m.r.IntN(200))
	select {
	case <-f.struck:
	case <-time.After(time.Duration(m.r.IntN(60)) * time.Millisecond):
		old.plug.fault.Store(nil)
	}
	var free chan struct{}
	switch halted := old.plug.zombie.Load(); {
	case halted:
		free = f.free
		m.t.Cleanup(func() { old.kill() })
		m.zombies = append(m.zombies, old)
	case old.plug.dead.Load() || m.r.IntN(2) == 0:
		old.kill()
	default:
		old.stop()
	}
	if m.r.IntN(3) == 0 {
		m.w.online.lose() // the embedded store: it is empty at each start
	}
	m.boot()
	if free != nil && m.r.IntN(2) == 0 { // and goes on at once
		m.produce(20)
		close(free)
		return nil
	}
	return free
}

// check compares with a plain fold of the log, as far as the clock is.
func (m *model) check() {
	t, h := m.t, m.w.clock.Now()
	errorf := m.errorf
	if errorf == nil {
		errorf = t.Errorf
	}
	want, ends, accepted, refused := m.plainFold(h)
	m.w.online.mu.Lock()
	defer m.w.online.mu.Unlock()
	m.w.registry.mu.Lock()
	defer m.w.registry.mu.Unlock()
	for i, v := range m.views[:m.added] {
		l, err := window.NewLayout(v)
		if err != nil {
			t.Fatal(err)
		}
		got := map[fqgw.EntityKey][]byte{}
		for u, states := range m.w.online.states {
			if u.State != v.State {
				continue
			}
			for k, b := range states {
				if k.Shard(m.w.online.shards) != u.Shard {
					errorf("%s: %s is in shard %d", v.Name, k, u.Shard)
				}
				if b, err = m.w.whole(l, k, b); err != nil {
					t.Fatal(err)
				}
				if b, err = l.Cut(b, h); err != nil {
					t.Fatal(err)
				}
				if len(b) > 0 {
					got[k] = b
				}
			}
			for p, mark := range m.w.online.marks[u] {
				if p < len(ends) && (mark.Next != ends[p] || int(mark.Epoch) != len(m.w.log.past)) {
					errorf("%s shard %d: partition %d at %+v after sync, want %d", v.Name, u.Shard, p, mark, ends[p])
				}
			}
		}
		for k, b := range want[i] {
			if !bytes.Equal(got[k], b) {
				errorf("%s: %s differs:\n got %x\nwant %x", v.Name, k, got[k], b)
			}
			delete(got, k)
		}
		for k := range got {
			errorf("%s: %s should not be there", v.Name, k)
		}
	}
	m.w.history.mu.Lock()
	defer m.w.history.mu.Unlock()
	landed := map[fqgw.Position]int{}
	for _, row := range m.w.history.rows {
		at := row[len(m.src.Columns):] // the hidden columns
		pos := fqgw.Position{Epoch: int32(at[0].Int()), Partition: int32(at[1].Int()), Offset: at[2].Int(), Sub: int32(at[3].Int())}
		landed[pos]++
		ev, ok := accepted[pos]
		if ok && ev.Known != at[5].Int() {
			errorf("%v landed as known at %d, not %d", pos, at[5].Int(), ev.Known)
		}
		if is := row[:len(m.src.Columns)]; ok && !bytes.Equal(fqgw.AppendPackedRow(nil, is), fqgw.AppendPackedRow(nil, ev.Row)) {
			errorf("%v landed as %v, not %v", pos, is, ev.Row)
		}
	}
	for pos := range accepted {
		if landed[pos] != 1 {
			errorf("%v landed %d times", pos, landed[pos])
		}
		delete(landed, pos)
	}
	for pos, n := range landed {
		errorf("%v landed %d times and should not have", pos, n)
	}
	for pos := range m.w.registry.letters {
		if !refused[pos] {
			errorf("%v is a dead letter and should not be", pos)
		}
		delete(refused, pos)
	}
	for pos := range refused {
		errorf("%v should be a dead letter", pos)
	}
	if m.src.Changelog() { // by the first change without a row before, at the latest, windows lapsed
		for _, row := range m.w.history.rows {
			at := row[len(m.src.Columns):]
			if op := at[4].Str(); (op == "upsert" || op == "delete_key") && m.p.Follows(m.views[1], at[5].Int()) == nil {
				errorf("a change %s known at %d goes unnoticed", op, at[5].Int())
			}
		}
	}
}

// plainFold is the law without a pipeline: every change of every accepted record, in order,
// applied at the horizon; of each partition those before the first that is
// ahead of the clock.
func (m *model) plainFold(h int64) (states []map[fqgw.EntityKey][]byte, ends []int64, accepted map[fqgw.Position]fqgw.Event, refused map[fqgw.Position]bool) {
	t, log := m.t, m.w.log
	laws := m.laws()
	accepted, refused = map[fqgw.Position]fqgw.Event{}, map[fqgw.Position]bool{}
	var events []fqgw.Event
	floors := map[int]int64{} // of a changelog: by partition the known time of the last change
	for epoch, parts := range append(slices.Clone(log.past), log.parts) {
		ends = make([]int64, len(parts))
		for p, recs := range parts {
			for _, r := range recs {
				if r.Timestamp > h { // known by the record
					break
				}
				ends[p]++
				at := fqgw.Position{Epoch: int32(epoch), Partition: int32(p), Offset: r.Offset}
				law := laws(at)
				changes, err := law.Decode(&r, nil)
				for i := range changes {
					changes[i].Pos = at
					changes[i].Pos.Sub = int32(i)
					if err == nil {
						err = law.Judge(&changes[i], r.Timestamp)
					}
				}
				if err != nil {
					refused[at] = true
					continue
				}
				for i := range changes {
					floors[p] = max(floors[p], changes[i].Known)
				}
				for i := range changes {
					if m.src.Changelog() { // of a record all, and never before those before them
						changes[i].Known = floors[p]
						if changes[i].Op.Retracts() && changes[i].Row[0].IsNull() {
							changes[i].Time = floors[p]
						}
					}
					changes[i].Row = law.now(changes[i].Row, m.src)
					accepted[changes[i].Pos] = changes[i]
				}
				events = append(events, changes...)
			}
		}
	}
	for _, v := range m.views {
		l, err := window.NewLayout(v)
		if err != nil {
			t.Fatal(err)
		}
		entities := map[fqgw.EntityKey]*window.State{}
		if k, ok := fqgw.EncodeKey(); ok && len(v.Keys) == 0 { // its only entity is there always
			entities[k] = l.New()
			l.Advance(entities[k], h)
		}
		for i := range events {
			in, keep, _ := l.Input(&events[i])
			k, ok := l.Key(events[i].Row)
			if !keep || !ok {
				continue
			}
			if entities[k] == nil {
				entities[k] = l.New()
				l.Advance(entities[k], h)
			}
			l.Apply(entities[k], &in)
		}
		out := map[fqgw.EntityKey][]byte{}
		for k, s := range entities {
			if b := l.Encode(nil, s); len(b) > 0 {
				out[k] = b
			}
		}
		states = append(states, out)
	}
	return states, ends, accepted, refused
}
