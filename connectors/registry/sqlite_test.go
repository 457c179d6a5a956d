package registry

import (
	"path/filepath"
	"reflect"
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
	r, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Registry(t, r)
	before, err := r.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err = Open(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if defs, err := r.Load(t.Context()); err != nil || !reflect.DeepEqual(defs, before) || len(defs.Objects) == 0 {
		t.Errorf("after opening again: %+v, %v", defs, err)
	}
}

func TestNewerFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	r, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.db.Exec("PRAGMA user_version = 2"); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := Open(t.Context(), path); fqgw.AsError(err).Code != fqgw.CodeNotInState {
		t.Errorf("a newer file: %v", err)
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
