package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// readsBesideWrites reads at random from many goroutines, so that a store may put
// their reads together, while each unit is written again and again: all its states
// become n with the positions that stand for n. A read must find one moment of each
// unit that it asks for, no reader may see a unit go back, each must get its own
// answers, and those who go away before theirs come must not disturb the others.
func readsBesideWrites(t *testing.T, s fqgw.OnlineStore, unit func() fqgw.Unit) {
	const units, keys, readers, reads = 6, 5, 24, 60
	us := make([]fqgw.Unit, units)
	ks := make([]fqgw.EntityKey, keys)
	for i := range ks {
		ks[i] = key(t, fqgw.IntValue(int64(i)))
	}
	write := func(u, n int) {
		f := fqgw.UnitFlush{Unit: us[u], From: marks(0, 0, int64(n-1)), To: marks(0, 0, int64(n)), Keys: ks}
		for k := range ks {
			f.States = append(f.States, fmt.Appendf(nil, "%d/%d/%d", u, k, n))
		}
		if r, err := s.Flush(t.Context(), []fqgw.UnitFlush{f}); err != nil || !r[0].OK {
			t.Errorf("unit %d to %d: %v, %v", u, n, r, err)
		}
	}
	for u := range us {
		us[u] = unit()
		write(u, 1)
	}
	done := make(chan struct{})
	var readersWG, writersWG sync.WaitGroup
	for u := range us {
		writersWG.Go(func() {
			for n := 2; ; n++ {
				select {
				case <-done:
					return
				default:
					write(u, n)
				}
			}
		})
	}
	for r := range readers {
		readersWG.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(r), 0))
			var seen [units]int64
			for range reads {
				ctx, cancel := t.Context(), func() {}
				hurried := rng.IntN(4) == 0
				if hurried {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(300))*time.Microsecond)
				}
				var ask []fqgw.UnitRead
				var of [][]int
				var which []int
				for range 1 + rng.IntN(3) {
					u := rng.IntN(units)
					one := fqgw.UnitRead{Unit: us[u], Sparing: rng.IntN(2) == 0}
					places := rng.Perm(keys)[:rng.IntN(keys+1)]
					for _, k := range places {
						one.Keys = append(one.Keys, ks[k])
					}
					ask, of, which = append(ask, one), append(of, places), append(which, u)
				}
				got, err := s.Read(ctx, ask)
				cancel()
				if err != nil {
					if !hurried || ctx.Err() == nil {
						t.Errorf("reader %d: %v", r, err)
					}
					continue
				}
				for i, a := range got {
					u := which[i]
					n := int64(-1)
					if !ask[i].Sparing || len(ask[i].Keys) == 0 {
						n = a.Marks.Of(0).Next
					}
					for j, k := range of[i] {
						var gu, gk int
						var gn int64
						if _, err := fmt.Sscanf(string(a.States[j]), "%d/%d/%d", &gu, &gk, &gn); err != nil || gu != u || gk != k {
							t.Errorf("reader %d: state %d of unit %d reads as %q", r, k, u, a.States[j])
							return
						}
						if n < 0 {
							n = gn
						}
						if gn != n {
							t.Errorf("reader %d: unit %d at two moments: %d, and state %q", r, u, n, a.States[j])
						}
					}
					if n < seen[u] {
						t.Errorf("reader %d: unit %d went back from %d to %d", r, u, seen[u], n)
					}
					seen[u] = max(seen[u], n)
				}
			}
		})
	}
	readersWG.Wait()
	close(done)
	writersWG.Wait()
	// With nobody else about, each unit by itself says the same of all its keys.
	for u := range us {
		got, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: us[u], Keys: ks}})
		if err != nil {
			t.Fatal(err)
		}
		for k, b := range got[0].States {
			if want := fmt.Sprintf("%d/%d/", u, k) + strconv.FormatInt(got[0].Marks.Of(0).Next, 10); string(b) != want {
				t.Errorf("unit %d key %d at rest: %q, want %q", u, k, b, want)
			}
		}
	}
}
