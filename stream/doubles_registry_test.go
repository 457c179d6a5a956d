package stream

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/fqgw/fqgw"
)

type memRegistry struct {
	mu      sync.Mutex
	facts   map[string]string
	epochs  map[string][][16]byte // by source
	letters map[fqgw.Position]fqgw.DeadLetter
}

type registry struct {
	*memRegistry
	plug *plug
}

func newRegistry() *memRegistry {
	return &memRegistry{facts: map[string]string{}, epochs: map[string][][16]byte{}, letters: map[fqgw.Position]fqgw.DeadLetter{}}
}

func (r registry) Load(context.Context) (fqgw.Definitions, error) { return fqgw.Definitions{}, nil }
func (r registry) Commit(context.Context, int64, fqgw.DefinitionChange) (int64, error) {
	return 0, nil
}
func (r registry) Watch(ctx context.Context, _ int64) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}
func (r registry) Owner() int64                                       { return 1 }
func (r registry) PutOwn(context.Context, string, string) error       { return nil }
func (r registry) Adopt(context.Context, string) ([]fqgw.Fact, error) { return nil, nil }
func (r registry) Swap(_ context.Context, name, old, value string) (bool, error) {
	if err := r.plug.check(true); err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.facts[name] != old {
		return false, nil
	}
	r.facts[name] = value
	return true, nil
}
func (r registry) Next(context.Context, string, int) (int64, error) { return 0, nil }
func (r registry) Get(_ context.Context, name string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.facts[name], r.plug.check(true)
}
func (r registry) Put(_ context.Context, name, value string) error {
	if err := r.plug.check(true); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts[name] = value
	return nil
}
func (r registry) Epoch(_ context.Context, source string, id [16]byte) (int32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.epochs[source], id)
	if i < 0 {
		i = len(r.epochs[source])
		r.epochs[source] = append(r.epochs[source], id)
	}
	return int32(i), r.plug.check(true)
}
func (r registry) Bury(_ context.Context, letters []fqgw.DeadLetter) error {
	if err := r.plug.check(false); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range letters {
		if _, there := r.letters[l.Pos]; !there {
			r.letters[l.Pos] = l
		}
	}
	return nil
}
func (r registry) DeadLetters(context.Context, int, func(fqgw.DeadLetter) error) error { return nil }
func (r registry) Rejected(context.Context, string, int64, int64, func(fqgw.Rejected) error) error {
	return nil
}
func (r registry) Waiting(_ context.Context, _ string, after fqgw.Position, limit int, each func(fqgw.DeadLetter) error) error {
	r.mu.Lock()
	var found []fqgw.DeadLetter
	for pos, l := range r.letters {
		if l.Replayed == 0 && pos.Compare(after) > 0 {
			found = append(found, l)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(found, func(a, b fqgw.DeadLetter) int { return a.Pos.Compare(b.Pos) })
	for _, l := range found[:min(len(found), limit)] {
		if err := each(l); err != nil {
			return err
		}
	}
	return r.plug.check(true)
}
func (r registry) Replayed(_ context.Context, _ string, t int64, at []fqgw.Position) error {
	if err := r.plug.check(false); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pos := range at {
		if l, there := r.letters[pos]; there && l.Replayed == 0 {
			l.Replayed = t
			r.letters[pos] = l
		}
	}
	return nil
}
func (r registry) Forget(_ context.Context, _ string, covered fqgw.Marks) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.letters, func(pos fqgw.Position, _ fqgw.DeadLetter) bool { return !covered.Covers(pos) })
	return r.plug.check(false)
}
func (r registry) Close() error { return nil }
