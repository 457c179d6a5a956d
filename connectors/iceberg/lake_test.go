package iceberg

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

func open(t testing.TB, o Options) *Lake {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// numbers is the table of most tests: v counts the rows, ts is v seconds.
var numbers = []fqgw.Column{{Name: "v", Type: fqgw.Int8}, {Name: "s", Type: fqgw.Text}, {Name: "ts", Type: fqgw.Timestamptz}}

func create(t testing.TB, l *Lake, name string) {
	t.Helper()
	if err := l.Create(t.Context(), name, numbers); err != nil {
		t.Fatal(err)
	}
}

// count is the rows v in [from, from+n).
func count(t testing.TB, from, n int) arrow.RecordBatch {
	rows := make([][]fqgw.Value, n)
	for i := range rows {
		v := int64(from + i)
		rows[i] = []fqgw.Value{fqgw.IntValue(v), fqgw.TextValue(fmt.Sprint("row ", v)), fqgw.TimestampValue(v * 1_000_000)}
	}
	return storetest.Batch(t, numbers, rows)
}

// single is the rows as n records of one row each.
func single(t testing.TB, from, n int) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for i := range n {
			if !yield(count(t, from+i, 1), nil) {
				return
			}
		}
	}
}

func land(t testing.TB, l *Lake, name string, from, n int) {
	t.Helper()
	found, ok, err := l.Land(t.Context(), name, count(t, from, n), next(from), next(from+n))
	if !ok || err != nil {
		t.Fatalf("landing %d rows at %d: found %v, %v", n, from, found, err)
	}
}

func next(n int) fqgw.Marks { return fqgw.Marks{{Next: int64(n)}} }

// values are column v of a scan.
func values(t testing.TB, l *Lake, s fqgw.Scan) []int64 {
	t.Helper()
	s.Columns = []string{"v"}
	var out []int64
	for _, r := range storetest.ReadAll(t, l, s, []fqgw.Type{fqgw.Int8}) {
		out = append(out, r[0].Int())
	}
	return out
}

func upTo(from, to int) []int64 {
	var out []int64
	for i := from; i < to; i++ {
		out = append(out, int64(i))
	}
	return out
}

// files are the paths below a folder that end so.
func files(t testing.TB, dir, suffix string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, suffix) {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func code(err error) fqgw.Code {
	if err == nil {
		return ""
	}
	return fqgw.AsError(err).Code
}

// What outlives the process is pinned: positions and columns.
func TestGolden(t *testing.T) {
	golden := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	m := fqgw.Marks{{Next: 12, Generation: 9}, {}, {Epoch: 3, Next: 1 << 40}}
	want := golden("marks.golden")
	if got := formatMarks(m); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if got, err := parseMarks(want); err != nil || !sameMarks(got, m) || len(got) != len(m) {
		t.Errorf("read as %v, %v", got, err)
	}
	for _, bad := range []string{"", "2;0:1", "1;x", "1;0:", "1;0:1:2", "1;99999999999:1"} {
		if _, err := parseMarks(bad); code(err) != fqgw.CodeDataCorrupted {
			t.Errorf("%q: %v", bad, err)
		}
	}
	l := open(t, Options{})
	cols := []fqgw.Column{{Name: "k", Type: fqgw.Text}, {Name: "n", Type: fqgw.NumericOf(10, 3)}, {Name: "ts", Type: fqgw.Timestamptz, NotNull: true}}
	if err := l.Create(t.Context(), "lake.t", cols); err != nil {
		t.Fatal(err)
	}
	tab, err := l.load(t.Context(), "lake.t")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tab.Properties()[columnsProperty], golden("columns.golden"); got != want {
		t.Errorf("%s, not %s", got, want)
	}
	for _, f := range tab.Schema().Fields() {
		if f.Required {
			t.Errorf("%s is required: iceberg-go stores its NULLs as 0", f.Name)
		}
	}
}

// The files are where the user said, whatever the names are.
func TestPlaces(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, `a b%41 ü#?`)
	l := open(t, Options{Dir: dir})
	for table, folder := range map[string]string{"lake.departures": "departures", "lake.x y.z": "x~20y~2Ez", "lake.Größe": "Gr~C3~B6~C3~9Fe"} {
		create(t, l, table)
		land(t, l, table, 0, 3)
		if got := values(t, l, fqgw.Scan{Table: table}); !slices.Equal(got, upTo(0, 3)) {
			t.Errorf("%s has %v", table, got)
		}
		at := filepath.Join(dir, "lake", folder)
		if n := len(files(t, at, ".parquet")); n != 1 {
			t.Errorf("%s has %d data files", at, n)
		}
		if err := l.Drop(t.Context(), table); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(at); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", at, err)
		}
	}
	for _, bad := range []string{"lake.../../x", "lake...", "lake.", "../x.y", "lake.a/b"} {
		if err := l.Create(t.Context(), bad, numbers); code(err) != "42602" {
			t.Errorf("a table with the name %q: %v", bad, err)
		}
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Errorf("other folders were made: %v, %v", entries, err)
	}
}

// A lake that is opened again has what was committed, from a relative path too.
func TestReopen(t *testing.T) {
	t.Chdir(t.TempDir())
	for i := range 3 {
		l, err := Open(t.Context(), Options{Dir: "data", Sync: i == 2})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			create(t, l, "lake.t")
		}
		land(t, l, "lake.t", i, 1)
		if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, i+1)) {
			t.Errorf("%v", got)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename("data", "moved"); err != nil {
		t.Fatal(err)
	}
	l := open(t, Options{Dir: "moved"})
	if _, err := l.Describe(t.Context(), "lake.t"); code(err) != codeNoFile || fqgw.AsError(err).Hint == "" {
		t.Errorf("a lake that was moved: %v", err)
	}
}

func TestUnsuitable(t *testing.T) {
	l := open(t, Options{})
	if err := l.Create(t.Context(), "lake.t", []fqgw.Column{{Name: "i", Type: fqgw.Interval}}); code(err) != fqgw.CodeFeatureNotSupported {
		t.Errorf("a column of type interval: %v", err)
	}
	create(t, l, "lake.t")
	others := []fqgw.Column{{Name: "v", Type: fqgw.Text}, {Name: "s", Type: fqgw.Text}, {Name: "ts", Type: fqgw.Timestamptz}}
	wrong := storetest.Batch(t, others, [][]fqgw.Value{{fqgw.TextValue("1"), fqgw.Null, fqgw.Null}})
	if _, _, err := l.Land(t.Context(), "lake.t", wrong, nil, next(1)); code(err) != fqgw.CodeDatatypeMismatch {
		t.Errorf("a column of another type: %v", err)
	}
	narrow := storetest.Batch(t, numbers[:1], [][]fqgw.Value{{fqgw.IntValue(1)}})
	if _, _, err := l.Land(t.Context(), "lake.t", narrow, nil, next(1)); code(err) != fqgw.CodeDatatypeMismatch {
		t.Errorf("too few columns: %v", err)
	}
	renamed := slices.Clone(numbers)
	renamed[1].Name = "z"
	if _, _, err := l.Land(t.Context(), "lake.t", storetest.Batch(t, renamed, [][]fqgw.Value{{fqgw.Null, fqgw.Null, fqgw.Null}}), nil, next(1)); code(err) != fqgw.CodeUndefinedColumn {
		t.Errorf("another column: %v", err)
	}
	if n := len(files(t, localDir(t, l), ".parquet")); n != 0 {
		t.Errorf("%d files stay of landings that failed", n)
	}
}
