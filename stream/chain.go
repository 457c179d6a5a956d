package stream

import (
	"hash/maphash"

	"github.com/fqgw/fqgw"
)

// chain remembers of the rows that changed lately how they were left: the row before the
// next change of one is the row after the last, else a change was sent again, as a
// connector does that was killed, or never came.
type chain struct {
	seed   maphash.Seed
	last   map[uint64]link
	recent []link // a ring, the oldest at next
	next   int
}

// link is how a row was left; gone where it is 0.
type link struct {
	key, row uint64
	at       int // when: the number of the change
}

// chained is how many changes are remembered.
const chained = 1 << 16

func newChain(seed maphash.Seed) *chain {
	return &chain{seed: seed, last: map[uint64]link{}, recent: make([]link, 0, chained)}
}

// hash is a hash of values, never 0.
func (c *chain) hash(values []fqgw.Value) uint64 {
	return max(maphash.Bytes(c.seed, fqgw.AppendPackedRow(nil, values)), 1)
}

// follow takes a change of the row with a primary key, and says whether it goes on from
// where the row was left, as far as that is remembered.
func (c *chain) follow(key []fqgw.Value, ev *fqgw.Event) bool {
	k := c.hash(key)
	was, known := c.last[k]
	before, after := uint64(0), uint64(0)
	if row := c.hash(ev.Row); ev.Op.Retracts() {
		before = row
	} else {
		after = row
	}
	c.leave(k, after)
	return !known || was.row == before
}

// leave remembers how a row was left.
func (c *chain) leave(key, row uint64) {
	l := link{key: key, row: row, at: c.next}
	if len(c.recent) < chained {
		c.recent = append(c.recent, l)
	} else {
		old := &c.recent[c.next%chained]
		if c.last[old.key].at == old.at {
			delete(c.last, old.key)
		}
		*old = l
	}
	c.last[key] = l
	c.next++
}
