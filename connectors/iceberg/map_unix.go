//go:build unix

package iceberg

import (
	"os"
	"syscall"
	"unsafe"
)

// mapFile is the content of a file, mapped, until unmap is called.
func mapFile(path string) (data []byte, p *pages, unmap func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, nil, err
	}
	if info.Size() == 0 || info.Size() != int64(int(info.Size())) {
		return readWhole(path)
	}
	if data, err = syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED); err != nil {
		return readWhole(path)
	}
	return data, &pages{data}, func() { _ = syscall.Munmap(data) }, nil
}

// pages gives the pages of a mapping back when what refers to them is released: they
// count as the process' memory otherwise, and can be had again from the file. Of memory
// that is no file's they could not be had again.
type pages struct{ mapping []byte }

func (p *pages) giveBack(b []byte) {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	base := uintptr(unsafe.Pointer(unsafe.SliceData(p.mapping)))
	size := uintptr(os.Getpagesize())
	low := (from - base + size - 1) / size * size // of the pages that are b's alone
	high := min((from-base+uintptr(len(b)))/size*size, uintptr(len(p.mapping)))
	if from >= base && low < high {
		_ = syscall.Madvise(p.mapping[low:high], syscall.MADV_DONTNEED)
	}
}
