package iceberg

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// marksProperty names the landed positions in a snapshot's summary. A snapshot
// without it stands at the positions of its nearest ancestor that has it.
const marksProperty = "fqgw.marks"

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

func marksOf(t *table.Table) (fqgw.Marks, error) {
	text, _ := marksText(t)
	if text == "" {
		return nil, nil
	}
	return parseMarks(text)
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

func snapshot(t *table.Table) (fqgw.Snapshot, error) {
	landed, err := marksOf(t)
	if err != nil {
		return fqgw.Snapshot{}, err
	}
	out := fqgw.Snapshot{Landed: landed}
	if s := t.CurrentSnapshot(); s != nil {
		out.ID, out.Committed = s.SnapshotID, s.TimestampMs*1000
		if s.ParentSnapshotID != nil {
			out.Parent = *s.ParentSnapshotID
		}
		if s.Summary != nil {
			out.Rows, _ = strconv.ParseInt(s.Summary.Properties["total-records"], 10, 64)
		}
	}
	return out, nil
}
