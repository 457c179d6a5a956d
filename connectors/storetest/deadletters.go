package storetest

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
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
	replays(t, s)
}

// replays checks which dead letters wait to be replayed, and which are forgotten.
func replays(t *testing.T, s fqgw.DeadLetterStore) {
	ctx := t.Context()
	at := func(epoch, partition int32, offset int64) fqgw.Position {
		return fqgw.Position{Epoch: epoch, Partition: partition, Offset: offset}
	}
	all := []fqgw.Position{at(0, 0, 9), at(0, 1, 2), at(1, 0, 3), at(1, 0, 4), at(1, 1, 0), at(1, 2, 5)}
	for _, source := range []string{"r", "other"} {
		var letters []fqgw.DeadLetter
		for _, i := range []int{3, 0, 5, 2, 4, 1} {
			letters = append(letters, fqgw.DeadLetter{Source: source, Pos: all[i], Reason: "because", Payload: []byte{1}})
		}
		if err := s.Bury(ctx, letters); err != nil {
			t.Fatal(err)
		}
	}
	waiting := func(source string, after fqgw.Position, limit int) (got []fqgw.Position) {
		t.Helper()
		err := s.Waiting(ctx, source, after, limit, func(d fqgw.DeadLetter) error {
			if d.Source != source || d.Replayed != 0 || len(d.Payload) != 1 {
				t.Errorf("it waits: %+v", d)
			}
			got = append(got, d.Pos)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := func(got []fqgw.Position, want ...fqgw.Position) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	start := fqgw.Position{Offset: fqgw.NoOffset}
	want(waiting("r", start, 10), all...)
	want(waiting("r", all[0], 2), all[1], all[2])
	if err := s.Replayed(ctx, "r", 77, []fqgw.Position{all[1], all[3], at(5, 5, 5)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Replayed(ctx, "r", 78, []fqgw.Position{all[1]}); err != nil { // what is known stays
		t.Fatal(err)
	}
	want(waiting("r", start, 10), all[0], all[2], all[4], all[5])
	if err := s.DeadLetters(ctx, 100, func(d fqgw.DeadLetter) error {
		if was := d.Source == "r" && (d.Pos == all[1] || d.Pos == all[3]); d.Replayed != map[bool]int64{true: 77}[was] {
			t.Errorf("replayed: %+v", d)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	counts(t, s)
	// Marks cover what lies below them, of another epoch too; a partition without one has none.
	if err := s.Forget(ctx, "r", fqgw.Marks{{Epoch: 1, Next: 4}, {Epoch: 0, Next: 3}}); err != nil {
		t.Fatal(err)
	}
	want(waiting("r", start, 10), all[0], all[2])
	if err := s.Bury(ctx, []fqgw.DeadLetter{{Source: "r", Pos: all[3], Payload: []byte{2}}}); err != nil { // forgotten: it is judged anew
		t.Fatal(err)
	}
	if err := s.Forget(ctx, "r", nil); err != nil {
		t.Fatal(err)
	}
	want(waiting("r", start, 10))
	want(waiting("other", start, 10), all...)
}

// counts checks the counts by source, hour and reason. The store has the letters of
// replays, two of which were replayed.
func counts(t *testing.T, s fqgw.DeadLetterStore) {
	const hour = 3_600_000_000
	rejected := func(source string, from, to int64) (got []fqgw.Rejected) {
		t.Helper()
		if err := s.Rejected(t.Context(), source, from, to, func(n fqgw.Rejected) error { got = append(got, n); return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := func(got []fqgw.Rejected, want ...fqgw.Rejected) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	}
	want(rejected("r", 0, hour-1), fqgw.Rejected{Source: "r", Reason: "because", Records: 6, Replayed: 2})
	var letters []fqgw.DeadLetter
	for i, at := range []int64{-hour - 1, -hour, -1, 0, hour - 1, hour} { // an hour begins where it is a multiple, before 1970 too
		letters = append(letters, fqgw.DeadLetter{Source: "h", Pos: fqgw.Position{Offset: int64(i)}, Time: at, Reason: "a", Column: "c"})
	}
	letters = append(letters, fqgw.DeadLetter{Source: "h", Pos: fqgw.Position{Offset: 9}, Time: 5, Reason: "b"})
	if err := s.Bury(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
	of := func(h int64, reason, column string, n int64) fqgw.Rejected {
		return fqgw.Rejected{Source: "h", Hour: h * hour, Reason: reason, Column: column, Records: n}
	}
	want(rejected("h", math.MinInt64, math.MaxInt64), of(-2, "a", "c", 1), of(-1, "a", "c", 2), of(0, "a", "c", 2), of(0, "b", "", 1), of(1, "a", "c", 1))
	want(rejected("h", 0, hour-1), of(0, "a", "c", 2), of(0, "b", "", 1))
	if all := rejected("", -hour, -1); len(all) < 2 { // h's, and s with its -4
		t.Errorf("of all sources: %+v", all)
	}
	enough := errors.New("enough")
	if err := s.Rejected(t.Context(), "", math.MinInt64, math.MaxInt64, func(fqgw.Rejected) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("it went on: %v", err)
	}
}
