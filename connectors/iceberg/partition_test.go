package iceberg

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// respec changes what divides the table's files.
func (a *another) respec(f func(*table.UpdateSpec) *table.UpdateSpec) {
	a.t.Helper()
	a.change(func(_ context.Context, tx *table.Transaction) error { return f(tx.UpdateSpec(true)).Commit() })
}

// ids are column id of the rows that a filter lets through.
func (a *another) ids(filter iceberg.BooleanExpression) (out []int64) {
	a.t.Helper()
	_, records, err := a.load().Scan(table.WithRowFilter(filter), table.WithSelectedFields("id")).ToArrowRecords(context.Background())
	if err != nil {
		a.t.Fatal(err)
	}
	for b, err := range records {
		if err != nil {
			a.t.Fatal(err)
		}
		out = append(out, b.Column(0).(*array.Int64).Int64Values()...)
		b.Release()
	}
	slices.Sort(out)
	return out
}

// partitions are the values that divide the rows, as tally says them.
func (a *another) partitions() string {
	a.t.Helper()
	tasks, err := a.load().Scan().PlanFiles(context.Background())
	if err != nil {
		a.t.Fatal(err)
	}
	var out []string
	for _, task := range tasks {
		for _, v := range task.File.Partition() {
			out = append(out, slices.Repeat([]string{partText(v)}, int(task.File.Count()))...)
		}
	}
	return tally(out)
}

func partText(v any) string {
	switch v := v.(type) {
	case iceberg.Date:
		return fmt.Sprint(int32(v))
	case iceberg.Decimal:
		return v.Val.ToString(int32(v.Scale))
	case []byte:
		return fmt.Sprintf("%x", v)
	}
	return fmt.Sprint(v)
}

const day = 24 * hour

// of2017 is 2017-11-16 22:31:08.
const of2017 = 1_510_871_468_000_000

