package gateway

import (
	"io"
	"net"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/gateway/wire"
)

// encoded are the rows, and their descriptions, that wait to be written. Their bytes
// do not pass through the protocol's buffer, which begins anew when it was longer
// than a kilobyte: it learns only where among its messages they belong, and both are
// written together.
type encoded struct {
	wire.RowEncoder
	places []rowsPlace
	parts  net.Buffers
	few    []byte // the parts side by side, when they are short
}

// rowsPlace says that the rows up to a byte belong behind so many bytes of other
// messages.
type rowsPlace struct{ behind, to int }

// Encode implements pgproto3's message: one without bytes, whose place is that of
// the rows since the one before.
func (e *encoded) Encode(dst []byte) ([]byte, error) {
	e.places = append(e.places, rowsPlace{len(dst), len(e.Messages())})
	return dst, nil
}

func (*encoded) Backend()            {}
func (*encoded) Decode([]byte) error { return io.ErrUnexpectedEOF }

// writeTo writes p, the other messages, with the rows at their places.
func (e *encoded) writeTo(w io.Writer, p []byte) error {
	rows := e.Messages()
	e.parts = e.parts[:0]
	at, from := 0, 0
	part := func(b []byte) {
		if len(b) > 0 {
			e.parts = append(e.parts, b)
		}
	}
	for _, m := range e.places {
		behind := min(m.behind, len(p))
		part(p[at:behind])
		part(rows[from:m.to])
		at, from = behind, m.to
	}
	part(p[at:])
	var err error
	if len(rows)+len(p) <= flushBytes {
		e.few = e.few[:0]
		for _, b := range e.parts {
			e.few = append(e.few, b...)
		}
		_, err = w.Write(e.few)
	} else {
		all := e.parts
		_, err = all.WriteTo(w) // it changes the list that it is called on
	}
	e.parts = e.parts[:0]
	e.places = e.places[:0]
	e.Clear()
	return err
}

// placeRows gives the rows that were encoded their place, which is here.
func (c *conn) placeRows() {
	if n := len(c.rows.places); len(c.rows.Messages()) > 0 && (n == 0 || c.rows.places[n-1].to < len(c.rows.Messages())) {
		c.out.Send(&c.rows)
	}
}

// sendRows sends rows through c.rows: all of them, or at most max; more says
// that it stopped at max. What is much is written out, so that a slow reader holds no
// more than its own buffer.
func (c *conn) sendRows(rows fqgw.Rows, max int64) (n int64, more bool, err error) {
	defer c.placeRows()
	for max == 0 || n < max {
		c.rows.Begin()
		if err := fqgw.WriteRow(rows, &c.rows); err != nil {
			if err == io.EOF {
				return n, false, nil
			}
			return n, false, err
		}
		size, err := c.rows.End()
		if err != nil {
			return n, false, err
		}
		n++
		if c.pending += size; c.pending >= flushBytes {
			c.placeRows()
			if c.flush() != nil {
				return n, false, errBroken
			}
		}
	}
	return n, true, nil
}
