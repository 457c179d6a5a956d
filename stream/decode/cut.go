package decode

import (
	"context"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// Cut leaves out the rows whose event times a scan does not want, and those that
// break the source's NOT NULL it refuses. Added says that the scan must give the event
// time behind the columns of fields, which Within takes away again.
type Cut struct {
	source   *fqgw.Source
	fields   []int
	time     int // the place of the event time among the columns; -1: every row is wanted
	from, to int64
	Added    bool // it is the last one, and is not asked for
}

// NewCut is the cut of a scan that reads those columns of the source, by their index.
func NewCut(s *fqgw.Source, fields []int, sc fqgw.Scan) *Cut {
	c := &Cut{source: s, fields: fields, time: -1, from: sc.From, to: sc.To}
	if sc.Time == "" || c.from == math.MinInt64 && c.to == math.MaxInt64 {
		return c
	}
	for i, f := range fields {
		if f == s.EventTime {
			c.time = i
		}
	}
	if c.Added = c.time < 0; c.Added {
		c.time = len(fields)
	}
	return c
}

// Within is b with the rows that are wanted, nil where there are none. It takes b.
func (c *Cut) Within(ctx context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	for i, f := range c.fields {
		// Rows without an event time are no events, and stay away from views.
		if col := c.source.Columns[f]; col.NotNull && f != c.source.EventTime && b.Column(i).NullN() > 0 {
			b.Release()
			return nil, &fqgw.Error{Code: fqgw.CodeNotNullViolation, Column: col.Name,
				Message: "null value in column \"" + col.Name + "\" of source \"" + c.source.Name + "\" violates not-null constraint"}
		}
	}
	if c.time < 0 {
		return b, nil
	}
	defer b.Release()
	times := b.Column(c.time).(*array.Timestamp)
	mask := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer mask.Release()
	mask.Reserve(times.Len())
	wanted := 0
	for i, t := range times.TimestampValues() {
		in := !times.IsNull(i) && int64(t) >= c.from && int64(t) <= c.to
		if in {
			wanted++
		}
		mask.UnsafeAppend(in)
	}
	out := b
	switch {
	case wanted == 0:
		return nil, nil
	case wanted == times.Len():
		out.Retain()
	default:
		m := mask.NewArray()
		defer m.Release()
		var err error
		if out, err = compute.FilterRecordBatch(ctx, b, m, compute.DefaultFilterOptions()); err != nil {
			return nil, err
		}
	}
	if !c.Added {
		return out, nil
	}
	defer out.Release()
	schema := arrow.NewSchema(out.Schema().Fields()[:c.time], nil)
	return array.NewRecordBatch(schema, out.Columns()[:c.time], out.NumRows()), nil
}

// Fields are the indices of a source's columns of those names; nil: of all.
func Fields(s *fqgw.Source, names []string) ([]int, error) {
	out := make([]int, 0, len(names))
	for _, name := range names {
		i := s.ColumnIndex(name)
		if i < 0 {
			return nil, fqgw.Errorf(fqgw.CodeUndefinedColumn, "source \"%s\" has no column \"%s\"", s.Name, name)
		}
		out = append(out, i)
	}
	if names == nil {
		for i := range s.Columns {
			out = append(out, i)
		}
	}
	return out, nil
}

// Schema is the schema of columns of a source; any may be NULL, whatever the
// source says of them.
func Schema(s *fqgw.Source, fields []int) *arrow.Schema {
	cols := make([]fqgw.Column, len(fields))
	for i, f := range fields {
		cols[i] = s.Columns[f]
		cols[i].NotNull = false
	}
	return fqgw.ArrowSchema(cols)
}

// Asked is what a scan asks of a source: its columns, by their places, behind which the
// event time may stand for the cut; and the schema of those that it is given.
func Asked(s *fqgw.Source, sc fqgw.Scan) (fields []int, schema *arrow.Schema, cut *Cut, err error) {
	if fields, err = Fields(s, sc.Columns); err != nil {
		return nil, nil, nil, err
	}
	schema, cut = Schema(s, fields), NewCut(s, fields, sc)
	if cut.Added {
		fields = append(slices.Clip(fields), s.EventTime)
	}
	return fields, schema, cut, nil
}

// Rows yields so many rows of a piece (fqgw.Piece) in the batches that next gives, each
// as Within makes it; within calls what reads the file.
func (c *Cut) Rows(ctx context.Context, rows int, within func(do func() error) error, next func() (arrow.RecordBatch, error),
	yield func(arrow.RecordBatch, error) bool) {
	for left := int64(rows); left > 0; {
		var b arrow.RecordBatch
		err := within(func() (err error) {
			if b, err = next(); err == nil {
				left -= b.NumRows()
				b, err = c.Within(ctx, b)
			}
			return err
		})
		if !yield(b, err) || err != nil {
			return
		}
	}
}
