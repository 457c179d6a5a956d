package avro

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// maxNesting bounds how deep a schema is nested, and how far its references go.
const maxNesting = 200

// Parse reads a schema with those that it names.
func Parse(s *fqgw.RecordSchema) (*Type, error) {
	p := parser{names: map[string]*Type{}, done: map[string]bool{}}
	return p.all(s, 0)
}

type parser struct {
	names map[string]*Type // by full name
	done  map[string]bool  // texts that were read: schemas may be named by several
}

func (p *parser) all(s *fqgw.RecordSchema, depth int) (*Type, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("schemas name each other more than %d deep", maxNesting)
	}
	for _, r := range s.References {
		if p.done[r.Schema.Text] {
			continue
		}
		if _, err := p.all(r.Schema, depth+1); err != nil {
			return nil, fmt.Errorf("of %s: %w", r.Name, err)
		}
		p.done[r.Schema.Text] = true
	}
	d := json.NewDecoder(strings.NewReader(s.Text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("it is not JSON: something follows it")
	}
	return p.typ(v, "", 0)
}

// typ reads one type, in a namespace.
func (p *parser) typ(v any, space string, depth int) (*Type, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("it is nested more than %d deep", maxNesting)
	}
	switch v := v.(type) {
	case string:
		return p.named(v, space)
	case []any:
		return p.union(v, space, depth)
	case map[string]any:
		return p.complex(v, space, depth)
	}
	return nil, fmt.Errorf("a type is a name, an object or a list, not %s", brief(v))
}

func brief(v any) string {
	b, _ := json.Marshal(v)
	if len(b) > 40 {
		b = append(b[:40], "…"...)
	}
	return strings.ToValidUTF8(string(b), "")
}

// named is a primitive type, or one that was defined before.
func (p *parser) named(name, space string) (*Type, error) {
	if k := primitive(name); k >= 0 {
		return &Type{Kind: Kind(k)}, nil
	}
	if space != "" && !strings.Contains(name, ".") {
		if t := p.names[space+"."+name]; t != nil {
			return t, nil
		}
	}
	if t := p.names[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("there is no type %q", name)
}

func primitive(name string) int {
	k := slices.Index(kinds[:], name)
	if k > int(String) {
		return -1
	}
	return k
}

func (p *parser) union(list []any, space string, depth int) (*Type, error) {
	t := &Type{Kind: Union}
	for _, v := range list {
		b, err := p.typ(v, space, depth+1)
		if err != nil {
			return nil, err
		}
		if b.Kind == Union {
			return nil, fmt.Errorf("a union is a branch of another")
		}
		t.Branches = append(t.Branches, b)
	}
	return t, nil
}

func (p *parser) complex(m map[string]any, space string, depth int) (*Type, error) {
	name, plain := m["type"].(string)
	if !plain {
		if m["type"] == nil {
			return nil, fmt.Errorf("a type has no \"type\": %s", brief(m))
		}
		return p.typ(m["type"], space, depth+1)
	}
	t := &Type{}
	switch name {
	case "record", "error":
		t.Kind = Record
	case "enum", "array", "map", "fixed":
		t.Kind = Kind(slices.Index(kinds[:], name))
	default:
		k := primitive(name)
		if k < 0 {
			return p.named(name, space)
		}
		t.Kind = Kind(k)
	}
	var err error
	switch t.Kind {
	case Array, Map:
		key := map[Kind]string{Array: "items", Map: "values"}[t.Kind]
		if m[key] == nil {
			return nil, fmt.Errorf("the type %s has no %q", t.Kind, key)
		}
		t.Elem, err = p.typ(m[key], space, depth+1)
	case Record, Enum, Fixed:
		if space, err = p.define(t, m, space); err != nil {
			return nil, err
		}
		switch t.Kind {
		case Record:
			err = p.fields(t, m, space, depth)
		case Enum:
			err = t.symbols(m)
		default:
			t.Size = integer(m["size"])
			if t.Size < 0 || t.Size > math.MaxInt32 {
				err = fmt.Errorf("the size of %s is %s", t.Name, brief(m["size"]))
			}
		}
	}
	if err != nil {
		return nil, err
	}
	t.logical(m)
	return t, nil
}

// define takes a type's name and returns the namespace of what is inside it.
func (p *parser) define(t *Type, m map[string]any, space string) (string, error) {
	name, _ := m["name"].(string)
	if name == "" {
		return "", fmt.Errorf("a type %s has no name", t.Kind)
	}
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		space = name[:dot]
	} else {
		if own, ok := m["namespace"].(string); ok {
			space = own
		}
		if space != "" {
			name = space + "." + name
		}
	}
	if p.names[name] != nil {
		return "", fmt.Errorf("the type %s is defined twice", name)
	}
	t.Name, p.names[name] = name, t
	return space, nil
}

