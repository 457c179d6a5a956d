package exec

import (
	"errors"
	"io"
	"iter"
	"math"
	"runtime"
	"runtime/debug"
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
	if r.input != nil {
		e.joined[0].Add(uint64(len(probes)))
	}
	minT, maxT, maxK := int64(math.MaxInt64), int64(math.MinInt64), int64(math.MinInt64)
	for i := range probes {
		p := &probes[i]
		asked[i] = pit.Probe{Key: p.key, OK: p.ok, T: p.t, K: p.k}
		if p.ok {
			minT, maxT, maxK = min(minT, p.t), max(maxT, p.t), max(maxK, p.k)
		}
	}
	if r.globals != nil { // of which a probe without an entity has a value too
		for i := range probes {
			if p := &probes[i]; p.timed {
				minT, maxT, maxK = min(minT, p.t), max(maxT, p.t), max(maxK, p.k)
			}
		}
	}
	if maxT < minT { // no probe has an entity
		for i := range probes {
			r.readings[i] = l.Empty(probes[i].t)
		}
		r.then = make([]*window.Reading, len(probes))
		return nil
	}
	e.noticeFuture(env, maxT)
	if err := e.waitView(env, v, maxK); err != nil {
		return err
	}
	if r.globals != nil {
		var err error
		if r.then, err = e.everywhereThen(env, r.globals, probes, r.limit.memory); err != nil {
			return err
		}
	}
	if !v.Keyed() {
		return nil
	}
	join := func() error {
		late, found := unknown{by: maxK}, false
		events := eventMemory(r.limit.memory)
		defer events.Close()
		history, err := e.sortedHistory(env, v, minT, maxT)
		if err != nil {
			return err
		}
		defer history.Close()
		history.Fresh = late.watch(history.Fresh)
		err = pit.Join(l, asked, history, events, func(i int, reading *window.Reading) error {
			r.readings[i] = *reading // which may be kept
			found = found || reading.Exists || reading.OutsideMaxAge
			return nil
		})
		if err == nil && !found {
			from, to := pit.Range(v, minT, maxT)
			late.runs(history.Runs, from, to)
			late.notice(env, v)
		}
		return err
	}
	return e.readingHistory(env, v.Source, join)
}

// readingHistory calls f, which reads a history by its runs, and once more when a file
// cannot be read: what was damaged while it was read is not used by the next.
func (e *Engine) readingHistory(env *fqgw.Env, s *fqgw.Source, f func() error) error {
	err := readingRuns(f)
	if fqgw.HasCode(err, fqgw.CodeIO) && env.Ctx.Err() == nil {
		e.o.Logger.Warn("a history could not be read, and is read again", "source", s.Name, "error", err)
		err = readingRuns(f)
	}
	return err
}

// readingRuns calls f, which reads runs. They lie in mapped files: one that goes while it
// is read, or cut, would end the process; 58030 so.
func readingRuns(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interface {
			runtime.Error
			Addr() uintptr
		}:
			err = fqgw.Errorf(fqgw.CodeIO, "a run of a history cannot be read any more: %w", p)
		default:
			panic(p)
		}
	}()
	return f()
}

