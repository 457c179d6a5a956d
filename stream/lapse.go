package stream

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// Windows over a changelog need every change of its rows, with the row before (SEMANTICS
// §8): what was counted is taken back by it. A change that lacks its row before, a record
// that was refused, and a snapshot of rows that came before, leave counted what is there no
// more. From the known time of the first one on windows over the source are not read, and
// say why; views of its rows need nothing of it.

// lapse is from when on the changes of a source do not tell which rows went.
type lapse struct {
	known int64
	why   string
}

// lapseFact is the lapse of a history, whatever source its records came from.
func lapseFact(history string) string { return "lapse " + history }

// text outlives the process, version 1: "1 <known time> <why>".
func (l *lapse) text() string { return fmt.Sprintf("1 %d %s", l.known, l.why) }

// parseLapse is nil for "", and a lapse for ever for what it does not know.
func parseLapse(text string) *lapse {
	if text == "" {
		return nil
	}
	var l lapse
	if rest, ok := strings.CutPrefix(text, "1 "); ok {
		known, why, _ := strings.Cut(rest, " ")
		if _, err := fmt.Sscan(known, &l.known); err == nil {
			l.why = why
			return &l
		}
	}
	return &lapse{math.MinInt64, "the registry says so in a form of another release: " + text}
}

// restoreLapse takes up what noteLapse kept.
func (s *source) restoreLapse(ctx context.Context) error {
	text, err := s.p.o.Registry.Get(ctx, lapseFact(s.src().History))
	if l := parseLapse(text); err == nil && l != nil {
		s.lapse.Store(l)
	}
	return err
}

// noteLapse notes a lapse before what it is about can be read.
func (s *source) noteLapse(ctx context.Context, l *lapse) error {
	if was := s.lapse.Load(); l == nil || was != nil && was.known <= l.known {
		return nil
	}
	if err := s.p.o.Registry.Put(ctx, lapseFact(s.src().History), l.text()); err != nil {
		return err
	}
	s.p.o.Logger.Warn("windows over a changelog are not read any more", "source", s.src().Name, "from", fqgw.TimeText(l.known), "reason", l.why)
	s.lapse.Store(l)
	return nil
}

// Follows is nil when what a view counts by what was known at k can be told; 55000 for
// windows over a changelog whose changes lapsed.
func (p *Pipeline) Follows(v *fqgw.FeatureView, k int64) error {
	if v.Latest || !v.Source.Changelog() {
		return nil
	}
	s, err := p.source(v.Source.Qualified().String())
	if err != nil {
		return err
	}
	l := s.lapse.Load()
	if l == nil || k < l.known {
		return nil
	}
	return fqgw.Errorf(fqgw.CodeNotInState, "feature view \"%s\" has windows over changelog \"%s\", and cannot tell which rows are there since %s: %s",
		v.Name, s.src().Name, fqgw.TimeText(l.known), l.why).
		WithHint("Windows need every change with its row before: REPLICA IDENTITY FULL, one snapshot, no record that is refused. Make the source anew over another topic; AS OF reads what was before.")
}

// exactly is how many rows of a snapshot are told from each other, one by one; of
// more it is one of every sample.
const (
	exactly = 1 << 18
	sample  = 64
)

// follower looks at the changes of a changelog for a lapse, in the order of a partition.
// The feed's goroutine alone touches it.
type follower struct {
	src     *fqgw.Source
	checked []int64             // by partition: what lies below was looked at
	begun   []bool              // by partition: another change than a snapshot's came
	some    []bool              // by partition: a change came
	rows    map[uint64]struct{} // those of the snapshot; nil once every partition has begun
	chain   *chain
	key     []fqgw.Value // of the row at hand
}

