// Package files reads the rows of sources that lie in files: Parquet, CSV and
// NDJSON. It reads below the folders that it was given and nowhere else, whatever
// a path says and wherever a symbolic link leads.
package files

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
)

// Files are the files below some folders: an fqgw.Foreign. Safe for concurrent use.
type Files struct {
	folders []folder

	mu    sync.Mutex
	lists map[int64][]file // of snapshots that were seen lately
}

// manyLists is how many snapshots are remembered.
const manyLists = 1000

// folder is one that may be read.
type folder struct {
	path string // absolute
	root *os.Root
}

// Open takes the folders; a relative path of a source lies below the first. A folder
// that is not there is an error.
func Open(folders ...string) (*Files, error) {
	f := &Files{lists: map[int64][]file{}}
	for _, path := range folders {
		abs, err := filepath.Abs(path)
		if err != nil {
			f.Close()
			return nil, err
		}
		root, err := os.OpenRoot(abs)
		if err != nil {
			f.Close()
			return nil, err
		}
		f.folders = append(f.folders, folder{abs, root})
	}
	return f, nil
}

// Close gives the folders back.
func (f *Files) Close() error {
	var errs []error
	for _, d := range f.folders {
		errs = append(errs, d.root.Close())
	}
	return errors.Join(errs...)
}

// option is an option of the source, "" when it was not written.
func option(s *fqgw.Source, name string) string { return s.Options[name] }

// find are the folder of a source and its path below it, with slashes.
func (f *Files) find(s *fqgw.Source) (folder, string, error) {
	path := option(s, "path")
	if len(f.folders) == 0 {
		return folder{}, "", fqgw.Errorf("42501", "no folder is allowed for files")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.folders[0].path, path)
	}
	for _, d := range f.folders {
		if rel, err := filepath.Rel(d.path, filepath.Clean(path)); err == nil && filepath.IsLocal(rel) {
			return d, filepath.ToSlash(rel), nil
		}
	}
	var all []string
	for _, d := range f.folders {
		all = append(all, d.path)
	}
	return folder{}, "", fqgw.Errorf("42501", "file \"%s\" lies outside the folders that SQL may use", option(s, "path")).
		WithHint("Write a name relative to %s; --allow-files allows more folders.", strings.Join(all, ", or one below "))
}

// Tables implements fqgw.Foreign: the files of a folder whose names say their format.
func (f *Files) Tables(ctx context.Context, schema string) ([]string, error) {
	s := &fqgw.Source{Options: map[string]string{"path": schema}}
	d, dir, err := f.find(s)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(d.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fqgw.Errorf(fqgw.CodeInvalidSchema, "folder \"%s\" does not exist", schema)
	}
	if err != nil {
		return nil, failed(schema, err)
	}
	var out []string
	for _, e := range entries {
		known := slices.Contains([]string{".parquet", ".csv", ".ndjson", ".jsonl"}, filepath.Ext(strings.TrimSuffix(e.Name(), ".gz")))
		if !hidden(e.Name()) && !e.IsDir() && known {
			out = append(out, filepath.ToSlash(filepath.Join(schema, e.Name())))
		}
	}
	return out, nil
}

// file is one file of a source.
type file struct {
	folder folder
	name   string // below the folder
	size   int64
	time   int64 // of its last change, microseconds
}

// list are the files of a source, by name. Without a wildcard there is at least one,
// else 58P01.
func (f *Files) list(ctx context.Context, s *fqgw.Source) ([]file, error) {
	d, pattern, err := f.find(s)
	if err != nil {
		return nil, err
	}
	var out []file
	err = match(ctx, d.root.FS(), pattern, func(name string, info fs.FileInfo) {
		out = append(out, file{d, name, info.Size(), info.ModTime().UnixMicro()})
	})
	if err != nil {
		return nil, failed(pattern, err)
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.name, b.name) })
	if len(out) == 0 && !wild(pattern) {
		if _, err := d.root.Stat(pattern); err != nil {
			return nil, failed(pattern, err)
		}
	}
	return out, nil
}

