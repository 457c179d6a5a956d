package decode

import (
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestDebeziumPlaces: each change says where it was in the log of its database: an LSN, or
// a file's number, a place and a row of MySQL (2^20 rows for each place); and which part of
// a snapshot it is. A place that cannot be read is none.
func TestDebeziumPlaces(t *testing.T) {
	table := debezium(t, 1, "at", nil, "id bigint", "at timestamptz")
	flat := debezium(t, 1, "at", map[string]string{"unwrapped": "true"}, "id bigint", "at timestamptz")
	const row = `{"id":1,"at":"2026-01-02T00:00:00Z"}`
	for _, c := range []struct {
		of          *fqgw.Source
		value, want string
	}{
		{table, `{"op":"c","after":` + row + `,"source":{"connector":"postgresql","lsn":22297952,"snapshot":"false"}}`, " @0/22297952"},
		{table, `{"op":"r","after":` + row + `,"source":{"connector":"postgresql","lsn":7,"snapshot":"last_in_data_collection"}}`, " @0/7 last"},
		{table, `{"op":"r","after":` + row + `,"source":{"connector":"postgresql","lsn":7,"snapshot":"last"}}`, " @0/7 last"},
		{table, `{"op":"r","after":` + row + `,"source":{"connector":"postgresql","lsn":7,"snapshot":"first"}}`, " @0/7"},
		{table, `{"op":"r","after":` + row + `,"source":{"connector":"postgresql","lsn":null,"snapshot":"incremental"}}`, " chunk"},
		{table, `{"op":"u","before":` + row + `,"after":` + row + `,"source":{"lsn":7}}`, " @0/7; @0/7"},
		{table, `{"op":"d","before":` + row + `,"source":{"lsn":7}}`, " @0/7"},
		{table, `{"op":"t","source":{"lsn":7}}`, " @0/7"},
		{table, `{"op":"c","after":` + row + `,"source":{"connector":"mysql","file":"mysql-bin.000012","pos":3,"row":2}}`, " @12/3145730"},
		{table, `{"op":"c","after":` + row + `,"source":{"connector":"mysql","file":"mysql-bin","pos":3,"row":2}}`, ""},
		{table, `{"op":"c","after":` + row + `,"source":{"connector":"sqlserver","change_lsn":"00000027:00000758:0003"}}`, ""},
		{table, `{"op":"c","after":` + row + `}`, ""},
		{flat, `{"id":1,"at":"2026-01-02T00:00:00Z","__op":"u","__source_lsn":9}`, " @0/9"},
		{flat, `{"id":1,"at":"2026-01-02T00:00:00Z","__op":"r","__source_lsn":9,"__source_snapshot":"last"}`, " @0/9 last"},
		{flat, `{"id":1,"at":"2026-01-02T00:00:00Z","__deleted":"true","__source_lsn":9}`, " @0/9"},
	} {
		d, err := New(c.of)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := d.Decode(&fqgw.LogRecord{Value: []byte(c.value)}, nil)
		if err != nil {
			t.Fatal(c.value, err)
		}
		var got []string
		for i := range changes {
			got = append(got, placed(&changes[i]))
		}
		if g := strings.Join(got, ";"); g != c.want {
			t.Errorf("%s: got %q, want %q", c.value, g, c.want)
		}
	}
}
