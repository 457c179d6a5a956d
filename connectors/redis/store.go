// Package redis is the online store on Redis: alone, Cluster or behind Sentinel.
package redis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// Store is an fqgw.OnlineStore. Safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	shards uint32
}

// Open connects to redis://, rediss://, redis+cluster://a,b,c or
// redis+sentinel://name@a,b. A store that is new gets the shard count; one that
// is not keeps its own.
func Open(ctx context.Context, address string, shards uint32) (*Store, error) {
	client, err := connect(address)
	if err != nil {
		return nil, err
	}
	s := &Store{client: client}
	if err := client.SetNX(ctx, shardsKey, strconv.Itoa(int(shards)), 0).Err(); err != nil {
		client.Close()
		return nil, fail(err)
	}
	text, err := client.Get(ctx, shardsKey).Result()
	if err != nil {
		client.Close()
		return nil, fail(err)
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		client.Close()
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "online store: the shard count is %q", text)
	}
	s.shards = uint32(n)
	return s, nil
}

// quiet drops what go-redis logs: every error comes back to the caller as well.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(quiet{}) }

func connect(address string) (redis.UniversalClient, error) {
	scheme, rest, _ := strings.Cut(address, "://")
	switch scheme {
	case "redis", "rediss":
		o, err := redis.ParseURL(address)
		if err != nil {
			return nil, badAddress(err)
		}
		return redis.NewClient(o), nil
	case "redis+cluster":
		user, hosts := userOf(rest)
		o := &redis.ClusterOptions{Addrs: strings.Split(hosts, ",")}
		o.Username, o.Password = user.name, user.password
		return redis.NewClusterClient(o), nil
	case "redis+sentinel":
		master, hosts, ok := strings.Cut(rest, "@")
		if !ok {
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "online store: redis+sentinel:// needs the master's name: redis+sentinel://name@host:port")
		}
		return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: master, SentinelAddrs: strings.Split(hosts, ",")}), nil
	}
	return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "online store: unknown scheme %q", scheme).
		WithHint("Use redis://, rediss://, redis+cluster:// or redis+sentinel://.")
}

type credentials struct{ name, password string }

func userOf(rest string) (credentials, string) {
	i := strings.LastIndex(rest, "@")
	if i < 0 {
		return credentials{}, strings.TrimSuffix(rest, "/")
	}
	name, password, _ := strings.Cut(rest[:i], ":")
	if p, err := url.PathUnescape(password); err == nil {
		password = p
	}
	return credentials{name, password}, strings.TrimSuffix(rest[i+1:], "/")
}

// badAddress keeps the address, which may hold a password, out of the message.
func badAddress(err error) error {
	var bad *url.Error
	if errors.As(err, &bad) {
		err = bad.Err
	}
	return fqgw.Errorf(fqgw.CodeInvalidParameter, "online store: bad address: %v", err)
}

// fail maps an error: one that Redis answered stays what it is, all others are
// the connection's.
func fail(err error) error {
	var known *fqgw.Error
	var answered redis.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &answered):
		code := fqgw.CodeIO
		for _, p := range []string{"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS", "UNBLOCKED"} {
			if strings.HasPrefix(answered.Error(), p) {
				code = fqgw.CodeConnectionFailure
			}
		}
		return &fqgw.Error{Code: code, Message: "online store: " + answered.Error(), Err: err}
	}
	return &fqgw.Error{Code: fqgw.CodeConnectionFailure, Message: "the online store does not answer: " + err.Error(),
		Hint: "AS OF reads history and needs no online store.", Err: err}
}

// Shards implements fqgw.OnlineStore.
func (s *Store) Shards() uint32 { return s.shards }

