package redis

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// bomb panics in every command, after the others had time to come together.
type bomb struct{}

func (bomb) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (bomb) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error {
		time.Sleep(time.Millisecond)
		panic("boom")
	}
}

func (bomb) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { panic("boom") }
}

// TestPanickingTrip: a panic is the error of each read that shares the trip.
func TestPanickingTrip(t *testing.T) {
	m := miniredis.RunT(t)
	s, err := Open(t.Context(), "redis://"+m.Addr(), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.client.AddHook(bomb{})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			_, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1, Shard: uint32(i) % 4}}})
			if err == nil || fqgw.AsError(err).Code != fqgw.CodeInternal {
				t.Errorf("read: %v", err)
			}
		})
	}
	wg.Wait()
}
