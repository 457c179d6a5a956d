package iceberg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/sound"
	"github.com/fqgw/fqgw/stream/decode"
)

// Tables are the tables of a lake as others write them: an fqgw.Foreign. A source
// names one by its option table, and one state of it by snapshot or tag. Safe for
// concurrent use.
type Tables struct {
	lake  *Lake
	sound sync.Map // files with columns that were found to be so: they never change
}

// Tables are the lake's tables.
func (l *Lake) Tables() *Tables { return &Tables{lake: l} }

// name is the table of a source.
func name(s *fqgw.Source) string { return s.Options["table"] }

// open loads the table of a source.
func (f *Tables) open(ctx context.Context, s *fqgw.Source) (*table.Table, error) {
	id := table.Identifier(strings.Split(name(s), "."))
	if len(id) == 1 {
		id = ident(name(s))
	}
	t, err := f.lake.catalog.LoadTable(ctx, id)
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		e := fqgw.Errorf(fqgw.CodeUndefinedTable, "table \"%s\" does not exist in the lake", name(s))
		all, _ := f.all(ctx, id[:len(id)-1]) // for the hint alone
		if near := fqgw.Nearest(strings.Join(id, "."), all); near != "" {
			e = e.WithHint("Perhaps you meant \"%s\".", near)
		}
		return nil, e
	}
	return t, broken(s, 0, err)
}

// all are the tables of a namespace.
func (f *Tables) all(ctx context.Context, namespace table.Identifier) (out []string, err error) {
	for id, err := range f.lake.catalog.ListTables(ctx, namespace) {
		if err != nil {
			return nil, err
		}
		out = append(out, strings.Join(id, "."))
	}
	slices.Sort(out)
	return out, nil
}

// Tables implements fqgw.Foreign.
func (f *Tables) Tables(ctx context.Context, schema string) ([]string, error) {
	id := table.Identifier(strings.Split(schema, "."))
	there, err := f.lake.catalog.CheckNamespaceExists(ctx, id)
	if err == nil && !there {
		return nil, fqgw.Errorf(fqgw.CodeInvalidSchema, "namespace \"%s\" does not exist in the lake", schema)
	}
	if err != nil {
		return nil, fail(err)
	}
	out, err := f.all(ctx, id)
	return out, fail(err)
}

// broken is an error of reading a table, which it names, and the snapshot if there is one.
func broken(s *fqgw.Source, snapshot int64, err error) error {
	var known *fqgw.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	what := "table \"" + name(s) + "\""
	if snapshot != 0 {
		what += " at snapshot " + strconv.FormatInt(snapshot, 10)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fqgw.Errorf("58P01", "%s names a file that is not there: %w", what, err).
			WithHint("Another engine may have expired the snapshot or removed the file; a newer snapshot may be whole.")
	}
	if out := ofServer(err); out != nil {
		return out
	}
	return fqgw.Errorf(fqgw.CodeIO, "%s cannot be read: %w", what, err)
}

// at is the snapshot that a scan reads; nil when the table had no rows then.
func (f *Tables) at(t *table.Table, s *fqgw.Source, sc fqgw.Scan) (*table.Snapshot, error) {
	sc.Table = name(s)
	if tag := s.Options["tag"]; tag != "" {
		at := t.SnapshotByName(tag)
		if at == nil {
			return nil, fqgw.Errorf(fqgw.CodeUndefinedObject, "table \"%s\" has no tag or branch \"%s\"", name(s), tag)
		}
		return at, nil
	}
	if text := s.Options["snapshot"]; text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "\"%s\" is not the id of a snapshot", text)
		}
		sc.Snapshot = id
	}
	return chosen(t, sc)
}

// Current implements fqgw.Foreign.
func (f *Tables) Current(ctx context.Context, s *fqgw.Source) (fqgw.Snapshot, error) {
	t, err := f.open(ctx, s)
	if err != nil {
		return fqgw.Snapshot{}, err
	}
	at, err := f.at(t, s, fqgw.Scan{})
	if err != nil || at == nil {
		return fqgw.Snapshot{}, err
	}
	out := fqgw.Snapshot{ID: at.SnapshotID, Committed: at.TimestampMs * 1000}
	if at.ParentSnapshotID != nil {
		out.Parent = *at.ParentSnapshotID
	}
	if at.Summary != nil {
		out.Rows, _ = strconv.ParseInt(at.Summary.Properties["total-records"], 10, 64)
		out.Bytes, _ = strconv.ParseInt(at.Summary.Properties["total-files-size"], 10, 64)
	}
	return out, nil
}