// Read implements fqgw.OnlineStore.
func (s *Store) Read(ctx context.Context, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	pipe := s.client.Pipeline()
	cmds := make([]*redis.SliceCmd, len(reads))
	for i, r := range reads {
		keys := make([]string, 0, len(r.Keys)+1)
		keys = append(keys, marksKey(r.Unit))
		prefix := unitPrefix(r.Unit) + ":"
		for _, k := range r.Keys {
			keys = append(keys, prefix+string(k))
		}
		cmds[i] = pipe.MGet(ctx, keys...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fail(err)
	}
	out := make([]fqgw.UnitState, len(reads))
	for i, cmd := range cmds {
		values := cmd.Val()
		marks, _ := values[0].(string)
		var err error
		if out[i].Marks, err = decodeMarks(marks); err != nil {
			return nil, err
		}
		out[i].States = make([][]byte, len(values)-1)
		for k, v := range values[1:] {
			if state, ok := v.(string); ok {
				out[i].States[k] = []byte(state)
			}
		}
	}
	return out, nil
}

// Claim implements fqgw.OnlineStore.
func (s *Store) Claim(ctx context.Context, u fqgw.Unit, partitions []int32) ([]fqgw.PartitionMark, error) {
	args := []any{marksHeader}
	for _, p := range partitions {
		args = append(args, int(p))
	}
	entries, err := claimScript.Run(ctx, s.client, []string{marksKey(u)}, args...).StringSlice()
	if err != nil {
		return nil, fail(err)
	}
	if len(entries) != len(partitions) {
		return nil, fqgw.Errorf(fqgw.CodeInternal, "online store: %d entries for %d partitions", len(entries), len(partitions))
	}
	out := make([]fqgw.PartitionMark, len(entries))
	for i, e := range entries {
		out[i] = fqgw.PartitionMark{Partition: partitions[i], Mark: decodeMark(e)}
	}
	return out, nil
}

// Flush implements fqgw.OnlineStore.
func (s *Store) Flush(ctx context.Context, flushes []fqgw.UnitFlush) ([]fqgw.FlushResult, error) {
	pipe := s.client.Pipeline()
	cmds := make([]*redis.Cmd, len(flushes))
	for i := range flushes {
		keys, args := flushArgs(&flushes[i])
		cmds[i] = flushScript.EvalSha(ctx, pipe, keys, args...)
	}
	if _, err := pipe.Exec(ctx); err != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") {
		// The first error of any command is returned; each is looked at below.
		var answered redis.Error
		if !errors.As(err, &answered) {
			return nil, fail(err)
		}
	}
	out := make([]fqgw.FlushResult, len(flushes))
	for i, cmd := range cmds {
		reply, err := cmd.Result()
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			// The server lost its scripts (restart, failover): EVAL teaches it again.
			keys, args := flushArgs(&flushes[i])
			reply, err = flushScript.Eval(ctx, s.client, keys, args...).Result()
		}
		if err != nil {
			return nil, fail(err)
		}
		if out[i], err = flushResult(&flushes[i], reply); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func flushArgs(f *fqgw.UnitFlush) (keys []string, args []any) {
	keys = make([]string, 0, len(f.Keys)+1)
	keys = append(keys, marksKey(f.Unit))
	prefix := unitPrefix(f.Unit) + ":"
	for _, k := range f.Keys {
		keys = append(keys, prefix+string(k))
	}
	args = make([]any, 0, 2+3*len(f.From)+len(f.States))
	args = append(args, marksHeader, len(f.From))
	for i := range f.From {
		args = append(args, int(f.From[i].Partition), appendMark(nil, f.From[i].Mark), appendMark(nil, f.To[i].Mark))
	}
	for _, st := range f.States {
		args = append(args, st)
	}
	return keys, args
}

func flushResult(f *fqgw.UnitFlush, reply any) (fqgw.FlushResult, error) {
	list, ok := reply.([]any)
	if !ok || len(list) == 0 {
		return fqgw.FlushResult{}, fqgw.Errorf(fqgw.CodeInternal, "online store: a flush was answered with %v", reply)
	}
	if n, _ := list[0].(int64); n == 1 {
		return fqgw.FlushResult{OK: true}, nil
	}
	var r fqgw.FlushResult
	for i, e := range list[1:] {
		text, _ := e.(string)
		r.Found = append(r.Found, fqgw.PartitionMark{Partition: f.From[i].Partition, Mark: decodeMark(text)})
	}
	return r, nil
}

// masters calls f for each server that holds keys.
func (s *Store) masters(ctx context.Context, f func(context.Context, redis.UniversalClient) error) error {
	if c, ok := s.client.(*redis.ClusterClient); ok {
		return c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return f(ctx, node) })
	}
	return f(ctx, s.client)
}

