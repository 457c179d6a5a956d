package decode

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode/internal/protobuf"
)

// protoFile is a schema as another compiler reads it.
func protoFile(t testing.TB, text string, imports map[string]string) protoreflect.FileDescriptor {
	t.Helper()
	files := map[string]string{"own.proto": text}
	for name, text := range imports {
		files[name] = text
	}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(files)})}
	out, err := c.Compile(context.Background(), "own.proto")
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out[0]
}

// protoBody is a message, which is written in Protobuf's text format, as the reference
// implementation marshals it.
func protoBody(t testing.TB, f protoreflect.FileDescriptor, message, value string) []byte {
	t.Helper()
	m := dynamicpb.NewMessage(protoMessageOf(f, message))
	if err := (prototext.UnmarshalOptions{AllowPartial: true}).Unmarshal([]byte(value), m); err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	b, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func protoMessageOf(f protoreflect.FileDescriptor, path string) protoreflect.MessageDescriptor {
	var m protoreflect.MessageDescriptor
	all := f.Messages()
	for name := range strings.SplitSeq(path, ".") {
		m = all.ByName(protoreflect.Name(name))
		all = m.Messages()
	}
	return m
}

// protoFrame is a record of a schema of the registry.
func protoFrame(id int32, indexes []int, body []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
	if len(indexes) == 1 && indexes[0] == 0 {
		return append(append(b, 0), body...)
	}
	b = binary.AppendVarint(b, int64(len(indexes)))
	for _, i := range indexes {
		b = binary.AppendVarint(b, int64(i))
	}
	return append(b, body...)
}

func protoSource(schema, message string, cols ...fqgw.Column) *fqgw.Source {
	s := source(cols...)
	s.Format, s.Topic, s.Options = "protobuf", "clicks", map[string]string{}
	if schema != "" {
		s.Options = map[string]string{"schema": schema, "message": message}
	}
	return s
}

const protoHead = `syntax = "proto3"; package shop;
	import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/wrappers.proto";
	import "google/protobuf/struct.proto"; import "google/type/date.proto"; import "google/type/timeofday.proto"; import "confluent/type/decimal.proto";
	enum Kind { VIEW = 0; BUY = 1; FAR = 1000; } message Inner { int32 b = 1; optional string a = 2; Inner next = 3; repeated Kind kinds = 4; }
`

// protoCommon are files of common as other compilers need them.
var protoCommon = map[string]string{
	"google/type/date.proto":       `syntax = "proto3"; package google.type; message Date { int32 year = 1; int32 month = 2; int32 day = 3; }`,
	"google/type/timeofday.proto":  `syntax = "proto3"; package google.type; message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }`,
	"confluent/type/decimal.proto": `syntax = "proto3"; package confluent.type; message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }`,
}

// TestProtobufTypes: every type of Protobuf as each type of column that takes it.
func TestProtobufTypes(t *testing.T) {
	varchar := fqgw.Type{OID: fqgw.Varchar.OID, Mod: 2 + 4}
	const stamp = "google.protobuf.Timestamp"
	for _, c := range []struct {
		field, value string // of the field x
		typ          fqgw.Type
		want         string // a value, or a SQLSTATE
	}{
		{"bool", "x: true", fqgw.Bool, "true"}, {"bool", "", fqgw.Bool, "false"}, {"optional bool", "", fqgw.Bool, "NULL"}, {"optional bool", "x: false", fqgw.Bool, "false"}, {"bool", "x: true", fqgw.Text, "'true'"}, {"bool", "x: true", fqgw.Int4, "42804"},
		{"int32", "x: -7", fqgw.Int4, "-7"}, {"int32", "", fqgw.Int4, "0"}, {"int32", "x: 40000", fqgw.Int2, "22003"}, {"int32", "x: -7", fqgw.Int8, "-7"}, {"int32", "x: 7", fqgw.NumericOf(5, 2), "7.00"}, {"int32", "x: 7", fqgw.Text, "'7'"}, {"int32", "x: 7", fqgw.JSONB, "'7'"},
		{"sint32", "x: -2147483648", fqgw.Int4, "-2147483648"}, {"sfixed32", "x: -7", fqgw.Int4, "-7"}, {"uint32", "x: 4294967295", fqgw.Int8, "4294967295"}, {"fixed32", "x: 4294967295", fqgw.Int8, "4294967295"}, {"uint32", "x: 4294967295", fqgw.Int4, "22003"},
		{"int64", "x: -9223372036854775808", fqgw.Int8, "-9223372036854775808"}, {"sint64", "x: -9223372036854775808", fqgw.Int8, "-9223372036854775808"}, {"sfixed64", "x: -1", fqgw.Int8, "-1"}, {"int64", "x: 7", fqgw.Float8, "7"},
		{"int64", "x: 1362131640000", fqgw.Timestamptz, "2013-03-01T09:54:00Z"}, {"int64", "x: 4611686018427387904", fqgw.Timestamptz, "22008"}, {"int64", "x: 7", fqgw.Date, "42804"}, {"uint64", "x: 18446744073709551615", fqgw.Timestamptz, "22008"},
		{"uint64", "x: 18446744073709551615", fqgw.Numeric, "18446744073709551615"}, {"uint64", "x: 18446744073709551615", fqgw.Int8, "22003"}, {"fixed64", "x: 18446744073709551615", fqgw.Text, "'18446744073709551615'"}, {"uint64", "x: 9223372036854775807", fqgw.Int8, "9223372036854775807"},
		{"uint64", "x: 18446744073709551615", fqgw.JSONB, "'18446744073709551615'"}, {"uint64", "x: 7", fqgw.NumericOf(20, 0), "7"}, {"uint64", "", fqgw.Int4, "0"},
		{"float", "x: 0.1", fqgw.Float4, "0.10000000149011612"}, {"float", "x: 0.1", fqgw.Numeric, "0.1"}, {"float", "x: nan", fqgw.Float4, `"NaN"`}, {"double", "x: 1.5", fqgw.Float8, "1.5"}, {"double", "x: 1e300", fqgw.Float4, "22003"}, {"double", "x: 7.5", fqgw.Int4, "22003"}, {"double", "x: 7", fqgw.Int4, "7"}, {"double", "x: inf", fqgw.JSONB, `'"Infinity"'`},
		{"string", "x: 'zoë'", fqgw.Text, "'zoë'"}, {"string", "", fqgw.Text, "''"}, {"optional string", "", fqgw.Text, "NULL"}, {"string", "x: 'zoë'", varchar, "22001"}, {"string", "x: 'a\\000'", fqgw.Text, "22021"}, {"string", "x: '7'", fqgw.Int4, "7"}, {"string", "", fqgw.Int4, "22P02"},
		{"string", "x: '2013-03-01 09:54+00'", fqgw.Timestamptz, "2013-03-01T09:54:00Z"}, {"string", "x: 'now'", fqgw.Timestamptz, "22007"}, {"string", `x: '{"b":1, "a":[ ]}'`, fqgw.JSONB, `'{"a": [], "b": 1}'`}, {"string", "x: '{1,NULL}'", fqgw.Int4.Array(), "{1,NULL}"}, {"string", "x: 'ab'", fqgw.Bytea, `"\\x6162"`},
		{"bytes", "x: 'a\\377'", fqgw.Bytea, `"\\x61ff"`}, {"bytes", "x: 'zoë'", fqgw.Text, "'zoë'"}, {"bytes", "x: '\\377'", fqgw.Text, "22021"}, {"bytes", "x: '1'", fqgw.Int4, "42804"}, {"bytes", "", fqgw.Bytea, `"\\x"`}, {"bytes", "x: 'a\\377'", fqgw.JSONB, `'"\\x61ff"'`},
		{"Kind", "x: BUY", fqgw.Text, "'BUY'"}, {"Kind", "", fqgw.Text, "'VIEW'"}, {"Kind", "x: FAR", fqgw.Text, "'FAR'"}, {"Kind", "x: 7", fqgw.Text, "'7'"}, {"Kind", "x: -1", fqgw.Text, "'-1'"}, {"Kind", "x: 7", fqgw.Int4, "7"}, {"Kind", "x: BUY", fqgw.Int4, "22P02"}, {"Kind", "x: BUY", fqgw.JSONB, `'"BUY"'`},
		{"Inner", "x { b: 1 a: 'x' }", fqgw.JSONB, `'{"a": "x", "b": 1, "kinds": []}'`}, {"Inner", "x {}", fqgw.JSON, `'{"b":0,"kinds":[]}'`}, {"Inner", "", fqgw.JSONB, "NULL"}, {"Inner", "x { next { kinds: [BUY, 9] } }", fqgw.JSONB, `'{"b": 0, "next": {"b": 0, "kinds": ["BUY", "9"]}, "kinds": []}'`}, {"Inner", "x {}", fqgw.Int4, "42804"}, {"Inner", "x {}", fqgw.Text, `'{"b": 0, "kinds": []}'`},
		{"repeated int32", "x: [1, 2, 300]", fqgw.Int4.Array(), "{1,2,300}"}, {"repeated int32", "", fqgw.Int4.Array(), "{}"}, {"repeated int32", "x: [1, 70000]", fqgw.Int2.Array(), "22003"}, {"repeated int32", "x: 1", fqgw.Float8.Array(), "{1}"}, {"repeated int32", "x: [1, 2]", fqgw.JSONB, "'[1, 2]'"}, {"repeated int32", "x: 1", fqgw.Int4, "42804"}, {"repeated int32", "x: [1, 2]", fqgw.Text, "'[1, 2]'"},
		{"repeated string", "x: ['a', '']", fqgw.Text.Array(), "{'a',''}"}, {"repeated Kind", "x: [BUY, VIEW]", fqgw.Text.Array(), "{'BUY','VIEW'}"}, {"repeated double", "x: [1.5, 2]", fqgw.Float8.Array(), "{1.5,2}"}, {"repeated sfixed64", "x: -5", fqgw.Int8.Array(), "{-5}"}, {"repeated uint64", "x: 18446744073709551615", fqgw.Int8.Array(), "22003"},
		{"repeated uint64", "x: [18446744073709551615, 7]", fqgw.Numeric.Array(), "{18446744073709551615,7}"}, {"repeated Inner", "x { b: 1 } x {}", fqgw.JSONB, `'[{"b": 1, "kinds": []}, {"b": 0, "kinds": []}]'`}, {"repeated " + stamp, "x { seconds: 1362131640 }", fqgw.Timestamptz.Array(), "{2013-03-01T09:54:00Z}"},
		{"map<string, int32>", "x { key: 'b' value: 1 } x { key: 'a' }", fqgw.JSONB, `'{"a": 0, "b": 1}'`}, {"map<int64, Inner>", "x { key: -7 value { b: 1 } }", fqgw.JSONB, `'{"-7": {"b": 1, "kinds": []}}'`}, {"map<bool, string>", "", fqgw.JSONB, "'{}'"}, {"map<string, int32>", "", fqgw.Int4, "42804"},
		{stamp, "x { seconds: 1362131640 nanos: 123456789 }", fqgw.Timestamptz, "2013-03-01T09:54:00.123456Z"}, {stamp, "x { seconds: -1 nanos: 999999999 }", fqgw.Timestamptz, "1969-12-31T23:59:59.999999Z"}, {stamp, "", fqgw.Timestamptz, "NULL"}, {stamp, "x {}", fqgw.Timestamp, "1970-01-01T00:00:00Z"},
		{stamp, "x { seconds: 9223372036854775807 }", fqgw.Timestamptz, "22008"}, {stamp, "x { seconds: 1362131640 }", fqgw.Date, "2013-03-01"}, {stamp, "x { seconds: 1362131640 }", fqgw.JSONB, `'"2013-03-01T09:54:00Z"'`}, {stamp, "x {}", fqgw.Int8, "42804"},
		{"google.protobuf.Duration", "x { seconds: 3661 nanos: 500000000 }", fqgw.Text, "'01:01:01.5'"}, {"google.protobuf.Duration", "x { seconds: -1 nanos: -500000000 }", fqgw.Text, "'-00:00:01.5'"}, {"google.protobuf.Duration", "x { seconds: 9223372036854775807 }", fqgw.Text, "22008"},
		{"google.protobuf.Int32Value", "", fqgw.Int4, "NULL"}, {"google.protobuf.Int32Value", "x {}", fqgw.Int4, "0"}, {"google.protobuf.Int32Value", "x { value: 7 }", fqgw.Int8, "7"}, {"google.protobuf.StringValue", "x { value: 'a' }", fqgw.Text, "'a'"}, {"google.protobuf.UInt64Value", "x { value: 18446744073709551615 }", fqgw.Int8, "22003"}, {"google.protobuf.BoolValue", "x { value: true }", fqgw.JSONB, "'true'"},
		{"google.protobuf.Struct", `x { fields { key: "a" value { list_value { values { number_value: 1.5 } values { null_value: NULL_VALUE } values { string_value: "s" } values { bool_value: true } } } } }`, fqgw.JSONB, `'{"a": [1.5, null, "s", true]}'`},
		{"google.protobuf.Value", "x { struct_value {} }", fqgw.JSONB, "'{}'"}, {"google.protobuf.Value", "x {}", fqgw.JSONB, "'null'"}, {"google.protobuf.ListValue", "x { values { number_value: 1 } }", fqgw.JSONB, "'[1]'"}, {"google.protobuf.Value", "", fqgw.JSONB, "NULL"},
		{"google.type.Date", "x { year: 2013 month: 3 day: 1 }", fqgw.Date, "2013-03-01"}, {"google.type.Date", "x { year: 2013 month: 2 day: 30 }", fqgw.Date, "22008"}, {"google.type.Date", "x { year: 2013 }", fqgw.Date, "22008"}, {"google.type.Date", "x { year: 33 month: 12 day: 31 }", fqgw.Text, "'0033-12-31'"}, {"google.type.TimeOfDay", "x { hours: 9 nanos: 5000 }", fqgw.Time, "09:00:00.000005"},
		{"confluent.type.Decimal", "x { value: '\\376\\035\\300' scale: 2 }", fqgw.Numeric, "-1234.56"}, {"confluent.type.Decimal", "x { value: '\\005' }", fqgw.Int4, "5"}, {"confluent.type.Decimal", "x { value: '\\005' scale: 2147483647 }", fqgw.Numeric, "22003"},
	} {
		what := fmt.Sprintf("%s %s as %s", c.field, c.value, c.typ)
		schema := protoHead + "message Record { " + c.field + " x = 17; int64 last = 1000; }"
		d, err := New(protoSource(schema, "Record", fqgw.Column{Name: "x", Type: c.typ}, fqgw.Column{Name: "last", Type: fqgw.Int8}))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		row, err := one(t, d, protoBody(t, protoFile(t, schema, protoCommon), "Record", c.value+" last: 42"))
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

// TestProtobufPaths: columns lie in nested messages, oneofs and maps, several in one
// field; what is not there is a default or NULL.
func TestProtobufPaths(t *testing.T) {
	const schema = `syntax = "proto3"; message Order {
		message User { int64 id = 1; map<string, string> tags = 2; map<int32, User> by = 3; optional string nick = 4; }
		repeated Order skipped = 1; User user = 2; int32 n = 3; Order next = 4;
		oneof what { User buyer = 5; string name = 6; int32 number = 7; Order of = 8; } repeated int32 ns = 9; }`
	columns := []fqgw.Column{{Name: "id", Type: fqgw.Int8, Field: "user.id"}, {Name: "again", Type: fqgw.Text, Field: "user.id"}, {Name: "all", Type: fqgw.JSONB, Field: "user"},
		{Name: "red", Type: fqgw.Text, Field: "user.tags.red"}, {Name: "n", Type: fqgw.Int4}, {Name: "nick", Type: fqgw.Text, Field: "user.nick"}, {Name: "by", Type: fqgw.Int8, Field: "user.by.-7.id"},
		{Name: "nn", Type: fqgw.Int4, Field: "next.next.n"}, {Name: "buyer", Type: fqgw.Int8, Field: "buyer.id"}, {Name: "name", Type: fqgw.Text}, {Name: "no", Type: fqgw.Int4}, {Name: "in", Type: fqgw.Int4, Field: "skipped.n"}, {Name: "ns", Type: fqgw.Int4.Array()}}
	d, err := New(protoSource(schema, "", columns...))
	if err != nil {
		t.Fatal(err)
	}
	f := protoFile(t, schema, nil)
	body := func(values ...string) (out []byte) {
		for _, v := range values {
			out = append(out, protoBody(t, f, "Order", v)...)
		}
		return out
	}
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{body(""), "NULL NULL NULL NULL 0 NULL NULL NULL NULL NULL NULL NULL {}"},
		{body("user {} next { next {} } buyer {}"), `0 '0' '{"by": {}, "id": 0, "tags": {}}' NULL 0 NULL NULL 0 0 NULL NULL NULL {}`},
		{body("user { id: 7 nick: '' tags { key: 'red' value: 'r' } } n: 3 name: ''"), `7 '7' '{"by": {}, "id": 7, "nick": "", "tags": {"red": "r"}}' 'r' 3 '' NULL NULL NULL '' NULL NULL {}`},
		{body("user { id: 7 tags { key: 'red' value: 'r' } }", "user { nick: 'z' tags { key: 'red' } by { key: -7 value { id: 9 } } }"), `7 '7' '{"by": {"-7": {"by": {}, "id": 9, "tags": {}}}, "id": 7, "nick": "z", "tags": {"red": ""}}' '' 0 'z' 9 NULL NULL NULL NULL NULL {}`},
		{body("user { by { key: -7 value { id: 9 } } }", "user { by { key: -7 value {} } by { key: 7 value { id: 8 } } }"), `0 '0' '{"by": {"7": {"by": {}, "id": 8, "tags": {}}, "-7": {"by": {}, "id": 0, "tags": {}}}, "id": 0, "tags": {}}' NULL 0 NULL 0 NULL NULL NULL NULL NULL {}`},
		{body("buyer { id: 5 }", "name: 'n'"), "NULL NULL NULL NULL 0 NULL NULL NULL NULL 'n' NULL NULL {}"}, {body("name: 'n'", "number: 1"), "NULL NULL NULL NULL 0 NULL NULL NULL NULL NULL NULL NULL {}"},
		{body("buyer { id: 5 }", "name: 'n'", "buyer {}"), "NULL NULL NULL NULL 0 NULL NULL NULL 0 NULL NULL NULL {}"}, {body("buyer { id: 5 }", "buyer {}"), "NULL NULL NULL NULL 0 NULL NULL NULL 5 NULL NULL NULL {}"},
		{body("n: 1 ns: 1 next { next { n: 4 } }", "n: 2 ns: [2, 3] next { next { ns: 1 } } skipped { n: 1 }"), "NULL NULL NULL NULL 2 NULL NULL 4 NULL NULL NULL NULL {1,2,3}"},
		{append(body("ns: [1, 2]"), 9<<3, 3, 9<<3, 4, 3<<3|2, 1, 'x', 15<<3|3, 8, 1, 15<<3|4), "NULL NULL NULL NULL 0 NULL NULL NULL NULL NULL NULL NULL {1,2,3,4}"}, // unpacked; another type; a group
	} {
		row, err := one(t, d, c.b)
		var got []string
		for _, v := range row {
			got = append(got, show(v))
		}
		if g := strings.Join(got, " "); err != nil || g != c.want {
			t.Errorf("%x is\n%s, %v, not\n%s", c.b, g, err, c.want)
		}
	}
	for _, bad := range [][]byte{{0}, {3 << 3}, {3<<3 | 2, 5, 1}, {3<<3 | 4}, {3<<3 | 3}, {3<<3 | 7}, {2<<3 | 2, 1, 8}, {0x80}, {2<<3 | 2, 2, 2<<3 | 2, 7}} {
		if row, err := one(t, d, bad); fqgw.AsError(err).Code != fqgw.CodeInvalidBinary {
			t.Errorf("%x is %v, %v", bad, row, err)
		}
	}
}

// TestProtobufProto2: fields of proto2 have presence, and defaults of their own; a group
// is a message.
func TestProtobufProto2(t *testing.T) {
	const schema = `syntax = "proto2"; message M { optional int32 a = 1; optional int32 b = 2 [default = -7]; optional string c = 3 [default = "x"]; optional sint64 d = 4 [default = -9];
		optional double e = 5 [default = 1.5]; optional K k = 6 [default = BUY]; required bool f = 7; repeated int32 g = 8; optional group Grp = 9 { optional int32 n = 1; } optional bytes h = 10 [default = "\001"]; extensions 100 to 200;
		repeated group Many = 11 { optional int32 n = 1; } }
		enum K { VIEW = 1; BUY = 2; } extend M { optional int32 ext = 100; }`
	s := protoSource(schema, "")
	for _, c := range []struct {
		name string
		typ  fqgw.Type
	}{{"a", fqgw.Int4}, {"b", fqgw.Int4}, {"c", fqgw.Text}, {"d", fqgw.Int8}, {"e", fqgw.Float8}, {"k", fqgw.Text}, {"f", fqgw.Bool}, {"g", fqgw.Int4.Array()}, {"grp.n", fqgw.Int4}, {"grp", fqgw.JSONB}, {"h", fqgw.Bytea}, {"many", fqgw.JSONB}} {
		s.Columns = append(s.Columns, fqgw.Column{Name: c.name, Type: c.typ, Field: c.name})
	}
	d, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	f := protoFile(t, schema, nil)
	for value, want := range map[string]string{
		"": `NULL -7 'x' -9 1.5 'BUY' NULL {} NULL NULL "\\x01" '[]'`,
		"a: 0 b: 0 c: '' d: 0 e: 0 k: VIEW f: false g: [1, 2] Grp { n: 5 } h: '' Many { n: 1 } Many {}": `0 0 '' 0 0 'VIEW' false {1,2} 5 '{"n": 5}' "\\x" '[{"n": 1}, {}]'`,
	} {
		row, err := one(t, d, append(protoBody(t, f, "M", value), 0xa0, 0x06, 3)) // and an extension
		var got []string
		for _, v := range row {
			got = append(got, show(v))
		}
		if g := strings.Join(got, " "); err != nil || g != want {
			t.Errorf("%s is\n%s, %v, not\n%s", value, g, err, want)
		}
	}
}

// TestProtobufRegistry: records are read by the message that their frame names, of
// schemas that refer to others; each schema is asked for once, and a registry that is
// away is no verdict.
func TestProtobufRegistry(t *testing.T) {
	r := newRegistry()
	common := `syntax = "proto3"; package common; message Money { int64 units = 1; string currency = 2; }`
	first := `syntax = "proto3"; package shop; import "common.proto"; import "confluent/meta.proto"; import "google/protobuf/timestamp.proto";
		option (confluent.file_meta) = { doc: "orders" };
		message Other { int32 n = 1; } message Order { message Line { int32 n = 1 [(confluent.field_meta).doc = "a"]; } int64 id = 1; common.Money price = 2; google.protobuf.Timestamp at = 3; }`
	theirs := strings.Replace(strings.Replace(first, ` [(confluent.field_meta).doc = "a"]`, "", 1), `option (confluent.file_meta) = { doc: "orders" };`, "", 1)
	theirs = strings.Replace(theirs, `import "confluent/meta.proto";`, "", 1)
	register := func(text string, refs ...fqgw.SchemaReference) int32 {
		id, _ := r.Register(context.Background(), "clicks-value", fqgw.RecordSchema{Type: protobuf.Type, Text: text, References: refs})
		return id
	}
	id := register(first, fqgw.SchemaReference{Name: "common.proto", Schema: &fqgw.RecordSchema{Type: protobuf.Type, Text: common}})
	f := protoFile(t, theirs, map[string]string{"common.proto": common})
	s := protoSource("", "", fqgw.Column{Name: "id", Type: fqgw.Int8}, fqgw.Column{Name: "units", Type: fqgw.Int8, Field: "price.units|cents"},
		fqgw.Column{Name: "n", Type: fqgw.Int4}, fqgw.Column{Name: "at", Type: fqgw.Timestamptz})
	d, err := Maker{Schemas: r}.Decoder(s)
	if err != nil {
		t.Fatal(err)
	}
	read := func(b []byte) string {
		row, err := one(t, d, b)
		if err != nil {
			return string(fqgw.AsError(err).Code)
		}
		var got []string
		for _, v := range row {
			got = append(got, show(v))
		}
		return strings.Join(got, " ")
	}
	order := protoFrame(id, []int{1}, protoBody(t, f, "Order", "id: 7 price { units: 5 } at { seconds: 1 }"))
	r.away = fqgw.Errorf(fqgw.CodeConnectionFailure, "away")
	if got := read(order); got != "08006" {
		t.Errorf("a registry that is away: %s", got)
	}
	r.away = nil
	line, other := protoFrame(id, []int{1, 0}, protoBody(t, f, "Order.Line", "n: 3")), protoFrame(id, []int{0}, protoBody(t, f, "Other", "n: 4"))
	before := r.fetches
	for range 2 {
		for _, c := range []struct {
			b    []byte
			want string
		}{
			{order, "7 5 NULL 1970-01-01T00:00:01Z"}, {line, "NULL NULL 3 NULL"}, {other, "NULL NULL 4 NULL"}, {append([]byte{0, 0, 0, 0, byte(id), 2, 0}, other[6:]...), "NULL NULL 4 NULL"},
			{protoFrame(id, []int{0}, nil), "NULL NULL 0 NULL"}, {protoFrame(id, []int{2}, nil), "22P03"}, {protoFrame(id, []int{0, 0}, nil), "22P03"}, {order[:5], "22P03"}, {order[:6], "22P03"}, {append([]byte{0, 0, 0, 0, byte(id)}, 0x81), "22P03"},
			{nil, "22P03"}, {[]byte{1, 0, 0, 0, 1, 0}, "22P03"},
		} {
			if got := read(c.b); got != c.want {
				t.Errorf("%x is %s, not %s", c.b, got, c.want)
			}
		}
	}
	if r.fetches != before+1 {
		t.Errorf("%d schemas were asked for", r.fetches-before)
	}
	// The writer goes on with fields renamed, renumbered, of another type, and without one.
	second := `syntax = "proto3"; message Order { string id = 9; int32 cents = 2; }`
	id2 := register(second)
	b := protoFrame(id2, []int{0}, protoBody(t, protoFile(t, second, nil), "Order", "id: '8' cents: 3"))
	if got := read(b) + ", " + read(order) + ", " + read(b); got != "8 3 NULL NULL, 7 5 NULL 1970-01-01T00:00:01Z, 8 3 NULL NULL" {
		t.Errorf("two schemas in turn: %s", got)
	}
	if got := read(protoFrame(99, []int{0}, nil)); got != "08006" {
		t.Errorf("an id that the registry does not know: %s", got)
	}
	if got := read(protoFrame(register("message"), []int{0}, nil)) + " " + read(protoFrame(r.add(clicks), []int{0}, nil)); got != "22P02 22P02" {
		t.Errorf("schemas that are none: %s", got)
	}
	cols, err := SchemaColumns(s, r.byID[id2], nil)
	if got := fmt.Sprint(cols); err != nil || len(cols) != 2 || cols[0].Type != fqgw.Text || cols[1].Type != fqgw.Int4 {
		t.Errorf("the columns are %s, %v", got, err)
	}
	s.Options["message"] = "Order"
	if cols, err = SchemaColumns(s, r.byID[id], map[string]string{"units": "price.units"}); err != nil || len(cols) != 4 || cols[1].Type != fqgw.JSONB ||
		cols[2].Type != fqgw.Timestamptz || cols[3].Type != fqgw.Int8 {
		t.Errorf("the columns of a message are %v, %v", cols, err)
	}
	if _, err = SchemaColumns(s, r.byID[id], map[string]string{"units": "id.units"}); fqgw.AsError(err).Code != fqgw.CodeUndefinedColumn {
		t.Errorf("a path that the message does not have: %v", err)
	}
}

// TestProtobufDescriptors: a schema may be a descriptor set, with what it imports or
// without what every compiler has.
func TestProtobufDescriptors(t *testing.T) {
	const schema = `syntax = "proto3"; package p; import "google/protobuf/timestamp.proto"; message A { int32 n = 1; } message B { google.protobuf.Timestamp at = 1; A a = 2; }`
	f := protoFile(t, schema, nil)
	stamp := f.Imports().Get(0).FileDescriptor
	for _, files := range [][]*descriptorpb.FileDescriptorProto{{protodesc.ToFileDescriptorProto(stamp), protodesc.ToFileDescriptorProto(f)}, {protodesc.ToFileDescriptorProto(f)}} {
		b, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: files})
		if err != nil {
			t.Fatal(err)
		}
		text := base64.StdEncoding.EncodeToString(b)
		for _, message := range []string{"p.B", "B"} {
			d, err := New(protoSource(text[:20]+"\n"+text[20:], message, fqgw.Column{Name: "at", Type: fqgw.Timestamptz}, fqgw.Column{Name: "n", Type: fqgw.Int4, Field: "a.n"}))
			if err != nil {
				t.Fatal(err)
			}
			if row, err := one(t, d, protoBody(t, f, "B", "at { seconds: 1 } a { n: 3 }")); err != nil || show(row[0]) != "1970-01-01T00:00:01Z" || row[1].Int() != 3 {
				t.Errorf("%v, %v", row, err)
			}
		}
	}
}
