package pit

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// part is the entities whose hash ends in the given bits.
type part struct{ bits, low uint32 }

func (p part) has(key fqgw.EntityKey) bool { return p.bits == 0 || key.Shard(1<<p.bits) == p.low }

// maxBits is where parts are not halved further.
const maxBits = 24

// inParts runs do for all entities, or for parts of them one after the other
// that do halves when memory does not suffice.
func inParts(do func(c *collector) error, with collector) error {
	left := []part{{}}
	for len(left) > 0 {
		c := with
		c.part = left[len(left)-1]
		c.later = left[:len(left)-1]
		err := do(&c)
		c.memory.Give(c.held)
		if err != nil {
			return err
		}
		left = c.later
	}
	return nil
}

// collector has the entities of one part, in the order in which they came up.
type collector struct {
	layout  *window.Layout
	memory  *fqgw.Memory
	part    part
	later   []part  // what is to be done after it
	every   *entity // every entity is asked this; nil: those in byKey are
	byKey   map[fqgw.EntityKey]*entity
	order   []*entity
	held    int64 // of memory
	most    int   // events of an entity; there is room to answer so many
	each    int64 // the room of one
	buf     []byte
	runs    []*reader
	sweeps  *sweeps         // of windowed views, once one is asked
	columns *window.Columns // where the answers go, and which are there; nil: they are emitted
	filled  []bool
}

func (c *collector) add(key fqgw.EntityKey) *entity {
	if e := c.byKey[key]; e != nil {
		return e
	}
	if c.byKey == nil {
		c.byKey = map[fqgw.EntityKey]*entity{}
	}
	e := &entity{key: key, asked: asked{from: math.MaxInt64, to: math.MinInt64, known: math.MinInt64}}
	if c.every != nil {
		e.asked = c.every.asked
	}
	c.byKey[key] = e
	c.order = append(c.order, e)
	return e
}

// take counts bytes. Where there is no room the part is halved: what came of the
// other half is given up and left for later.
func (c *collector) take(n int64) error {
	for {
		err := c.memory.Take(n)
		if err == nil {
			c.held += n
			return nil
		}
		if c.part.bits == maxBits || len(c.order) < 2 {
			return err
		}
		c.later = append(c.later, part{c.part.bits + 1, c.part.low | 1<<c.part.bits})
		c.part.bits++
		kept, freed, most := c.order[:0], int64(0), 0
		for _, e := range c.order {
			if c.part.has(e.key) {
				kept, most = append(kept, e), max(most, e.n)
				continue
			}
			delete(c.byKey, e.key)
			freed += e.bytes()
		}
		clear(c.order[len(kept):])
		freed += int64(c.most-most) * c.each
		c.order, c.most = kept, most
		c.memory.Give(freed)
		c.held -= freed
	}
}

// entity collects what is asked and known of one entity.
type entity struct {
	key fqgw.EntityKey
	asked
	events []byte
	n      int
}

// asked is the probes of an entity, by their index, and which events they can see.
type asked struct {
	probes          []int
	from, to, known int64
}

// entityBytes is about what an entity takes beside its events.
const entityBytes = 256

func (e *entity) bytes() int64 {
	if e.events == nil {
		return 0
	}
	return entityBytes + int64(len(e.key)) + int64(cap(e.events))
}

func (a *asked) add(v *fqgw.FeatureView, i int, p *Probe) {
	a.probes = append(a.probes, i)
	from, _ := Range(v, p.T, p.T)
	a.from, a.to, a.known = min(a.from, from), max(a.to, p.T), max(a.known, p.K)
}

// sees says whether a probe may see an event of these times.
func (a *asked) sees(time, known int64) bool {
	return time >= a.from && time <= a.to && known <= a.known
}

