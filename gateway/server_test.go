package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner"
	"github.com/fqgw/fqgw/planner/exec"
)

// serving is a server that a test talks to in bare frames.
type serving struct {
	t    *testing.T
	addr string
	stop func() time.Duration // shuts it down and says how long that took
}

func serve(t *testing.T, o Options) *serving {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, o)
}

func serveOn(t *testing.T, l net.Listener, o Options) *serving {
	t.Helper()
	engine := exec.New(exec.Options{Catalog: &fqgw.Catalog{}, Clock: fqgw.RealClock(), Logger: slog.New(slog.DiscardHandler)})
	o.Planner, o.Logger = planner.New(engine), slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New(o).Serve(ctx, l) }()
	s := &serving{t: t, addr: l.Addr().String()}
	s.stop = func() time.Duration {
		t.Helper()
		began := time.Now()
		cancel()
		select {
		case err := <-done:
			done <- err
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the server does not stop")
		}
		return time.Since(began)
	}
	t.Cleanup(func() { s.stop() })
	return s
}

// socket connects and sends bytes.
func (s *serving) socket(send []byte) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	if _, err := c.Write(send); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// session connects and begins a session.
func (s *serving) session() (*pgproto3.Frontend, net.Conn, *pgproto3.BackendKeyData) {
	s.t.Helper()
	c := s.socket(startupPacket)
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	f := pgproto3.NewFrontend(c, c)
	var key *pgproto3.BackendKeyData
	for {
		msg, err := f.Receive()
		if err != nil {
			s.t.Fatal(err)
		}
		switch msg := msg.(type) {
		case *pgproto3.BackendKeyData:
			key = &pgproto3.BackendKeyData{ProcessID: msg.ProcessID, SecretKey: append([]byte(nil), msg.SecretKey...)}
		case *pgproto3.ReadyForQuery:
			return f, c, key
		}
	}
}

func packet(code uint32, body string) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(p, code), body...)
}

func queryMessage(sql string) []byte {
	b, _ := (&pgproto3.Query{String: sql}).Encode(nil)
	return b
}

var startupPacket = packet(3<<16, "user\x00test\x00\x00")

// closed waits until the server has closed the connection, and returns the
// SQLSTATE of the last error that it sent.
func closed(t *testing.T, c net.Conn, within time.Duration) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(within))
	f := pgproto3.NewFrontend(c, c)
	code := ""
	for {
		msg, err := f.Receive()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Errorf("the connection is still open after %v", within)
			return code
		case err != nil:
			return code
		}
		if e, ok := msg.(*pgproto3.ErrorResponse); ok {
			code = e.Code
		}
	}
}

// halfOpen are connections without a session: silent, within a startup packet,
// and after an SSLRequest.
func halfOpen(s *serving) []net.Conn {
	ssl := s.socket(packet(codeSSL, ""))
	var answer [1]byte
	if _, err := io.ReadFull(ssl, answer[:]); err != nil || answer[0] != 'N' {
		s.t.Fatalf("SSLRequest: %q, %v", answer, err)
	}
	return []net.Conn{s.socket(nil), s.socket(startupPacket[:2]), s.socket(startupPacket[:11]), ssl}
}

func TestHalfOpenAtShutdown(t *testing.T) {
	s := serve(t, Options{Drain: 10 * time.Second})
	all := halfOpen(s)
	time.Sleep(50 * time.Millisecond)
	if took := s.stop(); took > 2*time.Second {
		t.Errorf("the shutdown took %v", took)
	}
	for _, c := range all {
		if code := closed(t, c, time.Second); code != "" {
			t.Errorf("a connection that had sent nothing got %s", code)
		}
	}
}

func TestHalfOpenCounts(t *testing.T) {
	s := serve(t, Options{Connections: 5})
	_, running, key := s.session()
	half := halfOpen(s)
	time.Sleep(50 * time.Millisecond)
	if code := closed(t, s.socket(startupPacket), 5*time.Second); code != "53300" {
		t.Errorf("past the limit: %q, want 53300", code)
	}
	// A cancel request is heard all the same.
	_, err := running.Write(queryMessage("SELECT pg_sleep(60)"))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	body := binary.BigEndian.AppendUint32(nil, key.ProcessID)
	s.socket(packet(codeCancel, string(append(body, key.SecretKey...))))
	f := pgproto3.NewFrontend(running, running)
	_ = running.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		msg, err := f.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := msg.(*pgproto3.ErrorResponse); ok {
			if e.Code != "57014" {
				t.Errorf("a cancelled statement: %s", e.Code)
			}
			break
		}
	}
	// However many there are, the others are refused at once.
	for range spare {
		s.socket(nil)
	}
	time.Sleep(50 * time.Millisecond)
	if code := closed(t, s.socket(nil), time.Second); code != "53300" {
		t.Errorf("far past the limit: %q, want 53300", code)
	}
	// One that leaves makes room.
	for _, c := range half {
		c.Close()
	}
	time.Sleep(50 * time.Millisecond)
	s.session()
}

