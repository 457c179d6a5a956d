package decode

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode/internal/avro"
)

// avroDecoder reads Avro: a record is one row, an insert. Each record is read by the
// schema that its writer had: the one that the schema registry has for the id in front
// of the record (Confluent's framing), or the source's own, of records without one.
//
// A field is read as PostgreSQL assigns its nearest type (avroNearest) to the column.
// Beyond that
//   - a string is what PostgreSQL reads in it as the column's type, json and jsonb too;
//     in a text column bytes are their UTF-8, in a bytea column a string is its bytes;
//   - an int or a long without a logical type is Source.TimeUnits since the epoch in a
//     column of a timestamp, and nanoseconds are floored to microseconds;
//   - a number with a fraction is no integer;
//   - what the writer has not is NULL. A field that it renamed is found by the alias that
//     its schema has, or by the column's further paths ("user_id|uid").
type avroDecoder struct {
	rows
	avroRun
	writers avroWriters
}

func newAvro(s *fqgw.Source, m Maker) (Decoder, error) {
	columns, _, err := compile(s)
	if err != nil {
		return nil, err
	}
	paths := make([][][]string, len(columns))
	for i := range s.Columns {
		paths[i] = avroPaths(&s.Columns[i])
	}
	d := &avroDecoder{rows: rows{width: len(columns)}, avroRun: newAvroRun(len(columns))}
	d.writers = newAvroWriters(m, func(w *avroWriter) { w.plan = newAvroPlan(w.typ, paths, columns) })
	if text := s.Options["schema"]; text != "" {
		d.writers.plain = d.writers.writer(&fqgw.RecordSchema{Type: avroSchemas, Text: text})
		return d, d.writers.plain.bad
	}
	return d, nil
}

// avroWriter is one writer's schema, and how its records are read.
type avroWriter struct {
	id    int32
	typ   *avro.Type
	plan  *avroStep
	bad   error // it cannot be used
	aside bool  // its records tell of no row
}

// maxWriters is how many schemas a decoder remembers.
const maxWriters = 1000

// avroWriters are the schemas of the writers that a decoder has met.
type avroWriters struct {
	schemas fqgw.RecordSchemas
	plans   func(*avroWriter) // says how records of a schema are read
	plain   *avroWriter       // of records without a frame; nil: they have one
	byID    map[int32]*avroWriter
	last    *avroWriter // the one of the record before
}

func newAvroWriters(m Maker, plans func(*avroWriter)) avroWriters {
	return avroWriters{schemas: m.Schemas, plans: plans, byID: map[int32]*avroWriter{}}
}

// avroSchemas is what a registry calls the type of Avro's schemas.
const avroSchemas = "AVRO"

// Decode implements Decoder.
func (d *avroDecoder) Decode(r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error) {
	row := d.next(len(r.Value))
	clear(row)
	err := d.decode(r.Value, row)
	if away(err) {
		return changes, err
	}
	return append(changes, fqgw.Event{Row: row}), err
}

func away(err error) bool {
	var e *fqgw.Error
	return errors.As(err, &e) && len(e.Code) == 5 && e.Code[:2] == "08"
}

// decode reads one payload into row, which is NULL all over. An error is as the one of
// jsonDecoder.decode.
func (d *avroDecoder) decode(payload []byte, row []fqgw.Value) error {
	if _, err := d.read(&d.writers, payload, row); err != nil {
		return err
	}
	return d.first()
}

// read reads one payload by the schema of its writer.
func (d *avroRun) read(from *avroWriters, payload []byte, row []fqgw.Value) (*avroWriter, error) {
	w, body, err := from.open(payload)
	if err != nil || w.aside {
		return w, err
	}
	d.begin(body, row)
	d.step(w.typ, w.plan)
	if !d.Done() {
		return w, w.misread(&d.Reader, len(body))
	}
	return w, nil
}

