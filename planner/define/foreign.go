package define

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// foreign completes a source whose rows others write: what it names, and its columns
// from there when it has none itself.
func (d *Definer) foreign(s *fqgw.Source, opts []option, loc int32) error {
	s.Topic, s.Known, s.Start, s.MaxFuture, s.History = "", fqgw.KnownByEventTime, "", 0, ""
	kind := foreignKinds[s.Connector]
	named := slices.IndexFunc(opts, func(o option) bool { return o.name == kind.names })
	if named < 0 || opts[named].value == "" {
		return d.fail(loc, fqgw.CodeInvalidDefinition, "source \"%s\" does not say what it reads", s.Name).
			WithHint("Write WITH (connector = '%s', %s = '…').", s.Connector, kind.names)
	}
	if len(s.Checks) > 0 {
		return d.unsupported(loc, "a CHECK of a source whose rows others write").WithHint("Write it as WHERE of the feature view.")
	}
	if s.Connector == "files" {
		if err := d.fileFormat(s, opts, opts[named]); err != nil {
			return err
		}
	} else {
		s.Format = ""
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
	for _, o := range opts { // a day is its midnight, UTC
		if i := s.ColumnIndex(o.value); o.name == "event_time" && i >= 0 && s.Columns[i].Type == fqgw.Date {
			s.Columns[i].Type = fqgw.Timestamptz
		}
	}
	return nil
}

// fileFormat is the format of files, said or by the name of path.
func (d *Definer) fileFormat(s *fqgw.Source, opts []option, names option) error {
	if at := slices.IndexFunc(opts, func(o option) bool { return o.name == "format" }); at >= 0 {
		if !slices.Contains(formatsOfFiles(), s.Format) {
			return d.badOption(opts[at], "The format of files is '%s'.", strings.Join(formatsOfFiles(), "' or '"))
		}
		return nil
	}
	if s.Format = fileFormats[strings.ToLower(path.Ext(strings.TrimSuffix(names.value, ".gz")))]; s.Format == "" {
		return d.fail(names.loc, fqgw.CodeInvalidDefinition, "the format of files \"%s\" cannot be told from their name", names.value).
			WithHint("Write format = '%s'.", strings.Join(formatsOfFiles(), "' or '"))
	}
	return nil
}

// fileFormats are the formats of files by how their names end.
var fileFormats = map[string]string{".parquet": "parquet", ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}

func formatsOfFiles() []string { return slices.Compact(slices.Sorted(maps.Values(fileFormats))) }

// foreignKind is what there is of a connector whose sources others write.
type foreignKind struct {
	names   string   // the option that says what is read
	options []string // those of its own
}

var foreignKinds = map[string]foreignKind{
	"files":   {"path", []string{"path", "format", "header", "delimiter", "quote", "null", "time_unit"}},
	"iceberg": {"table", []string{"table", "snapshot", "tag"}},
}

// foreignForm are the options that say what a source reads, and how; a new one comes
// behind the others, and changes the form.
var foreignForm = []string{"path", "table", "snapshot", "tag", "header", "delimiter", "quote", "null"}

// foreignOption applies one option of a source whose rows others write.
func (d *Definer) foreignOption(s *fqgw.Source, o option) error {
	kind := foreignKinds[s.Connector]
	switch {
	case o.name == "connector":
		return nil
	case slices.Contains(kind.options, o.name):
		return d.foreignDetail(s, o)
	case o.name == "known_time" && o.value == "record" && s.ColumnIndex("record") < 0:
		return d.badOption(o, "It is 'event_time' or a column: rows have no time of their own.")
	case o.name == "event_time", o.name == "known_time", strings.HasPrefix(o.name, "field."):
		return d.sourceOption(s, o)
	}
	return d.unknownOption(o, slices.Concat([]string{"connector"}, kind.options, []string{"event_time", "known_time", "field.<column>"})...)
}

// foreignDetail checks what says which state of a table is read, or how files are.
func (d *Definer) foreignDetail(s *fqgw.Source, o option) error {
	only := map[string]string{"header": "csv", "delimiter": "csv", "quote": "csv", "null": "csv", "time_unit": "ndjson"}[o.name]
	if only != "" && s.Format != only {
		return d.fail(o.loc, fqgw.CodeInvalidParameter, "parameter \"%s\" is for format '%s'", o.name, only)
	}
	switch o.name {
	case "snapshot":
		if id, err := strconv.ParseInt(o.value, 10, 64); err != nil || id <= 0 {
			return d.badOption(o, "It is the id of a snapshot of the table.")
		}
		if s.Options["tag"] != "" {
			return d.badOption(o, "A source has a snapshot or a tag, not both.")
		}
	case "tag":
		if o.value == "" {
			return d.badOption(o, "It is the name of a tag or branch of the table.")
		}
	case "header":
		header, err := d.boolOption(o)
		s.Options[o.name] = strconv.FormatBool(header)
		return err
	case "delimiter", "quote":
		if len(o.value) != 1 || strings.ContainsAny(o.value, "\r\n") || s.Options["delimiter"] == cmp.Or(s.Options["quote"], `"`) {
			return d.badOption(o, "Delimiter and quote are a single one-byte character each, and different.")
		}
	case "null":
		if strings.ContainsAny(o.value, "\r\n") {
			return d.badOption(o, "It is a text on one line.")
		}
	case "time_unit":
		return d.sourceOption(s, o)
	}
	return nil
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
