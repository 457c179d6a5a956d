package iceberg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// Scan implements fqgw.History. The table is read as it is at the call, the
// files while the records are taken; rows come in the order they were written.
func (l *Lake) Scan(ctx context.Context, s fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	t, err := l.load(ctx, s.Table)
	if err != nil {
		return nil, nil, err
	}
	r, err := newReading(t, s)
	if err != nil {
		return nil, nil, err
	}
	var tasks []table.FileScanTask
	if r.at != nil {
		if tasks, err = r.plan(ctx); err != nil {
			return nil, nil, fail(err)
		}
	}
	slices.SortFunc(tasks, written)
	return r.schema, r.records(ctx, tasks), nil
}

// reading is a scan of a table as it was loaded.
type reading struct {
	table   *table.Table
	at      *table.Snapshot    // nil: the table was empty
	past    bool               // at is not simply the newest one
	options []table.ScanOption // of what is read, by the table's columns as they are now
	cols    []fqgw.Column
	fields  []string      // their names, at least one
	schema  *arrow.Schema // of the records
	batch   int64         // fqgw.Scan.Batch
	name    string        // of the table
	made    bool          // the table has the columns that fqgw made it with
}

func newReading(t *table.Table, s fqgw.Scan) (r reading, err error) {
	all, err := columns(t)
	if err != nil {
		return r, err
	}
	r.table, r.cols, r.batch, r.name, r.made = t, all, s.Batch, s.Table, asMade(t, all)
	if s.Columns != nil {
		r.cols = make([]fqgw.Column, len(s.Columns))
		for i, name := range s.Columns {
			if r.cols[i], err = column(all, name, s.Table); err != nil {
				return r, err
			}
		}
	}
	r.fields = names(r.cols)
	if len(r.fields) == 0 && len(all) > 0 { // only the count of rows is wanted; it comes with a column
		r.fields = names(all)[:1]
	}
	for _, name := range r.fields {
		if err := there(t, name, s.Table); err != nil {
			return r, err
		}
	}
	if s.Time != "" {
		c, err := column(all, s.Time, s.Table)
		if err == nil {
			err = there(t, s.Time, s.Table)
		}
		if err != nil {
			return r, err
		}
		if c.Type.Kind() != fqgw.KindTimestamp {
			return r, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "column \"%s\" of table \"%s\" is of type %s, not a timestamp", s.Time, s.Table, c.Type)
		}
		r.options = append(r.options, table.WithRowFilter(between(s)))
	}
	r.schema = optional(fqgw.ArrowSchema(r.cols))
	r.at, err = chosen(t, s)
	r.past = s.Snapshot != 0 || s.AsOf != 0
	return r, err
}

// plan finds the files of the snapshot. iceberg-go plans one of the past by the columns that
// the table had then: by the time that rows must have only where it was called as now.
func (r *reading) plan(ctx context.Context) ([]table.FileScanTask, error) {
	if !r.past {
		return r.table.Scan(r.options...).PlanFiles(ctx)
	}
	at := table.WithSnapshotID(r.at.SnapshotID)
	if id := r.at.SchemaID; id == nil || *id == r.table.Schema().ID {
		return r.table.Scan(append(slices.Clone(r.options), at)...).PlanFiles(ctx)
	}
	return r.table.Scan(at).PlanFiles(ctx)
}

// records are the rows of some parts of the table, in their order; they can be read
// more than once.
func (r *reading) records(ctx context.Context, tasks []table.FileScanTask) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, part := range stretches(tasks) {
			if !r.read(ctx, part, yield) {
				return
			}
		}
	}
}

// read yields the rows of parts whose files are all ours, or all of others; false when
// no more is wanted.
func (r *reading) read(ctx context.Context, tasks []table.FileScanTask, yield func(arrow.RecordBatch, error) bool) bool {
	failed := func(err error) bool {
		yield(nil, r.reads(fail(err)))
		return false
	}
	all, err := r.table.Scan(r.options...).Projection()
	if err != nil {
		return failed(err)
	}
	var constants []*constant
	made := r.made && ours(tasks[0])
	if made {
		constants = constantsOf(r.cols, all, tasks)
	}
	for _, c := range constants {
		defer c.release()
	}
	read := slices.DeleteFunc(slices.Clone(r.fields), func(name string) bool {
		return slices.ContainsFunc(constants, func(c *constant) bool { return c.column.Name == name })
	})
	if len(read) == 0 {
		read = r.fields[:1]
	}
	if more := witness(all, read, tasks); more != "" {
		read = append(read, more)
	}
	_, records, err := sized(r.table, tasks).Scan(append(slices.Clone(r.options), table.WithSelectedFields(read...), table.WithMaxConcurrency(readers(tasks)),
		table.WithArrowBatchSize(batchRows(r.batch, r.cols, tasks)))...).ReadTasks(ctx, readable(tasks))
	if err != nil {
		return failed(err)
	}
	for b, err := range records {
		if err == nil {
			b, err = withConstants(b, constants)
		}
		if err != nil {
			return failed(err)
		}
		var out arrow.RecordBatch
		if made {
			out, err = conform(b, r.schema) // iceberg-go gives columns in the table's order
		} else {
			out, err = checked(b, r.cols, r.schema, r.name, r.at.SnapshotID)
		}
		b.Release()
		if !yield(out, err) || err != nil {
			return false
		}
	}
	return true
}

// reads adds to an error of a file which snapshot has the file.
func (r *reading) reads(err error) error {
	var known *fqgw.Error
	if !errors.As(err, &known) || known.Detail != "" {
		return err
	}
	out := *known
	out.Detail = fmt.Sprintf("Table \"%s\" was read at snapshot %d.", r.name, r.at.SnapshotID)
	return &out
}

