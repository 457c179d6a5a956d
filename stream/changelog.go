package stream

import (
	"context"
	"math"
	"time"

	"github.com/fqgw/fqgw"
)

// Known times of a changelog do not go back in a partition: each is the greatest of the
// record's own and those of the accepted changes before it (SEMANTICS §8). So a time K
// cuts a partition at one place, and what is visible at K is the table as it was at some
// moment. The greatest so far stands in the history, whose rows are those changes: a
// start at any landed position finds it there.

// floors are the known times of the last changes of each partition before the positions
// from, MinInt64 where there is none; nil for a source that is append-only. Where from
// lies behind what has landed it is set back to there: the history does not tell the
// known times of what is behind.
func (s *source) floors(ctx context.Context, epoch int32, from []int64) ([]int64, error) {
	if !s.src().Changelog() {
		return nil, nil
	}
	snap, err := s.p.o.History.Current(ctx, s.src().History)
	if err != nil {
		return nil, err
	}
	out, open := make([]int64, len(from)), 0
	for p := range out {
		from[p] = min(from[p], offsetIn(snap.Landed.Of(int32(p)), epoch))
		if out[p] = math.MinInt64; from[p] > 0 || epoch > 0 {
			open++
		}
	}
	for _, since := range s.lookBack() {
		if open == 0 || snap.ID == 0 {
			break
		}
		if open, err = s.raise(ctx, snap, since, fqgw.Position{Epoch: epoch}, from, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lookBack are the known times from which on to look for the last changes of a history,
// one after the other until they are found: they are near the end, as a rule, and files
// are passed over by their known times.
func (s *source) lookBack() []int64 {
	now := s.p.o.Clock.Now()
	return []int64{now - time.Hour.Microseconds(), now - 30*24*time.Hour.Microseconds(), math.MinInt64}
}

// knownSince scans some columns of the rows of a snapshot that were known since a time.
func (s *source) knownSince(ctx context.Context, snap fqgw.Snapshot, since int64, columns []fqgw.Column, each func(row []fqgw.Value) error) error {
	scan := fqgw.Scan{Table: s.src().History, Snapshot: snap.ID}
	for _, c := range columns {
		scan.Columns = append(scan.Columns, c.Name)
	}
	if since > math.MinInt64 {
		scan.Time, scan.From, scan.To = fqgw.ColKnownAt, since, math.MaxInt64
	}
	_, batches, err := s.p.o.History.Scan(ctx, scan)
	if err != nil {
		return err
	}
	for rec, err := range batches {
		if err == nil {
			err = s.emitRows(rec, columns, each)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// raise raises floors by the rows of a snapshot that were known since a time, and counts
// the partitions that have begun and of which there is none.
func (s *source) raise(ctx context.Context, snap fqgw.Snapshot, since int64, at fqgw.Position, from, floors []int64) (open int, err error) {
	err = s.knownSince(ctx, snap, since, fqgw.HiddenColumns, func(row []fqgw.Value) error {
		h, err := fqgw.ReadHidden(func(i int) fqgw.Value { return row[i] })
		if p := int(h.Pos.Partition); err == nil && !h.Pos.IsNone() && p < len(from) && !h.Known.IsNull() {
			if at.Partition, at.Offset = h.Pos.Partition, from[p]; h.Pos.Compare(at) < 0 {
				floors[p] = max(floors[p], h.Known.Int())
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for p := range from {
		if (from[p] > 0 || at.Epoch > 0) && floors[p] == math.MinInt64 {
			open++
		}
	}
	return open, nil
}

// lapses is the first of a lapse and what a record brings that was judged.
func (f *feed) lapses(before *lapse, r *fqgw.LogRecord, changes []fqgw.Event, refused error) *lapse {
	if f.follower == nil {
		return nil
	}
	known := max(r.Timestamp, f.floors[r.Partition])
	if refused == nil && len(changes) > 0 {
		known = changes[0].Known
	}
	found := f.follower.look(r, changes, known, refused)
	if before != nil && (found == nil || before.known <= found.known) {
		return before
	}
	return found
}

// knownAt gives the changes of a record their known time, and is when the last of them
// can be seen.
func (s *source) knownAt(changes []fqgw.Event, known int64) (visible int64) {
	visible = known
	for i := range changes {
		ev := &changes[i]
		if ev.Known = known; ev.Op.Retracts() {
			ev.Time = fqgw.TimeBefore(ev.Row[s.src().EventTime], known)
		}
		visible = max(visible, ev.Time)
	}
	return visible
}
