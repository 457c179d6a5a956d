package iceberg

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
)

// Other programs may change the tables that fqgw made, and write to them. What
// follows keeps to what fqgw knows of a table, its columns by name with PostgreSQL's
// types, which are narrower than Iceberg's.

// ourFile is the name of a data file that fqgw wrote: its values are of their columns'
// types.
var ourFile = regexp.MustCompile(`^(run-|merged-1-\d+-[0-9a-f]{16}-)?[A-Z2-7]{26}(-\d{5}){1,2}\.parquet$`)

func ours(t table.FileScanTask) bool { return ourFile.MatchString(path.Base(t.File.FilePath())) }

// stretches are the tasks in their order, cut where the files' writer changes.
func stretches(tasks []table.FileScanTask) (out [][]table.FileScanTask) {
	from, before := 0, false
	for i, t := range tasks {
		is := ours(t)
		if i > from && is != before {
			out, from = append(out, tasks[from:i]), i
		}
		before = is
	}
	if len(tasks) > from {
		out = append(out, tasks[from:])
	}
	return out
}

// gone is the error of a column that a table had when fqgw made it.
func gone(column, of string) error {
	return fqgw.Errorf(fqgw.CodeUndefinedColumn, "column \"%s\" is no longer in table \"%s\" of the lake", column, of).
		WithHint("Another program dropped it, or gave it another name. " +
			"fqgw knows the columns of its tables by name: with the old name it reads the rows again.")
}

// there is gone for a column that a table has no longer.
func there(t *table.Table, column, of string) error {
	if _, ok := t.Schema().FindFieldByName(column); !ok {
		return gone(column, of)
	}
	return nil
}

// asMade says whether a table has just the columns that it was made with.
func asMade(t *table.Table, cols []fqgw.Column) bool {
	made, err := icebergSchema(cols)
	return err == nil && slices.EqualFunc(made.Fields(), t.Schema().Fields(), func(a, b iceberg.NestedField) bool {
		as, err := arrowType(a)
		is, other := arrowType(b)
		return err == nil && other == nil && a.Name == b.Name && a.Required == b.Required && arrow.TypeEqual(as, is)
	})
}

// checked gives a batch that others may have written the columns of a scan, as
// PostgreSQL assigns the values: a number that is too large for its column, or a text
// that is no value of it, is the error that it would be there.
func checked(b arrow.RecordBatch, cols []fqgw.Column, schema *arrow.Schema, of string, snapshot int64) (arrow.RecordBatch, error) {
	out := make([]arrow.Array, 0, len(cols))
	defer func() {
		for _, a := range out {
			a.Release()
		}
	}()
	for _, c := range cols {
		a, err := checkedColumn(b, c, of)
		if err != nil {
			e := *fqgw.AsError(err)
			return nil, e.WithDetail("Column \"%s\" of table \"%s\" at snapshot %d, as another program wrote it.", c.Name, of, snapshot)
		}
		out = append(out, a)
	}
	return array.NewRecordBatch(schema, out, b.NumRows()), nil
}

func checkedColumn(b arrow.RecordBatch, c fqgw.Column, of string) (arrow.Array, error) {
	at := b.Schema().FieldIndices(c.Name)
	if len(at) == 0 {
		return nil, gone(c.Name, of)
	}
	a := b.Column(at[0])
	if c.NotNull && a.NullN() > 0 {
		return nil, &fqgw.Error{Code: fqgw.CodeNotNullViolation, Column: c.Name,
			Message: fmt.Sprintf("null value in column \"%s\" of table \"%s\" violates not-null constraint", c.Name, of)}
	}
	read, err := decode.NewColumn(a.DataType(), c)
	if err != nil {
		return nil, err
	}
	a, _, err = read.Read(a)
	if err != nil {
		return nil, err
	}
	defer a.Release()
	data, ok := retyped(a.Data(), fqgw.ArrowType(c.Type))
	if !ok {
		return nil, fqgw.Errorf(fqgw.CodeInternal, "a column of type %s was read as %s", fqgw.ArrowType(c.Type), a.DataType())
	}
	defer data.Release()
	return array.MakeFromData(data), nil
}

// fitting gives a batch the fields of a table as it is now, which others may have
// changed: a column that others added is NULL, one that they made wider is written so.
// The caller releases the result, and keeps b.
func (d *dataFiles) fitting(b arrow.RecordBatch) (arrow.RecordBatch, error) {
	schema, of := d.schema, strings.Join(d.table.Identifier(), ".")
	for _, f := range b.Schema().Fields() {
		if len(schema.FieldIndices(f.Name)) == 0 {
			return nil, gone(f.Name, of)
		}
	}
	cols := make([]arrow.Array, 0, schema.NumFields())
	defer func() {
		for _, a := range cols {
			a.Release()
		}
	}()
	fields := schema.Fields()
	for i, f := range fields {
		a, err := fittingColumn(b, f, d.added[f.Name])
		if err != nil {
			return nil, err
		}
		if cols = append(cols, a); !f.Nullable && a.NullN() > 0 {
			return nil, &fqgw.Error{Code: fqgw.CodeNotNullViolation, Column: f.Name,
				Message: fmt.Sprintf("null value in column \"%s\" of table \"%s\" violates not-null constraint", f.Name, of),
				Hint:    "Another program made the column NOT NULL in the lake."}
		}
		fields[i].Type = a.DataType()
	}
	meta := schema.Metadata()
	return array.NewRecordBatch(arrow.NewSchema(fields, &meta), cols, b.NumRows()), nil
}

func fittingColumn(b arrow.RecordBatch, f arrow.Field, added bool) (arrow.Array, error) {
	at := b.Schema().FieldIndices(f.Name)
	switch {
	case len(at) == 0 && !added:
		return nil, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "the rows have no column \"%s\"", f.Name)
	case len(at) == 0:
		return array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, int(b.NumRows())), nil
	}
	a := b.Column(at[0])
	data, ok := retyped(a.Data(), f.Type)
	defer data.Release()
	if ok {
		return array.MakeFromData(data), nil
	}
	if !wider(a.DataType(), f.Type) {
		return nil, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "column \"%s\" is of type %s, not %s", f.Name, a.DataType(), f.Type)
	}
	return compute.CastArray(context.Background(), a, compute.SafeCastOptions(f.Type))
}

// wider says whether Iceberg lets a column go from the one type to the other.
func wider(from, to arrow.DataType) bool {
	switch from := from.(type) {
	case *arrow.Int32Type:
		return to.ID() == arrow.INT64
	case *arrow.Float32Type:
		return to.ID() == arrow.FLOAT64
	case *arrow.Decimal128Type:
		t, ok := to.(*arrow.Decimal128Type)
		return ok && t.Scale == from.Scale && t.Precision >= from.Precision
	}
	return false
}
