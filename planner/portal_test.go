package planner

import (
	"context"
	"io"
	"testing"

	"github.com/fqgw/fqgw"
)

// opened opens a portal over a query of so many rows and reads the first.
func (c *client) opened(t *testing.T, name string, rows int64) *Portal {
	t.Helper()
	q := c.prepared(t, "SELECT x FROM generate_series(1, $1) AS s(x)", 23)
	if err := c.MayOpen(name, q); err != nil {
		t.Fatal(err)
	}
	if err := c.Open(name, q, []fqgw.Value{fqgw.IntValue(rows)}, []int16{1}); err != nil {
		t.Fatal(err)
	}
	p, err := c.Portal(name)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Execute(t.Context(), true)
	if err == nil {
		_, err = res.Rows.Next()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.Suspend()
	return p
}

// is says whether a portal of that name is open.
func (c *client) is(name string) bool {
	_, err := c.Portal(name)
	return err == nil
}

// TestPortalsFollowTransactions: a portal ends with the part of the transaction that
// it was opened in, and what it held is given back.
func TestPortalsFollowTransactions(t *testing.T) {
	c := newClient(t)
	kept := c.Room().Used()
	c.BeginBatch()
	c.opened(t, "batch", 3)
	c.query("BEGIN")
	if !c.is("batch") {
		t.Error("BEGIN ended what the batch had opened")
	}
	c.opened(t, "top", 3)
	c.query("SAVEPOINT a")
	c.opened(t, "in a", 3)
	c.query("SAVEPOINT b")
	c.opened(t, "in b", 3)
	c.query("RELEASE b")
	if !c.is("in b") {
		t.Error("RELEASE ended what was opened behind the savepoint")
	}
	c.query("SELECT nix")
	if !c.is("in a") || !c.is("top") {
		t.Error("an error alone ended what was open")
	}
	top, _ := c.Portal("top")
	if _, err := top.Execute(t.Context(), true); err == nil || fqgw.AsError(err).Code != fqgw.CodeFailedTransaction {
		t.Errorf("a portal in a block that failed: %v", err)
	}
	c.query("ROLLBACK TO a")
	if c.is("in a") || c.is("in b") || !c.is("top") {
		t.Error("ROLLBACK TO: what was opened behind the savepoint has to end, and nothing else", c.is("in a"), c.is("in b"), c.is("top"))
	}
	c.query("COMMIT")
	if c.is("top") || c.is("batch") || len(c.portals) != 0 {
		t.Error("COMMIT left something open")
	}
	c.Forget("")
	if n := c.Room().Used(); n != kept {
		t.Errorf("%d bytes are kept after all was closed, %d before", n, kept)
	}
}

// TestPortalLife: a portal goes on where it was left, ends with a cancellation while it
// runs and with no other, and its arguments are its own.
func TestPortalLife(t *testing.T) {
	c := newClient(t)
	c.query("BEGIN")
	p, other := c.opened(t, "", 3), c.opened(t, "other", 10_000_000)
	ctx, cancel := context.WithCancel(t.Context())
	res, err := p.Execute(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	if row, err := res.Rows.Next(); err != nil || row[0].Int() != 2 {
		t.Fatalf("%v, %v", row, err)
	}
	p.Suspend()
	cancel() // nobody's any more
	if res, err = p.Execute(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if row, err := res.Rows.Next(); err != nil || row[0].Int() != 3 {
		t.Fatalf("%v, %v", row, err)
	}
	if _, err := res.Rows.Next(); err != io.EOF {
		t.Fatal(err)
	}
	if err := p.End(); err != nil || !p.Done() {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if res, err = other.Execute(ctx, true); err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		_, err = res.Rows.Next()
	}
	if fqgw.AsError(err).Code != fqgw.CodeQueryCanceled {
		t.Errorf("a portal that was cancelled: %v", err)
	}
	if _, err := other.Execute(t.Context(), true); err == nil || fqgw.AsError(err).Code != fqgw.CodeNotInState {
		t.Errorf("a portal that failed: %v", err)
	}
	first := c.Arguments(1)
	c.opened(t, "", 3)
	if third := c.Arguments(1); len(first) == 1 && len(third) == 1 && &first[0] == &third[0] {
		t.Error("the arguments of an open portal are given away")
	}
}
