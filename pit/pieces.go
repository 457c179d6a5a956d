package pit

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// Rows in no order that can be had in pieces are looked at once, by their keys and times
// alone: each goes to the first of its entity's probes that sees it, which keeps the
// last one. What a probe sees the later ones see too, so that afterwards each takes over
// what the one before it has, if that comes behind its own. Of the rows that are left
// columns are read.

// latestSeen is the last row that a probe was the first to see, and those that have its
// times: they tie by all of their columns.
type latestSeen struct {
	time, known int64
	at          rowAt // in a piece
	tied        int32 // in pieced.ties; -1: none
}

// tie is a row of the times of another.
type tie struct {
	at   rowAt
	next int32
}

// pieced is such a search.
type pieced struct {
	m      *Latest
	view   *fqgw.FeatureView
	one    bool // all have the known time known, else each its own time
	known  int64
	best   []latestSeen // of each probe
	ties   []tie
	find   *finder
	pieces []fqgw.Piece
	memory *fqgw.Memory
	held   int64
}

// seenBytes are those of a probe, in the search and of the row that it finds.
const seenBytes = 32 + 16

// errNoRoom says that memory does not suffice for a search in pieces.
var errNoRoom = errors.New("there is no room for a search in pieces")

// inPieces answers from the pieces of a history; false when it cannot: each probe has
// a known time of its own, or memory does not suffice.
func (m *Latest) inPieces(history *fqgw.Sorted, mem *fqgw.Memory) (bool, error) {
	p := &pieced{m: m, view: m.layout.View(), memory: mem, one: m.spine.k != nil}
	s := m.spine
	for n := range s.order {
		if n > 0 && p.one && s.k[n] != p.known {
			return false, nil
		}
		p.known = s.known(n)
	}
	defer func() { mem.Give(p.held) }()
	if p.take(seenBytes*int64(len(m.at))) != nil {
		return false, nil
	}
	p.best = make([]latestSeen, len(m.at))
	for n := range p.best {
		p.best[n] = latestSeen{at: nowhere, tied: -1}
	}
	p.find = finderOf(s, p.view)
	for piece, err := range history.Pieces {
		if err == fqgw.ErrNoPieces {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		p.pieces = append(p.pieces, piece)
		if err := p.piece(piece); err != nil {
			return false, hasRoom(err)
		}
	}
	if err := p.untie(); err != nil {
		return false, hasRoom(err)
	}
	p.answer()
	return true, nil
}

// hasRoom is an error but for that of memory.
func hasRoom(err error) error {
	if err == errNoRoom {
		return nil
	}
	return err
}

func (p *pieced) take(bytes int64) error {
	if p.memory.Take(bytes) != nil {
		return errNoRoom
	}
	p.held += bytes
	return nil
}

// piece looks at the rows of a piece.
func (p *pieced) piece(piece fqgw.Piece) error {
	s := p.view.Source
	cols := columns{of: s, needed: make([]bool, len(s.Columns))}
	var names []string
	need := func(c int) {
		if !cols.needed[c] {
			cols.needed[c] = true
			names = append(names, s.Columns[c].Name)
		}
	}
	for _, k := range p.view.Keys {
		need(k.Column)
	}
	need(s.EventTime)
	if s.Known == fqgw.KnownByColumn {
		need(s.KnownColumn)
	}
	at := inRun(len(p.pieces)-1, 0)
	for b, err := range piece.Read(names...) {
		if err != nil {
			return err
		}
		if err = cols.bind(b.Schema()); err == nil {
			err = p.batch(&cols, b, at)
		}
		at += rowAt(b.NumRows())
		b.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// batch looks at rows, the first of which is at.
func (p *pieced) batch(c *columns, b arrow.RecordBatch, at rowAt) error {
	s := p.view.Source
	times := microsOf(b.Column(c.source[s.EventTime]), s.Columns[s.EventTime].Type)
	known := times
	if s.Known == fqgw.KnownByColumn {
		known = microsOf(b.Column(c.source[s.KnownColumn]), s.Columns[s.KnownColumn].Type)
	}
	keys := make([]arrow.Array, len(p.view.Keys))
	for i, k := range p.view.Keys {
		keys[i] = b.Column(c.source[k.Column])
	}
	entity := p.find.of(keys)
	entities, probes := p.m.spine.entities, p.m.spine.t
	for i := range int(b.NumRows()) {
		t, ok := times.at(i)
		if !ok {
			continue
		}
		e := entity(i)
		if e < 0 {
			continue
		}
		k, ok := known.at(i)
		if !ok {
			k = t
		}
		from := t // that of the first probe that sees it
		if !p.one {
			from = max(t, k)
		} else if k > p.known {
			continue
		}
		n, end := 0, int(entities[e])
		if e > 0 {
			n = int(entities[e-1])
		}
		if probes[end-1] < from {
			continue
		}
		for to := end - 1; n < to; { // the last one sees it
			if m := int(uint(n+to) >> 1); probes[m] < from {
				n = m + 1
			} else {
				to = m
			}
		}
		best := &p.best[n]
		row := at + rowAt(i)
		switch {
		case best.at < 0 || t > best.time || t == best.time && k > best.known:
			*best = latestSeen{t, k, row, -1}
		case t == best.time && k == best.known:
			if err := p.tie(best, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// tie remembers a row of the times of the last one.
func (p *pieced) tie(best *latestSeen, row rowAt) error {
	const bytes, least = 16, 1024
	if n := len(p.ties); n == cap(p.ties) {
		more := max(least, n)
		if n+more > math.MaxInt32 {
			return errNoRoom
		}
		if err := p.take(bytes * int64(more)); err != nil {
			return err
		}
		p.ties = append(make([]tie, 0, n+more), p.ties...)
	}
	p.ties = append(p.ties, tie{row, best.tied})
	best.tied = int32(len(p.ties) - 1)
	return nil
}

// untieRows is how many rows of a piece are compared at once.
const untieRows = 1 << 17

// untie decides between rows of equal times, of those probes for which they are not too
// old: by the bytes of all columns.
func (p *pieced) untie() error {
	type tied struct {
		at rowAt
		n  int32
	}
	var all []tied
	for n := range p.best {
		b := &p.best[n]
		if b.tied < 0 || p.m.layout.TooOld(b.time, p.m.spine.t[n]) {
			continue
		}
		all = append(all, tied{b.at, int32(n)})
		for t := b.tied; t >= 0; t = p.ties[t].next {
			all = append(all, tied{p.ties[t].at, int32(n)})
		}
		b.at = nowhere
	}
	const bytes, input = 2 * 16, 400
	if err := p.take(bytes * int64(len(all))); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b tied) int { return cmp.Compare(a.at, b.at) })
	last := map[int32]*window.Input{}
	s := p.view.Source
	cols, row := make([]arrow.Array, len(s.Columns)), make([]fqgw.Value, len(s.Columns))
	release := func() {
		for i, c := range cols {
			if c != nil {
				c.Release()
				cols[i] = nil
			}
		}
	}
	defer release()
	for len(all) > 0 {
		piece := all[0].at >> 32
		n := 1
		for n < len(all) && n < untieRows && all[n].at>>32 == piece {
			n++
		}
		rows := make([]int32, n)
		for i := range rows {
			rows[i] = int32(all[i].at & math.MaxUint32)
		}
		for i, c := range s.Columns {
			var err error
			if cols[i], err = p.pieces[piece].Pick(rows, c.Name); err != nil {
				return err
			}
		}
		for i, x := range all[:n] {
			for c := range row {
				row[c] = fqgw.ArrowValue(cols[c], i, s.Columns[c].Type)
			}
			b := &p.best[x.n]
			in := &window.Input{}
			p.m.layout.Reduce(in, &fqgw.Event{Time: b.time, Known: b.known, Pos: fqgw.Position{Offset: fqgw.NoOffset}, Row: row})
			was := last[x.n]
			if was == nil {
				if err := p.take(input + fqgw.RowBytes(row)); err != nil {
					return err
				}
			}
			if was == nil || was.Compare(in) < 0 {
				last[x.n], b.at = in, x.at
			}
		}
		release()
		all = all[n:]
	}
	return nil
}

// answer gives each probe the last row that it or one of its entity's before it sees.
func (p *pieced) answer() {
	m := p.m
	rows := &pickedRows{of: p.view.Source, pieces: p.pieces}
	from := uint32(0)
	for _, to := range m.spine.entities {
		best := latestSeen{at: nowhere}
		for n := from; n < to; n++ {
			b := p.best[n]
			if b.at >= 0 && (best.at < 0 || b.time > best.time || b.time == best.time && b.known > best.known) {
				best = b
			}
			switch {
			case best.at < 0:
			case m.layout.TooOld(best.time, m.spine.t[n]):
				m.at[n] = outside
			default:
				if k := len(rows.at); k == 0 || rows.at[k-1] != best.at {
					rows.at = append(rows.at, best.at)
				}
				m.at[n] = inRun(0, len(rows.at)-1)
			}
		}
		from = to
	}
	rows.order = make([]uint32, len(rows.at))
	for i := range rows.order {
		rows.order[i] = uint32(i)
	}
	rows.order, _ = radix(rows.at, rows.order, make([]uint32, len(rows.at)))
	m.runs = []grouped{rows}
}

// pickedRows are rows of pieces in an order of their own, of which columns are read.
type pickedRows struct {
	of     *fqgw.Source
	pieces []fqgw.Piece
	at     []rowAt
	order  []uint32 // of at, by piece and row
	name   string   // of the column that was read last
	column arrow.Array
}

// Packed implements grouped.
func (*pickedRows) Packed(int, string) (p fqgw.PackedColumn, ok bool) { return p, false }

// Column implements grouped.
func (p *pickedRows) Column(group int, name string) (arrow.Array, error) {
	if p.name != name || p.column == nil {
		if err := p.read(name); err != nil {
			return nil, err
		}
	}
	from := group * fqgw.RunGroup
	return array.NewSlice(p.column, int64(from), int64(min(from+fqgw.RunGroup, len(p.at)))), nil
}

func (p *pickedRows) read(name string) error {
	var parts []arrow.Array
	defer func() {
		for _, a := range parts {
			a.Release()
		}
	}()
	picks := make([]pick, len(p.at))
	var rows []int32
	for from := 0; from < len(p.order); {
		piece := p.at[p.order[from]] >> 32
		rows = rows[:0]
		for ; from < len(p.order) && p.at[p.order[from]]>>32 == piece; from++ {
			i := p.order[from]
			row := int32(p.at[i] & math.MaxUint32)
			if k := len(rows); k == 0 || rows[k-1] != row {
				rows = append(rows, row)
			}
			picks[i] = pick{int32(len(parts)), int32(len(rows) - 1)}
		}
		a, err := p.pieces[piece].Pick(rows, name)
		if err != nil {
			return err
		}
		parts = append(parts, a)
	}
	if len(parts) == 0 {
		return fqgw.Errorf(fqgw.CodeInternal, "column \"%s\" is asked for of no rows", name)
	}
	column, err := gather(parts, picks, p.of.Columns[p.of.ColumnIndex(name)].Type)
	if err != nil {
		return err
	}
	if p.column != nil {
		p.column.Release()
	}
	p.name, p.column = name, column
	return nil
}
