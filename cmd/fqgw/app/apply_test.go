package app

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s", name, got)
	}
}

// sets are the folders of testdata/apply.txt: "== folder/file" and its text.
func sets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/apply.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split("\n"+string(text), "\n== ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// applied runs fqgw apply of a set, and logs what it prints and how it ends.
func applied(t *testing.T, log *strings.Builder, addr, dir string) func(set string, flags ...string) {
	return func(set string, flags ...string) {
		t.Helper()
		args := append(append([]string{"apply", "--address", addr}, flags...), filepath.Join(dir, set))
		code, out, errs := run(t, args...)
		errs = strings.ReplaceAll(errs, dir+"/", "")
		fmt.Fprintf(log, "$ fqgw apply %s\n%s%s= %d\n\n", strings.Join(append(flags, set), " "), out, errs, code)
	}
}

// TestApply takes a gateway from set to set, and pins what apply prints and how it ends.
func TestApply(t *testing.T) {
	dir := sets(t)
	var log strings.Builder
	embeddedGateway(t, func(addr string, _ *App) {
		do := applied(t, &log, addr, dir)
		do("first", "--plan")
		do("first") // nobody answers
		do("first", "--yes")
		do("first")
		do("rewritten", "--plan")
		sql(t, addr, "INSERT INTO labels VALUES (1, now(), 0.5), (2, now(), 1); INSERT INTO clicks VALUES (1, 2, 'buy', now())")
		sql(t, addr, "SELECT fqgw.sync()")
		do("second", "--plan")
		do("second", "--yes")
		do("second", "--plan")
		do("table", "--yes")
		if n := sql(t, addr, "SELECT count(*) FROM labels"); n[0] != "2" {
			t.Errorf("%s rows are left", n)
		}
		do("table", "--yes", "--replace")
		do("few", "--plan")
		do("few", "--plan", "--prune")
		do("few", "--yes", "--prune")
		do("few", "--plan", "--prune")
		do("broken", "--yes")
		do("cycle", "--yes")
		do("none", "--yes")
		do("few", "--yes", "--prne")
		if got := sql(t, addr, "SELECT name FROM fqgw.definitions"); !slices.Equal(got, []string{"clicks"}) {
			t.Errorf("%q are left", got)
		}
	})
	golden(t, "apply.golden", []byte(log.String()))
}

// TestApplyAlter: columns, CHECKs and options of sources and tables change in place; what
// is exported then is applied without a change.
func TestApplyAlter(t *testing.T) {
	dir := sets(t)
	var log strings.Builder
	embeddedGateway(t, func(addr string, _ *App) {
		do := applied(t, &log, addr, dir)
		do("first", "--yes")
		sql(t, addr, "INSERT INTO labels VALUES (1, now(), 0.5)")
		do("version", "--yes")
		do("version", "--yes")
		do("between", "--yes")
		do("topic", "--yes")
		do("altered", "--yes")
		do("altered", "--yes")
		exported := filepath.Join(dir, "exported")
		if code, _, errs := run(t, "export", "--address", addr, exported); code != 0 {
			t.Fatal(errs)
		}
		do("exported", "--plan")
		do("first", "--yes")
	})
	golden(t, "apply_alter.golden", []byte(log.String()))
}

// TestApplyVersion: what is applied is one version of the catalog, and of an apply
// that fails in its midst there is nothing.
func TestApplyVersion(t *testing.T) {
	dir := sets(t)
	embeddedGateway(t, func(addr string, a *App) {
		before := a.Engine().Catalog().Version
		if code, _, errs := run(t, "apply", "--address", addr, "--yes", filepath.Join(dir, "first")); code != 0 {
			t.Fatal(errs)
		}
		if after := a.Engine().Catalog().Version; after != before+1 {
			t.Errorf("version %d became %d", before, after)
		}
		exported := func() string {
			_, out, _ := run(t, "export", "--address", addr)
			return out
		}
		was := exported()
		// A topic that cannot be had fails at the end of the transaction.
		bad := filepath.Join(t.TempDir(), "bad.sql")
		text := "CREATE VIEW ok AS SELECT 1 AS one;\nCREATE SOURCE s (t timestamptz) WITH (topic = 'none', event_time = 't', connector = 'files', path = 'none.csv');\n"
		if err := os.WriteFile(bad, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		code, _, errs := run(t, "apply", "--address", addr, "--yes", bad)
		if code != 1 || !regexp.MustCompile(`bad\.sql:2:\d+: .*topic`).MatchString(errs) {
			t.Errorf("%d: %s", code, errs)
		}
		if now := exported(); now != was {
			t.Errorf("now\n%s", now)
		}
	})
}

// TestExample runs the example of the documentation as its CI does.
func TestExample(t *testing.T) {
	const dir = "../../../examples/clicks"
	if code, out, errs := run(t, "test", "--apply", dir+"/definitions", dir); code != 0 {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.test")
	text := "query\nSELECT clicks_5m FROM user_clicks\n----\n1\n"
	if err := os.WriteFile(wrong, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := run(t, "test", "--apply", dir+"/definitions", wrong); code != 1 || !strings.Contains(out, "FAIL "+wrong) {
		t.Errorf("%d: %s", code, out)
	}
	if code, _, errs := run(t, "test", wrong, "--apply"); code != 2 {
		t.Errorf("%d: %s", code, errs)
	}
}
