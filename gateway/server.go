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

	"github.com/fqgw/fqgw/planner"
)

// Options configure a Server.
type Options struct {
	Planner     *planner.Planner
	Logger      *slog.Logger
	Connections int           // at most so many sessions; 0: 500
	Drain       time.Duration // how long statements may go on at shutdown; 0: 5 s
}

// Server accepts connections and serves each in a goroutine of its own.
type Server struct {
	o Options

	mu    sync.Mutex
	conns map[int32]*conn // by backend pid
	next  int32
}

// New makes a server; Serve runs it.
func New(o Options) *Server {
	if o.Connections == 0 {
		o.Connections = 500
	}
	if o.Drain == 0 {
		o.Drain = 5 * time.Second
	}
	return &Server{o: o, conns: map[int32]*conn{}}
}

// Serve accepts on l until ctx ends. Then it stops accepting, tells idle
// sessions 57P01, lets statements finish for Options.Drain, cancels what is
// left, and returns when every session has gone.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var sessions sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var err error
	for {
		var nc net.Conn
		if nc, err = l.Accept(); err != nil {
			var temporary net.Error
			if ctx.Err() == nil && errors.As(err, &temporary) && temporary.Timeout() {
				continue
			}
			break
		}
		sessions.Go(func() {
			c := newConn(s, nc)
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
	case <-time.After(s.o.Drain):
		s.each((*conn).abort)
		<-drained
	}
	return err
}

func (s *Server) each(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		f(c)
	}
}

// register gives a connection its pid and cancel key; false when there are too many.
func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= s.o.Connections {
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
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.pid] == c {
		delete(s.conns, c.pid)
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
