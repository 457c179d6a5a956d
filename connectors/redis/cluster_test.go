package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
// does not: next to none may take as long as a wait for the sick one does (a busy
// machine makes some of them slow, a wait makes all). Many readers wait for the
// sick one meanwhile, and each must have its error in the end.
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
				_, err := s.Read(context.Background(), []fqgw.UnitRead{{Unit: clusterUnit(byServer[sick][i%len(byServer[sick])]), Keys: []fqgw.EntityKey{"k"}}})
				if fqgw.AsError(err).Code != fqgw.CodeConnectionFailure {
					t.Errorf("a read of the sick server: %v", err)
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
	const workers, reads = 4, 200
	var slow atomic.Int64
	for worker := range workers {
		done.Go(func() {
			for i := range reads {
				shard := healthy[(worker*31+i)%len(healthy)]
				began := time.Now()
				got, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: clusterUnit(shard), Keys: []fqgw.EntityKey{"k"}}})
				if err != nil || string(got[0].States[0]) != fmt.Sprint(shard) {
					t.Errorf("a read of a healthy server: %v, %v", got, err)
				}
				if res, err := s.Flush(t.Context(), []fqgw.UnitFlush{{Unit: clusterUnit(shard), Keys: []fqgw.EntityKey{"k"}, States: [][]byte{fmt.Append(nil, shard)}}}); err != nil || !res[0].OK {
					t.Errorf("a flush to a healthy server: %v, %v", res, err)
				}
				if time.Since(began) > time.Second {
					slow.Add(1)
				}
			}
		})
	}
	done.Wait()
	if n := slow.Load(); n > workers*reads/20 {
		t.Errorf("%d of %d reads of a healthy server took more than a second", n, workers*reads)
	}
	// One read of both kinds has the answers that there are.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	got, err := s.Read(ctx, []fqgw.UnitRead{{Unit: clusterUnit(healthy[0]), Keys: []fqgw.EntityKey{"k"}}, {Unit: clusterUnit(byServer[sick][0]), Keys: []fqgw.EntityKey{"k"}}})
	if err == nil || len(got) != 2 || got[0].Err != nil || string(got[0].States[0]) != fmt.Sprint(healthy[0]) || got[1].Err == nil || ctx.Err() != nil && !errors.Is(got[1].Err, context.DeadlineExceeded) {
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
		address, cmd := startMaster(t)
		addresses, servers[address] = append(addresses, address), cmd
	}
	if out, err := exec.Command("redis-cli", append([]string{"--cluster", "create", "--cluster-yes"}, addresses...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, address := range addresses {
		if out, ok := says(address, "cluster_state:ok", time.Minute, "cluster", "info"); !ok {
			t.Fatalf("the Cluster does not come up: %s", out)
		}
	}
	return addresses, servers
}

// startMaster is a server that answers. Its ports are below those that the
// system gives to outgoing connections, which other tests have many of; one that
// is taken all the same ends the server, and others are tried.
func startMaster(t *testing.T) (address string, cmd *exec.Cmd) {
	t.Helper()
	var log []byte
	for range 5 {
		port := 10000 + rand.IntN(9000)
		dir := t.TempDir()
		cmd = exec.Command("redis-server", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no", "--logfile", "log",
			"--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(port+10000), "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000",
			"--cluster-require-full-coverage", "no")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		address = fmt.Sprintf("127.0.0.1:%d", port)
		// The process id tells this server from another on the same port.
		if _, ok := says(address, fmt.Sprintf("process_id:%d\r", cmd.Process.Pid), 10*time.Second, "info", "server"); ok {
			return address, cmd
		}
		_ = cmd.Process.Kill()
		log, _ = os.ReadFile(filepath.Join(dir, "log"))
	}
	t.Fatalf("no redis-server comes up: %s", log)
	return "", nil
}

// says asks a server until its answer has a text, or the time is over.
func says(address, want string, patience time.Duration, command ...string) (last string, ok bool) {
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		out, _ := exec.Command("redis-cli", append([]string{"-u", "redis://" + address}, command...)...).Output()
		if last = string(out); strings.Contains(last, want) {
			return last, true
		}
	}
	return last, false
}
