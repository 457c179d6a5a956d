package stream

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// crew is the folders that keep some views of one source: those of a session,
// or those that fill a new view.
type crew struct {
	s       *source
	at      *incarnation
	ctx     context.Context
	fail    context.CancelCauseFunc
	folders []*folder
	wg      sync.WaitGroup
	live    bool   // of a session: its progress is the source's
	horizon *int64 // the folders' horizon if it stands still; nil: the clock
}

func newCrew(ctx context.Context, fail context.CancelCauseFunc, s *source, at *incarnation, live bool) *crew {
	c := &crew{s: s, at: at, ctx: ctx, fail: fail, live: live}
	for i := range s.p.o.Folders {
		c.folders = append(c.folders, newFolder(c, i))
	}
	return c
}

func (c *crew) start() {
	for _, f := range c.folders {
		c.s.p.budget.folders.Add(1)
		c.wg.Go(func() {
			defer c.s.p.budget.folders.Add(-1)
			if err := f.run(); err != nil {
				c.fail(err)
			}
		})
	}
}

// send gives a batch to every folder.
func (c *crew) send(ctx context.Context, b *batch) error {
	for _, f := range c.folders {
		if err := put(ctx, f.in, msg[*folder]{batch: b}); err != nil {
			return err
		}
	}
	return nil
}

// do has something done by every folder, behind what was sent before.
func (c *crew) do(ctx context.Context, what func(f *folder)) error {
	for _, f := range c.folders {
		if err := put(ctx, f.in, msg[*folder]{do: what}); err != nil {
			return err
		}
	}
	return nil
}

// flush waits until everything sent before is readable and every unit records
// how far it is.
func (c *crew) flush(ctx context.Context) error {
	return c.all(ctx, func(f *folder, done func()) { f.barriers = append(f.barriers, done) })
}

// quiet has something done by every folder while none of its flushes is under way.
func (c *crew) quiet(ctx context.Context, what func(f *folder)) error {
	return c.all(ctx, func(f *folder, done func()) {
		f.quiet = append(f.quiet, func() {
			what(f)
			done()
		})
	})
}

// all has something arranged by every folder and waits until each has called done.
func (c *crew) all(ctx context.Context, arrange func(f *folder, done func())) error {
	var wg sync.WaitGroup
	wg.Add(len(c.folders))
	if err := c.do(ctx, func(f *folder) { arrange(f, wg.Done) }); err != nil {
		return err
	}
	return waitFor(ctx, c.ctx, &wg)
}

func waitFor(ctx, life context.Context, wg *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-life.Done():
		return errSessionOver
	}
}

// share is what one folder keeps of one view.
type share struct {
	view    *view
	units   map[uint32]*unit
	applied fqgw.Marks // every position below is folded, or covered by its unit's own marks
	gone    bool       // its folder has given it back
}

// unit is the unit of writing online, with the states that are in memory.
type unit struct {
	id       fqgw.Unit
	share    *share
	marks    fqgw.Marks // what the store has
	flying   fqgw.Marks // what the flush under way makes of it; nil when there is none
	flight   *flight    // that flush
	entries  map[fqgw.EntityKey]*entry
	dirty    []*entry
	complete bool   // what is not in entries is not in the store either
	waits    []*job // events of entities that cannot be loaded yet; nothing of the unit is flushed meanwhile
	beat     *beat  // of the unit of global windows; nil of others
}

// entry is one entity in the write-back cache.
type entry struct {
	key           fqgw.EntityKey
	unit          *unit
	state         *window.State // nil until it is loaded
	packed        int           // length of its last encoding, 0 before the first
	bytes         int64         // about what it takes in memory, with its state
	grown         int64         // of it, what came since the state was last encoded and may not show otherwise
	dirty, flying bool
	// stub is what the store has of an entity whose state comes from the lake, or what is
	// written instead of the state, unless that changes before; else nil.
	stub         []byte
	newer, older *entry // in order of use
}

// job is one event to be folded into one entity.
type job struct {
	in    window.Input
	entry *entry
	bytes int64 // of in
}

