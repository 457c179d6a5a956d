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
	if !s.src.Changelog() {
		return nil, nil
	}
	snap, err := s.p.o.History.Current(ctx, s.src.History)
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
	// The last changes are near the end, as a rule: files are passed over by their known times.
	now := s.p.o.Clock.Now()
	for _, back := range []time.Duration{time.Hour, 30 * 24 * time.Hour, math.MaxInt64} {
		since := now - back.Microseconds()
		if back == math.MaxInt64 {
			since = math.MinInt64
		}
		if open == 0 || snap.ID == 0 {
			break
		}
		if open, err = s.raise(ctx, snap, since, fqgw.Position{Epoch: epoch}, from, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// raise raises floors by the rows of a snapshot that were known since a time, and counts
// the partitions that have begun and of which there is none.
func (s *source) raise(ctx context.Context, snap fqgw.Snapshot, since int64, at fqgw.Position, from, floors []int64) (open int, err error) {
	scan := fqgw.Scan{Table: s.src.History, Snapshot: snap.ID}
	for _, c := range fqgw.HiddenColumns {
		scan.Columns = append(scan.Columns, c.Name)
	}
	if since > math.MinInt64 {
		scan.Time, scan.From, scan.To = fqgw.ColKnownAt, since, math.MaxInt64
	}
	_, batches, err := s.p.o.History.Scan(ctx, scan)
	if err != nil {
		return 0, err
	}
	for rec, err := range batches {
		if err != nil {
			return 0, err
		}
		err = s.emitRows(rec, fqgw.HiddenColumns, func(row []fqgw.Value) error {
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
	}
	for p := range from {
		if (from[p] > 0 || at.Epoch > 0) && floors[p] == math.MinInt64 {
			open++
		}
	}
	return open, nil
}

// knownAt gives the changes of a record their known time, and is when the last of them
// can be seen.
func knownAt(changes []fqgw.Event, known int64) (visible int64) {
	visible = known
	for i := range changes {
		changes[i].Known = known
		visible = max(visible, changes[i].Time)
	}
	return visible
}
