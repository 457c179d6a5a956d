package iceberg

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/bits"
	"os"
	"path"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// Each landing is a file. They are merged so that a read finds few, however long a
// source has run: mergeFiles that lie one behind the other and are about as long
// become one, which keeps their place and their rows' order. So a row is written
// again about once for each level. Where others divide the files, those of one
// partition are merged.

const (
	mergeFiles = 64
	// levelBits of a file's size are a level: mergeFiles files make one of the next.
	levelBits = 6
	// Files of this many bytes are merged no more.
	largeFile = 64 << 20
)

// mergedProperty of a snapshot's summary says that it only merged files: what it
// replaced may still be read by somebody, and goes with the orphans, a day later.
const mergedProperty = "fqgw.merged"

// mergedName is the name of a merged file, version 1, which outlives the process: how
// many files it has in it and the sum of their names, so that it is covered by the runs
// that cover those.
func mergedName(files int, sum uint64) string {
	return fmt.Sprintf("merged-1-%d-%016x-%s", files, sum, rand.Text())
}

// nameSum is how many files a file counts for in a coverage, and the sum of their
// names with those that delete rows of them.
func nameSum(task table.FileScanTask) (files int, sum uint64) {
	deletes := deletesOf(task)
	name := path.Base(task.File.FilePath())
	if len(deletes) == 0 && strings.HasPrefix(name, "merged-1-") {
		if n, err := fmt.Sscanf(name, "merged-1-%d-%16x-", &files, &sum); n == 2 && err == nil {
			return files, sum
		}
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, task.File.FilePath())
	for _, p := range deletes {
		_, _ = io.WriteString(h, "\x00"+p)
	}
	return 1, h.Sum64()
}

// MergeFiles implements fqgw.SortedHistory.
func (l *Lake) MergeFiles(ctx context.Context, name string) error {
	for range 2 * 64 / levelBits { // a merge may be one too many of the next level
		t, err := l.load(ctx, name)
		if err != nil {
			return err
		}
		// Elsewhere nobody looks for orphans, and nothing says since when a file is one. Of a
		// table with columns that others added the merged file would not have them.
		if localPath(t.Location()) == "" || !isHistory(t) || t.CurrentSnapshot() == nil {
			return nil
		}
		if cols, err := columns(t); err != nil || !asMade(t, cols) {
			return err
		}
		tasks, err := l.newest(ctx, t)
		if err != nil {
			return err
		}
		parts := alike(tasks, t.Spec())
		if mergeGroup(parts, nil) == nil {
			return nil // whatever the runs cover, which is dearer to find out
		}
		// What runs cover and what they do not stays apart.
		all, err := l.projections(ctx)
		if err != nil {
			return err
		}
		var bounds []int64
		for _, p := range all {
			if p.of.Of == t.Metadata().TableUUID().String() {
				bounds = append(bounds, p.of.Sequence)
			}
		}
		group := mergeGroup(parts, bounds)
		if group == nil {
			return nil
		}
		if ok, err := l.mergeFiles(ctx, name, t, group); !ok || err != nil {
			return err
		}
	}
	return nil
}

func sizeLevel(bytes int64) int { return bits.Len64(uint64(bytes)) / levelBits }

// alike are the files of each partition of a spec, in their order. Those of older specs
// stay: they become no more.
func alike(tasks []table.FileScanTask, spec iceberg.PartitionSpec) (out [][]table.FileScanTask) {
	at := map[string]int{}
	for _, task := range tasks {
		if int(task.File.SpecID()) != spec.ID() {
			continue
		}
		name := fmt.Sprintf("%#v", task.File.Partition())
		i, ok := at[name]
		if !ok {
			i = len(out)
			at[name], out = i, append(out, nil)
		}
		out[i] = append(out[i], task)
	}
	return out
}

