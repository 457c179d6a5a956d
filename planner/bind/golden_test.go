package bind

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

var update = flag.Bool("update", false, "write what is found into testdata")

// describe is what the golden files say of a statement: the plan, the columns
// and parameters, or the error with its position.
func describe(sql string) string {
	b, err := bindSQL(sql, nil)
	if err != nil {
		e := fqgw.AsError(err)
		s := fmt.Sprintf("error %s at %d: %s\n", e.Code, e.Position, e.Message)
		if e.Detail != "" {
			s += "detail: " + e.Detail + "\n"
		}
		if e.Hint != "" {
			s += "hint: " + e.Hint + "\n"
		}
		return s
	}
	s := shape(b.node) + "\n= " + header(b.node) + "\n"
	if len(b.params) > 0 {
		s += "$ " + paramTypes(b.params) + "\n"
	}
	return s
}

// TestStatements binds the statements of testdata/*.txt: each block is a
// statement after "> ", then what describe says.
func TestStatements(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			for _, block := range strings.Split("\n"+string(data), "\n> ")[1:] {
				sql, want, _ := strings.Cut(strings.TrimRight(block, "\n")+"\n", "\n")
				got := describe(sql)
				fmt.Fprintf(&out, "> %s\n%s\n", sql, got)
				if !*update && strings.TrimSpace(got) != strings.TrimSpace(want) {
					t.Errorf("%s\n got: %s want: %s", sql, got, want)
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
