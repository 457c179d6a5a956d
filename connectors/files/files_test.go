package files_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/files"
)

// write writes JSON rows of a schema as a Parquet file with so many rows a group.
func write(t *testing.T, path string, schema *arrow.Schema, rows string, group int64) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(
		schema,
		f,
		parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(group)),
		pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, folders ...string) *files.Files {
	t.Helper()
	f, err := files.Open(folders...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func source(path string, cols ...fqgw.Column) *fqgw.Source {
	s := &fqgw.Source{Name: "s", Connector: "files", Format: "parquet", Columns: cols, Options: map[string]string{"path": path}}
	s.EventTime = s.ColumnIndex("ts")
	return s
}

// rows are what a scan gives, as texts of Arrow.
func rows(t *testing.T, f *files.Files, s *fqgw.Source, sc fqgw.Scan) (out []string, batches int, err error) {
	t.Helper()
	_, records, err := f.Scan(context.Background(), s, sc)
	if err != nil {
		return nil, 0, err
	}
	for b, err := range records {
		if err != nil {
			return out, batches, err
		}
		batches++
		for i := range int(b.NumRows()) {
			var row []string
			for _, c := range b.Columns() {
				row = append(row, c.ValueStr(i))
			}
			out = append(out, strings.Join(row, "|"))
		}
		b.Release()
	}
	return out, batches, nil
}

func code(err error) fqgw.Code {
	if err == nil {
		return ""
	}
	return fqgw.AsError(err).Code
}

var events = arrow.NewSchema([]arrow.Field{{Name: "u", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}, Nullable: true}}, nil)

var eventColumns = []fqgw.Column{{Name: "u", Type: fqgw.Text}, {Name: "ts", Type: fqgw.Timestamptz}}

func at(text string) int64 {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

// Wildcards, folders and links: what is found, and in what order.
func TestPaths(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for _, name := range []string{"a/1.parquet", "a/2.parquet", "b/c/3.parquet", "a/_tmp.parquet", "a/.part.parquet", "x.parquet"} {
		write(t, filepath.Join(dir, name), events, `[{"u":"`+name+`","ts":"2024-01-01 00:00:00Z"}]`, 10)
	}
	write(t, filepath.Join(other, "o.parquet"), events, `[{"u":"o","ts":"2024-01-01 00:00:00Z"}]`, 10)
	for link, to := range map[string]string{"inside.parquet": "a/1.parquet", "out.parquet": filepath.Join(other, "o.parquet"), "d/out": other} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, link)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	f := open(t, dir, filepath.Join(other))
	for _, c := range []struct {
		path, want string
		code       fqgw.Code
	}{
		{path: "a/1.parquet", want: "a/1.parquet"},
		{path: "./a/../a/1.parquet", want: "a/1.parquet"},
		{path: "a", want: "a/1.parquet a/2.parquet"},
		{path: "a/", want: "a/1.parquet a/2.parquet"},
		{path: "a/*", want: "a/1.parquet a/2.parquet"},
		{path: "a/[2-9].parquet", want: "a/2.parquet"},
		{path: "[ab]/?.parquet", want: "a/1.parquet a/2.parquet"},
		{path: "*/?.parquet", code: "42501"}, // out.parquet might be a folder
		{path: "[ab]/**/*.parquet", want: "a/1.parquet a/2.parquet b/c/3.parquet"},
		{path: "[ab]/**", want: "a/1.parquet a/2.parquet b/c/3.parquet"},
		{path: "b/**/3.parquet", want: "b/c/3.parquet"},
		{path: "inside.parquet", want: "a/1.parquet"},
		{path: filepath.Join(other, "o.parquet"), want: "o"},
		{path: "a/_tmp.parquet", want: "a/_tmp.parquet"},
		{path: "out.parquet", code: "42501"},
		{path: "d/out/o.parquet", code: "42501"},
		{path: "d/**/*.parquet", code: "42501"},
		{path: "../x.parquet", code: "42501"},
		{path: "/etc/passwd", code: "42501"},
		{path: "no.parquet", code: "58P01"},
		{path: "none/*.parquet", code: "58P01"},
		{path: "none*.parquet"},
		{path: "a/[.parquet", code: "58030"},
	} {
		got, _, err := rows(t, f, source(c.path, eventColumns...), fqgw.Scan{Columns: []string{"u"}})
		if code(err) != c.code || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, error %v; want %q, %s", c.path, got, err, c.want, c.code)
		}
	}
}

