package iceberg

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// marksProperty names the landed positions in a snapshot's summary. A snapshot
// without it stands at the positions of its nearest ancestor that has it.
const marksProperty = "fqgw.marks"

// formatMarks is the text of positions, version 1: "1;<epoch>:<next>;…", one
// entry per partition: records are landed with all of their changes, so that no
// sub-position is needed. It outlives the process; a test pins it.
func formatMarks(m fqgw.Marks) string {
	var b strings.Builder
	b.WriteByte('1')
	for _, p := range m {
		fmt.Fprintf(&b, ";%d:%d", p.Epoch, p.Next)
	}
	return b.String()
}

func parseMarks(s string) (fqgw.Marks, error) {
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

// marksText is the text of a table's landed positions and whether the current
// snapshot itself has it; "" when nothing was landed.
func marksText(t *table.Table) (text string, own bool) {
	own = true
	for s := t.CurrentSnapshot(); s != nil; own = false {
		if s.Summary != nil && s.Summary.Properties[marksProperty] != "" {
			return s.Summary.Properties[marksProperty], own
		}
		if s.ParentSnapshotID == nil {
			break
		}
		s = t.SnapshotByID(*s.ParentSnapshotID)
	}
	return "", false
}

// marksOf are the landed positions of a table. Where the snapshots that had them
// were expired by another engine they are found in the rows: everything below the
// last row of a partition was landed, and what was refused behind it is refused
// again.
func (l *Lake) marksOf(ctx context.Context, t *table.Table) (fqgw.Marks, error) {
	text, _ := marksText(t)
	if text != "" {
		return parseMarks(text)
	}
	if !severed(t) {
		return nil, nil
	}
	id := t.CurrentSnapshot().SnapshotID
	name := strings.Join(t.Identifier(), ".")
	l.mu.Lock()
	kept, ok := l.refound[name]
	l.mu.Unlock()
	if ok && kept.snapshot == id {
		return kept.marks, nil
	}
	marks, err := l.marksOfRows(ctx, name, id)
	if err != nil {
		return nil, fqgw.Errorf(fqgw.CodeNotInState, "the landed positions of table \"%s\" were expired with old snapshots, and its rows do not tell them: %w", name, err)
	}
	if marks != nil {
		l.log.Warn("the landed positions of a history were expired with old snapshots: they were found in its rows", "table", name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refound == nil {
		l.refound = map[string]refound{}
	}
	l.refound[name] = refound{id, marks}
	return marks, nil
}

// refound are positions that were found in the rows of a snapshot.
type refound struct {
	snapshot int64
	marks    fqgw.Marks
}

// severed says that an ancestor of the current snapshot is no longer known.
func severed(t *table.Table) bool {
	for s := t.CurrentSnapshot(); s != nil; s = t.SnapshotByID(*s.ParentSnapshotID) {
		if s.ParentSnapshotID == nil {
			return false
		}
	}
	return t.CurrentSnapshot() != nil
}

// marksOfRows are behind the last row of each partition; nil for a table whose
// rows have no positions.
func (l *Lake) marksOfRows(ctx context.Context, name string, snapshot int64) (out fqgw.Marks, err error) {
	have, err := l.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	var columns []string
	for _, h := range fqgw.HiddenColumns[:3] { // epoch, partition, offset
		if !slices.ContainsFunc(have, func(c fqgw.Column) bool { return c.Name == h.Name && c.Type.OID == h.Type.OID }) {
			return nil, nil
		}
		columns = append(columns, h.Name)
	}
	_, rows, err := l.Scan(ctx, fqgw.Scan{Table: name, Columns: columns, Snapshot: snapshot})
	if err != nil {
		return nil, err
	}
	for b, err := range rows {
		if err != nil {
			return nil, err
		}
		for i := range int(b.NumRows()) {
			var at [3]fqgw.Value
			for c := range at {
				at[c] = fqgw.ArrowValue(b.Column(c), i, fqgw.HiddenColumns[c].Type)
			}
			if at[0].IsNull() || at[1].IsNull() || at[2].IsNull() || at[1].Int() < 0 {
				continue // a row of another program
			}
			p, m := int32(at[1].Int()), fqgw.Mark{Epoch: int32(at[0].Int()), Next: at[2].Int() + 1}
			if out.Of(p).Before(m) {
				out = out.Set(p, m)
			}
		}
		b.Release()
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

func (l *Lake) snapshot(ctx context.Context, t *table.Table) (fqgw.Snapshot, error) {
	landed, err := l.marksOf(ctx, t)
	if err != nil {
		return fqgw.Snapshot{}, err
	}
	var out fqgw.Snapshot
	if s := t.CurrentSnapshot(); s != nil {
		out = describe(s)
	}
	out.Landed = landed
	return out, nil
}

// describe says of a snapshot what lies in its summary.
func describe(s *table.Snapshot) fqgw.Snapshot {
	out := fqgw.Snapshot{ID: s.SnapshotID, Committed: s.TimestampMs * 1000}
	if s.ParentSnapshotID != nil {
		out.Parent = *s.ParentSnapshotID
	}
	if s.Summary != nil {
		out.Rows, _ = strconv.ParseInt(s.Summary.Properties["total-records"], 10, 64)
		out.Bytes, _ = strconv.ParseInt(s.Summary.Properties["total-files-size"], 10, 64)
	}
	return out
}
