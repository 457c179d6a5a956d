package exec

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/fqgw/fqgw"
)

// The text in the registry outlives the process.
func TestLeftText(t *testing.T) {
	const golden = `{"version":2,"left":[{"oid":16385,"what":"view","name":"v","state":7},{"oid":16384,"what":"topic","name":"t","topic":"00ff"},` +
		`{"oid":16384,"what":"history","name":"lake.s"},{"oid":16390,"what":"tag","name":"lake.labels","tag":"fqgw-training-A-1"}]}`
	list, err := parseLeft(golden)
	if err != nil || len(list) != 4 || list[3].Tag != "fqgw-training-A-1" || list[0] != (leftover{OID: 16385, What: "view", Name: "v", State: 7}) {
		t.Fatal(list, err)
	}
	if text, err := leftText(list); err != nil || text != golden {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := leftText(nil); text != "" || err != nil {
		t.Errorf("nothing: %q, %v", text, err)
	}
	if before, err := parseLeft(`{"version":1,"left":[{"oid":16384,"what":"history","name":"lake.s"}]}`); err != nil || before[0] != list[2] {
		t.Errorf("of version 1: %v, %v", before, err)
	}
	for _, bad := range []string{"{", `{"version":3}`} {
		if _, err := parseLeft(bad); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestCommitRecordText(t *testing.T) {
	const golden = `{"version":1,"tables":{"lake.\"ü\"":9007199254740993,"lake.a":7}}`
	tables := map[string]int64{"lake.a": 7, `lake."ü"`: 1<<53 + 1}
	if text, err := (&commitRecord{Tables: tables}).text(); err != nil || text != golden {
		t.Errorf("%s, %v", text, err)
	}
	rec, err := parseRecord(golden)
	if err != nil || !maps.Equal(rec.Tables, tables) {
		t.Errorf("%+v, %v", rec, err)
	}
	for _, bad := range []string{"", "{", `{"tables":{}}`, `{"version":2,"tables":{}}`} {
		if _, err := parseRecord(bad); fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestMakingText(t *testing.T) {
	const golden = `{"version":1,"tables":["lake.a","lake.b\nc"]}`
	tables := []string{"lake.a", "lake.b\nc"}
	if text, err := makingText(tables); err != nil || text != golden {
		t.Errorf("%s, %v", text, err)
	}
	if got, err := parseMaking(golden); err != nil || !slices.Equal(got, tables) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := parseMaking("lake.a\nlake.b c\n"); err != nil || !slices.Equal(got, []string{"lake.a", "lake.b c"}) {
		t.Errorf("of before: %q, %v", got, err)
	}
	if text, err := makingText(nil); text != "" || err != nil {
		t.Errorf("nothing: %q, %v", text, err)
	}
	for _, bad := range []string{"", "{", `{"version":2}`} {
		if _, err := parseMaking(bad); fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestUnfinishedText(t *testing.T) {
	const golden = `{"version":1,"unfinished":[{"temp":"/d/files/.x.parquet.ABC","path":"/d/files/x.parquet"},` +
		`{"oid":16390,"tags":[{"table":"lake.labels","tag":"fqgw-training-A-1"}]}]}`
	list := []*unfinished{{Temp: "/d/files/.x.parquet.ABC", Path: "/d/files/x.parquet"}, {OID: 16390, Tags: []tagName{{"lake.labels", "fqgw-training-A-1"}}}}
	if text, err := unfinishedText(list); err != nil || text != golden {
		t.Errorf("%s, %v", text, err)
	}
	if got, err := parseUnfinished(golden); err != nil || !reflect.DeepEqual(got, list) {
		t.Errorf("%v, %v", got, err)
	}
	for _, none := range []string{"", `{"version":1}`} {
		if got, err := parseUnfinished(none); err != nil || got != nil {
			t.Errorf("%q: %v, %v", none, got, err)
		}
	}
	for _, bad := range []string{"{", `{"version":2}`} {
		if _, err := parseUnfinished(bad); fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestHeadersOf(t *testing.T) {
	got := headersOf([]fqgw.Header{{Name: "a", Value: []byte("1")}, {Name: "a", Value: []byte{}}, {Name: "b\xff"}, {Value: []byte{0}}})
	want := []string{"a=1", "a=", "b\uFFFD", "= "}
	if items := got.List().Items; !slices.EqualFunc(items, want, func(v fqgw.Value, s string) bool { return v.Str() == s }) {
		t.Errorf("%v", items)
	}
	if !headersOf(nil).IsNull() {
		t.Error("no headers")
	}
}
