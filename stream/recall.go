package stream

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/fqgw/fqgw"
)

// What a changelog's records are of its table depends on those before them. So a record
// that has landed is not judged again: where a feed goes back to it, its changes are those
// that the history has. Behind what has landed a feed may bring records of several
// partitions in another order than the process before it. That makes no difference to the
// changes of a row, which come by one partition. Where they do not (the topic has got
// partitions), and where a record changes rows of all partitions, it lands before it is
// applied, and only when everything was taken that was applied before.

// loading makes a ledger of the rows of a history, which come in any order.
type loading struct {
	*ledger
	counts   map[string]order // of the last change that windows count, by primary key
	streamed []place          // by partition: the last change that is no snapshot's
	ended    []ended          // the last rows of snapshots
	since    map[place]int64  // the first known time of snapshots
}

type ended struct {
	at        place
	partition int32
}

// order is the order of the versions of a row.
type order struct {
	known int64
	pos   fqgw.Position
}

func (o order) compare(p order) int {
	return cmp.Or(cmp.Compare(o.known, p.known), o.pos.Compare(p.pos))
}

// add takes up a change.
func (l *loading) add(ev *fqgw.Event) {
	now := place{max(ev.Pos.Epoch, 0), ev.Source, ev.Op == fqgw.SnapshotRow}
	if ev.Op == fqgw.Upsert || ev.Op == fqgw.DeleteKey {
		l.trouble = max(l.trouble, ev.Known)
	}
	if p := int(ev.Pos.Partition); p < len(l.streamed) && !now.snapshot && ev.Op != fqgw.SnapshotEnd && !ev.Source.IsNone() &&
		now.compare(l.streamed[p]) > 0 {
		l.streamed[p] = now
	}
	switch {
	case ev.Op == fqgw.Truncate:
		if l.truncated.pos.IsNone() || now.compare(l.truncated) > 0 {
			l.truncated = now
		}
		return
	case ev.Op == fqgw.SnapshotEnd:
		now.snapshot = true
		l.ended = append(l.ended, ended{now, ev.Pos.Partition})
		return
	case now.snapshot && !ev.Source.IsNone():
		if len(l.snapshots) < mostSnapshots {
			l.snapshots[ev.Source] = true
		}
		if was, ok := l.since[now]; ok || len(l.since) < mostSnapshots {
			if l.since[now] = ev.Known; ok {
				l.since[now] = min(was, ev.Known)
			}
		}
	}
	if l.full {
		return
	}
	key := l.keyOf(ev.Row)
	e := l.rows[string(key)]
	if e == nil {
		e = &entity{key: string(key), known: math.MinInt64}
		l.rows[e.key] = e
	} else {
		l.bytes -= e.bytes()
	}
	row := ""
	if !ev.Op.Retracts() {
		row = string(l.pack(ev.Row))
	}
	at := order{ev.Known, ev.Pos}
	if e.known == math.MinInt64 || at.compare(order{e.known, e.from}) > 0 {
		e.known, e.from, e.at, e.row = ev.Known, ev.Pos, now, row
	}
	if ev.Op != fqgw.Upsert && ev.Op != fqgw.DeleteKey {
		if was, ok := l.counts[e.key]; !ok || at.compare(was) > 0 {
			l.counts[e.key], e.counted = at, row
		}
	}
	if e.counted == e.row {
		e.counted = e.row // one text
	}
	if l.bytes += e.bytes(); l.bytes > l.most {
		l.rows, l.full, l.bytes = nil, true, 0
	}
}