// folder owns the states of a group of shards. Its goroutine alone touches them.
type folder struct {
	c            *crew
	id           int
	in           chan msg[*folder]
	shares       []*share
	sets         map[int32][]*share
	beats        []*unit // of global windows; they are not among dirty
	h            int64   // horizon: the clock at the latest batch or flush, never going back
	progress     []int64 // by partition: every position below was taken
	batch        *batch  // of which some is not folded yet
	folded       int     // routes of it that are
	jobs         []*job
	missing      []*entry
	absent       map[string][]*entry // by server that is away: entities to load when it is back
	fetched      chan *fetch
	waits        int     // jobs that wait for that
	waitBytes    int64   // their bytes
	waitFrom     []int64 // progress when the first of them came
	cache        lru
	dirty        []*unit
	dirtyEntries int
	dirtyBytes   int64 // their bytes
	flyingBytes  int64 // of the states that flights write
	encoded      int64 // and of what they are written as
	big          int64 // bytes of a large entry lately
	mem          *fqgw.Memory
	full         bool
	stamps       stamps
	flights      map[string]*flight // by server: the flush under way
	flushed      []int64            // progress when flush was last called
	lags         map[string][]int64 // by server that has more to flush: below this all is
	over         chan *flight
	due          *time.Timer
	armed        bool
	barriers     []func() // called when everything taken before is flushed
	launched     []func() // barriers that the flush under way will satisfy
	quiet        []func() // called when no flush is under way
	stopping     bool
	hand         fqgw.Position // of the record that is being folded; nowhere between them
}

func newFolder(c *crew, id int) *folder {
	f := &folder{c: c, id: id, big: firstBig, mem: c.s.p.budget.states.Part("states of a folder", memoryOption, 0),
		in: make(chan msg[*folder], 16), over: make(chan *flight, 1), fetched: make(chan *fetch), due: time.NewTimer(time.Hour),
		progress: make([]int64, c.at.Partitions), flushed: make([]int64, c.at.Partitions), sets: map[int32][]*share{},
		flights: map[string]*flight{}, lags: map[string][]int64{}, absent: map[string][]*entry{},
		h: math.MinInt64, hand: nowhere} // clocks may stand before 1970
	f.due.Stop()
	return f
}

// handled is the record at hand.
func (f *folder) handled() *fqgw.Position {
	if f.hand == nowhere {
		return nil
	}
	return &f.hand
}

// nowhere is the position of no record.
var nowhere = fqgw.Position{Offset: fqgw.NoOffset}

// attach takes up a view; detach gives back what this folder keeps of it.
func (f *folder) attach(sh *share) {
	sh.gone = false
	f.shares = append(f.shares, sh)
	f.sets[int32(sh.view.set)] = append(f.sets[int32(sh.view.set)], sh)
	for _, u := range sh.units {
		for _, e := range u.entries {
			f.cache.push(e)
		}
		if u.beat != nil {
			f.beats = append(f.beats, u)
		}
	}
}

func (f *folder) detach(v *view) *share {
	without := func(list []*share) (out []*share, found *share) {
		for _, sh := range list {
			if sh.view == v {
				found = sh
			} else {
				out = append(out, sh)
			}
		}
		return out, found
	}
	f.sets[int32(v.set)], _ = without(f.sets[int32(v.set)])
	shares, sh := without(f.shares)
	f.shares = shares
	if sh == nil {
		return nil
	}
	for _, u := range sh.units {
		for _, e := range u.entries {
			f.cache.remove(e)
		}
		if u.beat == nil {
			f.dirtyEntries -= len(u.dirty)
		}
		for _, e := range u.dirty {
			f.dirtyBytes -= e.bytes
		}
		for _, j := range u.waits {
			f.waits--
			f.waitBytes -= j.bytes
		}
	}
	f.forsake(sh)
	dirty := f.dirty[:0]
	for _, u := range f.dirty {
		if u.share != sh {
			dirty = append(dirty, u)
		}
	}
	f.dirty = dirty
	f.beats = slices.DeleteFunc(f.beats, func(u *unit) bool { return u.share == sh })
	return sh
}

