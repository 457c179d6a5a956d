package stream

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// The stores of the tests: the contracts, in memory. A plug stands between them
// and one pipeline, so that the pipeline can be cut off like a killed process.

var errDead = fqgw.Errorf(fqgw.CodeAdminShutdown, "the process is dead")

type plug struct {
	dead    atomic.Bool // every call fails
	zombie  atomic.Bool // it cannot learn anything new: claims and looks fail, writes go through
	away    atomic.Bool // the online store does not answer
	sick    atomic.Bool // the server of the odd shards does not
	hangs   atomic.Bool // the online store takes flushes and does not answer
	lakeOff atomic.Bool // the lake does not answer
	flaky   atomic.Bool // now and then the connection to the online store is lost within a trip
	fault   atomic.Pointer[fault]
}

// fault strikes at the nth pass of a point: the process dies, or it halts there
// and goes on later, as a zombie.
type fault struct {
	point  string
	left   atomic.Int64
	halts  bool
	struck chan struct{}
	free   chan struct{}
}

func (p *plug) at(point string) {
	f := p.fault.Load()
	if f == nil || f.point != point || f.left.Add(-1) != 0 {
		return
	}
	if !f.halts {
		p.dead.Store(true)
		close(f.struck)
		return
	}
	p.zombie.Store(true)
	close(f.struck)
	<-f.free
}

func (p *plug) check(look bool) error {
	if p.dead.Load() || look && p.zombie.Load() {
		return errDead
	}
	return nil
}

type memOnline struct {
	mu     sync.Mutex
	shards uint32
	marks  map[fqgw.Unit]fqgw.Marks
	states map[fqgw.Unit]map[fqgw.EntityKey][]byte
}

func newOnline(shards uint32) *memOnline {
	o := &memOnline{shards: shards}
	o.lose()
	return o
}

func (o *memOnline) lose() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.marks, o.states = map[fqgw.Unit]fqgw.Marks{}, map[fqgw.Unit]map[fqgw.EntityKey][]byte{}
}

// copyOf is a replica that is as far as o is now.
func (o *memOnline) copyOf() *memOnline {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := newOnline(o.shards)
	for u, m := range o.marks {
		c.marks[u] = slices.Clone(m)
	}
	for u, s := range o.states {
		c.states[u] = map[fqgw.EntityKey][]byte{}
		for k, b := range s {
			c.states[u][k] = b
		}
	}
	return c
}

func (o *memOnline) become(c *memOnline) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.marks, o.states = c.marks, c.states
}

type online struct {
	*memOnline
	plug *plug
}

func (o online) check(look bool) error {
	if o.plug.away.Load() {
		return fqgw.Errorf(fqgw.CodeConnectionFailure, "the online store is away")
	}
	return o.plug.check(look)
}

func (o online) Shards() uint32 { return o.shards }

// Server: the even and the odd shards have a server each.
func (o online) Server(shard uint32) string { return [2]string{"even", "odd"}[shard%2] }

// reach is an error when the unit's server does not answer.
func (o online) reach(u fqgw.Unit) error {
	if o.plug.sick.Load() && o.Server(u.Shard) == "odd" {
		return fqgw.Errorf(fqgw.CodeConnectionFailure, "the server of the odd shards is away")
	}
	return nil
}

func (o online) Read(_ context.Context, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	if err := o.check(true); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []fqgw.UnitState
	var first error
	for _, r := range reads {
		if err := o.reach(r.Unit); err != nil {
			out = append(out, fqgw.UnitState{Err: err})
			first = err
			continue
		}
		st := fqgw.UnitState{Marks: slices.Clone(o.marks[r.Unit])}
		for _, k := range r.Keys {
			st.States = append(st.States, o.states[r.Unit][k])
		}
		out = append(out, st)
	}
	return out, first
}

func (o online) Claim(_ context.Context, u fqgw.Unit, partitions []int32) ([]fqgw.PartitionMark, error) {
	if err := errors.Join(o.check(true), o.reach(u)); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []fqgw.PartitionMark
	m := o.marks[u]
	for _, p := range partitions {
		x := m.Of(p)
		x.Generation++
		m = m.Set(p, x)
		out = append(out, fqgw.PartitionMark{Partition: p, Mark: x})
	}
	o.marks[u] = m
	return out, nil
}

// Flush carries out the flushes in any order, and may lose the connection after some.
func (o online) Flush(_ context.Context, flushes []fqgw.UnitFlush) ([]fqgw.FlushResult, error) {
	for o.plug.hangs.Load() && !o.plug.dead.Load() {
		time.Sleep(time.Millisecond)
	}
	if err := o.check(false); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]fqgw.FlushResult, len(flushes))
	lost := -1
	if o.plug.flaky.Load() && rand.IntN(8) == 0 {
		lost = rand.IntN(len(flushes) + 1)
	}
	for n, i := range rand.Perm(len(flushes)) {
		if n == lost {
			return nil, fqgw.Errorf(fqgw.CodeConnectionFailure, "the connection was lost")
		}
		if err := o.reach(flushes[i].Unit); err != nil {
			return nil, err
		}
		out[i] = o.flush(&flushes[i])
	}
	return out, nil
}

