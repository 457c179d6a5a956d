package iceberg

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// historyColumns is a history of a source with every kind of column.
var historyColumns = append([]fqgw.Column{{Name: "k", Type: fqgw.Int8}, {Name: "site", Type: fqgw.Text}, {Name: "ts", Type: fqgw.Timestamptz},
	{Name: "x", Type: fqgw.Float8}, {Name: "n", Type: fqgw.NumericOf(12, 2)}, {Name: "u", Type: fqgw.UUID}, {Name: "tags", Type: fqgw.Text.Array()},
	{Name: "ok", Type: fqgw.Bool}, {Name: "i", Type: fqgw.Int4}}, fqgw.HiddenColumns...)

func historyRow(k, time, offset int64) []fqgw.Value {
	maybe := func(v fqgw.Value) fqgw.Value {
		if offset%5 == 0 {
			return fqgw.Null
		}
		return v
	}
	return []fqgw.Value{fqgw.IntValue(k), fqgw.TextValue(fmt.Sprint("s", k%3)), fqgw.TimestampValue(time), maybe(fqgw.FloatValue(float64(offset) / 2)), maybe(fqgw.Null),
		fqgw.UUIDValue([16]byte{byte(k), byte(offset)}), maybe(fqgw.ArrayOf(fqgw.Text, fqgw.TextValue("a"), fqgw.Null)), fqgw.BoolValue(offset%2 == 0), fqgw.IntValue(offset),
		fqgw.IntValue(0), fqgw.IntValue(0), fqgw.IntValue(offset), fqgw.IntValue(0), fqgw.TextValue("insert"), fqgw.TimestampValue(time)}
}

func TestRunRoundTrip(t *testing.T) {
	l := open(t, Options{})
	if err := l.Create(t.Context(), "lake.h", historyColumns); err != nil {
		t.Fatal(err)
	}
	var rows [][]fqgw.Value
	for i := range int64(1000) {
		rows = append(rows, historyRow(i/10, i, i))
	}
	if _, ok, err := l.Land(t.Context(), "lake.h", storetest.Batch(t, historyColumns, rows), nil, next(1000)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	keys := fqgw.RunKeys{Keys: []string{"k"}, Time: "ts"}
	s, err := l.Sorted(t.Context(), fqgw.Scan{Table: "lake.h"}, keys)
	if err != nil || len(s.Runs) != 0 || s.FreshRows != 1000 {
		t.Fatal(s, err)
	}
	f, err := l.WriteRun(t.Context(), "lake.h", keys, func(yield func(arrow.RecordBatch, error) bool) {
		_ = yield(storetest.Batch(t, historyColumns, rows[:300]), nil) && yield(storetest.Batch(t, historyColumns, rows[300:]), nil)
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
	if _, err := l.runs(t.Context(), "lake.h", p); err != nil {
		t.Fatal(err)
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
