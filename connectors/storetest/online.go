// Package storetest is the conformance of the store contracts: what every
// implementation must do, run by its own tests on embedded and real servers.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

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

// Owner checks that an online store which nobody owns yet is one registry's.
func Owner(t *testing.T, s fqgw.OnlineStore) {
	for range 2 {
		if err := s.Own(t.Context(), "mine"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Own(t.Context(), "another's"); codeOf(err) != fqgw.CodeNotInState {
		t.Errorf("claimed for another registry too: %v", err)
	}
	if err := s.Own(t.Context(), "mine"); err != nil {
		t.Error(err)
	}
}

// Online checks an online store, which may hold other states.
func Online(t *testing.T, s fqgw.OnlineStore) {
	ctx := t.Context()
	if err := s.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	// Each subtest has a state version of its own, and so has each run: a real
	// server may keep what an earlier one wrote.
	state := rand.Int64N(1<<40) << 10
	unit := func() fqgw.Unit {
		state++
		u := fqgw.Unit{State: state, Shard: uint32(state) % s.Shards()}
		t.Cleanup(func() {
			if err := s.Drop(context.Background(), u.State); err != nil {
				t.Errorf("drop: %v", err)
			}
		})
		return u
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
		got := read(t, unit(), a)
		if got.Marks != nil || got.States[0] != nil {
			t.Errorf("a missing unit reads as %v", got)
		}
	})

	t.Run("flush and read", func(t *testing.T) {
		u := unit()
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
		u := unit()
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
		u := unit()
		p0, _ := s.Claim(ctx, u, []int32{0})
		p3, _ := s.Claim(ctx, u, []int32{3})
		if r := flush(t, fqgw.UnitFlush{Unit: u, From: p3, To: marks(3, 1, 30)}, fqgw.UnitFlush{Unit: u, From: p0, To: marks(0, 1, 10)}); !r[0].OK || !r[1].OK {
			t.Fatalf("owners of different partitions hinder each other: %v", r)
		}
		if got := read(t, u).Marks; got.Of(0).Next != 10 || got.Of(3).Next != 30 || got.Of(1) != (fqgw.Mark{}) {
			t.Errorf("marks %v", got)
		}
	})

	t.Run("found", func(t *testing.T) {
		u := unit()
		// Partitions in no order, with gaps, one never written.
		from := []fqgw.PartitionMark{{Partition: 5}, {Partition: 6}, {Partition: 1}, {Partition: 9}}
		to := slices.Clone(from)
		for i := range to {
			to[i].Mark = fqgw.Mark{Epoch: int32(i), Next: int64(i) + 100}
		}
		if r := flush(t, fqgw.UnitFlush{Unit: u, From: from, To: to}); !r[0].OK {
			t.Fatal("refused")
		}
		wrong := slices.Clone(to)
		wrong[2].Mark.Next++
		r := flush(t, fqgw.UnitFlush{Unit: u, From: wrong, To: wrong})
		if r[0].OK || !slices.Equal(r[0].Found, to) {
			t.Errorf("found %v, not %v", r, to)
		}
		if got := read(t, u).Marks; len(got) != 10 || got[1] != to[2].Mark || got[6] != to[1].Mark || got[2] != (fqgw.Mark{}) {
			t.Errorf("marks %v", got)
		}
	})

	t.Run("many owners", func(t *testing.T) {
		u := unit()
		// Every claim gets a generation of its own, and of all who flush from the
		// same marks one is taken.
		var wg sync.WaitGroup
		var mu sync.Mutex
		generations, taken := map[uint64]bool{}, 0
		for i := range 16 {
			wg.Go(func() {
				m, err := s.Claim(ctx, u, []int32{3, 4})
				if err != nil || m[0].Mark != m[1].Mark {
					t.Errorf("claimed %v, %v", m, err)
					return
				}
				r, err := s.Flush(ctx, []fqgw.UnitFlush{{Unit: u, From: marks(7, 0, 0), To: marks(7, 0, int64(i)+1), Keys: []fqgw.EntityKey{a}, States: [][]byte{[]byte(fmt.Sprint(i + 1))}}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				generations[m[0].Mark.Generation] = true
				if r[0].OK {
					taken++
				}
			})
		}
		wg.Wait()
		got := read(t, u, a)
		if len(generations) != 16 || taken != 1 || string(got.States[0]) != fmt.Sprint(got.Marks.Of(7).Next) {
			t.Errorf("%d generations, %d flushes taken, state %s at %v", len(generations), taken, got.States[0], got.Marks)
		}
	})

	t.Run("generations", func(t *testing.T) {
		u := unit()
		// The generation is 64 bits wide, and carries.
		from, to := marks(0, 0, 0), marks(0, 0xfffffffe_ffffffff, 1)
		flush(t, fqgw.UnitFlush{Unit: u, From: from, To: to})
		m, err := s.Claim(ctx, u, []int32{0})
		if err != nil || m[0].Mark.Generation != 0xffffffff_00000000 || m[0].Mark.Next != 1 {
			t.Errorf("claimed %v, %v", m, err)
		}
	})

	t.Run("one shard", func(t *testing.T) {
		// Several units of one shard, some read twice, one without keys.
		one, two := unit(), unit()
		two.Shard = one.Shard
		flush(t, fqgw.UnitFlush{Unit: one, From: marks(0, 0, 0), To: marks(0, 0, 1), Keys: []fqgw.EntityKey{a}, States: [][]byte{[]byte("1")}},
			fqgw.UnitFlush{Unit: two, From: marks(0, 0, 0), To: marks(0, 0, 2), Keys: []fqgw.EntityKey{a}, States: [][]byte{[]byte("2")}})
		got, err := s.Read(ctx, []fqgw.UnitRead{{Unit: two}, {Unit: one, Keys: []fqgw.EntityKey{b, a}}, {Unit: two, Keys: []fqgw.EntityKey{a, a}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(got[0].States) != 0 || got[0].Marks.Of(0).Next != 2 || got[1].Marks.Of(0).Next != 1 || got[1].States[0] != nil ||
			string(got[1].States[1]) != "1" || string(got[2].States[0]) != "2" || string(got[2].States[1]) != "2" {
			t.Errorf("read %v", got)
		}
		// Positions that are spared come where a state is missing, if there are any.
		got, err = s.Read(ctx, []fqgw.UnitRead{{Unit: one, Keys: []fqgw.EntityKey{a}, Sparing: true}, {Unit: two, Keys: []fqgw.EntityKey{a, b}, Sparing: true},
			{Unit: unit(), Keys: []fqgw.EntityKey{a}, Sparing: true}, {Unit: one, Sparing: true}})
		if err != nil {
			t.Fatal(err)
		}
		if string(got[0].States[0]) != "1" || got[1].Marks.Of(0).Next != 2 || string(got[1].States[0]) != "2" || got[1].States[1] != nil ||
			got[2].Marks != nil || got[2].States[0] != nil || got[3].Marks.Of(0).Next != 1 {
			t.Errorf("read, sparing, %v", got)
		}
		if got, err := s.Read(ctx, nil); len(got) != 0 || err != nil {
			t.Errorf("nothing reads as %v, %v", got, err)
		}
		if got, err := s.Flush(ctx, nil); len(got) != 0 || err != nil {
			t.Errorf("no flush gives %v, %v", got, err)
		}
	})

	t.Run("reads beside writes", func(t *testing.T) { readsBesideWrites(t, s, unit) })

	t.Run("many keys and units", func(t *testing.T) {
		var flushes []fqgw.UnitFlush
		var reads []fqgw.UnitRead
		for i := range 20 {
			u := unit()
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
			if u.Marks.Of(0).Next != 1 {
				t.Errorf("unit %d: marks %v", i, u.Marks)
			}
			for k, st := range u.States {
				if string(st) != fmt.Sprint(i, k) {
					t.Fatalf("unit %d key %d: %q", i, k, st)
				}
			}
		}
		// The large one vanishes as it came, at once.
		f := flushes[0]
		f.From, f.To, f.States = f.To, marks(0, 0, 2), make([][]byte, len(f.Keys))
		if r := flush(t, f); !r[0].OK {
			t.Fatal("refused")
		}
		if st := read(t, f.Unit, f.Keys...).States; slices.ContainsFunc(st, func(b []byte) bool { return b != nil }) {
			t.Error("states outlive their deletion")
		}
	})

	t.Run("entities and drop", func(t *testing.T) {
		st := unit().State
		want := map[fqgw.EntityKey]bool{}
		for i := range 50 {
			k := key(t, fqgw.TextValue(fmt.Sprintf("entity:%d@!", i)), fqgw.IntValue(int64(i)))
			u := fqgw.Unit{State: st, Shard: k.Shard(s.Shards())}
			flush(t, fqgw.UnitFlush{Unit: u, Keys: []fqgw.EntityKey{k}, States: [][]byte{[]byte("s")}})
			want[k] = true
		}
		// Neighbours with the same beginnings must stay apart.
		longer, other := fqgw.Unit{State: st*10 + 1}, fqgw.Unit{State: st / 10}
		// So must an entity whose key looks like a key of this state.
		liar := key(t, fqgw.TextValue(fmt.Sprintf("}:%d:\x01", st)))
		for _, u := range []fqgw.Unit{longer, other} {
			flush(t, fqgw.UnitFlush{Unit: u, Keys: []fqgw.EntityKey{a, liar}, States: [][]byte{[]byte("s"), []byte("s")}})
			t.Cleanup(func() { s.Drop(context.Background(), u.State) })
		}
		list := func(limit int) (n int, err error) {
			for k, err := range s.Entities(ctx, st, limit) {
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
		for range s.Entities(ctx, st, 50) {
			break // a reader may leave
		}
		k := key(t, fqgw.TextValue("entity:0@!"), fqgw.IntValue(0))
		flush(t, fqgw.UnitFlush{Unit: fqgw.Unit{State: st, Shard: k.Shard(s.Shards())}, Keys: []fqgw.EntityKey{k}, States: [][]byte{[]byte("\x00a longer state")}})
		walked := map[fqgw.EntityKey]bool{}
		if err := s.Walk(ctx, st, 5, func(page []fqgw.Stored) error {
			for _, x := range page {
				walked[x.Key] = true
				size, head := int64(1), "s"
				if x.Key == k {
					size, head = 15, "\x00a lo"
				}
				if !want[x.Key] || x.Bytes != size || string(x.Head) != head {
					t.Errorf("%s has %d bytes, first %q", x.Key, x.Bytes, x.Head)
				}
			}
			return nil
		}); err != nil || len(walked) != 50 {
			t.Errorf("walked over %d entities, %v", len(walked), err)
		}
		stop := errors.New("enough")
		if err := s.Walk(ctx, st, 5, func([]fqgw.Stored) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("a walk that was ended: %v", err)
		}
		if _, err := list(49); codeOf(err) != fqgw.CodeLimitExceeded {
			t.Errorf("beyond the limit: %v", err)
		}
		if err := s.Drop(ctx, st); err != nil {
			t.Fatal(err)
		}
		if n, err := list(1); n != 0 || err != nil {
			t.Errorf("%d entities after the drop, %v", n, err)
		}
		for _, u := range []fqgw.Unit{longer, other} {
			if got := read(t, u, a, liar); got.States[0] == nil || got.States[1] == nil {
				t.Error("the drop took a neighbour's state")
			}
		}
		for k := range want {
			if got := read(t, fqgw.Unit{State: st, Shard: k.Shard(s.Shards())}, k); got.States[0] != nil || got.Marks != nil {
				t.Errorf("after the drop: %v", got)
			}
		}
		if err := s.Drop(ctx, st); err != nil {
			t.Errorf("a second drop: %v", err)
		}
	})

	t.Run("cancelled", func(t *testing.T) {
		u := unit()
		for want, end := range map[error]func() (context.Context, context.CancelFunc){
			context.Canceled:         func() (context.Context, context.CancelFunc) { c, f := context.WithCancel(ctx); f(); return c, f },
			context.DeadlineExceeded: func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, -time.Second) },
		} {
			ctx, cancel := end()
			defer cancel()
			if _, err := s.Read(ctx, []fqgw.UnitRead{{Unit: u, Keys: []fqgw.EntityKey{a}}}); !errors.Is(err, want) {
				t.Errorf("a read: %v, not %v", err, want)
			}
			if _, err := s.Claim(ctx, u, []int32{0}); !errors.Is(err, want) {
				t.Errorf("a claim: %v, not %v", err, want)
			}
			if _, err := s.Flush(ctx, []fqgw.UnitFlush{{Unit: u, From: marks(0, 0, 0), To: marks(0, 0, 1)}}); !errors.Is(err, want) {
				t.Errorf("a flush: %v, not %v", err, want)
			}
		}
	})
}
