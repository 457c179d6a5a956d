package registry

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

func TestConformance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "registry.db")
	if _, err := Open(t.Context(), path); fqgw.AsError(err).Code != fqgw.CodeIO {
		t.Errorf("a folder that is not there: %v", err)
	}
	path = filepath.Join(t.TempDir(), "registry.db")
	open := func(t *testing.T) *SQLite {
		r, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	storetest.Registry(t, storetest.Registries{
		Open: func(t *testing.T) fqgw.Registry { return open(t) },
		// The owner of a process that was killed stays behind under that process's name.
		Kill: func(t *testing.T, r fqgw.Registry) {
			db := r.(*SQLite).db
			if _, err := db.Exec("UPDATE owners SET process = 'another' WHERE id = ?", r.Owner()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
		},
	})
	r := open(t)
	defer r.Close()
	t.Run("dead letters", func(t *testing.T) { storetest.DeadLetters(t, r) })
}

// TestOtherFormat: a file of another format is refused, and is as it was.
func TestOtherFormat(t *testing.T) {
	for _, version := range []string{"1", "3"} {
		path := filepath.Join(t.TempDir(), "registry.db")
		r, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.db.Exec("DROP TABLE owners; PRAGMA user_version = " + version); err != nil {
			t.Fatal(err)
		}
		r.Close()
		for range 2 {
			if _, err := Open(t.Context(), path); fqgw.AsError(err).Code != fqgw.CodeNotInState || fqgw.AsError(err).Hint == "" {
				t.Errorf("a file of format %s: %v", version, err)
			}
		}
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	l, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); fqgw.AsError(err).Code != "55006" || !strings.Contains(err.Error(), "process") {
		t.Errorf("a second lock: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Lock(dir); err != nil {
		t.Errorf("after the first was let go: %v", err)
	} else {
		l.Close()
	}
}
