package exec

import (
	"io"
	"slices"
	"sync"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/window"
)

// looked are the rows of a lookup. They are asked for in chunks, each in one trip to
// the online store or in one pass over the history; a row is made of its answer
// when it is asked for.
type looked struct {
	*lookup
	*room   // nil once it is closed
	e       *Engine
	env     *fqgw.Env
	input   fqgw.Rows // the spine; nil for a scan
	limit   chunk
	history bool
	more    bool  // there may be more rows of the spine
	late    bool  // the chunk has entities that did not answer within the deadline
	found   bool  // the chunk has an entity that is there
	asked   bool  // the chunk is the first, or the one before has ended
	next    int   // the probe that is answered next
	end     int   // that behind the chunk
	first   int   // of the chunk
	held    int64 // bytes that the chunk takes
	counted int64 // bytes that the probes of a scan take
	own     bool  // the account is closed with the lookup
	slab    []fqgw.Value
	tally   tally
	cold    map[fqgw.EntityKey]bool // that were asked of the lake, in all chunks
	global  *window.Reading         // online: the global windows, nil where they are not known
	stale   bool                    // and older than they must be
}

// room is what a run of a lookup needs besides its program. It is used again by
// other runs.
type room struct {
	spine    [][]fqgw.Value // the chunk's rows
	probes   []probe        // of a join those of the chunk, of a scan all
	parts    []fqgw.Value
	keyBytes []byte
	places   []place
	entities []fqgw.EntityKey
	reads    []fqgw.UnitRead
	states   []packedState     // of the chunk, online
	readings []window.Reading  // of the chunk, from history
	then     []*window.Reading // of the chunk, from history: the global windows
	answer   window.Answer
	joined   []fqgw.Value // a row with all its columns
}

var rooms = sync.Pool{New: func() any { return new(room) }}

func newRoom() *room { return rooms.Get().(*room) }

// maxRoom is the greatest chunk whose room is kept for others.
const maxRoom = 1024

// free gives a room back that nobody refers to any more.
func (m *room) free() {
	if cap(m.probes) > maxRoom || cap(m.spine) > maxRoom || cap(m.keyBytes) > 64<<10 {
		return
	}
	clear(m.spine)
	clear(m.probes[:cap(m.probes)])
	clear(m.parts)
	clear(m.entities[:cap(m.entities)])
	clear(m.reads[:cap(m.reads)])
	clear(m.states)
	clear(m.readings)
	clear(m.then)
	clear(m.joined[:cap(m.joined)])
	m.spine, m.probes, m.parts, m.keyBytes, m.states, m.readings = m.spine[:0], m.probes[:0], m.parts[:0], m.keyBytes[:0], m.states[:0], m.readings[:0]
	m.then = m.then[:0]
	m.answer.Forget()
	rooms.Put(m)
}

// Next implements fqgw.Rows. The row is one of its own, which may be kept.
func (r *looked) Next() ([]fqgw.Value, error) {
	if err := r.advance(); err != nil {
		return nil, err
	}
	row := r.row(len(r.columns))
	for i, c := range r.columns {
		row[i] = r.column(c)
	}
	return row, nil
}

// WriteRow implements fqgw.DirectRows.
func (r *looked) WriteRow(w fqgw.RowWriter) error {
	if err := r.advance(); err != nil {
		return err
	}
	for _, c := range r.columns {
		switch {
		case r.on != nil:
			w.Value(r.joined[c])
		case c < r.width:
			w.Value(r.spine[r.next-1][c])
		default:
			status := r.program.Write(w, &r.answer, c-r.width)
			if r.outputs[c-r.width].Kind == fqgw.OutFeature {
				r.tally[status]++
			}
		}
	}
	return nil
}

// column is a column of the row at which r stands.
func (r *looked) column(c int) fqgw.Value {
	switch {
	case r.on != nil:
		return r.joined[c]
	case c < r.width:
		return r.spine[r.next-1][c]
	}
	return r.output(c - r.width)
}

// output is the value of an output, which is counted.
func (r *looked) output(i int) fqgw.Value {
	v, status := r.program.Value(&r.answer, i)
	if r.outputs[i].Kind == fqgw.OutFeature {
		r.tally[status]++
	}
	return v
}

// row is a new row of n columns; those of a chunk lie side by side.
func (r *looked) row(n int) []fqgw.Value {
	if len(r.slab) < n {
		const some = 64
		r.slab = make([]fqgw.Value, n*min(some, r.end-r.next+1))
	}
	row := r.slab[:n:n]
	r.slab = r.slab[n:]
	return row
}

// advance goes on to the next probe that gives a row, and answers it.
func (r *looked) advance() error {
	if r.room == nil {
		return io.EOF
	}
	for {
		if r.next == r.end {
			if err := r.chunk(); err != nil {
				return err
			}
			continue
		}
		if r.next&0xff == 0xff && r.env.Ctx.Err() != nil {
			return r.env.Ctx.Err()
		}
		p := &r.probes[r.next]
		r.next++
		if err := r.answerOf(p); err != nil {
			return err
		}
		if !r.left && !r.answer.Shown {
			r.tally.notFound(r.outputs)
			continue
		}
		if r.on == nil {
			return nil
		}
		if keep, err := r.join(); err != nil || keep {
			return err
		}
	}
}

