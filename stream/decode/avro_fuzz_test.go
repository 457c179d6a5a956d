package decode

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"

	"github.com/fqgw/fqgw"
)

// FuzzAvro: random values of random types, as another library writes them, come back as
// what they were, all together and each by its path; no part of a record is one; bytes
// that are no record are refused, and never with a panic.
func FuzzAvro(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, []byte{byte(seed), 0xff, byte(seed >> 4)})
	}
	f.Fuzz(func(t *testing.T, seed uint64, flips []byte) {
		g := &avroRandom{r: rand.New(rand.NewPCG(seed, 0))}
		schema, make := g.record(0)
		theirs, err := avro.Parse(schema)
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		s := source(fqgw.Column{Name: "f0", Type: fqgw.JSONB}, fqgw.Column{Name: "f1", Type: fqgw.JSONB}, fqgw.Column{Name: "f2", Type: fqgw.JSONB},
			fqgw.Column{Name: "x", Type: fqgw.JSONB, Field: "f1.f0"})
		s.Format, s.Options = "avro", map[string]string{"schema": schema}
		d, err := New(s)
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		for range 3 {
			value, want := make()
			b, err := theirs.Encode(value)
			if err != nil {
				t.Fatalf("%s: %v: %v", schema, value, err)
			}
			changes, err := d.Decode(&fqgw.LogRecord{Value: b}, nil)
			if len(b) == 0 {
				continue // no payload
			}
			if err != nil {
				t.Fatalf("%s: %x: %v", schema, b, err)
			}
			var fields map[string]json.RawMessage
			if err := json.Unmarshal([]byte(want), &fields); err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			for i, name := range []string{"f0", "f1", "f2"} {
				sameDocument(t, schema, name, fields[name], changes[0].Row[i])
			}
			var inner map[string]json.RawMessage
			if strings.HasPrefix(string(fields["f1"]), "{") {
				if err := json.Unmarshal(fields["f1"], &inner); err != nil {
					t.Fatal(err)
				}
			}
			sameDocument(t, schema, "f1.f0", inner["f0"], changes[0].Row[3])
			for n := range b {
				if _, err := d.Decode(&fqgw.LogRecord{Value: b[:n]}, nil); err == nil {
					t.Fatalf("%s: %d of the %d bytes %x are a record", schema, n, len(b), b)
				}
			}
			for i, flip := range flips[:min(len(flips), 8)] {
				b[(i*7+int(flip))%len(b)] ^= flip | 1
				if changes, err := d.Decode(&fqgw.LogRecord{Value: b}, nil); len(changes) != 1 || len(changes[0].Row) != 4 {
					t.Fatalf("%s: %x: %d changes, %v", schema, b, len(changes), err)
				}
			}
		}
	})
}

func sameDocument(t *testing.T, schema, field string, want json.RawMessage, got fqgw.Value) {
	t.Helper()
	if want == nil || string(want) == "null" {
		if !got.IsNull() {
			t.Fatalf("%s: %s is %s, not NULL", schema, field, show(got))
		}
		return
	}
	if got.IsNull() || !reflect.DeepEqual(plainJSON(t, want), plainJSON(t, []byte(got.Str()))) {
		t.Fatalf("%s: %s is %s, not %s", schema, field, show(got), want)
	}
}

// avroRandom makes random types, and for each what makes random values of it: as the
// other library takes them, and as JSON.
type avroRandom struct {
	r     *rand.Rand
	names int
}

type avroMake func() (value any, json string)

func (g *avroRandom) name(kind string) string {
	g.names++
	return fmt.Sprintf("%s%d", kind, g.names)
}

func (g *avroRandom) record(depth int) (string, avroMake) {
	name, n := g.name("r"), 3
	if depth > 0 {
		n = g.r.IntN(4)
	}
	var fields []string
	var makes []avroMake
	for i := range n {
		typ, m := g.typ(depth + 1)
		makes = append(makes, m)
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":%s}`, i, typ))
	}
	return fmt.Sprintf(`{"type":"record","name":"%s","fields":[%s]}`, name, strings.Join(fields, ",")), func() (any, string) {
		value, texts := map[string]any{}, []string{}
		for i, m := range makes {
			v, text := m()
			name := fmt.Sprint("f", i)
			value[name] = v
			texts = append(texts, strconv.Quote(name)+":"+text)
		}
		return value, "{" + strings.Join(texts, ",") + "}"
	}
}

func (g *avroRandom) text() string {
	return strings.Repeat([]string{"a", "é", "\"", "日", "\\", "\n", "😀", "", "A", "/"}[g.r.IntN(10)], g.r.IntN(4)) + strings.Repeat("x", g.r.IntN(40)/20*40)
}

