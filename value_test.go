package fqgw

import (
	"math"
	"testing"
)

// TestCompare: PostgreSQL's order, every value against every other.
func TestCompare(t *testing.T) {
	dec := func(s string) Value { return NumericValue(decimal(t, s)) }
	for name, ordered := range map[string][]Value{
		"numbers of all kinds": {FloatValue(math.Inf(-1)), IntValue(math.MinInt64), FloatValue(-1.5), IntValue(-1), dec("-0.5"), IntValue(0), FloatValue(0.5),
			IntValue(1), dec("1.25"), FloatValue(1e300), FloatValue(math.Inf(1)), FloatValue(math.NaN()), Null},
		"booleans":   {BoolValue(false), BoolValue(true), Null},
		"text":       {TextValue(""), TextValue("A"), TextValue("B"), TextValue("a"), TextValue("ab"), TextValue("ä"), Null},
		"bytes":      {BytesValue(""), BytesValue("\x00"), BytesValue("\x7f"), BytesValue("\xff")},
		"uuids":      {UUIDValue([16]byte{}), UUIDValue([16]byte{15: 1}), UUIDValue([16]byte{0: 255})},
		"dates":      {DateValue(NegInfinityTime), DateValue(-1), DateValue(0), DateValue(1), DateValue(InfinityTime)},
		"timestamps": {TimestampValue(NegInfinityTime), TimestampValue(-1), TimestampValue(0), TimestampValue(InfinityTime)},
		"intervals": {SpanValue(Span{Months: -1}), SpanValue(Span{Micros: -1}), SpanValue(Span{}), SpanValue(Span{Days: 1}), SpanValue(Span{Days: 1, Micros: 1}),
			SpanValue(Span{Days: 31}), SpanValue(Span{Months: 2}), SpanValue(Span{Months: math.MaxInt32, Days: math.MaxInt32, Micros: math.MaxInt64})},
		"arrays":  {ArrayOf(Int4), ArrayOf(Int4, IntValue(1)), ArrayOf(Int4, IntValue(1), IntValue(0)), ArrayOf(Int4, IntValue(1), Null), ArrayOf(Int4, IntValue(2))},
		"records": {RecordValue(nil, []Value{IntValue(1), TextValue("a")}), RecordValue(nil, []Value{IntValue(1), TextValue("b")}), RecordValue(nil, []Value{IntValue(1), Null})},
	} {
		for i, a := range ordered {
			for j, b := range ordered {
				want := 0
				if i < j {
					want = -1
				} else if i > j {
					want = 1
				}
				if got := Compare(a, b); got != want {
					t.Errorf("%s: %d against %d gives %d", name, i, j, got)
				}
			}
		}
	}
	for name, same := range map[string][2]Value{
		"a month and 30 days":   {SpanValue(Span{Months: 1}), SpanValue(Span{Days: 30})},
		"a day and 24 hours":    {SpanValue(Span{Days: 1}), SpanValue(Span{Micros: 86_400_000_000})},
		"zeros of either sign":  {FloatValue(0), FloatValue(math.Copysign(0, -1))},
		"one by two scales":     {dec("1.0"), dec("1.000")},
		"one of three kinds":    {IntValue(1), dec("1.00")},
		"one as int and float":  {IntValue(1), FloatValue(1)},
		"two NaNs":              {FloatValue(math.NaN()), FloatValue(-math.NaN())},
		"NaN of float, numeric": {FloatValue(math.NaN()), NumericValue(DecimalNaN)},
	} {
		if Compare(same[0], same[1]) != 0 || Compare(same[1], same[0]) != 0 {
			t.Errorf("%s differ", name)
		}
	}
}

func TestValue(t *testing.T) {
	var zero Value
	if !zero.IsNull() || zero.Kind() != KindNull || zero.True() || zero.List() != nil || zero.Fields() != nil || zero.Str() != "" || zero.Span() != (Span{}) || !zero.Numeric().IsZero() {
		t.Error("the zero Value is not an empty NULL")
	}
	if v := IntValue(math.MinInt64); v.Int() != math.MinInt64 {
		t.Errorf("least integer: %d", v.Int())
	}
	if BoolValue(false).True() || !BoolValue(true).True() || IntValue(1).True() {
		t.Error("True")
	}
	n := testing.AllocsPerRun(100, func() {
		sink = IntValue(7)
		sink = FloatValue(1.5)
		sink = TimestampValue(1)
		sink = TextValue("x")
	})
	if n != 0 {
		t.Errorf("plain values allocate %v times", n)
	}
}

var sink Value

// TestOneNaN: every NaN that comes in is the one NaN (SEMANTICS, head).
func TestOneNaN(t *testing.T) {
	for _, bits := range []uint64{0x7ff8000000000000, 0x7ff8000000000001, 0xfff8000000000000, 0xfff8000000000001, 0x7ff0000000000001, 0x7fffffffffffffff} {
		if got := math.Float64bits(FloatValue(math.Float64frombits(bits)).Float()); got != 0x7ff8000000000000 {
			t.Errorf("%x becomes %x", bits, got)
		}
	}
	for _, bits := range []uint32{0x7fc00000, 0xffc00000, 0xffc00001, 0x7f800001} {
		f := FloatValue(float64(math.Float32frombits(bits))).Float()
		if got := math.Float64bits(f); got != 0x7ff8000000000000 {
			t.Errorf("real %x becomes %x", bits, got)
		}
		if got := math.Float32bits(float32(f)); got != 0x7fc00000 {
			t.Errorf("real %x goes out as %x", bits, got)
		}
	}
	if got := math.Float64bits(FloatValue(math.Copysign(0, -1)).Float()); got != 1<<63 {
		t.Errorf("-0 becomes %x", got)
	}
}
