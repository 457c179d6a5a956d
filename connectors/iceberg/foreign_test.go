package iceberg

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// another writes tables as another engine does.
type another struct {
	t    *testing.T
	lake *Lake
	id   table.Identifier
}

var anotherSchema = iceberg.NewSchema(0,
	iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int32, Required: true},
	iceberg.NestedField{ID: 2, Name: "who", Type: iceberg.PrimitiveTypes.String},
	iceberg.NestedField{ID: 3, Name: "ts", Type: iceberg.PrimitiveTypes.TimestampTz},
	iceberg.NestedField{ID: 4, Name: "place", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{
		{ID: 5, Name: "city", Type: iceberg.PrimitiveTypes.String}, {ID: 6, Name: "zip", Type: iceberg.PrimitiveTypes.Int32}}}})

func newAnother(t *testing.T, name string, properties iceberg.Properties, more ...catalog.CreateTableOpt) *another {
	l := open(t, Options{})
	id := table.Identifier{"shop", name}
	if err := l.catalog.CreateNamespace(context.Background(), id[:1], nil); err != nil {
		t.Fatal(err)
	}
	// Small row groups, so that what prunes them is tried too.
	all := iceberg.Properties{"write.parquet.row-group-limit": "4"}
	for k, v := range properties {
		all[k] = v
	}
	if _, err := l.catalog.CreateTable(context.Background(), id, anotherSchema, append(more, catalog.WithProperties(all))...); err != nil {
		t.Fatal(err)
	}
	return &another{t, l, id}
}

func (a *another) load() *table.Table {
	a.t.Helper()
	tab, err := a.lake.catalog.LoadTable(context.Background(), a.id)
	if err != nil {
		a.t.Fatal(err)
	}
	return tab
}

