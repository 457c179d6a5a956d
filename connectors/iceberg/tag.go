package iceberg

import (
	"context"

	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// Tag implements fqgw.History.
func (l *Lake) Tag(ctx context.Context, s fqgw.Scan, tag string) (fqgw.Snapshot, error) {
	unlock, err := l.lock(ctx)
	if err != nil {
		return fqgw.Snapshot{}, err
	}
	defer unlock()
	for try := 1; ; try++ {
		t, err := l.load(ctx, s.Table)
		if err != nil {
			return fqgw.Snapshot{}, err
		}
		at, err := chosen(t, s)
		if err != nil || at == nil {
			return fqgw.Snapshot{}, err
		}
		_, _, err = l.catalog.CommitTable(ctx, t.Identifier(), []table.Requirement{table.AssertTableUUID(t.Metadata().TableUUID())},
			[]table.Update{table.NewSetSnapshotRefUpdate(tag, at.SnapshotID, table.TagRef, 0, 0, 0)})
		if err == nil {
			return describe(at), nil
		}
		if !lost(err) || try == appendTries {
			return fqgw.Snapshot{}, fail(err)
		}
		if err := wait(ctx, try, 0); err != nil {
			return fqgw.Snapshot{}, err
		}
	}
}

// Untag implements fqgw.History.
func (l *Lake) Untag(ctx context.Context, name, tag string) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for try := 1; ; try++ {
		t, err := l.load(ctx, name)
		if err != nil {
			return fqgw.UnlessMissing(err)
		}
		if t.SnapshotByName(tag) == nil {
			return nil
		}
		_, _, err = l.catalog.CommitTable(ctx, t.Identifier(), []table.Requirement{table.AssertTableUUID(t.Metadata().TableUUID())},
			[]table.Update{table.NewRemoveSnapshotRefUpdate(tag)})
		if err == nil || !lost(err) || try == appendTries {
			return fail(err)
		}
		if err := wait(ctx, try, 0); err != nil {
			return err
		}
	}
}
