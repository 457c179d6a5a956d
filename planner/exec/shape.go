package exec

import (
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// What is asked of the rows of joins by columns is asked while they are given away: of a
// condition, or of what is computed, only the columns that it names become values.

// shape is which rows of joins by columns are given, and what they show.
type shape struct {
	shown   []int        // the columns that a row has
	instead []fqgw.Value // by column: its default
	used    []int        // the columns of which values are needed: shown, and those that on names

	inner bool        // rows may be dropped by a join
	on    fqgw.Expr   // the further condition of the last join, over all columns
	keeps bool        // where it does not hold the last join's columns are NULL
	last  int         // the first of these
	where []fqgw.Expr // over the shown columns
	exprs []fqgw.Expr // over the shown columns, what a row has instead of them; nil: they are it

	onNeeds  []int // the columns that on names
	needs    []int // the shown ones that where and what is computed name
	rejected bool  // on does not hold for the row
	whole    []fqgw.Value
	some     []fqgw.Value // the shown columns that are needed
	out      []fqgw.Value
}

func shapeOf(joins []*columnJoin, shown []int, columns int) shape {
	last := joins[len(joins)-1]
	s := shape{shown: shown, on: last.on, keeps: last.lookup.left, last: columns - len(last.sources), instead: make([]fqgw.Value, columns)}
	at := columns
	for _, j := range slices.Backward(joins) {
		s.inner = s.inner || !j.lookup.left
		at -= len(j.sources)
		for i, c := range j.sources {
			s.instead[at+i] = c.instead
		}
	}
	if s.on != nil {
		s.onNeeds = expr.Columns(s.on)
		s.whole = make([]fqgw.Value, columns)
	}
	s.used = slices.Concat(shown, s.onNeeds)
	slices.Sort(s.used)
	s.used = slices.Compact(s.used)
	s.some = make([]fqgw.Value, len(shown))
	return s
}

// plain says that the rows are all rows, with columns as they are.
func (s *shape) plain() bool {
	defaults := slices.ContainsFunc(s.shown, func(c int) bool { return !s.instead[c].IsNull() })
	return !s.inner && s.on == nil && s.where == nil && s.exprs == nil && !defaults
}

// filter leaves the rows for which a condition over the shown columns holds; false when
// that is to be asked elsewhere.
func (s *shape) filter(cond fqgw.Expr) bool {
	if s.exprs != nil {
		return false
	}
	s.where = append(s.where, cond)
	s.need(cond)
	return true
}

// project makes rows of expressions over the shown columns; false when they are to be
// made elsewhere.
func (s *shape) project(exprs []fqgw.Expr) bool {
	if s.exprs != nil {
		return false
	}
	s.exprs = exprs
	for _, x := range exprs {
		if plainColumn(x) < 0 {
			s.need(x)
		}
	}
	return true
}

func (s *shape) need(x fqgw.Expr) {
	s.needs = append(s.needs, expr.Columns(x)...)
	slices.Sort(s.needs)
	s.needs = slices.Compact(s.needs)
}

// plainColumn is the column that an expression is, -1 for none.
func plainColumn(x fqgw.Expr) int {
	if c, ok := x.(*expr.Column); ok && c.Level == 0 {
		return c.Index
	}
	return -1
}

// taken says whether a row of the chunk is given, and makes it ready.
func (r *columnRows) taken(i int) (bool, error) {
	if r.dropped != nil && r.dropped[i] {
		return false, nil
	}
	r.rejected = false
	if r.on != nil {
		for _, c := range r.onNeeds {
			r.whole[c] = r.cells[c].value(i)
		}
		ok, err := expr.Holds(r.env, r.on, r.whole)
		if err != nil || !ok && !r.keeps {
			return false, err
		}
		r.rejected = !ok
	}
	for _, k := range r.needs {
		r.some[k] = r.value(r.shown[k], i)
	}
	for _, cond := range r.where {
		if ok, err := expr.Holds(r.env, cond, r.some); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// value is the value of a column of a row that was made ready.
func (r *columnRows) value(c, i int) fqgw.Value {
	if r.rejected && c >= r.last {
		return fqgw.Null
	}
	return r.cells[c].value(i)
}

// advance goes on to the next row that is given.
func (r *columnRows) advance() error {
	for {
		for r.row == r.end {
			if r.input == nil {
				return io.EOF
			}
			if err := r.chunk(); err != nil {
				return err
			}
		}
		if r.row&0xff == 0xff && r.env.Ctx.Err() != nil {
			return r.env.Ctx.Err()
		}
		r.row++
		if ok, err := r.taken(r.row - 1); ok || err != nil {
			return err
		}
	}
}

// Next implements fqgw.Rows.
func (r *columnRows) Next() ([]fqgw.Value, error) {
	if err := r.advance(); err != nil {
		return nil, err
	}
	return r.values(r.row - 1)
}

// values is a row that was made ready.
func (r *columnRows) values(i int) ([]fqgw.Value, error) {
	r.out = r.out[:0]
	if r.exprs == nil {
		for _, c := range r.shown {
			r.out = append(r.out, r.value(c, i))
		}
		return r.out, nil
	}
	for _, x := range r.exprs {
		if k := plainColumn(x); k >= 0 {
			r.out = append(r.out, r.value(r.shown[k], i))
			continue
		}
		v, err := x.Eval(r.env, r.some)
		if err != nil {
			return nil, err
		}
		r.out = append(r.out, v)
	}
	return r.out, nil
}

// WriteRow implements fqgw.DirectRows.
func (r *columnRows) WriteRow(w fqgw.RowWriter) error {
	if err := r.advance(); err != nil {
		return err
	}
	if r.exprs == nil {
		for _, c := range r.shown {
			r.write(w, c)
		}
		return nil
	}
	for _, x := range r.exprs {
		if k := plainColumn(x); k >= 0 {
			r.write(w, r.shown[k])
			continue
		}
		v, err := x.Eval(r.env, r.some)
		if err != nil {
			return err
		}
		w.Value(v)
	}
	return nil
}

func (r *columnRows) write(w fqgw.RowWriter, c int) {
	if r.rejected && c >= r.last {
		w.Null()
		return
	}
	r.cells[c].write(w, r.row-1)
}

// columns are those of the rows.
func (r *columnRows) columns() []plan.Column {
	var out []plan.Column
	if r.exprs == nil {
		for _, c := range r.shown {
			out = append(out, plan.Column{Type: r.types[c]})
		}
	}
	for _, x := range r.exprs {
		out = append(out, plan.Column{Type: x.Type()})
	}
	return out
}

// records are the rows as batches, before any was taken as a row.
func (r *columnRows) records(yield func(arrow.RecordBatch, error) bool) {
	if !r.plain() {
		r.e.batched(r, r.columns())(yield)
		return
	}
	fields := make([]arrow.Field, len(r.shown))
	arrays := make([]arrow.Array, len(r.shown))
	for i, c := range r.shown {
		fields[i] = arrow.Field{Type: fqgw.ArrowType(r.types[c]), Nullable: true}
	}
	r.batches = true
	for {
		err := r.chunk()
		if err == io.EOF {
			return
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for i, c := range r.shown {
			arrays[i] = r.cells[c].array
			fields[i].Type = arrays[i].DataType()
		}
		if !yield(array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(r.end)), nil) {
			return
		}
	}
}

// forget gives the chunk back.
func (r *columnRows) forget() {
	for _, a := range r.arrays {
		a.Release()
	}
	clear(r.cells)
	r.arrays, r.dropped, r.exists, r.gone = r.arrays[:0], nil, nil, 0
	r.row, r.end = 0, 0
	r.limit.memory.Give(r.held)
	r.held = 0
}

// Close implements fqgw.Rows.
func (r *columnRows) Close() error {
	if r.input == nil {
		return nil
	}
	r.forget()
	if r.left != nil {
		r.left.Release()
		r.left = nil
	}
	r.stop()
	r.limit.memory.Close()
	in := r.input
	r.input = nil
	err := in.Close()
	if r.ended != nil {
		r.ended()
	}
	return err
}

// inDoubles makes the numerics of windows double precision, before the first chunk and
// where they are shown as they are.
func (r *columnRows) inDoubles() {
	if !r.plain() {
		return
	}
	r.doubles = true
	at := len(r.types)
	for i := len(r.joins) - 1; i >= 0; i-- {
		j := r.joins[i]
		at -= len(j.sources)
		for k, c := range j.sources {
			if !j.view.Latest && c.key < 0 && c.column.Type == fqgw.Numeric {
				r.types[at+k] = fqgw.Float8
			}
		}
	}
}

// batchesOf are rows as Arrow batches, in the order of their columns, where they come
// so; to be asked before the first row is taken. The rows are to be closed still.
func batchesOf(rows fqgw.Rows) (fqgw.Records, bool) {
	switch r := rows.(type) {
	case *stream:
		return r.records, r.records != nil
	case *columnRows:
		return r.records, r.plain() || inBatches(r.columns())
	}
	return nil, false
}
