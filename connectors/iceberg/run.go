package iceberg

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/fqgw/fqgw"
)

// A run is an ordinary Parquet file whose numbers and times are plain and not
// compressed, one page for each column of a row group: so that a value is found by
// its row number, in the mapped file, and nothing is decoded that is not wanted.

// runProperties are those of the Parquet files of runs.
func runProperties(cols []fqgw.Column) *parquet.WriterProperties {
	out := []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Uncompressed), parquet.WithMaxRowGroupLength(fqgw.RunGroup),
		parquet.WithDictionaryDefault(false), parquet.WithDataPageSize(runPage), parquet.WithDataPageVersion(parquet.DataPageV1)}
	for _, c := range cols {
		if _, fixed := fqgw.ArrowType(c.Type).(arrow.FixedWidthDataType); fixed {
			continue
		}
		out = append(out, parquet.WithDictionaryFor(c.Name, true), parquet.WithDictionaryCostFallbackFor(c.Name, true),
			parquet.WithCompressionFor(c.Name, compress.Codecs.Snappy))
	}
	return parquet.NewWriterProperties(out...)
}

// runPage is more than a column of a group takes in bytes, where a value has 16.
const runPage = 16*fqgw.RunGroup + 1<<20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// run is an fqgw.Run: a file that is mapped, was checked against its sum and whose
// rows were seen to be in order.
type run struct {
	file     runFile
	data     []byte
	unmap    func()
	users    atomic.Int64 // who may read it; the last unmaps
	reader   *file.Reader
	arrow    *pqarrow.FileReader
	cols     map[string]int // by name: its place in the file
	types    []arrow.DataType
	entities fqgw.RunEntities
	times    [][]int64
	known    [][]int64 // nil: each row was known at its time
	copied   int64     // bytes of times that do not lie in the file as they are
	pages    *pages    // of data, where it is mapped

	path    string
	written time.Time    // the file's, when it was opened
	memory  *fqgw.Memory // that counts what is kept beside the file; nil: nobody does

	mu     sync.Mutex
	packed map[[2]int]packedRows // by group and column, once it was asked for
	held   int64                 // bytes that memory counts
}

// runSpec says what the rows of a run mean.
type runSpec struct {
	cols []fqgw.Column
	keys []int // places of the join keys in cols
	time int   // that of the event time
}

// openRun maps the file of a run. XX001 when it is not what was written, or not in
// order.
func openRun(ctx context.Context, path string, want runFile, spec runSpec) (r *run, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // of a file that is cut meanwhile
	defer func() {
		if p := recover(); p != nil { // a damaged file can make a reader of Parquet panic
			err = fmt.Errorf("%v", p)
		}
		if err != nil {
			if r != nil && r.unmap != nil {
				r.unmap()
			}
			r, err = nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "lake: run %s cannot be read: %w", path, err)
		}
	}()
	info, err := os.Stat(path)
	if err != nil {
		return r, err
	}
	r = &run{file: want, cols: map[string]int{}, packed: map[[2]int]packedRows{}, path: path, written: info.ModTime()}
	if r.data, r.pages, r.unmap, err = mapFile(path); err != nil {
		return r, err
	}
	if int64(len(r.data)) != want.Bytes || r.sum() != want.Sum {
		return r, fmt.Errorf("it is not as it was written")
	}
	if r.reader, err = file.NewParquetReader(bytes.NewReader(r.data)); err != nil {
		return r, err
	}
	if r.arrow, err = pqarrow.NewFileReader(r.reader, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator); err != nil {
		return r, err
	}
	schema, err := r.arrow.Schema()
	if err != nil {
		return r, err
	}
	for i, f := range schema.Fields() {
		r.cols[f.Name] = i
		r.types = append(r.types, f.Type)
	}
	if err := r.columnsIn(spec); err != nil {
		return r, err
	}
	r.users.Store(1)
	return r, r.read(ctx, spec)
}