// Columns implements fqgw.Foreign. What fqgw hides in its own tables is not shown.
func (f *Tables) Columns(ctx context.Context, s *fqgw.Source) ([]fqgw.Column, error) {
	t, err := f.open(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, err := f.at(t, s, fqgw.Scan{}); err != nil {
		return nil, err
	}
	if len(s.Columns) > 0 {
		for i := range s.Columns {
			if _, err := findField(t.Schema(), s, i); err != nil {
				return nil, err
			}
		}
		return s.Columns, nil
	}
	kept, _ := columns(t) // of a table that fqgw made
	var out []fqgw.Column
	for _, field := range t.Schema().Fields() {
		if strings.HasPrefix(field.Name, "_fq_") {
			continue
		}
		c := fqgw.Column{Name: field.Name, NotNull: field.Required}
		if i := slices.IndexFunc(kept, func(c fqgw.Column) bool { return c.Name == field.Name }); i >= 0 &&
			t.Properties()[columnsProperty] != "" {
			next := 0
			if as, err := icebergType(kept[i].Type, &next); err == nil && as.String() == field.Type.String() {
				c.Type, c.NotNull = kept[i].Type, c.NotNull || kept[i].NotNull
				out = append(out, c)
				continue
			}
		}
		from, err := arrowType(field)
		ok := err == nil
		if ok {
			c.Type, ok = decode.NearestType(from)
		}
		if !ok {
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "column \"%s\" of table \"%s\" has the type %s, which fqgw cannot read", field.Name, name(s), field.Type).
				WithHint("Write the columns that are wanted: CREATE SOURCE %s (column type, …) WITH (…).", s.Name)
		}
		out = append(out, c)
	}
	return out, nil
}

// arrowType is how iceberg-go gives a field.
func arrowType(f iceberg.NestedField) (arrow.DataType, error) {
	return table.TypeToArrowType(f.Type, false, false)
}

// wanted is a column of a source in a table's schema.
type wanted struct {
	top  iceberg.NestedField // the field of the table that has it
	deep int                 // how far below it
	last iceberg.NestedField // the field itself
	read *decode.Column
}

// findField finds column i of a source in a schema: 42703 when it is not there, 42804
// when it cannot be read as its type.
func findField(schema *iceberg.Schema, s *fqgw.Source, i int) (*wanted, error) {
	c := s.Columns[i]
	field := c.Name
	if c.Field != "" {
		field = c.Field
	}
	top, ok := schema.FindFieldByName(field)
	w := &wanted{top: top, last: top}
	if !ok || !slices.ContainsFunc(schema.Fields(), func(f iceberg.NestedField) bool { return f.ID == top.ID }) {
		parts := strings.Split(field, ".")
		top, ok = schema.FindFieldByName(parts[0])
		w = &wanted{top: top, last: top}
		for _, part := range parts[1:] {
			st, isStruct := w.last.Type.(*iceberg.StructType)
			at := -1
			if ok = ok && isStruct; ok {
				at = slices.IndexFunc(st.FieldList, func(f iceberg.NestedField) bool { return f.Name == part })
			}
			if ok = at >= 0; !ok {
				break
			}
			w.deep, w.last = w.deep+1, st.FieldList[at]
		}
		ok = ok && (len(parts) > 1 || w.top.Name == field)
	}
	if !ok {
		e := fqgw.Errorf(fqgw.CodeUndefinedColumn, "table \"%s\" has no column \"%s\"", name(s), field)
		var all []string
		for _, f := range schema.Fields() {
			all = append(all, f.Name)
		}
		if near := fqgw.Nearest(field, all); near != "" {
			e = e.WithHint("It has \"%s\"; WITH (field.%s = '%[1]s') reads that.", near, c.Name)
		}
		return nil, e
	}
	from, err := arrowType(w.last)
	if err != nil {
		return nil, fqgw.Errorf(
			fqgw.CodeFeatureNotSupported,
			"column \"%s\" of table \"%s\" has the type %s, which fqgw cannot read",
			field,
			name(s),
			w.last.Type,
		)
	}
	w.read, err = decode.NewColumn(from, c)
	return w, err
}

