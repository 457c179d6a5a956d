package gateway

import (
	"encoding/binary"
	"errors"

	"github.com/fqgw/fqgw"
)

const (
	// maxMessage is the longest message that is taken; a longer one ends the connection.
	maxMessage = 256 << 20
	// largeMessage is the length from which a message is charged to its session before
	// it is read.
	largeMessage = 64 << 10
	headBytes    = 5 // its type and its length
)

// traffic is the client as the protocol's reader and writer see it: what waits
// in the output buffer is written before the client is waited for, and not
// before, so that the answers to the messages of one packet leave in one. A read
// ends where a message does, so that each is looked at before room is made for it.
type traffic struct{ c *conn }

func (t traffic) Read(p []byte) (int, error) {
	c := t.c
	if c.rest > 0 && c.in.Buffered() == 0 || c.in.Buffered() < headBytes {
		if err := c.flush(); err != nil {
			return 0, err
		}
	}
	if c.rest == 0 {
		if err := c.admit(); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(p[:min(len(p), c.rest)])
	c.rest -= n
	return n, err
}

func (t traffic) Write(p []byte) (int, error) {
	switch {
	case len(t.c.rows.places) > 0:
		if err := t.c.rows.writeTo(t.c.net, p); err != nil {
			return 0, err
		}
		return len(p), nil
	case len(p) == 0:
		return 0, nil // spares the system call
	}
	return t.c.net.Write(p)
}

// admit looks at the next message. One for which the session has no room is passed
// over: a refused error says so, and the connection goes on.
func (c *conn) admit() error {
	c.session.Message(0) // the one before is done with
	head, err := c.in.Peek(headBytes)
	if err != nil {
		return err
	}
	kind, size := head[0], int(int32(binary.BigEndian.Uint32(head[1:])))
	if size < 4 || size > maxMessage+4 {
		c.rest = headBytes // it is refused by its head
		return nil
	}
	c.rest = size + 1
	if size < largeMessage {
		return nil
	}
	switch kind {
	case 'Q', 'P', 'B', 'F', 'd':
	default:
		return fqgw.Errorf(fqgw.CodeProtocolViolation, "invalid message length")
	}
	full := c.session.Message(int64(size))
	if full == nil {
		return nil
	}
	for c.rest > 0 {
		n, err := c.in.Discard(c.rest)
		if c.rest -= n; err != nil {
			return err
		}
	}
	return &refused{kind, full}
}

// refused is a message that was not read.
type refused struct {
	kind byte
	err  error
}

func (r *refused) Error() string { return r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

// refuse answers a message that was not read as one that failed; an error ends the
// connection.
func (c *conn) refuse(r *refused) error {
	switch {
	case r.kind == 'd' || c.skipping: // left over from a COPY that failed; or as everything up to Sync
		return nil
	case r.kind == 'Q', r.kind == 'F':
		c.batch = false
		c.fail(r.err)
		return c.ready()
	}
	if !c.batch {
		c.batch = true
		c.session.BeginBatch()
	}
	c.failExtended(r.err)
	return nil
}

// refusal is the refused message behind an error of receive, nil if it is none.
func refusal(err error) *refused {
	var r *refused
	errors.As(err, &r)
	return r
}