// newFollower takes up where the history is.
func (s *source) newFollower(ctx context.Context, epoch int32, partitions int) (*follower, error) {
	f := &follower{src: s.src(), checked: make([]int64, partitions), begun: make([]bool, partitions), some: make([]bool, partitions), rows: map[uint64]struct{}{},
		chain: newChain(maphash.MakeSeed()), key: make([]fqgw.Value, len(s.src().PrimaryKey))}
	snap, err := s.p.o.History.Current(ctx, s.src().History)
	if err != nil || snap.ID == 0 {
		return f, err
	}
	for p := range f.checked {
		f.checked[p] = offsetIn(snap.Landed.Of(int32(p)), epoch)
		f.begun[p] = epoch > 0 && snap.Rows > 0 // the topic before had them
		f.some[p] = f.checked[p] > 0 || epoch > 0
	}
	if err := f.links(ctx, s, snap); err != nil {
		return nil, err
	}
	open := func() bool {
		return slices.ContainsFunc(f.checked, func(next int64) bool { return next > 0 }) && slices.Contains(f.begun, false)
	}
	for _, since := range s.lookBack() {
		columns := slices.Clone(fqgw.HiddenColumns)
		if since == math.MinInt64 { // it may still be going on
			for _, c := range s.src().PrimaryKey {
				columns = append(columns, s.src().Columns[c])
			}
		}
		if !open() {
			break
		}
		err := s.knownSince(ctx, snap, since, columns, func(row []fqgw.Value) error {
			h, err := fqgw.ReadHidden(func(i int) fqgw.Value { return row[i] })
			if p := int(h.Pos.Partition); err == nil && !h.Pos.IsNone() && p < partitions {
				if f.begun[p] = f.begun[p] || h.Op != fqgw.SnapshotRow; since == math.MinInt64 {
					f.again(row[len(fqgw.HiddenColumns):])
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if !slices.Contains(f.begun, false) {
		f.rows = nil
	}
	return f, nil
}

// links takes up how the rows were left that changed within the last hour.
func (f *follower) links(ctx context.Context, s *source, snap fqgw.Snapshot) error {
	type left struct {
		pos fqgw.Position
		row uint64
	}
	found := map[uint64]left{}
	width := len(f.src.Columns)
	err := s.knownSince(ctx, snap, s.lookBack()[0], slices.Concat(f.src.Columns, fqgw.HiddenColumns), func(row []fqgw.Value) error {
		h, err := fqgw.ReadHidden(func(i int) fqgw.Value { return row[width+i] })
		if err != nil {
			return err
		}
		l := left{pos: h.Pos}
		if !h.Op.Retracts() {
			l.row = f.chain.hash(row[:width])
		}
		k := f.chain.hash(f.keyOf(row))
		if was, ok := found[k]; ok && was.pos.Compare(h.Pos) < 0 || !ok && len(found) < chained {
			found[k] = l
		}
		return nil
	})
	for k, l := range found {
		f.chain.leave(k, l.row)
	}
	return err
}

// keyOf is the primary key of a row, until the next one.
func (f *follower) keyOf(row []fqgw.Value) []fqgw.Value {
	for n, c := range f.src.PrimaryKey {
		f.key[n] = row[c]
	}
	return f.key
}

// again says whether the row of a primary key was in the snapshot before.
func (f *follower) again(key []fqgw.Value) bool {
	if f.rows == nil {
		return false
	}
	h := f.chain.hash(key)
	if _, again := f.rows[h]; again {
		return true
	}
	if len(f.rows) < exactly || h%sample == 0 {
		f.rows[h] = struct{}{}
	}
	return false
}

// look is what lapses with a record that has these changes, or was refused, and is
// known at a time; nil for nothing.
func (f *follower) look(r *fqgw.LogRecord, changes []fqgw.Event, known int64, refused error) *lapse {
	p := r.Partition
	if r.Offset < f.checked[p] {
		return nil
	}
	f.checked[p] = r.Offset + 1
	at := func(format string, args ...any) *lapse {
		return &lapse{known, fmt.Sprintf("the record at offset %d of partition %d %s", r.Offset, p, fmt.Sprintf(format, args...))}
	}
	if refused != nil {
		return at("was refused: %s", fqgw.AsError(refused).Message)
	}
	var found *lapse
	for i := range changes {
		ev := &changes[i]
		first := !f.some[p]
		f.some[p] = true
		if ev.Op != fqgw.SnapshotRow {
			f.begin(p)
		}
		key := f.keyOf(ev.Row)
		follows := f.chain.follow(key, ev)
		switch {
		case ev.Op == fqgw.Upsert || ev.Op == fqgw.DeleteKey:
			found = at("does not have the row before its change (%s)", ev.Op)
		case first && ev.Op.Retracts():
			found = at("is the first change of its partition and takes a row away that never came (%s): there was no snapshot, or its records are gone", ev.Op)
		case ev.Op == fqgw.SnapshotRow && f.begun[p]:
			found = at("is of a snapshot, behind changes of rows")
		case ev.Op == fqgw.SnapshotRow:
			if f.again(key) {
				found = at("is of a row that a snapshot had before")
			}
		case !follows:
			found = at("does not go on from the row as the change before it left it (%s): it was sent again, or one between is missing", ev.Op)
		}
	}
	return found
}

// begin says that the snapshot of a partition is over.
func (f *follower) begin(p int32) {
	if f.begun[p] = true; !slices.Contains(f.begun, false) {
		f.rows = nil
	}
}
