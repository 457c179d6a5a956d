package stream

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// Entities leave the online store under its budget, or when a view's retain says so
// (SEMANTICS §3.9, §6.5), those without an event for the longest time first. Only what
// history gives again to the byte leaves: it is read from there and compared before the
// stub is written, under the compare of every flush. So nothing has to be known of what
// is landed, or of whether somebody changed the history.

const (
	tierEvery = time.Minute // between two looks at the store, and tierShare times as long as one takes
	tierShare = 20
	// chillMost is how many entities one look picks at the most.
	chillMost = 1 << 17
	// chillRows is the most rows that the state of an entity may be made of: it bounds what
	// one read of the lake costs.
	chillRows = 100_000
	// stayFor is how long an entity stays that was read from the lake, and againAfter when
	// one is tried again that did not leave.
	stayFor    = time.Hour
	againAfter = 10 * time.Minute
	stayMost   = 1 << 16
	// headBytes of what is stored tell when the last event was; besides its value a key
	// takes about keyOverhead, and a stub stubBytes.
	headBytes   = 128
	keyOverhead = 64
	stubBytes   = 48
)

// tiers is what is where.
type tiers struct {
	mu    sync.Mutex
	of    map[int64]*tier // by state version
	moves chan warming
}

// tier is what is known of a state version.
type tier struct {
	fqgw.Tier
	// Until when entities stay: those that a read brought back, and those that did not leave.
	warm, stuck map[fqgw.EntityKey]time.Time
}

// warming are states that readers took from the lake.
type warming struct {
	state int64
	moves []move
}

func (t *tiers) tier(state int64) *tier {
	if t.of == nil {
		t.of = map[int64]*tier{}
	}
	if t.of[state] == nil {
		t.of[state] = &tier{warm: map[fqgw.EntityKey]time.Time{}, stuck: map[fqgw.EntityKey]time.Time{}}
	}
	return t.of[state]
}

func (t *tiers) change(state int64, f func(*tier)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t.tier(state))
}

func (t *tiers) loaded(state int64, n int) {
	t.change(state, func(x *tier) { x.Loaded += int64(n); x.Cold -= int64(n); x.Hot += int64(n) })
}

func (t *tiers) warmed(state int64, n int) {
	t.change(state, func(x *tier) { x.Warmed += int64(n); x.Cold -= int64(n); x.Hot += int64(n) })
}

func (t *tiers) left(state int64, n int) {
	t.change(state, func(x *tier) { x.Left += int64(n); x.Cold += int64(n); x.Hot -= int64(n) })
}

func (t *tiers) forget(state int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, state)
}

// keep has an entity stay for a while.
func keep(in map[fqgw.EntityKey]time.Time, k fqgw.EntityKey, during time.Duration) {
	if len(in) >= stayMost {
		clear(in)
	}
	in[k] = time.Now().Add(during)
}

// stays says whether an entity shall stay for now.
func (x *tier) stays(k fqgw.EntityKey, now time.Time) bool {
	return now.Before(x.warm[k]) || now.Before(x.stuck[k])
}

// Tier is what is where of a view, as the last look at the store and what happened since
// tell.
func (p *Pipeline) Tier(v *fqgw.FeatureView) (t fqgw.Tier) {
	p.tiers.mu.Lock()
	defer p.tiers.mu.Unlock()
	if x := p.tiers.of[v.State]; x != nil {
		t = x.Tier
	}
	t.Leaves = p.leaves(v)
	return t
}

// Warm has states put into the online store again whose entities had left it, where it
// still has those stubs. It does not wait for that, and leaves it undone when many wait.
func (p *Pipeline) Warm(v *fqgw.FeatureView, keys []fqgw.EntityKey, stubs, states [][]byte) {
	w := warming{state: v.State}
	for i, k := range keys {
		w.moves = append(w.moves, move{k, stubs[i], states[i]})
	}
	select {
	case p.tiers.moves <- w:
	default:
	}
}

// runTiers looks at the store from time to time, and warms what readers found cold.
func (p *Pipeline) runTiers(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for {
			select {
			case w := <-p.tiers.moves:
				_ = guarded(func() error { p.warm(ctx, w); return nil })
			case <-ctx.Done():
				return
			}
		}
	})
	next := time.NewTimer(tierEvery)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			began := time.Now()
			if err := guarded(func() error { return p.chillAll(ctx) }); err != nil && ctx.Err() == nil {
				p.o.Logger.Warn("the online store could not be looked through for what may go to the lake", "error", err)
			}
			next.Reset(max(tierEvery, tierShare*time.Since(began)))
		case <-ctx.Done():
			return
		}
	}
}

// warm hands states to the folders that write them.
func (p *Pipeline) warm(ctx context.Context, w warming) {
	for _, s := range p.all() {
		s.mu.Lock()
		v, ses := s.viewOf(w.state), s.session
		s.mu.Unlock()
		if v == nil || ses == nil {
			continue
		}
		ses.move(ctx, v, w.moves, (*folder).warm)
		p.tiers.change(w.state, func(x *tier) {
			for i := range w.moves {
				keep(x.warm, w.moves[i].key, stayFor)
			}
		})
	}
}