// run folds and flushes until it is told to stop, or something fails.
func (f *folder) run() (err error) {
	idle := time.NewTicker(idleAdvance)
	defer idle.Stop()
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	defer f.due.Stop()
	defer func() {
		if what := recover(); what != nil {
			err = &panicked{what, debug.Stack(), f.handled()}
		}
		if err != nil {
			f.c.fail(err) // ends the flights that go on trying
		}
		for range f.flights {
			<-f.over
		}
		f.mem.Set(0)
		f.mem.Close()
	}()
	f.shrink() // it may begin with the entries of others
	for {
		if done, err := f.settle(); done || err != nil {
			return err
		}
		in := f.in
		if f.laden() || f.stopping {
			if in = nil; !f.armed && len(f.flights) == 0 && !f.stopping { // others may have begun to fold since
				f.flush(false, false)
			}
		} else if f.batch != nil {
			if err := f.fold(); err != nil {
				return err
			}
			continue
		}
		select {
		case m := <-in:
			if m.do != nil {
				m.do(f)
			} else {
				f.batch, f.folded = m.batch, 0
			}
		case fl := <-f.over:
			if err := f.finish(fl); err != nil {
				return err
			}
		case got := <-f.fetched:
			if err := f.arrive(got); err != nil {
				return err
			}
			f.arm()
		case <-f.due.C:
			f.armed = false
			if !f.drains() {
				f.flush(false, false)
			}
			f.arm()
		case <-f.beating(beat):
			if err := f.beat(); err != nil {
				return err
			}
		case <-idle.C:
			f.shrink() // others may have begun to fold since
			if f.c.live && !f.drains() {
				f.flush(true, true)
			}
		case <-f.c.ctx.Done():
			return context.Cause(f.c.ctx)
		}
	}
}

// settle does what waits for a moment without a flush under way; done says that
// the folder has stopped.
func (f *folder) settle() (done bool, err error) {
	for len(f.flights) == 0 {
		for _, do := range f.quiet {
			do()
		}
		f.quiet = nil
		for _, done := range f.launched {
			done()
		}
		f.launched = nil
		if (len(f.barriers) == 0 || f.waits > 0) && !f.stopping {
			return false, nil
		}
		if err := f.meet(); err != nil {
			return false, err
		}
		f.launched, f.barriers = f.barriers, nil
		if f.flush(true, len(f.launched) > 0); len(f.flights) == 0 && len(f.launched) == 0 {
			return f.stopping, nil
		}
	}
	return false, nil
}

// fold folds as much of the batch at hand as there is memory for: states may be any
// number of times as large as the events are. What has been folded of it can be
// written; the positions follow with the last of it. The changes of a record are
// folded together: nobody is to read some of them (fqgw.Mark).
func (f *folder) fold() error {
	f.tick()
	b := f.batch
	routes, most := b.routes[f.id], f.portion()
	n := 0
	for ; f.folded < len(routes); f.folded++ {
		r := &routes[f.folded]
		ev := &b.events[r.event]
		if n >= most && (b.whole || !sameRecord(f.hand, ev.Pos)) {
			break
		}
		f.hand = ev.Pos
		for _, sh := range f.sets[r.set] {
			u := sh.units[r.shard]
			if !b.whole && (sh.applied.Covers(ev.Pos) || u.marks.Covers(ev.Pos)) {
				continue
			}
			if n == len(f.jobs) {
				f.jobs = append(f.jobs, new(job))
			}
			j := f.jobs[n]
			keep, errs := sh.view.layout.Reduce(&j.in, ev)
			if errs > 0 {
				f.c.s.stats.evalErrors(ev.Pos.Partition, errs)
				f.c.s.p.metrics.evalErrors.Add(int64(errs))
			}
			if keep {
				j.entry, j.bytes = f.entry(u, r.key), window.InputBytes(&j.in)
				n++
			}
		}
	}
	f.hand = nowhere
	if err := f.load(); err != nil {
		return err
	}
	for i, j := range f.jobs[:n] {
		f.hand = j.in.Pos
		l := j.entry.unit.share.view.layout
		if j.entry.state == nil {
			f.await(j)
			f.jobs[i] = new(job)
		} else if b.whole {
			l.Load(f.touch(j.entry), &j.in)
			f.weigh(j.entry, l.Growth(j.entry.state, &j.in))
		} else {
			l.Apply(f.touch(j.entry), &j.in)
			f.weigh(j.entry, l.Growth(j.entry.state, &j.in))
		}
	}
	f.hand = nowhere
	f.c.s.p.metrics.applied.Add(int64(n))
	if f.folded == len(routes) {
		for i := range b.spans {
			if err := f.pass(&b.spans[i]); err != nil {
				return err
			}
		}
		f.stamps.note(b)
		f.batch = nil
		b.done()
	}
	f.shrink()
	f.report()
	if (f.full && f.c.live || f.laden()) && !f.drains() {
		f.flush(false, false)
	}
	f.arm()
	return nil
}

// arm sees to it that what waits is flushed before long. What fills a view that nobody
// reads yet waits until memory or the end asks for it: each state that is written while
// its events still come is written again.
func (f *folder) arm() {
	if f.c.live && !f.armed && f.dirtyEntries > 0 {
		f.armed = true
		f.due.Reset(f.c.s.p.o.FlushEvery)
	}
}