// answerOf answers a probe.
func (r *looked) answerOf(p *probe) error {
	a, i := &r.answer, r.next-1-r.first
	a.Key, a.Late = nil, false
	a.Global, a.Stale = r.global, r.stale
	if r.history && r.lookup.globals != nil {
		a.Global = r.then[i]
	}
	if p.ok {
		a.Key = p.parts
	}
	switch {
	case !r.view.Keyed():
		r.program.Empty(a, p.t)
	case r.history:
		r.program.Of(a, &r.readings[i])
	case !p.ok:
		r.program.Empty(a, p.t)
	case r.states[i].late:
		a.Late = true
		r.program.Empty(a, p.t)
	default:
		if err := r.program.Online(a, r.states[i].packed, p.t); err != nil {
			return err
		}
	}
	// A late entity's key is shown unless it is known that there is none.
	a.Shown = p.ok && (a.Exists || a.Late && !p.alien)
	r.found = r.found || a.Exists || a.OutsideMaxAge
	return nil
}

// join puts the row together and asks the further condition of it. A row that it
// rejects is dropped, or NULL without defaults in a left join (SEMANTICS §4.2).
func (r *looked) join() (keep bool, err error) {
	r.joined = append(r.joined[:0], r.spine[r.next-1]...)
	for i := range r.outputs {
		r.joined = append(r.joined, r.output(i))
	}
	ok, err := expr.Holds(r.env, r.on, r.joined)
	if err != nil || ok || !r.left {
		return ok, err
	}
	for i := range r.outputs {
		r.joined[r.width+i] = fqgw.Null
		if r.outputs[i].Kind == fqgw.OutStatus {
			r.joined[r.width+i] = fqgw.TextValue(fqgw.StatusNotFound.String())
		}
	}
	return true, nil
}

// chunk ends a chunk and asks for the next one; io.EOF when there is none.
func (r *looked) chunk() error {
	r.ended()
	if err := r.env.Ctx.Err(); err != nil {
		return err
	}
	size := int64(0)
	if r.input != nil {
		if !r.more {
			return io.EOF
		}
		var err error
		r.parts, r.probes, r.keyBytes = r.parts[:0], r.probes[:0], r.keyBytes[:0]
		r.first, r.next, r.end = 0, 0, 0
		r.limit.memory.Give(r.held)
		r.held = 0
		if r.spine, size, r.more, err = r.limit.take(r.input, r.spine[:0]); err != nil {
			return err
		}
		r.held = size
		for _, row := range r.spine {
			if err := r.askRow(row); err != nil {
				return err
			}
		}
		r.makeKeys()
		r.end = len(r.probes)
	} else {
		r.first = r.next
		n := r.limit.fit(len(r.probes) - r.next)
		r.end, size = r.next+n, int64(n)*r.limit.each
	}
	if r.next == r.end {
		if r.more {
			return nil
		}
		return io.EOF
	}
	if err := r.hold(size); err != nil {
		return err
	}
	r.asked, r.found = true, false
	if r.history {
		return r.readHistory()
	}
	if err := r.readOnline(); err != nil {
		return err
	}
	for i := range r.states {
		size += int64(len(r.states[i].packed))
	}
	return r.hold(size)
}

// ended tells, of a chunk whose rows were all given, why nothing was there.
func (r *looked) ended() {
	if r.asked && !r.history && !r.late && !r.found {
		r.e.noticeNothing(r.env, r.view)
	}
	r.asked = false
	r.e.served.add(r.history, &r.tally)
	r.tally = tally{}
}

// hold counts what the chunk takes instead of what the one before took.
func (r *looked) hold(n int64) error {
	r.limit.memory.Give(r.held)
	r.held = 0
	err := r.limit.memory.Take(n)
	if err == nil {
		r.held = n
	}
	return err
}

// forget gives back what the lookup took.
func (r *looked) forget() {
	r.limit.memory.Give(r.held + r.counted)
	r.held, r.counted = 0, 0
	if r.own {
		r.limit.memory.Close()
	}
}

// Close implements fqgw.Rows.
func (r *looked) Close() error {
	if r.room == nil {
		return nil
	}
	r.e.served.add(r.history, &r.tally)
	r.forget()
	if !r.late && r.next == r.end { // else a trip of others may still use it
		r.free()
	}
	r.room = nil
	if r.input != nil {
		return r.input.Close()
	}
	return nil
}

// fit is how many of n probes make a chunk.
func (c *chunk) fit(n int) int {
	n = min(n, c.rows)
	return min(n, int(max(chunkLeast, c.room()/c.each)))
}

// columnsOf is a row of the shown columns, for a reading of history.
func (l *lookup) columnsOf(a *window.Answer, t *tally) []fqgw.Value {
	row := make([]fqgw.Value, 0, len(l.columns))
	for _, c := range l.columns {
		v, status := l.program.Value(a, c)
		if l.outputs[c].Kind == fqgw.OutFeature {
			t[status]++
		}
		row = append(row, v)
	}
	return slices.Clip(row)
}
