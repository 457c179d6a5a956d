package iceberg

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"

	"github.com/apache/iceberg-go/io"

	"github.com/fqgw/fqgw/connectors/iceberg/internal/s3"
)

// syncProperty of a catalog ("true") makes its local files durable: it is how
// Options.Sync reaches the files that iceberg-go writes by itself.
const syncProperty = "fqgw.sync"

// iceberg-go knows file systems by scheme for the whole process, so ours
// takes the place of its own for file: and is the same unless asked.
func init() {
	io.Unregister("file")
	io.Register("file", func(_ context.Context, _ *url.URL, props map[string]string) (io.IO, error) {
		if props[syncProperty] == "true" {
			return syncFS{}, nil
		}
		return io.LocalFS{}, nil
	})
	for _, scheme := range []string{"s3", "s3a", "s3n"} {
		io.Register(scheme, func(ctx context.Context, _ *url.URL, props map[string]string) (io.IO, error) {
			return s3.New(ctx, props)
		})
	}
}

// syncFS is the local file system whose files are on the disk when Close or
// WriteFile returns.
type syncFS struct{ io.LocalFS }

func (s syncFS) Create(name string) (io.FileWriter, error) {
	w, err := s.LocalFS.Create(name)
	if err != nil {
		return nil, err
	}
	if f, ok := w.(*os.File); ok {
		return syncFile{f}, nil
	}
	return w, nil
}

func (s syncFS) WriteFile(name string, content []byte) error {
	w, err := s.Create(name)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return errors.Join(err, w.Close())
}

type syncFile struct{ *os.File }

// Close syncs the file, and the folders that a new table makes above it: the
// table's and the warehouse.
func (f syncFile) Close() error {
	err := errors.Join(f.Sync(), f.File.Close())
	for dir, up := filepath.Dir(f.Name()), 0; up < 3 && err == nil; dir, up = filepath.Dir(dir), up+1 {
		err = syncDir(dir)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
