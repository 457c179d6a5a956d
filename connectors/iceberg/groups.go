package iceberg

import (
	"io"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
)

const (
	// rowGroup is how many rows a row group has at most, rowGroupBytes how many bytes
	// they take in Arrow: who writes has one in memory, and who reads up to two.
	// A page of a column is what is unpacked at once.
	rowGroup      = 131072
	rowGroupBytes = 16 << 20
	pageBytes     = 256 << 10
	// A piece is what goes to the writer at once, pieceRows rows or those of pieceBytes.
	pieceRows  = 8192
	pieceBytes = 1 << 20
	// batchBytes are about those of a batch that is read.
	batchBytes = 1 << 20
)

// groups writes batches to a Parquet file whose row groups are bounded. How the rows
// are cut into batches does not show in the file: they go on in pieces, whose ends
// depend on the rows alone.
type groups struct {
	*pqarrow.FileWriter // made with the first piece
	schema              *arrow.Schema
	to                  io.Writer
	properties          *parquet.WriterProperties // nil: those for the first piece
	packing             fqgw.Compression          // of its pages, without properties
	arrow               pqarrow.ArrowWriterProperties
	whole               bool // row groups are of rowGroup rows, however many bytes that is

	parts []arrow.RecordBatch // of the piece that is not full yet
	rows  int64
	size  int64
	bytes int64 // of the open row group, in Arrow
}

// write adds a batch, which the caller keeps, as far as the piece goes that it is in;
// what is left of it is to be written next, and released. nil: nothing is.
func (g *groups) write(b arrow.RecordBatch) (rest arrow.RecordBatch, err error) {
	n, size := g.fits(b)
	g.parts = append(g.parts, b.NewSlice(0, n))
	g.rows, g.size = g.rows+n, g.size+size
	if g.rows >= pieceRows || g.size >= pieceBytes {
		if err := g.flush(); err != nil {
			return nil, err
		}
	}
	if n < b.NumRows() {
		rest = b.NewSlice(n, b.NumRows())
	}
	return rest, nil
}

// fits is how many rows of a batch the piece takes still, up to the first with which it
// is full, and how many bytes these are.
func (g *groups) fits(b arrow.RecordBatch) (rows, size int64) {
	bytes := func(n int64) (size int64) {
		for _, c := range b.Columns() {
			size += arrayBytes(c, 0, int(n))
		}
		return size
	}
	rows = min(pieceRows-g.rows, b.NumRows())
	if !g.whole {
		rows = 1 + int64(sort.Search(int(rows)-1, func(i int) bool { return g.size+bytes(int64(i)+1) >= pieceBytes }))
	}
	return rows, bytes(rows)
}

// flush writes the piece.
func (g *groups) flush() error {
	if len(g.parts) == 0 {
		return nil
	}
	defer g.drop()
	b := g.parts[0]
	if len(g.parts) > 1 {
		cols := make([]arrow.Array, b.NumCols())
		for i := range cols {
			parts := make([]arrow.Array, len(g.parts))
			for n, p := range g.parts {
				parts[n] = p.Column(i)
			}
			var err error
			if cols[i], err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
				return err
			}
			defer cols[i].Release()
		}
		b = array.NewRecordBatch(g.schema, cols, g.rows)
		defer b.Release()
	}
	if err := g.open(b); err != nil {
		return err
	}
	if g.bytes >= rowGroupBytes && !g.whole {
		if err := g.endGroup(); err != nil {
			return err
		}
	}
	g.bytes += g.size
	return g.WriteBuffered(b)
}

// endGroup ends the open row group, so that it is not in memory any more. More rows must
// follow.
func (g *groups) endGroup() error {
	g.bytes = 0
	return g.NewBufferedRowGroupChecked()
}

// spill writes the piece, and ends the open row group.
func (g *groups) spill() error {
	if err := g.flush(); err != nil || g.FileWriter == nil {
		return err
	}
	return g.endGroup()
}

func (g *groups) drop() {
	for _, b := range g.parts {
		b.Release()
	}
	g.parts, g.rows, g.size = g.parts[:0], 0, 0
}

// open makes the writer; b is nil where there are no rows.
func (g *groups) open(b arrow.RecordBatch) (err error) {
	if g.FileWriter != nil {
		return nil
	}
	properties := g.properties
	if properties == nil {
		properties = writerProperties(g.schema, g.packing, b)
	}
	g.FileWriter, err = pqarrow.NewFileWriter(g.schema, g.to, properties, g.arrow)
	return err
}

