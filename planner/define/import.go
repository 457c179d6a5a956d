package define

import (
	"fmt"
	"path"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// servers are the names that IMPORT FOREIGN SCHEMA has for connectors.
var servers = map[string]string{"lake": "iceberg", "iceberg": "iceberg", "files": "files"}

// importForeignSchema is IMPORT FOREIGN SCHEMA: a source for each table of a namespace of
// the lake, or each file of a folder. Their event time is the column that the
// options name, or the only one that can be; a table without is passed over, with a notice.
func (d *Definer) importForeignSchema(n *pg.ImportForeignSchemaStmt) (plan.Statement, error) {
	connector, ok := servers[n.ServerName]
	if !ok {
		return nil, d.fail(-1, fqgw.CodeUndefinedObject, "server \"%s\" does not exist", n.ServerName).
			WithHint("FROM SERVER lake imports Iceberg tables of a namespace, FROM SERVER files the files of a folder.")
	}
	schema := n.LocalSchema
	if !d.Binder.Catalog.HasSchema(schema) {
		return nil, d.fail(-1, fqgw.CodeInvalidSchema, "schema \"%s\" does not exist", schema)
	}
	opts, err := d.optionList(n.Options)
	if err != nil {
		return nil, err
	}
	for _, o := range opts {
		if o.name != "event_time" && o.name != "known_time" {
			return nil, d.unknownOption(o, "event_time", "known_time")
		}
	}
	if d.ForeignTables == nil {
		return nil, d.unsupported(-1, "IMPORT FOREIGN SCHEMA here")
	}
	tables, err := d.ForeignTables(connector, n.RemoteSchema)
	if err != nil {
		return nil, err
	}
	out := &plan.ImportForeignSchema{}
	names := func(t string) string {
		if connector == "files" {
			t = path.Base(strings.TrimSuffix(t, ".gz"))
			return strings.TrimSuffix(t, path.Ext(t))
		}
		return t[strings.LastIndexByte(t, '.')+1:]
	}
	var listed, bare []string
	for _, t := range tables {
		bare = append(bare, names(t))
	}
	for _, r := range n.TableList {
		name := r.GetRangeVar().Relname
		if !slices.Contains(bare, name) {
			return nil, d.undefined(r.GetRangeVar().Location, "foreign table", name, bare)
		}
		listed = append(listed, name)
	}
	for _, t := range tables {
		name := fqgw.QualifiedName{Schema: schema, Name: names(t)}
		limited := n.ListType == pg.ImportForeignSchemaType_FDW_IMPORT_SCHEMA_LIMIT_TO
		if n.ListType != pg.ImportForeignSchemaType_FDW_IMPORT_SCHEMA_ALL && slices.Contains(listed, name.Name) != limited {
			continue
		}
		s, why, err := d.imported(connector, t, name, opts)
		switch {
		case err != nil:
			return nil, err
		case why != "":
			out.Notices = append(out.Notices, fmt.Sprintf("%s is not imported: %s", t, why))
		default:
			out.Sources = append(out.Sources, s)
		}
	}
	return out, nil
}

// imported is the source for one table; why says why it cannot be one.
func (d *Definer) imported(connector, t string, name fqgw.QualifiedName, opts []option) (s *fqgw.Source, why string, err error) {
	s = &fqgw.Source{
		Schema:      name.Schema,
		Name:        name.Name,
		Connector:   connector,
		EventTime:   -1,
		KnownColumn: -1,
		KeyColumn:   -1,
		TimeUnit:    1000,
		Options:     map[string]string{"connector": connector, foreignKinds[connector].names: t},
	}
	all := append(slices.Clone(opts), option{name: foreignKinds[connector].names, value: t, loc: -1})
	if err := d.foreign(s, all, -1); err != nil {
		if e := fqgw.AsError(err); e.Code == fqgw.CodeFeatureNotSupported || e.Code == fqgw.CodeInvalidDefinition {
			return nil, e.Message, nil
		}
		return nil, "", err
	}
	for _, o := range opts {
		s.Options[o.name] = o.value
	}
	if s.Options["event_time"] == "" {
		var times []string
		for _, c := range s.Columns {
			if timeType(c.Type) {
				times = append(times, c.Name)
			}
		}
		if len(times) != 1 {
			return nil, fmt.Sprintf("%d columns could be its event time; OPTIONS (event_time '…') names one", len(times)), nil
		}
		s.Options["event_time"] = times[0]
	}
	for _, o := range []string{"event_time", "known_time"} {
		if v := s.Options[o]; v != "" {
			if err := d.foreignOption(s, option{name: o, value: v, loc: -1}); err != nil {
				return nil, fqgw.AsError(err).Message, nil
			}
		}
	}
	s.SQL = foreignSQL(s)
	return s, "", nil
}
