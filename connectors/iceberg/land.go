package iceberg

import (
	"context"
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
	landed, id, err := commit(ctx, t, w.done, formatMarks(to))
	if err != nil && !refused(err) && ctx.Err() == nil {
		// It may have been committed: that is looked up. If it is not there it may come
		// yet; then the next compare tells.
		if now, lerr := l.load(ctx, name); lerr == nil && carriedOut(now, t, id) {
			landed, err = now, nil
		}
	}
	if err != nil {
		if !refused(err) {
			return nil, false, fail(err)
		}
		w.remove()
		if !lost(err) {
			return nil, false, l.missing(name, err)
		}
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
// those marks: if another snapshot came between, it fails and nothing retries. The
// id of the snapshot is told of a failure too, after which it may be there or come.
func commit(ctx context.Context, t *table.Table, files []iceberg.DataFile, marks string) (after *table.Table, id int64, err error) {
	var summary iceberg.Properties
	if marks != "" {
		summary = iceberg.Properties{marksProperty: marks}
	}
	tx := t.NewTransaction()
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
		return nil, 0, notTaken(err)
	}
	if len(files) == 0 {
		err = tx.AddFiles(ctx, nil, summary, false)
	} else {
		err = tx.AddDataFiles(ctx, files, summary, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping())
	}
	if err != nil {
		return nil, 0, notTaken(err)
	}
	staged, err := tx.StagedTable()
	if err != nil {
		return nil, 0, notTaken(err)
	}
	after, err = tx.Commit(ctx)
	return after, staged.CurrentSnapshot().SnapshotID, err
}

// carriedOut says whether now, the same table as then, has one of the snapshots.
func carriedOut(now, then *table.Table, ids ...int64) bool {
	return sameTable(now, then) && slices.ContainsFunc(ids, func(id int64) bool { return now.SnapshotByID(id) != nil })
}

func sameTable(a, b *table.Table) bool { return a.Metadata().TableUUID() == b.Metadata().TableUUID() }

// appendTries is how often Append goes against other writers of the same table.
const appendTries = 30

// unknownTries is how often it goes on when the catalog does not tell what became of a commit.
const unknownTries = 8

// waiting is an Append whose files are written and that waits for a commit.
type waiting struct {
	table *table.Table // for which they were written
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
	own := &waiting{table: t, files: w.done}
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
	after, id, maybe, err := l.commitFiles(ctx, name, all)
	if maybe {
		unknown := fqgw.Errorf(codeUnknown, "lake: whether rows were added to table \"%s\" is not known: %w", name, err)
		err = unknown.WithHint("The catalog did not tell. Look whether they are there before they are added again.")
	}
	for _, w := range all {
		if w.over {
			continue // it was refused for itself
		}
		w.over, w.whole, w.snapshot, w.err = true, err == nil || maybe, id, fail(err)
	}
	if err != nil || after == nil {
		return
	}
	l.sweepSoon(name)
	if len(after.Metadata().Snapshots()) >= 2*keepTableSnapshots {
		if err := l.expire(ctx, after, keepTableSnapshots); err != nil {
			l.log.Warn("old snapshots of a lake table could not be expired", "table", name, "error", err)
		}
	}
}

// commitFiles commits the files of all that wait against other writers; id is the
// snapshot. A commit of which the catalog did not tell what became of it is looked for
// before the next: that one is pinned to what was looked at, so that the rows are not
// there twice. maybe says that after all tries it is not known.
func (l *Lake) commitFiles(ctx context.Context, name string, all []*waiting) (after *table.Table, id int64, maybe bool, err error) {
	var tried []int64
	pause := fqgw.Backoff{First: 100 * time.Millisecond, Most: time.Second}
	for try, begun := 0, time.Now(); try < appendTries; try++ {
		switch {
		case len(tried) > unknownTries:
			return nil, 0, true, err
		case len(tried) > 0:
			pause.Wait(ctx)
		case try > 0:
			_ = wait(ctx, try, time.Since(begun)) // which nothing cancels
		}
		begun = time.Now()
		t, lerr := l.load(ctx, name)
		if lerr != nil {
			err = lerr
			if len(tried) > 0 && !isMissing(lerr) && !fqgw.HasCode(lerr, fqgw.CodeUndefinedTable) {
				continue
			}
			return nil, 0, false, err
		}
		var files []iceberg.DataFile
		for _, w := range all {
			switch {
			case w.over:
			case !sameTable(t, w.table):
				w.over = true
				w.err = fqgw.Errorf(fqgw.CodeUndefinedTable, "table \"%s\" was dropped and made again while rows were written to it", name)
			case carriedOut(t, w.table, tried...):
				i := slices.IndexFunc(tried, func(id int64) bool { return carriedOut(t, w.table, id) })
				return t, tried[i], false, nil
			default:
				files = append(files, w.files...)
			}
		}
		if len(files) == 0 {
			return nil, 0, false, nil
		}
		marks, _ := marksText(t)
		if after, id, err = commit(ctx, t, files, marks); err == nil {
			return after, id, false, nil
		}
		if !refused(err) {
			tried = append(tried, id)
		} else if !lost(err) && len(tried) == 0 {
			return nil, 0, false, l.missing(name, err)
		}
	}
	return nil, 0, len(tried) > 0, err
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
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil { // what another added meanwhile must not go
		return fail(err)
	}
	if err := tx.RollbackToSnapshot(to); err != nil {
		return fail(err)
	}
	if t, err = tx.Commit(ctx); err != nil {
		now, lerr := l.load(ctx, name)
		if refused(err) || lerr != nil || now.CurrentSnapshot() == nil || now.CurrentSnapshot().SnapshotID != to {
			return fail(err)
		}
		t = now
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

// wait makes writers that met go apart: the longer the more often they met, and the
// longer a try took.
func wait(ctx context.Context, try int, took time.Duration) error {
	select {
	case <-time.After(5*time.Millisecond + rand.N(max(took, 10*time.Millisecond)*time.Duration(min(try, 8)))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