func (p *parser) fields(t *Type, m map[string]any, space string, depth int) error {
	list, ok := m["fields"].([]any)
	if !ok {
		return fmt.Errorf("the record %s has no fields", t.Name)
	}
	seen := map[string]bool{}
	fields := make([]Field, 0, len(list))
	for _, v := range list {
		f, _ := v.(map[string]any)
		name, _ := f["name"].(string)
		if name == "" || f["type"] == nil {
			return fmt.Errorf("a field of %s has no name or no type: %s", t.Name, brief(v))
		}
		if seen[name] {
			return fmt.Errorf("the record %s has two fields %s", t.Name, name)
		}
		seen[name] = true
		typ, err := p.typ(f["type"], space, depth+1)
		if err != nil {
			return fmt.Errorf("field %s of %s: %w", name, t.Name, err)
		}
		out := Field{Name: name, Type: typ}
		out.Default, out.HasDefault = f["default"]
		aliases, _ := f["aliases"].([]any)
		for _, a := range aliases {
			if s, ok := a.(string); ok {
				out.Aliases = append(out.Aliases, s)
			}
		}
		fields = append(fields, out)
	}
	t.Fields = fields
	return nil
}

func (t *Type) symbols(m map[string]any) error {
	list, _ := m["symbols"].([]any)
	for _, v := range list {
		s, ok := v.(string)
		if !ok || s == "" {
			return fmt.Errorf("a symbol of %s is %s", t.Name, brief(v))
		}
		t.Symbols = append(t.Symbols, s)
	}
	if len(t.Symbols) == 0 {
		return fmt.Errorf("the enum %s has no symbols", t.Name)
	}
	return nil
}

// integer is a whole number, -1 for anything else.
func integer(v any) int {
	n, ok := v.(json.Number)
	if !ok {
		return -1
	}
	i, err := n.Int64()
	if err != nil || i < 0 || i > math.MaxInt32 {
		return -1
	}
	return int(i)
}

// logical takes the logical type, if it is one of the type.
func (t *Type) logical(m map[string]any) {
	name, _ := m["logicalType"].(string)
	if name == "" {
		name, _ = m["connect.name"].(string)
		if of, ok := debezium[name]; ok && t.Kind == of.kind && (of.logical != Scaled || t.scaled()) {
			t.Logical, t.Debezium = of.logical, true
		}
		return
	}
	l := Logical(max(slices.Index(logicals[:int(TimeNanos)], name), 0))
	fits := false
	switch l {
	case Decimal:
		p, s := integer(m["precision"]), 0
		if m["scale"] != nil {
			s = integer(m["scale"])
		}
		if fits = (t.Kind == Bytes || t.Kind == Fixed) && p > 0 && s >= 0 && s <= p && p <= 1000; fits {
			t.Precision, t.Scale = p, s
		}
	case UUID:
		fits = t.Kind == String || t.Kind == Fixed && t.Size == 16
	case Date, TimeMillis:
		fits = t.Kind == Int
	case TimeMicros, TimestampMillis, TimestampMicros, TimestampNanos, LocalTimestampMillis, LocalTimestampMicros, LocalTimestampNanos:
		fits = t.Kind == Long
	case Duration:
		fits = t.Kind == Fixed && t.Size == 12
	}
	if fits {
		t.Logical = l
	}
}

func (t *Type) scaled() bool {
	return len(t.Fields) == 2 && t.Fields[0].Name == "scale" && t.Fields[0].Type.Kind == Int && t.Fields[1].Name == "value" && t.Fields[1].Type.Kind == Bytes
}

// debezium are the types that Debezium has by a name of Kafka Connect's. Scaled is taken
// for a record of two fields, its scale and its value, in this order.
var debezium = map[string]struct {
	kind    Kind
	logical Logical
}{
	"io.debezium.time.Date":                 {Int, Date},
	"io.debezium.time.Time":                 {Int, TimeMillis},
	"io.debezium.time.MicroTime":            {Long, TimeMicros},
	"io.debezium.time.NanoTime":             {Long, TimeNanos},
	"io.debezium.time.Timestamp":            {Long, LocalTimestampMillis},
	"io.debezium.time.MicroTimestamp":       {Long, LocalTimestampMicros},
	"io.debezium.time.NanoTimestamp":        {Long, LocalTimestampNanos},
	"io.debezium.data.Uuid":                 {String, UUID},
	"io.debezium.data.VariableScaleDecimal": {Record, Scaled},
}
