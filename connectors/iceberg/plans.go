package iceberg

import (
	"context"
	"slices"

	"github.com/apache/iceberg-go/table"
)

// plans are the files of the snapshots that were planned last, one of a table: a
// snapshot never changes, and to read its manifests takes most of the time of a
// question about one entity.
type plans map[[16]byte]plan

type plan struct {
	snapshot int64
	tasks    []table.FileScanTask
}

// Of so many tables, and of tables with so many files, plans are kept.
const (
	mostPlans = 64
	mostTasks = 4096
)

// newest are all files of a table's newest snapshot, as planned.
func (l *Lake) newest(ctx context.Context, t *table.Table) ([]table.FileScanTask, error) {
	s := t.CurrentSnapshot()
	if s == nil {
		return nil, nil
	}
	return l.planned(ctx, t, s.SnapshotID)
}

// planned are all files of a snapshot in the order in which they were written. They are
// the caller's; what they point to is not to be changed.
func (l *Lake) planned(ctx context.Context, t *table.Table, snapshot int64) ([]table.FileScanTask, error) {
	id := [16]byte(t.Metadata().TableUUID())
	l.mu.Lock()
	kept, ok := l.plans[id]
	l.mu.Unlock()
	if ok && kept.snapshot == snapshot {
		return slices.Clone(kept.tasks), nil
	}
	all, err := t.Scan(table.WithSnapshotID(snapshot)).PlanFiles(ctx)
	if err != nil {
		return nil, fail(err)
	}
	slices.SortFunc(all, written)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.plans, id)
	if len(all) > mostTasks {
		return all, nil
	}
	if len(l.plans) >= mostPlans {
		for other := range l.plans {
			delete(l.plans, other)
			break
		}
	}
	if l.plans == nil {
		l.plans = plans{}
	}
	l.plans[id] = plan{snapshot, slices.Clone(all)}
	return all, nil
}
