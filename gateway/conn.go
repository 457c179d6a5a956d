package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner"
	"github.com/fqgw/fqgw/socket"
)

const (
	// flushBytes is when answers are written out although more is to come.
	flushBytes = 64 << 10
	// watchEvery is how often the statements are looked at that run: the client of one
	// that has run since the last time is watched, and cancels it by hanging up.
	watchEvery = 200 * time.Millisecond
)

// conn is one client's connection: the protocol's state. What belongs to SQL is
// in the session.
type conn struct {
	server *Server
	net    net.Conn
	in     *bufio.Reader
	out    *pgproto3.Backend
	ctx    context.Context // of the server

	rest int // of the message that is being read, bytes

	pid     int32
	secret  [4]byte
	seated  bool // it counts against the limit; guarded by server.mu
	session *planner.Session

	skipping bool // after an error of the extended protocol, until Sync
	batch    bool // an extended batch is open
	lost     bool // a message was taken that belongs to nothing: what follows cannot be understood
	rows     encoded
	shape    shape
	pending  int  // bytes sent to out since the last flush
	limited  bool // the wait for the client has a deadline
	done     pgproto3.CommandComplete
	turn     pgproto3.ReadyForQuery

	mu       sync.Mutex
	life     context.Context // of the statements, one after the other, until one is cancelled; nil before the first
	cancel   context.CancelFunc
	running  bool          // a statement runs
	number   uint64        // of the statement
	seen     uint64        // the number when the last look was taken
	free     bool          // the client may be watched: nobody reads from it
	watching chan struct{} // closed when the watch has ended; nil: there is none
	idle     bool          // waiting for the client
	stopping bool
	aborted  bool // no statement may go on
}

func newConn(s *Server, nc net.Conn) *conn {
	nc = socket.Quick(nc)
	c := &conn{server: s, net: nc, idle: true}
	c.in = bufio.NewReaderSize(nc, 8<<10)
	c.out = pgproto3.NewBackend(traffic{c}, traffic{c})
	c.out.SetMaxBodyLen(maxMessage)
	return c
}

// serve runs the connection to its end.
func (c *conn) serve(ctx context.Context) {
	c.ctx = ctx
	defer c.net.Close()
	err := c.startup()
	c.mu.Lock()
	c.idle = false
	if !c.stopping {
		_ = c.net.SetReadDeadline(time.Time{})
	}
	c.mu.Unlock()
	if err != nil {
		// One that hung up, was too slow or was stopped before it said who it is gets
		// no message, as in PostgreSQL.
		var known *fqgw.Error
		if errors.As(err, &known) {
			c.fatal(known)
		}
		return
	}
	defer c.end()
	if c.ready() != nil {
		return
	}
	for {
		msg, err := c.receive()
		if r := refusal(err); r != nil {
			if c.refuse(r) != nil {
				return
			}
			continue
		}
		if err != nil {
			c.goodbye(err)
			return
		}
		if _, ok := msg.(*pgproto3.Terminate); ok {
			return
		}
		if err := c.handle(msg); err != nil {
			return
		}
	}
}

// receive waits for the next message, for as long as the settings allow.
func (c *conn) receive() (pgproto3.FrontendMessage, error) {
	c.mu.Lock()
	c.idle = true
	if c.stopping {
		c.mu.Unlock()
		return nil, errShutdown
	}
	deadline := time.Time{}
	if d := c.session.IdleLimit(); d > 0 {
		deadline = time.Now().Add(d)
	}
	if c.limited || !deadline.IsZero() {
		_ = c.net.SetReadDeadline(deadline)
		c.limited = !deadline.IsZero()
	}
	c.mu.Unlock()
	msg, err := c.out.Receive()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = false
	if c.stopping && err != nil {
		return nil, errShutdown
	}
	return msg, err
}

var errShutdown = errors.New("gateway: shutting down")

// end lets go of what the connection has.
func (c *conn) end() {
	c.session.Close()
	c.renew()
}

