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
// known at a time. Asked from the greatest time to the least, rows that were not known
// yet are passed over for good: n rows and m questions take n + m log n.
type known struct {
	at    []int64  // by row
	late  []uint32 // the rows, those known last at the end
	alive []int32  // of row i at i+1: itself, or an earlier one that is to be looked at
}

// knownBytes is what a row takes in it.
const knownBytes = 8 + 2*4 + 4

func newKnown(at []int64) *known {
	k := &known{at: at, late: make([]uint32, len(at)), alive: make([]int32, len(at)+1)}
	for i := range k.alive {
		k.alive[i] = int32(i)
	}
	for i := range k.late {
		k.late[i] = uint32(i)
	}
	k.late, _ = radix(at, k.late, make([]uint32, len(at)))
	return k
}

// before is the last of the rows before n that was known at t.
func (k *known) before(n int, t int64) (row int, ok bool) {
	for i := len(k.late); i > 0 && k.at[k.late[i-1]] > t; i-- {
		k.alive[k.late[i-1]+1] = int32(k.late[i-1])
		k.late = k.late[:i-1]
	}
	i := int32(n)
	for k.alive[i] != i {
		k.alive[i] = k.alive[k.alive[i]]
		i = k.alive[i]
	}
	return int(i) - 1, i > 0
}

// answer fills in rows for the questions i in of, each before the row that is there: -1
// where nothing was known.
func (k *known) answer(rows []int, of []int, asked []window.Question) {
	slices.SortFunc(of, func(a, b int) int { return cmp.Compare(asked[b].K, asked[a].K) })
	for _, i := range of {
		row, ok := k.before(rows[i], asked[i].K)
		if rows[i] = row; !ok {
			rows[i] = -1
		}
	}
}

// lastEvents is for each question the last visible of some events that are in order,
// -1 for none.
func lastEvents(events []place, asked []window.Question) []int {
	rows, all := make([]int, len(asked)), make([]int, len(asked))
	at := make([]int64, len(events))
	for i := range events {
		at[i] = events[i].known
	}
	for i, q := range asked {
		all[i] = i
		rows[i] = sort.Search(len(events), func(n int) bool { return events[n].time > q.T })
	}
	newKnown(at).answer(rows, all, asked)
	return rows
}

// farBack is how many rows that were not known yet a question looks past, before all
// are brought into the order in which they were known.
const farBack = 64

// lastRows is for each question, in the order of their times, the last visible of the
// rows [from, to) of an entity, from-1 for none. ok is false when the entity was left
// for later.
func (c *collector) lastRows(r *reader, e *entity, from, to int, asked []window.Question) (rows []int, ok bool, err error) {
	rows = make([]int, len(asked))
	var far []int
	end := from
	for i, q := range asked {
		end = r.after(end, to, q.T)
		row := end - 1
		for looked := 0; row >= from; row-- {
			if _, known := r.moment(row); known <= q.K {
				break
			}
			if looked++; looked == farBack {
				far, row = append(far, i), end-from
				break
			}
		}
		rows[i] = row
	}
	if len(far) == 0 {
		return rows, true, nil
	}
	room := knownBytes * int64(end-from)
	if err := c.take(room); err != nil {
		return nil, false, err
	}
	defer func() {
		c.memory.Give(room)
		c.held -= room
	}()
	if !c.part.has(e.key) {
		return nil, false, nil
	}
	at := make([]int64, end-from)
	for i := range at {
		_, at[i] = r.moment(from + i)
	}
	newKnown(at).answer(rows, far, asked)
	for _, i := range far {
		rows[i] += from
	}
	return rows, true, nil
}

// answerRows answers an entity of a latest-row view by its events, and forgets them.
func (c *collector) answerRows(e *entity, probes []Probe, emit func(i int, r *window.Reading) error) error {
	events := e.ordered(c.layout)
	asked := make([]window.Question, len(e.probes))
	for i, q := range e.probes {
		asked[i] = c.asked(&probes[q])
	}
	for i, row := range lastEvents(events, asked) {
		r := c.layout.Row(nil, asked[i].T)
		if row >= 0 {
			in := c.layout.Unpack(e.events[events[row].at:events[row].end])
			r = c.layout.Row(&in, asked[i].T)
		}
		if err := emit(e.probes[i], &r); err != nil {
			return err
		}
	}
	c.free(e)
	return nil
}
