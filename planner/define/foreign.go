package define

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// foreign completes a source whose rows others write: what it names, and its columns
// from there when it has none itself.
func (d *Definer) foreign(s *fqgw.Source, opts []option, loc int32) error {
	s.Topic, s.Known, s.Start, s.MaxFuture, s.History = "", fqgw.KnownByEventTime, "", 0, ""
	names := "path"
	named := slices.IndexFunc(opts, func(o option) bool { return o.name == names })
	if named < 0 || opts[named].value == "" {
		return d.fail(loc, fqgw.CodeInvalidDefinition, "source \"%s\" does not say which files it has", s.Name).
			WithHint("Write WITH (connector = 'files', path = '…').")
	}
	if len(s.Checks) > 0 {
		return d.unsupported(loc, "a CHECK of a source whose rows others write").WithHint("Write it as WHERE of the feature view.")
	}
	if at := slices.IndexFunc(opts, func(o option) bool { return o.name == "format" }); at >= 0 {
		if !slices.Contains(formatsOfFiles(), s.Format) {
			return d.badOption(opts[at], "The format of files is '%s'.", strings.Join(formatsOfFiles(), "' or '"))
		}
	} else {
		s.Format = fileFormats[strings.ToLower(path.Ext(opts[named].value))]
		if s.Format == "" {
			return d.fail(opts[named].loc, fqgw.CodeInvalidDefinition, "the format of files \"%s\" cannot be told from their name", opts[named].value).
				WithHint("Write format = '%s'.", strings.Join(formatsOfFiles(), "' or '"))
		}
	}
	if len(s.Columns) > 0 {
		return nil
	}
	if d.Foreign == nil {
		return d.fail(loc, fqgw.CodeInvalidDefinition, "source \"%s\" has no columns", s.Name)
	}
	cols, err := d.Foreign(s)
	if err != nil {
		return d.at(err, opts[named].loc)
	}
	s.Columns = cols
	return nil
}

// fileFormats are the formats of files by how their names end.
var fileFormats = map[string]string{".parquet": "parquet"}

func formatsOfFiles() []string { return slices.Compact(slices.Sorted(maps.Values(fileFormats))) }

var fileOptions = []string{"connector", "path", "format", "event_time", "known_time", "field.<column>"}

// foreignForm are the options that say what a source reads, and how; a new one comes
// behind the others, and changes the form.
var foreignForm = []string{"path"}

// foreignOption applies one option of a source whose rows others write.
func (d *Definer) foreignOption(s *fqgw.Source, o option) error {
	switch o.name {
	case "connector", "path", "format":
		return nil
	case "event_time":
		return d.sourceOption(s, o)
	case "known_time":
		if o.value == "record" && s.ColumnIndex("record") < 0 {
			return d.badOption(o, "It is 'event_time' or a column: rows of a %s have no time of their own.", s.Connector)
		}
		return d.sourceOption(s, o)
	}
	if strings.HasPrefix(o.name, "field.") {
		return d.sourceOption(s, o)
	}
	return d.unknownOption(o, fileOptions...)
}

// foreignSQL is the statement that makes the source again with the columns that it
// was found to have.
func foreignSQL(s *fqgw.Source) string {
	quote := func(q rune, text string) string {
		return string(q) + strings.ReplaceAll(text, string(q), string(q)+string(q)) + string(q)
	}
	cols := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		if cols[i] = quote('"', c.Name) + " " + c.Type.String(); c.NotNull {
			cols[i] += " NOT NULL"
		}
	}
	var with []string
	for _, name := range slices.Sorted(maps.Keys(s.Options)) {
		key := quote('"', name)
		if of, column, ok := strings.Cut(name, "."); ok {
			key = of + "." + quote('"', column)
		}
		with = append(with, key+" = "+quote('\'', s.Options[name]))
	}
	name := quote('"', s.Name)
	if s.Schema != "" {
		name = quote('"', s.Schema) + "." + name
	}
	return "CREATE SOURCE " + name + " (" + strings.Join(cols, ", ") + ") WITH (" + strings.Join(with, ", ") + ")"
}
