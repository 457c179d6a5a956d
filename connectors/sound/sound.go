// Package sound decodes Parquet files that others wrote, to see whether they can be
// read. The libraries that read them do so in goroutines of their own, where a panic
// over damaged bytes would end the process; here it is an error. There are no
// checksums: what decodes to other values is not found, nor damage in the schema of
// Arrow that some writers keep in the footer.
package sound

import (
	"context"
	"fmt"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/fqgw/fqgw"
)

// Check decodes columns of a file, those whose field at the top wanted takes; nil:
// all. XX001 when they cannot be read. It closes nothing.
func Check(ctx context.Context, r parquet.ReaderAtSeeker, wanted func(top schema.Node) bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fqgw.Errorf(fqgw.CodeDataCorrupted, "the file is damaged: %v", p)
		}
	}()
	f, err := file.NewParquetReader(r, file.WithReadProps(parquet.NewReaderProperties(bounded{memory.DefaultAllocator})))
	if err != nil {
		return fqgw.Errorf(fqgw.CodeDataCorrupted, "the file is no whole Parquet file: %w", err)
	}
	s := f.MetaData().Schema
	for g := range f.NumRowGroups() {
		group := f.RowGroup(g)
		for i := range s.NumColumns() {
			if wanted != nil && !wanted(s.ColumnRoot(i)) {
				continue
			}
			column, err := group.Column(i)
			var rows int64
			if err == nil {
				rows, err = drain(ctx, column)
			}
			if err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return fqgw.Errorf(fqgw.CodeDataCorrupted, "column \"%s\" of the file cannot be read: %w", s.Column(i).Path(), err)
			}
			if rows != group.NumRows() {
				return fqgw.Errorf(
					fqgw.CodeDataCorrupted,
					"column \"%s\" of the file has %d rows where there must be %d",
					s.Column(i).Path(),
					rows,
					group.NumRows(),
				)
			}
		}
	}
	return nil
}

// most is what a page may ask for at once, in bytes: a damaged length
// would take all memory that there is.
const most = 1 << 30

// bounded allocates no more than that; it panics, which Check makes an error.
type bounded struct{ memory.Allocator }

func (b bounded) Allocate(size int) []byte {
	if size > most {
		panic(fmt.Sprintf("it asks for %d bytes at once", size))
	}
	return b.Allocator.Allocate(size)
}

func (b bounded) Reallocate(size int, old []byte) []byte {
	if size > most {
		panic(fmt.Sprintf("it asks for %d bytes at once", size))
	}
	return b.Allocator.Reallocate(size, old)
}

// batch is how many values are decoded at once.
const batch = 4096

// scratch is where they go.
type scratch struct {
	def, rep []int16
	bools    []bool
	int32s   []int32
	int64s   []int64
	int96s   []parquet.Int96
	floats   []float32
	doubles  []float64
	bytes    []parquet.ByteArray
	fixed    []parquet.FixedLenByteArray
}

var pool = sync.Pool{New: func() any {
	return &scratch{make([]int16, batch), make([]int16, batch), make([]bool, batch), make([]int32, batch), make([]int64, batch),
		make(
			[]parquet.Int96,
			batch,
		), make([]float32, batch), make([]float64, batch), make([]parquet.ByteArray, batch), make([]parquet.FixedLenByteArray, batch)}
}}

// drain reads a column of a row group to its end and counts its rows.
func drain(ctx context.Context, column file.ColumnChunkReader) (rows int64, err error) {
	s := pool.Get().(*scratch)
	defer pool.Put(s)
	repeats := column.Descriptor().MaxRepetitionLevel() > 0
	for column.HasNext() {
		var n int64
		switch c := column.(type) {
		case *file.BooleanColumnChunkReader:
			n, _, err = c.ReadBatch(batch, s.bools, s.def, s.rep)
		case *file.Int32ColumnChunkReader:
			n, _, err = c.ReadBatch(batch, s.int32s, s.def, s.rep)
		case *file.Int64ColumnChunkReader:
			n, _, err = c.ReadBatch(batch, s.int64s, s.def, s.rep)
		case *file.Int96ColumnChunkReader:
			n, _, err = c.ReadBatch(batch, s.int96s, s.def, s.rep)
		case *file.Float32ColumnChunkReader:
			n, _, err = c.ReadBatch(batch, s.floats, s.def, s.rep)
		case *file.Float64ColumnChunkReader:
			n, _, err = c.ReadBatch(batch, s.doubles, s.def, s.rep)
		case *file.ByteArrayColumnChunkReader:
			n, _, err = c.ReadBatch(batch, s.bytes, s.def, s.rep)
		case *file.FixedLenByteArrayColumnChunkReader:
			n, _, err = c.ReadBatch(batch, s.fixed, s.def, s.rep)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || n == 0 {
			break
		}
		if !repeats {
			rows += n
			continue
		}
		for _, level := range s.rep[:n] {
			if level == 0 {
				rows++
			}
		}
	}
	if err == nil {
		err = column.Err()
	}
	return rows, err
}
