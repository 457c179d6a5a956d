package iceberg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// Fill implements fqgw.History.
func (l *Lake) Fill(ctx context.Context, name string, layout fqgw.FileLayout, rows fqgw.Records) (out fqgw.Filled, err error) {
	w, err := l.newFilling(ctx, name, layout)
	if err != nil {
		return out, err
	}
	defer w.release()
	whole := false
	defer func() {
		if !whole {
			w.remove()
		}
	}()
	if err := w.writeAll(ctx, rows); err != nil || w.rows == 0 {
		return out, err
	}
	own := &waiting{table: w.table, files: w.done}
	unlock, err := l.lock(ctx)
	if err != nil {
		return out, err
	}
	defer unlock()
	l.commitAll(ctx, name, []*waiting{own})
	whole = own.whole
	return fqgw.Filled{Snapshot: own.snapshot, Rows: w.rows, Files: w.files}, own.err
}

func (l *Lake) newFilling(ctx context.Context, name string, layout fqgw.FileLayout) (*dataFiles, error) {
	t, err := l.load(ctx, name)
	if err != nil {
		return nil, err
	}
	w, err := l.newDataFiles(ctx, t)
	if err != nil {
		return nil, err
	}
	if w.hashed = true; layout.Bytes > 0 {
		w.size = layout.Bytes
	}
	return w, nil
}

// Refill implements fqgw.History.
func (l *Lake) Refill(ctx context.Context, name string, layout fqgw.FileLayout, want []fqgw.StoredFile, rows fqgw.Records) ([]fqgw.StoredFile, error) {
	w, err := l.newFilling(ctx, name, layout)
	if err != nil {
		return nil, err
	}
	defer w.release()
	defer w.remove()
	if err := w.writeAll(ctx, rows); err != nil {
		return nil, err
	}
	if !fqgw.SameFiles(want, w.files) {
		return w.files, nil
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	has, err := dataPaths(ctx, w.table)
	if err != nil {
		return nil, err
	}
	for i, f := range want {
		to := localPath(f.Path)
		if to == "" || !has[f.Path] {
			continue
		}
		if sum, err := sumOf(to); err == nil && sum == f.SHA256 {
			continue
		}
		if err := os.Rename(localPath(w.files[i].Path), to); err != nil {
			return nil, fail(err)
		}
	}
	return w.files, nil
}

// dataPaths are the data files of a table's newest snapshot.
func dataPaths(ctx context.Context, t *table.Table) (map[string]bool, error) {
	out := map[string]bool{}
	if t.CurrentSnapshot() == nil {
		return out, nil
	}
	tasks, err := t.Scan().PlanFiles(ctx)
	if err != nil {
		return nil, fail(err)
	}
	for _, task := range tasks {
		out[task.File.FilePath()] = true
	}
	return out, nil
}

// sumOf is the SHA-256 of a file, in hex.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
