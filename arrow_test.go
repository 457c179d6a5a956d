package fqgw

import (
	"math"
	"math/big"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func decimalValue(s string) Value {
	d, ok := ParseDecimal(s)
	if !ok {
		panic(s)
	}
	return NumericValue(d)
}

// TestArrowRoundTrip: what AppendValue puts into a column of ArrowType comes
// back from ArrowValue, NULL included.
func TestArrowRoundTrip(t *testing.T) {
	for _, c := range []struct {
		typ    Type
		arrow  string
		values []Value
	}{
		{Bool, "bool", []Value{BoolValue(true), BoolValue(false)}},
		{Int2, "int32", []Value{IntValue(-32768)}},
		{Int4, "int32", []Value{IntValue(math.MaxInt32)}},
		{Int8, "int64", []Value{IntValue(math.MinInt64)}},
		{Float4, "float32", []Value{FloatValue(1.5), FloatValue(math.Inf(-1))}},
		{Float8, "float64", []Value{FloatValue(0.1), FloatValue(math.NaN()), FloatValue(math.Copysign(0, -1))}},
		{Text, "utf8", []Value{TextValue(""), TextValue("JFK ä")}},
		{Varchar, "utf8", []Value{TextValue("x")}},
		{JSONB, "utf8", []Value{TextValue(`{"a": 1}`)}},
		{Bytea, "binary", []Value{BytesValue("\x00\xff")}},
		{Date, "date32", []Value{DateValue(-1), DateValue(2_000_000), DateValue(InfinityTime), DateValue(NegInfinityTime)}},
		{Timestamp, "timestamp[us]", []Value{TimestampValue(-1)}},
		{Timestamptz, "timestamp[us, tz=UTC]", []Value{TimestampValue(1_362_700_000_000_000)}},
		{Time, "time64[us]", []Value{TimeValue(86_399_999_999)}},
		{UUID, "extension<arrow.uuid>", []Value{UUIDValue([16]byte{1, 2, 15: 3})}},
		{NumericOf(10, 2), "decimal(10, 2)", []Value{decimalValue("12345678.90"), decimalValue("-0.01")}},
		{Numeric, "utf8", []Value{decimalValue("1.500"), NumericValue(DecimalNaN), NumericValue(DecimalNegInf)}},
		{NumericOf(50, 2), "utf8", []Value{decimalValue("123456789012345678901234567890123456789012345.67")}},
		{Interval, "month_day_nano_interval", []Value{SpanValue(Span{Months: 1, Days: -2, Micros: 3})}},
		{Text.Array(), "list<item: utf8, nullable>", []Value{ArrayOf(Text, TextValue("a"), Null, TextValue("b")), ArrayOf(Text)}},
	} {
		typ := ArrowType(c.typ)
		if typ.String() != c.arrow {
			t.Errorf("%s travels as %s, want %s", c.typ, typ, c.arrow)
		}
		if !ArrowReads(typ, c.typ) {
			t.Errorf("%s does not read its own %s", c.typ, typ)
		}
		b := array.NewBuilder(memory.DefaultAllocator, typ)
		values := append(c.values, Null)
		for _, v := range values {
			if err := AppendValue(b, v, c.typ); err != nil {
				t.Fatalf("%s: %v", c.typ, err)
			}
		}
		a := b.NewArray()
		for i, v := range values {
			got := ArrowValue(a, i, c.typ)
			if got.Kind() != v.Kind() || Compare(got, v) != 0 || v.Kind() == KindNumeric && got.Numeric().String() != v.Numeric().String() {
				t.Errorf("%s: %+v came back as %+v", c.typ, v, got)
			}
		}
	}
}

// TestArrowForeign reads columns that other writers made.
func TestArrowForeign(t *testing.T) {
	mem := memory.DefaultAllocator
	build := func(typ arrow.DataType, f func(array.Builder)) arrow.Array {
		b := array.NewBuilder(mem, typ)
		f(b)
		return b.NewArray()
	}
	dict := build(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, func(b array.Builder) {
		for _, s := range []string{"a", "b", "a"} {
			if err := b.(*array.BinaryDictionaryBuilder).AppendString(s); err != nil {
				t.Fatal(err)
			}
		}
	})
	stamp := func(unit arrow.TimeUnit, n int64) arrow.Array {
		return build(&arrow.TimestampType{Unit: unit}, func(b array.Builder) { b.(*array.TimestampBuilder).Append(arrow.Timestamp(n)) })
	}
	wide := build(arrow.PrimitiveTypes.Uint64, func(b array.Builder) { b.(*array.Uint64Builder).Append(math.MaxUint64) })
	for _, c := range []struct {
		name string
		a    arrow.Array
		i    int
		typ  Type
		want Value
	}{
		{"dictionary", dict, 2, Text, TextValue("a")},
		{"int8 as bigint", build(arrow.PrimitiveTypes.Int8, func(b array.Builder) { b.(*array.Int8Builder).Append(-3) }), 0, Int8, IntValue(-3)},
		{"bigint as integer", build(arrow.PrimitiveTypes.Int64, func(b array.Builder) { b.(*array.Int64Builder).Append(7) }), 0, Int4, IntValue(7)},
		{"uint64 too great", wide, 0, Int8, Null},
		{"int as double", build(arrow.PrimitiveTypes.Int32, func(b array.Builder) { b.(*array.Int32Builder).Append(7) }), 0, Float8, FloatValue(7)},
		{"double as real", build(arrow.PrimitiveTypes.Float64, func(b array.Builder) { b.(*array.Float64Builder).Append(0.1) }), 0, Float4, FloatValue(float64(float32(0.1)))},
		{"decimal as double", build(&arrow.Decimal128Type{Precision: 5, Scale: 2}, func(b array.Builder) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(-150)) }), 0, Float8, FloatValue(-1.5)},
		{"decimal as numeric", build(&arrow.Decimal128Type{Precision: 5, Scale: 2}, func(b array.Builder) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(-150)) }), 0, Numeric, decimalValue("-1.50")},
		{"nanoseconds", stamp(arrow.Nanosecond, -1), 0, Timestamptz, TimestampValue(-1)},
		{"milliseconds", stamp(arrow.Millisecond, 5), 0, Timestamptz, TimestampValue(5000)},
		{"seconds beyond", stamp(arrow.Second, math.MaxInt64), 0, Timestamptz, TimestampValue(InfinityTime)},
		{"timestamp as date", stamp(arrow.Microsecond, -1), 0, Date, DateValue(-1)},
		{"date as timestamp", build(arrow.FixedWidthTypes.Date32, func(b array.Builder) { b.(*array.Date32Builder).Append(1) }), 0, Timestamp, TimestampValue(dayMicros)},
		{"bytes of a uuid", build(&arrow.FixedSizeBinaryType{ByteWidth: 16}, func(b array.Builder) { b.(*array.FixedSizeBinaryBuilder).Append(make([]byte, 16)) }), 0, UUID, UUIDValue([16]byte{})},
		{"text as bool", dict, 0, Bool, Null},
	} {
		if got := ArrowValue(c.a, c.i, c.typ); got.Kind() != c.want.Kind() || Compare(got, c.want) != 0 {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if reads := ArrowReads(c.a.DataType(), c.typ); reads == c.want.IsNull() && c.a != wide {
			t.Errorf("%s: ArrowReads says %t", c.name, reads)
		}
	}
}

