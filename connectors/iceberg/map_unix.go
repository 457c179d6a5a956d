//go:build unix

package iceberg

import (
	"os"
	"syscall"
)

// mapFile is the content of a file, mapped, until unmap is called.
func mapFile(path string) (data []byte, unmap func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Size() == 0 || info.Size() != int64(int(info.Size())) {
		return readWhole(path)
	}
	if data, err = syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED); err != nil {
		return readWhole(path)
	}
	return data, func() { _ = syscall.Munmap(data) }, nil
}
