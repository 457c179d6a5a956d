package exec

import (
	"errors"
	"io"
	"iter"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/pit"
	"github.com/fqgw/fqgw/planner/relational"
	"github.com/fqgw/fqgw/stream/window"
)

// spineRows is how many rows of a spine are joined with one pass over history;
// fewer where they take more than chunk.room.
const spineRows = 1 << 18

// readHistory answers the chunk's probes as of their own times from the lake
// (SEMANTICS §5).
func (r *looked) readHistory() error {
	e, env, v, probes := r.e, r.env, r.view, r.probes[r.next:r.end]
	l := r.program.Shown()
	r.readings = slices.Grow(r.readings[:0], len(probes))[:len(probes)]
	asked := make([]pit.Probe, len(probes))
	minT, maxT, maxK := int64(math.MaxInt64), int64(math.MinInt64), int64(math.MinInt64)
	for i := range probes {
		p := &probes[i]
		asked[i] = pit.Probe{Key: p.key, OK: p.ok, T: p.t, K: p.k}
		if p.ok {
			minT, maxT, maxK = min(minT, p.t), max(maxT, p.t), max(maxK, p.k)
		}
	}
	if maxT < minT { // no probe has an entity
		for i := range probes {
			r.readings[i] = l.Empty(probes[i].t)
		}
		return nil
	}
	e.noticeFuture(env, maxT)
	if err := e.waitKnown(env, v.Source.Qualified().String(), maxK); err != nil {
		return err
	}
	late, found := unknown{by: maxK}, false
	events := eventMemory(r.limit.memory)
	defer events.Close()
	err := pit.Join(l, asked, &fqgw.Sorted{Fresh: late.watch(e.historyOf(env, v, minT, maxT))}, events, func(i int, reading *window.Reading) error {
		r.readings[i] = *reading // which may be kept
		found = found || reading.Exists || reading.OutsideMaxAge
		return nil
	})
	if err == nil && !found {
		late.notice(env, v)
	}
	return err
}

// allThen reads every entity of a view as of one time.
func (e *Engine) allThen(env *fqgw.Env, l *lookup) (fqgw.Rows, error) {
	t, ok, err := constantTime(env, l.at)
	if err != nil || !ok {
		return relational.Slice(nil), err
	}
	k := t
	if l.known != nil {
		if k, ok, err = constantTime(env, l.known); err != nil || !ok {
			return relational.Slice(nil), err
		}
	}
	e.noticeFuture(env, t)
	if err := e.waitKnown(env, l.view.Source.Qualified().String(), k); err != nil {
		return nil, err
	}
	late := unknown{by: k}
	found := false
	next, stop := iter.Pull2(func(yield func([]fqgw.Value, error) bool) {
		memory := e.memoryOf(env)
		defer memory.Close()
		events := eventMemory(memory)
		defer events.Close()
		if err := memory.Reserve(memory.Limit() / joinShare); err != nil {
			yield(nil, err)
			return
		}
		var a window.Answer
		err := pit.All(l.program.Shown(), t, k, late.watch(e.historyOf(env, l.view, t, t)), events, func(key fqgw.EntityKey, r *window.Reading) error {
			if a.Key, err = fqgw.DecodeKey(key); err != nil {
				return err
			}
			found = true
			if a.Key == nil {
				a.Key = []fqgw.Value{}
			}
			l.program.Of(&a, r)
			a.Shown = true
			var told tally
			row := l.columnsOf(&a, &told)
			e.served.add(true, &told)
			if !yield(row, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(nil, err)
		}
	})
	return &stream{fresh: true, close: func() error { stop(); return nil }, next: func() ([]fqgw.Value, error) {
		row, err, ok := next()
		if ok {
			return row, err
		}
		if !found {
			late.notice(env, l.view)
			found = true
		}
		return nil, io.EOF
	}}, nil
}

// errEnough ends a join whose reader wants no more.
var errEnough = errors.New("no more rows are wanted")

// eventMemory is for the events of a point-in-time join: half of what a statement
// may keep at most, and of that what is left. The join takes as little of it as it
// goes on with, and gives it back before its rows are taken. It is to be closed.
func eventMemory(whole *fqgw.Memory) *fqgw.Memory {
	return whole.Part("the history of one entity in a point-in-time join", "--memory", whole.Limit()/2)
}

// historyOf is what of a source's history can matter to a view at times from
// minT to maxT: scanned anew whenever it is read.
func (e *Engine) historyOf(env *fqgw.Env, v *fqgw.FeatureView, minT, maxT int64) fqgw.Records {
	s := v.Source
	scan := fqgw.Scan{Table: s.History, Columns: pit.Columns(v), Time: s.Columns[s.EventTime].Name, Batch: e.batchBytes()}
	scan.From, scan.To = pit.Range(v, minT, maxT)
	return func(yield func(arrow.RecordBatch, error) bool) {
		_, records, err := e.o.History.Scan(env.Ctx, scan)
		if err != nil {
			yield(nil, err)
			return
		}
		cancellable(env, records)(yield)
	}
}

// cancellable ends the records with the statement's context.
func cancellable(env *fqgw.Env, in fqgw.Records) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range in {
			if err == nil && env.Ctx.Err() != nil {
				b.Release()
				yield(nil, env.Ctx.Err())
				return
			}
			if !yield(b, err) {
				return
			}
		}
	}
}
