package iceberg

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// changed is a table that fqgw made, with a row {1, 1, a}, and another program's hand on it.
func changed(t *testing.T, cols []fqgw.Column) *another {
	t.Helper()
	a := &another{t: t, lake: open(t, Options{}), id: ident("lake.t")}
	if err := a.lake.Create(t.Context(), "lake.t", cols); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *another) evolve(f func(*table.UpdateSchema) *table.UpdateSchema) {
	a.t.Helper()
	a.change(func(_ context.Context, tx *table.Transaction) error { return f(tx.UpdateSchema(true, true)).Commit() })
}

// insert adds rows as fqgw does.
func (a *another) insert(cols []fqgw.Column, rows ...[]fqgw.Value) error {
	b := storetest.Batch(a.t, cols, rows)
	_, err := a.lake.Append(context.Background(), "lake.t", func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) })
	return err
}

// read is a scan of one column as fqgw makes it.
func (a *another) read(column string) (string, error) {
	_, records, err := a.lake.Scan(context.Background(), fqgw.Scan{Table: "lake.t", Columns: []string{column}})
	if err != nil {
		return "", err
	}
	var out []string
	for b, err := range records {
		if err != nil {
			return "", err
		}
		for i := range int(b.NumRows()) {
			out = append(out, b.Column(0).ValueStr(i))
		}
		b.Release()
	}
	slices.Sort(out)
	return strings.Join(out, " "), nil
}

var twoColumns = []fqgw.Column{{Name: "k", Type: fqgw.Int4}, {Name: "s", Type: fqgw.Text}}

func twoRow(k int64, s string) []fqgw.Value { return []fqgw.Value{fqgw.IntValue(k), fqgw.TextValue(s)} }

// A column that others added to a table of ours is NULL in the rows that come later, and
// nothing else: what they wrote into it stays.
func TestColumnAdded(t *testing.T) {
	a := changed(t, twoColumns)
	if err := a.insert(twoColumns, twoRow(1, "a")); err != nil {
		t.Fatal(err)
	}
	a.evolve(func(u *table.UpdateSchema) *table.UpdateSchema {
		return u.AddColumn([]string{"z"}, iceberg.PrimitiveTypes.Int64, "", false, nil)
	})
	a.append(`[{"k":2,"s":"b","z":7}]`)
	if err := a.insert(twoColumns, twoRow(3, "c")); err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string]string{"k": "1 2 3", "s": "a b c"} {
		if got, err := a.read(column); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", column, got, err, want)
		}
	}
	s := a.source(fqgw.Column{Name: "k", Type: fqgw.Int4}, fqgw.Column{Name: "z", Type: fqgw.Int8})
	s.EventTime = 0 // of no matter here
	a.want(s, fqgw.Scan{}, "1|(null) 2|7 3|(null)")
	a.evolve(func(u *table.UpdateSchema) *table.UpdateSchema { return u.MoveFirst([]string{"z"}) })
	if err := a.insert(twoColumns, twoRow(4, "d")); err != nil {
		t.Fatal(err)
	}
	a.want(s, fqgw.Scan{}, "1|(null) 2|7 3|(null) 4|(null)")
	if got, err := a.rows(s, fqgw.Scan{Columns: []string{}}); err != nil || len(got) != 4 {
		t.Errorf("%d rows without a column, %v; want 4", len(got), err) // the first column is none of the first file
	}
}

// A column that was dropped and made again has no values, also where it is read alone.
func TestColumnMadeAgain(t *testing.T) {
	a := changed(t, twoColumns)
	if err := a.insert(twoColumns, twoRow(1, "a")); err != nil {
		t.Fatal(err)
	}
	a.evolve(func(u *table.UpdateSchema) *table.UpdateSchema { return u.DeleteColumn([]string{"s"}) })
	a.evolve(func(u *table.UpdateSchema) *table.UpdateSchema {
		return u.AddColumn([]string{"s"}, iceberg.PrimitiveTypes.String, "", false, nil)
	})
	if err := a.insert(twoColumns, twoRow(2, "b")); err != nil {
		t.Fatal(err)
	}
	if got, err := a.read("s"); err != nil || got != "(null) b" {
		t.Errorf("%q, %v", got, err)
	}
}

