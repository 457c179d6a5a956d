package fqgw

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
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

// HiddenKnownAt is the place of the known time among them.
const HiddenKnownAt = 5

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

// HiddenRows gathers the hidden columns of rows that are to be landed. The zero
// value has none.
type HiddenRows struct {
	epoch, partition, sub []int32
	offset, known         []int64
	op                    []uint8 // Operation
}

// Append adds what an event's row says.
func (h *HiddenRows) Append(ev *Event) {
	h.epoch, h.partition, h.sub = append(h.epoch, ev.Pos.Epoch), append(h.partition, ev.Pos.Partition), append(h.sub, ev.Pos.Sub)
	h.offset, h.known = append(h.offset, ev.Pos.Offset), append(h.known, ev.Known)
	h.op = append(h.op, uint8(ev.Op))
}

// Complete puts the hidden columns behind own, the rows' other columns, which it
// releases, and begins anew. The operations are a dictionary: a word for each row
// would cost more than all else that is hidden.
func (h *HiddenRows) Complete(own arrow.RecordBatch) arrow.RecordBatch {
	defer own.Release()
	int32s, int64s := arrow.Int32Traits.CastToBytes, arrow.Int64Traits.CastToBytes
	columns := slices.Clip(own.Columns())
	for i, bytes := range [][]byte{int32s(h.epoch), int32s(h.partition), int64s(h.offset), int32s(h.sub), h.op, int64s(h.known)} {
		typ := hiddenFields[i].Type
		dictionary, _ := typ.(*arrow.DictionaryType)
		data := array.NewData(typ, len(h.op), []*memory.Buffer{nil, memory.NewBufferBytes(bytes)}, nil, 0, 0)
		if dictionary != nil {
			data.SetDictionary(operationWords)
		}
		columns = append(columns, array.MakeFromData(data))
		defer columns[len(columns)-1].Release()
		data.Release()
	}
	*h = HiddenRows{}
	fields := append(slices.Clip(own.Schema().Fields()), hiddenFields...)
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, own.NumRows())
}

var hiddenFields = func() []arrow.Field {
	fields := ArrowSchema(HiddenColumns).Fields()
	for i := range fields {
		if fields[i].Name == ColOperation {
			fields[i].Type = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: fields[i].Type}
		}
	}
	return fields
}()

// operationWords is the dictionary: each Operation is its own place in it.
var operationWords = func() arrow.ArrayData {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues(operations[:], nil)
	return b.NewArray().Data()
}()
