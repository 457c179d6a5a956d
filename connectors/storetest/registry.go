package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/fqgw/fqgw"
)

// Registry checks a registry, which must be empty.
func Registry(t *testing.T, r fqgw.Registry) {
	s := &registrySuite{r}
	t.Run("definitions", s.definitions)
	t.Run("sequences", s.sequences)
	t.Run("facts", s.facts)
	t.Run("epochs", s.epochs)
	t.Run("dead letters", s.deadLetters)
	t.Run("cancelled", s.cancelled)
}

type registrySuite struct{ fqgw.Registry }

func (r *registrySuite) definitions(t *testing.T) {
	ctx := t.Context()
	load := func(version int64, want ...fqgw.Object) {
		t.Helper()
		defs, err := r.Load(ctx)
		if err != nil || defs.Version != version || len(defs.Objects) != len(want) {
			t.Fatalf("loaded %+v, %v", defs, err)
		}
		for i := range want {
			if !reflect.DeepEqual(defs.Objects[i], want[i]) {
				t.Errorf("loaded %+v, not %+v", defs.Objects[i], want[i])
			}
		}
	}
	load(0)
	source := fqgw.Object{OID: 16384, Kind: "source", Name: "größe \"s\"", Version: 1, SQL: "CREATE SOURCE …;\n-- x", Props: map[string]string{"a": "b", "": "ü'"}}
	view := fqgw.Object{OID: 16386, Kind: "feature view", Name: "v", Version: 1, State: 1 << 40, SQL: "CREATE …"}
	if v, err := r.Commit(ctx, 0, []fqgw.Object{view, source}, nil); err != nil || v != 1 {
		t.Fatalf("version %d, %v", v, err)
	}
	load(1, source, view)
	if _, err := r.Commit(ctx, 0, nil, []uint32{source.OID}); codeOf(err) != fqgw.CodeSerialization {
		t.Errorf("a stale commit: %v", err)
	}
	load(1, source, view)
	// The next version of the view lives beside the first; two objects change their
	// names for each other's; a dropped one's name is free.
	second := fqgw.Object{OID: 16390, Kind: "feature view", Name: "v", Version: 2, State: 7}
	source.Name, view.Name = view.Name, source.Name
	third := fqgw.Object{OID: 4_000_000_000, Kind: "table", Name: "t"}
	if v, err := r.Commit(ctx, 1, []fqgw.Object{source, view, second, third}, nil); err != nil || v != 2 {
		t.Fatalf("version %d, %v", v, err)
	}
	load(2, source, view, second, third)
	again := fqgw.Object{OID: 16391, Kind: "table", Name: "t"}
	if v, err := r.Commit(ctx, 2, []fqgw.Object{again}, []uint32{third.OID, second.OID, 99}); err != nil || v != 3 {
		t.Fatalf("version %d, %v", v, err)
	}
	load(3, source, view, again)
	// Of those who commit on one version, one does.
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		wg.Go(func() {
			v, err := r.Commit(ctx, 3, []fqgw.Object{{OID: uint32(20000 + i), Kind: "table", Name: fmt.Sprint("t", i)}}, nil)
			if err == nil && v == 4 {
				mu.Lock()
				won++
				mu.Unlock()
			} else if codeOf(err) != fqgw.CodeSerialization {
				t.Errorf("version %d, %v", v, err)
			}
		})
	}
	wg.Wait()
	if defs, err := r.Load(ctx); won != 1 || err != nil || len(defs.Objects) != 4 {
		t.Errorf("%d committed on the same version: %+v, %v", won, defs, err)
	}
}

