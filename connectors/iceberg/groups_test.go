package iceberg

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// TestPieces: the same rows make the same file, however they are cut into batches.
func TestPieces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 9))
	cols := []fqgw.Column{{Name: "noise", Type: fqgw.Float8}, {Name: "few", Type: fqgw.Float8}, {Name: "n", Type: fqgw.Int8}, {Name: "s", Type: fqgw.Text},
		{Name: "b", Type: fqgw.Bool}, {Name: "tags", Type: fqgw.Text.Array()}, {Name: "d", Type: fqgw.NumericOf(12, 2)}}
	rows := make([][]fqgw.Value, 90_000)
	for i := range rows {
		rows[i] = []fqgw.Value{fqgw.FloatValue(rnd.NormFloat64()), fqgw.FloatValue(float64(rnd.IntN(9))), fqgw.IntValue(int64(i)), fqgw.TextValue(strings.Repeat("x", rnd.IntN(300))),
			fqgw.BoolValue(rnd.IntN(2) == 0), fqgw.ArrayOf(fqgw.Text, fqgw.TextValue("a"), fqgw.TextValue(strings.Repeat("y", rnd.IntN(9)))), fqgw.Null}
		if rnd.IntN(9) == 0 {
			rows[i][rnd.IntN(6)] = fqgw.Null
		}
	}
	write := func(most int) []byte {
		var out bytes.Buffer
		w := &groups{schema: fqgw.ArrowSchema(cols), to: &out, arrow: pqarrow.NewArrowWriterProperties()}
		whole := storetest.Batch(t, cols, rows)
		for from := int64(0); from < whole.NumRows(); {
			to := min(from+1+rnd.Int64N(int64(most)), whole.NumRows())
			b := whole.NewSlice(from, to)
			if rnd.IntN(3) == 0 && to-from < 1000 { // one that lies alone
				b.Release()
				b = storetest.Batch(t, cols, rows[from:to])
			}
			from = to
			for b != nil {
				rest, err := w.write(b)
				b.Release()
				if b = rest; err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	first := write(len(rows))
	for _, most := range []int{100, 9000, 30_000} {
		if !bytes.Equal(write(most), first) {
			t.Fatalf("batches of at most %d rows make another file", most)
		}
	}
	r, err := file.NewParquetReader(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if r.NumRows() != int64(len(rows)) || r.NumRowGroups() < 2 {
		t.Errorf("%d rows in %d row groups", r.NumRows(), r.NumRowGroups())
	}
	for i, want := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Zstd} {
		c, err := r.MetaData().RowGroup(0).ColumnChunk(i)
		if err != nil || c.Compression() != want || c.HasDictionaryPage() != (i == 1) {
			t.Errorf("column %s: %s, dictionary %t, %v", cols[i].Name, c.Compression(), c.HasDictionaryPage(), err)
		}
	}
}

// TestNoRows: a file without rows has its columns.
func TestNoRows(t *testing.T) {
	var out bytes.Buffer
	w := &groups{schema: fqgw.ArrowSchema([]fqgw.Column{{Name: "n", Type: fqgw.Int8}}), to: &out, arrow: pqarrow.NewArrowWriterProperties()}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
	if err != nil || r.NumRows() != 0 || r.MetaData().Schema.NumColumns() != 1 {
		t.Error(r, err)
	}
}
