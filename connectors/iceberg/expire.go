package iceberg

import (
	"context"
	"errors"
	"io/fs"
	"time"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
)

// The table of a source keeps this many snapshots once it has twice as many, and
// those younger than keepAge, so that a commit costs the same however old the
// table is. A read plans its files within keepAge of choosing its snapshot.
const (
	keepSnapshots = 50
	keepAge       = time.Minute
	// A table that grows by Append keeps more: it can be read AS OF a time.
	keepTableSnapshots = 500
)

// Maintain drops old snapshots of a table, except tagged ones, and the files
// that only they needed, and files that a failed commit left. Land does it by itself from time to time; tables that
// grow by Append or by other engines may be given to it.
func (l *Lake) Maintain(ctx context.Context, name string) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	t, err := l.load(ctx, name)
	if err != nil {
		return err
	}
	if err := l.expire(ctx, t, keepSnapshots); err != nil {
		return fail(err)
	}
	return fail(l.sweep(ctx, name))
}

func (l *Lake) expire(ctx context.Context, before *table.Table, keep int) error {
	if text, own := marksText(before); text != "" && !own {
		return nil // another engine's snapshot is current: the marks are in one that might go
	}
	appends := appendsOnly(before)
	tx := before.NewTransaction()
	if err := tx.ExpireSnapshots(table.WithRetainLast(keep), table.WithOlderThan(l.keepAge), table.WithPostCommit(!appends)); err != nil {
		return err
	}
	after, err := tx.Commit(ctx)
	if err != nil || !appends {
		return err
	}
	return removeManifests(ctx, before, after)
}

// appendsOnly says whether no data file can have gone from the table: nothing was
// deleted, and no snapshot was left by a rollback. Then expiry need not look at its
// files, which would take longer the more they are.
func appendsOnly(t *table.Table) bool {
	line := 0
	for s := t.CurrentSnapshot(); s != nil; s = t.SnapshotByID(*s.ParentSnapshotID) {
		if line++; s.ParentSnapshotID == nil {
			break
		}
	}
	all := t.Metadata().Snapshots()
	for _, s := range all {
		if s.Summary == nil || s.Summary.Operation != table.OpAppend {
			return false
		}
	}
	return line == len(all)
}

// removeManifests removes the manifests and manifest lists that no snapshot of
// after needs any more.
func removeManifests(ctx context.Context, before, after *table.Table) error {
	if len(before.Metadata().Snapshots()) == len(after.Metadata().Snapshots()) {
		return nil
	}
	files, err := after.FS(ctx)
	if err != nil {
		return err
	}
	needed, err := manifestsOf(files, after.Metadata().Snapshots())
	if err != nil {
		return err
	}
	var gone []table.Snapshot
	for _, s := range before.Metadata().Snapshots() {
		if !needed[s.ManifestList] {
			gone = append(gone, s)
		}
	}
	all, err := manifestsOf(files, gone)
	if err != nil {
		return err
	}
	for path := range all {
		if needed[path] {
			continue
		}
		if err := files.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// manifestsOf are the paths of the snapshots' manifest lists and manifests.
func manifestsOf(files iceio.IO, snapshots []table.Snapshot) (map[string]bool, error) {
	out := map[string]bool{}
	for _, s := range snapshots {
		out[s.ManifestList] = true
		manifests, err := s.Manifests(files)
		if err != nil {
			return nil, err
		}
		for _, m := range manifests {
			out[m.FilePath()] = true
		}
	}
	return out, nil
}
