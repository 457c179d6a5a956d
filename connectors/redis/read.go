package redis

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// readKeys is how many keys one MGET asks for at the most: Redis answers
// nothing else meanwhile.
const readKeys = 1024

// lookup is one MGET: the marks and the states of some units, in a Cluster of one
// shard's.
type lookup struct {
	args  []any // "MGET", then the keys
	parts []part
}

// part is what a lookup asks for one read: its unit's marks unless they are spared,
// then n states beginning with the read's key number first.
type part struct {
	read, first, n int
	marks          bool
}

// keys is how many keys the lookup asks for.
func (l *lookup) keys() int { return len(l.args) - 1 }

// trip carries out the reads by themselves, until a time at the latest. A unit whose
// marks were spared and of which a state is missing is read again with them.
func (s *Store) trip(ctx context.Context, until time.Time, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	out, err := s.once(ctx, until, reads)
	if err != nil {
		return nil, err
	}
	var again []fqgw.UnitRead
	var at []int
	for i := range reads {
		if r := &reads[i]; r.Sparing && slices.ContainsFunc(out[i].States, func(b []byte) bool { return b == nil }) {
			again, at = append(again, fqgw.UnitRead{Unit: r.Unit, Keys: r.Keys}), append(at, i)
		}
	}
	if len(again) == 0 {
		return out, nil
	}
	found, err := s.once(ctx, until, again)
	if err != nil {
		return nil, err
	}
	for k, i := range at {
		out[i] = found[k]
	}
	return out, nil
}

// once is one trip for the reads.
func (s *Store) once(ctx context.Context, until time.Time, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	out := make([]fqgw.UnitState, len(reads))
	keys := 0
	for i := range reads {
		keys += len(reads[i].Keys)
	}
	states := make([][]byte, keys)
	for i := range reads {
		n := len(reads[i].Keys)
		out[i].States, states = states[:n:n], states[n:]
	}
	_, cluster := s.client.(*redis.ClusterClient)
	lookups := plan(reads, cluster)
	if !cluster && len(lookups) == 1 {
		if ok, err := s.readRaw(ctx, until, &lookups[0], out); ok || err != nil {
			return out, err
		}
	}
	bounded, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	pipe := s.client.Pipeline()
	replies := make([]*redis.SliceCmd, len(lookups))
	for i := range lookups {
		replies[i] = redis.NewSliceCmd(bounded, lookups[i].args...)
		if len(lookups) == 1 {
			_ = s.client.Process(bounded, replies[i])
		} else {
			_ = pipe.Process(bounded, replies[i])
		}
	}
	if len(lookups) > 1 {
		carryOut(bounded, pipe)
	}
	for i := range lookups {
		values, err := replies[i].Result()
		if err == nil && len(values) != lookups[i].keys() {
			err = errors.New("a reply of the wrong length")
		}
		if err != nil {
			return nil, fail(bounded, err)
		}
		found := make([][]byte, len(values))
		for k, v := range values {
			if text, ok := v.(string); ok {
				found[k] = []byte(text)
			}
		}
		if err := lookups[i].fill(found, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// plan makes the lookups of the reads; with apart each is of one shard, whose keys
// share a slot.
func plan(reads []fqgw.UnitRead, apart bool) []lookup {
	size, keys := 0, len(reads)
	for i := range reads {
		const prefix = 40
		for _, k := range reads[i].Keys {
			size += prefix + len(k)
		}
		size += prefix
		keys += len(reads[i].Keys)
	}
	// All keys lie in one string, and the arguments are pointers to them: a value
	// in an interface would be one more thing to allocate for each.
	buf := make([]byte, 0, size)
	ends := make([]int, 0, keys)
	out := make([]lookup, 0, 1)
	counts := make([]int, 0, 1)
	var last map[uint32]int // a shard's lookup that may take more
	if apart {
		last = make(map[uint32]int, len(reads))
	}
	of := make([]int, 0, keys) // the lookup of each key
	for i := range reads {
		r := &reads[i]
		at := len(out) - 1
		if apart {
			at = -1
			if n, found := last[r.Unit.Shard]; found {
				at = n
			}
		}
		for first := 0; first == 0 || first < len(r.Keys); {
			// Each part has the marks before its states, for a lookup that is sent
			// again may come after the next.
			if at < 0 || counts[at]+1 >= readKeys {
				at = len(out)
				if apart {
					last[r.Unit.Shard] = at
				}
				out, counts = append(out, lookup{}), append(counts, 0)
			}
			n := min(len(r.Keys)-first, readKeys-1-counts[at])
			counts[at] += n
			marks := !r.Sparing || len(r.Keys) == 0
			if marks {
				counts[at]++
				buf = append(appendPrefix(buf, r.Unit), '!')
				ends, of = append(ends, len(buf)), append(of, at)
			}
			for _, k := range r.Keys[first : first+n] {
				buf = append(append(appendPrefix(buf, r.Unit), ':'), k...)
				ends, of = append(ends, len(buf)), append(of, at)
			}
			out[at].parts = append(out[at].parts, part{i, first, n, marks})
			if first += n; first == 0 {
				break // a read of the marks alone
			}
		}
	}
	all, names := string(buf), make([]string, len(ends))
	for i := range out {
		out[i].args = append(make([]any, 0, counts[i]+1), "MGET")
	}
	from := 0
	for i, end := range ends {
		names[i], from = all[from:end], end
		l := &out[of[i]]
		l.args = append(l.args, &names[i])
	}
	return out
}

// fill hands the values of a lookup to the answers.
func (l *lookup) fill(values [][]byte, out []fqgw.UnitState) error {
	all := l.roomForMarks(values) // of all units, side by side
	for _, p := range l.parts {
		a := &out[p.read]
		if p.marks {
			from := len(all)
			var err error
			if all, err = appendMarks(all, values[0]); err != nil {
				return err
			}
			switch marks := all[from:len(all):len(all)]; {
			case values[0] == nil:
				a.Marks = nil
			case p.first == 0:
				a.Marks = marks
			default:
				a.Marks = lesser(a.Marks, marks)
			}
			values = values[1:]
		}
		copy(a.States[p.first:], values[:p.n])
		values = values[p.n:]
	}
	return nil
}

// roomForMarks is an empty vector with room for all marks among the values.
func (l *lookup) roomForMarks(values [][]byte) fqgw.Marks {
	n, at := 0, 0
	for _, p := range l.parts {
		if p.marks {
			n += max(0, len(values[at])-len(marksHeader)) / markSize
			at++
		}
		at += p.n
	}
	return make(fqgw.Marks, 0, n)
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
