package iceberg

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
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

// Maintain implements fqgw.SortedHistory.
func (l *Lake) Maintain(ctx context.Context, name string) error {
	t, err := l.load(ctx, name)
	if err != nil {
		return err
	}
	keep := keepTableSnapshots
	if text, _ := marksText(t); text != "" { // something lands into it
		keep = keepSnapshots
	}
	if err := l.maintain(ctx, name, keep); err != nil {
		return err
	}
	all, err := l.projections(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		switch lost, err := l.widowed(ctx, p); {
		case err != nil:
			return err
		case lost:
			err = l.dropProjection(ctx, p)
			if err != nil {
				return err
			}
		case p.of.Table == name:
			if err := l.maintain(ctx, strings.Join(p.table.Identifier(), "."), keepRuns); err != nil {
				return err
			}
		}
	}
	return nil
}

// maintain is Maintain of one table.
func (l *Lake) maintain(ctx context.Context, name string, keep int) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	t, err := l.load(ctx, name)
	if err == nil {
		err = fail(l.expire(ctx, t, keep))
	}
	if unlock(); err != nil {
		return err
	}
	return fail(l.sweep(ctx, name)) // beside those who commit
}

// expire drops old snapshots: those beyond the newest keep that are older than keepAge,
// or as the properties of the table say that all engines know.
func (l *Lake) expire(ctx context.Context, before *table.Table, keep int) error {
	if text, own := marksText(before); text != "" && !own {
		return nil // another engine's snapshot is current: the marks are in one that might go
	}
	appends := appendsOnly(before)
	tx := before.NewTransaction()
	keep = before.Properties().GetInt(table.MinSnapshotsToKeepKey, keep)
	age := time.Duration(before.Properties().GetInt64(table.MaxSnapshotAgeMsKey, l.keepAge.Milliseconds())) * time.Millisecond
	if err := tx.ExpireSnapshots(table.WithRetainLast(keep), table.WithOlderThan(age), table.WithPostCommit(!appends)); err != nil {
		return err
	}
	after, err := tx.Commit(ctx)
	if goneOnly(err) {
		err = nil
	}
	if err != nil || !appends {
		return err
	}
	return removeManifests(ctx, before, after)
}

// goneOnly says of what follows the commit of an expiry that no more failed than files
// that could not be removed because they are gone: iceberg-go removes a replaced file with
// the last snapshot that has it, and again with the one that says that it was replaced.
func goneOnly(err error) bool {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(all.Unwrap(), func(err error) bool { return !goneOnly(err) })
	}
	var path *fs.PathError
	return errors.As(err, &path) && path.Op == "remove" && errors.Is(err, fs.ErrNotExist)
}

// appendsOnly says whether no data file can have gone from the table: nothing was
// deleted, and no snapshot was left by a rollback. Then expiry need not look at its
// files, which would take longer the more they are. Files that were merged are left to
// the sweep.
func appendsOnly(t *table.Table) bool {
	line := 0
	for s := t.CurrentSnapshot(); s != nil; s = t.SnapshotByID(*s.ParentSnapshotID) {
		if line++; s.ParentSnapshotID == nil {
			break
		}
	}
	all := t.Metadata().Snapshots()
	for _, s := range all {
		if s.Summary == nil || s.Summary.Operation != table.OpAppend && s.Summary.Properties[mergedProperty] == "" {
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
