package fqgw_test

import (
	"go/ast"
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
// the root package and a trailing /* any room below. A folder named internal
// belongs to the room that it lies in. A room that is not here fails the test.
var rooms = map[string][]string{
	".":                     {},
	"socket":                {},
	"stream/window":         {".", "planner/expr"},
	"stream/decode":         {".", "planner/expr"},
	"stream/quality":        {".", "planner/expr"},
	"stream":                {".", "planner/expr", "stream/*"},
	"pit":                   {".", "planner/expr", "stream/window"},
	"planner/plan":          {".", "planner/expr"},
	"planner/pushdown":      {".", "planner/plan", "planner/expr"},
	"planner/parse":         {"."},
	"planner/expr":          {"."},
	"planner/expr/exprtest": {"."},
	"planner/guc":           {".", "planner/expr"},
	"planner/bind":          {".", "planner/plan", "planner/pushdown", "planner/parse", "planner/expr"},
	"planner/define":        {".", "planner/plan", "planner/parse", "planner/expr", "planner/guc", "planner/bind", "stream/window", "stream/decode"},
	"planner/relational":    {".", "planner/plan", "planner/pushdown", "planner/expr"},
	"planner/pgcatalog":     {".", "planner/plan", "planner/expr", "planner/guc"},
	"planner/exec":          {".", "planner/plan", "planner/expr", "planner/relational", "planner/pgcatalog", "stream/window", "pit"},
	"planner":               {".", "planner/*"},
	"gateway/wire":          {".", "planner/expr", "planner/plan"},
	"gateway":               {".", "socket", "gateway/wire", "planner", "planner/plan"},
	"connectors/redis":      {".", "socket", "connectors/secure"},
	"connectors/kafka":      {".", "connectors/secure"},
	"connectors/schemas":    {".", "connectors/secure"},
	"connectors/secure":     {"."},
	"connectors/sound":      {"."},
	"connectors/leaf":       {".", "stream/decode"},
	"connectors/iceberg":    {".", "stream/decode", "connectors/leaf", "connectors/sound"},
	"connectors/files":      {".", "planner/expr", "stream/decode", "connectors/leaf", "connectors/sound"},
	"connectors/registry":   {"."},
	"connectors/embedded":   {"."},
	"connectors/storetest":  {"."},
	"cmd/fqgw/app/suite":    {"planner/expr"},
	"cmd/fqgw/app":          {"*"},
	"cmd/fqgw":              {"cmd/fqgw/app"},
	"sql-tests":             {"cmd/fqgw/app"},
}

// doors are the rooms that may import a heavy library.
var doors = map[string][]string{
	"github.com/jackc/pgx/v5/pgproto3":       {"gateway"},
	"github.com/jackc/pgx/v5":                {"gateway", "cmd/fqgw/app", "connectors/iceberg"},
	"github.com/dolthub/":                    {"planner/relational"},
	"github.com/redis/go-redis/":             {"connectors/redis"},
	"github.com/apache/iceberg-go":           {"connectors/iceberg"},
	"github.com/aws/":                        {"connectors/iceberg"},
	"github.com/twmb/franz-go/pkg/kfake":     {"connectors/embedded"},
	"github.com/twmb/franz-go/":              {"connectors/kafka", "connectors/embedded"},
	"github.com/alicebob/miniredis":          {"connectors/embedded"},
	"modernc.org/sqlite":                     {"connectors/registry", "connectors/iceberg"},
	"github.com/pganalyze/":                  {"planner/parse", "planner/bind", "planner/define"},
	"github.com/wasilibs/":                   {"planner/parse"},
	"github.com/apache/arrow-go/v18/parquet": {"connectors/iceberg", "connectors/files", "connectors/leaf", "connectors/sound", "pit"},
	"github.com/apache/arrow-go/":            {".", "pit", "stream", "stream/decode", "planner/exec", "connectors/iceberg", "connectors/files", "connectors/leaf", "connectors/sound", "connectors/storetest"},
	"github.com/bufbuild/protocompile":       {"stream/decode"},
	"google.golang.org/protobuf/":            {"stream/decode"},
	"gopkg.in/yaml.v3":                       {"cmd/fqgw/app"},
	"github.com/prometheus/":                 {"cmd/fqgw/app"},
}

// pure rooms do no I/O, read no clock and start no goroutine.
var pure = []string{"pit", "stream/window", "stream/decode", "stream/quality", "planner/parse", "planner/plan", "planner/expr", "planner/guc",
	"planner/pushdown", "planner/bind", "planner/define", "gateway/wire"}

var impure = []string{"os", "net", "net/http", "os/exec", "syscall", "log", "log/slog", "database/sql"}

// clocks are the functions of packages that read the machine's clock or wait by it.
var clocks = map[string][]string{
	"time":    {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"context": {"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause", "AfterFunc"},
}

// replaced has modules of their own (replaced/README.md).
const replaced = "replaced"

// violations reads every non-test file below root.
func violations(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root || path == replaced) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, why := range fileViolations(t, filepath.ToSlash(rel), path, nil) {
			out = append(out, path+": "+why)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fileViolations says what is wrong with a file of a folder; text nil is the file's own.
func fileViolations(t *testing.T, folder, path string, text any) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	room, inside, _ := strings.Cut(folder, "/internal")
	if f.Name.Name == "main" && inside != "" {
		return nil // a generator
	}
	var out []string
	for _, spec := range f.Imports {
		if why := check(room, strings.Trim(spec.Path.Value, `"`)); why != "" {
			out = append(out, why)
		}
	}
	if slices.Contains(pure, room) {
		out = append(out, impurities(f)...)
	}
	return out
}

// impurities are the clocks that a file reads and the goroutines that it starts.
func impurities(f *ast.File) []string {
	var out []string
	clock := map[string][]string{} // by the name under which the file imports the package
	for _, spec := range f.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		names, ok := clocks[path]
		switch {
		case !ok:
		case spec.Name == nil:
			clock[path] = names
		case spec.Name.Name == ".":
			out = append(out, "it dot-imports "+path)
		default:
			clock[spec.Name.Name] = names
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			out = append(out, "it starts a goroutine")
		case *ast.CallExpr: // sync.WaitGroup.Go, errgroup.Group.Go
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" {
				out = append(out, "it starts a goroutine")
			}
		case *ast.SelectorExpr:
			if of, ok := n.X.(*ast.Ident); ok && slices.Contains(clock[of.Name], n.Sel.Name) {
				out = append(out, "it reads the clock: "+of.Name+"."+n.Sel.Name)
			}
		}
		return true
	})
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
		if of, _, inner := strings.Cut(to, "/internal"); inner && of == room {
			return ""
		} else if inner {
			return room + " must not import " + to
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
		{".", module + "/pit"}, {"helpers", "fmt"}, {"planner", module + "/planner/pgcatalog/internal/gen"}, {"stream/window", module + "/planner/bind"},
	} {
		if check(bad[0], bad[1]) == "" {
			t.Errorf("%s importing %s went unseen", bad[0], bad[1])
		}
	}
	for _, bad := range []string{
		`import "time"; func f() { _ = time.Now() }`, `import "time"; var now = time.Now`, `import clock "time"; func f() { clock.Sleep(1) }`, `import . "time"; func f() { Sleep(1) }`,
		`import "time"; func f() { <-time.After(1) }`, `import "time"; func f(t time.Time) { _ = time.Since(t) }`, `import "time"; func f() { defer time.NewTimer(1).Stop() }`,
		`import "context"; func f(c context.Context) { _, _ = context.WithTimeout(c, 1) }`, `func f() { go f() }`, `func f() { func() { go func() {}() }() }`,
		`import "sync"; func f(w *sync.WaitGroup) { w.Go(f2) }`, `import "os"`, `import "github.com/fqgw/fqgw/stream"`,
	} {
		for _, folder := range []string{"pit", "planner/expr", "planner/expr/internal/tables"} {
			if fileViolations(t, folder, "planted.go", "package p; "+bad) == nil {
				t.Errorf("in %s went unseen: %s", folder, bad)
			}
		}
	}
	for _, good := range []string{
		`import "time"; func f() { _ = time.Unix(0, 0).Add(time.Second) }`, `func f(clock interface{ Now() int64 }) { _ = clock.Now() }`, "const s = `go func() { time.Now() }`",
	} {
		if why := fileViolations(t, "pit", "planted.go", "package p; "+good); why != nil {
			t.Errorf("%s: %v", good, why)
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
