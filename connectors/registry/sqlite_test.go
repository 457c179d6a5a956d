package registry

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

var update = flag.Bool("update", false, "write the golden file")

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

// TestMigration: a file of an older format is taken up with all that is in it, once.
func TestMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	script, err := os.ReadFile("testdata/format2.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(string(script)); err != nil {
		t.Fatal(err)
	}
	db.Close()
	old := fqgw.DeadLetter{Source: "s", Pos: fqgw.Position{Epoch: 4, Partition: 1, Offset: 9}, Time: -4, Rejected: 5, Reason: "because", Column: "c",
		Key: []byte("k"), Payload: []byte{0, 255}}
	fresh := fqgw.DeadLetter{Source: "s", Pos: fqgw.Position{Epoch: 4, Partition: 1, Offset: 10}, Rejected: 6, Headers: []fqgw.Header{{Name: "h", Value: []byte("v")}}}
	for range 2 {
		r, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defs, err := r.Load(t.Context())
		want := fqgw.Object{OID: 16384, Kind: "feature view", Schema: "public", Name: "v", Version: 2, State: 5, SQL: "CREATE FEATURE VIEW v …",
			Path: []string{"a", "public"}, Props: map[string]string{"comment": "c"}, Form: "1:abc"}
		if err != nil || defs.Version != 7 || len(defs.Objects) != 1 || !defs.Objects[0].Equal(&want) {
			t.Errorf("definitions %+v, %v", defs, err)
		}
		if clock, err := r.Get(t.Context(), "clock"); clock != "held" || err != nil {
			t.Errorf("the fact is %q, %v", clock, err)
		}
		epoch, err := r.Epoch(t.Context(), "s", [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
		if epoch != 4 || err != nil {
			t.Errorf("the epoch is %d, %v", epoch, err)
		}
		if err := errors.Join(r.Bury(t.Context(), []fqgw.DeadLetter{fresh}), r.Replayed(t.Context(), "s", 7, []fqgw.Position{old.Pos})); err != nil {
			t.Fatal(err)
		}
		old.Replayed = 7
		var got []fqgw.DeadLetter
		err = r.DeadLetters(t.Context(), 10, func(d fqgw.DeadLetter) error { got = append(got, d); return nil })
		if err != nil || !reflect.DeepEqual(got, []fqgw.DeadLetter{fresh, old}) {
			t.Errorf("dead letters %+v, %v", got, err)
		}
		r.Close()
	}
}

// TestFormat: what a file of this format is made of. A change of it is the next format,
// with a migration.
func TestFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	r, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	object := fqgw.Object{OID: 16384, Kind: "view", Schema: "public", Name: "v", Version: 1, SQL: "CREATE VIEW v …", Path: []string{"public"},
		Props: map[string]string{"comment": "c"}, Form: "1:abc"}
	letter := fqgw.DeadLetter{Source: "s", Pos: fqgw.Position{Epoch: 1, Partition: 2, Offset: 3, Sub: 4}, Time: 5, Rejected: 6, Reason: "because", Column: "c",
		Key: []byte("k"), Headers: []fqgw.Header{{Name: "h", Value: []byte("v")}, {Name: "h"}}, Payload: []byte("p")}
	_, err = r.Commit(t.Context(), 0, fqgw.DefinitionChange{Put: []fqgw.Object{object}})
	_, nerr := r.Next(t.Context(), "state", 3)
	_, eerr := r.Epoch(t.Context(), "s", [16]byte{1})
	if err := errors.Join(err, nerr, eerr, r.Put(t.Context(), "clock", "held"), r.Bury(t.Context(), []fqgw.DeadLetter{letter})); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("format %d\n", format)
	for _, query := range []string{"SELECT sql FROM sqlite_master WHERE sql <> '' AND name NOT LIKE 'sqlite_%' ORDER BY name",
		"SELECT quote(number) FROM version", "SELECT concat_ws(' ', quote(oid), quote(kind), quote(schema), quote(name), quote(version), quote(state), quote(sql), quote(path), quote(props), quote(form)) FROM objects",
		"SELECT concat_ws(' ', quote(name), quote(next)) FROM sequences", "SELECT concat_ws(' ', quote(name), quote(value), quote(owner)) FROM facts",
		"SELECT concat_ws(' ', quote(source), quote(topic_id), quote(epoch)) FROM epochs",
		"SELECT concat_ws(' ', quote(source), quote(epoch), quote(part), quote(off), quote(sub), quote(time), quote(rejected), quote(reason), quote(col), quote(key), quote(payload), quote(headers), quote(replayed)) FROM dead_letters"} {
		rows, err := r.db.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			got += line + "\n"
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	const golden = "testdata/format.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got != string(want) {
		t.Errorf("%v, a file of this format has\n%s", err, got)
	}
}

// TestOtherFormat: a file of another format is refused, and is as it was.
func TestOtherFormat(t *testing.T) {
	for _, version := range []string{"1", "5"} {
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