// tick moves the horizon to the clock. A clock that went far back ends the crew.
func (f *folder) tick() {
	now := f.c.s.p.o.Clock.Now()
	if f.c.horizon != nil {
		now = *f.c.horizon
	} else if f.h > now+clockSlack {
		f.c.fail(errClock)
	}
	f.h = max(f.h, now)
}

// entry is the entity's place in the cache; it may have to be loaded.
func (f *folder) entry(u *unit, key fqgw.EntityKey) *entry {
	e := u.entries[key]
	if e == nil {
		e = &entry{key: key, unit: u, bytes: entryBytes + int64(len(key))}
		u.entries[key] = e
		f.cache.push(e)
		if u.complete {
			e.state = u.share.view.layout.New()
		} else {
			f.missing = append(f.missing, e)
		}
	}
	return e
}

// touch readies the entity's state for a change.
func (f *folder) touch(e *entry) *window.State {
	f.cache.use(e)
	if !e.dirty || e.stub != nil {
		e.unit.share.view.layout.Advance(e.state, f.h)
	}
	e.stub = nil
	f.soil(e)
	return e.state
}

// soil has the entity written.
func (f *folder) soil(e *entry) {
	if !e.dirty {
		e.dirty = true
		f.dirtyBytes += e.bytes
		if e.unit.beat != nil {
			e.unit.dirty = append(e.unit.dirty, e)
			return
		}
		if len(e.unit.dirty) == 0 {
			f.dirty = append(f.dirty, e.unit)
		}
		e.unit.dirty = append(e.unit.dirty, e)
		f.full = f.full || len(e.unit.dirty) >= flushKeys
		f.dirtyEntries++
	}
}

// weigh counts what an entity's state takes after it changed, by inputs of so many
// bytes.
func (f *folder) weigh(e *entry, more int64) {
	e.grown += more
	n := entryBytes + int64(len(e.key)) + e.unit.share.view.layout.Bytes(e.state, e.packed) + e.grown
	f.big = max(n, f.big-f.big/256)
	f.cache.bytes += n - e.bytes
	if e.dirty {
		f.dirtyBytes += n - e.bytes
	}
	e.bytes = n
}

// shrink forgets states that take more than this folder's part of the memory.
func (f *folder) shrink() {
	f.cache.shrink(f.c.s.p.budget.forFolder() - f.encoded - f.waitBytes)
	f.mem.Set(f.cache.bytes + f.encoded + f.waitBytes)
}

// laden says that what cannot be forgotten takes half of the folder's part: before
// more is folded, some of it must be written.
func (f *folder) laden() bool {
	pinned := f.dirtyBytes + f.flyingBytes + f.encoded + f.waitBytes
	return pinned > 0 && pinned >= f.c.s.p.budget.forFolder()/2
}

const (
	mostJobs = 4096      // that are folded at once: they are kept for the next ones
	firstBig = 256 << 10 // how large entries are taken for before there are any
)

// portion is how many jobs may be folded at once, so that their states take a
// quarter of the folder's part or so.
func (f *folder) portion() int {
	return int(min(max(f.c.s.p.budget.forFolder()/4/f.big, 1), mostJobs))
}

// pass records that a span was taken.
func (f *folder) pass(s *span) error {
	p := s.partition
	for _, sh := range f.shares {
		if next := offsetIn(sh.applied.Of(p), f.c.at.epoch); next < s.from {
			return fmt.Errorf("partition %d of source %s: offsets %d to %d never came to view %s", p, f.c.s.src().Name, next, s.from, sh.view.v.Name)
		}
	}
	f.advance(p, s.next)
	return nil
}

// advance raises what every share has of a partition.
func (f *folder) advance(p int32, next int64) {
	f.progress[p] = max(f.progress[p], next)
	m := fqgw.Mark{Epoch: f.c.at.epoch, Next: next}
	for _, sh := range f.shares {
		if sh.applied.Of(p).Before(m) {
			sh.applied = sh.applied.Set(p, m)
		}
	}
}

func (c *crew) trouble(server string, err error) {
	if c.live {
		c.s.stats.trouble(onlineTrouble(server), err.Error())
	}
}

func onlineTrouble(server string) string {
	if server == lake {
		return lake
	}
	return strings.TrimSpace("online store " + server)
}
