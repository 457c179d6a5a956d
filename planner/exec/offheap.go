package exec

import (
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// offHeap allocates the columns of joins, of which a chunk may have hundreds of
// megabytes, outside of Go's heap: they are given back when they are released, and the
// collector does not let as much garbage grow beside them.
type offHeap struct{}

// offHeapLeast is how many bytes lie outside of the heap at least.
const offHeapLeast = 64 << 10

// offHeapBytes are those that were not released yet.
var offHeapBytes atomic.Int64

// ColumnBytes are those of columns of joins that lie outside of Go's heap now, of all
// engines of the process.
func (e *Engine) ColumnBytes() int64 { return offHeapBytes.Load() }

// Allocate implements memory.Allocator. The bytes are zero.
func (offHeap) Allocate(size int) []byte {
	if size < offHeapLeast {
		return memory.DefaultAllocator.Allocate(size)
	}
	b := mapped(size)
	if b == nil {
		return memory.DefaultAllocator.Allocate(size)
	}
	offHeapBytes.Add(int64(size))
	return b
}

// Reallocate implements memory.Allocator.
func (o offHeap) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	out := o.Allocate(size)
	copy(out, b)
	o.Free(b)
	return out
}

// Free implements memory.Allocator.
func (offHeap) Free(b []byte) {
	if b = b[:cap(b)]; len(b) >= offHeapLeast && unmapped(b) {
		offHeapBytes.Add(-int64(len(b)))
	}
}
