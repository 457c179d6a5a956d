package window

import (
	"encoding/binary"
	"iter"

	"github.com/fqgw/fqgw"
)

// A packed state, version 1:
//
//	byte     1
//	4 bytes  the layout's hash
//	varint   H
//	uvarint  own marks; each: partition, epoch, offset and sub-position, newest
//	         event time
//	rings    in the order of the layout; each: uvarint tiles; each tile: its
//	         index counted back from H's for the first and on from the one
//	         before for others; per filter the row count and, if any, the newest
//	         event time within the tile (a lifetime tile: before H); then the
//	         accumulators whose filter has rows
//	latest   latest-row views only: 0 nothing, 1 a row, 2 a stub; the place in
//	         the order of events; of a row the values, of a changelog's behind
//	         them its event time
//	uvarint  events kept singly; each: the place in the order of events, the
//	         filters as bits, the arguments
//	ahead    views without keys only: uvarint states; each: by how much its
//	         second is ahead of the one before, the rings
//
// Times are written relative to H. An entity without events has no bytes.
const (
	codecVersion = 1
	headBytes    = 5 // version and hash
)

// Encode appends the packed state. It is canonical: a function of (applied
// events, H), nothing for an entity without events. It changes nothing that can
// be seen in s.
func (l *Layout) Encode(dst []byte, s *State) []byte {
	if l.nothing(s) {
		return dst
	}
	dst = binary.BigEndian.AppendUint32(append(dst, codecVersion), l.hash)
	dst = appendVarint(dst, s.horizon)
	dst = appendOwn(dst, s)
	for i := range l.rings {
		dst = l.rings[i].append(dst, s.rings[i], s.horizon)
	}
	if l.view.Latest {
		dst = s.latest.append(dst, s.horizon)
	}
	dst = appendUvarint(dst, uint64(len(s.held)))
	for i := range s.held {
		dst = l.appendHeld(dst, &s.held[i], s.horizon)
	}
	if l.beats() {
		dst = l.appendAhead(dst, s)
	}
	return dst
}

func appendOwn(dst []byte, s *State) []byte {
	dst = appendUvarint(dst, uint64(len(s.own)))
	for _, m := range s.own {
		dst = appendVarint(appendVarint(dst, int64(m.last.Partition)), int64(m.last.Epoch))
		dst = appendVarint(appendPlace(dst, m.last), s.horizon-m.newest)
	}
	return dst
}

// Decode unpacks a state; nil is an entity without events. XX001 when the bytes
// are damaged or were written for another layout. It keeps nothing of b.
func (l *Layout) Decode(b []byte) (*State, error) {
	s := l.New()
	if len(b) == 0 {
		return s, nil
	}
	in, err := l.open(b, codecVersion)
	if err != nil {
		return nil, err
	}
	r := &in
	s.horizon = r.Varint()
	for m := range l.ownMarks(r, s.horizon) {
		s.own = append(s.own, m)
	}
	for i := range l.rings {
		s.rings[i] = l.rings[i].read(r, s.horizon)
	}
	if l.view.Latest {
		l.readRow(r, s)
	}
	for in := range l.heldInputs(r, s.horizon) {
		s.held = append(s.held, in)
	}
	if l.beats() {
		l.decodeAhead(r, s)
	}
	if r.Bad() || r.Left() > 0 || l.nothing(s) || l.beats() && (len(s.held) > 0 || fqgw.Floor(s.horizon, beat) != s.horizon) {
		return nil, l.damaged()
	}
	return s, nil
}

func (l *Layout) damaged() error {
	return fqgw.Errorf(fqgw.CodeDataCorrupted, "the state of an entity of feature view \"%s\" is damaged", l.view.Name)
}

// open checks the head of a packed state, or a stub; the reader's first is the horizon.
func (l *Layout) open(b []byte, version byte) (reader, error) {
	if len(b) < headBytes {
		return reader{}, l.damaged()
	}
	if b[0] != version {
		return reader{}, fqgw.Errorf(fqgw.CodeDataCorrupted, "state of feature view \"%s\" has the unknown format %d", l.view.Name, b[0])
	}
	if h := binary.BigEndian.Uint32(b[1:]); h != l.hash {
		return reader{}, fqgw.Errorf(fqgw.CodeDataCorrupted, "state of feature view \"%s\" was written for another layout (%08x, not %08x)", l.view.Name, h, l.hash)
	}
	return reader{fqgw.Unpack(b[headBytes:])}, nil
}

