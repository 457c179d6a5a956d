package fqgw_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fqgw/fqgw"

// rooms is the import table: what each room may import of this module, "." is
// the root package and a trailing /* any room below. A room that is not here
// fails the test.
var rooms = map[string][]string{
	".":                    {},
	"stream/window":        {"."},
	"stream/decode":        {".", "planner/expr"},
	"stream/quality":       {"."},
	"stream":               {".", "stream/*"},
	"pit":                  {".", "stream/window"},
	"planner/plan":         {"."},
	"planner/parse":        {"."},
	"planner/expr":         {"."},
	"planner/guc":          {".", "planner/expr"},
	"planner/bind":         {".", "planner/plan", "planner/parse", "planner/expr"},
	"planner/define":       {".", "planner/plan", "planner/parse", "planner/expr", "planner/guc", "planner/bind", "stream/window"},
	"planner/relational":   {".", "planner/plan", "planner/expr"},
	"planner/pgcatalog":    {".", "planner/plan", "planner/expr", "planner/guc"},
	"planner/exec":         {".", "planner/plan", "planner/expr", "planner/relational", "planner/pgcatalog", "stream/window", "pit"},
	"planner":              {".", "planner/*"},
	"gateway/wire":         {".", "planner/expr", "planner/plan"},
	"gateway":              {".", "gateway/wire", "planner", "planner/plan"},
	"connectors/redis":     {"."},
	"connectors/kafka":     {"."},
	"connectors/iceberg":   {"."},
	"connectors/registry":  {"."},
	"connectors/embedded":  {"."},
	"connectors/storetest": {"."},
	"cmd/fqgw/app":         {"*"},
	"cmd/fqgw":             {"cmd/fqgw/app"},
	"sql-tests":            {"cmd/fqgw/app"},
}

// doors are the rooms that may import a heavy library.
var doors = map[string][]string{
	"github.com/jackc/pgx/v5/pgproto3":       {"gateway"},
	"github.com/jackc/pgx/v5":                {"gateway", "cmd/fqgw/app"},
	"github.com/dolthub/":                    {"planner/relational"},
	"github.com/redis/go-redis/":             {"connectors/redis"},
	"github.com/apache/iceberg-go":           {"connectors/iceberg"},
	"github.com/twmb/franz-go/pkg/kfake":     {"connectors/embedded"},
	"github.com/twmb/franz-go/":              {"connectors/kafka", "connectors/embedded"},
	"github.com/alicebob/miniredis":          {"connectors/embedded"},
	"modernc.org/sqlite":                     {"connectors/registry", "connectors/iceberg"},
	"github.com/pganalyze/":                  {"planner/parse", "planner/bind", "planner/define"},
	"github.com/wasilibs/":                   {"planner/parse"},
	"github.com/apache/arrow-go/v18/parquet": {"connectors/iceberg", "pit"},
	"github.com/apache/arrow-go/":            {".", "pit", "stream", "planner/exec", "connectors/iceberg", "connectors/storetest"},
	"gopkg.in/yaml.v3":                       {"cmd/fqgw/app"},
	"github.com/prometheus/":                 {"cmd/fqgw/app"},
}

// pure rooms do no I/O, read no clock and start no goroutine.
var pure = []string{"pit", "stream/window", "stream/decode", "stream/quality", "planner/parse", "planner/plan", "planner/expr", "gateway/wire"}

var impure = []string{"os", "net", "net/http", "os/exec", "syscall", "log", "log/slog", "database/sql"}

// replaced has modules of their own (replaced/README.md).
const replaced = "replaced"

