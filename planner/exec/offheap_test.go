package exec

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Memory outside of the heap is zero, keeps what is in it when it grows, and is given
// back with its buffer.
func TestOffHeap(t *testing.T) {
	before := offHeapBytes.Load()
	for _, size := range []int{0, 1, offHeapLeast - 1, offHeapLeast, 3*offHeapLeast + 5} {
		b := memory.NewResizableBuffer(offHeap{})
		b.Resize(size)
		for i, v := range b.Bytes() {
			if v != 0 {
				t.Fatalf("%d bytes: byte %d is %d", size, i, v)
			}
			b.Bytes()[i] = byte(i)
		}
		b.Resize(2*size + 7)
		for i, v := range b.Bytes() {
			if want := byte(i); i < size && v != want || i >= size && v != 0 {
				t.Fatalf("%d bytes, grown: byte %d is %d", size, i, v)
			}
		}
		b.Release()
		if now := offHeapBytes.Load(); now != before {
			t.Errorf("%d bytes: %d are not given back", size, now-before)
		}
	}
}
