package decode

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode/internal/protobuf"
)

// protoDecoder reads Protobuf: a record is one row, an insert. Each record is read by the
// schema that its writer had: the message that Confluent's frame in front of it names, of
// a schema of the registry, or the source's own, of records without one.
//
// A field is read as PostgreSQL assigns its nearest type (protoNearest) to the column, by
// the rules of avroDecoder. Beyond that
//   - a field that is not in the record is its default where it has one: zero of a field
//     without presence, what a schema of proto2 says; else, and in a message that is not
//     there itself, it is NULL;
//   - an enum is the name of its number, or the number when the schema has no name for it;
//   - what the writer's schema has not is NULL, and what it has and nobody wants is
//     passed over, groups and unknown fields too.
type protoDecoder struct {
	rows
	protoRun
	paths   [][][]string // of each column
	columns []column
	schemas fqgw.RecordSchemas
	plain   *protoWriter // of records without a frame; nil: they have one
	byID    map[int32]*protoSchema
	last    *protoWriter // the one of the record before
}

// protoSchema is a schema of the registry, with its messages that records were of.
type protoSchema struct {
	schema   *protobuf.Schema
	bad      error                   // it cannot be used
	messages map[string]*protoWriter // by the indexes as a frame has them
}

// protoWriter is a writer's message, and how its records are read.
type protoWriter struct {
	id      int32
	indexes string // as a frame has them
	name    string
	plan    *protoPlan
	bad     error // there is no such message
}

func (w *protoWriter) String() string {
	if w.id == 0 {
		return "message " + w.name
	}
	return fmt.Sprintf("message %s of schema %d", w.name, w.id)
}

func newProto(s *fqgw.Source, m Maker) (Decoder, error) {
	columns, _, err := compile(s)
	if err != nil {
		return nil, err
	}
	d := &protoDecoder{rows: rows{width: len(columns)}, columns: columns, schemas: m.Schemas, byID: map[int32]*protoSchema{}}
	for i := range s.Columns {
		d.paths = append(d.paths, avroPaths(&s.Columns[i]))
	}
	if text := s.Options["schema"]; text != "" {
		of, err := protoMessage(&fqgw.RecordSchema{Type: protobuf.Type, Text: text}, s.Options["message"])
		if err != nil {
			return nil, err
		}
		d.plain = &protoWriter{name: of.Name, plan: newProtoPlan(of, d.paths, columns)}
	}
	return d, nil
}

// protoMessage is the message of a schema that a source's records are.
func protoMessage(s *fqgw.RecordSchema, name string) (*protobuf.Message, error) {
	schema, err := parseProto(s)
	if err != nil {
		return nil, err
	}
	return protoNamed(schema, name)
}

// protoNamed is a message of a schema, or its only one.
func protoNamed(schema *protobuf.Schema, name string) (*protobuf.Message, error) {
	m, err := schema.Named(name)
	if err != nil {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "the Protobuf schema does not say what records are: %w", err).
			WithHint("Write message = '%s'.", strings.Join(schema.Names(), "' or '"))
	}
	return m, nil
}

func parseProto(s *fqgw.RecordSchema) (*protobuf.Schema, error) {
	if s.Type != protobuf.Type {
		return nil, fqgw.Errorf(fqgw.CodeInvalidText, "schema %d is of type %s, not %s", s.ID, s.Type, protobuf.Type)
	}
	schema, err := protobuf.Parse(s)
	if err == nil {
		return schema, nil
	}
	what := "Protobuf schema"
	if s.ID != 0 {
		what = fmt.Sprintf("Protobuf schema %d", s.ID)
	}
	return nil, fqgw.Errorf(fqgw.CodeInvalidText, "the %s cannot be read: %v", what, err)
}

// Decode implements Decoder.
func (d *protoDecoder) Decode(r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error) {
	row := d.next(len(r.Value))
	clear(row)
	err := d.decode(r.Value, row)
	if away(err) {
		return changes, err
	}
	return append(changes, fqgw.Event{Row: row}), err
}

// decode reads one payload into row, which is NULL all over. An error is as the one of
// jsonDecoder.decode.
func (d *protoDecoder) decode(payload []byte, row []fqgw.Value) error {
	w := d.plain
	if w == nil {
		if len(payload) == 0 { // without a frame a message of defaults is no bytes
			return fqgw.Errorf(fqgw.CodeInvalidBinary, "record has no payload")
		}
		var err error
		if w, payload, err = d.framed(payload); err != nil {
			return err
		}
	}
	if w.bad != nil {
		return w.bad
	}
	if !d.message(w.plan, payload) {
		return fqgw.Errorf(fqgw.CodeInvalidBinary, "record is not what its %s says", w).
			WithDetail("Its %d bytes end too early, or are no message of Protobuf.", len(payload))
	}
	return d.finish(w.plan, row)
}

// framed takes Confluent's frame off: that of Avro, and the indexes of the message.
func (d *protoDecoder) framed(payload []byte) (*protoWriter, []byte, error) {
	id, body, err := framed(payload)
	if err != nil {
		return nil, nil, err
	}
	if w := d.last; w != nil && w.id == id && len(body) >= len(w.indexes) && string(body[:len(w.indexes)]) == w.indexes {
		return w, body[len(w.indexes):], nil
	}
	indexes, size := messageIndexes(body)
	if size == 0 {
		return nil, nil, fqgw.Errorf(fqgw.CodeInvalidBinary, "record does not say which message of schema %d it is", id).
			WithHint("Behind the id of the schema are the indexes of the message, as Confluent's serializers write them.")
	}
	s := d.byID[id]
	if s == nil {
		text, err := schemaOf(d.schemas, id)
		if err != nil {
			return nil, nil, err
		}
		if len(d.byID) >= maxWriters {
			clear(d.byID)
		}
		s = &protoSchema{messages: map[string]*protoWriter{}}
		s.schema, s.bad = parseProto(text)
		d.byID[id] = s
	}
	w := s.messages[string(body[:size])]
	if w == nil {
		w = &protoWriter{id: id, indexes: string(body[:size]), bad: s.bad}
		if s.bad == nil {
			if m := s.schema.At(indexes); m != nil {
				w.name, w.plan = m.Name, newProtoPlan(m, d.paths, d.columns)
			} else {
				w.bad = fqgw.Errorf(fqgw.CodeInvalidBinary, "schema %d has no message %v", id, indexes)
			}
		}
		if len(s.messages) >= maxWriters {
			clear(s.messages)
		}
		s.messages[w.indexes] = w
	}
	d.last = w
	return w, body[size:], nil
}

// maxIndexes is how deep the message of a record may be within others.
const maxIndexes = 64

// messageIndexes are those of a frame, and how many bytes they are; 0: there are none.
func messageIndexes(b []byte) (indexes []int, size int) {
	count, size := binary.Varint(b)
	switch {
	case size <= 0 || count < 0 || count > maxIndexes:
		return nil, 0
	case count == 0: // the first message, in short
		return []int{0}, size
	}
	for range count {
		i, n := binary.Varint(b[size:])
		if n <= 0 || i < 0 || i > 1<<31-1 {
			return nil, 0
		}
		indexes, size = append(indexes, int(i)), size+n
	}
	return indexes, size
}

// noProtoEncoder is the encoder of a format whose records producers alone write.
func noProtoEncoder(s *fqgw.Source, _ Maker) (Encoder, error) {
	return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "cannot insert into source \"%s\": its records are Protobuf", s.Name).
		WithHint("Write to the topic by a producer, or make the source of another format to try it.")
}
