package fqgw

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestSkip: Skip goes exactly past what Value reads, and refuses exactly what it refuses.
func TestSkip(t *testing.T) {
	values := []Value{Null, BoolValue(true), IntValue(-7), IntValue(math.MinInt64), FloatValue(math.NaN()), FloatValue(1.5), TextValue("some text"), BytesValue("\x00"),
		UUIDValue([16]byte{1}), DateValue(3), TimeValue(4), TimestampValue(InfinityTime), SpanValue(Span{1, -2, 3}), NumericValue(NewDecimal(big.NewInt(-12345), 3)),
		NumericValue(DecimalNaN), ArrayOf(Int8, IntValue(1), Null), ListValue(&List{Elem: Text, Dims: []int{1, 2}, Items: []Value{TextValue("a"), TextValue("b")}}),
		RecordValue(nil, []Value{IntValue(1), ArrayOf(Text, TextValue("x"))})}
	r := rand.New(rand.NewPCG(29, 29))
	refused := 0
	for range 20_000 {
		b := AppendPacked(nil, values[r.IntN(len(values))])
		for range r.IntN(3) {
			b[r.IntN(len(b))] = byte(r.IntN(256))
		}
		b = b[:len(b)-r.IntN(2)*r.IntN(len(b))]
		read, skipped := Unpack(b), Unpack(b)
		read.Value()
		skipped.Skip()
		if read.Bad() != skipped.Bad() || read.Left() != skipped.Left() {
			t.Fatalf("%x: Value leaves %d (bad %t), Skip %d (bad %t)", b, read.Left(), read.Bad(), skipped.Left(), skipped.Bad())
		}
		if read.Bad() {
			refused++
		}
	}
	if refused < 1000 {
		t.Errorf("only %d were refused", refused)
	}
}
