package pit

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// columns finds what is needed in the batches of a history.
type columns struct {
	view   *fqgw.FeatureView
	schema *arrow.Schema
	source []int // per column of the source: its place in the batch, -1: not needed or not there
	hidden [4]int
}

// bind finds the columns in a schema. 42703 when a needed one is missing, 42804
// when it cannot be read as its type.
func (c *columns) bind(schema *arrow.Schema) error {
	if c.schema != nil && c.schema.Equal(schema) {
		return nil
	}
	c.schema, c.source = schema, nil
	find := func(col fqgw.Column) (int, error) {
		at := schema.FieldIndices(col.Name)
		if len(at) == 0 {
			return -1, nil
		}
		if f := schema.Field(at[0]); !fqgw.ArrowReads(f.Type, col.Type) {
			return -1, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "column \"%s\" of the history of \"%s\" has type %s, which is not %s",
				col.Name, c.view.Source.Name, f.Type, col.Type)
		}
		return at[0], nil
	}
	for i, col := range c.view.Source.Columns {
		at := -1
		if needs(c.view, i) {
			var err error
			if at, err = find(col); err != nil {
				return err
			}
			if at < 0 {
				return fqgw.Errorf(fqgw.CodeUndefinedColumn, "the history of \"%s\" has no column \"%s\"", c.view.Source.Name, col.Name)
			}
		}
		c.source = append(c.source, at)
	}
	for i, col := range fqgw.HiddenColumns {
		var err error
		if c.hidden[i], err = find(col); err != nil {
			return err
		}
	}
	return nil
}

// collect reads the history once. find gives the entity of an encoded key, nil
// when nobody asks for it: of such rows nothing but the key is decoded.
func collect(l *window.Layout, history fqgw.Records, find func(fqgw.EntityKey) *entity) error {
	c := columns{view: l.View()}
	for batch, err := range history {
		if err != nil {
			return err
		}
		err = c.bind(batch.Schema())
		if err == nil {
			c.rows(l, batch, find)
		}
		batch.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *columns) rows(l *window.Layout, batch arrow.RecordBatch, find func(fqgw.EntityKey) *entity) {
	types := c.view.Source.Columns
	keys := make([]fqgw.Value, len(c.view.Keys))
	row := make([]fqgw.Value, len(types))
	buf := make([]byte, 0, 128)
	for i := range int(batch.NumRows()) {
		for k := range keys {
			at := c.view.Keys[k].Column
			keys[k] = fqgw.ArrowView(batch.Column(c.source[at]), i, types[at].Type)
		}
		key, ok := fqgw.AppendKey(buf, keys)
		if !ok {
			continue // belongs to no entity
		}
		e := find(key)
		if e == nil {
			continue
		}
		for j, at := range c.source {
			if row[j] = fqgw.Null; at >= 0 {
				row[j] = fqgw.ArrowValue(batch.Column(at), i, types[j].Type)
			}
		}
		ev, ok := c.event(batch, i, row)
		if !ok {
			continue
		}
		in, keep, _ := l.Input(&ev)
		if in.Pos = ev.Pos; keep || ev.Pos.Offset != fqgw.NoOffset {
			e.events = append(e.events, event{in, keep})
		}
	}
}

// event puts times and position to a row; ok is false without an event time.
func (c *columns) event(batch arrow.RecordBatch, i int, row []fqgw.Value) (ev fqgw.Event, ok bool) {
	s := c.view.Source
	t, ok := micros(row[s.EventTime])
	if !ok {
		return ev, false
	}
	ev = fqgw.Event{Time: t, Known: t, Row: row, Pos: fqgw.Position{Offset: fqgw.NoOffset}}
	hidden := func(n int) fqgw.Value {
		if c.hidden[n] < 0 {
			return fqgw.Null
		}
		return fqgw.ArrowView(batch.Column(c.hidden[n]), i, fqgw.HiddenColumns[n].Type)
	}
	if k, ok := micros(hidden(3)); ok {
		ev.Known = k
	} else if s.Known == fqgw.KnownByColumn {
		if k, ok := micros(row[s.KnownColumn]); ok {
			ev.Known = k
		}
	}
	if off := hidden(2); !off.IsNull() {
		ev.Pos = fqgw.Position{Epoch: int32(hidden(0).Int()), Partition: int32(hidden(1).Int()), Offset: off.Int()}
	}
	return ev, true
}

// micros reads a date or timestamp as a time.
func micros(v fqgw.Value) (int64, bool) {
	switch v.Kind() {
	case fqgw.KindTimestamp:
		return v.Int(), true
	case fqgw.KindDate:
		const day = 86_400_000_000
		return min(max(v.Int(), math.MinInt64/day), math.MaxInt64/day) * day, true
	}
	return 0, false
}