// some is list, but there must be one.
func (f *Files) some(ctx context.Context, s *fqgw.Source) ([]file, error) {
	all, err := f.list(ctx, s)
	if err == nil && len(all) == 0 {
		err = fqgw.Errorf("58P01", "no file matches \"%s\"", option(s, "path")).
			WithHint("A relative path lies below %s.", f.folders[0].path)
	}
	return all, err
}

// failed is an error of reading a file, which it names.
func failed(name string, err error) error {
	var known *fqgw.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &known):
		if strings.Contains(known.Message, name) {
			return err
		}
		e := *known
		return e.WithDetail("%s", strings.TrimSpace(fmt.Sprintf("File \"%s\". %s", name, known.Detail)))
	case errors.Is(err, fs.ErrNotExist):
		return fqgw.Errorf("58P01", "could not open file \"%s\" for reading: No such file or directory", name)
	case errors.Is(err, fs.ErrPermission):
		return fqgw.Errorf("42501", "could not open file \"%s\" for reading: Permission denied", name)
	case strings.Contains(err.Error(), "path escapes"):
		return fqgw.Errorf("42501", "file \"%s\" leads outside the folders that SQL may use", name).
			WithHint("A symbolic link may lead to a place below its folder.")
	}
	return fqgw.Errorf(fqgw.CodeIO, "could not read file \"%s\": %w", name, err)
}

// Current implements fqgw.Foreign: a snapshot is the list of the files, with their
// sizes and times.
func (f *Files) Current(ctx context.Context, s *fqgw.Source) (fqgw.Snapshot, error) {
	all, err := f.list(ctx, s)
	if err != nil || len(all) == 0 {
		return fqgw.Snapshot{}, err
	}
	at := snapshot(all)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lists) >= manyLists {
		clear(f.lists) // who follows one of them makes its states anew
	}
	f.lists[at.ID] = all
	return at, nil
}

// Added implements fqgw.Foreign: the files that are new, if those that were there
// are what they were. Which those were is not known after a restart.
func (f *Files) Added(ctx context.Context, s *fqgw.Source, from, to int64) (fqgw.Records, bool, error) {
	f.mu.Lock()
	before, known := f.lists[from]
	now := f.lists[to]
	f.mu.Unlock()
	was := make(map[file]bool, len(before))
	for _, x := range before {
		was[x] = true
	}
	var added []file
	same := 0
	for _, x := range now {
		if was[x] {
			same++
		} else {
			added = append(added, x)
		}
	}
	if !known || same != len(before) {
		return nil, false, nil
	}
	_, rows, err := f.read(ctx, s, added, fqgw.Scan{})
	return rows, err == nil, err
}

func snapshot(all []file) fqgw.Snapshot {
	var out fqgw.Snapshot
	h := fnv.New64a()
	for _, x := range all {
		fmt.Fprintf(h, "%q %d %d\n", x.name, x.size, x.time)
		out.Bytes += x.size
		out.Committed = max(out.Committed, x.time)
	}
	out.ID = int64(h.Sum64()&math.MaxInt64) | 1
	return out
}

// format is how the files of a source are read.
type format interface {
	// columns are those of a file.
	columns(ctx context.Context, x file) ([]fqgw.Column, error)
	// check says whether the file has the source's columns.
	check(ctx context.Context, x file) error
	// open begins to read columns of the source, by their index; rows whose event
	// time is outside of the scan's may be left out.
	open(ctx context.Context, x file, fields []int, sc fqgw.Scan) (reader, error)
}

// reader reads a file in batches. It is called by one goroutine.
type reader interface {
	// next is the next batch, which the caller releases; io.EOF behind the last.
	next() (arrow.RecordBatch, error)
	close()
}

// formatOf is the format that a source's files have, by its name or by theirs.
func formatOf(s *fqgw.Source) (format, error) {
	switch s.Format {
	case "parquet":
		return &parquetFormat{source: s}, nil
	case "csv":
		return newCSV(s), nil
	case "ndjson":
		return &ndjson{s}, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "format \"%s\" of files is not supported", s.Format)
}