// goodbye tells the client why the connection ends, after receive failed.
func (c *conn) goodbye(err error) {
	var tooLong *pgproto3.ExceededMaxBodyLenErr
	switch {
	case errors.Is(err, errShutdown):
		c.fatal(fqgw.Errorf(fqgw.CodeAdminShutdown, "terminating connection due to administrator command"))
	case errors.Is(err, os.ErrDeadlineExceeded) && c.session.InBlock():
		c.fatal(fqgw.Errorf("25P03", "terminating connection due to idle-in-transaction timeout"))
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.fatal(fqgw.Errorf("57P05", "terminating connection due to idle-session timeout"))
	case errors.As(err, &tooLong):
		c.fatal(fqgw.Errorf(fqgw.CodeLimitExceeded, "message of %d bytes is longer than the limit of %d", tooLong.ActualBodyLen, maxMessage))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed): // the client hung up
	case errors.Is(err, io.EOF): // pgproto3's, for a message whose strings do not end
		c.fatal(fqgw.Errorf(fqgw.CodeProtocolViolation, "invalid string in message"))
	default:
		var netErr net.Error
		if !errors.As(err, &netErr) {
			c.fatal(fqgw.Errorf(fqgw.CodeProtocolViolation, "%v", err))
		}
	}
}

// handle does one message; an error of it ends the connection. A panic of a
// statement is caught here: XX000, and the connection lives.
func (c *conn) handle(msg pgproto3.FrontendMessage) (err error) {
	defer func() {
		if p := recover(); p != nil {
			id := fmt.Sprintf("%d-%d", c.pid, time.Now().UnixMicro())
			c.server.o.Logger.Error("a statement panicked", "query", id, "panic", p, "stack", string(debug.Stack()))
			e := fqgw.Errorf(fqgw.CodeInternal, "internal error (query %s)", id)
			c.renew() // it did not end what it had begun
			switch msg.(type) {
			case *pgproto3.Query, *pgproto3.Sync:
				c.fail(e)
				c.batch, c.skipping = false, false
				err = c.ready()
			default:
				c.failExtended(e)
			}
		}
	}()
	switch msg := msg.(type) {
	case *pgproto3.Query:
		if c.skipping {
			return nil // as everything up to Sync
		}
		return c.simple(msg.String)
	case *pgproto3.Sync:
		return c.sync()
	case *pgproto3.Flush:
		return c.flush()
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
		return nil // left over from a COPY that failed: the protocol says to drop them
	case *pgproto3.FunctionCall:
		c.fail(fqgw.Errorf(fqgw.CodeFeatureNotSupported, "function calls by protocol message are not supported"))
		return c.ready()
	}
	if c.skipping {
		return nil
	}
	if !c.batch {
		c.batch = true
		c.session.BeginBatch()
	}
	if err := c.extended(msg); err != nil {
		if errors.Is(err, errBroken) {
			return err
		}
		c.failExtended(err)
	}
	return nil
}

// errBroken marks that the client cannot be written to any more.
var errBroken = errors.New("gateway: the client is gone")

func (c *conn) flush() error {
	c.pending = 0
	if err := c.out.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// ready sends ReadyForQuery.
func (c *conn) ready() error {
	c.session.Rest()
	c.parameters()
	c.turn.TxStatus = c.session.TxStatus()
	c.out.Send(&c.turn)
	return c.flush()
}

// parameters tells the client of reported settings that changed.
func (c *conn) parameters() {
	for _, p := range c.session.Changed() {
		c.out.Send(&pgproto3.ParameterStatus{Name: p[0], Value: p[1]})
	}
}

// fail reports an error of a statement, whose transaction fails.
func (c *conn) fail(err error) {
	e := fqgw.AsError(err)
	if c.ending() && e.Code == fqgw.CodeQueryCanceled {
		e = fqgw.Errorf(fqgw.CodeAdminShutdown, "terminating connection due to administrator command")
	}
	if e.Code == fqgw.CodeInternal || e.Code == fqgw.CodeDataCorrupted {
		c.server.o.Logger.Error("a statement failed", "error", err)
	}
	c.session.Failed()
	c.out.Send(errorResponse(e, "ERROR"))
	if c.lost {
		c.fatal(fqgw.Errorf(fqgw.CodeProtocolViolation, "terminating connection because protocol synchronization was lost"))
		c.net.Close()
	}
}

// ending says whether the server stops.
func (c *conn) ending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping
}

