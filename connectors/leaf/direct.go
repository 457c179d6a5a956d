package leaf

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// valueReader is one of arrow-go's readers of columns.
type valueReader[T any] interface {
	file.ColumnChunkReader
	ReadBatch(n int64, values []T, def, rep []int16) (levels int64, read int, err error)
}

// fixed reads values of a fixed width.
type fixed[T int32 | int64 | float32 | float64] struct {
	in      valueReader[T]
	typ     arrow.DataType
	def     []int16 // of a batch; nil: no value is NULL
	scratch []T
	at      int // the row that is next
}

// read reads the next values, step at most, into out, those that are not NULL one
// behind the other.
func (f *fixed[T]) read(out []T) (rows, values int, err error) {
	levels, values, err := f.in.ReadBatch(int64(min(len(out), step)), out, f.def, nil)
	if err != nil || levels == 0 {
		return 0, 0, early(f.in, err)
	}
	f.at += int(levels)
	return int(levels), values, nil
}

func (f *fixed[T]) Next(n int) (arrow.Array, error) {
	values, valid, nulls := make([]T, n), validity{}, 0
	for at := 0; at < n; {
		rows, got, err := f.read(values[at:])
		if err != nil {
			return nil, err
		}
		if got < rows {
			valid.begin(n)
			valid.none(at, rows)
			nulls += rows - got
			for i := rows - 1; i >= 0; i-- { // to their places
				if f.def[i] == 0 {
					values[at+i] = 0
					continue
				}
				got--
				values[at+i] = values[at+got]
				valid.set(at + i)
			}
		}
		at += rows
	}
	return made(f.typ, values, valid, nulls), nil
}

func (f *fixed[T]) Pick(rows []int32) (arrow.Array, error) {
	if f.scratch == nil {
		f.scratch = make([]T, step)
	}
	values, valid, nulls := make([]T, len(rows)), validity{}, 0
	for n := 0; n < len(rows); {
		from := f.at
		here, got, err := f.read(f.scratch)
		if err != nil {
			return nil, err
		}
		if got == here {
			for ; n < len(rows) && int(rows[n]) < f.at; n++ {
				values[n] = f.scratch[int(rows[n])-from]
			}
			continue
		}
		valid.begin(len(rows))
		before, level := 0, 0 // values before the level
		for ; n < len(rows) && int(rows[n]) < f.at; n++ {
			for to := int(rows[n]) - from; level < to; level++ {
				before += int(f.def[level])
			}
			if f.def[level] == 0 {
				valid.none(n, 1)
				nulls++
				continue
			}
			values[n] = f.scratch[before]
		}
	}
	return made(f.typ, values, valid, nulls), nil
}

func (f *fixed[T]) Close() { f.in.Close() }

// validity are the bits of an array with NULLs; nil until the first is met.
type validity struct{ bits []byte }

// begin makes room for n values, none of them NULL.
func (v *validity) begin(n int) {
	if v.bits == nil {
		v.bits = make([]byte, bitutil.BytesForBits(int64(n)))
		bitutil.SetBitsTo(v.bits, 0, int64(n), true)
	}
}

func (v *validity) none(from, n int) { bitutil.SetBitsTo(v.bits, int64(from), int64(n), false) }
func (v *validity) set(i int)        { bitutil.SetBit(v.bits, i) }

func made[T int32 | int64 | float32 | float64](t arrow.DataType, values []T, valid validity, nulls int) arrow.Array {
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.GetBytes(values))}
	if nulls > 0 {
		buffers[0] = memory.NewBufferBytes(valid.bits)
	}
	d := array.NewData(t, len(values), buffers, nil, nulls, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

// texts reads texts and bytes.
type texts struct {
	in     *file.ByteArrayColumnChunkReader
	typ    arrow.DataType
	def    []int16
	values []parquet.ByteArray // of a batch; they lie in the page
	at     int
}

func (t *texts) builder() (b array.Builder, add func([]byte)) {
	b = array.NewBuilder(memory.DefaultAllocator, t.typ)
	if s, ok := b.(*array.StringBuilder); ok {
		return b, s.BinaryBuilder.Append
	}
	return b, b.(*array.BinaryBuilder).Append
}

func (t *texts) read(n int) (rows, values int, err error) {
	levels, values, err := t.in.ReadBatchInPage(int64(min(n, step)), t.values, t.def, nil)
	if err != nil || levels == 0 {
		return 0, 0, early(t.in, err)
	}
	t.at += int(levels)
	return int(levels), values, nil
}

func (t *texts) Next(n int) (arrow.Array, error) {
	b, add := t.builder()
	defer b.Release()
	b.Reserve(n)
	for n > 0 {
		rows, got, err := t.read(n)
		if err != nil {
			return nil, err
		}
		value := 0
		for i := range rows {
			if got < rows && t.def[i] == 0 {
				b.AppendNull()
				continue
			}
			add(t.values[value])
			value++
		}
		n -= rows
	}
	return b.NewArray(), nil
}

func (t *texts) Pick(rows []int32) (arrow.Array, error) {
	b, add := t.builder()
	defer b.Release()
	b.Reserve(len(rows))
	for n := 0; n < len(rows); {
		from := t.at
		here, got, err := t.read(step)
		if err != nil {
			return nil, err
		}
		before, level := 0, 0
		for ; n < len(rows) && int(rows[n]) < t.at; n++ {
			to := int(rows[n]) - from
			if got == here {
				add(t.values[to])
				continue
			}
			for ; level < to; level++ {
				before += int(t.def[level])
			}
			if t.def[level] == 0 {
				b.AppendNull()
				continue
			}
			add(t.values[before])
		}
	}
	return b.NewArray(), nil
}

func (t *texts) Close() { t.in.Close() }
