package redis

import (
	"context"
	_ "embed" // the scripts
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

//go:embed flush.lua
var flushSource string

//go:embed claim.lua
var claimSource string

var (
	flushScript = redis.NewScript(flushSource)
	claimScript = redis.NewScript(claimSource)
)

// Claim raises the generation of the partitions in the unit by one and returns
// their marks. A claim whose answer was lost and that is tried again raises it
// twice, which harms nobody.
func (s *Store) Claim(ctx context.Context, u fqgw.Unit, partitions []int32) ([]fqgw.PartitionMark, error) {
	if len(partitions) == 0 {
		return nil, nil
	}
	if u.Shard == 0 || !s.checked.Load() { // also where a store was lost whole
		if err := s.checkShards(ctx); err != nil {
			return nil, err
		}
	}
	args := make([]any, 1, 1+len(partitions))
	args[0] = marksHeader
	for _, p := range partitions {
		args = append(args, markOffset(p))
	}
	found, err := claimScript.Run(ctx, s.client, []string{marksKey(unitPrefix(u))}, args...).StringSlice()
	if err != nil {
		return nil, fail(ctx, err)
	}
	out := make([]fqgw.PartitionMark, len(partitions))
	for i, p := range partitions {
		if i >= len(found) || len(found[i]) != markSize {
			return nil, fqgw.Errorf(fqgw.CodeInternal, "online store: a claim was answered with %d marks", len(found))
		}
		out[i] = fqgw.PartitionMark{Partition: p, Mark: decodeMark(found[i])}
	}
	return out, nil
}

// Flush carries out each flush as one script, all in one pipelined trip; those
// that only move marks share scripts, in a trip before. Two flushes of one unit in one call have no order. After an error some may have
// been taken: the same flush again tells.
func (s *Store) Flush(ctx context.Context, flushes []fqgw.UnitFlush) ([]fqgw.FlushResult, error) {
	if len(flushes) == 0 {
		return nil, nil
	}
	calls := make([]call, len(flushes))
	for i := range flushes {
		var err error
		if calls[i], err = flushCall(&flushes[i]); err != nil {
			return nil, err
		}
	}
	done := s.advance(ctx, flushes, calls)
	pipe := s.client.Pipeline()
	for i := range calls {
		if done[i] {
			continue
		}
		calls[i].reply = pipe.EvalSha(ctx, flushScript.Hash(), calls[i].keys, calls[i].args...)
	}
	if pipe.Len() > 0 {
		carryOut(ctx, pipe)
	}
	// A server that does not know the script (new, restarted, failed over) gets
	// it with the call.
	pipe = s.client.Pipeline()
	for i := range calls {
		if !done[i] && redis.HasErrorPrefix(calls[i].reply.Err(), "NOSCRIPT") {
			calls[i].reply = pipe.Eval(ctx, flushSource, calls[i].keys, calls[i].args...)
		}
	}
	if pipe.Len() > 0 {
		carryOut(ctx, pipe)
	}
	out := make([]fqgw.FlushResult, len(flushes))
	var failed []error
	for i := range calls {
		if done[i] {
			out[i] = fqgw.FlushResult{OK: true}
			continue
		}
		var err error
		if out[i], err = calls[i].result(ctx, flushes[i].From); err != nil {
			failed = append(failed, err)
		}
	}
	if failed != nil {
		return nil, worst(failed)
	}
	return out, nil
}

// worst is the error to report of several: one that is not the connection's
// will not pass by itself.
func worst(errs []error) error {
	for _, err := range errs {
		var e *fqgw.Error
		if errors.As(err, &e) && e.Code != fqgw.CodeConnectionFailure {
			return err
		}
	}
	return errs[0]
}

// call is one run of flush.lua.
type call struct {
	keys  []string
	args  []any
	runs  []run
	reply *redis.Cmd
}

// run is a part of From and To whose partitions follow each other.
type run struct{ first, n int }

func flushCall(f *fqgw.UnitFlush) (call, error) {
	if len(f.From) != len(f.To) || len(f.Keys) != len(f.States) {
		return call{}, fqgw.Errorf(fqgw.CodeInternal, "a flush with %d and %d marks, %d keys and %d states", len(f.From), len(f.To), len(f.Keys), len(f.States))
	}
	var runs []run
	for i := range f.From {
		if f.From[i].Partition != f.To[i].Partition || f.From[i].Partition < 0 {
			return call{}, fqgw.Errorf(fqgw.CodeInternal, "a flush from partition %d to partition %d", f.From[i].Partition, f.To[i].Partition)
		}
		if i > 0 && f.From[i].Partition == f.From[i-1].Partition+1 {
			runs[len(runs)-1].n++
		} else {
			runs = append(runs, run{i, 1})
		}
	}
	prefix := unitPrefix(f.Unit)
	keys := make([]string, 1, 1+len(f.Keys))
	keys[0] = marksKey(prefix)
	args := make([]any, 3, 3+3*len(runs)+len(f.Keys))
	args[0], args[2] = marksHeader, len(runs)
	for _, r := range runs {
		args = append(args, markOffset(f.From[r.first].Partition), marksBytes(f.From[r.first:r.first+r.n]), marksBytes(f.To[r.first:r.first+r.n]))
	}
	// The states to set come first; an empty state is no key.
	for i, k := range f.Keys {
		if len(f.States[i]) > 0 {
			keys = append(keys, stateKey(prefix, k))
			args = append(args, f.States[i])
		}
	}
	args[1] = len(keys) - 1
	for i, k := range f.Keys {
		if len(f.States[i]) == 0 {
			keys = append(keys, stateKey(prefix, k))
		}
	}
	return call{keys: keys, args: args, runs: runs}, nil
}

func marksBytes(marks []fqgw.PartitionMark) []byte {
	b := make([]byte, 0, markSize*len(marks))
	for _, m := range marks {
		b = appendMark(b, m.Mark)
	}
	return b
}

// result reads the script's answer.
func (c *call) result(ctx context.Context, from []fqgw.PartitionMark) (fqgw.FlushResult, error) {
	answer, err := c.reply.Slice()
	if err != nil {
		return fqgw.FlushResult{}, fail(ctx, err)
	}
	if len(answer) > 0 && answer[0] != int64(0) {
		return fqgw.FlushResult{OK: true}, nil
	}
	res := fqgw.FlushResult{Found: make([]fqgw.PartitionMark, 0, len(from))}
	for i, r := range c.runs {
		var found string
		if i+1 < len(answer) {
			found, _ = answer[i+1].(string)
		}
		if len(found) != markSize*r.n {
			return fqgw.FlushResult{}, fqgw.Errorf(fqgw.CodeInternal, "online store: a flush was answered with marks of %d bytes", len(found))
		}
		for j := range r.n {
			res.Found = append(res.Found, fqgw.PartitionMark{Partition: from[r.first+j].Partition, Mark: decodeMark(found[markSize*j:])})
		}
	}
	return res, nil
}
