package redis

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// meter hooks a fqgw.TripMeter into the client.
type meter struct{ fqgw.TripMeter }

// Meter implements fqgw.OnlineStore.
func (s *Store) Meter() *fqgw.TripMeter { return &s.meter.TripMeter }

func (m *meter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (m *meter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmd)
		m.count(began, err)
		return err
	}
}

func (m *meter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmds)
		m.count(began, err)
		return err
	}
}

// count notes a trip. A script that the server does not know yet is sent again,
// and a caller who went away is no fault of the store.
func (m *meter) count(began time.Time, err error) {
	m.Trips.Observe(time.Since(began))
	var netErr net.Error
	var reply redis.Error
	switch {
	case err == nil, errors.Is(err, redis.Nil), errors.Is(err, context.Canceled), redis.HasErrorPrefix(err, "NOSCRIPT"):
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		m.Timeouts.Add(1)
	case errors.As(err, &reply):
		m.Replies.Add(1)
	default:
		m.Connection.Add(1)
	}
}
