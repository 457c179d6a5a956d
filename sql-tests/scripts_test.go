package sqltests

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

var rewrite = flag.Bool("rewrite", false, "replace the expected rows of the scripts by what came")

// compacted is the way in which a script is run whose histories are compacted after
// each sync: the answers are those of histories in the order in which they came.
const compacted = "compacted"

// TestScripts runs the scripts in both protocols, and those that read a history
// compacted too.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("*.test")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		ways := app.Protocols
		if bytes.Contains(text, []byte("\nsync")) && (bytes.Contains(text, []byte("AS OF")) || bytes.Contains(text, []byte("\nboth"))) {
			ways = append(slices.Clone(ways), compacted)
		}
		for _, way := range ways {
			t.Run(f+"/"+way, func(t *testing.T) {
				t.Parallel()
				protocol := way
				if way == compacted {
					protocol = "extended"
				}
				res, err := app.RunScript(t.Context(), f, protocol, *rewrite && way == app.Protocols[0], way == compacted)
				if err != nil {
					t.Fatal(err)
				}
				for _, msg := range res.Failures {
					t.Error(msg)
				}
			})
		}
	}
}
