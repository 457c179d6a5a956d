package decode

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

var rewrite = flag.Bool("update", false, "write the golden files anew")

// sample is a record that a real Debezium has written (testdata/debezium/README.md).
type sample struct {
	Topic   string  `json:"topic"`
	Millis  int64   `json:"ts"`
	Key     *string `json:"key"`
	Payload *string `json:"payload"`
}

func (s *sample) record() *fqgw.LogRecord {
	r := &fqgw.LogRecord{Timestamp: s.Millis * 1000}
	if s.Key != nil {
		r.Key = []byte(*s.Key)
	}
	if s.Payload != nil {
		r.Value = []byte(*s.Payload)
	}
	return r
}

func samples(t testing.TB) map[string]*sample {
	t.Helper()
	files, err := filepath.Glob("testdata/debezium/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	all := map[string]*sample{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s := &sample{}
		if err := json.Unmarshal(b, s); err != nil {
			t.Fatal(f, err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".json")] = s
	}
	return all
}

func columnOf(t testing.TB, def string) fqgw.Column {
	t.Helper()
	name, typ, _ := strings.Cut(def, " ")
	mods := strings.FieldsFunc(
		strings.TrimSuffix(typ[min(strings.IndexByte(typ+"(", '('), len(typ)):], "[]"),
		func(r rune) bool { return strings.ContainsRune("(,)", r) },
	)
	base, array := strings.TrimSuffix(typ, "[]"), strings.HasSuffix(typ, "[]")
	base, _, _ = strings.Cut(base, "(")
	var found fqgw.Type
	fqgw.Types(func(t fqgw.Type) {
		if t.PgName() == base || t.Base().String() == base {
			found = t
		}
	})
	if found.OID == 0 {
		t.Fatalf("no type %s", typ)
	}
	n := func(i int) (n int) { fmt.Sscan(mods[i], &n); return }
	if len(mods) == 2 {
		found = fqgw.NumericOf(n(0), n(1))
	} else if len(mods) == 1 {
		found.Mod = int32(n(0))
	}
	if array {
		found = found.Array()
	}
	return fqgw.Column{Name: name, Type: found}
}

// debezium is a changelog source; the first key columns are its primary key, the column
// of the event time is named.
func debezium(t testing.TB, key int, time string, options map[string]string, columns ...string) *fqgw.Source {
	t.Helper()
	s := &fqgw.Source{Name: "s", Format: "debezium-json", KeyColumn: -1, Options: options, EventTime: -1}
	for _, def := range columns {
		def, path, _ := strings.Cut(def, " <- ")
		c := columnOf(t, def)
		c.Field = path
		s.Columns = append(s.Columns, c)
	}
	for i := range key {
		s.PrimaryKey = append(s.PrimaryKey, i)
	}
	if s.EventTime = s.ColumnIndex(time); s.EventTime < 0 {
		t.Fatalf("no column %s", time)
	}
	return s
}

var orders = []string{"id int8", "customer text", "amount numeric(10,2)", "qty int8", "paid bool", "price float8", "placed_at timestamptz",
	"local_at timestamp", "day date", "at time", "wait int8", "tags text[]", "meta jsonb", "ref uuid", "raw bytea", "big text", "n numeric", "coupon text"}

var kinds = []string{
	"id int4",
	"t0 timestamp(0)",
	"t3 timestamp(3)",
	"t6 timestamp",
	"tz0 timestamptz(0)",
	"tm3 time(3)",
	"tm time",
	"ttz time",
	"d date",
	"iv int8",
	"by bytea",
	"h jsonb",
	"b1 bool",
	"b9 bytea",
	"vb bytea",
	"mo numeric(19,2)",
	"ci text",
	"m text",
	"nr numeric(20,0)",
	"na numeric(10,2)[]",
	"da date[]",
	"ta timestamp[]",
	"tza timestamptz[]",
	"ba bytea[]",
	"ua uuid[]",
	"ia int4[]",
	"js json",
	"r4 float4",
	"pt jsonb",
	"i4r text",
	"ch bpchar",
	"oi oid",
	"committed timestamptz <- source.ts_us",
	"lsn int8 <- source.lsn",
}

