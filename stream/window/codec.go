package window

import (
	"encoding/binary"
	"math"

	"github.com/fqgw/fqgw"
)

// A packed state, version 1:
//
//	byte     1
//	4 bytes  the layout's hash
//	varint   H
//	uvarint  own marks; each: partition, epoch, next offset, newest event time
//	rings    in the order of the layout; each: uvarint tiles; each tile: its
//	         index counted back from H's for the first and on from the one
//	         before for others; per filter the row count and, if any, the newest
//	         event time within the tile (a lifetime tile: before H); then the
//	         accumulators whose filter has rows
//	latest   latest-row views only: 0 nothing, 1 a row, 2 a stub; the place in
//	         the order of events; of a row the values
//	uvarint  events kept singly; each: the place in the order of events, the
//	         filters as bits, the arguments
//
// Times are written relative to H. An entity without events has no bytes.
const codecVersion = 1

// Encode appends the packed state. It is canonical: a function of (applied
// events, H), nothing for an entity without events. It changes nothing that can
// be seen in s.
func (l *Layout) Encode(dst []byte, s *State) []byte {
	if s.empty() {
		return dst
	}
	dst = binary.BigEndian.AppendUint32(append(dst, codecVersion), l.hash)
	dst = appendVarint(dst, s.horizon)
	dst = appendUvarint(dst, uint64(len(s.own)))
	for _, m := range s.own {
		dst = appendVarint(appendVarint(dst, int64(m.partition)), int64(m.mark.Epoch))
		dst = appendVarint(appendVarint(dst, m.mark.Next), s.horizon-m.newest)
	}
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
	return dst
}

// Decode unpacks a state; nil is an entity without events. XX001 when the bytes
// are damaged or were written for another layout. It keeps nothing of b.
func (l *Layout) Decode(b []byte) (*State, error) {
	s := l.New()
	if len(b) == 0 {
		return s, nil
	}
	damaged := fqgw.Errorf(fqgw.CodeDataCorrupted, "the state of an entity of feature view \"%s\" is damaged", l.view.Name)
	if len(b) < 5 {
		return nil, damaged
	}
	if b[0] != codecVersion {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "state of feature view \"%s\" has the unknown format %d", l.view.Name, b[0])
	}
	if h := binary.BigEndian.Uint32(b[1:]); h != l.hash {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "state of feature view \"%s\" was written for another layout (%08x, not %08x)", l.view.Name, h, l.hash)
	}
	r := &reader{b: b[5:]}
	s.horizon = r.varint()
	for k := r.length(); k > 0 && !r.bad; k-- {
		m := ownMark{partition: r.int32(), mark: fqgw.Mark{Epoch: r.int32(), Next: r.varint()}}
		m.newest = s.horizon - r.varint()
		if n := len(s.own); n > 0 && s.own[n-1].partition >= m.partition || uint32(m.partition) > maxPartition || !l.reaches(m.newest, s.horizon) {
			r.fail()
		}
		s.own = append(s.own, m)
	}
	for i := range l.rings {
		s.rings[i] = l.rings[i].read(r, s.horizon)
	}
	if l.view.Latest {
		l.readRow(r, s)
	}
	for k := r.length(); k > 0 && !r.bad; k-- {
		in := l.held(r, s.horizon)
		if n := len(s.held); n > 0 && s.held[n-1].compare(&in) > 0 {
			r.fail()
		}
		s.held = append(s.held, in)
	}
	if r.bad || len(r.b) > 0 || s.empty() {
		return nil, damaged
	}
	return s, nil
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
	n := in.length()
	if n == 0 {
		return nil
	}
	// The accumulators of one place lie side by side.
	tiles, rows, accs := make([]tile, n), make([]rowCount, n*len(r.filters)), make([]accumulator, n*len(r.accs))
	for j := range r.accs {
		for i, a := range r.accs[j].kind.make(n) {
			accs[i*len(r.accs)+j] = a
		}
	}
	at := r.tile(h)
	for i := range tiles {
		t := &tiles[i]
		d := in.uvarint()
		if i == 0 {
			t.index = at - int64(d)
		} else {
			t.index = at + int64(d)
		}
		if d > math.MaxInt64 || i > 0 && t.index <= at || t.index > r.tile(h) || t.index < r.low(h, r.length) {
			in.fail()
		}
		at = t.index
		t.rows, rows = rows[:len(r.filters):len(r.filters)], rows[len(r.filters):]
		t.accs, accs = accs[:len(r.accs):len(r.accs)], accs[len(r.accs):]
		if in.bad {
			return nil
		}
		r.readTile(in, t, h)
	}
	return tiles
}

func (r *ringSpec) readTile(in *reader, t *tile, h int64) {
	for j := range t.rows {
		c := &t.rows[j]
		if c.n = in.uvarint(); c.n > 0 {
			c.newest = r.end(t.index, h) - int64(in.uvarint())
			if c.newest > h || r.tile(c.newest) != t.index || c.newest > t.rows[0].newest {
				in.fail()
			}
		}
		if c.n > t.rows[0].n {
			in.fail()
		}
	}
	if t.rows[0].n == 0 {
		in.fail()
	}
	for j, acc := range t.accs {
		if c := t.rows[r.accs[j].filter]; c.n > 0 && !in.bad {
			acc.read(in, c.newest)
		}
	}
}

func (r *latest) append(dst []byte, h int64) []byte {
	switch {
	case !r.has:
		return append(dst, 0)
	case r.stub:
		return appendMoment(append(dst, 2), &r.row, h)
	}
	return appendValues(appendMoment(append(dst, 1), &r.row, h), r.row.args)
}

func (l *Layout) readRow(r *reader, s *State) {
	what := r.byte()
	if what == 0 {
		return
	}
	s.latest = latest{has: true, stub: what == 2}
	row := &s.latest.row
	r.moment(row, s.horizon)
	if what == 1 {
		row.args = r.values(0)
	}
	if what > 2 || row.VisibleAt() > s.horizon || s.latest.stub != tooOld(row.Time, s.horizon, l.view.MaxAge) ||
		!s.latest.stub && len(row.args) != len(l.args) || s.latest.stub && row.tie != "" {
		r.fail()
	}
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
	return appendValues(dst, in.args)
}

func (l *Layout) held(r *reader, h int64) Input {
	in := Input{pass: make([]bool, len(l.filters))}
	r.moment(&in, h)
	in.pass[0] = true
	for i := 1; i < len(in.pass); i += 8 {
		bits := r.byte()
		for j := i; j < len(in.pass) && j < i+8; j++ {
			in.pass[j] = bits&1 == 1
			bits >>= 1
		}
		if bits != 0 {
			r.fail()
		}
	}
	in.args = r.values(0)
	if len(in.args) != len(l.args) || in.VisibleAt() <= h || !l.reaches(in.Time, in.VisibleAt()) {
		r.fail()
	}
	return in
}