func (r *registrySuite) sequences(t *testing.T) {
	ctx := t.Context()
	if n, err := r.Next(ctx, "oid", 1); err != nil || n != 16384 {
		t.Errorf("the first oid is %d, %v", n, err)
	}
	if n, err := r.Next(ctx, "oid", 5); err != nil || n != 16385 {
		t.Errorf("the next oid is %d, %v", n, err)
	}
	var wg sync.WaitGroup
	var seen sync.Map
	for range 8 {
		wg.Go(func() {
			for range 5 {
				n, err := r.Next(ctx, "state", 3)
				if _, twice := seen.LoadOrStore(n, true); twice || err != nil || n < 1 || n%3 != 1 {
					t.Errorf("state %d, %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := r.Next(ctx, "state", 1); err != nil || n != 121 {
		t.Errorf("after 120 states comes %d, %v", n, err)
	}
	if n, err := r.Next(ctx, "oid", 1); err != nil || n != 16390 {
		t.Errorf("the next oid is %d, %v", n, err)
	}
}

func (r *registrySuite) facts(t *testing.T) {
	ctx := t.Context()
	if v, err := r.Get(ctx, "fact"); v != "" || err != nil {
		t.Errorf("a fact that is not there: %q, %v", v, err)
	}
	for _, v := range []string{"1", "ü\x00'\n", strings.Repeat("x", 1<<20), ""} {
		if err := r.Put(ctx, "fact", v); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get(ctx, "fact"); got != v || err != nil {
			t.Errorf("%.20q is %.20q, %v", v, got, err)
		}
	}
}

func (r *registrySuite) epochs(t *testing.T) {
	for _, want := range []struct {
		source string
		id     byte
		epoch  int32
	}{{"s", 1, 0}, {"s", 1, 0}, {"s", 2, 1}, {"other", 2, 0}, {"s", 1, 0}, {"s", 0, 2}} {
		if e, err := r.Epoch(t.Context(), want.source, [16]byte{want.id}); e != want.epoch || err != nil {
			t.Errorf("epoch of %s %d is %d, %v; not %d", want.source, want.id, e, err, want.epoch)
		}
	}
}

func (r *registrySuite) deadLetters(t *testing.T) {
	ctx := t.Context()
	letter := fqgw.DeadLetter{Source: "s", Pos: fqgw.Position{Epoch: 1, Partition: 2, Offset: 3}, Time: -4, Rejected: 5, Reason: "because", Column: "c",
		Key: []byte("k"), Payload: []byte{0, 255}}
	again := letter
	again.Reason = "replayed"
	var others []fqgw.DeadLetter // the same but for one part of the position
	for _, pos := range []fqgw.Position{{Epoch: 0, Partition: 2, Offset: 3}, {Epoch: 1, Partition: 0, Offset: 3}, {Epoch: 1, Partition: 2, Offset: fqgw.NoOffset}} {
		others = append(others, fqgw.DeadLetter{Source: "s", Pos: pos, Rejected: 4})
	}
	others = append(others, fqgw.DeadLetter{Source: "s2", Pos: letter.Pos, Rejected: 3})
	for _, letters := range [][]fqgw.DeadLetter{nil, {letter, again}, {again}, others} {
		if err := r.Bury(ctx, letters); err != nil {
			t.Fatal(err)
		}
	}
	got, err := r.DeadLetters(ctx, 10)
	if err != nil || len(got) != 5 || !reflect.DeepEqual(got[0], letter) || got[4].Source != "s2" {
		t.Fatalf("dead letters %+v, %v", got, err)
	}
	if got, err := r.DeadLetters(ctx, 2); err != nil || len(got) != 2 {
		t.Errorf("%d dead letters of at most 2, %v", len(got), err)
	}
	large := fqgw.DeadLetter{Source: "large", Rejected: 9, Payload: bytes.Repeat([]byte("x"), 4<<20)}
	if err := r.Bury(ctx, []fqgw.DeadLetter{large}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.DeadLetters(ctx, 1); err != nil || !bytes.Equal(got[0].Payload, large.Payload) {
		t.Errorf("the large payload: %v", err)
	}
}

func (r *registrySuite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{"load": second(r.Load(ctx)), "commit": second(r.Commit(ctx, 0, nil, nil)), "next": second(r.Next(ctx, "oid", 1)),
		"get": second(r.Get(ctx, "x")), "put": r.Put(ctx, "x", "y"), "dead letters": second(r.DeadLetters(ctx, 1))} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Put(t.Context(), "x", "z"); err != nil {
		t.Errorf("after a cancelled call: %v", err)
	}
}
