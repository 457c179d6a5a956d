package redis

import (
	"context"
	"net"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw/socket"
)

// dialer makes the connections of a client quick.
type dialer struct{}

func (dialer) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		q, ok := socket.Quick(c).(socket.Quiet)
		if !ok {
			return c, nil
		}
		raw, err := q.(syscall.Conn).SyscallConn()
		return &pooled{q, look{raw, q}}, err
	}
}

func (dialer) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (dialer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// pooled is a connection at which go-redis has a look before it uses it once more.
// That look goes by the scheduler, too, as long as there is nothing to see.
type pooled struct {
	socket.Quiet
	look look
}

// SyscallConn implements syscall.Conn, for that look.
func (p *pooled) SyscallConn() (syscall.RawConn, error) { return &p.look, nil }

type look struct {
	syscall.RawConn
	conn socket.Quiet
}

// Read calls f unless there is nothing to read.
func (l *look) Read(f func(fd uintptr) bool) error {
	if l.conn.Quiet() {
		return nil
	}
	return l.RawConn.Read(f)
}
