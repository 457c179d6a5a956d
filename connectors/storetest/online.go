// Package storetest is the conformance of the store contracts: what every
// implementation must do, run by its own tests on embedded and real servers.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

func key(t testing.TB, parts ...fqgw.Value) fqgw.EntityKey {
	t.Helper()
	k, ok := fqgw.EncodeKey(parts...)
	if !ok {
		t.Fatal("a NULL in a key")
	}
	return k
}

func marks(p int32, gen uint64, next int64) []fqgw.PartitionMark {
	return []fqgw.PartitionMark{{Partition: p, Mark: fqgw.Mark{Generation: gen, Next: next}}}
}

// Online checks an online store. open gives the same store at each call, which
// the caller closes.
func Online(t *testing.T, open func(t *testing.T) fqgw.OnlineStore) {
	ctx := t.Context()
	s := open(t)
	if err := s.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	state := int64(0)
	// Each subtest has a state version of its own.
	unit := func(view string) fqgw.Unit {
		state++
		return fqgw.Unit{View: view, State: state, Shard: uint32(state) % s.Shards()}
	}
	read := func(t *testing.T, u fqgw.Unit, keys ...fqgw.EntityKey) fqgw.UnitState {
		t.Helper()
		got, err := s.Read(ctx, []fqgw.UnitRead{{Unit: u, Keys: keys}})
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	flush := func(t *testing.T, f ...fqgw.UnitFlush) []fqgw.FlushResult {
		t.Helper()
		got, err := s.Flush(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	a, b := key(t, fqgw.TextValue("a")), key(t, fqgw.TextValue("b"))

	t.Run("missing", func(t *testing.T) {
		got := read(t, unit("v"), a)
		if got.Marks != nil || got.States[0] != nil {
			t.Errorf("a missing unit reads as %v", got)
		}
	})

	t.Run("flush and read", func(t *testing.T) {
		u := unit("view with {braces}: 100 % ü@!")
		claimed, err := s.Claim(ctx, u, []int32{0, 2})
		if err != nil || len(claimed) != 2 || claimed[1] != (fqgw.PartitionMark{Partition: 2, Mark: fqgw.Mark{Generation: 1}}) {
			t.Fatalf("claimed %v, %v", claimed, err)
		}
		to := slices.Clone(claimed)
		to[0].Mark.Next, to[1].Mark.Next, to[1].Mark.Epoch = 7, 1<<40, 3
		r := flush(t, fqgw.UnitFlush{Unit: u, From: claimed, To: to, Keys: []fqgw.EntityKey{a, b}, States: [][]byte{{0, 255, 10}, []byte("x")}})
		if !r[0].OK {
			t.Fatalf("refused: %v", r)
		}
		got := read(t, u, b, a)
		if string(got.States[0]) != "x" || string(got.States[1]) != "\x00\xff\n" {
			t.Errorf("states %q", got.States)
		}
		want := fqgw.Marks{{Generation: 1, Next: 7}, {}, {Generation: 1, Epoch: 3, Next: 1 << 40}}
		if !slices.Equal(got.Marks, want) {
			t.Errorf("marks %v, want %v", got.Marks, want)
		}
		// An empty state is no key.
		if r := flush(t, fqgw.UnitFlush{Unit: u, From: to, To: to, Keys: []fqgw.EntityKey{a}, States: [][]byte{nil}}); !r[0].OK {
			t.Fatal("refused")
		}
		if got := read(t, u, a, b); got.States[0] != nil || got.States[1] == nil {
			t.Errorf("after the deletion: %q", got.States)
		}
	})

	t.Run("compare", func(t *testing.T) {
		u := unit("v")
		old, _ := s.Claim(ctx, u, []int32{0})
		at5 := marks(0, 1, 5)
		flush(t, fqgw.UnitFlush{Unit: u, From: old, To: at5, Keys: []fqgw.EntityKey{a}, States: [][]byte{[]byte("five")}})
		// A zombie with the old marks writes nothing and learns where things are.
		r := flush(t, fqgw.UnitFlush{Unit: u, From: old, To: marks(0, 1, 4), Keys: []fqgw.EntityKey{a, b}, States: [][]byte{[]byte("zombie"), []byte("zombie")}})
		if r[0].OK || !slices.Equal(r[0].Found, at5) {
			t.Fatalf("a stale flush: %v", r)
		}
		if got := read(t, u, a, b); string(got.States[0]) != "five" || got.States[1] != nil {
			t.Errorf("a refused flush wrote: %q", got.States)
		}
		// The same flush again, its answer lost: taken.
		if r := flush(t, fqgw.UnitFlush{Unit: u, From: old, To: at5, Keys: []fqgw.EntityKey{a}, States: [][]byte{[]byte("five")}}); !r[0].OK {
			t.Errorf("a repeated flush was refused: %v", r)
		}
		// A new owner's claim fences the old one.
		now, err := s.Claim(ctx, u, []int32{0})
		if err != nil || now[0].Mark != (fqgw.Mark{Generation: 2, Next: 5}) {
			t.Fatalf("claimed %v, %v", now, err)
		}
		if r := flush(t, fqgw.UnitFlush{Unit: u, From: at5, To: marks(0, 1, 6)}); r[0].OK {
			t.Error("the fenced owner wrote")
		}
	})

	t.Run("partitions apart", func(t *testing.T) {
		u := unit("v")
		p0, _ := s.Claim(ctx, u, []int32{0})
		p3, _ := s.Claim(ctx, u, []int32{3})
		if r := flush(t, fqgw.UnitFlush{Unit: u, From: p3, To: marks(3, 1, 30)}, fqgw.UnitFlush{Unit: u, From: p0, To: marks(0, 1, 10)}); !r[0].OK || !r[1].OK {
			t.Fatalf("owners of different partitions hinder each other: %v", r)
		}
		if got := read(t, u).Marks; got.Of(0).Next != 10 || got.Of(3).Next != 30 || got.Of(1) != (fqgw.Mark{}) {
			t.Errorf("marks %v", got)
		}
	})

	t.Run("many keys and units", func(t *testing.T) {
		var flushes []fqgw.UnitFlush
		var reads []fqgw.UnitRead
		for i := range 20 {
			u := unit("many")
			n := 100
			if i == 0 {
				n = 9000 // more than a Lua call may unpack at once
			}
			f := fqgw.UnitFlush{Unit: u, From: marks(0, 0, 0), To: marks(0, 0, 1)}
			for k := range n {
				f.Keys = append(f.Keys, key(t, fqgw.IntValue(int64(k))))
				f.States = append(f.States, []byte(fmt.Sprint(i, k)))
			}
			flushes = append(flushes, f)
			reads = append(reads, fqgw.UnitRead{Unit: u, Keys: f.Keys})
		}
		for _, r := range flush(t, flushes...) {
			if !r.OK {
				t.Fatal("refused")
			}
		}
		got, err := s.Read(ctx, reads)
		if err != nil {
			t.Fatal(err)
		}
		for i, u := range got {
			for k, st := range u.States {
				if string(st) != fmt.Sprint(i, k) {
					t.Fatalf("unit %d key %d: %q", i, k, st)
				}
			}
		}
	})

	t.Run("entities and drop", func(t *testing.T) {
		state++
		st := state
		want := map[fqgw.EntityKey]bool{}
		for i := range 50 {
			k := key(t, fqgw.TextValue(fmt.Sprintf("entity:%d@!", i)), fqgw.IntValue(int64(i)))
			u := fqgw.Unit{View: "all", State: st, Shard: k.Shard(s.Shards())}
			flush(t, fqgw.UnitFlush{Unit: u, Keys: []fqgw.EntityKey{k}, States: [][]byte{[]byte("s")}})
			want[k] = true
		}
		// Neighbours with the same beginnings must stay apart.
		flush(t, fqgw.UnitFlush{Unit: fqgw.Unit{View: "all", State: st*10 + 1}, Keys: []fqgw.EntityKey{a}, States: [][]byte{[]byte("s")}})
		flush(t, fqgw.UnitFlush{Unit: fqgw.Unit{View: "all2", State: st}, Keys: []fqgw.EntityKey{a}, States: [][]byte{[]byte("s")}})
		list := func(limit int) (n int, err error) {
			for k, err := range s.Entities(ctx, "all", st, limit) {
				if err != nil {
					return n, err
				}
				if !want[k] {
					t.Errorf("a strange entity %s", k)
				}
				n++
			}
			return n, nil
		}
		if n, err := list(50); n != 50 || err != nil {
			t.Errorf("%d entities, %v", n, err)
		}
		if _, err := list(49); err == nil || fqgw.AsError(err).Code != fqgw.CodeLimitExceeded || !strings.Contains(fqgw.AsError(err).Hint, "AS OF") {
			t.Errorf("beyond the limit: %v", err)
		}
		if err := s.Drop(ctx, "all", st); err != nil {
			t.Fatal(err)
		}
		if n, err := list(1); n != 0 || err != nil {
			t.Errorf("%d entities after the drop, %v", n, err)
		}
		if got := read(t, fqgw.Unit{View: "all2", State: st}, a); got.States[0] == nil {
			t.Error("the drop took a neighbour's state")
		}
	})

	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.Read(ctx, []fqgw.UnitRead{{Unit: unit("v"), Keys: []fqgw.EntityKey{a}}}); err == nil {
			t.Error("a cancelled read succeeded")
		}
	})
}