// viewOf is the view of a state version that the source's session keeps. s.mu is held.
func (s *source) viewOf(state int64) *view {
	if i := slices.IndexFunc(s.views, func(v *view) bool { return v.v.State == state }); i >= 0 {
		return s.views[i]
	}
	return nil
}

// move gives moves to the folders of their entities; it does not wait for what they do,
// and does nothing when the session ends.
func (ses *session) move(ctx context.Context, v *view, moves []move, do func(*folder, *share, []move)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ses.ctx, cancel)()
	folders := ses.crew.folders
	by := make([][]move, len(folders))
	for _, m := range moves {
		n := int(m.key.Shard(ses.s.p.o.Online.Shards())) % len(folders)
		by[n] = append(by[n], m)
	}
	for n, f := range folders {
		if len(by[n]) == 0 {
			continue
		}
		_ = put(ctx, f.in, msg[*folder]{do: func(f *folder) {
			for _, sh := range f.shares {
				if sh.view.v.State == v.v.State {
					do(f, sh, by[n])
				}
			}
		}})
	}
}

// candidate is an entity that may go to the lake.
type candidate struct {
	s      *source
	v      *view
	key    fqgw.EntityKey
	newest int64 // time of its last event
	bytes  int64
	over   bool // its windows are empty: nothing need stay
	must   bool // retain says so
}

// coldest are the candidates of which the last events were longest ago, at most so many:
// a heap, the newest of them first.
type coldest []candidate

func (c coldest) Len() int           { return len(c) }
func (c coldest) Less(i, j int) bool { return c[i].newest > c[j].newest }
func (c coldest) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *coldest) Push(x any)        { *c = append(*c, x.(candidate)) }
func (c *coldest) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// Chill looks through the online store once and sends to the lake what its budget and
// the views' retain say, also what did not leave a moment ago.
func (p *Pipeline) Chill(ctx context.Context) error {
	p.tiers.mu.Lock()
	for _, x := range p.tiers.of {
		clear(x.stuck)
	}
	p.tiers.mu.Unlock()
	return p.chillAll(ctx)
}