// waiting are about the bytes of the file so far that are not in it yet.
func (g *groups) waiting() int64 {
	if g.FileWriter == nil {
		return 0
	}
	return g.RowGroupTotalCompressedBytes()
}

// end writes what is left and closes the file.
func (g *groups) end() error {
	if err := g.flush(); err != nil {
		return err
	}
	if err := g.open(nil); err != nil {
		return err
	}
	return g.FileWriter.Close()
}

// abort closes the file, which is good for nothing.
func (g *groups) abort() {
	g.drop()
	if g.FileWriter != nil {
		_ = g.FileWriter.Close()
		return
	}
	if c, ok := g.to.(io.Closer); ok {
		_ = c.Close()
	}
}

// arrayBytes are about the bytes of n values of an array from the i-th on: the same
// however the array was cut.
func arrayBytes(a arrow.Array, i, n int) int64 {
	// Of NULLs alone there may be no offsets.
	between := func(offsets func() []int32) (from, to int) {
		if n == 0 || a.NullN() == a.Len() {
			return 0, 0
		}
		all := offsets()
		return int(all[i]), int(all[i+n])
	}
	switch a := a.(type) {
	case *array.String:
		from, to := between(a.ValueOffsets)
		return int64(to-from) + 4*int64(n)
	case *array.Binary:
		from, to := between(a.ValueOffsets)
		return int64(to-from) + 4*int64(n)
	case *array.List:
		from, to := between(func() []int32 { return a.Offsets()[a.Offset():] })
		return arrayBytes(a.ListValues(), from, to-from) + 4*int64(n)
	case array.ExtensionArray:
		return arrayBytes(a.Storage(), i, n)
	}
	if fixed, ok := a.DataType().(arrow.FixedWidthDataType); ok {
		return int64(max(fixed.BitWidth(), 8)/8) * int64(n)
	}
	return 16 * int64(n)
}

// codecOf is the codec of a compression.
func codecOf(c fqgw.Compression) compress.Compression {
	switch c {
	case fqgw.Snappy:
		return compress.Codecs.Snappy
	case fqgw.None:
		return compress.Codecs.Uncompressed
	}
	return compress.Codecs.Zstd
}

// writerProperties are those of all our Parquet files: compressed, and dictionaries only
// where they make a column smaller. A column of numbers that look like noise in the
// first rows has neither: it would not get smaller.
func writerProperties(schema *arrow.Schema, packing fqgw.Compression, first arrow.RecordBatch) *parquet.WriterProperties {
	codec := codecOf(packing)
	out := []parquet.WriterProperty{parquet.WithCompression(codec), parquet.WithMaxRowGroupLength(rowGroup),
		parquet.WithDataPageSize(pageBytes), parquet.WithCompressionLevel(1)}
	for i, f := range schema.Fields() {
		if first != nil && noise(first.Column(i), codec) {
			out = append(out, parquet.WithDictionaryFor(f.Name, false), parquet.WithCompressionFor(f.Name, compress.Codecs.Uncompressed))
			continue
		}
		out = append(out, parquet.WithDictionaryCostFallbackFor(f.Name, true))
	}
	return parquet.NewWriterProperties(out...)
}

const (
	// noiseRows is how many values are looked at, and noiseShare of them must differ,
	// and of their bytes stay when they are compressed.
	noiseRows  = 2048
	noiseShare = 0.9
)

// noise says of a column of 64-bit numbers that its values differ and do not compress by a codec.
func noise(a arrow.Array, by compress.Compression) bool {
	fixed, ok := a.DataType().(arrow.FixedWidthDataType)
	if !ok || fixed.BitWidth() != 64 || fixed.ID() == arrow.EXTENSION || fixed.ID() == arrow.DICTIONARY {
		return false
	}
	d := a.Data()
	if d.Len() == 0 {
		return false
	}
	values := arrow.GetData[uint64](d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+d.Len()]
	seen, sample := map[uint64]struct{}{}, make([]uint64, 0, noiseRows)
	for i := 0; i < len(values) && len(sample) < noiseRows; i++ {
		if a.IsValid(i) {
			sample = append(sample, values[i])
			seen[values[i]] = struct{}{}
		}
	}
	if len(sample) < noiseRows/4 || float64(len(seen)) < noiseShare*float64(len(sample)) {
		return false
	}
	codec, err := compress.GetCodec(by)
	if err != nil {
		return false
	}
	raw := arrow.GetBytes(sample)
	return float64(len(codec.Encode(nil, raw))) > noiseShare*float64(len(raw))
}
