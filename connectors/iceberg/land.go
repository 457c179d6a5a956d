package iceberg

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// Land implements fqgw.History. The rows make one data file. Without rows the
// marks advance by a snapshot that adds none, so that the compare is the same.
func (l *Lake) Land(ctx context.Context, name string, rows arrow.RecordBatch, from, to fqgw.Marks) (fqgw.Marks, bool, error) {
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, false, err
	}
	defer unlock()
	t, err := l.load(ctx, name)
	if err != nil {
		return nil, false, err
	}
	found, err := l.marksOf(ctx, t)
	if err != nil || !sameMarks(found, from) {
		return found, false, err
	}
	w, err := l.newDataFiles(ctx, t)
	if err != nil {
		return nil, false, err
	}
	defer w.release()
	if rows != nil {
		err = w.write(rows)
	}
	if err == nil {
		err = w.end()
	}
	if err != nil {
		w.remove()
		return nil, false, err
	}
	landed, err := commit(ctx, t, w.done, formatMarks(to))
	if err != nil {
		if !lost(err) { // it may have been committed for all we know: the next compare tells
			return nil, false, fail(err)
		}
		w.remove()
		if t, err = l.load(ctx, name); err != nil {
			return nil, false, err
		}
		found, err = l.marksOf(ctx, t)
		return found, false, err
	}
	l.sweepSoon(name)
	if len(landed.Metadata().Snapshots()) >= 2*keepSnapshots {
		if err := l.expire(ctx, landed, keepSnapshots); err != nil {
			l.log.Warn("old snapshots of a lake table could not be expired", "table", name, "error", err)
		}
	}
	return to, true, nil
}

// commit adds the files to t, exactly as it was loaded, in one snapshot with
// those marks: if another snapshot came between, it fails and nothing retries.
func commit(ctx context.Context, t *table.Table, files []iceberg.DataFile, marks string) (*table.Table, error) {
	var summary iceberg.Properties
	if marks != "" {
		summary = iceberg.Properties{marksProperty: marks}
	}
	tx := t.NewTransaction()
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
		return nil, err
	}
	var err error
	if len(files) == 0 {
		err = tx.AddFiles(ctx, nil, summary, false)
	} else {
		err = tx.AddDataFiles(ctx, files, summary, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping())
	}
	if err != nil {
		return nil, err
	}
	return tx.Commit(ctx)
}

// lost says whether a commit surely failed because another came first;
// iceberg-go v0.7.0 marks just one of the two ways in which its SQL catalog
// notices.
func lost(err error) bool {
	return errors.Is(err, table.ErrCommitFailed) || strings.Contains(err.Error(), "requirement failed: branch")
}

// appendTries is how often Append goes against other writers of the same table.
const appendTries = 10

// waiting is an Append whose files are written and that waits for a commit.
type waiting struct {
	files []iceberg.DataFile
	over  bool
	whole bool // the files are in the table, or may be
	err   error

	snapshot int64 // in which they are
}

// Append implements fqgw.History. Files are written as the rows come, and
// committed when all are there. Appends to one table that meet share a commit:
// whose turn it is commits for all that wait.
func (l *Lake) Append(ctx context.Context, name string, rows fqgw.Records) (n int64, err error) {
	t, err := l.load(ctx, name)
	if err != nil {
		return 0, err
	}
	w, err := l.newDataFiles(ctx, t)
	if err != nil {
		return 0, err
	}
	defer w.release()
	whole := false // the files are to be kept
	defer func() {
		if !whole {
			w.remove()
		}
	}()
	if err := w.writeAll(ctx, rows); err != nil || w.rows == 0 {
		return 0, err
	}
	own := &waiting{files: w.done}
	if l.holds(ctx) {
		l.commitAll(ctx, name, []*waiting{own})
	} else {
		key := strings.Join(ident(name), ".")
		l.queue(key, func(all []*waiting) []*waiting { return append(all, own) })
		unlock, err := l.lock(ctx)
		if err != nil { // it must not wait any longer, unless somebody is committing for it
			found := false
			l.queue(key, func(all []*waiting) []*waiting {
				n := len(all)
				all = slices.DeleteFunc(all, func(w *waiting) bool { return w == own })
				found = len(all) < n
				return all
			})
			if found {
				return 0, err
			}
			if unlock, err = l.lock(context.WithoutCancel(ctx)); err != nil {
				return 0, err
			}
		}
		defer unlock()
		if !own.over {
			var all []*waiting
			l.queue(key, func(w []*waiting) []*waiting { all = w; return nil })
			l.commitAll(ctx, name, all)
		}
	}
	if whole = own.whole; own.err != nil {
		return 0, own.err
	}
	return w.rows, nil
}

