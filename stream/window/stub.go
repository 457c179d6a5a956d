package window

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"github.com/fqgw/fqgw"
)

// A stub stands in the online store for the state of an entity that has left it: the
// history has all of its events, and the stub says which of them the state had and how
// its bytes are told (SEMANTICS §6.5). Version 2 of what is packed:
//
//	byte     2
//	4 bytes  the layout's hash
//	varint   H
//	uvarint  own marks, as a state of version 1 has them
//	uvarint  bytes of the state
//	8 bytes  the beginning of their SHA-256
const (
	stubVersion = 2
	sumBytes    = 8
)

// Stub is a stub that was read. Immutable; safe for concurrent use.
type Stub struct {
	layout *Layout
	h      int64
	own    []ownMark
	size   int // of the state
	sum    [sumBytes]byte
}

// IsStub says whether what the online store has of an entity is a stub.
func IsStub(b []byte) bool { return len(b) > 0 && b[0] == stubVersion }

// Stub is what may stay of a packed state: nil where the state has to stay. It has events
// ahead of H, or some that are in no topic, or the stub would not take half as much.
// That history gives the state again is for the caller to see. XX001 when the bytes are
// damaged.
func (l *Layout) Stub(packed []byte) ([]byte, error) {
	s, err := l.Decode(packed)
	if err != nil || len(s.own) == 0 || len(s.held) > 0 {
		return nil, err
	}
	out := binary.BigEndian.AppendUint32([]byte{stubVersion}, l.hash)
	out = appendVarint(out, s.horizon)
	out = appendOwn(out, s)
	out = appendUvarint(out, uint64(len(packed)))
	sum := sha256.Sum256(packed)
	if out = append(out, sum[:sumBytes]...); 2*len(out) > len(packed) {
		return nil, nil
	}
	return out, nil
}

// OpenStub reads a stub. XX001 when it is damaged or of another layout. It keeps nothing of b.
func (l *Layout) OpenStub(b []byte) (*Stub, error) {
	r, err := l.open(b, stubVersion)
	if err != nil {
		return nil, err
	}
	s := &Stub{layout: l, h: r.Varint()}
	for m := range l.ownMarks(&r, s.h) {
		s.own = append(s.own, m)
	}
	n := r.Uvarint()
	for i := range s.sum {
		s.sum[i] = r.Byte()
	}
	if s.size = int(n); r.Bad() || r.Left() > 0 || len(s.own) == 0 || n > math.MaxInt32 {
		return nil, l.damaged()
	}
	return s, nil
}

// Horizon is H of the state.
func (s *Stub) Horizon() int64 { return s.h }

// BatchStubs is how many states are made again at a time at the most, BatchBytes about
// how many bytes of them.
const (
	BatchStubs = 256
	BatchBytes = 8 << 20
)

// StubBatches divides stubs, one behind the other, into batches of at most so many whose
// states do not take too much together: the bounds of each.
func StubBatches(stubs []*Stub, most int) (out [][2]int) {
	from, size := 0, 0
	for i, s := range stubs {
		if size += s.size; i > from && (i-from == most || size > BatchBytes) {
			out, from, size = append(out, [2]int{from, i}), i, s.size
		}
	}
	if len(stubs) > from {
		out = append(out, [2]int{from, len(stubs)})
	}
	return out
}

// Size is how many bytes the state has.
func (s *Stub) Size() int { return s.size }

// Has says whether the state had the event of that position, of those that matter to it.
func (s *Stub) Has(p fqgw.Position) bool { return (&State{own: s.own}).has(p) }

// Over says whether nobody can see anything of the state at t any more: it is then
// that of an entity without events.
func (s *Stub) Over(t int64) bool {
	return !slices.ContainsFunc(s.own, func(m ownMark) bool { return s.layout.reaches(m.newest, max(t, s.h)) })
}

// Revival makes the state of a stub again, of the events that it had.
type Revival struct {
	stub  *Stub
	state *State
}

// Revive begins with the state of a stub.
func (s *Stub) Revive() *Revival {
	r := &Revival{s, s.layout.New()}
	s.layout.Advance(r.state, s.h)
	return r
}

// Load takes an event, each position once, in any order. One that the state did not have
// is passed over.
func (r *Revival) Load(in *Input) {
	if r.stub.Has(in.Pos) {
		r.stub.layout.Load(r.state, in)
	}
}

// Packed is the state; nil when the events were not those that it had.
func (r *Revival) Packed() []byte {
	r.state.own = r.stub.own // events that count no more moved them too
	b := r.stub.layout.Encode(make([]byte, 0, r.stub.size), r.state)
	if sum := sha256.Sum256(b); len(b) != r.stub.size || [sumBytes]byte(sum[:sumBytes]) != r.stub.sum {
		return nil
	}
	return b
}

// Glance is what the first bytes of a packed state or a stub tell, as far as they go.
type Glance struct {
	Stub   bool
	Newest int64 // greatest event time of the entity, H where the bytes do not tell all; math.MinInt64: none is known
	Size   int64 // of a stub: the bytes of the state, where the bytes go so far
}

// Glance looks at the first bytes of what the online store has of an entity; ok is false
// of bytes that are not the layout's.
func (l *Layout) Glance(head []byte) (g Glance, ok bool) {
	version := byte(codecVersion)
	if g.Stub = IsStub(head); g.Stub {
		version = stubVersion
	}
	r, err := l.open(head, version)
	if err != nil {
		return g, false
	}
	g.Newest = math.MinInt64
	h := r.Varint()
	if r.Bad() {
		return g, true
	}
	for m := range l.ownMarks(&r, h) {
		if r.Bad() {
			break
		}
		g.Newest = max(g.Newest, m.newest)
	}
	if r.Bad() { // the marks behind may be of later events, but none that a stub has is after H
		g.Newest = h
	}
	if n := r.Uvarint(); g.Stub && !r.Bad() {
		g.Size = int64(n)
	}
	return g, true
}

// Spent says whether nobody can see an event of that time at t or later.
func (l *Layout) Spent(time, t int64) bool { return !l.reaches(time, t) }
