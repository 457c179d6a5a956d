package exec

import (
	"context"
	"io"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
)

// Written is rows that a statement of a transaction has checked: they are
// written at COMMIT, and until then only their transaction sees them.
type Written struct {
	Source *fqgw.Source
	Table  *fqgw.Table
	Rows   [][]fqgw.Value // one value per column
	Known  []int64        // of a source's rows: the known time, 0 for now
	Bytes  int64          // about what they take in memory
}

// Place reads and checks rows for a target, as Insert does, and writes nothing.
// More than the session may keep is 53200.
func (e *Engine) Place(ctx context.Context, s Session, t Target, rows fqgw.Rows) (*Written, error) {
	w, err := e.collect(s, t, rows)
	if err == nil && w.Source != nil {
		err = e.o.Streams.Check(ctx, w.Source, w.Rows, w.Known)
	}
	return w, err
}

// collect reads rows into memory, each value at its column.
func (e *Engine) collect(s Session, t Target, rows fqgw.Rows) (*Written, error) {
	defer rows.Close()
	w := &Written{Source: t.Source, Table: t.Table}
	in := &placed{rows: rows, target: &t}
	width := len(t.columns())
	room := s.Room()
	for {
		row, err := in.Next()
		if err == io.EOF {
			return w, nil
		}
		n := fqgw.RowBytes(row) + 8
		if err == nil {
			err = room.Take(n)
		}
		if err != nil {
			room.Give(w.Bytes)
			return nil, err
		}
		w.Bytes += n
		w.Rows = append(w.Rows, append([]fqgw.Value(nil), row[:width]...))
		if t.Source != nil {
			known := int64(0)
			if len(row) > width && !row[width].IsNull() {
				known = row[width].Int()
			}
			w.Known = append(w.Known, known)
		}
	}
}

// Bytes is about what the rows of the transaction take in memory; 0 for nil.
func (c *Changes) Bytes() int64 {
	if c == nil {
		return 0
	}
	return c.bytes
}

func (w *Written) bytes() int64 {
	if w == nil {
		return 0
	}
	return w.Bytes
}

// groups are the rows of a transaction by what they go to, each in the order of
// its first statement: one commit for each table, one INSERT for each source.
func (c *Changes) groups() (tables, sources []*Written) {
	at := map[any]*Written{}
	for _, p := range c.list {
		w := p.Rows
		if w == nil || len(w.Rows) == 0 {
			continue
		}
		var key any = w.Source
		if w.Table != nil {
			key = w.Table.History
		}
		g := at[key]
		if g == nil {
			g = &Written{Source: w.Source, Table: w.Table}
			at[key] = g
			if w.Table != nil {
				tables = append(tables, g)
			} else {
				sources = append(sources, g)
			}
		}
		g.Rows = append(g.Rows, w.Rows...)
		g.Known = append(g.Known, w.Known...)
	}
	return tables, sources
}

// Produces says whether the transaction has rows for a source.
func (c *Changes) Produces() bool {
	return c != nil && slices.ContainsFunc(c.list, func(p pendingChange) bool { return p.Rows != nil && p.Rows.Source != nil })
}

// Pending are the rows that the transaction has for a table.
func (c *Changes) Pending(t *fqgw.Table) (rows [][]fqgw.Value) {
	if c == nil {
		return nil
	}
	for _, p := range c.list {
		if p.Rows != nil && p.Rows.Table != nil && p.Rows.Table.History == t.History {
			rows = append(rows, p.Rows.Rows...)
		}
	}
	return rows
}

// withPending is the rows of a table and behind them those that the session's
// transaction has for it.
func withPending(env *fqgw.Env, n *plan.TableScan, rows fqgw.Rows) fqgw.Rows {
	s, ok := env.Session.(Session)
	if !ok || n.AsOf != nil {
		return rows
	}
	own := s.Pending(n.Table)
	if len(own) == 0 {
		return rows
	}
	if p := pinsOf(env.Ctx); p != nil {
		p.because("it reads rows of table \"%s\" that its own transaction had not committed", n.Table.Name)
	}
	mine := pick(relational.Slice(own), n.Fields)
	ended := false
	return &stream{close: rows.Close, next: func() ([]fqgw.Value, error) {
		if !ended {
			row, err := rows.Next()
			if err != io.EOF {
				return row, err
			}
			ended = true
		}
		return mine.Next()
	}}
}

// still is nil while the rows' relation is the one that their statement saw.
func (w *Written) still(cat *fqgw.Catalog) error {
	var name fqgw.QualifiedName
	same := false
	if w.Table != nil {
		name = w.Table.Qualified()
		same = cat.Tables[name] != nil && cat.Tables[name].OID == w.Table.OID
	} else {
		name = w.Source.Qualified()
		same = cat.Sources[name] != nil && cat.Sources[name].OID == w.Source.OID
	}
	if !same {
		return fqgw.Errorf(fqgw.CodeSerialization, "relation \"%s\" was dropped or made again by another transaction", name.Name)
	}
	return nil
}

// recorded says whether writes need a commitRecord: to finish or undo several
// things together.
func recorded(tables, sources []*Written, defines bool) bool {
	return len(tables) > 0 && (len(tables)+len(sources) > 1 || defines)
}

// write carries out the rows of a transaction. undo takes back what it wrote to
// tables, unless the transaction has ended after all; what was produced to a topic
// stays, so that comes last.
func (e *Engine) write(ctx context.Context, tables, sources []*Written, defines bool) (undo func() (undone bool, err error), end func() error, err error) {
	undo, end = func() (bool, error) { return true, nil }, func() error { return nil }
	record := recorded(tables, sources, defines)
	if record {
		if err = e.beginRecord(ctx, tables); err != nil {
			return undo, end, err
		}
		defer func() {
			if p := recover(); p != nil {
				_, _ = e.undoOwn(context.WithoutCancel(ctx))
				panic(p)
			}
		}()
		undo = func() (bool, error) { return e.undoOwn(context.WithoutCancel(ctx)) }
		end = func() error { return e.endRecord(context.WithoutCancel(ctx)) }
	}
	for _, w := range tables {
		if _, err := e.o.History.Append(ctx, w.Table.History, records(relational.Slice(w.Rows), w.Table.Columns)); err != nil {
			return undo, end, err
		}
		e.fault("commit-table")
	}
	for _, w := range sources {
		if err := e.o.Streams.Insert(ctx, w.Source, w.Rows, w.Known); err != nil {
			return undo, end, err
		}
	}
	if record {
		e.fault("before-commit")
	}
	return undo, end, nil
}

func (e *Engine) fault(point string) {
	if e.o.Fault != nil {
		e.o.Fault(point)
	}
}
