package decode

import (
	"maps"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode/internal/avro"
	"github.com/fqgw/fqgw/stream/decode/internal/protobuf"
)

// OfSchemas says whether records of the format say by a schema what they have.
func OfSchemas(format string) bool {
	return format == "avro" || format == "debezium-avro" || format == "protobuf"
}

// SchemaType is what a registry calls the type of the schemas of a format.
func SchemaType(format string) string {
	if format == "protobuf" {
		return protobuf.Type
	}
	return avroSchemas
}

// SchemaColumns are the columns of a source whose records a schema describes: each
// field is one, of its nearest type, and so is each of paths, which are by the name of a
// column; none is NOT NULL, as a later schema may lack it. A field that had other names
// is found by those too. 42703 for a path that the schema does not have.
func SchemaColumns(s *fqgw.Source, schema *fqgw.RecordSchema, paths map[string]string) ([]fqgw.Column, error) {
	of := avroColumns
	if s.Format == "protobuf" {
		of = func(schema *fqgw.RecordSchema) ([]fqgw.Column, typeAt, error) {
			return protoColumns(schema, s.Options["message"])
		}
	}
	out, at, err := of(schema)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		c := fqgw.Column{Name: name, Field: paths[name]}
		found := false
		for _, path := range avroPaths(&c) {
			if c.Type, found = at(path); found {
				break
			}
		}
		if !found {
			return nil, fqgw.Errorf(fqgw.CodeUndefinedColumn, "the schema has no field \"%s\" for column \"%s\"", c.Field, name)
		}
		if i := slices.IndexFunc(out, func(of fqgw.Column) bool { return of.Name == name }); i >= 0 {
			out[i] = c
		} else {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fqgw.Errorf(fqgw.CodeInvalidDefinition, "the schema has no fields")
	}
	return out, nil
}

// typeAt is the nearest type of what is at a path.
type typeAt func(path []string) (fqgw.Type, bool)

func avroColumns(s *fqgw.RecordSchema) (out []fqgw.Column, at typeAt, err error) {
	t, err := avroType(s)
	if err != nil {
		return nil, nil, err
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		c := fqgw.Column{Name: f.Name, Type: avroNearest(f.Type)}
		if len(f.Aliases) > 0 {
			c.Field = strings.Join(slices.Concat([]string{f.Name}, f.Aliases), "|")
		}
		out = append(out, c)
	}
	return out, func(path []string) (fqgw.Type, bool) {
		if t := avroAt(t, path); t != nil {
			return avroNearest(t), true
		}
		return fqgw.Type{}, false
	}, nil
}

// avroAt is the type at a path of a type, nil where there is none; of a union it is that
// of the first branch that has one.
func avroAt(t *avro.Type, path []string) *avro.Type {
	if len(path) == 0 {
		return t
	}
	switch t.Kind {
	case avro.Record:
		if i := t.Field(path[0]); i >= 0 {
			return avroAt(t.Fields[i].Type, path[1:])
		}
	case avro.Union:
		for _, b := range t.Branches {
			if at := avroAt(b, path); at != nil {
				return at
			}
		}
	case avro.Map:
		return avroAt(t.Elem, path[1:])
	}
	return nil
}

// protoColumns are those of a message; of a schema of the registry it is the first one
// unless it is named.
func protoColumns(s *fqgw.RecordSchema, name string) (out []fqgw.Column, at typeAt, err error) {
	schema, err := parseProto(s)
	if err != nil {
		return nil, nil, err
	}
	m := schema.At([]int{0})
	if name != "" || s.ID == 0 || m == nil {
		if m, err = protoNamed(schema, name); err != nil {
			return nil, nil, err
		}
	}
	for i := range m.Fields {
		out = append(out, fqgw.Column{Name: m.Fields[i].Name, Type: protoNearest(&m.Fields[i])})
	}
	return out, func(path []string) (fqgw.Type, bool) {
		if f := protoAt(m, path); f != nil {
			return protoNearest(f), true
		}
		return fqgw.Type{}, false
	}, nil
}
