package sqltests

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

var rewrite = flag.Bool("rewrite", false, "replace the expected rows of the scripts by what came")

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("*.test")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		for _, protocol := range app.Protocols {
			t.Run(f+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				res, err := app.RunScript(t.Context(), f, protocol, *rewrite && protocol == app.Protocols[0])
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
