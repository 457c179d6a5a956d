package iceberg

import (
	"context"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// Scan implements fqgw.History.
func (l *Lake) Scan(ctx context.Context, s fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	t, err := l.catalog.LoadTable(ctx, ident(s.Table))
	if err != nil {
		return nil, nil, fail(err)
	}
	cols, err := columns(t)
	if err != nil {
		return nil, nil, err
	}
	cols, err = chosen(cols, s)
	if err != nil {
		return nil, nil, err
	}
	schema := fqgw.ArrowSchema(cols)
	options := []table.ScanOption{table.WithSelectedFields(names(cols)...), table.WithMaxConcurrency(2)}
	switch at := t.CurrentSnapshot(); {
	case at == nil:
		return schema, none, nil
	case s.Snapshot != 0:
		options = append(options, table.WithSnapshotID(s.Snapshot))
	case s.AsOf != 0:
		if at = t.SnapshotAsOf(s.AsOf/1000, true); at == nil {
			return schema, none, nil
		}
		options = append(options, table.WithSnapshotID(at.SnapshotID))
	}
	if s.Time != "" {
		if f := timeFilter(s); f != nil {
			options = append(options, table.WithRowFilter(f))
		}
	}
	_, records, err := t.Scan(options...).ToArrowRecords(ctx)
	if err != nil {
		return nil, nil, fail(err)
	}
	return schema, func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range records {
			if err != nil {
				yield(nil, fail(err))
				return
			}
			out, err := ordered(b, schema)
			b.Release()
			if !yield(out, err) || err != nil {
				return
			}
		}
	}, nil
}

func none(func(arrow.RecordBatch, error) bool) {}

func chosen(all []fqgw.Column, s fqgw.Scan) ([]fqgw.Column, error) {
	if s.Columns == nil {
		return all, nil
	}
	out := make([]fqgw.Column, len(s.Columns))
	for i, name := range s.Columns {
		found := false
		for _, c := range all {
			if c.Name == name {
				out[i], found = c, true
			}
		}
		if !found {
			return nil, fqgw.Errorf(fqgw.CodeUndefinedColumn, "lake: table %s has no column \"%s\"", s.Table, name)
		}
	}
	return out, nil
}

func names(cols []fqgw.Column) []string {
	out := make([]string, 0, len(cols))
	seen := map[string]bool{}
	for _, c := range cols {
		if !seen[c.Name] {
			seen[c.Name] = true
			out = append(out, c.Name)
		}
	}
	return out
}

// timeFilter prunes files and row groups and filters rows; nil when it would not restrict.
func timeFilter(s fqgw.Scan) iceberg.BooleanExpression {
	ref := iceberg.Reference(s.Time)
	lo, hi := s.From != math.MinInt64, s.To != math.MaxInt64
	switch {
	case lo && hi:
		return iceberg.NewAnd(iceberg.GreaterThanEqual(ref, iceberg.Timestamp(s.From)), iceberg.LessThanEqual(ref, iceberg.Timestamp(s.To)))
	case lo:
		return iceberg.GreaterThanEqual(ref, iceberg.Timestamp(s.From))
	case hi:
		return iceberg.LessThanEqual(ref, iceberg.Timestamp(s.To))
	}
	return nil
}

// ordered is the batch with its columns in the schema's order: iceberg-go gives
// them in the table's.
func ordered(b arrow.RecordBatch, schema *arrow.Schema) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, schema.NumFields())
	fields := make([]arrow.Field, len(cols))
	for i, f := range schema.Fields() {
		at := b.Schema().FieldIndices(f.Name)
		if len(at) == 0 {
			return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "lake: a data file has no column \"%s\"", f.Name)
		}
		cols[i] = b.Column(at[0])
		fields[i] = arrow.Field{Name: f.Name, Type: cols[i].DataType(), Nullable: true}
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, b.NumRows()), nil
}
