//go:build linux && !386 && !race

package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

func quick(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	q := &conn{TCPConn: tcp, raw: raw}
	q.in.try, q.out.try, q.look.try = q.in.read, q.out.write, q.look.peek
	return q
}

// conn is a quick connection.
type conn struct {
	*net.TCPConn
	raw           syscall.RawConn
	in, out, look transfer
}

// transfer is a read or a write that is under way. It belongs to the connection, so
// that nothing is allocated for it.
type transfer struct {
	try   func(fd uintptr) (done bool)
	b     []byte // what is left of it
	n     int
	errno syscall.Errno
}

func (t *transfer) read(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&t.b[0])), uintptr(len(t.b)))
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		case 0:
			t.n = int(n)
		}
		t.errno = errno
		return true
	}
}

func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.b) {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&t.b[t.n])), uintptr(len(t.b)-t.n))
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		case 0:
			t.n += int(n)
			continue
		}
		t.errno = errno
		return true
	}
	return true
}

// peek reads a byte that stays to be read.
func (t *transfer) peek(fd uintptr) bool {
	_, _, t.errno = syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&t.b[0])), uintptr(len(t.b)),
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return true
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 || len(b) > longest {
		return c.TCPConn.Read(b)
	}
	t := &c.in
	t.b, t.n, t.errno = b, 0, 0
	err := c.raw.Read(t.try)
	t.b = nil
	if err = c.failed("read", err, t.errno); err == nil && t.n == 0 {
		err = io.EOF
	}
	return t.n, err
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if len(b) == 0 || len(b) > longest {
		return c.TCPConn.Write(b)
	}
	t := &c.out
	t.b, t.n, t.errno = b, 0, 0
	err := c.raw.Write(t.try)
	t.b = nil
	return t.n, c.failed("write", err, t.errno)
}

// Quiet implements the interface of that name.
func (c *conn) Quiet() bool {
	t := &c.look
	if t.b == nil {
		t.b = make([]byte, 1)
	}
	return c.raw.Read(t.try) == nil && t.errno == syscall.EAGAIN
}

// failed is the error as package net has it.
func (c *conn) failed(op string, err error, errno syscall.Errno) error {
	if err == nil && errno == 0 {
		return nil
	}
	var of *net.OpError
	switch {
	case err == nil:
		err = os.NewSyscallError(op, errno)
	case errors.As(err, &of):
		err = of.Err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
