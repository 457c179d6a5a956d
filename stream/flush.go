package stream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fqgw/fqgw"
)

const (
	flushKeys  = 256      // of one unit in one script, so that reads are not held up
	flushBytes = 64 << 10 // as well
	flushUnits = 64       // writes in one trip
	idleUnits  = 4096     // of those that only move positions
)

// flight is a flush under way, to one server: one that is away holds up no other.
// The states are encoded when it starts: folding goes on meanwhile.
type flight struct {
	server      string
	rounds      [][]fqgw.UnitFlush // the first part of every unit, then the second of those that have one, …
	checks      []check            // what is looked at when all is written
	units       []*unit
	entries     []*entry
	h           int64   // no state's horizon is ahead of it
	progress    []int64 // by partition: all of the server's is readable below when it is over
	before      []int64 // and below this it is already
	stamps      stamps
	bytes       int
	flyingBytes int64 // what the states take in memory
	began       time.Time
	took        time.Duration
	err         error
}

// check is a unit with the marks that it must have: a store that was lost or rolled
// back while no events come would not be noticed by a flush.
type check struct {
	id    fqgw.Unit
	marks fqgw.Marks
}

// flush starts writing every dirty state, with idle also the positions of units
// that have none, with look it looks then whether the store has what was written.
// What belongs to a server with a flush under way waits until that is over.
func (f *folder) flush(idle, look bool) {
	f.tick()
	fresh := map[string]*flight{}
	to := func(u *unit) *flight { // nil: not now
		server := f.server(u)
		if u.flying != nil || f.flights[server] != nil || len(u.waits) > 0 {
			return nil
		}
		if fresh[server] == nil {
			fresh[server] = &flight{server: server, before: f.lags[server]}
		}
		return fresh[server]
	}
	later := f.dirty[:0]
	for _, u := range f.dirty {
		if fl := to(u); fl != nil {
			f.pack(fl, u)
		} else {
			later = append(later, u)
		}
	}
	clear(f.dirty[len(later):])
	f.dirty, f.full = later, false
	f.publish(idle, to)
	if idle {
		for _, sh := range f.shares {
			for _, u := range sh.units {
				if behind := !samePlace(u.marks, further(u.marks, sh.applied)); behind && u.flying == nil && len(u.dirty) == 0 {
					if fl := to(u); fl != nil {
						f.pack(fl, u)
					}
				}
			}
		}
	}
	if look {
		f.look(fresh, to)
	}
	for server, fl := range fresh {
		if fl.before == nil {
			fl.before = f.flushed
		}
		fl.h, fl.progress, fl.stamps, fl.began = f.h, slices.Clone(f.progress), f.stamps, time.Now()
		f.flights[server] = fl
		f.flyingBytes += fl.flyingBytes
		f.encoded += int64(fl.bytes)
		go func() {
			fl.err = guarded(func() error { return f.c.write(fl) })
			fl.took = time.Since(fl.began)
			f.over <- fl
		}()
	}
	if len(fresh) > 0 {
		f.stamps = stamps{}
	}
	clear(f.lags) // of servers with more to flush, which they do now
	f.flushed = slices.Clone(f.progress)
}

// look has the marks of every unit compared, of the servers that are not busy.
func (f *folder) look(fresh map[string]*flight, to func(*unit) *flight) {
	if !f.c.live || f.c.s.p.trust {
		return
	}
	for _, sh := range f.shares {
		for _, u := range sh.units {
			fl, marks := u.flight, u.flying
			if marks == nil {
				fl, marks = to(u), u.marks
			}
			if fl != nil && fl == fresh[fl.server] {
				fl.checks = append(fl.checks, check{u.id, marks})
			}
		}
	}
}

