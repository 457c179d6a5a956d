package iceberg

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// Columns come as asked for: any order, twice, or none; the schema is that of
// the batches.
func TestScanColumns(t *testing.T) {
	l := open(t, Options{})
	cols := []fqgw.Column{{Name: "a", Type: fqgw.Int4, NotNull: true}, {Name: "b.c", Type: fqgw.Text.Array()}, {Name: "D d", Type: fqgw.UUID}, {Name: "n", Type: fqgw.NumericOf(38, 2)}}
	if err := l.Create(t.Context(), "lake.t", cols); err != nil {
		t.Fatal(err)
	}
	row := []fqgw.Value{fqgw.IntValue(7), fqgw.ArrayOf(fqgw.Text, fqgw.TextValue("x"), fqgw.Null), fqgw.UUIDValue([16]byte{9}), fqgw.Null}
	if _, _, err := l.Land(t.Context(), "lake.t", storetest.Batch(t, cols, [][]fqgw.Value{row, row}), nil, next(2)); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]int{{2, 0}, {1, 0, 1}, {3}, {0, 1, 2, 3}, {}} {
		names := []string{}
		for _, i := range want {
			names = append(names, cols[i].Name)
		}
		schema, records, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t", Columns: names})
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		for b, err := range records {
			if err != nil {
				t.Fatal(err)
			}
			if !b.Schema().Equal(schema) || schema.NumFields() != len(want) {
				t.Errorf("%v: batches of %v, schema %v", names, b.Schema(), schema)
			}
			for c, i := range want {
				if schema.Field(c).Name != cols[i].Name || !arrow.TypeEqual(schema.Field(c).Type, fqgw.ArrowType(cols[i].Type)) {
					t.Errorf("%v: field %v", names, schema.Field(c))
				}
				if got := fqgw.ArrowValue(b.Column(c), 0, cols[i].Type); fqgw.Compare(got, row[i]) != 0 {
					t.Errorf("%s is %v, not %v", cols[i].Name, got, row[i])
				}
			}
			n += b.NumRows()
			b.Release()
		}
		if n != 2 {
			t.Errorf("%v: %d rows", names, n)
		}
	}
	_, _, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t", Columns: []string{"d d"}})
	if code(err) != fqgw.CodeUndefinedColumn || fqgw.AsError(err).Hint == "" {
		t.Errorf("%v", err)
	}
}

// The bounds are inclusive and exact, NULL lies in no range, and files without
// a row in the range are not opened.
func TestScanTime(t *testing.T) {
	l := open(t, Options{})
	create(t, l, "lake.t")
	for i := range 10 {
		land(t, l, "lake.t", i*100, 100)
	}
	edge := func(us int64) fqgw.Value { return fqgw.TimestampValue(us) }
	odd := [][]fqgw.Value{
		{fqgw.IntValue(-1), fqgw.Null, fqgw.Null}, {fqgw.IntValue(-2), fqgw.Null, edge(-1)}, {fqgw.IntValue(-3), fqgw.Null, edge(fqgw.NegInfinityTime)},
		{fqgw.IntValue(-4), fqgw.Null, edge(fqgw.InfinityTime)}, {fqgw.IntValue(-5), fqgw.Null, edge(5_000_001)},
	}
	if _, ok, err := l.Land(t.Context(), "lake.t", storetest.Batch(t, numbers, odd), next(1000), next(1005)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, c := range []struct {
		from, to int64
		want     []int64
	}{
		{5_000_000, 6_000_000, []int64{5, 6, -5}}, {5_000_001, 5_999_999, []int64{-5}}, {5_000_002, 5_999_999, nil},
		{-1, 0, []int64{0, -2}}, {math.MinInt64, -1, []int64{-2, -3}}, {998_999_999, math.MaxInt64, []int64{999, -4}},
		{math.MinInt64, math.MaxInt64, append(upTo(0, 1000), -2, -3, -4, -5)}, {7, 6, nil},
	} {
		if got := values(t, l, fqgw.Scan{Table: "lake.t", Time: "ts", From: c.from, To: c.to}); !slices.Equal(got, c.want) {
			t.Errorf("[%d, %d]: %v, not %v", c.from, c.to, got, c.want)
		}
	}
	for column, want := range map[string]fqgw.Code{"v": fqgw.CodeDatatypeMismatch, "x": fqgw.CodeUndefinedColumn} {
		if _, _, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t", Time: column}); code(err) != want {
			t.Errorf("a range of %s: %v", column, err)
		}
	}
	// Without the other files the range can still be read, and a scan of all not.
	tasks, err := tableOf(t, l).Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(tasks, written)
	for i, task := range tasks {
		if i != 3 && i != 10 {
			os.Remove(pathOf(t, task.File))
		}
	}
	if got := values(t, l, fqgw.Scan{Table: "lake.t", Time: "ts", From: 300_000_000, To: 399_000_000}); !slices.Equal(got, upTo(300, 400)) {
		t.Errorf("%v", got)
	}
	_, records, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t"})
	for b, rerr := range records {
		if err = rerr; err == nil {
			b.Release()
		}
	}
	if code(err) != codeNoFile {
		t.Errorf("files that are gone: %v", err)
	}
}

