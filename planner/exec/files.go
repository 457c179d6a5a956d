package exec

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
)

// ParquetWriter writes rows to a new file, and waits for the disk. The same rows make
// the same bytes. A failure leaves no file.
type ParquetWriter func(ctx context.Context, path string, schema *arrow.Schema, rows fqgw.Records) (fqgw.StoredFile, error)

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
	rows = e.progress(env, Doubles(rows, cols))
	f, err := e.o.WriteParquet(env.Ctx, temp, fqgw.ArrowSchema(cols), records(rows, cols))
	f.Path = filepath.ToSlash(name)
	return []fqgw.StoredFile{f}, err
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
