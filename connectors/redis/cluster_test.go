package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/redis"
)

// twoMasters is a Cluster of two servers in this process; what hangs is a
// server that takes commands and answers none while it is set.
func twoMasters(t *testing.T) (s *redis.Store, hangs map[string]*atomic.Bool) {
	t.Helper()
	a, b := miniredis.RunT(t), miniredis.RunT(t)
	hangs = map[string]*atomic.Bool{}
	for _, m := range []*miniredis.Miniredis{a, b} {
		hang := new(atomic.Bool)
		hangs[m.Addr()] = hang
		m.Server().SetPreHook(func(p *server.Peer, cmd string, args ...string) bool {
			for hang.Load() {
				time.Sleep(time.Millisecond)
			}
			if strings.ToUpper(cmd) != "CLUSTER" || len(args) == 0 || strings.ToUpper(args[0]) != "SLOTS" {
				return false
			}
			p.WriteLen(2)
			for i, n := range []*miniredis.Miniredis{a, b} {
				p.WriteLen(3)
				p.WriteInt(i * 8192)
				p.WriteInt(i*8192 + 8191)
				p.WriteLen(3)
				p.WriteBulk("127.0.0.1")
				port := 0
				_, _ = fmt.Sscan(n.Port(), &port)
				p.WriteInt(port)
				p.WriteBulk(fmt.Sprintf("%040d", i))
			}
			return true
		})
	}
	t.Cleanup(func() {
		for _, h := range hangs {
			h.Store(false)
		}
	})
	return open(t, "redis+cluster://"+a.Addr()+","+b.Addr()), hangs
}

// shardsOf are the shards of each server.
func shardsOf(s *redis.Store) map[string][]uint32 {
	out := map[string][]uint32{}
	for i := range s.Shards() {
		out[s.Server(i)] = append(out[s.Server(i)], i)
	}
	return out
}

func clusterUnit(shard uint32) fqgw.Unit { return fqgw.Unit{State: 1, Shard: shard} }

// healthyWhile reads and flushes shards of the servers that answer, while one
// does not; it says how long the slowest took. Many readers wait for the sick one
// meanwhile, and each must have its error within a bound.
func healthyWhile(t *testing.T, s *redis.Store, sick string) {
	t.Helper()
	byServer := shardsOf(s)
	var healthy []uint32
	for server, shards := range byServer {
		if server != sick {
			healthy = append(healthy, shards...)
		}
	}
	var waiting, done sync.WaitGroup
	over := make(chan struct{})
	for i := range 20 { // more than trips run at once
		waiting.Go(func() {
			for n := 0; ; n++ {
				began := time.Now()
				_, err := s.Read(context.Background(), []fqgw.UnitRead{{Unit: clusterUnit(byServer[sick][i%len(byServer[sick])]), Keys: []fqgw.EntityKey{"k"}}})
				if took := time.Since(began); fqgw.AsError(err).Code != fqgw.CodeConnectionFailure || took > 8*time.Second {
					t.Errorf("a read of the sick server: %v after %v", err, took)
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	var slowest atomic.Int64
	for worker := range 4 {
		done.Go(func() {
			for i := range 200 {
				shard := healthy[(worker*31+i)%len(healthy)]
				began := time.Now()
				got, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: clusterUnit(shard), Keys: []fqgw.EntityKey{"k"}}})
				if err != nil || string(got[0].States[0]) != fmt.Sprint(shard) {
					t.Errorf("a read of a healthy server: %v, %v", got, err)
				}
				if res, err := s.Flush(t.Context(), []fqgw.UnitFlush{{Unit: clusterUnit(shard), Keys: []fqgw.EntityKey{"k"}, States: [][]byte{fmt.Append(nil, shard)}}}); err != nil || !res[0].OK {
					t.Errorf("a flush to a healthy server: %v, %v", res, err)
				}
				for took := time.Since(began).Microseconds(); took > slowest.Load(); {
					slowest.Store(took)
				}
			}
		})
	}
	done.Wait()
	if took := time.Duration(slowest.Load()) * time.Microsecond; took > time.Second {
		t.Errorf("a healthy server answered after %v", took)
	}
	// One read of both kinds has the answers that there are.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	got, err := s.Read(ctx, []fqgw.UnitRead{{Unit: clusterUnit(healthy[0]), Keys: []fqgw.EntityKey{"k"}}, {Unit: clusterUnit(byServer[sick][0]), Keys: []fqgw.EntityKey{"k"}}})
	if took := time.Since(began); took > time.Second {
		t.Errorf("a read with a deadline took %v", took)
	}
	if err == nil || len(got) != 2 || got[0].Err != nil || string(got[0].States[0]) != fmt.Sprint(healthy[0]) || got[1].Err == nil {
		t.Errorf("a read of a healthy and a sick server: %+v, %v", got, err)
	}
	close(over)
	waiting.Wait()
}

func seed(t *testing.T, s *redis.Store) {
	t.Helper()
	for shard := range s.Shards() {
		r, err := s.Flush(t.Context(), []fqgw.UnitFlush{{Unit: clusterUnit(shard), Keys: []fqgw.EntityKey{"k"}, States: [][]byte{fmt.Append(nil, shard)}}})
		if err != nil || !r[0].OK {
			t.Fatal(r, err)
		}
	}
}

func TestHangingMaster(t *testing.T) {
	s, hangs := twoMasters(t)
	seed(t, s)
	if len(shardsOf(s)) != 2 {
		t.Fatal(shardsOf(s))
	}
	for server, hang := range hangs {
		hang.Store(true)
		healthyWhile(t, s, server)
		hang.Store(false)
		if got, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: clusterUnit(shardsOf(s)[server][0]), Keys: []fqgw.EntityKey{"k"}}}); err != nil || got[0].States[0] == nil {
			t.Errorf("after the hang: %v, %v", got, err)
		}
		break
	}
}

