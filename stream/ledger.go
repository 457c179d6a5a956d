package stream

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// ledger is the table that a changelog denotes (SEMANTICS §8), as far as its feed has
// come: of each primary key the row, the row that windows count, and where the change that
// left it so was in the log of the database. By it a change is taken once, whatever a
// connector sends again, and what is taken back is what was counted: what goes on from here
// to the history and the views are the changes of the table. It is made of the history at
// a start, so that the same records give the same changes again.
//
// The feed's goroutine alone touches it.
type ledger struct {
	src         *fqgw.Source
	partitions  int
	kept        bool  // the history keeps the places of changes
	most, bytes int64 // what it may take and takes
	rows        map[string]*entity
	full        bool // it took too much: nothing is told from another, as it comes
	truncated   place
	snapshots   map[fqgw.SourcePos]bool // places of snapshots, of the first mostSnapshots
	snaps       []snapshot              // that are not complete, in their order; never changed in place
	trouble     int64                   // known time of what windows cannot follow that came last
	refused     int64                   // and of the record that was refused last
	plan        plan
	key, packed []byte
}

// place is where a change of a row was: in which incarnation of the topic, and where in
// the log of the database. A snapshot's row comes before the changes at its place.
type place struct {
	epoch    int32
	pos      fqgw.SourcePos
	snapshot bool
}

// compare says whether p is behind q, or (-1) before it; 0: it is the same change. One that
// does not say where it is comes behind what came before it.
func (p place) compare(q place) int {
	switch c := cmp.Or(cmp.Compare(p.epoch, q.epoch), p.pos.Compare(q.pos)); {
	case p.epoch == q.epoch && (p.pos.IsNone() || q.pos.IsNone()):
		return 1
	case c != 0 || p.snapshot == q.snapshot:
		return c
	case p.snapshot:
		return -1
	}
	return 1
}

// entity is what is known of a primary key.
type entity struct {
	key     string
	row     string // packed; "": it is gone
	counted string // the row that windows have, which a change without its row before does not touch
	at      place
	known   int64         // of its last version
	from    fqgw.Position // of that
}

// entityBytes is about what one takes besides its texts.
const entityBytes = 240

func (e *entity) bytes() int64 {
	n := entityBytes + len(e.key) + len(e.row)
	if e.counted != e.row {
		n += len(e.counted)
	}
	return int64(n)
}

// snapshot is one of the whole table that is under way, or was the last. All of its rows
// have its place. It is complete when its last row came and every partition is past it: a
// partition is, that has that row, or a change behind the snapshot's place.
type snapshot struct {
	at    place
	since int64 // known time of its first row
	ready int64 // of the last change that showed it
	shown bool  // by the record at hand
	last  bool
	past  []bool // by partition
}

// mostPending is how many of them are kept that are not complete.
const mostPending = 8

// mostSnapshots is how many places of snapshots are remembered.
const mostSnapshots = 1 << 12

// plan is what the record at hand makes of the ledger, if it is accepted.
type plan struct {
	out       []fqgw.Event
	rows      []planned
	snaps     []snapshot
	truncated place
	least     int64     // that its known time must be: that of versions which it follows
	why       string    // what windows cannot follow
	partial   bool      // as the row before is not there
	cross     bool      // it depends on what other partitions brought
	again     int       // changes that were sent again
	whole     *snapshot // that it completes
}

type planned struct {
	to    *entity // nil: it is new
	now   entity
	taken bool // else it is as it was
}

func newLedger(src *fqgw.Source, partitions int, kept bool, most int64) *ledger {
	return &ledger{
		src:        src,
		partitions: partitions,
		kept:       kept,
		most:       most,
		rows:       map[string]*entity{},
		snapshots:  map[fqgw.SourcePos]bool{},
		trouble:    math.MinInt64,
		refused:    math.MinInt64,
	}
}

// keyOf is the primary key of a row, packed, until the next one.
func (l *ledger) keyOf(row []fqgw.Value) []byte {
	l.key = l.key[:0]
	for _, c := range l.src.PrimaryKey {
		l.key = fqgw.AppendPacked(l.key, row[c])
	}
	return l.key
}

func (l *ledger) pack(row []fqgw.Value) []byte {
	l.packed = fqgw.AppendPackedRow(l.packed[:0], row)
	return l.packed
}

