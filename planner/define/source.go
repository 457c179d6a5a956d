package define

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/stream/decode"
)

const second = 1_000_000 // in microseconds

// createSource is CREATE SOURCE, which the parser sees as a CREATE TABLE.
func (d *Definer) createSource(n *pg.CreateStmt) (plan.Statement, error) {
	name, err := d.newName(n.Relation)
	if err != nil {
		return nil, err
	}
	if err := d.noReplacing(n.Relation, name, "source"); err != nil {
		return nil, err
	}
	if err := d.plainTable(n, "source"); err != nil {
		return nil, err
	}
	s := &fqgw.Source{Schema: name.Schema, Name: name.Name, Connector: "kafka", Topic: name.Dotted(), Format: "json", EventTime: -1, KnownColumn: -1, KeyColumn: -1,
		MaxFuture: defaultMaxFuture, TimeUnit: defaultTimeUnit(""), Start: "earliest", History: name.LakeTable(), SQL: d.stmt.Text}
	opts, err := d.optionList(n.Options)
	if err != nil {
		return nil, err
	}
	s.Options = written(opts)
	if err := d.connector(s, opts, len(n.TableElts) > 0); err != nil {
		return nil, err
	}
	if err := d.sourceColumns(s, n.TableElts, n.Relation.Location); err != nil {
		return nil, err
	}
	option := d.sourceOption
	if s.Positions() != fqgw.TopicOffsets {
		if err := d.foreign(s, opts, n.Relation.Location); err != nil {
			return nil, err
		}
		option = d.foreignOption
	} else if decode.OfSchemas(s.Format) {
		if err := d.described(s, opts, n.Relation.Location); err != nil {
			return nil, err
		}
	}
	if decode.Changes(s.Format) {
		s.TimeUnit = 0 // as the columns' types say
	}
	for _, o := range opts {
		if err := option(s, o); err != nil {
			return nil, err
		}
	}
	if s.Changelog() && s.Known != fqgw.KnownByRecord {
		return nil, d.fail(n.Relation.Location, fqgw.CodeInvalidDefinition, "a changelog has no known_time of its own").
			WithDetail("A change is known at the running maximum of its partition's record timestamps.")
	}
	if d.Foreign != nil && s.Positions() != fqgw.TopicOffsets && len(n.TableElts) > 0 { // a definition that was kept was checked
		if _, err := d.Foreign(s); err != nil {
			return nil, d.at(err, n.Relation.Location)
		}
	}
	if s.EventTime < 0 {
		e := d.fail(n.Relation.Location, fqgw.CodeInvalidDefinition, "source \"%s\" has no event time", name)
		for _, c := range s.Columns {
			if timeType(c.Type) {
				return nil, e.WithHint("Write WITH (event_time = '%s').", c.Name)
			}
		}
		return nil, e.WithHint("Add a column of type timestamptz and write WITH (event_time = '…').")
	}
	if len(n.TableElts) == 0 {
		s.SQL = foreignSQL(s)
	}
	return &plan.CreateSource{Source: s, IfNotExists: n.IfNotExists, OrReplace: d.stmt.OrReplace}, nil
}

// plainTable refuses what PostgreSQL's CREATE TABLE has beyond columns and options.
func (d *Definer) plainTable(n *pg.CreateStmt, kind string) error {
	loc := n.Relation.Location
	switch {
	case len(n.InhRelations) > 0 && n.Partbound == nil:
		return d.unsupported(loc, "INHERITS")
	case n.Partspec != nil, n.Partbound != nil:
		return d.unsupported(loc, "PARTITION").WithHint("A %s needs no partitions.", kind)
	case n.OfTypename != nil:
		return d.unsupported(loc, "CREATE TABLE OF a type")
	case n.Tablespacename != "":
		return d.unsupported(loc, "TABLESPACE")
	case n.Relation.Relpersistence == "u":
		return d.unsupported(loc, "UNLOGGED")
	case n.Oncommit != pg.OnCommitAction_ONCOMMIT_NOOP && n.Oncommit != pg.OnCommitAction_ONCOMMIT_PRESERVE_ROWS:
		return d.unsupported(loc, "ON COMMIT")
	case kind == "source" && n.Relation.Relpersistence == "t":
		return d.unsupported(loc, "a temporary source")
	}
	return nil
}

