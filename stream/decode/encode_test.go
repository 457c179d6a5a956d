package decode

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
)

const day = 86_400_000_000 // microseconds

// anyValue is a random value of the type, often a special one.
func anyValue(r *rand.Rand, t fqgw.Type) fqgw.Value {
	if r.IntN(8) == 0 {
		return fqgw.Null
	}
	pick := func(special ...int64) int64 {
		if i := r.IntN(len(special) + 2); i < len(special) {
			return special[i]
		}
		return int64(r.Uint64()) >> r.IntN(63)
	}
	if t.IsArray() {
		l := &fqgw.List{Elem: t.Elem()}
		for range r.IntN(4) {
			l.Items = append(l.Items, anyValue(r, t.Elem()))
		}
		return fqgw.ListValue(l)
	}
	switch t.OID {
	case fqgw.Bool.OID:
		return fqgw.BoolValue(r.IntN(2) == 0)
	case fqgw.Int2.OID:
		return fqgw.IntValue(int64(int16(pick(math.MinInt16, math.MaxInt16))))
	case fqgw.Int4.OID:
		return fqgw.IntValue(int64(int32(pick(math.MinInt32, math.MaxInt32))))
	case fqgw.Int8.OID:
		return fqgw.IntValue(pick(math.MinInt64, math.MaxInt64))
	case fqgw.OID.OID:
		return fqgw.IntValue(int64(uint32(pick(math.MaxUint32))))
	case fqgw.Float8.OID:
		return fqgw.FloatValue(math.Float64frombits(uint64(pick(0, 1, math.MinInt64, 0x7ff0000000000000, 0x7ff8000000000001, -0x10000000000000))))
	case fqgw.Float4.OID:
		return fqgw.FloatValue(float64(math.Float32frombits(uint32(pick(0, 1, 0x7f800000, 0x7fc00000)))))
	case fqgw.Numeric.OID:
		switch r.IntN(8) {
		case 0:
			return fqgw.NumericValue(fqgw.DecimalNaN)
		case 1:
			return fqgw.NumericValue(fqgw.DecimalNegInf)
		}
		n := new(big.Int).Mul(big.NewInt(pick(0)), big.NewInt(pick(1)))
		return fqgw.NumericValue(fqgw.NewDecimal(n, r.Int32N(40)))
	case fqgw.Text.OID, fqgw.Varchar.OID:
		s := ""
		for range r.IntN(12) {
			s += string([]rune{'a', '"', '\\', '\n', 1, 'é', '😀', '/', 0x2028, 0x7f}[r.IntN(10)])
		}
		return fqgw.TextValue(s)
	case fqgw.JSON.OID:
		return fqgw.TextValue([]string{`{"a": [1,2 ]}`, `"x\u0041"`, `true`, "[\n1]"}[r.IntN(4)])
	case fqgw.JSONB.OID:
		return fqgw.TextValue([]string{`{"a": [1, 2]}`, `"x y"`, `1.50`, `[]`}[r.IntN(4)])
	case fqgw.Bytea.OID:
		b := make([]byte, r.IntN(6))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return fqgw.BytesValue(string(b))
	case fqgw.UUID.OID:
		var id [16]byte
		for i := range id {
			id[i] = byte(r.Uint32())
		}
		return fqgw.UUIDValue(id)
	case fqgw.Date.OID:
		if r.IntN(6) == 0 {
			return fqgw.DateValue([]int64{fqgw.InfinityTime, fqgw.NegInfinityTime, leastTime / day, 2145042905}[r.IntN(4)])
		}
		return fqgw.DateValue(r.Int64N(4_000_000) - 2_000_000)
	case fqgw.Time.OID:
		return fqgw.TimeValue(r.Int64N(day + 1))
	}
	if r.IntN(6) == 0 {
		return fqgw.TimestampValue([]int64{fqgw.InfinityTime, fqgw.NegInfinityTime, leastTime, math.MaxInt64 - day}[r.IntN(4)])
	}
	return fqgw.TimestampValue(max(pick(-1), leastTime))
}

func equal(a, b fqgw.Value) bool {
	if a.Kind() != b.Kind() || fqgw.Compare(a, b) != 0 {
		return false
	}
	switch a.Kind() {
	case fqgw.KindFloat:
		return math.Signbit(a.Float()) == math.Signbit(b.Float()) || math.IsNaN(a.Float())
	case fqgw.KindNumeric:
		return a.Numeric().String() == b.Numeric().String()
	}
	return true
}

// TestRoundTrip: what the encoder writes the decoder reads, for every type.
func TestRoundTrip(t *testing.T) {
	var cols []fqgw.Column
	for _, typ := range []fqgw.Type{fqgw.Bool, fqgw.Int2, fqgw.Int4, fqgw.Int8, fqgw.OID, fqgw.Float4, fqgw.Float8, fqgw.Numeric, fqgw.Text,
		fqgw.Varchar, fqgw.JSON, fqgw.JSONB, fqgw.Bytea, fqgw.UUID, fqgw.Date, fqgw.Time, fqgw.Timestamp, fqgw.Timestamptz} {
		cols = append(cols, fqgw.Column{Name: typ.PgName(), Type: typ}, fqgw.Column{Name: "_" + typ.PgName(), Type: typ.Array(), Field: "arrays.of." + typ.PgName()})
	}
	s := source(cols...)
	d, err := newJSON(s)
	if err != nil {
		t.Fatal(err)
	}
	e, err := (Maker{}).Encoder(s)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		row := make([]fqgw.Value, len(cols))
		for i := range row {
			row[i] = anyValue(r, cols[i].Type)
		}
		b, err := e.Append(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]fqgw.Value, len(cols))
		if err := d.decode(b, got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		for i := range row {
			if !equal(row[i], got[i]) {
				t.Fatalf("%s: %s came back as %s in %s", cols[i].Type, show(row[i]), show(got[i]), b)
			}
		}
	}
}

func TestEncode(t *testing.T) {
	s := source(fqgw.Column{Name: "a", Type: fqgw.Text}, fqgw.Column{Name: "n", Type: fqgw.Int8, Field: "o.n"}, fqgw.Column{Name: "ts", Type: fqgw.Timestamptz})
	s.KeyColumn = 2
	e, err := (Maker{}).Encoder(s)
	if err != nil {
		t.Fatal(err)
	}
	row := []fqgw.Value{fqgw.TextValue("x"), fqgw.IntValue(3), fqgw.TimestampValue(1500000)}
	if b, err := e.Append(nil, row); err != nil || string(b) != `{"a":"x","o":{"n":3},"ts":"1970-01-01T00:00:01.5Z"}` {
		t.Errorf("got %s, %v", b, err)
	}
	if k, _ := e.Key(row); string(k) != "1970-01-01T00:00:01.5Z" {
		t.Errorf("key %s", k)
	}
	if b, err := e.Append(nil, make([]fqgw.Value, 3)); err != nil || string(b) != `{}` {
		t.Errorf("got %s, %v", b, err)
	}
	row[0] = fqgw.TextValue("\xff")
	if _, err := e.Append(nil, row); fqgw.AsError(err).Code != "22021" || fqgw.AsError(err).Column != "a" {
		t.Errorf("got %v", err)
	}
	_, err = (Maker{}).Encoder(source(fqgw.Column{Name: "a", Type: fqgw.JSONB}, fqgw.Column{Name: "b", Type: fqgw.Text, Field: "a.b"}))
	if fqgw.AsError(err).Code != "0A000" {
		t.Errorf("got %v", err)
	}
}
