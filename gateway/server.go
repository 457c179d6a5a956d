// Package gateway is the PostgreSQL server: connections, startup, the simple
// and the extended query protocol, COPY and cancellation. What statements mean
// is the planner's.
//
// Protocol: PostgreSQL 15 documentation, chapter 55 (Frontend/Backend Protocol).
package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner"
)

// Options configure a Server.
type Options struct {
	Planner     *planner.Planner
	Logger      *slog.Logger
	Connections int           // at most so many connections, those without a session too; 0: 500
	Startup     time.Duration // how long a client may take to begin its session; 0: 60 s, PostgreSQL's authentication_timeout
	Drain       time.Duration // how long statements may go on at shutdown; 0: 5 s
}

const (
	// spare is how many connections past the limit are heard for a moment: one may
	// be a cancel request, and the others learn why they are refused.
	spare     = 16
	spareTime = 2 * time.Second
	// abortWithin is how long statements may take to notice that they were
	// cancelled, at shutdown.
	abortWithin = 5 * time.Second
)

// Server accepts connections and serves each in a goroutine of its own.
type Server struct {
	o Options

	mu     sync.Mutex
	conns  map[int32]*conn // by backend pid, from the moment of accept
	seated int             // those of them that count against the limit
	next   int32
}

// New makes a server; Serve runs it.
func New(o Options) *Server {
	if o.Connections == 0 {
		o.Connections = 500
	}
	if o.Startup == 0 {
		o.Startup = 60 * time.Second
	}
	if o.Drain == 0 {
		o.Drain = 5 * time.Second
	}
	return &Server{o: o, conns: map[int32]*conn{}}
}

// Serve accepts on l until ctx ends. Then it stops accepting, closes what has
// not begun a session, tells idle sessions 57P01, lets statements finish for
// Options.Drain, cancels what is left, and returns when every session has gone,
// or will not go.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var sessions sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer s.watch()()
	var err error
	for again := (fqgw.Backoff{First: 10 * time.Millisecond, Most: time.Second}); ; {
		var nc net.Conn
		if nc, err = l.Accept(); err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				break
			}
			// Out of file descriptors, or a client that was gone before it was accepted:
			// the sessions that are there go on.
			s.o.Logger.Warn("a connection cannot be accepted", "error", err)
			again.Wait(ctx)
			continue
		}
		again.Reset()
		c := newConn(s, nc)
		if !s.admit(c) {
			c.fatal(tooMany())
			nc.Close()
			continue
		}
		sessions.Go(func() {
			defer s.forget(c)
			c.serve(ctx)
		})
	}
	if ctx.Err() != nil {
		err = nil
	}
	drained := make(chan struct{})
	go func() { sessions.Wait(); close(drained) }()
	s.each((*conn).shutdown)
	select {
	case <-drained:
		return err
	case <-time.After(s.o.Drain):
	}
	s.each((*conn).abort)
	select {
	case <-drained:
	case <-time.After(abortWithin):
		s.mu.Lock()
		defer s.mu.Unlock()
		s.o.Logger.Error("sessions do not end although they were cancelled", "sessions", len(s.conns))
	}
	return err
}

// watch looks after the statements that run until done is called.
func (s *Server) watch() (done func()) {
	tick, over := time.NewTicker(watchEvery), make(chan struct{})
	var looks sync.WaitGroup
	looks.Go(func() {
		for {
			select {
			case <-tick.C:
				s.each((*conn).look)
			case <-over:
				return
			}
		}
	})
	return func() {
		tick.Stop()
		close(over)
		looks.Wait()
	}
}

func (s *Server) each(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		f(c)
	}
}

// admit gives a new connection its pid, its cancel key and the time for its
// startup; false when there are so many that it is not even heard.
func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= s.o.Connections+spare {
		return false
	}
	for s.next++; s.next <= 0 || s.conns[s.next] != nil; s.next++ {
		if s.next < 0 {
			s.next = 0
		}
	}
	c.pid = s.next
	if _, err := rand.Read(c.secret[:]); err != nil {
		return false
	}
	s.conns[c.pid] = c
	wait := s.o.Startup
	if !s.seat(c) {
		wait = min(wait, spareTime)
	}
	_ = c.net.SetReadDeadline(time.Now().Add(wait))
	return true
}

// seat counts a connection against the limit, once; false when that is reached.
// s.mu is held.
func (s *Server) seat(c *conn) bool {
	if !c.seated && s.seated < s.o.Connections {
		c.seated = true
		s.seated++
	}
	return c.seated
}

// begins says whether a connection may begin a session.
func (s *Server) begins(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seat(c)
}

func tooMany() *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeTooManyConnections, "sorry, too many clients already")
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.pid)
	if c.seated {
		s.seated--
	}
}

// cancel carries out a CancelRequest; a wrong key is ignored, as the protocol asks.
func (s *Server) cancel(pid int32, secret []byte) {
	s.mu.Lock()
	c := s.conns[pid]
	s.mu.Unlock()
	if c != nil && string(c.secret[:]) == string(secret) {
		c.cancelStatement()
	}
}
