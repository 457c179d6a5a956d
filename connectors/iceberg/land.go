package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// marksProperty names the landed positions in a snapshot's summary, and in the
// table's properties where a landing advanced them without rows.
const marksProperty = "fqgw.marks"

// The table of a source keeps this many snapshots once it has twice as many, so
// that a commit costs the same however old the table is.
const keepSnapshots = 50

// formatMarks is the text of positions, version 1: "1;<epoch>:<next>;…", one
// entry per partition. It outlives the process; a test pins it.
func formatMarks(m fqgw.Marks) string {
	var b strings.Builder
	b.WriteByte('1')
	for _, p := range m {
		fmt.Fprintf(&b, ";%d:%d", p.Epoch, p.Next)
	}
	return b.String()
}

func parseMarks(s string) (fqgw.Marks, error) {
	if s == "" {
		return nil, nil
	}
	parts := strings.Split(s, ";")
	bad := fqgw.Errorf(fqgw.CodeDataCorrupted, "lake: landed positions %q cannot be read", s)
	if parts[0] != "1" {
		return nil, bad
	}
	var out fqgw.Marks
	for _, p := range parts[1:] {
		epoch, next, _ := strings.Cut(p, ":")
		e, err1 := strconv.ParseInt(epoch, 10, 32)
		n, err2 := strconv.ParseInt(next, 10, 64)
		if err1 != nil || err2 != nil {
			return nil, bad
		}
		out = append(out, fqgw.Mark{Epoch: int32(e), Next: n})
	}
	return out, nil
}

// marksOf are a table's landed positions: those of the newest snapshot that has
// some, or of the properties if they are further.
func marksOf(t *table.Table) (fqgw.Marks, error) {
	out, err := parseMarks(t.Properties()[marksProperty])
	if err != nil {
		return nil, err
	}
	for s := t.CurrentSnapshot(); s != nil; {
		if s.Summary != nil && s.Summary.Properties[marksProperty] != "" {
			in, err := parseMarks(s.Summary.Properties[marksProperty])
			if err != nil {
				return nil, err
			}
			for p, m := range in {
				if out.Of(int32(p)).Before(m) {
					out = out.Set(int32(p), m)
				}
			}
			break
		}
		if s.ParentSnapshotID == nil {
			break
		}
		s = t.SnapshotByID(*s.ParentSnapshotID)
	}
	return out, nil
}

func snapshot(t *table.Table) (fqgw.Snapshot, error) {
	landed, err := marksOf(t)
	if err != nil {
		return fqgw.Snapshot{}, err
	}
	out := fqgw.Snapshot{Landed: landed}
	if s := t.CurrentSnapshot(); s != nil {
		out.ID, out.Committed = s.SnapshotID, s.TimestampMs*1000
		if s.Summary != nil {
			out.Rows, _ = strconv.ParseInt(s.Summary.Properties["total-records"], 10, 64)
		}
	}
	return out, nil
}

// sameMarks compares positions; the generation is not landed.
func sameMarks(a, b fqgw.Marks) bool {
	for p := range int32(max(len(a), len(b))) {
		if x, y := a.Of(p), b.Of(p); x.Epoch != y.Epoch || x.Next != y.Next {
			return false
		}
	}
	return true
}

// Land implements fqgw.History.
func (l *Lake) Land(ctx context.Context, name string, rows arrow.RecordBatch, from, to fqgw.Marks) (fqgw.Marks, bool, error) {
	l.commits.Lock()
	defer l.commits.Unlock()
	t, err := l.catalog.LoadTable(ctx, ident(name))
	if err != nil {
		return nil, false, fail(err)
	}
	found, err := marksOf(t)
	if err != nil {
		return nil, false, err
	}
	if !sameMarks(found, from) {
		return found, false, nil
	}
	tx := t.NewTransaction()
	if err := tx.AssertRefSnapshotID("main"); err != nil {
		return nil, false, fail(err)
	}
	if rows == nil || rows.NumRows() == 0 {
		err = tx.SetProperties(iceberg.Properties{marksProperty: formatMarks(to)})
	} else {
		var rdr array.RecordReader
		if rdr, err = array.NewRecordReader(rows.Schema(), []arrow.RecordBatch{rows}); err == nil {
			defer rdr.Release()
			err = tx.Append(ctx, rdr, iceberg.Properties{marksProperty: formatMarks(to)})
		}
	}
	if err != nil {
		return nil, false, fail(err)
	}
	committed, err := tx.Commit(ctx)
	if err != nil {
		// Another writer came between: the caller decides again from what is there.
		if conflict(err) {
			if t, lerr := l.catalog.LoadTable(ctx, ident(name)); lerr == nil {
				if found, lerr := marksOf(t); lerr == nil {
					return found, false, nil
				}
			}
		}
		return nil, false, fail(err)
	}
	if len(committed.Metadata().Snapshots()) >= 2*keepSnapshots {
		if err := expire(ctx, committed); err != nil {
			return to, true, fail(err)
		}
	}
	return to, true, nil
}

// conflict says whether a commit lost to another; iceberg-go v0.7.0 marks just
// one of the two ways in which it notices.
func conflict(err error) bool {
	return errors.Is(err, table.ErrCommitFailed) || strings.Contains(err.Error(), "requirement failed: branch")
}

// expire drops old snapshots; tagged ones stay. A positive age keeps a reader
// that planned just before from losing its files.
func expire(ctx context.Context, t *table.Table) error {
	tx := t.NewTransaction()
	if err := tx.ExpireSnapshots(table.WithRetainLast(keepSnapshots), table.WithOlderThan(time.Minute)); err != nil {
		return err
	}
	_, err := tx.Commit(ctx)
	return err
}

// appendTries is how often Append goes against other writers.
const appendTries = 8

// Append implements fqgw.History.
func (l *Lake) Append(ctx context.Context, name string, rows fqgw.Records) (int64, error) {
	// The rows can be read once only, and must all be there before the commit.
	var batches []arrow.RecordBatch
	defer func() {
		for _, b := range batches {
			b.Release()
		}
	}()
	var n int64
	for b, err := range rows {
		if err != nil {
			return 0, err
		}
		batches = append(batches, b)
		n += b.NumRows()
	}
	if n == 0 {
		return 0, nil
	}
	l.commits.Lock()
	defer l.commits.Unlock()
	var err error
	for try := range appendTries {
		if try > 0 {
			select {
			case <-time.After(time.Duration(try*20) * time.Millisecond):
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		if err = l.append(ctx, name, batches); err == nil || !conflict(err) {
			break
		}
	}
	if err != nil {
		return 0, fail(err)
	}
	return n, nil
}

func (l *Lake) append(ctx context.Context, name string, batches []arrow.RecordBatch) error {
	t, err := l.catalog.LoadTable(ctx, ident(name))
	if err != nil {
		return err
	}
	rdr, err := array.NewRecordReader(batches[0].Schema(), slices.Clone(batches))
	if err != nil {
		return err
	}
	defer rdr.Release()
	tx := t.NewTransaction()
	if err := tx.Append(ctx, rdr, nil); err != nil {
		return err
	}
	_, err = tx.Commit(ctx)
	return err
}
