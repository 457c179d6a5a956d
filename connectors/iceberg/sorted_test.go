package iceberg

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// TestPackedRun reads each column of a run, and those with NULLs by their values alone.
func TestPackedRun(t *testing.T) {
	l := open(t, Options{})
	if err := l.Create(t.Context(), "lake.h", storetest.SortedColumns); err != nil {
		t.Fatal(err)
	}
	var rows [][]fqgw.Value
	for i := range int64(1000) {
		rows = append(rows, storetest.HistoryRow(i/10, i, i))
	}
	if _, ok, err := l.Land(t.Context(), "lake.h", storetest.Batch(t, storetest.SortedColumns, rows), nil, next(1000)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	keys := fqgw.RunKeys{Keys: []string{"k"}, Time: "ts"}
	s, err := l.Sorted(t.Context(), fqgw.Scan{Table: "lake.h"}, keys)
	if err != nil || len(s.Runs) != 0 || s.FreshRows != 1000 {
		t.Fatal(s, err)
	}
	f, err := l.WriteRun(t.Context(), "lake.h", keys, func(yield func(arrow.RecordBatch, error) bool) {
		_ = yield(storetest.Batch(t, storetest.SortedColumns, rows[:300]), nil) && yield(storetest.Batch(t, storetest.SortedColumns, rows[300:]), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := l.CommitRuns(t.Context(), "lake.h", keys, s, nil, []fqgw.RunFile{f}, s.Upto); !ok || err != nil {
		t.Fatal(ok, err)
	}
	_, p, err := l.projectionOf(t.Context(), "lake.h", keys)
	if err != nil {
		t.Fatal(err)
	}
	of, err := l.load(t.Context(), "lake.h")
	if err != nil {
		t.Fatal(err)
	}
	runs, _, ok := l.runs(t.Context(), of, "lake.h", p)
	if !ok {
		t.Fatal("the run is refused")
	}
	defer release(runs)
	packed := 0
	for c, col := range storetest.SortedColumns {
		a, err := runs[0].Column(0, col.Name)
		if err != nil {
			t.Fatal(err)
		}
		few, pack := runs[0].Packed(0, col.Name)
		for i := range rows {
			want := rows[i][c]
			if got := fqgw.ArrowValue(a, i, col.Type); fqgw.Compare(got, want) != 0 || got.IsNull() != want.IsNull() {
				t.Fatalf("%s of row %d is %v, want %v", col.Name, i, got, want)
			}
			if pack {
				packed++
				at, ok := few.At(i)
				if ok == want.IsNull() || ok && fqgw.Compare(fqgw.ArrowValue(few.Values, at, col.Type), want) != 0 {
					t.Fatalf("packed %s of row %d is at %d, %t", col.Name, i, at, ok)
				}
			}
		}
		a.Release()
		if pack {
			few.Values.Release()
		}
	}
	if packed != len(rows) {
		t.Errorf("%d values are packed, there should be those of the doubles", packed)
	}
}

// TestLevels reads which rows are there in both of Parquet's forms.
func TestLevels(t *testing.T) {
	page := func(levels ...byte) []byte {
		return append(append([]byte{byte(len(levels)), 0, 0, 0}, levels...), make([]byte, 8*7)...)
	}
	for name, data := range map[string][]byte{
		"runs":       page(4<<1, 1, 3<<1, 0, 3<<1, 1),
		"bits":       page(2<<1|1, 0b10001111, 0b11),
		"bits, runs": page(1<<1|1, 0b10001111, 2<<1, 1),
		"zero runs":  page(4<<1, 1, 0, 1, 3<<1, 0, 3<<1, 1),
		"longer":     page(4<<1, 1, 3<<1, 0, 30<<1, 1),
	} {
		p, ok := packedOf(data, 8, 10, 3)
		if !ok || p.valid[0] != 0b1110001111 || len(p.values) != 56 {
			t.Errorf("%s: %b %t", name, p.valid, ok)
		}
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "short": page()[:3], "no levels": page(), "no value": page(5 << 1), "few bits": page(9<<1|1, 1),
		"endless": page(0x80, 0x80), "too long": {200, 0, 0, 0, 1}, "another count": page(10<<1, 1),
	} {
		if _, ok := packedOf(data, 8, 10, 3); ok {
			t.Errorf("%s is read", name)
		}
	}
}

// TestProjectionText: the property outlives the process.
func TestProjectionText(t *testing.T) {
	p := projection{Version: 1, Of: "6f9d", Table: "lake.h", Keys: []string{"k", "s"}, Time: "ts", Sequence: 7, Files: 3, Sum: 99, Marks: "1;0:12",
		Runs: []runFile{{"file:///w/a.parquet", 10, 2048, 4294967295}}}
	const golden = `{"version":1,"of":"6f9d","table":"lake.h","keys":["k","s"],"time":"ts","sequence":7,"files":3,"sum":99,"marks":"1;0:12","runs":[{"path":"file:///w/a.parquet","rows":10,"bytes":2048,"crc32c":4294967295}]}`
	text, err := json.Marshal(p)
	if err != nil || string(text) != golden {
		t.Errorf("%s, %v", text, err)
	}
	back, err := parseProjection(golden)
	if err != nil || !reflect.DeepEqual(*back, p) {
		t.Errorf("%v, %v", back, err)
	}
	for _, bad := range []string{"{", `{"version":2}`} {
		if _, err := parseProjection(bad); code(err) != fqgw.CodeDataCorrupted {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
