package pit

import (
	"cmp"
	"math"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// Cold is an entity whose state is to be made again.
type Cold struct {
	Key  fqgw.EntityKey
	Stub *window.Stub
}

// Rebuild makes the states of cold entities from history, by the layout of their online
// states: the packed state of each, nil where the history does not give the one that it
// had, or where that takes more than most rows of it (0: any number). history has (at
// least) the Columns of the view, of the times that Range gives for the horizons of the
// stubs. Each entity comes once.
func Rebuild(l *window.Layout, cold []Cold, history *fqgw.Sorted, most int) ([][]byte, error) {
	b := rebuild{layout: l, cold: cold, most: most, made: make([]*window.Revival, len(cold)), rows: make([]int, len(cold))}
	byKey := make(map[fqgw.EntityKey]int, len(cold))
	for i := range cold {
		byKey[cold[i].Key], b.made[i] = i, cold[i].Stub.Revive()
	}
	if err := b.fresh(history, byKey); err != nil {
		return nil, err
	}
	runs := readersOf(l.View(), history.Runs)
	defer func() {
		for _, r := range runs {
			r.release()
		}
	}()
	order := make([]int, len(cold))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int { return cmp.Compare(cold[x].Key, cold[y].Key) })
	for _, i := range order {
		for _, r := range runs {
			if err := b.run(i, r); err != nil {
				return nil, err
			}
		}
	}
	out := make([][]byte, len(cold))
	for i, r := range b.made {
		if r != nil {
			out[i] = r.Packed()
		}
	}
	return out, nil
}

type rebuild struct {
	layout *window.Layout
	cold   []Cold
	most   int
	made   []*window.Revival // nil: not to be made
	rows   []int             // that were read of each
	in     window.Input
}

// load gives an event to an entity, unless it takes too many; kept says that it counts.
func (b *rebuild) load(i int, ev *fqgw.Event) (kept bool) {
	if b.rows[i]++; b.most > 0 && b.rows[i] > b.most {
		b.made[i] = nil
		return false
	}
	if kept, _ = b.layout.Reduce(&b.in, ev); kept {
		b.made[i].Load(&b.in)
	}
	return kept
}

// fresh reads what is in no run.
func (b *rebuild) fresh(history *fqgw.Sorted, byKey map[fqgw.EntityKey]int) error {
	v := b.layout.View()
	cols := columnsOf(v)
	keys, row := make([]fqgw.Value, len(v.Keys)), make([]fqgw.Value, len(v.Source.Columns))
	buf := make([]byte, 0, 128)
	for batch, err := range history.Fresh {
		if err != nil {
			return err
		}
		err = cols.bind(batch.Schema())
		for i := 0; err == nil && i < int(batch.NumRows()); i++ {
			for k := range keys {
				at := v.Keys[k].Column
				keys[k] = fqgw.ArrowView(batch.Column(cols.source[at]), i, v.Source.Columns[at].Type)
			}
			key, ok := fqgw.AppendKey(buf, keys)
			if !ok {
				continue
			}
			n, asked := byKey[key]
			if !asked || b.made[n] == nil {
				continue
			}
			for j, at := range cols.source {
				if row[j] = fqgw.Null; at >= 0 {
					row[j] = fqgw.ArrowValue(batch.Column(at), i, v.Source.Columns[j].Type)
				}
			}
			var ev fqgw.Event
			if ev, ok, err = cols.event(batch, i, row); err != nil || !ok || history.Covered.Covers(ev.Pos) || !b.cold[n].Stub.Has(ev.Pos) {
				continue
			}
			b.load(n, &ev)
		}
		batch.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// run reads the rows that a run has of an entity. Of a latest-row view the last one
// that counts is enough.
func (b *rebuild) run(i int, r *reader) error {
	c, v := &b.cold[i], b.layout.View()
	from, to := r.rows(c.Key)
	if from == to || b.made[i] == nil {
		return nil
	}
	least, last := Range(v, c.Stub.Horizon(), c.Stub.Horizon())
	if least > math.MinInt64 {
		from = r.after(from, to, least-1)
	}
	step, row := 1, from
	if v.Latest {
		step, row = -1, to-1
	}
	for ; row >= from && row < to; row += step {
		time, known := r.moment(row)
		if time > last && step > 0 {
			return nil
		}
		if max(time, known) > c.Stub.Horizon() { // the state did not have it yet, or never
			continue
		}
		ev, err := r.event(row)
		if err != nil {
			return err
		}
		if !c.Stub.Has(ev.Pos) {
			continue
		}
		if kept := b.load(i, &ev); b.made[i] == nil || kept && v.Latest {
			return nil
		}
	}
	return nil
}