// sourceOf is a source for the table whose records a topic has.
func sourceOf(t testing.TB, topic string) *fqgw.Source {
	t.Helper()
	prefix, table, _ := strings.Cut(topic, ".")
	accounts := []string{"id int4", "owner text", "balance numeric(12,4)", "updated_at timestamptz"}
	kindsBut := func(change ...string) []string {
		out := slices.Clone(kinds)
		for _, c := range change {
			name, _, _ := strings.Cut(c, " ")
			i := slices.IndexFunc(out, func(d string) bool { return strings.HasPrefix(d, name+" ") })
			out[i] = c
		}
		return out
	}
	switch prefix + "." + strings.TrimPrefix(table, "public.") {
	case "shop.orders", "typed.orders":
		columns := slices.Clone(orders)
		if prefix == "typed" {
			columns[10] = "wait text" // interval.handling.mode=string
		}
		return debezium(t, 1, "placed_at", nil, columns...)
	case "shop.nokey": // event_time = 'committed'
		return debezium(t, 2, "committed", nil, "a int4", "b text", "committed timestamptz <- source.ts_ms")
	case "flat.accounts":
		return debezium(t, 1, "updated_at", map[string]string{"unwrapped": "true"}, accounts...)
	case "odd.odd":
		return debezium(
			t,
			1,
			"a",
			nil,
			"id int4",
			"a timestamptz",
			"b timestamptz",
			"c timestamp",
			"d date",
			"e time",
			"f numeric(10,2)",
			"g numeric",
			"h text",
			"i int4",
			"j bool",
			"k uuid",
			"l jsonb",
			"m bytea",
			"n text[]",
			"o float8",
			"p text",
			"q jsonb",
			"r timestamp",
			"s timestamp",
		)
	case "odd.kinds", "typ.kinds":
		return debezium(t, 1, "t6", nil, kinds...)
	case "nano.kinds":
		s := debezium(t, 1, "t6", map[string]string{"binary_handling": "hex", "decimal_handling": "double"}, kindsBut("nr float8")...)
		return s
	case "conn.kinds":
		s := debezium(t, 1, "t6", map[string]string{"decimal_handling": "string"}, kinds...)
		s.TimeUnit = 1000
		return s
	}
	return debezium(t, 1, "updated_at", nil, accounts...)
}

// TestDebeziumSamples reads what a real Debezium wrote; what it means is in
// testdata/debezium/changes.txt, which was read against the statements that it was made by.
func TestDebeziumSamples(t *testing.T) {
	all := samples(t)
	var b strings.Builder
	old := map[string]Decoder{} // of each topic, which know what records look like
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := sourceOf(t, all[name].Topic)
		d, err := New(s)
		if err != nil {
			t.Fatal(name, err)
		}
		r := all[name].record()
		changes, err := d.Decode(r, nil)
		clear(r.Value) // rows own their memory
		clear(r.Key)
		if old[all[name].Topic] == nil {
			old[all[name].Topic] = d
		}
		again, aerr := old[all[name].Topic].Decode(all[name].record(), nil)
		if got, want := outcome(s, again, aerr), outcome(s, changes, err); got != want {
			t.Errorf("%s by the decoder of the records before: %s, want %s", name, got, want)
		}
		fmt.Fprintf(&b, "%s\n", name)
		for i := range changes {
			b.WriteString("  " + describe(s, &changes[i]) + "\n")
		}
		if err != nil {
			e := fqgw.AsError(err)
			fmt.Fprintf(&b, "  %s %s %s\n", e.Code, e.Column, e.Message)
		}
	}
	const golden = "testdata/debezium/changes.txt"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		got, lines := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(got), len(lines)) {
			if got[i] != lines[i] {
				t.Fatalf("line %d:\n got %s\nwant %s", i+1, got[i], lines[i])
			}
		}
		t.Fatalf("%d lines, want %d", len(got), len(lines))
	}
}

// describe is a change with the columns that are not NULL, in PostgreSQL's text.
func describe(s *fqgw.Source, ev *fqgw.Event) string {
	out := ev.Op.String()
	for i, v := range ev.Row {
		switch text := ""; {
		case slices.Contains(ev.Missing, i):
			out += " " + s.Columns[i].Name + "?"
		case !v.IsNull():
			if text = expr.Text(v, s.Columns[i].Type, nil); len(text) > 60 {
				text = fmt.Sprintf("%s…(%d)", text[:20], len(text))
			}
			out += " " + s.Columns[i].Name + "=" + text
		}
	}
	return out
}
