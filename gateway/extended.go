package gateway

import (
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/gateway/wire"
	"github.com/fqgw/fqgw/planner"
	"github.com/fqgw/fqgw/planner/plan"
)

// extended does one message of the extended protocol.
func (c *conn) extended(msg pgproto3.FrontendMessage) error {
	switch msg := msg.(type) {
	case *pgproto3.Parse:
		return c.parse(msg)
	case *pgproto3.Bind:
		return c.bind(msg)
	case *pgproto3.Describe:
		return c.describe(msg)
	case *pgproto3.Execute:
		return c.execute(msg)
	case *pgproto3.Close:
		if msg.ObjectType == 'S' {
			c.session.Forget(msg.Name)
		} else {
			c.session.ClosePortal(msg.Name)
		}
		c.out.Send(&pgproto3.CloseComplete{})
		return nil
	}
	return fqgw.Errorf(fqgw.CodeProtocolViolation, "unexpected message %T", msg)
}

// failExtended reports an error; what follows up to Sync is skipped.
func (c *conn) failExtended(err error) {
	c.fail(err)
	c.skipping = true
}

// sync ends an extended batch and its implicit transaction. What that carries
// out can be cancelled as a statement can.
func (c *conn) sync() error {
	if c.batch && !c.skipping {
		ctx, runs := c.ctx, c.session.HasPending()
		if runs {
			ctx = c.begin()
		}
		if err := c.session.EndImplicit(ctx); err != nil {
			c.fail(err)
		}
		if runs {
			c.finish()
		}
	}
	c.batch, c.skipping = false, false
	return c.ready()
}

func (c *conn) parse(msg *pgproto3.Parse) error {
	if msg.Name == "" {
		c.session.Forget("")
	}
	texts, err := c.session.Split(msg.Query)
	if err != nil {
		return err
	}
	if len(texts) > 1 {
		return fqgw.Errorf(fqgw.CodeSyntax, "cannot insert multiple commands into a prepared statement")
	}
	var t *planner.Text
	if len(texts) == 1 {
		t = texts[0]
	}
	p, err := c.session.Prepare(t, slices.Clone(msg.ParameterOIDs))
	if err != nil {
		return err
	}
	if err := c.session.Keep(msg.Name, p); err != nil {
		return err
	}
	c.out.Send(&pgproto3.ParseComplete{})
	return nil
}

func (c *conn) bind(msg *pgproto3.Bind) error {
	p, err := c.session.Named(msg.PreparedStatement)
	if err != nil {
		return err
	}
	if n := len(msg.ParameterFormatCodes); n > 1 && n != len(msg.Parameters) {
		return fqgw.Errorf(fqgw.CodeProtocolViolation, "bind message has %d parameter formats but %d parameters", n, len(msg.Parameters))
	}
	if len(msg.Parameters) != len(p.Params) {
		return fqgw.Errorf(fqgw.CodeProtocolViolation, "bind message supplies %d parameters, but prepared statement \"%s\" requires %d",
			len(msg.Parameters), msg.PreparedStatement, len(p.Params))
	}
	if err := c.session.MayOpen(msg.DestinationPortal, p); err != nil {
		return err
	}
	if n := len(msg.ResultFormatCodes); n > 1 && n != len(p.Columns) {
		return fqgw.Errorf(fqgw.CodeProtocolViolation, "bind message has %d result formats but query has %d columns", n, len(p.Columns))
	}
	for _, list := range [...][]int16{msg.ParameterFormatCodes, msg.ResultFormatCodes} {
		for _, f := range list {
			if f != 0 && f != 1 {
				return fqgw.Errorf(fqgw.CodeInvalidParameter, "unsupported format code: %d", f)
			}
		}
	}
	args, env := c.session.Arguments(len(p.Params)), c.session.Env()
	for i, raw := range msg.Parameters {
		if args[i], err = wire.Decode(raw, p.Params[i], wire.Format(msg.ParameterFormatCodes, i), env); err != nil {
			e := fqgw.AsError(err)
			if e.Detail == "" {
				e = e.WithDetail("Parameter $%d.", i+1)
			}
			return e
		}
	}
	if err := c.session.Open(msg.DestinationPortal, p, args, msg.ResultFormatCodes); err != nil {
		return err
	}
	c.out.Send(&pgproto3.BindComplete{})
	return nil
}

func (c *conn) describe(msg *pgproto3.Describe) error {
	if msg.ObjectType == 'S' {
		p, err := c.session.Named(msg.Name)
		if err == nil {
			err = c.describable(p)
		}
		if err != nil {
			return err
		}
		oids := make([]uint32, len(p.Params))
		for i, t := range p.Params {
			oids[i] = t.OID
		}
		c.out.Send(&pgproto3.ParameterDescription{ParameterOIDs: oids})
		c.describeRows(p, nil)
		return nil
	}
	p, err := c.session.Portal(msg.Name)
	if err == nil {
		err = c.describable(p.Prepared)
	}
	if err != nil {
		return err
	}
	c.describeRows(p.Prepared, p.Formats)
	return nil
}

var errAborted = fqgw.Errorf(fqgw.CodeFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")

// describable is nil unless the block is aborted: then what returns rows is not
// described, as in PostgreSQL.
func (c *conn) describable(p *planner.Prepared) error {
	if c.session.TxStatus() == 'E' && p.Columns != nil {
		return errAborted
	}
	return nil
}

func (c *conn) describeRows(p *planner.Prepared, formats []int16) {
	if p.Columns == nil {
		c.out.Send(&pgproto3.NoData{})
		return
	}
	c.describeColumns(p.Columns, formats)
}

// describeColumns sends a RowDescription.
func (c *conn) describeColumns(columns []plan.Column, formats []int16) {
	c.rows.Add(c.shape.of(columns, formats))
	c.placeRows()
}

// shape is the last description that a connection gave, encoded: most ask for the
// same statement again and again.
type shape struct {
	columns []plan.Column
	formats []int16
	message []byte
}

func (s *shape) of(columns []plan.Column, formats []int16) []byte {
	same := len(columns) > 0 && len(columns) == len(s.columns) && &columns[0] == &s.columns[0]
	if !same || !slices.Equal(formats, s.formats) {
		b, err := rowDescription(columns, formats).Encode(s.message[:0])
		if err != nil {
			panic(err) // more than a gigabyte of names
		}
		*s = shape{columns, append(s.formats[:0], formats...), b}
	}
	return s.message
}

func (c *conn) execute(msg *pgproto3.Execute) error {
	p, err := c.session.Portal(msg.Portal)
	if err != nil {
		return err
	}
	ctx := c.begin()
	defer c.finish()
	res, err := p.Execute(ctx, msg.MaxRows > 0)
	if err != nil {
		return err
	}
	var n int64
	switch {
	case res.Tag.Empty():
		c.out.Send(&pgproto3.EmptyQueryResponse{})
		p.Suspend()
		return nil
	case res.CopyOut != nil || res.CopyIn != nil:
		if n, err = c.answer(ctx, res); err != nil {
			return err
		}
	case res.Rows != nil && !p.Done():
		var more bool
		c.rows.Reset(res.Columns, p.Formats, c.session.Env())
		if n, more, err = c.sendRows(res.Rows, int64(msg.MaxRows)); err != nil {
			return err
		}
		if more {
			c.out.Send(&pgproto3.PortalSuspended{})
			p.Suspend()
			return nil
		}
	}
	if err := p.End(); err != nil {
		return err
	}
	c.complete(res.Tag, n)
	return nil
}