func (g *avroRandom) typ(depth int) (string, avroMake) {
	n := 22
	if depth > 3 {
		n = 17
	}
	at := func() time.Time { return time.UnixMicro(g.r.Int64N(8e15) - 4e15).UTC() }
	switch g.r.IntN(n) {
	case 0:
		return `"null"`, func() (any, string) { return nil, "null" }
	case 1:
		return `"boolean"`, func() (any, string) { b := g.r.IntN(2) == 0; return b, strconv.FormatBool(b) }
	case 2:
		return `"int"`, func() (any, string) { i := int32(g.r.Uint32()) >> g.r.IntN(32); return i, fmt.Sprint(i) }
	case 3:
		return `"long"`, func() (any, string) { i := int64(g.r.Uint64()) >> g.r.IntN(64); return i, fmt.Sprint(i) }
	case 4:
		return `"float"`, func() (any, string) { f := float32(g.r.NormFloat64()); return f, fmt.Sprint(f) }
	case 5:
		return `"double"`, func() (any, string) { f := g.r.NormFloat64() * 1e10; return f, fmt.Sprint(f) }
	case 6:
		typ := `"string"`
		if depth < 3 { // which is read as a column, where it would be the text of a document
			typ = `["string","int"]`
		}
		return typ, func() (any, string) { s := g.text(); q, _ := json.Marshal(s); return s, string(q) }
	case 7:
		return `"bytes"`, func() (any, string) { b := []byte(g.text()); return b, `"\\x` + hex.EncodeToString(b) + `"` }
	case 8:
		return fmt.Sprintf(`{"type":"enum","name":"%s","symbols":["a","b","c"]}`, g.name("e")), func() (any, string) {
			s := string(rune('a' + g.r.IntN(3)))
			return s, strconv.Quote(s)
		}
	case 9:
		size := g.r.IntN(5)
		return fmt.Sprintf(`{"type":"fixed","name":"%s","size":%d}`, g.name("x"), size), func() (any, string) {
			b := make([]byte, size)
			for i := range b {
				b[i] = byte(g.r.Uint32())
			}
			return b, `"\\x` + hex.EncodeToString(b) + `"`
		}
	case 10:
		return `{"type":"int","logicalType":"date"}`, func() (any, string) {
			d := at().Truncate(24 * time.Hour)
			return d, d.Format(`"2006-01-02"`)
		}
	case 11:
		return `{"type":"long","logicalType":"timestamp-micros"}`, func() (any, string) { d := at(); return d, d.Format(`"2006-01-02T15:04:05.999999Z"`) }
	case 12:
		return `{"type":"long","logicalType":"timestamp-millis"}`, func() (any, string) {
			d := at().Truncate(time.Millisecond)
			return d, d.Format(`"2006-01-02T15:04:05.999Z"`)
		}
	case 13:
		return `{"type":"long","logicalType":"local-timestamp-micros"}`, func() (any, string) { d := at(); return d, d.Format(`"2006-01-02T15:04:05.999999"`) }
	case 14:
		return `{"type":"long","logicalType":"time-micros"}`, func() (any, string) {
			d := time.Duration(g.r.Int64N(86_400_000_000)) * time.Microsecond
			return d, time.Unix(0, int64(d)).UTC().Format(`"15:04:05.999999"`)
		}
	case 15:
		return `{"type":"bytes","logicalType":"decimal","precision":30,"scale":3}`, func() (any, string) {
			n := new(big.Int).Mul(big.NewInt(int64(g.r.Uint64())>>g.r.IntN(64)), big.NewInt(int64(g.r.Uint32()>>g.r.IntN(32))))
			r := new(big.Rat).SetFrac(n, big.NewInt(1000))
			return r, r.FloatString(3)
		}
	case 16:
		return `{"type":"string","logicalType":"uuid"}`, func() (any, string) {
			s := fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", g.r.Uint32(), g.r.Uint32()&0xffff, g.r.Uint32()&0xffff, g.r.Uint32()&0xffff, g.r.Uint64()&0xffffffffffff)
			return s, strconv.Quote(s)
		}
	case 17:
		typ, m := g.typ(depth + 1)
		return fmt.Sprintf(`{"type":"array","items":%s}`, typ), func() (any, string) {
			values, texts := []any{}, []string{}
			for range g.r.IntN(4) {
				v, text := m()
				values, texts = append(values, v), append(texts, text)
			}
			return values, "[" + strings.Join(texts, ",") + "]"
		}
	case 18:
		typ, m := g.typ(depth + 1)
		return fmt.Sprintf(`{"type":"map","values":%s}`, typ), func() (any, string) {
			values, texts := map[string]any{}, []string{}
			for i := range g.r.IntN(4) {
				v, text := m()
				values[fmt.Sprint("f", i)] = v
				texts = append(texts, fmt.Sprintf(`"f%d":%s`, i, text))
			}
			return values, "{" + strings.Join(texts, ",") + "}"
		}
	case 19, 20:
		branches := []avroMake{
			func() (any, string) { return nil, "null" },
			func() (any, string) { i := int64(g.r.Uint64()) >> g.r.IntN(64); return i, fmt.Sprint(i) },
			func() (any, string) { b := g.r.IntN(2) == 0; return b, strconv.FormatBool(b) },
			func() (any, string) { s := g.text(); q, _ := json.Marshal(s); return s, string(q) },
		}
		return `["null","long","boolean","string"]`, func() (any, string) { return branches[g.r.IntN(4)]() }
	}
	return g.record(depth + 1)
}