// A history with a column that others added is landed into, and its small files are not
// merged: the merged file would not have that column.
func TestColumnAddedToHistory(t *testing.T) {
	l := open(t, Options{})
	s := storetest.SortedStore{SortedHistory: l, T: t}
	s.Make(sortedName)
	a := &another{t: t, lake: l, id: ident(sortedName)}
	a.evolve(func(u *table.UpdateSchema) *table.UpdateSchema {
		return u.AddColumn([]string{"z"}, iceberg.PrimitiveTypes.Int64, "", false, nil)
	})
	for i := range int64(mergeFiles + 1) {
		s.LandRows(sortedName, storetest.SomeRows(i, 1), i, i+1)
	}
	if err := l.MergeFiles(t.Context(), sortedName); err != nil {
		t.Fatal(err)
	}
	tasks, err := a.load().Scan().PlanFiles(t.Context())
	if err != nil || len(tasks) != mergeFiles+1 {
		t.Errorf("%d files, %v; want those of %d landings", len(tasks), err, mergeFiles+1)
	}
}

// A column that was made wider is read and written; a value that is too large for the
// column that fqgw knows is an error that names it, and the others can be read.
func TestColumnWidened(t *testing.T) {
	cols := []fqgw.Column{{Name: "k", Type: fqgw.Int4}, {Name: "f", Type: fqgw.Float4}, {Name: "n", Type: fqgw.NumericOf(5, 2)}}
	row := func(k int64, n string) []fqgw.Value {
		d, ok := fqgw.ParseDecimal(n)
		if !ok {
			t.Fatal(n)
		}
		return []fqgw.Value{fqgw.IntValue(k), fqgw.FloatValue(1.5), fqgw.NumericValue(d)}
	}
	a := changed(t, cols)
	if err := a.insert(cols, row(1, "-1.25")); err != nil {
		t.Fatal(err)
	}
	wide := func(name string, to iceberg.Type) {
		a.evolve(func(u *table.UpdateSchema) *table.UpdateSchema {
			return u.UpdateColumn([]string{name}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: to, Valid: true}})
		})
	}
	wide("k", iceberg.PrimitiveTypes.Int64)
	wide("f", iceberg.PrimitiveTypes.Float64)
	wide("n", iceberg.DecimalTypeOf(12, 2))
	if err := a.insert(cols, row(2, "999.99")); err != nil {
		t.Fatal(err)
	}
	a.append(`[{"k":3,"f":2.5,"n":"7.25"}]`)
	for column, want := range map[string]string{"k": "1 2 3", "f": "1.5 1.5 2.5", "n": "-1.25 7.25 999.99"} {
		if got, err := a.read(column); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", column, got, err, want)
		}
	}
	a.append(`[{"k":3000000000,"f":1e300,"n":"1234567.00"}]`)
	for _, column := range []string{"k", "f", "n"} {
		_, err := a.read(column)
		if code(err) != fqgw.CodeOutOfRange || !strings.Contains(fqgw.AsError(err).Detail, fmt.Sprintf("Column %q of table \"lake.t\"", column)) {
			t.Errorf("%s: %v", column, err)
		}
	}
}

