package exec

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
)

func values(env *fqgw.Env, n *plan.Values) (fqgw.Rows, error) {
	i := 0
	return &stream{next: func() ([]fqgw.Value, error) {
		if i == len(n.Rows) {
			return nil, io.EOF
		}
		row := make([]fqgw.Value, len(n.Rows[i]))
		for j, x := range n.Rows[i] {
			v, err := x.Eval(env, nil)
			if err != nil {
				return nil, err
			}
			row[j] = v
		}
		i++
		return row, nil
	}}, nil
}

func tableFunc(env *fqgw.Env, n *plan.TableFunc) (fqgw.Rows, error) {
	args := make([]fqgw.Value, len(n.Args))
	for i, a := range n.Args {
		v, err := a.Eval(env, nil)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	types := make([]fqgw.Type, len(n.Args))
	for i, a := range n.Args {
		types[i] = a.Type()
	}
	set, err := expr.RunSet(n.Name, env, args, types)
	if err != nil {
		return nil, err
	}
	count := int64(0)
	return &stream{next: func() ([]fqgw.Value, error) {
		if count&1023 == 0 && env.Ctx != nil && env.Ctx.Err() != nil {
			return nil, env.Ctx.Err()
		}
		row, err := set.Next()
		if err != nil {
			return nil, err
		}
		count++
		if n.Ordinality {
			row = append(row[:len(row):len(row)], fqgw.IntValue(count))
		}
		return row, nil
	}, close: set.Close}, nil
}

// systemScan keeps the columns that are wanted until the rows are closed: what they
// come from may change, or be a store that cannot wait for a reader.
func systemScan(env *fqgw.Env, n *plan.SystemScan) (fqgw.Rows, error) {
	var rows [][]fqgw.Value
	var held int64
	read := n.Rel.Rows
	if n.Rel.Seek != nil {
		read = func(env *fqgw.Env, each func([]fqgw.Value) error) error {
			return n.Rel.Seek(env, plan.Sought{Fields: n.Fields, Where: n.Where}, each)
		}
	}
	err := read(env, func(row []fqgw.Value) error {
		out := make([]fqgw.Value, len(n.Fields))
		for i, f := range n.Fields {
			out[i] = row[f]
		}
		size := fqgw.RowBytes(out)
		if err := env.Memory.Take(size); err != nil {
			return err
		}
		held += size
		rows = append(rows, out)
		return nil
	})
	if err != nil {
		env.Memory.Give(held)
		return nil, err
	}
	s := relational.Slice(rows)
	return &stream{fresh: true, next: s.Next, close: func() error { env.Memory.Give(held); return s.Close() }}, nil
}

// pick is the given columns of rows.
func pick(in fqgw.Rows, fields []int) fqgw.Rows {
	out := make([]fqgw.Value, len(fields))
	return &stream{close: in.Close, next: func() ([]fqgw.Value, error) {
		row, err := in.Next()
		if err != nil {
			return nil, err
		}
		for i, f := range fields {
			out[i] = row[f]
		}
		return out, nil
	}}
}

func (e *Engine) sourceScan(env *fqgw.Env, n *plan.SourceScan) (fqgw.Rows, error) {
	s := n.Source
	known := int64(math.MaxInt64)
	if n.AsOf != nil {
		t, ok, err := constantTime(env, n.AsOf)
		if err != nil {
			return nil, err
		}
		if !ok {
			return relational.Slice(nil), nil
		}
		known = t
	}
	if err := e.waitShown(env, s, min(known, env.Now), n.AsOf != nil); err != nil {
		return nil, err
	}
	if s.Changelog() && !slices.ContainsFunc(n.Fields, func(f int) bool { return f >= len(s.Columns) }) {
		return e.changelogScan(env, n, known)
	}
	scan := fqgw.Scan{Table: s.History}
	types := make([]fqgw.Type, 0, len(n.Fields)+1)
	for _, f := range n.Fields {
		c := sourceColumn(s, f)
		scan.Columns = append(scan.Columns, c.Name)
		types = append(types, c.Type)
	}
	cut := n.AsOf != nil
	if len(n.Fields) == 0 || cut {
		scan.Columns = append(scan.Columns, fqgw.ColKnownAt)
		types = append(types, fqgw.Timestamptz)
	}
	if pinsOf(env.Ctx) != nil {
		for _, c := range fqgw.HiddenColumns[:3] { // by which the rows are chosen
			scan.Columns = append(scan.Columns, c.Name)
		}
	}
	from, to, empty, err := bounds(env, n)
	if err != nil || empty {
		return relational.Slice(nil), err
	}
	if from != math.MinInt64 || to != math.MaxInt64 {
		scan.Time, scan.From, scan.To = s.Columns[s.EventTime].Name, from, to
	}
	scan.Batch = e.batchBytes()
	if e.foreign(s) != nil {
		if cut && s.Connector == "iceberg" { // then it is the table as it was
			scan.AsOf, cut = known, false
		}
		return e.foreignScan(env, n, scan, known, cut)
	}
	rows, err := e.scanned(env, types, func() (fqgw.Records, error) {
		records, err := e.readPinned(env, s, scan)
		return narrowed(records, len(types)), err
	})
	if err != nil {
		return nil, err
	}
	if !cut && len(n.Fields) == 0 {
		return pick(rows, nil), nil
	}
	if !cut {
		return rows, nil
	}
	last := len(types) - 1
	return &stream{close: rows.Close, next: func() ([]fqgw.Value, error) {
		for {
			row, err := rows.Next()
			if err != nil {
				return nil, err
			}
			if row[last].Int() <= known {
				return row[:last], nil
			}
		}
	}}, nil
}

func sourceColumn(s *fqgw.Source, i int) fqgw.Column {
	if i < len(s.Columns) {
		return s.Columns[i]
	}
	return fqgw.HiddenColumns[i-len(s.Columns)]
}

// bounds are the event times that a scan's Lo and Hi allow.
func bounds(env *fqgw.Env, n *plan.SourceScan) (from, to int64, empty bool, err error) {
	from, to = math.MinInt64, math.MaxInt64
	for _, b := range []struct {
		x  fqgw.Expr
		to *int64
	}{{n.Lo, &from}, {n.Hi, &to}} {
		if b.x == nil {
			continue
		}
		v, err := b.x.Eval(env, nil)
		if err != nil || v.IsNull() {
			return 0, 0, err == nil, err
		}
		// A time without a zone is UTC here as it is in the events, whatever the
		// session's zone makes of it elsewhere.
		t, ok, err := constantTime(&fqgw.Env{}, &expr.Const{Val: v, Typ: b.x.Type()})
		if err != nil || !ok {
			return 0, 0, !ok, err
		}
		*b.to = t
	}
	return from, to, false, nil
}

// constantTime evaluates a time that is the same for the whole statement; ok is
// false for NULL.
func constantTime(env *fqgw.Env, x fqgw.Expr) (t int64, ok bool, err error) {
	v, err := x.Eval(env, nil)
	if err != nil || v.IsNull() {
		return 0, false, err
	}
	v, err = expr.Coerce(v, x.Type(), fqgw.Timestamptz, env)
	return v.Int(), err == nil, err
}

func (e *Engine) tableScan(env *fqgw.Env, n *plan.TableScan) (fqgw.Rows, error) {
	if s, ok := env.Session.(Session); ok {
		if t := s.TempTable(n.Table); t != nil {
			return pick(relational.Slice(t.Rows), n.Fields), nil
		}
	}
	scan := fqgw.Scan{Table: n.Table.History}
	if n.AsOf != nil {
		t, ok, err := constantTime(env, n.AsOf)
		if err != nil {
			return nil, err
		}
		if !ok {
			return relational.Slice(nil), nil
		}
		scan.AsOf = t
	}
	if none, err := e.pinTable(env, &scan); none != nil || err != nil {
		return none, err
	}
	types := make([]fqgw.Type, len(n.Fields))
	for i, f := range n.Fields {
		scan.Columns = append(scan.Columns, n.Table.Columns[f].Name)
		types[i] = n.Table.Columns[f].Type
	}
	if len(n.Fields) == 0 { // count(*) reads no column; one is needed to count rows
		scan.Columns = []string{n.Table.Columns[0].Name}
		rows, err := e.scan(env, scan, []fqgw.Type{n.Table.Columns[0].Type})
		if err != nil {
			return nil, err
		}
		return withPending(env, n, counted(env, pick(rows, nil))), nil
	}
	rows, err := e.scan(env, scan, types)
	if err != nil {
		return nil, err
	}
	return withPending(env, n, counted(env, rows)), nil
}

// A batch of a scan has at most 1/scanShare of what a statement may keep, and a scan is
// charged for scanBatches of them: several are on their way, with the pages that they
// are made of. Of long texts a batch may be a whole row group: beside it no more is in
// hand than scanAhead, two row groups (the lake ends them at 16 MiB).
const (
	scanShare   = 64
	scanBytes   = 1 << 20
	scanBatches = 8
	scanAhead   = 32 << 20
)

// batchBytes is how many bytes a batch of history shall have.
func (e *Engine) batchBytes() int64 { return min(scanBytes, e.o.MemoryLimit/scanShare) }

// scan reads a lake table as rows of the given types.
func (e *Engine) scan(env *fqgw.Env, s fqgw.Scan, types []fqgw.Type) (fqgw.Rows, error) {
	return e.scanned(env, types, func() (fqgw.Records, error) {
		s.Batch = e.batchBytes()
		_, records, err := e.o.History.Scan(env.Ctx, s)
		return records, err
	})
}

// scanned are records as rows of the types of their first columns.
func (e *Engine) scanned(env *fqgw.Env, types []fqgw.Type, scan func() (fqgw.Records, error)) (fqgw.Rows, error) {
	records, err := scan()
	if err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(records)
	var batch arrow.RecordBatch
	at, charged := 0, int64(0)
	row := make([]fqgw.Value, len(types))
	pull := func() error {
		b, err, ok := next()
		if !ok {
			return io.EOF
		}
		if err != nil {
			return err
		}
		n := fqgw.RecordBytes(b)
		n = min(scanBatches*n, n+scanAhead)
		if err := env.Memory.Take(n); err != nil {
			b.Release()
			return err
		}
		batch, at, charged = b, 0, n
		return nil
	}
	release := func() {
		if batch != nil {
			batch.Release()
			batch = nil
			env.Memory.Give(charged)
		}
	}
	return &stream{
		records: func(yield func(arrow.RecordBatch, error) bool) {
			for {
				release()
				err := pull()
				if err == io.EOF {
					return
				}
				if err != nil {
					yield(nil, err)
					return
				}
				if !yield(firstColumns(batch, len(types)), nil) {
					return
				}
			}
		},
		close: func() error { release(); stop(); return nil },
		next: func() ([]fqgw.Value, error) {
			for batch == nil || at == int(batch.NumRows()) {
				release()
				if err := pull(); err != nil {
					return nil, err
				}
			}
			for i := range row {
				row[i] = fqgw.ArrowValue(batch.Column(i), at, types[i])
			}
			at++
			return row, nil
		},
	}, nil
}

// firstColumns are the first n columns of a batch: what was read besides, the positions,
// is nobody's business any more.
func firstColumns(b arrow.RecordBatch, n int) arrow.RecordBatch {
	return array.NewRecordBatch(arrow.NewSchema(b.Schema().Fields()[:n], nil), b.Columns()[:n], b.NumRows())
}

// waitShown is waitKnown for rows that are shown: while the topic is away, and they
// need not be whole, what is landed is there to be read.
func (e *Engine) waitShown(env *fqgw.Env, s *fqgw.Source, k int64, whole bool) error {
	err := e.waitKnown(env, s, k)
	if !whole && pinsOf(env.Ctx) == nil && err != nil && strings.HasPrefix(string(fqgw.AsError(err).Code), "08") && env.Ctx.Err() == nil {
		notify(env, fmt.Sprintf("what the topic of source \"%s\" has since its last landing is not shown: %s", s.Name, fqgw.AsError(err).Message), "")
		return nil
	}
	return err
}

// waitKnown waits until the history of a source has everything known by k.
func (e *Engine) waitKnown(env *fqgw.Env, s *fqgw.Source, k int64) error {
	wait := func(ctx context.Context, k int64) error {
		return e.o.Streams.WaitKnown(ctx, s.Qualified().String(), k, func(msg string) { notify(env, msg, "") })
	}
	if p := pinsOf(env.Ctx); p != nil {
		return p.known(env, s, k, wait)
	}
	return wait(env.Ctx, k)
}
