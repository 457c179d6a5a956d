package redis

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// readKeys is how many keys one MGET asks for at the most: Redis answers
// nothing else meanwhile.
const readKeys = 1024

// lookup is one MGET: the marks and the states of some units of one shard.
type lookup struct {
	keys  []string
	parts []part
	reply *redis.SliceCmd
}

// part is what a lookup asks for one read: its unit's marks, then n states
// beginning with the read's key number first.
type part struct{ read, first, n int }

// trip carries out the reads by themselves.
func (s *Store) trip(ctx context.Context, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	out := make([]fqgw.UnitState, len(reads))
	for i := range reads {
		out[i].States = make([][]byte, len(reads[i].Keys))
	}
	lookups := plan(reads)
	if len(lookups) == 1 {
		lookups[0].reply = s.client.MGet(ctx, lookups[0].keys...)
	} else {
		pipe := s.client.Pipeline()
		for i := range lookups {
			lookups[i].reply = pipe.MGet(ctx, lookups[i].keys...)
		}
		pipe.Exec(ctx) // every reply has its own error
	}
	for i := range lookups {
		values, err := lookups[i].reply.Result()
		if err == nil && len(values) != len(lookups[i].keys) {
			err = errors.New("a reply of the wrong length")
		}
		if err != nil {
			return nil, fail(ctx, err)
		}
		if err := lookups[i].fill(values, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// plan groups the reads by shard, whose keys share a slot.
func plan(reads []fqgw.UnitRead) []lookup {
	var out []lookup
	last := make(map[uint32]int, 1) // the shard's lookup that may take more
	for i := range reads {
		r := &reads[i]
		prefix := unitPrefix(r.Unit)
		at, ok := last[r.Unit.Shard]
		for first := 0; first == 0 || first < len(r.Keys); {
			// Each part has the marks before its states, for a lookup that is sent
			// again may come after the next.
			if !ok || len(out[at].keys)+1 >= readKeys {
				at, ok = len(out), true
				last[r.Unit.Shard] = at
				out = append(out, lookup{})
			}
			l := &out[at]
			n := min(len(r.Keys)-first, readKeys-1-len(l.keys))
			if l.keys == nil {
				l.keys = make([]string, 0, n+1)
			}
			l.keys = append(l.keys, marksKey(prefix))
			for _, k := range r.Keys[first : first+n] {
				l.keys = append(l.keys, stateKey(prefix, k))
			}
			l.parts = append(l.parts, part{i, first, n})
			if first += n; first == 0 {
				break // a read of the marks alone
			}
		}
	}
	return out
}

// fill hands the values of a lookup to the answers.
func (l *lookup) fill(values []any, out []fqgw.UnitState) error {
	for _, p := range l.parts {
		text, _ := values[0].(string)
		marks, err := decodeMarks(text)
		if err != nil {
			return err
		}
		a := &out[p.read]
		if p.first == 0 {
			a.Marks = marks
		} else {
			a.Marks = lesser(a.Marks, marks)
		}
		for i, v := range values[1 : 1+p.n] {
			if s, ok := v.(string); ok {
				a.States[p.first+i] = []byte(s)
			}
		}
		values = values[1+p.n:]
	}
	return nil
}

// lesser is what both vectors cover.
func lesser(a, b fqgw.Marks) fqgw.Marks {
	a = a[:min(len(a), len(b))]
	for i := range a {
		if b[i].Before(a[i]) {
			a[i] = b[i]
		}
	}
	return a
}
