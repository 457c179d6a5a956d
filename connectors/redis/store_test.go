package redis_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/redis"
	"github.com/fqgw/fqgw/connectors/storetest"
)

func open(t testing.TB, address string) *redis.Store {
	t.Helper()
	s, err := redis.Open(context.Background(), address, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Online(t, open(t, "redis://"+miniredis.RunT(t).Addr()))
}

// TestConformanceReal runs on the servers that FQGW_TEST_REDIS and
// FQGW_TEST_REDIS_CLUSTER name.
func TestConformanceReal(t *testing.T) {
	for name, address := range map[string]string{"redis": os.Getenv("FQGW_TEST_REDIS"), "cluster": os.Getenv("FQGW_TEST_REDIS_CLUSTER")} {
		if address == "" {
			t.Logf("no %s is named: only the embedded run", name)
			continue
		}
		if name == "cluster" {
			address = "redis+cluster://" + address
		}
		t.Run(name, func(t *testing.T) { storetest.Online(t, open(t, address)) })
	}
}

func TestOpenBad(t *testing.T) {
	for _, c := range []struct {
		address string
		code    fqgw.Code
	}{
		{"redis://user:s3cr3t@127.0.0.1:1", fqgw.CodeConnectionFailure}, {"redis+cluster://user:s3cr3t@127.0.0.1:1,127.0.0.1:2", fqgw.CodeConnectionFailure},
		{"redis+sentinel://user:s3cr3t@127.0.0.1:1/m", fqgw.CodeConnectionFailure}, {"redis://user:s3cr3t@host:bad", fqgw.CodeInvalidParameter},
		{"redis://user:s3cr3t@%zz", fqgw.CodeInvalidParameter}, {"redis+cluster://user:s3cr3t@a:1/2", fqgw.CodeInvalidParameter},
		{"redis://:s3cr3t@a:1,b:2", fqgw.CodeInvalidParameter}, {"redis+sentinel://a:1", fqgw.CodeInvalidParameter}, {"redis+ring://:s3cr3t@a", fqgw.CodeInvalidParameter},
		{"redis://:s3cr3t@a?pool_sise=3", fqgw.CodeInvalidParameter}, {"redis://:s3cr3t@a?%zz", fqgw.CodeInvalidParameter},
		{"http://x", fqgw.CodeInvalidParameter}, {"127.0.0.1:6379", fqgw.CodeInvalidParameter}, {"", fqgw.CodeInvalidParameter},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := redis.Open(ctx, c.address, 64)
		cancel()
		e := fqgw.AsError(err)
		if err == nil || e.Code != c.code || e.Hint == "" || strings.Contains(e.Message+e.Hint+e.Detail, "s3cr3t") {
			t.Errorf("%s: %v (%s)", c.address, err, e.Code)
		}
	}
	if _, err := redis.Open(t.Context(), "redis://"+miniredis.RunT(t).Addr(), 20000); fqgw.AsError(err).Code != fqgw.CodeInvalidParameter {
		t.Errorf("20000 shards: %v", err)
	}
}

// The shard count is the store's, not the caller's.
func TestShards(t *testing.T) {
	m := miniredis.RunT(t)
	for _, want := range []uint32{0, 64} {
		s, err := redis.Open(t.Context(), "redis://"+m.Addr(), want)
		if err != nil || s.Shards() != redis.DefaultShards {
			t.Errorf("opened with %d: %v, %v", want, s, err)
		}
	}
	m.Set("fq:shards", "many")
	if _, err := redis.Open(t.Context(), "redis://"+m.Addr(), 64); fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
		t.Errorf("a damaged count: %v", err)
	}
}

// TestOwner: a store serves one registry, also when it comes back empty or was
// away at the start.
func TestOwner(t *testing.T) {
	m := miniredis.RunT(t)
	address := "redis://" + m.Addr()
	s := open(t, address)
	storetest.Owner(t, s)
	away, err := redis.OpenAway(address, s.Shards(), "two")
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	u := fqgw.Unit{State: 1}
	if _, err := away.Claim(t.Context(), u, []int32{0}); fqgw.AsError(err).Code != fqgw.CodeNotInState {
		t.Errorf("a claim in a store of another registry: %v", err)
	}
	m.FlushAll()
	if _, err := away.Claim(t.Context(), u, []int32{0}); err != nil {
		t.Errorf("a claim in a store that was emptied: %v", err)
	}
}

// A server that lost its scripts learns them again within the flush.
func TestScriptsLost(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	for i := range int64(3) {
		m.FlushAll()
		m.Restart()
		var flushes []fqgw.UnitFlush
		for view := range 10 {
			k, _ := fqgw.EncodeKey(fqgw.IntValue(i))
			flushes = append(flushes, fqgw.UnitFlush{Unit: fqgw.Unit{State: 1 + int64(view)}, Keys: []fqgw.EntityKey{k}, States: [][]byte{{1}}})
		}
		r, err := s.Flush(t.Context(), flushes)
		if err != nil || len(r) != 10 || slices.Contains(oks(r), false) {
			t.Fatalf("flush %d: %v, %v", i, r, err)
		}
	}
}