// pack adds a unit to the flush. Many states are written in parts; only the
// last one moves the positions, and the states of the others know by themselves
// which events they have. So the last one must not be written before the others
// are: each part goes with a later trip than the one before.
func (f *folder) pack(fl *flight, u *unit) {
	l := u.share.view.layout
	partitions := f.c.at.owned
	from := byPartition(u.marks, partitions)
	u.flying, u.flight = further(u.marks, u.share.applied), fl
	part := fqgw.UnitFlush{Unit: u.id, From: from, To: from}
	var arena []byte
	round := 0
	for _, e := range u.dirty {
		if len(part.Keys) == f.c.s.p.part || len(arena) > flushBytes {
			fl.add(round, part, len(arena))
			round++
			part, arena = fqgw.UnitFlush{Unit: u.id, From: from, To: from}, nil
		}
		at := len(arena)
		if e.stub != nil {
			arena = append(arena, e.stub...)
		} else {
			l.Advance(e.state, f.h)
			arena = l.Encode(arena, e.state)
		}
		f.dirtyBytes -= e.bytes
		part.Keys = append(part.Keys, e.key)
		part.States = append(part.States, arena[at:len(arena):len(arena)])
		e.dirty, e.flying, e.packed, e.grown = false, true, len(arena)-at, 0
		f.weigh(e, 0)
		fl.flyingBytes += e.bytes
	}
	part.To = byPartition(u.flying, partitions)
	fl.add(round, part, len(arena))
	fl.units = append(fl.units, u)
	if u.beat == nil {
		f.dirtyEntries -= len(u.dirty)
	}
	fl.entries = append(fl.entries, u.dirty...)
	u.dirty = u.dirty[:0]
}

func (fl *flight) add(round int, part fqgw.UnitFlush, size int) {
	for i, st := range part.States {
		if len(st) == 0 {
			part.States[i] = nil // an empty state is no key
		}
	}
	if round == len(fl.rounds) {
		fl.rounds = append(fl.rounds, nil)
	}
	fl.rounds[round] = append(fl.rounds[round], part)
	fl.bytes += size
}

// write carries a flush out, however long the connection is lost. The writes of
// a trip have no order: one that is tried again may come after the others.
func (c *crew) write(fl *flight) error {
	p := c.s.p
	if err := p.foresee(c.ctx, fl.h); err != nil {
		return err
	}
	p.fault("before-flush")
	for i, round := range fl.rounds {
		idle := slices.DeleteFunc(slices.Clone(round), func(u fqgw.UnitFlush) bool { return len(u.Keys) > 0 })
		round = slices.DeleteFunc(round, func(u fqgw.UnitFlush) bool { return len(u.Keys) == 0 })
		trips := slices.Collect(slices.Chunk(round, p.trip))
		for _, trip := range slices.AppendSeq(trips, slices.Chunk(idle, idleUnits)) {
			if err := c.trip(fl.server, trip); err != nil {
				return err
			}
			p.fault("mid-flush")
		}
		fl.rounds[i] = nil
	}
	p.fault("after-flush")
	return c.verify(fl.server, fl.checks)
}

func (c *crew) trip(server string, flushes []fqgw.UnitFlush) error {
	var results []fqgw.FlushResult
	late := time.AfterFunc(2*time.Second, func() { c.trouble(server, errors.New("no answer for 2 s")) }) // it may hang
	defer late.Stop()
	err := retry(c.ctx, func(err error) { c.trouble(server, err) }, func() (err error) {
		results, err = c.s.p.o.Online.Flush(c.ctx, flushes)
		return err
	})
	for i, r := range results {
		if err == nil && !r.OK {
			err = fence(flushes[i].Unit)
		}
	}
	return err
}

// finish takes note of a flush that is over.
func (f *folder) finish(fl *flight) error {
	delete(f.flights, fl.server)
	f.flyingBytes -= fl.flyingBytes
	f.encoded -= int64(fl.bytes)
	if fl.err != nil {
		return fl.err
	}
	if slices.ContainsFunc(f.dirty, func(u *unit) bool { return f.server(u) == fl.server }) {
		f.lags[fl.server] = fl.progress
	}
	for _, u := range fl.units {
		u.marks, u.flying, u.flight = u.flying, nil, nil
	}
	for _, e := range fl.entries {
		e.flying = false
	}
	f.gone(fl)
	f.shrink()
	if f.laden() && !f.drains() {
		f.flush(false, false)
	}
	s := f.c.s
	m := &s.p.metrics
	if len(fl.units) > 0 {
		m.flushes.Add(1)
	}
	m.flushKeys.Add(int64(len(fl.entries)))
	m.flushBytes.Add(int64(fl.bytes))
	m.flushMicros.Add(fl.took.Microseconds())
	if f.c.live {
		s.stats.readable(f.id, f.reached())
		s.stats.fresh(fl.stamps, s.p.o.Clock)
		s.stats.trouble(onlineTrouble(fl.server), "")
	}
	f.report()
	return nil
}

