package window

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestListBytes: what an answer refers to is known beforehand where it is a list.
func TestListBytes(t *testing.T) {
	l := layout(t, newView([]fqgw.Window{rowsOf(1000), win(hour)}, agg("array_agg", colFloat, 0, nil), agg("sum", colFloat, 0, nil), agg("last_n", colInt, 1, nil),
		agg("top_k", colText, 1, nil), agg("histogram", colInt, 1, nil)))
	if got, want := l.ListBytes(), valueSize*(1000+7+3+4); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	if few := l.Only(l.view, []int{1}); few.ListBytes() != 0 || few.ColumnBytes() >= l.ColumnBytes()-l.ListBytes()+1 {
		t.Errorf("of a sum %d and %d bytes", few.ListBytes(), few.ColumnBytes())
	}
}

// TestBytes: the estimate is within a factor of three of what the heap says, for
// every layout of the tests, small states and large ones together.
func TestBytes(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // pools lose what they kept in two rounds
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for name, v := range answerViews() {
		l := layout(t, v)
		r := rand.New(rand.NewPCG(3, 3))
		states := make([]*State, 300)
		before := heap()
		for i := range states {
			states[i] = randomState(t, l, r)
		}
		took := heap() - before
		var said int64
		for _, s := range states {
			said += l.Bytes(s, len(l.Encode(nil, s)))
		}
		if said < took/3 || said > took*3 {
			t.Errorf("%s: %d bytes were estimated, %d are in use", name, said, took)
		}
		if l.Bytes(l.New(), 0) < stateSize {
			t.Errorf("%s: an empty state takes nothing", name)
		}
	}
}
