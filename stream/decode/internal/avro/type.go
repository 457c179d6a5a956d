// Package avro knows Avro's schemas and the bytes of its records (specification
// 1.12), and nothing of where they come from or go to.
package avro

// Kind is a kind of Avro's types.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Boolean
	Int
	Long
	Float
	Double
	Bytes
	String
	Record
	Enum
	Array
	Map
	Union
	Fixed
)

var kinds = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum", "array", "map", "union", "fixed"}

func (k Kind) String() string { return kinds[k] }

// Logical is what the values of a type mean.
type Logical uint8

// The logical types; what is not one of these, or does not fit its type, is None, as
// the specification wants it.
const (
	None Logical = iota
	Decimal
	UUID
	Date
	TimeMillis
	TimeMicros
	TimestampMillis
	TimestampMicros
	TimestampNanos
	LocalTimestampMillis
	LocalTimestampMicros
	LocalTimestampNanos
	Duration
	TimeNanos // Debezium's alone, as the next one
	Scaled    // a record of a decimal's scale and its unscaled value
)

var logicals = [...]string{"", "decimal", "uuid", "date", "time-millis", "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
	"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos", "duration", "NanoTime", "VariableScaleDecimal"}

// Type is one type of a schema. Types may hold themselves: what is named is there once.
type Type struct {
	Kind             Kind
	Logical          Logical
	Precision, Scale int      // of a decimal
	Name             string   // the full one, of what has a name
	Debezium         bool     // its logical type is one of Debezium's own, which has infinite times
	Fields           []Field  // of a record
	Symbols          []string // of an enum
	Size             int      // of a fixed, in bytes
	Elem             *Type    // of an array and of a map's values
	Branches         []*Type  // of a union
}

// Field is one field of a record.
type Field struct {
	Name       string
	Aliases    []string // names that it had before
	Type       *Type
	HasDefault bool // readers may leave it out
	Default    any  // as encoding/json has it, with json.Number
}

// String is the type as people call it.
func (t *Type) String() string {
	switch {
	case t.Logical != None:
		return logicals[t.Logical]
	case t.Name != "":
		return t.Kind.String() + " " + t.Name
	case t.Kind == Array || t.Kind == Map:
		return t.Kind.String() + " of " + t.Elem.String()
	}
	return t.Kind.String()
}

// Field is the record's field of that name, or that had it before: its index, -1 for none.
func (t *Type) Field(name string) int {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return i
		}
	}
	for i := range t.Fields {
		for _, a := range t.Fields[i].Aliases {
			if a == name {
				return i
			}
		}
	}
	return -1
}

// Branch is the one branch of a union that is not null, and whether null is another;
// a type that is no union is its own. nil: there are several, or none.
func (t *Type) Branch() (of *Type, nullable bool) {
	if t.Kind != Union {
		return t, t.Kind == Null
	}
	n := 0
	for _, b := range t.Branches {
		if b.Kind == Null {
			nullable = true
			continue
		}
		of = b
		n++
	}
	if n != 1 {
		of = nil
	}
	return of, nullable
}
