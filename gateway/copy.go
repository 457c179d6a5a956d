package gateway

import (
	"context"
	"errors"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/gateway/wire"
	"github.com/fqgw/fqgw/planner"
)

// copyOut sends COPY … TO STDOUT.
func (c *conn) copyOut(out *planner.CopyOut) (int64, error) {
	defer out.Rows.Close()
	if err := c.rows.ResetCopy(out.Format, out.Columns, c.session.Env()); err != nil {
		return 0, err
	}
	format, formats := copyFormat(out.Format.Name, len(out.Columns))
	c.out.Send(&pgproto3.CopyOutResponse{OverallFormat: format, ColumnFormatCodes: formats})
	c.pending += c.rows.Header()
	n, _, err := c.sendRows(out.Rows, 0)
	if err != nil {
		return n, err
	}
	c.rows.Trailer()
	c.placeRows()
	c.out.Send(&pgproto3.CopyDone{})
	return n, nil
}

func copyFormat(name string, columns int) (byte, []uint16) {
	formats := make([]uint16, columns)
	if name != "binary" {
		return 0, formats
	}
	for i := range formats {
		formats[i] = 1
	}
	return 1, formats
}

// copyIn takes COPY … FROM STDIN. After an error the client's data is dropped
// up to its end by the main loop, as the protocol has it.
func (c *conn) copyIn(ctx context.Context, in *planner.CopyIn) (int64, error) {
	c.unwatch() // the client's data is read here
	format, formats := copyFormat(in.Format.Name, len(in.Types))
	c.out.Send(&pgproto3.CopyInResponse{OverallFormat: format, ColumnFormatCodes: formats})
	if err := c.flush(); err != nil {
		return 0, err
	}
	data := &copyReader{c: c, ctx: ctx}
	rows, err := wire.NewCopyDecoder(data, in.Format, in.Types, c.session.Env())
	if err != nil {
		return 0, err
	}
	n, err := in.Run(ctx, rows)
	if err != nil {
		return 0, err
	}
	return n, data.drain()
}

// copyReader is the client's CopyData as a stream of bytes.
type copyReader struct {
	c    *conn
	ctx  context.Context
	rest []byte
	err  error // io.EOF after CopyDone
}

func (r *copyReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		r.next()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *copyReader) next() {
	msg, err := r.c.out.Receive()
	switch {
	case err != nil && r.c.ending():
		r.err = fqgw.Errorf(fqgw.CodeAdminShutdown, "terminating connection due to administrator command")
		return
	case refusal(err) != nil:
		r.err = refusal(err).err
		return
	case err != nil:
		r.err = errors.Join(errBroken, err)
		return
	}
	switch msg := msg.(type) {
	case *pgproto3.CopyData:
		r.rest = msg.Data
	case *pgproto3.CopyDone:
		r.err = io.EOF
	case *pgproto3.CopyFail:
		r.err = fqgw.Errorf(fqgw.CodeQueryCanceled, "COPY from stdin failed: %s", msg.Message)
	case *pgproto3.Flush, *pgproto3.Sync:
	default:
		r.c.lost = true
		r.err = fqgw.Errorf(fqgw.CodeProtocolViolation, "unexpected message %T during COPY from stdin", msg)
	}
}

// drain reads up to CopyDone what the decoder left (behind \.).
func (r *copyReader) drain() error {
	for r.err == nil {
		r.next()
	}
	if r.err == io.EOF {
		return nil
	}
	return r.err
}
