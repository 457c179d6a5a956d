package iceberg

import (
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"

	"github.com/fqgw/fqgw"
)

// A plain page of a column with NULLs has which rows are not NULL, and behind that the
// values of these, as they are: so a value is found by how many rows before its own are
// not NULL.

// plainPage is the data of a column of a group that is one plain page and not
// compressed, of numbers of width bytes; false where it is not.
func (r *run) plainPage(group, at int) (data []byte, width, rows int, nulls int64, ok bool) {
	fixed, ok := r.types[at].(arrow.FixedWidthDataType)
	if !ok || fixed.BitWidth() != 32 && fixed.BitWidth() != 64 || fixed.ID() == arrow.EXTENSION {
		return nil, 0, 0, 0, false
	}
	g := r.reader.MetaData().RowGroup(group)
	c, err := g.ColumnChunk(at)
	if err != nil || c.Compression() != compress.Codecs.Uncompressed || c.HasDictionaryPage() || !plainOnly(c.Encodings()) {
		return nil, 0, 0, 0, false
	}
	stats, err := c.Statistics()
	if err != nil || stats == nil || !stats.HasNullCount() {
		return nil, 0, 0, 0, false
	}
	from := c.DataPageOffset()
	if from < 0 || c.TotalCompressedSize() < 0 || from+c.TotalCompressedSize() > int64(len(r.data)) {
		return nil, 0, 0, 0, false
	}
	chunk := r.data[from : from+c.TotalCompressedSize()]
	head, size, ok := pageHeader(chunk)
	if !ok || head+size != len(chunk) {
		return nil, 0, 0, 0, false
	}
	return chunk[head:], fixed.BitWidth() / 8, int(g.NumRows()), stats.NullCount(), true
}

// plainOnly says of the encodings of a column that its values are plain; levels are RLE.
func plainOnly(all []parquet.Encoding) bool {
	plain := false
	for _, e := range all {
		plain = plain || e == parquet.Encodings.Plain
		if e != parquet.Encodings.Plain && e != parquet.Encodings.RLE && e != parquet.Encodings.BitPacked {
			return false
		}
	}
	return plain
}

// values are numbers in the mapped file as an array; its pages are given back with it.
func (r *run) values(data []byte, typ arrow.DataType, n int) arrow.Array {
	buffer := memory.NewBufferWithAllocator(data, r.pages)
	d := array.NewData(typ, n, []*memory.Buffer{nil, buffer}, nil, 0, 0)
	buffer.Release()
	defer d.Release()
	return array.MakeFromData(d)
}

// packedRows are the rows of a column of a group that are not NULL.
type packedRows struct {
	valid  []uint64
	before []uint32
	values []byte
}

// Packed implements fqgw.Run.
func (r *run) Packed(group int, name string) (p fqgw.PackedColumn, ok bool) {
	at, ok := r.cols[name]
	if !ok {
		return p, false
	}
	data, width, rows, nulls, ok := r.plainPage(group, at)
	if !ok || nulls == 0 {
		return p, false
	}
	r.mu.Lock()
	rank, made := r.packed[[2]int{group, at}]
	r.mu.Unlock()
	if !made {
		if rank, ok = packedOf(data, width, rows, nulls); !ok {
			return p, false
		}
		r.keep([2]int{group, at}, rank)
	}
	return fqgw.PackedColumn{Values: r.values(rank.values, r.types[at], len(rank.values)/width), Valid: rank.valid, Before: rank.before}, true
}

// keep remembers a column, and counts it: it is there.
func (r *run) keep(at [2]int, p packedRows) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, made := r.packed[at]; made {
		return
	}
	r.packed[at] = p
	if n := int64(8*len(p.valid) + 4*len(p.before)); r.memory != nil {
		r.held += n
		r.memory.Force(n)
	}
}

// packedOf reads the levels of a page (Parquet's hybrid of runs and bit-packed groups,
// one bit a row): https://parquet.apache.org/docs/file-format/data-pages/encodings.
func packedOf(data []byte, width, rows int, nulls int64) (p packedRows, ok bool) {
	if len(data) < 4 {
		return p, false
	}
	size := binary.LittleEndian.Uint32(data)
	if uint64(size) > uint64(len(data)-4) {
		return p, false
	}
	levels, values := data[4:4+size], data[4+size:]
	p.valid = make([]uint64, (rows+63)/64)
	row := 0
	for row < rows {
		head, n := binary.Uvarint(levels)
		if n <= 0 {
			return p, false
		}
		levels = levels[n:]
		count := int(min(head>>1, uint64(rows)))
		if head&1 == 0 {
			if len(levels) == 0 {
				return p, false
			}
			one := levels[0]&1 == 1
			levels = levels[1:]
			end := min(row+count, rows)
			for ; one && row < end; row++ {
				p.valid[row>>6] |= 1 << (row & 63)
			}
			row = end
			continue
		}
		if count > len(levels) {
			return p, false
		}
		for _, b := range levels[:count] {
			for bit := 0; bit < 8 && row < rows; bit++ {
				p.valid[row>>6] |= uint64(b>>bit&1) << (row & 63)
				row++
			}
		}
		levels = levels[count:]
	}
	p.before = make([]uint32, len(p.valid))
	sum := 0
	for i, w := range p.valid {
		p.before[i] = uint32(sum)
		sum += bits.OnesCount64(w)
	}
	p.values = values
	return p, int64(rows-sum) == nulls && sum*width == len(values)
}

// Allocate, Reallocate and Free implement memory.Allocator for buffers that lie in the
// mapping: nothing is ever allocated by it.
func (p *pages) Allocate(int) []byte           { panic("iceberg: a mapping allocates nothing") }
func (p *pages) Reallocate(int, []byte) []byte { panic("iceberg: a mapping allocates nothing") }
func (p *pages) Free(b []byte)                 { p.giveBack(b) }