// mergeGroup are files that are to become one, of those of one of the parts; nil where
// there are too few.
func mergeGroup(parts [][]table.FileScanTask, bounds []int64) []table.FileScanTask {
	for _, tasks := range parts {
		if group := mergeGroupOf(tasks, bounds); group != nil {
			return group
		}
	}
	return nil
}

// mergeGroupOf is mergeGroup for the files of one partition, in the order in which they
// were written.
func mergeGroupOf(tasks []table.FileScanTask, bounds []int64) []table.FileScanTask {
	band := func(task table.FileScanTask) (n int) {
		for _, b := range bounds {
			if sequenceOf(task) > b {
				n++
			}
		}
		return n
	}
	for level := range sizeLevel(largeFile) + 1 {
		from, at := 0, 0 // a stretch, and how many of its files are of the level
		for i, task := range tasks {
			size := task.File.FileSizeBytes()
			if size >= largeFile || sizeLevel(size) > level || task.Start != 0 || task.Length != size || len(deletesOf(task)) > 0 {
				from, at = i+1, 0
				continue
			}
			if i > from && band(task) != band(tasks[from]) {
				from, at = i, 0
			}
			if sizeLevel(size) == level {
				at++
			}
			if at == mergeFiles {
				return tasks[from : i+1]
			}
		}
	}
	return nil
}

// mergeFiles makes one file of a group; not ok when others changed the table meanwhile.
func (l *Lake) mergeFiles(ctx context.Context, name string, t *table.Table, group []table.FileScanTask) (ok bool, err error) {
	r, err := newReading(t, fqgw.Scan{Table: name})
	if err != nil {
		return false, err
	}
	w, err := l.newWholeFiles(ctx, t, t.Spec())
	if err != nil {
		return false, err
	}
	w.values = group[0].File.Partition() // as whoever wrote them says it
	defer w.release()
	kept := false // the file is in the table, or may be
	defer func() {
		if !kept {
			w.remove()
		}
	}()
	files, sum, rows, sequence := 0, uint64(0), int64(0), int64(0)
	for _, task := range group {
		n, s := nameSum(task)
		files, sum, rows, sequence = files+n, sum^s, rows+task.File.Count(), max(sequence, sequenceOf(task))
	}
	w.name, w.size = mergedName(files, sum), math.MaxInt64
	if err := w.writeAll(ctx, r.records(ctx, group)); err != nil {
		return false, fail(err)
	}
	if len(w.done) != 1 || w.rows != rows {
		return false, fqgw.Errorf(fqgw.CodeIO, "lake: %d rows of %d files of table \"%s\" became %d rows of %d", rows, len(group), name, w.rows, len(w.done))
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	if t, err = l.load(ctx, name); err != nil {
		return false, err
	}
	tasks, err := l.newest(ctx, t)
	if err != nil {
		return false, err
	}
	there := map[string]bool{}
	for _, task := range tasks {
		there[task.File.FilePath()] = len(deletesOf(task)) == 0
	}
	tx := t.NewTransaction()
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
		return false, fail(err)
	}
	summary := iceberg.Properties{mergedProperty: "1"}
	if text, _ := marksText(t); text != "" {
		summary[marksProperty] = text
	}
	rewrite := tx.NewRewrite(summary).DataSequenceNumber(sequence).AddDataFile(w.done[0])
	for _, task := range group {
		if !there[task.File.FilePath()] {
			return false, nil
		}
		rewrite.DeleteFile(task.File)
	}
	if err := rewrite.Commit(ctx); err != nil {
		return false, fail(err)
	}
	// The orphans' day begins now, for who reads them still.
	now := time.Now()
	for _, task := range group {
		if p := localPath(task.File.FilePath()); p != "" {
			_ = os.Chtimes(p, now, now)
		}
	}
	if _, err = tx.Commit(ctx); err != nil {
		kept = !lost(err)
		if lost(err) {
			err = nil
		}
		return false, fail(err)
	}
	kept = true
	return true, nil
}
