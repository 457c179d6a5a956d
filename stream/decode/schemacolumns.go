package decode

import (
	"maps"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode/internal/avro"
)

// OfSchemas says whether records of the format say by a schema what they have.
func OfSchemas(format string) bool { return format == "avro" || format == "debezium-avro" }

// SchemaColumns are the columns of a source of the records that a schema describes:
// each field is one, of its nearest type, and so is each of paths, which are by the name
// of a column; none is NOT NULL, as a later schema may lack it. A field that had other
// names is found by those too. 42703 for a path that the schema does not have.
func SchemaColumns(s *fqgw.RecordSchema, paths map[string]string) ([]fqgw.Column, error) {
	t, err := avroType(s)
	if err != nil {
		return nil, err
	}
	var out []fqgw.Column
	for i := range t.Fields {
		f := &t.Fields[i]
		c := fqgw.Column{Name: f.Name, Type: avroNearest(f.Type)}
		if len(f.Aliases) > 0 {
			c.Field = strings.Join(slices.Concat([]string{f.Name}, f.Aliases), "|")
		}
		out = append(out, c)
	}
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		c := fqgw.Column{Name: name, Field: paths[name]}
		var at *avro.Type
		for _, path := range avroPaths(&c) {
			if at = avroAt(t, path); at != nil {
				break
			}
		}
		if at == nil {
			return nil, fqgw.Errorf(fqgw.CodeUndefinedColumn, "the schema has no field \"%s\" for column \"%s\"", c.Field, name)
		}
		c.Type = avroNearest(at)
		if i := slices.IndexFunc(out, func(of fqgw.Column) bool { return of.Name == name }); i >= 0 {
			out[i] = c
		} else {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fqgw.Errorf(fqgw.CodeInvalidDefinition, "the %s has no fields", t)
	}
	return out, nil
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