// Each transform of each type that Iceberg has it for: the values that it divides by are
// those of Iceberg's specification (appendix B for the hashes), and of iceberg-go's
// Apply, and who filters finds the rows. NULL is a partition, and so are times before 1970.
func TestTransforms(t *testing.T) {
	l := open(t, Options{})
	all := iceberg.BucketTransform{NumBuckets: math.MaxInt32} // a bucket is the hash, without its sign
	by16 := iceberg.BucketTransform{NumBuckets: 16}
	hash := func(h int32) string { return fmt.Sprint(h & math.MaxInt32) }
	numeric := fqgw.NumericOf(9, 2)
	id := uuid.MustParse("f79c3e09-677c-4bbd-a479-3f349cb785e7")
	for i, c := range []struct {
		column    fqgw.Type
		transform iceberg.Transform
		values    []fqgw.Value
		want      string // what they are divided by, in their order
	}{
		{fqgw.Timestamptz, iceberg.YearTransform{}, times(-1, 0, of2017, 365*day-1), "-1 0 47 0"},
		{fqgw.Timestamp, iceberg.MonthTransform{}, times(-1, -31*day-1, 0, 31*day), "-1 -2 0 1"},
		{fqgw.Timestamptz, iceberg.DayTransform{}, times(-1, -day, -day-1, 0, of2017), "-1 -1 -2 0 17486"},
		{fqgw.Timestamp, iceberg.HourTransform{}, times(-1, -hour, -hour-1, 0, of2017), "-1 -1 -2 0 419686"},
		{fqgw.Date, iceberg.YearTransform{}, dates(-1, 0, 17486), "-1 0 47"},
		{fqgw.Date, iceberg.MonthTransform{}, dates(-1, 0, 17486), "-1 0 574"},
		{fqgw.Date, iceberg.DayTransform{}, dates(-1, 0, 17486), "-1 0 17486"},
		{fqgw.Int4, all, ints(34), hash(2017239379)},
		{fqgw.Int8, all, ints(34), hash(2017239379)},
		{numeric, all, decimals(1420), hash(-500754589)},
		{fqgw.Date, all, dates(17486), hash(-653330422)},
		{fqgw.Time, all, []fqgw.Value{fqgw.TimeValue(81_068_000_000)}, hash(-662762989)},
		{fqgw.Timestamp, all, times(of2017), hash(-2047944441)},
		{fqgw.Timestamptz, all, times(of2017), hash(-2047944441)},
		{fqgw.Text, all, texts("iceberg"), hash(1210000089)},
		{fqgw.UUID, all, []fqgw.Value{fqgw.UUIDValue(id)}, hash(1488055340)},
		{fqgw.Bytea, all, bytea("\x00\x01\x02\x03"), hash(-188683207)},
		{fqgw.Text, by16, texts("", "iceberg"), "0 9"},
		{fqgw.Int2, by16, ints(34), "3"},
		{fqgw.Int4, iceberg.TruncateTransform{Width: 10}, ints(1, -1, 0, -10, 19), "0 -10 0 -10 10"},
		{fqgw.Int8, iceberg.TruncateTransform{Width: 10}, ints(1, -1, 19), "0 -10 10"},
		{numeric, iceberg.TruncateTransform{Width: 50}, decimals(1065, -1), "10.50 -0.50"},
		{fqgw.Text, iceberg.TruncateTransform{Width: 3}, texts("iceberg", "ice", "icy", "ü", "üüüü", ""), "ice ice icy ü üüü "},
		{fqgw.Bytea, iceberg.TruncateTransform{Width: 2}, bytea("\x01\x02\x03", "\x09"), "0102 09"},
		{fqgw.Bool, iceberg.IdentityTransform{}, []fqgw.Value{fqgw.BoolValue(true), fqgw.BoolValue(false)}, "true false"},
		{fqgw.Float8, iceberg.IdentityTransform{}, []fqgw.Value{fqgw.FloatValue(-1.5), fqgw.FloatValue(2)}, "-1.5 2"},
		{fqgw.Float4, iceberg.IdentityTransform{}, []fqgw.Value{fqgw.FloatValue(-1.5)}, "-1.5"},
		{fqgw.Timestamptz, iceberg.IdentityTransform{}, times(-1, of2017), fmt.Sprint(-1, of2017)},
		{fqgw.UUID, iceberg.IdentityTransform{}, []fqgw.Value{fqgw.UUIDValue(id)}, id.String()},
		{numeric, iceberg.IdentityTransform{}, decimals(-5), "-0.05"},
		{fqgw.Time, iceberg.IdentityTransform{}, []fqgw.Value{fqgw.TimeValue(1)}, "1"},
		{fqgw.Bytea, iceberg.IdentityTransform{}, bytea("\x09", ""), "09 "},
		{fqgw.Text, iceberg.VoidTransform{}, texts("x", "y"), "<nil> <nil>"},
	} {
		t.Run(fmt.Sprint(c.column, " ", c.transform), func(t *testing.T) {
			a := &another{t: t, lake: l, id: ident(fmt.Sprintf("lake.t%d", i))}
			a.divided(c.column, c.transform, c.values)
			want := strings.Split(c.want, " ")
			if got := a.partitions(); got != tally(append(want, "<nil>")) {
				t.Errorf("divided by %s, want %s", got, tally(append(want, "<nil>")))
			}
			field, _ := a.load().Schema().FindFieldByName("v")
			for i, v := range c.values {
				lit := asLiteral(t, v, field.Type)
				applied := c.transform.Apply(iceberg.Optional[iceberg.Literal]{Valid: true, Val: lit})
				if got := "<nil>"; applied.Valid {
					if got = partText(applied.Val.Any()); got != want[i] {
						t.Errorf("%v: iceberg-go makes %s of it, want %s", v, got, want[i])
					}
				}
				if got := a.ids(iceberg.LiteralPredicate(iceberg.OpEQ, iceberg.Reference("v"), lit)); !slices.Equal(got, []int64{int64(i)}) {
					t.Errorf("= %v finds rows %v, not %d", v, got, i)
				}
				if c.column != fqgw.Bool {
					if got := a.ids(iceberg.LiteralPredicate(iceberg.OpGTEQ, iceberg.Reference("v"), lit)); !slices.Contains(got, int64(i)) {
						t.Errorf(">= %v finds rows %v, without %d", v, got, i)
					}
				}
			}
			if got := a.ids(iceberg.IsNull(iceberg.Reference("v"))); !slices.Equal(got, []int64{int64(len(c.values))}) {
				t.Errorf("IS NULL finds rows %v", got)
			}
		})
	}
}

// Hours are 32 bits: times that have more are in the first and the last, where what asks
// for times before and after finds them.
func TestHoursOfInfinity(t *testing.T) {
	a := &another{t: t, lake: open(t, Options{}), id: ident("lake.t")}
	a.divided(fqgw.Timestamptz, iceberg.HourTransform{}, times(math.MinInt64, 0, math.MaxInt64))
	if got, want := a.partitions(), tally([]string{"-2147483648", "0", "2147483647", "<nil>"}); got != want {
		t.Errorf("divided by %s, want %s", got, want)
	}
	at := iceberg.Reference("v")
	if got := a.ids(iceberg.GreaterThan(at, iceberg.Timestamp(of2017))); !slices.Equal(got, []int64{2}) {
		t.Errorf("after 2017: %v", got)
	}
	if got := a.ids(iceberg.LessThan(at, iceberg.Timestamp(-1))); !slices.Equal(got, []int64{0}) {
		t.Errorf("before 1970: %v", got)
	}
}