// sortedHistory is historyOf by the runs that the history has under the view's join
// keys. It is to be closed.
func (e *Engine) sortedHistory(env *fqgw.Env, v *fqgw.FeatureView, minT, maxT int64) (*fqgw.Sorted, error) {
	if len(v.Keys) == 0 || !v.Latest && v.Source.Changelog() { // its runs go by known times
		return &fqgw.Sorted{Fresh: e.historyOf(env, v, minT, maxT)}, nil
	}
	if e.foreign(v.Source) != nil {
		return e.foreignHistory(env, v, minT, maxT)
	}
	var keys []int
	for _, k := range v.Keys {
		keys = append(keys, k.Column)
	}
	s, err := e.o.History.Sorted(env.Ctx, e.scanOf(v, minT, maxT), runKeys(v.Source, keys))
	if err != nil {
		return nil, err
	}
	if p := pinsOf(env.Ctx); p != nil {
		marks := p.below(v.Source)
		if s.Covered.Beyond(marks) { // the runs have rows that the statement does not see
			s.Close()
			return &fqgw.Sorted{Fresh: e.historyOf(env, v, minT, maxT)}, nil
		}
		s.Fresh = below(s.Fresh, marks)
	}
	s.Fresh = cancellable(env, s.Fresh)
	return s, nil
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
	if err := e.waitView(env, l.view, k); err != nil {
		return nil, err
	}
	late := unknown{by: k}
	found := false
	var a window.Answer
	if l.globals != nil {
		memory := e.memoryOf(env)
		then, err := e.everywhereThen(env, l.globals, []probe{{t: t, k: k, timed: true}}, memory)
		memory.Close()
		if err != nil {
			return nil, err
		}
		a.Global = then[0]
	}
	row := func(key fqgw.EntityKey, r *window.Reading) (_ []fqgw.Value, shown bool, err error) {
		if a.Key, err = fqgw.DecodeKey(key); err != nil {
			return nil, false, err
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
		return row, true, nil
	}
	return e.everyEntity(env, l.program.Shown(), t, k, late.watch(e.historyOf(env, l.view, t, t)), row, func() {
		if !found {
			late.notice(env, l.view)
			found = true
		}
	}), nil
}

// everyEntity is a row for each entity of a view at t, by what was known at k; shown
// is false for one without. over is called when there are no more.
func (e *Engine) everyEntity(env *fqgw.Env, l *window.Layout, t, k int64, history fqgw.Records,
	row func(key fqgw.EntityKey, r *window.Reading) (values []fqgw.Value, shown bool, err error), over func()) fqgw.Rows {
	next, stop := iter.Pull2(func(yield func([]fqgw.Value, error) bool) {
		memory := e.memoryOf(env)
		defer memory.Close()
		events := eventMemory(memory)
		defer events.Close()
		if err := memory.Reserve(memory.Limit() / joinShare); err != nil {
			yield(nil, err)
			return
		}
		err := pit.All(l, t, k, history, events, func(key fqgw.EntityKey, r *window.Reading) error {
			values, shown, err := row(key, r)
			if err != nil || !shown {
				return err
			}
			if !yield(values, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(nil, err)
		}
	})
	return &stream{fresh: true, close: func() error { stop(); return nil }, next: func() ([]fqgw.Value, error) {
		values, err, ok := next()
		if ok {
			return values, err
		}
		over()
		return nil, io.EOF
	}}
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
	return e.recordsOf(env, v, e.scanOf(v, minT, maxT))
}

// historyIn is the rows of a source's history with event times from and to, with what a
// view needs of them.
func (e *Engine) historyIn(env *fqgw.Env, v *fqgw.FeatureView, from, to int64) fqgw.Records {
	scan := e.scanOf(v, to, to)
	scan.From, scan.To = from, to
	return e.recordsOf(env, v, scan)
}

func (e *Engine) recordsOf(env *fqgw.Env, v *fqgw.FeatureView, scan fqgw.Scan) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		records, err := e.readPinned(env, v.Source, scan)
		if err != nil {
			yield(nil, err)
			return
		}
		cancellable(env, records)(yield)
	}
}

func (e *Engine) scanOf(v *fqgw.FeatureView, minT, maxT int64) fqgw.Scan {
	s := v.Source
	scan := fqgw.Scan{Table: s.History, Columns: eventColumns(s, pit.Columns(v)), Batch: e.batchBytes()}
	if !v.Source.Changelog() { // whose rows before changes may have none
		scan.Time = s.Columns[s.EventTime].Name
		scan.From, scan.To = pit.Range(v, minT, maxT)
	}
	return scan
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
