package decode

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"github.com/fqgw/fqgw"
)

// connect is a schema of Kafka Connect, as its JSON converter writes it.
type connect struct {
	Type       string     `json:"type"`
	Optional   bool       `json:"optional"`
	Name       string     `json:"name"`
	Field      string     `json:"field"`
	Fields     []*connect `json:"fields"`
	Items      *connect   `json:"items"`
	Values     *connect   `json:"values"`
	Parameters struct {
		Scale string `json:"scale"`
	} `json:"parameters"`
}

// avro is the schema that Confluent's Avro converter makes of it.
func (c *connect) avro(named map[string]bool) any {
	var t any
	switch c.Type {
	case "struct":
		name := strings.NewReplacer("-", "_").Replace(c.Name)
		if name == "" {
			name = fmt.Sprint("ConnectDefault", len(named))
		}
		t = name
		if !named[name] {
			named[name] = true
			fields := []any{}
			for _, f := range c.Fields {
				fields = append(fields, map[string]any{"name": f.Field, "type": f.avro(named)})
			}
			t = map[string]any{"type": "record", "name": name, "fields": fields, "connect.name": c.Name}
		}
	case "array":
		t = map[string]any{"type": "array", "items": c.Items.avro(named)}
	case "map":
		t = map[string]any{"type": "map", "values": c.Values.avro(named)}
	default:
		m := map[string]any{"type": map[string]string{"int8": "int", "int16": "int", "int32": "int", "int64": "long", "float32": "float", "float": "float", "float64": "double",
			"double": "double", "boolean": "boolean", "string": "string", "bytes": "bytes"}[c.Type]}
		if c.Name != "" {
			m["connect.name"] = c.Name
		}
		switch c.Name {
		case "org.apache.kafka.connect.data.Decimal":
			m["logicalType"], m["precision"], m["scale"] = "decimal", 64, json.Number(c.Parameters.Scale)
		case "org.apache.kafka.connect.data.Date":
			m["logicalType"] = "date"
		case "org.apache.kafka.connect.data.Time":
			m["logicalType"] = "time-millis"
		case "org.apache.kafka.connect.data.Timestamp":
			m["logicalType"] = "timestamp-millis"
		}
		t = m
	}
	if c.Optional {
		return []any{"null", t}
	}
	return t
}

