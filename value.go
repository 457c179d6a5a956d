package fqgw

import (
	"cmp"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Kind says how a Value carries its data.
type Kind uint8

// The kinds of Value.
const (
	KindNull      Kind = iota
	KindBool           // Bool
	KindInt            // Int: smallint, integer, bigint, oid and the reg types
	KindFloat          // Float: real (rounded to float32) and double precision
	KindNumeric        // Numeric
	KindText           // Str: text, varchar, bpchar, name, "char", json, jsonb, unknown
	KindBytes          // Str holds the bytes
	KindDate           // Int: days since 1970-01-01
	KindTime           // Int: microseconds since midnight
	KindTimestamp      // Int: microseconds since the epoch; timestamp and timestamptz
	KindInterval       // Interval
	KindUUID           // Str: the 16 bytes
	KindArray          // Array
	KindRecord         // Fields, RowType
)

// The two infinities of date, timestamp and timestamptz.
const (
	InfinityTime    = math.MaxInt64
	NegInfinityTime = math.MinInt64
)

// Value is one SQL value; the zero Value is NULL. It does not know its Type:
// the plan does. Values are immutable; numbers and times never allocate.
type Value struct {
	kind Kind
	num  uint64
	str  string
	ref  any
}

// Span is an interval as PostgreSQL stores it: months, days and microseconds apart.
type Span struct {
	Months, Days int32
	Micros       int64
}

// List is an array: one dimension (Dims nil) or more, items in row-major order.
type List struct {
	Elem  Type
	Dims  []int // nil for one dimension
	Items []Value
}

// RowType says what the fields of a record are. Without Names they are f1, f2 …
type RowType struct {
	Names []string
	Types []Type
}

type record struct {
	of     *RowType
	fields []Value
}

// The constructors.
var Null = Value{}

func BoolValue(b bool) Value {
	if b {
		return Value{kind: KindBool, num: 1}
	}
	return Value{kind: KindBool}
}
func IntValue(i int64) Value       { return Value{kind: KindInt, num: uint64(i)} }
func TextValue(s string) Value     { return Value{kind: KindText, str: s} }
func BytesValue(b string) Value    { return Value{kind: KindBytes, str: b} }
func UUIDValue(b [16]byte) Value   { return Value{kind: KindUUID, str: string(b[:])} }
func DateValue(days int64) Value   { return Value{kind: KindDate, num: uint64(days)} }
func TimeValue(us int64) Value     { return Value{kind: KindTime, num: uint64(us)} }
func TimestampValue(t int64) Value { return Value{kind: KindTimestamp, num: uint64(t)} }
func SpanValue(s Span) Value       { return Value{kind: KindInterval, ref: s} }
func NumericValue(d Decimal) Value { return Value{kind: KindNumeric, ref: d} }
func ListValue(l *List) Value      { return Value{kind: KindArray, ref: l} }

// RecordValue is a record of fields of those types; of is nil where nobody asks
// for them, as in the state of an aggregate.
func RecordValue(of *RowType, fields []Value) Value {
	return Value{kind: KindRecord, ref: record{of, fields}}
}

// nanBits is the one NaN (SEMANTICS, head). Machines and libraries make others:
// math.NaN has a low bit set, 0/0 of amd64 the sign.
const nanBits = 0x7ff8_0000_0000_0000

// FloatValue is a real or a double; every NaN is the one NaN.
func FloatValue(f float64) Value {
	if f != f {
		return Value{kind: KindFloat, num: nanBits}
	}
	return Value{kind: KindFloat, num: math.Float64bits(f)}
}

// ArrayOf is a one-dimensional array value.
func ArrayOf(elem Type, items ...Value) Value { return ListValue(&List{Elem: elem, Items: items}) }

func (v Value) Kind() Kind     { return v.kind }
func (v Value) IsNull() bool   { return v.kind == KindNull }
func (v Value) Bool() bool     { return v.num != 0 }
func (v Value) Int() int64     { return int64(v.num) }
func (v Value) Float() float64 { return math.Float64frombits(v.num) }

// Str is the text of KindText, the bytes of KindBytes and KindUUID.
func (v Value) Str() string { return v.str }

// Numeric is the number of KindNumeric, zero otherwise.
func (v Value) Numeric() Decimal { d, _ := v.ref.(Decimal); return d }

// Span is the interval of KindInterval.
func (v Value) Span() Span { s, _ := v.ref.(Span); return s }

// List is the array of KindArray; nil otherwise.
func (v Value) List() *List { l, _ := v.ref.(*List); return l }

// Fields are the fields of KindRecord.
func (v Value) Fields() []Value { r, _ := v.ref.(record); return r.fields }

// RowType says what the fields of KindRecord are; it may be nil.
func (v Value) RowType() *RowType { r, _ := v.ref.(record); return r.of }

// Name is the name of field i.
func (t *RowType) Name(i int) string {
	if t == nil || t.Names == nil {
		return "f" + strconv.Itoa(i+1)
	}
	return t.Names[i]
}

// Type is the type of field i, text where it is not known.
func (t *RowType) Type(i int) Type {
	if t == nil {
		return Text
	}
	return t.Types[i]
}

// True says whether v is true: neither false nor NULL.
func (v Value) True() bool { return v.kind == KindBool && v.num != 0 }

// Compare orders two values of one type as PostgreSQL's default btree order
// does: NaN is the greatest float, -0 equals +0, text goes by bytes
// (collation "C"), NULL last and equal to NULL. Integers of all widths, floats
// and numerics compare among each other by value.
func Compare(a, b Value) int {
	if a.kind == KindNull || b.kind == KindNull {
		return cmp.Compare(btoi(a.kind == KindNull), btoi(b.kind == KindNull))
	}
	if a.kind != b.kind {
		return compareMixed(a, b)
	}
	switch a.kind {
	case KindBool:
		return cmp.Compare(a.num, b.num)
	case KindInt, KindDate, KindTime, KindTimestamp:
		return cmp.Compare(int64(a.num), int64(b.num))
	case KindFloat:
		return CompareFloats(a.Float(), b.Float())
	case KindNumeric:
		return a.Numeric().Cmp(b.Numeric())
	case KindInterval:
		return a.Span().total().Cmp(b.Span().total())
	case KindArray:
		return compareLists(a.List(), b.List())
	case KindRecord:
		return compareItems(a.Fields(), b.Fields())
	}
	return strings.Compare(a.str, b.str)
}

// CompareFloats is PostgreSQL's order of floats: NaN equals NaN and is above all, -0 equals +0.
func CompareFloats(a, b float64) int {
	switch an, bn := math.IsNaN(a), math.IsNaN(b); {
	case an && bn:
		return 0
	case an:
		return 1
	case bn:
		return -1
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func compareMixed(a, b Value) int {
	switch {
	case a.kind == KindFloat && b.kind == KindInt:
		return CompareFloats(a.Float(), float64(b.Int()))
	case a.kind == KindInt && b.kind == KindFloat:
		return CompareFloats(float64(a.Int()), b.Float())
	case a.kind == KindInt && b.kind == KindNumeric:
		return DecimalFromInt(a.Int()).Cmp(b.Numeric())
	case a.kind == KindNumeric && b.kind == KindInt:
		return a.Numeric().Cmp(DecimalFromInt(b.Int()))
	case a.kind == KindFloat && b.kind == KindNumeric:
		return CompareFloats(a.Float(), b.Numeric().Float())
	case a.kind == KindNumeric && b.kind == KindFloat:
		return CompareFloats(a.Numeric().Float(), b.Float())
	}
	return cmp.Compare(a.kind, b.kind)
}

func compareItems(a, b []Value) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if c := Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareLists(a, b *List) int {
	if c := compareItems(a.Items, b.Items); c != 0 {
		return c
	}
	return cmp.Compare(len(a.Dims), len(b.Dims))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// total is the length by which intervals compare: a month is 30 days, a day 24 hours.
func (s Span) total() *big.Int {
	days := int64(s.Months)*30 + int64(s.Days)
	t := new(big.Int).Mul(big.NewInt(days), big.NewInt(86_400_000_000))
	return t.Add(t, big.NewInt(s.Micros))
}
