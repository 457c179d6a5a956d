package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// Log checks a broker. suffix makes the topics' names new ones.
func Log(t *testing.T, l fqgw.Log, suffix string) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	topic := "fqgw-conformance-" + suffix

	if _, err := l.Topic(ctx, topic); codeOf(err) != fqgw.CodeUndefinedTable {
		t.Fatalf("a topic that is not there: %v", err)
	}
	made, err := l.CreateTopic(ctx, topic, 3)
	if err != nil || made.Partitions != 3 || made.ID == [16]byte{} {
		t.Fatalf("created %+v, %v", made, err)
	}
	if _, err := l.CreateTopic(ctx, topic, 3); codeOf(err) != fqgw.CodeDuplicateTable {
		t.Errorf("a topic that is there: %v", err)
	}
	var recs []fqgw.LogRecord
	for i := range 100 {
		recs = append(recs, fqgw.LogRecord{Partition: int32(i % 2), Timestamp: int64(i+1) * 1_000_000, Key: []byte("k"), Value: fmt.Append(nil, i)})
	}
	if err := l.Produce(ctx, topic, recs); err != nil {
		t.Fatal(err)
	}
	if err := l.Produce(ctx, topic, []fqgw.LogRecord{{Partition: -1, Value: []byte("no key, no time")}}); err != nil {
		t.Fatal(err)
	}
	first, end, err := l.Offsets(ctx, topic)
	if err != nil || len(first) != 3 || first[0] != 0 || end[0]+end[1]+end[2] != 101 || end[0] < 50 || end[1] < 50 {
		t.Fatalf("offsets %v to %v, %v", first, end, err)
	}

	c, err := l.Consume(ctx, topic, []int64{10, 0, 0})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	next := []int64{10, 0, 0}
	read := func(until int64) {
		t.Helper()
		for got := next[0] + next[1] + next[2]; got < until; {
			batch, err := c.Poll(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range batch {
				if r.Offset != next[r.Partition] {
					t.Fatalf("partition %d gives offset %d, not %d", r.Partition, r.Offset, next[r.Partition])
				}
				if r.Offset < 50 && r.Partition < 2 {
					if i := r.Offset*2 + int64(r.Partition); string(r.Value) != fmt.Sprint(i) || r.Timestamp != (i+1)*1_000_000 {
						t.Fatalf("record %d: %q at %d", i, r.Value, r.Timestamp)
					}
				}
				next[r.Partition]++
				got++
			}
		}
	}
	read(101)

	// A paused partition is silent; it goes on from the offset given.
	c.Pause(0)
	if err := l.Produce(ctx, topic, []fqgw.LogRecord{{Partition: 0, Value: []byte("paused")}, {Partition: 1, Value: []byte("goes on")}}); err != nil {
		t.Fatal(err)
	}
	before := next[0]
	read(102)
	if next[0] != before {
		t.Error("a paused partition was read")
	}
	next[0] = 45
	c.Resume(0, 45)
	read(next[0] + next[1] + next[2] + (before - 45) + 1)

	// Poll ends with its context.
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if _, err := c.Poll(short); err == nil {
		t.Error("Poll gave records that nobody produced")
	}
	if err := l.DropTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
}

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