func oks(rs []fqgw.FlushResult) (out []bool) {
	for _, r := range rs {
		out = append(out, r.OK)
	}
	return out
}

// A server that is away and comes back.
func TestServerGone(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	k, _ := fqgw.EncodeKey(fqgw.IntValue(1))
	read := []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}, Keys: []fqgw.EntityKey{k}}}
	flush := []fqgw.UnitFlush{{Unit: read[0].Unit, Keys: read[0].Keys, States: [][]byte{{7}}}}
	if _, err := s.Flush(t.Context(), flush); err != nil {
		t.Fatal(err)
	}
	m.Close()
	for name, err := range map[string]error{"read": second(s.Read(t.Context(), read)), "flush": second(s.Flush(t.Context(), flush)), "ping": s.Ping(t.Context())} {
		if e := fqgw.AsError(err); e.Code != fqgw.CodeConnectionFailure || e.Hint == "" {
			t.Errorf("%s: %v (%s)", name, err, e.Code)
		}
	}
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Read(t.Context(), read); err != nil || string(got[0].States[0]) != "\a" {
		t.Errorf("after the return: %v, %v", got, err)
	}
}

func second[T any](_ T, err error) error { return err }

// A server that hangs: the deadline of the caller ends the wait.
func TestDeadline(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	hold := make(chan struct{})
	m.Server().SetPreHook(func(*server.Peer, string, ...string) bool { <-hold; return false })
	defer close(hold)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := s.Read(ctx, []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}}})
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// What the server answers becomes a code that the caller can act on.
func TestReplies(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	for reply, code := range map[string]fqgw.Code{
		"LOADING Redis is loading the dataset in memory": fqgw.CodeConnectionFailure, "READONLY You can't write against a read only replica.": fqgw.CodeConnectionFailure,
		"CLUSTERDOWN Hash slot not served": fqgw.CodeConnectionFailure, "MOVED 1 127.0.0.1:1": fqgw.CodeConnectionFailure, "OOM command not allowed when used memory > 'maxmemory'.": fqgw.CodeOutOfMemory,
		"NOAUTH Authentication required.": "28P01", "NOPERM this user has no permissions": "42501", "ERR what": fqgw.CodeInternal,
		"WRONGTYPE Operation against a key holding the wrong kind of value": fqgw.CodeDataCorrupted,
	} {
		m.SetError(reply)
		_, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}}})
		if fqgw.AsError(err).Code != code {
			t.Errorf("%s: %v (%s)", reply, err, fqgw.AsError(err).Code)
		}
		_, err = s.Flush(t.Context(), []fqgw.UnitFlush{{Unit: fqgw.Unit{State: 1}}, {Unit: fqgw.Unit{State: 2}}})
		if fqgw.AsError(err).Code != code {
			t.Errorf("%s to a flush: %v (%s)", reply, err, fqgw.AsError(err).Code)
		}
	}
	m.SetError("")
	m.HSet("fq:{0}:1!", "a", "b")
	m.Set("fq:{0}:2!", "fqu\x02 of a later version")
	for what, u := range map[string]fqgw.Unit{"a hash": {State: 1}, "a later version": {State: 2}} {
		_, ferr := s.Flush(t.Context(), []fqgw.UnitFlush{{Unit: u, From: []fqgw.PartitionMark{{}}, To: []fqgw.PartitionMark{{}}}})
		_, cerr := s.Claim(t.Context(), u, []int32{0})
		for _, err := range []error{ferr, cerr} {
			if fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
				t.Errorf("%s for marks: %v", what, err)
			}
		}
	}
	if _, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: fqgw.Unit{State: 2}}}); fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
		t.Errorf("marks of a later version read as %v", err)
	}
}

func TestPingPolicy(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	policy := ""
	m.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
		if cmd != "INFO" {
			return false
		}
		c.WriteBulk("# Memory\r\nused_memory:1\r\nmaxmemory_policy:" + policy + "\r\n")
		return true
	})
	for _, policy = range []string{"noeviction", "allkeys-lru", "volatile-ttl"} {
		err := s.Ping(t.Context())
		if (err == nil) != (policy == "noeviction") || err != nil && fqgw.AsError(err).Code != fqgw.CodeNotInState {
			t.Errorf("%s: %v", policy, err)
		}
	}
}

// A store that was away is checked by whoever comes first, while others claim too.
func TestOpenAwayIsChecked(t *testing.T) {
	m := miniredis.RunT(t)
	s, err := redis.OpenAway("redis://"+m.Addr(), 64, "me")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var wg sync.WaitGroup
	for i := range uint32(16) {
		wg.Go(func() {
			if _, err := s.Claim(t.Context(), fqgw.Unit{State: 1, Shard: i}, []int32{0}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, _ := m.Get("fq:owner"); got != "me" {
		t.Errorf("the owner is %q", got)
	}
}
