package define

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

func TestSource(t *testing.T) {
	cat := catalog(t)
	st, err := script(cat, `CREATE OR REPLACE SOURCE IF NOT EXISTS orders (id bigint NOT NULL CHECK (id > 0), "User" text CONSTRAINT u CHECK ("User" <> ''),
		at timestamptz, seen timestamp, total numeric(10,2) NULL, CHECK (id > 1), CHECK (total > 0 AND id > 0), CHECK (1 < 2), CHECK (2 < 3))
		WITH (connector = 'kafka', topic = 'shop.orders', format = json, event_time = 'at', known_time = 'seen', start = '2013-01-01', history = 'shop.orders',
		max_future = '1 hour', key = 'User', partitions = 3, time_unit = 's', field.id = 'order.id')`)
	if err != nil {
		t.Fatal(err)
	}
	c := st.(*plan.CreateSource)
	s := c.Source
	got := fmt.Sprintf("%v %v %s %s %s %s ev=%d known=%d,%d key=%d part=%d future=%d unit=%d start=%s history=%s", c.IfNotExists, c.OrReplace, s.Name, s.Connector,
		s.Topic, s.Format, s.EventTime, s.Known, s.KnownColumn, s.KeyColumn, s.Partitions, s.MaxFuture/second, s.TimeUnit, s.Start, s.History)
	want := "true true orders kafka shop.orders json ev=2 known=2,3 key=1 part=3 future=3600 unit=1000000 start=2013-01-01 history=shop.orders"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	var cols []string
	for _, c := range s.Columns {
		cols = append(cols, fmt.Sprintf("%s %s %v %s", c.Name, c.Type, c.NotNull, c.Field))
	}
	if got, want := strings.Join(cols, "|"), "id bigint true order.id|User text false |at timestamp with time zone true |seen timestamp without time zone true |total numeric(10,2) false "; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	var checks []string
	for _, c := range s.Checks {
		checks = append(checks, c.Name+": "+c.SQL)
	}
	if got, want := strings.Join(checks, "|"), `orders_id_check: (id > 0)|u: ("User" <> ''::text)|orders_id_check1: (id > 1)|`+
		`orders_check: ((total > 0::numeric) AND (id > 0))|orders_check1: (1 < 2)|orders_check2: (2 < 3)`; strings.ReplaceAll(got, "'0'::numeric", "0::numeric") != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if s.Options["known_time"] != "seen" || s.Options["field.id"] != "order.id" || s.Options["partitions"] != "3" {
		t.Errorf("options %v", s.Options)
	}
	if s := cat.Sources[fqgw.Public("clicks")]; s.Topic != "clicks" || s.History != "lake.clicks" || s.MaxFuture != 300*second || s.TimeUnit != 1000 || s.KeyColumn != -1 ||
		s.Start != "earliest" || s.Known != fqgw.KnownByRecord || s.Partitions != 0 {
		t.Errorf("defaults: %+v", s)
	}
	if st, err := script(cat, "CREATE SOURCE s (a timestamp) WITH (event_time = 'a', known_time = 'event_time')"); err != nil || st.(*plan.CreateSource).Source.Known != fqgw.KnownByEventTime {
		t.Errorf("%v %v", st, err)
	}
}

