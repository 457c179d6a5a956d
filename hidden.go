package fqgw

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// The hidden columns that every landed row carries, behind the source's own.
// Those are the row before or after the change, as the operation says: a history
// is the list of all changes, which any engine can read.
const (
	ColEpoch     = "_fq_epoch"     // int
	ColPartition = "_fq_partition" // int
	ColOffset    = "_fq_offset"    // long
	ColSub       = "_fq_sub"       // int
	ColOperation = "_fq_operation" // text
	ColKnownAt   = "_fq_known_at"  // timestamptz
)

// HiddenColumns are the columns that landing appends to a source's own, in order.
var HiddenColumns = []Column{
	{Name: ColEpoch, Type: Int4}, {Name: ColPartition, Type: Int4}, {Name: ColOffset, Type: Int8}, {Name: ColSub, Type: Int4},
	{Name: ColOperation, Type: Text}, {Name: ColKnownAt, Type: Timestamptz},
}

// Hidden is what the hidden columns of a landed row say.
type Hidden struct {
	Pos   Position
	Op    Operation
	Known Value // NULL where nobody wrote one
}

// ReadHidden reads the hidden columns, which column gives by their place in
// HiddenColumns. A row that another program wrote has NULLs there: no position,
// and it is an insert. XX001 for an operation that is none.
func ReadHidden(column func(i int) Value) (h Hidden, err error) {
	h.Pos.Offset, h.Known = NoOffset, column(5)
	if offset := column(2); !offset.IsNull() {
		h.Pos = Position{Epoch: int32(column(0).Int()), Partition: int32(column(1).Int()), Offset: offset.Int()}
		if sub := column(3); !sub.IsNull() {
			h.Pos.Sub = int32(sub.Int())
		}
	}
	if text := column(4); !text.IsNull() {
		var ok bool
		if h.Op, ok = ParseOperation(text.Str()); !ok {
			return h, Errorf(CodeDataCorrupted, "column \"%s\" of a history has %q, which is no operation", ColOperation, text.Str())
		}
	}
	return h, nil
}

// AppendHidden appends the hidden columns of an event; fields are their builders,
// in the order of HiddenColumns.
func AppendHidden(fields []array.Builder, ev *Event) {
	fields[0].(*array.Int32Builder).Append(ev.Pos.Epoch)
	fields[1].(*array.Int32Builder).Append(ev.Pos.Partition)
	fields[2].(*array.Int64Builder).Append(ev.Pos.Offset)
	fields[3].(*array.Int32Builder).Append(ev.Pos.Sub)
	fields[4].(*array.StringBuilder).Append(ev.Op.String())
	fields[5].(*array.TimestampBuilder).Append(arrow.Timestamp(ev.Known))
}