// scan gives the keys of a state version, in batches.
func (s *Store) scan(ctx context.Context, view string, state int64, f func([]string) error) error {
	pattern := fmt.Sprintf("fq:{*}:%s@%d[:!]*", globEscape(url.QueryEscape(view)), state)
	// One server at a time: f is not called concurrently.
	var nodes []redis.UniversalClient
	gate := make(chan struct{}, 1)
	if err := s.masters(ctx, func(_ context.Context, c redis.UniversalClient) error {
		gate <- struct{}{}
		nodes = append(nodes, c)
		<-gate
		return nil
	}); err != nil {
		return err
	}
	for _, c := range nodes {
		var cursor uint64
		for {
			keys, next, err := c.Scan(ctx, cursor, pattern, 1000).Result()
			if err != nil {
				return err
			}
			if len(keys) > 0 {
				if err := f(keys); err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
	}
	return nil
}

func globEscape(s string) string {
	return strings.NewReplacer("*", "\\*", "?", "\\?", "[", "\\[", "]", "\\]", "\\", "\\\\").Replace(s)
}

// Entities implements fqgw.OnlineStore. A key may be seen once only, whatever
// SCAN repeats.
func (s *Store) Entities(ctx context.Context, view string, state int64, limit int) iter.Seq2[fqgw.EntityKey, error] {
	return func(yield func(fqgw.EntityKey, error) bool) {
		stopped := errors.New("stopped")
		seen := map[fqgw.EntityKey]bool{}
		err := s.scan(ctx, view, state, func(keys []string) error {
			for _, k := range keys {
				e, ok := entityOf(k)
				if !ok || seen[e] {
					continue
				}
				if len(seen) == limit {
					return fqgw.Errorf(fqgw.CodeLimitExceeded, "feature view \"%s\" has more than %d entities", view, limit).
						WithHint("Name the join keys, or read all entities from history with AS OF now().")
				}
				seen[e] = true
				if !yield(e, nil) {
					return stopped
				}
			}
			return nil
		})
		if err != nil && err != stopped {
			yield("", fail(err))
		}
	}
}

// Drop implements fqgw.OnlineStore.
func (s *Store) Drop(ctx context.Context, view string, state int64) error {
	return fail(s.scan(ctx, view, state, func(keys []string) error {
		pipe := s.client.Pipeline()
		for _, k := range keys {
			pipe.Unlink(ctx, k) // one by one: the keys lie in many slots
		}
		_, err := pipe.Exec(ctx)
		return err
	}))
}

// Ping implements fqgw.OnlineStore. A server that does not say its policy is trusted.
func (s *Store) Ping(ctx context.Context) error {
	return fail(s.masters(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		if err := c.Ping(ctx).Err(); err != nil {
			return err
		}
		policy, err := c.ConfigGet(ctx, "maxmemory-policy").Result()
		if p := policy["maxmemory-policy"]; err == nil && p != "" && p != "noeviction" {
			return fqgw.Errorf(fqgw.CodeNotInState, "the online store evicts keys by itself (maxmemory-policy %s)", p).
				WithHint("Set maxmemory-policy noeviction: an evicted state would read as an entity without events.")
		}
		return nil
	}))
}

// Close implements fqgw.OnlineStore.
func (s *Store) Close() error { return s.client.Close() }
