package redis

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// bounded ends at a time, without a timer that ends it: the client gives it to the
// socket. What waits for Done waits for the caller's.
type bounded struct {
	context.Context
	until time.Time
}

func (b *bounded) Deadline() (time.Time, bool) { return b.until, true }

// readRaw carries out a lookup and takes its reply as it comes, in one piece that
// the states are parts of. ok is false when the reply is not as it should be (an
// error, a connection that was lost): then the lookup is to be carried out in the
// common way, which tries again and knows the errors.
func (s *Store) readRaw(ctx context.Context, until time.Time, l *lookup, out []fqgw.UnitState) (ok bool, err error) {
	const header, state = 16, 256
	per := max(s.reply.Load(), state)
	r := reply{buf: make([]byte, 0, int64(l.keys())*per+header)}
	within := &bounded{ctx, until}
	if s.client.Process(within, redis.NewRawWriteToCmd(within, &r, l.args...)) != nil {
		return false, nil
	}
	values := make([][]byte, l.keys())
	if !r.values(values) {
		return false, nil
	}
	// The next reply needs about as much room for a key.
	s.reply.Store(int64(len(r.buf))/int64(l.keys()) + 1)
	return true, l.fill(values, out)
}

// reply is the bytes of a reply.
type reply struct{ buf []byte }

func (r *reply) Write(p []byte) (int, error) {
	r.buf = append(r.buf, p...)
	return len(p), nil
}

// ReadFrom takes the bytes of a string straight from the connection's buffer.
func (r *reply) ReadFrom(src io.Reader) (int64, error) {
	from, n := src, int64(bytes.MinRead)
	whole := false
	if l, ok := src.(*io.LimitedReader); ok {
		from, n, whole = l.R, l.N, true
	}
	at := len(r.buf)
	for {
		if int64(cap(r.buf)-len(r.buf)) < n {
			grown := make([]byte, len(r.buf), int64(2*cap(r.buf))+n)
			copy(grown, r.buf)
			r.buf = grown
		}
		if whole {
			got, err := io.ReadFull(from, r.buf[at:int64(at)+n])
			r.buf = r.buf[:at+got]
			return int64(got), err
		}
		got, err := from.Read(r.buf[len(r.buf):cap(r.buf)])
		if r.buf = r.buf[:len(r.buf)+got]; err == io.EOF {
			return int64(len(r.buf) - at), nil
		} else if err != nil {
			return int64(len(r.buf) - at), err
		}
	}
}

// values takes the reply to MGET apart: an array of strings and nulls, as many as
// there are places. The strings are parts of the reply.
func (r *reply) values(to [][]byte) bool {
	b := r.buf
	n, b, ok := line(b, '*')
	if !ok || n != len(to) {
		return false
	}
	for i := range to {
		if len(b) >= 3 && b[0] == '_' { // null in the third version of the protocol
			b = b[3:]
			continue
		}
		if n, b, ok = line(b, '$'); !ok || n < -1 || n >= 0 && len(b) < n+2 {
			return false
		}
		if n >= 0 {
			to[i], b = b[:n:n], b[n+2:]
		}
	}
	return len(b) == 0
}

// line reads a line of a kind, which has a number.
func line(b []byte, kind byte) (n int, rest []byte, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 3 || b[0] != kind {
		return 0, nil, false
	}
	n, err := strconv.Atoi(string(b[1 : end-1]))
	return n, b[end+1:], err == nil
}
