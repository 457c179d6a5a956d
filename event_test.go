package fqgw

import (
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// TestEventOrder: event time, known time, then the position: epoch, partition,
// offset, sub-position (SEMANTICS §1). A row without a position comes first.
func TestEventOrder(t *testing.T) {
	sorted := []Event{{Time: 1, Known: 9, Pos: Position{Epoch: 9}}, {Time: 2, Known: 1, Pos: Position{Epoch: 9}}, {Time: 2, Known: 2, Pos: Position{Offset: NoOffset}}}
	for _, p := range []Position{{}, {Sub: 1}, {Sub: 7}, {Offset: 1}, {Partition: 1}, {Epoch: 1}, {Epoch: 1, Sub: 1}} {
		sorted = append(sorted, Event{Time: 2, Known: 2, Pos: p})
	}
	got := slices.Clone(sorted)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b Event) int { return a.Compare(&b) })
	for i := range sorted {
		if got[i].Compare(&sorted[i]) != 0 {
			t.Errorf("place %d: %+v, want %+v", i, got[i], sorted[i])
		}
	}
}

// TestHidden: what landing writes beside a row is read again; the words of the
// operations stand in every history.
func TestHidden(t *testing.T) {
	own := array.NewRecordBuilder(memory.DefaultAllocator, ArrowSchema([]Column{{Name: "n", Type: Int8}}))
	defer own.Release()
	var hidden HiddenRows
	var events []Event
	for i, word := range []string{"insert", "update_before", "update_after", "delete", "upsert", "delete_key", "snapshot"} {
		op, ok := ParseOperation(word)
		if !ok || op.String() != word || op.Retracts() != (i == 1 || i == 3 || i == 5) {
			t.Errorf("%s is %d, %t", word, op, op.Retracts())
		}
		events = append(events, Event{Known: int64(i) - 1, Op: op, Pos: Position{Epoch: 1, Partition: 2, Offset: 1 << 40, Sub: int32(i)}})
		own.Field(0).(*array.Int64Builder).Append(int64(i))
		hidden.Append(&events[i])
	}
	rec := hidden.Complete(own.NewRecordBatch())
	defer rec.Release()
	for i, ev := range events {
		for c, col := range HiddenColumns {
			if f := rec.Schema().Field(c + 1); f.Name != col.Name || !ArrowReads(f.Type, col.Type) {
				t.Errorf("column %s is %s", col.Name, f)
			}
		}
		h, err := ReadHidden(func(c int) Value { return ArrowValue(rec.Column(c+1), i, HiddenColumns[c].Type) })
		if err != nil || h.Pos != ev.Pos || h.Op != ev.Op || h.Known.Int() != ev.Known || ArrowValue(rec.Column(0), i, Int8).Int() != int64(i) {
			t.Errorf("%+v read as %+v, %v", ev, h, err)
		}
	}
	none := hidden.Complete(own.NewRecordBatch())
	defer none.Release()
	if none.NumRows() != 0 || none.Column(1).Len() != 0 {
		t.Errorf("%d rows after they were taken", none.NumRows())
	}
	if h, err := ReadHidden(func(int) Value { return Null }); err != nil || !h.Pos.IsNone() || h.Op != Insert || !h.Known.IsNull() {
		t.Errorf("of a row of another program: %+v, %v", h, err)
	}
	if _, err := ReadHidden(func(c int) Value { return []Value{3: Null, 4: TextValue("INSERT"), 5: Null}[c] }); AsError(err).Code != CodeDataCorrupted {
		t.Errorf("an operation that is none: %v", err)
	}
}

func TestMarksBeyond(t *testing.T) {
	for _, c := range []struct {
		v, w Marks
		want bool
	}{
		{nil, nil, false},
		{Marks{{Next: 3}}, Marks{{Next: 3}}, false},
		{Marks{{Next: 4}}, Marks{{Next: 3}, {Next: 9}}, true},
		{Marks{{Next: 3}, {Next: 1}}, Marks{{Next: 3}}, true},
		{Marks{{Epoch: 1, Next: 1}}, Marks{{Next: 3}}, true},
		{Marks{{Next: 9}}, Marks{{Epoch: 1}}, false},
	} {
		if got := c.v.Beyond(c.w); got != c.want {
			t.Errorf("%v beyond %v: %v", c.v, c.w, got)
		}
	}
}