// connector reads the options that decide which others there are.
func (d *Definer) connector(s *fqgw.Source, opts []option, columns bool) error {
	for _, o := range opts {
		switch o.name {
		case "connector":
			if s.Connector = strings.ToLower(o.value); !slices.Contains(fqgw.Connectors(), s.Connector) {
				return d.badOption(o, "The connector is '%s'.", strings.Join(fqgw.Connectors(), "' or '"))
			}
		case "format":
			if s.Format = strings.ToLower(o.value); slices.ContainsFunc(opts, func(o option) bool { return o.name == "connector" && !strings.EqualFold(o.value, "kafka") }) {
				continue // of files, which foreign looks at
			}
			if !slices.Contains(decode.Formats(), s.Format) {
				return d.badOption(o, "The format is '%s'.", strings.Join(decode.Formats(), "' or '"))
			}
		}
	}
	if !columns && s.Positions() == fqgw.TopicOffsets && (!decode.OfSchemas(s.Format) || decode.Changes(s.Format)) {
		return d.fail(-1, fqgw.CodeInvalidDefinition, "source \"%s\" has no columns", s.Name).
			WithHint("Write CREATE SOURCE %s (column type, …) WITH (…).", s.Name)
	}
	return nil
}

// sourceColumns reads the columns and the CHECKs.
func (d *Definer) sourceColumns(s *fqgw.Source, elts []*pg.Node, loc int32) error {
	cols, rest, err := d.columns(elts)
	if err != nil {
		return err
	}
	for i := range cols {
		s.Columns = append(s.Columns, cols[i].col)
	}
	constraint := func(k *pg.Constraint, column string) error {
		switch k.Contype {
		case pg.ConstrType_CONSTR_CHECK:
			return d.check(s, k, column)
		case pg.ConstrType_CONSTR_PRIMARY:
			return d.primaryKey(s, k, column)
		}
		return d.refusedConstraint(k, "source")
	}
	for _, c := range cols {
		for _, k := range c.rest {
			if err := constraint(k, c.col.Name); err != nil {
				return err
			}
		}
	}
	for _, k := range rest {
		if err := constraint(k, ""); err != nil {
			return err
		}
	}
	if !s.Changelog() && s.Positions() == fqgw.TopicOffsets && decode.Changes(s.Format) {
		return d.fail(loc, "42P16", "source \"%s\" has no primary key", s.Name).
			WithDetail("Records of format '%s' are changes of rows, which the primary key tells from each other.", s.Format).
			WithHint("Write PRIMARY KEY (column, …) with the columns of the table's primary key.")
	}
	return nil
}

// check binds one CHECK over the source's columns and names it as PostgreSQL does.
func (d *Definer) check(s *fqgw.Source, k *pg.Constraint, column string) error {
	b := d.rowBinder()
	e, err := b.Expr(k.RawExpr, bind.ColumnsScope(s.Name, s.Columns))
	if err != nil {
		return err
	}
	if e, err = expr.Condition(e, "CHECK"); err != nil {
		return d.at(err, leftmost(k.RawExpr))
	}
	taken := map[string]bool{}
	for _, c := range s.Checks {
		taken[c.Name] = true
	}
	name := k.Conname
	switch {
	case name == "":
		name = checkName(s.Name, column, e, s.Columns, taken)
	case taken[name]:
		return d.fail(k.Location, "42710", "constraint \"%s\" for relation \"%s\" already exists", name, s.Name)
	}
	text, err := exprText(k.RawExpr)
	if err != nil { // a tree that there is no way back from
		text = ""
	}
	s.Checks = append(s.Checks, fqgw.Check{Name: name, Expr: e, SQL: e.String(), Text: text})
	return nil
}

// rowBinder binds the row expressions of a definition.
func (d *Definer) rowBinder() *bind.Binder {
	return &bind.Binder{Catalog: d.Binder.Catalog, Definition: true, Stmt: d.stmt}
}

var sourceOptions = []string{"connector", "topic", "format", "event_time", "known_time", "start", "history", "max_future", "key",
	"partitions", "time_unit", "schema", "message", "field.<column>"}

