package define

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
)

// described completes a source whose records a schema describes: it needs one, and has
// its columns from there when it has none itself.
func (d *Definer) described(s *fqgw.Source, opts []option, loc int32) error {
	schema := &fqgw.RecordSchema{Type: decode.SchemaType(s.Format), Text: s.Options["schema"]}
	if schema.Text == "" {
		switch {
		case d.Schemas != nil:
		case d.Foreign != nil: // no definition that was kept
			return d.fail(loc, fqgw.CodeNotInState, "source \"%s\" needs a schema registry, and none is configured", s.Name).
				WithHint("Start fqgw with --schema-registry URL, or write WITH (schema = '…') if the records have no schema id in front.")
		case len(s.Columns) == 0:
			return d.fail(loc, fqgw.CodeInvalidDefinition, "source \"%s\" has no columns", s.Name)
		}
	}
	if len(s.Columns) > 0 {
		return nil
	}
	topic := s.Topic
	if i := slices.IndexFunc(opts, func(o option) bool { return o.name == "topic" }); i >= 0 {
		topic = opts[i].value
	}
	var err error
	if schema.Text == "" {
		schema, err = d.Schemas(fqgw.ValueSubject(topic))
	}
	paths := map[string]string{}
	for _, o := range opts {
		if column, ok := strings.CutPrefix(o.name, "field."); ok && o.value != "" {
			paths[column] = o.value
		}
	}
	if err == nil {
		s.Columns, err = decode.SchemaColumns(s, schema, paths)
	}
	if err != nil {
		return d.at(err, loc)
	}
	for i := range s.Columns { // that it had other names is part of the definition
		c := &s.Columns[i]
		if key := "field." + c.Name; c.Field != "" && s.Options[key] == "" {
			s.Options[key] = c.Field
		}
	}
	for _, o := range opts { // numbers and texts are times where they are said to be
		if i := s.ColumnIndex(o.value); (o.name == "event_time" || o.name == "known_time") && i >= 0 && mayBeTime(s.Columns[i].Type) {
			s.Columns[i].Type = fqgw.Timestamptz
		}
	}
	return nil
}

func mayBeTime(t fqgw.Type) bool {
	return t == fqgw.Int4 || t == fqgw.Int8 || t == fqgw.Text || t == fqgw.Date
}
