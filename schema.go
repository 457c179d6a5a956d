package fqgw

import "context"

// RecordSchema is one schema of a schema registry, with those that its text names.
// It does not change.
type RecordSchema struct {
	ID         int32
	Type       string // "AVRO", "PROTOBUF", "JSON"
	Text       string
	References []SchemaReference
}

// SchemaReference is a schema that another's text names.
type SchemaReference struct {
	Name   string // as the text has it: a full name of Avro, a file of Protobuf
	Schema *RecordSchema
}

// RecordSchemas is a schema registry. Safe for concurrent use. What it cannot say at
// the moment, as it is away, too busy or slow, is an error of class 08; other errors hold
// until somebody changes something.
type RecordSchemas interface {
	// Schema is the schema with that id; 42704 when the registry knows none, which
	// may be another answer later. It takes about a second at most: 08 then, and the
	// registry is asked on, so that the next call may have the answer.
	Schema(ctx context.Context, id int32) (*RecordSchema, error)
	// Latest is the newest schema of a subject; 42704 when there is no such subject,
	// with the nearest one.
	Latest(ctx context.Context, subject string) (*RecordSchema, error)
	// Register makes the schema the subject's newest, unless it is one of its already,
	// and returns its id; 42P17 when it does not go together with those before.
	Register(ctx context.Context, subject string, s RecordSchema) (int32, error)
}

// ValueSubject is the subject of the schemas of a topic's record values.
func ValueSubject(topic string) string { return topic + "-value" }
