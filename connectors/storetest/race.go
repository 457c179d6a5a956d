package storetest

import (
	"slices"
	"sync"
	"testing"

	"github.com/fqgw/fqgw"
)

// HistoryRace checks that handles of one offline store, as several processes have
// them, can land and append to one table at the same time: every row is there once.
// With trouble the store may fail: what was landed is there once all the same, what was
// appended with an error is not, but with 08007 may be.
func HistoryRace(t *testing.T, handles []fqgw.History, trouble bool) {
	ctx := t.Context()
	const name, landed, appended = "lake.raced", 24, 6
	if err := handles[0].Create(ctx, name, eventColumns); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	lost := 0
	var known, unknown []int
	var all sync.WaitGroup
	for i, h := range handles {
		all.Go(func() { // each lands all of them, from where it finds the table
			var at fqgw.Marks
			for tries := 0; at.Of(0).Next < landed; tries++ {
				from := int(at.Of(0).Next)
				n := min(1+i%2, landed-from)
				found, ok, err := h.Land(ctx, name, events(t, from, n), at, fqgw.Marks{{Next: int64(from + n)}})
				if err != nil {
					if !trouble || tries > 50*landed {
						t.Errorf("landing from %d: %v", from, err)
						return
					}
					continue
				}
				if !ok {
					mu.Lock()
					lost++
					mu.Unlock()
				}
				at = found
			}
		})
		all.Go(func() {
			for j := range appended {
				v := 1000 + 100*i + j
				_, err := h.Append(ctx, name, one(events(t, v, 1)))
				mu.Lock()
				switch {
				case err == nil:
					known = append(known, v)
				case trouble && fqgw.HasCode(err, "08007"):
					unknown = append(unknown, v)
				case !trouble:
					t.Errorf("appending %d: %v", v, err)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if lost == 0 && len(handles) > 1 {
		t.Error("no landing ever came too late: no race was tested")
	}
	count := map[int]int{}
	for _, r := range ReadAll(t, handles[0], fqgw.Scan{Table: name, Columns: []string{"v"}}, []fqgw.Type{fqgw.Float8}) {
		count[int(r[0].Float())]++
	}
	for v := range landed {
		known = append(known, v)
	}
	for _, v := range known {
		if count[v] != 1 {
			t.Errorf("row %d is there %d times", v, count[v])
		}
		delete(count, v)
	}
	for v, n := range count {
		if n != 1 || !slices.Contains(unknown, v) {
			t.Errorf("row %d is there %d times", v, n)
		}
	}
	if s, err := handles[0].Current(ctx, name); err != nil || s.Landed.Of(0).Next != landed {
		t.Errorf("now at %+v, %v", s, err)
	}
}