// TestSickMasterReal stops, and then kills, a master of a real Cluster of its own.
func TestSickMasterReal(t *testing.T) {
	if os.Getenv("FQGW_TEST_REDIS_CLUSTER") == "" {
		t.Skip("FQGW_TEST_REDIS_CLUSTER is not set")
	}
	addresses, servers := startCluster(t)
	s := open(t, "redis+cluster://"+strings.Join(addresses, ","))
	seed(t, s)
	sick := addresses[1]
	if err := servers[sick].Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	healthyWhile(t, s, sick)
	if err := servers[sick].Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(30 * time.Second)
	for {
		_, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: clusterUnit(shardsOf(s)[sick][0])}})
		if err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the master goes on, and a read fails: %v", err)
		}
	}
	if err := servers[sick].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	healthyWhile(t, s, sick)
}

// startCluster is a Cluster of three masters that are not covered by replicas.
func startCluster(t *testing.T) (addresses []string, servers map[string]*exec.Cmd) {
	t.Helper()
	servers = map[string]*exec.Cmd{}
	for range 3 {
		var ports [2]string
		for i := range ports {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_, ports[i], _ = net.SplitHostPort(l.Addr().String())
			l.Close()
		}
		dir := filepath.Join(t.TempDir(), ports[0])
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("redis-server", "--port", ports[0], "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no",
			"--cluster-enabled", "yes", "--cluster-port", ports[1], "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000",
			"--cluster-require-full-coverage", "no")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		address := "127.0.0.1:" + ports[0]
		addresses, servers[address] = append(addresses, address), cmd
	}
	var last error
	for until := time.Now().Add(60 * time.Second); time.Now().Before(until); time.Sleep(300 * time.Millisecond) {
		out, err := exec.Command("redis-cli", append([]string{"--cluster", "create", "--cluster-yes"}, addresses...)...).CombinedOutput()
		if last = err; err == nil || strings.Contains(string(out), "is not empty") {
			break
		}
		last = errors.New(string(out))
	}
	if last != nil {
		t.Fatal(last)
	}
	for _, address := range addresses {
		for until := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			out, _ := exec.Command("redis-cli", "-u", "redis://"+address, "cluster", "info").Output()
			if strings.Contains(string(out), "cluster_state:ok") {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("the Cluster does not come up: %s", out)
			}
		}
	}
	return addresses, servers
}