// push keeps an event; one that does not pass WHERE only takes its position.
func (c *collector) push(e *entity, in *window.Input, keep bool) error {
	if keep {
		c.buf = c.layout.Pack(c.buf[:0], in)
	} else {
		c.buf = window.PackPlace(c.buf[:0], in.Pos)
	}
	head := uint64(len(c.buf)) << 1
	if keep {
		head |= 1
	}
	var size [binary.MaxVarintLen64]byte
	need := len(e.events) + binary.PutUvarint(size[:], head) + len(c.buf)
	if need > cap(e.events) {
		before := e.bytes()
		grown := max(need+need/2, 64)
		if err := c.take(entityBytes + int64(len(e.key)) + int64(grown) - before); err != nil {
			return err
		}
		if !c.part.has(e.key) { // it was left for later
			n := entityBytes + int64(len(e.key)) + int64(grown) - before
			c.memory.Give(n)
			c.held -= n
			return nil
		}
		e.events = append(make([]byte, 0, grown), e.events...)
	}
	e.events = append(binary.AppendUvarint(e.events, head), c.buf...)
	if e.n++; e.n > c.most {
		if err := c.take(c.each); err != nil {
			return err
		}
		if c.part.has(e.key) {
			c.most++
		} else {
			c.memory.Give(c.each)
			c.held -= c.each
		}
	}
	return nil
}

func (c *collector) answer(probes []Probe, emit func(i int, r *window.Reading) error) error {
	if len(c.runs) > 0 {
		slices.SortFunc(c.order, func(a, b *entity) int { return cmp.Compare(a.key, b.key) })
		defer c.release()
	}
	for _, e := range slices.Clone(c.order) { // which changes where room is made
		if !c.part.has(e.key) {
			continue
		}
		if len(c.runs) > 0 && c.layout.View().Latest {
			done, err := c.answerRuns(e, probes, emit)
			if err != nil {
				return err
			}
			if done || !c.part.has(e.key) {
				continue
			}
		}
		if err := c.answerOne(e, probes, emit); err != nil {
			return err
		}
	}
	return nil
}

// answerOne emits the readings of an entity's probes and forgets its events, unless it
// was left for later.
func (c *collector) answerOne(e *entity, probes []Probe, emit func(i int, r *window.Reading) error) error {
	if c.layout.View().Latest {
		return c.answerRows(e, probes, emit)
	}
	return c.answerWindows(e, probes, emit)
}

// asked is the time that a probe asks for, and what is known then.
func (c *collector) asked(p *Probe) window.Question {
	if len(c.layout.View().Keys) == 0 { // SEMANTICS §3.8
		return window.Question{T: fqgw.Floor(p.T, 1_000_000), K: fqgw.Floor(p.K, 1_000_000)}
	}
	return window.Question{T: p.T, K: p.K}
}

// place is an event in the bytes of its entity.
type place struct {
	time, known int64
	pos         fqgw.Position
	at, end     int
}

// eachOf is what an event takes while its entity is answered: in places and on the
// way there, and in a sweep.
func eachOf(l *window.Layout) int64 {
	const places = 128
	if l.View().Latest {
		return places
	}
	return places + l.EventBytes()
}

// places finds the events of an entity: of each position the first that came,
// and of those the ones that pass WHERE.
func (e *entity) places() []place {
	type mark struct {
		place
		keep bool
	}
	all := make([]mark, 0, e.n)
	for at := 0; at < len(e.events); {
		head, w := binary.Uvarint(e.events[at:])
		m := mark{keep: head&1 == 1}
		m.at, m.end = at+w, at+w+int(head>>1)
		m.time, m.known, m.pos = window.Place(e.events[m.at:m.end])
		all, at = append(all, m), m.end
	}
	slices.SortStableFunc(all, func(a, b mark) int { return a.pos.Compare(b.pos) })
	out := make([]place, 0, len(all))
	for i := range all {
		m := &all[i]
		repeated := i > 0 && !m.pos.IsNone() && m.pos == all[i-1].pos
		if !repeated && m.keep {
			out = append(out, m.place)
		}
	}
	return out
}

// free forgets the events of an entity that is answered.
func (c *collector) free(e *entity) {
	n := e.bytes()
	c.memory.Give(n)
	c.held -= n
	e.events = nil
}

// sortedByTime are the probes by their times.
func sortedByTime(of []int, probes []Probe) []int {
	out := slices.Clone(of)
	slices.SortFunc(out, func(a, b int) int { return cmp.Compare(probes[a].T, probes[b].T) })
	return out
}
