package exec

import (
	"context"
	"time"

	"github.com/fqgw/fqgw"
)

// extentAge is how old the answers of Extent may be: the queries behind one \d of
// psql ask for every relation, several times.
const extentAge = 5 * time.Second

// extent is what was known of a lake table at a time.
type extent struct {
	snap fqgw.Snapshot
	at   time.Time
}

// Extent is how many rows a table has, or the landed history of a source, and how
// many bytes its files; ok is false for anything else, and where the lake does not say.
func (e *Engine) Extent(ctx context.Context, cat *fqgw.Catalog, oid uint32) (rows, bytes int64, ok bool) {
	name := ""
	for _, t := range cat.Tables {
		if t.OID == oid {
			name = t.History
		}
	}
	for _, s := range cat.Sources {
		if s.OID == oid && s.Positions() == fqgw.TopicOffsets {
			name = s.History
		}
	}
	if name == "" {
		return 0, 0, false
	}
	if x, found := e.extents.Load(name); found && time.Since(x.(extent).at) < extentAge {
		snap := x.(extent).snap
		return snap.Rows, snap.Bytes, true
	}
	snap, err := e.o.History.Current(ctx, name)
	if err != nil {
		return 0, 0, false
	}
	e.extents.Store(name, extent{snap, time.Now()})
	return snap.Rows, snap.Bytes, true
}

// Rows is how many rows the landed history of a source or a table has now, 0 where the
// lake does not say.
func (e *Engine) Rows(ctx context.Context, history string) int64 {
	if history == "" {
		return 0
	}
	snap, err := e.o.History.Current(ctx, history)
	if err != nil {
		return 0
	}
	return snap.Rows
}
