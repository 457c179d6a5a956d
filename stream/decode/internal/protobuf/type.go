// Package protobuf knows Protobuf's schemas: which messages there are, and what their
// fields are on the wire.
package protobuf

import (
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Kind is a kind of values.
type Kind = protoreflect.Kind

// Known are messages that are values of their own.
type Known uint8

// The messages that are known.
const (
	Other     Known = iota
	Timestamp       // of google.protobuf, as the next ones
	Duration
	Wrapper // of one value, its field 1
	Struct
	Any // a value of JSON: google.protobuf.Value
	List
	Date // of google.type
	TimeOfDay
	Decimal // of confluent.type
)

var known = map[protoreflect.FullName]Known{
	"google.protobuf.Timestamp": Timestamp, "google.protobuf.Duration": Duration, "google.protobuf.Struct": Struct,
	"google.protobuf.Value": Any, "google.protobuf.ListValue": List, "google.protobuf.BoolValue": Wrapper,
	"google.protobuf.Int32Value": Wrapper, "google.protobuf.Int64Value": Wrapper, "google.protobuf.UInt32Value": Wrapper,
	"google.protobuf.UInt64Value": Wrapper, "google.protobuf.FloatValue": Wrapper, "google.protobuf.DoubleValue": Wrapper,
	"google.protobuf.StringValue": Wrapper, "google.protobuf.BytesValue": Wrapper,
	"google.type.Date": Date, "google.type.TimeOfDay": TimeOfDay, "confluent.type.Decimal": Decimal,
}

// Message is a type of messages. It may hold itself.
type Message struct {
	Name   string
	Known  Known
	Fields []Field // in the order of the schema

	byNumber map[int32]int
}

// Field is a field of a message.
type Field struct {
	Name     string
	Number   int32
	Kind     Kind
	Message  *Message // of a message, a group and a map, whose entries are messages
	Enum     *Enum
	List     bool // not of a map
	Map      bool
	Presence bool // one that is not there has no value; else that is its Default
	Oneof    int  // the fields of a message that exclude each other have the same; -1: none
	// Default is of a field that is not there. One of Presence has none unless the schema
	// says one.
	Default *Value
}

// Value is one value as it is on the wire: the bits of a number, or bytes.
type Value struct {
	N uint64
	B []byte
}

// Enum has the names of numbers; of several the first.
type Enum struct {
	Null bool // of google.protobuf.NullValue: its value is JSON's null

	low   []string
	other map[int32]string
}

// Text is the name of a number; of one that the schema does not have the number itself.
func (e *Enum) Text(n int32) string {
	if n >= 0 && int(n) < len(e.low) && e.low[n] != "" {
		return e.low[n]
	}
	if s, ok := e.other[n]; ok {
		return s
	}
	return strconv.Itoa(int(n))
}

// Field is the index of the field with a name, -1 for none.
func (m *Message) Field(name string) int {
	return slices.IndexFunc(m.Fields, func(f Field) bool { return f.Name == name })
}

// Numbered is the index of the field with a number, -1 for none.
func (m *Message) Numbered(n int32) int {
	if i, ok := m.byNumber[n]; ok {
		return i
	}
	return -1
}

// Wire is how one value of the field is on the wire.
func (f *Field) Wire() protowire.Type {
	switch f.Kind {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

// Packs says whether many values of the field may be one run of bytes.
func (f *Field) Packs() bool {
	w := f.Wire()
	return f.List && w != protowire.BytesType && w != protowire.StartGroupType
}

// Many says whether every value of the field counts, not the last: parts of a message are
// merged.
func (f *Field) Many() bool { return f.List || f.Message != nil }

// One is the field of one value of a list.
func (f *Field) One() *Field {
	one := *f
	one.List, one.Presence, one.Default = false, true, nil
	return &one
}

// Key and Value are the fields of a map's entries.
func (f *Field) Key() *Field   { return &f.Message.Fields[f.Message.Numbered(1)] }
func (f *Field) Value() *Field { return &f.Message.Fields[f.Message.Numbered(2)] }

// String is the type of the field for a message.
func (f *Field) String() string {
	s := f.Kind.String()
	switch {
	case f.Map:
		return "map<" + f.Key().String() + ", " + f.Value().String() + ">"
	case f.Message != nil:
		s = f.Message.Name
	}
	if f.List {
		return "repeated " + s
	}
	return s
}

// Integer is the value of a kind of signed integers, booleans or enums.
func Integer(k Kind, n uint64) int64 {
	switch k {
	case protoreflect.Int32Kind, protoreflect.EnumKind, protoreflect.Sfixed32Kind:
		return int64(int32(n))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return int64(uint32(n))
	case protoreflect.Sint32Kind:
		return int64(int32(protowire.DecodeZigZag(n & math.MaxUint32)))
	case protoreflect.Sint64Kind:
		return protowire.DecodeZigZag(n)
	case protoreflect.BoolKind:
		if n != 0 {
			return 1
		}
		return 0
	}
	return int64(n)
}

// Float is the value of a float or a double.
func Float(k Kind, n uint64) float64 {
	if k == protoreflect.FloatKind {
		return float64(math.Float32frombits(uint32(n)))
	}
	return math.Float64frombits(n)
}

func (s *Schema) message(d protoreflect.MessageDescriptor) *Message {
	if m := s.types[d.FullName()]; m != nil {
		return m
	}
	m := &Message{Name: string(d.FullName()), Known: known[d.FullName()], byNumber: map[int32]int{}}
	s.types[d.FullName()] = m
	fields := d.Fields()
	m.Fields = make([]Field, fields.Len())
	for i := range m.Fields {
		f := fields.Get(i)
		m.Fields[i] = s.field(f)
		m.byNumber[int32(f.Number())] = i
	}
	if !m.itself() {
		m.Known = Other
	}
	return m
}

// itself says whether a message of a name that is known is that one, and not another's.
func (m *Message) itself() bool {
	switch m.Known {
	case Wrapper:
		return len(m.Fields) == 1 && m.Fields[0].Message == nil && !m.Fields[0].List
	case Struct:
		return len(m.Fields) == 1 && m.Fields[0].Map
	case List:
		return len(m.Fields) == 1 && m.Fields[0].List
	}
	return true
}

func (s *Schema) field(d protoreflect.FieldDescriptor) Field {
	f := Field{Name: string(d.Name()), Number: int32(d.Number()), Kind: d.Kind(), List: d.IsList(), Map: d.IsMap(),
		Presence: d.HasPresence(), Oneof: -1}
	if of := d.ContainingOneof(); of != nil && !of.IsSynthetic() {
		f.Oneof = of.Index()
	}
	if d.Message() != nil {
		f.Message = s.message(d.Message())
	}
	if e := d.Enum(); e != nil {
		f.Enum = enum(e)
	}
	if d.HasDefault() || !f.Presence {
		f.Default = &Value{}
	}
	if d.HasDefault() && !f.List {
		f.Default = defaultOf(&f, d.Default())
	}
	return f
}

// defaultOf is a default as it would be on the wire.
func defaultOf(f *Field, v protoreflect.Value) *Value {
	switch x := v.Interface().(type) {
	case bool:
		return &Value{N: protowire.EncodeBool(x)}
	case int32:
		if f.Kind == protoreflect.Sint32Kind {
			return &Value{N: protowire.EncodeZigZag(int64(x))}
		}
		return &Value{N: uint64(int64(x))}
	case int64:
		if f.Kind == protoreflect.Sint64Kind {
			return &Value{N: protowire.EncodeZigZag(x)}
		}
		return &Value{N: uint64(x)}
	case uint32:
		return &Value{N: uint64(x)}
	case uint64:
		return &Value{N: x}
	case float32:
		return &Value{N: uint64(math.Float32bits(x))}
	case float64:
		return &Value{N: math.Float64bits(x)}
	case string:
		return &Value{B: []byte(x)}
	case []byte:
		return &Value{B: x}
	case protoreflect.EnumNumber:
		return &Value{N: uint64(int64(x))}
	}
	return nil
}

const lowEnums = 256

func enum(d protoreflect.EnumDescriptor) *Enum {
	e := &Enum{Null: d.FullName() == "google.protobuf.NullValue", other: map[int32]string{}}
	values := d.Values()
	for i := range values.Len() {
		n, name := int32(values.Get(i).Number()), string(values.Get(i).Name())
		if n < 0 || n >= lowEnums {
			if _, ok := e.other[n]; !ok {
				e.other[n] = name
			}
			continue
		}
		for int(n) >= len(e.low) {
			e.low = append(e.low, "")
		}
		if e.low[n] == "" {
			e.low[n] = name
		}
	}
	return e
}