// divided makes the table with the columns id and v, lets v divide it, and inserts the
// values and NULL, numbered from 0.
func (a *another) divided(column fqgw.Type, t iceberg.Transform, values []fqgw.Value) {
	a.t.Helper()
	cols := []fqgw.Column{{Name: "id", Type: fqgw.Int8}, {Name: "v", Type: column}}
	name := strings.Join(a.id, ".")
	if err := a.lake.Create(a.t.Context(), name, cols); err != nil {
		a.t.Fatal(err)
	}
	a.respec(func(u *table.UpdateSpec) *table.UpdateSpec { return u.AddField("v", t, "part") })
	var rows [][]fqgw.Value
	for i, v := range append(values, fqgw.Null) {
		rows = append(rows, []fqgw.Value{fqgw.IntValue(int64(i)), v})
	}
	b := storetest.Batch(a.t, cols, rows)
	if _, err := a.lake.Append(a.t.Context(), name, func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) }); err != nil {
		a.t.Fatal(err)
	}
}

// tally are the different texts with how often each is there.
func tally(all []string) string {
	rows := map[string]int{}
	for _, v := range all {
		rows[v]++
	}
	var out []string
	for v, n := range rows {
		out = append(out, fmt.Sprintf("%s:%d", v, n))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func some[T any](make func(T) fqgw.Value, of []T) (out []fqgw.Value) {
	for _, v := range of {
		out = append(out, make(v))
	}
	return out
}

func times(of ...int64) []fqgw.Value  { return some(fqgw.TimestampValue, of) }
func dates(of ...int64) []fqgw.Value  { return some(fqgw.DateValue, of) }
func ints(of ...int64) []fqgw.Value   { return some(fqgw.IntValue, of) }
func texts(of ...string) []fqgw.Value { return some(fqgw.TextValue, of) }
func bytea(of ...string) []fqgw.Value { return some(fqgw.BytesValue, of) }
func decimals(of ...int64) []fqgw.Value { // of hundredths
	return some(func(n int64) fqgw.Value {
		d, _ := fqgw.ParseDecimal(decimal128.FromI64(n).ToString(2))
		return fqgw.NumericValue(d)
	}, of)
}

// asLiteral is a value as another program has it in its filter.
func asLiteral(t *testing.T, v fqgw.Value, of iceberg.Type) iceberg.Literal {
	t.Helper()
	var lit iceberg.Literal
	switch v.Kind() {
	case fqgw.KindBool:
		return iceberg.BoolLiteral(v.Bool())
	case fqgw.KindFloat:
		lit = iceberg.Float64Literal(v.Float())
	case fqgw.KindDate:
		return iceberg.DateLiteral(v.Int())
	case fqgw.KindTime:
		return iceberg.TimeLiteral(v.Int())
	case fqgw.KindTimestamp:
		return iceberg.TimestampLiteral(v.Int())
	case fqgw.KindBytes:
		return iceberg.BinaryLiteral(v.Str())
	case fqgw.KindUUID:
		return iceberg.UUIDLiteral([]byte(v.Str()))
	case fqgw.KindInt:
		lit = iceberg.Int64Literal(v.Int())
	case fqgw.KindNumeric:
		lit = iceberg.StringLiteral(v.Numeric().String())
	case fqgw.KindText:
		return iceberg.StringLiteral(v.Str())
	}
	out, err := lit.To(of)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A history that others divide while fqgw lands goes on: the rows and what the runs cover
// are as if nobody had, where each file is of one partition.
func TestDividedHistory(t *testing.T) {
	l := open(t, Options{})
	s := storetest.SortedStore{SortedHistory: l, T: t}
	s.Make(sortedName)
	a := &another{t: t, lake: l, id: ident(sortedName)}
	land := func(from, n int64) { s.LandRows(sortedName, storetest.SomeRows(from, n), from, from+n) }
	land(0, 10)
	s.Compact(sortedName, sortedBy)
	a.respec(func(u *table.UpdateSpec) *table.UpdateSpec { return u.AddField("ts", iceberg.DayTransform{}, "day") })
	land(10, 10)
	a.respec(func(u *table.UpdateSpec) *table.UpdateSpec {
		return u.AddField("k", iceberg.BucketTransform{NumBuckets: 8}, "bucket")
	})
	land(20, 100)
	s.Whole(sortedName, sortedBy, storetest.SomeRows(0, 120), 1)
	s.Compact(sortedName, sortedBy)
	land(120, 10)
	s.Whole(sortedName, sortedBy, storetest.SomeRows(0, 130), 2)
	tasks, err := a.load().Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bySpec := map[int32]int64{}
	for _, task := range tasks {
		bySpec[task.File.SpecID()] += task.File.Count()
	}
	if fmt.Sprint(bySpec) != "map[0:10 1:10 2:110]" {
		t.Errorf("rows by spec: %v", bySpec)
	}
	got := storetest.ReadAll(t, l, fqgw.Scan{Table: sortedName, Columns: []string{fqgw.ColOffset}, Time: "ts", From: 100_000_000, To: math.MaxInt64}, []fqgw.Type{fqgw.Int8})
	want := 0
	for _, r := range storetest.SomeRows(0, 130) {
		if r[2].Int() >= 100_000_000 {
			want++
		}
	}
	if len(got) != want {
		t.Errorf("%d rows since 100 s, want %d", len(got), want)
	}
}

// The small files of a divided history are merged partition by partition, where they are
// divided as the next ones will be; the runs go on covering them.
func TestMergeDivided(t *testing.T) {
	l := open(t, Options{})
	s := storetest.SortedStore{SortedHistory: l, T: t}
	s.Make(sortedName)
	a := &another{t: t, lake: l, id: ident(sortedName)}
	land := func(from, to int64) {
		for i := from; i < to; i++ {
			s.LandRows(sortedName, storetest.SomeRows(4*i, 4), 4*i, 4*i+4)
		}
	}
	land(0, 3)
	a.respec(func(u *table.UpdateSpec) *table.UpdateSpec {
		return u.AddField("ok", iceberg.IdentityTransform{}, "ok").AddField("site", iceberg.TruncateTransform{Width: 1}, "site_start")
	})
	land(3, 80)
	s.Compact(sortedName, sortedBy)
	land(80, 160)
	if err := l.MergeFiles(t.Context(), sortedName); err != nil {
		t.Fatal(err)
	}
	// Of 157 files of each half, 64 before the run's end and 64 after it became one.
	if n := filesIn(t, l); n != 3+2*(157-2*64+2) {
		t.Errorf("%d files", n)
	}
	s.Whole(sortedName, sortedBy, storetest.SomeRows(0, 640), 1)
	tasks, err := a.load().Scan(table.WithRowFilter(iceberg.EqualTo(iceberg.Reference("ok"), true))).PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	for _, task := range tasks {
		if task.File.SpecID() != 0 {
			rows += task.File.Count()
		}
	}
	if rows != 157*2 {
		t.Errorf("%d rows are in the files of ok = true", rows)
	}
}

// The runs of a history are never divided, whatever others do to their table.
func TestDividedRuns(t *testing.T) {
	l := open(t, Options{})
	s := storetest.SortedStore{SortedHistory: l, T: t}
	s.Make(sortedName)
	s.LandRows(sortedName, storetest.SomeRows(0, 50), 0, 50)
	s.Compact(sortedName, sortedBy)
	a := &another{t: t, lake: l, id: projectionIdent(sortedName, sortedBy)}
	a.respec(func(u *table.UpdateSpec) *table.UpdateSpec {
		return u.AddField("site", iceberg.IdentityTransform{}, "site")
	})
	s.LandRows(sortedName, storetest.SomeRows(50, 50), 50, 100)
	s.Compact(sortedName, sortedBy)
	s.Whole(sortedName, sortedBy, storetest.SomeRows(0, 100), 2)
}

// A landing of more partitions than there may be files puts the others into one file of
// none, which every history has a spec for.
func TestTooManyPartitions(t *testing.T) {
	defer func(n int) { mostParts = n }(mostParts)
	mostParts = 5
	l := open(t, Options{})
	s := storetest.SortedStore{SortedHistory: l, T: t}
	s.Make(sortedName)
	a := &another{t: t, lake: l, id: ident(sortedName)}
	a.respec(func(u *table.UpdateSpec) *table.UpdateSpec { return u.AddField("i", iceberg.IdentityTransform{}, "i") })
	s.LandRows(sortedName, storetest.SomeRows(0, 30), 0, 30)
	tasks, err := a.load().Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var rows []int64
	for _, task := range tasks {
		rows = append(rows, task.File.Count())
	}
	if slices.Sort(rows); !slices.Equal(rows, []int64{1, 1, 1, 1, 1, 25}) {
		t.Errorf("files of %v rows", rows)
	}
	if got := offsets(t, l); !slices.Equal(got, upTo(0, 30)) {
		t.Errorf("%v", got)
	}
}