// Columns implements fqgw.Foreign. Without columns of its own a source has those of
// the first of its files that is not empty.
func (f *Files) Columns(ctx context.Context, s *fqgw.Source) ([]fqgw.Column, error) {
	all, err := f.some(ctx, s)
	if err != nil {
		return nil, err
	}
	all = all[max(slices.IndexFunc(all, func(x file) bool { return x.size > 0 }), 0):]
	how, err := formatOf(s)
	if err != nil {
		return nil, err
	}
	if len(s.Columns) > 0 {
		return s.Columns, failed(all[0].name, guarded(func() error { return how.check(ctx, all[0]) }))
	}
	var out []fqgw.Column
	err = guarded(func() (err error) { out, err = how.columns(ctx, all[0]); return err })
	return out, failed(all[0].name, err)
}

// guarded makes a panic of a reader an error: libraries panic over damaged files.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fqgw.Errorf(fqgw.CodeDataCorrupted, "the file is damaged: %v", p)
		}
	}()
	return f()
}

// Scan implements fqgw.Foreign. The files are those that are there at the call; one
// that changes before it is read to its end is 40001.
func (f *Files) Scan(ctx context.Context, s *fqgw.Source, sc fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	all, err := f.listed(ctx, s, sc.Snapshot)
	if err != nil {
		return nil, nil, err
	}
	return f.read(ctx, s, all, sc)
}

// listed are the files of a source, which must be those of a snapshot; 0: of now.
func (f *Files) listed(ctx context.Context, s *fqgw.Source, at int64) ([]file, error) {
	all, err := f.list(ctx, s)
	if err == nil && at != 0 && snapshot(all).ID != at {
		err = fqgw.Errorf(fqgw.CodeUndefinedObject, "the files of source \"%s\" are not those of snapshot %d any more", s.Name, at)
	}
	return all, err
}

// read reads some files of a source.
func (f *Files) read(ctx context.Context, s *fqgw.Source, all []file, sc fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	how, err := formatOf(s)
	if err != nil {
		return nil, nil, err
	}
	fields, schema, cut, err := decode.Asked(s, sc)
	if err != nil {
		return nil, nil, err
	}
	return schema, func(yield func(arrow.RecordBatch, error) bool) {
		for i := range all {
			if !rowsOf(ctx, how, &all[i], fields, sc, cut, yield) {
				return
			}
		}
	}, nil
}

// rowsOf yields the batches of one file; false when no more is wanted. What reads the
// file is guarded, and not who takes the rows.
func rowsOf(
	ctx context.Context,
	how format,
	x *file,
	fields []int,
	sc fqgw.Scan,
	cut *decode.Cut,
	yield func(arrow.RecordBatch, error) bool,
) bool {
	var r reader
	err := guarded(func() (err error) {
		if err = x.still(); err == nil {
			r, err = how.open(ctx, *x, fields, sc)
		}
		return err
	})
	if err == nil {
		defer r.close()
	}
	for err == nil {
		var b arrow.RecordBatch
		err = guarded(func() (err error) {
			if err = ctx.Err(); err != nil {
				return err
			}
			if b, err = r.next(); err == nil {
				b, err = cut.Within(ctx, b)
			}
			return err
		})
		if err == nil && b != nil && !yield(b, nil) {
			return false
		}
	}
	if err == io.EOF {
		err = x.still()
	}
	if err != nil {
		yield(nil, failed(x.name, err))
		return false
	}
	return true
}

// still says whether the file is what it was when it was listed.
func (x *file) still() error {
	info, err := x.folder.root.Stat(x.name)
	if err != nil {
		return err
	}
	if info.Size() != x.size || info.ModTime().UnixMicro() != x.time {
		return fqgw.Errorf(fqgw.CodeSerialization, "file \"%s\" was changed while it was read", x.name).WithHint("Try again.")
	}
	return nil
}
