package decode

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// OfSchemas says whether records of the format say by a schema what they have.
func OfSchemas(format string) bool { return format == "avro" || format == "debezium-avro" }

// SchemaColumns are the columns of a source of the records that a schema describes:
// each field is one, of its nearest type; none is NOT NULL, as a later schema may lack
// it. One that had other names is found by those too.
func SchemaColumns(s *fqgw.RecordSchema) ([]fqgw.Column, error) {
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
	if len(out) == 0 {
		return nil, fqgw.Errorf(fqgw.CodeInvalidDefinition, "the schema %s has no fields", t)
	}
	return out, nil
}
