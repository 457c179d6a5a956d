package iceberg

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
)

// orphanAge is how old a file must be that no table mentions before it is removed:
// another engine may be about to commit it. sweepEvery is how often that is looked
// for, by table.
const (
	orphanAge  = 24 * time.Hour
	sweepEvery = 24 * time.Hour
)

// busy notes a data file that is being written; its commit may take longer than
// orphanAge.
func (l *Lake) busy(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing[localPath(path)] = true
}

// release is told that the files are committed or removed, or never will be.
func (d *dataFiles) release() {
	d.lake.mu.Lock()
	defer d.lake.mu.Unlock()
	for _, path := range d.began {
		delete(d.lake.writing, localPath(path))
	}
}

// localPath is the path of a file of the warehouse, "" for one elsewhere.
func localPath(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	return filepath.Clean(u.Path)
}

// sweepSoon looks for orphans of a table in the background, once in a while.
func (l *Lake) sweepSoon(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.swept[name]; ok && time.Since(at) < sweepEvery {
		return
	}
	l.swept[name] = time.Now()
	l.sweeps.Go(func() {
		err := l.sweep(context.Background(), name)
		if fqgw.HasCode(err, fqgw.CodeUndefinedTable) || errors.Is(err, fs.ErrNotExist) {
			return // it was dropped meanwhile
		}
		if err != nil {
			l.log.Warn("orphaned files of a lake table could not be removed", "table", name, "error", err)
		}
	})
}

// sweep removes files in the table's folder that nothing of the table mentions:
// commits that failed or were cut off left them. The folder is listed before the
// table is read, so that what is committed meanwhile is mentioned.
func (l *Lake) sweep(ctx context.Context, name string) error {
	t, err := l.load(ctx, name)
	if err != nil {
		return err
	}
	root := localPath(t.Location())
	if root == "" || !strings.HasPrefix(t.Location(), l.warehouse+"/") {
		return nil // another's folder
	}
	old := map[string]bool{}
	before := time.Now().Add(-l.orphanAge)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && info.ModTime().Before(before) {
			old[path] = true
		}
		return err
	})
	if err != nil || len(old) == 0 {
		return err
	}
	l.mu.Lock()
	for path := range l.writing {
		delete(old, path)
	}
	l.mu.Unlock()
	if t, err = l.load(ctx, name); err != nil {
		return err
	}
	files, err := t.FS(ctx)
	if err != nil {
		return err
	}
	m := t.Metadata()
	delete(old, localPath(t.MetadataLocation()))
	for f := range m.PreviousFiles() {
		delete(old, localPath(f.MetadataFile))
	}
	for f := range m.Statistics() {
		delete(old, localPath(f.StatisticsPath))
	}
	for f := range m.PartitionStatistics() {
		delete(old, localPath(f.StatisticsPath))
	}
	seen := map[string]bool{}
	for _, s := range m.Snapshots() {
		delete(old, localPath(s.ManifestList))
		manifests, err := s.Manifests(files)
		if err != nil {
			return err // without knowing all, nothing is an orphan
		}
		for _, manifest := range manifests {
			if seen[manifest.FilePath()] {
				continue
			}
			seen[manifest.FilePath()] = true
			delete(old, localPath(manifest.FilePath()))
			for entry, err := range manifest.Entries(files, true) {
				if err != nil {
					return err
				}
				delete(old, localPath(entry.DataFile().FilePath()))
			}
		}
	}
	for path := range old {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if len(old) > 0 {
		l.log.Info("orphaned files of a lake table are removed", "table", name, "files", len(old))
	}
	return nil
}
