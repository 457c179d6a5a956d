package socket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fqgw/fqgw/socket"
)

// pair is a connection and its other end, which is a common one.
func pair(t *testing.T) (quick net.Conn, other *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	o, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); o.Close() })
	return socket.Quick(c), o.(*net.TCPConn)
}

// What goes in comes out at the other end, whatever the sizes, in both directions
// at once, also when the other end is slow.
func TestTransfer(t *testing.T) {
	a, b := pair(t)
	var wg sync.WaitGroup
	for seed, ends := range [][2]net.Conn{{a, b}, {b, a}} {
		from, to := ends[0], ends[1]
		sent := make([]byte, 8<<20)
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		for i := range sent {
			sent[i] = byte(rng.Uint32())
		}
		size := func(rng *rand.Rand) int { return 1 + rng.IntN(1<<rng.IntN(19)) }
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(seed), 2))
			for left := sent; len(left) > 0; {
				n, err := from.Write(left[:min(size(rng), len(left))])
				if err != nil {
					t.Error(err)
					return
				}
				left = left[n:]
			}
		})
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(seed), 3))
			var got []byte
			for len(got) < len(sent) {
				b := make([]byte, size(rng))
				n, err := to.Read(b)
				if got = append(got, b[:n]...); err != nil {
					t.Error(err)
					return
				}
				if rng.IntN(50) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			if !bytes.Equal(got, sent) {
				t.Error("other bytes arrive than were sent")
			}
		})
	}
	wg.Wait()
}

// The errors are those of package net.
func TestErrors(t *testing.T) {
	is := func(op string, err, want error) {
		t.Helper()
		var of *net.OpError
		if !errors.Is(err, want) || want != io.EOF && (!errors.As(err, &of) || of.Op != op || of.Addr == nil || of.Net != "tcp") {
			t.Errorf("%s: %v, not %v", op, err, want)
		}
	}
	b := make([]byte, 10)

	c, o := pair(t)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	_, err := c.Read(b)
	is("read", err, os.ErrDeadlineExceeded)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v is no time-out", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	_, _ = o.Write([]byte("abc"))
	if n, err := c.Read(b); n != 3 || err != nil || string(b[:n]) != "abc" {
		t.Errorf("after the deadline: %q, %v", b[:n], err)
	}
	// One who waits is woken by a deadline that is set then.
	time.AfterFunc(5*time.Millisecond, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	_, err = c.Read(b)
	is("read", err, os.ErrDeadlineExceeded)
	_ = c.SetDeadline(time.Time{})
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("no bytes: %d, %v", n, err)
	}

	// A reader that does not read: what went out counts.
	_ = c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	sent := 0
	for err = nil; err == nil; {
		var n int
		n, err = c.Write(make([]byte, 50_000))
		sent += n
	}
	is("write", err, os.ErrDeadlineExceeded)
	c.Close()
	if got, err := io.Copy(io.Discard, o); got != int64(sent) || err != nil {
		t.Errorf("%d bytes arrived, %d were sent: %v", got, sent, err)
	}
	_, err = c.Read(b)
	is("read", err, net.ErrClosed)
	_, err = c.Write(b)
	is("write", err, net.ErrClosed)

	c, o = pair(t)
	o.Close()
	if _, err := c.Read(b); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}

	c, o = pair(t)
	_ = o.SetLinger(0)
	o.Close()
	time.Sleep(5 * time.Millisecond)
	_, err = c.Read(b)
	is("read", err, syscall.ECONNRESET)
	_, err = c.Write(b)
	is("write", err, syscall.EPIPE)

	// A close wakes who waits.
	c, _ = pair(t)
	time.AfterFunc(5*time.Millisecond, func() { c.Close() })
	_, err = c.Read(b)
	is("read", err, net.ErrClosed)
}

// Quiet is when there is nothing to read; asking takes nothing away.
func TestQuiet(t *testing.T) {
	c, o := pair(t)
	q, ok := c.(socket.Quiet)
	if !ok {
		t.Skip("connections are not quick here")
	}
	b := make([]byte, 10)
	for range 2 {
		if !q.Quiet() {
			t.Error("not quiet from the beginning")
		}
	}
	_, _ = o.Write([]byte("x"))
	for wait := time.Now(); q.Quiet() && time.Since(wait) < 5*time.Second; {
		time.Sleep(time.Millisecond)
	}
	if n, err := c.Read(b); n != 1 || err != nil || b[0] != 'x' {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if !q.Quiet() {
		t.Error("not quiet after what was there was read")
	}
	o.Close()
	for wait := time.Now(); q.Quiet(); time.Sleep(time.Millisecond) {
		if time.Since(wait) > 5*time.Second {
			t.Fatal("quiet at the end")
		}
	}
	if _, err := c.Read(b); err != io.EOF {
		t.Errorf("read %v", err)
	}
	c.Close()
	if q.Quiet() {
		t.Error("a closed connection is quiet")
	}
}

// What is no TCP connection stays as it is.
func TestOthers(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if socket.Quick(a) != a {
		t.Error("a pipe is made quick")
	}
}

// Nothing is allocated for a read or a write.
func TestNoAllocation(t *testing.T) {
	c, o := pair(t)
	go func() { _, _ = io.Copy(o, o) }()
	b := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := c.Write(b); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Reading goes on while another goroutine cancels it again and again.
func TestInterrupted(t *testing.T) {
	c, o := pair(t)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = o.Write([]byte{byte(i)})
			_ = c.SetReadDeadline(time.Unix(1+int64(i%2)<<40, 0))
			time.Sleep(100 * time.Microsecond)
		}
	}()
	defer stop()
	b, want := make([]byte, 7), byte(0)
	for range 500 {
		n, err := c.Read(b)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		for _, got := range b[:n] {
			if got != want {
				t.Fatalf("read %d, not %d", got, want)
			}
			want++
		}
	}
}
