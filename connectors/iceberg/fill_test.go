package iceberg

import (
	"os"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
)

// A file that is gone or damaged comes back; files that the table has no more do not,
// and what was written to compare goes.
func TestRefill(t *testing.T) {
	l := open(t, Options{})
	create(t, l, "lake.t")
	rows := func(yield func(arrow.RecordBatch, error) bool) {
		_ = yield(count(t, 0, 20_000), nil) && yield(count(t, 20_000, 20_000), nil) && yield(count(t, 40_000, 10), nil)
	}
	layout := fqgw.FileLayout{Bytes: 1000}
	got, err := l.Fill(t.Context(), "lake.t", layout, rows)
	if err != nil || len(got.Files) < 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := os.Remove(localPath(got.Files[0].Path)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(localPath(got.Files[1].Path), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again, err := l.Refill(t.Context(), "lake.t", layout, got.Files, rows); err != nil || !fqgw.SameFiles(again, got.Files) {
		t.Fatalf("%+v, %v", again, err)
	}
	if v := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(v, upTo(0, 40_010)) {
		t.Errorf("%d rows", len(v))
	}
	if f := files(t, localDir(t, l), ".parquet"); len(f) != len(got.Files) {
		t.Errorf("%d files for %d", len(f), len(got.Files))
	}
	elsewhere := slices.Clone(got.Files)
	for i := range elsewhere {
		elsewhere[i].Path += ".gone"
	}
	if _, err := l.Refill(t.Context(), "lake.t", layout, elsewhere, rows); err != nil {
		t.Fatal(err)
	}
	if f := files(t, localDir(t, l), ".parquet"); len(f) != len(got.Files) {
		t.Errorf("%d files for %d", len(f), len(got.Files))
	}
}