func (o online) flush(f *fqgw.UnitFlush) (r fqgw.FlushResult) {
	m := o.marks[f.Unit]
	at := func(want []fqgw.PartitionMark) bool {
		return !slices.ContainsFunc(want, func(w fqgw.PartitionMark) bool { return m.Of(w.Partition) != w.Mark })
	}
	if !at(f.From) {
		r.OK = at(f.To)
		for _, w := range f.From {
			r.Found = append(r.Found, fqgw.PartitionMark{Partition: w.Partition, Mark: m.Of(w.Partition)})
		}
		return r
	}
	if o.states[f.Unit] == nil {
		o.states[f.Unit] = map[fqgw.EntityKey][]byte{}
	}
	for i, k := range f.Keys {
		if f.States[i] == nil {
			delete(o.states[f.Unit], k)
		} else {
			o.states[f.Unit][k] = slices.Clone(f.States[i])
		}
	}
	m = slices.Clone(m)
	for _, w := range f.To {
		m = m.Set(w.Partition, w.Mark)
	}
	o.marks[f.Unit] = m
	return fqgw.FlushResult{OK: true}
}

func (o online) Own(context.Context, string) error { return nil }

func (o online) Meter() *fqgw.TripMeter { return &fqgw.TripMeter{} }

func (o online) Entities(context.Context, int64, int) iter.Seq2[fqgw.EntityKey, error] {
	return func(func(fqgw.EntityKey, error) bool) {}
}

func (o online) Walk(_ context.Context, state int64, head int, page func([]fqgw.Stored) error) error {
	if err := o.check(true); err != nil {
		return err
	}
	var all []fqgw.Stored
	o.mu.Lock()
	for u, states := range o.states {
		for k, b := range states {
			if u.State == state {
				all = append(all, fqgw.Stored{Key: k, Bytes: int64(len(b)), Head: slices.Clone(b[:min(len(b), head)])})
			}
		}
	}
	o.mu.Unlock()
	for some := range slices.Chunk(all, 3) {
		if err := page(some); err != nil {
			return err
		}
	}
	return nil
}

func (o online) Drop(_ context.Context, state int64) error {
	if err := o.check(true); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for u := range o.marks {
		if u.State == state {
			delete(o.marks, u)
			delete(o.states, u)
		}
	}
	return nil
}

func (o online) Ping(context.Context) error { return nil }
func (o online) Close() error               { return nil }

// memHistory keeps rows; a scan gives them shuffled.
type memHistory struct {
	mu      sync.Mutex
	columns []fqgw.Column
	rows    [][]fqgw.Value
	landed  fqgw.Marks
	origin  string
	evolved string
	commits int64
	lose    *rand.Rand // now and then a commit's answer is lost
	expired int64      // snapshots up to it are gone
	expires bool       // a snapshot is gone when it was read once
}

type history struct {
	*memHistory
	plug *plug
}

func (h history) check(look bool) error {
	if h.plug.lakeOff.Load() {
		return fqgw.Errorf(fqgw.CodeIO, "the lake is away")
	}
	return h.plug.check(look)
}

func (h history) Create(_ context.Context, _ string, cols []fqgw.Column, _ ...string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.columns = cols
	return h.check(false)
}

func (h history) Describe(context.Context, string) ([]fqgw.Column, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.columns == nil {
		return nil, fqgw.Errorf(fqgw.CodeUndefinedTable, "no such table")
	}
	return h.columns, h.check(false)
}

func (h history) Origin(context.Context, string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.origin, h.check(true)
}

func (h history) SetOrigin(_ context.Context, _, origin string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.origin = origin
	return h.check(true)
}

func (h history) Evolve(_ context.Context, _ string, steps []fqgw.SchemaStep) error {
	if err := h.check(false); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	done := slices.IndexFunc(steps, func(s fqgw.SchemaStep) bool { return s.Mark == h.evolved })
	for _, step := range steps[done+1:] {
		for n, row := range h.rows {
			next := make([]fqgw.Value, len(step.Columns))
			for i, was := range step.Was {
				if at := slices.IndexFunc(h.columns, func(c fqgw.Column) bool { return c.Name == was }); at >= 0 {
					next[i] = row[at]
				}
			}
			h.rows[n] = next
		}
		h.columns, h.evolved = step.Columns, step.Mark
	}
	return nil
}