// change commits a transaction.
func (a *another) change(f func(ctx context.Context, tx *table.Transaction) error) {
	a.t.Helper()
	tx := a.load().NewTransaction()
	err := f(context.Background(), tx)
	if err == nil {
		_, err = tx.Commit(context.Background())
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// append adds rows from JSON in the table's schema of now.
func (a *another) append(rows string) {
	a.t.Helper()
	a.change(func(ctx context.Context, tx *table.Transaction) error {
		schema, err := table.SchemaToArrowSchema(a.load().Schema(), nil, false, false)
		if err != nil {
			return err
		}
		b, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
		if err != nil {
			return err
		}
		defer b.Release()
		rdr, err := array.NewRecordReader(schema, []arrow.RecordBatch{b})
		if err != nil {
			return err
		}
		defer rdr.Release()
		return tx.Append(ctx, rdr, nil)
	})
}

// numbered adds rows with the ids from from to before to: who is w<id mod 3>, ts the id in hours, zip ten times it.
func (a *another) numbered(from, to int) {
	a.t.Helper()
	var rows []string
	for i := from; i < to; i++ {
		rows = append(
			rows,
			fmt.Sprintf(
				`{"id":%d,"who":"w%d","ts":"2024-01-%02d %02d:00:00Z","place":{"city":"c%d","zip":%d}}`,
				i,
				i%3,
				1+i/24,
				i%24,
				i,
				10*i,
			),
		)
	}
	a.append("[" + strings.Join(rows, ",") + "]")
}

func (a *another) source(cols ...fqgw.Column) *fqgw.Source {
	a.t.Helper()
	s := &fqgw.Source{Name: "s", Connector: "iceberg", Columns: cols, Options: map[string]string{"table": strings.Join(a.id, ".")}}
	if len(cols) == 0 {
		var err error
		if s.Columns, err = a.lake.Tables().Columns(context.Background(), s); err != nil {
			a.t.Fatal(err)
		}
	}
	s.EventTime = s.ColumnIndex("ts")
	return s
}

func (a *another) rows(s *fqgw.Source, sc fqgw.Scan) (out []string, err error) {
	a.t.Helper()
	_, records, err := a.lake.Tables().Scan(context.Background(), s, sc)
	if err != nil {
		return nil, err
	}
	for b, err := range records {
		if err != nil {
			return out, err
		}
		for i := range int(b.NumRows()) {
			var row []string
			for _, c := range b.Columns() {
				row = append(row, c.ValueStr(i))
			}
			out = append(out, strings.Join(row, "|"))
		}
		b.Release()
	}
	return out, nil
}

func (a *another) want(s *fqgw.Source, sc fqgw.Scan, want string) {
	a.t.Helper()
	got, err := a.rows(s, sc)
	slices.Sort(got) // who deletes may write rows anew
	all := strings.Split(want, " ")
	if slices.Sort(all); want == "" {
		all = nil
	}
	if strings.HasPrefix(want, "{") { // texts with blanks
		all = []string{want}
		got = []string{strings.Join(got, " ")}
	}
	if err != nil || !slices.Equal(got, all) {
		a.t.Errorf("%+v: %q, %v; want %q", sc, got, err, want)
	}
}

const hour = 3_600_000_000

var january = fqgw.Scan{Time: "ts", From: 1704067200_000000, To: 1704067200_000000} // of 2024

// hours are the rows of the hours from and to.
func hours(from, to int64, columns ...string) fqgw.Scan {
	sc := january
	sc.From, sc.To, sc.Columns = sc.From+from*hour, sc.To+to*hour, columns
	return sc
}

// Rows without an event time are of no time, and hide none of those beside them, however
// many they are.
func TestForeignNullTimes(t *testing.T) {
	a := newAnother(t, "t", nil)
	for nulls := range 4 {
		rows := fmt.Sprintf(`[{"id":%d,"ts":"2024-01-01T00:00:00Z"},{"id":%d,"ts":"2024-01-01T05:00:00Z"}`, 10*nulls, 10*nulls+1)
		a.append(rows + strings.Repeat(`,{"id":99,"ts":null}`, nulls) + "]")
	}
	s := a.source()
	a.want(s, hours(0, 4, "id"), "0 10 20 30")
	a.want(s, hours(5, 9, "id"), "1 11 21 31")
	a.want(s, hours(6, 9, "id"), "")
}

// Deletes of every kind are applied, whatever columns are read and whatever is pruned.
func TestForeignDeletes(t *testing.T) {
	ids := func(keep func(i int) bool) string {
		var out []string
		for i := range 30 {
			if keep(i) {
				out = append(out, strconv.Itoa(i))
			}
		}
		return strings.Join(out, " ")
	}
	equality := func(a *another) {
		a.change(func(ctx context.Context, tx *table.Transaction) error {
			schema := arrow.NewSchema([]arrow.Field{{Name: "who", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
			b, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(`[{"who":"w1"}]`))
			if err != nil {
				return err
			}
			return tx.CommitEqualityDeletes(ctx, []int{2}, func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) }, nil)
		})
	}
	position := func(a *another) {
		a.change(func(ctx context.Context, tx *table.Transaction) error {
			return tx.Delete(ctx, iceberg.IsIn(iceberg.Reference("id"), int32(2), int32(9), int32(10), int32(23)), nil)
		})
	}
	onRead := iceberg.Properties{"write.delete.mode": "merge-on-read"}
	for _, c := range []struct {
		name       string
		version    string
		properties iceberg.Properties
		change     func(a *another)
		deleted    []int // of the rows before
	}{
		{"none", "2", nil, func(*another) {}, nil},
		{"copy on write", "2", nil, position, []int{2, 9, 10, 23}},
		{"positions", "2", onRead, position, []int{2, 9, 10, 23}},
		{"deletion vectors", "3", onRead, position, []int{2, 9, 10, 23}},
		{"equality", "2", nil, equality, []int{1, 4, 7, 10, 13, 16, 19, 22}},
		{"equality, version 3", "3", nil, equality, []int{1, 4, 7, 10, 13, 16, 19, 22}},
		{"both", "2", onRead, func(a *another) { position(a); equality(a) }, []int{1, 2, 4, 7, 9, 10, 13, 16, 19, 22, 23}},
		{"version 1", "1", nil, position, []int{2, 9, 10, 23}},
	} {
		t.Run(c.name, func(t *testing.T) {
			properties := iceberg.Properties{"format-version": c.version}
			for k, v := range c.properties {
				properties[k] = v
			}
			a := newAnother(t, "t", properties)
			a.numbered(0, 12)
			a.numbered(12, 24)
			c.change(a)
			a.numbered(24, 30) // what comes later is not deleted
			gone := map[int]bool{}
			for _, i := range c.deleted {
				gone[i] = true
			}
			s := a.source()
			a.want(s, fqgw.Scan{Columns: []string{"id"}}, ids(func(i int) bool { return !gone[i] }))
			a.want(s, hours(9, 25, "id"), ids(func(i int) bool { return !gone[i] && i >= 9 && i <= 25 }))
			a.want(s, hours(21, 23, "id"), ids(func(i int) bool { return !gone[i] && i >= 21 && i <= 23 }))
			got, err := a.rows(s, fqgw.Scan{Columns: []string{}})
			if want := 30 - len(c.deleted); err != nil || len(got) != want {
				t.Errorf("%d rows without a column, %v; want %d", len(got), err, want)
			}
		})
	}
}

// A schema that changes: columns are found by their ids, in snapshots of before too.
func TestForeignEvolution(t *testing.T) {
	a := newAnother(t, "t", nil)
	a.numbered(0, 2)
	before := a.load().CurrentSnapshot().SnapshotID
	evolve := func(f func(*table.UpdateSchema) *table.UpdateSchema) {
		a.change(func(_ context.Context, tx *table.Transaction) error { return f(tx.UpdateSchema(true, false)).Commit() })
	}
	evolve(func(u *table.UpdateSchema) *table.UpdateSchema {
		return u.RenameColumn([]string{"who"}, "customer").AddColumn([]string{"extra"}, iceberg.PrimitiveTypes.Float64, "", false, nil).
			RenameColumn([]string{"place", "zip"}, "code").
			UpdateColumn([]string{"id"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.PrimitiveTypes.Int64, Valid: true}})
	})
	a.append(`[{"id":3000000000,"customer":"new","ts":"2024-01-02 00:00:00Z","place":{"city":"x","code":7},"extra":1.5}]`)
	s := a.source()
	var types []string
	for _, c := range s.Columns {
		types = append(types, c.Name+" "+c.Type.String()+map[bool]string{true: " NOT NULL"}[c.NotNull])
	}
	if got := strings.Join(types, ", "); got != "id bigint NOT NULL, customer text, ts timestamp with time zone, place jsonb, extra double precision" {
		t.Error(got)
	}
	s.Columns = append(s.Columns, fqgw.Column{Name: "zip", Type: fqgw.Int8, Field: "place.code"})
	columns := []string{"id", "customer", "zip", "extra"}
	a.want(s, fqgw.Scan{Columns: columns}, "0|w0|0|(null) 1|w1|10|(null) 3000000000|new|7|1.5")
	a.want(s, fqgw.Scan{Columns: columns, Snapshot: before}, "0|w0|0|(null) 1|w1|10|(null)")
	a.want(s, fqgw.Scan{Columns: []string{"place"}, Snapshot: before}, `{"zip": 0, "city": "c0"} {"zip": 10, "city": "c1"}`)
	a.want(s, fqgw.Scan{Columns: []string{"extra"}, Snapshot: before}, "(null) (null)")
	a.want(s, fqgw.Scan{Columns: []string{"extra"}}, "(null) (null) 1.5") // alone, of files that do not have it

	// A column that is dropped, and another of its name.
	evolve(func(u *table.UpdateSchema) *table.UpdateSchema { return u.DeleteColumn([]string{"customer"}) })
	if _, err := a.rows(s, fqgw.Scan{Columns: columns}); code(err) != fqgw.CodeUndefinedColumn || !strings.Contains(err.Error(), "shop.t") {
		t.Error(err)
	}
	a.want(s, fqgw.Scan{Columns: []string{"id"}}, "0 1 3000000000")
	evolve(func(u *table.UpdateSchema) *table.UpdateSchema {
		return u.AddColumn([]string{"customer"}, iceberg.PrimitiveTypes.String, "", false, nil)
	})
	a.want(s, fqgw.Scan{Columns: columns}, "0|(null)|0|(null) 1|(null)|10|(null) 3000000000|(null)|7|1.5")
}

// Partitions, and a table that is partitioned in another way later.
func TestForeignPartitions(t *testing.T) {
	spec := iceberg.NewPartitionSpec(
		iceberg.PartitionField{SourceIDs: []int{3}, FieldID: 1000, Name: "day", Transform: iceberg.DayTransform{}},
	)
	a := newAnother(t, "t", nil, catalog.WithPartitionSpec(&spec))
	a.numbered(20, 30)
	a.change(func(_ context.Context, tx *table.Transaction) error {
		return tx.UpdateSpec(true).RemoveField("day").AddField("who", iceberg.BucketTransform{NumBuckets: 4}, "bucket").Commit()
	})
	a.numbered(30, 36)
	s := a.source()
	for _, c := range []struct{ from, to int64 }{{20, 35}, {23, 24}, {24, 31}, {34, 90}} {
		want := 0
		for i := c.from; i <= min(c.to, 35); i++ {
			want++
		}
		got, err := a.rows(s, hours(c.from, c.to, "id"))
		if err != nil || len(got) != want {
			t.Errorf("%v: %q, %v", c, got, err)
		}
	}
}

// One state of a table: by snapshot, by tag, by time; and one that was expired.
func TestForeignSnapshots(t *testing.T) {
	a := newAnother(t, "t", nil)
	s := a.source()
	if at, err := a.lake.Tables().Current(context.Background(), s); err != nil || at.ID != 0 {
		t.Errorf("%+v, %v", at, err)
	}
	a.want(s, fqgw.Scan{}, "")
	a.numbered(0, 2)
	first := a.load().CurrentSnapshot()
	if _, _, err := a.lake.catalog.CommitTable(context.Background(), a.id, nil, []table.Update{
		table.NewSetSnapshotRefUpdate("v1", first.SnapshotID, table.TagRef, 1<<40, 0, 0)}); err != nil {
		t.Fatal(err)
	}
	a.numbered(2, 4)
	second, err := a.lake.Tables().Current(context.Background(), s)
	if err != nil || second.Parent != first.SnapshotID || second.Rows != 4 || second.Bytes == 0 {
		t.Errorf("%+v, %v", second, err)
	}
	id := fqgw.Scan{Columns: []string{"id"}}
	a.want(s, id, "0 1 2 3")
	tagged := *s
	tagged.Options = map[string]string{"table": "shop.t", "tag": "v1"}
	a.want(&tagged, id, "0 1")
	pinned := *s
	pinned.Options = map[string]string{"table": "shop.t", "snapshot": strconv.FormatInt(first.SnapshotID, 10)}
	a.want(&pinned, id, "0 1")
	asOf := id
	asOf.AsOf = first.TimestampMs * 1000
	a.want(s, asOf, "0 1")
	asOf.AsOf -= 1000
	a.want(s, asOf, "")
	gone := *s
	gone.Options = map[string]string{"table": "shop.t", "snapshot": "17"}
	if _, err := a.rows(&gone, id); code(err) != fqgw.CodeUndefinedObject || !strings.Contains(err.Error(), "17") {
		t.Error(err)
	}
	gone.Options = map[string]string{"table": "shop.t", "tag": "v2"}
	if _, err := a.rows(&gone, id); code(err) != fqgw.CodeUndefinedObject || !strings.Contains(err.Error(), "v2") {
		t.Error(err)
	}
}

// A file that vanished, or is damaged, is an error that names table, snapshot and file.
func TestForeignTrouble(t *testing.T) {
	a := newAnother(t, "t", nil)
	a.numbered(0, 8)
	s := a.source()
	var path string
	tasks, err := a.load().Scan().PlanFiles(context.Background())
	if err != nil || len(tasks) != 1 {
		t.Fatal(len(tasks), err)
	}
	path = strings.TrimPrefix(tasks[0].File.FilePath(), "file://")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, want fqgw.Code) {
		t.Helper()
		_, err := a.rows(s, fqgw.Scan{})
		if err == nil {
			t.Errorf("%s: no error", what)
			return
		}
		e := fqgw.AsError(err)
		for _, word := range []string{"shop.t", strconv.FormatInt(a.load().CurrentSnapshot().SnapshotID, 10)} {
			if !strings.Contains(e.Message+e.Detail, word) || e.Code != want {
				t.Errorf("%s: %s %s (%s)", what, e.Code, e.Message, e.Detail)
			}
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check("gone", "58P01")
	for _, n := range []int{0, 3, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprintf("cut to %d bytes", n), fqgw.CodeDataCorrupted)
	}
	// Damage in the pages, which iceberg-go would not survive.
	pages := len(whole) - 8 - int(binary.LittleEndian.Uint32(whole[len(whole)-8:]))
	r, refused := rand.New(rand.NewPCG(1, 2)), 0
	for range 1000 {
		b := slices.Clone(whole)
		for range 1 + r.IntN(3) {
			b[r.IntN(pages)] ^= byte(1 + r.IntN(255))
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := a.rows(s, fqgw.Scan{}); err != nil {
			refused++
		}
	}
	if refused < 500 {
		t.Errorf("%d of 1000 damaged files were refused", refused)
	}
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	a.want(s, fqgw.Scan{Columns: []string{"id"}, Time: "ts", From: math.MinInt64, To: math.MaxInt64}, "0 1 2 3 4 5 6 7")
}

// What was appended between two snapshots; files that are only written anew are
// nothing, and what takes rows away, or a snapshot that is gone, cannot be told so.
func TestForeignAdded(t *testing.T) {
	a := newAnother(t, "t", nil)
	s := a.source()
	snapshot := func() int64 { return a.load().CurrentSnapshot().SnapshotID }
	added := func(from, to int64) string {
		t.Helper()
		rows, ok, err := a.lake.Tables().Added(context.Background(), s, from, to)
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
			for i := range int(b.NumRows()) {
				out = append(out, b.Column(0).ValueStr(i))
			}
			b.Release()
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	a.numbered(0, 2)
	first := snapshot()
	a.numbered(2, 4)
	second := snapshot()
	a.numbered(4, 6)
	third := snapshot()
	for _, c := range []struct {
		from, to int64
		want     string
	}{{first, third, "2 3 4 5"}, {first, second, "2 3"}, {second, third, "4 5"}, {third, third, ""}, {third, first, "no"}, {17, third, "no"}} {
		if got := added(c.from, c.to); got != c.want {
			t.Errorf("%v: %q", c, got)
		}
	}
	// Compaction: the same rows in one file.
	tasks, err := a.load().Scan().PlanFiles(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	a.change(func(ctx context.Context, tx *table.Transaction) error {
		_, err := tx.RewriteDataFiles(ctx, []table.CompactionTaskGroup{{Tasks: tasks}}, table.RewriteDataFilesOptions{})
		return err
	})
	compacted := snapshot()
	if op := a.load().CurrentSnapshot().Summary.Operation; op != table.OpReplace {
		t.Fatalf("compaction was %s", op)
	}
	a.numbered(6, 7)
	if got := added(first, snapshot()); got != "2 3 4 5 6" {
		t.Error(got)
	}
	if got := added(compacted, snapshot()); got != "6" {
		t.Error(got)
	}
	a.change(func(ctx context.Context, tx *table.Transaction) error {
		return tx.Delete(ctx, iceberg.EqualTo(iceberg.Reference("id"), int32(5)), nil)
	})
	deleted := snapshot()
	if got := added(first, deleted); got != "no" {
		t.Error(got)
	}
	a.numbered(8, 9)
	if got := added(deleted, snapshot()); got != "8" {
		t.Error(got)
	}
	if got := added(compacted, snapshot()); got != "no" {
		t.Error(got)
	}
}
