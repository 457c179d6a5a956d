package files_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
)

// Pieces have the rows of a scan, each by itself too; of other formats there are none.
func TestPieces(t *testing.T) {
	dir := t.TempDir()
	schema := arrow.NewSchema([]arrow.Field{{Name: "u", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "ts", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
		{Name: "n", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "deep", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Float64, Nullable: true}), Nullable: true}}, nil)
	for f := range 3 {
		var rows []string
		for i := range 10 {
			rows = append(rows, fmt.Sprintf(`{"u":"u%d","ts":"2024-01-0%d 00:00:%02dZ","n":%d,"deep":{"x":%d.5}}`, i%3, f+1, i, 100*f+i, i))
		}
		rows[3] = `{"u":null,"ts":null,"n":null,"deep":null}`
		write(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", f)), schema, "["+strings.Join(rows, ",")+"]", 4)
	}
	f := open(t, dir)
	s := source("*.parquet", fqgw.Column{Name: "u", Type: fqgw.Text}, fqgw.Column{Name: "ts", Type: fqgw.Timestamptz},
		fqgw.Column{Name: "n", Type: fqgw.Int8}, fqgw.Column{Name: "x", Type: fqgw.Float8, Field: "deep.x"})
	want, _, err := rows(t, f, s, fqgw.Scan{Columns: []string{"n", "x", "u", "ts"}})
	if err != nil || len(want) != 30 {
		t.Fatal(len(want), err)
	}
	collect := func(sc fqgw.Scan) (read, picked []string) {
		t.Helper()
		all, done, err := f.Pieces(context.Background(), s, sc)
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		var kept []fqgw.Piece
		for p, err := range all {
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, p)
		}
		for _, p := range kept {
			n := 0
			for b, err := range p.Read("n", "x", "u", "ts") {
				if err != nil {
					t.Fatal(err)
				}
				for i := range int(b.NumRows()) {
					var row []string
					for _, c := range b.Columns() {
						row = append(row, c.ValueStr(i))
					}
					read = append(read, strings.Join(row, "|"))
				}
				n += int(b.NumRows())
				b.Release()
			}
			if n != p.Len() {
				t.Fatalf("%d rows of %d", n, p.Len())
			}
		}
		slices.Reverse(kept)
		for _, p := range kept {
			var part []string
			for i := range p.Len() {
				var row []string
				for _, name := range []string{"n", "x", "u", "ts"} {
					a, err := p.Pick([]int32{int32(i)}, name)
					if err != nil {
						t.Fatal(err)
					}
					row = append(row, a.ValueStr(0))
					a.Release()
				}
				part = append(part, strings.Join(row, "|"))
			}
			picked = append(part, picked...)
		}
		return read, picked
	}
	read, picked := collect(fqgw.Scan{})
	if !slices.Equal(read, want) || !slices.Equal(picked, want) {
		t.Fatalf("read %q\npicked %q\nwant %q", read, picked, want)
	}
	// The first file's rows alone can be of the first day.
	if read, _ = collect(fqgw.Scan{Time: "ts", From: math.MinInt64, To: at("2024-01-01T12:00:00Z")}); len(read) != 10 {
		t.Fatalf("%d rows of the first day's pieces", len(read))
	}
	for _, format := range []string{"csv", "ndjson"} {
		other := *s
		other.Format = format
		if all, done, err := f.Pieces(context.Background(), &other, fqgw.Scan{}); all != nil || err != nil {
			t.Fatal(format, err)
		} else {
			done()
		}
	}
}

// A file that changes, grows or vanishes between the first piece and the last is told of.
func TestPiecesOfAChangedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.parquet")
	other := filepath.Join(dir, "b.parquet")
	for name, c := range map[string]struct {
		change func() error
		code   fqgw.Code
	}{
		"grows": {func() error {
			w, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer w.Close()
			_, err = w.WriteString("more")
			return err
		}, fqgw.CodeSerialization},
		"is replaced": {func() error { return os.Rename(other, path) }, fqgw.CodeSerialization},
		"vanishes":    {func() error { return os.Remove(path) }, "58P01"},
	} {
		write(t, path, events, `[{"u":"a","ts":"2024-01-01 00:00:00Z"},{"u":"b","ts":"2024-01-02 00:00:00Z"}]`, 1)
		write(t, other, events, `[{"u":"a","ts":"2024-01-01 00:00:00Z"}]`, 1)
		f := open(t, dir)
		s := source("a.parquet", eventColumns...)
		all, done, err := f.Pieces(context.Background(), s, fqgw.Scan{})
		if err != nil {
			t.Fatal(err)
		}
		var failed error
		for p, err := range all {
			if err != nil {
				t.Fatal(name, err)
			}
			for b, err := range p.Read("ts") {
				if err != nil {
					t.Fatal(name, err)
				}
				b.Release()
			}
			if err := c.change(); err != nil {
				t.Fatal(err)
			}
			_, failed = p.Pick([]int32{0}, "u")
			break
		}
		done()
		if code(failed) != c.code || !strings.Contains(failed.Error()+fqgw.AsError(failed).Detail, "a.parquet") {
			t.Errorf("a file that %s: %v, want %s", name, failed, c.code)
		}
	}
}
