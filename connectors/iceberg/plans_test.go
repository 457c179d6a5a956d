package iceberg

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// What is kept of a snapshot's files is that of no other: each commit is seen, by a
// table made anew under the name too, and few plans are kept.
func TestPlanned(t *testing.T) {
	l := open(t, Options{})
	cols := []fqgw.Column{{Name: "x", Type: fqgw.Int8}}
	files := func(name string) int {
		t.Helper()
		of, err := l.load(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var last int
		for range 2 { // planned, and kept
			all, err := l.planned(t.Context(), of, of.CurrentSnapshot().SnapshotID)
			if err != nil {
				t.Fatal(err)
			}
			last = len(all)
			for i := range all { // the caller's
				all[i].File = nil
			}
		}
		return last
	}
	add := func(name string) {
		t.Helper()
		b := storetest.Batch(t, cols, [][]fqgw.Value{{fqgw.IntValue(1)}})
		defer b.Release()
		if _, err := l.Append(t.Context(), name, func(yield func(arrow.RecordBatch, error) bool) { b.Retain(); yield(b, nil) }); err != nil {
			t.Fatal(err)
		}
	}
	for n := range mostPlans + 3 {
		name := fmt.Sprintf("lake.t%d", n)
		if err := l.Create(t.Context(), name, cols); err != nil {
			t.Fatal(err)
		}
		add(name)
		if got := files(name); got != 1 {
			t.Fatalf("%s has %d files", name, got)
		}
	}
	if len(l.plans) > mostPlans {
		t.Errorf("%d plans are kept", len(l.plans))
	}
	add("lake.t5")
	if got := files("lake.t5"); got != 2 {
		t.Errorf("%d files after the second commit", got)
	}
	if err := l.Drop(t.Context(), "lake.t5"); err != nil {
		t.Fatal(err)
	}
	if err := l.Create(t.Context(), "lake.t5", cols); err != nil {
		t.Fatal(err)
	}
	add("lake.t5")
	if got := files("lake.t5"); got != 1 {
		t.Errorf("%d files of the table that was made anew", got)
	}
}
