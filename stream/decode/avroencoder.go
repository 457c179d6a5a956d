package decode

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode/internal/avro"
)

// avroEncoder writes rows by one schema: the source's own, the newest that the registry
// has for the topic, or one made of the source's columns, which the registry is given
// when it has none.
type avroEncoder struct {
	columns []column
	key     int
	frame   []byte
	typ     *avro.Type
	write   *avroWrite
}

func newAvroEncoder(s *fqgw.Source, m Maker) (Encoder, error) {
	columns, _, err := compile(s)
	if err != nil {
		return nil, err
	}
	e := &avroEncoder{columns: columns, key: s.KeyColumn}
	schema := &fqgw.RecordSchema{Type: avroSchemas, Text: s.Options["schema"]}
	if schema.Text == "" {
		if schema, err = topicSchema(s, m.Schemas); err != nil {
			return nil, err
		}
		e.frame = binary.BigEndian.AppendUint32([]byte{0}, uint32(schema.ID))
	}
	if e.typ, err = avroType(schema); err != nil {
		return nil, err
	}
	var wants []avroWant
	for i := range s.Columns {
		found := false
		for _, path := range avroPaths(&s.Columns[i]) {
			if found = avroHas(e.typ, path); found {
				wants = append(wants, avroWant{i, path})
				break
			}
		}
		if !found {
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "column \"%s\" cannot be written: the topic's schema has no such field", s.Columns[i].Name).
				WithHint("Add the field to the schema of subject \"%s\".", fqgw.ValueSubject(s.Topic))
		}
	}
	e.write, err = newAvroWrite(e.typ, wants, columns, "")
	return e, err
}

// topicSchema is the schema by which records of the source's topic are written.
func topicSchema(s *fqgw.Source, schemas fqgw.RecordSchemas) (*fqgw.RecordSchema, error) {
	if schemas == nil {
		return nil, fqgw.Errorf(fqgw.CodeNotInState, "source \"%s\" cannot be written to: no schema registry is configured", s.Name).
			WithHint("Start fqgw with --schema-registry URL.")
	}
	subject := fqgw.ValueSubject(s.Topic)
	latest, err := schemas.Latest(context.Background(), subject)
	if err == nil || !fqgw.HasCode(err, fqgw.CodeUndefinedObject) {
		return latest, err
	}
	made := fqgw.RecordSchema{Type: avroSchemas}
	if made.Text, err = avroOf(s); err != nil {
		return nil, err
	}
	made.ID, err = schemas.Register(context.Background(), subject, made)
	return &made, err
}

// Append implements Encoder.
func (e *avroEncoder) Append(dst []byte, row []fqgw.Value) ([]byte, error) {
	return e.write.append(append(dst, e.frame...), e, row)
}

// Key implements Encoder.
func (e *avroEncoder) Key(row []fqgw.Value) ([]byte, error) { return recordKey(e.columns, e.key, row) }

// avroOf is the schema of a source's columns, as text.
func avroOf(s *fqgw.Source) (string, error) {
	root := &avroField{}
	for i := range s.Columns {
		if err := root.add(avroPaths(&s.Columns[i])[0], &s.Columns[i]); err != nil {
			return "", err
		}
	}
	name := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' {
			return '_'
		}
		return r
	}, s.Topic)
	if !avroName.MatchString(name) {
		name = "_" + name
	}
	b, err := json.Marshal(root.record(name + "_value"))
	return string(b), err
}

var avroName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// avroField is a field of a schema that is made.
type avroField struct {
	name   string
	column *fqgw.Column
	inner  []*avroField
}

func (f *avroField) add(path []string, c *fqgw.Column) error {
	if len(path) == 0 {
		if f.column != nil || f.inner != nil {
			return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "field \"%s\" is written by several columns", f.name).
				WithHint("Such a source can be read, not written to.")
		}
		f.column = c
		return nil
	}
	if !avroName.MatchString(path[0]) {
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "\"%s\" is no name of a field of Avro", path[0]).
			WithHint("Write WITH (field.\"%s\" = '…'): letters, digits and underscores.", c.Name)
	}
	if f.column != nil {
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "field \"%s\" is both a value and a record", f.name).
			WithHint("Such a source can be read, not written to.")
	}
	for _, in := range f.inner {
		if in.name == path[0] {
			return in.add(path[1:], c)
		}
	}
	in := &avroField{name: path[0]}
	f.inner = append(f.inner, in)
	return in.add(path[1:], c)
}

// The parts of a schema, in the order in which they are written.
type (
	avroRecordJSON struct {
		Type   string          `json:"type"`
		Name   string          `json:"name"`
		Fields []avroFieldJSON `json:"fields"`
	}
	avroFieldJSON struct {
		Name    string           `json:"name"`
		Type    any              `json:"type"`
		Default *json.RawMessage `json:"default,omitempty"`
	}
	avroTypeJSON struct {
		Type      string `json:"type"`
		Logical   string `json:"logicalType,omitempty"`
		Precision int    `json:"precision,omitempty"`
		Scale     int    `json:"scale,omitempty"`
		Items     any    `json:"items,omitempty"`
	}
)

// record has the fields; those that may be missing are null by default.
func (f *avroField) record(name string) avroRecordJSON {
	null := json.RawMessage("null")
	r := avroRecordJSON{Type: "record", Name: name}
	for _, in := range f.inner {
		out := avroFieldJSON{Name: in.name}
		if in.column == nil {
			out.Type = in.record(name + "_" + in.name)
		} else {
			out.Type = avroTypeOf(in.column.Type)
		}
		if in.column == nil || !in.column.NotNull {
			out.Type, out.Default = []any{"null", out.Type}, &null
		}
		r.Fields = append(r.Fields, out)
	}
	return r
}

// avroTypeOf is the type of Avro that has all values of a column's type but infinite times.
func avroTypeOf(t fqgw.Type) any {
	if t.IsArray() {
		return avroTypeJSON{Type: "array", Items: []any{"null", avroTypeOf(t.Elem())}}
	}
	switch t.OID {
	case fqgw.Bool.OID:
		return "boolean"
	case fqgw.Int2.OID, fqgw.Int4.OID:
		return "int"
	case fqgw.Int8.OID, fqgw.OID.OID:
		return "long"
	case fqgw.Float4.OID:
		return "float"
	case fqgw.Float8.OID:
		return "double"
	case fqgw.Bytea.OID:
		return "bytes"
	case fqgw.UUID.OID:
		return avroTypeJSON{Type: "string", Logical: "uuid"}
	case fqgw.Date.OID:
		return avroTypeJSON{Type: "int", Logical: "date"}
	case fqgw.Time.OID:
		return avroTypeJSON{Type: "long", Logical: "time-micros"}
	case fqgw.Timestamp.OID:
		return avroTypeJSON{Type: "long", Logical: "local-timestamp-micros"}
	case fqgw.Timestamptz.OID:
		return avroTypeJSON{Type: "long", Logical: "timestamp-micros"}
	case fqgw.Numeric.OID:
		if p, s := t.NumericMod(); t.Mod >= 0 && s >= 0 && s <= p {
			return avroTypeJSON{Type: "bytes", Logical: "decimal", Precision: p, Scale: s}
		}
	}
	return "string"
}
