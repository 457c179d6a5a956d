package decode

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"

	"github.com/fqgw/fqgw"
)

// written is a framed record of a schema, as another library writes it.
func written(t testing.TB, r *registry, schema string, value any) []byte {
	t.Helper()
	theirs, err := avro.Parse(schema)
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	id := r.add(schema)
	b, err := theirs.AppendEncode([]byte{0, 0, 0, byte(id >> 8), byte(id)}, value)
	if err != nil {
		t.Fatalf("%s: %v: %v", schema, value, err)
	}
	return b
}

func avroSource(cols ...fqgw.Column) *fqgw.Source {
	s := source(cols...)
	s.Format, s.Topic = "avro", "clicks"
	return s
}

// one decodes a record of one row.
func one(t testing.TB, d Decoder, b []byte) ([]fqgw.Value, error) {
	t.Helper()
	b = append([]byte(nil), b...)
	changes, err := d.Decode(&fqgw.LogRecord{Value: b}, nil)
	clear(b)
	if len(changes) != 1 {
		if err == nil {
			t.Fatalf("%d changes", len(changes))
		}
		return nil, err
	}
	return changes[0].Row, err
}

// TestAvroTypes: every type of Avro as each type of column that takes it.
func TestAvroTypes(t *testing.T) {
	at := time.Date(2013, 3, 1, 9, 54, 0, 123_456_789, time.UTC)
	const (
		text    = `"string"`
		decimal = `{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`
		date    = `{"type":"int","logicalType":"date"}`
		millis  = `{"type":"long","logicalType":"timestamp-millis"}`
		nanos   = `{"type":"long","logicalType":"timestamp-nanos"}`
		local   = `{"type":"long","logicalType":"local-timestamp-micros"}`
		enum    = `{"type":"enum","name":"e","symbols":["view","buy"]}`
		uuid    = `{"type":"string","logicalType":"uuid"}`
		ints    = `{"type":"array","items":["null","int"]}`
		inner   = `{"type":"record","name":"i","fields":[{"name":"b","type":"int"},{"name":"a","type":["null","string"]}]}`
		id      = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
	)
	varchar := func(n int32) fqgw.Type { return fqgw.Type{OID: fqgw.Varchar.OID, Mod: n + 4} }
	rat := big.NewRat(-123456, 100)
	for _, c := range []struct {
		avro  string
		value any
		typ   fqgw.Type
		want  string // a value, or a SQLSTATE
	}{
		{`"boolean"`, true, fqgw.Bool, "true"}, {`"boolean"`, false, fqgw.Text, "'false'"}, {`"boolean"`, true, fqgw.Int4, "42804"},
		{`"int"`, int32(7), fqgw.Int4, "7"}, {`"int"`, int32(-7), fqgw.Int8, "-7"}, {`"int"`, int32(7), fqgw.Float8, "7"}, {`"int"`, int32(7), fqgw.NumericOf(5, 2), "7.00"},
		{`"int"`, int32(40000), fqgw.Int2, "22003"}, {`"int"`, int32(7), fqgw.Text, "'7'"}, {`"int"`, int32(1), fqgw.Bool, "42804"}, {`"int"`, int32(7), fqgw.JSONB, "'7'"},
		{`"long"`, int64(1) << 62, fqgw.Int8, "4611686018427387904"}, {`"long"`, int64(7), fqgw.Int4, "7"}, {`"long"`, int64(1) << 31, fqgw.Int4, "22003"},
		{`"long"`, int64(1362131640000), fqgw.Timestamptz, "2013-03-01T09:54:00Z"}, {`"long"`, int64(1) << 62, fqgw.Timestamptz, "22008"}, {`"long"`, int64(7), fqgw.Date, "42804"},
		{`"float"`, float32(0.1), fqgw.Float4, "0.10000000149011612"}, {`"float"`, float32(0.5), fqgw.Float8, "0.5"}, {`"float"`, float32(0.1), fqgw.Numeric, "0.1"},
		{`"double"`, 1.5, fqgw.Float8, "1.5"}, {`"double"`, 1e300, fqgw.Float4, "22003"}, {`"double"`, 7.0, fqgw.Int4, "7"}, {`"double"`, 7.5, fqgw.Int4, "22003"}, {`"double"`, 0.1, fqgw.Numeric, "0.1"},
		{text, "zoë", fqgw.Text, "'zoë'"}, {text, "zoë", varchar(2), "22001"}, {text, "a\x00", fqgw.Text, "22021"}, {text, "\xff", fqgw.Text, "22021"}, {text, "7", fqgw.Int4, "7"}, {text, "x", fqgw.Int4, "22P02"},
		{text, "2013-03-01 09:54+00", fqgw.Timestamptz, "2013-03-01T09:54:00Z"}, {text, "now", fqgw.Timestamptz, "22007"}, {text, id, fqgw.UUID, `"` + id + `"`}, {text, "1.50", fqgw.Numeric, "1.50"},
		{text, `{"b":1, "a":[ ]}`, fqgw.JSONB, `'{"a": [], "b": 1}'`}, {text, `{"b":1}`, fqgw.JSON, `'{"b":1}'`}, {text, `{"b"`, fqgw.JSONB, "22P02"}, {text, "{1,NULL}", fqgw.Int4.Array(), "{1,NULL}"},
		{text, "a\xff", fqgw.Bytea, `"\\x61ff"`}, {`"bytes"`, []byte("a\xff"), fqgw.Bytea, `"\\x61ff"`}, {`"bytes"`, []byte("zoë"), fqgw.Text, "'zoë'"}, {`"bytes"`, []byte("\xff"), fqgw.Text, "22021"}, {`"bytes"`, []byte("1"), fqgw.Int4, "42804"},
		{`{"type":"fixed","name":"f","size":2}`, []byte{0, 255}, fqgw.Bytea, `"\\x00ff"`}, {enum, "buy", fqgw.Text, "'buy'"}, {enum, "buy", fqgw.Name, "'buy'"}, {enum, "buy", fqgw.JSONB, `'"buy"'`}, {enum, "buy", fqgw.Bool, "22P02"},
		{decimal, rat, fqgw.NumericOf(9, 2), "-1234.56"}, {decimal, rat, fqgw.Numeric, "-1234.56"}, {decimal, rat, fqgw.NumericOf(9, 1), "-1234.6"}, {decimal, rat, fqgw.NumericOf(4, 2), "22003"}, {decimal, rat, fqgw.Float8, "-1234.56"}, {decimal, rat, fqgw.Int4, "22003"},
		{decimal, big.NewRat(5, 1), fqgw.Int4, "5"}, {decimal, rat, fqgw.Text, "'-1234.56'"}, {`{"type":"fixed","name":"d","size":5,"logicalType":"decimal","precision":9,"scale":2}`, rat, fqgw.Numeric, "-1234.56"},
		{date, at, fqgw.Date, "2013-03-01"}, {date, at, fqgw.Timestamptz, "2013-03-01T00:00:00Z"}, {date, at, fqgw.Text, "'2013-03-01'"}, {date, int32(1<<31 - 1), fqgw.Date, "22008"}, {date, at, fqgw.Int4, "42804"},
		{`{"type":"int","logicalType":"time-millis"}`, 9*time.Hour + 5*time.Millisecond, fqgw.Time, "09:00:00.005"}, {`{"type":"long","logicalType":"time-micros"}`, 9*time.Hour + 5*time.Microsecond, fqgw.Time, "09:00:00.000005"},
		{millis, at, fqgw.Timestamptz, "2013-03-01T09:54:00.123Z"}, {millis, at, fqgw.Timestamp, "2013-03-01T09:54:00.123Z"}, {millis, at, fqgw.Int8, "42804"}, {millis, at, fqgw.Date, "2013-03-01"},
		{`{"type":"long","logicalType":"timestamp-micros"}`, at, fqgw.Timestamptz, "2013-03-01T09:54:00.123456Z"}, {nanos, at, fqgw.Timestamptz, "2013-03-01T09:54:00.123456Z"}, {nanos, time.Unix(0, -1), fqgw.Timestamptz, "1969-12-31T23:59:59.999999Z"},
		{local, at, fqgw.Timestamp, "2013-03-01T09:54:00.123456Z"}, {local, at, fqgw.Timestamptz, "2013-03-01T09:54:00.123456Z"}, {local, at, fqgw.JSONB, `'"2013-03-01T09:54:00.123456"'`}, {millis, at, fqgw.JSONB, `'"2013-03-01T09:54:00.123Z"'`},
		{uuid, id, fqgw.UUID, `"` + id + `"`}, {uuid, id, fqgw.Text, "'" + id + "'"}, {`{"type":"fixed","name":"u","size":16,"logicalType":"uuid"}`, [16]byte{0xa0, 0xee, 15: 0x11}, fqgw.UUID, `"a0ee0000-0000-0000-0000-000000000011"`},
		{`{"type":"fixed","name":"u","size":12,"logicalType":"duration"}`, avro.Duration{Months: 14, Days: 3, Milliseconds: 1500}, fqgw.Text, "'1 year 2 mons 3 days 00:00:01.5'"},
		{ints, []any{int32(1), nil}, fqgw.Int4.Array(), "{1,NULL}"}, {ints, []any{int32(1)}, fqgw.Float8.Array(), "{1}"}, {ints, []any{int32(1)}, fqgw.Text.Array(), "{'1'}"}, {ints, []any{int32(70000)}, fqgw.Int2.Array(), "22003"}, {ints, []any{int32(1), nil}, fqgw.JSONB, "'[1, null]'"}, {ints, []any{}, fqgw.Int4, "42804"},
		{`{"type":"array","items":{"type":"array","items":"int"}}`, []any{[]any{int32(1)}}, fqgw.JSONB, "'[[1]]'"}, {`{"type":"array","items":{"type":"array","items":"int"}}`, []any{[]any{int32(1)}}, fqgw.Int4.Array(), "42804"},
		{inner, map[string]any{"b": int32(1), "a": "x"}, fqgw.JSONB, `'{"a": "x", "b": 1}'`}, {inner, map[string]any{"b": int32(1), "a": nil}, fqgw.JSON, `'{"b":1,"a":null}'`}, {inner, map[string]any{"b": int32(1), "a": "x"}, fqgw.Text, `'{"a": "x", "b": 1}'`}, {inner, map[string]any{"b": int32(1), "a": nil}, fqgw.Int4, "42804"},
		{`{"type":"map","values":"double"}`, map[string]any{"k": 1.5}, fqgw.JSONB, `'{"k": 1.5}'`}, {`"null"`, nil, fqgw.Int4, "NULL"}, {`["null","int"]`, nil, fqgw.Int4, "NULL"}, {`["null","int"]`, int32(7), fqgw.Int4, "7"}, {`["int","string"]`, "8", fqgw.Int4, "8"}, {`["int","string"]`, int32(8), fqgw.Text, "'8'"},
		{`["int","string"]`, "8", fqgw.JSONB, `'"8"'`}, {`["null","string"]`, "8", fqgw.JSONB, "'8'"}, {`["int","boolean"]`, true, fqgw.Int4, "42804"}, {`["int","boolean"]`, int32(3), fqgw.Int4, "3"},
	} {
		what := fmt.Sprintf("%s %v as %s", c.avro, c.value, c.typ)
		r := newRegistry()
		d, err := Maker{Schemas: r}.Decoder(avroSource(fqgw.Column{Name: "x", Type: c.typ}, fqgw.Column{Name: "last", Type: fqgw.Int8}))
		if err != nil {
			t.Fatal(err)
		}
		b := written(t, r, `{"type":"record","name":"r","fields":[{"name":"x","type":`+c.avro+`},{"name":"last","type":"long"}]}`, map[string]any{"x": c.value, "last": int64(42)})
		row, err := one(t, d, b)
		got := show(row[0])
		if err != nil {
			if e := fqgw.AsError(err); e.Column != "x" || !row[0].IsNull() {
				t.Errorf("%s: column %q, %s", what, e.Column, got)
			}
			got = string(fqgw.AsError(err).Code)
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s (%v)", what, got, c.want, err)
		}
		if row[1].Int() != 42 {
			t.Errorf("%s: what follows is %s", what, show(row[1]))
		}
	}
}

