package gateway

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fqgw/fqgw/gateway/wire"
	"github.com/fqgw/fqgw/planner"
	"github.com/fqgw/fqgw/planner/plan"
)

// simple answers a Query message: its statements in order, one implicit
// transaction, the first error ends it, one ReadyForQuery. Messages of the
// extended protocol before it, without Sync, are part of its transaction.
func (c *conn) simple(sql string) error {
	c.session.ClosePortal("")
	c.session.Forget("")
	c.batch = false
	err := c.statements(sql)
	if errors.Is(err, errBroken) {
		return err
	}
	if err != nil {
		c.fail(err)
	}
	return c.ready()
}

func (c *conn) statements(sql string) error {
	texts, err := c.session.Split(sql)
	if err != nil {
		return err
	}
	c.session.BeginImplicit(len(texts) > 1)
	if len(texts) == 0 {
		c.out.Send(&pgproto3.EmptyQueryResponse{})
		return c.session.EndImplicit(c.ctx)
	}
	for i, t := range texts {
		if err := c.simpleStatement(t, i == len(texts)-1); err != nil {
			return err
		}
	}
	return nil
}

// simpleStatement runs one statement of a string; with the last one its
// transaction ends before it is said to be complete.
func (c *conn) simpleStatement(t *planner.Text, last bool) error {
	ctx := c.begin()
	defer c.finish()
	p, err := c.session.PrepareQuery(t)
	if err != nil {
		return err
	}
	res, err := c.session.Execute(ctx, p, nil)
	if err != nil {
		return err
	}
	n, err := c.answer(ctx, res)
	if err != nil {
		return err
	}
	if last {
		if err := c.session.EndImplicit(ctx); err != nil {
			return err
		}
	}
	c.complete(res.Tag, n)
	return nil
}

// complete says that a statement is done.
func (c *conn) complete(tag planner.Tag, rows int64) {
	c.done.CommandTag = tag.Append(c.done.CommandTag[:0], rows)
	c.out.Send(&c.done)
}

// answer sends the rows of a result in text format, or does its COPY, and says
// how many rows they were.
func (c *conn) answer(ctx context.Context, res *planner.Result) (n int64, err error) {
	switch {
	case res.CopyOut != nil:
		return c.copyOut(res.CopyOut)
	case res.CopyIn != nil:
		return c.copyIn(ctx, res.CopyIn)
	case res.Rows != nil:
		c.describeColumns(res.Columns, nil)
		c.rows.Reset(res.Columns, nil, c.session.Env())
		n, _, err = c.sendRows(res.Rows, 0)
		if closed := res.Rows.Close(); err == nil {
			err = closed
		}
	}
	return n, err
}

// rowDescription describes columns; formats are as in Bind: none, one for all,
// or one each.
func rowDescription(cols []plan.Column, formats []int16) *pgproto3.RowDescription {
	fields := make([]pgproto3.FieldDescription, len(cols))
	for i, col := range cols {
		fields[i] = pgproto3.FieldDescription{Name: []byte(col.Name), TableOID: col.Rel, TableAttributeNumber: uint16(col.Att),
			DataTypeOID: col.Type.OID, DataTypeSize: col.Type.Size(), TypeModifier: col.Type.Mod, Format: wire.Format(formats, i)}
	}
	return &pgproto3.RowDescription{Fields: fields}
}