// drains says that no flush may begin, so that those under way come to an end for
// who waits for that; unless one takes so long that its server must be away.
func (f *folder) drains() bool {
	if len(f.barriers)+len(f.launched)+len(f.quiet) == 0 {
		return false
	}
	for _, fl := range f.flights {
		if time.Since(fl.began) > time.Second {
			return false
		}
	}
	return len(f.flights) > 0
}

// reached is by partition how far the reads of every server are.
func (f *folder) reached() []int64 {
	out := slices.Clone(f.flushed)
	least := func(other []int64) {
		for p := range out {
			out[p] = min(out[p], other[p])
		}
	}
	for _, fl := range f.flights {
		least(fl.before)
	}
	for _, lag := range f.lags {
		least(lag)
	}
	if f.waits > 0 {
		least(f.waitFrom)
	}
	return out
}

// verify fails when the store stands elsewhere than it was left.
func (c *crew) verify(server string, checks []check) error {
	if len(checks) == 0 {
		return nil
	}
	reads := make([]fqgw.UnitRead, len(checks))
	for i := range checks {
		reads[i].Unit = checks[i].id
	}
	var found []fqgw.UnitState
	err := retry(c.ctx, func(err error) { c.trouble(server, err) }, func() (err error) {
		found, err = c.s.p.o.Online.Read(c.ctx, reads)
		return err
	})
	if err != nil {
		return err
	}
	for i := range found {
		if !sameMarks(found[i].Marks, checks[i].marks, c.at.owned) {
			return fence(checks[i].id)
		}
	}
	return nil
}

func fence(u fqgw.Unit) error {
	return &fenced{fmt.Sprintf("shard %d of state version %d", u.Shard, u.State)}
}

// report says how far reads are when nothing waits for a flush.
func (f *folder) report() {
	if f.c.live && f.dirtyEntries+f.waits == 0 && len(f.flights) == 0 {
		f.c.s.stats.readable(f.id, f.progress)
	}
}

// stamps are the times of the last records that a flush makes readable.
type stamps struct {
	polled time.Time
	stamp  map[int32]int64 // by partition: the record's timestamp
}

func (s *stamps) note(b *batch) {
	s.polled = b.polled
	if s.stamp == nil {
		s.stamp = map[int32]int64{}
	}
	for i := range b.spans {
		s.stamp[b.spans[i].partition] = b.spans[i].stamp
	}
}

// claim takes the units of a view that a crew of so many folders will keep: one
// share for each folder.
func (s *source) claim(ctx context.Context, at *incarnation, v *view, folders int) ([]*share, error) {
	shards := s.p.o.Online.Shards()
	partitions := make([]int32, at.owned)
	for p := range partitions {
		partitions[p] = int32(p)
	}
	units := make([]*unit, shards)
	err := parallel(int(shards), 8, func(i int) error {
		id := fqgw.Unit{State: v.v.State, Shard: uint32(i)}
		return retry(ctx, nil, func() error {
			found, err := s.p.o.Online.Claim(ctx, id, partitions)
			units[i] = &unit{id: id, marks: vector(found), entries: map[fqgw.EntityKey]*entry{}}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	shares := make([]*share, folders)
	for i := range shares {
		shares[i] = &share{view: v, units: map[uint32]*unit{}}
	}
	for i, u := range units {
		sh := shares[i%folders]
		u.share = sh
		if key, _ := fqgw.EncodeKey(); v.global() && key.Shard(shards) == u.id.Shard {
			u.beat = &beat{key: key, published: math.MinInt64}
		}
		// A first claim of a unit without positions: nobody ever wrote to it.
		u.complete = !slices.ContainsFunc(u.marks, func(m fqgw.Mark) bool { return m.Generation > 1 || m.Epoch > 0 || m.Next > 0 })
		sh.units[uint32(i)] = u
	}
	return shares, nil
}
