package exec

import (
	"context"
	"crypto/rand"
	"os"
	"path"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
)

// ParquetWriter writes rows to a new file, or to the files of a new folder where the
// layout says something, and waits for the disk. Paths are those in the folder, "" for
// the one file. The same rows make the same bytes. A failure leaves nothing.
type ParquetWriter func(ctx context.Context, path string, cols []fqgw.Column, l fqgw.FileLayout, rows fqgw.Records) ([]fqgw.StoredFile, error)

// writer names what made the bytes of files: another release may make others of the
// same rows. The number is that of our choice of pages, codecs and the like.
const writer = "fqgw 1, arrow-go " + arrow.PkgVersion

// writeFiles runs the query of a COPY and writes its rows to temp, where the file of
// that name below the allowed folder is made.
func (e *Engine) writeFiles(env *fqgw.Env, c CopyTo, temp, name string) ([]fqgw.StoredFile, error) {
	rows, err := e.Run(env, c.Query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	cols := append([]fqgw.Column(nil), c.Columns...)
	rows = Doubles(rows, cols)
	files, err := e.o.WriteParquet(env.Ctx, temp, cols, c.Layout, e.kept(env, rows, cols, c.Layout))
	for i := range files {
		files[i].Path = path.Join(filepath.ToSlash(name), files[i].Path)
	}
	return files, err
}

// isFolder says whether files of a layout lie in a folder of their own.
func isFolder(l fqgw.FileLayout) bool { return l.Bytes > 0 || len(l.Partition) > 0 }

// free is nil where what is written can have the path: 58P02. A file takes the place
// of another one; a folder has to be new.
func free(full, path string, folder bool) error {
	at, err := os.Stat(full)
	switch {
	case err != nil:
		return nil
	case folder:
		return fqgw.Errorf("58P02", "\"%s\" already exists", path).
			WithHint("Files that are divided need a new folder: choose another name, or fqgw.drop_training_set(…) the training set that is there.")
	case at.IsDir():
		return fqgw.Errorf("58P02", "\"%s\" is a folder", path)
	}
	return nil
}

// beside is a new name in the folder of a file, hidden from who lists *.parquet.
func beside(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()[:8])
}

// syncFolder waits until the names in a file's folder are on disk.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func distinctNames(cols []fqgw.Column) error {
	seen := map[string]bool{}
	for _, c := range cols {
		if seen[c.Name] {
			return fqgw.Errorf("42701", "column name \"%s\" would appear twice in the file", c.Name).WithHint("Name the columns with AS.")
		}
		seen[c.Name] = true
	}
	return nil
}

// filePath is where SQL's path lies: below the allowed folder and nowhere else.
func (e *Engine) filePath(path string) (string, error) {
	if e.o.Files == "" {
		return "", fqgw.Errorf("42501", "no folder is allowed for files")
	}
	if filepath.IsAbs(path) {
		rel, err := filepath.Rel(e.o.Files, path)
		if err != nil || !filepath.IsLocal(rel) {
			return "", outside(path, e.o.Files)
		}
		return path, nil
	}
	if !filepath.IsLocal(path) {
		return "", outside(path, e.o.Files)
	}
	return filepath.Join(e.o.Files, path), nil
}

func outside(path, folder string) error {
	return fqgw.Errorf("42501", "file \"%s\" lies outside the folder that SQL may use", path).
		WithHint("Write a name relative to %s.", folder)
}