// Every predicate of iceberg-go works on rows, not only on files: the functions
// that it filters with are declared in replaced/substrait.
func TestScanFilters(t *testing.T) {
	l := open(t, Options{})
	cols := []fqgw.Column{{Name: "v", Type: fqgw.Int8}, {Name: "s", Type: fqgw.Text}, {Name: "d", Type: fqgw.Float8}}
	if err := l.Create(t.Context(), "lake.t", cols); err != nil {
		t.Fatal(err)
	}
	rows := [][]fqgw.Value{ // one file, so that no predicate is decided by a file's bounds
		{fqgw.IntValue(0), fqgw.TextValue("a"), fqgw.FloatValue(0)}, {fqgw.IntValue(1), fqgw.Null, fqgw.FloatValue(math.NaN())},
		{fqgw.IntValue(2), fqgw.TextValue("ab"), fqgw.Null}, {fqgw.IntValue(3), fqgw.TextValue("b"), fqgw.FloatValue(3)},
	}
	if _, _, err := l.Land(t.Context(), "lake.t", storetest.Batch(t, cols, rows), nil, next(len(rows))); err != nil {
		t.Fatal(err)
	}
	v, s, d := iceberg.Reference("v"), iceberg.Reference("s"), iceberg.Reference("d")
	for i, c := range []struct {
		filter iceberg.BooleanExpression
		want   []int64
	}{
		{iceberg.EqualTo(v, int64(1)), []int64{1}}, {iceberg.NotEqualTo(v, int64(1)), []int64{0, 2, 3}},
		{iceberg.LessThan(v, int64(1)), []int64{0}}, {iceberg.LessThanEqual(v, int64(1)), []int64{0, 1}},
		{iceberg.GreaterThan(v, int64(2)), []int64{3}}, {iceberg.GreaterThanEqual(v, int64(2)), []int64{2, 3}},
		{iceberg.IsNull(s), []int64{1}}, {iceberg.NotNull(s), []int64{0, 2, 3}},
		{iceberg.IsNaN(d), []int64{1}},
		{iceberg.IsIn(v, int64(0), int64(3)), []int64{0, 3}}, {iceberg.NotIn(v, int64(0), int64(3)), []int64{1, 2}},
		{iceberg.NewAnd(iceberg.GreaterThan(v, int64(0)), iceberg.NotNull(s)), []int64{2, 3}},
		{iceberg.NewOr(iceberg.EqualTo(v, int64(0)), iceberg.EqualTo(s, "b")), []int64{0, 3}},
		{iceberg.NewNot(iceberg.EqualTo(v, int64(0))), []int64{1, 2, 3}},
	} {
		scan := tableOf(t, l).Scan(table.WithRowFilter(c.filter))
		_, records, err := scan.ToArrowRecords(t.Context())
		if err != nil {
			t.Errorf("%d, %v: %v", i, c.filter, err)
			continue
		}
		var got []int64
		for b, err := range records {
			if err != nil {
				t.Fatalf("%d, %v: %v", i, c.filter, err)
			}
			for row := range int(b.NumRows()) {
				got = append(got, fqgw.ArrowValue(b.Column(0), row, fqgw.Int8).Int())
			}
			b.Release()
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d, %v: %v, not %v", i, c.filter, got, c.want)
		}
	}
}