// sum is that of the whole file, of which a part at a time is in memory.
func (r *run) sum() (sum uint32) {
	const part = 16 << 20
	for b := range slices.Chunk(r.data, part) {
		sum = crc32.Update(sum, castagnoli, b)
		r.pages.giveBack(b)
	}
	return sum
}

// read reads keys and times, and checks their order.
func (r *run) read(ctx context.Context, spec runSpec) error {
	groups := r.reader.NumRowGroups()
	var last struct {
		time, known int64
		pos         fqgw.Position
	}
	var key, lastKey []byte
	rows, constant := 0, true
	hidden := len(spec.cols) - len(fqgw.HiddenColumns)
	for g := range groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := int(r.reader.MetaData().RowGroup(g).NumRows())
		if n > fqgw.RunGroup || g < groups-1 && n < fqgw.RunGroup {
			return fmt.Errorf("group %d has %d rows", g, n)
		}
		cols := make([]arrow.Array, len(spec.cols))
		load := func(i int) error {
			if cols[i] != nil {
				return nil
			}
			a, err := r.Column(g, spec.cols[i].Name)
			cols[i] = a
			return err
		}
		wanted := append([]int{spec.time, hidden + fqgw.HiddenKnownAt}, spec.keys...)
		for _, i := range append(wanted, hidden, hidden+1, hidden+2, hidden+3) {
			if err := load(i); err != nil {
				return err
			}
		}
		times, ok1 := micros(cols[spec.time], spec.cols[spec.time].Type)
		known, ok2 := micros(cols[hidden+fqgw.HiddenKnownAt], fqgw.Timestamptz)
		if !ok1 || !ok2 {
			return fmt.Errorf("a row has no time")
		}
		same := make([]func(a, b int) bool, len(spec.keys))
		for k, i := range spec.keys {
			same[k] = equals(cols[i], spec.cols[i].Type)
		}
		position := func(i int) (fqgw.Position, error) {
			h, err := fqgw.ReadHidden(func(c int) fqgw.Value {
				if c > 3 { // behind the position
					return fqgw.Null
				}
				return fqgw.ArrowView(cols[hidden+c], i, fqgw.HiddenColumns[c].Type)
			})
			return h.Pos, err
		}
		parts := make([]fqgw.Value, len(spec.keys))
		for i := range n {
			constant = constant && times[i] == known[i]
			goes := i > 0
			for k := 0; k < len(same) && goes; k++ {
				goes = same[k](i-1, i)
			}
			if !goes {
				for k, c := range spec.keys {
					parts[k] = fqgw.ArrowView(cols[c], i, spec.cols[c].Type)
				}
				var ok bool
				if key, ok = fqgw.AppendKeyBytes(key[:0], parts); !ok {
					return fmt.Errorf("a row has no entity")
				}
				if goes = bytes.Equal(key, lastKey); !goes {
					if lastKey != nil && !r.entities.Append(lastKey, rows) {
						return fmt.Errorf("its entities are not in order")
					}
					lastKey, rows = append(lastKey[:0], key...), 0
				}
			}
			if goes {
				c := cmp.Or(cmp.Compare(last.time, times[i]), cmp.Compare(last.known, known[i]))
				if c == 0 {
					pos, err := position(i)
					before := last.pos
					if err == nil && i > 0 {
						before, err = position(i - 1)
					}
					if err != nil {
						return err
					}
					if c = before.Compare(pos); c == 0 && !pos.IsNone() {
						c = 1
					}
				}
				if c > 0 {
					return fmt.Errorf("its rows are not in order")
				}
			}
			last.time, last.known = times[i], known[i]
			rows++
		}
		var err error
		if n > 0 {
			if last.pos, err = position(n - 1); err != nil {
				return err
			}
		}
		r.times, r.known = append(r.times, times), append(r.known, known)
		for _, name := range []string{spec.cols[spec.time].Name, fqgw.ColKnownAt} {
			if a, ok := r.plain(g, r.cols[name]); ok {
				a.Release()
			} else {
				r.copied += 8 * int64(n)
			}
		}
		for _, a := range cols {
			if a != nil {
				a.Release()
			}
		}
	}
	if lastKey != nil && !r.entities.Append(lastKey, rows) {
		return fmt.Errorf("its entities are not in order")
	}
	if int64(r.entities.NumRows()) != r.file.Count {
		return fmt.Errorf("it has %d rows, not %d", r.entities.NumRows(), r.file.Count)
	}
	if constant {
		r.known = nil
	}
	return nil
}