// sourceOption applies one option of a Kafka source.
func (d *Definer) sourceOption(s *fqgw.Source, o option) (err error) {
	if column, ok := strings.CutPrefix(o.name, "field."); ok {
		i, err := d.optionColumn(s, o, column)
		if err == nil {
			s.Columns[i].Field = o.value
			parts := strings.FieldsFunc(o.value, func(r rune) bool { return r == '.' || r == '|' && decode.OfSchemas(s.Format) })
			if o.value == "" || decode.OfSchemas(s.Format) && len(strings.Join(parts, ".")) != len(o.value) {
				err = d.badOption(o, "It is the name of a field of the record.")
			}
		}
		return err
	}
	switch o.name {
	case "connector", "format":
	case "topic":
		s.Topic = o.value
		if o.value == "" || len(o.value) > 249 || strings.Trim(o.value, topicLetters) != "" || strings.Trim(o.value, ".") == "" {
			return d.badOption(o, "A topic's name has at most 249 letters, digits, dots, underscores and hyphens.")
		}
	case "event_time":
		if s.EventTime, err = d.timeColumn(s, o); err != nil {
			return err
		}
		s.Columns[s.EventTime].NotNull = true // never NULL (SEMANTICS §1)
	case "known_time":
		switch {
		case o.value == "record" && s.ColumnIndex("record") < 0:
		case o.value == "event_time" && s.ColumnIndex("event_time") < 0:
			s.Known = fqgw.KnownByEventTime
		default:
			if s.KnownColumn, err = d.timeColumn(s, o); err != nil {
				return err
			}
			s.Known = fqgw.KnownByColumn
			s.Columns[s.KnownColumn].NotNull = true
		}
	case "key":
		s.KeyColumn, err = d.optionColumn(s, o, o.value)
		return err
	case "start":
		if o.value != "earliest" && o.value != "latest" {
			if _, err := expr.Parse(o.value, fqgw.Timestamptz, nil); err != nil {
				return d.badOption(o, "It is 'earliest', 'latest' or a time.")
			}
		}
		s.Start = o.value
	case "history":
		if parts := strings.Split(o.value, "."); len(parts) != 2 || parts[0] == "" || parts[1] == "" {
			return d.badOption(o, "It is a table of the lake: 'namespace.table'.")
		}
		s.History = o.value
	case "max_future":
		if s.MaxFuture, err = d.lengthOption(o); err == nil && s.MaxFuture < 0 {
			err = d.badOption(o, "It cannot be negative.")
		}
		return err
	case "partitions":
		n, err := strconv.Atoi(o.value)
		if err != nil || n < 1 || n > 10_000 {
			return d.badOption(o, "It is a number from 1 to 10000.")
		}
		s.Partitions = n
	case "time_unit":
		unit, ok := map[string]int64{"s": second, "ms": 1000, "us": 1}[o.value]
		if !ok {
			return d.badOption(o, "It is 's', 'ms' or 'us'.")
		}
		s.TimeUnit = unit
	case "schema":
		if !decode.OfSchemas(s.Format) {
			return d.fail(o.loc, fqgw.CodeInvalidParameter, "parameter \"schema\" is for format 'avro' or 'protobuf'")
		}
		if _, err := decode.New(s); err != nil {
			return d.at(err, o.loc)
		}
	case "message":
		if s.Format != "protobuf" {
			return d.fail(o.loc, fqgw.CodeInvalidParameter, "parameter \"message\" is for format 'protobuf'")
		}
		if o.value == "" {
			return d.badOption(o, "It is the full name of a message of Protobuf.")
		}
	case "connection":
		return d.unsupported(o.loc, "parameter \"%s\"", o.name)
	default:
		return d.formatOption(s, o)
	}
	return nil
}

// formatOption checks an option that only some formats have; Source.Options has it as
// the format knows it.
func (d *Definer) formatOption(s *fqgw.Source, o option) error {
	words, ok := decode.Options(s.Format)[o.name]
	if !ok {
		for _, f := range decode.Formats() {
			if _, ok := decode.Options(f)[o.name]; ok {
				return d.fail(o.loc, fqgw.CodeInvalidParameter, "parameter \"%s\" is for format '%s'", o.name, f)
			}
		}
		return d.unknownOption(o, append(slices.Clone(sourceOptions), slices.Sorted(maps.Keys(decode.Options(s.Format)))...)...)
	}
	value := strings.ToLower(o.value)
	if slices.Contains(words, "true") {
		b, err := d.boolOption(o)
		if err != nil {
			return err
		}
		value = strconv.FormatBool(b)
	}
	if !slices.Contains(words, value) {
		return d.badOption(o, "It is '%s'.", strings.Join(words, "' or '"))
	}
	s.Options[o.name] = value
	return nil
}

const topicLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// optionColumn is the column that an option names.
func (d *Definer) optionColumn(s *fqgw.Source, o option, name string) (int, error) {
	if i := s.ColumnIndex(name); i >= 0 {
		return i, nil
	}
	e := d.fail(o.loc, fqgw.CodeUndefinedColumn, "parameter \"%s\" names column \"%s\", which source \"%s\" does not have", o.name, name, s.Name)
	var all []string
	for _, c := range s.Columns {
		all = append(all, c.Name)
	}
	if near := fqgw.Nearest(name, all); near != "" {
		e = e.WithHint("Perhaps you meant \"%s\".", near)
	}
	return -1, e
}

// timeColumn is the column of a time type that an option names.
func (d *Definer) timeColumn(s *fqgw.Source, o option) (int, error) {
	i, err := d.optionColumn(s, o, o.value)
	if err == nil && !timeType(s.Columns[i].Type) {
		e := d.fail(o.loc, fqgw.CodeDatatypeMismatch, "column \"%s\" is of type %s but %s must be timestamptz or timestamp", o.value, s.Columns[i].Type, o.name)
		if err = e; s.Positions() != fqgw.TopicOffsets {
			err = e.WithHint("Texts and dates are read as times where the columns are written: CREATE SOURCE %s (%s timestamptz, …) WITH (…).", s.Name, o.value)
		}
	}
	return i, err
}

func timeType(t fqgw.Type) bool { return t.Base() == fqgw.Timestamptz || t.Base() == fqgw.Timestamp }