func unpacked(row string) []fqgw.Value {
	in := fqgw.Unpack([]byte(row))
	return in.Row()
}

// judge replaces the changes that a record at a position brings, those of events from n
// on, by what they are of the table. An error refuses the record. What the ledger becomes
// by it waits for commit; the next record, or the same one again, forgets it.
func (l *ledger) judge(events []fqgw.Event, n int, at fqgw.Position) ([]fqgw.Event, error) {
	p := &l.plan
	*p = plan{out: p.out[:0], rows: p.rows[:0], snaps: l.snaps, truncated: l.truncated, least: math.MinInt64}
	changes := events[n:]
	if l.full {
		if len(changes) > 0 && changes[0].Op == fqgw.Truncate {
			return events, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "the table was truncated, and the record does not say which rows are gone").
				WithHint("The rows of the table are too many to be remembered (stream_memory). Make the source again over a new snapshot.")
		}
		return events, nil
	}
	for i := 0; i < len(changes); i++ {
		ev := &changes[i]
		var err error
		switch {
		case ev.Op == fqgw.Truncate:
			l.truncate(ev, at)
		case !ev.Op.Retracts():
			err = l.change(nil, ev, at)
		case ev.Op == fqgw.UpdateBefore && i+1 < len(changes) && changes[i+1].Op == fqgw.UpdateAfter && l.sameKey(ev, &changes[i+1]):
			i++
			err = l.change(ev, &changes[i], at)
		default:
			err = l.change(ev, nil, at)
		}
		if err != nil {
			return events, err
		}
	}
	for i := len(p.snaps) - 1; i >= 0 && l.kept; i-- { // the rows that one found the ones before it need not find
		if s := p.snaps[i]; s.complete(l.partitions) {
			p.snaps = p.snaps[i+1:]
			l.completes(&s, at)
			break
		}
	}
	return append(events[:n], p.out...), nil
}

func (l *ledger) sameKey(a, b *fqgw.Event) bool {
	return !slices.ContainsFunc(l.src.PrimaryKey, func(c int) bool { return fqgw.Compare(a.Row[c], b.Row[c]) != 0 })
}

// of is what is known of a row's key, the changes before it in the record among it.
func (l *ledger) of(row []fqgw.Value) *planned {
	key := l.keyOf(row)
	for i := range l.plan.rows {
		if l.plan.rows[i].now.key == string(key) {
			return &l.plan.rows[i]
		}
	}
	to := l.rows[string(key)]
	if to == nil {
		l.plan.rows = append(l.plan.rows, planned{now: entity{key: string(key), known: math.MinInt64}})
	} else {
		l.plan.rows = append(l.plan.rows, planned{to: to, now: *to})
	}
	return &l.plan.rows[len(l.plan.rows)-1]
}

// change is one of a row, with the row before or after it or both.
func (l *ledger) change(before, after *fqgw.Event, at fqgw.Position) error {
	told := after
	if told == nil {
		told = before
	}
	p, on := &l.plan, l.of(told.Row)
	e := &on.now
	now := place{at.Epoch, told.Source, told.Op == fqgw.SnapshotRow}
	if e.known > math.MinInt64 && now.compare(e.at) <= 0 || !p.truncated.pos.IsNone() && now.compare(p.truncated) <= 0 {
		p.again++
		if now.snapshot && told.Part != fqgw.SnapshotChunk && e.from.Partition == at.Partition && !l.snapshots[told.Source] {
			return fqgw.Errorf(fqgw.CodeNotInState, "the record is of a snapshot at %s in the log of the database, and the row had a change at %s before",
				placeText(told.Source), placeText(e.at.pos)).
				WithHint("The connector speaks of an earlier time, or of another server. What another server has needs a topic of its own, or the topic made anew.")
		}
		return nil
	}
	l.passes(told, now, at)
	if e.known > math.MinInt64 && e.from.Partition != at.Partition {
		p.cross = p.cross || e.from.Epoch == at.Epoch
		p.follows(e, at)
	}
	if after != nil && len(after.Missing) > 0 && e.row != "" { // they are as they were
		row := unpacked(e.row)
		for _, c := range after.Missing {
			after.Row[c] = row[c]
		}
		after.Missing = nil
	}
	if p.why == "" || p.partial {
		if why := l.gap(e, before, after); why != "" {
			p.why, p.partial = why, told.Op == fqgw.Upsert || told.Op == fqgw.DeleteKey
		}
	}
	e.at, e.from, on.taken = now, at, true
	if after == nil {
		l.goes(e, before)
		return nil
	}
	row := string(l.pack(after.Row))
	if after.Op == fqgw.Upsert {
		e.row = row
	} else {
		if e.counted != "" {
			p.emit(fqgw.UpdateBefore, l.counted(e, before), told)
		}
		e.row, e.counted = row, row
	}
	p.out = append(p.out, *after)
	if now.snapshot && after.Part == fqgw.SnapshotLast && !told.Source.IsNone() {
		p.emit(fqgw.SnapshotEnd, make([]fqgw.Value, len(after.Row)), after)
	}
	return nil
}