// aheadBytes is how large files are at most that are read while those before them are:
// the rows of one that is read ahead are in memory until their turn comes.
const aheadBytes = 8 << 20

// readers is how many files are read at once.
func readers(tasks []table.FileScanTask) int {
	for _, task := range tasks {
		if task.File.FileSizeBytes() > aheadBytes {
			return 1
		}
	}
	return 2
}

// sized is the table with files that are as long as it says.
func sized(t *table.Table, tasks []table.FileScanTask) *table.Table {
	sizes := map[string]int64{}
	for _, task := range tasks {
		sizes[task.File.FilePath()] = task.File.FileSizeBytes()
	}
	return table.New(t.Identifier(), t.Metadata(), t.MetadataLocation(), func(ctx context.Context) (iceio.IO, error) {
		files, err := t.FS(ctx)
		return sizedFiles{files, sizes}, err
	}, nil)
}

// sizedFiles refuse to open a file that is shorter or longer than it must be.
type sizedFiles struct {
	iceio.IO
	sizes map[string]int64
}

func (s sizedFiles) Open(name string) (iceio.File, error) {
	f, err := s.IO.Open(name)
	if err != nil {
		return nil, err
	}
	want, ok := s.sizes[name]
	if !ok {
		return f, nil
	}
	info, err := f.Stat()
	if err == nil && info.Size() != want {
		err = fqgw.Errorf(fqgw.CodeIO, "lake: file %s has %d bytes, but its table says %d", name, info.Size(), want)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// batchRows is how many rows of those columns a batch of so many bytes has. Texts count
// as short ones; of long ones few rows are a row group, and a batch is a part of one.
func batchRows(bytes int64, cols []fqgw.Column, tasks []table.FileScanTask) int {
	if bytes == 0 {
		bytes = batchBytes
	}
	row := int64(0)
	for _, c := range cols {
		if row += 8; c.Type.Kind() != fqgw.KindInt && c.Type.Kind() != fqgw.KindFloat && c.Type.Kind() != fqgw.KindTimestamp {
			row += 24
		}
	}
	n := min(bytes/max(row, 1), rowGroup)
	for _, t := range tasks {
		if groups := int64(len(t.File.SplitOffsets())); groups > 1 {
			n = min(n, t.File.Count()/groups*bytes/rowGroupBytes)
		}
	}
	return int(max(n, 1))
}

// written orders the parts of a scan as they were committed, and those of one
// commit as they were written; iceberg-go plans the newest first.
func written(a, b table.FileScanTask) int {
	return cmp.Or(cmp.Compare(sequenceOf(a), sequenceOf(b)), cmp.Compare(a.File.FilePath(), b.File.FilePath()), cmp.Compare(a.Start, b.Start))
}

func sequenceOf(t table.FileScanTask) int64 {
	if t.DataSequenceNumber == nil {
		return 0
	}
	return *t.DataSequenceNumber
}

// chosen is the snapshot to be read; nil when the table was empty then.
func chosen(t *table.Table, s fqgw.Scan) (*table.Snapshot, error) {
	gone := func(what string, at int64) error {
		return fqgw.Errorf(fqgw.CodeUndefinedObject, "table \"%s\" has no snapshot %s %d any more", s.Table, what, at).
			WithHint("The lake keeps the last snapshots of a table, and those that have a tag.")
	}
	switch {
	case s.Snapshot != 0:
		at := t.SnapshotByID(s.Snapshot)
		if at == nil {
			return nil, gone("with the id", s.Snapshot)
		}
		return at, nil
	case s.AsOf != 0:
		at := t.SnapshotAsOf(fqgw.FloorDiv(s.AsOf, 1000), true)
		if at == nil {
			for log := range t.Metadata().SnapshotLogs() { // the oldest that is left had a parent: it was expired
				if first := t.SnapshotByID(log.SnapshotID); first != nil && first.ParentSnapshotID != nil {
					return nil, gone("at", s.AsOf)
				}
				break
			}
		}
		return at, nil
	}
	return t.CurrentSnapshot(), nil
}

func column(all []fqgw.Column, name, of string) (fqgw.Column, error) {
	for _, c := range all {
		if c.Name == name {
			return c, nil
		}
	}
	err := fqgw.Errorf(fqgw.CodeUndefinedColumn, "table \"%s\" of the lake has no column \"%s\"", of, name)
	if near := fqgw.Nearest(name, names(all)); near != "" {
		return fqgw.Column{}, err.WithHint("Perhaps \"%s\" was meant.", near)
	}
	return fqgw.Column{}, err
}

// names are the distinct names.
func names(cols []fqgw.Column) []string {
	var out []string
	for _, c := range cols {
		if !slices.Contains(out, c.Name) {
			out = append(out, c.Name)
		}
	}
	return out
}

// optional is the schema with every field nullable: NOT NULL is a promise of the
// gate, not of the files.
func optional(s *arrow.Schema) *arrow.Schema {
	fields := slices.Clone(s.Fields())
	for i := range fields {
		fields[i].Nullable = true
	}
	return arrow.NewSchema(fields, nil)
}

// between prunes files and row groups and filters rows.
func between(s fqgw.Scan) iceberg.BooleanExpression {
	ref := iceberg.Reference(s.Time)
	var out iceberg.BooleanExpression = iceberg.NotNull(ref)
	if s.From != math.MinInt64 {
		out = iceberg.GreaterThanEqual(ref, iceberg.Timestamp(s.From))
	}
	if s.To != math.MaxInt64 {
		to := iceberg.LessThanEqual(ref, iceberg.Timestamp(s.To))
		if s.From == math.MinInt64 {
			return to
		}
		out = iceberg.NewAnd(out, to)
	}
	return out
}