func TestAppendValueRefuses(t *testing.T) {
	for _, c := range []struct {
		typ  arrow.DataType
		v    Value
		code Code
	}{
		{arrow.PrimitiveTypes.Int32, IntValue(1 << 40), CodeOutOfRange},
		{arrow.PrimitiveTypes.Int16, IntValue(1 << 20), CodeOutOfRange},
		{&arrow.Decimal128Type{Precision: 4, Scale: 2}, decimalValue("100"), CodeOutOfRange},
		{&arrow.Decimal128Type{Precision: 4, Scale: 2}, NumericValue(DecimalNaN), CodeOutOfRange},
		{arrow.BinaryTypes.String, IntValue(1), CodeDatatypeMismatch},
		{arrow.FixedWidthTypes.Boolean, TextValue("t"), CodeDatatypeMismatch},
		{arrow.FixedWidthTypes.MonthDayNanoInterval, SpanValue(Span{Micros: math.MaxInt64}), CodeOutOfRange},
	} {
		b := array.NewBuilder(memory.DefaultAllocator, c.typ)
		if err := AppendValue(b, c.v, Text); errorCode(err) != c.code || b.Len() != 0 {
			t.Errorf("%+v into %s: %v, %d appended", c.v, c.typ, err, b.Len())
		}
	}
	// A numeric is rounded to the column's scale.
	b := array.NewBuilder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 4, Scale: 1})
	if err := AppendValue(b, NumericValue(NewDecimal(big.NewInt(125), 2)), Numeric); err != nil {
		t.Fatal(err)
	}
	if got := ArrowValue(b.NewArray(), 0, Numeric).Numeric().String(); got != "1.3" {
		t.Errorf("1.25 is stored as %s", got)
	}
}

// errorCode is the SQLSTATE of an error, "" for none.
func errorCode(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}
