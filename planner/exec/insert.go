package exec

import (
	"context"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// insertRows is how many rows go to a topic or into a batch at once.
// So many bytes of them, or one row more, make a smaller one.
const (
	insertRows  = 10_000
	insertBytes = 8 << 20
)

// Target is where INSERT and COPY FROM put rows: a source or a table, and which
// of its columns the rows have. Field len(columns) of a source is _fq_known_at.
type Target struct {
	Source *fqgw.Source
	Table  *fqgw.Table
	Fields []int
}

// Types are the types of the target's columns, one per field.
func (t *Target) Types() []fqgw.Type {
	out := make([]fqgw.Type, len(t.Fields))
	for i, f := range t.Fields {
		out[i] = t.column(f).Type
	}
	return out
}

func (t *Target) columns() []fqgw.Column {
	if t.Source != nil {
		return t.Source.Columns
	}
	return t.Table.Columns
}

func (t *Target) column(f int) fqgw.Column {
	if cols := t.columns(); f < len(cols) {
		return cols[f]
	}
	return fqgw.Column{Name: fqgw.ColKnownAt, Type: fqgw.Timestamptz}
}

// Insert writes rows, which must have the target's types; it returns when they
// are acknowledged or committed. Nothing is written when a row is refused.
func (e *Engine) Insert(ctx context.Context, s Session, t Target, rows fqgw.Rows) (int64, error) {
	defer rows.Close()
	if t.Table != nil {
		if temp := s.TempTable(t.Table); temp != nil {
			return e.Fill(s, temp, &placed{rows: rows, target: &t})
		}
		return e.o.History.Append(ctx, t.Table.History, records(&placed{rows: rows, target: &t}, t.Table.Columns))
	}
	w, err := e.collect(s, t, rows)
	if err != nil {
		return 0, err
	}
	return int64(len(w.Rows)), e.o.Streams.Insert(ctx, w.Source, w.Rows, w.Known)
}

// Fill adds rows, whose values are the table's, to a temporary table: all or none.
func (e *Engine) Fill(s Session, temp *TempTable, rows fqgw.Rows) (int64, error) {
	defer rows.Close()
	var all [][]fqgw.Value
	room, size := s.Room(), int64(0)
	for {
		row, err := rows.Next()
		if err == io.EOF {
			break
		}
		n := fqgw.RowBytes(row)
		if err == nil {
			err = room.Take(n)
		}
		if err != nil {
			room.Give(size)
			return 0, err
		}
		size += n
		all = append(all, append([]fqgw.Value(nil), row...))
	}
	temp.Rows = append(temp.Rows, all...)
	temp.Bytes += size
	return int64(len(all)), nil
}

// placed puts the fields of incoming rows at their columns and checks NOT NULL
// of tables; a source's gate checks its own.
type placed struct {
	rows   fqgw.Rows
	target *Target
	row    []fqgw.Value
}

func (p *placed) Next() ([]fqgw.Value, error) {
	in, err := p.rows.Next()
	if err != nil {
		return nil, err
	}
	cols := p.target.columns()
	width := len(cols)
	for _, f := range p.target.Fields {
		width = max(width, f+1)
	}
	if p.row == nil {
		p.row = make([]fqgw.Value, width)
	}
	clear(p.row)
	for i, f := range p.target.Fields {
		p.row[f] = in[i]
	}
	if p.target.Table != nil {
		for i := range cols {
			if cols[i].NotNull && p.row[i].IsNull() {
				e := fqgw.Errorf(fqgw.CodeNotNullViolation, "null value in column \"%s\" of relation \"%s\" violates not-null constraint", cols[i].Name, p.target.Table.Name)
				e.Column = cols[i].Name
				return nil, e
			}
		}
	}
	return p.row, nil
}

func (p *placed) Close() error { return p.rows.Close() }

// asIs says that the rows are those of the target already.
func (p *placed) asIs() bool {
	cols := p.target.columns()
	for i, f := range p.target.Fields {
		if f != i {
			return false
		}
	}
	return len(p.target.Fields) == len(cols) && !slices.ContainsFunc(cols, func(c fqgw.Column) bool { return c.NotNull })
}

// records is rows as Arrow batches; it closes them.
func records(rows fqgw.Rows, cols []fqgw.Column) fqgw.Records {
	if p, ok := rows.(*placed); ok && p.asIs() {
		rows = p.rows
	}
	if batches, ok := batchesOf(rows); ok {
		return asColumns(rows, batches, cols)
	}
	return func(yield func(arrow.RecordBatch, error) bool) {
		defer rows.Close()
		b := array.NewRecordBuilder(memory.DefaultAllocator, fqgw.ArrowSchema(cols))
		defer b.Release()
		n, size := 0, int64(0)
		for {
			row, err := rows.Next()
			if err == nil {
				for i := range cols {
					if err = fqgw.AppendValue(b.Field(i), row[i], cols[i].Type); err != nil {
						break
					}
				}
			}
			if err != nil && err != io.EOF {
				yield(nil, err)
				return
			}
			if err == nil {
				n++
				size += fqgw.RowBytes(row)
			}
			if n > 0 && (n == insertRows || size > insertBytes || err == io.EOF) {
				if !yield(b.NewRecordBatch(), nil) {
					return
				}
				n, size = 0, 0
			}
			if err == io.EOF {
				return
			}
		}
	}
}

// asColumns are the batches of rows as those of columns; the rows are closed.
func asColumns(rows fqgw.Rows, in fqgw.Records, cols []fqgw.Column) fqgw.Records {
	schema := fqgw.ArrowSchema(cols)
	return func(yield func(arrow.RecordBatch, error) bool) {
		defer rows.Close()
		for b, err := range in {
			if err != nil {
				yield(nil, err)
				return
			}
			out, err := typed(b, cols, schema)
			b.Release()
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

// typed is a batch in the types of a schema, which is that of cols.
func typed(b arrow.RecordBatch, cols []fqgw.Column, schema *arrow.Schema) (arrow.RecordBatch, error) {
	arrays := slices.Clone(b.Columns())
	for i, a := range arrays {
		if arrow.TypeEqual(a.DataType(), schema.Field(i).Type) {
			continue
		}
		to := array.NewBuilder(memory.DefaultAllocator, schema.Field(i).Type)
		defer to.Release()
		for row := range a.Len() {
			if err := fqgw.AppendValue(to, fqgw.ArrowView(a, row, cols[i].Type), cols[i].Type); err != nil {
				return nil, err
			}
		}
		arrays[i] = to.NewArray()
		defer arrays[i].Release()
	}
	return array.NewRecordBatch(schema, arrays, b.NumRows()), nil
}

// Assign converts a value for a column or parameter as an assignment does.
func Assign(v fqgw.Value, from, to fqgw.Type, env *fqgw.Env) (fqgw.Value, error) {
	return expr.Coerce(v, from, to, env)
}

// Doubles makes the numerics of unlimited precision (an average of integers)
// double precision, in the rows and in the columns: Parquet has no such type,
// and what reads training sets wants numbers, not text. A numeric(p,s) stays.
func Doubles(rows fqgw.Rows, cols []fqgw.Column) fqgw.Rows {
	var at []int
	for i := range cols {
		if cols[i].Type == fqgw.Numeric {
			cols[i].Type = fqgw.Float8
			at = append(at, i)
		}
	}
	if at == nil {
		return rows
	}
	if r, ok := rows.(*columnRows); ok {
		r.inDoubles()
	}
	var out []fqgw.Value
	doubles := &stream{close: rows.Close, next: func() ([]fqgw.Value, error) {
		row, err := rows.Next()
		if err != nil {
			return nil, err
		}
		out = append(out[:0], row...)
		for _, i := range at {
			if out[i].Kind() == fqgw.KindNumeric {
				out[i] = fqgw.FloatValue(out[i].Numeric().Float())
			}
		}
		return out, nil
	}}
	if in, ok := batchesOf(rows); ok {
		doubles.records = doubleRecords(in, at)
	}
	return doubles
}

// doubleRecords makes the numerics in those columns doubles, where they are not yet.
func doubleRecords(in fqgw.Records, at []int) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range in {
			if err != nil {
				yield(nil, err)
				return
			}
			arrays, fields := slices.Clone(b.Columns()), slices.Clone(b.Schema().Fields())
			var made []arrow.Array
			for _, i := range at {
				if arrays[i].DataType().ID() == arrow.FLOAT64 {
					continue
				}
				to := array.NewFloat64Builder(memory.DefaultAllocator)
				for row := range arrays[i].Len() {
					if v := fqgw.ArrowView(arrays[i], row, fqgw.Numeric); v.IsNull() {
						to.AppendNull()
					} else {
						to.Append(v.Numeric().Float())
					}
				}
				arrays[i] = to.NewArray()
				to.Release()
				made, fields[i].Type = append(made, arrays[i]), arrays[i].DataType()
			}
			out := array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, b.NumRows())
			for _, a := range made {
				a.Release()
			}
			b.Release()
			if !yield(out, nil) {
				return
			}
		}
	}
}
