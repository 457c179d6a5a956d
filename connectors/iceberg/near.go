package iceberg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	iceio "github.com/apache/iceberg-go/io"

	"github.com/fqgw/fqgw"
)

// near is a folder with copies of runs that are elsewhere: runs are read where they
// are mapped. A copy is checked like any run when it is opened; what is not used for
// the longest time goes first.
type near struct {
	dir  string
	most int64 // bytes
	mu   sync.Mutex
	used map[string]time.Time // by path: since this process began
}

// errNoRoom says that a copy has no place: the run is not used, and history is scanned.
var errNoRoom = errors.New("there is no room for a copy of it (--lake-cache)")

// nearAge is how long a copy stays that was used: another that needs its room does
// without.
const nearAge = time.Minute

const unfinished = ".unfinished"

func newNear(dir string, most int64) *near {
	n := &near{dir: dir, most: most, used: map[string]time.Time{}}
	if names, err := os.ReadDir(dir); err == nil {
		for _, e := range names {
			if strings.HasSuffix(e.Name(), unfinished) { // of a process that was killed
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
	return n
}

// pathOf is where the copy of a run is, if it is there.
func (n *near) pathOf(f runFile) string {
	sum := sha256.Sum256([]byte(f.Path))
	return filepath.Join(n.dir, hex.EncodeToString(sum[:16])+".parquet")
}

// copyOf is the path of a run's copy, made from files if it is not there.
func (n *near) copyOf(ctx context.Context, f runFile, files func(context.Context) (iceio.IO, error)) (path string, err error) {
	path = n.pathOf(f)
	n.mu.Lock()
	info, err := os.Stat(path)
	there := err == nil && info.Size() == f.Bytes
	if !there {
		err = n.makeRoom(f.Bytes)
	}
	n.used[path] = time.Now()
	n.mu.Unlock()
	if there || err != nil {
		return path, err
	}
	from, err := files(ctx)
	if err != nil {
		return "", err
	}
	in, err := from.Open(f.Path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return "", err
	}
	out, err := os.CreateTemp(n.dir, "*"+unfinished)
	if err != nil {
		return "", err
	}
	size, err := io.Copy(out, in)
	if err == nil && size != f.Bytes {
		err = fqgw.Errorf(fqgw.CodeIO, "lake: file %s has %d bytes, but its table says %d", f.Path, size, f.Bytes)
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(out.Name(), path)
	}
	if err != nil {
		_ = os.Remove(out.Name())
	}
	return path, err
}

// makeRoom removes copies until there is room for so many bytes more.
func (n *near) makeRoom(bytes int64) error {
	if bytes > n.most {
		return fmt.Errorf("%w: it has %d bytes", errNoRoom, bytes)
	}
	names, err := os.ReadDir(n.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	type kept struct {
		path  string
		bytes int64
		used  time.Time
	}
	var all []kept
	total := bytes
	for _, e := range names {
		info, err := e.Info()
		if err != nil {
			continue // it has gone
		}
		k := kept{filepath.Join(n.dir, e.Name()), info.Size(), info.ModTime()}
		if t, ok := n.used[k.path]; ok {
			k.used = t
		}
		all, total = append(all, k), total+k.bytes
	}
	slices.SortFunc(all, func(a, b kept) int { return a.used.Compare(b.used) })
	for _, k := range all {
		if total <= n.most {
			break
		}
		if time.Since(k.used) < nearAge {
			return errNoRoom
		}
		// Who has mapped it reads on.
		if err := os.Remove(k.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		delete(n.used, k.path)
		total -= k.bytes
	}
	return nil
}

// openNear opens a run of a projection, or a copy of it if it is elsewhere.
func (l *Lake) openNear(ctx context.Context, p *projection, f runFile, spec runSpec) (*run, error) {
	path := localPath(f.Path)
	if path != "" {
		return openRun(ctx, path, f, spec)
	}
	path, err := l.near.copyOf(ctx, f, func(ctx context.Context) (iceio.IO, error) {
		t, err := l.catalog.LoadTable(ctx, projectionIdent(p.Table, fqgw.RunKeys{Keys: p.Keys}))
		if err != nil {
			return nil, err
		}
		return t.FS(ctx)
	})
	if err != nil {
		return nil, fail(err)
	}
	r, err := openRun(ctx, path, f, spec)
	if err != nil && ctx.Err() == nil {
		_ = os.Remove(path) // the next try makes another
	}
	return r, err
}
