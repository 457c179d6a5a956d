package pit

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// columns finds what is needed of a source's columns in the batches of its history.
type columns struct {
	of       *fqgw.Source
	needed   []bool
	versions bool // known times stand for times (window.Versions)
	schema   *arrow.Schema
	source   []int // per column of the source: its place in the batch, -1: not needed or not there
	hidden   []int // per hidden column: its place in the batch, -1: not there
}

// columnsOf are those that a view needs.
func columnsOf(v *fqgw.FeatureView) columns {
	return columns{of: v.Source, needed: window.Needs(v), versions: window.Versions(v)}
}

// bind finds the columns in a schema. 42703 when a needed one is missing, 42804
// when it cannot be read as its type.
func (c *columns) bind(schema *arrow.Schema) error {
	if c.schema != nil && c.schema.Equal(schema) {
		return nil
	}
	c.schema, c.source, c.hidden = schema, nil, nil
	find := func(col fqgw.Column) (int, error) {
		at := schema.FieldIndices(col.Name)
		if len(at) == 0 {
			return -1, nil
		}
		if f := schema.Field(at[0]); !fqgw.ArrowReads(f.Type, col.Type) {
			return -1, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "column \"%s\" of the history of \"%s\" has type %s, which is not %s",
				col.Name, c.of.Name, f.Type, col.Type)
		}
		return at[0], nil
	}
	for i, col := range c.of.Columns {
		at := -1
		if c.needed[i] {
			var err error
			if at, err = find(col); err != nil {
				return err
			}
			if at < 0 {
				return fqgw.Errorf(fqgw.CodeUndefinedColumn, "the history of \"%s\" has no column \"%s\"", c.of.Name, col.Name)
			}
		}
		c.source = append(c.source, at)
	}
	for _, col := range fqgw.HiddenColumns {
		at, err := find(col)
		if err != nil {
			return err
		}
		c.hidden = append(c.hidden, at)
	}
	return nil
}

// collect reads the history once. Of rows of entities that nobody asks for, or
// that are of another part, nothing but the key is decoded.
func (c *collector) collect(history *fqgw.Sorted) error {
	v := c.layout.View()
	cols := columnsOf(v)
	for batch, err := range history.Fresh {
		if err != nil {
			return err
		}
		err = cols.bind(batch.Schema())
		if err == nil {
			err = c.rows(&cols, batch, history.Covered)
		}
		batch.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (to *collector) rows(c *columns, batch arrow.RecordBatch, covered fqgw.Marks) error {
	types, view := c.of.Columns, to.layout.View()
	keys := make([]fqgw.Value, len(view.Keys))
	row := make([]fqgw.Value, len(types))
	buf := make([]byte, 0, 128)
	var in window.Input
	for i := range int(batch.NumRows()) {
		for k := range keys {
			at := view.Keys[k].Column
			keys[k] = fqgw.ArrowView(batch.Column(c.source[at]), i, types[at].Type)
		}
		key, ok := fqgw.AppendKey(buf, keys)
		if !ok || !to.part.has(key) {
			continue // belongs to no entity, or to one of another part
		}
		e := to.byKey[key]
		ask := e
		if e == nil {
			ask = to.every
		}
		if ask == nil {
			continue
		}
		for j, at := range c.source {
			if row[j] = fqgw.Null; at >= 0 {
				row[j] = fqgw.ArrowValue(batch.Column(at), i, types[j].Type)
			}
		}
		ev, ok, err := c.event(batch, i, row)
		if err != nil {
			return err
		}
		if !ok || !ask.sees(ev.Time, ev.Known) || !ev.Pos.IsNone() && covered.Covers(ev.Pos) {
			continue
		}
		if e == nil {
			e = to.add(key)
		}
		keep, _ := to.layout.Reduce(&in, &ev)
		if in.Pos = ev.Pos; keep || !ev.Pos.IsNone() {
			if err := to.push(e, &in, keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// event puts times and position to a row; ok is false without an event time, which a
// row before a change may lack.
func (c *columns) event(batch arrow.RecordBatch, i int, row []fqgw.Value) (ev fqgw.Event, ok bool, err error) {
	s := c.of
	h, err := fqgw.ReadHidden(func(n int) fqgw.Value {
		if c.hidden[n] < 0 {
			return fqgw.Null
		}
		return fqgw.ArrowView(batch.Column(c.hidden[n]), i, fqgw.HiddenColumns[n].Type)
	})
	if err == nil {
		err = s.Takes(h.Op)
	}
	t, ok := fqgw.Micros(row[s.EventTime])
	k, known := fqgw.Micros(h.Known)
	if h.Op.Retracts() {
		t, ok = fqgw.TimeBefore(row[s.EventTime], k), ok || known
	}
	if err != nil || !ok {
		return ev, false, err
	}
	ev = fqgw.Event{Time: t, Known: t, Pos: h.Pos, Op: h.Op, Row: row}
	if known {
		ev.Known = k
	} else if s.Known == fqgw.KnownByColumn {
		if k, ok := fqgw.Micros(row[s.KnownColumn]); ok {
			ev.Known = k
		}
	}
	if c.versions {
		ev.Time = ev.Known
	}
	return ev, true, nil
}
