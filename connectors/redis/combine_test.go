package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/redis"
)

// Reads that share a trip get each their own answer, also when one of them
// finds damage.
func TestReadsShareTrips(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	m.Set("fq:{0}:9!", "what")
	unit := func(i int) fqgw.Unit { return fqgw.Unit{State: 1, Shard: uint32(i) % s.Shards()} }
	keys := make([]fqgw.EntityKey, 200)
	for i := range keys {
		keys[i], _ = fqgw.EncodeKey(fqgw.IntValue(int64(i)))
		r, err := s.Flush(t.Context(), []fqgw.UnitFlush{{Unit: unit(i), Keys: keys[i : i+1], States: [][]byte{fmt.Append(nil, i)}}})
		if err != nil || !r[0].OK {
			t.Fatal(r, err)
		}
	}
	m.Server().SetPreHook(func(_ *server.Peer, cmd string, _ ...string) bool {
		if cmd == "MGET" {
			time.Sleep(time.Millisecond)
		}
		return false
	})
	var wg sync.WaitGroup
	for worker := range 32 {
		wg.Go(func() {
			for i := range 50 {
				a, b := (worker*7+i)%200, (worker+i*3)%200
				got, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: unit(a), Keys: keys[a : a+1]}, {Unit: unit(b), Keys: []fqgw.EntityKey{keys[b], "none"}}})
				if err != nil || string(got[0].States[0]) != fmt.Sprint(a) || string(got[1].States[0]) != fmt.Sprint(b) || got[1].States[1] != nil {
					t.Errorf("read %d and %d: %v, %v", a, b, got, err)
				}
				if worker == 0 {
					_, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: fqgw.Unit{State: 9}}})
					if err == nil || fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
						t.Errorf("the damaged unit: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// Who waits for company leaves at its own deadline, and a trip for several
// outlasts the first of them.
func TestSharedDeadlines(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	hold := make(chan struct{})
	m.Server().SetPreHook(func(*server.Peer, string, ...string) bool { <-hold; return false })
	read := []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}}}
	var wg sync.WaitGroup
	var patient, left atomic.Int64
	for i := range 40 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			if i%2 == 0 {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
			}
			defer cancel()
			start := time.Now()
			_, err := s.Read(ctx, read)
			switch took := time.Since(start); {
			case i%2 == 1 && err == nil:
				patient.Add(1)
			case i%2 == 0 && errors.Is(err, context.DeadlineExceeded) && took < time.Second:
				left.Add(1)
			default:
				t.Errorf("reader %d: %v after %v", i, err, took)
			}
		})
	}
	for left.Load() < 20 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	close(hold)
	wg.Wait()
	if patient.Load() != 20 {
		t.Errorf("%d of 20 patient readers were answered", patient.Load())
	}
}

// gate is a server's MGETs: how many are under way, while it is shut or slow.
type gate struct {
	slow      atomic.Int64 // nanoseconds
	shut      atomic.Bool
	now, seen atomic.Int64 // under way; the most at once
}

func (g *gate) hook(_ *server.Peer, cmd string, _ ...string) bool {
	if cmd != "MGET" {
		return false
	}
	n := g.now.Add(1)
	defer g.now.Add(-1)
	for m := g.seen.Load(); n > m && !g.seen.CompareAndSwap(m, n); m = g.seen.Load() {
	}
	time.Sleep(time.Duration(g.slow.Load()))
	for g.shut.Load() {
		time.Sleep(time.Millisecond)
	}
	return false
}

// rush sends reads at once, gives them time to come together, or to make so many
// trips, opens the gate and waits for the answers.
func (g *gate) rush(t *testing.T, s *redis.Store, reads int, trips int64, within time.Duration) {
	t.Helper()
	g.shut.Store(true)
	g.seen.Store(0)
	var wg sync.WaitGroup
	for range reads {
		wg.Go(func() {
			if _, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}}}); err != nil {
				t.Error(err)
			}
		})
	}
	for until := time.Now().Add(within); g.seen.Load() < trips && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
	g.shut.Store(false)
	wg.Wait()
}

// From a server far away reads do not wait for the others' way there and back; one
// near by gets many in one trip.
func TestTripsByDistance(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	var g gate
	m.Server().SetPreHook(g.hook)
	one := func() {
		if _, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		one()
	}
	if g.rush(t, s, 8, 8, 5*time.Millisecond); g.seen.Load() >= 8 {
		t.Errorf("%d trips of 8 reads at once to a server near by", g.seen.Load())
	}
	g.slow.Store(int64(3 * time.Millisecond))
	for range 400 {
		one()
	}
	if g.rush(t, s, 8, 8, 10*time.Second); g.seen.Load() < 8 {
		t.Errorf("%d trips of 8 reads at once to a server far away", g.seen.Load())
	}
}