// done is the ledger of all that was added; of the lapses and of the record that was
// refused last the registry knows.
func (l *loading) done(s *source, floors []int64) *ledger {
	ready := int64(math.MinInt64)
	for _, known := range floors {
		ready = max(ready, known)
	}
	for at, since := range l.since {
		one := snapshot{at: at, since: since, ready: ready, past: make([]bool, l.partitions)}
		for p := range one.past {
			one.past[p] = !l.streamed[p].pos.IsNone() && l.streamed[p].compare(at) > 0
		}
		for _, e := range l.ended {
			if one.last = one.last || e.at == at; e.at == at && int(e.partition) < len(one.past) {
				one.past[e.partition] = true
			}
		}
		l.snaps = append(l.snaps, one)
	}
	slices.SortFunc(l.snaps, func(a, b snapshot) int { return a.at.compare(b.at) })
	for i := len(l.snaps) - 1; i >= 0; i-- {
		if l.snaps[i].complete(l.partitions) { // it may be that nobody saw it to its end
			l.snaps = l.snaps[i:]
			break
		}
	}
	l.snaps = l.snaps[max(0, len(l.snaps)-mostPending):]
	for _, was := range s.lapsed() {
		l.trouble = max(l.trouble, was.last)
	}
	l.refused = s.refused
	l.trouble = max(l.trouble, l.refused)
	return l.ledger
}

