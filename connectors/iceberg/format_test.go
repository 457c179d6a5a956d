package iceberg

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// smallFormats rewrites the manifests of a local table as DuckDB writes them: with the
// formats of files in small letters.
func smallFormats(t *testing.T, of *table.Table) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(localPath(of.Location()), "metadata", "*.avro"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	changed := 0
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// An Avro file: its head, which ends with a mark of 16 bytes, and blocks (rows, bytes, deflated
		// data, the mark).
		mark := b[len(b)-16:]
		at := bytes.Index(b, mark) + 16
		out := bytes.Clone(b[:at])
		for at < len(b) {
			rows, n := binary.Varint(b[at:])
			size, m := binary.Varint(b[at+n:])
			at += n + m
			data, err := io.ReadAll(flate.NewReader(bytes.NewReader(b[at : at+int(size)])))
			if err != nil {
				t.Fatal(err)
			}
			at += int(size) + 16
			for _, format := range []string{"PARQUET", "PUFFIN"} {
				if bytes.Contains(data, []byte(format)) {
					data = bytes.ReplaceAll(data, []byte(format), []byte(strings.ToLower(format)))
					changed++
				}
			}
			var packed bytes.Buffer
			w, err := flate.NewWriter(&packed, flate.DefaultCompression)
			if err == nil {
				_, err = w.Write(data)
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			out = binary.AppendVarint(out, rows)
			out = binary.AppendVarint(out, int64(packed.Len()))
			out = append(append(out, packed.Bytes()...), mark...)
		}
		if err := os.WriteFile(path, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if changed == 0 {
		t.Fatal("no manifest names a format")
	}
}

// The format of a file has no case (DuckDB's are small): data, deletes by position and
// deletion vectors are read.
func TestSmallFormats(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		t.Run("version "+version, func(t *testing.T) {
			a := newAnother(t, "t", iceberg.Properties{"format-version": version, "write.delete.mode": "merge-on-read"})
			a.numbered(0, 4)
			a.numbered(4, 8)
			a.change(func(ctx context.Context, tx *table.Transaction) error {
				return tx.Delete(ctx, iceberg.IsIn(iceberg.Reference("id"), int32(2), int32(5)), nil)
			})
			a.numbered(8, 10)
			smallFormats(t, a.load())
			a.want(a.source(), fqgw.Scan{Columns: []string{"id"}}, "0 1 3 4 6 7 8 9")
			a.want(a.source(), hours(5, 8, "id"), "6 7 8")
		})
	}
}

// The same of a table that fqgw made.
func TestSmallFormatsOfOurs(t *testing.T) {
	l := open(t, Options{})
	create(t, l, "lake.t")
	land(t, l, "lake.t", 0, 3)
	land(t, l, "lake.t", 3, 2)
	tab, err := l.load(t.Context(), "lake.t")
	if err != nil {
		t.Fatal(err)
	}
	smallFormats(t, tab)
	if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 5)) {
		t.Errorf("read %v, want 0 to 4", got)
	}
}