func TestStartupTimeout(t *testing.T) {
	s := serve(t, Options{Connections: 4, Startup: 200 * time.Millisecond})
	for _, c := range halfOpen(s) {
		closed(t, c, 5*time.Second)
	}
	f, c, _ := s.session()
	time.Sleep(300 * time.Millisecond) // the time-out is the startup's alone
	if _, err := c.Write(queryMessage("SELECT 1")); err != nil {
		t.Fatal(err)
	}
	if msg, err := f.Receive(); err != nil {
		t.Errorf("%T, %v", msg, err)
	}
}

// exhausted fails to accept at first, as a process without file descriptors does.
type exhausted struct {
	net.Listener
	failures int
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.failures--; l.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestAcceptFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, &exhausted{l, 3}, Options{}).session()
}

// TestSessionsAtShutdown: an idle session ends at once with 57P01; when the drain
// is over also a statement, a COPY whose client sends nothing, and one that does
// not read.
func TestSessionsAtShutdown(t *testing.T) {
	query := func(c net.Conn, sql string) {
		t.Helper()
		if _, err := c.Write(queryMessage(sql)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("idle", func(t *testing.T) {
		s := serve(t, Options{Drain: 10 * time.Second})
		_, idle, _ := s.session()
		_, block, _ := s.session()
		query(block, "BEGIN")
		time.Sleep(100 * time.Millisecond)
		if took := s.stop(); took > 2*time.Second {
			t.Errorf("the shutdown took %v", took)
		}
		for _, c := range []net.Conn{idle, block} {
			if code := closed(t, c, time.Second); code != "57P01" {
				t.Errorf("an idle session: %q, want 57P01", code)
			}
		}
	})
	t.Run("busy", func(t *testing.T) {
		s := serve(t, Options{Drain: 300 * time.Millisecond})
		_, sleeps, _ := s.session()
		query(sleeps, "SELECT pg_sleep(60); SELECT pg_sleep(60)")
		_, copies, _ := s.session()
		query(copies, "CREATE TEMP TABLE t (x int); COPY t FROM STDIN")
		_, deaf, _ := s.session()
		query(deaf, "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)")
		time.Sleep(500 * time.Millisecond)
		if took := s.stop(); took > 4*time.Second {
			t.Errorf("the shutdown took %v", took)
		}
		for what, c := range map[string]net.Conn{"a statement": sleeps, "a COPY": copies} {
			if code := closed(t, c, time.Second); code != "57P01" {
				t.Errorf("%s: %q, want 57P01", what, code)
			}
		}
		closed(t, deaf, 5*time.Second)
	})
}

// TestHangUp: a statement whose client hangs up is cancelled; one that runs for a
// while leaves the messages behind it to be read, and a CancelRequest that comes
// between two statements harms neither.
func TestHangUp(t *testing.T) {
	s := serve(t, Options{Drain: 10 * time.Second})
	_, gone, _ := s.session()
	if _, err := gone.Write(queryMessage("SELECT pg_sleep(60)")); err != nil {
		t.Fatal(err)
	}
	f, stays, key := s.session()
	if _, err := stays.Write(append(queryMessage("SELECT pg_sleep(1)"), queryMessage("SELECT 2")...)); err != nil {
		t.Fatal(err)
	}
	gone.Close()
	rows := 0
	ready := func(n int) {
		t.Helper()
		for n > 0 {
			msg, err := f.Receive()
			if err != nil {
				t.Fatal(err)
			}
			switch msg := msg.(type) {
			case *pgproto3.ErrorResponse:
				t.Errorf("%s: %s", msg.Code, msg.Message)
			case *pgproto3.DataRow:
				rows++
			case *pgproto3.ReadyForQuery:
				n--
			}
		}
	}
	ready(2)
	closed(t, s.socket(packet(codeCancel, string(append(binary.BigEndian.AppendUint32(nil, key.ProcessID), key.SecretKey...)))), time.Second)
	if _, err := stays.Write(queryMessage("SELECT 3")); err != nil {
		t.Fatal(err)
	}
	ready(1)
	if rows != 3 {
		t.Errorf("%d rows", rows)
	}
	if took := s.stop(); took > 2*time.Second {
		t.Errorf("the statement whose client hung up ran on: the shutdown took %v", took)
	}
}
