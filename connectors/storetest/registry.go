package storetest

import (
	"testing"

	"github.com/fqgw/fqgw"
)

// Registry checks a registry, which must be empty.
func Registry(t *testing.T, r fqgw.Registry) {
	ctx := t.Context()
	v, err := r.Commit(ctx, 0, []fqgw.Object{{OID: 1, Kind: "source", Name: "s", Version: 1, SQL: "CREATE …", Props: map[string]string{"a": "b"}}, {OID: 2, Kind: "table", Name: "t"}}, nil)
	if err != nil || v != 1 {
		t.Fatalf("version %d, %v", v, err)
	}
	if _, err := r.Commit(ctx, 0, nil, []uint32{1}); codeOf(err) != fqgw.CodeSerialization {
		t.Errorf("a stale commit: %v", err)
	}
	if v, err = r.Commit(ctx, 1, []fqgw.Object{{OID: 1, Kind: "source", Name: "s2", Version: 2}}, []uint32{2}); err != nil || v != 2 {
		t.Fatalf("version %d, %v", v, err)
	}
	defs, err := r.Load(ctx)
	if err != nil || defs.Version != 2 || len(defs.Objects) != 1 || defs.Objects[0].Name != "s2" {
		t.Errorf("loaded %+v, %v", defs, err)
	}
	a, err1 := r.Next(ctx, "oid", 1)
	b, err2 := r.Next(ctx, "oid", 5)
	c, err3 := r.Next(ctx, "oid", 1)
	if err1 != nil || err2 != nil || err3 != nil || a < 16384 || b != a+1 || c != b+5 {
		t.Errorf("numbers %d %d %d", a, b, c)
	}
	if s, err := r.Next(ctx, "state", 1); err != nil || s != 1 {
		t.Errorf("state %d, %v", s, err)
	}
	if v, err := r.Get(ctx, "fact"); v != "" || err != nil {
		t.Errorf("a fact that is not there: %q, %v", v, err)
	}
	for _, v := range []string{"1", "2"} {
		if err := r.Put(ctx, "fact", v); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := r.Get(ctx, "fact"); v != "2" || err != nil {
		t.Errorf("the fact is %q, %v", v, err)
	}
	for _, want := range []struct {
		source string
		id     byte
		epoch  int32
	}{{"s", 1, 0}, {"s", 1, 0}, {"s", 2, 1}, {"other", 2, 0}, {"s", 1, 0}, {"s", 3, 2}} {
		if e, err := r.Epoch(ctx, want.source, [16]byte{want.id}); e != want.epoch || err != nil {
			t.Errorf("epoch of %s %d is %d, %v; not %d", want.source, want.id, e, err, want.epoch)
		}
	}
	letter := fqgw.DeadLetter{Source: "s", Pos: fqgw.Position{Epoch: 1, Partition: 2, Offset: 3}, Time: 4, Rejected: 5, Reason: "because", Column: "c", Payload: []byte{0, 255}}
	again := letter
	again.Reason = "replayed"
	if err := r.Bury(ctx, []fqgw.DeadLetter{letter, again}); err != nil {
		t.Fatal(err)
	}
	if err := r.Bury(ctx, []fqgw.DeadLetter{again}); err != nil {
		t.Fatal(err)
	}
	letters, err := r.DeadLetters(ctx, 10)
	if err != nil || len(letters) != 1 || letters[0].Reason != "because" || string(letters[0].Payload) != "\x00\xff" || letters[0].Pos != letter.Pos {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
}
