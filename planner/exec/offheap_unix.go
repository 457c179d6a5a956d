//go:build unix

package exec

import "syscall"

// mapped is memory of the system's, nil where there is none.
func mapped(size int) []byte {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return b
}

// unmapped gives memory back, if it is from mapped.
func unmapped(b []byte) bool { return syscall.Munmap(b) == nil }