// ownMarks reads the own marks.
func (l *Layout) ownMarks(r *reader, h int64) iter.Seq[ownMark] {
	return func(yield func(ownMark) bool) {
		before := int32(-1)
		for k := r.Length(); k > 0 && !r.Bad(); k-- {
			m := ownMark{last: fqgw.Position{Partition: r.Int32(), Epoch: r.Int32()}}
			m.last.Offset, m.last.Sub = r.place()
			m.newest = h - r.Varint()
			if m.last.Partition <= before || m.last.Partition > maxPartition || m.last.IsNone() || !l.reaches(m.newest, h) {
				r.Fail()
				return
			}
			before = m.last.Partition
			if !yield(m) {
				return
			}
		}
	}
}

// heldInputs reads the events kept singly.
func (l *Layout) heldInputs(r *reader, h int64) iter.Seq[Input] {
	return func(yield func(Input) bool) {
		var before Input
		for k, first := r.Length(), true; k > 0 && !r.Bad(); k, first = k-1, false {
			in := l.held(r, h)
			if r.Bad() || !first && before.compare(&in) > 0 {
				r.Fail()
				return
			}
			before = in
			if !yield(in) {
				return
			}
		}
	}
}

// Cut is the packed state b advanced to h, for comparing two states (SEMANTICS §6.1).
func (l *Layout) Cut(b []byte, h int64) ([]byte, error) {
	s, err := l.Decode(b)
	if err != nil {
		return nil, err
	}
	l.Advance(s, h)
	return l.Encode(nil, s), nil
}

// maxPartition is more than Kafka can have; it bounds what a damaged state can claim.
const maxPartition = 1 << 20

// end is the time to which the newest row of a tile is relative.
func (r *ringSpec) end(index, h int64) int64 {
	if r.hop == 0 {
		return h
	}
	return index*r.hop + r.hop - 1
}

func (r *ringSpec) append(dst []byte, tiles []tile, h int64) []byte {
	dst = appendUvarint(dst, uint64(len(tiles)))
	prev := r.tile(h)
	for i := range tiles {
		t := &tiles[i]
		if i == 0 {
			dst = appendUvarint(dst, uint64(prev-t.index))
		} else {
			dst = appendUvarint(dst, uint64(t.index-prev))
		}
		prev = t.index
		for _, c := range t.rows {
			if dst = appendUvarint(dst, c.n); c.n > 0 {
				dst = appendUvarint(dst, uint64(r.end(t.index, h)-c.newest))
			}
		}
		for j, acc := range t.accs {
			if c := t.rows[r.accs[j].filter]; c.n > 0 {
				dst = acc.append(dst, c.newest)
			}
		}
	}
	return dst
}

func (r *ringSpec) read(in *reader, h int64) []tile {
	var tiles []tile
	var rows []rowCount
	var accs []accumulator
	for index, left := range r.indexes(in, h) {
		if tiles == nil {
			// The accumulators of one place lie side by side.
			tiles, rows, accs = make([]tile, 0, left), make([]rowCount, left*len(r.filters)), make([]accumulator, left*len(r.accs))
			for j := range r.accs {
				for i, a := range r.accs[j].kind.make(left) {
					accs[i*len(r.accs)+j] = a
				}
			}
		}
		t := tile{index: index}
		t.rows, rows = rows[:len(r.filters):len(r.filters)], rows[len(r.filters):]
		t.accs, accs = accs[:len(r.accs):len(r.accs)], accs[len(r.accs):]
		r.readTile(in, index, h, t.rows, t.accs)
		tiles = append(tiles, t)
	}
	return tiles
}