// TestAvroPaths: columns lie in nested records, unions and maps, several in one field;
// what has no such path is NULL.
func TestAvroPaths(t *testing.T) {
	const schema = `{"type":"record","name":"order","namespace":"shop","fields":[
		{"name":"skipped","type":{"type":"array","items":{"type":"map","values":["null","bytes","order"]}}},
		{"name":"user","type":["null",{"type":"record","name":"user","fields":[{"name":"id","type":"long"},{"name":"tags","type":{"type":"map","values":["null","string"]}}]}]},
		{"name":"what","type":[{"type":"record","name":"a","fields":[{"name":"n","type":"int"}]},{"type":"record","name":"b","fields":[{"name":"n","type":"string"},{"name":"m","type":"int"}]}]},
		{"name":"next","type":["null","order"]},
		{"name":"n","type":"int"}]}`
	columns := []fqgw.Column{{Name: "id", Type: fqgw.Int8, Field: "user.id"}, {Name: "again", Type: fqgw.Text, Field: "user.id"}, {Name: "all", Type: fqgw.JSONB, Field: "user"},
		{Name: "red", Type: fqgw.Text, Field: "user.tags.red"}, {Name: "n", Type: fqgw.Int4}, {Name: "wn", Type: fqgw.Text, Field: "what.n"}, {Name: "m", Type: fqgw.Int4, Field: "what.m"},
		{Name: "nn", Type: fqgw.Int4, Field: "next.next.n"}, {Name: "none", Type: fqgw.Int4, Field: "n.n"}, {Name: "no", Type: fqgw.Int4}}
	r := newRegistry()
	d, err := Maker{Schemas: r}.Decoder(avroSource(columns...))
	if err != nil {
		t.Fatal(err)
	}
	order := func(n int, user, what, next any) map[string]any {
		return map[string]any{"skipped": []any{map[string]any{"a": nil, "b": []byte("x")}, map[string]any{}}, "user": user, "what": what, "next": next, "n": int32(n)}
	}
	user := map[string]any{"id": int64(7), "tags": map[string]any{"red": "r", "blue": nil}}
	for _, c := range []struct {
		value map[string]any
		want  string
	}{
		{order(1, user, map[string]any{"n": int32(5)}, nil), `7 '7' '{"id": 7, "tags": {"red": "r", "blue": null}}' 'r' 1 '5' NULL NULL NULL NULL`},
		{order(1, nil, map[string]any{"n": "five", "m": int32(6)}, order(2, user, map[string]any{"n": int32(5)}, order(3, nil, map[string]any{"n": int32(5)}, nil))),
			"NULL NULL NULL NULL 1 'five' 6 3 NULL NULL"},
	} {
		row, err := one(t, d, written(t, r, schema, c.value))
		var got []string
		for _, v := range row {
			got = append(got, show(v))
		}
		if all := strings.Join(got, " "); err != nil || all != c.want {
			t.Errorf("\n got %s, %v\nwant %s", all, err, c.want)
		}
	}
}