// recall takes up where the history is: the floors and the ledger, unless the feed has
// one, and the changes of the records that have landed behind from.
func (f *feed) recall(ctx context.Context, from []int64) error {
	s, epoch := f.s, f.crew.at.epoch
	snap, err := s.p.o.History.Current(ctx, s.src().History)
	if err != nil {
		return err
	}
	floors, landed := make([]int64, len(from)), make([]int64, len(from))
	for p := range from {
		landed[p] = offsetIn(snap.Landed.Of(int32(p)), epoch)
		from[p], floors[p] = min(from[p], landed[p]), math.MinInt64
	}
	into := &loading{counts: map[string]order{}, streamed: make([]place, len(from)), since: map[place]int64{}}
	if f.ledger == nil {
		into.ledger = newLedger(s.src(), len(from), s.placed.Load(), s.p.budget.ledger())
	}
	past := map[fqgw.Position][]fqgw.Event{}
	if snap.ID != 0 {
		err = s.everyChange(ctx, snap, func(ev fqgw.Event) error {
			p := int(ev.Pos.Partition)
			if !ev.Pos.IsNone() && p < len(from) {
				floors[p] = max(floors[p], ev.Known)
				if ev.Pos.Epoch == epoch && ev.Pos.Offset >= from[p] && ev.Pos.Offset < landed[p] {
					at := ev.Pos
					at.Sub = 0
					past[at] = append(past[at], ev)
				}
			}
			if into.ledger != nil {
				into.add(&ev)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, changes := range past {
		slices.SortFunc(changes, func(a, b fqgw.Event) int { return a.Pos.Compare(b.Pos) })
	}
	f.past, f.landed = past, landed
	if into.ledger != nil {
		f.floors, f.ledger = floors, into.done(s, floors)
		f.account()
	}
	return nil
}

// everyChange gives every row of a snapshot of the history, with its place in the log of
// the database where the history keeps it.
func (s *source) everyChange(ctx context.Context, snap fqgw.Snapshot, each func(fqgw.Event) error) error {
	columns := slices.Concat(s.src().Columns, fqgw.HiddenColumns)
	width := len(columns)
	if s.placed.Load() {
		columns = append(columns, fqgw.SourceColumns...)
	}
	scan := fqgw.Scan{Table: s.src().History, Snapshot: snap.ID}
	for _, c := range columns {
		scan.Columns = append(scan.Columns, c.Name)
	}
	_, batches, err := s.p.o.History.Scan(ctx, scan)
	if err != nil {
		return err
	}
	for rec, err := range batches {
		if err == nil {
			err = s.emitRows(rec, columns, func(row []fqgw.Value) error {
				ev, ok, err := s.eventOf(row[:width])
				if err != nil || !ok {
					return err
				}
				if len(row) > width && !row[width+1].IsNull() {
					ev.Source = fqgw.SourcePos{File: row[width].Int(), Pos: row[width+1].Int()}
				}
				return each(ev)
			})
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// recalled are the changes of a record that has landed; ok is false for another.
func (f *feed) recalled(r *fqgw.LogRecord) (changes []fqgw.Event, ok bool) {
	if f.ledger == nil || r.Offset >= f.landed[r.Partition] {
		return nil, false
	}
	return f.past[f.position(r)], true
}

// early says that a record's turn has not come: what other partitions have that was
// applied before comes first.
func (f *feed) early(r *fqgw.LogRecord) bool {
	if f.ledger == nil || r.Offset < f.had[r.Partition] {
		return false
	}
	for p, had := range f.had {
		if f.next[p] < had && int32(p) != r.Partition {
			return true
		}
	}
	return false
}

// apart says that views have changes of the record at hand that another order of
// partitions would not give.
type apart struct{}

func (apart) Error() string { return "rows of a changelog came in another order of its partitions" }

// account counts what the ledger takes.
func (f *feed) account() {
	more := f.ledger.bytes - f.noted
	f.noted += more
	f.s.p.budget.ledgers.Add(more)
	if states := f.s.p.budget.states; more >= 0 {
		states.Force(more)
	} else {
		states.Give(-more)
	}
}

// forget gives the ledger back.
func (f *feed) forget() {
	if f.ledger != nil {
		f.ledger.bytes = 0
		f.account()
	}
}

// lacks is how many records are landed that a unit does not have.
func lacks(landed, have fqgw.Marks) (n int64) {
	for p, m := range landed {
		n += max(m.Next-offsetIn(have.Of(int32(p)), m.Epoch), 0)
	}
	return n
}

// least is the entrywise minimum.
func least(a, b fqgw.Marks) (out fqgw.Marks) {
	for p := range int32(min(len(a), len(b))) {
		m := a.Of(p)
		if n := b.Of(p); n.Before(m) {
			m = n
		}
		out = append(out, m)
	}
	return out
}

// without leaves out what lies below marks.
func (read reader) without(have fqgw.Marks) reader {
	if len(have) == 0 {
		return read
	}
	return func(ctx context.Context, emit func(fqgw.Event) error) error {
		return read(ctx, func(ev fqgw.Event) error {
			if have.Covers(ev.Pos) {
				return nil
			}
			return emit(ev)
		})
	}
}

// changesOf is what a record brings, decoded and judged by a gate version and by the
// ledger: by that first where the rows have the source's columns as they are now, which its
// values that are not told come from.
func (f *feed) changesOf(g *gate, events []fqgw.Event, r *fqgw.LogRecord, at fqgw.Position) ([]fqgw.Event, error) {
	n := len(events)
	out, err := g.Decode(r, events)
	if err == nil && f.ledger != nil && g.was == nil {
		out, err = f.ledger.judge(out, n, at)
	}
	for i := n; i < len(out); i++ {
		ev := &out[i]
		ev.Pos = at
		ev.Pos.Sub = int32(i - n)
		if err == nil {
			err = g.Judge(ev, r.Timestamp)
		}
	}
	if err != nil || g.was == nil {
		return out, err
	}
	g.now(out[n:])
	if f.ledger != nil {
		out, err = f.ledger.judge(out, n, at)
		for i := n; i < len(out); i++ {
			ev := &out[i]
			ev.Pos = at
			ev.Pos.Sub, ev.Known = int32(i-n), r.Timestamp
		}
	}
	return out, err
}

// sendChanges sends a batch of a changelog on, with what is noted before and after.
func (f *feed) sendChanges(ctx context.Context, b *batch) error {
	if err := f.s.noteRefused(ctx, f.ledger.refused); err != nil {
		return err
	}
	if f.turn.apart {
		return apart{}
	}
	if err := f.s.noteLapse(ctx, f.turn.gap); err != nil {
		return err
	}
	if err := f.send(ctx, b); err != nil || f.turn.healed == nil {
		return err
	}
	return f.heal(ctx, *f.turn.healed)
}