// counted is the row that windows have, which the row before a change is as a rule.
func (l *ledger) counted(e *entity, before *fqgw.Event) []fqgw.Value {
	if before != nil && before.Op != fqgw.DeleteKey && string(l.pack(before.Row)) == e.counted {
		return before.Row
	}
	return unpacked(e.counted)
}

// goes takes the row of an entity away.
func (l *ledger) goes(e *entity, told *fqgw.Event) {
	switch {
	case told.Op == fqgw.DeleteKey:
		l.plan.out = append(l.plan.out, *told)
		e.row = ""
		return
	case e.counted != "":
		op := told.Op
		if op != fqgw.UpdateBefore {
			op = fqgw.Delete
		}
		l.plan.emit(op, l.counted(e, told), told)
	default: // nothing to take back
		row := make([]fqgw.Value, len(told.Row))
		for _, c := range append(slices.Clone(l.src.PrimaryKey), l.src.EventTime) {
			row[c] = told.Row[c]
		}
		l.plan.emit(fqgw.DeleteKey, row, told)
	}
	e.row, e.counted = "", ""
}

// emit adds a change of a row that a record tells of.
func (p *plan) emit(op fqgw.Operation, row []fqgw.Value, told *fqgw.Event) {
	p.out = append(p.out, fqgw.Event{Op: op, Row: row, Source: told.Source, Part: told.Part})
}

// follows sees to it that the version of a position is behind the one before it by their
// known times, as it is in the log of the database.
func (p *plan) follows(e *entity, at fqgw.Position) {
	least := e.known
	if at.Compare(e.from) <= 0 {
		least++
	}
	p.least = max(p.least, least)
}

// gap says what of a change windows cannot follow, "" for nothing.
func (l *ledger) gap(e *entity, before, after *fqgw.Event) string {
	told := after
	if told == nil {
		told = before
	}
	was := e.row
	switch {
	case told.Op == fqgw.Upsert || told.Op == fqgw.DeleteKey:
		return fmt.Sprintf("does not have the row before its change (%s)", told.Op)
	case told.Op == fqgw.SnapshotRow:
		return ""
	case before != nil && was == "":
		return fmt.Sprintf("takes a row away that never came (%s): there was no snapshot, or records are missing", before.Op)
	case before == nil && was != "", before != nil && string(l.pack(before.Row)) != was:
		how := "one between is missing"
		if told.Source.IsNone() {
			how = "it was sent again, or one between is missing"
		}
		return fmt.Sprintf("does not go on from the row as the change before it left it (%s): %s", told.Op, how)
	}
	return ""
}

// truncate takes every row away that was there.
func (l *ledger) truncate(ev *fqgw.Event, at fqgw.Position) {
	p, now := &l.plan, place{at.Epoch, ev.Source, false}
	if !p.truncated.pos.IsNone() && now.compare(p.truncated) <= 0 {
		p.again++
		return
	}
	l.passes(ev, now, at)
	p.truncated = now
	p.out = append(p.out, *ev)
	l.sweep(ev, now, at)
}

// completes takes the rows away that a snapshot of the whole table did not find: they went
// while nobody watched. Where it had a record that was refused that cannot be told.
func (l *ledger) completes(s *snapshot, at fqgw.Position) {
	if l.refused >= s.since {
		return
	}
	l.plan.whole = s
	l.plan.least = max(l.plan.least, s.ready)
	l.sweep(&fqgw.Event{Op: fqgw.Delete, Source: s.at.pos}, s.at, at)
}