func (h history) Current(context.Context, string) (fqgw.Snapshot, error) {
	if err := h.check(true); err != nil {
		return fqgw.Snapshot{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return fqgw.Snapshot{ID: int64(len(h.rows)), Rows: int64(len(h.rows)), Landed: slices.Clone(h.landed)}, nil
}

func (h history) Tag(context.Context, fqgw.Scan, string) (fqgw.Snapshot, error) {
	return fqgw.Snapshot{}, h.check(false)
}

func (h history) Fill(context.Context, string, fqgw.FileLayout, fqgw.Records) (fqgw.Filled, error) {
	return fqgw.Filled{}, h.check(false)
}

func (h history) Refill(context.Context, string, fqgw.FileLayout, []fqgw.StoredFile, fqgw.Records) ([]fqgw.StoredFile, error) {
	return nil, h.check(false)
}

func (h history) Untag(context.Context, string, string) error { return h.check(false) }

func (h history) Land(_ context.Context, _ string, rec arrow.RecordBatch, from, to fqgw.Marks) (fqgw.Marks, bool, error) {
	if err := h.check(false); err != nil {
		return nil, false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !samePlace(h.landed, from) {
		return slices.Clone(h.landed), false, nil
	}
	if rec != nil {
		for i := range int(rec.NumRows()) {
			row := make([]fqgw.Value, len(h.columns))
			for c := range row {
				row[c] = fqgw.ArrowValue(rec.Column(c), i, h.columns[c].Type)
			}
			h.rows = append(h.rows, row)
		}
	}
	h.landed = slices.Clone(to)
	h.commits++
	if h.lose != nil && h.lose.IntN(4) == 0 {
		return nil, false, errors.New("the answer got lost")
	}
	return slices.Clone(to), true, nil
}

func (h history) Scan(_ context.Context, s fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	if err := h.check(true); err != nil {
		return nil, nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.Snapshot <= h.expired {
		return nil, nil, fqgw.Errorf(fqgw.CodeUndefinedObject, "the snapshot is gone")
	}
	rows := slices.Clone(h.rows[:s.Snapshot])
	columns, places := h.only(s.Columns)
	schema := fqgw.ArrowSchema(columns)
	return schema, func(yield func(arrow.RecordBatch, error) bool) {
		for i := len(rows) - 1; i > 0; i-- {
			j := rand.IntN(i + 1)
			rows[i], rows[j] = rows[j], rows[i]
		}
		timeCol := slices.IndexFunc(h.columns, func(c fqgw.Column) bool { return c.Name == s.Time })
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer b.Release()
		n := 0
		for _, r := range rows {
			if timeCol >= 0 && (r[timeCol].Int() < s.From || r[timeCol].Int() > s.To) {
				continue
			}
			for c, f := range b.Fields() {
				if err := fqgw.AppendValue(f, r[places[c]], columns[c].Type); err != nil {
					yield(nil, err)
					return
				}
			}
			if n++; n%97 == 0 && !yield(b.NewRecordBatch(), nil) {
				return
			}
		}
		if yield(b.NewRecordBatch(), nil) && h.expires {
			h.mu.Lock()
			h.expired = s.Snapshot
			h.mu.Unlock()
		}
	}, nil
}

// only are the named columns of the history, and where they stand.
func (h history) only(names []string) (columns []fqgw.Column, places []int) {
	for _, name := range names {
		i := slices.IndexFunc(h.columns, func(c fqgw.Column) bool { return c.Name == name })
		columns, places = append(columns, h.columns[i]), append(places, i)
	}
	return columns, places
}

func (h history) Drop(context.Context, string) error { return nil }
func (h history) Append(context.Context, string, fqgw.Records) (int64, error) {
	return 0, errors.ErrUnsupported
}
func (h history) Exclusive(ctx context.Context, f func(context.Context) error) error { return f(ctx) }
func (h history) Rollback(context.Context, string, int64) error                      { return errors.ErrUnsupported }
func (h history) Close() error                                                       { return nil }

// world is everything that outlives a process.
type world struct {
	online   *memOnline
	history  *memHistory
	log      *memLog
	registry *memRegistry
	clock    *fqgw.Clock
}

func newWorld(partitions int, shards uint32, clock *fqgw.Clock) *world {
	return &world{newOnline(shards), &memHistory{}, newLog(partitions), newRegistry(), clock}
}

// process is one pipeline on a world.
type process struct {
	*Pipeline
	plug *plug
	stop func() // ends Run and waits for it
}

func (w *world) start(tune func(o *Options)) *process {
	pl := &plug{}
	o := Options{Online: online{w.online, pl}, History: history{w.history, pl}, Logs: map[string]fqgw.Log{"kafka": w.log}, Registry: registry{w.registry, pl}, Letters: registry{w.registry, pl}, Clock: w.clock,
		FlushEvery: 2 * time.Millisecond, Folders: 2, Fault: pl.at, Revive: history{w.history, pl}.revive}
	if tune != nil {
		tune(&o)
	}
	p := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		p.Run(ctx)
		close(done)
	}()
	return &process{p, pl, func() {
		cancel()
		<-done
	}}
}

// kill cuts the process off and lets its goroutines end.
func (p *process) kill() {
	p.plug.dead.Store(true)
	p.abort()
	p.stop()
}