// TestAvroEvolution: fields come, go, widen and are renamed; each record is read by the
// schema of its writer, which is asked for once.
func TestAvroEvolution(t *testing.T) {
	r := newRegistry()
	d, err := Maker{Schemas: r}.Decoder(avroSource(fqgw.Column{Name: "id", Type: fqgw.Int8}, fqgw.Column{Name: "price", Type: fqgw.Float8},
		fqgw.Column{Name: "name", Type: fqgw.Text, Field: "name|title|label"}))
	if err != nil {
		t.Fatal(err)
	}
	record := func(fields string) string { return `{"type":"record","name":"r","fields":[` + fields + `]}` }
	for range 2 {
		for _, c := range []struct {
			fields string
			value  map[string]any
			want   string
		}{
			{`{"name":"id","type":"int"},{"name":"price","type":"float"},{"name":"name","type":"bytes"}`, map[string]any{"id": int32(1), "price": float32(0.5), "name": []byte("a")}, "1 0.5 'a'"},
			{`{"name":"id","type":"long"},{"name":"price","type":"double"},{"name":"name","type":"string"}`, map[string]any{"id": int64(2), "price": 0.1, "name": "b"}, "2 0.1 'b'"},
			{`{"name":"new","type":"string"},{"name":"id","type":"long"},{"name":"title","type":"string"}`, map[string]any{"id": int64(3), "new": "x", "title": "c"}, "3 NULL 'c'"},
			{`{"name":"nr","type":"long","aliases":["key","id"]},{"name":"label","type":"string"},{"name":"price","type":"int"}`, map[string]any{"nr": int64(4), "label": "d", "price": int32(8)}, "4 8 'd'"},
			{`{"name":"title","type":"string"},{"name":"name","type":"string"}`, map[string]any{"title": "t", "name": "n"}, "NULL NULL 'n'"},
		} {
			row, err := one(t, d, written(t, r, record(c.fields), c.value))
			if err != nil {
				t.Fatal(err)
			}
			if got := show(row[0]) + " " + show(row[1]) + " " + show(row[2]); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		}
	}
	if r.fetches != 5 {
		t.Errorf("asked %d times for 5 schemas", r.fetches)
	}
}

