package define

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/pgcatalog"
)

// scriptStatements are the statements of the scripts of sql-tests that define
// something, by file.
func scriptStatements(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../../sql-tests/*.test")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	begins := regexp.MustCompile(`(?i)^(create|comment|alter)\s`)
	comments := regexp.MustCompile(`(?m)^#.*\n`)
	out := map[string][]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for step := range strings.SplitSeq(string(text), "\n\n") {
			head, sql, _ := strings.Cut(comments.ReplaceAllString(strings.TrimLeft(step, "\n"), ""), "\n")
			if strings.HasPrefix(head, "statement ok") && begins.MatchString(sql) {
				out[f] = append(out[f], sql)
			}
		}
	}
	return out
}

// binder is what the statements of a test are bound with: columns of tables that
// others write are two.
func binder() Definer {
	return Definer{Binder: &bind.Binder{System: pgcatalog.Lookup}, Foreign: func(s *fqgw.Source) ([]fqgw.Column, error) {
		return []fqgw.Column{{Name: "id", Type: fqgw.Int8}, {Name: "at", Type: fqgw.Timestamptz}, {Name: "ts", Type: fqgw.Timestamptz}}, nil
	}}
}

// TestTextsOfScripts takes every definition of the scripts, writes all that can stand
// together as text, reads that into an empty catalog, and wants the same forms and,
// written again, the same bytes.
func TestTextsOfScripts(t *testing.T) {
	statements := map[string]bool{}
	for file, list := range scriptStatements(t) {
		var cat *fqgw.Catalog
		sets := [][]string{nil}
		for _, sql := range list {
			last := len(sets) - 1
			if set := with(sets[last], sql); len(set) > len(sets[last]) {
				sets[last] = set
			} else if set != nil {
				sets = append(sets, set)
			}
		}
		for _, set := range sets {
			w := Want((*fqgw.Catalog)(nil).Clone(), binder(), set, nothing)
			cat = w.Catalog
			for _, sql := range set {
				statements[file+sql] = true
			}
			first := exported(t, file, cat)
			again := Want((*fqgw.Catalog)(nil).Clone(), Definer{Binder: &bind.Binder{System: pgcatalog.Lookup}}, first, nothing)
			for _, f := range again.Faults {
				t.Fatalf("%s: %v in\n%s", file, f.Err, first[f.Text])
			}
			second := exported(t, file, again.Catalog)
			if !slices.Equal(first, second) {
				t.Fatalf("%s: written again it differs:\n%s\n----\n%s", file, strings.Join(first, "\n"), strings.Join(second, "\n"))
			}
			if a, b := forms(t, cat), forms(t, again.Catalog); !slices.Equal(a, b) {
				t.Fatalf("%s: the forms differ:\n%s\n----\n%s\n%s", file, strings.Join(a, "\n"), strings.Join(b, "\n"), strings.Join(first, "\n"))
			}
		}
	}
	if len(statements) < 300 {
		t.Fatalf("only %d statements were looked at", len(statements))
	}
	t.Log(len(statements), "statements")
}

// with is a set of statements with one more, without those that cannot stand with it;
// nil if it cannot stand at all.
func with(set []string, sql string) []string {
	set = append(slices.Clone(set), sql)
	for {
		w := Want((*fqgw.Catalog)(nil).Clone(), binder(), set, nothing)
		if len(w.Faults) == 0 {
			return set
		}
		drop := w.Faults[0].Text
		if drop == len(set)-1 { // the one before of that name, if there is one
			o := w.object(w.Faults[0].name)
			if o == nil || o.text == drop {
				return nil
			}
			drop = o.text
		}
		set = slices.Delete(set, drop, drop+1)
	}
}

func nothing(fqgw.QualifiedName) bool { return false }

// exported are the texts of a catalog, each with the path that it is read under.
func exported(t *testing.T, file string, cat *fqgw.Catalog) []string {
	t.Helper()
	all, err := Texts(cat)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var out []string
	for _, x := range all {
		set := ""
		if x.Path != nil {
			set = "SET search_path = " + strings.TrimSuffix(strings.TrimPrefix(columnList(x.Path), " ("), ")") + ";\n"
		}
		out = append(out, set+x.SQL())
	}
	return out
}

func forms(t *testing.T, cat *fqgw.Catalog) []string {
	t.Helper()
	all, err := Texts(cat)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range all {
		out = append(out, x.Kind+" "+x.Name.String()+" "+x.Form)
	}
	return out
}

// TestTextGolden pins how definitions are written: export's files are kept by others.
func TestTextGolden(t *testing.T) {
	const golden = "testdata/text.golden"
	in, err := os.ReadFile("testdata/text.sql")
	if err != nil {
		t.Fatal(err)
	}
	w := Want((*fqgw.Catalog)(nil).Clone(), binder(), []string{string(in)}, nothing)
	for _, f := range w.Faults {
		t.Fatal(f.Err)
	}
	got := []byte(strings.Join(exported(t, "text.sql", w.Catalog), "\n"))
	if *updateForms {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s", got)
	}
	if _, err := parse.Parse(string(want)); err != nil {
		t.Error(err)
	}
}
