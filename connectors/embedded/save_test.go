package embedded

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/proto"
)

var update = flag.Bool("update", false, "write the golden files")

func started(t *testing.T, path, owner string) (*Redis, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	r, err := StartRedis(RedisOptions{Listen: "127.0.0.1:0", Path: path, Owner: owner, First: func(key string) bool { return key == "first" },
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return r, &log
}

func saved(t *testing.T, m *miniredis.Miniredis, path, owner string) {
	t.Helper()
	file, err := save(m, path, owner, func(key string) bool { return key == "first" })
	if err == nil {
		err = os.Rename(file, path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSaveVoid: when a client deletes one of the first keys, what was saved with it does
// not come back, whatever is being saved at the moment.
func TestSaveVoid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "online.save")
	r, _ := started(t, path, "me")
	client, err := proto.Dial(r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) {
		t.Helper()
		if _, err := client.Do(args...); err != nil {
			t.Fatal(err)
		}
	}
	there := func() bool { _, err := os.Stat(path); return err == nil }
	for _, void := range [][]string{{"UNLINK", "a", "first"}, {"DEL", "first"}, {"FLUSHALL"}} {
		do("SET", "first", "1")
		do("SET", "a", "1")
		if r.save(); !there() {
			t.Fatal("it is not saved")
		}
		do("DEL", "a")
		if !there() {
			t.Error("another key was deleted, and what was saved is void")
		}
		before := r.voided
		unfinished, err := save(r.server, path, "me", r.o.First)
		if err != nil {
			t.Fatal(err)
		}
		do(void...)
		if there() {
			t.Errorf("after %v what was saved is there", void)
		}
		if err := r.publish(unfinished, before); err != nil || there() {
			t.Errorf("after %v what was being saved is there, %v", void, err)
		}
	}
	if r.save(); !there() {
		t.Error("it is not saved again")
	}
	r.Close()
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("files %v", left)
	}
}

// TestSave: a store begins with what it had when it was closed; another owner's with nothing.
func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "online.save")
	long := strings.Repeat("\x00\xffx", 1_000_000)
	r, _ := started(t, path, "me")
	if r.Restored {
		t.Error("nothing was saved yet")
	}
	for key, value := range map[string]string{"first": "1", "a": "", "\x00": long, "ü": "\n"} {
		if err := r.server.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".123", []byte("cut off"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, log := started(t, path, "me")
		if v, err := r.server.Get("\x00"); !r.Restored || v != long || err != nil || len(r.server.Keys()) != 4 || log.Len() > 0 {
			t.Errorf("restored %v: %d keys, %v, %s", r.Restored, len(r.server.Keys()), err, log)
		}
		r.Close()
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("files %v", left)
	}
	r, log := started(t, path, "another")
	if r.Restored || len(r.server.Keys()) != 0 || log.Len() > 0 {
		t.Errorf("another owner has %d keys, %s", len(r.server.Keys()), log)
	}
	r.Close()
}

// TestSaveFormat: what outlives the process, version 1; and wherever it is damaged, the
// store begins empty and says so.
func TestSaveFormat(t *testing.T) {
	m := miniredis.NewMiniRedis()
	for _, key := range []string{"b", "first", "a"} {
		if err := m.Set(key, "value of "+key); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "online.save")
	saved(t, m, path, "me")
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/save.golden"
	if *update {
		if err := os.WriteFile(golden, fmt.Appendf(nil, "%q\n", got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || fmt.Sprintf("%q\n", got) != string(want) {
		t.Errorf("%v, it is %q", err, got)
	}
	damaged := [][]byte{{}, []byte(saveHeader), got[:len(got)-1], append(bytes.Clone(got), 0), bytes.Replace(got, []byte("1\n"), []byte("2\n"), 1)}
	for i := range got {
		b := bytes.Clone(got)
		b[i] ^= 0x10
		damaged = append(damaged, b)
	}
	for _, b := range damaged {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		r, log := started(t, path, "me")
		if r.Restored || len(r.server.Keys()) != 0 || !strings.Contains(log.String(), "cannot be used") {
			t.Errorf("%q: restored %v, %d keys, %s", b, r.Restored, len(r.server.Keys()), log)
		}
		r.server.Close() // it is not saved
	}
}

// TestSaveUnderWriters: what is saved of a store that is written to has no value that is
// older than the first keys say.
func TestSaveUnderWriters(t *testing.T) {
	m := miniredis.NewMiniRedis()
	path := filepath.Join(t.TempDir(), "online.save")
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 1; i < 300_000; i++ {
			select {
			case <-stop:
				return
			default: // as a flush does: the state, and how far it is
				_ = m.Set(fmt.Sprint("state ", i%(100+i/100)), strconv.Itoa(i))
				_ = m.Set("first", strconv.Itoa(i))
			}
		}
	})
	number := func(m *miniredis.Miniredis, key string) int {
		v, err := m.Get(key)
		if err != nil {
			return 0
		}
		n, _ := strconv.Atoi(v)
		return n
	}
	for range 10 {
		saved(t, m, path, "")
		back := miniredis.NewMiniRedis()
		if found, err := restore(back, path, ""); err != nil || !found && number(m, "first") > 0 {
			t.Fatal(found, err)
		}
		last := map[string]int{}
		upTo := number(back, "first")
		for i := 1; i <= upTo; i++ {
			last[fmt.Sprint("state ", i%(100+i/100))] = i
		}
		for key, i := range last {
			if n := number(back, key); n < i {
				t.Fatalf("%s is %d, saved with first = %d: %d is lost", key, n, upTo, i)
			}
		}
	}
	close(stop)
	writer.Wait()
}