// micros are the values of a column of dates or timestamps; where they lie in a
// mapped file as they are, they are not copied. False when one is NULL.
func micros(a arrow.Array, t fqgw.Type) ([]int64, bool) {
	if ts, ok := a.(*array.Timestamp); ok && ts.NullN() == 0 && ts.DataType().(*arrow.TimestampType).Unit == arrow.Microsecond {
		d := ts.Data()
		if d.Len() == 0 {
			return nil, true
		}
		return arrow.GetData[int64](d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+d.Len()], true
	}
	out, all := make([]int64, a.Len()), true
	for i := range out {
		var ok bool
		out[i], ok = fqgw.Micros(fqgw.ArrowView(a, i, t))
		all = all && ok
	}
	return out, all
}

// equals says of two places of an array of keys whether their values are the same.
func equals(a arrow.Array, t fqgw.Type) func(i, j int) bool {
	if a.NullN() == 0 {
		switch a := a.(type) {
		case *array.Int64:
			v := a.Int64Values()
			return func(i, j int) bool { return v[i] == v[j] }
		case *array.Int32:
			v := a.Int32Values()
			return func(i, j int) bool { return v[i] == v[j] }
		case *array.String:
			return func(i, j int) bool { return a.Value(i) == a.Value(j) }
		}
	}
	return func(i, j int) bool { return fqgw.Compare(fqgw.ArrowView(a, i, t), fqgw.ArrowView(a, j, t)) == 0 }
}

// Entities, Times, Known, Passed and Column implement fqgw.Run.
func (r *run) Entities() *fqgw.RunEntities { return &r.entities }

func (r *run) Times(group int) []int64 { return r.times[group] }

func (r *run) Known(group int) []int64 {
	if r.known == nil {
		return nil
	}
	return r.known[group]
}

func (r *run) Passed(group int) {
	r.pages.giveBack(arrow.GetBytes(r.times[group]))
	if r.known != nil {
		r.pages.giveBack(arrow.GetBytes(r.known[group]))
	}
}

func (r *run) Column(group int, name string) (out arrow.Array, err error) {
	at, ok := r.cols[name]
	if !ok {
		return nil, fqgw.Errorf(fqgw.CodeUndefinedColumn, "lake: run %s has no column \"%s\"", r.file.Path, name)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
		if err != nil {
			out, err = nil, fqgw.Errorf(fqgw.CodeIO, "lake: column \"%s\" of run %s cannot be read: %w", name, r.file.Path, err)
		}
	}()
	if out, ok = r.plain(group, at); ok {
		return out, nil
	}
	chunks, err := r.arrow.RowGroup(group).Column(at).Read(context.Background())
	if err != nil {
		return nil, err
	}
	defer chunks.Release()
	if len(chunks.Chunks()) == 1 {
		chunks.Chunk(0).Retain()
		return chunks.Chunk(0), nil
	}
	return array.Concatenate(chunks.Chunks(), memory.DefaultAllocator)
}

// plain is a column without NULLs as it lies in the file.
func (r *run) plain(group, at int) (arrow.Array, bool) {
	data, width, rows, nulls, ok := r.plainPage(group, at)
	if !ok || nulls != 0 || len(data) < rows*width {
		return nil, false
	}
	return r.values(data[len(data)-rows*width:], r.types[at], rows), true
}

// readWhole is a file in memory, where it cannot be mapped. It has no pages to give back.
func readWhole(path string) ([]byte, *pages, func(), error) {
	b, err := os.ReadFile(path)
	return b, &pages{}, func() {}, err
}