// open is the schema of a payload's writer, and what it says.
func (a *avroWriters) open(payload []byte) (w *avroWriter, body []byte, err error) {
	if len(payload) == 0 {
		return nil, nil, fqgw.Errorf(fqgw.CodeInvalidBinary, "record has no payload")
	}
	if w = a.plain; w == nil {
		var id int32
		if id, payload, err = framed(payload); err != nil {
			return nil, nil, err
		}
		if w, err = a.of(id); err != nil {
			return nil, nil, err
		}
	}
	return w, payload, w.bad
}

// misread says that a record is not what its schema says.
func (w *avroWriter) misread(r *avro.Reader, size int) error {
	e := fqgw.Errorf(fqgw.CodeInvalidBinary, "record is not what its %s says", w)
	if r.Bad() {
		return e.WithDetail("Its %d bytes end too early, or are no values of their types.", size)
	}
	return e.WithDetail("%d of its %d bytes are left over.", size-r.At(), size)
}

func (w *avroWriter) String() string {
	if w.id == 0 {
		return "Avro schema"
	}
	return fmt.Sprintf("Avro schema %d", w.id)
}

// framed takes Confluent's frame off: a zero byte and the id of the schema.
func framed(payload []byte) (id int32, body []byte, err error) {
	if len(payload) < 5 || payload[0] != 0 {
		return 0, nil, fqgw.Errorf(fqgw.CodeInvalidBinary, "record does not begin with the id of a schema").
			WithHint("It is a zero byte and four bytes of the registry's id; of records without it the source says the schema: WITH (schema = '…').")
	}
	return int32(binary.BigEndian.Uint32(payload[1:])), payload[5:], nil
}

// of is the writer's schema of an id; the error is of class 08.
func (a *avroWriters) of(id int32) (*avroWriter, error) {
	if a.last != nil && a.last.id == id {
		return a.last, nil
	}
	w := a.byID[id]
	if w == nil {
		s, err := schemaOf(a.schemas, id)
		if err != nil {
			return nil, err
		}
		if len(a.byID) >= maxWriters {
			clear(a.byID)
		}
		w = a.writer(s)
		w.id = id
		a.byID[id] = w
	}
	a.last = w
	return w, nil
}

// schemaOf asks for a schema. Whatever the reason is that it cannot be had, it is no
// verdict on the record: the error is of class 08.
func schemaOf(schemas fqgw.RecordSchemas, id int32) (*fqgw.RecordSchema, error) {
	if schemas == nil {
		return nil, fqgw.Errorf(fqgw.CodeConnectionFailure, "it has schema %d of a schema registry, and none is configured", id).
			WithHint("Start fqgw with --schema-registry URL.")
	}
	s, err := schemas.Schema(context.Background(), id)
	if err != nil && !away(err) {
		e := *fqgw.AsError(err)
		e.Code = fqgw.CodeConnectionFailure
		err = &e
	}
	return s, err
}

// writer is how records of a schema are read.
func (a *avroWriters) writer(s *fqgw.RecordSchema) *avroWriter {
	w := &avroWriter{id: s.ID}
	if w.typ, w.bad = avroType(s); w.bad == nil {
		a.plans(w)
	}
	return w
}

// avroType reads a schema of records.
func avroType(s *fqgw.RecordSchema) (*avro.Type, error) {
	what := &avroWriter{id: s.ID}
	if s.Type != avroSchemas {
		return nil, fqgw.Errorf(fqgw.CodeInvalidText, "schema %d is of type %s, not %s", s.ID, s.Type, avroSchemas)
	}
	t, err := avro.Parse(s)
	if err != nil {
		return nil, fqgw.Errorf(fqgw.CodeInvalidText, "the %s cannot be read: %v", what, err)
	}
	if t.Kind != avro.Record {
		return nil, fqgw.Errorf(fqgw.CodeInvalidText, "the %s is no record but %s", what, t)
	}
	return t, nil
}
