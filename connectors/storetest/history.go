package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// Batch is rows as one Arrow batch.
func Batch(t testing.TB, cols []fqgw.Column, rows [][]fqgw.Value) arrow.RecordBatch {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, fqgw.ArrowSchema(cols))
	defer b.Release()
	for _, r := range rows {
		for i, c := range cols {
			if err := fqgw.AppendValue(b.Field(i), r[i], c.Type); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.NewRecordBatch()
}

func one(b arrow.RecordBatch) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) }
}

// ReadAll reads a scan as rows of the types.
func ReadAll(t testing.TB, h fqgw.History, s fqgw.Scan, types []fqgw.Type) [][]fqgw.Value {
	t.Helper()
	_, records, err := h.Scan(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]fqgw.Value
	for b, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		for r := range int(b.NumRows()) {
			row := make([]fqgw.Value, len(types))
			for c := range types {
				row[c] = fqgw.ArrowValue(b.Column(c), r, types[c])
			}
			out = append(out, row)
		}
		b.Release()
	}
	return out
}

var eventColumns = []fqgw.Column{{Name: "k", Type: fqgw.Text}, {Name: "v", Type: fqgw.Float8}, {Name: "ts", Type: fqgw.Timestamptz, NotNull: true}}

func events(t testing.TB, from, n int) arrow.RecordBatch {
	var rows [][]fqgw.Value
	for i := from; i < from+n; i++ {
		rows = append(rows, []fqgw.Value{fqgw.TextValue(fmt.Sprint("k", i%7)), fqgw.FloatValue(float64(i)), fqgw.TimestampValue(int64(i) * 1_000_000)})
	}
	return Batch(t, eventColumns, rows)
}

// worded is the rows with their first column, texts, as a dictionary. It takes them over.
func worded(t testing.TB, rows arrow.RecordBatch) arrow.RecordBatch {
	t.Helper()
	defer rows.Release()
	typ := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.BinaryTypes.String}
	b := array.NewDictionaryBuilder(memory.DefaultAllocator, typ).(*array.BinaryDictionaryBuilder)
	defer b.Release()
	for i := range int(rows.NumRows()) {
		if err := b.AppendString(rows.Column(0).(*array.String).Value(i)); err != nil {
			t.Fatal(err)
		}
	}
	words := b.NewArray()
	defer words.Release()
	fields, columns := rows.Schema().Fields(), slices.Clone(rows.Columns())
	fields[0].Type, columns[0] = typ, words
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, rows.NumRows())
}