// violations reads the imports of every non-test file below root.
func violations(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "internal" || path == replaced) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if f.Name.Name == "main" && rel != "cmd/fqgw" {
			return nil // generators
		}
		for _, spec := range f.Imports {
			if why := check(filepath.ToSlash(rel), strings.Trim(spec.Path.Value, `"`)); why != "" {
				out = append(out, path+": "+why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// check says what is wrong with a room's import, "" for nothing.
func check(room, path string) string {
	may, known := rooms[room]
	if !known {
		return "the room " + room + " is not in the import table"
	}
	if slices.Contains(pure, room) && slices.Contains(impure, path) {
		return room + " is pure and must not import " + path
	}
	if own, ok := strings.CutPrefix(path, module); ok {
		to := strings.TrimPrefix(own, "/")
		if to == "" {
			to = "."
		}
		for _, m := range may {
			if m == to || m == "*" || strings.HasSuffix(m, "/*") && strings.HasPrefix(to, strings.TrimSuffix(m, "*")) {
				return ""
			}
		}
		return room + " must not import " + to
	}
	longest := ""
	for prefix := range doors {
		if strings.HasPrefix(path, prefix) && len(prefix) > len(longest) {
			longest = prefix
		}
	}
	if longest != "" && !slices.Contains(doors[longest], room) {
		return path + " has its door in " + strings.Join(doors[longest], ", ") + ", not in " + room
	}
	return ""
}

func TestImports(t *testing.T) {
	for _, v := range violations(t, ".") {
		t.Error(v)
	}
}

// TestImportsSeesABadOne plants imports that the table forbids.
func TestImportsSeesABadOne(t *testing.T) {
	for _, bad := range [][2]string{
		{"gateway", module + "/connectors/redis"}, {"connectors/redis", module + "/connectors/kafka"}, {"pit", "os"},
		{"stream", module + "/planner"}, {"planner/exec", "github.com/redis/go-redis/v9"}, {"gateway", "github.com/dolthub/go-mysql-server/sql"},
		{".", module + "/pit"}, {"helpers", "fmt"},
	} {
		if check(bad[0], bad[1]) == "" {
			t.Errorf("%s importing %s went unseen", bad[0], bad[1])
		}
	}
}

// unwanted are packages that cost every start, build or binary much and that
// nothing here calls; each came with a library, and replaced/ keeps it out.
var unwanted = map[string]string{
	"html/template":                    "it calls methods by name, so that the linker keeps every method of every type",
	"go/types":                         "Go's type checker",
	"golang.org/x/net/trace":           "it links html/template",
	"google.golang.org/grpc/internal/": "gRPC's transport",
	"github.com/goccy/go-json/":        "20 s of CPU to compile; encoding/json has the same interface",
	"github.com/tetratelabs/wazero":    "ICU's regular expressions in WebAssembly were compiled at every start",
}

// TestReplaced: what was replaced is replaced, and nothing brings the rest back
// by another way.
func TestReplaced(t *testing.T) {
	list := func(args ...string) []string {
		cmd := exec.Command("go", append([]string{"list"}, args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1") // without cgo the parser is WebAssembly
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		return strings.Fields(string(out))
	}
	deps := list("-deps", "./cmd/fqgw")
	if len(deps) < 100 {
		t.Fatalf("only %d packages", len(deps))
	}
	for _, dep := range deps {
		for path, why := range unwanted {
			if dep == path || strings.HasPrefix(dep, path) && (strings.HasSuffix(path, "/") || strings.HasPrefix(dep, path+"/")) {
				t.Errorf("fqgw is built with %s: %s", dep, why)
			}
		}
	}
	modules, err := filepath.Glob(replaced + "/*/go.mod")
	if err != nil || len(modules) < 5 {
		t.Fatalf("%v, %v", modules, err)
	}
	for _, file := range modules {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path, _, _ := strings.Cut(strings.TrimPrefix(string(text), "module "), "\n")
		if got := list("-m", "-f", "{{with .Replace}}{{.Path}}{{end}}", path); len(got) != 1 || got[0] != "./"+filepath.ToSlash(filepath.Dir(file)) {
			t.Errorf("%s is replaced by %v, not by %s", path, got, filepath.Dir(file))
		}
	}
}

// TestFileLength keeps every Go file under 600 lines.
func TestFileLength(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		if n := lines(t, path); n > 600 {
			t.Errorf("%s has %d lines; split it by subject", path, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}