// fatal reports an error that ends the connection.
func (c *conn) fatal(e *fqgw.Error) {
	_ = c.net.SetWriteDeadline(time.Now().Add(2 * time.Second))
	c.out.Send(errorResponse(e, "FATAL"))
	_ = c.out.Flush()
}

func errorResponse(e *fqgw.Error, severity string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: string(e.Code), Message: clean(e.Message),
		Detail: clean(e.Detail), Hint: clean(e.Hint), Position: int32(e.Position), ColumnName: e.Column}
}

var severities = map[string]int{"DEBUG": 1, "LOG": 2, "INFO": 9, "NOTICE": 3, "WARNING": 4,
	"debug5": 1, "debug4": 1, "debug3": 1, "debug2": 1, "debug1": 1, "log": 2, "notice": 3, "warning": 4, "error": 5}

// notice sends a notice unless client_min_messages says not to.
func (c *conn) notice(n planner.Notice) {
	if c.session != nil {
		if severities[n.Severity] < severities[c.session.LeastNotice()] {
			return
		}
	}
	c.placeRows() // those before it
	c.out.Send(&pgproto3.NoticeResponse{Severity: n.Severity, SeverityUnlocalized: n.Severity, Code: n.Code,
		Message: clean(n.Message), Detail: clean(n.Detail), Hint: clean(n.Hint)})
}

// clean keeps zero bytes, which end a field, out of messages.
func clean(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			b := []byte(s)
			for j := range b {
				if b[j] == 0 {
					b[j] = ' '
				}
			}
			return string(b)
		}
	}
	return s
}

// begin gives the context of a statement: cancelled by CancelRequest, by the
// server's abort, and by a client that hangs up. It is that of the statements
// before, if none of them was cancelled: who starts what goes on without the
// statement's reader has a context of its own. finish must be called.
func (c *conn) begin() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == nil || c.life.Err() != nil {
		c.life, c.cancel = context.WithCancel(context.WithoutCancel(c.ctx))
	}
	if c.aborted {
		c.cancel()
	}
	c.running, c.free = true, true
	c.number++
	return c.life
}

// finish is the end of a statement.
func (c *conn) finish() {
	c.mu.Lock()
	c.running = false
	c.mu.Unlock()
	c.unwatch()
}

// renew ends the context of the statements: the next one has another.
func (c *conn) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}

// look begins to watch the client of a statement that runs since the last look:
// one that hangs up cancels it.
func (c *conn) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.running || !c.free || c.watching != nil:
		return
	case c.seen != c.number:
		c.seen = c.number
		return
	}
	watching, cancel := make(chan struct{}), c.cancel
	c.watching = watching
	go func() {
		defer close(watching)
		if _, err := c.in.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			cancel()
		}
	}()
}

// unwatch stops watching the client, so that its messages can be read.
func (c *conn) unwatch() {
	c.mu.Lock()
	c.free = false
	watching := c.watching
	c.watching = nil
	c.mu.Unlock()
	if watching == nil {
		return
	}
	_ = c.net.SetReadDeadline(time.Unix(1, 0))
	<-watching
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.aborted {
		_ = c.net.SetReadDeadline(time.Time{})
	}
}

// cancelStatement ends the running statement with 57014; nothing when none runs.
func (c *conn) cancelStatement() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		c.cancel()
	}
}

// shutdown ends the session when it is idle, or as soon as it is; one that has
// not begun ends too.
func (c *conn) shutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.idle {
		_ = c.net.SetReadDeadline(time.Unix(1, 0))
	}
}

// abort ends the session although a statement runs, or its client does not read.
func (c *conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.running {
		c.cancel()
	}
	_ = c.net.SetReadDeadline(time.Unix(1, 0))
	_ = c.net.SetWriteDeadline(time.Now().Add(time.Second))
}
