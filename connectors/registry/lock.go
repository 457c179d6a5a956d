package registry

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fqgw/fqgw"
)

// LockFile holds a data directory for this process; the operating system lets
// go of it when the process ends, however it ends.
type LockFile struct {
	f *os.File
}

// Lock takes the directory; 55006 when another process has it.
func Lock(dir string) (*LockFile, error) {
	path := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, &fqgw.Error{Code: fqgw.CodeIO, Message: fmt.Sprintf("data directory %q cannot be used: %v", dir, err), Err: err}
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &fqgw.Error{Code: fqgw.CodeIO, Message: fmt.Sprintf("data directory %q cannot be locked: %v", dir, err), Err: err}
		}
		owner := "another process"
		if pid, err := os.ReadFile(path); err == nil && len(pid) > 0 {
			owner = "process " + strings.TrimSpace(string(pid))
		}
		return nil, fqgw.Errorf("55006", "data directory %q is in use by %s", dir, owner).
			WithHint("Stop that process, or choose another directory with --data.")
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0)
	}
	return &LockFile{f: f}, nil
}

// Close lets go of the directory.
func (l *LockFile) Close() error { return l.f.Close() }
