package iceberg

import (
	"context"
	"os"
	"slices"

	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// isHistory says that a table is the history of a source: its rows have positions.
func isHistory(t *table.Table) bool {
	_, ok := t.Schema().FindFieldByName(fqgw.ColOffset)
	return ok
}

// Files implements fqgw.SortedHistory.
func (l *Lake) Files(ctx context.Context, name string, each func(fqgw.LakeFile) error) error {
	all, err := l.projections(ctx) // before the history, which covers more then
	if err != nil {
		return err
	}
	t, err := l.load(ctx, name)
	if err != nil {
		return err
	}
	tasks, err := l.newest(ctx, t)
	if err != nil {
		return err
	}
	uuid := t.Metadata().TableUUID().String()
	all = slices.DeleteFunc(all, func(p projected) bool {
		return p.of.Table != name || p.of.Of != uuid || len(p.of.Runs) == 0 && p.of.Sequence == 0
	})
	covered := int64(0) // by the runs under all keys
	used := make([]bool, len(all))
	for i, p := range all {
		c, _ := coverageOf(t, tasks, p.of.Sequence)
		if used[i] = c.Files == p.of.Files && c.Sum == p.of.Sum; i == 0 || p.of.Sequence < covered {
			covered = p.of.Sequence
		}
		if !used[i] {
			covered = 0
		}
	}
	for _, task := range tasks {
		if task.Start != 0 {
			continue
		}
		f := fqgw.LakeFile{Kind: "data", Path: task.File.FilePath(), Rows: task.File.Count(), Bytes: task.File.FileSizeBytes(), Sequence: sequenceOf(task), Used: true}
		if isHistory(t) && f.Sequence > covered {
			f.Kind = "fresh"
		}
		f.Written = writtenAt(f.Path)
		if err := each(f); err != nil {
			return err
		}
	}
	for i, p := range all {
		marks, err := parseMarks(p.of.Marks)
		if err != nil {
			return err
		}
		for _, r := range p.of.Runs {
			f := fqgw.LakeFile{Kind: "run", Path: r.Path, Rows: r.Count, Bytes: r.Bytes, Keys: p.of.Keys, Sequence: p.of.Sequence, Covered: marks, Written: writtenAt(r.Path), Used: used[i]}
			if err := each(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// writtenAt is when a local file was written, in microseconds; 0 for others.
func writtenAt(location string) int64 {
	info, err := os.Stat(localPath(location))
	if err != nil {
		return 0
	}
	return info.ModTime().UnixMicro()
}
