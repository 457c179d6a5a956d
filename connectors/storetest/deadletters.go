package storetest

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/fqgw/fqgw"
)

// DeadLetters checks a store of dead letters, which must be empty.
func DeadLetters(t *testing.T, s fqgw.DeadLetterStore) {
	ctx := t.Context()
	letter := fqgw.DeadLetter{Source: "s", Pos: fqgw.Position{Epoch: 1, Partition: 2, Offset: 3, Sub: 1}, Time: -4, Rejected: 5, Reason: "because", Column: "c",
		Key: []byte("k"), Payload: []byte{0, 255},
		Headers: []fqgw.Header{{Name: "schema", Value: []byte{0, 1}}, {Name: "schema", Value: []byte{}}, {Name: "\xff"}, {Value: []byte("ü")}}}
	again := letter
	again.Reason, again.Headers = "replayed", nil
	var others []fqgw.DeadLetter // the same but for one part of the position
	for _, pos := range []fqgw.Position{{Epoch: 0, Partition: 2, Offset: 3, Sub: 1}, {Epoch: 1, Partition: 0, Offset: 3, Sub: 1},
		{Epoch: 1, Partition: 2, Offset: fqgw.NoOffset, Sub: 1}, {Epoch: 1, Partition: 2, Offset: 3}} {
		others = append(others, fqgw.DeadLetter{Source: "s", Pos: pos, Rejected: 4})
	}
	others = append(others, fqgw.DeadLetter{Source: "s2", Pos: letter.Pos, Rejected: 3})
	for _, letters := range [][]fqgw.DeadLetter{nil, {letter, again}, {again}, others} {
		if err := s.Bury(ctx, letters); err != nil {
			t.Fatal(err)
		}
	}
	list := func(limit int) (got []fqgw.DeadLetter, err error) {
		err = s.DeadLetters(ctx, limit, func(d fqgw.DeadLetter) error { got = append(got, d); return nil })
		return got, err
	}
	got, err := list(10)
	if err != nil || len(got) != 6 || !reflect.DeepEqual(got[0], letter) || got[5].Source != "s2" {
		t.Fatalf("dead letters %+v, %v", got, err)
	}
	enough := errors.New("enough")
	seen := 0
	if err := s.DeadLetters(ctx, 10, func(fqgw.DeadLetter) error { seen++; return enough }); !errors.Is(err, enough) || seen != 1 {
		t.Errorf("it went on after %v: %d dead letters", err, seen)
	}
	if got, err := list(2); err != nil || len(got) != 2 {
		t.Errorf("%d dead letters of at most 2, %v", len(got), err)
	}
	large := fqgw.DeadLetter{Source: "large", Rejected: 9, Payload: bytes.Repeat([]byte("x"), 4<<20)}
	if err := s.Bury(ctx, []fqgw.DeadLetter{large}); err != nil {
		t.Fatal(err)
	}
	if got, err := list(1); err != nil || !bytes.Equal(got[0].Payload, large.Payload) {
		t.Errorf("the large payload: %v", err)
	}
}
