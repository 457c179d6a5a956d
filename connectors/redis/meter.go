package redis

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// Meter counts what the store's client does. Safe for concurrent use.
type Meter struct {
	// Trips are the times of round trips: of one command or one pipeline, in a
	// Cluster of one pipeline to all the servers that it concerns.
	Trips fqgw.Histogram
	// Timeouts, Connection and Replies count the trips that failed: no answer in
	// time, no connection, an answer that is an error.
	Timeouts, Connection, Replies atomic.Uint64
}

// Meter counts the trips of this store.
func (s *Store) Meter() *Meter { return &s.meter }

func (m *Meter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (m *Meter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmd)
		m.count(began, err)
		return err
	}
}

func (m *Meter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmds)
		m.count(began, err)
		return err
	}
}

// count notes a trip. A script that the server does not know yet is sent again,
// and a caller who went away is no fault of the store.
func (m *Meter) count(began time.Time, err error) {
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
