package redis

import (
	"context"
	"iter"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// scanCount is how many keys one SCAN looks at.
const scanCount = 1000

// scan gives the keys of a state version, master after master, each page as it
// comes. A key may come more than once.
func (s *Store) scan(ctx context.Context, state int64, page func(m *redis.Client, keys []string, number string) error) error {
	masters, err := s.masters(ctx)
	if err != nil {
		return err
	}
	number := strconv.FormatInt(state, 10)
	for _, m := range masters {
		for cursor := uint64(0); ; {
			keys, next, err := m.Scan(ctx, cursor, "fq:{*}:"+number+"[:!]*", scanCount).Result()
			if err != nil {
				return fail(ctx, err)
			}
			if err := page(m, keys, number); err != nil {
				return err
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
	}
	return nil
}

// errStop ends a scan whose reader has gone.
type errStop struct{}

func (errStop) Error() string { return "stopped" }

// Entities streams the keys of a state version, each once, in no order; more
// than limit is 54000. It looks at every key of the store.
func (s *Store) Entities(ctx context.Context, state int64, limit int) iter.Seq2[fqgw.EntityKey, error] {
	return func(yield func(fqgw.EntityKey, error) bool) {
		seen := map[fqgw.EntityKey]struct{}{}
		err := s.scan(ctx, state, func(_ *redis.Client, keys []string, number string) error {
			for _, key := range keys {
				k, marks, ok := keyOf(key, number)
				if _, again := seen[k]; !ok || marks || again {
					continue
				}
				if len(seen) >= limit {
					return fqgw.Errorf(fqgw.CodeLimitExceeded, "a feature view has more than %d entities online", limit).
						WithHint("Name the entities (WHERE key = …), or read all of them from history: AS OF now().")
				}
				seen[k] = struct{}{}
				if !yield(k, nil) {
					return errStop{}
				}
			}
			return nil
		})
		if err != nil && err != (errStop{}) {
			yield("", err)
		}
	}
}

// Walk implements fqgw.OnlineStore. It looks at every key of the store; of a state that
// goes meanwhile nothing comes.
func (s *Store) Walk(ctx context.Context, state int64, head int, page func([]fqgw.Stored) error) error {
	return s.scan(ctx, state, func(m *redis.Client, keys []string, number string) error {
		pipe := m.Pipeline()
		var of []fqgw.EntityKey
		var sizes []*redis.IntCmd
		var heads []*redis.StringCmd
		for _, key := range keys {
			k, marks, ok := keyOf(key, number)
			if !ok || marks {
				continue
			}
			of, sizes, heads = append(of, k), append(sizes, pipe.StrLen(ctx, key)), append(heads, pipe.GetRange(ctx, key, 0, int64(head)-1))
		}
		if len(of) == 0 {
			return nil
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return fail(ctx, err)
		}
		out := make([]fqgw.Stored, 0, len(of))
		for i, k := range of {
			if n := sizes[i].Val(); n > 0 && len(heads[i].Val()) > 0 {
				out = append(out, fqgw.Stored{Key: k, Bytes: n, Head: []byte(heads[i].Val())})
			}
		}
		return page(out)
	})
}

// Drop removes every state and position of a state version. It looks at every
// key of the store and blocks it for no longer than a page.
func (s *Store) Drop(ctx context.Context, state int64) error {
	return s.scan(ctx, state, func(m *redis.Client, keys []string, number string) error {
		// One UNLINK per key: keys of several slots cannot share one.
		pipe := m.Pipeline()
		for _, key := range keys {
			if _, _, ok := keyOf(key, number); ok {
				pipe.Unlink(ctx, key)
			}
		}
		if pipe.Len() == 0 {
			return nil
		}
		_, err := pipe.Exec(ctx)
		return fail(ctx, err)
	})
}