// History checks an offline store. The store must be empty.
func History(t *testing.T, h fqgw.History) {
	ctx := t.Context()

	t.Run("create, describe, drop", func(t *testing.T) {
		if err := h.Create(ctx, "lake.a", eventColumns); err != nil {
			t.Fatal(err)
		}
		if err := h.Create(ctx, "lake.a", eventColumns); fqgw.AsError(err).Code != fqgw.CodeDuplicateTable {
			t.Errorf("a second create: %v", err)
		}
		got, err := h.Describe(ctx, "lake.a")
		if err != nil || !slices.Equal(got, eventColumns) {
			t.Errorf("described as %v, %v", got, err)
		}
		if s, err := h.Current(ctx, "lake.a"); err != nil || s.ID != 0 || len(s.Landed) != 0 {
			t.Errorf("an empty table is at %v, %v", s, err)
		}
		if rows := ReadAll(t, h, fqgw.Scan{Table: "lake.a"}, []fqgw.Type{fqgw.Text, fqgw.Float8, fqgw.Timestamptz}); len(rows) != 0 {
			t.Errorf("an empty table has %d rows", len(rows))
		}
		if err := h.Drop(ctx, "lake.a"); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{h.Drop(ctx, "lake.a"), second(h.Describe(ctx, "lake.a")),
			second(h.Origin(ctx, "lake.a")), h.SetOrigin(ctx, "lake.a", "x"), third(h.Scan(ctx, fqgw.Scan{Table: "lake.a"}))} {
			if fqgw.AsError(err).Code != fqgw.CodeUndefinedTable {
				t.Errorf("a table that is gone: %v", err)
			}
		}
		if err := h.Create(ctx, "lake.a", eventColumns[:1]); err != nil {
			t.Fatalf("created again: %v", err)
		}
	})

	t.Run("land", func(t *testing.T) {
		const name = "lake.landed"
		if err := h.Create(ctx, name, eventColumns); err != nil {
			t.Fatal(err)
		}
		if text, err := h.Origin(ctx, name); text != "" || err != nil {
			t.Errorf("a new table is from %q, %v", text, err)
		}
		for _, text := range []string{"of this", "of that;\"ü\""} { // stays with what is landed below
			if err := h.SetOrigin(ctx, name, text); err != nil {
				t.Fatal(err)
			}
		}
		at10 := fqgw.Marks{{Next: 10}, {Epoch: 1, Next: 5}}
		if _, ok, err := h.Land(ctx, name, events(t, 0, 10), nil, at10); !ok || err != nil {
			t.Fatalf("the first landing: %v, %v", ok, err)
		}
		// A replay with the old marks appends nothing and learns where things are.
		found, ok, err := h.Land(ctx, name, events(t, 0, 10), nil, at10)
		if ok || err != nil || !slices.Equal(found, at10) {
			t.Fatalf("a replayed landing: %v, %v, %v", found, ok, err)
		}
		at20 := fqgw.Marks{{Next: 20}, {Epoch: 1, Next: 5}}
		if _, ok, err := h.Land(ctx, name, events(t, 10, 10), at10, at20); !ok || err != nil {
			t.Fatalf("the second landing: %v, %v", ok, err)
		}
		// Marks may advance without rows (all were dead letters).
		at25 := fqgw.Marks{{Next: 25}, {Epoch: 1, Next: 5}}
		if _, ok, err := h.Land(ctx, name, nil, at20, at25); !ok || err != nil {
			t.Fatalf("a landing without rows: %v, %v", ok, err)
		}
		s, err := h.Current(ctx, name)
		if err != nil || !slices.Equal(s.Landed, at25) || s.Rows != 20 {
			t.Errorf("now at %+v, %v", s, err)
		}
		if text, err := h.Origin(ctx, name); text != "of that;\"ü\"" || err != nil {
			t.Errorf("it is from %q, %v", text, err)
		}
		rows := ReadAll(t, h, fqgw.Scan{Table: name, Columns: []string{"ts", "k"}, Time: "ts", From: 5_000_000, To: 14_000_000}, []fqgw.Type{fqgw.Timestamptz, fqgw.Text})
		if len(rows) != 10 {
			t.Errorf("%d rows in the time range, not 10", len(rows))
		}
		for _, r := range rows {
			if n := r[0].Int() / 1_000_000; n < 5 || n > 14 || r[1].Str() != fmt.Sprint("k", n%7) {
				t.Errorf("row %d %s", n, r[1].Str())
			}
		}
		if rows := ReadAll(t, h, fqgw.Scan{Table: name, Columns: []string{"v"}, Time: "ts", From: math.MinInt64, To: 0}, []fqgw.Type{fqgw.Float8}); len(rows) != 1 {
			t.Errorf("%d rows up to the epoch, not 1", len(rows))
		}
		if _, _, err := h.Scan(ctx, fqgw.Scan{Table: name, Columns: []string{"nope"}}); fqgw.AsError(err).Code != fqgw.CodeUndefinedColumn {
			t.Errorf("a column that is not there: %v", err)
		}
	})

	t.Run("many landings", func(t *testing.T) {
		const name = "lake.many"
		if err := h.Create(ctx, name, eventColumns); err != nil {
			t.Fatal(err)
		}
		var at fqgw.Marks
		for i := range 120 {
			to := fqgw.Marks{{Next: int64(i + 1)}}
			if _, ok, err := h.Land(ctx, name, events(t, i, 1), at, to); !ok || err != nil {
				t.Fatalf("landing %d: %v, %v", i, ok, err)
			}
			at = to
		}
		if rows := ReadAll(t, h, fqgw.Scan{Table: name, Columns: []string{"v"}}, []fqgw.Type{fqgw.Float8}); len(rows) != 120 {
			t.Errorf("%d rows, not 120", len(rows))
		}
		if s, err := h.Current(ctx, name); err != nil || !slices.Equal(s.Landed, at) || s.Rows != 120 {
			t.Errorf("now at %+v, %v", s, err)
		}
	})

	t.Run("append and snapshots", func(t *testing.T) {
		const name = "lake.appended"
		if err := h.Create(ctx, name, eventColumns); err != nil {
			t.Fatal(err)
		}
		if n, err := h.Append(ctx, name, one(events(t, 0, 3))); n != 3 || err != nil {
			t.Fatalf("appended %d, %v", n, err)
		}
		first, err := h.Current(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		broken := errors.New("broken")
		_, err = h.Append(ctx, name, func(yield func(arrow.RecordBatch, error) bool) {
			if yield(events(t, 3, 1), nil) {
				yield(nil, broken)
			}
		})
		if !errors.Is(err, broken) {
			t.Errorf("a broken input: %v", err)
		}
		if n, err := h.Append(ctx, name, one(events(t, 3, 2))); n != 2 || err != nil {
			t.Fatalf("appended %d, %v", n, err)
		}
		for want, s := range map[int]fqgw.Scan{5: {Table: name}, 3: {Table: name, Snapshot: first.ID}, 0: {Table: name, AsOf: first.Committed - 10_000_000}} {
			if rows := ReadAll(t, h, s, []fqgw.Type{fqgw.Text, fqgw.Float8, fqgw.Timestamptz}); len(rows) != want {
				t.Errorf("%+v: %d rows, not %d", s, len(rows), want)
			}
		}
		types := []fqgw.Type{fqgw.Text, fqgw.Float8, fqgw.Timestamptz}
		if err := h.Rollback(ctx, name, first.ID); err != nil {
			t.Fatal(err)
		}
		if rows := ReadAll(t, h, fqgw.Scan{Table: name}, types); len(rows) != 3 {
			t.Errorf("%d rows after going back to 3", len(rows))
		}
		if n, err := h.Append(ctx, name, one(events(t, 3, 1))); n != 1 || err != nil {
			t.Fatalf("appended %d, %v", n, err)
		}
		if rows := ReadAll(t, h, fqgw.Scan{Table: name}, types); len(rows) != 4 {
			t.Errorf("%d rows after going back to 3 and one more", len(rows))
		}
		// A table whose only snapshot has no rows can go back to it.
		const empty = "lake.emptied"
		if err := h.Create(ctx, empty, eventColumns); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := h.Land(ctx, empty, nil, nil, nil); !ok || err != nil {
			t.Fatalf("landing nothing: %v, %v", ok, err)
		}
		none, err := h.Current(ctx, empty)
		if err != nil || none.ID == 0 {
			t.Fatalf("after landing nothing: %+v, %v", none, err)
		}
		if _, err := h.Append(ctx, empty, one(events(t, 0, 3))); err != nil {
			t.Fatal(err)
		}
		if err := h.Rollback(ctx, empty, none.ID); err != nil {
			t.Fatal(err)
		}
		if rows := ReadAll(t, h, fqgw.Scan{Table: empty}, types); len(rows) != 0 {
			t.Errorf("%d rows after going back to none", len(rows))
		}
		if err := h.Rollback(ctx, empty, 7); err == nil {
			t.Error("going back to a snapshot that never was")
		}
	})

	// Rows come as words or as a dictionary of them, also one after the other.
	t.Run("dictionaries", func(t *testing.T) {
		const name = "lake.words"
		if err := h.Create(ctx, name, eventColumns); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := h.Land(ctx, name, worded(t, events(t, 0, 300)), nil, fqgw.Marks{{Next: 300}}); !ok || err != nil {
			t.Fatalf("landed: %v, %v", ok, err)
		}
		n, err := h.Append(ctx, name, func(yield func(arrow.RecordBatch, error) bool) {
			_ = yield(worded(t, events(t, 300, 5)), nil) && yield(events(t, 305, 5), nil) && yield(worded(t, events(t, 310, 5)), nil)
		})
		if n != 15 || err != nil {
			t.Fatalf("appended %d, %v", n, err)
		}
		rows := ReadAll(t, h, fqgw.Scan{Table: name, Columns: []string{"k", "v"}}, []fqgw.Type{fqgw.Text, fqgw.Float8})
		seen := map[float64]bool{}
		for _, r := range rows {
			v := r[1].Float()
			if seen[v] = true; r[0].Str() != fmt.Sprint("k", int(v)%7) {
				t.Errorf("row %v has %q", v, r[0].Str())
			}
		}
		if len(rows) != 315 || len(seen) != 315 {
			t.Errorf("%d rows, %d of them different, of 315", len(rows), len(seen))
		}
	})

	t.Run("appends that meet", func(t *testing.T) {
		const name = "lake.met"
		if err := h.Create(ctx, name, eventColumns); err != nil {
			t.Fatal(err)
		}
		types := []fqgw.Type{fqgw.Text, fqgw.Float8, fqgw.Timestamptz}
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 5 {
					if n, err := h.Append(ctx, name, one(events(t, 5*w+i, 1))); n != 1 || err != nil {
						t.Errorf("appended %d, %v", n, err)
					}
				}
			})
		}
		// Nobody comes between what is done exclusively.
		err := h.Exclusive(ctx, func(ctx context.Context) error {
			before, err := h.Current(ctx, name)
			if err != nil {
				return err
			}
			if before.ID == 0 {
				if _, _, err = h.Land(ctx, name, nil, nil, nil); err == nil {
					before, err = h.Current(ctx, name)
				}
			}
			if err == nil {
				_, err = h.Append(ctx, name, one(events(t, 100, 3)))
			}
			time.Sleep(20 * time.Millisecond) // the others would come now
			if err == nil {
				err = h.Rollback(ctx, name, before.ID)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		wg.Wait()
		if rows := ReadAll(t, h, fqgw.Scan{Table: name}, types); len(rows) != 40 {
			t.Errorf("%d rows of 40", len(rows))
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := h.Append(gone, name, one(events(t, 0, 1))); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled append: %v", err)
		}
	})

	t.Run("tags", func(t *testing.T) { tags(t, h) })
	t.Run("fill", func(t *testing.T) { fill(t, h) })
	t.Run("evolve", func(t *testing.T) { evolve(t, h) })
	t.Run("types", func(t *testing.T) { roundTrip(t, h) })
}

// tags have names for what a scan reads; that they keep it is for the store's own tests.
func tags(t *testing.T, h fqgw.History) {
	ctx, name := t.Context(), "lake.tagged"
	if err := h.Create(ctx, name, eventColumns); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Tag(ctx, fqgw.Scan{Table: name}, "none"); got.ID != 0 || err != nil {
		t.Errorf("of an empty table: %+v, %v", got, err)
	}
	if _, err := h.Append(ctx, name, one(events(t, 0, 3))); err != nil {
		t.Fatal(err)
	}
	first, err := h.Current(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.Tag(ctx, fqgw.Scan{Table: name}, "a"); got.ID != first.ID || got.Rows != 3 || err != nil {
		t.Errorf("of the newest: %+v, %v; it is %+v", got, err, first)
	}
	time.Sleep(2 * time.Millisecond) // what Iceberg's times can tell apart
	if _, err := h.Append(ctx, name, one(events(t, 3, 4))); err != nil {
		t.Fatal(err)
	}
	for _, s := range []fqgw.Scan{{Table: name, AsOf: first.Committed}, {Table: name, Snapshot: first.ID}} {
		if got, err := h.Tag(ctx, s, "b"); got.ID != first.ID || err != nil {
			t.Errorf("%+v: %+v, %v", s, got, err)
		}
	}
	if got, err := h.Tag(ctx, fqgw.Scan{Table: name}, "b"); got.ID == first.ID || got.Rows != 7 || err != nil {
		t.Errorf("moved: %+v, %v", got, err)
	}
	if _, err := h.Tag(ctx, fqgw.Scan{Table: name, Snapshot: 7}, "c"); err == nil {
		t.Error("a snapshot that never was has a tag")
	}
	if _, err := h.Tag(ctx, fqgw.Scan{Table: "lake.never"}, "c"); codeOf(err) != fqgw.CodeUndefinedTable {
		t.Errorf("of no table: %v", err)
	}
	for _, tag := range []string{"a", "b", "a", "never"} {
		if err := h.Untag(ctx, name, tag); err != nil {
			t.Errorf("%s: %v", tag, err)
		}
	}
	if err := h.Untag(ctx, "lake.never", "a"); err != nil {
		t.Errorf("of no table: %v", err)
	}
	types := []fqgw.Type{fqgw.Text, fqgw.Float8, fqgw.Timestamptz}
	if rows := ReadAll(t, h, fqgw.Scan{Table: name}, types); len(rows) != 7 {
		t.Errorf("%d rows", len(rows))
	}
}

// fill is a snapshot of its own; the same rows make the same bytes.
func fill(t *testing.T, h fqgw.History) {
	ctx, name := t.Context(), "lake.filled"
	if err := h.Create(ctx, name, eventColumns); err != nil {
		t.Fatal(err)
	}
	rows := func(yield func(arrow.RecordBatch, error) bool) {
		_ = yield(events(t, 0, 3), nil) && yield(events(t, 3, 4), nil)
	}
	none, err := h.Fill(ctx, name, fqgw.FileLayout{}, func(func(arrow.RecordBatch, error) bool) {})
	if err != nil || none.Snapshot != 0 || none.Rows != 0 || len(none.Files) != 0 {
		t.Errorf("no rows: %+v, %v", none, err)
	}
	broken := errors.New("broken")
	_, err = h.Fill(ctx, name, fqgw.FileLayout{}, func(yield func(arrow.RecordBatch, error) bool) {
		_ = yield(events(t, 0, 3), nil) && yield(nil, broken)
	})
	if now, cerr := h.Current(ctx, name); !errors.Is(err, broken) || cerr != nil || now.ID != 0 {
		t.Errorf("rows that fail: %v; %+v, %v", err, now, cerr)
	}
	got, err := h.Fill(ctx, name, fqgw.FileLayout{Bytes: 1}, rows)
	if err != nil {
		t.Fatal(err)
	}
	now, err := h.Current(ctx, name)
	if err != nil || now.ID != got.Snapshot || got.Rows != 7 || len(got.Files) == 0 {
		t.Errorf("%+v; the table is at %+v, %v", got, now, err)
	}
	sum := int64(0)
	for _, f := range got.Files {
		if sum += f.Rows; f.Path == "" || f.Bytes == 0 || len(f.SHA256) != 64 {
			t.Errorf("%+v", f)
		}
	}
	if sum != 7 {
		t.Errorf("files of %d rows", sum)
	}
	again, err := h.Refill(ctx, name, fqgw.FileLayout{Bytes: 1}, got.Files, rows)
	if err != nil || !fqgw.SameFiles(again, got.Files) {
		t.Errorf("again %+v, %v; it was %+v", again, err, got.Files)
	}
	other, err := h.Refill(ctx, name, fqgw.FileLayout{Bytes: 1}, got.Files, one(events(t, 1, 7)))
	if err != nil || fqgw.SameFiles(other, got.Files) {
		t.Errorf("other rows: %+v, %v", other, err)
	}
	types := []fqgw.Type{fqgw.Text, fqgw.Float8, fqgw.Timestamptz}
	if rows := ReadAll(t, h, fqgw.Scan{Table: name}, types); len(rows) != 7 {
		t.Errorf("%d rows", len(rows))
	}
	if after, err := h.Current(ctx, name); err != nil || after.ID != now.ID {
		t.Errorf("after all that %+v, %v", after, err)
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

func roundTrip(t *testing.T, h fqgw.History) {
	dec := func(s string) fqgw.Value {
		d, ok := fqgw.ParseDecimal(s)
		if !ok {
			t.Fatal(s)
		}
		return fqgw.NumericValue(d)
	}
	cases := []struct {
		typ    fqgw.Type
		values []fqgw.Value
	}{
		{fqgw.Bool, []fqgw.Value{fqgw.BoolValue(true), fqgw.BoolValue(false)}},
		{fqgw.Int2, []fqgw.Value{fqgw.IntValue(math.MaxInt16), fqgw.IntValue(math.MinInt16)}},
		{fqgw.Int4, []fqgw.Value{fqgw.IntValue(math.MaxInt32), fqgw.IntValue(math.MinInt32)}},
		{fqgw.Int8, []fqgw.Value{fqgw.IntValue(math.MaxInt64), fqgw.IntValue(math.MinInt64)}},
		{fqgw.Float4, []fqgw.Value{fqgw.FloatValue(1.5), fqgw.FloatValue(math.Inf(-1))}},
		{fqgw.Float8, []fqgw.Value{fqgw.FloatValue(math.NaN()), fqgw.FloatValue(math.SmallestNonzeroFloat64)}},
		{fqgw.Numeric, []fqgw.Value{dec("12345678901234567890123456789.10"), dec("NaN")}},
		{fqgw.NumericOf(10, 3), []fqgw.Value{dec("-1234567.890"), dec("0.001")}},
		{fqgw.Text, []fqgw.Value{fqgw.TextValue(""), fqgw.TextValue("zoë \n x")}},
		{fqgw.Bytea, []fqgw.Value{fqgw.BytesValue("\x00\xff"), fqgw.BytesValue("")}},
		{fqgw.Date, []fqgw.Value{fqgw.DateValue(-1), fqgw.DateValue(20000)}},
		{fqgw.Time, []fqgw.Value{fqgw.TimeValue(0), fqgw.TimeValue(86_399_999_999)}},
		{fqgw.Timestamp, []fqgw.Value{fqgw.TimestampValue(-1), fqgw.TimestampValue(1_362_131_640_000_001)}},
		{fqgw.Timestamptz, []fqgw.Value{fqgw.TimestampValue(-1), fqgw.TimestampValue(1_362_131_640_000_001)}},
		{fqgw.UUID, []fqgw.Value{fqgw.UUIDValue([16]byte{1, 255}), fqgw.UUIDValue([16]byte{})}},
		{fqgw.JSONB, []fqgw.Value{fqgw.TextValue(`{"a": [1, null]}`), fqgw.TextValue("null")}},
		{fqgw.Float8.Array(), []fqgw.Value{fqgw.ArrayOf(fqgw.Float8, fqgw.FloatValue(1), fqgw.Null), fqgw.ArrayOf(fqgw.Float8)}},
	}
	var cols []fqgw.Column
	rows := make([][]fqgw.Value, 3)
	for i, c := range cases {
		cols = append(cols, fqgw.Column{Name: fmt.Sprint("c", i), Type: c.typ})
		rows[0], rows[1], rows[2] = append(rows[0], c.values[0]), append(rows[1], fqgw.Null), append(rows[2], c.values[1])
	}
	const name = "lake.types"
	if err := h.Create(t.Context(), name, cols); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Describe(t.Context(), name); err != nil || !slices.Equal(got, cols) {
		t.Errorf("described as %v, %v", got, err)
	}
	if _, err := h.Append(t.Context(), name, one(Batch(t, cols, rows))); err != nil {
		t.Fatal(err)
	}
	var types []fqgw.Type
	for _, c := range cols {
		types = append(types, c.Type)
	}
	got := ReadAll(t, h, fqgw.Scan{Table: name}, types)
	if len(got) != len(rows) {
		t.Fatalf("%d rows come back", len(got))
	}
	for r := range rows {
		for c := range cols {
			g, w := got[r][c], rows[r][c]
			if g.Kind() != w.Kind() || !w.IsNull() && fqgw.Compare(g, w) != 0 || w.Kind() == fqgw.KindNumeric && g.Numeric().String() != w.Numeric().String() {
				t.Errorf("%s row %d: %+v comes back as %+v", cols[c].Type, r, w, g)
			}
		}
	}
}