// TestChangelogOptions: what a format of changes has for itself, and its defaults.
func TestChangelogOptions(t *testing.T) {
	cat := catalog(t)
	source := func(with string) *fqgw.Source {
		t.Helper()
		st, err := script(cat, "CREATE SOURCE s (id bigint PRIMARY KEY, at timestamp(3)) WITH (event_time = 'at', format = 'debezium-json'"+with+")")
		if err != nil {
			t.Fatal(with, err)
		}
		return st.(*plan.CreateSource).Source
	}
	plain := source("")
	if !plain.Changelog() || plain.TimeUnit != 0 || plain.Options["unwrapped"] != "" {
		t.Errorf("%+v", plain)
	}
	s := source(", UNWRAPPED = on, decimal_handling = 'STRING', time_unit = 'ms'")
	if s.Options["unwrapped"] != "true" || s.Options["decimal_handling"] != "string" || s.TimeUnit != 1000 {
		t.Errorf("%v %d", s.Options, s.TimeUnit)
	}
	form := func(s *fqgw.Source) string {
		b, err := Form(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if form(plain) != form(source(", unwrapped = false, binary_handling = 'base64'")) {
		t.Error("defaults that are spelled out are another form")
	}
	for _, with := range []string{", unwrapped = true", ", decimal_handling = 'double'", ", binary_handling = 'hex'", ", replica_identity = 'full'", ", time_unit = 'ms'"} {
		if form(plain) == form(source(with)) {
			t.Errorf("%s has the form of the source without it", with)
		}
	}
}

func TestSourceRefusals(t *testing.T) {
	s := func(cols, with string) string {
		return "CREATE SOURCE s (é text, at timestamptz, " + cols + ") WITH (event_time = 'at'" + with + ")"
	}
	refuse(t, catalog(t), []refusal{
		{s("a int PRIMARY KEY", ""), "0A000", "PRIMARY", "whose records are rows"},
		{s("a int, PRIMARY KEY (a)", ""), "0A000", "PRIMARY", "changelog"},
		{s("a int PRIMARY KEY", ", connector = 'files', path = 'x.csv'"), "0A000", "PRIMARY", "DISTINCT ON"},
		{s("a int UNIQUE", ""), "0A000", "UNIQUE", "NOT NULL and CHECK"},
		{s("a int DEFAULT 1", ""), "0A000", "DEFAULT", "DEFAULT on a source"},
		{s("a int REFERENCES b", ""), "0A000", "REFERENCES", "FOREIGN KEY"},
		{s("a nosuchtype", ""), "42704", "nosuchtype", "does not exist"},
		{s("a integr", ""), "42704", "integr", ""},
		{s("a int, a text", ""), "42701", "a text", "more than once"},
		{s("_fq_known_at timestamptz", ""), "42939", "_fq_known_at", "reserved"},
		{s("a int CHECK (a > b)", ""), "42703", "b)", "\"b\" does not exist"},
		{s("a int CHECK (a)", ""), "42804", "a)", "CHECK"},
		{s("a int CHECK (at < now())", ""), "42P17", "at < now()", "row alone"},
		{s("a int CHECK (a > 'x')", ""), "22P02", "'x'", "integer"},
		{s("a int CHECK (a > (SELECT 1))", ""), "0A000", "(SELECT", "subquer"},
		{s("a int CONSTRAINT x CHECK (a > 1) CONSTRAINT x CHECK (a > 2)", ""), "42710", "CONSTRAINT x CHECK (a > 2)", "already exists"},
		{s("a int", ", topik = 'x'"), "22023", "topik", "Perhaps you meant \"topic\""},
		{s("a int", ", connector = 'iceberg'"), "42P17", "s (", "source \"s\" does not say what it reads"},
		{s("a int", ", connector = 'pulsar'"), "22023", "connector", "pulsar"},
		{s("a int", ", format = 'debezium-json'"), "42P16", "s (", "has no primary key"},
		{s("a int PRIMARY KEY", ", format = 'debezium-json', decimal_handling = 'exact'"), "22023", "decimal_handling", "'precise' or 'string' or 'double'"},
		{s("a int PRIMARY KEY", ", format = 'debezium-json', unwrapped = 'perhaps'"), "22023", "unwrapped", "Boolean"},
		{s("a int PRIMARY KEY", ", format = 'debezium-json', unwraped = 'true'"), "22023", "unwraped", "Perhaps you meant \"unwrapped\""},
		{s("a int", ", unwrapped = true"), "22023", "unwrapped", "for format 'debezium-"},
		{s("a int", ", schema = '{}'"), "22023", "schema", "for format 'avro' or 'protobuf'"},
		{s("a int", ", format = 'avro', message = 'm'"), "22023", "message", "for format 'protobuf'"},
		{s("a int", ", format = 'protobuf', message = ''"), "22023", "message", "full name of a message"},
		{s("a int", ", format = 'protobuf', schema = 'message m {'"), "22P02", "schema", "syntax error"},
		{s("a int", ", format = 'protobuf', schema = 'AAAA'"), "22P02", "schema", "no FileDescriptorSet"},
		{s("a int", ", format = 'protobuf', schema = 'syntax = \"proto3\"; import \"x.proto\"; message m {}'"), "22P02", "schema", "imports \"x.proto\""},
		{s("a int", ", format = 'protobuf', schema = 'syntax = \"proto3\"; message m {} message n {}'"), "22023", "schema", "it has 2 messages"},
		{s("a int", ", format = 'protobuf', message = 'x', schema = 'syntax = \"proto3\"; message m {}'"), "22023", "schema", "no message"},
		{s("a int", ", format = 'avro', schema = '\"long\"'"), "22P02", "schema", "is no record but long"},
		{s("a int", ", format = 'avro', schema = '{'"), "22P02", "schema", "not JSON"},
		{s("a int", ", format = 'avro', field.a = 'x.|y'"), "22023", "field.a", "name of a field"},
		{"CREATE SOURCE s WITH (format = 'avro')", "42P17", "s WITH", "has no columns"},
		{"CREATE SOURCE s WITH (format = 'avro', field.x = 'a.b', schema = '{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}')", "42703", "s WITH", "no field \"a.b\""},
		{s("a int", ", known_time = 'a'"), "42804", "known_time", "must be timestamptz or timestamp"},
		{s("a int", ", known_time = 'b'"), "42703", "known_time", "does not have"},
		{s("a int", ", key = 'aa'"), "42703", "key", "Perhaps you meant"},
		{s("a int", ", field.b = 'x'"), "42703", "field.b", "does not have"},
		{s("a int", ", partitions = 0"), "22023", "partitions", "1 to 10000"},
		{s("a int", ", partitions = many"), "22023", "partitions", "1 to 10000"},
		{s("a int", ", max_future = '1 month'"), "22023", "max_future", "no fixed length"},
		{s("a int", ", max_future = '-1 s'"), "22023", "max_future", "negative"},
		{s("a int", ", time_unit = 'ns'"), "22023", "time_unit", "'us'"},
		{s("a int", ", start = 'soon'"), "22023", "start", "earliest"},
		{s("a int", ", history = 'x'"), "22023", "history", "namespace.table"},
		{s("a int", ", topic = 'a b'"), "22023", "topic", "letters"},
		{s("a int", ", connection = 'x'"), "0A000", "connection", "connection"},
		{"CREATE SOURCE s (a int, at timestamptz)", "42P17", "s (", "Write WITH (event_time = 'at')"},
		{"CREATE SOURCE s (a int)", "42P17", "s (", "Add a column"},
		{"CREATE SOURCE s (at text) WITH (event_time = 'at')", "42804", "event_time", "text"},
		{"CREATE SOURCE s (at timestamptz) WITH (event_time = 'att')", "42703", "event_time", "Perhaps you meant \"at\""},
		{"CREATE SOURCE s WITH (connector = 'kafka')", "42P17", "", "has no columns"},
		{"CREATE SOURCE s WITH (connector = 'iceberg', table = 'a.b')", "42P17", "s WITH", "has no columns"},
		{"CREATE SOURCE s (LIKE clicks)", "0A000", "clicks", "LIKE"},
		{"CREATE SOURCE fqgw.s (at timestamptz) WITH (event_time = 'at')", "42501", "fqgw.s", "system schema"},
		{"CREATE SOURCE s (a regclass, at timestamptz) WITH (event_time = 'at')", "0A000", "regclass", "regclass"},
		{"CREATE SOURCE s (a record, at timestamptz) WITH (event_time = 'at')", "42P16", "record", "pseudo-type"},
	})
}

// TestSourceOfSchema: the columns of a source come from the schema of its records, and
// the definition that is kept has them.
func TestSourceOfSchema(t *testing.T) {
	const schema = `{"type": "record", "name": "order", "fields": [{"name": "id", "type": "long", "aliases": ["nr"]},
		{"name": "at", "type": "long"}, {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
		{"name": "it''s", "type": ["null", "string"]}, {"name": "items", "type": {"type": "array", "items": "string"}},
		{"name": "to", "type": {"type": "record", "name": "address", "fields": [{"name": "zip", "type": "string"}]}}]}`
	cat := catalog(t)
	sql := "CREATE SOURCE orders WITH (topic = 'o', format = 'avro', event_time = 'at', field.zip = 'from.zip|to.zip', schema = '" + schema + "')"
	for range 2 { // and again by what was kept
		st, err := script(cat, sql)
		if err != nil {
			t.Fatal(err)
		}
		s := st.(*plan.CreateSource).Source
		var cols []string
		for _, c := range s.Columns {
			cols = append(cols, fmt.Sprintf("%s %s %v %s", c.Name, c.Type, c.NotNull, c.Field))
		}
		if got, want := strings.Join(cols, "|"), "id bigint false id|nr|at timestamp with time zone true |total numeric(9,2) false |it's text false |items text[] false |to jsonb false |zip text false from.zip|to.zip"; got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
		if sql = s.SQL; !strings.Contains(sql, `"id" bigint`) {
			t.Errorf("kept is %s", sql)
		}
	}
}
