package redis

import (
	"context"
	_ "embed" // the script
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

//go:embed advance.lua
var advanceSource string

var advanceScript = redis.NewScript(advanceSource)

// advanceUnits bounds the units of one script: Redis answers nothing else meanwhile.
const advanceUnits = 128

// advance is one run of advance.lua: units without states that go from the same
// marks to the same marks.
type advance struct {
	units []int // numbers of the flushes
	keys  []string
	args  []any
	reply *redis.Cmd
}

// advances groups the flushes that only move marks. In a Cluster those of a shard
// go together, for a script has the keys of one slot; elsewhere any.
func (s *Store) advances(flushes []fqgw.UnitFlush, calls []call) (out []advance) {
	_, cluster := s.client.(*redis.ClusterClient)
	last := map[string]int{}
	for i := range flushes {
		if len(flushes[i].Keys) > 0 || len(calls[i].runs) == 0 {
			continue
		}
		var place strings.Builder
		if cluster {
			place.WriteString(unitPrefix(fqgw.Unit{Shard: flushes[i].Unit.Shard}))
		}
		for _, a := range calls[i].args[3:] {
			switch a := a.(type) {
			case int:
				place.WriteByte(byte(a))
				place.WriteByte(byte(a >> 8))
				place.WriteByte(byte(a >> 16))
				place.WriteByte(byte(a >> 24))
			case []byte:
				place.Write(a)
			}
		}
		at, ok := last[place.String()]
		if !ok || len(out[at].units) == advanceUnits {
			at = len(out)
			last[place.String()] = at
			out = append(out, advance{args: append([]any{calls[i].args[0], calls[i].args[2]}, calls[i].args[3:]...)})
		}
		out[at].units, out[at].keys = append(out[at].units, i), append(out[at].keys, calls[i].keys[0])
	}
	return out
}

// advance moves the marks of many units in few commands; what is not done then is
// left to the units' own scripts, which say why.
func (s *Store) advance(ctx context.Context, flushes []fqgw.UnitFlush, calls []call) (done []bool) {
	all := s.advances(flushes, calls)
	done = make([]bool, len(flushes))
	if len(all) == 0 {
		return done
	}
	pipe := s.client.Pipeline()
	for i := range all {
		all[i].reply = pipe.EvalSha(ctx, advanceScript.Hash(), all[i].keys, all[i].args...)
	}
	carryOut(ctx, pipe)
	pipe = s.client.Pipeline()
	for i := range all {
		if redis.HasErrorPrefix(all[i].reply.Err(), "NOSCRIPT") {
			all[i].reply = pipe.Eval(ctx, advanceSource, all[i].keys, all[i].args...)
		}
	}
	if pipe.Len() > 0 {
		carryOut(ctx, pipe)
	}
	for i := range all {
		others, err := all[i].reply.Int64Slice()
		if err != nil {
			continue
		}
		for _, u := range all[i].units {
			done[u] = true
		}
		for _, k := range others {
			if k >= 1 && int(k) <= len(all[i].units) {
				done[all[i].units[k-1]] = false
			}
		}
	}
	return done
}
