package iceberg

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fqgw/fqgw/connectors/storetest"
)

// Runs that are in S3 are read from copies, which are made again when they are damaged;
// where there is no room for one, history is read without.
func TestNear(t *testing.T) {
	b := newBucket(t)
	r := newRestServer(t, b, nil)
	r.vend(vended(b, "first"))
	dir := t.TempDir()
	store := func(most int64) storetest.SortedStore {
		return storetest.SortedStore{SortedHistory: open(t, Options{Dir: dir, Catalog: Catalog{URI: r.url}, Cache: most}), T: t}
	}
	const name = "lake.near"
	rows := storetest.SomeRows(0, 500)
	s := store(0)
	s.Make(name)
	s.LandRows(name, rows, 0, 500)
	s.Compact(name, storetest.ByKey)
	s.Whole(name, storetest.ByKey, rows, 1)
	copies, err := filepath.Glob(filepath.Join(dir, "runs", "*"))
	if err != nil || len(copies) != 1 {
		t.Fatalf("copies: %v, %v", copies, err)
	}
	text, err := os.ReadFile(copies[0])
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(copies[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "runs", "x"+unfinished), text, 0o600); err != nil {
		t.Fatal(err)
	}
	s = store(0)
	s.Whole(name, storetest.ByKey, rows, 0) // the copy is no longer what was written
	s = store(0)
	s.Whole(name, storetest.ByKey, rows, 1)
	if now, err := filepath.Glob(filepath.Join(dir, "runs", "*")); err != nil || len(now) != 1 {
		t.Errorf("copies: %v, %v", now, err)
	}

	s = store(10) // bytes
	for _, path := range copies {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	s.Whole(name, storetest.ByKey, rows, 0)
	more := storetest.SomeRows(500, 20)
	s.LandRows(name, more, 500, 520)
	s.Compact(name, storetest.ByKey)
	s.Whole(name, storetest.ByKey, append(rows, more...), 0)
}

// What is not used for the longest time makes room, and what was just used stays.
func TestNearRoom(t *testing.T) {
	dir := t.TempDir()
	n := newNear(dir, 100)
	old := filepath.Join(dir, "old.parquet")
	if err := os.WriteFile(old, make([]byte, 60), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.makeRoom(50); err == nil {
		t.Error("a copy of this minute has gone")
	}
	past := time.Now().Add(-2 * nearAge)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if err := n.makeRoom(40); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(old); err != nil {
		t.Errorf("it had to go for nothing: %v", err)
	}
	if err := n.makeRoom(50); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("it is still there")
	}
	if err := n.makeRoom(101); err == nil {
		t.Error("room for more than there is")
	}
}