// A column that others dropped or renamed is named, whether it is read or written; what
// does not need it goes on, and with its name it is back.
func TestColumnRenamed(t *testing.T) {
	a := changed(t, twoColumns)
	if err := a.insert(twoColumns, twoRow(1, "a")); err != nil {
		t.Fatal(err)
	}
	rename := func(from, to string) {
		a.evolve(func(u *table.UpdateSchema) *table.UpdateSchema { return u.RenameColumn([]string{from}, to) })
	}
	rename("s", "text")
	_, err := a.read("s")
	for what, err := range map[string]error{"read": err, "insert": a.insert(twoColumns, twoRow(2, "b"))} {
		if code(err) != fqgw.CodeUndefinedColumn || !strings.Contains(err.Error(), `"s"`) || !strings.Contains(err.Error(), "lake.t") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got, err := a.read("k"); err != nil || got != "1" {
		t.Errorf("%q, %v", got, err)
	}
	rename("text", "s")
	if err := a.insert(twoColumns, twoRow(2, "b")); err != nil {
		t.Fatal(err)
	}
	if got, err := a.read("s"); err != nil || got != "a b" {
		t.Errorf("%q, %v", got, err)
	}
}

// Iceberg's types are wider than PostgreSQL's: what others write into a table of ours is
// checked where it is read, as an INSERT of it would be.
func TestValuesOfOthers(t *testing.T) {
	cols := []fqgw.Column{{Name: "k", Type: fqgw.Int4, NotNull: true}, {Name: "i2", Type: fqgw.Int2},
		{Name: "vc", Type: fqgw.Type{OID: fqgw.Varchar.OID, Mod: 9}},
		{Name: "j", Type: fqgw.JSONB}, {Name: "n", Type: fqgw.Numeric}, {Name: "s", Type: fqgw.Text}, {Name: "l", Type: fqgw.Int2.Array()}}
	for _, c := range []struct {
		row, column string
		want        string // what the column reads, or the error's code
		code        fqgw.Code
	}{
		{`"k":2,"i2":7,"vc":"abc","j":"{\"b\":1, \"a\":2}","n":"1.10","s":"x","l":[1,2]`, "i2", "7", ""},
		{`"k":2,"vc":"abc"`, "vc", "abc", ""},
		{`"k":2,"j":"{\"b\":1,   \"a\":2}"`, "j", `{"a": 2, "b": 1}`, ""},
		{`"k":2,"n":"1.10"`, "n", "1.10", ""},
		{`"k":2,"l":[1,2]`, "l", "[1,2]", ""},
		{`"k":2,"i2":70000`, "i2", "", fqgw.CodeOutOfRange},
		{`"k":2,"i2":70000`, "k", "2", ""},
		{`"k":2,"vc":"too long"`, "vc", "", "22001"},
		{`"k":2,"j":"{"`, "j", "", "22P02"},
		{`"k":2,"n":"x"`, "n", "", "22P02"},
		{`"k":2,"l":[70000]`, "l", "", fqgw.CodeOutOfRange},
		{`"i2":1`, "k", "", fqgw.CodeNotNullViolation},
		{`"i2":1`, "i2", "1", ""},
	} {
		a := changed(t, cols)
		a.append("[{" + c.row + "}]")
		got, err := a.read(c.column)
		if got != c.want || code(err) != c.code {
			t.Errorf("{%s}: %s is %q, %v; want %q, %s", c.row, c.column, got, err, c.want, c.code)
		}
		if err != nil && !strings.Contains(fqgw.AsError(err).Detail, fmt.Sprintf("Column %q of table \"lake.t\" at snapshot ", c.column)) {
			t.Errorf("{%s}: detail %q", c.row, fqgw.AsError(err).Detail)
		}
	}
}

// Rows go into files divided as others will have it, changed as often as they like; what
// was written before is read as it is. What nobody knows to divide by is refused until it
// is gone.
func TestDividedByOthers(t *testing.T) {
	a := changed(t, twoColumns)
	step := func(k int64, f func(*table.UpdateSpec) *table.UpdateSpec) {
		t.Helper()
		a.respec(f)
		if err := a.insert(twoColumns, twoRow(k, "a"), twoRow(k+1, ""), []fqgw.Value{fqgw.Null, fqgw.Null}); err != nil {
			t.Fatal(err)
		}
	}
	step(1, func(u *table.UpdateSpec) *table.UpdateSpec { return u.AddField("s", iceberg.IdentityTransform{}, "s") })
	step(3, func(u *table.UpdateSpec) *table.UpdateSpec {
		return u.AddField("k", iceberg.BucketTransform{NumBuckets: 4}, "bucket")
	})
	step(5, func(u *table.UpdateSpec) *table.UpdateSpec { return u.RemoveField("s") })
	step(7, func(u *table.UpdateSpec) *table.UpdateSpec { return u.RemoveField("bucket") })
	const all = "(null) (null) (null) (null) 1 2 3 4 5 6 7 8"
	if got, err := a.read("k"); err != nil || got != all {
		t.Errorf("%q, %v", got, err)
	}
	a.evolve(func(u *table.UpdateSchema) *table.UpdateSchema {
		return u.AddColumn([]string{"added"}, &iceberg.StructType{FieldList: []iceberg.NestedField{
			{ID: 1, Name: "in", Type: iceberg.PrimitiveTypes.Int32}}}, "", false, nil)
	})
	step(9, func(u *table.UpdateSpec) *table.UpdateSpec {
		return u.AddField("added.in", iceberg.TruncateTransform{Width: 2}, "in")
	})
	if got, err := a.read("k"); err != nil || got != "(null) (null) (null) (null) (null) 1 10 2 3 4 5 6 7 8 9" {
		t.Errorf("%q, %v", got, err)
	}
	for _, f := range []iceberg.PartitionField{
		{SourceIDs: []int{1}, Transform: iceberg.UnknownTransform{}},
		{SourceIDs: []int{1, 2}, Transform: iceberg.BucketTransform{NumBuckets: 4}},
		{SourceIDs: []int{99}, Transform: iceberg.IdentityTransform{}},
		{SourceIDs: []int{2}, Transform: iceberg.HourTransform{}},
	} {
		f.FieldID, f.Name = 1000, "odd"
		d, err := a.lake.newWholeFiles(t.Context(), a.load(), iceberg.NewPartitionSpec(f))
		if err != nil {
			t.Fatal(err)
		}
		err = d.divide()
		if code(err) != fqgw.CodeFeatureNotSupported || !strings.Contains(err.Error(), `"lake.t"`) || !strings.Contains(err.Error(), `"odd"`) {
			t.Errorf("%v: %v", f, err)
		}
	}
}