func (p *Pipeline) chillAll(ctx context.Context) error {
	if p.o.Revive == nil {
		return nil
	}
	var most coldest
	total, errs := int64(0), []error(nil)
	for _, s := range p.all() {
		s.mu.Lock()
		views := slices.Clone(s.views)
		s.mu.Unlock()
		for _, v := range views {
			if _, filling := p.Filling(v.v); filling || !p.leaves(v.v) {
				continue
			}
			bytes, err := p.lookThrough(ctx, s, v, &most)
			total += bytes
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	over := int64(0)
	if p.o.OnlineMemory > 0 {
		over = total - p.o.OnlineMemory
	}
	slices.SortFunc(most, func(a, b candidate) int { return cmp.Compare(a.newest, b.newest) })
	type place struct {
		s *source
		v *view
	}
	picked := map[place][]candidate{}
	for _, c := range most {
		if !c.must && !c.over && over <= 0 {
			continue
		}
		over -= c.bytes - stubBytes
		at := place{c.s, c.v}
		if picked[at] = append(picked[at], c); len(picked[at]) == window.BatchStubs {
			over += p.chill(ctx, c.s, c.v, picked[at])
			delete(picked, at)
		}
	}
	for at, some := range picked {
		p.chill(ctx, at.s, at.v, some)
	}
	return ctx.Err()
}

// leaves says whether entities of a view may go to the lake: they can, and there is a
// reason.
func (p *Pipeline) leaves(v *fqgw.FeatureView) bool {
	return v.Stays() == "" && p.o.Revive != nil && (p.o.OnlineMemory > 0 || p.keeper(v).Retain > 0)
}

// Keep says which version of a feature view stands for its states from now on: it is
// called by its name, and its retain counts.
func (p *Pipeline) Keep(v *fqgw.FeatureView) { p.keepers.Store(v.State, v) }

// keeper is the version that stands for the states of v.
func (p *Pipeline) keeper(v *fqgw.FeatureView) *fqgw.FeatureView {
	if k, ok := p.keepers.Load(v.State); ok {
		return k.(*fqgw.FeatureView)
	}
	return v
}

// lookThrough counts what the store has of a view, and adds candidates.
func (p *Pipeline) lookThrough(ctx context.Context, s *source, v *view, most *coldest) (total int64, err error) {
	now, real, retain := p.o.Clock.Now(), time.Now(), p.keeper(v.v).Retain
	var t fqgw.Tier
	err = p.o.Online.Walk(ctx, v.v.State, headBytes, func(page []fqgw.Stored) error {
		p.tiers.mu.Lock()
		defer p.tiers.mu.Unlock()
		x := p.tiers.tier(v.v.State)
		for i := range page {
			st := &page[i]
			g, ok := v.layout.Glance(st.Head)
			if !ok {
				continue
			}
			takes := st.Bytes + int64(len(st.Key)) + keyOverhead
			total += takes
			if g.Stub {
				t.Cold, t.ColdBytes, t.Saved = t.Cold+1, t.ColdBytes+takes, t.Saved+g.Size-st.Bytes
			} else {
				t.Hot, t.HotBytes = t.Hot+1, t.HotBytes+takes
			}
			c := candidate{s: s, v: v, key: st.Key, newest: g.Newest, bytes: st.Bytes}
			c.over = !v.v.Latest && g.Newest != math.MinInt64 && v.layout.Spent(g.Newest, now)
			c.must = retain > 0 && now-g.Newest > retain
			if !c.over && (x.stays(st.Key, real) || g.Stub || st.Bytes < 2*stubBytes) {
				continue
			}
			if heap.Push(most, c); most.Len() > chillMost {
				heap.Pop(most)
			}
		}
		return ctx.Err()
	})
	if err == nil {
		p.tiers.change(v.v.State, func(x *tier) {
			x.Hot, x.HotBytes, x.Cold, x.ColdBytes, x.Saved, x.Looked = t.Hot, t.HotBytes, t.Cold, t.ColdBytes, t.Saved, real.UnixMicro()
		})
	}
	return total, err
}

// chill sends entities to the lake whose states history gives; it says how many bytes
// stay of those that it does not.
func (p *Pipeline) chill(ctx context.Context, s *source, v *view, some []candidate) (stay int64) {
	moves, err := p.verified(ctx, v, some)
	if err != nil {
		p.o.Logger.Warn("entities could not be sent to the lake", "view", v.v.Name, "error", err)
		moves = nil
	}
	going := map[fqgw.EntityKey]bool{}
	for i := range moves {
		going[moves[i].key] = true
	}
	var staying []fqgw.EntityKey
	for _, c := range some {
		if !going[c.key] {
			staying = append(staying, c.key)
			stay += c.bytes - stubBytes
		}
	}
	if err == nil {
		p.tiers.change(v.v.State, func(x *tier) {
			for _, k := range staying {
				keep(x.stuck, k, againAfter)
			}
		})
	}
	s.mu.Lock()
	ses := s.session
	s.mu.Unlock()
	if ses != nil && len(moves) > 0 {
		ses.move(ctx, v, moves, (*folder).chill)
	}
	return stay
}

// verified are the moves of those entities whose stubs stand for their states.
func (p *Pipeline) verified(ctx context.Context, v *view, some []candidate) (moves []move, err error) {
	units := map[uint32]int{}
	var reads []fqgw.UnitRead
	over := map[fqgw.EntityKey]bool{}
	for _, c := range some {
		shard := c.key.Shard(p.o.Online.Shards())
		at, ok := units[shard]
		if !ok {
			at = len(reads)
			units[shard], reads = at, append(reads, fqgw.UnitRead{Unit: fqgw.Unit{State: v.v.State, Shard: shard}})
		}
		reads[at].Keys = append(reads[at].Keys, c.key)
		over[c.key] = c.over
	}
	found, err := p.o.Online.Read(ctx, reads)
	if err != nil {
		return nil, err
	}
	var asked []move
	var stubs []*window.Stub
	var whole [][]byte
	now := p.o.Clock.Now()
	for i := range reads {
		for k, key := range reads[i].Keys {
			stored := found[i].States[k]
			switch {
			case len(stored) == 0:
			case over[key]:
				moves = append(moves, move{key: key, stored: stored})
			case !window.IsStub(stored):
				// As of now: what was ahead of the clock when it came seldom is still.
				packed, err := v.layout.Cut(stored, now)
				if err != nil {
					continue // the folder says so when it meets it
				}
				b, err := v.layout.Stub(packed)
				if err != nil {
					return nil, err
				}
				if b == nil {
					continue
				}
				stub, err := v.layout.OpenStub(b)
				if err != nil {
					return nil, err
				}
				asked, stubs, whole = append(asked, move{key, stored, b}), append(stubs, stub), append(whole, packed)
			}
		}
	}
	if len(asked) == 0 {
		return moves, nil
	}
	keys := make([]fqgw.EntityKey, len(asked))
	for i := range asked {
		keys[i] = asked[i].key
	}
	for _, b := range window.StubBatches(stubs, window.BatchStubs) {
		states, err := p.o.Revive(ctx, v.layout, keys[b[0]:b[1]], stubs[b[0]:b[1]], chillRows)
		if err != nil {
			return nil, err
		}
		for i, state := range states {
			if bytes.Equal(state, whole[b[0]+i]) {
				moves = append(moves, asked[b[0]+i])
			}
		}
	}
	return moves, nil
}
