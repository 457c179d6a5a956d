//go:build unix

package exec

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/fqgw/fqgw"
)

// A mapped file that is cut while it is read is an error, not the end of the process.
func TestReadingRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := syscall.Mmap(int(f.Fd()), 0, 1<<20, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(data)
	sum := byte(0)
	read := func() error {
		for _, b := range data {
			sum += b
		}
		return nil
	}
	if err := readingRuns(read); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if err := readingRuns(read); !fqgw.HasCode(err, fqgw.CodeIO) {
		t.Errorf("a file that was cut: %v", err)
	}
	defer func() {
		if p := recover(); p != "another" {
			t.Errorf("another panic became %v", p)
		}
	}()
	_ = readingRuns(func() error { panic("another") })
}