// A reader may stop early; nothing goes on behind it, and what it has not
// read yet survives landings and expiry that come after its call.
func TestScanStops(t *testing.T) {
	l := open(t, Options{})
	l.keepAge = 0
	create(t, l, "lake.t")
	for i := range 20 {
		land(t, l, "lake.t", i, 1)
	}
	before := runtime.NumGoroutine()
	for range 20 {
		_, records, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t"})
		if err != nil {
			t.Fatal(err)
		}
		for b := range records {
			b.Release()
			break
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	_, records, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t", Columns: []string{"v"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 85 {
		land(t, l, "lake.t", 20+i, 1)
	}
	var n int64
	for b, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		n += b.NumRows()
		b.Release()
	}
	if n != 20 {
		t.Errorf("%d rows", n)
	}
}

// A table of another engine is described by its Iceberg types.
func TestForeignTable(t *testing.T) {
	l := open(t, Options{})
	create(t, l, "lake.t") // makes the namespace
	schema := iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64, Required: true},
		iceberg.NestedField{ID: 2, Name: "price", Type: iceberg.DecimalTypeOf(9, 2)}, iceberg.NestedField{ID: 3, Name: "tags", Type: &iceberg.ListType{ElementID: 4, Element: iceberg.PrimitiveTypes.String}},
		iceberg.NestedField{ID: 5, Name: "at", Type: iceberg.PrimitiveTypes.TimestampTz})
	if _, err := l.catalog.CreateTable(t.Context(), ident("lake.theirs"), schema); err != nil {
		t.Fatal(err)
	}
	want := []fqgw.Column{{Name: "id", Type: fqgw.Int8, NotNull: true}, {Name: "price", Type: fqgw.NumericOf(9, 2)}, {Name: "tags", Type: fqgw.Text.Array()}, {Name: "at", Type: fqgw.Timestamptz}}
	cols, err := l.Describe(t.Context(), "lake.theirs")
	if err != nil || !slices.Equal(cols, want) {
		t.Fatalf("%v, %v", cols, err)
	}
	price, _ := fqgw.ParseDecimal("1.50")
	row := []fqgw.Value{fqgw.IntValue(1), fqgw.NumericValue(price), fqgw.ArrayOf(fqgw.Text, fqgw.TextValue("a")), fqgw.TimestampValue(1)}
	b := storetest.Batch(t, cols, [][]fqgw.Value{row})
	if _, err := l.Append(t.Context(), "lake.theirs", func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) }); err != nil {
		t.Fatal(err)
	}
	got := storetest.ReadAll(t, l, fqgw.Scan{Table: "lake.theirs", Time: "at", From: 1, To: 1}, []fqgw.Type{fqgw.Int8, cols[1].Type, cols[2].Type, fqgw.Timestamptz})
	if len(got) != 1 || fmt.Sprint(got[0][1].Numeric()) != "1.50" || got[0][2].List().Items[0].Str() != "a" {
		t.Errorf("%v", got)
	}
}

// TestScanOutlivesItsSnapshot: a scan knows its files from the call on. A snapshot
// that expires before they are read takes nothing away.
func TestScanOutlivesItsSnapshot(t *testing.T) {
	l := open(t, Options{})
	l.keepAge = 0
	create(t, l, "lake.t")
	var at fqgw.Marks
	land := func(n int) {
		t.Helper()
		to := fqgw.Marks{{Next: int64(n + 1)}}
		if _, ok, err := l.Land(t.Context(), "lake.t", count(t, n, 1), at, to); err != nil || !ok {
			t.Fatal(ok, err)
		}
		at = to
	}
	land(0)
	land(1)
	snap, err := l.Current(t.Context(), "lake.t")
	if err != nil {
		t.Fatal(err)
	}
	scan := fqgw.Scan{Table: "lake.t", Snapshot: snap.ID}
	_, records, err := l.Scan(t.Context(), scan)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 * keepSnapshots {
		land(n + 2)
	}
	if _, _, err := l.Scan(t.Context(), scan); fqgw.AsError(err).Code != fqgw.CodeUndefinedObject {
		t.Fatalf("the snapshot is still there: %v", err)
	}
	rows := int64(0)
	for b, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		rows += b.NumRows()
		b.Release()
	}
	if rows != 2 {
		t.Errorf("read %d rows, want 2", rows)
	}
}