// TestAvroReferences: a schema names types of others, one of them by two ways.
func TestAvroReferences(t *testing.T) {
	r := newRegistry()
	ref := func(name, text string, refs ...fqgw.SchemaReference) fqgw.SchemaReference {
		return fqgw.SchemaReference{Name: name, Schema: &fqgw.RecordSchema{Type: avroSchemas, Text: text, References: refs}}
	}
	money := ref("shop.money", `{"type":"record","name":"shop.money","fields":[{"name":"cents","type":"long"}]}`)
	line := ref("shop.line", `{"type":"record","name":"line","namespace":"shop","fields":[{"name":"price","type":"money"}]}`, money)
	id := r.add(`{"type":"record","name":"order","namespace":"shop","fields":[{"name":"total","type":"shop.money"},{"name":"first","type":"line"}]}`, line, money)
	d, err := Maker{Schemas: r}.Decoder(avroSource(fqgw.Column{Name: "total", Type: fqgw.Int8, Field: "total.cents"}, fqgw.Column{Name: "first", Type: fqgw.JSONB}))
	if err != nil {
		t.Fatal(err)
	}
	row, err := one(t, d, []byte{0, 0, 0, 0, byte(id), 14, 10})
	if err != nil || row[0].Int() != 7 || row[1].Str() != `{"price": {"cents": 5}}` {
		t.Errorf("%v %v", row, err)
	}
}