// queue changes the Appends that wait for a commit of a table.
func (l *Lake) queue(table string, change func([]*waiting) []*waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.appends == nil {
		l.appends = map[string][]*waiting{}
	}
	if l.appends[table] = change(l.appends[table]); len(l.appends[table]) == 0 {
		delete(l.appends, table)
	}
}

// holding is the key of a context within Exclusive.
type holding struct{}

// Exclusive implements fqgw.History.
func (l *Lake) Exclusive(ctx context.Context, f func(ctx context.Context) error) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return f(context.WithValue(ctx, holding{}, l))
}

func (l *Lake) holds(ctx context.Context) bool { return ctx.Value(holding{}) == l }

// lock waits until this caller alone may commit, and returns what ends that.
func (l *Lake) lock(ctx context.Context) (unlock func(), err error) {
	if l.holds(ctx) {
		return func() {}, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// commitAll adds the files of all in one snapshot.
func (l *Lake) commitAll(ctx context.Context, name string, all []*waiting) {
	// Others wait for it: the end of one statement must not undo theirs.
	ctx = context.WithoutCancel(ctx)
	var files []iceberg.DataFile
	for _, w := range all {
		files = append(files, w.files...)
	}
	var t, after *table.Table
	var err error
	whole := false
	for try := range appendTries {
		if try > 0 {
			_ = wait(ctx, try) // which nothing cancels
		}
		if t, err = l.load(ctx, name); err != nil {
			break
		}
		marks, _ := marksText(t)
		if after, err = commit(ctx, t, files, marks); err == nil || !lost(err) {
			whole = true // when not lost, it may have been committed
			break
		}
	}
	for _, w := range all {
		w.over, w.whole, w.err = true, whole, fail(err)
		if err == nil {
			w.snapshot = after.CurrentSnapshot().SnapshotID
		}
	}
	if err == nil {
		l.sweepSoon(name)
	}
	if err == nil && len(after.Metadata().Snapshots()) >= 2*keepTableSnapshots {
		if err := l.expire(ctx, after, keepTableSnapshots); err != nil {
			l.log.Warn("old snapshots of a lake table could not be expired", "table", name, "error", err)
		}
	}
}

// Rollback implements fqgw.History. What was appended since goes with its files;
// the newer snapshots are nobody's any more.
func (l *Lake) Rollback(ctx context.Context, name string, to int64) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	t, err := l.load(ctx, name)
	if err != nil {
		return err
	}
	tx := t.NewTransaction()
	if err := tx.RollbackToSnapshot(to); err != nil {
		return fail(err)
	}
	if t, err = tx.Commit(ctx); err != nil {
		return fail(err)
	}
	// Undone it is; its files are only a matter of space.
	tx = t.NewTransaction()
	err = tx.ExpireSnapshots(table.WithRetainLast(math.MaxInt32), table.WithOlderThan(0), table.WithPostCommit(true))
	if err == nil {
		_, err = tx.Commit(ctx)
	}
	if err != nil {
		l.log.Warn("the files of rows that were taken back could not be removed", "table", name, "error", err)
	}
	return nil
}

// wait makes writers that met go apart.
func wait(ctx context.Context, try int) error {
	select {
	case <-time.After(time.Duration(5+rand.IntN(20*try)) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
