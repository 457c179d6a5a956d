package pit

import (
	"cmp"
	"slices"
	"sort"

	"github.com/fqgw/fqgw/stream/window"
)

// ordered are the events of an entity in the order of events: of each position the
// first that came, and of those the ones that pass WHERE.
func (e *entity) ordered(l *window.Layout) []place {
	out := e.places()
	slices.SortFunc(out, func(a, b place) int {
		if c := a.compare(&b); c != 0 || !a.pos.IsNone() {
			return c
		}
		x, y := l.Unpack(e.events[a.at:a.end]), l.Unpack(e.events[b.at:b.end])
		return x.Compare(&y)
	})
	return out
}

// compare is the order of events, as far as times and positions tell.
func (p *place) compare(q *place) int {
	return cmp.Or(cmp.Compare(p.time, q.time), cmp.Compare(p.known, q.known), p.pos.Compare(q.pos))
}

// known finds the last of some rows, which are in the order of their times, that was
// known at a time. Asked from the greatest to the least, rows that were not known yet
// are passed over for good: n rows and m questions take n log n + m log n.
type known struct {
	late  []int32 // the rows, those known last first
	next  int     // of late
	alive []int32 // of row i at i+1: itself, or an earlier one that is to be looked at
}

// newKnown is for n rows, known at as at says.
func newKnown(n int, at func(row int) int64) *known {
	k := &known{late: make([]int32, n), alive: make([]int32, n+1)}
	for i := range k.alive {
		k.alive[i] = int32(i)
		if i < n {
			k.late[i] = int32(i)
		}
	}
	slices.SortFunc(k.late, func(a, b int32) int { return cmp.Compare(at(int(b)), at(int(a))) })
	return k
}

// forget passes over what was known after t from now on.
func (k *known) forget(t int64, at func(row int) int64) {
	for ; k.next < len(k.late) && at(int(k.late[k.next])) > t; k.next++ {
		k.alive[k.late[k.next]+1] = k.late[k.next]
	}
}

// before is the last of the rows before n that is left, -1 for none.
func (k *known) before(n int) int {
	i := int32(n)
	for k.alive[i] != i {
		k.alive[i] = k.alive[k.alive[i]]
		i = k.alive[i]
	}
	return int(i) - 1
}

// answerRows answers an entity of a latest-row view by its events, and forgets them.
func (c *collector) answerRows(e *entity, probes []Probe, emit func(i int, r *window.Reading) error) error {
	events := e.ordered(c.layout)
	at := func(row int) int64 { return events[row].known }
	k := newKnown(len(events), at)
	order := slices.Clone(e.probes)
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(probes[b].K, probes[a].K) })
	for _, i := range order {
		q := c.asked(&probes[i])
		k.forget(q.K, at)
		row := k.before(sort.Search(len(events), func(i int) bool { return events[i].time > q.T }))
		r := c.layout.Row(nil, q.T)
		if row >= 0 {
			in := c.layout.Unpack(e.events[events[row].at:events[row].end])
			r = c.layout.Row(&in, q.T)
		}
		if err := emit(i, &r); err != nil {
			return err
		}
	}
	c.free(e)
	return nil
}
