package stream

import (
	"context"
	"fmt"
	"testing"

	"github.com/fqgw/fqgw"
)

// within is a budget of so many bytes for all that pipelines keep.
func within(bytes int64) *fqgw.Memory { return fqgw.NewMemory("the streams", memoryOption, bytes) }

// TestStatesStayWithinMemory: folders forget states that would take more than
// their memory, however many entities there are, and go on with what the store has.
func TestStatesStayWithinMemory(t *testing.T) {
	const entities, limit = 2000, 256 << 10
	w, p, _, views := setup(t, fqgw.SetClock(t0, 0), func(o *Options) { o.Memory = within(2 * limit) })
	for round := range int64(3) {
		for from := 0; from < entities; from += 250 {
			var recs []fqgw.LogRecord
			for i := from; i < from+250; i++ {
				recs = append(recs, record(fmt.Sprint("k", i), -10+round, -1))
			}
			w.produce(t, recs...)
			p.sync(t)
		}
	}
	kept, waiting := int64(0), int64(0)
	n := 0
	err := p.all()[0].during(t.Context(), func(ctx context.Context, ses *session) error {
		for _, f := range ses.crew.folders {
			got := make(chan struct{})
			if err := put(ctx, f.in, msg[*folder]{do: func(f *folder) {
				kept, waiting, n = kept+f.cache.bytes, waiting+f.dirtyBytes, n+f.cache.n
				var sum int64
				for e := f.cache.newest; e != nil; e = e.older {
					sum += e.bytes
				}
				if sum != f.cache.bytes {
					t.Errorf("%d bytes are counted, the states say %d", f.cache.bytes, sum)
				}
				close(got)
			}}); err != nil {
				return err
			}
			<-got
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if kept > limit || kept < limit/10 || n == 0 || waiting != 0 {
		t.Errorf("%d states take %d bytes of %d, %d wait for a flush", n, kept, limit, waiting)
	}
	for _, i := range []int{0, 1, 777, entities - 1} {
		if got := w.count(t, views[0], fmt.Sprint("k", i)); got != 3 {
			t.Errorf("k%d counts %d, want 3", i, got)
		}
	}
}
