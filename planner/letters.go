package planner

import (
	"context"
	"fmt"

	"github.com/fqgw/fqgw"
)

// replay is fqgw.replay_dead_letters(source): how many were produced once more.
func (s *Session) replay(ctx context.Context, source string) (int64, error) {
	const name = "fqgw.replay_dead_letters()"
	if err := s.writable(name); err != nil {
		return 0, err
	}
	if s.tx.status != 'I' {
		return 0, fqgw.Errorf(fqgw.CodeActiveTransaction, "%s cannot run inside a transaction block", name)
	}
	oid, err := s.objectNames().In("regclass", source)
	if err != nil {
		return 0, err
	}
	for _, src := range s.catalog().Sources {
		if src.OID == uint32(oid) {
			done, err := s.planner.engine.Replay(ctx, src)
			if err == nil && done.Refused > 0 {
				s.Notify(fmt.Sprintf("%d dead letters of source \"%s\" are refused still, the first: %s", done.Refused, src.Name, done.Reason), "")
			}
			return done.Records, err
		}
	}
	return 0, fqgw.Errorf(fqgw.CodeWrongObjectType, "\"%s\" is not a source", source)
}

// sampleMost is how many records one sample has at most.
const sampleMost = 10_000

// CallSet implements fqgw.Session.
func (s *Session) CallSet(ctx context.Context, name string, args []fqgw.Value) ([][]fqgw.Value, error) {
	if name == "fqgw.plan" {
		return s.migration(ctx, args)
	}
	if name != "fqgw.sample" {
		return nil, fqgw.Errorf(fqgw.CodeUndefinedFunction, "function %s does not exist", name)
	}
	n := int64(100)
	if len(args) > 1 {
		n = args[1].Int()
	}
	if n < 1 || n > sampleMost {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "a sample has 1 to %d records", sampleMost)
	}
	return s.planner.engine.Sample(ctx, args[0].Str(), int(n))
}