// Scan implements fqgw.Foreign. Deletes of either kind are applied. The columns are
// those of the table's schema of now, also of a snapshot from before: a column that
// was added since is NULL there, and one that was renamed is found.
func (f *Tables) Scan(ctx context.Context, s *fqgw.Source, sc fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	t, err := f.open(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	fields, schema, cut, err := decode.Asked(s, sc)
	if err != nil {
		return nil, nil, err
	}
	r := &foreignReading{tables: f, source: s, table: t, schema: decode.Schema(s, fields), cut: cut}
	for _, i := range fields {
		w, err := findField(t.Schema(), s, i)
		if err != nil {
			return nil, nil, err
		}
		r.wanted = append(r.wanted, w)
	}
	if r.at, err = f.at(t, s, sc); err != nil || r.at == nil {
		return schema, func(func(arrow.RecordBatch, error) bool) {}, err
	}
	return schema, r.records(ctx, fields, sc), nil
}

// foreignReading is a scan of a table as it was loaded.
type foreignReading struct {
	tables *Tables
	source *fqgw.Source
	table  *table.Table
	at     *table.Snapshot
	since  int64         // only what was appended after this snapshot; 0: all
	schema *arrow.Schema // of the batches before the cut
	cut    *decode.Cut
	wanted []*wanted
	then   *iceberg.Schema // of the snapshot
}

// plan finds the files. iceberg-go reads a snapshot by the schema of its time.
func (r *foreignReading) plan(ctx context.Context, fields []int, sc fqgw.Scan) (scan *table.Scan, tasks []table.FileScanTask, err error) {
	r.then = r.table.Schema()
	var options []table.ScanOption
	if now := r.table.CurrentSnapshot(); now == nil || now.SnapshotID != r.at.SnapshotID {
		options = append(options, table.WithSnapshotID(r.at.SnapshotID))
		if id := r.at.SchemaID; id != nil {
			for _, schema := range r.table.Metadata().Schemas() {
				if schema.ID == *id {
					r.then = schema
				}
			}
		}
	}
	var selected []string
	for _, w := range r.wanted {
		if top, ok := r.then.FindFieldByID(w.top.ID); ok && !slices.Contains(selected, top.Name) {
			selected = append(selected, top.Name)
		}
	}
	if len(selected) == 0 { // only the number of rows is wanted, or what came later
		selected = []string{r.then.Fields()[0].Name}
	}
	if filter := r.filter(sc); filter != nil {
		options = append(options, table.WithRowFilter(filter))
	}
	options = append(options, table.WithSelectedFields(selected...))
	if r.since != 0 {
		tasks, err = r.table.NewIncrementalAppendScan(options...).FromSnapshotExclusive(r.since).ToSnapshot(r.at.SnapshotID).PlanFiles(ctx)
	} else {
		tasks, err = r.table.Scan(options...).PlanFiles(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(tasks, written)
	if more := witness(r.then, selected, tasks); more != "" {
		options = append(options, table.WithSelectedFields(append(selected, more)...))
	}
	cols := make([]fqgw.Column, len(fields))
	for i, f := range fields {
		cols[i] = r.source.Columns[f]
	}
	return r.table.Scan(append(options, table.WithMaxConcurrency(readers(tasks)), table.WithArrowBatchSize(batchRows(sc.Batch, cols, tasks)))...), tasks, nil
}

// filter is what of the scan's times iceberg-go can be asked; files are pruned by it. The
// cut has the last word.
func (r *foreignReading) filter(sc fqgw.Scan) iceberg.BooleanExpression {
	if sc.Time == "" || sc.From == math.MinInt64 && sc.To == math.MaxInt64 {
		return nil
	}
	w, err := findField(r.table.Schema(), r.source, r.source.EventTime)
	if err != nil || w.deep > 0 {
		return nil
	}
	field, ok := r.then.FindFieldByID(w.top.ID)
	if !ok {
		return nil
	}
	switch field.Type.(type) {
	case iceberg.TimestampType, iceberg.TimestampTzType:
	default:
		return nil
	}
	sc.Time = field.Name
	// iceberg-go v0.7.0 counts the values of a row group without its NULLs, so that it
	// takes one of which half are NULL for one that has no others, and passes it over.
	return iceberg.NewOr(between(sc), iceberg.IsNull(iceberg.Reference(field.Name)))
}

func (r *foreignReading) records(ctx context.Context, fields []int, sc fqgw.Scan) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		scan, tasks, err := r.plan(ctx, fields, sc)
		if err != nil {
			yield(nil, broken(r.source, r.at.SnapshotID, err))
			return
		}
		if len(tasks) == 0 {
			return
		}
		for part := range slices.Chunk(tasks, partTasks) {
			if err := r.check(ctx, part); err != nil {
				yield(nil, broken(r.source, r.at.SnapshotID, err))
				return
			}
			if !r.read(ctx, scan, part, yield) {
				return
			}
		}
	}
}

// partTasks is how many files are looked at, and then read, at a time.
const partTasks = 16

// read yields the batches of some files; false when no more is wanted.
func (r *foreignReading) read(
	ctx context.Context,
	scan *table.Scan,
	tasks []table.FileScanTask,
	yield func(arrow.RecordBatch, error) bool,
) bool {
	_, records, err := scan.ReadTasks(ctx, readable(tasks))
	if err != nil {
		yield(nil, broken(r.source, r.at.SnapshotID, err))
		return false
	}
	for b, err := range records {
		if err == nil {
			b, err = r.batch(ctx, b)
		}
		if err != nil {
			yield(nil, broken(r.source, r.at.SnapshotID, err))
			return false
		}
		if b != nil && !yield(b, nil) {
			return false
		}
	}
	return true
}

// check looks whether files can be read, with those of their deletes, once in the life
// of the process: iceberg-go reads in goroutines of its own, whose panics end it.
func (r *foreignReading) check(ctx context.Context, tasks []table.FileScanTask) error {
	files, err := r.table.FS(ctx)
	if err != nil {
		return err
	}
	top := map[int32]bool{}
	note := func(id int) {
		for _, f := range r.table.Schema().Fields() {
			if hasID(f, id) {
				top[int32(f.ID)] = true
			}
		}
	}
	for _, w := range r.wanted {
		note(w.top.ID)
	}
	if w, err := findField(r.table.Schema(), r.source, r.source.EventTime); err == nil {
		note(w.top.ID)
	}
	for _, t := range tasks {
		for _, d := range t.EqualityDeleteFiles {
			for _, id := range d.EqualityFieldIDs() {
				note(id)
			}
		}
	}
	wanted := func(n schema.Node) bool { return n.FieldID() < 0 || top[n.FieldID()] }
	key := fmt.Sprint(slices.Sorted(maps.Keys(top)))
	for _, t := range tasks {
		if err := r.checkFile(ctx, files, t.File, key, wanted); err != nil {
			return err
		}
		for _, d := range slices.Concat(t.DeleteFiles, t.EqualityDeleteFiles) {
			if err := r.checkFile(ctx, files, d, "", nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *foreignReading) checkFile(
	ctx context.Context,
	files iceio.IO,
	f iceberg.DataFile,
	key string,
	wanted func(schema.Node) bool,
) error {
	if key += " " + f.FilePath(); f.FileFormat() != iceberg.ParquetFile {
		return nil
	}
	if _, known := r.tables.sound.Load(key); known {
		return nil
	}
	in, err := files.Open(f.FilePath())
	if err != nil {
		return err
	}
	defer in.Close()
	if err := sound.Check(ctx, in, wanted); err != nil {
		e := fqgw.AsError(err)
		return fqgw.Errorf(e.Code, "%s", e.Message).
			WithDetail("File \"%s\" of table \"%s\" at snapshot %d.", f.FilePath(), name(r.source), r.at.SnapshotID)
	}
	r.tables.sound.Store(key, true)
	return nil
}

// batch is what the scan wants of a batch, which it takes; nil for nothing.
func (r *foreignReading) batch(ctx context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	defer b.Release()
	out := make([]arrow.Array, 0, len(r.wanted))
	defer func() {
		for _, a := range out {
			a.Release()
		}
	}()
	for i, w := range r.wanted {
		a, err := r.column(b, w, r.schema.Field(i).Type)
		if err != nil {
			e := *fqgw.AsError(err)
			at := fmt.Sprintf("Column \"%s\" of table \"%s\" at snapshot %d. %s", w.last.Name, name(r.source), r.at.SnapshotID, e.Detail)
			return nil, e.WithDetail("%s", strings.TrimSpace(at))
		}
		out = append(out, a)
	}
	fields := r.schema.Fields()
	for i := range fields {
		fields[i].Type = out[i].DataType()
	}
	return r.cut.Within(ctx, array.NewRecordBatch(arrow.NewSchema(fields, nil), out, b.NumRows()))
}

// column reads a column of the batch; one that the snapshot did not have is NULL.
func (r *foreignReading) column(b arrow.RecordBatch, w *wanted, as arrow.DataType) (arrow.Array, error) {
	null := func() arrow.Array { return array.MakeArrayOfNull(memory.DefaultAllocator, as, int(b.NumRows())) }
	top, ok := r.then.FindFieldByID(w.top.ID)
	if !ok {
		return null(), nil
	}
	at := b.Schema().FieldIndices(top.Name)
	if len(at) == 0 {
		return nil, fqgw.Errorf(fqgw.CodeInternal, "iceberg-go did not give column \"%s\"", top.Name)
	}
	a := b.Column(at[0])
	for range w.deep {
		st, ok := top.Type.(*iceberg.StructType)
		if !ok {
			return null(), nil
		}
		// The names below are those of the schema of now; the ids tell the fields.
		i := slices.IndexFunc(st.FieldList, func(f iceberg.NestedField) bool { return hasID(f, w.last.ID) })
		if i < 0 {
			return null(), nil
		}
		top, a = st.FieldList[i], a.(*array.Struct).Field(i)
	}
	read := w.read
	if from := a.DataType(); top.Type.String() != w.last.Type.String() { // it was another type then
		var err error
		if read, err = decode.NewColumn(from, read.Of()); err != nil {
			return nil, err
		}
	}
	out, _, err := read.Read(a)
	return out, err
}

// hasID says whether a field is the one of that id, or has it below.
func hasID(f iceberg.NestedField, id int) bool {
	if f.ID == id {
		return true
	}
	st, ok := f.Type.(*iceberg.StructType)
	return ok && slices.ContainsFunc(st.FieldList, func(f iceberg.NestedField) bool { return hasID(f, id) })
}

// Added implements fqgw.Foreign. What rewrites files and changes no rows does not count.
func (f *Tables) Added(ctx context.Context, s *fqgw.Source, from, to int64) (fqgw.Records, bool, error) {
	t, err := f.open(ctx, s)
	if err != nil {
		return nil, false, err
	}
	for id := to; id != from; {
		at := t.SnapshotByID(id)
		if at == nil || at.Summary == nil || at.ParentSnapshotID == nil {
			return nil, false, nil
		}
		if op := at.Summary.Operation; op != table.OpAppend && op != table.OpReplace {
			return nil, false, nil
		}
		id = *at.ParentSnapshotID
	}
	if from == to {
		return func(func(arrow.RecordBatch, error) bool) {}, true, nil
	}
	fields, err := decode.Fields(s, nil)
	if err != nil {
		return nil, false, err
	}
	r := &foreignReading{
		tables: f, source: s,
		table:  t,
		at:     t.SnapshotByID(to),
		since:  from,
		schema: decode.Schema(s, fields),
		cut:    decode.NewCut(s, fields, fqgw.Scan{}),
	}
	for _, i := range fields {
		w, err := findField(t.Schema(), s, i)
		if err != nil {
			return nil, false, err
		}
		r.wanted = append(r.wanted, w)
	}
	return r.records(ctx, fields, fqgw.Scan{}), true, nil
}
