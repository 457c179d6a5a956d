package fqgw

import (
	"bytes"
	"os"
	"reflect"
	"testing"
)

func training() *TrainingSet {
	text := "7"
	return &TrainingSet{OID: 16390, Name: "sets/a.parquet", SQL: "COPY (SELECT 1) TO 'sets/a.parquet' (FORMAT parquet)", Path: []string{"public"}, TrainingManifest: TrainingManifest{
		Version: 1, Made: 1<<61 + 1, Created: 1704110400000001, Clock: 1704110400000000, Literals: 1704110399000000,
		Settings:  map[string]string{"timezone": "UTC", "datestyle": "ISO, MDY"},
		Arguments: []TrainingArgument{{Type: 23, Mod: -1, Text: &text}, {Type: 25, Mod: -1}},
		Relations: []TrainingRelation{{Kind: "feature view", Name: "w", OID: 16385, Version: 2, Form: "1:00ff"}, {Kind: "table", Name: "labels", OID: 16386, Form: "1:0a"}},
		Tables:    []TrainingTable{{Table: "lake.labels", Snapshot: 1<<62 + 1, Tag: "fqgw-training-A-1"}, {Table: "lake.none", AsOf: 5}, {Table: "ns.t", Source: 16391, Snapshot: 7, Tag: "fqgw-training-A-3"}},
		Histories: []TrainingHistory{{Source: "c", OID: 16384, Below: Marks{{Epoch: 1, Next: 12}, {}}, Since: 1704103200000000}},
		Rows:      3,
		Files:     []StoredFile{{Path: "sets/a.parquet", Rows: 3, Bytes: 1234, SHA256: "00"}},
		Writer:    "fqgw 1",
		Reasons:   []string{"it calls random()"},
	}}
}

// What the registry keeps of a training set outlives the process.
func TestTrainingGolden(t *testing.T) {
	const golden = "testdata/training.golden"
	o, err := training().Object()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := []byte(o.Props["manifest"] + "\n"); !bytes.Equal(got, want) {
		t.Errorf("%s\nis not\n%s", got, want)
	}
	if o.Kind != "training set" || o.OID != 16390 || o.Name != "sets/a.parquet" || o.SQL == "" || len(o.Path) != 1 {
		t.Errorf("%+v", o)
	}
	o.Props["manifest"] = string(bytes.TrimSpace(want))
	if got, err := TrainingSetOf(&o); err != nil || !reflect.DeepEqual(got, training()) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "{", `{"version":2}`} {
		o.Props["manifest"] = bad
		if _, err := TrainingSetOf(&o); AsError(err).Code != CodeDataCorrupted {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got, err := TrainingSetOf(&Object{Kind: "table"}); got != nil || err != nil {
		t.Errorf("of a table: %v, %v", got, err)
	}
}

func TestTrainingSetsNamed(t *testing.T) {
	table, file := training(), training()
	table.Name, table.Table, file.Name = "x", 7, "x"
	c := &Catalog{Training: map[string]*TrainingSet{table.Key(): table, file.Key(): file}}
	if got := c.TrainingSetsNamed("x"); len(got) != 2 || got[0] != table || got[1] != file {
		t.Errorf("%v", got)
	}
	if c.TrainingSetOfTable(7) != table || c.TrainingSetOfTable(8) != nil || c.TrainingSetOfTable(0) != nil {
		t.Error("the set of a table")
	}
}
