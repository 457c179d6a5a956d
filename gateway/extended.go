package gateway

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/gateway/wire"
	"github.com/fqgw/fqgw/planner"
	"github.com/fqgw/fqgw/planner/plan"
)

// portal is a bound statement, perhaps in the middle of its rows.
type portal struct {
	prepared *planner.Prepared
	args     []fqgw.Value
	formats  []int16
	result   *planner.Result // nil until the first Execute
	done     bool
	failed   bool // while it ran: it cannot go on
	release  context.CancelFunc
	scope    *planner.Scope // it is closed with that part of its transaction
	let      func()         // lets go of the memory that args take
}

func (p *portal) close() {
	p.let()
	if p.result != nil && p.result.Rows != nil {
		_ = p.result.Rows.Close()
	}
	if p.release != nil {
		p.release()
	}
}

// closePortals closes all portals.
func (c *conn) closePortals() {
	for name, p := range c.portals {
		p.close()
		delete(c.portals, name)
	}
}

// sweepPortals closes the portals whose part of a transaction is over.
func (c *conn) sweepPortals() {
	for name, p := range c.portals {
		if p.scope.Over() {
			p.close()
			delete(c.portals, name)
		}
	}
}

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
		} else if p := c.portals[msg.Name]; p != nil {
			p.close()
			delete(c.portals, msg.Name)
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
		ctx, done := c.ctx, func() {}
		if c.session.HasPending() {
			ctx, done = c.statement()
		}
		if err := c.session.EndImplicit(ctx); err != nil {
			c.fail(err)
		}
		done()
	}
	c.batch, c.skipping = false, false
	c.sweepPortals()
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
	ctx, done := c.statement()
	defer done()
	p, err := c.session.Prepare(ctx, t, append([]uint32(nil), msg.ParameterOIDs...))
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
	ctx, done := c.statement()
	defer done()
	if err := c.session.Revalidate(ctx, p); err != nil {
		return err
	}
	if old := c.portals[msg.DestinationPortal]; old != nil {
		if msg.DestinationPortal != "" {
			return fqgw.Errorf(fqgw.CodeDuplicateCursor, "cursor \"%s\" already exists", msg.DestinationPortal)
		}
		old.close()
		delete(c.portals, "")
	}
	if n := len(msg.ResultFormatCodes); n > 1 && n != len(p.Columns) {
		return fqgw.Errorf(fqgw.CodeProtocolViolation, "bind message has %d result formats but query has %d columns", n, len(p.Columns))
	}
	for _, f := range append(append([]int16(nil), msg.ParameterFormatCodes...), msg.ResultFormatCodes...) {
		if f != 0 && f != 1 {
			return fqgw.Errorf(fqgw.CodeInvalidParameter, "unsupported format code: %d", f)
		}
	}
	args := make([]fqgw.Value, len(p.Params))
	env := c.session.Env()
	for i, raw := range msg.Parameters {
		if args[i], err = wire.Decode(raw, p.Params[i], wire.Format(msg.ParameterFormatCodes, i), env); err != nil {
			e := fqgw.AsError(err)
			if e.Detail == "" {
				e = e.WithDetail("Parameter $%d.", i+1)
			}
			return e
		}
	}
	let, err := c.session.Hold(args)
	if err != nil {
		return err
	}
	c.portals[msg.DestinationPortal] = &portal{prepared: p, args: args, formats: append([]int16(nil), msg.ResultFormatCodes...), scope: c.session.Scope(), let: let}
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
	p, err := c.portal(msg.Name)
	if err == nil {
		err = c.describable(p.prepared)
	}
	if err != nil {
		return err
	}
	c.describeRows(p.prepared, p.formats)
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
	c.out.Send(c.shape.of(p.Columns, formats))
}

// shape is the last description that a connection gave: most ask for the same
// statement again and again.
type shape struct {
	columns []plan.Column
	formats []int16
	row     *pgproto3.RowDescription
}

func (s *shape) of(columns []plan.Column, formats []int16) *pgproto3.RowDescription {
	same := len(columns) > 0 && len(columns) == len(s.columns) && &columns[0] == &s.columns[0]
	if !same || !slices.Equal(formats, s.formats) {
		*s = shape{columns, formats, rowDescription(columns, formats)}
	}
	return s.row
}

func (c *conn) portal(name string) (*portal, error) {
	if p := c.portals[name]; p != nil {
		return p, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeInvalidCursor, "portal \"%s\" does not exist", name)
}

func (c *conn) execute(msg *pgproto3.Execute) error {
	p, err := c.portal(msg.Portal)
	if err != nil {
		return err
	}
	if p.result != nil && c.session.TxStatus() == 'E' { // a portal of before the error
		return errAborted
	}
	if p.failed {
		return fqgw.Errorf(fqgw.CodeNotInState, "portal \"%s\" cannot be run", msg.Portal)
	}
	p.failed = true // unless it gets to the end of this
	ctx, done := c.statement()
	defer done()
	if p.result == nil {
		life := ctx
		if msg.MaxRows > 0 {
			// The rows may be read by later Execute messages: their context ends with
			// the portal, and with this statement's cancellation while it runs.
			life, p.release = context.WithCancel(context.WithoutCancel(ctx))
			stop := context.AfterFunc(ctx, p.release)
			defer stop()
		}
		if p.result, err = c.session.Execute(life, p.prepared, p.args); err != nil {
			return err
		}
		c.sweepPortals() // it may have ended the transaction, or part of it
	} else if !p.done && p.release != nil {
		stop := context.AfterFunc(ctx, p.release)
		defer stop()
	}
	if err := c.continuePortal(ctx, msg, p); err != nil {
		return err
	}
	p.failed = false
	return nil
}

// continuePortal answers Execute for a portal that has begun.
func (c *conn) continuePortal(ctx context.Context, msg *pgproto3.Execute, p *portal) error {
	res := p.result
	complete := func(n int64) { c.out.Send(&pgproto3.CommandComplete{CommandTag: []byte(res.Tag(n))}) }
	switch {
	case res.Rows == nil && res.Tag(0) == "":
		c.out.Send(&pgproto3.EmptyQueryResponse{})
		return nil
	case p.done && res.Rows == nil:
		return fqgw.Errorf(fqgw.CodeNotInState, "portal \"%s\" cannot be run", msg.Portal)
	case res.CopyOut != nil || res.CopyIn != nil:
		p.done = true
		n, err := c.answer(ctx, res)
		if err == nil {
			complete(n)
		}
		return err
	case res.Rows == nil:
		p.done = true
		complete(0)
		return nil
	case p.done:
		complete(0)
		return nil
	}
	c.enc.Reset(res.Columns, p.formats, c.session.Env())
	n, more, err := c.sendRows(res.Rows, int64(msg.MaxRows))
	if err != nil {
		return err
	}
	if more {
		c.out.Send(&pgproto3.PortalSuspended{})
		return nil
	}
	p.done = true
	if err := res.Rows.Close(); err != nil {
		return err
	}
	complete(n)
	return nil
}
