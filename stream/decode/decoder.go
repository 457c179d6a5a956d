// Package decode turns the records of a source into changes of its rows, and rows
// into records.
package decode

import (
	"maps"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// Decoder reads the records of one source in its format. It may keep scratch space
// and what it learned from records before: one goroutine at a time.
type Decoder interface {
	// Decode appends the changes that a record carries, none, one or several: the
	// operation and the row of each, one value per column of the source; what else
	// an event has is the caller's to fill in. Rows and values own their memory: the
	// record's bytes may be used again.
	//
	// Of a source that is a changelog: an update is UpdateBefore and UpdateAfter, one
	// behind the other, a delete is Delete, where the record has the whole row as it
	// was; else Upsert, with the columns that are Missing, and DeleteKey. What a snapshot
	// read is SnapshotRow. A row before has the event time that it had, where the record
	// does not tell it the source's commit time; of DeleteKey the other columns are NULL.
	//
	// An error is an *fqgw.Error, with the column if it is about one. It refuses the
	// record, and the changes that came before it, the one with the column among
	// them, are appended as far as they can be read. An error of class 08 is no verdict: what it
	// takes to read the record, a schema for one, cannot be had at the moment, and
	// the record is to be decoded again later.
	Decode(r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error)
}

// Encoder writes rows of one source as records that its Decoder reads back to the
// same values. Safe for concurrent use.
type Encoder interface {
	// Append appends the payload of the record that inserts the row. An error has the
	// column if it is about one.
	Append(dst []byte, row []fqgw.Value) ([]byte, error)
	// Key is the key of that record, nil for none.
	Key(row []fqgw.Value) ([]byte, error)
}

// format is what there is of a format of records.
type format struct {
	decoder func(*fqgw.Source, Maker) (Decoder, error)
	encoder func(*fqgw.Source, Maker) (Encoder, error)
	changes bool                // its records are changes of rows: its sources are changelogs (SEMANTICS §8)
	options map[string][]string // that it alone has: what each may be, the default first
}

// formats are the formats by the name that CREATE SOURCE has for them.
var formats = map[string]format{
	"avro": {decoder: newAvro, encoder: newAvroEncoder},
	"json": {decoder: alone(newJSON), encoder: func(s *fqgw.Source, _ Maker) (Encoder, error) { return newJSONEncoder(s) }},
	"debezium-avro": {decoder: newDebeziumAvro, encoder: noEncoder, changes: true, options: map[string][]string{
		"unwrapped":        {"false", "true"},
		"binary_handling":  {"base64", "hex"},
		"replica_identity": {"default", "full"},
	}},
	"protobuf": {decoder: newProto, encoder: noProtoEncoder},
	"debezium-json": {decoder: alone(newDebeziumJSON), encoder: noEncoder, changes: true, options: map[string][]string{
		"unwrapped":        {"false", "true"},
		"decimal_handling": {"auto", "precise", "string", "double"},
		"binary_handling":  {"base64", "hex"},
		"replica_identity": {"default", "full"},
	}},
}

// alone makes decoders that need nothing besides the records.
func alone[D Decoder](of func(*fqgw.Source) (D, error)) func(*fqgw.Source, Maker) (Decoder, error) {
	return func(s *fqgw.Source, _ Maker) (Decoder, error) { return of(s) }
}

// noEncoder is the encoder of a format whose records a database alone has to tell.
func noEncoder(s *fqgw.Source, _ Maker) (Encoder, error) {
	return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "cannot insert into source \"%s\": it is a changelog", s.Name).
		WithDetail("Its records are written by the database of the table, through format '%s'.", s.Format).
		WithHint("Change the table itself.")
}

// Formats are the names of the formats, sorted.
func Formats() []string { return slices.Sorted(maps.Keys(formats)) }

// Changes says whether records of a format are changes of rows that have an identity.
func Changes(name string) bool { return formats[name].changes }

// Options are the options of CREATE SOURCE that a format has for itself, with what each
// may be, the default first.
func Options(format string) map[string][]string { return formats[format].options }

// Maker makes decoders and encoders, with what they need besides the records.
type Maker struct {
	Schemas fqgw.RecordSchemas // nil: there is no schema registry
}

// Decoder makes the decoder of a source; 0A000 for a format that there is not and for
// a type that its records cannot carry.
func (m Maker) Decoder(s *fqgw.Source) (Decoder, error) {
	f, err := formatOf(s)
	if err != nil {
		return nil, err
	}
	return f.decoder(s, m)
}

// Encoder makes the encoder of a source; 0A000 as Decoder, and for columns that cannot
// be written together. It may ask the schema registry.
func (m Maker) Encoder(s *fqgw.Source) (Encoder, error) {
	f, err := formatOf(s)
	if err != nil {
		return nil, err
	}
	return f.encoder(s, m)
}

// New makes the decoder of a source whose records need nothing else.
func New(s *fqgw.Source) (Decoder, error) { return Maker{}.Decoder(s) }

func formatOf(s *fqgw.Source) (format, error) {
	f, ok := formats[s.Format]
	if !ok {
		return f, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "format \"%s\" is not supported", s.Format).
			WithHint("Use format = '%s'.", strings.Join(Formats(), "' or '"))
	}
	return f, nil
}

const (
	slabValues = 8192      // of rows are allocated together, at most
	slabBytes  = 512 << 10 // of records, too: the rows of a slab keep each other in memory, with their texts
)

// rows hands out rows of NULLs.
type rows struct {
	width int
	slab  []fqgw.Value
	bytes int // of the records whose rows are in the slab
}

// next is a row for a record of so many bytes.
func (r *rows) next(bytes int) []fqgw.Value {
	if len(r.slab) < r.width || r.bytes > 0 && r.bytes+bytes > slabBytes {
		n := max(min(slabValues/max(r.width, 1), slabBytes/max(bytes, 1)), 1)
		r.slab, r.bytes = make([]fqgw.Value, n*r.width), 0
	}
	r.bytes += bytes
	row := r.slab[:r.width:r.width]
	r.slab = r.slab[r.width:]
	return row
}
