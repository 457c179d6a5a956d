package iceberg

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

func TestConformance(t *testing.T) {
	l, err := Open(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "a folder with spaces")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	storetest.History(t, l)
}

// TestMarks pins the text of the landed positions: it outlives the process.
func TestMarks(t *testing.T) {
	m := fqgw.Marks{{Next: 12}, {}, {Epoch: 3, Next: 1 << 40}}
	const want = "1;0:12;0:0;3:1099511627776"
	if got := formatMarks(m); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if got, err := parseMarks(want); err != nil || !slices.Equal(got, m) {
		t.Errorf("read as %v, %v", got, err)
	}
	for _, bad := range []string{"2;0:1", "1;x", "1;0:"} {
		if _, err := parseMarks(bad); fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A lake that is opened again has what was committed.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	cols := []fqgw.Column{{Name: "v", Type: fqgw.Int8}}
	for i := range int64(3) {
		l, err := Open(t.Context(), Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := l.Create(t.Context(), "lake.t", cols); err != nil {
				t.Fatal(err)
			}
		}
		at := fqgw.Marks{{Next: i}}
		if _, ok, err := l.Land(t.Context(), "lake.t", storetest.Batch(t, cols, [][]fqgw.Value{{fqgw.IntValue(i)}}), at, fqgw.Marks{{Next: i + 1}}); !ok || err != nil {
			t.Fatalf("landing %d: %v, %v", i, ok, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWriteParquet(t *testing.T) {
	cols := []fqgw.Column{{Name: "v", Type: fqgw.Int8}, {Name: "s", Type: fqgw.Text}}
	path := filepath.Join(t.TempDir(), "out", "x.parquet")
	batch := func() arrow.RecordBatch {
		return storetest.Batch(t, cols, [][]fqgw.Value{{fqgw.IntValue(1), fqgw.Null}, {fqgw.IntValue(2), fqgw.TextValue("b")}})
	}
	n, err := WriteParquet(t.Context(), path, fqgw.ArrowSchema(cols), func(yield func(arrow.RecordBatch, error) bool) {
		_ = yield(batch(), nil) && yield(batch(), nil)
	})
	if err != nil || n != 4 {
		t.Fatalf("%d rows, %v", n, err)
	}
	// A failure leaves the old file and nothing else.
	broken := errors.New("broken")
	if _, err := WriteParquet(t.Context(), path, fqgw.ArrowSchema(cols), func(yield func(arrow.RecordBatch, error) bool) {
		_ = yield(batch(), nil) && yield(nil, broken)
	}); !errors.Is(err, broken) {
		t.Errorf("a broken input: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}