// TestAvroNotNow: what the registry cannot say is no verdict on the record (class 08),
// also that it does not know an id; what is wrong with a schema or a record is one.
func TestAvroNotNow(t *testing.T) {
	r := newRegistry()
	s := avroSource(fqgw.Column{Name: "x", Type: fqgw.Int8})
	d, err := Maker{Schemas: r}.Decoder(s)
	if err != nil {
		t.Fatal(err)
	}
	code := func(d Decoder, b []byte) string {
		t.Helper()
		changes, err := d.Decode(&fqgw.LogRecord{Value: b}, nil)
		got := string(fqgw.AsError(err).Code)
		if got[:2] == "08" && len(changes) > 0 {
			t.Errorf("%x: %d changes", b, len(changes))
		}
		return got
	}
	record := []byte{0, 0, 0, 0, 1, 14}
	if got := code(d, record); got != "08006" {
		t.Errorf("an unknown id is %s", got)
	}
	r.away = fqgw.Errorf("42501", "permission denied")
	if got := code(d, record); got != "08006" {
		t.Errorf("a registry that refuses is %s", got)
	}
	without, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := code(without, record); got != "08006" {
		t.Errorf("no registry is %s", got)
	}
	r.away = nil
	good := r.add(`{"type":"record","name":"r","fields":[{"name":"x","type":"long"}]}`)
	if row, err := one(t, d, record); err != nil || row[0].Int() != 7 || good != 1 {
		t.Errorf("when it is known: %v %v", row, err)
	}
	bad := []int32{r.add(`{`), r.add(`"long"`), r.add(`{"type":"record","name":"r","fields":[{"name":"x","type":"nosuch"}]}`)}
	other, _ := r.Register(t.Context(), "x", fqgw.RecordSchema{Type: "PROTOBUF", Text: "message x {}"})
	for _, id := range append(bad, other) {
		if got := code(d, []byte{0, 0, 0, 0, byte(id), 14}); got != "22P02" {
			t.Errorf("schema %d is %s", id, got)
		}
	}
	for _, b := range [][]byte{nil, {0}, {1, 0, 0, 0, 1, 14}, []byte(`{"x":1}`), {0, 0, 0, 0, 1}, {0, 0, 0, 0, 1, 14, 0}, {0, 0, 0, 0, 1, 0xff}} {
		if got := code(d, b); got != "22P03" {
			t.Errorf("%x is %s", b, got)
		}
	}
}

// TestAvroBounds: records that are small and say that they are large end soon.
func TestAvroBounds(t *testing.T) {
	deep := `{"type":"record","name":"r","fields":[{"name":"x","type":["null","r"]}]}`
	wide := `{"type":"record","name":"r","fields":[{"name":"x","type":{"type":"array","items":"null"}}]}`
	bomb := `{"type":"record","name":"r","fields":[{"name":"a0","type":{"type":"record","name":"l0","fields":[]}}`
	for i := range 60 {
		bomb += fmt.Sprintf(`,{"name":"a%d","type":{"type":"record","name":"l%d","fields":[{"name":"x","type":"l%d"},{"name":"y","type":"l%d"}]}}`, i+1, i+1, i, i)
	}
	bomb += "]}"
	for _, c := range []struct {
		schema string
		body   []byte
	}{{deep, []byte(strings.Repeat("\x02", 1<<16) + "\x00")}, {wide, []byte{0xfe, 0xff, 0xff, 0xff, 0x0f, 0}}, {bomb, []byte{1}}} {
		for _, typ := range []fqgw.Type{fqgw.JSONB, fqgw.Int4} {
			for _, name := range []string{"x", "y"} {
				s := avroSource(fqgw.Column{Name: name, Type: typ})
				s.Options = map[string]string{"schema": c.schema}
				d, err := New(s)
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				if _, err := one(t, d, c.body); err == nil || time.Since(begun) > 2*time.Second {
					t.Errorf("%.60s: %v after %v", c.schema, err, time.Since(begun))
				}
			}
		}
	}
}
