package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// randomValue is a value of a type, often one at an edge.
func randomValue(r *rand.Rand, t fqgw.Type) fqgw.Value {
	if r.IntN(8) == 0 {
		return fqgw.Null
	}
	integer := func(bits int) int64 {
		return []int64{0, 1, -1, r.Int64() >> (64 - bits), -1 << (bits - 1), 1<<(bits-1) - 1}[r.IntN(6)]
	}
	moment := func() int64 {
		return []int64{0, -1, r.Int64N(4e15), -r.Int64N(4e15), fqgw.InfinityTime, fqgw.NegInfinityTime}[r.IntN(6)]
	}
	text := []string{"", "a", "ä\n\t\\", "0123456789", fmt.Sprint(r.Int64())}[r.IntN(5)]
	switch t.Kind() {
	case fqgw.KindBool:
		return fqgw.BoolValue(r.IntN(2) == 0)
	case fqgw.KindInt:
		return fqgw.IntValue(integer(8 * int(t.Size())))
	case fqgw.KindFloat:
		f := []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1e-5, 1e-4, 1e15, 999999.5, math.Float64frombits(r.Uint64()), float64(r.IntN(1_000_000)) / 1000}[r.IntN(11)]
		if t == fqgw.Float4 {
			f = float64(float32(f))
		}
		return fqgw.FloatValue(f)
	case fqgw.KindNumeric:
		if r.IntN(6) == 0 {
			return fqgw.NumericValue(fqgw.DecimalNaN)
		}
		return fqgw.NumericValue(fqgw.NewDecimal(big.NewInt(r.Int64()-r.Int64()), int32(r.IntN(20))))
	case fqgw.KindText:
		if t == fqgw.CharType {
			text = text[:min(len(text), 1)]
		}
		return fqgw.TextValue(text)
	case fqgw.KindBytes:
		return fqgw.BytesValue(text + "\xff")
	case fqgw.KindUUID:
		var b [16]byte
		b[r.IntN(16)] = byte(r.IntN(256))
		return fqgw.UUIDValue(b)
	case fqgw.KindDate:
		if m := moment(); m == fqgw.InfinityTime || m == fqgw.NegInfinityTime {
			return fqgw.DateValue(m)
		}
		return fqgw.DateValue(r.Int64N(100_000) - 50_000)
	case fqgw.KindTime:
		return fqgw.TimeValue(r.Int64N(86_400_000_001))
	case fqgw.KindTimestamp:
		return fqgw.TimestampValue(moment())
	case fqgw.KindInterval:
		return fqgw.SpanValue(fqgw.Span{Months: int32(integer(32)), Days: int32(integer(32)), Micros: r.Int64N(1e12) - 5e11})
	case fqgw.KindArray:
		return fqgw.ArrayOf(t.Elem(), randomValue(r, t.Elem()), randomValue(r, t.Elem()))
	}
	return fqgw.Null
}

// TestPlainValues: a value that is handed over as it is packed, in its plain form,
// gives the bytes of the value itself: every type, both formats, every style.
func TestPlainValues(t *testing.T) {
	types := []fqgw.Type{fqgw.Bool, fqgw.Int2, fqgw.Int4, fqgw.Int8, fqgw.OID, fqgw.Float4, fqgw.Float8, fqgw.Numeric, fqgw.Text, fqgw.Varchar, fqgw.BPChar,
		fqgw.Name, fqgw.CharType, fqgw.JSON, fqgw.JSONB, fqgw.Bytea, fqgw.UUID, fqgw.Date, fqgw.Time, fqgw.Timestamp, fqgw.Timestamptz, fqgw.Interval,
		fqgw.Int8.Array(), fqgw.Text.Array(), fqgw.RegClass}
	r := rand.New(rand.NewPCG(23, 23))
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	envs := []*fqgw.Env{nil, {}, {Zone: berlin, Style: fqgw.Style{Dates: fqgw.DatesGerman, Order: fqgw.DMY, Spans: fqgw.SpansISO, EscapedBytes: true, LessDigits: 3}}}
	var columns []plan.Column
	for _, typ := range types {
		columns = append(columns, plan.Column{Type: typ})
	}
	for round := range 4000 {
		formats := make([]int16, len(types))
		for i := range formats {
			formats[i] = int16(r.IntN(2))
		}
		env := envs[round%len(envs)]
		var byValue, plain RowEncoder
		byValue.Reset(columns, formats, env)
		plain.Reset(columns, formats, env)
		byValue.Begin()
		plain.Begin()
		var row []fqgw.Value
		for _, typ := range types {
			v := randomValue(r, typ)
			row = append(row, v)
			byValue.Value(v)
			if d, ok := v.Numeric().Short(); ok && v.Kind() == fqgw.KindNumeric && r.IntN(2) == 0 {
				plain.Numeric(d)
				continue
			}
			in := fqgw.Unpack(fqgw.AppendPacked(nil, v))
			if in.Write(&plain); in.Bad() || in.Left() > 0 {
				t.Fatalf("%s: %v is not read whole", typ, v)
			}
		}
		if _, err := byValue.End(); err != nil {
			t.Fatal(err)
		}
		if _, err := plain.End(); err != nil || !bytes.Equal(plain.Messages(), byValue.Messages()) {
			t.Fatalf("formats %v of %v:\n%x, %v; want\n%x", formats, row, plain.Messages(), err, byValue.Messages())
		}
	}
}

// TestShortNumeric: a numeric without a big number has the bytes of the one with it.
func TestShortNumeric(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		coef := new(big.Int).Rsh(new(big.Int).SetUint64(r.Uint64()), uint(r.IntN(64)))
		coef.Lsh(coef, uint(r.IntN(65))).Add(coef, big.NewInt(r.Int64N(1<<r.IntN(40)+1)))
		if r.IntN(3) == 0 { // digits of zero
			ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(r.IntN(30))), nil)
			coef.Sub(coef, new(big.Int).Mod(coef, ten))
		}
		if r.IntN(2) == 0 {
			coef.Neg(coef)
		}
		d := fqgw.NewDecimal(coef, int32(r.IntN(40)))
		raw := appendNumeric(nil, d)
		back, ok := decodeNumeric(raw)
		if !ok || back.Cmp(d) != 0 || back.Scale() != d.Scale() {
			t.Fatalf("%s is sent as %x, which is %s", d, raw, back)
		}
		be := binary.BigEndian
		if n := len(raw); n > 8 && (be.Uint16(raw[8:]) == 0 || be.Uint16(raw[n-2:]) == 0) || n == 8 && (d.Sign() != 0 || be.Uint64(raw) != uint64(d.Scale())) {
			t.Fatalf("%s is sent as %x: with zeros at an end", d, raw)
		}
	}
}
