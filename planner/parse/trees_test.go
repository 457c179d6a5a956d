package parse

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

var update = flag.Bool("update", false, "write the golden file")

// argLocation is the one field that only the C library's newer version fills;
// nothing may use it.
var argLocation = regexp.MustCompile(`,"arg_location":-?[0-9]+`)

// TestTrees compares a hash of every tree of the corpus with the golden file.
// It runs in both builds, so that it shows that both parsers give the same.
func TestTrees(t *testing.T) {
	const golden = "testdata/trees.golden"
	corpus, err := os.ReadFile("testdata/corpus.sql")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("# version 1: the first 16 hex digits of SHA-256 over the trees as JSON, a statement of corpus.sql a line\n")
	for sql := range strings.Lines(string(corpus)) {
		stmts, err := Parse(sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		h := sha256.New()
		for _, s := range stmts {
			b, err := json.Marshal([]any{s.Node, s.AsOf, s.KnownAt, s.Definition, s.OrReplace, s.Purge, s.Text})
			if err != nil {
				t.Fatal(err)
			}
			h.Write(argLocation.ReplaceAll(b, nil))
		}
		fmt.Fprintf(&out, "%.16x %s", h.Sum(nil), sql)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, exp := strings.Split(out.String(), "\n"), strings.Split(string(want), "\n")
	if len(got) != len(exp) {
		t.Fatalf("%d lines, want %d", len(got), len(exp))
	}
	for i := range got {
		if got[i] != exp[i] {
			t.Errorf("\n got %s\nwant %s", got[i], exp[i])
		}
	}
}

// FuzzParse holds that no text makes the guard, the rewriting or the parser
// panic or die, and that positions and texts stay within the text.
func FuzzParse(f *testing.F) {
	corpus, err := os.ReadFile("testdata/corpus.sql")
	if err != nil {
		f.Fatal(err)
	}
	for sql := range strings.Lines(string(corpus)) {
		f.Add(sql)
	}
	for _, s := range []string{"SELECT 1" + strings.Repeat("+1", 3000), strings.Repeat("(", 3000), "SELECT '\xff'", "AS OF", "SELECT * FROM v AS OF CASE",
		"SELECT * FROM v AS OF x[", "DROP SOURCE PURGE PURGE", "CREATE SOURCE a.", "FROM a AT (TIMESTAMP =>", "SELECT x FROM v WHERE a AS OF (1;2)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		stmts, err := Parse(sql)
		if err != nil {
			e, ok := err.(*fqgw.Error)
			if !ok || e.Code == fqgw.CodeInternal {
				t.Fatalf("%q: %v", sql, err)
			}
			if e.Position < 0 || e.Position > utf8.RuneCountInString(sql)+1 {
				t.Fatalf("%q: position %d", sql, e.Position)
			}
			return
		}
		for _, s := range stmts {
			if !strings.Contains(sql, s.Text) || s.Node == nil {
				t.Fatalf("%q: statement %q", sql, s.Text)
			}
			for _, loc := range []int32{-1, 0, int32(len(sql)), int32(len(sql) + 100)} {
				if p := s.Pos(loc); p < 0 || p > utf8.RuneCountInString(sql)+1 {
					t.Fatalf("%q: position %d", sql, p)
				}
			}
		}
	})
}
