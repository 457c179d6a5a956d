package leaf_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw/connectors/leaf"
)

// types are those of the columns: some are read without a detour, others not.
var types = []arrow.DataType{
	arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
	arrow.FixedWidthTypes.Timestamp_us, arrow.FixedWidthTypes.Timestamp_ns, arrow.FixedWidthTypes.Date32, arrow.BinaryTypes.String,
	arrow.BinaryTypes.Binary, arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, &arrow.Decimal128Type{Precision: 30, Scale: 2},
	arrow.ListOf(arrow.PrimitiveTypes.Int64),
}

// batch has n rows of each type, and each type without NULL.
func batch(rnd *rand.Rand, n int) arrow.RecordBatch {
	var fields []arrow.Field
	for i, t := range types {
		fields = append(fields, arrow.Field{Name: fmt.Sprint("n", i), Type: t, Nullable: true}, arrow.Field{Name: fmt.Sprint("v", i), Type: t})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for i := range fields {
		few := rnd.IntN(3) == 0 // a dictionary
		nulls := rnd.IntN(3)    // none, some, many
		for row := range n {
			if fields[i].Nullable && (nulls == 1 && row > n/3 && rnd.IntN(20) == 0 || nulls == 2 && rnd.IntN(3) > 0) {
				b.Field(i).AppendNull()
				continue
			}
			x := rnd.Int64N(1 << 60)
			if few {
				x %= 5
			}
			text := fmt.Sprint(x)
			switch fields[i].Type.ID() {
			case arrow.INT8:
				text = fmt.Sprint(x % 100)
			case arrow.INT32:
				text = fmt.Sprint(x % (1 << 31))
			case arrow.BOOL:
				text = fmt.Sprint(x%2 == 0)
			case arrow.LIST:
				l := b.Field(i).(*array.ListBuilder)
				l.Append(true)
				for range x % 3 {
					l.ValueBuilder().(*array.Int64Builder).Append(x)
				}
				continue
			case arrow.TIMESTAMP:
				b.Field(i).(*array.TimestampBuilder).Append(arrow.Timestamp(x))
				continue
			case arrow.DATE32:
				b.Field(i).(*array.Date32Builder).Append(arrow.Date32(x % 100000))
				continue
			case arrow.BINARY:
				b.Field(i).(*array.BinaryBuilder).Append([]byte(text))
				continue
			}
			if err := b.Field(i).AppendValueFromString(text); err != nil {
				panic(err)
			}
		}
	}
	return b.NewRecordBatch()
}

func texts(a arrow.Array) (out []string) {
	for i := range a.Len() {
		out = append(out, a.ValueStr(i))
	}
	return out
}

// TestReader reads random files, whole and some rows of them, and compares with what
// was written.
func TestReader(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 9))
	picked := 0
	for round := range 12 {
		n := []int{1, 7, 3000, 12_000}[round%4]
		want := batch(rnd, n)
		group := int64(n)/int64(1+rnd.IntN(3)) + 1
		var out bytes.Buffer
		w, err := pqarrow.NewFileWriter(want.Schema(), &out, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(group),
			parquet.WithDataPageSize(int64(1+rnd.IntN(20_000))), parquet.WithDictionaryDefault(rnd.IntN(2) == 0), parquet.WithCompression(compress.Codecs.Zstd),
			parquet.WithDataPageVersion([]parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2}[rnd.IntN(2)])), pqarrow.NewArrowWriterProperties())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(want); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		in, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		open := func(g, c int) leaf.Reader {
			leaves := map[int]bool{}
			for n := &in.Manifest.Fields[c]; ; n = &n.Children[0] {
				if leaves[n.ColIndex] = true; n.IsLeaf() {
					break
				}
			}
			r, err := leaf.Open(context.Background(), in, g, c, leaves)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		at := 0
		for g := range f.NumRowGroups() {
			rows := int(f.MetaData().RowGroup(g).NumRows())
			for c := range int(want.NumCols()) {
				all := texts(want.Column(c))[at : at+rows]
				r := open(g, c)
				var got []string
				for len(got) < rows {
					a, err := r.Next(min(rows-len(got), 1+rnd.IntN(20_000)))
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, texts(a)...)
				}
				if strings.Join(got, "|") != strings.Join(all, "|") {
					t.Fatalf("round %d: column %s differs", round, want.ColumnName(c))
				}
				if _, err := r.Next(1); err == nil {
					t.Fatalf("round %d: column %s does not end", round, want.ColumnName(c))
				}
				r.Close()
				var some []int32
				var expect []string
				one := 1 + rnd.IntN(1+[]int{1, 50, 5000}[rnd.IntN(3)])
				for row := range rows {
					if rnd.IntN(one) == 0 {
						some, expect = append(some, int32(row)), append(expect, all[row])
					}
				}
				r = open(g, c)
				a, err := r.Pick(some)
				if err != nil {
					t.Fatal(err)
				}
				if picked += len(some); a.Len() != len(some) || strings.Join(texts(a), "|") != strings.Join(expect, "|") {
					t.Fatalf("round %d: of column %s %d rows differ", round, want.ColumnName(c), len(some))
				}
				r.Close()
			}
			at += rows
		}
	}
	if picked < 10_000 {
		t.Fatalf("only %d values were picked", picked)
	}
}