// value is the value of a JSON payload as the other library takes it.
func (c *connect) value(v any) any {
	switch x := v.(type) {
	case nil:
		return nil
	case map[string]any:
		out := map[string]any{}
		for _, f := range c.Fields {
			out[f.Field] = f.value(x[f.Field])
		}
		if c.Values != nil {
			for key, item := range x {
				out[key] = c.Values.value(item)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, item := range x {
			out = append(out, c.Items.value(item))
		}
		return out
	case string:
		if c.Type == "bytes" {
			b, _ := base64.StdEncoding.DecodeString(x)
			return b
		}
	case json.Number:
		if strings.HasPrefix(c.Type, "int") {
			n, _ := x.Int64()
			if c.Type != "int64" {
				return int32(n)
			}
			return n
		}
		f, _ := x.Float64()
		if c.Type == "float" || c.Type == "float32" {
			return float32(f)
		}
		return f
	}
	return v
}

// converted is a record of Debezium with its schema in JSON as Avro; nil without a schema.
func converted(t testing.TB, r *registry, b []byte) []byte {
	t.Helper()
	var record struct {
		Schema  *connect `json:"schema"`
		Payload any      `json:"payload"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&record); err != nil || record.Schema == nil || record.Schema.Type != "struct" {
		return nil
	}
	schema, err := json.Marshal(record.Schema.avro(map[string]bool{}))
	if err != nil {
		t.Fatal(err)
	}
	if record.Schema.Optional { // a nullable root is no record
		schema = bytes.TrimSuffix(bytes.TrimPrefix(schema, []byte(`["null",`)), []byte("]"))
	}
	theirs, err := avro.Parse(strings.ReplaceAll(string(schema), `"logicalType"`, `"passed-over"`)) // so that it takes bare values
	if err != nil {
		t.Fatalf("%v: %s", err, schema)
	}
	id := r.add(string(schema))
	out, err := theirs.AppendEncode([]byte{0, 0, 0, byte(id >> 8), byte(id)}, record.Schema.value(record.Payload))
	if err != nil {
		t.Fatalf("%v: %s", err, schema)
	}
	return out
}

// TestDebeziumAvro: what a real Debezium wrote means the same when it is written as
// Confluent's Avro converter does.
func TestDebeziumAvro(t *testing.T) {
	all := samples(t)
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		in := all[name].record()
		r := newRegistry()
		out := &fqgw.LogRecord{Timestamp: in.Timestamp, Key: converted(t, r, in.Key), Value: converted(t, r, in.Value)}
		if in.Value != nil && out.Value == nil {
			continue // without a schema
		}
		s := sourceOf(t, all[name].Topic)
		if i := s.ColumnIndex("pt"); i >= 0 { // a document with bytes, which have another text in JSON
			s.Columns[i] = columnOf(t, "pt_x float8")
			s.Columns[i].Field = "pt.x"
		}
		json, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		s.Format = "debezium-avro"
		d, err := Maker{Schemas: r}.Decoder(s)
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := json.Decode(in, nil)
		got, gotErr := d.Decode(out, nil)
		clear(out.Value)
		clear(out.Key)
		if a, b := outcome(s, got, gotErr), outcome(s, want, wantErr); a != b {
			t.Errorf("%s:\n got %s\nwant %s", name, a, b)
		}
		compared++
	}
	if compared < 15 {
		t.Errorf("only %d records were compared", compared)
	}
}

// TestDebeziumAvroShapes: envelopes of every shape mean what they mean as JSON.
func TestDebeziumAvroShapes(t *testing.T) {
	const (
		row = `"optional":true,"type":"struct","name":"t.Value","fields":[{"field":"id","type":"int64"},{"field":"at","type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp"},` +
			`{"field":"v","type":"string","optional":true},{"field":"n","type":"struct","optional":true,"name":"io.debezium.data.VariableScaleDecimal","fields":[{"field":"scale","type":"int32"},{"field":"value","type":"bytes"}]},` +
			`{"field":"b","type":"bytes","optional":true},{"field":"tags","type":"array","optional":true,"items":{"type":"string","optional":true}}`
		from     = `{"field":"source","type":"struct","name":"Source","fields":[{"field":"ts_ms","type":"int64"},{"field":"ts_us","type":"int64","optional":true},{"field":"lsn","type":"int64","optional":true}]}`
		envelope = `{"type":"struct","name":"t.Envelope","fields":[{"field":"before",` + row + `]},{"field":"after",` + row + `]},` + from + `,{"field":"op","type":"string"}]}`
		flatRow  = `{"type":"struct",` + row + `,{"field":"__op","type":"string","optional":true},{"field":"__deleted","type":"string","optional":true},{"field":"__source_ts_ms","type":"int64","optional":true}]}`
		keyRow   = `{"type":"struct","name":"t.Key","fields":[{"field":"id","type":"int64"}]}`
		at       = `"at":1767225600000000`
		source   = `,"source":{"ts_ms":1767225600001,"lsn":7}`
	)
	wrap := func(schema, payload string) []byte {
		return []byte(`{"schema":` + schema + `,"payload":` + payload + `}`)
	}
	columns := []string{"id int8", "at timestamp", "v text", "n numeric", "b bytea", "tags text[]"}
	for _, c := range []struct {
		flat       bool
		key, value string
	}{
		{false, ``, `{"op":"c","after":{"id":1,` + at + `,"v":"x","n":{"scale":2,"value":"AJY="},"b":"AAE=","tags":["a",null]}` + source + `}`},
		{false, ``, `{"op":"r","after":{"id":1,"at":9223372036854775807}` + source + `}`},
		{false, ``, `{"op":"u","after":{"id":1,` + at + `,"v":"x"}` + source + `}`},
		{false, ``, `{"op":"u","before":{"id":1,` + at + `,"v":"y","b":"AA=="},"after":{"id":1,` + at + `,"v":"__debezium_unavailable_value","b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","tags":["__debezium_unavailable_value"]}` + source + `}`},
		{false, ``, `{"op":"u","before":null,"after":{"id":1,` + at + `,"v":"__debezium_unavailable_value","b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","tags":["__debezium_unavailable_value"]}` + source + `}`},
		{false, ``, `{"op":"u","before":{"id":2,"at":null,"v":""},"after":{"id":1,` + at + `}` + source + `}`},
		{false, `{"id":1}`, `{"op":"d","before":{"id":1,` + at + `,"v":"x"},"after":null` + source + `}`},
		{false, `{"id":9}`, `{"op":"d","before":{"id":1,"at":null,"v":""},"after":null` + source + `}`},
		{false, `{"id":9}`, `{"op":"d","before":null,"after":null` + source + `}`},
		{false, ``, `{"op":"d","before":null,"after":null` + source + `}`},
		{false, ``, `{"op":"c","before":null,"after":null` + source + `}`},
		{false, ``, `{"op":"t"` + source + `}`},
		{false, ``, `{"op":"m"` + source + `}`},
		{false, ``, `{"op":"x"` + source + `}`},
		{false, ``, `{"op":"create"` + source + `}`},
		{false, ``, `{"op":"c","after":{"id":1,"at":9223372036854775806}` + source + `}`},
		{true, ``, `{"id":1,` + at + `,"v":"x","__op":"c","__deleted":"false"}`},
		{true, ``, `{"id":1,` + at + `,"v":"x","__op":"u"}`},
		{true, ``, `{"id":1,` + at + `,"v":"__debezium_unavailable_value"}`},
		{true, ``, `{"id":1,` + at + `,"__deleted":"true","__source_ts_ms":1767225600001}`},
		{true, `{"id":1}`, ``},
	} {
		options := map[string]string{}
		schema := envelope
		if c.flat {
			options["unwrapped"], schema = "true", flatRow
		}
		s := debezium(t, 1, "at", options, columns...)
		in := &fqgw.LogRecord{Timestamp: 7_000_000}
		if c.key != "" {
			in.Key = wrap(keyRow, c.key)
		}
		if c.value != "" {
			in.Value = wrap(schema, c.value)
		}
		json, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		r := newRegistry()
		s.Format = "debezium-avro"
		d, err := Maker{Schemas: r}.Decoder(s)
		if err != nil {
			t.Fatal(err)
		}
		out := &fqgw.LogRecord{Timestamp: in.Timestamp, Key: converted(t, r, in.Key), Value: converted(t, r, in.Value)}
		want, wantErr := json.Decode(in, nil)
		got, gotErr := d.Decode(out, nil)
		a, b := outcome(s, got, gotErr), outcome(s, want, wantErr)
		if wantErr != nil && gotErr != nil && fqgw.AsError(gotErr).Code == fqgw.AsError(wantErr).Code { // in other words
			a, b = outcome(s, got, nil), outcome(s, want, nil)
		}
		if a != b {
			t.Errorf("%s %s:\n got %s\nwant %s", c.key, c.value, a, b)
		}
		sound(t, s, got, gotErr)
	}

	// What the key's schema is cannot be said for now, and a record that is no change.
	r := newRegistry()
	s := debezium(t, 1, "at", nil, columns...)
	s.Format = "debezium-avro"
	d, err := Maker{Schemas: r}.Decoder(s)
	if err != nil {
		t.Fatal(err)
	}
	gone := &fqgw.LogRecord{Key: []byte{0, 0, 0, 0, 99, 2}, Value: converted(t, r, wrap(envelope, `{"op":"d"`+source+`}`))}
	if changes, err := d.Decode(gone, nil); !away(err) || len(changes) > 0 {
		t.Errorf("%v, %v", changes, err)
	}
	plain := converted(t, r, wrap(`{"type":"struct","fields":[{"field":"id","type":"int64"}]}`, `{"id":1}`))
	if _, err := d.Decode(&fqgw.LogRecord{Value: plain}, nil); err == nil || !strings.Contains(err.Error(), "no change of Debezium") {
		t.Error(err)
	}
}