// sweep takes the rows away whose last change is before a place.
func (l *ledger) sweep(told *fqgw.Event, now place, at fqgw.Position) {
	p := &l.plan
	here := len(p.rows)
	var keys []string
	for key, e := range l.rows {
		if (e.row != "" || e.counted != "") && now.compare(e.at) > 0 &&
			!slices.ContainsFunc(p.rows[:here], func(r planned) bool { return r.now.key == key }) {
			keys = append(keys, key)
		}
	}
	p.cross = p.cross || told.Op == fqgw.Truncate || len(keys) > 0
	slices.Sort(keys)
	for _, key := range keys {
		to := l.rows[key]
		on := planned{to, *to, true}
		e := &on.now
		p.follows(e, at)
		row := e.row
		if row == "" {
			row = e.counted
		}
		e.at, e.from = now, at
		l.goes(e, &fqgw.Event{Op: fqgw.Delete, Row: unpacked(row), Source: told.Source})
		p.rows = append(p.rows, on)
	}
}

// passes notes of a change that is taken how far it shows its partition to be.
func (l *ledger) passes(ev *fqgw.Event, now place, at fqgw.Position) {
	if ev.Source.IsNone() || ev.Part == fqgw.SnapshotChunk {
		return
	}
	snaps := l.plan.snaps
	if now.snapshot && !slices.ContainsFunc(snaps, func(s snapshot) bool { return s.at == now }) {
		snaps = append(slices.Clone(snaps), snapshot{at: now, since: math.MaxInt64, ready: math.MinInt64, past: make([]bool, l.partitions)})
		slices.SortFunc(snaps, func(a, b snapshot) int { return a.at.compare(b.at) })
		snaps = snaps[max(0, len(snaps)-mostPending):]
	}
	for i := range snaps {
		s := snaps[i]
		last := now == s.at && ev.Part == fqgw.SnapshotLast
		if !last && (now.snapshot || now.compare(s.at) <= 0) || int(at.Partition) >= len(s.past) || s.past[at.Partition] {
			continue
		}
		s.last = s.last || last
		s.past = slices.Clone(s.past)
		s.past[at.Partition] = true
		s.shown = true
		snaps = slices.Clone(snaps)
		snaps[i] = s
	}
	l.plan.snaps = snaps
}

func (s *snapshot) complete(partitions int) bool {
	return s.last && len(s.past) == partitions && !slices.Contains(s.past, false)
}

// commit makes the ledger what the record at hand, which was accepted and is known at a
// time, makes of it. It says why windows cannot be followed from here on, if so; told is
// whether the history says so too.
func (l *ledger) commit(known int64) (why string, told bool) {
	p := &l.plan
	for i := range p.rows {
		on := &p.rows[i]
		if !on.taken {
			continue
		}
		on.now.known = max(on.now.known, known)
		e := on.to
		if e == nil {
			e = &entity{}
			l.rows[on.now.key] = e
		} else {
			l.bytes -= e.bytes()
		}
		*e = on.now
		l.bytes += e.bytes()
	}
	for i := range p.out {
		if p.out[i].Op == fqgw.SnapshotRow && p.out[i].Part != fqgw.SnapshotChunk && len(l.snapshots) < mostSnapshots {
			l.snapshots[p.out[i].Source] = true
		}
	}
	l.truncated, l.snaps = p.truncated, p.snaps
	for i := range l.snaps {
		s := l.snaps[i]
		if s.shown {
			s.ready, s.shown = max(s.ready, known), false
		}
		if s.since == math.MaxInt64 {
			s.since = known
		}
		l.snaps = slices.Clone(l.snaps)
		l.snaps[i] = s
	}
	why, told = p.why, p.partial
	if l.bytes > l.most {
		l.rows, l.full, l.bytes = nil, true, 0
		why, told = "is of a table whose rows are too many to be remembered (stream_memory)", false
	}
	if why != "" {
		l.trouble = max(l.trouble, known)
	}
	return why, told
}

// placeText is a place for people: an LSN as PostgreSQL writes it.
func placeText(p fqgw.SourcePos) string {
	if p.File == 0 {
		return strings.ToUpper(fmt.Sprintf("%x/%x", uint64(p.Pos)>>32, uint32(p.Pos)))
	}
	return fmt.Sprintf("%d of file %d", p.Pos>>20, p.File)
}