// The times of a scan: rows are cut, nanoseconds floored, row groups passed over.
func TestTimes(t *testing.T) {
	dir := t.TempDir()
	write(
		t,
		filepath.Join(dir, "e.parquet"),
		events,
		`[{"u":"a","ts":"2024-01-01 00:00:00.000000999Z"},{"u":"b","ts":"2024-01-01 01:00:00Z"},
		{"u":"c","ts":null},{"u":"d","ts":"2024-01-01 02:00:00Z"},{"u":"e","ts":"2024-01-01 03:00:00Z"},{"u":"f","ts":"1969-12-31 23:59:59.999999999Z"}]`,
		2,
	)
	f := open(t, dir)
	s := source("e.parquet", eventColumns...)
	for _, c := range []struct {
		from, to int64
		want     string
		batches  int
	}{
		{math.MinInt64, math.MaxInt64, "a b c d e f", 3},
		{at("2024-01-01T00:00:00Z"), at("2024-01-01T00:00:00Z"), "a", 1},
		{at("2024-01-01T01:00:00Z"), at("2024-01-01T02:00:00Z"), "b d", 2},
		{at("2024-01-01T02:30:00Z"), math.MaxInt64, "e", 1},
		{math.MinInt64, -1, "f", 1},
		{math.MinInt64, -2, "", 0},
	} {
		got, _, err := rows(t, f, s, fqgw.Scan{Columns: []string{"u"}, Time: "ts", From: c.from, To: c.to})
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%d to %d: %q, %v; want %q", c.from, c.to, got, err, c.want)
		}
	}
	got, _, err := rows(t, f, s, fqgw.Scan{Columns: []string{"ts"}, Time: "ts", From: math.MinInt64, To: at("2024-01-01T00:00:00.000001Z")})
	if err != nil || !slices.Equal(got, []string{"2024-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// Nested data is jsonb, and a field in it can be a column.
func TestNested(t *testing.T) {
	dir := t.TempDir()
	inner := arrow.StructOf(
		arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		arrow.Field{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	)
	schema := arrow.NewSchema(
		[]arrow.Field{
			{Name: "user", Type: inner, Nullable: true},
			{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
			{
				Name:     "items",
				Type:     arrow.ListOf(inner),
				Nullable: true,
			},
			{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Microsecond}, Nullable: true},
		},
		nil,
	)
	write(
		t,
		filepath.Join(dir, "n.parquet"),
		schema,
		`[{"user":{"id":7,"name":"<é>"},"tags":["x",null],"items":[{"id":1,"name":"i"}],"ts":"2024-01-01 00:00:00"},
		{"user":null,"tags":null,"items":[],"ts":null}]`,
		10,
	)
	f := open(t, dir)
	cols, err := f.Columns(context.Background(), source("n.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, c := range cols {
		types = append(types, c.Name+" "+c.Type.String())
	}
	if got := strings.Join(types, ", "); got != "user jsonb, tags text[], items jsonb, ts timestamp without time zone" {
		t.Error(got)
	}
	cols = append(cols, fqgw.Column{Name: "id", Type: fqgw.Int4, Field: "user.id"})
	got, _, err := rows(t, f, source("n.parquet", cols...), fqgw.Scan{})
	want := []string{`{"id": 7, "name": "<é>"}|["x",null]|[{"id": 1, "name": "i"}]|2024-01-01T00:00:00|7`, "(null)|(null)|[]|(null)|(null)"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

// Every way of damage is an error that names the file, or the right rows.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "e.parquet")
	write(t, path, events, `[{"u":"a","ts":"2024-01-01 00:00:00Z"},{"u":"b","ts":"2024-01-01 01:00:00Z"}]`, 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, dir)
	s := source("e.parquet", eventColumns...)
	refused := 0
	for i := range whole {
		for _, broken := range [][]byte{whole[:i], flipped(whole, i)} {
			if err := os.WriteFile(path, broken, 0o644); err != nil {
				t.Fatal(err)
			}
			_, _, err := rows(t, f, s, fqgw.Scan{})
			if err == nil {
				continue
			}
			refused++
			if e := fqgw.AsError(err); !strings.Contains(e.Message+e.Detail, "e.parquet") || e.Code == fqgw.CodeInternal {
				t.Fatalf("byte %d: %s %s (%s)", i, e.Code, e.Message, e.Detail)
			}
		}
	}
	if refused < len(whole) { // each truncation, and some of the others
		t.Errorf("%d of %d were refused", refused, 2*len(whole))
	}
}

func flipped(b []byte, at int) []byte {
	out := slices.Clone(b)
	out[at] ^= 0x41
	return out
}

// Nested columns are read elsewhere, and are as safe.
func TestNestedDamage(t *testing.T) {
	dir := t.TempDir()
	inner := arrow.StructOf(
		arrow.Field{Name: "a", Type: arrow.BinaryTypes.String, Nullable: true},
		arrow.Field{Name: "b", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	)
	write(t, filepath.Join(dir, "n.parquet"), arrow.NewSchema([]arrow.Field{{Name: "s", Type: inner, Nullable: true}}, nil),
		`[{"s":{"a":"x","b":1}},{"s":{"a":"y","b":2}},{"s":null}]`, 10)
	path := filepath.Join(dir, "n.parquet")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, dir)
	s := source("n.parquet", fqgw.Column{Name: "s", Type: fqgw.JSONB})
	for i := range whole {
		for _, with := range []byte{0x41, 0xff} {
			broken := slices.Clone(whole)
			broken[i] ^= with
			if err := os.WriteFile(path, broken, 0o644); err != nil {
				t.Fatal(err)
			}
			_, _, _ = rows(t, f, s, fqgw.Scan{}) // it comes back
		}
	}
}

// A file that changes while it is read gives no mixture.
func TestChanging(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "e.parquet")
	write(t, path, events, `[{"u":"a","ts":"2024-01-01 00:00:00Z"},{"u":"b","ts":"2024-01-01 01:00:00Z"}]`, 10)
	f := open(t, dir)
	s := source("e.parquet", eventColumns...)
	before, err := f.Current(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	_, records, err := f.Scan(context.Background(), s, fqgw.Scan{Snapshot: before.ID})
	if err != nil {
		t.Fatal(err)
	}
	for b, e := range records {
		if e == nil {
			b.Release()
			write(t, path, events, `[{"u":"c","ts":"2024-01-01 00:00:00Z"}]`, 10)
		}
		err = e
	}
	if code(err) != fqgw.CodeSerialization {
		t.Errorf("%v", err)
	}
	after, err := f.Current(context.Background(), s)
	if err != nil || after.ID == before.ID {
		t.Errorf("the snapshot is the same, %v", err)
	}
	if _, _, err := rows(t, f, s, fqgw.Scan{Snapshot: before.ID}); code(err) != fqgw.CodeUndefinedObject {
		t.Errorf("%v", err)
	}
}

func TestNotNull(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "e.parquet"), events, `[{"u":null,"ts":null}]`, 10)
	f := open(t, dir)
	s := source(
		"e.parquet",
		fqgw.Column{Name: "u", Type: fqgw.Text, NotNull: true},
		fqgw.Column{Name: "ts", Type: fqgw.Timestamptz, NotNull: true},
	)
	if _, _, err := rows(t, f, s, fqgw.Scan{}); code(err) != fqgw.CodeNotNullViolation ||
		!strings.Contains(fqgw.AsError(err).Detail, "e.parquet") {
		t.Errorf("%v", err)
	}
	if got, _, err := rows(t, f, s, fqgw.Scan{Columns: []string{"ts"}}); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}

// A file more is an addition; one that changed or went is not.
func TestAdded(t *testing.T) {
	dir := t.TempDir()
	one := func(name, u string) {
		write(t, filepath.Join(dir, name), events, `[{"u":"`+u+`","ts":"2024-01-01 00:00:00Z"}]`, 10)
	}
	ctx := context.Background()
	f := open(t, dir)
	s := source("*.parquet", eventColumns...)
	at := func() int64 {
		snap, err := f.Current(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		return snap.ID
	}
	added := func(f *files.Files, from, to int64) string {
		rows, ok, err := f.Added(ctx, s, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return "no"
		}
		var out []string
		for b, err := range rows {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b.Column(0).ValueStr(0))
			b.Release()
		}
		return strings.Join(out, " ")
	}
	if at() != 0 {
		t.Error("a snapshot of nothing")
	}
	one("b.parquet", "b")
	first := at()
	one("a.parquet", "a")
	one("c.parquet", "c")
	second := at()
	if got := added(f, first, second); got != "a c" {
		t.Error(got)
	}
	if got := added(f, second, second); got != "" {
		t.Error(got)
	}
	one("b.parquet", "changed")
	third := at()
	if got := added(f, second, third); got != "no" {
		t.Error(got)
	}
	if err := os.Remove(filepath.Join(dir, "a.parquet")); err != nil {
		t.Fatal(err)
	}
	if got := added(f, third, at()); got != "no" {
		t.Error(got)
	}
	if got := added(open(t, dir), first, second); got != "no" {
		t.Errorf("a process that does not know the first snapshot: %s", got)
	}
}