// One connection that is held up holds up nobody else for long.
func TestTripHeldUp(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	read := []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}}}
	for range 200 {
		if _, err := s.Read(t.Context(), read); err != nil {
			t.Fatal(err)
		}
	}
	var first atomic.Bool
	hold, held := make(chan struct{}), make(chan struct{})
	m.Server().SetPreHook(func(_ *server.Peer, cmd string, _ ...string) bool {
		if cmd == "MGET" && first.CompareAndSwap(false, true) {
			close(held)
			<-hold
		}
		return false
	})
	var stuck, others sync.WaitGroup
	stuck.Go(func() {
		if _, err := s.Read(t.Context(), read); err != nil {
			t.Error(err)
		}
	})
	<-held
	for range 16 {
		others.Go(func() {
			if _, err := s.Read(t.Context(), read); err != nil {
				t.Error(err)
			}
		})
	}
	// Were they to wait for the first, they would do so until the test's end.
	others.Wait()
	close(hold)
	stuck.Wait()
}

// Who went away before his turn is not read for, and a store that is closed ends
// all who wait.
func TestWaitersLeave(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	var commands, keys atomic.Int64
	hold := make(chan struct{})
	m.Server().SetPreHook(func(_ *server.Peer, cmd string, args ...string) bool {
		if cmd == "MGET" {
			commands.Add(1)
			keys.Add(int64(len(args)))
			<-hold
		}
		return false
	})
	read := []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}}}
	var wg, leavers sync.WaitGroup
	// The server may have answered before the store is closed.
	stay := func() {
		if _, err := s.Read(t.Context(), read); err != nil && fqgw.AsError(err).Code != fqgw.CodeConnectionFailure {
			t.Errorf("a closed store: %v", err)
		}
	}
	wg.Go(stay)
	for commands.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, leave := context.WithCancel(t.Context())
	for range 200 {
		leavers.Go(func() {
			if _, err := s.Read(ctx, read); !errors.Is(err, context.Canceled) {
				t.Errorf("who left has %v", err)
			}
		})
	}
	leave()
	leavers.Wait()
	before := keys.Load()
	for range 10 {
		wg.Go(stay)
	}
	time.Sleep(30 * time.Millisecond)
	if n := keys.Load() - before; n > 10 {
		t.Errorf("%d keys were read for 10 who wait", n)
	}
	s.Close()
	close(hold)
	wg.Wait()
}

// One event moves the positions of every unit of every view: few commands do it,
// each unit is compared by itself, and a retried call is taken.
func TestPositionsMoveTogether(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	var commands atomic.Int64
	m.Server().SetPreHook(func(_ *server.Peer, cmd string, _ ...string) bool {
		if strings.HasPrefix(cmd, "EVAL") { // not those within scripts
			commands.Add(1)
		}
		return false
	})
	mark := func(next int64) []fqgw.PartitionMark {
		return []fqgw.PartitionMark{{Partition: 0, Mark: fqgw.Mark{Generation: 0, Next: next}}, {Partition: 2, Mark: fqgw.Mark{Next: next}}}
	}
	const views = 40
	var flushes []fqgw.UnitFlush
	for v := range views {
		for shard := range s.Shards() {
			flushes = append(flushes, fqgw.UnitFlush{Unit: fqgw.Unit{State: 1 + int64(v), Shard: shard}, From: mark(0), To: mark(7)})
		}
	}
	for round := range 2 { // the first answer may have been lost
		commands.Store(0)
		got, err := s.Flush(t.Context(), flushes)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			if !r.OK {
				t.Fatalf("round %d: unit %d: %+v", round, i, r)
			}
		}
		if n := commands.Load(); round == 0 && n > 50 {
			t.Errorf("%d commands for %d units", n, len(flushes))
		}
	}
	// One unit stands elsewhere: it says where, and the others move.
	odd := flushes[5].Unit
	if r, err := s.Flush(t.Context(), []fqgw.UnitFlush{{Unit: odd, From: mark(7), To: mark(8)}}); err != nil || !r[0].OK {
		t.Fatal(r, err)
	}
	for i := range flushes {
		flushes[i].From, flushes[i].To = mark(7), mark(9)
	}
	got, err := s.Flush(t.Context(), flushes)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if i == 5 {
			if r.OK || len(r.Found) != 2 || r.Found[0].Mark.Next != 8 || r.Found[1].Mark.Next != 8 {
				t.Errorf("the one elsewhere: %+v", r)
			}
		} else if !r.OK {
			t.Fatalf("unit %d: %+v", i, r)
		}
	}
}
