package iceberg

import (
	"slices"
	"testing"

	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// TestConstants: a column is left unread exactly when every row has the same value
// in it by the bounds of its files, and the rows are the same as if it were read.
func TestConstants(t *testing.T) {
	cols := []fqgw.Column{{Name: "epoch", Type: fqgw.Int4}, {Name: "n", Type: fqgw.Int8}, {Name: "op", Type: fqgw.Text}, {Name: "long", Type: fqgw.Text},
		{Name: "maybe", Type: fqgw.Int8}, {Name: "f", Type: fqgw.Float8}, {Name: "ts", Type: fqgw.Timestamptz}}
	types := []fqgw.Type{fqgw.Int4, fqgw.Int8, fqgw.Text, fqgw.Text, fqgw.Int8, fqgw.Float8, fqgw.Timestamptz}
	row := func(epoch, n int64, op string, maybe fqgw.Value, ts int64) []fqgw.Value {
		return []fqgw.Value{fqgw.IntValue(epoch), fqgw.IntValue(n), fqgw.TextValue(op), fqgw.TextValue("sixteen letters!"), maybe,
			fqgw.FloatValue(0), fqgw.TimestampValue(ts)}
	}
	l := open(t, Options{})
	if err := l.Create(t.Context(), "lake.t", cols); err != nil {
		t.Fatal(err)
	}
	var all [][]fqgw.Value
	check := func(from int64, want ...string) {
		t.Helper()
		tab, err := l.load(t.Context(), "lake.t")
		if err != nil {
			t.Fatal(err)
		}
		s := fqgw.Scan{Table: "lake.t", Time: "ts", From: from, To: fqgw.InfinityTime}
		tasks, err := tab.Scan(table.WithRowFilter(between(s))).PlanFiles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range constantsOf(cols, tab.Schema(), tasks) {
			got = append(got, c.column.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("from %d: constant are %v, want %v", from, got, want)
		}
		var rows [][]fqgw.Value
		for _, r := range all {
			if r[6].Int() >= from {
				rows = append(rows, r)
			}
		}
		if found := storetest.ReadAll(t, l, s, types); !slices.EqualFunc(found, rows, slices.Equal[[]fqgw.Value]) {
			t.Errorf("from %d: read %v, want %v", from, found, rows)
		}
		for i, c := range cols { // alone, too
			s.Columns = []string{c.Name}
			found := storetest.ReadAll(t, l, s, types[i:i+1])
			if !slices.EqualFunc(found, rows, func(a, b []fqgw.Value) bool { return a[0] == b[i] }) {
				t.Errorf("from %d, %s: read %v", from, c.Name, found)
			}
		}
	}
	var at fqgw.Marks
	land := func(rows ...[]fqgw.Value) {
		t.Helper()
		all = append(all, rows...)
		to := next(len(all))
		if _, ok, err := l.Land(t.Context(), "lake.t", storetest.Batch(t, cols, rows), at, to); !ok || err != nil {
			t.Fatal(ok, err)
		}
		at = to
	}
	check(0)
	one := fqgw.IntValue(1)
	land(row(0, 5, "insert", one, 1), row(0, 5, "insert", one, 2))
	check(0, "epoch", "n", "op", "maybe")
	land(row(0, 5, "insert", fqgw.Null, 3), row(0, 6, "insert", one, 4))
	check(0, "epoch", "op")
	land(row(1, 7, "insert", one, 5), row(1, 7, "insert", one, 6))
	check(0, "op")
	check(5, "epoch", "n", "op", "maybe")
	land(row(1, 7, "insert", one, 7), row(1, 7, "delete", one, 8))
	check(0)
	check(5, "epoch", "n", "maybe")
}

// TestConstantsOfInserts: in a history of inserts nobody reads which epoch, change of
// a record and operation it was.
func TestConstantsOfInserts(t *testing.T) {
	l := open(t, Options{})
	own := []fqgw.Column{{Name: "v", Type: fqgw.Int8}}
	cols := slices.Concat(own, fqgw.HiddenColumns)
	if err := l.Create(t.Context(), "lake.t", cols); err != nil {
		t.Fatal(err)
	}
	for i, op := range []fqgw.Operation{fqgw.Insert, fqgw.Insert, fqgw.Delete} {
		var hidden fqgw.HiddenRows
		for part := range int32(2) {
			hidden.Append(&fqgw.Event{Pos: fqgw.Position{Partition: part, Offset: int64(i)}, Op: op, Known: int64(i)})
		}
		rows := hidden.Complete(storetest.Batch(t, own, [][]fqgw.Value{{fqgw.IntValue(0)}, {fqgw.IntValue(1)}}))
		if _, ok, err := l.Land(t.Context(), "lake.t", rows, next(i), next(i+1)); !ok || err != nil {
			t.Fatal(ok, err)
		}
		tab, err := l.load(t.Context(), "lake.t")
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := tab.Scan().PlanFiles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range constantsOf(cols, tab.Schema(), tasks) {
			got = append(got, c.column.Name)
		}
		want := []string{fqgw.ColEpoch, fqgw.ColSub, fqgw.ColOperation}
		if op != fqgw.Insert {
			want = want[:2]
		}
		if i == 0 {
			want = slices.Insert(want, 1, fqgw.ColOffset)
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %d landings constant are %v, want %v", i+1, got, want)
		}
		last := storetest.ReadAll(t, l, fqgw.Scan{Table: "lake.t", Columns: []string{fqgw.ColOperation, fqgw.ColOffset}}, []fqgw.Type{fqgw.Text, fqgw.Int8})
		if n := len(last); n != 2*i+2 || last[n-1][0].Str() != op.String() || last[n-1][1].Int() != int64(i) || last[0][0].Str() != "insert" {
			t.Errorf("after %d landings: %v", i+1, last)
		}
	}
}
