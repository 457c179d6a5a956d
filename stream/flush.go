package stream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fqgw/fqgw"
)

const (
	flushKeys  = 256      // of one unit in one script, so that reads are not held up
	flushBytes = 64 << 10 // as well
	flushUnits = 64       // writes in one trip
)

// flight is a flush under way. The states are encoded when it starts: folding
// goes on meanwhile.
type flight struct {
	rounds   [][]fqgw.UnitFlush // the first part of every unit, then the second of those that have one, …
	units    []*unit
	entries  []*entry
	h        int64 // no state's horizon is ahead of it
	progress []int64
	stamps   stamps
	bytes    int
	took     time.Duration
	err      error
}

// flush starts writing every dirty state and, with idle, the positions of units
// that have none. Nothing happens while another flush is under way.
func (f *folder) flush(idle bool) {
	if f.flight != nil {
		return
	}
	f.tick()
	fl := &flight{}
	for _, u := range f.dirty {
		f.pack(fl, u)
	}
	if idle {
		for _, sh := range f.shares {
			for _, u := range sh.units {
				if u.flying == nil && !samePlace(u.marks, further(u.marks, sh.applied)) {
					f.pack(fl, u)
				}
			}
		}
	}
	f.dirty, f.waiting, f.full = f.dirty[:0], 0, false
	if len(fl.units) == 0 {
		return
	}
	fl.h, fl.progress, fl.stamps = f.h, slices.Clone(f.progress), f.stamps
	f.stamps = stamps{}
	f.flight = fl
	go func() {
		began := time.Now()
		fl.err = f.c.write(fl)
		fl.took = time.Since(began)
		f.landed <- fl
	}()
}

// pack adds a unit to the flush. Many states are written in parts; only the
// last one moves the positions, and the states of the others know by themselves
// which events they have. So the last one must not be written before the others
// are: each part goes with a later trip than the one before.
func (f *folder) pack(fl *flight, u *unit) {
	l := u.share.view.layout
	partitions := f.c.at.owned
	from := byPartition(u.marks, partitions)
	u.flying = further(u.marks, u.share.applied)
	part := fqgw.UnitFlush{Unit: u.id, From: from, To: from}
	var arena []byte
	round := 0
	for _, e := range u.dirty {
		if len(part.Keys) == f.c.s.p.part || len(arena) > flushBytes {
			fl.add(round, part, len(arena))
			round++
			part, arena = fqgw.UnitFlush{Unit: u.id, From: from, To: from}, nil
		}
		l.Advance(e.state, f.h)
		at := len(arena)
		arena = l.Encode(arena, e.state)
		part.Keys = append(part.Keys, e.key)
		part.States = append(part.States, arena[at:len(arena):len(arena)])
		e.dirty, e.flying = false, true
	}
	part.To = byPartition(u.flying, partitions)
	fl.add(round, part, len(arena))
	fl.units = append(fl.units, u)
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
	for i, u := range fl.units {
		if i > 0 && u.share == fl.units[i-1].share {
			continue
		}
		if err := c.s.foresee(c.ctx, u.share.view.v, fl.h); err != nil {
			return err
		}
	}
	p.fault("before-flush")
	for i, round := range fl.rounds {
		for trip := range slices.Chunk(round, p.trip) {
			if err := c.trip(trip); err != nil {
				return err
			}
			p.fault("mid-flush")
		}
		fl.rounds[i] = nil
	}
	p.fault("after-flush")
	return nil
}

func (c *crew) trip(flushes []fqgw.UnitFlush) error {
	var results []fqgw.FlushResult
	err := retry(c.ctx, c.trouble, func() (err error) {
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
	f.flight = nil
	if fl.err != nil {
		return fl.err
	}
	for _, u := range fl.units {
		u.marks, u.flying = u.flying, nil
	}
	for _, e := range fl.entries {
		e.flying = false
	}
	s := f.c.s
	m := &s.p.metrics
	m.flushes.Add(1)
	m.flushKeys.Add(int64(len(fl.entries)))
	m.flushBytes.Add(int64(fl.bytes))
	m.flushMicros.Add(fl.took.Microseconds())
	if f.c.live {
		s.stats.readable(f.id, fl.progress)
		s.stats.fresh(fl.stamps, s.p.o.Clock)
		s.stats.trouble("online store", "")
	}
	f.report()
	return nil
}

// verify looks whether the store still has what was written: one that was lost
// or rolled back while no events come would not be noticed by a flush.
func (f *folder) verify() error {
	if !f.c.live || f.c.s.p.trust {
		return nil
	}
	var reads []fqgw.UnitRead
	var units []*unit
	for _, sh := range f.shares {
		for _, u := range sh.units {
			reads, units = append(reads, fqgw.UnitRead{Unit: u.id}), append(units, u)
		}
	}
	var found []fqgw.UnitState
	err := retry(f.c.ctx, f.c.trouble, func() (err error) {
		found, err = f.c.s.p.o.Online.Read(f.c.ctx, reads)
		return err
	})
	for i := range found {
		if err == nil && !sameMarks(found[i].Marks, units[i].marks, f.c.at.owned) {
			err = fence(units[i].id)
		}
	}
	return err
}

func fence(u fqgw.Unit) error { return &fenced{fmt.Sprintf("shard %d of view %s", u.Shard, u.View)} }

// report says how far reads are when nothing waits for a flush.
func (f *folder) report() {
	if f.c.live && f.waiting == 0 && f.flight == nil {
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
		id := fqgw.Unit{View: v.v.Name, State: v.v.State, Shard: uint32(i)}
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
		// A first claim of a unit without positions: nobody ever wrote to it.
		u.complete = !slices.ContainsFunc(u.marks, func(m fqgw.Mark) bool { return m.Generation > 1 || m.Epoch > 0 || m.Next > 0 })
		sh.units[uint32(i)] = u
	}
	return shares, nil
}
