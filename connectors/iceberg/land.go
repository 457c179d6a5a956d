package iceberg

import (
	"context"
	"errors"
	"math/rand/v2"
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
	l.commits.Lock()
	defer l.commits.Unlock()
	t, err := l.load(ctx, name)
	if err != nil {
		return nil, false, err
	}
	found, err := marksOf(t)
	if err != nil || !sameMarks(found, from) {
		return found, false, err
	}
	w, err := newDataFiles(ctx, t)
	if err != nil {
		return nil, false, err
	}
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
		found, err = marksOf(t)
		return found, false, err
	}
	if len(landed.Metadata().Snapshots()) >= 2*keepSnapshots {
		if err := l.expire(ctx, landed); err != nil {
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

// Append implements fqgw.History. Files are written as the rows come, and
// committed when all are there.
func (l *Lake) Append(ctx context.Context, name string, rows fqgw.Records) (n int64, err error) {
	t, err := l.load(ctx, name)
	if err != nil {
		return 0, err
	}
	w, err := newDataFiles(ctx, t)
	if err != nil {
		return 0, err
	}
	whole := false // the files are to be kept
	defer func() {
		if !whole {
			w.remove()
		}
	}()
	for b, err := range rows {
		if err != nil {
			return 0, err
		}
		err = ctx.Err()
		if err == nil {
			err = w.write(b)
		}
		b.Release()
		if err != nil {
			return 0, err
		}
	}
	if err := w.end(); err != nil || w.rows == 0 {
		return 0, err
	}
	l.commits.Lock()
	defer l.commits.Unlock()
	for try := range appendTries {
		if try > 0 {
			if err := wait(ctx, try); err != nil {
				return 0, err
			}
		}
		if t, err = l.load(ctx, name); err != nil {
			return 0, err
		}
		marks, _ := marksText(t)
		if _, err = commit(ctx, t, w.done, marks); err == nil || !lost(err) {
			whole = true // when not lost, it may have been committed
			break
		}
	}
	if err != nil {
		return 0, fail(err)
	}
	return w.rows, nil
}

// Rollback implements fqgw.History. The data files that it leaves behind go when
// their snapshots expire.
func (l *Lake) Rollback(ctx context.Context, name string, to int64) error {
	l.commits.Lock()
	defer l.commits.Unlock()
	t, err := l.load(ctx, name)
	if err != nil {
		return err
	}
	tx := t.NewTransaction()
	if err := tx.RollbackToSnapshot(to); err != nil {
		return fail(err)
	}
	_, err = tx.Commit(ctx)
	return fail(err)
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
