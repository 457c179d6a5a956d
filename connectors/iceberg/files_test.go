package iceberg

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// listed are the files of a table as texts.
func listed(t *testing.T, l *Lake, name string) (out []string) {
	t.Helper()
	err := l.Files(t.Context(), name, func(f fqgw.LakeFile) error {
		if f.Bytes == 0 || f.Written < time.Now().Add(-time.Hour).UnixMicro() {
			t.Errorf("%+v", f)
		}
		out = append(out, fmt.Sprint(f.Kind, " ", f.Rows, " rows ", f.Keys, " ", f.Sequence, " ", f.Covered, " ", f.Used))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFiles(t *testing.T) {
	l, s, _ := openSorted(t, Options{})
	want := []string{"data 20 rows [] 1 [] true", "data 20 rows [] 2 [] true", "fresh 20 rows [] 3 [] true",
		"run 20 rows [k] 2 [{0 0 40}] true", "run 20 rows [k] 2 [{0 0 40}] true"}
	if got := listed(t, l, sortedName); !slices.Equal(got, want) {
		t.Errorf("%q\nnot\n%q", got, want)
	}
	// Fresh is what some runs lack.
	other := fqgw.RunKeys{Keys: []string{"site"}, Time: "ts"}
	s.Compact(sortedName, other)
	if got := listed(t, l, sortedName); len(got) != 6 || got[2] != want[2] || !slices.Contains(got, "run 60 rows [site] 3 [{0 0 60}] true") {
		t.Errorf("%q", got)
	}
	s.Compact(sortedName, sortedBy)
	if got := listed(t, l, sortedName); got[2] != "data 20 rows [] 3 [] true" {
		t.Errorf("%q", got)
	}
	// The history is changed: no run is used.
	tab, err := l.load(t.Context(), sortedName)
	if err != nil {
		t.Fatal(err)
	}
	tx := tab.NewTransaction()
	if err := tx.Delete(t.Context(), iceberg.EqualTo(iceberg.Reference("k"), int64(3)), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, f := range listed(t, l, sortedName) {
		if kind := f[:3]; kind == "dat" || kind == "run" && f[len(f)-5:] != "false" {
			t.Errorf("after a delete: %s", f)
		}
	}
	create(t, l, "lake.t")
	land(t, l, "lake.t", 0, 2)
	if got := listed(t, l, "lake.t"); !slices.Equal(got, []string{"data 2 rows [] 1 [] true"}) {
		t.Errorf("%q", got)
	}
	if err := l.Files(t.Context(), "lake.none", nil); code(err) != fqgw.CodeUndefinedTable {
		t.Errorf("a table that is not there: %v", err)
	}
}

// Maintain takes old runs away, and those of a history that another engine dropped.
func TestMaintainRuns(t *testing.T) {
	dir := t.TempDir()
	l, s, _ := openSorted(t, Options{Dir: dir})
	for range 3 { // the snapshots go that say of runs of before that they were replaced
		base := s.Read(sortedName, sortedBy)
		s.Commit(sortedName, sortedBy, base, base.Runs, s.Run(sortedName, sortedBy, storetest.InOrder(sortedBy, storetest.SomeRows(0, 40))))
		base.Close()
		time.Sleep(2 * time.Millisecond)
		l.keepAge = 0 // not within the commit
		if err := l.Maintain(t.Context(), sortedName); err != nil {
			t.Fatal(err)
		}
		l.keepAge = keepAge
	}
	tab, p := projectionIn(t, l)
	if n := len(files(t, localPath(tab.Location()), ".parquet")); n != 1 || len(p.Runs) != 1 {
		t.Errorf("%d files of %d runs", n, len(p.Runs))
	}
	s.Whole(sortedName, sortedBy, sortedRows(), 1)
	create(t, l, "lake.t")
	if err := l.catalog.DropTable(t.Context(), ident(sortedName)); err != nil { // as another engine does
		t.Fatal(err)
	}
	if err := l.Maintain(t.Context(), "lake.t"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.catalog.LoadTable(t.Context(), tab.Identifier()); !isMissing(err) {
		t.Errorf("runs without a history are there: %v", err)
	}
	if _, err := os.Stat(localPath(tab.Location())); !os.IsNotExist(err) {
		t.Errorf("the folder of runs without a history: %v", err)
	}
	if err := l.Maintain(t.Context(), "lake.none"); code(err) != fqgw.CodeUndefinedTable {
		t.Errorf("a table that is not there: %v", err)
	}
}

// How many snapshots stay, and for how long, is what the table says.
func TestExpiryPolicy(t *testing.T) {
	l := open(t, Options{})
	l.keepAge = 0
	for name, c := range map[string]struct {
		properties iceberg.Properties
		want       int
	}{
		"lake.plain": {nil, keepSnapshots},
		"lake.few":   {iceberg.Properties{table.MinSnapshotsToKeepKey: "3"}, 3},
		"lake.long":  {iceberg.Properties{table.MinSnapshotsToKeepKey: "3", table.MaxSnapshotAgeMsKey: "3600000"}, 60},
	} {
		create(t, l, name)
		if c.properties != nil {
			tab, err := l.load(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			tx := tab.NewTransaction()
			if err := tx.SetProperties(c.properties); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 60 {
			land(t, l, name, i, 1)
		}
		time.Sleep(2 * time.Millisecond)
		if err := l.Maintain(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		tab, err := l.load(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(tab.Metadata().Snapshots()); n != c.want {
			t.Errorf("%s keeps %d snapshots, not %d", name, n, c.want)
		}
		if got := values(t, l, fqgw.Scan{Table: name}); !slices.Equal(got, upTo(0, 60)) {
			t.Errorf("%s has %v", name, got)
		}
	}
}