// indexes reads the index of each tile, with the number of tiles from it on;
// what stands behind the index is read by the loop's body.
func (r *ringSpec) indexes(in *reader, h int64) iter.Seq2[int64, int] {
	return func(yield func(int64, int) bool) {
		n := in.Length()
		at, top, low := r.tile(h), r.tile(h), r.low(h, r.length)
		for i := 0; i < n && !in.Bad(); i++ {
			index := at
			if d := in.Uvarint(); i == 0 {
				index -= int64(d)
			} else if index += int64(d); index <= at {
				in.Fail()
			}
			if index > top || index < low {
				in.Fail()
			}
			if at = index; in.Bad() || !yield(index, n-i) {
				return
			}
		}
	}
}

// readTile reads a tile into row counts, which must be zero, and counts its
// accumulators into accs.
func (r *ringSpec) readTile(in *reader, index, h int64, rows []rowCount, accs []accumulator) {
	r.readRows(in, index, h, rows)
	for j, acc := range accs {
		if c := rows[r.accs[j].filter]; c.n > 0 && !in.Bad() {
			acc.read(in, c.newest)
		}
	}
}

// readRows reads the row counts of a tile, which must be zero.
func (r *ringSpec) readRows(in *reader, index, h int64, rows []rowCount) {
	end := r.end(index, h)
	for j := range rows {
		c := &rows[j]
		if c.n = in.Uvarint(); c.n > 0 {
			d := in.Uvarint()
			c.newest = end - int64(d)
			if c.newest > h || c.newest > rows[0].newest || r.hop > 0 && d >= uint64(r.hop) {
				in.Fail()
			}
		}
		if c.n > rows[0].n {
			in.Fail()
		}
	}
	if rows[0].n == 0 {
		in.Fail()
	}
}

func (r *latest) append(dst []byte, h int64) []byte {
	switch {
	case !r.has:
		return append(dst, 0)
	case r.stub:
		return appendMoment(append(dst, 2), &r.row, h)
	}
	return fqgw.AppendPackedRow(appendMoment(append(dst, 1), &r.row, h), r.row.args)
}

// rowPlace reads what there is of the latest row, as append writes it, and its
// place in the order of events; the values of a row follow.
func (l *Layout) rowPlace(r *reader, row *Input, h int64) (what byte) {
	if what = r.Byte(); what == 0 {
		return 0
	}
	r.moment(row, h)
	stub := what == 2
	row.gone = stub && l.versions()
	if what > 2 || row.VisibleAt() > h || stub != (row.gone || tooOld(row.Time, h, l.view.MaxAge)) || stub && !row.gone && row.tie != "" {
		r.Fail()
	}
	return what
}

func (l *Layout) readRow(r *reader, s *State) {
	var row Input
	what := l.rowPlace(r, &row, s.horizon)
	if what == 0 {
		return
	}
	if what == 1 {
		if row.args = r.Row(); len(row.args) != len(l.args) {
			r.Fail()
		}
	}
	s.latest = latest{has: true, stub: what == 2, row: row}
}

func (l *Layout) appendHeld(dst []byte, in *Input, h int64) []byte {
	dst = appendMoment(dst, in, h)
	for i := 1; i < len(in.pass); i += 8 {
		var bits byte
		for j := i; j < len(in.pass) && j < i+8; j++ {
			if in.pass[j] {
				bits |= 1 << (j - i)
			}
		}
		dst = append(dst, bits)
	}
	return fqgw.AppendPackedRow(dst, in.args)
}

func (l *Layout) held(r *reader, h int64) Input {
	in := l.input(r, h)
	if in.VisibleAt() <= h || !l.reaches(in.Time, in.VisibleAt()) {
		r.Fail()
	}
	return in
}

func (l *Layout) input(r *reader, h int64) Input {
	in := Input{pass: make([]bool, len(l.filters))}
	r.moment(&in, h)
	in.pass[0] = true
	for i := 1; i < len(in.pass); i += 8 {
		bits := r.Byte()
		for j := i; j < len(in.pass) && j < i+8; j++ {
			in.pass[j] = bits&1 == 1
			bits >>= 1
		}
		if bits != 0 {
			r.Fail()
		}
	}
	in.gone = len(in.pass) > 1 && l.filters[1].side == sideAdded && !in.pass[1]
	in.args = r.Row()
	if len(in.args) != len(l.args) {
		r.Fail()
	}
	return in
}
