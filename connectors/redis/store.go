// Package redis is the online store on Redis: alone, Cluster or behind Sentinel.
package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// DefaultShards is the shard count of a store that is created without another.
const DefaultShards = 1024

// MaxShards keeps one shard to a slot of a Redis Cluster, at the most.
const MaxShards = 16384

// Store is a fqgw.OnlineStore in Redis. Safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	shards  uint32
	checked atomic.Bool            // the shard count, and the owner, are the store's
	owner   atomic.Pointer[string] // the registry whose states these are; nil or "" does not matter
	only    *combiner              // where there is one server
	lanes   sync.Map               // of a Cluster, by server: its combiner
	reply   atomic.Int64           // about how many bytes a key of a lookup brings
	meter   meter
}

var _ fqgw.OnlineStore = (*Store)(nil)

// go-redis writes what happens on its connections to standard error. Every
// failure reaches the caller as an error, so that says nothing new.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(quiet{}) }

// Open connects to the store at the URL and fixes its shard count if it is new
// (0: DefaultShards); the count of an older store stays what it is. The URL's
// forms: redis://, rediss://, redis+cluster://a,b,c, redis+sentinel://master@a,b.
func Open(ctx context.Context, url string, shards uint32) (*Store, error) {
	if shards == 0 {
		shards = DefaultShards
	}
	if shards > MaxShards {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "an online store has at most %d shards", MaxShards)
	}
	client, err := connect(url)
	if err != nil {
		return nil, err
	}
	s := &Store{client: client}
	s.only = &combiner{store: s}
	client.AddHook(&s.meter)
	s.checked.Store(true)
	if s.shards, err = s.fixShards(ctx, shards); err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// OpenAway makes a store that is away at the moment and is known to have so many
// shards; the first Claim checks that.
func OpenAway(url string, shards uint32, owner string) (*Store, error) {
	client, err := connect(url)
	if err != nil {
		return nil, err
	}
	s := &Store{client: client, shards: shards}
	s.only = &combiner{store: s}
	client.AddHook(&s.meter)
	s.owner.Store(&owner)
	return s, nil
}

// Own implements fqgw.OnlineStore.
func (s *Store) Own(ctx context.Context, id string) error {
	s.owner.Store(&id)
	if err := s.client.SetNX(ctx, ownerKey, id, 0).Err(); err != nil {
		return fail(ctx, err)
	}
	found, err := s.client.Get(ctx, ownerKey).Result()
	if err != nil {
		return fail(ctx, err)
	}
	if found != id {
		return fqgw.Errorf(fqgw.CodeNotInState, "the online store has the states of another data directory (registry %s, not %s)", found, id).
			WithHint("Give this one a Redis, or a database number, of its own. If the other is gone for good, empty the store: everything in it is made again from history.")
	}
	return nil
}

// checkShards writes the shard count to a store that has lost it, and compares.
func (s *Store) checkShards(ctx context.Context) error {
	n, err := s.fixShards(ctx, s.shards)
	if err != nil {
		return err
	}
	if n != s.shards {
		return fqgw.Errorf(fqgw.CodeNotInState, "the online store has %d shards, not %d as before", n, s.shards).WithHint("Restart fqgw to use this store.")
	}
	if id := s.owner.Load(); id != nil && *id != "" {
		if err := s.Own(ctx, *id); err != nil {
			return err
		}
	}
	s.checked.Store(true)
	return nil
}

// fixShards records the shard count unless one is recorded, and reads it.
func (s *Store) fixShards(ctx context.Context, want uint32) (uint32, error) {
	if err := s.client.SetNX(ctx, shardsKey, want, 0).Err(); err != nil {
		return 0, fail(ctx, err)
	}
	text, err := s.client.Get(ctx, shardsKey).Result()
	if err != nil {
		return 0, fail(ctx, err)
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 || n > MaxShards {
		return 0, fqgw.Errorf(fqgw.CodeDataCorrupted, "the shard count that the online store records is not a number: %q", text).
			WithHint("Something else wrote the key %s.", shardsKey)
	}
	return uint32(n), nil
}

// Shards is the shard count, fixed when the store was created.
func (s *Store) Shards() uint32 { return s.shards }

// Close ends the connections.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fail(context.Background(), err)
	}
	return nil
}

// Ping says whether every master answers and evicts nothing by itself; 55000
// when its maxmemory-policy is not noeviction. A server that does not tell its
// policy (miniredis) passes.
func (s *Store) Ping(ctx context.Context) error {
	masters, err := s.masters(ctx)
	if err != nil {
		return err
	}
	for _, m := range masters {
		if err := m.Ping(ctx).Err(); err != nil {
			return fail(ctx, err)
		}
		// INFO and not CONFIG GET, which hosted servers refuse.
		info, err := m.Info(ctx, "memory").Result()
		var reply redis.Error
		if errors.As(err, &reply) {
			continue
		}
		if err != nil {
			return fail(ctx, err)
		}
		if p := infoField(info, "maxmemory_policy"); p != "" && p != "noeviction" {
			return fqgw.Errorf(fqgw.CodeNotInState, "the online store may evict features by itself: its maxmemory-policy is %s", p).
				WithHint("Set it on every node of Redis: CONFIG SET maxmemory-policy noeviction.")
		}
	}
	return nil
}

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// masters are the clients of the nodes that hold keys: one, or a Cluster's masters.
func (s *Store) masters(ctx context.Context) ([]*redis.Client, error) {
	switch c := s.client.(type) {
	case *redis.Client:
		return []*redis.Client{c}, nil
	case *redis.ClusterClient:
		found := make(chan *redis.Client, 1024)
		err := c.ForEachMaster(ctx, func(_ context.Context, m *redis.Client) error { found <- m; return nil })
		close(found)
		var out []*redis.Client
		for m := range found {
			out = append(out, m)
		}
		return out, fail(ctx, err)
	}
	return nil, fqgw.Errorf(fqgw.CodeInternal, "a Redis client of an unknown kind")
}
