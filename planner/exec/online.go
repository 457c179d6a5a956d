package exec

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/fqgw/fqgw"
)

// batchRows is how many entities are looked up in one trip.
const batchRows = 1024

// place says where the answer to a probe is: the shard of its key, then the read
// and the key of it.
type place struct {
	shard       uint32
	probe       int
	read, nthOf int
}

// readOnline asks the online store for the chunk's entities, in one trip. T is
// env.Now.
func (r *looked) readOnline() error {
	if !r.view.Keyed() {
		return nil
	}
	probes := r.probes[r.next:r.end]
	r.plan(probes)
	ctx, cancel, limited := deadline(r.env)
	defer cancel()
	var states []fqgw.UnitState
	var err error
	if len(r.reads) > 0 {
		states, err = r.e.o.Online.Read(ctx, r.reads)
	}
	// Past a deadline each entity whose server did not answer has timed out; the
	// others have their values.
	r.late = err != nil && limited && r.env.Ctx.Err() == nil
	if err != nil && !r.late {
		return err
	}
	if r.late {
		if len(states) == 0 {
			states = make([]fqgw.UnitState, len(r.reads))
			for i := range states {
				states[i].Err = err
			}
		}
		for i := range states {
			if e := states[i].Err; e != nil && !overdue(ctx, e) {
				return e
			}
		}
	}
	if err := r.e.intact(r.view, r.reads, states); err != nil {
		return err
	}
	r.states = slices.Grow(r.states[:0], len(probes))[:len(probes)]
	clear(r.states)
	for _, p := range r.places {
		if s := &states[p.read]; s.Err != nil {
			r.states[p.probe].late = true
		} else {
			r.states[p.probe].packed = s.States[p.nthOf]
		}
	}
	return r.readCold(ctx, probes)
}

// packedState is what the online store has of a probe's entity.
type packedState struct {
	packed []byte
	late   bool // it did not answer within the deadline
}

// plan sorts the probes by shard and makes a read of each shard's.
func (r *looked) plan(probes []probe) {
	shards := r.e.o.Online.Shards()
	if r.late { // the trip of the chunk before may still be under way
		r.reads, r.entities = nil, nil
	}
	r.places, r.reads, r.entities = r.places[:0], r.reads[:0], slices.Grow(r.entities[:0], len(probes))
	for i := range probes {
		if probes[i].ok {
			r.places = append(r.places, place{shard: probes[i].key.Shard(shards), probe: i})
		}
	}
	if len(r.places) > 1 {
		slices.SortFunc(r.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.probe, b.probe)) })
	}
	// Who asks for many entities mostly finds them: their units' positions are read
	// only where a state is missing, in a second trip, which one entity does not wait for.
	const many = 8
	for i := range r.places {
		p := &r.places[i]
		n := len(r.reads) - 1
		if n < 0 || r.reads[n].Unit.Shard != p.shard {
			n++
			r.reads = append(r.reads, fqgw.UnitRead{Unit: fqgw.Unit{State: r.view.State, Shard: p.shard}, Keys: r.entities[len(r.entities):], Sparing: len(r.places) >= many})
		}
		r.entities = append(r.entities, probes[p.probe].key)
		p.read, p.nthOf = n, len(r.reads[n].Keys)
		r.reads[n].Keys = r.entities[len(r.entities)-p.nthOf-1 : len(r.entities) : len(r.entities)]
	}
}

// overdue says that a server did not answer within the deadline; one that cannot
// be reached does not answer in time either.
func overdue(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || fqgw.AsError(err).Code == fqgw.CodeConnectionFailure
}

// deadline is the context of one trip to the online store, limited by SET
// fqgw.deadline where it is set.
func deadline(env *fqgw.Env) (ctx context.Context, cancel context.CancelFunc, limited bool) {
	if env.Deadline == 0 {
		return env.Ctx, func() {}, false
	}
	ctx, cancel = context.WithTimeout(env.Ctx, env.Deadline)
	return ctx, cancel, true
}
